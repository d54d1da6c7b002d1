//! How much memory the engine holds, and what it sheds when that is nearly as much as the host allows.

use crate::close::Cause;
use crate::error::{Error, ErrorCode};
use crate::event::Event;

use super::connection::Phase;
use super::shard::Shard;

/// How near the engine is to what it may hold, and so what it sheds: each level sheds what those before it do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pressure {
    #[default]
    None,
    /// New connections are answered 503.
    Newcomers,
    /// Connections that read too slowly are closed, those for which most waits first.
    SlowReaders,
    /// Whoever comes is shown no history.
    Histories,
}

impl Pressure {
    /// `max_bytes`: what the host allows; 0 if it does not say.
    pub(super) fn of(held_bytes: usize, max_bytes: usize) -> Pressure {
        let part = |count: usize| max_bytes / 16 * count;
        match held_bytes {
            _ if max_bytes == 0 => Pressure::None,
            bytes if bytes >= part(16) => Pressure::Histories,
            bytes if bytes >= part(15) => Pressure::SlowReaders,
            bytes if bytes >= part(14) => Pressure::Newcomers,
            _ => Pressure::None,
        }
    }
}

impl Shard {
    /// About how many bytes this shard holds.
    pub(super) fn held_bytes(&self) -> usize {
        self.connections.len() * CONNECTION_BYTES + self.tally.waiting_bytes + self.gathered_bytes()
    }

    /// Sheds what has to go.
    pub(super) fn relieve(&mut self) {
        let before = std::mem::replace(&mut self.pressure, self.shards.pressure(self.settings.memory_bytes));
        if before == Pressure::None && self.pressure > Pressure::None && self.is_first() {
            let words = format!(
                "nearly {} bytes are held, which is what memory_bytes allows: new connections are refused, then slow \
                 readers closed, then histories left out",
                self.settings.memory_bytes
            );
            tracing::warn!(words);
            let error = Error::new(ErrorCode::Busy, words);
            let _ = self.shared.with(|hub| hub.tell_host(Event::Degraded { error }));
        }
        if before.max(self.pressure) >= Pressure::Histories {
            let without_histories = self.pressure >= Pressure::Histories;
            let _ = self.shared.with(|hub| hub.leave_out_histories(without_histories));
        }
        if self.pressure >= Pressure::SlowReaders && self.tally.waiting_bytes > 0 {
            self.close_the_slowest();
        }
    }

    /// Closes those for whom most waits, until half of what waits is gone.
    fn close_the_slowest(&mut self) {
        let waits = |&(_, connection): &(usize, &super::connection::Connection)| {
            connection.outbox.is_some() && matches!(connection.phase, Phase::Open)
        };
        let mut slow: Vec<(usize, u32)> = self
            .connections
            .iter()
            .filter(waits)
            .map(|(slot, connection)| (connection.waiting_bytes(), slot as u32))
            .collect();
        slow.sort_unstable();
        let target = self.tally.waiting_bytes / 2;
        while self.tally.waiting_bytes > target
            && let Some((_, slot)) = slow.pop()
        {
            self.tally.too_slow_count += 1;
            self.close_for(slot, Cause::TooSlow, "memory is short, and this connection reads too slowly");
        }
    }
}

/// What a connection is counted for, beside what waits for it: its places in the shard, the chat and its room.
pub(super) const CONNECTION_BYTES: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shed_grows_with_what_is_held() {
        let levels = [0, 895, 896, 959, 960, 1_023, 1_024, 5_000].map(|held| Pressure::of(held, 1_024));
        assert_eq!(
            levels,
            [
                Pressure::None,
                Pressure::None,
                Pressure::Newcomers,
                Pressure::Newcomers,
                Pressure::SlowReaders,
                Pressure::SlowReaders,
                Pressure::Histories,
                Pressure::Histories
            ]
        );
        assert_eq!(Pressure::of(usize::MAX, 0), Pressure::None);
    }
}
