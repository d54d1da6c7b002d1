//! How the chat's effects are carried out.

use bytes::Bytes;

use crate::chat::{Chat, Effect, Flow, RoomKey};
use crate::command::Command;
use crate::dialect::{close_code, tutorial};
use crate::event::{Dialect, Event, Question};
use crate::id::{ConnectionId, Position, RoomName};
use crate::message::{Change, Record};
use crate::push::Push;
use crate::time::Now;
use crate::wire::{Kind, write_frame};

use super::{Act, Hub, Lane, Missed};

impl Hub {
    pub(super) fn command(&mut self, connection: ConnectionId, command: Command<'_>, now: Now) -> Flow {
        self.run(now, |chat, effects| chat.command(connection, command, now, effects))
    }

    /// Has the chat do something, and carries out what it wants done.
    pub(super) fn run<T>(&mut self, now: Now, act: impl FnOnce(&mut Chat, &mut Vec<Effect>) -> T) -> T {
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
                self.dispatch.deliver(connection, None, frame.into());
            }
            Effect::Enter { connection, room, name } => {
                self.show_history(connection, room, &name);
                if let Some(dialect) = self.dispatch.find(connection).map(|seat| seat.dialect) {
                    let lane = Lane::common(Some(room), dialect);
                    self.dispatch.enter(connection, lane, self.chat.position(room));
                }
            }
            Effect::Close { connection, cause, reason } => {
                if let Some(dialect) = self.dispatch.find(connection).map(|seat| seat.dialect) {
                    self.dispatch.close(connection, close_code(dialect, cause), reason);
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
        self.dispatch.show(Lane::common(Some(room), Dialect::Tutorial), |json| {
            tutorial::encode(&Push::Message(message), json);
        });
        let name = message.room.clone();
        self.log.append(&name, record);
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

    /// What a chat connection has not been shown of its room since the record at `after`.
    pub(crate) fn missed(&mut self, connection: ConnectionId, after: Position) -> Missed {
        let Some(seat) = self.dispatch.find(connection) else { return Missed::TooMuch };
        let Some(room) = self.dispatch.room(seat) else { return Missed::TooMuch };
        let name = self.chat.room_name(room);
        let mut frames = Vec::new();
        let mut json = Vec::new();
        let mut is_whole = true;
        let is_kept = self.log.after(&name, after, &mut |record| {
            let Change::Message(message) = &record.change;
            json.clear();
            tutorial::encode(&Push::Message(message), &mut json);
            write_frame(&mut frames, Kind::Text, &json);
            is_whole = frames.len() <= MAX_HISTORY_BYTES;
            is_whole
        });
        match is_kept && is_whole {
            true => Missed::Frames { frames: frames.into(), lane_end: self.dispatch.lane_end(seat) },
            false => Missed::TooMuch,
        }
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
}

/// How much of a history a tutorial client is shown, or of what it missed.
const MAX_HISTORY_BYTES: usize = 256 * 1024;
/// How many rooms' history frames are kept ready.
const MAX_CACHED_HISTORIES: usize = 64;
