//! Both sides' texts, against the same transcripts as the engine's codec.

use std::collections::{BTreeMap, BTreeSet};

use super::read::message;
use super::*;
use crate::client::chat::message::{Act, Change, Member, Message, Reaction, Record, RoomLine};
use crate::client::chat::request::{From, Hit, Place, Post, Reply, Request};
use crate::dialect::json::Json;
use crate::error::Refusal;
use crate::id::Position;

/// The documents of a transcript in one direction, by name.
fn documents(file: &str, arrow: &str) -> BTreeMap<String, String> {
    let path = format!("{}/../tests/transcripts/v1/{file}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let taken = lines.map(|line| line.splitn(3, ' ').collect::<Vec<_>>()).filter(|line| line[1] == arrow);
    taken.map(|line| (line[0].to_owned(), line[2].to_owned())).collect()
}

fn ok_of<'a>(texts: &'a BTreeMap<String, String>, name: &str) -> Json<'a> {
    match document(&texts[name]) {
        Ok(Document::Reply { result: Ok(ok), .. }) => ok,
        other => panic!("{name}: {other:?}"),
    }
}

/// The room in which `u7` and `u8` talk.
const DIRECT: &str = "dm:f7e3f8c64629d39a8a1d97ff143a8d26";

fn at(epoch: u64, offset: u64) -> Position {
    Position { epoch, offset }
}

const LOBBY: u64 = 1_795_350_666_581;

fn lobby() -> String {
    "lobby".into()
}

/// What is asked for in the transcripts, by name: the request, and the mid of a change.
fn asked() -> Vec<(&'static str, Request, Option<&'static str>)> {
    let join = |history, since| Request::Join { room: lobby(), history, since };
    let history = |room: &str, from, limit| Request::History { room: room.into(), from, limit };
    let moderate = |act| Request::Moderate { room: lobby(), act };
    let user = || "u9".to_owned();
    let post = Post::to_room("lobby", "hello");
    let link = Post::to_user("u8", "see 👀").reply_to(1).data(r#"{"link":["https://example.org/",1.50]}"#);
    vec![
        ("refresh", Request::Refresh { token: "n3w3r".into() }, None),
        ("join", join(Some(2), None), None),
        ("join-since", join(None, Some(at(LOBBY, 58))), None),
        (
            "join-lost",
            Request::Join { room: "den".into(), history: None, since: Some(at(LOBBY + 1, 3)) },
            None,
        ),
        ("leave", Request::Leave { room: lobby() }, None),
        ("rooms", Request::Rooms { limit: Some(2), cursor: None }, None),
        ("rooms-more", Request::Rooms { limit: None, cursor: Some("2".into()) }, None),
        ("send", Request::Send(post.clone()), Some("a-1")),
        ("send-again", Request::Send(post), Some("a-1")),
        ("send-to-user", Request::Send(link), Some("a-2")),
        ("edit", Request::Edit { room: lobby(), offset: 59, text: "hello!".into() }, Some("a-4")),
        ("delete", Request::Delete { room: lobby(), offset: 59, reason: None }, Some("a-5")),
        (
            "delete-why",
            Request::Delete { room: lobby(), offset: 58, reason: Some("advertising".into()) },
            Some("a-6"),
        ),
        ("react", Request::React { room: lobby(), offset: 58, emoji: "👍".into(), add: true }, Some("a-7")),
        ("history", history("lobby", From::Newest, None), None),
        ("history-before", history("lobby", From::Before(59), Some(50)), None),
        ("history-around", history("lobby", From::Around(30), Some(20)), None),
        ("history-after", history("den", From::After(0), Some(100)), None),
        (
            "search",
            Request::Search {
                query: "coffee".into(),
                room: Some(lobby()),
                from_user: Some("u8".into()),
                limit: Some(10),
                cursor: None,
            },
            None,
        ),
        ("members", Request::Members { room: lobby(), limit: Some(1), cursor: None }, None),
        ("read", Request::Read { room: lobby(), offset: 58 }, None),
        ("typing-done", Request::Typing { room: lobby(), active: false }, None),
        ("tell-user", Request::Tell { to: Place::User("u8".into()), data: "\"ring\"".into() }, None),
        ("rename", Request::Rename { name: "Ann B.".into() }, None),
        ("kick", moderate(Act::Kick { user: user() }), None),
        ("mute", moderate(Act::Mute { user: user(), seconds: Some(600) }), None),
        ("ban", moderate(Act::Ban { user: user(), seconds: None }), None),
        ("unban", moderate(Act::Unban { user: user() }), None),
        ("slow", moderate(Act::Slow { seconds: 10 }), None),
        ("topic", moderate(Act::Topic { topic: String::new() }), None),
        ("role", moderate(Act::Role { user: user(), role: "moderator".into() }), None),
        ("clear", moderate(Act::Clear { user: None }), None),
        ("block", Request::Block { user: user(), on: true }, None),
        ("call", Request::Call { method: "weather".into(), data: "[\"Wien\"]".into() }, None),
    ]
}

#[test]
fn requests_are_written_as_in_the_transcripts_byte_for_byte() {
    let mut texts = documents("requests", ">");
    // Written by another test, or what this client never says: requests without an id, and a tolerance of the server's.
    texts.retain(|name, text| !name.starts_with("hello") && text.contains("\"id\"") && name != "tolerant");
    for (name, asked, mid) in asked() {
        let text = texts.remove(name).unwrap_or_else(|| panic!("there is no {name}"));
        let id = serde_json::from_str::<serde_json::Value>(&text).unwrap()["id"].as_u64().unwrap();
        assert_eq!(request(id, &asked, mid), text, "{name}");
    }
    assert!(texts.is_empty(), "{texts:?}");
}

#[test]
fn hello_is_written_as_in_the_transcripts_byte_for_byte() {
    let texts = documents("requests", ">");
    let plain = Hello { name: Some("Ann"), token: None, heartbeat_ms: None, resume: None };
    assert_eq!(hello(1, &plain), texts["hello"]);
    let token = Hello { name: None, token: Some("t0k3n"), heartbeat_ms: Some(10_000), resume: None };
    assert_eq!(hello(1, &token), texts["hello-token"]);
    let rooms = vec![("lobby", at(LOBBY, 57)), ("den", at(LOBBY + 1, 3)), ("attic", at(LOBBY + 2, 9))];
    let back = Hello { resume: Some(("s3cr3t", rooms)), ..plain };
    assert_eq!(hello(1, &back), texts["hello-resume"]);
}

#[test]
fn every_reply_is_read_as_the_answer_to_its_request() {
    let texts = documents("requests", "<");
    let mut read: BTreeSet<&str> = BTreeSet::new();
    for (name, asked, mid) in &asked() {
        let Some(text) = texts.get(*name) else { continue };
        let Ok(Document::Reply { result: Ok(ok), id }) = document(text) else { panic!("{name}") };
        assert!(id > 1, "{name}");
        read.insert(name);
        match (asked, mid) {
            (_, Some(mid)) => {
                let sent = sent(ok, Some("lobby"), mid).unwrap();
                assert_eq!((sent.at_ms, sent.mid.as_str()), (1_700_000_000_000, *mid), "{name}");
                assert_eq!(sent.duplicate, *name == "send-again");
                assert_eq!(sent.room, if *name == "send-to-user" { DIRECT } else { "lobby" });
                assert!(sent.position.epoch >= LOBBY && sent.position.offset > 0, "{name}");
            }
            (Request::Join { .. }, _) => {
                entered(ok).unwrap_or_else(|why| panic!("{name}: {why:?}"));
            }
            _ => {
                reply(asked, ok).unwrap_or_else(|why| panic!("{name}: {why:?}"));
            }
        }
    }
    let all: BTreeSet<&str> =
        texts.keys().map(String::as_str).filter(|name| !name.starts_with("hello")).collect();
    assert_eq!(read, all);
}

#[test]
fn a_join_says_what_stands_in_the_room() {
    let texts = documents("requests", "<");
    let joined = entered(ok_of(&texts, "join")).unwrap();
    assert_eq!((joined.top, joined.recovered, joined.more), (at(LOBBY, 58), false, true));
    assert_eq!((joined.member_count, joined.read, joined.unread_count), (12, 55, 1));
    let cy = Member { user: "host-1".into(), name: "Cy".into(), color: "plum".into(), role: "owner".into() };
    assert_eq!((joined.members.len(), &joined.members[0]), (2, &cy));
    let Content::Messages(messages) = joined.content else { panic!("these are messages") };
    let bobs = Message {
        position: at(LOBBY, 58),
        mid: Some("b-9".into()),
        user: "u8".into(),
        name: "Bob".into(),
        color: "green".into(),
        at_ms: 1_700_000_000_000,
        text: Some("hi \"Ann\"\n<b>&</b>".into()),
        reply_to: Some(55),
        revision: 2,
        reactions: vec![Reaction { emoji: "👍".into(), users: vec!["u2".into(), "u3".into()] }],
        data: Some("{\"seen\":[1,2]}".into()),
    };
    assert_eq!((messages.len(), &*messages[1]), (2, &bobs));
    let since = entered(ok_of(&texts, "join-since")).unwrap();
    let Content::Records { records, rollback: None } = since.content else { panic!("these are records") };
    assert!(since.recovered && records.len() == 2);
    assert_eq!(records[0].prev, Some(at(LOBBY, 58)));
    let lost = entered(ok_of(&texts, "join-lost")).unwrap();
    assert!(
        matches!(lost.content, Content::Records { rollback: Some(to), records } if to.offset == 1 && records.is_empty())
    );
    let delete = Change::Delete { of: 55, mid: Some("c-1".into()), user: "host-1".into() };
    assert_eq!((records[1].position, &records[1].change), (at(LOBBY, 60), &delete));
}

#[test]
fn a_hello_says_who_one_is_and_what_became_of_each_room() {
    let texts = documents("requests", "<");
    let first = welcome(ok_of(&texts, "hello")).unwrap();
    assert!(first.rooms.is_none());
    assert_eq!((first.session.as_str(), first.heartbeat_ms), ("s3cr3t", Some(25_000)));
    assert_eq!(
        (first.me.connection, first.me.user.as_str(), first.me.limits["dedupe_ms"]),
        (7, "u7", 86_400_000)
    );
    let token = welcome(ok_of(&texts, "hello-token")).unwrap();
    assert_eq!((token.me.limits.len(), token.expires_at_ms), (0, Some(1_700_003_600_000)));
    let rooms = welcome(ok_of(&texts, "hello-back")).unwrap().rooms.unwrap();
    let Resumed::In(lobby) = &rooms["lobby"] else { panic!("lobby") };
    let Content::Records { rollback, records } = &lobby.content else { panic!("these are records") };
    assert_eq!((*rollback, records.len()), (Some(at(LOBBY, 58)), 1));
    let back = welcome(ok_of(&texts, "hello-resume")).unwrap();
    let rooms = back.rooms.unwrap();
    assert!(matches!(&rooms["lobby"], Resumed::In(entered) if entered.recovered));
    assert!(matches!(&rooms["den"], Resumed::In(entered) if !entered.recovered && entered.top.offset == 0));
    assert!(matches!(&rooms["attic"], Resumed::Out(refusal) if refusal.number == 210));
}

#[test]
fn lists_are_read_with_what_stands_in_them() {
    let texts = documents("requests", "<");
    let asked: BTreeMap<_, _> = asked().into_iter().map(|(name, request, _)| (name, request)).collect();
    let reply = |name: &str| reply(&asked[name], ok_of(&texts, name)).unwrap();
    let Reply::Rooms { rooms, cursor } = reply("rooms") else { panic!("rooms") };
    assert_eq!((rooms.len(), cursor.as_deref()), (2, Some("2")));
    assert_eq!((rooms[0].topic.as_str(), rooms[0].position), ("Everything", at(LOBBY, 58)));
    assert_eq!(rooms[1].with.as_deref(), Some("u8"));
    assert_eq!(rooms[1].last.as_ref().unwrap().text.as_deref(), Some("psst"));
    let Reply::Page(newest) = reply("history") else { panic!("history") };
    assert_eq!((newest.position, newest.more, newest.records.len()), (at(LOBBY, 62), true, 0));
    assert_eq!((&newest.messages[0].text, newest.messages[0].revision), (&None, 1));
    let Reply::Page(after) = reply("history-after") else { panic!("history-after") };
    assert_eq!((after.records[0].prev, after.records[1].prev), (None, Some(at(LOBBY + 1, 1))));
    assert_eq!(reply("read"), Reply::Read { offset: 58 });
    assert_eq!(reply("refresh"), Reply::Refreshed { expires_at_ms: 1_700_003_600_000 });
    assert_eq!(reply("rename"), Reply::Renamed { name: "Ann B.".into(), color: "red".into() });
    assert_eq!(reply("kick"), Reply::Moderated { position: at(LOBBY, 63) });
    assert_eq!(reply("call"), Reply::Called { data: "{\"degrees\":-3.5}".into() });
    assert_eq!(reply("leave"), Reply::Done);
}

/// No engine gives them yet; one that does gives them like this.
#[test]
fn what_a_search_has_found_is_read() {
    let asked: BTreeMap<_, _> = asked().into_iter().map(|(name, request, _)| (name, request)).collect();
    let text = r#"{"id":17,"ok":{"hits":[{"room":"lobby","offset":12,"snippet":"more coffee, please"}],"cursor":"12"}}"#;
    let texts = BTreeMap::from([("search".to_owned(), text.to_owned())]);
    let found = reply(&asked["search"], ok_of(&texts, "search")).unwrap();
    let Reply::Found { hits, .. } = found else { panic!("search") };
    assert_eq!(hits, [Hit { room: lobby(), offset: 12, snippet: "more coffee, please".into() }]);
}

#[test]
fn refusals_keep_their_number_and_all_that_came_with_them() {
    let texts = documents("refusals", "<");
    let read = |name: &str| match document(&texts[name]) {
        Ok(Document::Reply { result: Err(refusal), .. }) => refusal,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!((read("rate_limited").number, read("rate_limited").retry_after_ms), (211, Some(1_500)));
    assert_eq!(read("name_taken").suggestion.as_deref(), Some("Ann 2"));
    assert_eq!((read("busy").open, read("busy").retry_after_ms), (Some(false), Some(1_000)));
    let doubt = read("store_unavailable");
    assert_eq!((doubt.open, doubt.position), (Some(true), Some(at(LOBBY, 59))));
    assert!(texts.keys().all(|name| read(name).name == *name));
    for text in documents("wrong", "<").into_values() {
        let read = document(&text).unwrap();
        assert!(matches!(read, Document::Complaint(_) | Document::Reply { result: Err(_), .. }), "{text}");
    }
    let newer = crate::Error::refused(Refusal {
        number: 299,
        name: "too_windy".into(),
        message: "come in".into(),
        ..Refusal::default()
    });
    assert_eq!(
        (newer.code(), newer.message().as_str()),
        (crate::ErrorCode::UnknownCode, "too_windy: come in")
    );
    assert_eq!(newer.refusal().unwrap().number, 299);
}

fn record(offset: u64, change: Change) -> Happening {
    let (position, prev) = (at(LOBBY, offset), Some(at(LOBBY, offset - 1)));
    Happening::Record { room: lobby(), record: Record { position, prev, at_ms: 1_700_000_000_000, change } }
}

#[test]
fn every_event_is_read_as_what_it_says() {
    let mut texts = documents("events", "<");
    assert_eq!(document(&texts.remove("heartbeat").unwrap()), Ok(Document::Heartbeat));
    let user = || "u9".to_owned();
    let by = || Some("u8".to_owned());
    let act = |offset, act, by| record(offset, Change::Moderation { act, by });
    let first = |name: &str| {
        let text = documents("events", "<").remove(name).unwrap();
        let json = Json::parse(&text, 9).unwrap();
        let (_, inside) = json.fields().unwrap().find(|(field, _)| field == "message").unwrap();
        Change::Message(message(inside).unwrap())
    };
    let den = |position, prev, name| Happening::Record {
        room: "den".into(),
        record: Record { position, prev, at_ms: 1_700_000_000_000, change: first(name) },
    };
    let line = RoomLine {
        room: DIRECT.into(),
        with: by(),
        member_count: 2,
        unread_count: 1,
        position: at(LOBBY + 2, 1),
        ..RoomLine::default()
    };
    let expected = [
        ("message", record(58, first("message"))),
        (
            "edit",
            record(
                59,
                Change::Edit { of: 58, mid: Some("b-10".into()), user: "u8".into(), text: "hi!".into() },
            ),
        ),
        ("delete", record(60, Change::Delete { of: 58, mid: Some("b-11".into()), user: "u8".into() })),
        (
            "react",
            record(
                61,
                Change::React {
                    of: 57, mid: "a-7".into(), user: "u7".into(), emoji: "👍".into(), add: true
                },
            ),
        ),
        ("slow", act(62, Act::Slow { seconds: 10 }, by())),
        ("kick", act(63, Act::Kick { user: user() }, None)),
        ("mute", act(64, Act::Mute { user: user(), seconds: Some(600) }, by())),
        ("ban", act(65, Act::Ban { user: user(), seconds: None }, by())),
        ("unban", act(66, Act::Unban { user: user() }, by())),
        ("topic", act(67, Act::Topic { topic: "Everything".into() }, by())),
        ("role", act(68, Act::Role { user: user(), role: "guest".into() }, by())),
        ("clear", act(69, Act::Clear { user: Some(user()) }, by())),
        (
            "rename",
            record(70, Change::Rename { user: "u7".into(), name: "Ann B.".into(), color: "red".into() }),
        ),
        (
            "host-edit",
            record(71, Change::Edit { of: 58, mid: None, user: "host".into(), text: "hello".into() }),
        ),
        ("host-delete", record(72, Change::Delete { of: 58, mid: None, user: "host".into() })),
        ("first", den(at(LOBBY + 1, 1), None, "first")),
        ("new-epoch", den(at(LOBBY + 9, 65_538), Some(at(LOBBY + 1, 1)), "new-epoch")),
        ("gap", Happening::Gap { room: lobby(), to: at(LOBBY, 912) }),
        ("rollback", Happening::Rollback { room: lobby(), to: at(LOBBY, 57) }),
        ("join", Happening::Join { room: lobby(), user: user(), name: "Dan".into(), member_count: 13 }),
        ("leave", Happening::Leave { room: lobby(), user: user(), name: "Dan".into(), member_count: 12 }),
        ("members", Happening::Members { room: lobby(), member_count: 5_000 }),
        ("joined", Happening::Joined(line)),
        ("removed", Happening::Removed { room: lobby(), reason: "kicked".into() }),
        ("typing", Happening::Typing { room: lobby(), user: "u8".into(), active: true }),
        ("typing-done", Happening::Typing { room: lobby(), user: "u8".into(), active: false }),
        ("read", Happening::Read { room: lobby(), user: "u8".into(), offset: 58 }),
        ("tell", Happening::Tell { room: Some(lobby()), user: by(), data: "{\"x\":3,\"y\":4}".into() }),
        (
            "tell-from-host",
            Happening::Tell { room: None, user: None, data: "\"maintenance at noon\"".into() },
        ),
        ("tell-user", Happening::Tell { room: None, user: by(), data: "null".into() }),
        ("bye", Happening::Bye { code: 4202, reason: "restart".into(), window_ms: Some((500, 8_000)) }),
    ];
    for (name, happening) in expected {
        let text = texts.remove(name).unwrap_or_else(|| panic!("there is no {name}"));
        assert_eq!(document(&text), Ok(Document::Event(happening)), "{name}");
    }
    assert!(texts.is_empty(), "{texts:?}");
}

#[test]
fn what_a_newer_server_says_is_passed_over_and_its_records_keep_their_place() {
    assert_eq!(document(r#"{"on":"fireworks","room":"lobby","height":3}"#), Ok(Document::Unknown));
    assert_eq!(document(r#"{"hm":1}"#), Ok(Document::Unknown));
    let text = r#"{"on":"pin","room":"lobby","epoch":5,"offset":9,"of":3,"at":"noon","new":[{}]}"#;
    let Ok(Document::Event(Happening::Record { record, .. })) = document(text) else { panic!("{text}") };
    assert_eq!(record.position, at(5, 9));
    assert_eq!(record.change, Change::Other { on: "pin".into() });
}

#[test]
fn no_mangled_text_harms_the_reader() {
    let texts: Vec<String> = ["requests", "events", "refusals"]
        .into_iter()
        .flat_map(|file| documents(file, "<").into_values())
        .collect();
    let mut dice = crate::client::chat::dice::Dice::new(11);
    let mut read = 0;
    for _ in 0..30_000 {
        let mut text = texts[dice.between(0, texts.len() as u64 - 1) as usize].clone();
        let from = dice.between(0, text.len() as u64) as usize;
        let to = (from + dice.between(0, 9) as usize).min(text.len());
        if text.is_char_boundary(from) && text.is_char_boundary(to) {
            text.replace_range(from..to, ["", "1", "\"", "{}", "null", "[", "\\u0041"][from % 7]);
        }
        if let Ok(Document::Reply { result: Ok(ok), .. }) = document(&text) {
            read += 1;
            let _ = (welcome(ok), entered(ok), page(ok), sent(ok, None, "m"));
            for (_, request, _) in asked() {
                let _ = reply(&request, ok);
            }
        }
    }
    assert!(read > 1_000, "{read}");
}
