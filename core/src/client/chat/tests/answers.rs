//! Changes and other requests: order, breaks, refusals, and what is uncertain.

use super::*;
use crate::client::chat::{From, Place, Post, Request, Settings};
use crate::error::ErrorCode;

fn sent(offset: u64) -> String {
    format!(r#"{{"room":"lobby","epoch":5,"offset":{offset},"at":9,"duplicate":false}}"#)
}

fn mid(text: &str) -> String {
    field(text, "mid").as_str().unwrap().to_owned()
}

#[test]
fn at_most_8_changes_are_unanswered_and_they_go_out_in_order() {
    let mut desk = Desk::in_lobby();
    for nth in 0..12 {
        desk.say(&format!("s{nth}"));
    }
    assert_eq!(desk.sent.len(), 8);
    for nth in 0..12 {
        assert_eq!(field(&desk.reply(&sent(nth + 4)), "text"), format!("s{nth}"));
        assert!(desk.sent.len() <= 8);
    }
    assert_eq!(desk.answers.len(), 12);
    assert_eq!(desk.machine.outbox().count(), 0);
}

#[test]
fn what_had_no_reply_is_sent_again_with_the_same_mid_after_the_resume_and_before_what_came_later() {
    let mut desk = Desk::in_lobby();
    desk.say("one");
    desk.ask(Request::Edit { room: "lobby".into(), offset: 2, text: "two!".into() });
    let before: Vec<String> = desk.sent.drain(..).map(|text| mid(&text)).collect();
    assert_ne!(before[0], before[1]);
    desk.machine.closed(1006, "", desk.now_ms);
    desk.drain();
    desk.say("three");
    assert!(desk.sent.is_empty());
    desk.return_();
    desk.machine.opened(desk.now_ms);
    desk.drain();
    assert!(desk.sent.is_empty(), "not before the reply to hello");
    desk.open(&Desk::resumed(3, "[]"));
    assert_eq!(desk.sent.len(), 3);
    assert_eq!([mid(&desk.sent[0]), mid(&desk.sent[1])], before[..]);
    assert_eq!(field(&desk.reply(&sent(4).replace("false", "true")), "text"), "one");
    assert_eq!(field(&desk.reply(r#"{"epoch":5,"offset":5,"at":9,"duplicate":false}"#), "text"), "two!");
    assert_eq!(field(&desk.reply(&sent(6)), "text"), "three");
    assert_eq!(desk.answered(), ["at 4", "at 5", "at 6"]);
}

#[test]
fn after_rate_limited_nothing_is_sent_until_it_may_and_then_in_order() {
    let mut desk = Desk::in_lobby();
    for nth in 0..3 {
        desk.say(&format!("s{nth}"));
    }
    let first = mid(&desk.reply(&sent(4)));
    desk.refuse(ErrorCode::RateLimited, r#","retry_after_ms":1500"#);
    desk.refuse(ErrorCode::RateLimited, r#","retry_after_ms":1500"#);
    desk.say("s3");
    assert!(desk.sent.is_empty());
    assert_eq!(desk.machine.next_deadline_ms(), Some(desk.now_ms + 1_500));
    desk.turn_to(desk.now_ms + 1_499);
    assert!(desk.sent.is_empty());
    desk.turn_to(desk.now_ms + 1);
    for nth in 1..4 {
        assert_eq!(desk.sent.len(), 1, "one by one, at the rate");
        let again = desk.reply(&sent(4 + nth));
        assert_eq!(field(&again, "text"), format!("s{nth}"));
        assert_ne!(mid(&again), first);
        desk.turn_to(desk.now_ms + 1_500);
    }
    assert_eq!(desk.answered(), ["at 4", "at 5", "at 6", "at 7"]);
}

#[test]
fn a_pause_outlives_a_break() {
    let mut desk = Desk::in_lobby();
    desk.say("one");
    desk.refuse(ErrorCode::RateLimited, r#","retry_after_ms":60000"#);
    let until_ms = desk.now_ms + 60_000;
    desk.cut();
    desk.open(&Desk::resumed(3, "[]"));
    assert!(desk.sent.is_empty());
    desk.machine.heard(until_ms);
    desk.turn_to(until_ms);
    assert!(desk.sent.iter().any(|text| text.contains("one")));
}

#[test]
fn what_may_have_been_stored_is_sent_again_with_the_same_mid_and_what_was_not_is_told() {
    let mut desk = Desk::in_lobby();
    desk.say("one");
    let open = r#","open":true,"position":{"epoch":5,"offset":4}"#;
    let first = mid(&desk.refuse(ErrorCode::StoreUnavailable, open));
    assert!(desk.answers.is_empty());
    desk.turn_to(desk.now_ms + 1_000);
    assert_eq!(mid(&desk.refuse(ErrorCode::StoreUnavailable, open)), first);
    desk.turn_to(desk.now_ms + 1_999);
    assert!(desk.sent.is_empty(), "it waits longer each time");
    desk.turn_to(desk.now_ms + 1);
    assert_eq!(mid(&desk.reply(&sent(4))), first);
    desk.say("two");
    let second = mid(&desk.refuse(ErrorCode::StoreUnavailable, r#","open":false"#));
    desk.turn_to(desk.now_ms + 1_000);
    assert_eq!(mid(&desk.refuse(ErrorCode::Busy, r#","open":false,"retry_after_ms":7000"#)), second);
    desk.turn_to(desk.now_ms + 7_000);
    assert_eq!(mid(&desk.reply(&sent(5))), second);
    desk.say("three");
    desk.refuse(ErrorCode::Muted, "");
    assert_eq!(desk.answered(), ["at 4", "at 5", "muted"]);
}

#[test]
fn a_long_outbox_is_sent_at_the_rate_and_is_no_flood_of_refusals() {
    // As the engine counts: 2 a second, 20 at once.
    let mut desk = Desk::new(Settings::new());
    desk.limits = r#""dedupe_ms":86400000,"message_rate":2,"message_burst":20"#;
    desk.open("");
    desk.ask(Request::Join { room: "lobby".into(), history: None, since: None });
    desk.reply(&joined(0, &[]));
    for nth in 0..60 {
        desk.say(&format!("s{nth}"));
    }
    let (mut full_at_ms, mut said, mut refused) = (0, Vec::new(), 0);
    let began_ms = desk.now_ms;
    loop {
        while !desk.sent.is_empty() {
            if desk.sent[0] == "{}" {
                desk.sent.remove(0);
            } else if full_at_ms <= desk.now_ms + 19 * 500 {
                full_at_ms = desk.now_ms.max(full_at_ms) + 500;
                let text = desk.reply(&sent(said.len() as u64 + 1));
                said.push(field(&text, "text").as_str().unwrap().to_owned());
            } else {
                refused += 1;
                let wait_ms = full_at_ms - 19 * 500 - desk.now_ms;
                desk.refuse(ErrorCode::RateLimited, &format!(r#","retry_after_ms":{wait_ms}"#));
            }
        }
        if said.len() == 60 {
            break;
        }
        desk.machine.heard(desk.now_ms);
        desk.turn_to(desk.machine.next_deadline_ms().unwrap());
    }
    assert_eq!(said, (0..60).map(|nth| format!("s{nth}")).collect::<Vec<_>>());
    assert!((1..=8).contains(&refused), "{refused}");
    assert!(desk.now_ms - began_ms <= 21_000, "{} ms", desk.now_ms - began_ms);
    // When all is said, there is no more waiting.
    desk.turn_to(desk.now_ms + 20_000);
    desk.sent.clear();
    for _ in 0..8 {
        desk.say("again");
    }
    assert_eq!(desk.sent.len(), 8);
}

#[test]
fn a_refusal_of_what_was_sent_before_is_uncertain_and_says_what_the_server_said() {
    let mut desk = Desk::in_lobby();
    desk.say("one");
    desk.sent.clear();
    desk.cut();
    desk.open(&Desk::resumed(3, "[]"));
    desk.refuse(ErrorCode::NotMember, "");
    assert_eq!(desk.answered(), ["uncertain"], "the first time it may have been said");
    assert_eq!(desk.answers[0].1.as_ref().unwrap_err().refusal().unwrap().name, "not_member");
}

#[test]
fn nothing_is_sent_again_later_than_the_server_knows_its_mid() {
    let mut desk = Desk::in_lobby();
    desk.say("sent");
    desk.sent.clear();
    desk.machine.closed(1006, "", desk.now_ms);
    desk.drain();
    desk.say("never sent");
    // A little less than dedupe_ms, because what is sent then has a way to go.
    let until_ms = desk.now_ms + 86_400_000 - 60_000;
    for _ in 0..10_000 {
        desk.machine.closed(1006, "", desk.now_ms);
        let next_ms = desk.machine.next_deadline_ms().unwrap();
        assert!(next_ms <= until_ms);
        desk.turn_to(next_ms);
        if desk.now_ms >= until_ms {
            break;
        }
    }
    assert_eq!((desk.now_ms, desk.answered()), (until_ms, vec!["uncertain".to_owned()]));
    desk.machine.closed(1006, "", desk.now_ms);
    desk.return_();
    desk.open(&Desk::resumed(3, "[]"));
    assert_eq!(field(&desk.reply(&sent(4)), "text"), "never sent");
}

#[test]
fn what_was_sent_as_another_user_is_uncertain_and_what_was_not_is_sent_as_the_new_one() {
    let mut desk = Desk::in_lobby();
    desk.say("sent");
    desk.sent.clear();
    desk.machine.closed(1006, "", desk.now_ms);
    desk.say("not sent");
    desk.return_();
    desk.open_as("u9", "");
    assert_eq!(desk.answered(), ["uncertain"]);
    assert!(desk.reply(&joined(3, &[])).contains(r#""do":"join""#), "the rooms are the new user's to enter");
    assert_eq!(field(&desk.reply(&sent(4)), "text"), "not sent");
    assert_eq!(desk.answered(), ["uncertain", "at 4"]);
}

#[test]
fn the_outbox_has_an_end() {
    let mut desk = Desk::new(Settings::new().max_outbox_count(3));
    for _ in 0..4 {
        desk.say("hm");
    }
    for _ in 0..4 {
        desk.ask(Request::Rooms { limit: None, cursor: None });
    }
    assert_eq!(desk.answered(), ["busy", "busy"]);
    assert_eq!(desk.machine.outbox().count(), 3);
}

#[test]
fn what_may_be_asked_twice_is_and_what_may_not_is_uncertain() {
    let mut desk = Desk::in_lobby();
    let room = || "lobby".to_owned();
    desk.ask(Request::History { room: room(), from: From::Newest, limit: None });
    desk.ask(Request::Call { method: "roll".into(), data: "null".into() });
    desk.ask(Request::Rename { name: "Bo".into() });
    desk.ask(Request::Tell { to: Place::Room(room()), data: "1".into() });
    desk.ask(Request::Read { room: room(), offset: 2 });
    desk.sent.clear();
    desk.cut();
    assert_eq!(desk.answered(), ["uncertain"; 3]);
    desk.ask(Request::Call { method: "roll".into(), data: "null".into() });
    desk.open(&Desk::resumed(3, "[]"));
    let asked: Vec<_> = desk.sent.iter().map(|text| field(text, "do")).collect();
    assert_eq!(asked, ["history", "read", "call"]);
}

#[test]
fn a_room_is_left_after_what_was_to_be_said_there_before() {
    let mut desk = Desk::in_lobby();
    for nth in 0..9 {
        desk.say(&format!("s{nth}"));
    }
    desk.ask(Request::Leave { room: "lobby".into() });
    desk.ask(Request::Join { room: "lobby".into(), history: None, since: None });
    desk.ask(Request::Rooms { limit: None, cursor: None });
    let verbs = |desk: &Desk| {
        desk.sent.iter().map(|text| field(text, "do").to_string()).collect::<Vec<_>>().join(" ")
    };
    assert!(verbs(&desk).ends_with(r#""send" "rooms""#), "{}", verbs(&desk));
    for nth in 0..8 {
        desk.reply(&sent(4 + nth));
    }
    assert_eq!(verbs(&desk), r#""rooms" "send""#);
    desk.reply(r#"{"rooms":[{"room":"lobby","topic":"All","member_count":1,"epoch":5,"offset":11,"read":0,"unread_count":0}]}"#);
    assert_eq!(desk.machine.room("lobby").unwrap().topic(), Some("All"));
    desk.reply(&sent(12));
    assert_eq!(verbs(&desk), r#""leave" "join""#, "and then they keep their order");
    desk.reply("{}");
    assert!(desk.machine.room("lobby").is_none());
    desk.reply(&joined(12, &[]));
    assert_eq!(desk.machine.room("lobby").unwrap().position(), at(12));
}

#[test]
fn who_has_left_already_has_left() {
    let mut desk = Desk::in_lobby();
    desk.ask(Request::Leave { room: "lobby".into() });
    desk.sent.clear();
    desk.cut();
    desk.open(r#","rooms":{"lobby":{"error":{"code":204,"name":"not_member","message":"no"}}}"#);
    desk.refuse(ErrorCode::NotMember, "");
    assert_eq!(desk.answered(), ["Done"]);
    assert!(!desk.heard().iter().any(|event| event.starts_with("removed")), "{:?}", desk.heard());
    assert!(desk.machine.room("lobby").is_none());
}

#[test]
fn what_is_no_json_is_refused_before_it_is_sent() {
    let mut desk = Desk::in_lobby();
    let deep = format!("{}{}", "[".repeat(32), "]".repeat(32));
    for data in ["", "{", "1 2", r#"1,"text":"other""#, &deep] {
        desk.ask(Request::Send(Post::to_room("lobby", "x").data(data)));
        desk.ask(Request::Call { method: "x".into(), data: data.to_owned() });
    }
    assert_eq!(desk.answered(), vec!["invalid_argument"; 10]);
    assert!(desk.sent.is_empty());
    desk.ask(Request::Send(Post::to_room("lobby", "x").data(&deep[1..63])));
    assert_eq!(desk.sent.len(), 1);
}

#[test]
fn who_closes_is_answered_everything_and_says_goodbye() {
    let mut desk = Desk::in_lobby();
    for nth in 0..9 {
        desk.say(&format!("s{nth}"));
    }
    desk.ask(Request::Rooms { limit: None, cursor: None });
    desk.machine.close(desk.now_ms);
    desk.drain();
    let mut expected = vec!["uncertain"; 8];
    expected.extend(["connection_closed", "connection_closed"]);
    assert_eq!(desk.answered(), expected);
    assert_eq!((desk.closes.as_slice(), desk.is_closed()), (&[1000][..], Some(1000)));
    desk.machine.close(desk.now_ms);
    desk.drain();
    assert_eq!(desk.closes.len(), 1);
}

#[test]
fn a_refusal_of_a_newer_server_keeps_its_words() {
    let mut desk = Desk::in_lobby();
    desk.say("x");
    let id = field(&desk.sent[0], "id");
    desk.hear(&format!(r#"{{"id":{id},"error":{{"code":250,"name":"too_windy","message":"come in"}}}}"#));
    let error = desk.answers[0].1.as_ref().unwrap_err();
    assert_eq!((error.code(), error.message().as_str()), (ErrorCode::UnknownCode, "too_windy: come in"));
}
