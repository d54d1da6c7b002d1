//! What is not as in every room: who may do what there, who is kept out, what it is about.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::id::UserId;
use crate::message::Role;

use super::rights::Deed;

/// The rules of one room. What is not said is as usual.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) topic: Box<str>,
    pub(crate) roles: HashMap<UserId, Role>,
    pub(crate) muted: Terms<UserId>,
    pub(crate) banned: Terms<UserId>,
    pub(crate) banned_addresses: Terms<IpAddr>,
    /// Milliseconds between two messages of one user; 0: no slow mode.
    pub(crate) slow_ms: u64,
    /// When users spoke last, while there is slow mode, in ticks.
    spoke_ms: HashMap<UserId, u64>,
    /// Whose bans those of addresses are, so that they end together.
    banned_with: Vec<(UserId, IpAddr)>,
    /// Only those come in whom the host has put there or let in.
    pub(crate) is_private: bool,
    /// Only moderators and owners speak.
    pub(crate) is_read_only: bool,
    /// How many members there may be; 0: any number.
    pub(crate) max_member_count: u64,
    /// Whom the host has put into it.
    pub(crate) invited: Vec<UserId>,
}

impl Rules {
    /// Counts what a user says in slow mode.
    ///
    /// # Errors
    /// It is too early: in so many milliseconds.
    pub(crate) fn speak(&mut self, user: &UserId, role: Role, now_ms: u64) -> Result<(), u64> {
        if self.slow_ms == 0 || Deed::Moderate.is_allowed(role) {
            return Ok(());
        }
        let slow_ms = self.slow_ms;
        let next_ms = self.spoke_ms.get(user).map_or(0, |spoke_ms| spoke_ms.saturating_add(slow_ms));
        if next_ms > now_ms {
            return Err(next_ms - now_ms);
        }
        if self.spoke_ms.len() >= MAX_SPOKE_COUNT {
            self.spoke_ms.retain(|_, spoke_ms| spoke_ms.saturating_add(slow_ms) > now_ms);
        }
        self.spoke_ms.insert(user.clone(), now_ms);
        Ok(())
    }

    /// Keeps an address out together with a user.
    pub(crate) fn ban_address(&mut self, user: &UserId, address: IpAddr, seconds: Option<u64>, now_ms: u64) {
        self.banned_addresses.set(address, seconds, now_ms);
        if !self.banned_with.iter().any(|(other, kept)| other == user && *kept == address) {
            self.banned_with.push((user.clone(), address));
        }
    }

    /// Ends a user's ban, and that of their addresses.
    pub(crate) fn unban(&mut self, user: &UserId) {
        self.banned.end(user);
        for (_, address) in self.banned_with.extract_if(.., |(other, _)| other == user) {
            self.banned_addresses.end(&address);
        }
    }

    /// How long somebody has to wait after each message.
    pub(crate) fn pause_ms(&self, role: Role) -> u64 {
        if Deed::Moderate.is_allowed(role) { 0 } else { self.slow_ms }
    }

    /// Sets the slow mode, in seconds.
    pub(crate) fn slow(&mut self, seconds: u64) {
        self.slow_ms = seconds.saturating_mul(1_000);
        if self.slow_ms == 0 {
            self.spoke_ms = HashMap::new();
        }
    }
}

/// What holds for some, for a time or for good.
#[derive(Clone, Debug)]
pub(crate) struct Terms<T>(HashMap<T, Option<u64>>);

impl<T> Default for Terms<T> {
    fn default() -> Terms<T> {
        Terms(HashMap::new())
    }
}

impl<T: Eq + std::hash::Hash> Terms<T> {
    /// From now on it holds for somebody, for so many seconds; `None`: for good; 0: no longer.
    pub(crate) fn set(&mut self, whom: T, seconds: Option<u64>, now_ms: u64) {
        self.0.retain(|_, until_ms| until_ms.is_none_or(|until_ms| until_ms > now_ms));
        match seconds {
            Some(0) => self.0.remove(&whom),
            seconds => self
                .0
                .insert(whom, seconds.map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1_000)))),
        };
    }

    /// Whether it holds for somebody: then for how many milliseconds more, `Some(None)`: for good.
    #[expect(clippy::option_option, reason = "not, for good, and for a time are three")]
    pub(crate) fn left_ms(&self, whom: &T, now_ms: u64) -> Option<Option<u64>> {
        match self.0.get(whom)? {
            None => Some(None),
            Some(until_ms) if *until_ms > now_ms => Some(Some(until_ms - now_ms)),
            Some(_) => None,
        }
    }

    pub(crate) fn holds(&self, whom: &T, now_ms: u64) -> bool {
        self.left_ms(whom, now_ms).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// It holds for somebody no longer.
    pub(crate) fn end(&mut self, whom: &T) {
        self.0.remove(whom);
    }
}

/// How many users' last words are looked through at once.
const MAX_SPOKE_COUNT: usize = 10_000;
