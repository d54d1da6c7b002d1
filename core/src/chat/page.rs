//! What v1 clients read: pages of messages, records, rooms and members, each within its bounds.

use std::sync::Arc;

use crate::broken::{Broken, is_broken};
use crate::command::request::{From, Page};
use crate::error::{Error, ErrorCode};
use crate::id::{Position, RoomName, UserId};
use crate::message::{Change, Message, Record};
use crate::push::reply::{Content, Entered, Refusal, Reply, RoomLine};

use super::log::Reach;
use super::rights::Deed;
use super::room::RoomKey;
use super::session::User;
use super::talk::{Caller, Outcome, refused};
use super::{Chat, Moment};

/// Records that a client has not seen.
struct Missed {
    records: Vec<Record>,
    rollback: Option<Position>,
    more: bool,
}

impl Chat {
    /// What somebody is shown who comes into a room, or back to it. Takes what it holds from `bytes`.
    pub(super) fn entered(
        &self,
        key: RoomKey,
        user: &UserId,
        since: Option<Position>,
        history: Option<u64>,
        bytes: &mut usize,
        at: &Moment<'_>,
    ) -> Entered {
        let room = self.rooms.get(key);
        let reader = self.users.get(user);
        let missed =
            since.and_then(|since| self.missed(key, reader, since, self.settings.max_page_count, bytes, at));
        let (recovered, content, rollback, more) = match missed {
            Some(missed) => (true, Content::Records(missed.records), missed.rollback, missed.more),
            None => {
                let limit = history.unwrap_or(DEFAULT_PAGE_COUNT).min(self.settings.max_page_count);
                let (messages, more) = self.messages(key, reader, From::Newest, limit, bytes, at);
                (false, Content::Messages(messages), None, more)
            }
        };
        let read = reader.map_or(0, |user| user.read(&room.name, room.born));
        Entered {
            room: room.name.clone(),
            top: room.top,
            recovered,
            rollback,
            content,
            members: self.member_lines(key, 0, FIRST_MEMBERS).0,
            member_count: self.member_count(key),
            read,
            unread_count: unread_count(&room.name, read, user, reader, at),
            more,
        }
    }

    /// The records behind a position; `None`: not all of them are kept, or it is no position of this log.
    fn missed(
        &self,
        key: RoomKey,
        reader: Option<&User>,
        after: Position,
        limit: u64,
        bytes: &mut usize,
        at: &Moment<'_>,
    ) -> Option<Missed> {
        let room = self.rooms.get(key);
        if after == room.top {
            return Some(Missed { records: Vec::new(), rollback: None, more: false });
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut records = Vec::new();
        let (mut left, is_fresh) = (*bytes, *bytes == PAGE_BYTES);
        // Where a record is left out, the next one says behind which it comes for this reader.
        let mut left_out: Option<Option<Position>> = None;
        let reach = at.log.after(&room.name, after, &mut |record| {
            let is_left_out = is_broken(Broken::FoldedResume) && record.message().is_none();
            if is_left_out || !sees(reader, record) {
                left_out = left_out.or(Some(record.prev));
                return true;
            }
            let size = record.wire_bytes();
            if records.len() == limit || size > left && !(is_fresh && records.is_empty()) {
                return false;
            }
            left = left.saturating_sub(size);
            records.push(Record { prev: left_out.take().unwrap_or(record.prev), ..record.clone() });
            true
        });
        *bytes = left;
        match reach {
            Reach::Whole { more } => Some(Missed { records, rollback: None, more }),
            Reach::RolledBack { to, more } => Some(Missed { records, rollback: Some(to), more }),
            Reach::Short => None,
        }
    }

    fn messages(
        &self,
        key: RoomKey,
        reader: Option<&User>,
        from: From,
        limit: u64,
        bytes: &mut usize,
        at: &Moment<'_>,
    ) -> (Vec<Arc<Message>>, bool) {
        // One is always given where nothing else is, however long it is.
        let mut left = *bytes;
        let mut is_first = left == PAGE_BYTES;
        let (mut messages, more) = at.log.messages(&self.rooms.get(key).name, from, limit, &mut |message| {
            let size = message.wire_bytes();
            let fits = size <= left || is_first;
            is_first = false;
            left = left.saturating_sub(size);
            fits
        });
        *bytes = left;
        if let Some(reader) = reader.filter(|reader| reader.blocks_some()) {
            messages.retain(|message| !reader.blocks(&message.user));
        }
        (messages, more)
    }

    pub(super) fn history_page(
        &self,
        caller: &Caller,
        room: &str,
        from: From,
        limit: Option<u64>,
        at: &Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = self.room_of(caller, room)?;
        self.check_right(Some(key), caller, Deed::Read)?;
        let room = self.rooms.get(key);
        let reader = self.users.get(&caller.who.user);
        let limit = limit.unwrap_or(DEFAULT_PAGE_COUNT).min(self.settings.max_page_count);
        let mut bytes = PAGE_BYTES;
        let (content, more) = match from {
            From::After(offset) => {
                let unknown = || {
                    let words = format!("no record stands at {offset}, or what follows it is not kept");
                    refused(ErrorCode::UnknownMessage, &words)
                };
                let after = match offset {
                    _ if offset == room.top.offset => room.top,
                    _ => at.log.position(&room.name, offset).ok_or_else(unknown)?,
                };
                let missed = self.missed(key, reader, after, limit, &mut bytes, at).ok_or_else(unknown)?;
                (Content::Records(missed.records), missed.more)
            }
            from => {
                let (messages, more) = self.messages(key, reader, from, limit, &mut bytes, at);
                (Content::Messages(messages), more)
            }
        };
        Ok(Outcome::Page(Some(key), Reply::History { content, top: room.top, more }))
    }

    pub(super) fn members_page(
        &self,
        caller: &Caller,
        room: &str,
        page: &Page<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = self.room_of(caller, room)?;
        self.check_right(Some(key), caller, Deed::Read)?;
        let behind = cursor(page)?;
        let limit = page.limit.unwrap_or(DEFAULT_PAGE_COUNT).min(self.settings.max_page_count);
        let (members, last) = self.member_lines(key, behind, usize::try_from(limit).unwrap_or(usize::MAX));
        let member_count = self.member_count(key);
        let cursor = last.map(|last| last.to_string());
        Ok(Outcome::Page(Some(key), Reply::Members { members, member_count, cursor }))
    }

    pub(super) fn rooms_page(
        &self,
        caller: &Caller,
        page: &Page<'_>,
        at: &Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let start = usize::try_from(cursor(page)?).unwrap_or(usize::MAX);
        let limit = page.limit.unwrap_or(DEFAULT_PAGE_COUNT).min(self.settings.max_page_count);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let rooms = self.sessions.get(caller.session).map_or(&[][..], |session| &session.rooms);
        let mut left = PAGE_BYTES;
        let mut lines = Vec::new();
        for key in rooms.iter().skip(start).take(limit) {
            let line = self.room_line(*key, &caller.who.user, at);
            let size =
                line.last.as_ref().map_or(0, |last| last.wire_bytes()) + line.topic.len() * 6 + LINE_BYTES;
            if size > left && !lines.is_empty() {
                break;
            }
            left = left.saturating_sub(size);
            lines.push(line);
        }
        let next = start.saturating_add(lines.len());
        let cursor = (next < rooms.len()).then(|| next.to_string());
        Ok(Outcome::Page(None, Reply::Rooms { rooms: lines, cursor }))
    }

    /// One of a user's rooms, as it is for them.
    pub(super) fn room_line(&self, key: RoomKey, user: &UserId, at: &Moment<'_>) -> RoomLine {
        let room = self.rooms.get(key);
        let reader = self.users.get(user);
        let read = reader.map_or(0, |user| user.read(&room.name, room.born));
        let last = self.messages(key, reader, From::Newest, 1, &mut { PAGE_BYTES }, at).0.pop();
        RoomLine {
            room: room.name.clone(),
            with: room.direct.as_ref().and_then(|users| users.iter().find(|other| *other != user).cloned()),
            topic: room.rules.as_ref().map_or("".into(), |rules| rules.topic.clone()),
            member_count: self.member_count(key),
            top: room.top,
            read,
            unread_count: unread_count(&room.name, read, user, reader, at),
            last,
        }
    }

    /// Whether a connection is to see what a user did.
    pub(crate) fn sees(&self, connection: crate::id::ConnectionId, user: &UserId) -> bool {
        let viewer = self.connections.get(&connection).and_then(|known| known.who.as_ref());
        let viewer = viewer.and_then(|who| self.users.get(&who.user));
        viewer.is_none_or(|viewer| !viewer.blocks(user))
    }

    /// What v1 connections that see everything were not shown of a room since the record at `after`; `None`: it is more
    /// than is kept, or than may be sent. Takes what it holds from `bytes`.
    pub(crate) fn missed_by(
        &self,
        key: RoomKey,
        after: Position,
        bytes: &mut usize,
        at: &Moment<'_>,
    ) -> Option<(Vec<Record>, Option<Position>)> {
        let missed = self.missed(key, None, after, u64::MAX, bytes, at)?;
        (!missed.more).then_some((missed.records, missed.rollback))
    }
}

/// How many messages a user has not read: those of others that they would see.
fn unread_count(room: &RoomName, read: u64, user: &UserId, reader: Option<&User>, at: &Moment<'_>) -> u64 {
    at.log.unread_count(room, read, &|message| {
        let author = &message.user;
        author != user && !message.more.is_deleted && !reader.is_some_and(|reader| reader.blocks(author))
    })
}

/// Whether somebody is to see a record: not what those say whom they have blocked.
fn sees(reader: Option<&User>, record: &Record) -> bool {
    let Some(reader) = reader.filter(|reader| reader.blocks_some()) else { return true };
    match &record.change {
        Change::Message(message) => !reader.blocks(&message.user),
        Change::Edit { user, .. } | Change::Delete { user, .. } | Change::React { user, .. } => {
            !reader.blocks(user)
        }
        Change::Moderation { .. } | Change::Rename { .. } => true,
    }
}

fn cursor(page: &Page<'_>) -> Result<u64, Error> {
    let Some(cursor) = &page.cursor else { return Ok(0) };
    cursor.parse().map_err(|_| {
        Error::new(ErrorCode::BadRequest, "cursor is not one of ours; the cursor of the page before is right")
    })
}

/// How much one reply holds.
pub(super) const PAGE_BYTES: usize = 256 * 1024;
/// What is given where nobody says how much.
const DEFAULT_PAGE_COUNT: u64 = 50;
/// How many members a join is answered with.
const FIRST_MEMBERS: usize = 50;
/// About what the line of one room takes beside its last message and its topic.
const LINE_BYTES: usize = 512;
