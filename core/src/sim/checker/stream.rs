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
    open: BTreeMap<u64, Value>,
    mids: BTreeSet<String>,
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

    /// A record has come. Gives whether it is one that the line had already, as one that lagged may be shown again:
    /// its position says so, and it is to be ignored.
    pub(super) fn follow(
        &mut self,
        room: &str,
        position: Position,
        event: &Value,
    ) -> Result<bool, (Rule, String)> {
        let Some(at) = self.rooms.get_mut(room) else {
            return Err((Rule::NoPhantom, format!("{room}: {position} is shown to one who is not there")));
        };
        if position <= *at {
            return Ok(true);
        }
        let before = std::mem::replace(at, position);
        follows(room, before, position, event).map(|()| false)
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
