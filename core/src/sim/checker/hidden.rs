//! Who blocks whom, and what may be left out for that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::id::Position;

use super::{LineId, position_of};

/// By which request something was asked for.
type Asked = (LineId, Option<u64>);

/// What readers do not want to see.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// Whom a user has ever asked to block: what they said and changed may be missing with the user.
    ever: BTreeMap<String, BTreeSet<String>>,
    /// Whom a user blocks for sure, as a reply says and no request since has called into question; and the how many-th
    /// reply that was.
    sure: BTreeMap<String, BTreeMap<String, u64>>,
    /// The last request of a user about another: on which line, and its id.
    last: BTreeMap<(String, String), Asked>,
    /// How many such replies there were.
    pub(super) count: u64,
    /// What was left out for a user, to be judged when everything is known.
    pub(super) skips: Vec<Skip>,
}

/// Records that a user was not shown, by the `prev` of what came next.
#[derive(Debug)]
pub(super) struct Skip {
    pub(super) at_ms: u64,
    pub(super) line: LineId,
    pub(super) room: String,
    pub(super) user: String,
    pub(super) after: Position,
    pub(super) to: Position,
}

impl Hidden {
    /// A user asks to block another, or no longer to.
    pub(super) fn asked(&mut self, user: &str, other: &str, on: bool, by: Asked) {
        self.last.insert((user.to_owned(), other.to_owned()), by);
        if on {
            self.ever.entry(user.to_owned()).or_default().insert(other.to_owned());
        }
        if let Some(sure) = self.sure.get_mut(user) {
            sure.remove(other);
        }
    }

    /// Whether nothing else was asked for since.
    pub(super) fn is_last(&self, user: &str, other: &str, by: Asked) -> bool {
        self.last.get(&(user.to_owned(), other.to_owned())) == Some(&by)
    }

    /// It is so now.
    pub(super) fn done(&mut self, user: &str, other: &str, on: bool) {
        if on {
            self.count += 1;
            self.sure.entry(user.to_owned()).or_default().insert(other.to_owned(), self.count);
        }
    }

    /// Whom a user has ever asked to block.
    pub(super) fn ever(&self, user: &str) -> BTreeSet<String> {
        self.ever.get(user).cloned().unwrap_or_default()
    }

    /// Whom a user blocked for sure when there were so many replies that say so.
    pub(super) fn sure(&self, user: &str, count: u64) -> BTreeSet<String> {
        let sure = self.sure.get(user).into_iter().flatten().filter(|(_, at)| **at <= count);
        sure.map(|(other, _)| other.clone()).collect()
    }

    /// Notes that a user was not shown what lies between, if that may be because they block somebody; `false`: it may not.
    pub(super) fn skip(&mut self, skip: Skip) -> bool {
        let may_be = self.ever.contains_key(&skip.user) && skip.after < skip.to;
        if may_be {
            self.skips.push(skip);
        }
        may_be
    }
}

impl Skip {
    /// The first of the log's records that was left out and is nobody's who was ever blocked.
    pub(super) fn wrong<'a>(&self, records: &'a [Value], ever: &BTreeSet<String>) -> Option<&'a Value> {
        let is_between = |record: &&Value| {
            position_of(record).is_some_and(|at| at.offset > self.after.offset && at.offset <= self.to.offset)
        };
        let is_shown = |record: &&Value| author(record).is_none_or(|author| !ever.contains(author));
        records.iter().filter(is_between).find(is_shown)
    }
}

/// Whose a record is; `None`: of nobody who can be blocked.
pub(super) fn author(record: &Value) -> Option<&str> {
    match record["on"].as_str()? {
        "message" => record["message"]["user"].as_str(),
        "edit" | "delete" | "react" => record["user"].as_str(),
        _ => None,
    }
}
