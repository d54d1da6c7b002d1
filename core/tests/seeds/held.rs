//! A room as a careful user of `klatsch.v1` holds it: its messages, folded by the rule of positions.

use std::collections::BTreeMap;

use klatsch::Position;
use klatsch::sim::Shown;
use serde_json::Value;

/// A room as this user holds it.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(crate) is_wanted: bool,
    pub(super) is_joined: bool,
    pub(super) at: Option<Position>,
    /// From which offset on it is whole.
    pub(crate) since: u64,
    pub(super) held: BTreeMap<u64, Held>,
    /// What came behind a gap that is being fetched.
    pub(super) later: Vec<Value>,
    pub(super) is_fetching: bool,
}

#[derive(Debug)]
pub(crate) struct Held {
    pub(super) shown: Shown,
    /// Changes up to this offset are in it.
    as_of: u64,
    /// It was shown with so many edits whose records are still to come.
    ahead: u64,
}

impl Room {
    pub(super) fn take_records(&mut self, ok: &Value) {
        let as_of = ok["offset"].as_u64().unwrap_or_default();
        for record in ok["records"].as_array().into_iter().flatten() {
            // Two replies may hold the same records: those that it has are ignored by their positions.
            let mine = self.at.unwrap_or_default();
            let Some(at) = position(record).filter(|at| *at > mine) else { continue };
            if record["on"] == "message" {
                self.hold(&record["message"], as_of);
            }
            self.take(at, record);
        }
    }

    pub(super) fn take(&mut self, at: Position, record: &Value) {
        self.at = Some(at);
        if record["on"] == "message" {
            if !self.held.contains_key(&at.offset) {
                self.hold(&record["message"], at.offset);
            }
        } else if record["on"] == "moderation" {
            for held in self.held.values_mut().filter(|held| held.as_of < at.offset) {
                held.shown.apply(record);
            }
        } else if let Some(held) = record["of"].as_u64().and_then(|of| self.held.get_mut(&of))
            && held.as_of < at.offset
        {
            match record["on"] == "edit" && held.ahead > 0 {
                true => held.ahead -= 1,
                false => held.shown.apply(record),
            }
        }
    }

    pub(super) fn hold(&mut self, message: &Value, as_of: u64) {
        let shown = Shown::of(message).expect("a message has its place and its author");
        // What was missed for a while comes as records, whose messages are shown as they stand.
        let ahead = if as_of == shown.position.offset { shown.revision } else { 0 };
        self.held.insert(shown.position.offset, Held { shown, as_of, ahead });
    }
}

pub(super) fn position(value: &Value) -> Option<Position> {
    Some(Position { epoch: value["epoch"].as_u64()?, offset: value["offset"].as_u64()? })
}

/// Whether the log has lost something that was known here.
pub(super) fn has_rollback(ok: &Value) -> bool {
    ok["records"].as_array().is_some_and(|records| records.iter().any(|record| record["on"] == "rollback"))
}

/// The record before a record.
pub(super) fn before(record: &Value) -> Position {
    let at = position(record).unwrap_or_default();
    match record.get("prev") {
        None => Position { epoch: at.epoch, offset: at.offset - 1 },
        Some(prev) => position(prev).unwrap_or_default(),
    }
}
