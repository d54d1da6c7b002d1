//! The rule of positions: next, duplicate, gap, rollback; resume, and rooms that are begun anew.

use super::*;
use crate::client::chat::{Request, Settings};
use crate::error::ErrorCode;

/// The event of a message's record.
fn event(offset: u64) -> String {
    record(offset).replacen("{", r#"{"room":"lobby","#, 1)
}

fn page(records: &str, top: u64, more: bool) -> String {
    format!(r#"{{"records":{records},"epoch":5,"offset":{top},"more":{more}}}"#)
}

fn newest(offsets: &[u64], top: u64) -> String {
    let messages: Vec<String> = offsets.iter().map(|at| message(*at, &format!("m{at}"))).collect();
    format!(r#"{{"messages":[{}],"epoch":5,"offset":{top},"more":true}}"#, messages.join(","))
}

fn position(desk: &Desk) -> u64 {
    desk.machine.room("lobby").unwrap().position().offset
}

#[test]
fn a_record_that_is_known_is_ignored() {
    let mut desk = Desk::in_lobby();
    for offset in [4, 4, 2, 5, 4, 5] {
        desk.hear(&event(offset));
    }
    assert_eq!(desk.heard(), ["m4", "m5"]);
    assert_eq!(desk.texts(), ["m1", "m2", "m3", "m4", "m5"]);
    assert_eq!(desk.machine.room("lobby").unwrap().unread_count(), 2);
}

#[test]
fn what_is_deleted_is_not_unread_any_more_and_counts_once() {
    let mut desk = Desk::in_lobby();
    for offset in 4..=6 {
        desk.hear(&event(offset));
    }
    desk.hear(&event(7).replace(r#""text":"m7""#, r#""deleted":true"#));
    let unread = |desk: &Desk| desk.machine.room("lobby").unwrap().unread_count();
    assert_eq!(unread(&desk), 3);
    for (offset, of) in [(8, 4), (9, 7), (10, 4)] {
        desk.hear(&format!(r#"{{"on":"delete","room":"lobby","epoch":5,"offset":{offset},"of":{of},"mid":"d","user":"u8","at":9}}"#));
    }
    assert_eq!(unread(&desk), 2);
    desk.hear(r#"{"on":"moderation","room":"lobby","epoch":5,"offset":11,"act":"clear","by":"u8","at":9}"#);
    assert_eq!(unread(&desk), 0);
}

#[test]
fn at_a_gap_the_rooms_events_wait_until_what_is_missing_was_fetched_page_by_page() {
    let mut desk = Desk::in_lobby();
    desk.hear(&event(8));
    desk.hear(r#"{"on":"typing","room":"lobby","user":"u8","state":"active"}"#);
    desk.hear(r#"{"on":"typing","room":"den","user":"u8","state":"active"}"#);
    desk.hear(&event(9));
    assert_eq!(desk.heard(), ["typing u8"], "only what is in another room");
    let first = desk.reply(&page(&records([4, 5]), 9, true));
    assert_eq!(first, r#"{"id":3,"do":"history","room":"lobby","after":3}"#);
    assert_eq!(field(&desk.reply(&page(&records([6, 7, 8]), 9, false)), "after"), 5);
    assert_eq!(desk.heard(), ["typing u8", "m4", "m5", "m6", "m7", "m8", "typing u8", "m9"]);
    assert!(desk.sent.is_empty() && position(&desk) == 9);
}

#[test]
fn a_gap_event_is_fetched_too_and_one_behind_the_position_is_not() {
    let mut desk = Desk::in_lobby();
    let gap = |to: u64| {
        format!(
            r#"{{"on":"gap","room":"lobby","from":{{"epoch":5,"offset":3}},"to":{{"epoch":5,"offset":{to}}}}}"#
        )
    };
    desk.hear(&gap(3));
    assert!(desk.sent.is_empty());
    desk.hear(&gap(6));
    desk.hear(&event(7));
    desk.reply(&page(&records(4..=7), 7, false));
    assert_eq!(desk.heard(), ["m4", "m5", "m6", "m7"]);
}

#[test]
fn a_log_that_no_longer_reaches_back_begins_the_room_anew() {
    let mut desk = Desk::in_lobby();
    desk.hear(&event(9));
    desk.hear(&event(10));
    // The first record that is left names a predecessor that was never seen.
    desk.reply(&page(&records([8, 9]), 9, false));
    assert_eq!(desk.reply(&newest(&[8, 9], 9)), r#"{"id":4,"do":"history","room":"lobby","limit":50}"#);
    assert_eq!(desk.heard(), ["reset 9", "m10"]);
    assert_eq!(desk.texts(), ["m8", "m9", "m10"]);
}

#[test]
fn a_server_that_does_not_give_what_it_has_begins_the_room_anew() {
    for answer in [page("[]", 9, false), page("[]", 9, true), page("[]", 3, false)] {
        let mut desk = Desk::in_lobby();
        desk.hear(&event(9));
        desk.reply(&answer);
        desk.reply(&newest(&[8, 9], 9));
        assert_eq!(desk.heard(), ["reset 9"], "{answer}");
        assert!(desk.sent.is_empty());
    }
    let mut desk = Desk::in_lobby();
    desk.hear(&event(9));
    desk.refuse(ErrorCode::UnknownMessage, "");
    desk.refuse(ErrorCode::Internal, "");
    assert_eq!(desk.heard(), ["error internal"], "and it is never silent");
    assert!(desk.sent.is_empty());
    desk.hear(&event(10));
    desk.reply(&page(&records(4..=10), 10, false));
    assert_eq!(desk.texts().len(), 10, "the next record shows the gap again");
}

#[test]
fn a_page_that_comes_too_fast_is_asked_for_later() {
    let mut desk = Desk::in_lobby();
    desk.hear(&event(5));
    desk.refuse(ErrorCode::RateLimited, r#","retry_after_ms":300"#);
    assert!(desk.sent.is_empty());
    desk.turn_to(desk.now_ms + 300);
    desk.reply(&page(&records([4]), 5, false));
    assert_eq!(desk.heard(), ["m4", "m5"]);
}

#[test]
fn what_is_held_back_has_an_end_and_nothing_is_lost_by_it() {
    let mut desk = Desk::in_lobby();
    for offset in 5..=3_000 {
        desk.hear(&event(offset));
    }
    assert!(desk.events.is_empty());
    desk.reply(&page(&records([4]), 3_000, true));
    desk.reply(&page(&records(5..=1_000), 3_000, true));
    desk.reply(&page(&records(1_001..=3_000), 3_000, false));
    // Since some were not kept, what came meanwhile is asked for once more.
    desk.reply(&page("[]", 3_000, false));
    let all: Vec<String> = (4..=3_000).map(|offset| format!("m{offset}")).collect();
    assert_eq!(desk.heard(), all);
    assert!(desk.sent.is_empty() && desk.texts().len() == 1_000);
    assert!(desk.machine.room("lobby").unwrap().more());
}

#[test]
fn a_rollback_drops_what_came_after_and_the_log_goes_on_above() {
    let mut desk = Desk::in_lobby();
    desk.hear(&event(4));
    desk.hear(&event(5));
    desk.hear(r#"{"on":"rollback","room":"lobby","to":{"epoch":5,"offset":4}}"#);
    let next = message(65_540, "again").replace(r#""epoch":5"#, r#""epoch":6"#);
    desk.hear(&format!(
        r#"{{"on":"message","room":"lobby","epoch":6,"offset":65540,"prev":{{"epoch":5,"offset":4}},"message":{next}}}"#
    ));
    assert_eq!(desk.heard(), ["m4", "m5", "rollback 4 -1", "again"]);
    assert_eq!(desk.texts(), ["m1", "m2", "m3", "m4", "again"]);
    assert!(desk.sent.is_empty());
    desk.hear(r#"{"on":"rollback","room":"lobby","to":{"epoch":6,"offset":65540}}"#);
    assert_eq!(desk.events.len(), 4, "nothing is held after that");
}

#[test]
fn a_record_with_an_earlier_predecessor_tells_of_the_rollback_by_itself() {
    let mut desk = Desk::in_lobby();
    for offset in 4..=6 {
        desk.hear(&event(offset));
    }
    let next = message(65_540, "again").replace(r#""epoch":5"#, r#""epoch":6"#);
    desk.hear(&format!(
        r#"{{"on":"message","room":"lobby","epoch":6,"offset":65540,"prev":{{"epoch":5,"offset":4}},"message":{next}}}"#
    ));
    assert_eq!(desk.heard()[3..], ["rollback 4 -2", "again"]);
    let next =
        next.replace("65540", "131080").replace(r#""epoch":6"#, r#""epoch":7"#).replace("again", "anew");
    desk.hear(&format!(
        r#"{{"on":"message","room":"lobby","epoch":7,"offset":131080,"prev":null,"message":{next}}}"#
    ));
    assert_eq!(desk.texts(), ["anew"], "there is nothing before it");
}

#[test]
fn changes_by_records_that_are_rolled_back_are_taken_back() {
    let mut desk = Desk::in_lobby();
    desk.hear(&event(4));
    desk.hear(r#"{"on":"edit","room":"lobby","epoch":5,"offset":5,"of":4,"mid":"e","text":"M4","user":"u8","at":9}"#);
    desk.hear(r#"{"on":"react","room":"lobby","epoch":5,"offset":6,"of":4,"mid":"r","emoji":"👍","add":true,"user":"u7","at":9}"#);
    desk.hear(r#"{"on":"delete","room":"lobby","epoch":5,"offset":7,"of":4,"mid":"d","user":"u8","at":9}"#);
    assert_eq!(desk.texts()[3], "-");
    desk.hear(r#"{"on":"rollback","room":"lobby","to":{"epoch":5,"offset":5}}"#);
    let message = desk.machine.room("lobby").unwrap().message(4).unwrap().clone();
    assert_eq!((message.text.as_deref(), message.revision), (Some("M4"), 1));
    assert!(message.reactions.is_empty());
    assert!(desk.sent.is_empty(), "nothing else is in doubt");
}

#[test]
fn a_late_message_that_showed_what_is_rolled_back_is_fetched_again() {
    for (shown, change) in [
        (r#""deleted":true"#, r#""on":"delete""#),
        (r#""text":"M4","revision":1"#, r#""on":"edit","text":"M4""#),
        (r#""text":"m4","reactions":{"👍":["u7"]}"#, r#""on":"react","emoji":"👍","add":true"#),
    ] {
        let mut desk = Desk::in_lobby();
        // It was slow: the message came as it stood when it was sent at last, and its change behind it.
        desk.hear(&event(4).replace(r#""text":"m4""#, shown));
        desk.hear(&format!(
            r#"{{{change},"room":"lobby","epoch":5,"offset":5,"of":4,"mid":"d","user":"u8","at":9}}"#
        ));
        assert!(desk.sent.is_empty());
        desk.hear(r#"{"on":"rollback","room":"lobby","to":{"epoch":5,"offset":4}}"#);
        desk.reply(&newest(&[1, 2, 3, 4], 4));
        assert_eq!(desk.texts(), ["m1", "m2", "m3", "m4"], "{shown}");
        assert!(desk.machine.room("lobby").unwrap().message(4).unwrap().reactions.is_empty());
    }
}

#[test]
fn a_page_that_showed_what_is_rolled_back_is_fetched_again() {
    let mut desk = Desk::in_lobby();
    desk.hear(r#"{"on":"rollback","room":"lobby","to":{"epoch":5,"offset":2}}"#);
    desk.hear(&event(3).replace(r#""offset":3"#, r#""offset":65539,"prev":{"epoch":5,"offset":2}"#));
    assert_eq!(desk.heard(), ["rollback 2 -1"]);
    assert_eq!(field(&desk.reply(&newest(&[1, 2], 2)), "limit"), 50);
    assert_eq!(desk.heard(), ["rollback 2 -1", "reset 2", "m3"]);
    assert_eq!(desk.texts(), ["m1", "m2", "m3"]);
}

#[test]
fn a_resume_gives_every_record_that_was_missed_and_no_other_twice() {
    let mut desk = Desk::in_lobby();
    desk.cut();
    desk.open(&Desk::resumed(6, &records([4, 5, 6])));
    assert!(desk.hello.contains(r#""rooms":{"lobby":{"epoch":5,"offset":3}}"#));
    desk.hear(&event(6));
    desk.hear(&event(7));
    assert_eq!(desk.heard(), ["waiting", "connecting", "open", "m4", "m5", "m6", "m7"]);
}

#[test]
fn a_resume_with_more_goes_on_by_pages_and_holds_back_what_is_new() {
    let mut desk = Desk::in_lobby();
    desk.cut();
    desk.open(
        &Desk::resumed(9, &records([4, 5])).replace(r#""recovered":true"#, r#""recovered":true,"more":true"#),
    );
    desk.hear(&event(10));
    assert_eq!(field(&desk.reply(&page(&records(6..=10), 10, false)), "after"), 5);
    assert_eq!(desk.heard()[3..], ["m4", "m5", "m6", "m7", "m8", "m9", "m10"]);
    assert_eq!(desk.machine.room("lobby").unwrap().unread_count(), 1, "the server had counted up to 9");
}

#[test]
fn a_resume_that_is_not_recovered_begins_the_room_anew() {
    let mut desk = Desk::in_lobby();
    desk.cut();
    let room = joined(90, &[message(89, "m89"), message(90, "m90")]);
    desk.open(&format!(r#","rooms":{{"lobby":{room}}}"#));
    assert_eq!(desk.heard().last().unwrap(), "reset 90");
    assert_eq!(desk.texts(), ["m89", "m90"]);
    desk.hear(&event(91));
    assert_eq!(desk.heard().last().unwrap(), "m91");
}

#[test]
fn a_resume_whose_position_is_lower_is_a_rollback() {
    let mut desk = Desk::in_lobby();
    desk.hear(&event(4));
    desk.hear(&event(5));
    desk.cut();
    desk.open(&Desk::resumed(4, "[]"));
    assert_eq!(desk.heard().last().unwrap(), "rollback 4 -1");
    assert_eq!((desk.texts().len(), position(&desk)), (4, 4));
    // Or it is said before the reply.
    desk.cut();
    desk.machine.opened(desk.now_ms);
    desk.drain();
    desk.hear(r#"{"on":"rollback","room":"lobby","to":{"epoch":5,"offset":3}}"#);
    let id = field(&desk.hello, "id");
    let rooms = Desk::resumed(3, "[]");
    desk.hear(&format!(
        r#"{{"id":{id},"ok":{{"user":"u7","name":"Ann","color":"red","session":"s"{rooms}}}}}"#
    ));
    assert_eq!(desk.texts(), ["m1", "m2", "m3"]);
}

#[test]
fn who_was_taken_out_of_a_room_meanwhile_joins_it_from_there_or_is_told_to_be_gone() {
    let out = r#","rooms":{"lobby":{"error":{"code":204,"name":"not_member","message":"no"}}}"#;
    let mut desk = Desk::in_lobby();
    desk.cut();
    desk.open(out);
    let records = records([4]);
    let again = format!(r#"{{"room":"lobby","epoch":5,"offset":4,"recovered":true,"records":{records}}}"#);
    assert_eq!(field(&desk.reply(&again), "since")["offset"], 3);
    assert_eq!(desk.heard().last().unwrap(), "m4");
    desk.cut();
    desk.open(out);
    desk.refuse(ErrorCode::Refused, "");
    assert_eq!(desk.heard().last().unwrap(), "removed refused");
}

#[test]
fn a_room_that_one_may_not_enter_again_is_told_to_be_gone() {
    let mut desk = Desk::in_lobby();
    desk.cut();
    desk.open(r#","rooms":{"lobby":{"error":{"code":210,"name":"banned","message":"no"}}}"#);
    assert_eq!(desk.heard().last().unwrap(), "removed banned");
    assert!(desk.machine.room("lobby").is_none());
    let mut desk = Desk::in_lobby();
    desk.hear(r#"{"on":"removed","room":"lobby","reason":"kicked"}"#);
    desk.hear(&event(4));
    assert_eq!(desk.heard(), ["removed kicked"]);
}

#[test]
fn where_the_server_knows_no_session_the_rooms_are_entered_again_before_anything_else() {
    let mut desk = Desk::in_lobby();
    desk.say("one");
    desk.sent.clear();
    desk.cut();
    desk.ask(Request::Members { room: "lobby".into(), limit: None, cursor: None });
    desk.open("");
    assert_eq!(desk.sent.len(), 1, "the others wait until the room is entered");
    desk.refuse(ErrorCode::RateLimited, r#","retry_after_ms":100"#);
    desk.turn_to(desk.now_ms + 100);
    let records = records([4]);
    let rejoined = format!(r#"{{"room":"lobby","epoch":5,"offset":4,"recovered":true,"records":{records}}}"#);
    assert_eq!(field(&desk.reply(&rejoined), "since")["offset"], 3);
    assert_eq!(desk.heard().last().unwrap(), "m4");
    assert_eq!((field(&desk.sent[0], "do"), field(&desk.sent[1], "text")), ("members".into(), "one".into()));
}

#[test]
fn a_break_while_something_is_fetched_is_mended_by_the_resume() {
    let mut desk = Desk::in_lobby();
    desk.hear(&event(9));
    let lost = desk.sent.remove(0);
    desk.cut();
    desk.open(&Desk::resumed(9, &records(4..=9)));
    desk.hear(&format!(r#"{{"id":{},"ok":{}}}"#, field(&lost, "id"), page(&records(4..=9), 9, false)));
    assert_eq!(desk.heard()[3..], ["m4", "m5", "m6", "m7", "m8", "m9"]);
}

#[test]
fn a_room_that_one_is_put_into_is_told_with_its_newest_messages() {
    let mut desk = Desk::new(Settings::new());
    desk.open("");
    desk.hear(r#"{"on":"joined","room":"lobby","with":"u8","topic":"","member_count":2,"position":{"epoch":5,"offset":1},"read":0,"unread_count":1}"#);
    desk.hear(&event(2));
    assert_eq!(desk.heard(), ["connecting", "open"]);
    desk.reply(&newest(&[1], 1));
    assert_eq!(desk.heard()[2..], ["joined lobby", "m2"]);
    let room = desk.machine.room("lobby").unwrap();
    assert_eq!((room.with(), room.unread_count(), desk.texts().len()), (Some("u8"), 2, 2));
    // And when the line breaks before they have come.
    let mut desk = Desk::new(Settings::new());
    desk.open("");
    desk.hear(r#"{"on":"joined","room":"lobby","with":"u8","topic":"","member_count":2,"position":{"epoch":5,"offset":1},"read":0,"unread_count":1}"#);
    desk.sent.clear();
    desk.cut();
    desk.open(&Desk::resumed(2, &records([2])));
    desk.reply(&newest(&[1, 2], 2));
    assert_eq!(desk.heard()[4..], ["open", "joined lobby", "m2", "reset 2"]);
    assert_eq!(desk.texts(), ["m1", "m2"]);
}

#[test]
fn a_record_of_a_newer_server_keeps_its_place_and_says_nothing() {
    let mut desk = Desk::in_lobby();
    desk.hear(r#"{"on":"pin","room":"lobby","epoch":5,"offset":4,"of":2}"#);
    desk.hear(&event(5));
    assert_eq!(desk.heard(), ["m5"]);
    assert!(desk.sent.is_empty());
}

#[test]
fn who_knows_a_room_already_joins_it_from_there() {
    let mut desk = Desk::new(Settings::new());
    desk.open("");
    desk.ask(Request::Join { room: "lobby".into(), history: None, since: Some(at(3)) });
    let records = records([4, 5]);
    desk.reply(&format!(
        r#"{{"room":"lobby","epoch":5,"offset":5,"recovered":true,"records":{records},"member_count":2,"read":3,"unread_count":2}}"#
    ));
    assert_eq!(
        (desk.heard()[2..].to_vec(), desk.answered()),
        (vec!["m4".into(), "m5".into()], vec!["Joined".into()])
    );
    assert_eq!(desk.machine.room("lobby").unwrap().unread_count(), 2);
}
