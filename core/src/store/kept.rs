//! What is kept of one room's log: its newest records, and its messages as they stand.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::id::Position;
use crate::message::{Change, Message, Moderation, Reaction, Record};

use super::age::Marks;

/// What is kept of a room. A message stands in both lists, as the same.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) records: VecDeque<Record>,
    pub(super) messages: VecDeque<Arc<Message>>,
    /// Where the log lost records: the epoch that began then, and the newest position that was left.
    pub(super) lost: Vec<(u64, Position)>,
    /// The log's first epoch.
    pub(super) born: u64,
    /// The newest position there was.
    pub(super) top: Position,
    pub(super) used: u64,
    /// When its parts came.
    pub(super) marks: Marks,
    /// What changed messages were before, with the record that changed them, newest last; kept on demand.
    pub(super) before: VecDeque<(u64, Arc<Message>)>,
}

impl Kept {
    /// Drops the oldest record, with the messages up to it. Gives the bytes that were freed.
    pub(super) fn drop_oldest(&mut self) -> u64 {
        let Some(record) = self.records.front() else {
            return self.messages.pop_front().map_or(0, |message| message.size_bytes() as u64);
        };
        let offset = record.position.offset;
        let mut freed = 0;
        while self.messages.front().is_some_and(|message| message.position.offset <= offset) {
            freed += self.trim_message();
        }
        freed + self.trim_record()
    }

    /// Drops what comes before an offset. Gives the bytes that were freed.
    pub(super) fn drop_before(&mut self, offset: u64) -> u64 {
        let mut freed = 0;
        while self.records.front().is_some_and(|record| record.position.offset < offset) {
            freed += self.drop_oldest();
        }
        while self.messages.front().is_some_and(|message| message.position.offset < offset) {
            freed += self.trim_message();
        }
        freed
    }

    /// Drops the oldest message. Its bytes are freed unless its record holds it still.
    pub(super) fn trim_message(&mut self) -> u64 {
        let Some(message) = self.messages.pop_front() else { return 0 };
        match self.records.front().is_some_and(|record| record.position <= message.position) {
            true => 0,
            false => message.size_bytes() as u64,
        }
    }

    /// Drops the oldest record. The bytes of its message are freed unless that is kept still.
    pub(super) fn trim_record(&mut self) -> u64 {
        let Some(record) = self.records.pop_front() else { return 0 };
        // It is too late to lose it.
        while self.before.front().is_some_and(|(by, _)| *by <= record.position.offset) {
            self.before.pop_front();
        }
        let message = record
            .message()
            .filter(|message| self.messages.front().is_none_or(|oldest| oldest.position > message.position));
        (record.own_bytes() + message.map_or(0, |message| message.size_bytes())) as u64
    }

    pub(super) fn find(&self, offset: u64) -> Option<&Arc<Message>> {
        let at = self.messages.partition_point(|message| message.position.offset < offset);
        if let Some(message) = self.messages.get(at).filter(|message| message.position.offset == offset) {
            return Some(message);
        }
        let at = self.records.partition_point(|record| record.position.offset < offset);
        let record = self.records.get(at).filter(|record| record.position.offset == offset)?;
        record.message()
    }

    /// Changes a message wherever it stands. Gives by how many bytes it grew.
    fn change(&mut self, offset: u64, change: impl FnOnce(&mut Message)) -> i64 {
        let Some(found) = self.find(offset) else { return 0 };
        let before = found.size_bytes() as i64;
        let mut changed = Message::clone(found);
        change(&mut changed);
        let grown = changed.size_bytes() as i64 - before;
        self.put(Arc::new(changed));
        grown
    }

    /// Puts a changed message in the place of what it was.
    pub(super) fn put(&mut self, changed: Arc<Message>) {
        let offset = changed.position.offset;
        let at = self.messages.partition_point(|message| message.position.offset < offset);
        if let Some(message) = self.messages.get_mut(at).filter(|message| message.position.offset == offset) {
            *message = changed.clone();
        }
        let at = self.records.partition_point(|record| record.position.offset < offset);
        if let Some(record) = self.records.get_mut(at).filter(|record| record.position.offset == offset) {
            record.change = Change::Message(changed);
        }
    }

    /// The messages that a record is about to change.
    pub(super) fn about(&self, change: &Change) -> Vec<Arc<Message>> {
        match change {
            Change::Edit { of, .. } | Change::Delete { of, .. } | Change::React { of, .. } => {
                self.find(*of).cloned().into_iter().collect()
            }
            Change::Moderation { act: Moderation::Clear { user }, .. } => {
                let is_meant = |message: &&Arc<Message>| {
                    !message.more.is_deleted && user.as_ref().is_none_or(|user| message.user == *user)
                };
                let messages = self.messages.iter().chain(self.records.iter().filter_map(Record::message));
                let mut found: Vec<Arc<Message>> = messages.filter(is_meant).cloned().collect();
                found.sort_unstable_by_key(|message| message.position);
                found.dedup_by_key(|message| message.position);
                found
            }
            Change::Message(_) | Change::Moderation { .. } | Change::Rename { .. } => Vec::new(),
        }
    }

    /// Folds what a record says into the message that it is about. Gives by how many bytes that grew.
    pub(super) fn fold(&mut self, change: &Change) -> i64 {
        match change {
            Change::Edit { of, text, .. } => self.change(*of, |message| {
                message.text = text.to_string();
                message.more.change().revision += 1;
            }),
            Change::Delete { of, .. } => self.change(*of, delete),
            Change::React { of, user, emoji, add, .. } => self.change(*of, |message| {
                let reactions = &mut message.more.change().reactions;
                let found = reactions.iter_mut().position(|reaction| reaction.emoji == *emoji);
                match (found, add) {
                    (Some(at), true) => reactions[at].users.push(user.clone()),
                    (None, true) => {
                        reactions.push(Reaction { emoji: emoji.clone(), users: vec![user.clone()] });
                    }
                    (Some(at), false) => {
                        reactions[at].users.retain(|other| other != user);
                        reactions.retain(|reaction| !reaction.users.is_empty());
                    }
                    (None, false) => {}
                }
            }),
            Change::Moderation { act: Moderation::Clear { .. }, .. } => {
                let meant = self.about(change).into_iter().map(|message| message.position.offset);
                meant.collect::<Vec<_>>().into_iter().map(|offset| self.change(offset, delete)).sum()
            }
            Change::Message(_) | Change::Moderation { .. } | Change::Rename { .. } => 0,
        }
    }

    /// To where the log went back when it lost a position; `None`: it did not lose it.
    pub(super) fn lost(&self, position: Position) -> Option<Position> {
        self.lost_since(position.epoch).filter(|left| position > *left)
    }

    /// The lowest position to which the log went back since an epoch.
    pub(super) fn lost_since(&self, epoch: u64) -> Option<Position> {
        let later = self.lost.iter().filter(|(began, _)| *began > epoch);
        later.map(|(_, left)| *left).min()
    }

    /// Where the records behind a position begin, if everything behind it is here.
    pub(super) fn start(&self, after: Position) -> Option<usize> {
        let start = self.records.partition_point(|record| record.position <= after);
        let reaches_back = match self.records.get(start) {
            Some(record) => match record.prev {
                Some(prev) => prev == after,
                None => after.offset == 0 && after.epoch == self.born,
            },
            None => after == self.top,
        };
        reaches_back.then_some(start)
    }
}

fn delete(message: &mut Message) {
    message.text = String::new();
    let more = message.more.change();
    more.is_deleted = true;
    more.data = None;
    more.reactions = Vec::new();
}
