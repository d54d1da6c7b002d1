//! Lines: what is under way on them, and when it arrives.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::server::{End, Pipe, Readiness, Used};

use super::agenda::Due;
use super::link::Link;
use super::peer::Peer;
use super::random::Random;
use super::{LineId, Sim, What};

#[derive(Debug)]
pub(super) struct Line {
    pub(super) link: Link,
    pub(super) peer: Peer,
    /// The opening request, until the engine is there to take it.
    pub(super) request: Vec<u8>,
    pipe: Arc<Pipe>,
    /// Which shard has the other end.
    shard: Option<u8>,
    pub(super) is_hung: bool,
    /// It offered `klatsch.v1`.
    pub(super) is_v1: bool,
    /// The chat client whose line it is.
    pub(super) owner: Option<u32>,
    /// To the engine.
    pub(super) up: Way,
    /// From the engine.
    pub(super) down: Way,
}

/// One direction of a line.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// In the order in which it arrives.
    pieces: VecDeque<Piece>,
    /// When what was sent last arrives.
    last_us: u64,
    /// When the reader has time for more.
    pub(super) free_at_us: u64,
    /// When it is looked at next.
    due_us: Option<u64>,
    is_over: bool,
}

#[derive(Debug)]
struct Piece {
    at_us: u64,
    what: Carried,
}

#[derive(Debug)]
enum Carried {
    Bytes(Vec<u8>),
    End(End),
}

impl Line {
    pub(super) fn new(line: u32, link: Link, peer: Peer, used: Arc<Used>, is_v1: bool) -> Line {
        Line {
            pipe: Pipe::new(line, link.in_flight_bytes, link.address, used),
            link,
            peer,
            request: Vec::new(),
            shard: None,
            is_hung: false,
            is_v1,
            owner: None,
            up: Way::default(),
            down: Way::default(),
        }
    }

    /// Whether what is said on it is for the judge.
    pub(super) fn is_watched(&self) -> bool {
        self.is_v1 && self.peer.is_open()
    }

    pub(super) fn delay_us(&self, random: &mut Random) -> u64 {
        random.between(self.link.min_delay_ms * 1_000, self.link.max_delay_ms * 1_000)
    }

    /// The client's end is gone, without a word: of what it had sent only a part arrives.
    pub(super) fn cut(&mut self, at_us: u64, random: &mut Random) {
        self.down.pieces.clear();
        self.down.is_over = true;
        if !self.up.is_over {
            let kept = random.below(self.up.pieces.len() as u64 + 1) as usize;
            self.up.pieces.truncate(kept);
            self.up.push(at_us, Carried::End(End::Reset));
        }
    }
}

impl Way {
    /// How many bytes are under way.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |piece: &Piece| match &piece.what {
            Carried::Bytes(bytes) => bytes.len(),
            Carried::End(_) => 0,
        };
        self.pieces.iter().map(bytes).sum()
    }

    fn push(&mut self, at_us: u64, what: Carried) {
        if !self.is_over {
            self.is_over = matches!(what, Carried::End(_));
            self.last_us = self.last_us.max(at_us);
            self.pieces.push_back(Piece { at_us: self.last_us, what });
        }
    }

    /// Takes what has arrived by now, at most as much as the reader has time for.
    fn take(&mut self, now_us: u64, bytes_per_second: Option<u64>) -> Option<Carried> {
        let front = self.pieces.front_mut().filter(|front| front.at_us <= now_us)?;
        if let (Carried::Bytes(bytes), Some(rate)) = (&mut front.what, bytes_per_second) {
            if rate == 0 || self.free_at_us > now_us {
                return None;
            }
            let count = bytes.len().min((rate as usize / 50).max(1));
            self.free_at_us = now_us + count as u64 * 1_000_000 / rate;
            if count < bytes.len() {
                let rest = bytes.split_off(count);
                return Some(Carried::Bytes(std::mem::replace(bytes, rest)));
            }
        }
        self.pieces.pop_front().map(|piece| piece.what)
    }

    /// When there is something to take.
    fn next_us(&self, bytes_per_second: Option<u64>) -> Option<u64> {
        let front = self.pieces.front()?;
        match (&front.what, bytes_per_second) {
            (Carried::Bytes(_), Some(0)) => None,
            (Carried::Bytes(_), Some(_)) => Some(front.at_us.max(self.free_at_us)),
            _ => Some(front.at_us),
        }
    }
}

impl Sim {
    /// A client's knock arrives.
    pub(super) fn arrive(&mut self, line: u32) {
        let now_us = self.now_us;
        let state = &mut self.lines[line as usize];
        if state.is_hung || state.up.is_over {
            return;
        }
        let there_us = state.delay_us(&mut self.random);
        let back_us = state.delay_us(&mut self.random);
        let address = state.link.address.map(|address| address.ip());
        let request = std::mem::take(&mut state.request);
        self.clock.turn_to(now_us / 1_000, u32::MAX);
        let Some(life) = self.life.as_mut() else {
            // Nobody listens.
            state.down.push(now_us + back_us, Carried::End(End::Reset));
            return self.pump(line);
        };
        let shard = life.welcome(state.pipe.end(), address);
        state.shard = Some(shard);
        state.up.push(now_us + back_us + there_us, Carried::Bytes(request));
        self.nudge(shard);
        self.look_at_lines();
        self.pump(line);
    }

    /// Sends what the client wrote, in one piece or several.
    pub(super) fn send_up(&mut self, line: u32, out: &mut Vec<u8>) {
        let state = &mut self.lines[line as usize];
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            let count = match self.random.chance(10) {
                true => self.random.between(1, rest.len() as u64) as usize,
                false => rest.len(),
            };
            let at_us = self.now_us + state.delay_us(&mut self.random);
            state.up.push(at_us, Carried::Bytes(rest[..count].to_vec()));
            rest = &rest[count..];
        }
        if !out.is_empty() {
            out.clear();
            self.pump(line);
        }
    }

    /// Puts under way what the engine wrote.
    pub(super) fn look_at_lines(&mut self) {
        for line in self.used.take() {
            let state = &mut self.lines[line as usize];
            let written = state.pipe.take();
            let at_us = self.now_us + state.delay_us(&mut self.random);
            if !written.bytes.is_empty() {
                state.down.push(at_us, Carried::Bytes(written.bytes));
            }
            if written.is_over {
                state.down.push(at_us, Carried::End(End::Closed));
            }
            if written.is_gone {
                state.up.pieces.clear();
                state.up.is_over = true;
            }
            self.pump(line);
        }
    }

    /// Hands over what has arrived on a line by now.
    pub(super) fn pump(&mut self, line: u32) {
        if self.lines[line as usize].is_hung {
            return;
        }
        self.pump_up(line);
        self.pump_down(line);
        let state = &mut self.lines[line as usize];
        let rate = state.link.bytes_per_second;
        for (way, rate) in [(&mut state.up, None), (&mut state.down, rate)] {
            let next = way.next_us(rate);
            if let Some(at_us) = next
                && way.due_us.is_none_or(|due_us| due_us > at_us || due_us <= self.now_us)
            {
                way.due_us = Some(at_us);
                self.agenda.add(at_us.max(self.now_us), Due::Line(line));
            }
        }
    }

    fn pump_up(&mut self, line: u32) {
        let state = &mut self.lines[line as usize];
        let mut readiness = Readiness::default();
        while let Some(carried) = state.up.take(self.now_us, None) {
            match carried {
                Carried::Bytes(bytes) => state.pipe.arrive(&bytes),
                Carried::End(end) => {
                    state.pipe.finish(end);
                    readiness.ended = true;
                }
            }
            readiness.readable = true;
        }
        if readiness.readable {
            self.note_ready(line, readiness);
        }
    }

    fn pump_down(&mut self, line: u32) {
        let mut out = Vec::new();
        let mut seen = Vec::new();
        let mut taken = 0;
        let state = &mut self.lines[line as usize];
        while let Some(carried) = state.down.take(self.now_us, state.link.bytes_per_second) {
            match carried {
                Carried::Bytes(bytes) => {
                    taken += bytes.len();
                    state.peer.take(&bytes, &mut self.random, &mut out, &mut seen);
                }
                Carried::End(_) => {
                    seen.extend(state.peer.end());
                    // The client's end is closed too.
                    let at_us = self.now_us + state.delay_us(&mut self.random);
                    state.up.push(at_us, Carried::End(End::Closed));
                }
            }
        }
        if state.pipe.free(taken) {
            self.note_ready(line, Readiness { writable: true, ..Readiness::default() });
        }
        let has_refused = seen.iter().any(|what| matches!(what, What::Refused { .. }));
        seen.into_iter().for_each(|what| self.see(line, what));
        if !out.is_empty() {
            self.send_up(line, &mut out);
        }
        if has_refused {
            self.cut(LineId(line));
        }
    }

    /// Tells the shard what a line has to say.
    fn note_ready(&mut self, line: u32, readiness: Readiness) {
        let state = &self.lines[line as usize];
        if let (Some(shard), Some(token), Some(life)) = (state.shard, state.pipe.token(), &mut self.life) {
            life.note(shard, token, readiness);
            self.nudge(shard);
        }
    }
}
