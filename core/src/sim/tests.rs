//! Lines that are slow, break and hang, and the engine's answer to each.

use super::*;

fn options() -> Options {
    let mut options = Options::new();
    options.set_number("message_rate", 0).unwrap();
    options
}

fn sim(options: &Options, seed: u64) -> Sim {
    Sim::new(options, seed).unwrap()
}

fn texts(seen: &[Seen], line: LineId) -> Vec<String> {
    let text = |seen: &Seen| match &seen.what {
        What::Text(text) if seen.line == line => Some(text.clone()),
        _ => None,
    };
    seen.iter().filter_map(text).collect()
}

fn said(seen: &[Seen], line: LineId) -> Vec<String> {
    let text = |json: String| {
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        json["data"]["text"].as_str().map(str::to_owned)
    };
    texts(seen, line).into_iter().filter_map(text).collect()
}

fn closes(seen: &[Seen], line: LineId) -> Vec<u16> {
    let code = |seen: &Seen| match seen.what {
        What::Closed { code, .. } if seen.line == line => Some(code),
        _ => None,
    };
    seen.iter().filter_map(code).collect()
}

fn join(sim: &mut Sim, name: &str, link: Link) -> LineId {
    let line = sim.connect("/", &[], link);
    while !sim.is_open(line) {
        sim.step(sim.now_ms() + 10_000).expect("it opens");
    }
    sim.send(line, name);
    line
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut options = options();
        options.set_number("shard_count", 3).unwrap();
        options.set_number("lag_bytes", 4_096).unwrap();
        let mut sim = sim(&options, seed);
        let mut all = Vec::new();
        let lines: Vec<LineId> = (0..8)
            .map(|at| {
                let delay_ms = sim.random(300);
                join(&mut sim, &format!("user {at}"), Link::new().delay_ms(1, delay_ms))
            })
            .collect();
        sim.slow(lines[3], Some(500));
        for round in 0..100 {
            let line = lines[sim.random(8) as usize];
            let len = sim.random(900) as usize;
            sim.send(line, &format!("{round} {}", "x".repeat(len)));
            let ms = sim.random(50);
            all.extend(sim.advance(ms));
            match round {
                30 => sim.cut(lines[1]),
                50 => sim.hang(lines[2]),
                70 => sim.restart(Restart::crash()),
                _ => {}
            }
        }
        all.extend(sim.advance(200_000));
        (all, format!("{:?}", sim.events()))
    };
    let first = run(5);
    assert!(first.0.len() > 300);
    assert_eq!(first, run(5));
    assert_ne!(first.0, run(6).0);
}

#[test]
fn everybody_hears_everything_in_one_order_whatever_the_delays() {
    for seed in 0..20 {
        let mut options = options();
        options.set_number("shard_count", 1 + seed % 3).unwrap();
        let mut sim = sim(&options, seed);
        let lines: Vec<LineId> =
            (0..5).map(|at| join(&mut sim, &format!("user {at}"), Link::new().delay_ms(1, 400))).collect();
        sim.advance(2_000);
        let mut seen = Vec::new();
        for at in 0..50 {
            let line = lines[sim.random(5) as usize];
            sim.send(line, &format!("message {at}"));
            seen.extend(sim.advance(10));
        }
        seen.extend(sim.advance(5_000));
        let first = said(&seen, lines[0]);
        assert_eq!(first.len(), 50, "seed {seed}");
        for line in &lines {
            assert_eq!(said(&seen, *line), first, "seed {seed}");
        }
    }
}

#[test]
fn a_slow_reader_gets_everything_later_and_the_memory_for_it_is_bounded() {
    let mut options = options();
    options.set_number("lag_bytes", 10_000).unwrap();
    let mut sim = sim(&options, 3);
    let fast = join(&mut sim, "fast", Link::new());
    let slow = join(&mut sim, "slow", Link::new().reads_at(20_000).in_flight_bytes(4_096));
    sim.advance(1_000);
    let mut seen = Vec::new();
    let mut most = 0;
    for at in 0..200 {
        sim.send(fast, &format!("{at} {}", "x".repeat(1_000)));
        seen.extend(sim.advance(10));
        most = most.max(sim.stats().unwrap().waiting_bytes);
    }
    assert!(sim.stats().unwrap().lagging_count == 1);
    seen.extend(sim.advance(60_000));
    // What it missed is queued for it in one piece, of at most 256 KiB; nothing else once it lags.
    assert!((10_000..150_000).contains(&most), "{most} bytes waited");
    assert_eq!(said(&seen, slow).len(), 200);
    assert_eq!(said(&seen, slow), said(&seen, fast));
}

#[test]
fn who_reads_nothing_at_all_is_cut_in_the_end() {
    let mut sim = sim(&options(), 4);
    let fast = join(&mut sim, "fast", Link::new());
    let stuck = join(&mut sim, "stuck", Link::new().in_flight_bytes(2_000));
    sim.advance(1_000);
    sim.slow(stuck, Some(0));
    for at in 0..100 {
        sim.send(fast, &format!("{at} {}", "x".repeat(1_000)));
        sim.advance(10);
    }
    sim.advance(200_000);
    assert_eq!(sim.member_count("lobby").unwrap(), 1);
    sim.slow(stuck, None);
    assert_eq!(closes(&sim.advance(10_000), stuck), [1006]);
}

#[test]
fn a_hung_line_is_noticed_by_heartbeats_and_a_healed_one_goes_on() {
    let mut sim = sim(&options(), 5);
    let gone = join(&mut sim, "gone", Link::new());
    let back = join(&mut sim, "back", Link::new());
    sim.advance(1_000);
    sim.hang(gone);
    sim.hang(back);
    sim.broadcast("lobby", "anybody?").unwrap();
    assert_eq!(sim.advance(5_000), []);
    sim.heal(back);
    assert_eq!(said(&sim.advance(1_000), back), ["anybody?"]);
    let seen = sim.advance(200_000);
    assert_eq!((closes(&seen, back), closes(&seen, gone)), (vec![], vec![]));
    assert_eq!(sim.member_count("lobby").unwrap(), 1);
    // Nobody has told the client, whose own patience decides.
    assert!(sim.is_open(gone));
    sim.cut(gone);
    assert_eq!(closes(&sim.advance(0), gone), [1006]);
}

#[test]
fn a_cut_line_ends_on_both_sides() {
    let mut sim = sim(&options(), 6);
    let line = join(&mut sim, "cut", Link::new());
    sim.advance(1_000);
    assert_eq!(sim.member_count("lobby").unwrap(), 1);
    sim.cut(line);
    sim.send(line, "too late");
    assert_eq!(closes(&sim.advance(1_000), line), [1006]);
    assert_eq!(sim.member_count("lobby").unwrap(), 0);
    assert_eq!(sim.stats().unwrap().connection_count, 0);
}

#[test]
fn a_closing_handshake_is_seen_by_both() {
    let mut sim = sim(&options(), 7);
    let line = join(&mut sim, "polite", Link::new());
    sim.advance(1_000);
    sim.close(line, 1000, "bye");
    assert_eq!(closes(&sim.advance(1_000), line), [1000]);
    let gone =
        |event: &Event| matches!(event, Event::Disconnected { code: 1000, reason, .. } if reason == "bye");
    assert_eq!(sim.events().iter().filter(|event| gone(event)).count(), 1);
    // On a line that hangs there is no answer.
    let line = join(&mut sim, "stuck", Link::new());
    sim.advance(1_000);
    sim.hang(line);
    sim.close(line, 1000, "");
    assert_eq!(closes(&sim.advance(10_000), line), [1006]);
}

#[test]
fn a_restart_closes_everybody_and_keeps_what_was_said() {
    for (how, code) in [(Restart::clean(), 1001), (Restart::crash(), 1006)] {
        let mut sim = sim(&options(), 8);
        let line = join(&mut sim, "ann", Link::new());
        sim.send(line, "before");
        sim.advance(1_000);
        sim.restart(how);
        assert_eq!(closes(&sim.advance(900), line), [code]);
        let early = sim.connect("/", &[], Link::new());
        assert_eq!(closes(&sim.advance(50), early), [1006]);
        assert_eq!(sim.broadcast("lobby", "x").unwrap_err().code().name(), "not_running");
        sim.advance(1_000);
        let late = sim.connect("/", &[], Link::new());
        let seen = sim.advance(1_000);
        assert!(texts(&seen, late)[0].contains("before"), "{seen:?}");
    }
}

#[test]
fn a_restart_may_lose_what_was_said_last() {
    let mut sim = sim(&options(), 8);
    let line = join(&mut sim, "ann", Link::new());
    ["one", "two", "three"].iter().for_each(|text| sim.send(line, text));
    sim.advance(1_000);
    sim.restart(Restart::crash().losing(2));
    sim.advance(2_000);
    let left = sim.history("lobby", 0, 10).unwrap();
    assert_eq!(left.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["one"]);
    let position = sim.broadcast("lobby", "four").unwrap();
    assert!(position.epoch > left[0].position.epoch && position.offset > 3, "{position}");
}

#[test]
fn what_the_engine_refuses_is_seen_with_its_status() {
    let mut sim = sim(&options(), 9);
    let nowhere = sim.connect("/nowhere", &[], Link::new());
    let unspoken = sim.connect("/", &["graphql-ws"], Link::new());
    let wrong = sim.connect("no path", &[], Link::new());
    let seen = sim.advance(1_000);
    let status = |line| {
        seen.iter().find_map(|seen| match seen.what {
            What::Refused { status, .. } if seen.line == line => Some(status),
            _ => None,
        })
    };
    assert_eq!([nowhere, unspoken, wrong].map(status), [Some(404), Some(400), Some(0)]);
    assert_eq!(seen.len(), 3);
    assert_eq!(sim.stats().unwrap().connection_count, 0);
}

#[test]
fn hours_pass_without_a_thread_or_a_sleep() {
    let mut sim = sim(&options(), 10);
    let line = join(&mut sim, "patient", Link::new());
    sim.advance(12 * 3_600_000);
    assert!(sim.is_open(line));
    sim.send(line, "still here");
    assert_eq!(said(&sim.advance(1_000), line), ["still here"]);
}

/// Somebody who speaks v1 is in the lobby.
fn talk(sim: &mut Sim, link: Link, name: &str) -> LineId {
    let line = sim.connect("/", &[V1], link);
    while !sim.is_open(line) {
        sim.step(sim.now_ms() + 10_000).expect("it opens");
    }
    sim.send(line, &format!(r#"{{"id":1,"do":"hello","name":"{name}"}}"#));
    sim.send(line, r#"{"id":2,"do":"join","room":"lobby"}"#);
    sim.advance(1_000);
    line
}

#[test]
fn who_lags_and_is_written_to_for_the_first_time_is_shown_that_too() {
    for is_alone in [false, true] {
        let mut options = options();
        options.set_number("lag_bytes", 1_024).unwrap();
        let mut sim = sim(&options, 1);
        sim.watch();
        let ann = talk(&mut sim, Link::new().in_flight_bytes(500), "Ann");
        let bob = talk(&mut sim, Link::new(), "Bob");
        if is_alone {
            sim.send(ann, r#"{"id":3,"do":"block","user":"u9","on":true}"#);
        }
        sim.advance(1_000);
        sim.slow(ann, Some(0));
        let text = "x".repeat(900);
        for id in 3..6 {
            sim.send(
                bob,
                &format!(r#"{{"id":{id},"do":"send","room":"lobby","mid":"{id}","text":"{text}"}}"#),
            );
        }
        sim.advance(1_000);
        for id in 6..8 {
            sim.send(bob, &format!(r#"{{"id":{id},"do":"send","to":"u1","mid":"{id}","text":"psst {id}"}}"#));
        }
        sim.advance(1_000);
        sim.slow(ann, None);
        let seen = texts(&sim.advance(1_000), ann);
        // Or told that it is there to be fetched.
        let is_shown = |words: &str| seen.iter().any(|text| text.contains(words));
        let is_told = seen.iter().any(|text| text.contains(r#""on":"gap","room":"dm:"#));
        assert_eq!(
            [is_shown("psst 6"), is_shown("psst 7"), is_told],
            [!is_alone, !is_alone, is_alone],
            "{seen:?}"
        );
        sim.judge(&["lobby"]);
        assert_eq!(sim.faults(), []);
    }
}

#[test]
fn what_is_too_old_is_shown_to_nobody_who_comes() {
    let mut options = options();
    options.set_number("history_ms", 10_000).unwrap();
    let mut sim = sim(&options, 1);
    let ann = join(&mut sim, "Ann", Link::new());
    sim.send(ann, "early");
    sim.advance(8_000);
    sim.send(ann, "late");
    sim.advance(1_000);
    let shown = |sim: &mut Sim, name: &str| {
        let line = join(sim, name, Link::new());
        texts(&sim.advance(100), line).into_iter().find(|text| text.contains("history"))
    };
    let both = shown(&mut sim, "Bob").unwrap();
    assert!(both.contains("early") && both.contains("late"));
    sim.advance(2_000);
    let one = shown(&mut sim, "Cy").unwrap();
    assert!(!one.contains("early") && one.contains("late"), "{one}");
    sim.advance(20_000);
    assert_eq!(shown(&mut sim, "Dan"), None);
}

#[test]
fn who_lags_and_does_not_want_to_see_somebody_is_never_sent_back_nor_left_with_a_hole() {
    // When Ann blocks Cy: before she lags, before a reply puts her behind what Cy said, or after.
    for blocks_at in 0..3 {
        let mut options = options();
        options.set_number("lag_bytes", 1_024).unwrap();
        let mut sim = sim(&options, 1);
        sim.watch();
        let ann = talk(&mut sim, Link::new().in_flight_bytes(500), "Ann");
        let [bob, cy] = ["Bob", "Cy"].map(|name| talk(&mut sim, Link::new(), name));
        let block = |sim: &mut Sim, at| {
            if at == blocks_at {
                sim.send(ann, r#"{"id":3,"do":"block","user":"u3","on":true}"#);
                sim.advance(1_000);
            }
        };
        let say = |sim: &mut Sim, line: LineId, id: u64| {
            let text = "x".repeat(900);
            sim.send(
                line,
                &format!(r#"{{"id":{id},"do":"send","room":"lobby","mid":"{id}","text":"{text}"}}"#),
            );
            sim.advance(100);
        };
        block(&mut sim, 0);
        sim.slow(ann, Some(0));
        (4..7).for_each(|id| say(&mut sim, bob, id));
        say(&mut sim, cy, 7);
        block(&mut sim, 1);
        // The reply to this says that Ann is behind what Cy has said.
        sim.send(ann, r#"{"id":8,"do":"join","room":"lobby","history":0}"#);
        sim.advance(100);
        block(&mut sim, 2);
        say(&mut sim, cy, 10);
        say(&mut sim, bob, 11);
        sim.slow(ann, None);
        sim.advance(1_000);
        say(&mut sim, bob, 9);
        sim.advance(1_000);
        sim.judge(&["lobby"]);
        assert_eq!(sim.faults(), [], "{blocks_at}");
    }
}

#[test]
fn who_reads_too_slowly_for_what_stands_around_replies_is_shown_that_again_and_nothing_else() {
    let mut repeated_count = 0;
    for seed in 1..=40 {
        let mut options = options();
        options.set_number("lag_bytes", 1_024).unwrap();
        let mut sim = sim(&options, seed);
        sim.watch();
        let ann = talk(&mut sim, Link::new().in_flight_bytes(500), "Ann");
        let bob = talk(&mut sim, Link::new(), "Bob");
        sim.slow(ann, Some(500));
        for round in 0..10 {
            for at in 0..8 {
                for (line, name) in [(ann, "a"), (bob, "b")] {
                    let text = "x".repeat(300);
                    let id = 3 + round * 8 + at;
                    sim.send(line, &format!(
                        r#"{{"id":{id},"do":"send","room":"lobby","mid":"{name}-{id}","text":"{name} {id} {text}"}}"#
                    ));
                }
            }
            let ms = sim.random(2_000);
            sim.advance(ms);
        }
        sim.slow(ann, None);
        sim.advance(60_000);
        sim.judge(&["lobby"]);
        assert_eq!(sim.faults(), [], "seed {seed}");
        repeated_count += sim.checker().expect("it is watched").repeated_count();
    }
    assert!(repeated_count > 0, "nobody lagged");
}
