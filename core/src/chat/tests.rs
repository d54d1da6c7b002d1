//! The shared scenarios, played against the chat alone: no socket, no frame, no thread, and time turned by
//! hand. What is not about the chat (paths, HTTP, raw bytes, start and stop) is left to the doors.

#[path = "../../../tests/src/scenario/mod.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "shared with the tests that cross the crates")]
mod scenario;

mod talk;
mod world;

use scenario::{Act, ClientAct, HostAct, Scenario};
use world::World;

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/scenarios");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(path).unwrap();
            let scenario = scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, scenario)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Whether the chat floor knows what this is about.
fn is_chat(act: &Act) -> bool {
    match act {
        Act::Option { name, .. } => World::knows(name),
        Act::Client { act, .. } => match act {
            ClientAct::Knocks { path, subprotocol } => {
                subprotocol.is_none() && world::room_of(path).is_some()
            }
            ClientAct::IsRefused { status, .. } => *status == 403,
            ClientAct::Opens { .. } | ClientAct::Sends(_) | ClientAct::Gets(_) => false,
            // What v1 clients see is JSON, which the chat does not know.
            ClientAct::SaysHello { .. } | ClientAct::SaysHelloWith { .. } => false,
            _ => true,
        },
        Act::Host { act, .. } => !matches!(
            act,
            HostAct::Starts
                | HostAct::Stops { .. }
                | HostAct::BroadcastsEverywhere { .. }
                | HostAct::Tells { .. }
                | HostAct::TellsRoom { .. }
                | HostAct::TellsEveryone { .. }
                | HostAct::Kicks { .. }
        ),
        _ => true,
    }
}

#[test]
fn every_scenario_about_the_chat_is_true_of_the_chat_alone() {
    let mut played = Vec::new();
    for (name, scenario) in scenarios() {
        if scenario.steps.iter().all(|step| is_chat(&step.act)) {
            let mut world = World::new(&scenario);
            for step in &scenario.steps {
                world.play(&format!("{name}:{}", step.line), &step.act);
            }
            played.push(name);
        }
    }
    assert!(played.len() >= 20, "only {} scenarios are about the chat: {played:#?}", played.len());
}

#[test]
fn who_sends_too_fast_is_slowed_down_and_at_last_closed() {
    let mut world = World::with(|settings| settings.message_rate = super::Rate { per_second: 2, burst: 3 });
    world.join("ann", "lobby", "Ann");
    for n in 0..3 {
        world.say("ann", &n.to_string());
    }
    assert_eq!(world.paused_ms("ann"), 500, "the burst is used up");
    // At full speed for ten seconds, then once more.
    for _ in 0..=20 {
        world.turn_to_release("ann");
        world.say("ann", "again");
    }
    assert_eq!(world.closed("ann"), Some(crate::close::Cause::Flood));
}

#[test]
fn who_lets_up_is_not_held_for_a_flood() {
    let mut world = World::with(|settings| settings.message_rate = super::Rate { per_second: 2, burst: 3 });
    world.join("ann", "lobby", "Ann");
    for _ in 0..100 {
        for _ in 0..3 {
            world.say("ann", "x");
        }
        world.turn_ms(2_000);
    }
    assert_eq!(world.closed("ann"), None);
}

#[test]
fn positions_never_repeat_and_name_their_predecessor() {
    let mut world = World::with(|settings| settings.max_room_count = 2);
    world.join("ann", "a", "Ann");
    for room in ["a", "b", "c", "b", "a", "c"] {
        world.turn_ms(1);
        world.broadcast(room, "x").unwrap();
        world.broadcast(room, "y").unwrap();
    }
    let records = world.records();
    let mut positions: Vec<_> =
        records.iter().map(|(room, record)| (room.clone(), record.position())).collect();
    positions.sort();
    positions.dedup();
    assert_eq!(positions.len(), 12, "no position is used twice in a room");
    for (_, record) in &records {
        match record.prev {
            None => assert_eq!(record.position().offset, 1),
            Some(prev) => {
                assert_eq!((prev.epoch, prev.offset + 1), (record.position().epoch, record.position().offset))
            }
        }
    }
}
