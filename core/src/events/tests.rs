//! The bounds of the queue, its order, whom it wakes, and what is kept for whom.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::event::{Question, Subject};
use crate::id::{ConnectionId, QuestionId, RoomName, UserId, UserName};
use crate::message::Payload;

fn queue() -> Arc<Queue> {
    Arc::new(Queue::new(16, 100_000))
}

fn degraded(n: usize) -> Event {
    Event::Degraded { error: Error::new(ErrorCode::System, n.to_string()) }
}

fn words(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            Event::Degraded { error } => error.message(),
            Event::Missed { count } => format!("missed {count}"),
            other => other.kind().into(),
        })
        .collect()
}

#[test]
fn nothing_is_kept_for_a_host_that_does_not_listen() {
    let queue = queue();
    assert!(!queue.push(Event::Stopped));
    assert!(queue.reader().unwrap().drain(9).is_empty());
}

#[test]
fn there_is_one_reader_and_another_when_it_is_gone() {
    let queue = queue();
    let reader = queue.reader().unwrap();
    assert_eq!(queue.reader().unwrap_err().code(), ErrorCode::EventsTaken);
    drop(reader);
    assert!(queue.reader().is_ok());
}

#[test]
fn what_finds_no_place_is_told_where_it_would_have_stood() {
    let queue = queue();
    let mut reader = queue.reader().unwrap();
    for n in 0..18 {
        queue.push(degraded(n));
    }
    assert_eq!(words(&reader.drain(5)), ["0", "1", "2", "3", "4"]);
    queue.push(degraded(18));
    let rest = words(&reader.drain(99));
    assert_eq!(rest[9..], ["14", "missed 3", "18"]);
    for n in 0..20 {
        queue.push(degraded(n));
    }
    assert_eq!(words(&reader.drain(99)).last().unwrap(), "missed 5");
    assert!(reader.drain(1).is_empty());
}

#[test]
fn bytes_are_bounded_and_the_waiting_sender_hears_of_place() {
    let queue = queue();
    let mut reader = queue.reader().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    queue.on_space(Some(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    })));
    let payload = Payload::Binary(vec![0; 90_000]);
    assert!(queue.push(Event::Received { connection: ConnectionId(1), payload }));
    assert_eq!(queue.place_for_received(10_000), Place::Free);
    assert_eq!(queue.place_for_received(10_001), Place::Full);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    reader.drain(1);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(queue.place_for_received(1_000_000), Place::Free, "one event may be larger than the bound");
}

#[test]
fn what_is_not_wanted_is_dropped_in_silence_and_what_is_wanted_comes() {
    let queue = queue();
    let mut reader = queue.reader().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    reader.on_ready(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    queue.push(degraded(0));
    reader.want(&["stopped"]).unwrap();
    for n in 0..100 {
        assert!(!queue.push(degraded(n)));
    }
    assert_eq!(words(&reader.drain(99)), ["0"], "what waited before stays");
    assert_eq!((calls.load(Ordering::Relaxed), queue.waiting_count()), (1, 0));
    assert!(queue.push(Event::Stopped));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    reader.want(&["degraded"]).unwrap();
    assert!(queue.push(degraded(7)) && !queue.push(Event::Stopped));
    assert_eq!(words(&reader.drain(99)), ["stopped", "7"]);
}

#[test]
fn questions_come_and_what_was_missed_is_told_whatever_is_wanted() {
    let queue = queue();
    let mut reader = queue.reader().unwrap();
    reader.want(&["stopped"]).unwrap();
    let (room, user) = (RoomName::new("lobby").unwrap(), UserId::new("u1").unwrap());
    let subject = Subject::MaySend { room, user, name: UserName::new("Ann").unwrap(), text: "hi".to_owned() };
    let (id, connection) = (QuestionId(1), ConnectionId(1));
    assert!(queue.push(Event::Question(Question { id, connection, address: None, subject })));
    for _ in 0..16 {
        queue.push(Event::Stopped);
    }
    let told = words(&reader.drain(99));
    assert_eq!((told[0].as_str(), told[15].as_str(), told.len()), ("question", "missed 2", 16));
}

#[test]
fn a_kind_that_there_is_not_is_refused_and_changes_nothing() {
    let queue = queue();
    let mut reader = queue.reader().unwrap();
    let error = reader.want(&["stopped", "message "]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(error.message().contains("\"message \""), "{}", error.message());
    assert!(queue.push(degraded(1)));
    reader.want(Event::KINDS).unwrap();
    assert!(queue.push(degraded(2)));
    reader.want(&[]).unwrap();
    assert!(!queue.push(degraded(3)));
    drop(reader);
    let mut next = queue.reader().unwrap();
    assert!(queue.push(degraded(4)), "the next reader hears everything");
    assert_eq!(words(&next.drain(9)), ["4"]);
}

#[test]
fn what_raw_connections_send_waits_for_nobody_who_does_not_want_it() {
    let queue = queue();
    let mut reader = queue.reader().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    queue.on_space(Some(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    })));
    let received =
        || Event::Received { connection: ConnectionId(1), payload: Payload::Binary(vec![0; 90_000]) };
    assert!(queue.push(received()));
    assert_eq!(queue.place_for_received(90_000), Place::Full);
    reader.want(&["received", "stopped"]).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 0, "it is wanted still");
    reader.want(&["stopped"]).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1, "whoever waits for place hears that it needs none");
    assert_eq!(queue.place_for_received(90_000), Place::NotWanted);
    reader.want(&["received"]).unwrap();
    assert_eq!(queue.place_for_received(90_000), Place::Full);
}

#[test]
fn the_host_is_woken_once_until_it_has_drained() {
    let queue = queue();
    let mut reader = queue.reader().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    reader.on_ready(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    queue.push(degraded(1));
    queue.push(degraded(2));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    reader.drain(9);
    queue.push(degraded(3));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    queue.close();
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert!(!reader.is_closed());
    assert!(reader.next_blocking().is_some() && reader.next_blocking().is_none() && reader.is_closed());
}
