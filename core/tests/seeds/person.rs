//! A careful user of `klatsch.v1`, written from the protocol's text alone: what any right client can do.
//!
//! It shares nothing with the clients of this project, so that the engine is judged by what it says, and not by what its own
//! clients make of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use klatsch::Position;
use klatsch::sim::{LineId, Link, Shown, Sim, What};
use serde_json::{Value, json};

#[path = "held.rs"]
mod held;

use held::{Held, Room, before, has_rollback, position};

#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) link: Link,
    pub(crate) line: Option<LineId>,
    state: State,
    session: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) rooms: BTreeMap<String, Room>,
    outbox: VecDeque<Change>,
    /// Not before this moment, because the engine said so.
    rests_until_ms: u64,
    open: BTreeMap<u64, Open>,
    last_id: u64,
    mid_count: u64,
    heartbeat_ms: u64,
    heard_ms: u64,
    said_ms: u64,
    reconnect_ms: (u64, u64),
    /// Whom it has ever blocked, as whichever user: of those it may hold nothing.
    pub(crate) blocked: BTreeSet<String>,
    /// Changes that may or may not have happened.
    pub(crate) uncertain_count: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Down { until_ms: u64 },
    Opening { until_ms: u64 },
    Greeting { until_ms: u64 },
    Open,
    Gone,
}

#[derive(Debug)]
struct Change {
    mid: String,
    request: Value,
    /// By which number it is asked for on this line.
    id: Option<u64>,
    was_sent: bool,
}

#[derive(Debug)]
enum Open {
    Hello,
    Join(String),
    Other,
    Fetch(String),
    Change(String),
}

impl Person {
    pub(crate) fn new(name: &str, link: Link) -> Person {
        Person {
            name: name.to_owned(),
            link,
            line: None,
            state: State::Down { until_ms: 0 },
            session: None,
            user: None,
            rooms: BTreeMap::new(),
            outbox: VecDeque::new(),
            rests_until_ms: 0,
            open: BTreeMap::new(),
            last_id: 0,
            mid_count: 0,
            heartbeat_ms: 25_000,
            heard_ms: 0,
            said_ms: 0,
            reconnect_ms: (200, 2_000),
            blocked: BTreeSet::new(),
            uncertain_count: 0,
        }
    }

    // What the user does.

    pub(crate) fn join(&mut self, room: &str) {
        self.rooms.entry(room.to_owned()).or_default().is_wanted = true;
    }

    pub(crate) fn leave(&mut self, sim: &mut Sim, room: &str) {
        let Some(state) = self.rooms.get_mut(room) else { return };
        let is_asked = self.outbox.iter().any(|change| change.request["room"] == room);
        if self.state == State::Open && state.is_joined && !is_asked {
            self.ask(sim, json!({"do": "leave", "room": room}), Open::Other);
            self.rooms.remove(room);
        }
    }

    pub(crate) fn send(&mut self, room: &str, text: &str) {
        self.change(json!({"do": "send", "room": room, "text": text}));
    }

    /// Writes to a user alone.
    pub(crate) fn send_to(&mut self, user: &str, text: &str) {
        self.change(json!({"do": "send", "to": user, "text": text}));
    }

    /// Moderates a room, if it is there; whether that came to anything it does not ask.
    pub(crate) fn moderate(&mut self, sim: &mut Sim, room: &str, act: &str, fields: &[(&str, Value)]) {
        if self.state == State::Open && self.rooms.get(room).is_some_and(|room| room.is_joined) {
            let mut request = json!({"do": "moderate", "room": room, "act": act});
            for (name, value) in fields {
                request[*name] = value.clone();
            }
            self.ask(sim, request, Open::Other);
        }
    }

    /// Hides a user from this one, or does so no longer.
    pub(crate) fn block(&mut self, sim: &mut Sim, user: &str, on: bool) {
        if self.state == State::Open {
            self.ask(sim, json!({"do": "block", "user": user, "on": on}), Open::Other);
            if on {
                self.blocked.insert(user.to_owned());
            }
        }
    }

    /// Changes one of the messages that it holds, the last but `back`.
    pub(crate) fn change_one(&mut self, room: &str, back: usize, what: &str, text: &str) {
        let Some(state) = self.rooms.get(room).filter(|state| state.is_joined) else { return };
        let of_mine = |held: &&Held| what == "react" || Some(&held.shown.user) == self.user.as_ref();
        let Some(held) = state.held.values().rev().filter(of_mine).nth(back) else { return };
        if held.shown.text.is_none() {
            return;
        }
        let offset = held.shown.position.offset;
        self.change(match what {
            "edit" => json!({"do": "edit", "room": room, "offset": offset, "text": text}),
            "delete" => json!({"do": "delete", "room": room, "offset": offset}),
            _ => json!({"do": "react", "room": room, "offset": offset, "emoji": "👍", "add": text.len().is_multiple_of(2)}),
        });
    }

    fn change(&mut self, mut request: Value) {
        self.mid_count += 1;
        let mid = format!("{}-{}", self.name, self.mid_count);
        request["mid"] = mid.clone().into();
        self.outbox.push_back(Change { mid, request, id: None, was_sent: false });
    }

    /// Comes back where it was sent away for good.
    pub(crate) fn come_back(&mut self) {
        if self.state == State::Gone {
            self.state = State::Down { until_ms: 0 };
        }
    }

    /// Tries once more while the first attempt is still there: the engine takes the session from that.
    pub(crate) fn take_over(&mut self, sim: &mut Sim) {
        if self.session.is_some() {
            self.down(0);
            self.connect(sim);
        }
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_settled(&self) -> bool {
        let is_whole = |room: &Room| room.is_joined && !room.is_fetching || !room.is_wanted;
        self.state == State::Open && self.outbox.is_empty() && self.rooms.values().all(is_whole)
    }

    pub(crate) fn held(&self, room: &str) -> Vec<Shown> {
        self.rooms[room].held.values().map(|held| held.shown.clone()).collect()
    }

    // Time.

    /// When it has something to do by itself.
    pub(crate) fn next_ms(&self, now_ms: u64) -> Option<u64> {
        match self.state {
            State::Down { until_ms } | State::Opening { until_ms } | State::Greeting { until_ms } => {
                Some(until_ms)
            }
            State::Open => {
                let mut next =
                    (self.said_ms + self.heartbeat_ms).min(self.heard_ms + self.heartbeat_ms + GRACE_MS);
                if self.has_unsent() {
                    next = next.min(self.rests_until_ms.max(now_ms));
                }
                Some(next)
            }
            State::Gone => None,
        }
    }

    /// Whether the first change that was not sent may be.
    fn has_unsent(&self) -> bool {
        let mut first = self.outbox.iter().take(MAX_UNANSWERED).filter(|change| change.id.is_none());
        first.next().is_some_and(|change| self.may_send(change))
    }

    fn may_send(&self, change: &Change) -> bool {
        match change.request["room"].as_str() {
            Some(room) => self.rooms.get(room).is_some_and(|room| room.is_joined),
            None => true,
        }
    }

    /// Does what is due.
    pub(crate) fn wake(&mut self, sim: &mut Sim) {
        let now_ms = sim.now_ms();
        match self.state {
            State::Down { until_ms } if until_ms <= now_ms => self.connect(sim),
            State::Opening { until_ms } | State::Greeting { until_ms } if until_ms <= now_ms => {
                self.give_up(sim)
            }
            State::Open => {
                if now_ms >= self.heard_ms + self.heartbeat_ms + GRACE_MS {
                    return self.give_up(sim);
                }
                self.join_rooms(sim);
                self.send_changes(sim);
                if now_ms >= self.said_ms + self.heartbeat_ms {
                    self.write(sim, "{}");
                }
            }
            _ => {}
        }
    }

    fn connect(&mut self, sim: &mut Sim) {
        self.line = Some(sim.connect("/", &["klatsch.v1"], self.link.clone()));
        self.state = State::Opening { until_ms: sim.now_ms() + 10_000 };
    }

    fn give_up(&mut self, sim: &mut Sim) {
        let now_ms = sim.now_ms();
        if let Some(line) = self.line {
            sim.cut(line);
        }
        let until_ms = now_ms + self.reconnect_ms.0 + sim.random(self.reconnect_ms.1);
        self.down(until_ms);
    }

    fn down(&mut self, until_ms: u64) {
        self.line = None;
        self.state = State::Down { until_ms };
        self.open.clear();
        self.outbox.iter_mut().for_each(|change| change.id = None);
        for room in self.rooms.values_mut() {
            room.is_joined = false;
            room.is_fetching = false;
            room.later.clear();
        }
    }

    fn join_rooms(&mut self, sim: &mut Sim) {
        let is_asked = |open: &BTreeMap<u64, Open>, name: &str| {
            open.values().any(|open| matches!(open, Open::Join(room) if room == name))
        };
        let wanted: Vec<(String, Option<Position>)> = self
            .rooms
            .iter()
            .filter(|(name, room)| room.is_wanted && !room.is_joined && !is_asked(&self.open, name))
            .map(|(name, room)| (name.clone(), room.at))
            .collect();
        for (room, at) in wanted {
            let mut request = json!({"do": "join", "room": room});
            if let Some(at) = at {
                request["since"] = json!({"epoch": at.epoch, "offset": at.offset});
            }
            self.ask(sim, request, Open::Join(room));
        }
    }

    fn send_changes(&mut self, sim: &mut Sim) {
        if self.rests_until_ms > sim.now_ms() {
            return;
        }
        // What was meant for a room that it is in no more is given up.
        let rooms = &self.rooms;
        self.outbox
            .retain(|change| change.request["room"].as_str().is_none_or(|room| rooms.contains_key(room)));
        for at in 0..self.outbox.len().min(MAX_UNANSWERED) {
            let change = &self.outbox[at];
            if change.id.is_some() {
                continue;
            }
            if !self.may_send(change) {
                return;
            }
            let (request, mid) = (change.request.clone(), change.mid.clone());
            let id = self.ask(sim, request, Open::Change(mid));
            self.outbox[at].id = Some(id);
            self.outbox[at].was_sent = true;
        }
    }

    fn ask(&mut self, sim: &mut Sim, mut request: Value, open: Open) -> u64 {
        self.last_id += 1;
        request["id"] = self.last_id.into();
        self.open.insert(self.last_id, open);
        self.write(sim, &request.to_string());
        self.last_id
    }

    fn write(&mut self, sim: &mut Sim, text: &str) {
        self.said_ms = sim.now_ms();
        if let Some(line) = self.line {
            sim.send(line, text);
        }
    }

    // What it sees.

    pub(crate) fn see(&mut self, sim: &mut Sim, what: &What) {
        self.heard_ms = sim.now_ms();
        match what {
            What::Opened { .. } => {
                self.state = State::Greeting { until_ms: sim.now_ms() + 10_000 };
                let mut hello = json!({"do": "hello", "name": self.name});
                if let Some(session) = &self.session {
                    let position = |at: Position| json!({"epoch": at.epoch, "offset": at.offset});
                    let known = self.rooms.iter().filter(|(_, room)| room.is_wanted);
                    let rooms: BTreeMap<&String, Value> =
                        known.filter_map(|(name, room)| room.at.map(|at| (name, position(at)))).collect();
                    hello["resume"] = json!({"session": session, "rooms": rooms});
                }
                self.ask(sim, hello, Open::Hello);
            }
            What::Text(text) => {
                let told: Value = serde_json::from_str(text).expect("the engine speaks JSON");
                if let Some(id) = told["id"].as_u64() {
                    self.answered(sim, id, &told);
                } else if told["on"].is_string() {
                    self.event(sim, told);
                }
            }
            What::Closed { code, .. } => {
                let until_ms = sim.now_ms() + self.reconnect_ms.0 + sim.random(self.reconnect_ms.1);
                self.down(until_ms);
                if matches!(code, 4000..=4099 | 1002 | 1003 | 1007..=1009) {
                    self.state = State::Gone;
                }
            }
            What::Refused { .. } => self.give_up(sim),
            _ => {}
        }
        if self.state == State::Open {
            self.join_rooms(sim);
            self.send_changes(sim);
        }
    }

    fn answered(&mut self, sim: &mut Sim, id: u64, reply: &Value) {
        let (ok, error) = (&reply["ok"], &reply["error"]);
        match self.open.remove(&id) {
            Some(Open::Hello) if error.is_null() => self.greeted(sim, ok),
            Some(Open::Hello) => {
                // The name or the session is nobody's now: another name is.
                self.session = None;
                self.name.push('x');
                self.give_up(sim);
            }
            Some(Open::Join(room)) if error.is_null() => self.enter(sim, &room, ok),
            Some(Open::Join(room)) => {
                self.rooms.remove(&room);
            }
            Some(Open::Fetch(room)) => self.fetched(sim, &room, ok),
            Some(Open::Change(mid)) => self.changed(sim, &mid, error),
            Some(Open::Other) | None => {}
        }
    }

    fn greeted(&mut self, sim: &mut Sim, ok: &Value) {
        self.state = State::Open;
        self.session = ok["session"].as_str().map(str::to_owned);
        self.heartbeat_ms = ok["heartbeat_ms"].as_u64().expect("hello says heartbeat_ms");
        let user = ok["user"].as_str().map(str::to_owned);
        if self.user.is_some() && self.user != user {
            // Another user's mids mean nothing to the engine: what was sent may be there or not.
            let before = self.outbox.len();
            self.outbox.retain(|change| !change.was_sent);
            self.uncertain_count += (before - self.outbox.len()) as u64;
        }
        self.user = user;
        // All of them are known to be there or not before one is begun anew, which asks for those that are not.
        let rooms = || ok["rooms"].as_object().into_iter().flatten();
        for (name, entered) in rooms() {
            match self.rooms.get_mut(name) {
                Some(room) if entered["error"].is_null() => room.is_joined = true,
                _ => drop(self.rooms.remove(name)),
            }
        }
        for (name, entered) in rooms() {
            self.enter(sim, name, entered);
        }
    }

    fn enter(&mut self, sim: &mut Sim, name: &str, ok: &Value) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.is_joined = true;
        let at = position(ok).expect("a room is entered at a position");
        if ok["recovered"] == true {
            if has_rollback(ok) {
                return self.begin_anew(sim, name);
            }
            room.take_records(ok);
            match ok["more"] == true {
                true => self.fetch(sim, name),
                false => room.at = Some(at),
            }
            return;
        }
        room.held.clear();
        for message in ok["messages"].as_array().into_iter().flatten() {
            room.hold(message, at.offset);
        }
        room.since = match ok["more"] == true {
            true => room.held.keys().next().copied().unwrap_or(at.offset + 1),
            false => 0,
        };
        room.at = Some(at);
    }

    /// It is in a room that it did not ask for.
    fn put_into(&mut self, sim: &mut Sim, name: &str, line: &Value) {
        let at = position(&line["position"]).expect("a room is entered at a position");
        match self.rooms.get(name) {
            None => {
                let room = Room {
                    is_wanted: true,
                    is_joined: true,
                    at: Some(at),
                    since: at.offset + 1,
                    ..Room::default()
                };
                self.rooms.insert(name.to_owned(), room);
            }
            Some(room) if room.is_joined && room.at.is_some_and(|mine| mine < at) => self.fetch(sim, name),
            // It asks for it anyhow.
            Some(_) => {}
        }
    }

    fn fetch(&mut self, sim: &mut Sim, name: &str) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.is_fetching = true;
        let after = room.at.map_or(0, |at| at.offset);
        let request = json!({"do": "history", "room": name, "after": after});
        self.ask(sim, request, Open::Fetch(name.to_owned()));
    }

    fn fetched(&mut self, sim: &mut Sim, name: &str, ok: &Value) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        if !ok["records"].is_array() || has_rollback(ok) {
            // The log no longer reaches back: begin anew.
            return self.begin_anew(sim, name);
        }
        if let (Some(first), Some(at)) = (ok["records"].get(0), room.at)
            && before(first).offset != at.offset
        {
            return self.begin_anew(sim, name);
        }
        room.take_records(ok);
        if ok["more"] == true {
            return self.fetch(sim, name);
        }
        room.is_fetching = false;
        for event in std::mem::take(&mut room.later) {
            self.event(sim, event);
        }
    }

    /// Forgets a room's messages and asks for its newest page.
    fn begin_anew(&mut self, sim: &mut Sim, name: &str) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        *room = Room { is_wanted: true, ..Room::default() };
        // What is still to be answered goes on from what is forgotten now.
        self.open.retain(|_, open| !matches!(open, Open::Join(room) | Open::Fetch(room) if room == name));
        self.join_rooms(sim);
    }

    fn changed(&mut self, sim: &mut Sim, mid: &str, error: &Value) {
        let Some(at) = self.outbox.iter().position(|change| change.mid == mid) else { return };
        match error["name"].as_str() {
            Some("rate_limited") => {
                self.rests_until_ms = sim.now_ms() + error["retry_after_ms"].as_u64().unwrap_or(1_000);
                self.outbox[at].id = None;
            }
            Some("busy" | "store_unavailable") => {
                self.rests_until_ms = sim.now_ms() + 500;
                self.outbox[at].id = None;
            }
            _ => drop(self.outbox.remove(at)),
        }
    }

    fn event(&mut self, sim: &mut Sim, event: Value) {
        let name = event["room"].as_str().unwrap_or_default().to_owned();
        match event["on"].as_str().unwrap_or_default() {
            "bye" => {
                let window = |at: usize| event["reconnect_ms"][at].as_u64().unwrap_or(1_000);
                self.reconnect_ms = (window(0), window(1) - window(0) + 1);
            }
            "removed" => {
                self.rooms.remove(&name);
                self.open
                    .retain(|_, open| !matches!(open, Open::Join(room) | Open::Fetch(room) if *room == name));
            }
            "joined" => self.put_into(sim, &name, &event),
            // What a lost edit had made of an older message cannot be told from here.
            "rollback" => self.begin_anew(sim, &name),
            "gap" => self.fetch(sim, &name),
            _ => {
                let (Some(at), Some(room)) = (position(&event), self.rooms.get_mut(&name)) else { return };
                if room.is_fetching || !room.is_joined {
                    return room.later.push(event);
                }
                let (prev, mine) = (before(&event), room.at.unwrap_or_default());
                match () {
                    () if prev.offset == mine.offset => room.take(at, &event),
                    () if at <= mine => {}
                    () if prev > mine => {
                        room.later.push(event);
                        self.fetch(sim, &name);
                    }
                    () => self.begin_anew(sim, &name),
                }
            }
        }
    }
}

const MAX_UNANSWERED: usize = 8;
/// How much longer than a heartbeat it waits for the engine.
const GRACE_MS: u64 = 10_000;
