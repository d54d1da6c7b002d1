//! What the host says and asks.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::chat::{Reach, RoomKey};
use crate::close::Cause;
use crate::command::request::From;
use crate::dialect::{raw, tutorial, v1};
use crate::error::{Error, ErrorCode};
use crate::event::{Admission, Dialect, Verdict};
use crate::id::{ConnectionId, Position, QuestionId, RoomName};
use crate::message::{Member, Message, Moderation, Payload, Room, RoomOptions};
use crate::push::Push;
use crate::push::reply::{Content, Happening, Reply};
use crate::stats::Stats;
use crate::time::Now;
use crate::wire::{Kind, write_frame};

use super::{Hub, Lane};

impl Hub {
    pub(crate) fn broadcast(&mut self, room: &str, text: &str, now: Now) -> Result<Position, Error> {
        self.check_waiting()?;
        let position = self.run(now, |chat, at| chat.broadcast(room, text, at))?;
        if self.settings.receipts {
            self.await_receipt(room, position)?;
        }
        Ok(position)
    }

    pub(crate) fn send(&mut self, room: &str, user: &str, text: &str, now: Now) -> Result<Position, Error> {
        self.check_waiting()?;
        self.run(now, |chat, at| chat.send(room, user, text, at))
    }

    pub(crate) fn edit(&mut self, room: &str, offset: u64, text: &str, now: Now) -> Result<Position, Error> {
        self.check_waiting()?;
        self.run(now, |chat, at| chat.edit_as_host(room, offset, text, at))
    }

    pub(crate) fn delete(&mut self, room: &str, offset: u64, now: Now) -> Result<Position, Error> {
        self.run(now, |chat, at| chat.delete_as_host(room, offset, at))
    }

    pub(crate) fn tell(
        &mut self,
        connection: ConnectionId,
        payload: &Payload,
        now: Now,
    ) -> Result<(), Error> {
        let seat = self.dispatch.find_open(connection)?;
        self.check_waiting()?;
        let mut frame = Vec::new();
        match (seat.dialect, payload) {
            (dialect @ (Dialect::Tutorial | Dialect::V1), Payload::Binary(_)) => {
                let words = format!(
                    "connection {connection} speaks the {} dialect, which has text only",
                    dialect.name()
                );
                return Err(Error::new(ErrorCode::InvalidArgument, words));
            }
            (Dialect::Tutorial, Payload::Text(text)) => self.write_notice(text, now, &mut frame)?,
            (Dialect::Raw, payload) => self.write_payload(payload, &mut frame)?,
            (Dialect::V1, Payload::Text(text)) => write_tell(None, text, &mut frame),
        }
        self.dispatch.deliver(connection, None, frame.into());
        Ok(())
    }

    pub(crate) fn tell_room(&mut self, room: &str, payload: &Payload, now: Now) -> Result<(), Error> {
        self.check_waiting()?;
        let key = self.chat.room(room)?;
        self.tell_lanes(payload, now, |room| room == Some(key))?;
        if let Payload::Text(text) = payload {
            let mut frame = Vec::new();
            write_tell(Some(self.chat.room_name(key)), text, &mut frame);
            self.dispatch.show_all(|lane| lane.dialect == Dialect::V1 && lane.room == Some(key), &frame);
        }
        Ok(())
    }

    pub(crate) fn tell_all(&mut self, payload: &Payload, now: Now) -> Result<(), Error> {
        self.check_waiting()?;
        self.tell_lanes(payload, now, |_| true)?;
        if let Payload::Text(text) = payload {
            self.tell_talkers(text);
        }
        Ok(())
    }

    pub(crate) fn broadcast_all(&mut self, text: &str, now: Now) -> Result<(), Error> {
        self.check_waiting()?;
        let mut frame = Vec::new();
        self.write_notice(text, now, &mut frame)?;
        self.dispatch.show_all(|lane| lane.dialect == Dialect::Tutorial, &frame);
        self.tell_talkers(text);
        Ok(())
    }

    /// Tells a user's v1 connections something.
    pub(crate) fn tell_user(&mut self, user: &str, text: &str, now: Now) -> Result<(), Error> {
        self.check_waiting()?;
        self.check_tell(text)?;
        let data = v1::text(text);
        self.run(now, |chat, at| chat.tell_user(user, &data, at))
    }

    pub(crate) fn moderate(&mut self, room: &str, act: Moderation, now: Now) -> Result<Position, Error> {
        self.run(now, |chat, at| chat.moderate_as_host(room, act, at))
    }

    pub(crate) fn join(&mut self, room: &str, user: &str, now: Now) -> Result<(), Error> {
        self.run(now, |chat, at| chat.join(room, user, at))
    }

    pub(crate) fn leave(&mut self, room: &str, user: &str, now: Now) -> Result<(), Error> {
        self.run(now, |chat, at| chat.leave(room, user, at))
    }

    pub(crate) fn set_room(&mut self, room: &str, options: &RoomOptions, now: Now) -> Result<(), Error> {
        self.run(now, |chat, at| chat.set_room(room, options, at))
    }

    pub(crate) fn ticket(&mut self, admission: Admission, ttl_ms: u64, now: Now) -> Result<String, Error> {
        self.run(now, |chat, at| chat.ticket(admission, ttl_ms, at))
    }

    pub(crate) fn ban(&mut self, user: &str, seconds: Option<u64>, now: Now) -> Result<(), Error> {
        self.run(now, |chat, at| chat.ban(user, seconds, at))
    }

    pub(crate) fn ban_address(
        &mut self,
        address: IpAddr,
        seconds: Option<u64>,
        now: Now,
    ) -> Result<(), Error> {
        self.run(now, |chat, at| chat.ban_address(address, seconds, at))
    }

    /// Has every log lose its newest records, as a store may whose machine failed.
    pub(crate) fn lose(&mut self, count: u64, now: Now) {
        for room in self.chat.room_keys() {
            self.run(now, |chat, at| chat.lose(room, count, at));
            self.histories.remove(&room);
        }
    }

    fn tell_talkers(&mut self, text: &str) {
        let mut frame = Vec::new();
        write_tell(None, text, &mut frame);
        let frame = Bytes::from(frame);
        for connection in self.chat.talkers() {
            self.dispatch.deliver(connection, None, frame.clone());
        }
    }

    /// # Errors
    /// `too_long`.
    fn check_tell(&self, text: &str) -> Result<(), Error> {
        let (len, max) = (text.len() as u64, self.settings.max_message_bytes);
        if len > max {
            let words = format!("the payload has {len} bytes; max_message_bytes is {max}");
            return Err(Error::new(ErrorCode::TooLong, words));
        }
        Ok(())
    }

    pub(crate) fn kick(&mut self, connection: ConnectionId, reason: &str) -> Result<(), Error> {
        let dialect = self.dispatch.find_open(connection)?.dialect;
        self.dispatch.close(connection, Cause::Kicked.code(dialect), reason.to_owned());
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
        let room = self.chat.room_name(self.chat.room(room)?);
        let from = if before == 0 { From::Newest } else { From::Before(before) };
        let (messages, _) = self.log.messages(&room, from, limit, &mut |_| true);
        Ok(messages.into_iter().map(Arc::unwrap_or_clone).collect())
    }

    /// The whole log of a room as v1 clients are answered: its records, and its messages as they stand now. For the
    /// simulator, to which no room is closed.
    ///
    /// # Errors
    /// `unknown_room`; `unknown_message`: not all of its records are kept.
    pub(crate) fn whole_log(&self, room: &str) -> Result<[Vec<u8>; 2], Error> {
        let key = self.chat.room(room)?;
        let (room, top) = (self.chat.room_name(key), self.chat.position(key));
        let mut records = Vec::new();
        let reach = self.log.position(&room, 0).map(|start| {
            self.log.after(&room, start, &mut |record| {
                records.push(record.clone());
                true
            })
        });
        if !matches!(reach, Some(Reach::Whole { .. } | Reach::RolledBack { .. })) {
            let words = format!("the log of {room} does not reach back to its beginning");
            return Err(Error::new(ErrorCode::UnknownMessage, words));
        }
        let (messages, _) = self.log.messages(&room, From::Newest, u64::MAX, &mut |_| true);
        Ok([Content::Records(records), Content::Messages(messages)].map(|content| {
            let mut json = Vec::new();
            v1::reply(1, &Reply::History { content, top, more: false }, &mut json);
            json
        }))
    }

    pub(crate) fn answer(&mut self, id: QuestionId, verdict: Verdict, now: Now) -> Result<(), Error> {
        if let Verdict::Answer(data) = &verdict {
            v1::check_json(data).map_err(|words| {
                let words = format!("the answer is not JSON that clients can read: {words}");
                Error::new(ErrorCode::InvalidArgument, words)
            })?;
        }
        self.run(now, |chat, at| chat.answer(id, verdict, at))
    }

    /// Has the host told what becomes of the record that was just placed.
    fn await_receipt(&mut self, room: &str, position: Position) -> Result<(), Error> {
        let key = self.chat.room(room)?;
        let mut parts = self.dispatch.parts(Lane::common(Some(key), Dialect::Tutorial));
        parts.extend(self.dispatch.parts(Lane::common(Some(key), Dialect::V1)));
        for viewer in self.dispatch.viewers(key) {
            let lane = Lane { room: Some(key), dialect: Dialect::V1, viewer: Some(viewer) };
            parts.extend(self.dispatch.parts(lane));
        }
        if let Some(receipt) = self.receipts.await_receipt(RoomName::new(room)?, position, parts) {
            self.tell_host(receipt);
        }
        Ok(())
    }

    /// The hub's part of the engine's figures.
    pub(crate) fn fill(&self, stats: &mut Stats) {
        stats.room_count = self.chat.room_count();
        stats.history_bytes = self.log.held_bytes();
        stats.event_count = self.queue.waiting_count();
    }

    fn tell_lanes(
        &mut self,
        payload: &Payload,
        now: Now,
        is_meant: impl Fn(Option<RoomKey>) -> bool,
    ) -> Result<(), Error> {
        let mut frame = Vec::new();
        self.write_payload(payload, &mut frame)?;
        if let Payload::Text(text) = payload {
            let mut notice = Vec::new();
            self.write_notice(text, now, &mut notice)?;
            let chats = |lane: Lane| lane.dialect == Dialect::Tutorial && is_meant(lane.room);
            self.dispatch.show_all(chats, &notice);
        }
        let raw = |lane: Lane| lane.dialect == Dialect::Raw && is_meant(lane.room);
        self.dispatch.show_all(raw, &frame);
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

    /// Whether so much waits to be sent that nothing more may be added.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting_bytes() > MAX_WAITING_BYTES
    }

    /// The host may be faster than the network: then it has to wait, not the memory to grow.
    fn check_waiting(&self) -> Result<(), Error> {
        if self.is_busy() {
            let waiting = self.waiting_bytes();
            let words = format!("{waiting} bytes wait to be sent in the next turn; try again a moment later");
            return Err(Error::new(ErrorCode::Busy, words));
        }
        Ok(())
    }
}

/// What the host tells, as a v1 client sees it.
fn write_tell(room: Option<RoomName>, text: &str, frame: &mut Vec<u8>) {
    let mut json = Vec::new();
    v1::event(&Happening::Tell { room, user: None, data: v1::text(text) }, &mut json);
    write_frame(frame, Kind::Text, &json);
}

/// How much may wait for the next turn before the host's calls are told to wait.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
