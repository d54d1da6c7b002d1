//! Requests that change nothing in a log, and those that the client makes for itself.

use std::collections::BTreeMap;

use super::request::{Place, Request, RequestId};

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) body: Request,
    pub(super) purpose: Purpose,
    pub(super) is_sent: bool,
    /// Not sent before.
    pub(super) not_before_ms: u64,
}

/// Who wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The host of the client.
    Host,
    /// A room that misses something.
    CatchUp,
    /// A room that was not gone on with.
    Rejoin,
    /// The token ends soon.
    Refresh,
}

/// All requests, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: BTreeMap<RequestId, Call>,
}

impl Calls {
    /// How many the host waits for.
    pub(super) fn asked_count(&self) -> usize {
        self.calls.values().filter(|call| call.purpose == Purpose::Host).count()
    }

    pub(super) fn add(&mut self, id: RequestId, body: Request, purpose: Purpose, not_before_ms: u64) {
        self.calls.insert(id, Call { body, purpose, is_sent: false, not_before_ms });
    }

    pub(super) fn take(&mut self, id: RequestId) -> Option<Call> {
        self.calls.remove(&id)
    }

    /// The next to be sent, which is on the wire from now on. `is_held_up`: it must wait for others.
    pub(super) fn next(
        &mut self,
        now_ms: u64,
        is_held_up: impl Fn(RequestId, &Call) -> bool,
    ) -> Option<(RequestId, &Call)> {
        let mut held: Vec<String> = Vec::new();
        for (id, call) in &mut self.calls {
            if call.is_sent {
                continue;
            }
            let room = room_of(&call.body);
            // Requests of one room keep their order.
            let is_behind = call.purpose == Purpose::Host
                && room.is_some_and(|room| held.iter().any(|name| name == room));
            if is_behind || call.not_before_ms > now_ms || is_held_up(*id, call) {
                held.extend(room.filter(|_| call.purpose == Purpose::Host).map(str::to_owned));
                continue;
            }
            call.is_sent = true;
            return Some((*id, call));
        }
        None
    }

    /// The rooms that are to be entered again first.
    pub(super) fn rejoined_rooms(&self) -> Vec<String> {
        let rejoins = self.calls.values().filter(|call| call.purpose == Purpose::Rejoin);
        rejoins.filter_map(|call| room_of(&call.body)).map(str::to_owned).collect()
    }

    /// Whether the host has asked to leave that room.
    pub(super) fn leaves(&self, name: &str) -> bool {
        self.calls.values().any(|call| matches!(&call.body, Request::Leave { room } if room == name))
    }

    /// The connection is gone. Takes out what must not be sent twice and what the client asked for itself.
    pub(super) fn interrupt(&mut self) -> Vec<(RequestId, Call)> {
        let gone: Vec<RequestId> = self
            .calls
            .iter()
            .filter(|(_, call)| call.purpose != Purpose::Host || call.is_sent && !is_repeatable(&call.body))
            .map(|(id, _)| *id)
            .collect();
        for call in self.calls.values_mut() {
            call.is_sent = false;
        }
        gone.into_iter().filter_map(|id| Some((id, self.calls.remove(&id)?))).collect()
    }

    /// Takes all.
    pub(super) fn clear(&mut self) -> Vec<(RequestId, Call)> {
        std::mem::take(&mut self.calls).into_iter().collect()
    }

    /// When the first of those that wait may be sent.
    pub(super) fn goes_on_at_ms(&self, now_ms: u64) -> Option<u64> {
        let waiting = self.calls.values().filter(|call| !call.is_sent && call.not_before_ms > now_ms);
        waiting.map(|call| call.not_before_ms).min()
    }
}

/// It changes nothing to do it twice.
fn is_repeatable(body: &Request) -> bool {
    !matches!(
        body,
        Request::Call { .. }
            | Request::Moderate { .. }
            | Request::Rename { .. }
            | Request::Refresh { .. }
            | Request::Tell { .. }
            | Request::Typing { .. }
    )
}

/// It is for the moment: without a connection it comes too late.
pub(super) fn is_momentary(body: &Request) -> bool {
    matches!(body, Request::Typing { .. } | Request::Tell { .. })
}

/// It has a `mid` and happens once.
pub(super) fn is_change(body: &Request) -> bool {
    matches!(body, Request::Send(_) | Request::Edit { .. } | Request::Delete { .. } | Request::React { .. })
}

/// The room that a request is about.
pub(super) fn room_of(body: &Request) -> Option<&str> {
    match body {
        Request::Join { room, .. }
        | Request::Leave { room }
        | Request::Edit { room, .. }
        | Request::Delete { room, .. }
        | Request::React { room, .. }
        | Request::History { room, .. }
        | Request::Members { room, .. }
        | Request::Read { room, .. }
        | Request::Typing { room, .. }
        | Request::Moderate { room, .. } => Some(room),
        Request::Send(post) => match &post.to {
            Place::Room(room) => Some(room),
            Place::User(_) => None,
        },
        Request::Tell { to: Place::Room(room), .. } => Some(room),
        _ => None,
    }
}
