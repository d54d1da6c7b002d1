//! Who is gone: one look at every connection, some times in each timeout, in place of a timer for each.

use std::cmp::Reverse;

use crate::close::Cause;
use crate::dialect::v1;
use crate::event::Dialect;
use crate::stats::{MAX_SLOWEST, SlowConnection};
use crate::wire::{Kind, OVERDUE, write_frame};

use super::connection::{Connection, Phase};
use super::shard::Shard;

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Ping,
    Beat,
    NoHeartbeat,
    Overdue,
    Stalled,
    Lagging,
    Late,
}

impl Shard {
    pub(super) fn sweep(&mut self) {
        let due: Vec<(u32, Due)> = self
            .connections
            .iter()
            .map(|(slot, connection)| (slot as u32, self.due(slot, connection)))
            .filter(|(_, due)| *due != Due::Nothing)
            .collect();
        for (slot, due) in due {
            match due {
                Due::Nothing => {}
                Due::Ping => self.ping(slot),
                Due::Beat => self.beat(slot),
                Due::NoHeartbeat => {
                    self.close_for(slot, Cause::NoHeartbeat, "no answer to a heartbeat");
                    self.remove(slot);
                }
                Due::Overdue => self.fail(slot, OVERDUE),
                Due::Stalled => self.lost(slot, "the peer took nothing for write_timeout_ms"),
                Due::Lagging => self.too_slow(slot),
                Due::Late => self.remove(slot),
            }
        }
        if self.is_first() {
            self.shards.census.addresses().sweep(self.now.ticks_ms);
        }
        self.shards.census.note_slowest(self.key, self.slowest());
        self.swept_ms = self.now.ticks_ms;
        self.next_sweep_ms = self.now.ticks_ms + self.sweep_interval_ms();
    }

    /// The connections for which most waits.
    fn slowest(&self) -> Vec<SlowConnection> {
        if self.tally.waiting_bytes == 0 {
            return Vec::new();
        }
        let slow = |(_, connection): (usize, &Connection)| {
            let lag = connection.outbox.as_ref()?.lag.as_ref();
            Some(SlowConnection {
                connection: connection.id,
                waiting_bytes: connection.waiting_bytes() as u64,
                lagging_ms: lag.map_or(0, |lag| self.now.ticks_ms.saturating_sub(lag.since_ms)),
            })
        };
        let mut slowest: Vec<SlowConnection> = self.connections.iter().filter_map(slow).collect();
        slowest.sort_unstable_by_key(|slow| Reverse(slow.waiting_bytes));
        slowest.truncate(MAX_SLOWEST);
        slowest
    }

    fn due(&self, slot: usize, connection: &Connection) -> Due {
        let now_ms = self.now.ticks_ms;
        let settings = &self.settings;
        if let Some(waiting) = &connection.outbox
            && now_ms - waiting.progress_ms > settings.write_timeout_ms
        {
            return Due::Stalled;
        }
        if let Some(lag) = connection.outbox.as_ref().and_then(|waiting| waiting.lag.as_ref())
            && now_ms - lag.since_ms > settings.lag_timeout_ms
            && matches!(connection.phase, Phase::Open)
        {
            return Due::Lagging;
        }
        match &connection.phase {
            Phase::Head(head) if head.deadline_ms <= now_ms => Due::Late,
            Phase::Closing { deadline_ms, .. } | Phase::Answered { deadline_ms, .. }
                if *deadline_ms <= now_ms =>
            {
                Due::Late
            }
            Phase::Open => {
                let is_v1 = connection.dialect == Dialect::V1;
                let interval_ms = match is_v1 {
                    true => connection.heartbeat_interval_ms(),
                    false => settings.heartbeat_interval_ms,
                };
                // The time in which the engine does not read it is no silence of its.
                let is_read = !connection.held && !connection.choked && !connection.is_ready;
                let is_read = is_read && connection.parked.is_none();
                let silent_ms = if is_read { now_ms.saturating_sub(connection.heard_ms) } else { 0 };
                let scatter = (slot as u64).wrapping_mul(0x9E37_79B9);
                if silent_ms >= interval_ms + settings.heartbeat_timeout_ms {
                    Due::NoHeartbeat
                } else if is_read && connection.assembly.is_overdue(&settings.wire, now_ms) {
                    Due::Overdue
                } else if is_v1 {
                    let beat = Beat::new(interval_ms, self.sweep_interval_ms(), scatter);
                    // What waits is to say that this side is there.
                    match connection.outbox.is_none() && beat.is_due(self.swept_ms, now_ms) {
                        true => Due::Beat,
                        false => Due::Nothing,
                    }
                } else if !connection.pinged && silent_ms >= interval_ms - scatter % (interval_ms / 5 + 1) {
                    // Up to a fifth earlier, each at a moment of its own.
                    Due::Ping
                } else {
                    Due::Nothing
                }
            }
            _ => Due::Nothing,
        }
    }

    fn ping(&mut self, slot: u32) {
        let mut frame = Vec::with_capacity(2);
        write_frame(&mut frame, Kind::Ping, &[]);
        self.connections[slot as usize].pinged = true;
        self.send(slot, frame.into());
    }

    fn beat(&mut self, slot: u32) {
        let mut frame = Vec::with_capacity(4);
        write_frame(&mut frame, Kind::Text, v1::HEARTBEAT);
        self.send(slot, frame.into());
    }

    /// Often enough that every timeout is met within an eighth of it.
    fn sweep_interval_ms(&self) -> u64 {
        let settings = &self.settings;
        let shortest = [
            settings.heartbeat_interval_ms,
            settings.heartbeat_timeout_ms,
            settings.handshake_timeout_ms,
            settings.close_timeout_ms,
            settings.write_timeout_ms,
            settings.lag_timeout_ms,
            settings.wire.max_assembly_ms,
        ]
        .into_iter()
        .min()
        .unwrap_or(MAX_SWEEP_MS);
        (shortest / 8).clamp(MIN_SWEEP_MS, MAX_SWEEP_MS)
    }
}

/// When a v1 connection is sent a heartbeat: at moments of its own that are told by the clock, so that nothing has to
/// be noted when it is sent something else.
#[derive(Clone, Copy, Debug)]
struct Beat {
    period_ms: u64,
    phase_ms: u64,
}

impl Beat {
    /// At least once an interval, and up to a fifth sooner. `sweep_ms`: after how long it is noticed at the latest.
    fn new(interval_ms: u64, sweep_ms: u64, scatter: u64) -> Beat {
        let jitter_ms = scatter % ((interval_ms / 5).saturating_sub(sweep_ms) + 1);
        let period_ms = interval_ms.saturating_sub(sweep_ms + jitter_ms).max(1);
        Beat { period_ms, phase_ms: scatter % period_ms }
    }

    /// Whether one of its moments lies between two looks at the clock.
    fn is_due(self, since_ms: u64, now_ms: u64) -> bool {
        let count = |at_ms: u64| (at_ms + self.phase_ms) / self.period_ms;
        count(since_ms) != count(now_ms)
    }
}

const MIN_SWEEP_MS: u64 = 10;
const MAX_SWEEP_MS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_comes_at_least_once_an_interval_and_hardly_more_than_a_fifth_sooner() {
        for (interval_ms, sweep_ms) in [(25_000, 625), (1_000, 10), (5_000, 625), (1_000, 625), (100, 12)] {
            for slot in 0..200_u64 {
                let beat = Beat::new(interval_ms, sweep_ms, slot.wrapping_mul(0x9E37_79B9));
                let looks = (1..2_000).map(|count| count * sweep_ms);
                let beats: Vec<u64> = looks.filter(|&at| beat.is_due(at - sweep_ms, at)).collect();
                let gaps = || beats.windows(2).map(|pair| pair[1] - pair[0]);
                assert!(
                    beats[0] <= interval_ms && gaps().all(|gap| gap <= interval_ms),
                    "{interval_ms}, {slot}"
                );
                let least = (interval_ms - interval_ms / 5).saturating_sub(2 * sweep_ms);
                assert!(gaps().all(|gap| gap >= least.max(sweep_ms)), "{interval_ms}, {slot}");
            }
        }
    }
}
