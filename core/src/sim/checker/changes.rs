//! Changes: what was asked for, what was acknowledged of it, and what of it is shown.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Attempt, Checker, LineId, Rule, position_of};

impl Checker {
    pub(super) fn acknowledged(&mut self, at_ms: u64, line: LineId, room: &str, request: &Value, ok: &Value) {
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

    pub(super) fn learn(&mut self, at_ms: u64, line: LineId, room: &str, record: &Value) {
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

    pub(super) fn learn_message(&mut self, at_ms: u64, line: LineId, room: &str, message: &Value) {
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
}

pub(super) fn note_attempt(
    attempts: &mut BTreeMap<(String, String, String), Attempt>,
    user: &str,
    request: &Value,
) {
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
