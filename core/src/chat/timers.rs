//! What is to happen at a time, in ticks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::id::ConnectionId;

use super::room::RoomKey;
use super::session::SessionKey;

/// What happens. Whoever it is about may be gone by then, or have gone on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A v1 connection has had time enough to say hello.
    Hello(ConnectionId),
    /// A session's user leaves its rooms, unless somebody has it again.
    Linger(SessionKey, u64),
    /// The host's word for a connection may have run out.
    Expiry(ConnectionId),
    /// A room's members are told how many they are.
    Count(RoomKey),
}

#[derive(Debug, Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(u64, Due)>>);

impl Timers {
    pub(crate) fn set(&mut self, at_ms: u64, due: Due) {
        self.0.push(Reverse((at_ms, due)));
    }

    /// Takes one that is due.
    pub(crate) fn take(&mut self, now_ms: u64) -> Option<Due> {
        let Reverse((at_ms, _)) = self.0.peek()?;
        if *at_ms > now_ms {
            return None;
        }
        self.0.pop().map(|Reverse((_, due))| due)
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.0.peek().map(|Reverse((at_ms, _))| *at_ms)
    }
}
