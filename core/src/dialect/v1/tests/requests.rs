//! What each request of the transcripts means.

use std::borrow::Cow;

use super::*;
use crate::command::request::{Act, From, Hello, Page, Place, Post, Request, Resume, Target};
use crate::id::Position;
use crate::message::Role;

const LOBBY: Cow<'static, str> = Cow::Borrowed("lobby");
const DAN: Cow<'static, str> = Cow::Borrowed("u9");

fn at(epoch: u64, offset: u64) -> Position {
    Position { epoch: 1_795_350_666_580 + epoch, offset }
}

fn target(offset: u64, mid: &'static str) -> Target<'static> {
    Target { room: LOBBY, offset, mid: mid.into() }
}

fn post(mid: &'static str) -> Post<'static> {
    Post { to: Place::Room(LOBBY), mid: mid.into(), text: "hello".into(), reply_to: None, data: None }
}

fn moderate(act: Act<'static>) -> Request<'static> {
    Request::Moderate { room: LOBBY, act }
}

fn history(from: From, limit: Option<u64>) -> Request<'static> {
    Request::History { room: LOBBY, from, limit }
}

fn expected() -> Vec<(&'static str, Option<u64>, Request<'static>)> {
    let page = |limit, cursor: Option<&'static str>| Page { limit, cursor: cursor.map(Cow::from) };
    let ann = || Hello { name: Some("Ann".into()), ..Hello::default() };
    let resume = Resume {
        session: "s3cr3t".into(),
        rooms: vec![(LOBBY, at(1, 57)), ("den".into(), at(2, 3)), ("attic".into(), at(3, 9))],
    };
    let back = Resume { session: "s3cr3t".into(), rooms: vec![(LOBBY, at(1, 60)), ("den".into(), at(2, 3))] };
    let token = Hello { token: Some("t0k3n".into()), heartbeat_ms: Some(10_000), ..Hello::default() };
    let to_user = Post {
        to: Place::User("u8".into()),
        text: "see 👀".into(),
        reply_to: Some(1),
        data: Some(r#"{"link":["https://example.org/",1.50]}"#),
        ..post("a-2")
    };
    let search = Request::Search {
        query: "coffee".into(),
        room: Some(LOBBY),
        from_user: Some("u8".into()),
        page: page(Some(10), None),
    };
    let role = Act::Role { user: DAN, role: Role::Moderator };
    vec![
        ("hello", Some(1), Request::Hello(ann())),
        ("hello-token", Some(1), Request::Hello(token)),
        ("hello-resume", Some(1), Request::Hello(Hello { resume: Some(resume), ..ann() })),
        ("hello-back", Some(1), Request::Hello(Hello { resume: Some(back), ..Hello::default() })),
        ("refresh", Some(2), Request::Refresh { token: "n3w3r".into() }),
        ("join", Some(3), Request::Join { room: LOBBY, since: None, history: Some(2) }),
        ("join-since", Some(4), Request::Join { room: LOBBY, since: Some(at(1, 58)), history: None }),
        ("join-lost", Some(4), Request::Join { room: "den".into(), since: Some(at(2, 3)), history: None }),
        ("leave", Some(5), Request::Leave { room: LOBBY }),
        ("rooms", Some(6), Request::Rooms { page: page(Some(2), None) }),
        ("rooms-more", Some(6), Request::Rooms { page: page(None, Some("2")) }),
        ("send", Some(7), Request::Send(post("a-1"))),
        ("send-again", Some(8), Request::Send(post("a-1"))),
        ("send-to-user", Some(9), Request::Send(to_user)),
        ("send-blind", None, Request::Send(post("a-3"))),
        ("edit", Some(10), Request::Edit { of: target(59, "a-4"), text: "hello!".into() }),
        ("delete", Some(11), Request::Delete { of: target(59, "a-5"), reason: None }),
        (
            "delete-why",
            Some(11),
            Request::Delete { of: target(58, "a-6"), reason: Some("advertising".into()) },
        ),
        ("react", Some(12), Request::React { of: target(58, "a-7"), emoji: "👍".into(), add: true }),
        ("history", Some(13), history(From::Newest, None)),
        ("history-before", Some(14), history(From::Before(59), Some(50))),
        ("history-around", Some(15), history(From::Around(30), Some(20))),
        (
            "history-after",
            Some(16),
            Request::History { room: "den".into(), from: From::After(0), limit: Some(100) },
        ),
        ("search", Some(17), search),
        ("members", Some(18), Request::Members { room: LOBBY, page: page(Some(1), None) }),
        ("read", Some(19), Request::Read { room: LOBBY, offset: 58 }),
        ("typing", None, Request::Typing { room: LOBBY, active: true }),
        ("typing-done", Some(20), Request::Typing { room: LOBBY, active: false }),
        ("tell", None, Request::Tell { to: Place::Room(LOBBY), data: r#"{"x":3,"y":4}"# }),
        ("tell-user", Some(21), Request::Tell { to: Place::User("u8".into()), data: r#""ring""# }),
        ("rename", Some(22), Request::Rename { name: "Ann B.".into() }),
        ("kick", Some(23), moderate(Act::Kick { user: DAN })),
        ("mute", Some(24), moderate(Act::Mute { user: DAN, seconds: Some(600) })),
        ("ban", Some(25), moderate(Act::Ban { user: DAN, seconds: None })),
        ("unban", Some(26), moderate(Act::Unban { user: DAN })),
        ("slow", Some(27), moderate(Act::Slow { seconds: 10 })),
        ("topic", Some(28), moderate(Act::Topic { topic: "".into() })),
        ("role", Some(29), moderate(role)),
        ("clear", Some(30), moderate(Act::Clear { user: None })),
        ("block", Some(31), Request::Block { user: DAN, on: true }),
        ("call", Some(32), Request::Call { method: "weather".into(), data: r#"["Wien"]"# }),
        ("tolerant", Some(33), Request::Join { room: "__proto__".into(), since: None, history: None }),
    ]
}

#[test]
fn every_request_is_read_as_it_was_meant() {
    let mut documents = documents("requests", true);
    for (name, id, request) in expected() {
        let json = documents.remove(name).unwrap_or_else(|| panic!("{name} is in no transcript"));
        assert_eq!(read(&json, BOUNDS).unwrap(), Incoming::Request { id, request }, "{name}");
    }
    assert!(documents.is_empty(), "{documents:?}");
}

#[test]
fn a_heartbeat_asks_for_nothing() {
    for text in ["{}", " { } "] {
        assert_eq!(read(text, BOUNDS).unwrap(), Incoming::Heartbeat);
    }
}

#[test]
fn texts_without_escapes_are_borrowed() {
    let json = r#"{"do":"rename","name":"Ann"}"#;
    let Ok(Incoming::Request { request: Request::Rename { name }, .. }) = read(json, BOUNDS) else {
        panic!()
    };
    assert!(matches!(name, Cow::Borrowed("Ann")));
}
