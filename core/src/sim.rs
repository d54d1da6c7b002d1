//! The engine on a network that you turn by hand: cut the line in your own tests.
//!
//! A [`Sim`] runs the real engine (its chat, its logs, its turns, its frames) with a clock that stands still until you
//! [advance](Sim::advance) it, and lines whose delays, breaks and slowness follow from a seed. The same seed and the
//! same calls give the same run, byte for byte, on every machine: what a test finds once it finds again. Nothing
//! sleeps, no port is opened, no thread runs; hours pass in milliseconds.
//!
//! ```
//! use klatsch::Options;
//! use klatsch::sim::{Link, Sim, What};
//!
//! # fn main() -> Result<(), klatsch::Error> {
//! let mut sim = Sim::new(&Options::new(), 7)?;
//! let ann = sim.connect("/?room=lobby", &[], Link::new());
//! let bob = sim.connect("/?room=lobby", &[], Link::new().delay_ms(50, 200));
//! sim.advance(1_000);
//! sim.send(ann, "Ann");
//! sim.send(bob, "Bob");
//! sim.advance(1_000);
//!
//! // Bob walks into a tunnel: nothing arrives any more, and nobody is told.
//! sim.hang(bob);
//! sim.send(ann, "Bob, are you there?");
//! let seen = sim.advance(1_000);
//! assert!(seen.iter().all(|seen| seen.line != bob));
//! assert_eq!(sim.member_count("lobby")?, 2);
//!
//! // The engine notices by its heartbeats.
//! sim.advance(120_000);
//! assert_eq!(sim.member_count("lobby")?, 1);
//!
//! // Bob comes back on another line, and is shown what was said.
//! let bob = sim.connect("/?room=lobby", &[], Link::new());
//! let seen = sim.advance(1_000);
//! let history = seen.iter().find_map(|seen| match &seen.what {
//!     What::Text(text) if seen.line == bob => Some(text.as_str()),
//!     _ => None,
//! });
//! assert!(history.is_some_and(|text| text.contains("Bob, are you there?")));
//! # Ok(())
//! # }
//! ```
//!
//! The chat clients of this library ([`client::chat`](crate::client::chat)) fly in it, too; and a [`Checker`] watches what
//! their lines carry: nothing lost, nothing twice, nothing left out in silence.
//!
//! ```
//! use klatsch::Options;
//! use klatsch::client::chat::{Post, Request, Settings};
//! use klatsch::sim::{Link, Sim};
//!
//! # fn main() -> Result<(), klatsch::Error> {
//! let mut sim = Sim::new(&Options::new(), 7)?;
//! sim.watch();
//! let ann = sim.client(Settings::new().name("Ann"), Link::new())?;
//! let bob = sim.client(Settings::new().name("Bob"), Link::new().delay_ms(50, 200))?;
//! for client in [ann, bob] {
//!     sim.request(client, Request::Join { room: "lobby".into(), history: None, since: None });
//! }
//! sim.advance(1_000);
//!
//! let line = sim.line_of(bob).expect("Bob is connected");
//! sim.cut(line);
//! sim.request(bob, Request::Send(Post::to_room("lobby", "I am in a tunnel")));
//! sim.request(ann, Request::Send(Post::to_room("lobby", "Bob?")));
//! sim.advance(60_000);
//!
//! // He has come back by himself, and everybody agrees.
//! let texts = |client| -> Vec<_> {
//!     let room = sim.machine(client).room("lobby").expect("both are there");
//!     room.messages().map(|message| message.text.clone().unwrap_or_default()).collect()
//! };
//! assert_eq!(texts(ann), ["Bob?", "I am in a tunnel"]);
//! assert_eq!(texts(bob), texts(ann));
//! sim.judge(&["lobby"]);
//! assert_eq!(sim.faults(), []);
//! # Ok(())
//! # }
//! ```

mod agenda;
mod audit;
#[cfg(test)]
mod broken;
mod checker;
mod client;
mod host;
mod life;
mod line;
mod link;
mod peer;
mod random;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::engine::settings::{hub_settings, log_bounds, shard_settings};
use crate::error::Error;
use crate::event::Event;
use crate::events::{Events, Queue};
use crate::options::Options;
use crate::server::{Clock, Hub, ShardSettings, Shared, TurnedClock, Used};
use crate::store::Memory;
use crate::wire::Kind;

use agenda::{Agenda, Due};
use client::Pilot;
use life::Life;
use line::Line;
use random::Random;

pub use checker::{Checker, Fault, Rule, Shown};
pub use client::{ClientId, Told};
pub use life::Restart;
pub use link::Link;

/// One end of a line, that of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineId(u32);

impl LineId {
    /// Its number, counted from 0 in the order in which lines were made.
    pub const fn number(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.0)
    }
}

/// What a client's end of a line has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When, by [`Sim::now_ms`].
    pub at_ms: u64,
    /// Whose end.
    pub line: LineId,
    /// What.
    pub what: What,
}

/// What there is to see for a client: what the browser's `WebSocket` has events for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// The WebSocket is open.
    Opened {
        /// The subprotocol that the engine chose among those offered.
        subprotocol: Option<String>,
    },
    /// There will be no WebSocket: the engine answered this HTTP status (0: no right answer at all) and these words.
    /// Nothing follows.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The words.
        reason: String,
    },
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// It is closed. Nothing follows.
    Closed {
        /// As in the engine's close frame; 1006: there was none.
        code: u16,
        /// As in the engine's close frame.
        reason: String,
    },
}

/// The engine on a simulated network.
pub struct Sim {
    random: Random,
    clock: Arc<TurnedClock>,
    now_us: u64,
    settings: Arc<ShardSettings>,
    kept_message_count: u64,
    shared: Arc<Shared>,
    /// The engine's turn of the host's events.
    events: Events,
    /// `None`: the engine is down.
    life: Option<Life>,
    life_count: u32,
    lines: Vec<Line>,
    clients: Vec<Pilot>,
    used: Arc<Used>,
    agenda: Agenda,
    seen: VecDeque<Seen>,
    checker: Option<Box<Checker>>,
    /// What went over the lines, for people; `None`: nobody asked.
    transcript: Option<Vec<String>>,
    /// To be used again.
    scratch: Vec<u8>,
}

impl Sim {
    /// Starts an engine with these options on a network that follows from the seed. Where it would listen plays no part, and
    /// neither does TLS; with `shard_count` 0 it has one shard.
    ///
    /// # Errors
    /// `invalid_option`; `system`: the operating system has no place for another poll.
    pub fn new(options: &Options, seed: u64) -> Result<Sim, Error> {
        let checked = options.check()?;
        let numbers = &options.numbers;
        let mut random = Random::new(seed);
        let queue = Arc::new(Queue::new(numbers.event_queue_count, numbers.event_queue_bytes));
        let clock = Arc::new(TurnedClock::new(BEGAN_UNIX_MS));
        let log = Box::new(Memory::losing(log_bounds(options)));
        let shard_count = usize::try_from(numbers.shard_count.max(1)).unwrap_or(1);
        let settings = hub_settings(options, &checked);
        let mut secret = Random::new(random.next());
        let secrets = Box::new(move || secret.bytes());
        let hub = Hub::new(settings, log, secrets, queue.clone(), shard_count, random.next());
        let events = queue.reader()?;
        let clock_of_shards = Clock::Turned(clock.clone());
        let mut sim = Sim {
            settings: Arc::new(shard_settings(options, &checked, &[], false)?),
            shared: Arc::new(Shared::new(hub, queue, shard_count, clock_of_shards)),
            kept_message_count: numbers.history_kept,
            random,
            clock,
            now_us: 0,
            events,
            life: None,
            life_count: 0,
            lines: Vec::new(),
            clients: Vec::new(),
            used: Arc::default(),
            agenda: Agenda::default(),
            seen: VecDeque::new(),
            checker: None,
            transcript: None,
            scratch: Vec::new(),
        };
        sim.start()?;
        Ok(sim)
    }

    /// Milliseconds since the simulation began.
    pub fn now_ms(&self) -> u64 {
        self.now_us / 1_000
    }

    /// The Unix time that the engine sees, in milliseconds.
    pub fn unix_ms(&self) -> u64 {
        BEGAN_UNIX_MS + self.now_ms()
    }

    /// A number below `end` that follows from the seed: for the decisions of the test itself, so that they can be run again
    /// too.
    pub fn random(&mut self, end: u64) -> u64 {
        self.random.below(end)
    }

    /// Opens a WebSocket: to a path with its query, such as `/?room=lobby`, offering these subprotocols. The line's end
    /// sees it [open](What::Opened), [refused](What::Refused) or [closed](What::Closed) later.
    pub fn connect(&mut self, path: &str, subprotocols: &[&str], link: Link) -> LineId {
        let line = self.lines.len() as u32;
        let (peer, request) = peer::Peer::new(path, subprotocols, &mut self.random);
        let is_v1 = subprotocols.contains(&V1);
        self.lines.push(Line::new(line, link, peer, self.used.clone(), is_v1));
        match request {
            Ok(request) => {
                let at_us = self.now_us + self.lines[line as usize].delay_us(&mut self.random);
                self.lines[line as usize].request = request;
                self.agenda.add(at_us, Due::Arrival(line));
            }
            Err(reason) => {
                self.lines[line as usize].peer.end();
                self.see(line, What::Refused { status: 0, reason });
            }
        }
        LineId(line)
    }

    /// Sends a text. While the line is not open, or no longer, nothing happens.
    pub fn send(&mut self, line: LineId, text: &str) {
        self.note(line, '>', text);
        if self.lines[line.0 as usize].is_watched()
            && let Some(checker) = &mut self.checker
        {
            checker.asked(line, text);
        }
        self.say(line, Kind::Text, text.as_bytes());
    }

    /// Sends a binary message. While the line is not open, or no longer, nothing happens.
    pub fn send_binary(&mut self, line: LineId, bytes: &[u8]) {
        self.say(line, Kind::Binary, bytes);
    }

    fn say(&mut self, line: LineId, kind: Kind, payload: &[u8]) {
        let mut out = std::mem::take(&mut self.scratch);
        self.lines[line.0 as usize].peer.say(kind, payload, &mut self.random, &mut out);
        self.send_up(line.0, &mut out);
        self.scratch = out;
    }

    /// Closes a WebSocket with a close frame. Its end sees [`What::Closed`] when the engine has answered, or after 3 seconds.
    pub fn close(&mut self, line: LineId, code: u16, reason: &str) {
        let mut out = std::mem::take(&mut self.scratch);
        let is_awaited = self.lines[line.0 as usize].peer.close(code, reason, &mut self.random, &mut out);
        self.send_up(line.0, &mut out);
        self.scratch = out;
        match is_awaited {
            true => self.agenda.add(self.now_us + PATIENCE_US, Due::Patience(line.0)),
            false => self.cut(line),
        }
    }

    /// Breaks a line. Its end sees it closed at once with 1006; what it had sent may arrive yet, and then the engine is told
    /// by a reset, unless the line [hangs](Sim::hang).
    pub fn cut(&mut self, line: LineId) {
        if let Some(what) = self.lines[line.0 as usize].peer.end() {
            self.see(line.0, what);
        }
        let at_us = self.now_us + self.lines[line.0 as usize].delay_us(&mut self.random);
        let line_state = &mut self.lines[line.0 as usize];
        line_state.cut(at_us, &mut self.random);
        self.pump(line.0);
    }

    /// Lets nothing through any more, either way, and nobody is told.
    pub fn hang(&mut self, line: LineId) {
        self.lines[line.0 as usize].is_hung = true;
    }

    /// Ends [`hang`](Sim::hang): what was under way arrives now.
    pub fn heal(&mut self, line: LineId) {
        self.lines[line.0 as usize].is_hung = false;
        self.pump(line.0);
    }

    /// Has a client read so many bytes a second from now on; 0: none at all, `None`: at once.
    pub fn slow(&mut self, line: LineId, bytes_per_second: Option<u64>) {
        let now_us = self.now_us;
        let line_state = &mut self.lines[line.0 as usize];
        line_state.link.bytes_per_second = bytes_per_second;
        line_state.down.free_at_us = now_us;
        self.pump(line.0);
    }

    /// Whether a client's end is open.
    pub fn is_open(&self, line: LineId) -> bool {
        self.lines[line.0 as usize].peer.is_open()
    }

    /// How many bytes that a client has sent have not reached the engine yet.
    pub fn buffered_bytes(&self, line: LineId) -> usize {
        self.lines[line.0 as usize].up.bytes()
    }

    /// When something is due next, by [`now_ms`](Sim::now_ms); `None` while nothing is.
    pub fn next_ms(&self) -> Option<u64> {
        if self.seen.is_empty() {
            self.agenda.next_us().map(|us| us.div_ceil(1_000))
        } else {
            Some(self.now_ms())
        }
    }

    /// Lets time go on until a client's end sees something, which is given; `None`: nobody has seen anything until the time
    /// `until_ms`, which it is then.
    pub fn step(&mut self, until_ms: u64) -> Option<Seen> {
        let until_us = until_ms.saturating_mul(1_000);
        while self.seen.is_empty() {
            match self.agenda.take(until_us) {
                Some((at_us, due)) => {
                    self.now_us = self.now_us.max(at_us);
                    self.carry_out(due);
                }
                None => {
                    self.now_us = self.now_us.max(until_us);
                    return None;
                }
            }
        }
        self.seen.pop_front()
    }

    /// Lets so many milliseconds pass. Gives what all clients' ends have seen, in its order.
    pub fn advance(&mut self, ms: u64) -> Vec<Seen> {
        let until_ms = self.now_ms() + ms;
        std::iter::from_fn(|| self.step(until_ms)).collect()
    }

    /// What the host has heard since it was asked last, in its order: at most `event_queue_count` of it.
    pub fn events(&mut self) -> Vec<Event> {
        self.events.drain(usize::MAX >> 1)
    }

    /// Has everything written down that clients send (`>`) and see (`<`), for people to read.
    pub fn write_down(&mut self) {
        self.transcript.get_or_insert_default();
    }

    /// Takes what was [written down](Sim::write_down) since this was called last: a line for each text.
    pub fn transcript(&mut self) -> Vec<String> {
        self.transcript.as_mut().map_or(Vec::new(), std::mem::take)
    }

    fn note(&mut self, line: LineId, sign: char, text: &str) {
        let at_ms = self.now_ms();
        if let Some(transcript) = &mut self.transcript {
            let shown: String = text.chars().take(SHOWN_CHARS).collect();
            transcript.push(format!("{at_ms:>7} ms  {line} {sign} {shown}"));
        }
    }

    fn carry_out(&mut self, due: Due) {
        match due {
            Due::Arrival(line) => self.arrive(line),
            Due::Line(line) => self.pump(line),
            Due::Patience(line) => self.cut(LineId(line)),
            Due::Turn { life, shard } => self.turn(life, shard),
            Due::Tick(client) => self.tick(client),
            Due::Start => self.start_again(),
        }
    }

    fn see(&mut self, line: u32, what: What) {
        let seen = Seen { at_ms: self.now_ms(), line: LineId(line), what };
        if self.transcript.is_some() {
            match &seen.what {
                What::Text(text) => self.note(seen.line, '<', text),
                what => self.note(seen.line, '<', &format!("{what:?}")),
            }
        }
        if let Some(checker) = &mut self.checker
            && self.lines[line as usize].is_v1
        {
            checker.told(&seen);
        }
        match self.lines[line as usize].owner {
            Some(client) => self.tell_client(client, seen.line, seen.what),
            None => self.seen.push_back(seen),
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("now_ms", &self.now_ms())
            .field("lines", &self.lines.len())
            .finish_non_exhaustive()
    }
}

/// A moment in 2023, so that what is printed of a run is the same in every run.
const BEGAN_UNIX_MS: u64 = 1_700_000_000_000;
/// The subprotocol that a [`Checker`] understands.
const V1: &str = "klatsch.v1";
/// How much of a text is written down.
const SHOWN_CHARS: usize = 400;
/// How long a client waits for the answer to its close frame.
const PATIENCE_US: u64 = 3_000_000;
