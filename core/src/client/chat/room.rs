//! One room as the client holds it: its messages, folded, and how far its log is known.
//!
//! In: records and pages, and what the server says about counts. Out: what each record is to what was known (next, had
//! already, behind a gap, after a rollback), and messages. A record that is applied twice, or whose effect a page showed
//! already, changes nothing. Knows nothing of requests or connections.

use std::collections::VecDeque;
use std::sync::Arc;

use super::message::{Act, Change, Message, Reaction, Record, RoomLine};
use crate::id::Position;

/// A room that the user is in.
#[derive(Clone, Debug, Default)]
pub struct Room {
    pub(super) with: Option<String>,
    pub(super) topic: Option<String>,
    pub(super) member_count: u64,
    pub(super) read: u64,
    pub(super) unread_count: u64,
    pub(super) position: Position,
    pub(super) more: bool,
    /// Ascending by offset.
    held: VecDeque<Held>,
    /// What the newest records changed, to be taken back.
    undo: VecDeque<Undo>,
    /// What was changed up to there cannot be taken back.
    undo_from: Position,
    /// Up to this offset, the server has counted what is unread.
    pub(super) counted_to: u64,
    /// The messages may show what a rollback took away: a page is needed.
    pub(super) is_stale: bool,
    /// The user was put into the room, and the host is to be told when its newest page is there.
    pub(super) untold: Option<Box<RoomLine>>,
}

/// A message, and what is in it already.
#[derive(Clone, Debug)]
struct Held {
    message: Arc<Message>,
    /// It was shown as of this offset; records up to there are in it.
    as_of: u64,
    /// It was shown with so many edits whose records are still to come.
    ahead: u64,
    /// It was shown with changes whose records came later, or were lost before they could: nobody said up to where.
    is_ahead: bool,
}

#[derive(Clone, Debug)]
struct Undo {
    position: Position,
    before: Held,
}

/// What a record is to what was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Next,
    /// It is known already.
    Known,
    /// There are others between.
    Gap,
    /// The log has lost what came after this position, and goes on.
    Back(Position),
}

impl Held {
    /// A message of a page that was shown as of `top`.
    fn shown(message: &Arc<Message>, top: Position) -> Held {
        Held { message: message.clone(), as_of: top.offset, ahead: 0, is_ahead: false }
    }
}

impl Room {
    /// The messages that are kept, as they stand, ascending by offset.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Arc<Message>> + ExactSizeIterator {
        self.held.iter().map(|held| &held.message)
    }

    /// The message at that offset, if it is kept.
    pub fn message(&self, offset: u64) -> Option<&Arc<Message>> {
        self.find(offset).map(|at| &self.held[at].message)
    }

    /// Up to where the room's log is known.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The other user, where it is a direct room and the server has said so.
    pub fn with(&self) -> Option<&str> {
        self.with.as_deref()
    }

    /// What the room is about, where the server has said it.
    pub fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    /// How many members are in it.
    pub fn member_count(&self) -> u64 {
        self.member_count
    }

    /// Up to where the user has read.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// How many messages are unread: the server's count, and what others have said since.
    pub fn unread_count(&self) -> u64 {
        self.unread_count
    }

    /// There are older messages than those that are kept.
    pub fn more(&self) -> bool {
        self.more
    }

    /// A room of which nothing is known but how far.
    pub(super) fn at(position: Position) -> Room {
        Room { position, more: position.offset > 0, ..Room::default() }
    }

    /// What this record is to what is known: the rule of positions.
    pub(super) fn step(&self, record: &Record) -> Step {
        let mine = self.position;
        if record.position <= mine {
            return Step::Known;
        }
        match record.prev {
            // An offset alone names a record, whatever epoch the newest position was said with.
            Some(prev) if prev.offset == mine.offset => Step::Next,
            Some(prev) if prev > mine => Step::Gap,
            Some(prev) => Step::Back(prev),
            None if mine.offset == 0 => Step::Next,
            None => Step::Back(Position::default()),
        }
    }

    /// Takes the next record. `as_of`: the offset of the room's newest record when a message in it was shown;
    /// `me`: the user, whose own messages are not unread. At most `max` messages are kept.
    pub(super) fn take(&mut self, record: &Record, as_of: u64, me: &str, max: usize) {
        if record.position.epoch != self.position.epoch {
            self.doubt(self.position);
        }
        self.position = record.position;
        let at = record.position.offset;
        match &record.change {
            Change::Message(message) => self.put(message, as_of.max(at), me, max),
            Change::Edit { of, text, .. } => self.change(record.position, *of, |held| {
                if held.ahead > 0 {
                    held.ahead -= 1;
                } else {
                    let message = Arc::make_mut(&mut held.message);
                    if message.text.is_some() {
                        message.text = Some(text.clone());
                    }
                    message.revision += 1;
                }
            }),
            Change::Delete { of, .. } => self.delete(record.position, *of, me),
            Change::React { of, user, emoji, add, .. } => {
                self.change(record.position, *of, |held| {
                    react(Arc::make_mut(&mut held.message), user, emoji, *add);
                });
            }
            Change::Moderation { act: Act::Topic { topic }, .. } => self.topic = Some(topic.clone()),
            Change::Moderation { act: Act::Clear { user }, .. } => {
                let theirs: Vec<u64> = self
                    .messages()
                    .filter(|message| user.as_ref().is_none_or(|user| *user == message.user))
                    .map(|message| message.position.offset)
                    .collect();
                for offset in theirs {
                    self.delete(record.position, offset, me);
                }
            }
            Change::Moderation { .. } | Change::Rename { .. } | Change::Other { .. } => {}
        }
    }

    fn put(&mut self, message: &Arc<Message>, as_of: u64, me: &str, max: usize) {
        let at = message.position.offset;
        if self.find(at).is_none() {
            let is_ahead = as_of == at
                && (message.revision > 0 || message.text.is_none() || !message.reactions.is_empty());
            let ahead = if is_ahead { message.revision } else { 0 };
            // A page may have shown newer ones already.
            let index = self.held.partition_point(|held| held.message.position.offset < at);
            self.held.insert(index, Held { message: message.clone(), as_of, ahead, is_ahead });
            self.trim(max);
        }
        if at > self.counted_to && message.user != me && message.text.is_some() {
            self.unread_count += 1;
        }
    }

    /// What is deleted need not be read any more.
    fn delete(&mut self, at: Position, of: u64, me: &str) {
        let was_unread = |held: &Held| held.message.text.is_some() && held.message.user != me;
        let is_counted = of > self.read && self.find(of).is_some_and(|index| was_unread(&self.held[index]));
        self.change(at, of, delete);
        if is_counted && self.message(of).is_some_and(|message| message.text.is_none()) {
            self.unread_count = self.unread_count.saturating_sub(1);
        }
    }

    /// Changes the message at `of`, if it is kept and was shown before `at`.
    fn change(&mut self, at: Position, of: u64, change: impl FnOnce(&mut Held)) {
        let Some(index) = self.find(of) else { return };
        let held = &mut self.held[index];
        if held.as_of >= at.offset {
            return;
        }
        self.undo.push_back(Undo { position: at, before: held.clone() });
        change(held);
        if self.undo.len() > MAX_UNDO_COUNT
            && let Some(oldest) = self.undo.pop_front()
        {
            self.undo_from = oldest.position;
        }
    }

    /// Drops what came after `to`, and gives the messages that are gone.
    pub(super) fn roll_back(&mut self, to: Position) -> Vec<Arc<Message>> {
        self.is_stale |= self.undo_from > to;
        let kept = self.undo.partition_point(|undo| undo.position <= to);
        for undo in self.undo.split_off(kept).into_iter().rev() {
            if let Some(at) = self.find(undo.before.message.position.offset) {
                self.held[at] = undo.before;
            }
        }
        let kept = self.held.partition_point(|held| held.message.position <= to);
        let dropped = self.held.split_off(kept).into_iter().map(|held| held.message).collect();
        self.doubt(to);
        self.undo_from = self.undo_from.min(to);
        self.position = self.position.min(to);
        self.counted_to = self.counted_to.min(to.offset);
        dropped
    }

    /// The log may have lost what came after `to`. Messages that were shown as of later may show what is gone, also
    /// where the records that did it never came.
    pub(super) fn doubt(&mut self, to: Position) {
        self.is_stale |= self.held.iter().any(|held| held.as_of > to.offset || held.is_ahead);
    }

    /// Begins anew with the newest page, shown as of `top`.
    pub(super) fn begin(&mut self, messages: &[Arc<Message>], top: Position, max: usize) {
        self.held = messages.iter().map(|message| Held::shown(message, top)).collect();
        self.undo.clear();
        self.undo_from = Position::default();
        self.is_stale = false;
        self.trim(max);
    }

    /// Puts older messages, shown as of `top`, before those that are kept, as many as there is room for.
    pub(super) fn prepend(&mut self, messages: &[Arc<Message>], top: Position, more: bool, max: usize) {
        let oldest = self.held.front().map_or(u64::MAX, |held| held.message.position.offset);
        self.more = more;
        for message in messages.iter().rev() {
            if message.position.offset >= oldest {
                continue;
            }
            if self.held.len() >= max {
                self.more = true;
                return;
            }
            self.held.push_front(Held::shown(message, top));
        }
    }

    /// The offset of the oldest message that is kept.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.held.front().map(|held| held.message.position.offset)
    }

    /// The user has read up to there.
    pub(super) fn set_read(&mut self, offset: u64, me: &str) {
        if offset <= self.read {
            return;
        }
        let seen = |held: &&Held| {
            let at = held.message.position.offset;
            at > self.read && at <= offset && held.message.user != me && held.message.text.is_some()
        };
        let count = self.held.iter().filter(seen).count() as u64;
        self.read = offset;
        let is_all = self.held.back().is_none_or(|held| held.message.position.offset <= offset);
        self.unread_count = if is_all { 0 } else { self.unread_count.saturating_sub(count) };
    }

    fn trim(&mut self, max: usize) {
        while self.held.len() > max {
            self.held.pop_front();
            self.more = true;
        }
    }

    fn find(&self, offset: u64) -> Option<usize> {
        self.held.binary_search_by_key(&offset, |held| held.message.position.offset).ok()
    }
}

fn delete(held: &mut Held) {
    let message = Arc::make_mut(&mut held.message);
    message.text = None;
    message.data = None;
    message.reactions.clear();
}

fn react(message: &mut Message, user: &str, emoji: &str, add: bool) {
    // It was shown late, and what is gone stays so.
    if message.text.is_none() {
        return;
    }
    let at = message.reactions.iter().position(|reaction| reaction.emoji == emoji);
    match (at, add) {
        (None, true) => {
            message.reactions.push(Reaction { emoji: emoji.into(), users: vec![user.into()] });
        }
        (Some(at), true) => {
            let users = &mut message.reactions[at].users;
            if !users.iter().any(|name| name == user) {
                users.push(user.into());
            }
        }
        (Some(at), false) => {
            message.reactions[at].users.retain(|name| name != user);
            if message.reactions[at].users.is_empty() {
                message.reactions.remove(at);
            }
        }
        (None, false) => {}
    }
}

/// How many changes can be taken back. A log that loses more is shown anew by a page.
const MAX_UNDO_COUNT: usize = 256;
