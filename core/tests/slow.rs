//! Readers that are slower than their room: they cost nobody else anything, and miss nothing in silence.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::{Duration, Instant};

use common::{DEADLINE, Host, host};
use klatsch::{Event, Options};

const TEXT_BYTES: usize = 32_000;
/// More of them than any system keeps for one connection.
const MANY: usize = 1_000;

/// Options by which a reader lags as soon as the system keeps nothing more for it.
fn options() -> Options {
    Options::new().max_text_bytes(TEXT_BYTES as u64 + 100).history(0).lag_bytes(1_024)
}

/// Says these numbers in the lobby, each in a long message.
fn say(host: &Host, numbers: std::ops::Range<usize>) {
    let text = "x".repeat(TEXT_BYTES);
    for n in numbers {
        // Each in a turn of its own, as people speak.
        while host.engine.broadcast("lobby", &format!("{n} {text}")).is_err() {
            std::thread::yield_now();
        }
    }
}

fn number_of(frame: &str) -> usize {
    let start = frame.find(r#""text":""#).expect("a message") + 8;
    frame[start..].split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn who_lags_and_goes_on_is_shown_everything_in_its_order_and_once() {
    let host = host(options());
    let mut slow = host.named("/", "Slow");
    let mut quick = host.named("/", "Quick");
    let (mut said, mut read) = (0, 0);
    let mut say_one = || {
        say(&host, said..said + 1);
        assert_eq!(number_of(&quick.hear()), said);
        said += 1;
        said
    };
    for _ in 0..3 {
        // Fills what the system keeps, and a little more: less than may be missed.
        while host.engine.stats().unwrap().lagging_count == 0 {
            assert!(say_one() < 10 * MANY, "it never lags");
        }
        let end = (0..5).map(|_| say_one()).max();
        while Some(read) < end {
            assert_eq!(number_of(&slow.hear()), read);
            read += 1;
        }
        // It has read all of it, so the engine knows that it lags no longer.
        assert_eq!(host.engine.stats().unwrap().lagging_count, 0);
    }
    slow.say("I am here");
    assert!(slow.hear().contains("I am here"));
}

#[test]
fn who_lags_so_far_that_the_log_has_forgotten_is_closed_and_told_to_come_again() {
    let mut host = host(options().history_kept(2));
    let mut slow = host.named("/", "Slow");
    let mut quick = host.named("/", "Quick");
    for n in 0..MANY {
        say(&host, n..n + 1);
        assert_eq!(number_of(&quick.hear()), n);
    }
    // Everything that it is shown is in its order and without a gap; then it is closed.
    let mut next = 0;
    let code = loop {
        match slow.socket.read() {
            Ok(tungstenite::Message::Text(text)) => {
                assert_eq!(number_of(&text), next);
                next += 1;
            }
            Ok(tungstenite::Message::Close(frame)) => break u16::from(frame.unwrap().code),
            Ok(_) => {}
            Err(error) => panic!("{error} after {next}"),
        }
    };
    assert_eq!(code, 1013);
    assert!(next < MANY);
    let Event::Disconnected { code, .. } = host.event_of("disconnected") else { unreachable!() };
    assert_eq!(code, 1013);
    say(&host, MANY..MANY + 1);
    assert_eq!(number_of(&quick.hear()), MANY);
}

#[test]
fn who_takes_a_little_now_and_then_may_lag_for_so_long_and_no_longer() {
    let host = host(options().lag_timeout_ms(500).write_timeout_ms(60_000));
    let mut slow = host.named("/", "Slow");
    let mut quick = host.named("/", "Quick");
    for n in 0..MANY {
        say(&host, n..n + 1);
        assert_eq!(number_of(&quick.hear()), n);
    }
    let until = Instant::now() + DEADLINE;
    while host.engine.member_count("lobby").unwrap() == 2 {
        assert!(Instant::now() < until, "it lags for ever");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    // The frame that was under way is whole, and the close frame is behind it.
    assert_eq!(slow.closed().0, 1013);
}

#[test]
fn what_is_its_own_reaches_one_who_lags() {
    let mut host = host(options().history_kept(MANY as u64));
    let mut slow = host.named("/", "Slow");
    let Event::Connected { connection, .. } = host.event_of("connected") else { unreachable!() };
    let mut quick = host.named("/", "Quick");
    let mut said = 0;
    while host.engine.stats().unwrap().lagging_count == 0 {
        say(&host, said..said + 1);
        assert_eq!(number_of(&quick.hear()), said);
        said += 1;
    }
    host.engine.tell(connection, "for you alone").unwrap();
    let mut last = None;
    loop {
        let frame = slow.hear();
        if frame.contains("for you alone") {
            break;
        }
        let number = number_of(&frame);
        assert_eq!(number, last.map_or(0, |last| last + 1));
        last = Some(number);
    }
}
