//! What the logs in memory keep, and lose.

use super::*;
use crate::id::UserName;
use crate::message::{Color, Moderation, More};

fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

fn append(log: &mut Memory, name: &str, offset: u64, text: &str) {
    add(log, name, offset, said(name, offset, text));
}

fn said(name: &str, offset: u64, text: &str) -> Change {
    let message = Message {
        room: room(name),
        position: Position { epoch: 1, offset },
        user: UserId::new("ann").unwrap(),
        name: UserName::new("Ann").unwrap(),
        color: Color::Red,
        at_ms: 0,
        text: text.into(),
        more: More::default(),
    };
    Change::Message(Arc::new(message))
}

fn add(log: &mut Memory, name: &str, offset: u64, change: Change) {
    let prev = (offset > 1).then(|| at(offset - 1));
    log.append(&room(name), Record { position: at(offset), prev, at_ms: 0, change }, None, 0);
}

fn at(offset: u64) -> Position {
    Position { epoch: 1, offset }
}

fn kept(message_count: u64, bytes: u64) -> Memory {
    let bounds = Bounds { message_count, record_count: message_count, bytes, age_ms: 0, dedupe_ms: 1_000 };
    Memory::losing(bounds)
}

/// Keeps what is at most a second old.
fn young() -> Memory {
    let bounds =
        Bounds { message_count: 100, record_count: 100, bytes: 1 << 20, age_ms: 1_000, dedupe_ms: 1_000 };
    Memory::losing(bounds)
}

fn say_at(log: &mut Memory, name: &str, offset: u64, now_ms: u64) {
    let prev = (offset > 1).then(|| at(offset - 1));
    let record = Record { position: at(offset), prev, at_ms: 0, change: said(name, offset, "x") };
    log.append(&room(name), record, None, now_ms);
}

fn expire(log: &mut Memory, now_ms: u64) -> Vec<String> {
    std::iter::from_fn(|| log.expire(now_ms)).map(|room| room.to_string()).collect()
}

fn offsets(log: &mut Memory, name: &str, before: u64, limit: u64) -> Vec<u64> {
    let from = if before == 0 { From::Newest } else { From::Before(before) };
    let (messages, _) = log.messages(&room(name), from, limit, &mut |_| true);
    messages.iter().map(|message| message.position.offset).collect()
}

#[test]
fn the_newest_come_back_in_their_order() {
    let mut log = kept(100, 1 << 20);
    (1..=5).for_each(|offset| append(&mut log, "a", offset, "x"));
    assert_eq!(offsets(&mut log, "a", 0, 3), [3, 4, 5]);
    assert_eq!(offsets(&mut log, "a", 3, 100), [1, 2]);
    assert_eq!(offsets(&mut log, "a", 1, 100), [0; 0]);
    assert_eq!(offsets(&mut log, "b", 0, 100), [0; 0]);
    assert_eq!(
        log.messages(&room("a"), From::Newest, 9, &mut |message| message.position.offset > 3).0.len(),
        2
    );
}

#[test]
fn a_room_keeps_its_newest() {
    let mut log = kept(3, 1 << 20);
    (1..=5).for_each(|offset| append(&mut log, "a", offset, "x"));
    assert_eq!(offsets(&mut log, "a", 0, 100), [3, 4, 5]);
}

#[test]
fn the_quiet_room_pays_when_memory_runs_out() {
    let mut log = kept(100, 10_000);
    append(&mut log, "quiet", 1, &"x".repeat(3_000));
    append(&mut log, "quiet", 2, &"x".repeat(3_000));
    (1..=2).for_each(|offset| append(&mut log, "loud", offset, &"x".repeat(3_000)));
    assert_eq!(offsets(&mut log, "quiet", 0, 100), [2]);
    assert_eq!(offsets(&mut log, "loud", 0, 100), [1, 2]);
    (3..=9).for_each(|offset| append(&mut log, "loud", offset, &"x".repeat(3_000)));
    assert_eq!(offsets(&mut log, "quiet", 0, 100), [0; 0]);
    assert_eq!(offsets(&mut log, "loud", 0, 100), [7, 8, 9]);
    assert!(log.bytes <= 10_000 && log.used.len() == 1);
}

#[test]
fn a_forgotten_room_gives_its_bytes_back() {
    let mut log = kept(100, 10_000);
    append(&mut log, "a", 1, "x");
    log.forget(&room("a"));
    assert_eq!((log.bytes, log.rooms.len(), log.used.len()), (0, 0, 0));
}

fn after(log: &Memory, after: Position) -> (Reach, Vec<u64>) {
    let mut found = Vec::new();
    let reach = log.after(&room("a"), after, &mut |record| {
        found.push(record.position.offset);
        true
    });
    (reach, found)
}

const WHOLE: Reach = Reach::Whole { more: false };

#[test]
fn what_came_after_a_record_is_shown_if_nothing_of_it_is_forgotten() {
    let mut log = kept(3, 1_000_000);
    (1..=5).for_each(|offset| append(&mut log, "a", offset, "hi"));
    assert_eq!(after(&log, at(5)), (WHOLE, vec![]));
    assert_eq!(after(&log, at(3)), (WHOLE, vec![4, 5]));
    assert_eq!(after(&log, at(2)), (WHOLE, vec![3, 4, 5]));
    for unknown in [at(1), at(0), at(6), Position { epoch: 2, offset: 4 }, Position { epoch: 0, offset: 4 }] {
        assert_eq!(after(&log, unknown), (Reach::Short, vec![]), "{unknown}");
    }
    let mut count = 0;
    let reach = log.after(&room("a"), at(2), &mut |_| {
        count += 1;
        false
    });
    assert_eq!((reach, count), (Reach::Whole { more: true }, 1));
    assert_eq!(
        [2, 3, 5, 6].map(|offset| log.position(&room("a"), offset).is_some()),
        [true, true, true, false]
    );
}

#[test]
fn from_the_beginning_all_is_shown_while_it_is_kept() {
    let mut log = kept(3, 1_000_000);
    (1..=3).for_each(|offset| append(&mut log, "a", offset, "hi"));
    assert_eq!(after(&log, at(0)), (WHOLE, vec![1, 2, 3]));
    assert_eq!(log.position(&room("a"), 0), Some(at(0)));
    append(&mut log, "a", 4, "hi");
    assert_eq!(after(&log, at(0)), (Reach::Short, vec![]));
}

fn edit(of: u64, text: &str) -> Change {
    Change::Edit { of, mid: Some(Mid::new("m")), user: UserId::new("ann").unwrap(), text: text.into() }
}

fn react(of: u64, user: &str, add: bool) -> Change {
    let user = UserId::new(user).unwrap();
    Change::React { of, mid: Mid::new("m"), user, emoji: "👍".into(), add }
}

fn delete_of(of: u64) -> Change {
    Change::Delete { of, mid: Some(Mid::new("m")), user: UserId::new("ann").unwrap() }
}

fn bytes(log: &Memory) -> u64 {
    let kept = log.rooms.values();
    kept.map(|kept| {
        let records: usize = kept.records.iter().map(Record::own_bytes).sum();
        let held = kept.records.iter().filter_map(Record::message).chain(&kept.messages);
        let mut sizes: Vec<_> = held.map(|message| (message.position, message.size_bytes())).collect();
        sizes.sort_unstable();
        sizes.dedup();
        (records + sizes.into_iter().map(|(_, size)| size).sum::<usize>()) as u64
    })
    .sum()
}

#[test]
fn messages_stand_as_they_were_changed_and_the_bytes_are_counted() {
    let mut log = kept(10, 1 << 20);
    append(&mut log, "a", 1, "hello");
    add(&mut log, "a", 2, edit(1, "hello again"));
    add(&mut log, "a", 3, react(1, "bob", true));
    add(&mut log, "a", 4, react(1, "cy", true));
    let message = log.message(&room("a"), 1).unwrap();
    assert_eq!((message.text.as_str(), message.more.revision), ("hello again", 1));
    assert_eq!(message.more.reactions[0].users.len(), 2);
    assert_eq!(log.rooms[&room("a")].records[0].message(), Some(&message));
    assert_eq!(log.bytes, bytes(&log));
    add(&mut log, "a", 5, react(1, "bob", false));
    add(&mut log, "a", 6, react(1, "cy", false));
    assert_eq!(log.message(&room("a"), 1).unwrap().more.reactions, []);
    add(&mut log, "a", 7, delete_of(1));
    let message = log.message(&room("a"), 1).unwrap();
    assert!(message.more.is_deleted && message.text.is_empty());
    assert_eq!(log.bytes, bytes(&log));
    append(&mut log, "a", 8, "one");
    append(&mut log, "a", 9, "two");
    let act = Moderation::Clear { user: Some(UserId::new("ann").unwrap()) };
    add(&mut log, "a", 10, Change::Moderation { act, by: None });
    assert!(log.rooms[&room("a")].messages.iter().all(|message| message.more.is_deleted));
    assert_eq!(log.bytes, bytes(&log));
    for offset in 11..40 {
        append(&mut log, "a", offset, "more");
        assert_eq!(log.bytes, bytes(&log), "after {offset}");
    }
    log.forget(&room("a"));
    assert_eq!(log.bytes, 0);
}

#[test]
fn what_is_lost_is_as_if_it_had_never_been() {
    let mut log = kept(10, 1 << 20);
    append(&mut log, "a", 1, "hello");
    add(&mut log, "a", 2, react(1, "bob", true));
    let before = log.message(&room("a"), 1).unwrap();
    let held = log.bytes;
    add(&mut log, "a", 3, edit(1, "other"));
    add(&mut log, "a", 4, delete_of(1));
    append(&mut log, "a", 5, "new");
    assert_eq!(log.lose(&room("a"), 3, 9), at(2));
    assert_eq!(log.message(&room("a"), 1), Some(before));
    assert_eq!((log.message(&room("a"), 5), log.bytes), (None, held));
    // Who had seen what is lost is told to where to go back; who had not has missed nothing.
    assert_eq!(after(&log, at(4)), (Reach::RolledBack { to: at(2), more: false }, vec![]));
    assert_eq!(after(&log, at(2)), (WHOLE, vec![]));
    let position = Position { epoch: 9, offset: 65_541 };
    let record = Record { position, prev: Some(at(2)), at_ms: 0, change: edit(1, "after all") };
    log.append(&room("a"), record, None, 0);
    assert_eq!(after(&log, at(4)), (Reach::RolledBack { to: at(2), more: false }, vec![65_541]));
    assert_eq!(after(&log, at(1)), (WHOLE, vec![2, 65_541]));
    assert_eq!(after(&log, position), (WHOLE, vec![]));
    // Further back than before.
    assert_eq!(log.lose(&room("a"), 2, 20), at(1));
    assert_eq!(after(&log, position), (Reach::RolledBack { to: at(1), more: false }, vec![]));
    assert_eq!(after(&log, at(2)), (Reach::RolledBack { to: at(1), more: false }, vec![]));
}

#[test]
fn what_was_sent_is_known_unless_it_was_lost() {
    let mut log = kept(10, 1 << 20);
    let sent = |mid: &str| Some(Sent { user: UserId::new("ann").unwrap(), mid: Mid::new(mid), content: 7 });
    let seen = |log: &Memory, mid: &str| {
        log.seen(&room("a"), &UserId::new("ann").unwrap(), &Mid::new(mid), 0).map(|seen| seen.position)
    };
    for offset in 1..=2 {
        let prev = (offset > 1).then(|| at(offset - 1));
        let record = Record { position: at(offset), prev, at_ms: 0, change: delete_of(9) };
        log.append(&room("a"), record, sent(&offset.to_string()), 0);
    }
    assert_eq!((seen(&log, "1"), seen(&log, "2"), seen(&log, "3")), (Some(at(1)), Some(at(2)), None));
    log.lose(&room("a"), 1, 9);
    assert_eq!((seen(&log, "1"), seen(&log, "2")), (Some(at(1)), None));
    log.forget(&room("a"));
    assert_eq!(seen(&log, "1"), None);
}

#[test]
fn what_is_too_old_is_forgotten_at_its_time_in_each_room_and_what_follows_stays() {
    let mut log = young();
    for (name, offset, now_ms) in [("a", 1, 0), ("b", 1, 100), ("a", 2, 500), ("a", 3, 501), ("a", 4, 900)] {
        say_at(&mut log, name, offset, now_ms);
    }
    // A part of a second is 3 ms: the first of "a" has been there for long enough at 1,003.
    assert_eq!(log.next_expiry_ms(), Some(1_003));
    assert_eq!(expire(&mut log, 1_002), [""; 0]);
    assert_eq!(expire(&mut log, 1_003), ["a"]);
    assert_eq!((offsets(&mut log, "a", 0, 9), offsets(&mut log, "b", 0, 9)), (vec![2, 3, 4], vec![1]));
    assert_eq!(expire(&mut log, 1_600), ["b", "a"]);
    assert_eq!((offsets(&mut log, "a", 0, 9), offsets(&mut log, "b", 0, 9)), (vec![4], vec![]));
    // Whoever knows what is forgotten is shown what follows; whoever does not is told that it is not whole.
    assert_eq!(log.after(&room("a"), at(3), &mut |_| true), Reach::Whole { more: false });
    assert_eq!(log.after(&room("a"), at(2), &mut |_| true), Reach::Short);
    assert_eq!(log.after(&room("b"), at(1), &mut |_| true), Reach::Whole { more: false });
    assert_eq!(expire(&mut log, 10_000), ["a"]);
    assert_eq!((log.held_bytes(), log.next_expiry_ms()), (0, None));
    say_at(&mut log, "b", 2, 10_000);
    assert_eq!((offsets(&mut log, "b", 0, 9), log.next_expiry_ms()), (vec![2], Some(11_003)));
}

#[test]
fn what_is_lost_or_forgotten_is_not_waited_for() {
    let mut log = young();
    for offset in 1..=4 {
        say_at(&mut log, "a", offset, offset * 100);
    }
    say_at(&mut log, "b", 1, 50);
    log.lose(&room("a"), 3, 2);
    log.forget(&room("b"));
    assert_eq!((log.next_expiry_ms(), offsets(&mut log, "a", 0, 9)), (Some(1_103), vec![1]));
    log.lose(&room("a"), 1, 3);
    assert_eq!((log.next_expiry_ms(), expire(&mut log, 9_000)), (None, vec![]));
}

#[test]
fn marks_of_a_busy_room_are_few() {
    let mut log = young();
    for offset in 1..=20_000 {
        say_at(&mut log, "a", offset, offset / 2);
        expire(&mut log, offset / 2);
    }
    assert!(log.rooms[&room("a")].marks.count() <= 1_003 / 3 + 2);
}
