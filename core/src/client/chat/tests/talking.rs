//! Coming in, the heartbeat, the token, and what close codes ask for.

use super::*;
use crate::client::chat::{Event, Machine, Place, Request, Settings, State, Token};
use crate::error::{Error, ErrorCode};

fn join() -> Request {
    Request::Join { room: "lobby".into(), history: None, since: None }
}

#[test]
fn who_joins_and_sends_before_it_is_open_is_answered_and_hears_it() {
    let mut desk = Desk::new(Settings::new().name("Ann"));
    let (join, send) = (desk.ask(join()), desk.say("hi"));
    desk.machine.opened(desk.now_ms);
    desk.drain();
    assert!(desk.sent.is_empty(), "what comes behind hello waits for its reply");
    assert_eq!(desk.hello, r#"{"id":1,"do":"hello","name":"Ann","heartbeat_ms":25000}"#);
    desk.open("");
    assert_eq!(desk.reply(&joined(0, &[])), r#"{"id":2,"do":"join","room":"lobby","history":50}"#);
    desk.hear(r#"{"on":"message","room":"lobby","epoch":5,"offset":1,"prev":null,"message":{"epoch":5,"offset":1,"mid":"x","user":"u7","name":"Ann","color":"red","at":9,"text":"hi"}}"#);
    let sent = desk.reply(r#"{"room":"lobby","epoch":5,"offset":1,"at":9,"duplicate":false}"#);
    assert!(sent.starts_with(r#"{"id":3,"do":"send","room":"lobby","mid":""#), "{sent}");
    assert_eq!(desk.answered(), ["Joined", "at 1"]);
    assert_eq!((desk.answers[0].0, desk.answers[1].0), (join, send));
    assert_eq!(desk.heard(), ["connecting", "open", "hi"]);
    assert_eq!(desk.texts(), ["hi"]);
    assert_eq!(desk.machine.room("lobby").unwrap().unread_count(), 0, "one's own messages are read");
}

#[test]
fn a_heartbeat_is_sent_when_nothing_else_was_for_long_and_a_silent_server_is_left() {
    let mut desk = Desk::in_lobby();
    let opened_ms = desk.now_ms;
    for _ in 0..3 {
        let before_ms = desk.now_ms;
        desk.turn_to(desk.machine.next_deadline_ms().unwrap());
        let passed_ms = desk.now_ms - before_ms;
        assert!((20_000..=25_000).contains(&passed_ms), "{passed_ms}: jitter only shortens");
        assert_eq!(std::mem::take(&mut desk.sent), ["{}"]);
        desk.hear("{}");
    }
    assert!(desk.events.is_empty() && desk.now_ms > opened_ms);
    let heard_ms = desk.now_ms;
    while desk.closes.is_empty() {
        desk.turn_to(desk.machine.next_deadline_ms().unwrap());
    }
    assert_eq!(desk.now_ms, heard_ms + 35_000);
    assert_eq!((desk.closes.as_slice(), desk.heard()), (&[4203][..], vec!["waiting".to_owned()]));
}

#[test]
fn who_reads_nothing_because_the_host_is_slow_does_not_hold_the_server_for_dead() {
    let mut desk = Desk::in_lobby();
    for _ in 0..10 {
        desk.now_ms += 20_000;
        desk.machine.heard(desk.now_ms);
        desk.turn_to(desk.now_ms);
    }
    assert!(desk.closes.is_empty());
}

#[test]
fn every_step_to_the_open_chat_has_its_deadline() {
    let mut desk = Desk::new(Settings::new().token(Token::Asked));
    assert_eq!((desk.token_count, desk.connect_count), (1, 0));
    assert_eq!(desk.machine.next_deadline_ms(), Some(desk.now_ms + 10_000));
    desk.turn_to(desk.now_ms + 10_000);
    assert_eq!(desk.heard(), ["connecting", "error cannot_connect", "waiting"]);
    desk.return_();
    desk.machine.token(Ok("t".into()), desk.now_ms);
    desk.drain();
    assert_eq!((desk.token_count, desk.connect_count), (2, 1));
    desk.turn_to(desk.now_ms + 10_000);
    assert_eq!(desk.closes, [4203], "the WebSocket did not open");
    desk.return_();
    desk.machine.token(Ok("t".into()), desk.now_ms);
    desk.machine.opened(desk.now_ms);
    desk.drain();
    assert!(desk.hello.contains(r#""token":"t""#));
    desk.turn_to(desk.now_ms + 10_000);
    assert_eq!(desk.closes, [4203, 4203], "hello was not answered");
    assert!(matches!(desk.machine.state(), State::Waiting { .. }));
}

#[test]
fn a_token_that_is_asked_for_is_shown_anew_before_the_old_one_ends() {
    let mut desk = Desk::new(Settings::new().token(Token::Asked));
    desk.machine.token(Ok("t1".into()), desk.now_ms);
    desk.drain();
    desk.open(r#","expires_at":1600000"#);
    // 600 seconds by the server's clock, and a minute before they are over.
    desk.machine.heard(desk.now_ms + 539_000);
    desk.turn_to(desk.now_ms + 539_999);
    assert_eq!(desk.token_count, 1);
    desk.turn_to(desk.now_ms + 1);
    assert_eq!(desk.token_count, 2);
    desk.sent.clear();
    desk.machine.token(Ok("t2".into()), desk.now_ms);
    desk.drain();
    assert_eq!(desk.reply(r#"{"expires_at":2600000}"#), r#"{"id":2,"do":"refresh","token":"t2"}"#);
    assert!(desk.answers.is_empty() && desk.machine.next_deadline_ms().is_some());
}

#[test]
fn a_token_that_nobody_had_time_to_look_at_is_shown_again() {
    let mut desk = Desk::new(Settings::new().token(Token::Asked));
    desk.machine.token(Ok("t1".into()), desk.now_ms);
    desk.drain();
    desk.open(r#","expires_at":1600000"#);
    desk.machine.heard(desk.now_ms + 539_000);
    desk.turn_to(desk.now_ms + 540_000);
    desk.sent.clear();
    desk.machine.token(Ok("t2".into()), desk.now_ms);
    desk.drain();
    desk.refuse(ErrorCode::Busy, "");
    assert!(matches!(desk.events.last(), Some(Event::Error(error)) if error.code() == ErrorCode::Busy));
    desk.turn_to(desk.now_ms + 5_000);
    assert_eq!(desk.token_count, 3);
    desk.machine.token(Ok("t3".into()), desk.now_ms);
    desk.drain();
    desk.refuse(ErrorCode::Unauthorized, "");
    desk.turn_to(desk.now_ms + 10_000);
    assert_eq!(desk.token_count, 3, "a no is a no");
}

#[test]
fn a_refused_hello_closes_for_good_and_says_why() {
    let mut desk = Desk::new(Settings::new().name("Ann"));
    let asked = desk.ask(join());
    desk.machine.opened(desk.now_ms);
    desk.drain();
    desk.hear(r#"{"id":1,"error":{"code":208,"name":"name_taken","message":"taken","suggestion":"Ann 2"}}"#);
    let Some(Event::State(State::Closed { code, reason, error })) = desk.events.last() else {
        panic!("{:?}", desk.events)
    };
    assert_eq!((*code, reason.as_str()), (208, "name_taken"));
    assert_eq!(error.as_ref().unwrap().refusal().unwrap().suggestion.as_deref(), Some("Ann 2"));
    assert_eq!(
        (desk.closes.as_slice(), desk.answered()),
        (&[1000][..], vec!["connection_closed".to_owned()])
    );
    assert_eq!((desk.answers[0].0, desk.machine.next_deadline_ms()), (asked, None));
    desk.say("still there?");
    assert_eq!(desk.answered()[1], "connection_closed");
}

#[test]
fn a_busy_servers_hello_is_tried_again_late() {
    let mut desk = Desk::new(Settings::new());
    desk.machine.opened(desk.now_ms);
    desk.drain();
    desk.hear(r#"{"id":1,"error":{"code":212,"name":"busy","message":"later","retry_after_ms":70000}}"#);
    let State::Waiting { until_ms } = desk.machine.state() else { panic!() };
    assert!(until_ms >= desk.now_ms + 70_000);
}

#[test]
fn ones_own_name_that_ones_last_connection_holds_is_waited_for() {
    let mut desk = Desk::in_lobby();
    desk.cut();
    desk.machine.opened(desk.now_ms);
    desk.drain();
    let id = field(&desk.hello, "id").as_u64().unwrap();
    desk.hear(&format!(r#"{{"id":{id},"error":{{"code":208,"name":"name_taken","message":"taken"}}}}"#));
    let State::Waiting { until_ms } = desk.machine.state() else { panic!("{:?}", desk.machine.state()) };
    assert!(until_ms >= desk.now_ms + 15_000);
}

#[test]
fn close_codes_say_whether_and_when_to_come_back() {
    for code in [1002, 1003, 1007, 1008, 1009, 4000, 4001, 4002, 4003, 4004, 4099] {
        let mut desk = Desk::in_lobby();
        desk.say("one");
        desk.machine.closed(code, "so it is", desk.now_ms);
        desk.drain();
        assert_eq!(desk.is_closed(), Some(code));
        assert_eq!(desk.answered(), ["uncertain"], "it was sent");
        assert!(desk.machine.next_deadline_ms().is_none());
    }
    for code in [1000, 1001, 1005, 1006, 1011, 1012, 1013, 3000, 4200, 4201, 4202, 4203, 4204, 4999] {
        let mut desk = Desk::in_lobby();
        desk.machine.closed(code, "", desk.now_ms);
        let State::Waiting { until_ms } = desk.machine.state() else { panic!("{code}") };
        assert!(until_ms <= desk.now_ms + 500, "{code}");
    }
    for code in [4100, 4101, 4102, 4199] {
        let mut desk = Desk::in_lobby();
        desk.machine.closed(code, "", desk.now_ms);
        let State::Waiting { until_ms } = desk.machine.state() else { panic!("{code}") };
        assert!((15_000..=30_000).contains(&(until_ms - desk.now_ms)), "{code}");
    }
}

#[test]
fn who_is_taken_over_stays_away() {
    let mut desk = Desk::in_lobby();
    desk.machine.closed(4003, "replaced", desk.now_ms);
    desk.turn_to(desk.now_ms + 86_400_000);
    assert_eq!((desk.is_closed(), desk.connect_count), (Some(4003), 1));
}

#[test]
fn a_bye_says_when_to_come_back_and_why_it_closes() {
    let mut desk = Desk::in_lobby();
    desk.hear(r#"{"on":"bye","code":4202,"reason":"restart","reconnect_ms":[4000,8000]}"#);
    desk.machine.closed(4202, "restart", desk.now_ms);
    let State::Waiting { until_ms } = desk.machine.state() else { panic!() };
    assert!((4_000..=8_000).contains(&(until_ms - desk.now_ms)));
    let mut desk = Desk::in_lobby();
    desk.hear(r#"{"on":"bye","code":4002,"reason":"banned"}"#);
    desk.machine.closed(1006, "", desk.now_ms);
    assert_eq!(desk.is_closed(), Some(4002), "the close frame did not arrive");
}

#[test]
fn waits_between_tries_grow_to_their_maximum_and_begin_anew_after_a_good_connection() {
    let (mut most_ms, mut seen) = (0, Vec::new());
    for seed in 0..40 {
        let mut desk = Desk::of(Machine::new(Settings::new(), seed).unwrap());
        let mut waits = Vec::new();
        for _ in 0..10 {
            desk.machine.closed(1006, "", desk.now_ms);
            let State::Waiting { until_ms } = desk.machine.state() else { panic!() };
            waits.push(until_ms - desk.now_ms);
            desk.turn_to(until_ms);
        }
        for (nth, wait_ms) in waits.iter().enumerate() {
            assert!(*wait_ms <= (500 << nth).min(30_000), "{waits:?}");
            most_ms = most_ms.max(*wait_ms);
        }
        desk.open("");
        desk.now_ms += 5_000;
        desk.machine.closed(1006, "", desk.now_ms);
        let State::Waiting { until_ms } = desk.machine.state() else { panic!() };
        assert!(until_ms - desk.now_ms <= 500);
        seen.push(waits);
    }
    assert!(most_ms > 25_000, "{most_ms}");
    seen.dedup();
    assert_eq!(seen.len(), 40, "each seed has its own times");
}

#[test]
fn a_refused_token_is_replaced_once() {
    let mut desk = Desk::new(Settings::new().token(Token::Asked));
    desk.machine.token(Ok("old".into()), desk.now_ms);
    desk.drain();
    desk.machine.closed(4001, "", desk.now_ms);
    desk.return_();
    assert_eq!(desk.token_count, 2);
    desk.machine.token(Ok("new".into()), desk.now_ms);
    desk.drain();
    desk.machine.closed(4001, "", desk.now_ms);
    assert_eq!(desk.is_closed(), Some(4001));
}

#[test]
fn a_session_that_is_no_longer_good_is_given_up_once() {
    let mut desk = Desk::in_lobby();
    desk.cut();
    desk.machine.opened(desk.now_ms);
    desk.drain();
    assert!(desk.hello.contains(r#""resume":{"session":"s3cr3t","rooms":{"lobby":{"epoch":5,"offset":3}}}"#));
    let id = field(&desk.hello, "id");
    desk.hear(&format!(
        r#"{{"id":{id},"error":{{"code":216,"name":"unauthorized","message":"no session"}}}}"#
    ));
    desk.return_();
    desk.open("");
    assert!(!desk.hello.contains("resume"), "{}", desk.hello);
    assert!(
        desk.reply(&joined(9, &[])).contains(r#""do":"join","room":"lobby","since":{"epoch":5,"offset":3}"#)
    );
    assert_eq!(desk.heard().last().unwrap(), "reset 9");
}

#[test]
fn what_cannot_be_mended_by_another_try_closes_for_good_and_everything_else_is_tried_again() {
    let mut desk = Desk::new(Settings::new());
    desk.machine.failed(&Error::new(ErrorCode::CannotConnect, "nobody listens"), desk.now_ms);
    desk.return_();
    let refused = Error::new(ErrorCode::HandshakeRefused, "full").with_http_status(503);
    desk.machine.failed(&refused, desk.now_ms);
    let State::Waiting { until_ms } = desk.machine.state() else { panic!() };
    assert!(until_ms >= desk.now_ms + 15_000);
    desk.turn_to(until_ms);
    desk.machine.failed(&Error::new(ErrorCode::InvalidArgument, "no URL"), desk.now_ms);
    desk.drain();
    assert_eq!(desk.is_closed(), Some(101));
    assert!(desk.heard().contains(&"error handshake_refused".to_owned()));
}

#[test]
fn what_is_said_by_a_connection_that_was_given_up_is_nobodys() {
    let mut desk = Desk::in_lobby();
    desk.machine.closed(1006, "", desk.now_ms);
    desk.drain();
    desk.events.clear();
    desk.hear(&format!(
        r#"{{"on":"message","room":"lobby","epoch":5,"offset":4,"message":{}}}"#,
        message(4, "x")
    ));
    desk.machine.closed(4002, "", desk.now_ms);
    desk.machine.opened(desk.now_ms);
    desk.drain();
    assert!(desk.events.is_empty() && desk.is_closed().is_none());
}

#[test]
fn a_text_that_cannot_be_read_is_told_and_harms_nothing() {
    let mut desk = Desk::in_lobby();
    desk.hear(r#"{"on":"message","room":"lobby"#);
    desk.hear(r#"{"error":{"code":120,"name":"bad_request","message":"what?"}}"#);
    desk.hear(r#"{"id":999,"ok":{}}"#);
    assert_eq!(desk.heard(), ["error peer_violation", "error bad_request"]);
    assert!(desk.closes.is_empty());
}

#[test]
fn what_is_for_the_moment_fails_at_once_without_a_connection() {
    let mut desk = Desk::in_lobby();
    desk.machine.closed(1006, "", desk.now_ms);
    desk.ask(Request::Typing { room: "lobby".into(), active: true });
    desk.ask(Request::Tell { to: Place::Room("lobby".into()), data: "1".into() });
    assert_eq!(desk.answered(), ["connection_lost", "connection_lost"]);
}

#[test]
fn a_number_out_of_its_range_is_refused_by_its_name() {
    for (settings, word) in [
        (Settings::new().hello_timeout_ms(0), "hello_timeout_ms is 0"),
        (Settings::new().reconnect_min_ms(60_000), "reconnect_max_ms"),
    ] {
        let error = Machine::new(settings, 1).unwrap_err();
        assert!(error.code() == ErrorCode::InvalidOption && error.message().contains(word), "{error}");
    }
    assert!(!format!("{:?}", Settings::new().token(Token::Fixed("s3cr3t".into()))).contains("s3cr3t"));
}
