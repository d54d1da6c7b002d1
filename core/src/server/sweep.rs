//! Who is gone: one look at every connection, some times in each timeout, in place of a timer for each.

use std::cmp::Reverse;

use crate::push::Cause;
use crate::stats::{MAX_SLOWEST, SlowConnection};
use crate::wire::{Kind, write_frame};

use super::connection::{Connection, Phase};
use super::shard::Shard;

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Ping,
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
                Due::NoHeartbeat => {
                    self.close_for(slot, Cause::NoHeartbeat, "no answer to a heartbeat");
                    self.remove(slot);
                }
                Due::Overdue => self.close_for(slot, Cause::Protocol, "a message took too long to arrive"),
                Due::Stalled => self.lost(slot, "the peer took nothing for write_timeout_ms"),
                Due::Lagging => self.too_slow(slot),
                Due::Late => self.remove(slot),
            }
        }
        if self.is_first() {
            self.shards.census.addresses().sweep(self.now.ticks_ms);
        }
        self.shards.census.note_slowest(self.key, self.slowest());
        self.next_sweep_ms = self.now.ticks_ms + self.sweep_interval_ms();
    }

    /// The connections for which most waits.
    fn slowest(&self) -> Vec<SlowConnection> {
        if self.tally.waiting_bytes == 0 {
            return Vec::new();
        }
        let slow = |(_, connection): (usize, &Connection)| {
            let lag = connection.outbox.as_ref()?.lag;
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
        if let Some(lag) = connection.outbox.as_ref().and_then(|waiting| waiting.lag)
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
            Phase::Open if connection.held || connection.parked.is_some() => Due::Nothing,
            Phase::Open => {
                let silent_ms = now_ms.saturating_sub(connection.heard_ms);
                // Up to a fifth earlier, each at a moment of its own.
                let interval_ms = settings.heartbeat_interval_ms;
                let jitter_ms = (slot as u64).wrapping_mul(0x9E37_79B9) % (interval_ms / 5 + 1);
                if silent_ms >= interval_ms + settings.heartbeat_timeout_ms {
                    Due::NoHeartbeat
                } else if connection.assembly.is_overdue(&settings.wire, now_ms) {
                    Due::Overdue
                } else if !connection.pinged && silent_ms >= interval_ms - jitter_ms {
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

const MIN_SWEEP_MS: u64 = 10;
const MAX_SWEEP_MS: u64 = 1_000;
