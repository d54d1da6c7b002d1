//! A machine, all that it wanted done, and what a server says.

use crate::client::chat::{Action, Event, Machine, Post, Reply, Request, RequestId, Settings, State};
use crate::error::{Error, ErrorCode};
use crate::id::Position;

pub(crate) struct Desk {
    pub(crate) machine: Machine,
    pub(crate) now_ms: u64,
    /// What it sent, but for `hello`, and was not looked at yet.
    pub(crate) sent: Vec<String>,
    pub(crate) events: Vec<Event>,
    pub(crate) answers: Vec<(RequestId, Result<Reply, Error>)>,
    pub(crate) closes: Vec<u16>,
    pub(crate) connect_count: usize,
    pub(crate) token_count: usize,
    pub(crate) save_count: usize,
    /// The last `hello`.
    pub(crate) hello: String,
    /// What the server announces.
    pub(crate) limits: &'static str,
}

pub(crate) const EPOCH: u64 = 5;

pub(crate) fn at(offset: u64) -> Position {
    Position { epoch: EPOCH, offset }
}

/// A message of user `u8` in the lobby, as it stands in lists.
pub(crate) fn message(offset: u64, text: &str) -> String {
    format!(
        r#"{{"epoch":{EPOCH},"offset":{offset},"mid":"b-{offset}","user":"u8","name":"Bob","color":"green","at":9,"text":"{text}"}}"#
    )
}

/// The record of a message, in a list.
pub(crate) fn record(offset: u64) -> String {
    let message = message(offset, &format!("m{offset}"));
    format!(r#"{{"on":"message","epoch":{EPOCH},"offset":{offset},"message":{message}}}"#)
}

/// The records of messages, a list.
pub(crate) fn records(offsets: impl IntoIterator<Item = u64>) -> String {
    let list: Vec<String> = offsets.into_iter().map(record).collect();
    format!("[{}]", list.join(","))
}

/// What `join` is answered, with the room at `offset`.
pub(crate) fn joined(offset: u64, messages: &[String]) -> String {
    let messages = messages.join(",");
    format!(
        r#"{{"room":"lobby","epoch":{EPOCH},"offset":{offset},"recovered":false,"messages":[{messages}],"members":[],"member_count":2,"read":0,"unread_count":0}}"#
    )
}

impl Desk {
    pub(crate) fn new(settings: Settings) -> Desk {
        Desk::of(Machine::new(settings, 7).unwrap())
    }

    pub(crate) fn of(machine: Machine) -> Desk {
        let mut desk = Desk {
            machine,
            now_ms: 1_000,
            sent: Vec::new(),
            events: Vec::new(),
            answers: Vec::new(),
            closes: Vec::new(),
            connect_count: 0,
            token_count: 0,
            save_count: 0,
            hello: String::new(),
            limits: r#""dedupe_ms":86400000"#,
        };
        desk.machine.start(desk.now_ms);
        desk.drain();
        desk
    }

    /// Open, and in the lobby at offset 3.
    pub(crate) fn in_lobby() -> Desk {
        let mut desk = Desk::new(Settings::new().name("Ann"));
        desk.open("");
        desk.ask(Request::Join { room: "lobby".into(), history: None, since: None });
        let messages: Vec<String> = (1..=3).map(|offset| message(offset, &format!("m{offset}"))).collect();
        desk.reply(&joined(3, &messages));
        desk.events.clear();
        desk.answers.clear();
        desk
    }

    pub(crate) fn drain(&mut self) {
        while let Some(action) = self.machine.next_action() {
            match action {
                Action::Connect => self.connect_count += 1,
                Action::Send(text) if text.contains(r#""do":"hello""#) => self.hello = text,
                Action::Send(text) => self.sent.push(text),
                Action::Close { code, .. } => self.closes.push(code),
                Action::Event(event) => self.events.push(event),
                Action::Answered { request, result } => self.answers.push((request, result)),
                Action::Token => self.token_count += 1,
                Action::Save => self.save_count += 1,
            }
        }
    }

    pub(crate) fn ask(&mut self, request: Request) -> RequestId {
        let id = self.machine.request(request, self.now_ms);
        self.drain();
        id
    }

    pub(crate) fn say(&mut self, text: &str) -> RequestId {
        self.ask(Request::Send(Post::to_room("lobby", text)))
    }

    pub(crate) fn hear(&mut self, text: &str) {
        self.machine.received(text, self.now_ms);
        self.drain();
    }

    /// The WebSocket opens, and `hello` is answered; `more`: what else stands in the reply, with a comma before it.
    pub(crate) fn open(&mut self, more: &str) {
        self.open_as("u7", more);
    }

    pub(crate) fn open_as(&mut self, user: &str, more: &str) {
        self.machine.opened(self.now_ms);
        self.drain();
        let id = field(&self.hello, "id").as_u64().unwrap();
        self.hear(&format!(
            r#"{{"id":{id},"ok":{{"connection":7,"user":"{user}","name":"Ann","color":"red","session":"s3cr3t","heartbeat_ms":25000,"limits":{{{}}},"time":1000000{more}}}}}"#,
            self.limits
        ));
    }

    /// What stands in a resume's `rooms` for the lobby.
    pub(crate) fn resumed(offset: u64, records: &str) -> String {
        format!(
            r#","rooms":{{"lobby":{{"epoch":{EPOCH},"offset":{offset},"recovered":true,"records":{records},"members":[],"member_count":2,"read":0,"unread_count":0}}}}"#
        )
    }

    /// Answers the oldest request that was sent with this `ok`, and gives the request.
    pub(crate) fn reply(&mut self, ok: &str) -> String {
        let asked = self.sent.remove(0);
        self.hear(&format!(r#"{{"id":{},"ok":{ok}}}"#, field(&asked, "id")));
        asked
    }

    /// Answers the oldest request that was sent with a refusal.
    pub(crate) fn refuse(&mut self, code: ErrorCode, more: &str) -> String {
        let asked = self.sent.remove(0);
        let (id, number, name) = (field(&asked, "id"), code.number(), code.name());
        self.hear(&format!(
            r#"{{"id":{id},"error":{{"code":{number},"name":"{name}","message":"no"{more}}}}}"#
        ));
        asked
    }

    /// The connection breaks and comes back, up to the WebSocket.
    pub(crate) fn cut(&mut self) {
        self.machine.closed(1006, "", self.now_ms);
        self.drain();
        self.return_();
    }

    /// Waits until it connects again.
    pub(crate) fn return_(&mut self) {
        let State::Waiting { until_ms } = self.machine.state() else { panic!("{:?}", self.machine.state()) };
        self.turn_to(until_ms);
    }

    pub(crate) fn turn_to(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.machine.tick(self.now_ms);
        self.drain();
    }

    /// What the room's messages say.
    pub(crate) fn texts(&self) -> Vec<String> {
        let room = self.machine.room("lobby").unwrap();
        room.messages().map(|message| message.text.clone().unwrap_or_else(|| "-".into())).collect()
    }

    /// The events in short.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.events.iter().map(short).collect()
    }

    /// The answers in short.
    pub(crate) fn answered(&self) -> Vec<String> {
        let short = |result: &Result<Reply, Error>| match result {
            Ok(Reply::Sent(sent)) => format!("at {}", sent.position.offset),
            Ok(reply) => format!("{reply:?}").split([' ', '(']).next().unwrap().to_owned(),
            Err(error) => error.code().name().to_owned(),
        };
        self.answers.iter().map(|(_, result)| short(result)).collect()
    }

    pub(crate) fn is_closed(&self) -> Option<u16> {
        match self.machine.state() {
            State::Closed { code, .. } => Some(code),
            _ => None,
        }
    }
}

pub(crate) fn field(text: &str, name: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(text).unwrap()[name].clone()
}

fn short(event: &Event) -> String {
    match event {
        Event::State(state) => format!("{state:?}").split(' ').next().unwrap().to_lowercase(),
        Event::Message { message, .. } => message.text.clone().unwrap_or_else(|| "-".into()),
        Event::Edit { of, text, .. } => format!("edit {of} {text}"),
        Event::Delete { of, .. } => format!("delete {of}"),
        Event::React { of, emoji, .. } => format!("react {of} {emoji}"),
        Event::Rollback { to, dropped, .. } => format!("rollback {} -{}", to.offset, dropped.len()),
        Event::Reset { position, .. } => format!("reset {}", position.offset),
        Event::Removed { reason, .. } => format!("removed {reason}"),
        Event::Joined(line) => format!("joined {}", line.room),
        Event::Typing { user, .. } => format!("typing {user}"),
        Event::Error(error) => format!("error {}", error.code()),
        other => format!("{other:?}"),
    }
}
