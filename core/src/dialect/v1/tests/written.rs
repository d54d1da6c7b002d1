//! What each reply, refusal and event of the transcripts is made from.

use std::sync::Arc;

use super::*;
use crate::id::{ConnectionId, Mid, Position, RoomName, UserId, UserName};
use crate::message::{Change, Color, Extras, Message, Moderation, More, Reaction, Record, Role};
use crate::push::reply::{Content, Entered, Fate, Happening, MemberLine, Reply, Resumed, RoomLine, Welcome};

const AT: u64 = 1_700_000_000_000;

fn at(epoch: u64, offset: u64) -> Position {
    Position { epoch: 1_795_350_666_580 + epoch, offset }
}

/// Compares what is written with the documents of a transcript, and forgets no document.
struct Golden {
    documents: BTreeMap<String, String>,
}

impl Golden {
    fn of(file: &str) -> Golden {
        Golden { documents: documents(file, false) }
    }

    fn is(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        write(&mut out);
        let written = String::from_utf8(out).unwrap();
        let document =
            self.documents.remove(name).unwrap_or_else(|| panic!("{name} is in no transcript: {written}"));
        assert_eq!(written, document, "{name}");
        serde_json::from_str::<serde_json::Value>(&written).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    fn reply(&mut self, name: &str, id: u64, answer: &Reply) {
        self.is(name, |out| reply(id, answer, out));
    }

    fn event(&mut self, name: &str, happening: &Happening) {
        self.is(name, |out| event(happening, out));
    }

    /// A record of the lobby that stands behind the one before it.
    fn record(&mut self, name: &str, offset: u64, change: Change) {
        self.event(name, &Happening::Logged { room: room("lobby"), record: logged(at(1, offset), change) });
    }

    fn done(self) {
        assert!(self.documents.is_empty(), "never written: {:#?}", self.documents);
    }
}

fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

/// The room in which Ann and Bob talk.
fn direct() -> RoomName {
    RoomName::direct(&user("u7"), &user("u8"))
}

fn user(id: &str) -> UserId {
    if id == "host" { UserId::host() } else { UserId::new(id).unwrap() }
}

fn name(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

fn said(id: &str, by: &str, color: Color, position: Position, text: &str, more: Extras) -> Arc<Message> {
    Arc::new(Message {
        room: room("lobby"),
        position,
        user: user(id),
        name: name(by),
        color,
        at_ms: AT,
        text: text.into(),
        more: More::new(more),
    })
}

fn sent(mid: &str) -> Extras {
    Extras { mid: Some(Mid::new(mid)), ..Extras::default() }
}

fn bob(mid: &str, position: Position, text: &str) -> Arc<Message> {
    said("u8", "Bob", Color::Green, position, text, sent(mid))
}

fn host(position: Position, text: &str) -> Arc<Message> {
    said("host", "Host", Color::Black, position, text, Extras::default())
}

fn logged(position: Position, change: Change) -> Record {
    let prev = Position { offset: position.offset - 1, ..position };
    Record { position, prev: Some(prev), at_ms: AT, change }
}

fn behind(prev: Position, record: Record) -> Record {
    Record { prev: Some(prev), ..record }
}

fn member(id: &str, by: &str, color: Color, role: Role) -> MemberLine {
    MemberLine { user: user(id), name: name(by), color, role }
}

fn entered(name: &str, top: Position, content: Content) -> Entered {
    Entered {
        room: room(name),
        top,
        recovered: false,
        rollback: None,
        content,
        members: Vec::new(),
        member_count: 0,
        read: 0,
        unread_count: 0,
        more: false,
    }
}

fn ann(connection: u64) -> Welcome {
    Welcome {
        connection: ConnectionId(connection),
        user: user("u7"),
        name: name("Ann"),
        color: Color::Red,
        session: "s3cr3t".into(),
        heartbeat_ms: 25_000,
        limits: Vec::new(),
        time_ms: AT,
        expires_at_ms: None,
        rooms: Vec::new(),
    }
}

fn because(code: ErrorCode, words: &str) -> Refusal {
    Refusal::from(Error::new(code, words))
}

#[test]
fn every_reply_is_written_as_it_stands() {
    let mut golden = Golden::of("requests");
    comings(&mut golden);
    rooms(&mut golden);
    changes(&mut golden);
    reads(&mut golden);
    golden.done();
}

fn comings(golden: &mut Golden) {
    let hello = |welcome: Welcome| Reply::Hello(Box::new(welcome));
    let limits = vec![("max_text_bytes", 16_384), ("dedupe_ms", 86_400_000)];
    golden.reply("hello", 1, &hello(Welcome { limits, ..ann(7) }));
    let token = Welcome {
        user: user("ann-1"),
        color: Color::Green,
        heartbeat_ms: 10_000,
        expires_at_ms: Some(AT + 3_600_000),
        ..ann(8)
    };
    golden.reply("hello-token", 1, &hello(token));
    let missed = vec![logged(at(1, 58), Change::Message(bob("b-9", at(1, 58), "anyone?")))];
    let lobby = Entered {
        recovered: true,
        members: vec![member("u7", "Ann", Color::Red, Role::Member)],
        member_count: 2,
        read: 57,
        unread_count: 1,
        ..entered("lobby", at(1, 58), Content::Records(missed))
    };
    let banned = because(ErrorCode::Banned, "you are banned from attic");
    let rooms = vec![
        Resumed::In(lobby),
        Resumed::In(entered("den", at(10, 0), Content::Messages(Vec::new()))),
        Resumed::Out { room: "attic".into(), refusal: banned },
    ];
    let limits = vec![("max_text_bytes", 16_384)];
    golden.reply("hello-resume", 1, &hello(Welcome { limits, rooms, ..ann(9) }));
    let again = bob("b-12", at(10, 65_594), "anyone still here?");
    let missed = vec![behind(at(1, 58), logged(at(10, 65_594), Change::Message(again)))];
    let lobby = Entered {
        recovered: true,
        rollback: Some(at(1, 58)),
        member_count: 2,
        read: 58,
        unread_count: 1,
        ..entered("lobby", at(10, 65_594), Content::Records(missed))
    };
    let stranger = because(ErrorCode::NotMember, "you are not in den; join it first");
    let rooms = vec![Resumed::In(lobby), Resumed::Out { room: "den".into(), refusal: stranger }];
    golden.reply("hello-back", 1, &hello(Welcome { rooms, ..ann(10) }));
    golden.reply("refresh", 2, &Reply::Refreshed { expires_at_ms: AT + 3_600_000 });
}

fn rooms(golden: &mut Golden) {
    let thumbs = Reaction { emoji: "👍".into(), users: vec![user("u2"), user("u3")] };
    let extras = Extras {
        reply_to: Some(55),
        revision: 2,
        reactions: vec![thumbs],
        data: Some("{\"seen\":[1,2]}".into()),
        ..sent("b-9")
    };
    let whole = said("u8", "Bob", Color::Green, at(1, 58), "hi \"Ann\"\n<b>&</b>", extras);
    let first = Entered {
        members: vec![
            member("host-1", "Cy", Color::Plum, Role::Owner),
            member("u8", "Bob", Color::Green, Role::Moderator),
        ],
        member_count: 12,
        read: 55,
        unread_count: 1,
        more: true,
        ..entered("lobby", at(1, 58), Content::Messages(vec![host(at(1, 55), "Good morning!"), whole]))
    };
    golden.reply("join", 3, &Reply::Joined(first));
    let edit = Change::Edit { of: 41, mid: Some(Mid::new("b-10")), user: user("u8"), text: "hello".into() };
    let delete = Change::Delete { of: 55, mid: Some(Mid::new("c-1")), user: user("host-1") };
    let records = vec![logged(at(1, 59), edit), logged(at(1, 60), delete)];
    let since = Entered {
        recovered: true,
        member_count: 1,
        read: 60,
        ..entered("lobby", at(1, 60), Content::Records(records))
    };
    golden.reply("join-since", 4, &Reply::Joined(since));
    let lost = Entered {
        recovered: true,
        rollback: Some(at(2, 1)),
        member_count: 1,
        read: 1,
        ..entered("den", at(2, 1), Content::Records(Vec::new()))
    };
    golden.reply("join-lost", 4, &Reply::Joined(lost));
    golden.reply("leave", 5, &Reply::Done);
    let lobby = RoomLine {
        room: room("lobby"),
        with: None,
        topic: "Everything".into(),
        member_count: 12,
        top: at(1, 58),
        read: 55,
        unread_count: 1,
        last: None,
    };
    let with_bob = RoomLine { last: Some(bob("b-1", at(3, 1), "psst")), ..with_bob() };
    golden.reply("rooms", 6, &Reply::Rooms { rooms: vec![lobby, with_bob], cursor: Some("2".into()) });
    golden.reply("rooms-more", 6, &Reply::Rooms { rooms: Vec::new(), cursor: None });
}

fn with_bob() -> RoomLine {
    RoomLine {
        room: direct(),
        with: Some(user("u8")),
        topic: "".into(),
        member_count: 2,
        top: at(3, 1),
        read: 0,
        unread_count: 1,
        last: None,
    }
}

fn changes(golden: &mut Golden) {
    let sent = |room, position, duplicate| Reply::Sent { room, position, at_ms: AT, duplicate };
    let changed = |offset| Reply::Changed { position: at(1, offset), at_ms: AT, duplicate: false };
    golden.reply("send", 7, &sent(room("lobby"), at(1, 59), false));
    golden.reply("send-again", 8, &sent(room("lobby"), at(1, 59), true));
    golden.reply("send-to-user", 9, &sent(direct(), at(3, 2), false));
    golden.reply("edit", 10, &changed(60));
    golden.reply("delete", 11, &changed(61));
    golden.reply("react", 12, &changed(62));
    golden.reply("rename", 22, &Reply::Renamed { name: name("Ann B."), color: Color::Red });
    golden.reply("kick", 23, &Reply::Moderated { position: at(1, 63) });
    golden.reply("block", 31, &Reply::Done);
    golden.reply("call", 32, &Reply::Called { data: "{\"degrees\":-3.5}".into() });
}

fn reads(golden: &mut Golden) {
    let gone = Extras { revision: 1, is_deleted: true, ..sent("a-1") };
    let deleted = said("u7", "Ann", Color::Red, at(1, 59), "", gone);
    let messages =
        |messages, more| Reply::History { content: Content::Messages(messages), top: at(1, 62), more };
    golden.reply("history", 13, &messages(vec![deleted], true));
    golden.reply("history-before", 14, &messages(Vec::new(), false));
    let first = said("u8", "Bob", Color::Green, at(2, 1), "first", Extras::default());
    let unreact =
        Change::React { of: 1, mid: Mid::new("a-8"), user: user("u7"), emoji: "👍".into(), add: false };
    let records = vec![
        Record { prev: None, ..logged(at(2, 1), Change::Message(first)) },
        behind(at(2, 1), logged(at(10, 65_538), unreact)),
    ];
    let after = Reply::History { content: Content::Records(records), top: at(10, 65_538), more: false };
    golden.reply("history-after", 16, &after);
    let members = vec![member("u7", "Ann", Color::Red, Role::Guest)];
    let cursor = Some("u7".into());
    golden.reply("members", 18, &Reply::Members { members, member_count: 12, cursor });
    golden.reply("read", 19, &Reply::Read { offset: 58 });
    golden.reply("typing-done", 20, &Reply::Done);
    golden.reply("tell-user", 21, &Reply::Done);
}

#[test]
fn every_refusal_is_written_as_it_stands() {
    let mut golden = Golden::of("refusals");
    let mut is = |name: &str, id, because: Refusal| {
        golden.is(name, |out| refusal(Some(id), &because, out));
    };
    let fast = because(ErrorCode::RateLimited, "more than 2 messages a second");
    is("rate_limited", 7, Refusal { retry_after_ms: Some(1_500), ..fast });
    let taken = because(ErrorCode::NameTaken, "somebody is called Ann, or looks like it");
    is("name_taken", 1, Refusal { suggestion: Some("Ann 2".into()), ..taken });
    is("not_member", 7, because(ErrorCode::NotMember, "you are not in attic; join it first"));
    is("mid_conflict", 7, because(ErrorCode::MidConflict, "something else was sent under the mid a-1"));
    let busy = because(ErrorCode::Busy, "too much waits to be stored");
    is("busy", 7, Refusal { retry_after_ms: Some(1_000), fate: Some(Fate::Refused), ..busy });
    let unstored = because(ErrorCode::StoreUnavailable, "it could not be stored in time");
    is("store_unavailable", 7, Refusal { fate: Some(Fate::Open(at(1, 59))), ..unstored });
    let words = "there is no search: the messages are kept in memory alone";
    is("not_available", 17, because(ErrorCode::NotAvailable, words));
    golden.done();
}

#[test]
fn every_event_is_written_as_it_stands() {
    let mut golden = Golden::of("events");
    log(&mut golden);
    let (lobby, bob) = (|| room("lobby"), || user("u8"));
    let (dan, called) = (|| user("u9"), || name("Dan"));
    let tell = |room, user, data: &str| Happening::Tell { room, user, data: data.into() };
    let told = [
        ("gap", Happening::Gap { room: lobby(), from: at(1, 58), to: at(1, 912) }),
        ("rollback", Happening::Rollback { room: lobby(), to: at(1, 57) }),
        ("join", Happening::Join { room: lobby(), user: dan(), name: called(), member_count: 13 }),
        ("leave", Happening::Leave { room: lobby(), user: dan(), name: called(), member_count: 12 }),
        ("members", Happening::Members { room: lobby(), member_count: 5_000 }),
        ("removed", Happening::Removed { room: lobby(), reason: "kicked".into() }),
        ("typing", Happening::Typing { room: lobby(), user: bob(), active: true }),
        ("typing-done", Happening::Typing { room: lobby(), user: bob(), active: false }),
        ("read", Happening::Read { room: lobby(), user: bob(), offset: 58 }),
        ("tell", tell(Some(lobby()), Some(bob()), "{\"x\":3,\"y\":4}")),
        ("tell-from-host", tell(None, None, "\"maintenance at noon\"")),
        ("tell-user", tell(None, Some(bob()), "null")),
        ("bye", Happening::Bye { code: 4202, reason: "restart".into(), reconnect_ms: (500, 8_000) }),
        ("joined", Happening::Joined(with_bob())),
    ];
    for (name, happening) in &told {
        golden.event(name, happening);
    }
    golden.is("heartbeat", |out| out.extend_from_slice(HEARTBEAT));
    golden.done();
}

/// The records of the log as events.
fn log(golden: &mut Golden) {
    let (bob_wrote, dan) = (|| user("u8"), || user("u9"));
    let mid = Mid::new;
    golden.record("message", 58, Change::Message(bob("b-9", at(1, 58), "hi")));
    let edit = Change::Edit { of: 58, mid: Some(mid("b-10")), user: bob_wrote(), text: "hi!".into() };
    golden.record("edit", 59, edit);
    golden.record("delete", 60, Change::Delete { of: 58, mid: Some(mid("b-11")), user: bob_wrote() });
    let react = Change::React { of: 57, mid: mid("a-7"), user: user("u7"), emoji: "👍".into(), add: true };
    golden.record("react", 61, react);
    let by_bob = Some(bob_wrote());
    let acts = [
        ("slow", Moderation::Slow { seconds: 10 }, by_bob.clone()),
        ("kick", Moderation::Kick { user: dan() }, None),
        ("mute", Moderation::Mute { user: dan(), seconds: Some(600) }, by_bob.clone()),
        ("ban", Moderation::Ban { user: dan(), seconds: None }, by_bob.clone()),
        ("unban", Moderation::Unban { user: dan() }, by_bob.clone()),
        ("topic", Moderation::Topic { topic: "Everything".into() }, by_bob.clone()),
        ("role", Moderation::Role { user: dan(), role: Role::Guest }, by_bob.clone()),
        ("clear", Moderation::Clear { user: Some(dan()) }, by_bob),
    ];
    for (offset, (name, act, by)) in (62..).zip(acts) {
        golden.record(name, offset, Change::Moderation { act, by });
    }
    let renamed = Change::Rename { user: user("u7"), name: name("Ann B."), color: Color::Red };
    golden.record("rename", 70, renamed);
    let by_host = Change::Edit { of: 58, mid: None, user: UserId::host(), text: "hello".into() };
    golden.record("host-edit", 71, by_host);
    golden.record("host-delete", 72, Change::Delete { of: 58, mid: None, user: UserId::host() });
    let first = logged(at(2, 1), Change::Message(host(at(2, 1), "first")));
    golden.event("first", &Happening::Logged { room: room("den"), record: Record { prev: None, ..first } });
    let again = said("u7", "Ann", Color::Red, at(10, 65_538), "again", sent("a-9"));
    let again = behind(at(2, 1), logged(at(10, 65_538), Change::Message(again)));
    golden.event("new-epoch", &Happening::Logged { room: room("den"), record: again });
}

#[test]
fn nothing_is_written_longer_than_its_bound() {
    let wild = "\u{1}\u{1f}\"\\é😀".repeat(9);
    let long = "x".repeat(64);
    let users: Vec<UserId> = (0..40).map(|n| user(&format!("u{n}"))).collect();
    let reactions = vec![
        Reaction { emoji: wild.as_str().into(), users },
        Reaction { emoji: "👍".into(), users: vec![user(&long)] },
    ];
    let most = Position { epoch: u64::MAX, offset: u64::MAX };
    for (text, id, by) in [("", "x", "x"), (&wild, &long, "\"é😀\\\"é😀\\\"é😀\\")] {
        let message = |is_deleted| Message {
            at_ms: u64::MAX,
            more: More::new(Extras {
                mid: Some(Mid::new(text)),
                reply_to: Some(u64::MAX),
                revision: u64::MAX,
                is_deleted,
                reactions: reactions.clone(),
                data: Some("[1,2]".into()),
            }),
            ..Message::clone(&said(id, by, Color::Magenta, most, text, Extras::default()))
        };
        let (of, mid, someone) = (u64::MAX, || Mid::new(text), || user(id));
        let (emoji, add) = (text.into(), false);
        let mut changes = vec![
            Change::Message(Arc::new(message(false))),
            Change::Message(Arc::new(message(true))),
            Change::Edit { of, mid: Some(mid()), user: someone(), text: text.into() },
            Change::Delete { of, mid: Some(mid()), user: someone() },
            Change::React { of, mid: mid(), user: someone(), emoji, add },
            Change::Rename { user: someone(), name: name(by), color: Color::Magenta },
        ];
        let acts = [
            Moderation::Mute { user: someone(), seconds: Some(u64::MAX) },
            Moderation::Topic { topic: text.into() },
            Moderation::Role { user: someone(), role: Role::Moderator },
            Moderation::Clear { user: Some(someone()) },
            Moderation::Slow { seconds: u64::MAX },
        ];
        changes.extend(acts.into_iter().map(|act| Change::Moderation { act, by: Some(someone()) }));
        for change in changes {
            let record = Record { position: most, prev: Some(at(1, 1)), at_ms: u64::MAX, change };
            let bound = record.wire_bytes();
            let mut out = Vec::new();
            event(&Happening::Logged { room: room("x"), record }, &mut out);
            assert!(out.len() <= bound, "{} bytes, {bound} at most", out.len());
        }
        let one = Arc::new(message(false));
        let bound = 2 * one.wire_bytes() + 100;
        let content = Content::Messages(vec![one.clone(), one]);
        let mut page = Vec::new();
        reply(1, &Reply::History { content, top: at(1, 1), more: true }, &mut page);
        assert!(page.len() <= bound, "{} bytes, {bound} at most", page.len());
    }
}
