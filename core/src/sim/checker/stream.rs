//! What one line was told, and whether nothing was left out of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::id::Position;

use super::{Rule, position_of};

/// A line that speaks `klatsch.v1`.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Whose it is, once `hello` was answered.
    pub(super) user: Option<String>,
    /// The rooms it is in, and the newest record that it has.
    pub(super) rooms: BTreeMap<String, Position>,
    /// What it was shown of each room as it happened, and not in a reply.
    told: BTreeMap<String, Told>,
    /// The rooms out of which its user was taken, as a record there says, before it was told to be out.
    expelled: BTreeSet<String>,
    /// Whom its user blocks for sure.
    pub(super) hides: BTreeSet<String>,
    /// How many replies to `block` there were before its `hello`.
    pub(super) began: u64,
    open: BTreeMap<u64, Value>,
    mids: BTreeSet<String>,
}

/// What a line was shown of a room as it happened.
#[derive(Debug, Default)]
struct Told {
    /// The newest record.
    newest: Position,
    /// The newest one before something came that was for the line alone.
    settled: Position,
    /// Up to where records come again.
    again: Option<Position>,
}

impl Stream {
    pub(super) fn asked(&mut self, request: Value) {
        if let Some(mid) = request["mid"].as_str() {
            self.mids.insert(mid.to_owned());
        }
        if let Some(id) = request["id"].as_u64() {
            self.open.insert(id, request);
        }
    }

    pub(super) fn answered(&mut self, id: u64) -> Option<Value> {
        self.open.remove(&id)
    }

    /// What was asked and is not answered, in the order of its numbers.
    pub(super) fn requests(&self) -> impl Iterator<Item = &Value> {
        self.open.values()
    }

    pub(super) fn has_asked_under(&self, mid: &str) -> bool {
        self.mids.contains(mid)
    }

    /// The line is in a room, and has what happened there up to `at`.
    pub(super) fn enter(&mut self, room: &str, at: Position) {
        self.rooms.insert(room.to_owned(), at);
        self.expelled.remove(room);
        self.told.entry(room.to_owned()).or_default().again = None;
    }

    /// The line is in a room no longer.
    pub(super) fn leave(&mut self, room: &str) {
        self.rooms.remove(room);
        self.expelled.remove(room);
    }

    /// The log of a room went back, or the line was told to go on behind a gap: what comes next stands behind `to`.
    pub(super) fn go_on_from(&mut self, room: &str, to: Position) {
        if let Some(at) = self.rooms.get_mut(room) {
            *at = to;
            self.told.insert(room.to_owned(), Told { newest: to, settled: to, again: None });
        }
    }

    /// Something has come that was for the line alone.
    pub(super) fn settle(&mut self) {
        self.told.values_mut().for_each(|told| told.settled = told.newest);
    }

    /// A record has come. Gives whether it is one that the line had already: its position says so, and it is to be
    /// ignored.
    ///
    /// To a line that reads slowly records may come again around what is for it alone, as a reply is: those that this
    /// has overtaken, and those that it was just behind. They come in order, with nothing left out, up to the new ones.
    pub(super) fn follow(
        &mut self,
        room: &str,
        position: Position,
        event: &Value,
    ) -> Result<bool, (Rule, String)> {
        let Some(at) = self.rooms.get_mut(room) else {
            return Err((Rule::NoPhantom, format!("{room}: {position} is shown to one who is not there")));
        };
        let told = self.told.entry(room.to_owned()).or_default();
        let again = std::mem::replace(&mut told.again, Some(position).filter(|_| position < *at));
        let newest = told.newest;
        told.newest = position.max(newest);
        // What comes again ends before the newest that it has where that is hidden from it.
        if let Some(again) = again.filter(|_| position <= *at) {
            return follows(room, again, position, event).map(|()| true);
        }
        if position > *at {
            if self.expelled.contains(room) {
                return Err((
                    Rule::OrderHolds,
                    format!("{room}: {position} is shown to one who was taken out"),
                ));
            }
            if matches!(event["act"].as_str(), Some("kick" | "ban"))
                && event["user"].as_str() == self.user.as_deref()
            {
                self.expelled.insert(room.to_owned());
            }
            let before = std::mem::replace(at, position);
            return follows(room, before, position, event).map(|()| false);
        }
        match position > newest || position <= told.settled {
            true => Ok(true),
            false => Err((Rule::NothingTwice, format!("{room}: {position} comes again behind {newest}"))),
        }
    }
}

/// Whether a record is the next one.
pub(super) fn follows(
    room: &str,
    at: Position,
    position: Position,
    record: &Value,
) -> Result<(), (Rule, String)> {
    let prev = match record.get("prev") {
        None => Position { epoch: position.epoch, offset: position.offset.saturating_sub(1) },
        Some(prev) => position_of(prev).unwrap_or_default(),
    };
    // The first record of all follows the empty log, whose epoch it may not name.
    if prev == at || prev.offset == 0 && at.offset == 0 {
        return Ok(());
    }
    let rule = match () {
        () if position <= at => Rule::NothingTwice,
        () if prev > at => Rule::NoGap,
        () => Rule::RollbackIsSaid,
    };
    Err((rule, format!("{room}: {position}, which follows {prev}, comes behind {at}")))
}
