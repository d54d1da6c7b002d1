//! Nothing lost, nothing twice: a judge of what `klatsch.v1` lines carry.
//!
//! In: every text on every line, both ways, as it is sent and seen; what the logs are known to have lost; and in the
//! end what is left. Out: the rules of the protocol that were broken. It believes nobody: what a room's log holds is what the
//! lines were shown of it, and two who were shown different things are a fault.

mod ledger;
mod order;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::id::Position;

use super::{LineId, Seen, What};
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
        if let Some(user) = stream.user.clone() {
            note_attempt(&mut self.attempts, &user, &request);
        }
        stream.asked(request);
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
                    if on == "gap" && position_of(&event["from"]).is_some_and(|from| from > at) {
                        let words = format!("{room}: a gap from {} is told at {at}", event["from"]);
                        self.fault(at_ms, Some(line), Rule::NoGap, words);
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
                let found = stream.follow(room, position, event);
                self.record_count += 1;
                match found {
                    Ok(is_repeated) => self.repeated_count += u64::from(is_repeated),
                    Err((rule, words)) => self.fault(at_ms, Some(line), rule, words),
                }
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
            self.learn(at_ms, line, room, record);
        }
        if let Some(end) = end
            && ok["more"] != true
            && at != end
        {
            let words = format!("{room}: the records since {since} end at {at}, the room is at {end}");
            self.fault(at_ms, Some(line), Rule::NoGap, words);
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
            self.learn_message(at_ms, line, room, message);
        }
    }

    fn acknowledged(&mut self, at_ms: u64, line: LineId, room: &str, request: &Value, ok: &Value) {
        let Some(user) = self.lines.get(&line).and_then(|stream| stream.user.clone()) else { return };
        let (Some(mid), Some(position)) = (request["mid"].as_str(), position_of(ok)) else {
            return self.fault(at_ms, Some(line), Rule::Form, format!("{request} was answered {ok}"));
        };
        if request["to"].is_string()
            && !self.lines.get(&line).is_some_and(|stream| stream.rooms.contains_key(room))
        {
            let words = format!("{room}: one who wrote there was not told of it");
            self.fault(at_ms, Some(line), Rule::NoGap, words);
        }
        let kind = kind_of(request);
        // A reaction that is there already has no record of its own, and is answered with the room's newest position.
        if kind == "react" && ok["duplicate"] == true {
            return;
        }
        // A direct room's name is known by now.
        let attempt = self.attempts.entry((user.clone(), room.to_owned(), mid.to_owned())).or_default();
        attempt.kind = kind.to_owned();
        let other = attempt.acknowledged.iter().map(|(_, at)| *at).find(|at| *at != position);
        if !attempt.acknowledged.iter().any(|(_, at)| *at == position) {
            attempt.acknowledged.push((at_ms, position));
        }
        let ledger = self.rooms.entry(room.to_owned()).or_default();
        if let Some(other) = other
            && !ledger.is_lost(other)
            && !ledger.is_lost(position)
        {
            let words = format!("{room}: {mid} of {user} was acknowledged at {other} and at {position}");
            self.fault(at_ms, Some(line), Rule::NothingTwice, words);
        }
        let ledger = self.rooms.entry(room.to_owned()).or_default();
        if let Err((rule, words)) = ledger.learn(position, kind, Some(&user), Some(mid)) {
            self.fault(at_ms, Some(line), rule, format!("{room}: {words}"));
        }
    }

    fn learn(&mut self, at_ms: u64, line: LineId, room: &str, record: &Value) {
        let on = record["on"].as_str().unwrap_or_default();
        if on == "message" {
            return self.learn_message(at_ms, line, room, &record["message"]);
        }
        let Some(position) = position_of(record) else { return };
        let (user, mid) = (record["user"].as_str(), record["mid"].as_str());
        let ledger = self.rooms.entry(room.to_owned()).or_default();
        let learned = ledger.learn(position, on, user, mid);
        ledger.note_change(position, record);
        if let Err((rule, words)) = learned {
            self.fault(at_ms, Some(line), rule, format!("{room}: {words}"));
        }
        if let (Some(user), Some(mid)) = (user, mid) {
            self.check_attempted(at_ms, line, room, user, mid);
        }
        let act = record["act"].as_str().unwrap_or_default();
        if on == "moderation" && !self.acts.contains(&(room.to_owned(), act.to_owned())) {
            self.fault(at_ms, Some(line), Rule::NoPhantom, format!("{room}: nobody wanted {record}"));
        }
    }

    fn learn_message(&mut self, at_ms: u64, line: LineId, room: &str, message: &Value) {
        let Some(position) = position_of(message) else {
            return self.fault(at_ms, Some(line), Rule::Form, format!("{room}: {message}"));
        };
        let (user, mid) = (message["user"].as_str(), message["mid"].as_str());
        let ledger = self.rooms.entry(room.to_owned()).or_default();
        let learned = ledger.learn(position, "message", user, mid);
        ledger.note_message(position, message);
        if let Err((rule, words)) = learned {
            self.fault(at_ms, Some(line), rule, format!("{room}: {words}"));
        }
        if let Some(text) = message["text"].as_str()
            && !self.texts.contains(text)
        {
            self.fault(at_ms, Some(line), Rule::NoPhantom, format!("{room}: nobody said {text:?}"));
        }
        if let (Some(user), Some(mid)) = (user, mid) {
            self.check_attempted(at_ms, line, room, user, mid);
        }
    }

    fn check_attempted(&mut self, at_ms: u64, line: LineId, room: &str, user: &str, mid: &str) {
        let of_mid = |(by, place, known): &(String, String, String)| {
            by == user && known == mid && (place == room || place.is_empty())
        };
        let key = (user.to_owned(), room.to_owned(), mid.to_owned());
        // A user's lines may be asked before their hello is answered, and then be cut.
        let is_pending = || self.lines.values().any(|stream| stream.has_asked_under(mid));
        if !self.attempts.contains_key(&key) && !self.attempts.keys().any(of_mid) && !is_pending() {
            let words = format!("{room}: {user} asked for nothing under {mid}");
            self.fault(at_ms, Some(line), Rule::NoPhantom, words);
        }
    }

    /// Judges what a client holds of a room, or what its history is: messages, ascending. `since`: from which offset on
    /// it is said to be whole.
    pub fn compare(&mut self, at_ms: u64, whose: &str, room: &str, since: u64, messages: &[Shown]) {
        let ledger = self.rooms.entry(room.to_owned()).or_default();
        let faults = ledger.compare(whose, since, messages);
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

fn note_attempt(attempts: &mut BTreeMap<(String, String, String), Attempt>, user: &str, request: &Value) {
    if let Some(mid) = request["mid"].as_str() {
        // Without a room it goes to a user, in a room whose name is not known yet.
        let room = request["room"].as_str().unwrap_or_default();
        let attempt = attempts.entry((user.to_owned(), room.to_owned(), mid.to_owned())).or_default();
        attempt.kind = kind_of(request).to_owned();
    }
}

/// What the record of a request is called.
fn kind_of(request: &Value) -> &str {
    match request["do"].as_str() {
        Some("send") => "message",
        Some(kind) => kind,
        None => "",
    }
}

fn position_of(value: &Value) -> Option<Position> {
    Some(Position { epoch: value["epoch"].as_u64()?, offset: value["offset"].as_u64()? })
}

const MAX_FAULTS: usize = 100;

#[cfg(test)]
mod tests;
