//! What the host can find out about what it broadcast, and about its connections.

mod common;

use std::time::{Duration, Instant};

use common::{Client, DEADLINE, host};
use klatsch::{Event, Options, Position, Stats};

/// A receipt's position and counts: for how many, sent, queued, lagging.
fn counts(event: &Event) -> (Position, [u64; 4]) {
    match event {
        Event::Receipt { position, connection_count, sent_count, queued_count, lagging_count, .. } => {
            (*position, [*connection_count, *sent_count, *queued_count, *lagging_count])
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_broadcast_has_one_receipt_that_says_how_many_had_it() {
    for shard_count in [1, 3] {
        let mut host = host(Options::new().receipts(true).shard_count(shard_count));
        let nobody = host.engine.broadcast("lobby", "to an empty room").unwrap();
        assert_eq!(counts(&host.event_of("receipt")), (nobody, [0; 4]));
        let _elsewhere = host.named("/?room=other", "Else");
        let mut members: Vec<Client> = (0..5).map(|n| host.named("/", &format!("n{n}"))).collect();
        let positions: Vec<Position> =
            (0..20).map(|n| host.engine.broadcast("lobby", &format!("{n}")).unwrap()).collect();
        for position in positions {
            assert_eq!(counts(&host.event_of("receipt")), (position, [5, 5, 0, 0]));
        }
        for member in &mut members {
            for n in 0..20 {
                while !member.hear().contains(&format!(r#""text":"{n}""#)) {}
            }
        }
        host.stop();
    }
}

#[test]
fn what_users_say_and_what_stands_in_no_log_has_no_receipt() {
    let mut host = host(Options::new().receipts(true));
    let mut ann = host.named("/", "Ann");
    ann.say("hello");
    host.engine.send("lobby", "bob", "hello too").unwrap();
    host.engine.broadcast_all("outside of every log").unwrap();
    let position = host.engine.broadcast("lobby", "last").unwrap();
    assert_eq!(counts(&host.event_of("receipt")).0, position);
    host.stop();
}

#[test]
fn a_receipt_counts_those_who_read_too_slowly_and_the_figures_name_them() {
    const TEXT_BYTES: usize = 32_000;
    let options = Options::new().receipts(true).max_text_bytes(TEXT_BYTES as u64).history(0);
    let mut host = host(options.lag_bytes(65_536).event_queue_bytes(1 << 30));
    let _slow = host.named("/", "Slow");
    let Event::Connected { connection, .. } = host.event_of("connected") else { unreachable!() };
    let mut quick = host.named("/", "Quick");
    let text = "x".repeat(TEXT_BYTES);
    let (mut sent, mut queued, mut lagging) = (0, 0, 0);
    while lagging == 0 {
        host.engine.broadcast("lobby", &text).unwrap();
        while !quick.hear().contains("xxx") {}
        let (_, [all, at_once, waits, later]) = counts(&host.event_of("receipt"));
        assert_eq!((all, at_once + waits + later), (2, 2));
        assert!(at_once >= 1, "the quick one has it at once");
        sent += at_once;
        queued += waits;
        lagging += later;
    }
    // What the system kept, then what the engine does, then nothing more.
    assert!(sent > queued && (1..=4).contains(&queued), "{sent} {queued} {lagging}");
    let until = Instant::now() + DEADLINE;
    let stats = loop {
        let stats: Stats = host.engine.stats().unwrap();
        if !stats.slowest.is_empty() && stats.lagging_count > 0 {
            break stats;
        }
        assert!(Instant::now() < until, "the slowest is not named: {stats:?}");
        std::thread::park_timeout(Duration::from_millis(10));
    };
    assert_eq!(stats.slowest[0].connection, connection);
    assert!((1..=2 * 65_536).contains(&stats.slowest[0].waiting_bytes), "{stats:?}");
    assert_eq!((stats.connection_count, stats.lagging_count, stats.room_count), (2, 1, 1));
    assert!(stats.waiting_bytes >= stats.slowest[0].waiting_bytes && stats.sent_bytes > 0, "{stats:?}");
    assert!(stats.received_bytes > 0 && stats.history_bytes > TEXT_BYTES as u64, "{stats:?}");
    host.engine.kick(connection, "enough").unwrap();
    let until = Instant::now() + DEADLINE;
    while host.engine.stats().unwrap().lagging_count > 0 {
        assert!(Instant::now() < until, "who is gone lags no longer");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn near_its_memory_the_engine_refuses_newcomers_and_goes_on_when_there_is_memory_again() {
    // The logs are what is held: a room with a message of 60 KB each, and place for 15 of 16 of them.
    let options = Options::new().max_text_bytes(60_000).history_bytes(1 << 30).memory_bytes(1 << 20);
    let mut host = host(options.history(1));
    let mut quick = host.named("/?room=a0", "Quick");
    let text = "x".repeat(60_000);
    for n in 0..15 {
        host.engine.broadcast(&format!("a{n}"), &text).unwrap();
        host.engine.broadcast("a0", "and on").unwrap();
        while !quick.hear().contains("and on") {}
    }
    let Event::Degraded { error } = host.event_of("degraded") else { unreachable!() };
    assert!(error.message().contains("memory_bytes"), "{error}");
    assert_eq!(Client::try_connect(host.address, "/", &[]).err(), Some(503));
    assert!(host.engine.stats().unwrap().memory_bytes > (1 << 20) / 8 * 7);
    // Who is there still chats.
    quick.say("still here");
    assert!(quick.hear().contains("still here"));
}

#[test]
fn near_its_memory_the_engine_closes_those_for_whom_most_waits() {
    let options = Options::new().raw("/raw", "").outbox_bytes(64 << 20).memory_bytes(4 << 20);
    let mut host = host(options);
    let _slow = host.client("/raw");
    let Event::Connected { connection, .. } = host.event_of("connected") else { unreachable!() };
    let mut quick = host.named("/", "Quick");
    let until = Instant::now() + DEADLINE;
    // What the system takes for it, and then what the engine may hold.
    while host.engine.tell(connection, vec![7; 60_000]).is_ok()
        || host.engine.stats().unwrap().too_slow_count == 0
    {
        assert!(Instant::now() < until, "it holds {:?}", host.engine.stats());
        std::thread::park_timeout(Duration::from_micros(200));
    }
    let Event::Disconnected { connection: gone, code, reason } = host.event_of("disconnected") else {
        unreachable!()
    };
    assert_eq!((gone, code, reason.contains("memory")), (connection, 1013, true), "{reason}");
    quick.say("I read what I am sent");
    assert!(quick.hear().contains("I read what I am sent"));
}
