//! Changes on their way: those that wait, and those that were sent and have no reply.
//!
//! In: changes, what became of each on the wire, breaks. Out: which is to be sent next, and which can only be called
//! uncertain. Knows nothing of ids on the wire but that they lead back here.

use std::collections::BTreeMap;

use super::request::{Request, RequestId};

/// One change.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) body: Request,
    pub(super) mid: String,
    /// How often it went out and may have happened.
    pub(super) open_count: u32,
    /// When it first went out so; the server knows the `mid` from then on, or from later.
    pub(super) first_sent_ms: Option<u64>,
    /// It is on the wire and has no reply.
    pub(super) is_sent: bool,
    /// How often it was put back.
    pub(super) refused_count: u32,
}

impl Change {
    /// It may have happened.
    pub(super) fn is_open(&self) -> bool {
        self.open_count > 0
    }
}

/// All changes, in the order in which they were asked for.
#[derive(Debug)]
pub(super) struct Outbox {
    changes: BTreeMap<RequestId, Change>,
    sent_count: usize,
    /// How many may be unanswered: one after a refusal, and one more for each answer.
    window: usize,
    /// Nothing is sent before.
    paused_until_ms: u64,
    /// How long after one the next may be sent, from a refusal for the rate on until there is nothing to send. So a long
    /// outbox is not refused again and again, which a server takes for a flood.
    interval_ms: u64,
}

impl Default for Outbox {
    fn default() -> Outbox {
        Outbox {
            changes: BTreeMap::new(),
            sent_count: 0,
            window: MAX_SENT_COUNT,
            paused_until_ms: 0,
            interval_ms: 0,
        }
    }
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (RequestId, &Change)> {
        self.changes.iter().map(|(id, change)| (*id, change))
    }

    pub(super) fn get(&self, id: RequestId) -> Option<&Change> {
        self.changes.get(&id)
    }

    pub(super) fn add(&mut self, id: RequestId, change: Change) {
        self.changes.insert(id, change);
    }

    /// The next to be sent, which is on the wire from now on; those that are held up are passed over.
    pub(super) fn next(
        &mut self,
        now_ms: u64,
        is_held_up: impl Fn(&Change) -> bool,
    ) -> Option<(RequestId, &Change)> {
        if self.sent_count >= self.window || now_ms < self.paused_until_ms {
            return None;
        }
        let (id, change) =
            self.changes.iter_mut().find(|(_, change)| !change.is_sent && !is_held_up(change))?;
        change.is_sent = true;
        change.open_count += 1;
        change.first_sent_ms.get_or_insert(now_ms);
        self.sent_count += 1;
        if self.interval_ms > 0 {
            self.paused_until_ms = now_ms + self.interval_ms;
        }
        Some((*id, change))
    }

    /// It has its answer.
    pub(super) fn take(&mut self, id: RequestId) -> Option<Change> {
        let change = self.changes.remove(&id)?;
        self.sent_count -= usize::from(change.is_sent);
        self.window = MAX_SENT_COUNT.min(self.window + 1);
        if self.changes.is_empty() {
            self.interval_ms = 0;
        }
        Some(change)
    }

    /// The server has refused one for the rate.
    pub(super) fn space(&mut self, interval_ms: u64) {
        self.interval_ms = interval_ms;
    }

    /// It is to be sent again, nothing before `until_ms`. `is_refused`: this time it did not happen.
    pub(super) fn put_back(&mut self, id: RequestId, is_refused: bool, until_ms: u64) {
        self.paused_until_ms = self.paused_until_ms.max(until_ms);
        self.window = 1;
        let Some(change) = self.changes.get_mut(&id) else { return };
        self.sent_count -= usize::from(change.is_sent);
        change.is_sent = false;
        change.refused_count += 1;
        match is_refused {
            false => {}
            true if change.open_count == 1 => {
                change.open_count = 0;
                change.first_sent_ms = None;
            }
            true => change.open_count -= 1,
        }
    }

    /// The connection is gone: nothing is on the wire, and what was may have happened.
    pub(super) fn interrupt(&mut self) {
        self.changes.values_mut().for_each(|change| change.is_sent = false);
        self.sent_count = 0;
    }

    /// Those that may have happened and were first sent at `until_ms` or before, and are not on the wire.
    pub(super) fn open_since(&self, until_ms: u64) -> Vec<RequestId> {
        let open = self.changes.iter().filter(|(_, change)| !change.is_sent && change.is_open());
        open.filter(|(_, change)| change.first_sent_ms.is_some_and(|sent| sent <= until_ms))
            .map(|(id, _)| *id)
            .collect()
    }

    /// When the first of those that wait was first sent.
    pub(super) fn oldest_open_ms(&self) -> Option<u64> {
        let waiting = self.changes.values().filter(|change| !change.is_sent && change.is_open());
        waiting.filter_map(|change| change.first_sent_ms).min()
    }

    /// When it goes on after a pause, if anything waits for that.
    pub(super) fn goes_on_at_ms(&self, now_ms: u64) -> Option<u64> {
        let waits = self.sent_count < self.window && self.changes.values().any(|change| !change.is_sent);
        Some(self.paused_until_ms).filter(|until| waits && *until > now_ms)
    }
}

/// How many changes are unanswered at most, by the contract.
const MAX_SENT_COUNT: usize = 8;
