//! What is known of one room's log, from everything that anybody was shown of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::id::Position;

use super::{Rule, position_of};

/// A message as somebody holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Where it stands.
    pub position: Position,
    /// Its author's id.
    pub user: String,
    /// Its author's id for it.
    pub mid: Option<String>,
    /// What it says; `None`: it was deleted.
    pub text: Option<String>,
    /// How many times it was edited.
    pub revision: u64,
    /// Who put which emoji there.
    pub reactions: BTreeMap<String, BTreeSet<String>>,
}

impl Shown {
    /// Reads a message of the protocol; `None`: it is none.
    pub fn of(message: &Value) -> Option<Shown> {
        let reactions = message["reactions"].as_object().into_iter().flatten();
        let users = |users: &Value| -> BTreeSet<String> {
            users.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Some(Shown {
            position: position_of(message)?,
            user: message["user"].as_str()?.to_owned(),
            mid: message["mid"].as_str().map(str::to_owned),
            text: message["text"].as_str().map(str::to_owned),
            revision: message["revision"].as_u64().unwrap_or_default(),
            reactions: reactions
                .map(|(emoji, list)| (emoji.clone(), users(list)))
                .filter(|(_, users)| !users.is_empty())
                .collect(),
        })
    }

    /// Applies a record of the protocol that changes it: an edit, a deletion, a reaction to it, or that it is cleared with
    /// others.
    pub fn apply(&mut self, change: &Value) {
        let (user, text) = (change["user"].as_str().unwrap_or_default(), change["text"].as_str());
        match change["on"].as_str().unwrap_or_default() {
            "edit" => {
                self.text = text.map(str::to_owned);
                self.revision += 1;
            }
            "delete" => {
                self.text = None;
                self.reactions.clear();
            }
            "react" => {
                let emoji = change["emoji"].as_str().unwrap_or_default().to_owned();
                let users = self.reactions.entry(emoji.clone()).or_default();
                match change["add"] == true {
                    true => drop(users.insert(user.to_owned())),
                    false => drop(users.remove(user)),
                }
                if users.is_empty() {
                    self.reactions.remove(&emoji);
                }
            }
            "moderation"
                if change["act"] == "clear"
                    && change["user"].as_str().is_none_or(|user| user == self.user) =>
            {
                self.text = None;
                self.reactions.clear();
            }
            _ => {}
        }
    }
}

/// One room's log.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Everything that was ever shown or acknowledged, also what the log has lost since.
    known: BTreeMap<u64, Known>,
    /// The log has lost what came after the first of two positions, up to the second.
    pub(super) losses: Vec<(Position, Position)>,
    /// What stands in the log in the end.
    last: BTreeMap<u64, Position>,
    folded: BTreeMap<u64, Shown>,
    /// From which offset on messages are kept.
    first: u64,
}

#[derive(Debug)]
struct Known {
    position: Position,
    kind: String,
    user: Option<String>,
    mid: Option<String>,
    /// A message as it was when it was said.
    original: Option<Shown>,
    /// Another record.
    change: Option<Value>,
}

type Broken = (Rule, String);

impl Ledger {
    pub(super) fn has(&self, offset: u64) -> bool {
        self.known.contains_key(&offset)
    }

    /// Somebody was shown that a record of that kind, user and `mid` stands there, or was told so in a reply.
    pub(super) fn learn(
        &mut self,
        position: Position,
        kind: &str,
        user: Option<&str>,
        mid: Option<&str>,
    ) -> Result<(), Broken> {
        let known = self.known.entry(position.offset).or_insert_with(|| Known {
            position,
            kind: kind.to_owned(),
            user: user.map(str::to_owned),
            mid: mid.map(str::to_owned),
            original: None,
            change: None,
        });
        if known.position == position
            && known.kind == kind
            && known.user.as_deref() == user
            && known.mid.as_deref() == mid
        {
            return Ok(());
        }
        let of = |user: Option<&str>, mid: Option<&str>| {
            format!("{} of {}", mid.unwrap_or("nothing"), user.unwrap_or("the host"))
        };
        let words = format!(
            "{} is {} {} at {}, and {kind} {} at {position}",
            position.offset,
            known.kind,
            of(known.user.as_deref(), known.mid.as_deref()),
            known.position,
            of(user, mid)
        );
        Err((Rule::OneRecordPerOffset, words))
    }

    /// A message was shown. As it was said, if nobody has changed it since.
    pub(super) fn note_message(&mut self, position: Position, message: &Value) {
        let is_original = message["revision"].as_u64().unwrap_or_default() == 0
            && message["deleted"] != true
            && message["reactions"].as_object().is_none_or(serde_json::Map::is_empty);
        if let Some(known) = self.known.get_mut(&position.offset)
            && known.original.is_none()
            && is_original
        {
            known.original = Shown::of(message);
        }
    }

    pub(super) fn note_change(&mut self, position: Position, record: &Value) {
        if let Some(known) = self.known.get_mut(&position.offset)
            && known.change.is_none()
        {
            known.change = Some(record.clone());
        }
    }

    /// Whether the log is known to have lost what stood there.
    pub(super) fn is_lost(&self, position: Position) -> bool {
        self.losses.iter().any(|(to, top)| (to.offset + 1..=top.offset).contains(&position.offset))
    }

    /// Whether it stands there in the end, or stood there before the log began.
    pub(super) fn stands(&self, position: Position) -> bool {
        let is_trimmed = self.last.first_key_value().is_none_or(|(&first, _)| position.offset < first);
        self.last.get(&position.offset) == Some(&position) || is_trimmed && !self.last.is_empty()
    }

    /// Judges the log in the end, whole and folded.
    pub(super) fn judge(&mut self, records: &[Value], messages: &[Value], kept_count: u64) -> Vec<Broken> {
        let mut faults = Vec::new();
        let mut at: Option<Position> = None;
        let mut placed: BTreeMap<(String, String), u64> = BTreeMap::new();
        for record in records {
            let Some(position) = position_of(record) else { continue };
            if let Some(at) = at
                && let Err(fault) = super::stream::follows("the log", at, position, record)
            {
                faults.push(fault);
            }
            at = Some(position);
            self.last.insert(position.offset, position);
            let of = if record["on"] == "message" { &record["message"] } else { record };
            if let (Some(user), Some(mid)) = (of["user"].as_str(), of["mid"].as_str())
                && let Some(first) = placed.insert((user.to_owned(), mid.to_owned()), position.offset)
            {
                let words = format!("{mid} of {user} stands at {first} and at {}", position.offset);
                faults.push((Rule::NothingTwice, words));
            }
        }
        self.folded =
            messages.iter().filter_map(Shown::of).map(|shown| (shown.position.offset, shown)).collect();
        let said = self.known.values().filter(|known| known.kind == "message").count() as u64;
        let is_trimmed = said >= kept_count;
        self.first = match (is_trimmed, self.folded.first_key_value(), self.last.first_key_value()) {
            (true, Some((&first, _)), _) | (_, _, Some((&first, _))) => first,
            _ => u64::MAX,
        };
        faults.extend(self.judge_known());
        faults.extend(self.judge_folds());
        faults
    }

    /// What anybody was shown stands in the log, or is lost for a known reason.
    fn judge_known(&self) -> Vec<Broken> {
        let gone = |known: &&Known| !self.stands(known.position) && !self.is_lost(known.position);
        let words = |known: &Known| {
            let mid = known.mid.as_deref().unwrap_or("nothing");
            format!("{} {mid} was shown at {}, where there is nothing of it now", known.kind, known.position)
        };
        self.known.values().filter(gone).map(|known| (Rule::NothingLost, words(known))).collect()
    }

    /// Messages are what was said, with all that was changed since.
    fn judge_folds(&self) -> Vec<Broken> {
        let mut expected: BTreeMap<u64, Shown> = BTreeMap::new();
        for known in self.known.values().filter(|known| self.last.contains_key(&known.position.offset)) {
            if let Some(original) = &known.original {
                expected.insert(known.position.offset, original.clone());
            }
            if let Some(change) = &known.change {
                match change["of"].as_u64() {
                    Some(of) => expected.get_mut(&of).into_iter().for_each(|message| message.apply(change)),
                    None => expected.values_mut().for_each(|message| message.apply(change)),
                }
            }
        }
        let mut faults = Vec::new();
        for (offset, expected) in expected.range(self.first..) {
            match self.folded.get(offset) {
                Some(shown) if shown == expected => {}
                shown => {
                    faults.push((Rule::SameForAll, format!("by its records {expected:?}; folded {shown:?}")))
                }
            }
        }
        faults
    }

    /// Judges what somebody holds, after [`judge`](Ledger::judge).
    /// What is of those who are `hidden` may be there or not, and as it was once.
    pub(super) fn compare(
        &self,
        whose: &str,
        since: u64,
        messages: &[Shown],
        hidden: &BTreeSet<String>,
    ) -> Vec<Broken> {
        let seen = |message: &Shown| {
            let mut seen = message.clone();
            if !hidden.is_empty() {
                let is_author = hidden.contains(&message.user);
                seen.reactions.retain(|_, users| {
                    users.retain(|user| !hidden.contains(user));
                    !users.is_empty() && !is_author
                });
                if is_author {
                    (seen.text, seen.revision) = (None, 0);
                }
            }
            seen
        };
        let since = since.max(self.first);
        let mut held: BTreeMap<u64, &Shown> = BTreeMap::new();
        let mut faults = Vec::new();
        let mut last = 0;
        for message in messages {
            let offset = message.position.offset;
            if held.insert(offset, message).is_some() {
                faults.push((Rule::NothingTwice, format!("{whose} holds {offset} twice")));
            } else if offset < last {
                faults.push((Rule::SameForAll, format!("{whose} holds {offset} behind {last}")));
            }
            last = offset;
        }
        for (offset, folded) in self.folded.range(since..) {
            match held.remove(offset) {
                Some(message) if message == folded || seen(message) == seen(folded) => {}
                None if hidden.contains(&folded.user) => {}
                Some(message) => {
                    faults.push((Rule::SameForAll, format!("{whose} holds {message:?}; it is {folded:?}")));
                }
                None => faults.push((Rule::NothingLost, format!("{whose} does not hold {folded:?}"))),
            }
        }
        for (offset, message) in held.range(self.first..) {
            if !self.folded.contains_key(offset) {
                faults.push((Rule::RollbackIsSaid, format!("{whose} holds {message:?}, which is not there")));
            }
        }
        faults
    }
}
