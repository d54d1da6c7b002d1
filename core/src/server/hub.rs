//! What every thread of the host and the engine's own share, behind one lock: the chat, the logs, and what
//! is to be sent in the next turn.
//!
//! Whoever does something here carries its effects out before it lets go of the lock. So what is said
//! gets its place, its record and its bytes in one step, and is the same for everybody. Sending is the
//! shards': each takes what has gathered for it, once a turn.

mod calls;
mod effects;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::chat::{Arrival, Chat, Effect, Flow, RoomKey, Settings};
use crate::dialect::{tutorial, v1};
use crate::error::{Error, ErrorCode};
use crate::event::{Dialect, Event, Subject};
use crate::events::{Place, Queue};
use crate::fanout::ShardKey;
use crate::id::{ConnectionId, Position};
use crate::message::Payload;
use crate::push::reply::Refusal;
use crate::store::Log;
use crate::time::Now;
use crate::wire::{Kind, write_frame};

use super::dispatch::{Act, Dispatch, Lane, Missed, Outgoing};
use super::receipts::Receipts;
use super::show::Ended;

/// What the host's options say about the hub.
#[derive(Clone, Debug)]
pub(crate) struct HubSettings {
    pub(crate) chat: Settings,
    /// How many messages a tutorial client is shown when it arrives.
    pub(crate) history: u64,
    pub(crate) max_message_bytes: u64,
    /// Whether the host is told what becomes of its broadcasts.
    pub(crate) receipts: bool,
}

#[derive(Debug)]
pub(crate) struct Hub {
    settings: HubSettings,
    chat: Chat,
    log: Box<dyn Log + Send>,
    queue: Arc<Queue>,
    dispatch: Dispatch,
    receipts: Receipts,
    /// Memory is short: whoever comes is shown no history.
    without_histories: bool,
    /// The history frame of a room, as long as nothing new is said there.
    histories: HashMap<RoomKey, (Position, Bytes)>,
    last_connection: u64,
    effects: Vec<Effect>,
}

impl std::fmt::Debug for dyn Log + Send {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

// What the shard says.
impl Hub {
    /// `shard_count`: how many shards take what is to be sent. `seed` decides the order of the colours.
    pub(crate) fn new(
        settings: HubSettings,
        log: Box<dyn Log + Send>,
        queue: Arc<Queue>,
        shard_count: usize,
        seed: u64,
    ) -> Hub {
        Hub {
            chat: Chat::new(settings.chat.clone(), seed),
            settings,
            log,
            queue,
            dispatch: Dispatch::new(shard_count),
            receipts: Receipts::default(),
            without_histories: false,
            histories: HashMap::new(),
            last_connection: 0,
            effects: Vec::new(),
        }
    }

    /// Gives a number to a connection whose handshake is right.
    pub(super) fn number(&mut self, shard: ShardKey, slot: u32, dialect: Dialect) -> ConnectionId {
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        self.dispatch.seat(connection, shard, slot, dialect);
        connection
    }

    /// Asks the host whether a connection may come in.
    pub(crate) fn ask_admit(
        &mut self,
        connection: ConnectionId,
        address: Option<SocketAddr>,
        subject: Subject,
        now: Now,
    ) {
        self.run(now, |chat, effects| chat.ask_admit(connection, address, subject, now, effects));
    }

    /// Lets a connection in: its handshake has been answered, so this is the moment for its first frames.
    ///
    /// # Errors
    /// `too_many_rooms`: the connection is not in.
    pub(crate) fn connect(&mut self, arrival: Arrival, now: Now) -> Result<(), Error> {
        let connection = arrival.connection;
        if arrival.room.is_none() {
            self.dispatch.enter(connection, Lane::common(None, arrival.dialect), Position::default());
        }
        self.dispatch.open(connection);
        self.run(now, |chat, effects| chat.connect(arrival, now, effects))
    }

    /// Does what a chat connection's text asks for. `first`: it is the connection's first.
    pub(crate) fn text(&mut self, connection: ConnectionId, text: &str, first: bool, now: Now) -> Flow {
        match tutorial::command(text, first) {
            Some(command) => self.command(connection, command, now),
            None => Flow::Go,
        }
    }

    /// Does what a v1 connection's text asks for.
    pub(crate) fn request(&mut self, connection: ConnectionId, text: &str, _now: Now) -> Flow {
        let bounds = v1::Bounds { text_bytes: self.settings.chat.max_text_bytes, data_bytes: MAX_DATA_BYTES };
        let (id, error) = match v1::read(text, bounds) {
            Ok(v1::Incoming::Heartbeat) => return Flow::Go,
            Ok(v1::Incoming::Request { id, .. }) => {
                (id, Error::new(ErrorCode::NotAvailable, "the chat does not speak this dialect yet"))
            }
            Err(v1::Unread::Request { id, error }) => (id, error),
            Err(v1::Unread::Text(error)) => (None, error),
        };
        let refusal = Refusal {
            code: error.code(),
            message: &error.message(),
            retry_after_ms: None,
            fate: None,
            suggestion: None,
        };
        let mut json = Vec::new();
        v1::refusal(id, &refusal, &mut json);
        let mut frame = Vec::new();
        write_frame(&mut frame, Kind::Text, &json);
        self.dispatch.deliver(connection, None, frame.into());
        Flow::Go
    }

    /// Hands a raw connection's message to the host, if it wants such. Gives whether there was place for it: if
    /// not, ask again when the queue says so.
    pub(crate) fn received(
        &mut self,
        connection: ConnectionId,
        payload: impl FnOnce() -> Payload,
        len: usize,
    ) -> bool {
        let place = self.queue.place_for_received(len);
        if place == Place::Free {
            self.queue.push(Event::Received { connection, payload: payload() });
        }
        place != Place::Full
    }

    /// Takes a connection out of everything.
    pub(crate) fn disconnect(&mut self, connection: ConnectionId, code: u16, reason: String, now: Now) {
        let mut complete = Vec::new();
        let receipts = &mut self.receipts;
        if self.dispatch.unseat(connection, |lane, shard| complete.extend(receipts.deserted(lane, shard))) {
            complete.into_iter().for_each(|receipt| self.tell_host(receipt));
            self.run(now, |chat, effects| chat.disconnect(connection, code, reason, effects));
        }
    }

    /// Refuses what the host has not answered in time.
    pub(crate) fn expire(&mut self, now: Now) {
        self.run(now, |chat, effects| chat.expire(now, effects));
    }

    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.chat.next_deadline_ms()
    }

    /// Tells the host something.
    pub(crate) fn tell_host(&self, event: Event) {
        self.queue.push(event);
    }

    /// Takes what is to be sent by a shard, which still holds so many bytes of what it took before. Gives for which
    /// shards there is something, a bit for each.
    pub(super) fn take(&mut self, shard: ShardKey, held_bytes: usize, outgoing: &mut Outgoing) -> u64 {
        let mut complete = Vec::new();
        let receipts = &mut self.receipts;
        self.dispatch
            .take(shard, held_bytes, outgoing, |lane| complete.extend(receipts.deserted(lane, shard)));
        complete.into_iter().for_each(|receipt| self.tell_host(receipt));
        let top = |room: Option<RoomKey>| room.map_or(Position::default(), |room| self.chat.position(room));
        outgoing.tops.extend(outgoing.lanes.iter().map(|taken| top(taken.key.room)));
        self.dispatch.waiting()
    }

    /// Notes that a shard has shown a lane its turn.
    pub(super) fn shown(&mut self, shard: ShardKey, ended: Ended) {
        self.dispatch.give_back(ended.lane, shard, ended.buffer);
        if !self.receipts.is_empty() {
            let complete = self.receipts.shown(ended.lane, shard, ended.end, &ended.shown);
            complete.into_iter().for_each(|receipt| self.tell_host(receipt));
        }
    }

    /// Whether newcomers are shown no history, because memory is short.
    pub(super) fn leave_out_histories(&mut self, on: bool) {
        self.without_histories = on;
    }

    /// How many bytes the rooms' logs hold, and the events that wait for the host.
    pub(super) fn held_bytes(&self) -> usize {
        usize::try_from(self.log.held_bytes()).unwrap_or(usize::MAX).saturating_add(self.queue.held_bytes())
    }

    /// The shards for which there is something to send, a bit for each.
    pub(crate) fn waiting(&self) -> u64 {
        self.dispatch.waiting()
    }

    /// How many bytes wait to be sent, for the shard for which it is most.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.dispatch.waiting_bytes()
    }
}

/// How long the data of a request may be.
const MAX_DATA_BYTES: u64 = 16_384;
