//! How the chat's effects are carried out.

use bytes::Bytes;

use crate::chat::{Chat, Effect, Flow, Moment, RoomKey};
use crate::command::Command;
use crate::command::request::From;
use crate::dialect::{tutorial, v1};
use crate::event::{Dialect, Event, Question};
use crate::id::{ConnectionId, RoomName, UserId};
use crate::message::{Change, Record};
use crate::push::Push;
use crate::push::reply::{Happening, Reply};
use crate::time::Now;
use crate::wire::{Kind, write_frame};

use super::{Act, Hub, Lane};

impl Hub {
    pub(super) fn command(&mut self, connection: ConnectionId, command: Command<'_>, now: Now) -> Flow {
        self.run(now, |chat, at| chat.command(connection, command, at))
    }

    /// Has the chat do something, and carries out what it wants done.
    pub(super) fn run<T>(&mut self, now: Now, act: impl FnOnce(&mut Chat, &mut Moment<'_>) -> T) -> T {
        let mut effects = std::mem::take(&mut self.effects);
        let mut at = Moment { now, log: &mut *self.log, secret: &mut *self.secrets, effects: &mut effects };
        let result = act(&mut self.chat, &mut at);
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
            Effect::Show { room, happening, from } => self.show(room, &happening, from.as_ref()),
            Effect::Notify { connection, room, happening } => {
                self.write_to(connection, room, |json| v1::event(&happening, json));
            }
            Effect::Reply { connection, id, room, reply } => {
                // The position in it is the reader's own from here on, whatever was left out before.
                if let (Some(room), Reply::Joined(entered)) = (room, &reply)
                    && let Some(shown) = self.shown_alone.get_mut(&(connection, room))
                {
                    *shown = entered.top;
                }
                self.write_to(connection, room, |json| v1::reply(id, &reply, json));
            }
            Effect::Refuse { connection, id, refusal } => {
                self.write_to(connection, None, |json| v1::refusal(id, &refusal, json));
            }
            Effect::Heartbeat { connection, interval_ms } => {
                self.dispatch.push_to(connection, Act::Heartbeat { interval_ms });
            }
            Effect::Color { connection, color } => {
                self.write_to(connection, None, |json| tutorial::encode(&Push::Color(color), json));
            }
            Effect::Enter { connection, room, name, alone, top } => {
                self.show_history(connection, room, &name);
                if let Some(lane) = self.lane(connection, room, alone) {
                    if alone {
                        self.shown_alone.insert((connection, room), top);
                    }
                    self.dispatch.enter(connection, lane, top);
                }
            }
            Effect::Exit { connection, room, alone } => {
                if let Some(lane) = self.lane(connection, room, alone) {
                    self.shown_alone.remove(&(connection, room));
                    self.dispatch.exit(connection, lane);
                }
            }
            Effect::Close { connection, cause, reason } => {
                if let Some(dialect) = self.dispatch.find(connection).map(|seat| seat.dialect) {
                    self.dispatch.close(connection, cause.code(dialect), reason);
                }
            }
            Effect::Release { connection, at_ms } => {
                self.dispatch.push_to(connection, Act::Release { at_ms })
            }
            Effect::Admitted { connection, given } => {
                self.dispatch.push_to(connection, Act::Admitted { given })
            }
            Effect::Denied { connection, reason } => {
                self.dispatch.push_to(connection, Act::Denied { reason })
            }
            Effect::Ask(question) => self.ask(question, now, more),
            Effect::Forget { room } => {
                self.histories.remove(&room);
            }
        }
    }

    fn lane(&self, connection: ConnectionId, room: RoomKey, alone: bool) -> Option<Lane> {
        let dialect = self.dispatch.find(connection)?.dialect;
        Some(Lane { room: Some(room), dialect, viewer: alone.then_some(connection) })
    }

    /// Sends one text to a connection, behind what it was shown of a room, or of all.
    fn write_to(
        &mut self,
        connection: ConnectionId,
        room: Option<RoomKey>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut json = Vec::with_capacity(128);
        write(&mut json);
        let mut frame = Vec::with_capacity(json.len() + 10);
        write_frame(&mut frame, Kind::Text, &json);
        self.dispatch.deliver(connection, room, frame.into());
    }

    fn ask(&mut self, question: Question, now: Now, more: &mut Vec<Effect>) {
        let id = question.id;
        if !self.queue.push(Event::Question(question)) {
            let mut at = Moment { now, log: &mut *self.log, secret: &mut *self.secrets, effects: more };
            self.chat.unanswered(id, &mut at);
        }
    }

    fn record(&mut self, room: RoomKey, record: Record) {
        match &record.change {
            Change::Message(message) => {
                self.dispatch.show(Lane::common(Some(room), Dialect::Tutorial), |json| {
                    tutorial::encode(&Push::Message(message), json);
                });
            }
            // They show in the next history.
            _ => drop(self.histories.remove(&room)),
        }
        self.show_record(room, record);
    }

    /// Shows a record to those who talk v1; to each who is shown the room alone only if they want to see its author.
    fn show_record(&mut self, room: RoomKey, record: Record) {
        let common = Lane::common(Some(room), Dialect::V1);
        let viewers = self.dispatch.viewers(room);
        if viewers.is_empty() && !self.dispatch.has(common) {
            return;
        }
        let name = self.chat.room_name(room);
        let author = author(&record.change).cloned();
        for viewer in viewers {
            if author.as_ref().is_some_and(|author| !self.chat.sees(viewer, author)) {
                continue;
            }
            // What was left out is no gap: the record says behind which one it comes for this reader.
            let position = record.position;
            let prev = self.shown_alone.insert((viewer, room), position).filter(|prev| prev.offset > 0);
            let shown = Happening::Logged { room: name.clone(), record: Record { prev, ..record.clone() } };
            let lane = Lane { viewer: Some(viewer), ..common };
            self.dispatch.show(lane, |json| v1::event(&shown, json));
        }
        let shown = Happening::Logged { room: name, record };
        self.dispatch.show(common, |json| v1::event(&shown, json));
    }

    /// Shows a room's v1 connections something that stands in no log.
    fn show(&mut self, room: RoomKey, happening: &Happening, from: Option<&UserId>) {
        let common = Lane::common(Some(room), Dialect::V1);
        for viewer in self.dispatch.viewers(room) {
            if from.is_none_or(|from| self.chat.sees(viewer, from)) {
                if let Happening::Rollback { to, .. } = happening {
                    self.shown_alone.insert((viewer, room), *to);
                }
                self.dispatch
                    .show(Lane { viewer: Some(viewer), ..common }, |json| v1::event(happening, json));
            }
        }
        self.dispatch.show(common, |json| v1::event(happening, json));
    }

    /// Shows a tutorial client what was said in its room before it came.
    fn show_history(&mut self, connection: ConnectionId, room: RoomKey, name: &RoomName) {
        let tutorial = self.dispatch.find(connection).is_some_and(|seat| seat.dialect == Dialect::Tutorial);
        let top = self.chat.position(room);
        if !tutorial || top.offset == 0 || self.settings.history == 0 || self.without_histories {
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
        self.dispatch.deliver(connection, Some(room), frame);
    }

    fn history_frame(&mut self, room: &RoomName) -> Option<Bytes> {
        let mut left = MAX_HISTORY_BYTES;
        let (mut messages, _) =
            self.log.messages(room, From::Newest, self.settings.history, &mut |message| {
                let bytes = tutorial::entry_bytes(message);
                let fits = bytes <= left;
                left = left.saturating_sub(bytes);
                fits
            });
        // There is no word for them in this dialect.
        messages.retain(|message| !message.more.is_deleted);
        if messages.is_empty() {
            return None;
        }
        let mut json = Vec::new();
        tutorial::encode(&Push::History(&messages), &mut json);
        let mut frame = Vec::with_capacity(json.len() + 10);
        write_frame(&mut frame, Kind::Text, &json);
        Some(frame.into())
    }
}

/// Whose a record is, for those who may not want to see it.
fn author(change: &Change) -> Option<&UserId> {
    match change {
        Change::Message(message) => Some(&message.user),
        Change::Edit { user, .. } | Change::Delete { user, .. } | Change::React { user, .. } => Some(user),
        Change::Moderation { .. } | Change::Rename { .. } => None,
    }
}

/// How much of a history a tutorial client is shown.
const MAX_HISTORY_BYTES: usize = 256 * 1024;
/// How many rooms' history frames are kept ready.
const MAX_CACHED_HISTORIES: usize = 64;
