//! What every thread of the host and the engine's own share, behind one lock: the chat, the logs, and what
//! is to be sent in the next turn.
//!
//! Whoever does something here carries its effects out before it lets go of the lock. So what is said
//! gets its place, its record and its bytes in one step, and is the same for everybody. Sending is the
//! shards': each takes what has gathered for it, once a turn.

mod calls;
mod effects;
mod missed;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::chat::{Arrival, Chat, Effect, Flow, Log, RoomKey, Settings};
use crate::dialect::{tutorial, v1};
use crate::error::{Error, ErrorCode};
use crate::event::{Dialect, Event, Subject};
use crate::events::{Place, Queue};
use crate::fanout::ShardKey;
use crate::id::{ConnectionId, Position};
use crate::message::Payload;
use crate::push::reply::{Fate, Refusal};
use crate::time::Now;

use super::dispatch::{Act, Dispatch, Ends, Lane, Missed, MissedRooms, Outgoing};
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

/// Gives secrets that nobody can guess.
pub(crate) type Secrets = Box<dyn FnMut() -> [u8; 16] + Send>;

pub(crate) struct Hub {
    settings: HubSettings,
    chat: Chat,
    log: Box<dyn Log + Send>,
    secrets: Secrets,
    queue: Arc<Queue>,
    dispatch: Dispatch,
    receipts: Receipts,
    /// Memory is short: whoever comes is shown no history.
    without_histories: bool,
    /// The history frame of a room, as long as nothing new is said there.
    histories: HashMap<RoomKey, (Position, Bytes)>,
    /// The newest record that those were shown of a room who are shown something else than others.
    shown_alone: BTreeMap<(ConnectionId, RoomKey), Position>,
    last_connection: u64,
    effects: Vec<Effect>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("chat", &self.chat).finish_non_exhaustive()
    }
}

// What the shard says.
impl Hub {
    /// `shard_count`: how many shards take what is to be sent. `seed` decides the order of the colours.
    pub(crate) fn new(
        settings: HubSettings,
        log: Box<dyn Log + Send>,
        secrets: Secrets,
        queue: Arc<Queue>,
        shard_count: usize,
        seed: u64,
    ) -> Hub {
        Hub {
            chat: Chat::new(settings.chat.clone(), seed),
            settings,
            log,
            secrets,
            queue,
            dispatch: Dispatch::new(shard_count),
            receipts: Receipts::default(),
            without_histories: false,
            histories: HashMap::new(),
            shown_alone: BTreeMap::new(),
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
        self.run(now, |chat, at| chat.ask_admit(connection, address, subject, at));
    }

    /// Lets a connection in: its handshake has been answered, so this is the moment for its first frames.
    ///
    /// # Errors
    /// `too_many_rooms`: the connection is not in.
    pub(crate) fn connect(&mut self, arrival: Arrival, now: Now) -> Result<(), Error> {
        let connection = arrival.connection;
        if arrival.room.is_none() && arrival.dialect == Dialect::Raw {
            self.dispatch.enter(connection, Lane::common(None, arrival.dialect), Position::default());
        }
        self.dispatch.open(connection);
        self.run(now, |chat, at| chat.connect(arrival, at))
    }

    /// Does what a chat connection's text asks for. `first`: it is the connection's first.
    pub(crate) fn text(&mut self, connection: ConnectionId, text: &str, first: bool, now: Now) -> Flow {
        match tutorial::command(text, first) {
            Some(command) => self.command(connection, command, now),
            None => Flow::Go,
        }
    }

    /// Does what a v1 connection's text asks for.
    pub(crate) fn request(&mut self, connection: ConnectionId, text: &str, now: Now) -> Flow {
        let bounds = v1::Bounds {
            text_bytes: self.settings.chat.max_text_bytes,
            data_bytes: self.settings.chat.max_data_bytes,
        };
        match v1::read(text, bounds) {
            Ok(v1::Incoming::Heartbeat) => Flow::Go,
            Ok(v1::Incoming::Request { id, request }) if request.is_change() && self.is_busy() => {
                let refusal = Refusal {
                    retry_after_ms: Some(BUSY_MS),
                    fate: Some(Fate::Refused),
                    ..Error::new(ErrorCode::Busy, "too much waits to be sent; try again a moment later")
                        .into()
                };
                self.run(now, |chat, at| chat.settle(connection, id, Err(refusal), at))
            }
            Ok(v1::Incoming::Request { id, request }) => {
                self.run(now, |chat, at| chat.request(connection, id, request, at))
            }
            Err(unread) => {
                let (id, is_text, error) = match unread {
                    v1::Unread::Text(error) => (None, true, error),
                    v1::Unread::Request { id, error } => (id, false, error),
                };
                self.run(now, |chat, at| chat.unread(connection, id, is_text, error, at))
            }
        }
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
            let rooms = (connection, RoomKey(0))..=(connection, RoomKey(u32::MAX));
            while let Some((&alone, _)) = self.shown_alone.range(rooms.clone()).next() {
                self.shown_alone.remove(&alone);
            }
            self.run(now, |chat, at| chat.disconnect(connection, code, reason, at));
        }
    }

    /// Refuses what the host has not answered in time, and forgets what is too old.
    pub(crate) fn expire(&mut self, now: Now) {
        self.run(now, |chat, at| chat.expire(at));
        while let Some(room) = self.log.expire(now.ticks_ms) {
            if let Some(room) = self.chat.room_key(&room) {
                self.histories.remove(&room);
            }
        }
    }

    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let next = [self.chat.next_deadline_ms(), self.log.next_expiry_ms()];
        next.into_iter().flatten().min()
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

    /// How many bytes of frames for single connections have gathered for a shard.
    pub(super) fn personal_bytes(&self, shard: ShardKey) -> usize {
        self.dispatch.personal_bytes(shard)
    }

    /// How many bytes wait to be sent, for the shard for which it is most.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.dispatch.waiting_bytes()
    }
}

/// How long a client is to wait that was refused a change because too much waits.
const BUSY_MS: u64 = 1_000;
