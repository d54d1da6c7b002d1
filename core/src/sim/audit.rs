//! What is left in the end: the logs themselves, asked for over a line like any other.

use serde_json::{Value, json};

use super::{Checker, Fault, LineId, Link, Seen, Sim, V1, What};

impl Sim {
    /// Has every `klatsch.v1` line watched from now on: whatever breaks the protocol's promises is among the
    /// [`faults`](Sim::faults).
    pub fn watch(&mut self) {
        self.checker.get_or_insert_default();
    }

    /// The judge, if lines are [watched](Sim::watch).
    pub fn checker(&mut self) -> Option<&mut Checker> {
        self.checker.as_deref_mut()
    }

    /// What was broken, oldest first.
    pub fn faults(&self) -> &[Fault] {
        self.checker.as_ref().map_or(&[], |checker| checker.faults())
    }

    /// Reads the whole logs of these rooms on a line of its own, those of direct rooms from the engine itself, and judges by
    /// them what was acknowledged and shown. Call it when everybody is back and nothing is under way; then give what your clients hold to
    /// [`compare`](Checker::compare). Gives how many records the rooms have.
    pub fn judge(&mut self, rooms: &[&str]) -> u64 {
        self.watch();
        let line = self.connect("/", &[V1], Link::new());
        let mut auditor = Auditor { line, last_id: 0, others: Vec::new(), last: String::new() };
        let count = auditor.read(self, rooms);
        self.close(line, 1000, "");
        // What others saw meanwhile is still theirs to see.
        for seen in std::mem::take(&mut auditor.others).into_iter().rev() {
            self.seen.push_front(seen);
        }
        if count.is_none() {
            let at_ms = self.now_ms();
            if let Some(checker) = &mut self.checker {
                checker.unread(at_ms, rooms, &auditor.last);
            }
        }
        count.unwrap_or_default()
    }
}

struct Auditor {
    line: LineId,
    last_id: u64,
    /// What other lines have seen.
    others: Vec<Seen>,
    /// What it was told last, where that is no answer.
    last: String,
}

impl Auditor {
    /// `None`: the engine did not answer.
    fn read(&mut self, sim: &mut Sim, rooms: &[&str]) -> Option<u64> {
        while !sim.is_open(self.line) {
            self.next(sim)?;
        }
        self.ask(sim, json!({"do": "hello", "name": "Auditor"}))?;
        let mut count = 0;
        for room in rooms {
            let (records, messages) = match room.starts_with(DIRECT) {
                true => self.direct(sim, room)?,
                false => {
                    self.ask(sim, json!({"do": "join", "room": room, "history": 0}))?;
                    (self.records(sim, room)?, self.messages(sim, room)?)
                }
            };
            count += records.len() as u64;
            let at_ms = sim.now_ms();
            let kept_count = sim.kept_message_count;
            sim.checker.as_mut()?.judge(at_ms, room, &records, &messages, kept_count);
        }
        Some(count)
    }

    /// The log of a room that only its two users may read, and the same folded.
    fn direct(&mut self, sim: &Sim, room: &str) -> Option<(Vec<Value>, Vec<Value>)> {
        let log = sim.shared.with(|hub| hub.whole_log(room)).ok()?;
        self.last = log.as_ref().err().map_or(String::new(), ToString::to_string);
        let list = |json: &[u8], field: &str| {
            let reply: Value = serde_json::from_slice(json).ok()?;
            reply["ok"][field].as_array().cloned()
        };
        let [records, messages] = log.ok()?;
        Some((list(&records, "records")?, list(&messages, "messages")?))
    }

    /// The whole log, as far as it reaches back.
    fn records(&mut self, sim: &mut Sim, room: &str) -> Option<Vec<Value>> {
        let mut all: Vec<Value> = Vec::new();
        let mut after = 0;
        loop {
            let page = self.ask(sim, json!({"do": "history", "room": room, "after": after}))?;
            all.extend(page["records"].as_array()?.iter().cloned());
            match all.last().and_then(|record| record["offset"].as_u64()) {
                Some(last) if page["more"] == true && last > after => after = last,
                _ => return Some(all),
            }
        }
    }

    /// The same, folded.
    fn messages(&mut self, sim: &mut Sim, room: &str) -> Option<Vec<Value>> {
        let mut all: Vec<Value> = Vec::new();
        let mut before = 0;
        loop {
            let request = match before {
                0 => json!({"do": "history", "room": room}),
                _ => json!({"do": "history", "room": room, "before": before}),
            };
            let page = self.ask(sim, request)?;
            let messages = page["messages"].as_array()?.clone();
            let first = messages.first().and_then(|message| message["offset"].as_u64());
            all.splice(0..0, messages);
            match first {
                Some(first) if page["more"] == true && first != before => before = first,
                _ => return Some(all),
            }
        }
    }

    fn ask(&mut self, sim: &mut Sim, mut request: Value) -> Option<Value> {
        self.last_id += 1;
        request["id"] = self.last_id.into();
        sim.send(self.line, &request.to_string());
        loop {
            if let What::Text(text) = self.next(sim)? {
                let told: Value = serde_json::from_str(&text).ok()?;
                if told["id"] == self.last_id {
                    self.last = told["error"].to_string();
                    return told.get("ok").cloned();
                }
            }
        }
    }

    /// What the auditor sees next; `None`: nothing any more.
    fn next(&mut self, sim: &mut Sim) -> Option<What> {
        let until_ms = sim.now_ms() + PATIENCE_MS;
        loop {
            let seen = sim.step(until_ms)?;
            match (seen.line == self.line, &seen.what) {
                (true, What::Closed { .. } | What::Refused { .. }) => {
                    self.last = format!("{:?}", seen.what);
                    return None;
                }
                (true, _) => return Some(seen.what),
                (false, _) => self.others.push(seen),
            }
        }
    }
}

/// How the names of direct rooms begin.
const DIRECT: &str = "dm:";
const PATIENCE_MS: u64 = 60_000;
