//! Questions that are open: what waits for the host's answer, and until when.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::id::{ConnectionId, QuestionId, RoomName, UserId};

use super::effect::Given;
use super::entry::Wish;
use super::hello::Greeting;
use super::post::Saying;
use super::room::RoomKey;

/// What happens when the question is answered.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The connection comes in, and then into its room.
    Admit { address: Option<SocketAddr>, room: Option<RoomName> },
    /// The connection comes into its room.
    Enter { given: Option<Given> },
    /// A v1 connection is who it says.
    Hello { id: Option<u64>, greeting: Box<Greeting> },
    /// A v1 connection stays who it is.
    Refresh { id: Option<u64> },
    /// A v1 connection comes into a room.
    Join { id: Option<u64>, wish: Wish },
    /// What is said gets its place.
    Send { spot: Spot, saying: Saying },
    /// A v1 client has asked the host something.
    Call { id: Option<u64> },
}

/// Where something is to be said.
#[derive(Clone, Debug)]
pub(crate) enum Spot {
    /// In a room, whose key may be another's by then: `born` tells.
    Room { key: RoomKey, born: u64 },
    /// To a user with whom there is no room yet.
    With(UserId),
}

/// One open question.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) connection: ConnectionId,
    pub(crate) waiting: Waiting,
    deadline_ms: u64,
}

/// The open questions, in the order in which they were asked, which is that of their deadlines.
#[derive(Debug)]
pub(crate) struct Requests {
    open: BTreeMap<QuestionId, Open>,
    last: u64,
    max_count: usize,
    timeout_ms: u64,
}

impl Requests {
    pub(crate) fn new(max_count: u64, timeout_ms: u64) -> Requests {
        let max_count = usize::try_from(max_count).unwrap_or(usize::MAX);
        Requests { open: BTreeMap::new(), last: 0, max_count, timeout_ms }
    }

    /// Opens a question; gives `None` when as many are open as may be.
    pub(crate) fn ask(
        &mut self,
        connection: ConnectionId,
        waiting: Waiting,
        now_ms: u64,
    ) -> Option<QuestionId> {
        if self.open.len() >= self.max_count {
            return None;
        }
        self.last += 1;
        let id = QuestionId(self.last);
        self.open.insert(id, Open { connection, waiting, deadline_ms: now_ms + self.timeout_ms });
        Some(id)
    }

    pub(crate) fn get(&self, id: QuestionId) -> Option<&Open> {
        self.open.get(&id)
    }

    /// Takes a question away, because it is answered or will not be.
    pub(crate) fn close(&mut self, id: QuestionId) -> Option<Open> {
        self.open.remove(&id)
    }

    /// Takes the questions about a connection away: it is gone.
    pub(crate) fn cancel(&mut self, connection: ConnectionId) {
        if !self.open.is_empty() {
            self.open.retain(|_, open| open.connection != connection);
        }
    }

    /// Takes one question away whose time has run out.
    pub(crate) fn expired(&mut self, now_ms: u64) -> Option<Open> {
        let first = self.open.first_entry()?;
        (first.get().deadline_ms <= now_ms).then(|| first.remove())
    }

    /// When the next question's time runs out, in ticks.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.open.first_key_value().map(|(_, open)| open.deadline_ms)
    }
}
