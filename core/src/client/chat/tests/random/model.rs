//! A small server of one room: its log, what it knows of mids, what is stored, and one session.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::chat::dice::Dice;
use crate::id::Position;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Position,
    prev: Option<Position>,
    user: String,
    mid: String,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Said(String),
    Edited(u64, String),
    Deleted(u64),
    Reacted(u64, bool),
}

pub(crate) struct Model {
    pub(crate) log: Vec<Entry>,
    /// Those before are trimmed.
    pub(crate) first: usize,
    epoch: u64,
    next_offset: u64,
    /// How many entries no crash takes away.
    pub(crate) stored: usize,
    lost: Vec<Position>,
    mids: BTreeMap<(String, String), (u64, What)>,
    /// Replies that wait for the store, with the length that the log must have there.
    waiting: Vec<(usize, String)>,
    session: Option<(u64, String)>,
    session_count: u64,
    /// The client's connection: whether hello was answered, whether it is in the room, and how much it was shown.
    pub(crate) is_up: bool,
    joined: bool,
    shown: usize,
    pub(crate) is_lagging: bool,
    pub(crate) out: Vec<String>,
    pub(crate) fetches: usize,
}

impl Model {
    pub(crate) fn new() -> Model {
        Model {
            log: Vec::new(),
            first: 0,
            epoch: 5,
            next_offset: 1,
            stored: 0,
            lost: Vec::new(),
            mids: BTreeMap::new(),
            waiting: Vec::new(),
            session: None,
            session_count: 0,
            is_up: false,
            joined: false,
            shown: 0,
            is_lagging: false,
            out: Vec::new(),
            fetches: 0,
        }
    }

    pub(crate) fn user(&self) -> String {
        self.session.as_ref().map_or_else(String::new, |(_, user)| user.clone())
    }

    fn top(&self) -> Position {
        self.log.last().map_or(Position { epoch: self.epoch, offset: 0 }, |entry| entry.at)
    }

    pub(crate) fn append(&mut self, user: &str, mid: &str, what: What) -> Position {
        let at = Position { epoch: self.epoch, offset: self.next_offset };
        self.next_offset += 1;
        let prev = self.log.last().map(|entry| entry.at);
        self.mids.insert((user.into(), mid.into()), (at.offset, what.clone()));
        self.log.push(Entry { at, prev, user: user.into(), mid: mid.into(), what });
        self.show();
        at
    }

    /// Sends the records that the client was not shown, unless it lags.
    fn show(&mut self) {
        if self.is_up && self.joined && !self.is_lagging {
            for at in self.shown..self.log.len() {
                let mut record = self.record(&self.log[at]);
                record["room"] = "lobby".into();
                self.out.push(record.to_string());
            }
            self.shown = self.log.len();
        }
    }

    /// The client reads too slowly, or has caught up: it is told of the gap, or sees it.
    pub(crate) fn lag(&mut self, is_told: bool) {
        if !self.is_lagging {
            self.is_lagging = true;
            return;
        }
        self.is_lagging = false;
        if self.is_up && self.joined && self.shown < self.log.len() {
            let from =
                self.shown.checked_sub(1).map_or(Position { epoch: 5, offset: 0 }, |at| self.log[at].at);
            let to = self.top();
            if is_told {
                self.out.push(
                    json!({"on": "gap", "room": "lobby", "from": place(from), "to": place(to)}).to_string(),
                );
            }
            self.shown = self.log.len();
        }
    }

    /// All there is becomes safe; whoever waits for that is answered.
    pub(crate) fn store(&mut self) {
        self.stored = self.log.len();
        for (_, reply) in std::mem::take(&mut self.waiting) {
            self.out.push(reply);
        }
    }

    pub(crate) fn trim(&mut self, keep: usize) {
        self.first = self.first.max(self.stored.saturating_sub(keep));
    }

    pub(crate) fn cut(&mut self) {
        (self.is_up, self.joined, self.is_lagging) = (false, false, false);
        self.waiting.clear();
        self.out.clear();
    }

    /// The server dies and comes back without some of what was not stored.
    pub(crate) fn crash(&mut self, keep: usize, forgets_sessions: bool) {
        self.cut();
        let kept = self.stored.max(self.log.len().saturating_sub(keep));
        for entry in self.log.split_off(kept) {
            self.lost.push(entry.at);
            self.mids.remove(&(entry.user, entry.mid));
        }
        self.stored = kept;
        self.epoch += 1;
        self.next_offset += 1_000;
        if forgets_sessions {
            self.session = None;
        }
    }

    /// Takes one text of the client's.
    pub(crate) fn take(&mut self, text: &str, dice: &mut Dice) {
        let request: Value = serde_json::from_str(text).unwrap();
        let Some(verb) = request["do"].as_str() else { return };
        match verb {
            "hello" => self.hello(&request, dice),
            "join" => self.join(&request),
            "history" => self.history(&request),
            _ => self.change(&request, verb, dice),
        }
    }

    fn hello(&mut self, request: &Value, dice: &mut Dice) {
        let known = request["resume"]["session"].as_str().zip(self.session.as_ref());
        let is_resumed = known.is_some_and(|(asked, (number, _))| asked == format!("s{number}"));
        if !is_resumed {
            self.session_count += 1;
            // Sometimes it is the same user, as by a token.
            let user = match self.session_count > 1 && dice.between(0, 1) == 0 {
                true => "c1".to_owned(),
                false => format!("c{}", self.session_count),
            };
            self.session = Some((self.session_count, user));
        }
        self.is_up = true;
        let (number, user) = self.session.clone().unwrap();
        let mut ok = json!({
            "connection": 1, "user": user, "name": "Ann", "color": "red", "session": format!("s{number}"),
            "heartbeat_ms": 25_000, "limits": {"dedupe_ms": 86_400_000_u64}, "time": 1,
        });
        if is_resumed && let Some(seen) = request["resume"]["rooms"].get("lobby") {
            ok["rooms"] = json!({"lobby": self.enter(Some(read_place(seen)), dice.between(0, 1) == 0)});
        }
        self.reply(request, ok);
        // What came after the page of a resume comes live.
        self.show();
    }

    fn join(&mut self, request: &Value) {
        let since = request.get("since").map(read_place);
        let mut ok = self.enter(since, false);
        ok["room"] = "lobby".into();
        self.reply(request, ok);
        self.show();
    }

    /// The client is in the room, and knows it up to `since`.
    fn enter(&mut self, since: Option<Position>, says_rollback: bool) -> Value {
        self.joined = true;
        self.shown = self.log.len();
        let mut ok = json!({"member_count": 1, "members": [], "read": 0, "unread_count": 0});
        let mut top = place(self.top());
        ok.as_object_mut().unwrap().append(top.as_object_mut().unwrap());
        if let Some(since) = since
            && let Some(next) = self.after(since)
        {
            let known = next.checked_sub(1).map_or(Position::default(), |at| self.log[at].at);
            let end = self.log.len().min(next + PAGE);
            let mut records: Vec<Value> =
                self.log[next..end].iter().map(|entry| self.record(entry)).collect();
            if known < since && self.lost.contains(&since) && says_rollback {
                records.insert(0, json!({"on": "rollback", "to": place(known)}));
            }
            ok["recovered"] = true.into();
            ok["records"] = records.into();
            ok["more"] = (end < self.log.len()).into();
        } else {
            ok["recovered"] = false.into();
            ok["messages"] = self.newest().into();
        }
        ok
    }

    /// The index of the first entry behind a position, if the log reaches back to it.
    fn after(&self, since: Position) -> Option<usize> {
        let next = self.log.partition_point(|entry| entry.at <= since);
        let was_there = since.offset == 0
            || self.lost.contains(&since)
            || next.checked_sub(1).is_some_and(|at| self.log[at].at == since);
        (was_there && next >= self.first).then_some(next)
    }

    fn history(&mut self, request: &Value) {
        let mut ok = place(self.top());
        match request["after"].as_u64() {
            Some(after) => {
                self.fetches += 1;
                let next = self.log.partition_point(|entry| entry.at.offset <= after).max(self.first);
                let end = self.log.len().min(next + PAGE);
                let records: Vec<Value> =
                    self.log[next..end].iter().map(|entry| self.record(entry)).collect();
                ok["records"] = records.into();
                ok["more"] = (end < self.log.len()).into();
            }
            None => {
                ok["messages"] = self.newest().into();
                ok["more"] = true.into();
            }
        }
        self.reply(request, ok);
    }

    fn newest(&self) -> Vec<Value> {
        let said = self.log[self.first..].iter().filter(|entry| matches!(entry.what, What::Said(_)));
        let said: Vec<&Entry> = said.collect();
        said[said.len().saturating_sub(PAGE)..].iter().map(|entry| self.folded(entry)).collect()
    }

    fn change(&mut self, request: &Value, verb: &str, dice: &mut Dice) {
        let of = || request["offset"].as_u64().unwrap();
        let text = || request["text"].as_str().unwrap().to_owned();
        let what = match verb {
            "send" => What::Said(text()),
            "edit" => What::Edited(of(), text()),
            "delete" => What::Deleted(of()),
            "react" => What::Reacted(of(), request["add"].as_bool().unwrap()),
            _ => panic!("{request}"),
        };
        let fate = dice.between(0, 19);
        if fate == 0 {
            return self.refuse(request, 211, json!({"retry_after_ms": 50}));
        }
        let (user, mid) = (self.user(), request["mid"].as_str().unwrap().to_owned());
        let (at, is_known) = match self.mids.get(&(user.clone(), mid.clone())) {
            Some((offset, before)) => {
                assert_eq!(*before, what, "a mid is one change's");
                (*offset, true)
            }
            None => {
                if !self.joined {
                    return self.refuse(request, 204, json!({}));
                }
                match &what {
                    What::Said(_) => {}
                    What::Edited(of, _) | What::Deleted(of) | What::Reacted(of, _) => {
                        if !self.stands(*of) {
                            return self.refuse(request, 206, json!({}));
                        }
                    }
                }
                if fate == 1 {
                    let code = if dice.between(0, 1) == 0 { 401 } else { 209 };
                    return self.refuse(request, code, json!({"open": false}));
                }
                (self.append(&user, &mid, what).offset, false)
            }
        };
        let Some(entry) = self.log.iter().position(|entry| entry.at.offset == at) else { panic!("{at}") };
        if fate == 2 {
            let position = place(self.log[entry].at);
            return self.refuse(request, 401, json!({"open": true, "position": position}));
        }
        let mut ok = place(self.log[entry].at);
        ok["room"] = "lobby".into();
        ok["at"] = 9.into();
        ok["duplicate"] = is_known.into();
        let reply = json!({"id": request["id"], "ok": ok}).to_string();
        self.waiting.push((entry, reply));
        let stored = self.stored;
        let (now, later) = self.waiting.drain(..).partition(|(at, _)| *at < stored);
        let now: Vec<(usize, String)> = now;
        self.waiting = later;
        self.out.extend(now.into_iter().map(|(_, reply)| reply));
    }

    fn refuse(&mut self, request: &Value, code: u32, more: Value) {
        let mut error = json!({"code": code, "name": "no", "message": "no"});
        for (name, value) in more.as_object().unwrap() {
            error[name] = value.clone();
        }
        self.out.push(json!({"id": request["id"], "error": error}).to_string());
    }

    fn reply(&mut self, request: &Value, ok: Value) {
        self.out.push(json!({"id": request["id"], "ok": ok}).to_string());
    }

    /// Whether there is a message at that offset that was not deleted.
    fn stands(&self, of: u64) -> bool {
        let said = |entry: &Entry| entry.at.offset == of && matches!(entry.what, What::Said(_));
        self.log.iter().any(said) && !self.log.iter().any(|entry| entry.what == What::Deleted(of))
    }

    fn record(&self, entry: &Entry) -> Value {
        let mut record = place(entry.at);
        match entry.prev {
            Some(prev) if prev.epoch == entry.at.epoch && prev.offset + 1 == entry.at.offset => {}
            Some(prev) => record["prev"] = place(prev),
            None => record["prev"] = Value::Null,
        }
        if let What::Said(_) = entry.what {
            record["on"] = "message".into();
            record["message"] = self.folded(entry);
            return record;
        }
        record["user"] = entry.user.clone().into();
        record["mid"] = entry.mid.clone().into();
        record["at"] = 9.into();
        let (on, of) = match &entry.what {
            What::Edited(of, text) => {
                record["text"] = text.clone().into();
                ("edit", of)
            }
            What::Reacted(of, add) => {
                record["emoji"] = "👍".into();
                record["add"] = (*add).into();
                ("react", of)
            }
            What::Deleted(of) => ("delete", of),
            What::Said(_) => unreachable!("it was looked at before"),
        };
        record["on"] = on.into();
        record["of"] = (*of).into();
        record
    }

    /// A message as it stands now.
    pub(crate) fn folded(&self, entry: &Entry) -> Value {
        let What::Said(text) = &entry.what else { panic!("{entry:?}") };
        let (mut text, mut revision, mut users) = (Some(text.clone()), 0, Vec::<String>::new());
        for later in &self.log {
            match &later.what {
                What::Edited(of, to) if *of == entry.at.offset => {
                    text = Some(to.clone());
                    revision += 1;
                }
                What::Deleted(of) if *of == entry.at.offset => {
                    text = None;
                    users.clear();
                }
                What::Reacted(of, true) if *of == entry.at.offset && !users.contains(&later.user) => {
                    users.push(later.user.clone());
                }
                What::Reacted(of, false) if *of == entry.at.offset => {
                    users.retain(|user| *user != later.user)
                }
                _ => {}
            }
        }
        let mut message = place(entry.at);
        let fields = [("mid", &entry.mid), ("user", &entry.user), ("name", &entry.user)];
        fields.into_iter().for_each(|(name, value)| message[name] = value.clone().into());
        message["color"] = "red".into();
        message["at"] = 9.into();
        match text {
            Some(text) => message["text"] = text.into(),
            None => message["deleted"] = true.into(),
        }
        if revision > 0 {
            message["revision"] = revision.into();
        }
        if !users.is_empty() {
            message["reactions"] = json!({"👍": users});
        }
        message
    }
}

fn place(at: Position) -> Value {
    json!({"epoch": at.epoch, "offset": at.offset})
}

fn read_place(value: &Value) -> Position {
    Position { epoch: value["epoch"].as_u64().unwrap(), offset: value["offset"].as_u64().unwrap() }
}

/// How many records or messages stand in one page.
const PAGE: usize = 6;
