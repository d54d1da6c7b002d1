//! What each reply, refusal and event of the transcripts is made from.

use super::*;
use crate::command::request::{Act, Role};
use crate::id::{ConnectionId, Position, UserId};
use crate::message::Color;
use crate::push::reply::{
    Content, Entered, Fate, Folded, Happening, Hit, Logged, LoggedChange, MemberLine, Reaction, Reply,
    Resumed, RoomLine, Welcome,
};

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

    fn reply(&mut self, name: &str, id: u64, answer: &Reply<'_>) {
        self.is(name, |out| reply(id, answer, out));
    }

    fn event(&mut self, name: &str, happening: &Happening<'_>) {
        self.is(name, |out| event(happening, out));
    }

    /// A record of the lobby that stands behind the one before it.
    fn record(&mut self, name: &str, offset: u64, change: LoggedChange<'_>) {
        self.event(name, &Happening::Logged { room: "lobby", record: logged(at(1, offset), change) });
    }

    fn done(self) {
        assert!(self.documents.is_empty(), "never written: {:#?}", self.documents);
    }
}

fn said<'a>(user: &'a str, name: &'a str, color: Color, position: Position, text: &'a str) -> Folded<'a> {
    Folded {
        position,
        mid: None,
        user,
        name,
        color,
        at_ms: AT,
        text: Some(text),
        reply_to: None,
        revision: 0,
        reactions: &[],
        data: None,
    }
}

fn bob<'a>(mid: &'a str, position: Position, text: &'a str) -> Folded<'a> {
    Folded { mid: Some(mid), ..said("u8", "Bob", Color::Green, position, text) }
}

fn host(position: Position, text: &str) -> Folded<'_> {
    said("host", "Host", Color::Black, position, text)
}

fn logged(position: Position, change: LoggedChange<'_>) -> Logged<'_> {
    let prev = Position { offset: position.offset - 1, ..position };
    Logged { position, prev: Some(prev), at_ms: AT, change }
}

fn member<'a>(user: &'a str, name: &'a str, color: Color, role: Role) -> MemberLine<'a> {
    MemberLine { user, name, color, role }
}

fn entered<'a>(room: &'a str, top: Position, content: Content<'a>) -> Entered<'a> {
    Entered {
        room,
        top,
        recovered: false,
        content,
        members: &[],
        member_count: 0,
        read: 0,
        unread_count: 0,
        more: false,
    }
}

fn ann<'a>(connection: u64) -> Welcome<'a> {
    Welcome {
        connection: ConnectionId(connection),
        user: "u7",
        name: "Ann",
        color: Color::Red,
        session: "s3cr3t",
        heartbeat_ms: 25_000,
        limits: &[("max_text_bytes", 16_384)],
        time_ms: AT,
        rooms: &[],
    }
}

fn because(code: ErrorCode, message: &str) -> Refusal<'_> {
    Refusal { code, message, retry_after_ms: None, fate: None, suggestion: None }
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
    let limits = &[("max_text_bytes", 16_384), ("dedupe_ms", 86_400_000)];
    golden.reply("hello", 1, &Reply::Hello(Welcome { limits, ..ann(7) }));
    let token = Welcome { user: "ann-1", color: Color::Green, heartbeat_ms: 10_000, limits: &[], ..ann(8) };
    golden.reply("hello-token", 1, &Reply::Hello(token));
    let missed = [logged(at(1, 58), LoggedChange::Message(bob("b-9", at(1, 58), "anyone?")))];
    let lobby = Entered {
        recovered: true,
        members: &[member("u7", "Ann", Color::Red, Role::Member)],
        member_count: 2,
        read: 57,
        unread_count: 1,
        ..entered("lobby", at(1, 58), Content::Records(&missed))
    };
    let resumed = [
        Resumed::In(lobby),
        Resumed::In(entered("den", at(10, 0), Content::Messages(&[]))),
        Resumed::Out { room: "attic", refusal: because(ErrorCode::Banned, "you are banned from attic") },
    ];
    golden.reply("hello-resume", 1, &Reply::Hello(Welcome { rooms: &resumed, ..ann(9) }));
    golden.reply("refresh", 2, &Reply::Refreshed { expires_at_ms: AT + 3_600_000 });
}

fn rooms(golden: &mut Golden) {
    let users = ["u2", "u3"].map(|id| UserId::new(id).unwrap()).to_vec();
    let whole = Folded {
        reply_to: Some(55),
        revision: 2,
        reactions: &[Reaction { emoji: "👍".into(), users }],
        data: Some("{\"seen\":[1,2]}"),
        ..bob("b-9", at(1, 58), "hi \"Ann\"\n<b>&</b>")
    };
    let messages = [host(at(1, 55), "Good morning!"), whole];
    let members = [
        member("host-1", "Cy", Color::Plum, Role::Owner),
        member("u8", "Bob", Color::Green, Role::Moderator),
    ];
    let first = Entered {
        members: &members,
        member_count: 12,
        read: 55,
        unread_count: 1,
        more: true,
        ..entered("lobby", at(1, 58), Content::Messages(&messages))
    };
    golden.reply("join", 3, &Reply::Joined(first));
    let edit = LoggedChange::Edit { of: 41, mid: "b-10", user: "u8", text: "hello" };
    let delete = LoggedChange::Delete { of: 55, mid: "c-1", user: "host-1" };
    let records = [logged(at(1, 59), edit), logged(at(1, 60), delete)];
    let since = Entered {
        recovered: true,
        member_count: 1,
        read: 60,
        ..entered("lobby", at(1, 60), Content::Records(&records))
    };
    golden.reply("join-since", 4, &Reply::Joined(since));
    golden.reply("leave", 5, &Reply::Done);
    let lobby = RoomLine {
        room: "lobby",
        with: None,
        topic: "Everything",
        member_count: 12,
        top: at(1, 58),
        read: 55,
        unread_count: 1,
        last: None,
    };
    let direct = RoomLine {
        room: "dm:5f0c",
        with: Some("u8"),
        topic: "",
        member_count: 2,
        top: at(3, 1),
        read: 0,
        unread_count: 1,
        last: Some(bob("b-1", at(3, 1), "psst")),
    };
    golden.reply("rooms", 6, &Reply::Rooms { rooms: &[lobby, direct], cursor: Some("2") });
    golden.reply("rooms-more", 6, &Reply::Rooms { rooms: &[], cursor: None });
}

fn changes(golden: &mut Golden) {
    let sent = |room, position, duplicate| Reply::Sent { room, position, at_ms: AT, duplicate };
    let changed = |offset| Reply::Changed { position: at(1, offset), at_ms: AT, duplicate: false };
    golden.reply("send", 7, &sent("lobby", at(1, 59), false));
    golden.reply("send-again", 8, &sent("lobby", at(1, 59), true));
    golden.reply("send-to-user", 9, &sent("dm:5f0c", at(3, 2), false));
    golden.reply("edit", 10, &changed(60));
    golden.reply("delete", 11, &changed(61));
    golden.reply("react", 12, &changed(62));
    golden.reply("rename", 22, &Reply::Renamed { name: "Ann B.", color: Color::Red });
    golden.reply("kick", 23, &Reply::Moderated { position: at(1, 63) });
    golden.reply("block", 31, &Reply::Done);
    golden.reply("call", 32, &Reply::Called { data: "{\"degrees\":-3.5}" });
}

fn reads(golden: &mut Golden) {
    let deleted =
        Folded { mid: Some("a-1"), text: None, revision: 1, ..said("u7", "Ann", Color::Red, at(1, 59), "") };
    let newest = Reply::History { content: Content::Messages(&[deleted]), top: at(1, 62), more: true };
    golden.reply("history", 13, &newest);
    let none = Reply::History { content: Content::Messages(&[]), top: at(1, 62), more: false };
    golden.reply("history-before", 14, &none);
    let first = said("u8", "Bob", Color::Green, at(2, 1), "first");
    let unreact = LoggedChange::React { of: 1, mid: "a-8", user: "u7", emoji: "👍", add: false };
    let records = [
        Logged { prev: None, ..logged(at(2, 1), LoggedChange::Message(first)) },
        Logged { prev: Some(at(2, 1)), ..logged(at(10, 65_538), unreact) },
    ];
    let after = Reply::History { content: Content::Records(&records), top: at(10, 65_538), more: false };
    golden.reply("history-after", 16, &after);
    let hits = [Hit { room: "lobby", offset: 12, snippet: "more coffee, please" }];
    golden.reply("search", 17, &Reply::Found { hits: &hits, cursor: Some("12") });
    let members = [member("u7", "Ann", Color::Red, Role::Guest)];
    golden.reply("members", 18, &Reply::Members { members: &members, member_count: 12, cursor: Some("u7") });
    golden.reply("read", 19, &Reply::Read { offset: 58 });
    golden.reply("typing-done", 20, &Reply::Done);
    golden.reply("tell-user", 21, &Reply::Done);
}

#[test]
fn every_refusal_is_written_as_it_stands() {
    let mut golden = Golden::of("refusals");
    let mut is = |name: &str, id, because: Refusal<'_>| {
        golden.is(name, |out| refusal(Some(id), &because, out));
    };
    let fast = because(ErrorCode::RateLimited, "more than 2 messages a second");
    is("rate_limited", 7, Refusal { retry_after_ms: Some(1_500), ..fast });
    let taken = because(ErrorCode::NameTaken, "somebody is called Ann, or looks like it");
    is("name_taken", 1, Refusal { suggestion: Some("Ann 2"), ..taken });
    is("not_member", 7, because(ErrorCode::NotMember, "you are not in attic; join it first"));
    is("mid_conflict", 7, because(ErrorCode::MidConflict, "something else was sent under the mid a-1"));
    let busy = because(ErrorCode::Busy, "too much waits to be stored");
    is("busy", 7, Refusal { retry_after_ms: Some(1_000), fate: Some(Fate::Refused), ..busy });
    let unstored = because(ErrorCode::StoreUnavailable, "it could not be stored in time");
    is("store_unavailable", 7, Refusal { fate: Some(Fate::Open(at(1, 59))), ..unstored });
    golden.done();
}

#[test]
fn every_event_is_written_as_it_stands() {
    let mut golden = Golden::of("events");
    log(&mut golden);
    let told = [
        ("gap", Happening::Gap { room: "lobby", from: at(1, 58), to: at(1, 912) }),
        ("rollback", Happening::Rollback { room: "lobby", to: at(1, 57) }),
        ("join", Happening::Join { room: "lobby", user: "u9", name: "Dan", member_count: 13 }),
        ("leave", Happening::Leave { room: "lobby", user: "u9", name: "Dan", member_count: 12 }),
        ("members", Happening::Members { room: "lobby", member_count: 5_000 }),
        ("removed", Happening::Removed { room: "lobby", reason: "kicked" }),
        ("typing", Happening::Typing { room: "lobby", user: "u8", active: true }),
        ("typing-done", Happening::Typing { room: "lobby", user: "u8", active: false }),
        ("read", Happening::Read { room: "lobby", user: "u8", offset: 58 }),
        ("tell", Happening::Tell { room: Some("lobby"), user: Some("u8"), data: "{\"x\":3,\"y\":4}" }),
        ("tell-from-host", Happening::Tell { room: None, user: None, data: "\"maintenance at noon\"" }),
        ("tell-user", Happening::Tell { room: None, user: Some("u8"), data: "null" }),
        ("bye", Happening::Bye { code: 4202, reason: "restart", reconnect_ms: (500, 8_000) }),
    ];
    for (name, happening) in &told {
        golden.event(name, happening);
    }
    let line = RoomLine {
        room: "dm:5f0c",
        with: Some("u8"),
        topic: "",
        member_count: 2,
        top: at(3, 1),
        read: 0,
        unread_count: 1,
        last: None,
    };
    golden.event("joined", &Happening::Joined(line));
    golden.is("heartbeat", |out| out.extend_from_slice(HEARTBEAT));
    golden.done();
}

/// The records of the log as events.
fn log(golden: &mut Golden) {
    let dan = || "u9".into();
    golden.record("message", 58, LoggedChange::Message(bob("b-9", at(1, 58), "hi")));
    golden.record("edit", 59, LoggedChange::Edit { of: 58, mid: "b-10", user: "u8", text: "hi!" });
    golden.record("delete", 60, LoggedChange::Delete { of: 58, mid: "b-11", user: "u8" });
    let react = LoggedChange::React { of: 57, mid: "a-7", user: "u7", emoji: "👍", add: true };
    golden.record("react", 61, react);
    let acts = [
        ("slow", Act::Slow { seconds: 10 }, Some("u8")),
        ("kick", Act::Kick { user: dan() }, None),
        ("mute", Act::Mute { user: dan(), seconds: Some(600) }, Some("u8")),
        ("ban", Act::Ban { user: dan(), seconds: None }, Some("u8")),
        ("unban", Act::Unban { user: dan() }, Some("u8")),
        ("topic", Act::Topic { topic: "Everything".into() }, Some("u8")),
        ("role", Act::Role { user: dan(), role: Role::Guest }, Some("u8")),
        ("clear", Act::Clear { user: Some(dan()) }, Some("u8")),
    ];
    for (offset, (name, act, by)) in (62..).zip(&acts) {
        golden.record(name, offset, LoggedChange::Moderation { act, by: *by });
    }
    golden.record("rename", 70, LoggedChange::Rename { user: "u7", name: "Ann B.", color: Color::Red });
    let first = logged(at(2, 1), LoggedChange::Message(host(at(2, 1), "first")));
    golden.event("first", &Happening::Logged { room: "den", record: Logged { prev: None, ..first } });
    let again = Folded { mid: Some("a-9"), ..said("u7", "Ann", Color::Red, at(10, 65_538), "again") };
    let again = Logged { prev: Some(at(2, 1)), ..logged(at(10, 65_538), LoggedChange::Message(again)) };
    golden.event("new-epoch", &Happening::Logged { room: "den", record: again });
}

#[test]
fn nothing_is_written_longer_than_its_bound() {
    let wild = "\u{1}\u{1f}\"\\é😀".repeat(9);
    let users: Vec<UserId> = (0..40).map(|n| UserId::new(&format!("u{n}")).unwrap()).collect();
    let reactions = [
        Reaction { emoji: wild.clone(), users },
        Reaction { emoji: "👍".into(), users: vec![UserId::new("x").unwrap()] },
    ];
    let most = Position { epoch: u64::MAX, offset: u64::MAX };
    for text in ["", wild.as_str()] {
        let message = Folded {
            position: most,
            mid: Some(text),
            at_ms: u64::MAX,
            reply_to: Some(u64::MAX),
            revision: u64::MAX,
            reactions: &reactions,
            data: Some("[1,2]"),
            ..said(text, text, Color::Magenta, most, text)
        };
        let acts = [
            Act::Mute { user: text.into(), seconds: Some(u64::MAX) },
            Act::Topic { topic: text.into() },
            Act::Role { user: text.into(), role: Role::Moderator },
            Act::Clear { user: Some(text.into()) },
            Act::Slow { seconds: u64::MAX },
        ];
        let (of, mid, user) = (u64::MAX, text, text);
        let mut changes = vec![
            LoggedChange::Message(message),
            LoggedChange::Message(Folded { text: None, ..message }),
            LoggedChange::Edit { of, mid, user, text },
            LoggedChange::Delete { of, mid, user },
            LoggedChange::React { of, mid, user, emoji: text, add: false },
            LoggedChange::Rename { user, name: text, color: Color::Magenta },
        ];
        changes.extend(acts.iter().map(|act| LoggedChange::Moderation { act, by: Some(text) }));
        for change in changes {
            let record = Logged { position: most, prev: Some(at(1, 1)), at_ms: u64::MAX, change };
            let mut out = Vec::new();
            event(&Happening::Logged { room: "", record }, &mut out);
            assert!(out.len() <= record_bytes(&record), "{} {}", out.len(), record_bytes(&record));
        }
        let mut page = Vec::new();
        let content = Content::Messages(&[message, message]);
        reply(1, &Reply::History { content, top: at(1, 1), more: true }, &mut page);
        assert!(page.len() <= 2 * message_bytes(&message) + 100);
    }
}
