//! The conversation of v1 clients against the chat alone: no socket, no thread, time turned by hand and secrets counted.
//! What they say and hear is JSON here, because that is what the promises are about.

mod arriving;
mod changing;
mod company;
mod direct;
mod limits;
mod questions;
mod resuming;
mod rights;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::World;
use crate::chat::{Arrival, Chat, Effect, Flow, Knock, Log, Moment, RoomKey, Settings};
use crate::close::Cause;
use crate::dialect::v1;
use crate::error::Error;
use crate::event::{Admission, Dialect, Event, Question, Verdict};
use crate::id::{ConnectionId, Position, UserId};
use crate::message::{Change, Moderation, Record, Role};
use crate::push::reply::{Happening, Reply};
use crate::rate::Rate;
use crate::store::{Bounds, Memory};
use crate::time::Now;

struct Talk {
    chat: Chat,
    settings: Settings,
    log: Memory,
    now: Now,
    secrets: u64,
    mids: u64,
    people: BTreeMap<String, Person>,
    /// Who is shown what of each room.
    lanes: BTreeMap<RoomKey, Vec<Lane>>,
    /// What the host was told.
    told: Vec<Event>,
    asked: VecDeque<Question>,
    closing: Vec<(ConnectionId, Cause)>,
    /// What is closed is still there for a while.
    closes_late: bool,
    last_connection: u64,
}

struct Lane {
    connection: ConnectionId,
    /// Shown something else than others: the newest record that it was shown.
    alone: Option<Position>,
}

/// One connection of somebody's.
struct Person {
    connection: ConnectionId,
    last_id: u64,
    heard: Vec<Value>,
    answers: BTreeMap<u64, Value>,
    closed: Option<(Cause, String)>,
    is_held: bool,
    user: String,
    session: String,
}

impl Talk {
    fn new() -> Talk {
        Talk::with(|_| {})
    }

    /// No rate is limited unless a test says so.
    fn with(change: impl FnOnce(&mut Settings)) -> Talk {
        Talk::keeping(200, change)
    }

    /// So many messages of each room are kept.
    fn keeping(message_count: u64, change: impl FnOnce(&mut Settings)) -> Talk {
        let mut settings = World::settings();
        settings.message_rate = Rate { per_second: 0, burst: 1 };
        settings.tell_rate = Rate { per_second: 0, burst: 1 };
        change(&mut settings);
        let bounds = Bounds {
            message_count,
            record_count: 4 * message_count,
            bytes: 1 << 30,
            age_ms: 0,
            dedupe_ms: settings.dedupe_ms,
        };
        Talk {
            chat: Chat::new(settings.clone(), 1),
            settings,
            log: Memory::losing(bounds),
            now: Now { unix_ms: 1_700_000_000_000, ticks_ms: 0 },
            secrets: 0,
            mids: 0,
            people: BTreeMap::new(),
            lanes: BTreeMap::new(),
            told: Vec::new(),
            asked: VecDeque::new(),
            closing: Vec::new(),
            closes_late: false,
            last_connection: 0,
        }
    }

    // Who comes and goes.

    fn connect(&mut self, who: &str) {
        self.connect_from(who, None).unwrap();
    }

    fn connect_from(&mut self, who: &str, address: Option<&str>) -> Result<(), Error> {
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        let address = address.map(|ip| SocketAddr::new(ip.parse().unwrap(), 1));
        let knock = Knock { path: "/chat".into(), query: "a=1".into(), headers: Vec::new() };
        let (dialect, path) = (Dialect::V1, "/chat".to_owned());
        let knock = Some(Box::new(knock));
        let arrival = Arrival { connection, dialect, room: None, path, address, given: None, knock };
        let person = Person {
            connection,
            last_id: 0,
            heard: Vec::new(),
            answers: BTreeMap::new(),
            closed: None,
            is_held: false,
            user: String::new(),
            session: String::new(),
        };
        self.people.insert(who.to_owned(), person);
        self.run(|chat, at| chat.connect(arrival, at))
    }

    /// Connects and says hello.
    fn hello(&mut self, who: &str, fields: Value) -> Value {
        self.connect(who);
        self.say_hello(who, fields)
    }

    fn say_hello(&mut self, who: &str, mut fields: Value) -> Value {
        fields["do"] = "hello".into();
        let answer = self.ask(who, fields);
        self.note_hello(who, &answer);
        answer
    }

    fn note_hello(&mut self, who: &str, answer: &Value) {
        if let (Some(user), Some(session)) = (answer["ok"]["user"].as_str(), answer["ok"]["session"].as_str())
        {
            let person = self.people.get_mut(who).unwrap();
            (person.user, person.session) = (user.to_owned(), session.to_owned());
        }
    }

    /// Comes in under a name.
    fn come(&mut self, name: &str) -> Value {
        let answer = self.hello(name, json!({ "name": name }));
        assert!(answer["ok"].is_object(), "{answer}");
        answer["ok"].clone()
    }

    /// Comes in under a name, and into a room. Nobody has heard anything then.
    fn come_to(&mut self, room: &str, names: &[&str]) {
        for name in names {
            self.come(name);
            self.join(name, room);
        }
        self.forget();
    }

    /// Comes in by a ticket of the host's.
    fn admit(&mut self, who: &str, admission: Admission) -> Value {
        let token = self.ticket(admission);
        self.hello(who, json!({ "token": token }))
    }

    fn ticket(&mut self, admission: Admission) -> String {
        self.run(|chat, at| chat.ticket(admission, 60_000, at)).unwrap()
    }

    /// Comes back with the session of somebody, under a name of its own in the test.
    fn resume(&mut self, who: &str, session: &str, rooms: Value) -> Value {
        let answer = self.hello(who, json!({ "resume": { "session": session, "rooms": rooms } }));
        assert!(answer["ok"].is_object(), "{answer}");
        answer["ok"].clone()
    }

    /// The line is gone, without a word.
    fn cut(&mut self, who: &str) {
        let connection = self.people[who].connection;
        self.drop_lanes(connection);
        self.run(|chat, at| chat.disconnect(connection, 1006, String::new(), at));
    }

    // What they say and hear.

    fn ask(&mut self, who: &str, mut request: Value) -> Value {
        let person = self.people.get_mut(who).unwrap();
        assert!(person.closed.is_none(), "{who} is closed: {:?}; {request}", person.closed);
        person.last_id += 1;
        let (connection, id) = (person.connection, person.last_id);
        request["id"] = id.into();
        self.text(connection, &request.to_string());
        self.answer_of(who, id)
    }

    fn answer_of(&mut self, who: &str, id: u64) -> Value {
        self.people.get_mut(who).unwrap().answers.remove(&id).unwrap_or_default()
    }

    /// The answer to what was asked last, which had to wait.
    fn answer(&mut self, who: &str) -> Value {
        let id = self.people[who].last_id;
        self.answer_of(who, id)
    }

    fn text(&mut self, connection: ConnectionId, text: &str) {
        let bounds =
            v1::Bounds { text_bytes: self.settings.max_text_bytes, data_bytes: self.settings.max_data_bytes };
        let person = self.person(connection).unwrap();
        assert!(!person.is_held, "it is not read: {text}");
        person.is_held = true;
        let flow = match v1::read(text, bounds) {
            Ok(v1::Incoming::Heartbeat) => Flow::Go,
            Ok(v1::Incoming::Request { id, request }) => {
                self.run(|chat, at| chat.request(connection, id, request, at))
            }
            Err(v1::Unread::Text(error)) => {
                self.run(|chat, at| chat.unread(connection, None, true, error, at))
            }
            Err(v1::Unread::Request { id, error }) => {
                self.run(|chat, at| chat.unread(connection, id, false, error, at))
            }
        };
        let person = self.person(connection).unwrap();
        // It may have been released at once.
        person.is_held &= flow == Flow::Hold;
    }

    /// Asks for something that is done.
    fn ok(&mut self, who: &str, request: Value) -> Value {
        let words = request.to_string();
        let answer = self.ask(who, request);
        assert!(answer["ok"].is_object(), "{who}: {words} is answered {answer}");
        answer["ok"].clone()
    }

    /// Asks for something that is refused. Gives why.
    fn no(&mut self, who: &str, request: Value) -> String {
        self.error(who, request)["name"].as_str().unwrap().to_owned()
    }

    fn error(&mut self, who: &str, request: Value) -> Value {
        let words = request.to_string();
        let answer = self.ask(who, request);
        assert!(answer["error"].is_object(), "{who}: {words} is answered {answer}");
        answer["error"].clone()
    }

    fn join(&mut self, who: &str, room: &str) -> Value {
        self.ok(who, json!({ "do": "join", "room": room }))
    }

    fn say(&mut self, who: &str, room: &str, text: &str) -> Value {
        self.mids += 1;
        let mid = format!("m{}", self.mids);
        self.ok(who, json!({ "do": "send", "room": room, "mid": mid, "text": text }))
    }

    fn moderate(&mut self, room: &str, act: Moderation) {
        self.run(|chat, at| chat.moderate_as_host(room, act, at)).unwrap();
    }

    fn set_role(&mut self, room: &str, who: &str, role: Role) {
        let user = self.user(who);
        self.moderate(room, Moderation::Role { user, role });
    }

    /// What somebody has heard since this was asked last.
    fn heard(&mut self, who: &str) -> Vec<Value> {
        std::mem::take(&mut self.people.get_mut(who).unwrap().heard)
    }

    /// The same as the names of the events.
    fn kinds(&mut self, who: &str) -> Vec<String> {
        self.heard(who).iter().map(|event| event["on"].as_str().unwrap().to_owned()).collect()
    }

    /// The texts of the messages among what somebody has heard.
    fn texts(&mut self, who: &str) -> Vec<String> {
        let heard = self.heard(who);
        let texts = heard.iter().filter_map(|event| event["message"]["text"].as_str());
        texts.map(str::to_owned).collect()
    }

    /// Nobody has heard anything.
    fn forget(&mut self) {
        self.people.values_mut().for_each(|person| person.heard.clear());
        self.told.clear();
    }

    fn closed(&self, who: &str) -> Option<Cause> {
        self.people[who].closed.as_ref().map(|(cause, _)| *cause)
    }

    fn user(&self, who: &str) -> UserId {
        UserId::new(&self.people[who].user).unwrap()
    }

    fn id(&self, who: &str) -> String {
        self.people[who].user.clone()
    }

    fn session(&self, who: &str) -> String {
        self.people[who].session.clone()
    }

    /// The position of a room's newest record.
    fn top(&mut self, room: &str) -> Value {
        let key = self.chat.room(room).unwrap();
        let Position { epoch, offset } = self.chat.position(key);
        json!({ "epoch": epoch, "offset": offset })
    }

    // Time and effects.

    /// Lets time pass; what is due is done at its moment.
    fn turn(&mut self, ms: u64) {
        let end_ms = self.now.ticks_ms + ms;
        while let Some(due_ms) = self.chat.next_deadline_ms().filter(|due_ms| *due_ms <= end_ms) {
            self.pass_to(due_ms.max(self.now.ticks_ms));
            self.run(|chat, at| chat.expire(at));
        }
        self.pass_to(end_ms);
    }

    fn pass_to(&mut self, ticks_ms: u64) {
        self.now.unix_ms += ticks_ms - self.now.ticks_ms;
        self.now.ticks_ms = ticks_ms;
    }

    fn reply(&mut self, verdict: Verdict) -> Question {
        let question = self.asked.pop_front().expect("a question is open");
        let id = question.id;
        self.run(|chat, at| chat.answer(id, verdict, at)).unwrap();
        question
    }

    fn run<T>(&mut self, act: impl FnOnce(&mut Chat, &mut Moment<'_>) -> T) -> T {
        let mut effects = Vec::new();
        let secrets = &mut self.secrets;
        let mut secret = || {
            *secrets += 1;
            u128::from(*secrets).to_be_bytes()
        };
        let mut at = Moment { now: self.now, log: &mut self.log, secret: &mut secret, effects: &mut effects };
        let result = act(&mut self.chat, &mut at);
        effects.into_iter().for_each(|effect| self.carry_out(effect));
        self.drop_closed();
        result
    }

    fn drop_closed(&mut self) {
        while !self.closes_late
            && let Some((connection, cause)) = self.closing.pop()
        {
            let code = cause.code(Dialect::V1);
            self.run(|chat, at| chat.disconnect(connection, code, String::new(), at));
        }
    }

    fn drop_lanes(&mut self, connection: ConnectionId) {
        self.lanes.values_mut().for_each(|lanes| lanes.retain(|lane| lane.connection != connection));
    }

    fn person(&mut self, connection: ConnectionId) -> Option<&mut Person> {
        self.people.values_mut().find(|person| person.connection == connection)
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Enter { connection, room, name: _, alone, top: _ } => {
                let alone = alone.then(|| self.chat.position(room));
                let lanes = self.lanes.entry(room).or_default();
                assert!(lanes.iter().all(|lane| lane.connection != connection), "it is in there twice");
                lanes.push(Lane { connection, alone });
            }
            Effect::Exit { connection, room, alone } => {
                let lanes = self.lanes.entry(room).or_default();
                let at = lanes.iter().position(|lane| lane.connection == connection);
                let lane = lanes.remove(at.expect("it is in there"));
                assert_eq!(lane.alone.is_some(), alone);
            }
            Effect::Forget { room } => drop(self.lanes.remove(&room)),
            Effect::Record { room, record } => self.record(room, &record),
            Effect::Show { room, happening, from } => {
                for lane in self.lanes.get(&room).map_or(&[][..], |lanes| lanes) {
                    if from.as_ref().is_none_or(|from| self.chat.sees(lane.connection, from)) {
                        hear(&mut self.people, lane.connection, &happening);
                    }
                }
            }
            Effect::Notify { connection, room: _, happening } => {
                hear(&mut self.people, connection, &happening);
            }
            Effect::Reply { connection, id, room, reply } => {
                if let (Some(room), Reply::Joined(entered)) = (room, &reply) {
                    let lanes = self.lanes.get_mut(&room).into_iter().flatten();
                    let shown = lanes.filter(|lane| lane.connection == connection);
                    shown.filter_map(|lane| lane.alone.as_mut()).for_each(|shown| *shown = entered.top);
                }
                let mut json = Vec::new();
                v1::reply(id, &reply, &mut json);
                self.answered(connection, Some(id), &json);
            }
            Effect::Refuse { connection, id, refusal } => {
                let mut json = Vec::new();
                v1::refusal(id, &refusal, &mut json);
                self.answered(connection, id, &json);
            }
            Effect::Close { connection, cause, reason } => {
                if let Some(person) = self.person(connection) {
                    assert!(person.closed.is_none(), "it is closed twice");
                    person.closed = Some((cause, reason));
                }
                self.drop_lanes(connection);
                self.closing.push((connection, cause));
            }
            Effect::Release { connection, at_ms } => {
                assert!(at_ms <= self.now.ticks_ms, "v1 connections are not slowed down");
                if let Some(person) = self.person(connection) {
                    person.is_held = false;
                }
            }
            Effect::Ask(question) => self.asked.push_back(question),
            Effect::Tell(event) => self.told.push(event),
            Effect::Heartbeat { .. } => {}
            Effect::Color { .. } | Effect::Admitted { .. } | Effect::Denied { .. } => {
                panic!("{effect:?} is not for v1 connections")
            }
        }
    }

    fn answered(&mut self, connection: ConnectionId, id: Option<u64>, json: &[u8]) {
        let answer: Value = serde_json::from_slice(json).unwrap();
        let Some(person) = self.person(connection) else { return };
        match id {
            Some(id) => {
                let twice = person.answers.insert(id, answer);
                assert!(twice.is_none(), "{id} is answered twice");
            }
            None => person.heard.push(answer),
        }
    }

    fn record(&mut self, room: RoomKey, record: &Record) {
        let author = match &record.change {
            Change::Message(message) => Some(&message.user),
            Change::Edit { user, .. } | Change::Delete { user, .. } | Change::React { user, .. } => {
                Some(user)
            }
            Change::Moderation { .. } | Change::Rename { .. } => None,
        };
        let name = self.chat.room_name(room);
        for lane in self.lanes.get_mut(&room).map_or(&mut [][..], |lanes| lanes) {
            let mut record = record.clone();
            if let Some(shown) = &mut lane.alone {
                if author.is_some_and(|author| !self.chat.sees(lane.connection, author)) {
                    continue;
                }
                let prev = std::mem::replace(shown, record.position);
                record.prev = (prev.offset > 0).then_some(prev);
            }
            hear(&mut self.people, lane.connection, &Happening::Logged { room: name.clone(), record });
        }
    }
}

fn hear(people: &mut BTreeMap<String, Person>, connection: ConnectionId, happening: &Happening) {
    let mut json = Vec::new();
    v1::event(happening, &mut json);
    let event: Value = serde_json::from_slice(&json).unwrap();
    if let Some(person) = people.values_mut().find(|person| person.connection == connection) {
        person.heard.push(event);
    }
}

/// The position in a reply, an event or a record.
fn place(of: &Value) -> Value {
    json!({ "epoch": of["epoch"], "offset": of["offset"] })
}

fn kinds_of(records: &Value) -> Vec<&str> {
    records.as_array().unwrap().iter().map(|record| record["on"].as_str().unwrap()).collect()
}

fn texts_of(page: &Value) -> Vec<&str> {
    let messages = page["messages"].as_array().or(page["records"].as_array()).unwrap();
    let text = |entry: &'_ Value| match entry.get("message") {
        Some(_) => entry["message"]["text"].as_str().is_some(),
        None => entry["text"].as_str().is_some(),
    };
    messages
        .iter()
        .filter(|entry| text(entry))
        .map(|entry| entry.get("message").unwrap_or(entry)["text"].as_str().unwrap())
        .collect()
}
