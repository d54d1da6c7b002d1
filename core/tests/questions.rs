//! What the host is asked.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::{Client, Host, host};
use klatsch::{Admission, ErrorCode, Event, Options, QuestionId, Subject, Verdict};

fn question(host: &mut Host) -> (QuestionId, Subject) {
    let Event::Question(question) = host.event_of("question") else { unreachable!() };
    (question.id, question.subject)
}

/// Connects in a thread of its own: the handshake waits for the host.
fn connecting(
    host: &Host,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
) -> std::thread::JoinHandle<Result<Client, u16>> {
    let address = host.address;
    std::thread::spawn(move || Client::try_connect(address, target, headers))
}

#[test]
fn the_host_may_refuse_a_connection_or_give_it_a_name() {
    let mut host = host(Options::new().ask_admit(true));
    let refused = connecting(&host, "/?room=vip&key=secret", &[("cookie", "sid=1")]);
    let (id, subject) = question(&mut host);
    let Subject::Admit { room, path, query, headers, .. } = subject else { panic!("{subject:?}") };
    assert_eq!((room.unwrap().as_str(), path.as_str(), query.as_str()), ("vip", "/", "room=vip&key=secret"));
    assert!(headers.contains(&("cookie".into(), "sid=1".into())));
    host.engine.answer(id, Verdict::Refuse("members only".into())).unwrap();
    assert_eq!(refused.join().unwrap().err(), Some(403));
    let Event::Refused { error, .. } = host.event_of("refused") else { unreachable!() };
    assert!(error.message().contains("members only"));

    let admitted = connecting(&host, "/", &[]);
    let (id, _) = question(&mut host);
    let wrong = host.engine.answer(id, Verdict::Rewrite("x".into())).unwrap_err();
    assert_eq!(wrong.code(), ErrorCode::WrongVerdict);
    let bad = host.engine.answer(id, Verdict::AllowAs(Admission::new("\u{202e}"))).unwrap_err();
    assert_eq!(bad.code(), ErrorCode::BadName);
    host.engine.answer(id, Verdict::AllowAs(Admission::user("ann", "Ann"))).unwrap();
    assert_eq!(host.engine.answer(id, Verdict::Allow).unwrap_err().code(), ErrorCode::UnknownQuestion);
    let mut ann = admitted.join().unwrap().ok().unwrap();
    let Event::Named { user, .. } = host.event_of("named") else { unreachable!() };
    assert_eq!(user.as_str(), "ann");
    ann.say("Somebody Else");
    assert!(ann.hear().contains(r#""type":"color""#));
    ann.say("hello");
    assert!(ann.hear().contains(r#""author":"Ann""#));
}

#[test]
fn silence_refuses() {
    let host = host(Options::new().ask_admit(true).question_timeout_ms(50));
    assert_eq!(Client::try_connect(host.address, "/", &[]).err(), Some(403));
}

#[test]
fn a_host_that_hears_nothing_admits_nobody() {
    let host = host(Options::new().ask_admit(true).question_timeout_ms(600_000));
    let Host { engine, events, address } = host;
    drop(events);
    assert_eq!(Client::try_connect(address, "/", &[]).err(), Some(403));
    engine.stop_blocking(common::DEADLINE).unwrap();
}

#[test]
fn a_message_waits_for_the_verdict_and_others_do_not_wait_for_it() {
    let mut host = host(Options::new().ask_may_send(true));
    let mut ann = host.named("/", "Ann");
    let mut bob = host.named("/", "Bob");
    ann.say("first");
    let (first, subject) = question(&mut host);
    let Subject::MaySend { text, name, .. } = subject else { panic!("{subject:?}") };
    assert_eq!((text.as_str(), name.as_str()), ("first", "Ann"));
    ann.say("second");
    bob.say("meanwhile");
    let (meanwhile, _) = question(&mut host);
    host.engine.answer(meanwhile, Verdict::Allow).unwrap();
    assert!(ann.hear().contains("meanwhile") && bob.hear().contains("meanwhile"));
    host.engine.answer(first, Verdict::Rewrite("f***t".into())).unwrap();
    assert!(bob.hear().contains("f***t"));
    let (second, _) = question(&mut host);
    host.engine.answer(second, Verdict::Refuse("no".into())).unwrap();
    assert!(matches!(host.event_of("refused"), Event::Refused { connection: Some(_), .. }));
    // The host's own calls are never asked about.
    host.engine.broadcast("lobby", "by the host").unwrap();
    assert!(bob.hear().contains("by the host"));
}

#[test]
fn a_question_about_somebody_who_is_gone_is_closed() {
    let mut host = host(Options::new().ask_may_send(true));
    let mut ann = host.named("/", "Ann");
    ann.say("last words");
    let (id, _) = question(&mut host);
    // A held connection is not read; what the host does to it still happens.
    host.engine.kick(klatsch::ConnectionId(1), "").unwrap();
    host.event_of("disconnected");
    assert_eq!(host.engine.answer(id, Verdict::Allow).unwrap_err().code(), ErrorCode::UnknownQuestion);
}

#[test]
fn heartbeats_do_not_count_while_the_engine_does_not_read() {
    let options = Options::new().ask_may_send(true).heartbeat_interval_ms(100).heartbeat_timeout_ms(100);
    let mut host = host(options.question_timeout_ms(1_000));
    let mut ann = host.named("/", "Ann");
    ann.say("thinking");
    let (id, _) = question(&mut host);
    std::thread::sleep(Duration::from_millis(500));
    host.engine.answer(id, Verdict::Allow).unwrap();
    assert!(ann.hear().contains("thinking"));
}
