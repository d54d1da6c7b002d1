//! One seed is one story: some users, some rooms, some minutes in which lines break and engines restart, and then peace; in the
//! end everybody must agree.

use std::fmt::Write;

use klatsch::Options;
use klatsch::client::chat::{Event, Post, Request, Settings, State};
use klatsch::sim::{ClientId, LineId, Link, Restart, Rule, Sim, Told};

use super::person::Person;

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
    /// What the client last told of each room: events must ascend.
    last_told: std::collections::BTreeMap<String, klatsch::Position>,
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
                        return self.listen();
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

    fn act(&mut self) {
        let at = self.sim.random(self.actors.len() as u64) as usize;
        let name = self.actors[at].name.clone();
        match self.sim.random(100) {
            0..45 => self.say(at),
            45..60 => self.change(at),
            60..64 => {
                let room = self.a_room();
                self.tell(&format!("{name} joins {room}"));
                self.join(at, &room);
            }
            64..67 => self.leave(at),
            67..73 => self.on_line(at, "breaks", |sim, line| sim.cut(line)),
            73..76 => self.on_line(at, "hangs", |sim, line| sim.hang(line)),
            76..79 => self.on_line(at, "is healed", |sim, line| sim.heal(line)),
            79..82 => self.on_line(at, "is slow", |sim, line| {
                let rate = sim.random(3_000);
                sim.slow(line, Some(rate));
            }),
            82..85 => self.on_line(at, "is fast again", |sim, line| sim.slow(line, None)),
            85..88 => self.take_over(at),
            88..92 => {
                let room = self.a_room();
                self.said_count += 1;
                let text = format!("the host says {}", self.said_count);
                if self.sim.broadcast(&room, &text).is_ok() {
                    self.sim.checker().expect("it is watched").host_said(&text);
                    self.tell(&format!("the host says something in {room}"));
                }
            }
            92..94 if self.may_restart => {
                let how = match self.sim.random(2) {
                    0 => Restart::clean().grace_ms(1_000),
                    _ => Restart::crash(),
                };
                let how = match self.may_lose {
                    true => how.losing(self.sim.random(4)),
                    false => how,
                };
                self.tell(&format!("{how:?}"));
                self.sim.restart(how);
            }
            94..95 if self.may_lose => {
                let count = 1 + self.sim.random(4);
                if self.sim.lose(count).is_ok() {
                    self.tell(&format!("every log loses its newest {count} records"));
                }
            }
            _ => {}
        }
    }

    fn join(&mut self, at: usize, room: &str) {
        let actor = &mut self.actors[at];
        if actor.rooms.iter().any(|known| known == room) {
            return;
        }
        actor.rooms.push(room.to_owned());
        actor.last_told.remove(room);
        match &mut actor.who {
            Who::Plain(person) => person.join(room),
            Who::Own(client) => {
                let client = *client;
                self.sim.request(client, Request::Join { room: room.into(), history: None, since: None });
            }
        }
    }

    fn leave(&mut self, at: usize) {
        let actor = &mut self.actors[at];
        if actor.rooms.len() < 2 {
            return;
        }
        let room = actor.rooms.remove(0);
        match &mut actor.who {
            Who::Plain(person) => person.leave(&mut self.sim, &room),
            Who::Own(client) => {
                let client = *client;
                self.sim.request(client, Request::Leave { room: room.clone() });
            }
        }
        let name = self.actors[at].name.clone();
        self.tell(&format!("{name} leaves {room}"));
    }

    fn say(&mut self, at: usize) {
        self.said_count += 1;
        let long = match self.sim.random(10) {
            0 => "x".repeat(self.sim.random(4_000) as usize),
            _ => String::new(),
        };
        let (name, text) = (
            self.actors[at].name.clone(),
            format!("{} says {} {long}", self.actors[at].name, self.said_count),
        );
        let text = text.trim_end().to_owned();
        let rooms = self.actors[at].rooms.len() as u64;
        let room = self.actors[at].rooms[self.sim.random(rooms) as usize].clone();
        self.tell(&format!("{name} says {} in {room}", self.said_count));
        match &mut self.actors[at].who {
            Who::Plain(person) => person.send(&room, &text),
            Who::Own(client) => {
                let client = *client;
                self.sim.request(client, Request::Send(Post::to_room(room, text)));
            }
        }
        self.wake(at);
    }

    fn change(&mut self, at: usize) {
        let back = self.sim.random(3) as usize;
        let what = ["edit", "delete", "react", "react"][self.sim.random(4) as usize];
        self.said_count += 1;
        let (name, text) = (self.actors[at].name.clone(), format!("edited {}", self.said_count));
        let rooms = self.actors[at].rooms.len() as u64;
        let room = self.actors[at].rooms[self.sim.random(rooms) as usize].clone();
        self.tell(&format!("{name} changes a message in {room}: {what}"));
        match &mut self.actors[at].who {
            Who::Plain(person) => person.change_one(&room, back, what, &text),
            Who::Own(client) => {
                let client = *client;
                let machine = self.sim.machine(client);
                let Some((state, me)) = machine.room(&room).zip(machine.me()) else { return };
                let mine = |message: &&std::sync::Arc<klatsch::client::chat::Message>| {
                    (what == "react" || message.user == me.user) && message.text.is_some()
                };
                let Some(offset) =
                    state.messages().rev().filter(mine).nth(back).map(|found| found.position.offset)
                else {
                    return;
                };
                let request = match what {
                    "edit" => Request::Edit { room, offset, text },
                    "delete" => Request::Delete { room, offset, reason: None },
                    _ => {
                        Request::React {
                            room, offset, emoji: "👍".into(), add: text.len().is_multiple_of(2)
                        }
                    }
                };
                self.sim.request(client, request);
            }
        }
        self.wake(at);
    }

    fn wake(&mut self, at: usize) {
        if let Who::Plain(person) = &mut self.actors[at].who {
            person.wake(&mut self.sim);
        }
    }

    fn line(&self, at: usize) -> Option<LineId> {
        match &self.actors[at].who {
            Who::Plain(person) => person.line,
            Who::Own(client) => self.sim.line_of(*client),
        }
    }

    fn on_line(&mut self, at: usize, what: &str, act: impl FnOnce(&mut Sim, LineId)) {
        let Some(line) = self.line(at) else { return };
        let name = self.actors[at].name.clone();
        self.tell(&format!("the line of {name} ({line}) {what}"));
        act(&mut self.sim, line);
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
            for room in std::mem::take(&mut self.actors[at].rooms) {
                self.join(at, &room);
            }
        }
    }

    /// Two tries of one session at once.
    fn take_over(&mut self, at: usize) {
        if matches!(self.actors[at].who, Who::Own(client) if self.sim.machine(client).me().is_none()) {
            return;
        }
        let name = self.actors[at].name.clone();
        self.tell(&format!("{name} tries twice"));
        match &mut self.actors[at].who {
            Who::Plain(person) => person.take_over(&mut self.sim),
            Who::Own(client) => {
                // The newer one is the user from now on.
                if let Ok(twin) = self.sim.twin(*client, Link::new()) {
                    *client = twin;
                    self.actors[at].last_told.clear();
                    // A join that was under way is the first one's alone.
                    for room in std::mem::take(&mut self.actors[at].rooms) {
                        self.join(at, &room);
                    }
                }
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
        while self.sim.now_ms() < end_ms && !(0..self.actors.len()).all(|at| self.is_settled(at)) {
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
        // What is under way yet arrives, on the slowest of lines too.
        self.run_until(self.sim.now_ms() + 30_000);
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
        let rooms: Vec<&str> = self.rooms.iter().map(String::as_str).collect();
        let record_count = self.sim.judge(&rooms);
        let at_ms = self.sim.now_ms();
        self.tell("the end");
        for actor in &self.actors {
            match &actor.who {
                Who::Plain(person) => {
                    for (room, state) in person.rooms.iter().filter(|(_, state)| state.is_wanted) {
                        let held = person.held(room);
                        let checker = self.sim.checker().expect("it is watched");
                        checker.compare(at_ms, &actor.name, room, state.since, &held);
                    }
                }
                Who::Own(client) => {
                    for room in &actor.rooms {
                        self.sim.compare(*client, &actor.name, room);
                    }
                }
            }
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
}

fn settings(name: &str) -> Settings {
    Settings::new().name(name).heartbeat_ms(8_000).reconnect_max_ms(3_000)
}
