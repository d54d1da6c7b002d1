//! What is kept: the messages of a room as they stand, and what outlives the client.

use super::*;
use crate::client::chat::{Event, From, Machine, Place, Post, Request, Settings};
use crate::error::ErrorCode;

fn change(offset: u64, on: &str, more: &str) -> String {
    format!(
        r#"{{"on":"{on}","room":"lobby","epoch":5,"offset":{offset},"mid":"x-{offset}","user":"u8","at":9{more}}}"#
    )
}

#[test]
fn edits_deletions_and_reactions_are_folded_into_their_messages() {
    let mut desk = Desk::in_lobby();
    desk.hear(&change(4, "edit", r#","of":1,"text":"M1""#));
    desk.hear(&change(5, "delete", r#","of":2"#));
    desk.hear(&change(6, "react", r#","of":3,"emoji":"👍","add":true"#));
    desk.hear(&change(7, "react", r#","of":3,"emoji":"👍","add":true"#));
    desk.hear(&change(8, "react", r#","of":1,"emoji":"👎","add":true"#));
    desk.hear(&change(9, "react", r#","of":1,"emoji":"👎","add":false"#));
    desk.hear(&change(10, "edit", r#","of":77,"text":"one that is not kept""#));
    assert_eq!(desk.texts(), ["M1", "-", "m3"]);
    let room = desk.machine.room("lobby").unwrap();
    assert_eq!(room.message(1).unwrap().revision, 1);
    assert!(room.message(1).unwrap().reactions.is_empty());
    assert_eq!(room.message(3).unwrap().reactions[0].users, ["u8"]);
    assert_eq!(desk.events.len(), 7, "all of it is told");
}

#[test]
fn what_a_moderator_does_shows() {
    let mut desk = Desk::in_lobby();
    let act = |offset: u64, act: &str| {
        format!(r#"{{"on":"moderation","room":"lobby","epoch":5,"offset":{offset},{act},"by":"u8","at":9}}"#)
    };
    desk.hear(&act(4, r#""act":"topic","value":"Cats""#));
    desk.hear(&act(5, r#""act":"clear","user":"u9""#));
    assert_eq!(desk.texts(), ["m1", "m2", "m3"]);
    desk.hear(&act(6, r#""act":"clear","user":"u8""#));
    assert_eq!(desk.texts(), ["-", "-", "-"]);
    assert_eq!(desk.machine.room("lobby").unwrap().topic(), Some("Cats"));
}

#[test]
fn records_whose_effect_a_page_showed_already_change_nothing() {
    let mut desk = Desk::in_lobby();
    desk.hear(&record(9).replacen("{", r#"{"room":"lobby","#, 1));
    // The message is shown with both edits in it; their records come behind it, and one more, live.
    let shown = message(4, "third").replace(r#""at":9"#, r#""at":9,"revision":2"#);
    let edit = |at: u64, text: &str| {
        change(at, "edit", &format!(r#","of":4,"text":"{text}""#)).replace(r#""room":"lobby","#, "")
    };
    let list = format!(
        r#"[{{"on":"message","epoch":5,"offset":4,"message":{shown}}},{},{}]"#,
        edit(5, "second"),
        edit(6, "third")
    );
    let rest = records([7, 8]);
    desk.reply(&format!(r#"{{"records":{list},"epoch":5,"offset":9,"more":true}}"#));
    let kept = desk.machine.room("lobby").unwrap().message(4).unwrap().clone();
    assert_eq!((kept.text.as_deref(), kept.revision), (Some("third"), 2));
    desk.reply(&format!(r#"{{"records":{rest},"epoch":5,"offset":9,"more":false}}"#));
    desk.hear(&change(10, "edit", r#","of":4,"text":"fourth""#));
    let kept = desk.machine.room("lobby").unwrap().message(4).unwrap().clone();
    assert_eq!((kept.text.as_deref(), kept.revision), (Some("fourth"), 3));
}

#[test]
fn a_live_message_that_comes_late_with_its_edits_in_it_is_edited_once_by_each() {
    let mut desk = Desk::in_lobby();
    let shown = message(4, "third").replace(r#""at":9"#, r#""at":9,"revision":2"#);
    desk.hear(&format!(r#"{{"on":"message","room":"lobby","epoch":5,"offset":4,"message":{shown}}}"#));
    for (offset, text, revision) in [(5, "third", 2), (6, "third", 2), (7, "fourth", 3)] {
        let said = ["second", "third", "fourth"][offset as usize - 5];
        desk.hear(&change(offset, "edit", &format!(r#","of":4,"text":"{said}""#)));
        let kept = desk.machine.room("lobby").unwrap().message(4).unwrap().clone();
        assert_eq!((kept.text.as_deref(), kept.revision), (Some(text), revision));
    }
}

#[test]
fn only_so_many_messages_are_kept_and_older_ones_are_put_before_them() {
    let mut desk = Desk::new(Settings::new().kept_message_count(4));
    desk.open("");
    desk.ask(Request::Join { room: "lobby".into(), history: Some(2), since: None });
    desk.reply(
        &joined(9, &[message(8, "m8"), message(9, "m9")]).replace(r#""read":0"#, r#""read":0,"more":true"#),
    );
    assert!(desk.machine.room("lobby").unwrap().more());
    let ask = |desk: &mut Desk, before| {
        desk.ask(Request::History { room: "lobby".into(), from: From::Before(before), limit: Some(3) });
    };
    let page = |offsets: [u64; 3]| {
        let list = offsets.map(|at| message(at, &format!("m{at}"))).join(",");
        format!(r#"{{"messages":[{list}],"epoch":5,"offset":9,"more":false}}"#)
    };
    ask(&mut desk, 5);
    desk.reply(&page([2, 3, 4]));
    assert_eq!(desk.texts(), ["m8", "m9"], "they do not adjoin");
    ask(&mut desk, 8);
    desk.reply(&page([5, 6, 7]));
    assert_eq!(desk.texts(), ["m6", "m7", "m8", "m9"]);
    desk.hear(&record(10).replacen("{", r#"{"room":"lobby","#, 1));
    assert_eq!(desk.texts(), ["m7", "m8", "m9", "m10"]);
    assert!(desk.machine.room("lobby").unwrap().more());
}

#[test]
fn what_was_read_is_counted_and_only_ever_rises() {
    let mut desk = Desk::in_lobby();
    for offset in 4..=6 {
        desk.hear(&record(offset).replacen("{", r#"{"room":"lobby","#, 1));
    }
    let counts = |desk: &Desk| {
        let room = desk.machine.room("lobby").unwrap();
        (room.read(), room.unread_count())
    };
    assert_eq!(counts(&desk), (0, 3));
    desk.ask(Request::Read { room: "lobby".into(), offset: 5 });
    desk.reply(r#"{"offset":5}"#);
    assert_eq!(counts(&desk).0, 5);
    // From another of the user's connections, from somebody else, and from the past.
    desk.hear(r#"{"on":"read","room":"lobby","user":"u7","offset":6}"#);
    desk.hear(r#"{"on":"read","room":"lobby","user":"u8","offset":2}"#);
    desk.hear(r#"{"on":"read","room":"lobby","user":"u7","offset":1}"#);
    assert_eq!(counts(&desk), (6, 0));
}

#[test]
fn the_members_are_counted_as_the_server_says() {
    let mut desk = Desk::in_lobby();
    let count = |desk: &Desk| desk.machine.room("lobby").unwrap().member_count();
    desk.hear(r#"{"on":"join","room":"lobby","user":"u9","name":"Dan","member_count":3}"#);
    assert_eq!(count(&desk), 3);
    desk.hear(r#"{"on":"leave","room":"lobby","user":"u9","name":"Dan","member_count":2}"#);
    assert_eq!(count(&desk), 2);
    desk.hear(r#"{"on":"members","room":"lobby","member_count":5000,"changed":true}"#);
    assert_eq!(count(&desk), 5_000);
    assert!(matches!(desk.events[2], Event::Members { member_count: 5_000, .. }));
}

#[test]
fn another_client_goes_on_with_what_was_saved() {
    let mut desk = Desk::new(Settings::new().name("Ann").saves(true));
    desk.open("");
    desk.ask(Request::Join { room: "lobby".into(), history: None, since: None });
    desk.reply(&joined(3, &[]));
    desk.say("sent \"once\"");
    let mid = field(&desk.sent[0], "mid");
    desk.machine.closed(1006, "", desk.now_ms);
    desk.drain();
    let post = Post { to: Place::User("u8".into()), ..Post::to_room("", "hi") };
    desk.ask(Request::Send(post.clone().reply_to(2).data("[1.50]")));
    desk.ask(Request::Edit { room: "lobby".into(), offset: 1, text: "x".into() });
    desk.ask(Request::Delete { room: "lobby".into(), offset: 1, reason: Some("no".into()) });
    desk.ask(Request::React { room: "lobby".into(), offset: 1, emoji: "👍".into(), add: false });
    let asked: Vec<Request> = desk.machine.outbox().map(|(_, _, request)| request.clone()).collect();
    let saved = desk.machine.saved();
    desk.machine.close(desk.now_ms);
    assert_eq!(desk.machine.saved(), saved, "what waits at the end is for who goes on");

    let machine = Machine::restored(Settings::new().name("Ann"), 8, &saved).unwrap();
    assert_eq!(machine.saved(), saved);
    let again: Vec<Request> = machine.outbox().map(|(_, _, request)| request.clone()).collect();
    assert_eq!(again, asked);
    let mut desk = Desk::of(machine);
    desk.open(&Desk::resumed(4, &records([4])));
    assert!(
        desk.hello.contains(r#""session":"s3cr3t","rooms":{"lobby":{"epoch":5,"offset":3}}"#),
        "{}",
        desk.hello
    );
    assert_eq!(field(&desk.sent[0], "mid"), mid);
    assert_eq!(desk.sent.len(), 5);
    assert!(desk.sent[1].contains(r#""data":[1.50]"#), "{}", desk.sent[1]);
    assert_eq!(desk.heard().last().unwrap(), "m4");
    desk.say("new");
    assert_ne!(field(desk.sent.last().unwrap(), "mid").as_str().unwrap()[..16], mid.as_str().unwrap()[..16]);
}

#[test]
fn what_must_be_kept_is_saved_before_it_is_sent_and_positions_soon() {
    let mut desk = Desk::new(Settings::new().saves(true));
    desk.open("");
    desk.ask(Request::Join { room: "lobby".into(), history: None, since: None });
    desk.reply(&joined(3, &[]));
    desk.machine.request(Request::Send(Post::to_room("lobby", "x")), desk.now_ms);
    assert!(matches!(desk.machine.next_action(), Some(crate::client::chat::Action::Save)));
    assert!(desk.machine.saved().contains(r#""first_sent_ms":1000"#), "{}", desk.machine.saved());
    assert!(matches!(desk.machine.next_action(), Some(crate::client::chat::Action::Send(_))));
    let before = desk.save_count;
    for offset in 4..=9 {
        desk.hear(&record(offset).replacen("{", r#"{"room":"lobby","#, 1));
    }
    assert_eq!(desk.save_count, before);
    assert_eq!(desk.machine.next_deadline_ms(), Some(desk.now_ms + 1_000));
    desk.turn_to(desk.now_ms + 1_000);
    assert_eq!(desk.save_count, before + 1);
}

#[test]
fn what_was_not_saved_by_this_client_is_refused() {
    for saved in [
        "",
        "{}",
        "[]",
        r#"{"version":2}"#,
        r#"{"version":1,"outbox":[{"mid":"x","request":{"do":"dance"}}]}"#,
    ] {
        let error = Machine::restored(Settings::new(), 1, saved).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{saved}");
    }
}
