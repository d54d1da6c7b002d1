//! What every thread of the host and the engine's own share, behind one lock: the chat, the logs, and what
//! is to be sent in the next turn.
//!
//! Whoever does something here carries its effects out before it lets go of the lock. So what is said
//! gets its place, its record and its bytes in one step, and is the same for everybody. Sending is the
//! shard's: it takes what has gathered here, once a turn.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::chat::{Arrival, Chat, Effect, Flow, Given, RoomKey, Settings};
use crate::command::Command;
use crate::dialect::{close_code, raw, tutorial};
use crate::error::{Error, ErrorCode};
use crate::event::{Dialect, Event, Question, Subject, Verdict};
use crate::events::Queue;
use crate::id::{ConnectionId, Position, QuestionId, RoomName};
use crate::message::{Change, Member, Message, Payload, Record, Room};
use crate::push::Push;
use crate::store::Log;
use crate::time::Now;
use crate::wire::{Kind, write_frame};

use super::lanes::{LaneKey, Lanes, Taken};

/// What the host's options say about the hub.
#[derive(Clone, Debug)]
pub(crate) struct HubSettings {
    pub(crate) chat: Settings,
    /// How many messages a tutorial client is shown when it arrives.
    pub(crate) history: u64,
    pub(crate) max_message_bytes: u64,
}

/// Something for the shard to do to one connection, in the order of happening.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) slot: u32,
    pub(crate) connection: ConnectionId,
    pub(crate) act: Act,
}

#[derive(Debug)]
pub(crate) enum Act {
    /// It is in a lane: what the lane gets from this byte of the turn on is for it.
    Enter { lane: LaneKey, from: usize },
    /// These frames are for it, after what its lane had got by this byte of the turn.
    Frames { frames: Bytes, lane_end: usize },
    /// Close it, after what its lane had got by this byte of the turn.
    Close { code: u16, reason: String, lane_end: usize },
    /// It may be read again, not before this moment.
    Release { at_ms: u64 },
    /// The host lets it in.
    Admitted { given: Option<Given> },
    /// The host does not.
    Denied { reason: String },
}

/// Everything that happened in a turn.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) deliveries: Vec<Delivery>,
    /// What each lane got.
    pub(crate) lanes: Vec<Taken>,
}

/// Where the hub finds a connection.
#[derive(Clone, Copy, Debug)]
struct Seat {
    slot: u32,
    dialect: Dialect,
    /// `None` until its handshake is done.
    lane: Option<LaneKey>,
}

#[derive(Debug)]
pub(crate) struct Hub {
    settings: HubSettings,
    chat: Chat,
    log: Box<dyn Log + Send>,
    queue: Arc<Queue>,
    seats: HashMap<ConnectionId, Seat>,
    lanes: Lanes,
    deliveries: Vec<Delivery>,
    /// Bytes of frames in `deliveries`.
    delivery_bytes: usize,
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
    pub(crate) fn new(settings: HubSettings, log: Box<dyn Log + Send>, queue: Arc<Queue>, seed: u64) -> Hub {
        Hub {
            chat: Chat::new(settings.chat.clone(), seed),
            settings,
            log,
            queue,
            seats: HashMap::new(),
            lanes: Lanes::default(),
            deliveries: Vec::new(),
            delivery_bytes: 0,
            histories: HashMap::new(),
            last_connection: 0,
            effects: Vec::new(),
        }
    }

    /// Gives a number to a connection whose handshake is right.
    pub(crate) fn number(&mut self, slot: u32, dialect: Dialect) -> ConnectionId {
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        self.seats.insert(connection, Seat { slot, dialect, lane: None });
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
            self.enter(connection, None);
        }
        self.run(now, |chat, effects| chat.connect(arrival, now, effects))
    }

    /// Does what a chat connection's text asks for. `first`: it is the connection's first.
    pub(crate) fn text(&mut self, connection: ConnectionId, text: &str, first: bool, now: Now) -> Flow {
        match tutorial::command(text, first) {
            Some(command) => self.command(connection, command, now),
            None => Flow::Go,
        }
    }

    /// Hands a raw connection's message to the host. Gives whether there was place for it: if not, ask again
    /// when the queue says so.
    pub(crate) fn received(
        &mut self,
        connection: ConnectionId,
        payload: impl FnOnce() -> Payload,
        len: usize,
    ) -> bool {
        let has_place = self.queue.has_place(len);
        if has_place {
            self.queue.push(Event::Received { connection, payload: payload() });
        }
        has_place
    }

    /// Takes a connection out of everything.
    pub(crate) fn disconnect(&mut self, connection: ConnectionId, code: u16, reason: String, now: Now) {
        let Some(seat) = self.seats.remove(&connection) else { return };
        if let Some(lane) = seat.lane {
            self.lanes.leave(lane);
        }
        self.run(now, |chat, effects| chat.disconnect(connection, code, reason, effects));
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

    /// Takes what is to be sent.
    pub(crate) fn take(&mut self, outgoing: &mut Outgoing) {
        std::mem::swap(&mut self.deliveries, &mut outgoing.deliveries);
        self.delivery_bytes = 0;
        self.lanes.take(&mut outgoing.lanes);
    }

    /// Gives a lane's buffer back after its turn.
    pub(crate) fn give_back(&mut self, lane: LaneKey, buffer: Vec<u8>) {
        self.lanes.give_back(lane, buffer);
    }

    /// How many bytes wait for the next turn.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.delivery_bytes + self.lanes.waiting_bytes()
    }
}

// What the host says.
impl Hub {
    pub(crate) fn broadcast(&mut self, room: &str, text: &str, now: Now) -> Result<Position, Error> {
        self.check_waiting()?;
        self.run(now, |chat, effects| chat.broadcast(room, text, now, effects))
    }

    pub(crate) fn send(&mut self, room: &str, user: &str, text: &str, now: Now) -> Result<Position, Error> {
        self.check_waiting()?;
        self.run(now, |chat, effects| chat.send(room, user, text, now, effects))
    }

    pub(crate) fn tell(
        &mut self,
        connection: ConnectionId,
        payload: &Payload,
        now: Now,
    ) -> Result<(), Error> {
        let seat = self.seat(connection)?;
        self.check_waiting()?;
        let mut frame = Vec::new();
        match (seat.dialect, payload) {
            (Dialect::Tutorial, Payload::Binary(_)) => {
                let words =
                    format!("connection {connection} speaks the tutorial dialect, which has text only");
                return Err(Error::new(ErrorCode::InvalidArgument, words));
            }
            (Dialect::Tutorial, Payload::Text(text)) => self.write_notice(text, now, &mut frame)?,
            (Dialect::Raw, payload) => self.write_payload(payload, &mut frame)?,
        }
        self.deliver(connection, frame.into());
        Ok(())
    }

    pub(crate) fn tell_room(&mut self, room: &str, payload: &Payload, now: Now) -> Result<(), Error> {
        self.check_waiting()?;
        let key = self.chat.room(room)?;
        self.tell_lanes(payload, now, |lane| lane == Some(key))
    }

    pub(crate) fn tell_all(&mut self, payload: &Payload, now: Now) -> Result<(), Error> {
        self.check_waiting()?;
        self.tell_lanes(payload, now, |_| true)
    }

    pub(crate) fn broadcast_all(&mut self, text: &str, now: Now) -> Result<(), Error> {
        self.check_waiting()?;
        let mut frame = Vec::new();
        self.write_notice(text, now, &mut frame)?;
        self.lanes.append(Dialect::Tutorial, |_| true, &frame);
        Ok(())
    }

    pub(crate) fn kick(&mut self, connection: ConnectionId, reason: &str) -> Result<(), Error> {
        let seat = self.seat(connection)?;
        let lane_end = seat.lane.map_or(0, |lane| self.lanes.len(lane));
        let code = close_code(crate::push::Cause::Kicked);
        self.push(seat.slot, connection, Act::Close { code, reason: reason.to_owned(), lane_end });
        Ok(())
    }

    pub(crate) fn rooms(&self) -> Vec<Room> {
        self.chat.rooms()
    }

    pub(crate) fn members(&self, room: &str) -> Result<Vec<Member>, Error> {
        Ok(self.chat.members(self.chat.room(room)?))
    }

    pub(crate) fn member_count(&self, room: &str) -> Result<u64, Error> {
        Ok(self.chat.member_count(self.chat.room(room)?))
    }

    pub(crate) fn history(&mut self, room: &str, before: u64, limit: u64) -> Result<Vec<Message>, Error> {
        self.chat.room(room)?;
        let records = self.log.latest(&RoomName::new(room)?, before, limit, &mut |_| true);
        let message = |record: Record| match record.change {
            Change::Message(message) => Arc::unwrap_or_clone(message),
        };
        Ok(records.into_iter().map(message).collect())
    }

    pub(crate) fn answer(&mut self, id: QuestionId, verdict: Verdict, now: Now) -> Result<(), Error> {
        self.run(now, |chat, effects| chat.answer(id, verdict, now, effects))
    }

    fn tell_lanes(
        &mut self,
        payload: &Payload,
        now: Now,
        in_lane: impl Fn(Option<RoomKey>) -> bool,
    ) -> Result<(), Error> {
        let mut frame = Vec::new();
        self.write_payload(payload, &mut frame)?;
        if let Payload::Text(text) = payload {
            let mut notice = Vec::new();
            self.write_notice(text, now, &mut notice)?;
            self.lanes.append(Dialect::Tutorial, &in_lane, &notice);
        }
        self.lanes.append(Dialect::Raw, in_lane, &frame);
        Ok(())
    }

    /// A notice by the host, as a tutorial client sees it.
    fn write_notice(&self, text: &str, now: Now, frame: &mut Vec<u8>) -> Result<(), Error> {
        let (name, color) = self.chat.notice(text)?;
        let mut json = Vec::new();
        tutorial::encode(&Push::Notice { name: &name, color, at_ms: now.unix_ms, text }, &mut json);
        write_frame(frame, Kind::Text, &json);
        Ok(())
    }

    /// A payload as a raw connection gets it.
    fn write_payload(&self, payload: &Payload, frame: &mut Vec<u8>) -> Result<(), Error> {
        let (len, max) = (payload.as_bytes().len() as u64, self.settings.max_message_bytes);
        if len > max {
            let words = format!("the payload has {len} bytes; max_message_bytes is {max}");
            return Err(Error::new(ErrorCode::TooLong, words));
        }
        let (is_text, bytes) = raw::encode(payload);
        write_frame(frame, if is_text { Kind::Text } else { Kind::Binary }, bytes);
        Ok(())
    }

    fn seat(&self, connection: ConnectionId) -> Result<Seat, Error> {
        self.seats.get(&connection).filter(|seat| seat.lane.is_some()).copied().ok_or_else(|| {
            Error::new(
                ErrorCode::UnknownConnection,
                format!("there is no connection {connection}, or it is closed"),
            )
        })
    }

    /// The host may be faster than the network: then it has to wait, not the memory to grow.
    fn check_waiting(&self) -> Result<(), Error> {
        let waiting = self.waiting_bytes();
        if waiting > MAX_WAITING_BYTES {
            let words = format!("{waiting} bytes wait to be sent in the next turn; try again a moment later");
            return Err(Error::new(ErrorCode::Busy, words));
        }
        Ok(())
    }
}

// How effects are carried out.
impl Hub {
    fn command(&mut self, connection: ConnectionId, command: Command<'_>, now: Now) -> Flow {
        self.run(now, |chat, effects| chat.command(connection, command, now, effects))
    }

    /// Has the chat do something, and carries out what it wants done.
    fn run<T>(&mut self, now: Now, act: impl FnOnce(&mut Chat, &mut Vec<Effect>) -> T) -> T {
        let mut effects = std::mem::take(&mut self.effects);
        let result = act(&mut self.chat, &mut effects);
        // Carrying out may have effects of its own: a question that nobody hears is answered at once.
        while !effects.is_empty() {
            for effect in std::mem::take(&mut effects) {
                self.carry_out(effect, now, &mut effects);
            }
        }
        self.effects = effects;
        result
    }

    fn carry_out(&mut self, effect: Effect, now: Now, more: &mut Vec<Effect>) {
        match effect {
            Effect::Record { room, record } => self.record(room, record),
            Effect::Tell(event) => {
                self.queue.push(event);
            }
            Effect::Color { connection, color } => {
                let mut json = Vec::with_capacity(64);
                tutorial::encode(&Push::Color(color), &mut json);
                let mut frame = Vec::with_capacity(json.len() + 4);
                write_frame(&mut frame, Kind::Text, &json);
                self.deliver(connection, frame.into());
            }
            Effect::Enter { connection, room, name } => {
                self.show_history(connection, room, &name);
                self.enter(connection, Some(room));
            }
            Effect::Close { connection, cause, reason } => {
                if let Some(seat) = self.seats.get(&connection) {
                    let (slot, lane_end) = (seat.slot, seat.lane.map_or(0, |lane| self.lanes.len(lane)));
                    self.push(slot, connection, Act::Close { code: close_code(cause), reason, lane_end });
                }
            }
            Effect::Release { connection, at_ms } => self.push_to(connection, Act::Release { at_ms }),
            Effect::Admitted { connection, given } => self.push_to(connection, Act::Admitted { given }),
            Effect::Denied { connection, reason } => self.push_to(connection, Act::Denied { reason }),
            Effect::Ask(question) => self.ask(question, now, more),
            Effect::Forget { room, name } => {
                self.log.forget(&name);
                self.histories.remove(&room);
            }
        }
    }

    fn ask(&mut self, question: Question, now: Now, more: &mut Vec<Effect>) {
        let id = question.id;
        if !self.queue.push(Event::Question(question)) {
            self.chat.unanswered(id, now, more);
        }
    }

    fn record(&mut self, room: RoomKey, record: Record) {
        let Change::Message(message) = &record.change;
        if let Some(mut buffer) = self.lanes.buffer(Some(room), Dialect::Tutorial) {
            buffer.append(|json| tutorial::encode(&Push::Message(message), json));
        }
        let name = message.room.clone();
        self.log.append(&name, record);
    }

    /// Shows a tutorial client what was said in its room before it came.
    fn show_history(&mut self, connection: ConnectionId, room: RoomKey, name: &RoomName) {
        let tutorial = self.seats.get(&connection).is_some_and(|seat| seat.dialect == Dialect::Tutorial);
        let top = self.chat.position(room);
        if !tutorial || top.offset == 0 || self.settings.history == 0 {
            return;
        }
        let frame = match self.histories.get(&room) {
            Some((at, frame)) if *at == top => frame.clone(),
            _ => {
                let Some(frame) = self.history_frame(name) else { return };
                if self.histories.len() >= MAX_CACHED_HISTORIES {
                    self.histories.clear();
                }
                self.histories.insert(room, (top, frame.clone()));
                frame
            }
        };
        self.deliver(connection, frame);
    }

    fn history_frame(&mut self, room: &RoomName) -> Option<Bytes> {
        let mut left = MAX_HISTORY_BYTES;
        let records = self.log.latest(room, 0, self.settings.history, &mut |record| {
            let Change::Message(message) = &record.change;
            let bytes = tutorial::entry_bytes(message);
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        });
        if records.is_empty() {
            return None;
        }
        let mut json = Vec::new();
        tutorial::encode(&Push::History(&records), &mut json);
        let mut frame = Vec::with_capacity(json.len() + 10);
        write_frame(&mut frame, Kind::Text, &json);
        Some(frame.into())
    }

    fn enter(&mut self, connection: ConnectionId, room: Option<RoomKey>) {
        let Some(seat) = self.seats.get_mut(&connection) else { return };
        let (lane, from) = self.lanes.enter(room, seat.dialect);
        seat.lane = Some(lane);
        let slot = seat.slot;
        self.push(slot, connection, Act::Enter { lane, from });
    }

    fn deliver(&mut self, connection: ConnectionId, frames: Bytes) {
        let Some(seat) = self.seats.get(&connection) else { return };
        let (slot, lane_end) = (seat.slot, seat.lane.map_or(0, |lane| self.lanes.len(lane)));
        self.delivery_bytes += frames.len();
        self.push(slot, connection, Act::Frames { frames, lane_end });
    }

    fn push_to(&mut self, connection: ConnectionId, act: Act) {
        if let Some(seat) = self.seats.get(&connection) {
            let slot = seat.slot;
            self.push(slot, connection, act);
        }
    }

    fn push(&mut self, slot: u32, connection: ConnectionId, act: Act) {
        self.deliveries.push(Delivery { slot, connection, act });
    }
}

/// How much of a history a tutorial client is shown.
const MAX_HISTORY_BYTES: usize = 256 * 1024;
/// How many rooms' history frames are kept ready.
const MAX_CACHED_HISTORIES: usize = 64;
/// How much may wait for the next turn before the host's calls are told to wait.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
