//! One seed is one story: some users, some rooms, some minutes in which lines break and engines restart, and then peace; in the
//! end everybody must agree.

use std::collections::BTreeMap;
use std::fmt::Write;

use klatsch::client::chat::{Event, RequestId, Settings, State};
use klatsch::sim::{ClientId, LineId, Link, Rule, Sim, Told};
use klatsch::{ErrorCode, Moderation, Options};

use super::person::Person;

#[path = "deeds.rs"]
mod deeds;

/// What came of a story.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was broken, in words, with the rule.
    pub(crate) faults: Vec<(Rule, String)>,
    /// What happened, for people.
    pub(crate) story: String,
    /// How many records the logs have in the end.
    pub(crate) record_count: u64,
    /// How many records lines were shown, and how many of them again.
    pub(crate) shown_count: u64,
    pub(crate) repeated_count: u64,
    /// How many changes were acknowledged.
    pub(crate) acknowledged_count: u64,
}

/// Plays the story of a seed. `whole`: what goes over the lines is a part of it.
pub(crate) fn play(seed: u64, whole: bool) -> Outcome {
    let mut story = Story::new(seed);
    if whole {
        story.sim.write_down();
    }
    story.live();
    story.settle();
    story.judge()
}

struct Story {
    sim: Sim,
    actors: Vec<Actor>,
    rooms: Vec<String>,
    text: String,
    said_count: u64,
    may_restart: bool,
    may_lose: bool,
    faults: Vec<(Rule, String)>,
}

struct Actor {
    name: String,
    who: Who,
    rooms: Vec<String>,
    /// The rooms that its client asks to enter.
    joins: BTreeMap<RequestId, String>,
    /// What the client last told of each room: events must ascend.
    last_told: BTreeMap<String, klatsch::Position>,
}

enum Who {
    /// Written from the protocol's text.
    Plain(Box<Person>),
    /// This project's client.
    Own(ClientId),
}

impl Story {
    fn new(seed: u64) -> Story {
        // The options follow from the seed, too.
        let pick = |at: u64, values: &[u64]| {
            let mixed = (seed * 64 + at).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
            values[mixed as usize % values.len()]
        };
        let mut options = Options::new();
        let numbers = [
            ("shard_count", pick(1, &[1, 1, 2, 3])),
            ("message_rate", pick(2, &[0, 0, 0, 5])),
            ("lag_bytes", pick(3, &[2_000, 16_384, 65_536])),
            ("heartbeat_interval_ms", pick(4, &[3_000, 8_000])),
            ("heartbeat_timeout_ms", 3_000),
            ("history_kept", pick(5, &[1_000, 1_000, 1_000, 40])),
        ];
        for (name, value) in numbers {
            options.set_number(name, value).expect("it is an option");
        }
        let mut sim = Sim::new(&options, seed).expect("the options are right");
        sim.watch();
        let rooms: Vec<String> = ["den", "lobby", "attic"]
            .iter()
            .take(1 + sim.random(3) as usize)
            .map(|&name| name.into())
            .collect();
        let mut story = Story {
            sim,
            actors: Vec::new(),
            rooms,
            text: String::new(),
            said_count: 0,
            may_restart: seed.is_multiple_of(3),
            may_lose: seed.is_multiple_of(5),
            faults: Vec::new(),
        };
        let _ = writeln!(story.text, "seed {seed}: {numbers:?}");
        let count = 2 + story.sim.random(4);
        for name in ["ann", "bob", "cy", "dan", "eve"].into_iter().take(count as usize) {
            let link = story.link();
            let who = match story.sim.random(2) {
                0 => Who::Plain(Box::new(Person::new(name, link.clone()))),
                _ => {
                    Who::Own(story.sim.client(settings(name), link.clone()).expect("the settings are right"))
                }
            };
            story.tell(&format!("{name} comes, by {link:?}"));
            story.actors.push(Actor {
                name: name.into(),
                who,
                rooms: Vec::new(),
                joins: Default::default(),
                last_told: Default::default(),
            });
            let room = story.a_room();
            story.join(story.actors.len() - 1, &room);
        }
        story
    }

    fn link(&mut self) -> Link {
        let link = match self.sim.random(4) {
            0 => Link::new().delay_ms(50, 400),
            1 => Link::new().delay_ms(1, 1_500),
            _ => Link::new(),
        };
        match self.sim.random(6) {
            0 => link.reads_at(1_000 + self.sim.random(4_000)).in_flight_bytes(2_000),
            _ => link,
        }
    }

    fn a_room(&mut self) -> String {
        let at = self.sim.random(self.rooms.len() as u64) as usize;
        self.rooms[at].clone()
    }

    fn tell(&mut self, words: &str) {
        for line in self.sim.transcript() {
            let _ = writeln!(self.text, "{line}");
        }
        let _ = writeln!(self.text, "{:>7} ms  {words}", self.sim.now_ms());
    }

    /// Some time in which everything may happen.
    fn live(&mut self) {
        let end_ms = 10_000 + self.sim.random(20_000);
        let mut next_ms = 500;
        while self.sim.now_ms() < end_ms {
            self.run_until(next_ms);
            self.act();
            next_ms = self.sim.now_ms() + 1 + self.sim.random(400);
        }
    }

    /// Lets the time go on, and everybody see what there is to see.
    fn run_until(&mut self, until_ms: u64) {
        loop {
            let now_ms = self.sim.now_ms();
            let wakes = self.actors.iter().filter_map(|actor| match &actor.who {
                Who::Plain(person) => person.next_ms(now_ms),
                Who::Own(_) => None,
            });
            let next_ms = wakes.min().unwrap_or(until_ms).max(now_ms).min(until_ms);
            match self.sim.step(next_ms) {
                Some(seen) => {
                    for actor in &mut self.actors {
                        if let Who::Plain(person) = &mut actor.who
                            && person.line == Some(seen.line)
                        {
                            person.see(&mut self.sim, &seen.what);
                        }
                    }
                }
                None => {
                    for actor in &mut self.actors {
                        if let Who::Plain(person) = &mut actor.who {
                            person.wake(&mut self.sim);
                        }
                    }
                    if self.sim.now_ms() >= until_ms {
                        self.begin_anew();
                        self.listen();
                        return self.go_elsewhere();
                    }
                }
            }
        }
    }

    /// What this project's clients have told: what has a position ascends.
    fn listen(&mut self) {
        for actor in &mut self.actors {
            let Who::Own(client) = actor.who else { continue };
            for (at_ms, told) in self.sim.told(client) {
                if let Told::Answered { request, result } = &told {
                    let room = actor.joins.remove(request).filter(|_| result.is_err());
                    actor.rooms.retain(|other| room.as_ref() != Some(other));
                }
                let Told::Event(event) = told else { continue };
                let (room, position) = match &event {
                    Event::Message { room, message } => (room, message.position),
                    Event::Edit { room, position, .. }
                    | Event::Delete { room, position, .. }
                    | Event::React { room, position, .. }
                    | Event::Moderation { room, position, .. }
                    | Event::Rename { room, position, .. } => (room, *position),
                    Event::Rollback { room, to, .. } => {
                        actor.last_told.insert(room.clone(), *to);
                        continue;
                    }
                    Event::Removed { room, .. } => {
                        actor.rooms.retain(|other| other != room);
                        actor.last_told.remove(room);
                        continue;
                    }
                    Event::Reset { room, position } => {
                        actor.last_told.insert(room.clone(), *position);
                        continue;
                    }
                    _ => continue,
                };
                let last = actor.last_told.insert(room.clone(), position);
                if last.is_some_and(|last| last >= position) {
                    let words =
                        format!("{at_ms} ms, {}: {room} tells {position} behind {last:?}", actor.name);
                    self.faults.push((Rule::NothingTwice, words));
                }
            }
        }
    }

    /// Who was taken out of a room is elsewhere from then on, or comes in again.
    fn go_elsewhere(&mut self) {
        for at in 0..self.actors.len() {
            let actor = &mut self.actors[at];
            if let Who::Plain(person) = &actor.who {
                actor.rooms.retain(|room| person.rooms.contains_key(room));
            }
            if actor.rooms.is_empty() {
                let room = self.a_room();
                self.join(at, &room);
            }
        }
    }

    fn line(&self, at: usize) -> Option<LineId> {
        match &self.actors[at].who {
            Who::Plain(person) => person.line,
            Who::Own(client) => self.sim.line_of(*client),
        }
    }

    /// A client whose first hello was heard and its answer lost finds its name taken by itself; and of two that have the same
    /// session one is replaced: it begins anew by another name.
    fn begin_anew(&mut self) {
        for at in 0..self.actors.len() {
            let Who::Own(client) = self.actors[at].who else { continue };
            if !matches!(self.sim.machine(client).state(), State::Closed { code: 208 | 4003, .. }) {
                continue;
            }
            self.actors[at].name.push('x');
            let name = self.actors[at].name.clone();
            self.tell(&format!("{name} begins anew by that name"));
            let client = self.sim.client(settings(&name), Link::new()).expect("the settings are right");
            self.actors[at].who = Who::Own(client);
            self.actors[at].last_told.clear();
            self.actors[at].joins.clear();
            for room in std::mem::take(&mut self.actors[at].rooms) {
                self.join(at, &room);
            }
        }
    }

    /// Everybody is healed, and has time.
    fn settle(&mut self) {
        self.tell("peace");
        for at in 0..self.actors.len() {
            if let Some(line) = self.line(at) {
                self.sim.heal(line);
                self.sim.slow(line, None);
            }
            match &mut self.actors[at].who {
                Who::Plain(person) => {
                    person.link = Link::new();
                    person.come_back();
                }
                Who::Own(client) => {
                    let client = *client;
                    self.sim.set_link(client, Link::new());
                }
            }
        }
        let end_ms = self.sim.now_ms() + 600_000;
        let mut slow = self.rooms.clone();
        loop {
            // Whatever waits may be said now.
            slow.retain(|room| {
                let ended = self.sim.moderate(room, Moderation::Slow { seconds: 0 });
                ended.is_err_and(|error| error.code() == ErrorCode::NotRunning)
            });
            if (0..self.actors.len()).all(|at| self.is_settled(at)) {
                // What is under way yet arrives, on the slowest of lines too; and may be that somebody is replaced.
                self.run_until(self.sim.now_ms() + 30_000);
                if (0..self.actors.len()).all(|at| self.is_settled(at)) {
                    break;
                }
            }
            if self.sim.now_ms() >= end_ms {
                break;
            }
            self.run_until(self.sim.now_ms() + 2_000);
            // Of two tries at once the older may have come in as the later one, and replaced the other.
            for actor in &mut self.actors {
                if let Who::Plain(person) = &mut actor.who {
                    person.come_back();
                }
            }
        }
        for at in 0..self.actors.len() {
            if !self.is_settled(at) {
                let words = match &self.actors[at].who {
                    Who::Plain(person) => format!("{person:#?}"),
                    Who::Own(client) => {
                        let machine = self.sim.machine(*client);
                        let rooms: Vec<&str> = machine.rooms().map(|(name, _)| name).collect();
                        let waiting: Vec<_> = machine.outbox().collect();
                        format!("{:?}, in {rooms:?}, waiting {waiting:?}", machine.state())
                    }
                };
                let words = format!("{} does not come to rest: {words}", self.actors[at].name);
                self.faults.push((Rule::NothingLost, words));
            }
        }
    }

    fn is_settled(&self, at: usize) -> bool {
        match &self.actors[at].who {
            Who::Plain(person) => person.is_settled(),
            Who::Own(client) => {
                let machine = self.sim.machine(*client);
                matches!(machine.state(), State::Open)
                    && machine.outbox().count() == 0
                    && self.actors[at].rooms.iter().all(|room| machine.room(room).is_some())
            }
        }
    }

    fn judge(mut self) -> Outcome {
        let mut rooms = self.rooms.clone();
        let known = self.sim.rooms().unwrap_or_default();
        rooms.extend(known.iter().map(|room| room.name.to_string()).filter(|name| is_direct(name)));
        let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
        let record_count = self.sim.judge(&names);
        self.tell("the end");
        for at in 0..self.actors.len() {
            self.compare(at);
        }
        let mut faults = self.faults;
        faults.extend(self.sim.faults().iter().map(|fault| (fault.rule, fault.to_string())));
        let checker = self.sim.checker().expect("it is watched");
        Outcome {
            faults,
            record_count,
            shown_count: checker.record_count(),
            repeated_count: checker.repeated_count(),
            acknowledged_count: checker.acknowledged_count(),
            story: self.text,
        }
    }

    /// What somebody holds of their rooms is what the logs hold; and they hold all rooms that are theirs.
    fn compare(&mut self, at: usize) {
        let at_ms = self.sim.now_ms();
        let user = self.user(at).unwrap_or_default();
        let directs = self.sim.checker().expect("it is watched").direct_rooms(&user);
        let actor = &self.actors[at];
        let mut missing: Vec<String> = Vec::new();
        match &actor.who {
            Who::Plain(person) => {
                for (room, state) in person.rooms.iter().filter(|(_, state)| state.is_wanted) {
                    let checker = self.sim.checker().expect("it is watched");
                    let held = person.held(room);
                    checker.compare(at_ms, &actor.name, room, state.since, &held, &person.blocked);
                }
                missing.extend(directs.into_iter().filter(|room| !person.rooms.contains_key(room)));
            }
            Who::Own(client) => {
                let rooms = actor.rooms.iter().chain(&directs);
                missing.extend(rooms.filter(|room| !self.sim.compare(*client, &actor.name, room)).cloned());
            }
        }
        for room in missing {
            let words = format!("{} does not know of {room}", actor.name);
            self.faults.push((Rule::NothingLost, words));
        }
    }
}

fn is_direct(room: &str) -> bool {
    room.starts_with("dm:")
}

fn settings(name: &str) -> Settings {
    Settings::new().name(name).heartbeat_ms(8_000).reconnect_max_ms(3_000)
}
