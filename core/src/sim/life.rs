//! The engine's lives: its shards, their turns, its end and its next start.

use std::net::IpAddr;
use std::sync::Arc;

use crate::error::{Error, ErrorCode};
use crate::fanout::ShardKey;
use crate::server::{PipeEnd, Readiness, Shard, Shards};

use super::Sim;
use super::agenda::Due;

/// How an engine ends, and when it is there again.
#[derive(Clone, Debug)]
pub struct Restart {
    is_clean: bool,
    grace_ms: u64,
    down_ms: u64,
    lost_count: u64,
}

impl Restart {
    /// The engine is stopped: it sends what waits, and closes every connection with a close frame.
    pub fn clean() -> Restart {
        Restart { is_clean: true, grace_ms: 5_000, down_ms: 1_000, lost_count: 0 }
    }

    /// The engine ends without a word: its lines end as those of a killed process.
    pub fn crash() -> Restart {
        Restart { is_clean: false, grace_ms: 0, down_ms: 1_000, lost_count: 0 }
    }

    /// How long a clean end may take. Default: 5,000.
    pub fn grace_ms(mut self, ms: u64) -> Restart {
        self.grace_ms = ms;
        self
    }

    /// How many of its newest records every room's log has lost when the engine is there again, as by [`Sim::lose`].
    /// Default: 0.
    pub fn losing(mut self, count: u64) -> Restart {
        self.lost_count = count;
        self
    }

    /// How long nobody listens, once it has ended. Default: 1,000.
    pub fn down_ms(mut self, ms: u64) -> Restart {
        self.down_ms = ms;
        self
    }
}

/// One life of the engine.
pub(super) struct Life {
    number: u32,
    pub(super) shards: Arc<Shards>,
    seats: Vec<Seat>,
    /// It stops, and how it is to be there again.
    restart: Option<Restart>,
}

struct Seat {
    shard: Shard,
    /// When its next turn is.
    turn_us: Option<u64>,
}

impl Life {
    /// Hands somebody who comes to the shard with the fewest connections. Gives which.
    pub(super) fn welcome(&mut self, end: PipeEnd, address: Option<IpAddr>) -> u8 {
        let ShardKey(shard) = self.shards.least();
        self.seats[usize::from(shard)].shard.welcome_line(end, address);
        shard
    }

    pub(super) fn note(&mut self, shard: u8, token: usize, readiness: Readiness) {
        self.seats[usize::from(shard)].shard.note_line(token, readiness);
    }
}

impl Sim {
    /// Ends the engine and starts it again. What it says by the way is seen as time goes on; rooms and their logs
    /// last. While it is down already, nothing happens.
    pub fn restart(&mut self, how: Restart) {
        let now_ms = self.now_ms();
        let Some(life) = self.life.as_mut().filter(|life| life.restart.is_none()) else { return };
        let (is_clean, grace_ms) = (how.is_clean, how.grace_ms);
        life.restart = Some(how);
        match is_clean {
            true => {
                life.shards.stop(now_ms + grace_ms);
                self.nudge_woken();
            }
            false => self.end_life(),
        }
    }

    pub(super) fn start(&mut self) -> Result<(), Error> {
        let system = |source| Error::with_source(ErrorCode::System, "the engine cannot start", source);
        let (shards, polls) = Shards::new(self.shared.shard_count).map_err(system)?;
        let shards = Arc::new(shards);
        let mut seats = Vec::with_capacity(polls.len());
        for (index, poll) in polls.into_iter().enumerate() {
            let (shared, shards, settings) = (self.shared.clone(), shards.clone(), self.settings.clone());
            let key = ShardKey(index as u8);
            let shard = Shard::new(key, poll, shared, shards, settings, None, Vec::new()).map_err(system)?;
            seats.push(Seat { shard, turn_us: None });
        }
        let has_place = shards.clone();
        self.shared.queue.on_space(Some(Arc::new(move || has_place.has_place())));
        self.life_count += 1;
        self.life = Some(Life { number: self.life_count, shards, seats, restart: None });
        Ok(())
    }

    pub(super) fn start_again(&mut self) {
        // What there was place for once there is place for again, but for a moment: then it is tried again.
        if self.life.is_none() && self.start().is_err() {
            self.agenda.add(self.now_us + 1_000_000, Due::Start);
        }
    }

    /// A shard has something to do: it notices a moment later.
    pub(super) fn nudge(&mut self, shard: u8) {
        let at_us = self.now_us + self.random.between(10, 400);
        self.plan_turn(shard, at_us);
    }

    /// So do those who were asked to look.
    pub(super) fn nudge_woken(&mut self) {
        let Some(life) = &self.life else { return };
        let shards = life.shards.clone();
        for shard in 0..shards.count() as u8 {
            if shards.has_work(ShardKey(shard)) {
                self.nudge(shard);
            }
        }
    }

    fn plan_turn(&mut self, shard: u8, at_us: u64) {
        let Some(life) = &mut self.life else { return };
        let seat = &mut life.seats[usize::from(shard)];
        if seat.turn_us.is_none_or(|turn_us| turn_us > at_us) {
            seat.turn_us = Some(at_us);
            self.agenda.add(at_us, Due::Turn { life: life.number, shard });
        }
    }

    pub(super) fn turn(&mut self, number: u32, shard: u8) {
        let Some(life) = self.life.as_mut().filter(|life| life.number == number) else { return };
        let seat = &mut life.seats[usize::from(shard)];
        // Another moment was planned instead.
        if seat.turn_us != Some(self.now_us) {
            return;
        }
        seat.turn_us = None;
        let moment_sends = self.random.between(1, 40) as u32;
        self.clock.turn_to(self.now_us / 1_000, moment_sends);
        let next_ms = match seat.shard.has_stopped() {
            true => None,
            false => seat.shard.turn_once(),
        };
        let is_over = life.restart.is_some() && life.seats.iter().all(|seat| seat.shard.has_stopped());
        self.look_at_lines();
        self.nudge_woken();
        match next_ms {
            _ if is_over => self.end_life(),
            Some(at_ms) if at_ms * 1_000 <= self.now_us => self.nudge(shard),
            Some(at_ms) => self.plan_turn(shard, at_ms * 1_000),
            None => {}
        }
    }

    /// Ends the engine, however far it is, and has it started again.
    fn end_life(&mut self) {
        self.clock.turn_to(self.now_us / 1_000, u32::MAX);
        if let Some(life) = self.life.take() {
            let Restart { down_ms, lost_count, .. } = life.restart.clone().unwrap_or_else(Restart::crash);
            let down_us = down_ms * 1_000;
            drop(life);
            self.lose_now(lost_count);
            self.agenda.add(self.now_us + down_us, Due::Start);
        }
        self.look_at_lines();
    }
}
