//! What holds for whatever v1 clients send: the body of a fuzz target, of the test that replays its corpus, and of one
//! with documents at random.

use std::collections::{HashMap, VecDeque};

use crate::chat::{Arrival, Chat, Effect, Flow, Log, Moment, RoomKey};
use crate::dialect::json::Json;
use crate::dialect::v1;
use crate::event::{Admission, Dialect, Event, Verdict};
use crate::id::{ConnectionId, Position, QuestionId};
use crate::message::Moderation;
use crate::options::Options;
use crate::store::{Bounds, Memory};
use crate::time::Now;

use super::settings::hub_settings;

/// Some clients and a host, with time turned by hand. The first byte says what the host is asked about; each line behind
/// it begins with who acts: `0` to `3`, a client who sends the rest of the line, or `!`, everything else, by its next
/// byte.
///
/// Nothing panics; each request with an id is answered once, by the time its connection is read on; what is answered is
/// JSON; places are never given twice; and when everybody is gone nothing is left to wait for. Gives how many requests
/// were done, and how many refused.
pub(crate) fn talk(bytes: &[u8]) -> (u64, u64) {
    let Some((&asks, lines)) = bytes.split_first() else { return (0, 0) };
    let mut talk = Talk::new(asks);
    for line in lines.split(|byte| *byte == b'\n') {
        match line {
            [who @ b'0'..=b'3', text @ ..] => talk.send(usize::from(who - b'0'), text),
            [b'!', what, rest @ ..] => talk.happen(*what, rest),
            _ => {}
        }
        talk.check_time();
    }
    talk.end();
    (talk.done, talk.refused)
}

struct Talk {
    chat: Chat,
    log: Memory,
    bounds: v1::Bounds,
    now: Now,
    secrets: u64,
    clients: [Option<Client>; 4],
    asked: VecDeque<QuestionId>,
    /// The newest record of each room.
    tops: HashMap<RoomKey, Position>,
    closing: Vec<ConnectionId>,
    last_connection: u64,
    done: u64,
    refused: u64,
}

struct Client {
    connection: ConnectionId,
    /// The id of what it asked last, and how many answers that has had.
    asked: Option<u64>,
    answers: u32,
    /// Whether its last text was no request at all, so that it is answered without an id.
    is_unread: bool,
    is_held: bool,
    is_closed: bool,
}

impl Talk {
    fn new(asks: u8) -> Talk {
        let options = Options::new()
            .ask_admit(asks & 1 > 0)
            .ask_may_join(asks & 2 > 0)
            .ask_may_send(asks & 4 > 0)
            .ask_call(asks & 8 > 0)
            .max_room_count(4)
            .max_connection_room_count(3)
            .max_user_connection_count(2)
            .max_session_count(3)
            .max_presence_count(2)
            .max_page_count(5)
            .max_reaction_count(3)
            .question_count(3);
        let checked = options.check().expect("these options are right");
        let settings = hub_settings(&options, &checked).chat;
        let log = Bounds {
            message_count: 6,
            record_count: 12,
            bytes: MAX_LOG_BYTES,
            age_ms: 0,
            dedupe_ms: settings.dedupe_ms,
        };
        Talk {
            bounds: v1::Bounds { text_bytes: settings.max_text_bytes, data_bytes: settings.max_data_bytes },
            chat: Chat::new(settings, 1),
            log: Memory::losing(log),
            now: Now { unix_ms: 1_700_000_000_000, ticks_ms: 0 },
            secrets: 0,
            clients: [const { None }; 4],
            asked: VecDeque::new(),
            tops: HashMap::new(),
            closing: Vec::new(),
            last_connection: 0,
            done: 0,
            refused: 0,
        }
    }

    /// A text of a client's, who connects and says hello first if it is not here.
    fn send(&mut self, who: usize, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        if self.clients[who].as_ref().is_none_or(|client| client.is_closed) {
            self.connect(who);
            if !text.contains("hello") {
                self.text(who, &format!("{{\"id\":1,\"do\":\"hello\",\"name\":\"Name {who}\"}}"));
            }
        }
        self.text(who, &text);
    }

    fn connect(&mut self, who: usize) {
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        self.clients[who] = Some(Client {
            connection,
            asked: None,
            answers: 0,
            is_unread: false,
            is_held: false,
            is_closed: false,
        });
        let arrival = Arrival {
            connection,
            dialect: Dialect::V1,
            room: None,
            path: "/".into(),
            address: format!("192.0.2.{who}:1").parse().ok(),
            given: None,
            knock: None,
        };
        self.run(|chat, at| chat.connect(arrival, at)).expect("nobody is kept out before the hello");
    }

    fn text(&mut self, who: usize, text: &str) {
        let Some(client) = &mut self.clients[who] else { return };
        if client.is_held || client.is_closed {
            return;
        }
        let connection = client.connection;
        let read = v1::read(text, self.bounds);
        (client.asked, client.is_unread) = match &read {
            Ok(v1::Incoming::Request { id, .. }) | Err(v1::Unread::Request { id, .. }) => (*id, false),
            Ok(v1::Incoming::Heartbeat) => (None, false),
            Err(v1::Unread::Text(_)) => (None, true),
        };
        (client.answers, client.is_held) = (0, true);
        let flow = match read {
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
        let Some(client) = &mut self.clients[who] else { return };
        match flow {
            // What has released it already is not undone.
            Flow::Hold => {}
            Flow::Go => client.is_held = false,
            Flow::Discard => assert!(client.is_closed, "it is discarded and not closed: {text}"),
            Flow::PauseUntil(_) => panic!("a v1 connection is not slowed down"),
        }
        client.check(text);
    }

    /// What is no client's text.
    fn happen(&mut self, what: u8, rest: &[u8]) {
        let number = rest.iter().fold(0_u64, |number, byte| {
            number.saturating_mul(10).saturating_add(u64::from(byte.wrapping_sub(b'0') % 10))
        });
        match what {
            b'c' => self.cut(number as usize % 4),
            b't' => self.turn(number % 100_000_000),
            b'y' => self.answer(Verdict::Allow),
            b'n' => self.answer(Verdict::Refuse("no".into())),
            b'w' => self.answer(Verdict::Rewrite("rewritten".into())),
            b'a' => self.answer(Verdict::Answer("{\"a\":1}".into())),
            b'u' => {
                let expires_at_ms = Some(self.now.unix_ms + number % 10_000);
                let user = format!("user-{}", number % 2);
                let rooms = vec!["lobby".to_owned()];
                let admission = Admission { expires_at_ms, rooms, ..Admission::user(user, "Given") };
                self.answer(Verdict::AllowAs(admission));
            }
            b'l' => {
                if let Ok(room) = self.chat.room("lobby") {
                    self.run(|chat, at| chat.lose(room, number % 4, at));
                    self.tops.insert(room, self.chat.position(room));
                }
            }
            b'b' => drop(self.run(|chat, at| chat.broadcast("lobby", "hello", at))),
            b'k' => self.moderate(|user| Moderation::Kick { user }, number),
            b'm' => self.moderate(|user| Moderation::Mute { user, seconds: Some(5) }, number),
            b'x' => self.moderate(|user| Moderation::Ban { user, seconds: Some(5) }, number),
            b'o' => {
                self.moderate(|user| Moderation::Role { user, role: crate::message::Role::Owner }, number)
            }
            b'j' => drop(self.run(|chat, at| chat.join("lobby", &format!("u{}", number % 9), at))),
            b'p' => {
                let options = crate::message::RoomOptions {
                    private: Some(number % 2 > 0),
                    read_only: Some(number % 3 > 1),
                    ..Default::default()
                };
                drop(self.run(|chat, at| chat.set_room("lobby", &options, at)));
            }
            b'h' => {
                let user = format!("u{}", number % 9);
                drop(self.run(|chat, at| chat.ban(&user, Some(number % 20), at)));
            }
            _ => {}
        }
    }

    fn moderate(&mut self, act: impl FnOnce(crate::id::UserId) -> Moderation, number: u64) {
        let user = crate::id::UserId::of_connection(ConnectionId(number % 9));
        drop(self.run(|chat, at| chat.moderate_as_host("lobby", act(user), at)));
    }

    fn answer(&mut self, verdict: Verdict) {
        if let Some(question) = self.asked.pop_front() {
            // One that does not fit leaves the question open.
            if self.run(|chat, at| chat.answer(question, verdict, at)).is_err() {
                self.asked.push_back(question);
            }
        }
        for client in self.clients.iter().flatten() {
            client.check("an answer of the host's");
        }
    }

    fn cut(&mut self, who: usize) {
        if let Some(client) = self.clients[who].take() {
            self.run(|chat, at| chat.disconnect(client.connection, 1006, String::new(), at));
        }
    }

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

    /// Nothing that is due waits once it was done.
    fn check_time(&mut self) {
        self.run(|chat, at| chat.expire(at));
        assert!(self.chat.next_deadline_ms().is_none_or(|due_ms| due_ms > self.now.ticks_ms));
        assert!(self.log.held_bytes() <= MAX_LOG_BYTES);
    }

    /// Everybody gets their answer, and goes.
    fn end(&mut self) {
        self.turn(60_000);
        for client in self.clients.iter().flatten() {
            assert!(client.is_closed || !client.is_held, "it waits for ever");
            client.check("the end");
        }
        (0..4).for_each(|who| self.cut(who));
        self.turn(1_000_000_000);
        assert_eq!(self.chat.next_deadline_ms(), None);
        assert_eq!(self.chat.talkers(), []);
        for room in self.chat.rooms() {
            assert_eq!((room.connection_count, room.member_count), (0, 0), "{} is not empty", room.name);
        }
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
        while let Some(connection) = self.closing.pop() {
            self.run(|chat, at| chat.disconnect(connection, 1008, String::new(), at));
        }
    }

    fn client(&mut self, connection: ConnectionId) -> Option<&mut Client> {
        self.clients.iter_mut().flatten().find(|client| client.connection == connection)
    }

    fn carry_out(&mut self, effect: Effect) {
        let mut json = Vec::new();
        match effect {
            Effect::Reply { connection, id, reply, .. } => {
                v1::reply(id, &reply, &mut json);
                self.done += 1;
                if let Some(client) = self.client(connection) {
                    client.answered(id);
                }
            }
            Effect::Refuse { connection, id, refusal } => {
                v1::refusal(id, &refusal, &mut json);
                self.refused += 1;
                match (self.client(connection), id) {
                    (Some(client), Some(id)) => client.answered(id),
                    (Some(client), None) => assert!(client.is_unread, "{refusal:?}"),
                    (None, _) => {}
                }
            }
            Effect::Show { happening, .. } | Effect::Notify { happening, .. } => {
                v1::event(&happening, &mut json);
            }
            Effect::Record { room, record } => {
                let top = self.tops.insert(room, record.position);
                assert!(top.is_none_or(|top| top < record.position), "{top:?} before {record:?}");
                let name = self.chat.room_name(room);
                v1::event(&crate::push::reply::Happening::Logged { room: name, record }, &mut json);
            }
            Effect::Forget { room } => drop(self.tops.remove(&room)),
            Effect::Release { connection, .. } => {
                if let Some(client) = self.client(connection) {
                    client.is_held = false;
                }
            }
            Effect::Close { connection, .. } => {
                if let Some(client) = self.client(connection) {
                    assert!(!client.is_closed, "it is closed twice");
                    client.is_closed = true;
                }
                self.closing.push(connection);
            }
            Effect::Ask(question) => self.asked.push_back(question.id),
            Effect::Tell(Event::Refused { .. }) => panic!("clients are told themselves"),
            Effect::Tell(_) | Effect::Enter { .. } | Effect::Exit { .. } | Effect::Heartbeat { .. } => {}
            Effect::Color { .. } | Effect::Admitted { .. } | Effect::Denied { .. } => {
                panic!("{effect:?} is not for v1 connections")
            }
        }
        if !json.is_empty() {
            let text = std::str::from_utf8(&json).expect("what is written is UTF-8");
            Json::parse(text, MAX_WRITTEN_DEPTH).unwrap_or_else(|why| panic!("{why}: {text}"));
        }
    }
}

impl Client {
    fn answered(&mut self, id: u64) {
        assert_eq!(self.asked, Some(id), "nobody has asked that");
        self.answers += 1;
    }

    /// Whoever is read on has its answer, and nobody has two.
    fn check(&self, what: &str) {
        let due = u32::from(self.asked.is_some());
        assert!(self.answers <= due, "{} answers: {what}", self.answers);
        assert!(self.is_held || self.is_closed || self.answers == due, "no answer: {what}");
    }
}

const MAX_LOG_BYTES: u64 = 1 << 20;
/// What is written has a client's `data` in it, which may be deep itself.
const MAX_WRITTEN_DEPTH: usize = 64;

#[cfg(test)]
mod tests;
