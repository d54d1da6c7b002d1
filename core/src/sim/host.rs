//! The host's calls, as the engine has them.

use crate::error::{Error, ErrorCode};
use crate::event::Verdict;
use crate::id::{ConnectionId, Position, QuestionId};
use crate::message::{Member, Message, Moderation, Payload, Room, RoomOptions};
use crate::server::Hub;
use crate::stats::Stats;
use crate::time::Now;

use super::Sim;

impl Sim {
    /// As [`Engine::broadcast`](crate::Engine::broadcast).
    ///
    /// # Errors
    /// As there; `not_running` while the engine is down, as for every call of the host's.
    pub fn broadcast(&mut self, room: &str, text: &str) -> Result<Position, Error> {
        self.act(|hub, now| hub.broadcast(room, text, now))
    }

    /// As [`Engine::broadcast_all`](crate::Engine::broadcast_all).
    ///
    /// # Errors
    /// As there.
    pub fn broadcast_all(&mut self, text: &str) -> Result<(), Error> {
        self.act(|hub, now| hub.broadcast_all(text, now))
    }

    /// As [`Engine::tell`](crate::Engine::tell).
    ///
    /// # Errors
    /// As there.
    pub fn tell(&mut self, connection: ConnectionId, payload: impl Into<Payload>) -> Result<(), Error> {
        let payload = payload.into();
        self.act(|hub, now| hub.tell(connection, &payload, now))
    }

    /// As [`Engine::tell_room`](crate::Engine::tell_room).
    ///
    /// # Errors
    /// As there.
    pub fn tell_room(&mut self, room: &str, payload: impl Into<Payload>) -> Result<(), Error> {
        let payload = payload.into();
        self.act(|hub, now| hub.tell_room(room, &payload, now))
    }

    /// As [`Engine::tell_all`](crate::Engine::tell_all).
    ///
    /// # Errors
    /// As there.
    pub fn tell_all(&mut self, payload: impl Into<Payload>) -> Result<(), Error> {
        let payload = payload.into();
        self.act(|hub, now| hub.tell_all(&payload, now))
    }

    /// As [`Engine::send`](crate::Engine::send): says something in a room as a user.
    ///
    /// # Errors
    /// As there.
    pub fn send_as(&mut self, room: &str, user: &str, text: &str) -> Result<Position, Error> {
        self.act(|hub, now| hub.send(room, user, text, now))
    }

    /// As [`Engine::tell_user`](crate::Engine::tell_user).
    ///
    /// # Errors
    /// As there.
    pub fn tell_user(&mut self, user: &str, text: &str) -> Result<(), Error> {
        self.act(|hub, now| hub.tell_user(user, text, now))
    }

    /// As [`Engine::moderate`](crate::Engine::moderate). Who [watches](Sim::watch) need not tell the checker.
    ///
    /// # Errors
    /// As there.
    pub fn moderate(&mut self, room: &str, act: Moderation) -> Result<Position, Error> {
        if let Some(checker) = &mut self.checker {
            checker.host_moderated(room, act.name());
        }
        self.act(|hub, now| hub.moderate(room, act, now))
    }

    /// As [`Engine::join`](crate::Engine::join): puts a user into a room.
    ///
    /// # Errors
    /// As there.
    pub fn join(&mut self, room: &str, user: &str) -> Result<(), Error> {
        self.act(|hub, now| hub.join(room, user, now))
    }

    /// As [`Engine::leave`](crate::Engine::leave): takes a user out of a room.
    ///
    /// # Errors
    /// As there.
    pub fn leave(&mut self, room: &str, user: &str) -> Result<(), Error> {
        self.act(|hub, now| hub.leave(room, user, now))
    }

    /// As [`Engine::set_room`](crate::Engine::set_room).
    ///
    /// # Errors
    /// As there.
    pub fn set_room(&mut self, room: &str, options: &RoomOptions) -> Result<(), Error> {
        self.act(|hub, now| hub.set_room(room, options, now))
    }

    /// As [`Engine::ban`](crate::Engine::ban).
    ///
    /// # Errors
    /// As there.
    pub fn ban(&mut self, user: &str, seconds: Option<u64>) -> Result<(), Error> {
        self.act(|hub, now| hub.ban(user, seconds, now))
    }

    /// As [`Engine::kick`](crate::Engine::kick).
    ///
    /// # Errors
    /// As there.
    pub fn kick(&mut self, connection: ConnectionId, reason: &str) -> Result<(), Error> {
        self.act(|hub, _| hub.kick(connection, reason))
    }

    /// As [`Engine::rooms`](crate::Engine::rooms).
    ///
    /// # Errors
    /// As there.
    pub fn rooms(&mut self) -> Result<Vec<Room>, Error> {
        self.act(|hub, _| Ok(hub.rooms()))
    }

    /// As [`Engine::members`](crate::Engine::members).
    ///
    /// # Errors
    /// As there.
    pub fn members(&mut self, room: &str) -> Result<Vec<Member>, Error> {
        self.act(|hub, _| hub.members(room))
    }

    /// As [`Engine::member_count`](crate::Engine::member_count).
    ///
    /// # Errors
    /// As there.
    pub fn member_count(&mut self, room: &str) -> Result<u64, Error> {
        self.act(|hub, _| hub.member_count(room))
    }

    /// As [`Engine::history`](crate::Engine::history).
    ///
    /// # Errors
    /// As there.
    pub fn history(&mut self, room: &str, before: u64, limit: u64) -> Result<Vec<Message>, Error> {
        self.act(|hub, _| hub.history(room, before, limit))
    }

    /// Has the log of every room lose its newest records, as a store may whose machine fails: what comes next is of another
    /// epoch, and whoever had seen them is told that they are gone.
    ///
    /// # Errors
    /// `not_running`.
    pub fn lose(&mut self, count: u64) -> Result<(), Error> {
        self.act(|_, _| Ok(()))?;
        self.lose_now(count);
        // Whoever is there is told.
        self.act(|_, _| Ok(()))
    }

    /// The same, whether the engine is there or not.
    pub(super) fn lose_now(&mut self, count: u64) {
        let now = self.shared.now();
        let lost = self.shared.with(|hub| {
            let before = hub.rooms();
            if count > 0 {
                hub.lose(count, now);
            }
            (before, hub.rooms())
        });
        if let (Some(checker), Ok((before, after))) = (&mut self.checker, lost) {
            for (before, after) in before.iter().zip(after).filter(|_| count > 0) {
                checker.log_lost(&after.name, after.position, before.position);
            }
        }
    }

    /// As [`Engine::answer`](crate::Engine::answer).
    ///
    /// # Errors
    /// As there.
    pub fn answer(&mut self, question: QuestionId, verdict: Verdict) -> Result<(), Error> {
        self.act(|hub, now| hub.answer(question, verdict, now))
    }

    /// As [`Engine::stats`](crate::Engine::stats).
    ///
    /// # Errors
    /// As there.
    pub fn stats(&mut self) -> Result<Stats, Error> {
        let mut stats = Stats::default();
        self.act(|hub, _| {
            hub.fill(&mut stats);
            Ok(())
        })?;
        if let Some(life) = &self.life {
            life.shards.fill(&mut stats);
        }
        Ok(stats)
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Hub, Now) -> Result<T, Error>) -> Result<T, Error> {
        let Some(life) = &self.life else {
            return Err(Error::new(
                ErrorCode::NotRunning,
                "the simulated engine is down; it starts again by itself",
            ));
        };
        self.clock.turn_to(self.now_us / 1_000, u32::MAX);
        let now = self.shared.now();
        let (result, waiting) = self.shared.with(|hub| (act(hub, now), hub.waiting()))?;
        life.shards.wake(waiting);
        self.nudge_woken();
        result
    }
}
