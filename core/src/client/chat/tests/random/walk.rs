//! A client, the model of a server, a line that breaks between them, and what must be true in the end.

use std::collections::{BTreeMap, VecDeque};

use super::model::{Model, What};
use crate::client::chat::dice::Dice;
use crate::client::chat::{Action, Event, Machine, Post, Reply, Request, RequestId, Settings, State};
use crate::error::ErrorCode;
use crate::id::Position;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: usize,
    pub(crate) uncertain: usize,
    pub(crate) refused: usize,
    pub(crate) cuts: usize,
    pub(crate) crashes: usize,
    pub(crate) resets: usize,
    pub(crate) rollbacks: usize,
    pub(crate) fetches: usize,
}

pub(crate) struct Walk {
    seed: u64,
    dice: Dice,
    machine: Machine,
    model: Model,
    now_ms: u64,
    to_server: VecDeque<String>,
    is_line_up: bool,
    is_dialing: bool,
    /// What was asked for, by request: the text of a message, or nothing.
    asked: BTreeMap<RequestId, Option<String>>,
    answers: BTreeMap<RequestId, Result<(), ErrorCode>>,
    /// The messages that the host was told of, since the room was begun anew.
    told: Vec<Position>,
    /// Nothing before is expected to be told.
    base: Position,
    said_count: usize,
}

impl Walk {
    pub(crate) fn new(seed: u64) -> Walk {
        // Half of them keep few messages, so that what is not kept is changed too.
        let kept = if seed.is_multiple_of(2) { 8 } else { 1_000 };
        let settings = Settings::new().name("Ann").kept_message_count(kept).history(5);
        let mut walk = Walk {
            seed,
            dice: Dice::new(seed),
            machine: Machine::new(settings, seed).unwrap(),
            model: Model::new(),
            now_ms: 1,
            to_server: VecDeque::new(),
            is_line_up: false,
            is_dialing: false,
            asked: BTreeMap::new(),
            answers: BTreeMap::new(),
            told: Vec::new(),
            base: Position::default(),
            said_count: 0,
        };
        walk.machine.start(walk.now_ms);
        walk.ask(Request::Join { room: "lobby".into(), history: None, since: None }, None);
        walk
    }

    pub(crate) fn run(mut self, steps: usize, counts: &mut Counts) {
        for _ in 0..steps {
            self.step(counts);
            self.drain(counts);
        }
        self.settle(counts);
        self.check(counts);
        counts.fetches += self.model.fetches;
    }

    fn ask(&mut self, request: Request, text: Option<String>) {
        let id = self.machine.request(request, self.now_ms);
        self.asked.insert(id, text);
    }

    fn drain(&mut self, counts: &mut Counts) {
        while let Some(action) = self.machine.next_action() {
            match action {
                Action::Connect => self.is_dialing = true,
                Action::Send(text) => self.to_server.push_back(text),
                Action::Close { .. } => self.hang_up(),
                Action::Answered { request, result } => {
                    if let Ok(Reply::Joined(joined)) = &result {
                        // What stands in its page is known by that.
                        self.base = joined.position;
                    }
                    let result = result.map(|_| ()).map_err(|error| error.code());
                    assert!(self.answers.insert(request, result).is_none(), "seed {}", self.seed);
                }
                Action::Event(event) => self.told(event, counts),
                Action::Token | Action::Save => panic!("{action:?}"),
            }
        }
    }

    fn told(&mut self, event: Event, counts: &mut Counts) {
        let last = self.told.last().copied().unwrap_or(self.base);
        match event {
            Event::Message { message, .. } => {
                assert!(message.position > last, "seed {}: {message:?} after {last}", self.seed);
                self.told.push(message.position);
            }
            Event::Rollback { to, dropped, .. } => {
                counts.rollbacks += 1;
                self.told.retain(|at| *at <= to);
                self.base = self.base.min(to);
                assert!(dropped.iter().all(|message| message.position > to));
            }
            Event::Reset { position, .. } => {
                counts.resets += 1;
                self.told.clear();
                self.base = position;
            }
            Event::Removed { .. } | Event::Error(_) => panic!("seed {}: {event:?}", self.seed),
            _ => {}
        }
    }

    fn hang_up(&mut self) {
        self.to_server.clear();
        self.model.cut();
        self.is_line_up = false;
    }

    fn step(&mut self, counts: &mut Counts) {
        match self.dice.between(0, 99) {
            0..=17 => {
                self.said_count += 1;
                let text = format!("c{}", self.said_count);
                self.ask(Request::Send(Post::to_room("lobby", text.clone())), Some(text));
            }
            18..=23 => self.change_something(),
            24..=34 => {
                let what = match self.some_offset() {
                    Some(of) if self.dice.between(0, 2) == 0 => {
                        What::Reacted(of, self.dice.between(0, 1) == 0)
                    }
                    Some(of) if self.dice.between(0, 3) == 0 => What::Edited(of, "by another".into()),
                    _ => What::Said("another".into()),
                };
                let mid = format!("m{}", self.dice.next());
                self.model.append("o1", &mid, what);
            }
            35..=64 => self.deliver_to_server(),
            65..=87 => self.deliver_to_client(),
            88..=91 => self.model.store(),
            92..=93 => {
                counts.cuts += 1;
                self.cut();
            }
            94 => {
                counts.crashes += 1;
                let (keep, forgets) = (self.dice.between(0, 9) as usize, self.dice.between(0, 2) == 0);
                self.model.crash(keep, forgets);
                self.cut();
            }
            95 => {
                let keep = self.dice.between(1, 30) as usize;
                self.model.trim(keep);
            }
            96..=97 => {
                let is_told = self.dice.between(0, 1) == 0;
                self.model.lag(is_told);
            }
            _ => self.pass_time(),
        }
        self.connect();
    }

    fn some_offset(&mut self) -> Option<u64> {
        let said: Vec<u64> = self
            .model
            .log
            .iter()
            .filter(|entry| matches!(entry.what, What::Said(_)))
            .map(|entry| entry.at.offset)
            .filter(|of| !self.model.log.iter().any(|entry| entry.what == What::Deleted(*of)))
            .collect();
        let nth = self.dice.between(0, said.len() as u64) as usize;
        said.get(nth).copied()
    }

    fn change_something(&mut self) {
        let Some(room) = self.machine.room("lobby") else { return };
        let offsets: Vec<u64> = room.messages().map(|message| message.position.offset).collect();
        let Some(&offset) = offsets.get(self.dice.between(0, offsets.len() as u64) as usize) else { return };
        let room = "lobby".to_owned();
        let request = match self.dice.between(0, 3) {
            0 => Request::Delete { room, offset, reason: None },
            1 => Request::Edit { room, offset, text: format!("e{}", self.dice.between(0, 99)) },
            nth => Request::React { room, offset, emoji: "👍".into(), add: nth == 2 },
        };
        self.ask(request, None);
    }

    fn connect(&mut self) {
        if std::mem::take(&mut self.is_dialing) {
            self.is_line_up = true;
            self.machine.opened(self.now_ms);
        }
    }

    fn cut(&mut self) {
        if self.is_line_up {
            self.hang_up();
            self.machine.closed(1006, "", self.now_ms);
        }
    }

    fn deliver_to_server(&mut self) {
        if let Some(text) = self.to_server.pop_front() {
            self.model.take(&text, &mut self.dice);
        }
    }

    fn deliver_to_client(&mut self) {
        if !self.model.out.is_empty() {
            let text = self.model.out.remove(0);
            self.machine.received(&text, self.now_ms);
        }
    }

    fn pass_time(&mut self) {
        if let Some(at_ms) = self.machine.next_deadline_ms() {
            self.now_ms = self.now_ms.max(at_ms);
            // The server lives, if there is a line.
            if self.is_line_up {
                self.machine.heard(self.now_ms);
            }
            self.machine.tick(self.now_ms);
        }
    }

    /// No more trouble, until nothing moves.
    fn settle(&mut self, counts: &mut Counts) {
        let mut rounds = 0;
        while !self.is_settled() {
            rounds += 1;
            assert!(rounds < 5_000, "seed {} does not settle: {:?}", self.seed, self.machine);
            self.model.store();
            self.deliver_to_server();
            self.deliver_to_client();
            self.drain(counts);
            if self.to_server.is_empty() && self.model.out.is_empty() && !self.is_settled() {
                self.pass_time();
            }
            self.drain(counts);
            self.connect();
            self.drain(counts);
        }
        // Whoever lagged sees what is missing by the next record.
        if self.model.is_lagging {
            self.model.lag(false);
        }
        self.model.append("o1", "the last", What::Said("the last".into()));
        for _ in 0..500 {
            self.deliver_to_server();
            self.deliver_to_client();
            self.drain(counts);
        }
    }

    fn is_settled(&self) -> bool {
        self.model.is_up
            && matches!(self.machine.state(), State::Open)
            && self.answers.len() == self.asked.len()
            && self.to_server.is_empty()
            && self.model.out.is_empty()
    }

    fn check(&self, counts: &mut Counts) {
        let seed = self.seed;
        let log = &self.model.log;
        for (id, text) in &self.asked {
            let Some(text) = text else { continue };
            let said = log.iter().filter(|entry| entry.what == What::Said(text.clone())).count();
            match self.answers[id] {
                Ok(()) => {
                    counts.sent += 1;
                    assert_eq!(said, 1, "seed {seed}: {text} was answered");
                }
                Err(ErrorCode::Uncertain) => {
                    counts.uncertain += 1;
                    assert!(said <= 1, "seed {seed}: {text} is uncertain");
                }
                Err(_) => {
                    counts.refused += 1;
                    assert_eq!(said, 0, "seed {seed}: {text} was refused");
                }
            }
        }
        let room = self.machine.room("lobby").unwrap();
        assert_eq!(room.position(), log.last().unwrap().at, "seed {seed}");
        let said = |from: Position| {
            log.iter().filter(move |entry| matches!(entry.what, What::Said(_)) && entry.at >= from)
        };
        // What is kept is the end of the log, as it stands, without a hole.
        let oldest = room.messages().next().unwrap().position;
        let expected: Vec<serde_json::Value> = said(oldest).map(|entry| self.model.folded(entry)).collect();
        let kept: Vec<serde_json::Value> = room.messages().map(|message| shown(message)).collect();
        assert_eq!(kept, expected, "seed {seed}");
        // What was told is every message since the room was begun.
        let expected: Vec<Position> =
            said(self.base).map(|entry| entry.at).filter(|at| *at > self.base).collect();
        let missing: Vec<&Position> = expected.iter().filter(|at| !self.told.contains(at)).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?} are missing since {}", self.base);
        assert_eq!(self.told.len(), expected.len(), "seed {seed}: {:?}", self.told);
    }
}

/// A message as the model shows it.
fn shown(message: &crate::client::chat::Message) -> serde_json::Value {
    let mut shown = serde_json::json!({
        "epoch": message.position.epoch, "offset": message.position.offset, "mid": message.mid,
        "user": message.user, "name": message.name, "color": message.color, "at": message.at_ms,
    });
    match &message.text {
        Some(text) => shown["text"] = text.clone().into(),
        None => shown["deleted"] = true.into(),
    }
    if message.revision > 0 {
        shown["revision"] = message.revision.into();
    }
    for reaction in &message.reactions {
        shown["reactions"][&reaction.emoji] = reaction.users.clone().into();
    }
    shown
}
