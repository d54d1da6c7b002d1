//! Nothing lost, nothing twice: a judge of what `klatsch.v1` lines carry.
//!
//! In: every text on every line, both ways, as it is sent and seen; what the logs are known to have lost; and in the
//! end what is left. Out: the rules of the protocol that were broken. It believes nobody: what a room's log holds is what the
//! lines were shown of it, and two who were shown different things are a fault.

mod changes;
mod hidden;
mod ledger;
mod order;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::id::Position;

use super::{LineId, Seen, What};
use changes::note_attempt;
use hidden::{Hidden, Skip};
use ledger::Ledger;
use stream::Stream;

pub use ledger::Shown;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When, by [`Sim::now_ms`](super::Sim::now_ms).
    pub at_ms: u64,
    /// On which line; `None`: in what is left at the end.
    pub line: Option<LineId>,
    /// Which rule.
    pub rule: Rule,
    /// What happened, in words.
    pub words: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms, ", self.at_ms)?;
        match self.line {
            Some(line) => write!(f, "{line}: ")?,
            None => write!(f, "in the end: ")?,
        }
        write!(f, "{}: {}", self.rule.words(), self.words)
    }
}

/// What was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// What was acknowledged stands in the log.
    NothingLost,
    /// What was sent once stands there once.
    NothingTwice,
    /// What is shown was sent by somebody.
    NoPhantom,
    /// No record is left out in silence.
    NoGap,
    /// An offset is one record's for ever.
    OneRecordPerOffset,
    /// What the log has lost is said.
    RollbackIsSaid,
    /// Edits, deletions and reactions are the same for all.
    SameForAll,
    /// What the host and moderators decide holds, and nobody else decides.
    OrderHolds,
    /// What is of somebody who is blocked is not shown.
    BlockedIsHidden,
    /// Texts are of the protocol's form.
    Form,
}

impl Rule {
    /// In a few words.
    pub const fn words(self) -> &'static str {
        match self {
            Rule::NothingLost => "nothing is lost",
            Rule::NothingTwice => "nothing happens twice",
            Rule::NoPhantom => "nobody is shown what nobody sent",
            Rule::NoGap => "no record is left out in silence",
            Rule::OneRecordPerOffset => "an offset is one record's for ever",
            Rule::RollbackIsSaid => "what the log has lost is said",
            Rule::SameForAll => "everybody sees the same",
            Rule::OrderHolds => "what moderators decide holds",
            Rule::BlockedIsHidden => "who is blocked is not heard",
            Rule::Form => "texts have the protocol's form",
        }
    }
}

/// Watches `klatsch.v1` lines and judges.
///
/// A [`Sim`](super::Sim) that [watches](super::Sim::watch) feeds one by itself.
#[derive(Debug, Default)]
pub struct Checker {
    lines: BTreeMap<LineId, Stream>,
    rooms: BTreeMap<String, Ledger>,
    /// What users asked for under a `mid`, by user, room and `mid`.
    attempts: BTreeMap<(String, String, String), Attempt>,
    /// The direct rooms that were told of, and whose they are.
    directs: BTreeMap<String, BTreeSet<String>>,
    /// Who blocks whom.
    hidden: Hidden,
    /// What anybody wanted done in a room, by its name.
    acts: BTreeSet<(String, String)>,
    /// The places of what users were told was done.
    acted: Vec<(String, Position)>,
    /// Every text that anybody wanted said.
    texts: BTreeSet<String>,
    faults: Vec<Fault>,
    record_count: u64,
    repeated_count: u64,
}

/// A change that somebody asked for, perhaps several times.
#[derive(Debug, Default)]
struct Attempt {
    kind: String,
    acknowledged: Vec<(u64, Position)>,
}

impl Checker {
    /// A judge who has seen nothing yet.
    pub fn new() -> Checker {
        Checker::default()
    }

    /// The faults that were found, oldest first; at most 100 are kept.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How many records lines were shown, each counted for each line.
    pub fn record_count(&self) -> u64 {
        self.record_count
    }

    /// How many records lines were shown that they had already: a client ignores them by their positions. Only those that
    /// stand around what is for a line alone may come again, as `protocol-v1.md` says; others are
    /// [faults](Rule::NothingTwice).
    pub fn repeated_count(&self) -> u64 {
        self.repeated_count
    }

    /// How many changes were acknowledged.
    pub fn acknowledged_count(&self) -> u64 {
        self.attempts.values().filter(|attempt| !attempt.acknowledged.is_empty()).count() as u64
    }

    /// The direct rooms of a user, as those who are in them were told.
    pub fn direct_rooms(&self, user: &str) -> Vec<String> {
        self.directs.iter().filter(|(_, users)| users.contains(user)).map(|(room, _)| room.clone()).collect()
    }

    /// Whom a user has ever asked to block: what those said and changed the user may not hold.
    pub fn hidden_from(&self, user: &str) -> BTreeSet<String> {
        self.hidden.ever(user)
    }

    /// The host said this in a room.
    pub fn host_said(&mut self, text: &str) {
        self.texts.insert(text.to_owned());
    }

    /// The host has done this in a room: `act` is the name of a [`Moderation`](crate::Moderation).
    pub fn host_moderated(&mut self, room: &str, act: &str) {
        self.acts.insert((room.to_owned(), act.to_owned()));
    }

    /// The log of a room has lost what came after `to`, up to `top`, which was its newest record.
    pub fn log_lost(&mut self, room: &str, to: Position, top: Position) {
        self.rooms.entry(room.to_owned()).or_default().losses.push((to, top));
    }

    /// A client's end of a line was told to send a text.
    pub fn asked(&mut self, line: LineId, text: &str) {
        let Ok(request) = serde_json::from_str::<Value>(text) else { return };
        if request["do"].is_null() {
            return;
        }
        if let Some(text) = request["text"].as_str() {
            self.texts.insert(text.to_owned());
        }
        if let (Some(room), Some(act)) = (request["room"].as_str(), request["act"].as_str()) {
            self.acts.insert((room.to_owned(), act.to_owned()));
        }
        let stream = self.lines.entry(line).or_default();
        let user = stream.user.clone();
        if request["do"] == "hello" {
            stream.began = self.hidden.count;
        }
        stream.asked(request.clone());
        let Some(user) = user else { return };
        note_attempt(&mut self.attempts, &user, &request);
        if let (Some("block"), Some(other)) = (request["do"].as_str(), request["user"].as_str()) {
            self.hidden.asked(&user, other, request["on"] == true, (line, request["id"].as_u64()));
            for stream in self.lines.values_mut().filter(|stream| stream.user.as_ref() == Some(&user)) {
                stream.hides.remove(other);
            }
        }
    }

    /// A client's end of a line has seen something.
    pub fn told(&mut self, seen: &Seen) {
        let (at_ms, line) = (seen.at_ms, seen.line);
        match &seen.what {
            What::Text(text) => match serde_json::from_str::<Value>(text) {
                Ok(Value::Object(fields)) if fields.is_empty() => {}
                Ok(told) if told["on"].is_string() => self.event(at_ms, line, &told),
                Ok(told) if told["id"].is_u64() => self.reply(at_ms, line, &told),
                Ok(told) if told["error"].is_object() => {}
                _ => self.fault(at_ms, Some(line), Rule::Form, format!("{text:?}")),
            },
            What::Closed { .. } | What::Refused { .. } => drop(self.lines.remove(&line)),
            _ => {}
        }
    }

    fn event(&mut self, at_ms: u64, line: LineId, event: &Value) {
        let on = event["on"].as_str().unwrap_or_default();
        let room = event["room"].as_str().unwrap_or_default();
        let Some(stream) = self.lines.get_mut(&line) else { return };
        let position = position_of(event);
        match (on, position) {
            ("gap" | "rollback", _) => {
                if let (Some(&at), Some(to)) = (stream.rooms.get(room), position_of(&event["to"])) {
                    stream.go_on_from(room, to);
                    let from = position_of(&event["from"]).filter(|from| on == "gap" && *from > at);
                    if let Some(from) = from {
                        let user = stream.user.clone().unwrap_or_default();
                        let words = format!("{room}: a gap from {from} is told at {at}");
                        let skip = Skip { at_ms, line, room: room.to_owned(), user, after: at, to: from };
                        self.skipped(skip, words);
                    }
                }
            }
            ("removed", _) => {
                stream.settle();
                stream.leave(room);
            }
            ("joined", _) => {
                stream.settle();
                if let (Some(user), Some(with)) = (stream.user.clone(), event["with"].as_str()) {
                    self.directs.entry(room.to_owned()).or_default().extend([user, with.to_owned()]);
                }
                let Some(at) = position_of(&event["position"]) else { return };
                let known = stream.rooms.get(room).copied();
                stream.enter(room, at);
                if let Some(known) = known.filter(|known| *known != at) {
                    let words = format!("{room}: one who is there, at {known}, is put there at {at}");
                    self.fault(at_ms, Some(line), Rule::NoGap, words);
                }
            }
            ("tell", _) => stream.settle(),
            (_, Some(position)) => {
                let before = stream.rooms.get(room).copied();
                let found = stream.follow(room, position, event);
                let user = stream.user.clone().unwrap_or_default();
                self.record_count += 1;
                match (found, before, position_of(&event["prev"])) {
                    (Ok(is_repeated), ..) => self.repeated_count += u64::from(is_repeated),
                    (Err((Rule::NoGap, words)), Some(after), prev) => {
                        let before = Position { offset: position.offset.saturating_sub(1), ..position };
                        let to = prev.unwrap_or(before);
                        self.skipped(Skip { at_ms, line, room: room.to_owned(), user, after, to }, words);
                    }
                    (Err((rule, words)), ..) => self.fault(at_ms, Some(line), rule, words),
                }
                self.check_hidden(at_ms, line, room, event);
                self.learn(at_ms, line, room, event);
            }
            _ => {}
        }
    }

    fn reply(&mut self, at_ms: u64, line: LineId, reply: &Value) {
        let Some(stream) = self.lines.get_mut(&line) else { return };
        stream.settle();
        let id = reply["id"].as_u64().unwrap_or_default();
        let Some(request) = stream.answered(id) else {
            return self.fault(
                at_ms,
                Some(line),
                Rule::Form,
                format!("a reply to {id}, which was not asked: {reply}"),
            );
        };
        let Some(ok) = reply.get("ok") else { return };
        let room = request["room"].as_str().or(ok["room"].as_str()).unwrap_or_default().to_owned();
        match request["do"].as_str().unwrap_or_default() {
            "hello" => self.hello(at_ms, line, &request, ok),
            "join" => self.enter(at_ms, line, &room, position_of(&request["since"]), ok),
            "leave" => stream.leave(&room),
            "block" => {
                let (Some(user), Some(other)) = (stream.user.clone(), request["user"].as_str()) else {
                    return;
                };
                // The last one asked counts, on whichever line.
                if request["on"] == true && self.hidden.is_last(&user, other, (line, Some(id))) {
                    stream.hides.insert(other.to_owned());
                    self.hidden.done(&user, other, true);
                }
            }
            "moderate" => {
                let Some(position) = position_of(ok) else {
                    let words = format!("{request} was answered {ok}");
                    return self.fault(at_ms, Some(line), Rule::Form, words);
                };
                let learned = self.rooms.entry(room.clone()).or_default().learn(
                    position,
                    "moderation",
                    request["user"].as_str(),
                    None,
                );
                self.acted.push((room.clone(), position));
                if let Err((rule, words)) = learned {
                    self.fault(at_ms, Some(line), rule, format!("{room}: {words}"));
                }
            }
            "send" | "edit" | "delete" | "react" => self.acknowledged(at_ms, line, &room, &request, ok),
            "history" => {
                let after = request["after"].as_u64();
                self.page(at_ms, line, &room, after, ok);
            }
            _ => {}
        }
    }

    fn hello(&mut self, at_ms: u64, line: LineId, request: &Value, ok: &Value) {
        let Some(stream) = self.lines.get_mut(&line) else { return };
        let user = ok["user"].as_str().unwrap_or_default().to_owned();
        stream.user = Some(user.clone());
        // Another line may have been told meanwhile what was not so yet when this one was answered.
        stream.hides = self.hidden.sure(&user, stream.began);
        // What was asked behind it, before it was known who asks.
        for request in stream.requests() {
            note_attempt(&mut self.attempts, &user, request);
        }
        if let Value::Object(rooms) = &ok["rooms"] {
            for (room, entered) in rooms.iter().filter(|(_, entered)| entered["error"].is_null()) {
                let since = position_of(&request["resume"]["rooms"][room]);
                self.enter(at_ms, line, room, since, entered);
            }
        }
    }

    /// A line is in a room from a position on, and is shown what was there before.
    fn enter(&mut self, at_ms: u64, line: LineId, room: &str, since: Option<Position>, ok: &Value) {
        let Some(stream) = self.lines.get_mut(&line) else { return };
        let Some(at) = position_of(ok) else {
            return self.fault(
                at_ms,
                Some(line),
                Rule::Form,
                format!("{room} is entered at no position: {ok}"),
            );
        };
        stream.enter(room, at);
        let recovered = ok["recovered"] == true;
        if recovered {
            match since {
                Some(since) => self.records(at_ms, line, room, since, Some(at), ok),
                None => {
                    let words = format!("{room} was recovered from no position");
                    self.fault(at_ms, Some(line), Rule::Form, words);
                }
            }
        }
        self.messages(at_ms, line, room, ok);
    }

    fn page(&mut self, at_ms: u64, line: LineId, room: &str, after: Option<u64>, ok: &Value) {
        if let Some(offset) = after
            && ok["records"].is_array()
        {
            let since = ok["records"][0]["prev"].clone();
            let since = position_of(&since).unwrap_or(Position { epoch: 0, offset });
            if since.offset != offset && self.reaches_back(room, offset) {
                let words = format!("{room}: the records after {offset} begin after {}", since.offset);
                self.fault(at_ms, Some(line), Rule::NoGap, words);
            }
            self.records(at_ms, line, room, since, None, ok);
        }
        self.messages(at_ms, line, room, ok);
    }

    /// Whether the log was never shown to begin later.
    fn reaches_back(&self, room: &str, offset: u64) -> bool {
        self.rooms.get(room).is_some_and(|ledger| ledger.losses.is_empty() && ledger.has(offset))
    }

    /// Records of a list, from a position on, up to `end` unless there is more.
    fn records(
        &mut self,
        at_ms: u64,
        line: LineId,
        room: &str,
        since: Position,
        end: Option<Position>,
        ok: &Value,
    ) {
        let mut at = since;
        for record in ok["records"].as_array().into_iter().flatten() {
            if record["on"] == "rollback" {
                at = position_of(&record["to"]).unwrap_or(at);
                continue;
            }
            let Some(position) = position_of(record) else {
                return self.fault(at_ms, Some(line), Rule::Form, format!("{room}: {record}"));
            };
            let mut found = None;
            if at.epoch != 0
                && let Err(fault) = stream::follows(room, at, position, record)
            {
                found = Some(fault);
            }
            if let Some((rule, words)) = found {
                self.fault(at_ms, Some(line), rule, format!("in a list of records: {words}"));
            }
            at = position;
            self.record_count += 1;
            self.check_hidden(at_ms, line, room, record);
            self.learn(at_ms, line, room, record);
        }
        if let Some(end) = end
            && ok["more"] != true
            && at != end
        {
            let words = format!("{room}: the records since {since} end at {at}, the room is at {end}");
            let user = self.lines.get(&line).and_then(|stream| stream.user.clone()).unwrap_or_default();
            self.skipped(Skip { at_ms, line, room: room.to_owned(), user, after: at, to: end }, words);
        }
    }

    /// Messages of a page.
    fn messages(&mut self, at_ms: u64, line: LineId, room: &str, ok: &Value) {
        let mut last = 0;
        for message in ok["messages"].as_array().into_iter().flatten() {
            let offset = message["offset"].as_u64().unwrap_or_default();
            if offset <= last {
                let words = format!("{room}: {offset} comes behind {last} in a page");
                self.fault(at_ms, Some(line), Rule::SameForAll, words);
            }
            last = offset;
            self.check_hidden(at_ms, line, room, &json!({"on": "message", "message": message}));
            self.learn_message(at_ms, line, room, message);
        }
    }

    /// Somebody was not shown something, which is a fault unless it is of those whom they block.
    fn skipped(&mut self, skip: Skip, words: String) {
        let (at_ms, line) = (skip.at_ms, skip.line);
        if !self.hidden.skip(skip) {
            self.fault(at_ms, Some(line), Rule::NoGap, words);
        }
    }

    /// What is of somebody who is blocked for sure is not shown.
    fn check_hidden(&mut self, at_ms: u64, line: LineId, room: &str, record: &Value) {
        if let Some(stream) = self.lines.get(&line)
            && let Some(author) = hidden::author(record)
            && stream.hides.contains(author)
        {
            let words = format!("{room}: {record} is shown to one who blocks {author}");
            self.fault(at_ms, Some(line), Rule::BlockedIsHidden, words);
        }
    }

    /// Judges what a client holds of a room, or what its history is: messages, ascending. `since`: from which offset on
    /// it is said to be whole, but for what those said and changed who are [hidden](Checker::hidden_from).
    pub fn compare(
        &mut self,
        at_ms: u64,
        whose: &str,
        room: &str,
        since: u64,
        messages: &[Shown],
        hidden: &BTreeSet<String>,
    ) {
        let ledger = self.rooms.entry(room.to_owned()).or_default();
        let faults = ledger.compare(whose, since, messages, hidden);
        for (rule, words) in faults {
            self.fault(at_ms, None, rule, format!("{room}: {words}"));
        }
    }

    /// Judges a room in the end. `records`: its whole log, ascending, as `history` gives it from its first record on;
    /// `messages`: the same folded; `kept_count`: how many messages
    /// of a room are kept.
    pub fn judge(&mut self, at_ms: u64, room: &str, records: &[Value], messages: &[Value], kept_count: u64) {
        let ledger = self.rooms.entry(room.to_owned()).or_default();
        let mut faults = ledger.judge(records, messages, kept_count);
        for ((user, place, mid), attempt) in self.attempts.iter().filter(|((_, place, _), _)| place == room) {
            debug_assert_eq!(place, room);
            for (_, position) in &attempt.acknowledged {
                if !ledger.stands(*position) && !ledger.is_lost(*position) {
                    let words = format!("{} {mid} of {user} was acknowledged at {position}", attempt.kind);
                    faults.push((Rule::NothingLost, format!("{words}, where there is nothing of it")));
                }
            }
        }
        for (_, position) in self.acted.iter().filter(|(place, _)| place == room) {
            if !ledger.stands(*position) && !ledger.is_lost(*position) {
                let words = format!("an act was acknowledged at {position}, where there is nothing of it");
                faults.push((Rule::NothingLost, words));
            }
        }
        for skip in self.hidden.skips.extract_if(.., |skip| skip.room == room).collect::<Vec<_>>() {
            if let Some(record) = skip.wrong(records, &self.hidden.ever(&skip.user)) {
                let words = format!("between {} and {} {record} is left out", skip.after, skip.to);
                self.faults.push(Fault {
                    at_ms: skip.at_ms,
                    line: Some(skip.line),
                    rule: Rule::NoGap,
                    words: format!("{room}: {words}"),
                });
            }
        }
        // What is lost was in force all the same.
        if ledger.losses.is_empty() {
            faults.extend(order::judge(records));
        }
        for (rule, words) in faults {
            self.fault(at_ms, None, rule, format!("{room}: {words}"));
        }
    }

    /// The rooms' logs could not be read in the end.
    pub(super) fn unread(&mut self, at_ms: u64, rooms: &[&str], why: &str) {
        let words = format!("the logs of {} cannot be read: {why}", rooms.join(", "));
        self.fault(at_ms, None, Rule::NothingLost, words);
    }

    fn fault(&mut self, at_ms: u64, line: Option<LineId>, rule: Rule, words: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault { at_ms, line, rule, words });
        }
    }
}

fn position_of(value: &Value) -> Option<Position> {
    Some(Position { epoch: value["epoch"].as_u64()?, offset: value["offset"].as_u64()? })
}

const MAX_FAULTS: usize = 100;

#[cfg(test)]
mod tests;
