//! A shard whose sockets, poll and clock are a simulation's: everything else of it is the same.

use std::net::IpAddr;

use super::connection::Head;
use super::pipe::PipeEnd;
use super::shard::Shard;
use super::shards::Shards;
use super::transport::Transport;
use crate::fanout::ShardKey;

/// What a poll would say of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer will send nothing more, or the line is broken.
    pub(crate) ended: bool,
}

impl Shard {
    /// Welcomes somebody who has come by a simulated line.
    pub(crate) fn welcome_line(&mut self, end: PipeEnd, address: Option<IpAddr>) {
        // Its last turn may be long ago.
        self.now = self.shared.now();
        if self.stop_at_ms.is_none() && self.has_place(self.key) {
            self.begin(Transport::piped(end), address, Head::default());
        }
    }

    /// Notes what a line has to say; nothing is done before the next turn.
    pub(crate) fn note_line(&mut self, token: usize, readiness: Readiness) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if readiness.writable && connection.outbox.is_some() {
            self.unwritten.push(token as u32);
        }
        connection.read_closed |= readiness.ended;
        if readiness.readable || readiness.ended {
            self.make_ready(token as u32);
        }
    }

    /// Does everything that there is to do now. Gives when there will be something again, in ticks, if nobody says
    /// something before; `None` if not.
    pub(crate) fn turn_once(&mut self) -> Option<u64> {
        self.turn();
        self.wait().map(|wait| self.now.ticks_ms + wait.as_millis() as u64)
    }

    /// Whether it has stopped.
    pub(crate) fn has_stopped(&self) -> bool {
        self.is_finished()
    }
}

impl Shards {
    /// Which shard takes who comes next.
    pub(crate) fn least(&self) -> ShardKey {
        self.census.least()
    }

    /// Whether a shard has something to look at.
    pub(crate) fn has_work(&self, shard: ShardKey) -> bool {
        self.is_woken(shard)
    }
}
