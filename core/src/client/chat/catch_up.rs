//! Rooms on the line: what their events are to what is known, and how what is missing is fetched.
//!
//! While something is missing in a room, its events are held back; so the host is told everything in order.

use std::collections::VecDeque;

use super::answers::unreadable;
use super::calls::Purpose;
use super::documents::{self, Content, Entered, Happening};
use super::event::Event;
use super::machine::Machine;
use super::message::{Change, Record, RoomLine};
use super::request::{From, Joined, Page, Reply, Request, RequestId};
use super::room::{Room, Step};
use crate::dialect::json::Json;
use crate::error::{Error, ErrorCode, Refusal};
use crate::id::Position;

/// A room that misses something.
#[derive(Debug)]
pub(super) struct CatchUp {
    /// The request that is under way.
    request: RequestId,
    what: What,
    held: VecDeque<Happening>,
    /// Some records were not kept, because too many came: they are fetched too.
    is_overflowed: bool,
}

/// What is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The records after the room's position.
    Records,
    /// The newest page, because the log does not reach back to the position.
    Anew,
    /// The newest page, because messages may show what a rollback took away.
    Shown,
    /// The newest page of a room that the user came into without asking.
    First,
}

impl Machine {
    /// Something happened in a room, or to the user.
    pub(super) fn happened(&mut self, happening: Happening) {
        if let Happening::Removed { room, reason } = happening {
            return self.lose_room(&room, &reason);
        }
        if let Some(catching) = room_of(&happening).and_then(|room| self.catching.get_mut(room)) {
            return catching.hold(happening);
        }
        match happening {
            Happening::Record { room, record } => self.record(room, record),
            Happening::Gap { room, to } => {
                if self.rooms.get(&room).is_some_and(|room| to > room.position) {
                    self.fetch(&room, What::Records);
                }
            }
            Happening::Rollback { room, to } => {
                self.roll_back_to(&room, Some(to));
                self.settle(&room);
            }
            Happening::Join { room, user, name, member_count } => {
                self.count(&room, member_count);
                self.tell(Event::Join { room, user, name, member_count });
            }
            Happening::Leave { room, user, name, member_count } => {
                self.count(&room, member_count);
                self.tell(Event::Leave { room, user, name, member_count });
            }
            Happening::Members { room, member_count } => {
                self.count(&room, member_count);
                self.tell(Event::Members { room, member_count });
            }
            Happening::Joined(line) => self.put_into(line),
            Happening::Typing { room, user, active } => self.tell(Event::Typing { room, user, active }),
            Happening::Read { room, user, offset } => {
                if self.me().is_some_and(|me| me.user == user) {
                    self.set_read(&room, offset);
                }
                self.tell(Event::Read { room, user, offset });
            }
            Happening::Tell { room, user, data } => self.tell(Event::Tell { room, user, data }),
            // They were looked at before.
            Happening::Removed { .. } | Happening::Bye { .. } => {}
        }
    }

    fn count(&mut self, room: &str, member_count: u64) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.member_count = member_count;
        }
    }

    fn record(&mut self, name: String, record: Record) {
        let Some(room) = self.rooms.get(&name) else { return };
        match room.step(&record) {
            Step::Next => self.take(&name, record, 0),
            Step::Known => {}
            Step::Gap => {
                self.fetch(&name, What::Records);
                self.happened(Happening::Record { room: name, record });
            }
            Step::Back(to) => {
                self.roll_back(&name, to);
                self.take(&name, record, 0);
                self.settle(&name);
            }
        }
    }

    /// Takes the next record of a room, shown when `as_of` was its newest offset, and tells of it.
    fn take(&mut self, name: &str, record: Record, as_of: u64) {
        let max = self.settings.numbers.kept_message_count as usize;
        let me = self.talk.me.as_ref().map_or("", |me| me.user.as_str());
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.take(&record, as_of, me, max);
        self.may_save();
        let Record { position, at_ms, change, .. } = record;
        let room = name.to_owned();
        self.tell(match change {
            Change::Message(message) => Event::Message { room, message },
            Change::Edit { of, mid, user, text } => {
                Event::Edit { room, position, of, mid, user, text, at_ms }
            }
            Change::Delete { of, mid, user } => Event::Delete { room, position, of, mid, user, at_ms },
            Change::React { of, mid, user, emoji, add } => {
                Event::React { room, position, of, mid, user, emoji, add, at_ms }
            }
            Change::Moderation { act, by } => Event::Moderation { room, position, act, by, at_ms },
            Change::Rename { user, name, color } => {
                Event::Rename { room, position, user, name, color, at_ms }
            }
            Change::Other { .. } => return,
        });
    }

    fn roll_back(&mut self, name: &str, to: Position) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let dropped = room.roll_back(to);
        self.must_save();
        self.tell(Event::Rollback { room: name.to_owned(), to, dropped });
    }

    /// The log has lost what came after `to`, if anything.
    fn roll_back_to(&mut self, name: &str, to: Option<Position>) {
        let (Some(to), Some(room)) = (to, self.rooms.get_mut(name)) else { return };
        match to < room.position {
            true => self.roll_back(name, to),
            false => room.doubt(to),
        }
    }

    /// Where nothing is under way for a room and its messages may show what is gone, they are fetched.
    fn settle(&mut self, name: &str) {
        if self.rooms.get(name).is_some_and(|room| room.is_stale) && !self.catching.contains_key(name) {
            self.fetch(name, What::Shown);
        }
    }

    /// The user was put into a room.
    fn put_into(&mut self, line: RoomLine) {
        if let Some(room) = self.rooms.get_mut(&line.room) {
            room.with = line.with.or(room.with.take());
            room.topic = Some(line.topic);
            room.member_count = line.member_count;
            if line.position > room.position {
                self.fetch(&line.room, What::Records);
            }
            return;
        }
        let mut room = Room::at(line.position);
        room.with = line.with.clone();
        room.topic = Some(line.topic.clone());
        room.member_count = line.member_count;
        room.read = line.read;
        room.unread_count = line.unread_count;
        room.counted_to = line.position.offset;
        let name = line.room.clone();
        let is_empty = line.position.offset == 0;
        room.untold = Some(Box::new(line));
        self.rooms.insert(name.clone(), room);
        self.must_save();
        match is_empty {
            true => self.tell_joined(&name),
            // What was said there before is shown, too.
            false => self.fetch(&name, What::First),
        }
    }

    fn tell_joined(&mut self, name: &str) {
        if let Some(line) = self.rooms.get_mut(name).and_then(|room| room.untold.take()) {
            self.tell(Event::Joined(*line));
        }
    }

    /// The user is in that room no longer, and did not wish it.
    pub(super) fn lose_room(&mut self, name: &str, reason: &str) {
        self.drop_room(name);
        self.tell(Event::Removed { room: name.to_owned(), reason: reason.to_owned() });
    }

    /// Asks for what a room misses; what is held back of it stays so.
    fn fetch(&mut self, name: &str, what: What) {
        self.fetch_later(name, what, 0);
    }

    fn fetch_later(&mut self, name: &str, what: What, not_before_ms: u64) {
        let Some(room) = self.rooms.get(name) else { return };
        let from = match what {
            What::Records => From::After(room.position.offset),
            _ => From::Newest,
        };
        // A page of records is as long as the server likes.
        let limit = match what {
            What::Records => None,
            _ => Some(self.settings.numbers.history.max(1)),
        };
        let request = self.new_request();
        let body = Request::History { room: name.to_owned(), from, limit };
        self.calls.add(request, body, Purpose::CatchUp, not_before_ms);
        let before = self.catching.remove(name);
        let (held, is_overflowed) = before.map_or_else(Default::default, |old| (old.held, old.is_overflowed));
        self.catching.insert(name.to_owned(), CatchUp { request, what, held, is_overflowed });
    }

    /// The answer to what a room asked for.
    pub(super) fn caught_up(&mut self, request: RequestId, body: Request, result: Result<Json<'_>, Refusal>) {
        let Request::History { room: name, .. } = body else { return };
        let Some(catching) = self.catching.get(&name).filter(|catching| catching.request == request) else {
            return;
        };
        let what = catching.what;
        let error = match result.map(documents::page) {
            Ok(Ok(page)) => return self.paged(&name, what, page),
            Ok(Err(why)) => unreadable(why),
            Err(refusal) => Error::refused(refusal),
        };
        let retry_ms = error.refusal().and_then(|refusal| refusal.retry_after_ms).unwrap_or(RETRY_MS);
        match (error.code(), what) {
            (ErrorCode::RateLimited | ErrorCode::Busy | ErrorCode::StoreUnavailable, what) => {
                self.fetch_later(&name, what, self.now_ms + retry_ms);
            }
            (ErrorCode::NotMember | ErrorCode::UnknownRoom | ErrorCode::Banned, _) => {
                let reason = error.code().name();
                self.lose_room(&name, reason);
            }
            (_, What::Records) => self.fetch(&name, What::Anew),
            _ => {
                // Nothing helps: the host is told, and what was held back goes on from where it can.
                self.tell(Event::Error(error));
                if let Some(room) = self.rooms.get_mut(&name) {
                    room.is_stale = false;
                }
                self.tell_joined(&name);
                if let Some(catching) = self.catching.get_mut(&name) {
                    // The next of them shows the gap once more.
                    catching.held.retain(|held| !matches!(held, Happening::Record { .. }));
                    catching.is_overflowed = false;
                }
                self.release(&name, None);
            }
        }
    }

    fn paged(&mut self, name: &str, what: What, page: Page) {
        let max = self.settings.numbers.kept_message_count as usize;
        let Some(room) = self.rooms.get_mut(name) else { return };
        match what {
            What::Records => return self.take_page(name, page),
            What::Anew => {
                room.begin(&page.messages, page.position, max);
                room.position = page.position;
                room.more = page.more;
            }
            What::Shown | What::First => {
                room.begin(&page.messages, page.position, max);
                room.more = page.more;
            }
        }
        let position = room.position;
        self.must_save();
        match what {
            What::First => self.tell_joined(name),
            _ => self.tell(Event::Reset { room: name.to_owned(), position }),
        }
        self.release(name, None);
    }

    /// Records after the room's position.
    fn take_page(&mut self, name: &str, page: Page) {
        let before = self.rooms.get(name).map(Room::position);
        self.roll_back_to(name, page.rollback);
        if !self.take_all(name, page.records, page.position.offset) {
            return self.fetch(name, What::Anew);
        }
        let after = self.rooms.get(name).map(Room::position);
        let moved = before != after;
        match (page.more, moved) {
            (true, true) => self.fetch(name, What::Records),
            // It has more, and does not give it.
            (true, false) => self.fetch(name, What::Anew),
            (false, false) if after.is_some_and(|after| after < page.position) => {
                self.fetch(name, What::Anew)
            }
            (false, _) => self.release(name, before.filter(|_| !moved)),
        }
    }

    /// Takes those records that are new; `false`: there is a gap before one of them.
    fn take_all(&mut self, name: &str, records: Vec<Record>, as_of: u64) -> bool {
        for record in records {
            let Some(room) = self.rooms.get(name) else { return true };
            match room.step(&record) {
                Step::Next => self.take(name, record, as_of),
                Step::Known => {}
                Step::Gap => return false,
                Step::Back(to) => {
                    self.roll_back(name, to);
                    self.take(name, record, as_of);
                }
            }
        }
        true
    }

    /// What was held back of a room goes on. `fruitless`: fetching what came after this position has brought nothing.
    fn release(&mut self, name: &str, fruitless: Option<Position>) {
        let Some(catching) = self.catching.remove(name) else { return };
        let mut held = catching.held;
        if let (Some(at), Some(Happening::Record { record, .. }), Some(room)) =
            (fruitless, held.front(), self.rooms.get(name))
            && room.position == at
            && room.step(record) == Step::Gap
        {
            // The log has a record before this one, and does not give it.
            self.catching.insert(name.to_owned(), CatchUp { held, ..catching });
            return self.fetch(name, What::Anew);
        }
        while let Some(happening) = held.pop_front() {
            self.happened(happening);
        }
        if catching.is_overflowed {
            match self.catching.get_mut(name) {
                Some(again) => again.is_overflowed = true,
                None => self.fetch(name, What::Records),
            }
        }
        self.settle(name);
    }

    /// The host's `join` is answered.
    pub(super) fn joined(
        &mut self,
        request: RequestId,
        asked: &str,
        since: Option<Position>,
        entered: Entered,
    ) {
        let name = entered.room.clone().unwrap_or_else(|| asked.to_owned());
        let mut joined = Joined {
            room: name.clone(),
            position: entered.top,
            recovered: entered.recovered,
            members: entered.members.clone(),
            member_count: entered.member_count,
            read: entered.read,
            unread_count: entered.unread_count,
            more: entered.more,
            ..Joined::default()
        };
        if let Content::Messages(messages) = &entered.content {
            joined.messages = messages.clone();
        }
        self.answer(request, Ok(Reply::Joined(joined)));
        let known = self.rooms.get(&name).map(Room::position);
        if known.is_none() {
            self.rooms.insert(name.clone(), Room::at(since.unwrap_or_default()));
        }
        self.enter(&name, entered, false);
    }

    /// The answer to a `join` of the client's own.
    pub(super) fn rejoined(&mut self, body: Request, result: Result<Json<'_>, Refusal>) {
        let Request::Join { room: name, .. } = body else { return };
        if !self.rooms.contains_key(&name) {
            return;
        }
        match result.map(documents::entered) {
            Ok(Ok(entered)) => self.enter(&name, entered, true),
            Ok(Err(why)) => {
                self.tell(Event::Error(unreadable(why)));
                self.lose_room(&name, ErrorCode::PeerViolation.name());
            }
            Err(refusal) => {
                let code = ErrorCode::from_number(refusal.number);
                if let Some(ErrorCode::RateLimited | ErrorCode::Busy | ErrorCode::StoreUnavailable) = code {
                    let id = self.new_request();
                    let since = self.rooms.get(&name).map(Room::position);
                    let body = Request::Join { room: name, history: None, since };
                    let wait_ms = refusal.retry_after_ms.unwrap_or(RETRY_MS);
                    self.calls.add(id, body, Purpose::Rejoin, self.now_ms + wait_ms);
                } else {
                    self.lose_room(&name, &refusal.name);
                }
            }
        }
    }

    /// The user is in a room whose state is this. `is_again`: the host is told if it was begun anew.
    pub(super) fn enter(&mut self, name: &str, entered: Entered, is_again: bool) {
        self.catching.remove(name);
        let max = self.settings.numbers.kept_message_count as usize;
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.member_count = entered.member_count;
        room.read = entered.read;
        room.counted_to = entered.top.offset;
        room.topic = entered.topic.or(room.topic.take());
        // It was put into that room, and the page that was to be shown first did not come.
        room.is_stale |= room.untold.is_some();
        self.tell_joined(name);
        match entered.content {
            Content::Records { rollback, records } if entered.recovered => {
                self.roll_back_to(name, rollback);
                let is_whole = self.take_all(name, records, entered.top.offset);
                let position = self.rooms.get(name).map(Room::position).unwrap_or_default();
                if !is_whole || entered.more {
                    self.fetch(name, What::Records);
                } else if position > entered.top {
                    self.roll_back(name, entered.top);
                } else if let Some(room) = self.rooms.get_mut(name) {
                    room.position = entered.top;
                    room.doubt(entered.top);
                }
            }
            Content::Messages(messages) => {
                if let Some(room) = self.rooms.get_mut(name) {
                    room.begin(&messages, entered.top, max);
                    room.position = entered.top;
                    room.more = entered.more;
                }
                if is_again {
                    self.tell(Event::Reset { room: name.to_owned(), position: entered.top });
                }
            }
            // It says neither.
            Content::Records { .. } => self.fetch(name, What::Anew),
        }
        if let Some(room) = self.rooms.get_mut(name) {
            room.unread_count = entered.unread_count;
        }
        self.must_save();
        self.settle(name);
    }
}

impl CatchUp {
    fn hold(&mut self, happening: Happening) {
        self.held.push_back(happening);
        if self.held.len() > MAX_HELD_COUNT {
            // Records are in the log, and what is for the moment is over by then.
            self.held.retain(|held| matches!(held, Happening::Rollback { .. } | Happening::Gap { .. }));
            self.is_overflowed = true;
        }
    }
}

fn room_of(happening: &Happening) -> Option<&str> {
    match happening {
        Happening::Record { room, .. }
        | Happening::Gap { room, .. }
        | Happening::Rollback { room, .. }
        | Happening::Join { room, .. }
        | Happening::Leave { room, .. }
        | Happening::Members { room, .. }
        | Happening::Removed { room, .. }
        | Happening::Typing { room, .. }
        | Happening::Read { room, .. } => Some(room),
        Happening::Joined(line) => Some(&line.room),
        Happening::Tell { room, .. } => room.as_deref(),
        Happening::Bye { .. } => None,
    }
}

/// How many events of one room are held back; past it the records among them are fetched again.
const MAX_HELD_COUNT: usize = 1_024;
/// When a server asks to wait and does not say how long.
const RETRY_MS: u64 = 1_000;
