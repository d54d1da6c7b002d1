//! A server made of nothing: carries out the chat's effects in memory, and plays a scenario's steps.

use std::collections::{HashMap, VecDeque};

use super::scenario::{
    Act, ClientAct, EventPattern, ExpectedError, Heard, HostAct, QuestionPattern, Scenario, Verdict as Said,
};
use crate::chat::{Arrival, Chat, Effect, Flow, Given, Moment, Settings};
use crate::close::Cause;
use crate::command::Command;
use crate::error::Error;
use crate::event::{Admission, Dialect, Event, Question, Subject, Verdict};
use crate::id::{ConnectionId, Position, RoomName, UserName};
use crate::message::{Color, Record};
use crate::options::NUMBER_OPTIONS;
use crate::rate::Rate;
use crate::store::{Bounds, Memory};
use crate::time::Now;

pub(super) struct World {
    chat: Chat,
    settings: Settings,
    history: usize,
    history_kept: usize,
    ask_admit: bool,
    now: Now,
    clients: HashMap<String, Client>,
    log: Memory,
    logs: HashMap<RoomName, Vec<Record>>,
    secrets: u64,
    /// Every record there ever was.
    records: Vec<(RoomName, Record)>,
    events: VecDeque<Event>,
    asked: Vec<Question>,
    last_connection: u64,
}

#[derive(Default)]
struct Client {
    connection: Option<ConnectionId>,
    room: String,
    name: Option<String>,
    spoke: bool,
    color: Option<Color>,
    got: VecDeque<Got>,
    closed: Option<(Cause, String)>,
    /// What it says later, because it is held.
    later: VecDeque<String>,
    held: bool,
    released_at_ms: Option<u64>,
    admitted: bool,
    denied: Option<String>,
}

#[derive(Debug, PartialEq)]
enum Got {
    Shown(Heard),
    Heard(Heard),
}

/// The room of a path of the chat.
pub(super) fn room_of(path: &str) -> Option<&str> {
    match path {
        "/" => Some("lobby"),
        _ => path.strip_prefix("/?room=").filter(|room| RoomName::new(room).is_ok() && !room.contains('%')),
    }
}

impl World {
    pub(super) fn knows(option: &str) -> bool {
        matches!(
            option,
            "ask_admit"
                | "ask_may_send"
                | "host_name"
                | "host_color"
                | "reserve_name"
                | "history"
                | "history_kept"
                | "message_rate"
                | "message_burst"
                | "max_text_bytes"
                | "max_room_count"
                | "question_count"
                | "question_timeout_ms"
        )
    }

    pub(super) fn new(scenario: &Scenario) -> World {
        let mut numbers: HashMap<&str, u64> =
            NUMBER_OPTIONS.iter().map(|option| (option.name, option.default)).collect();
        let mut texts = HashMap::new();
        for step in &scenario.steps {
            if let Act::Option { name, values } = &step.act {
                match NUMBER_OPTIONS.iter().find(|option| option.name == name) {
                    Some(option) => drop(numbers.insert(option.name, values[0].parse().unwrap())),
                    None => drop(texts.insert(name.as_str(), values[0].as_str())),
                }
            }
        }
        let on = |name: &str| texts.get(name) == Some(&"true");
        let settings = Settings {
            host_name: UserName::new(texts.get("host_name").unwrap_or(&"Host")).unwrap(),
            host_color: Color::from_name(texts.get("host_color").unwrap_or(&"black")).unwrap(),
            reserved_names: texts
                .get("reserve_name")
                .map(|name| UserName::new(name).unwrap())
                .into_iter()
                .collect(),
            repeat_given_names: false,
            message_rate: Rate { per_second: numbers["message_rate"], burst: numbers["message_burst"] },
            tell_rate: Rate { per_second: numbers["tell_rate"], burst: numbers["tell_burst"] },
            max_text_bytes: numbers["max_text_bytes"],
            max_data_bytes: numbers["max_data_bytes"],
            max_message_bytes: numbers["max_message_bytes"],
            max_room_count: numbers["max_room_count"],
            max_connection_room_count: numbers["max_connection_room_count"],
            max_user_connection_count: numbers["max_user_connection_count"],
            max_session_count: numbers["max_session_count"],
            max_page_count: numbers["max_page_count"],
            max_reaction_count: numbers["max_reaction_count"],
            max_presence_count: numbers["max_presence_count"],
            hello_timeout_ms: numbers["hello_timeout_ms"],
            heartbeat_interval_ms: numbers["heartbeat_interval_ms"],
            linger_ms: numbers["linger_ms"],
            session_ms: numbers["session_ms"],
            dedupe_ms: numbers["dedupe_ms"],
            ask_admit: on("ask_admit"),
            ask_may_join: false,
            ask_may_send: on("ask_may_send"),
            ask_call: false,
            question_count: numbers["question_count"],
            question_timeout_ms: numbers["question_timeout_ms"],
        };
        World {
            chat: Chat::new(settings.clone(), 1),
            settings,
            history: numbers["history"] as usize,
            history_kept: numbers["history_kept"] as usize,
            ask_admit: on("ask_admit"),
            now: Now { unix_ms: 1_700_000_000_000, ticks_ms: 0 },
            clients: HashMap::new(),
            log: Memory::new(Bounds {
                message_count: numbers["history_kept"],
                record_count: 4 * numbers["history_kept"],
                bytes: 1 << 30,
                age_ms: numbers["history_ms"],
                dedupe_ms: numbers["dedupe_ms"],
            }),
            logs: HashMap::new(),
            secrets: 0,
            records: Vec::new(),
            events: VecDeque::new(),
            asked: Vec::new(),
            last_connection: 0,
        }
    }

    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> World {
        let mut world = World::new(&Scenario { sentence: String::new(), steps: Vec::new() });
        change(&mut world.settings);
        world.chat = Chat::new(world.settings.clone(), 1);
        world
    }

    /// What holds where nothing else is said.
    pub(super) fn settings() -> Settings {
        World::with(|_| {}).settings
    }

    pub(super) fn turn_ms(&mut self, ms: u64) {
        self.now.ticks_ms += ms;
        self.now.unix_ms += ms;
        self.run(|chat, at| chat.expire(at));
    }

    pub(super) fn records(&self) -> Vec<(RoomName, Record)> {
        self.records.clone()
    }

    pub(super) fn broadcast(&mut self, room: &str, text: &str) -> Result<Position, Error> {
        self.run(|chat, at| chat.broadcast(room, text, at))
    }

    pub(super) fn join(&mut self, who: &str, room: &str, name: &str) {
        self.knock(who, room);
        self.clients.get_mut(who).unwrap().name = Some(name.to_owned());
        self.say(who, name);
    }

    /// How long a connection is not read.
    pub(super) fn paused_ms(&self, who: &str) -> u64 {
        self.clients[who].released_at_ms.map_or(0, |at_ms| at_ms - self.now.ticks_ms)
    }

    pub(super) fn turn_to_release(&mut self, who: &str) {
        self.turn_ms(self.paused_ms(who));
        let client = self.clients.get_mut(who).unwrap();
        client.held = false;
        client.released_at_ms = None;
    }

    pub(super) fn closed(&self, who: &str) -> Option<Cause> {
        self.clients[who].closed.as_ref().map(|(cause, _)| *cause)
    }

    /// A client's text, as the tutorial dialect reads it.
    pub(super) fn say(&mut self, who: &str, text: &str) {
        let client = self.clients.get_mut(who).unwrap();
        let Some(connection) = client.connection else { return };
        if client.held {
            return client.later.push_back(text.to_owned());
        }
        let first = !std::mem::replace(&mut client.spoke, true);
        let command = match (first, text.trim().is_empty()) {
            (true, _) => Command::Name(text),
            (false, true) => return,
            (false, false) => Command::Say(text),
        };
        let flow = self.run(|chat, at| chat.command(connection, command, at));
        let client = self.clients.get_mut(who).unwrap();
        match flow {
            Flow::Go | Flow::Discard => {}
            // A release that came with the answer itself is not undone by the question.
            Flow::Hold => client.held = client.released_at_ms.is_none(),
            Flow::PauseUntil(at_ms) => {
                client.held = true;
                client.released_at_ms = Some(at_ms);
            }
        }
    }

    fn knock(&mut self, who: &str, room: &str) {
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        let client = Client { connection: Some(connection), room: room.to_owned(), ..Client::default() };
        self.clients.insert(who.to_owned(), client);
        if self.ask_admit {
            let room = Some(RoomName::new(room).unwrap());
            let subject = Subject::Admit {
                dialect: Dialect::Tutorial,
                room,
                path: "/".into(),
                query: String::new(),
                headers: Vec::new(),
                name: None,
                token: None,
            };
            return self.run(|chat, at| chat.ask_admit(connection, None, subject, at));
        }
        self.let_in(connection, None);
    }

    fn let_in(&mut self, connection: ConnectionId, given: Option<Given>) {
        let client = self.client(connection).unwrap();
        let room = Some(RoomName::new(&client.room).unwrap());
        client.admitted = true;
        let arrival = Arrival {
            connection,
            dialect: Dialect::Tutorial,
            room,
            path: "/".into(),
            address: None,
            given,
            knock: None,
        };
        let result = self.run(|chat, at| chat.connect(arrival, at));
        if let Err(error) = result {
            let client = self.client(connection).unwrap();
            client.denied = Some(error.message());
            client.connection = None;
        }
    }

    fn leave(&mut self, who: &str, code: u16) {
        if let Some(connection) = self.clients.get_mut(who).unwrap().connection.take() {
            self.run(|chat, at| chat.disconnect(connection, code, String::new(), at));
        }
    }

    fn client(&mut self, connection: ConnectionId) -> Option<&mut Client> {
        self.clients.values_mut().find(|client| client.connection == Some(connection))
    }

    fn run<T>(&mut self, act: impl FnOnce(&mut Chat, &mut Moment<'_>) -> T) -> T {
        let mut effects = Vec::new();
        let secrets = &mut self.secrets;
        let mut secret = || {
            *secrets += 1;
            u128::from(*secrets).to_le_bytes()
        };
        let mut at = Moment { now: self.now, log: &mut self.log, secret: &mut secret, effects: &mut effects };
        let result = act(&mut self.chat, &mut at);
        effects.into_iter().for_each(|effect| self.carry_out(effect));
        result
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Enter { connection, name, .. } => {
                let log = self.logs.get(&name).map(Vec::as_slice).unwrap_or_default();
                let shown: Vec<Got> = log[log.len().saturating_sub(self.history)..]
                    .iter()
                    .map(|r| Got::Shown(heard(r)))
                    .collect();
                self.client(connection).unwrap().got.extend(shown);
            }
            Effect::Record { record, .. } => {
                let said = heard(&record);
                for client in self.clients.values_mut() {
                    if client.connection.is_some() && client.admitted && client.room == said.room {
                        client.got.push_back(Got::Heard(said.clone()));
                    }
                }
                let message = record.message().unwrap();
                self.records.push((message.room.clone(), record.clone()));
                let log = self.logs.entry(message.room.clone()).or_default();
                log.push(record);
                if log.len() > self.history_kept {
                    log.remove(0);
                }
            }
            Effect::Color { connection, color } => self.client(connection).unwrap().color = Some(color),
            Effect::Close { connection, cause, reason } => {
                let client = self.client(connection).unwrap();
                client.closed = Some((cause, reason));
                let who =
                    self.clients.iter().find(|(_, client)| client.connection == Some(connection)).unwrap();
                let who = who.0.clone();
                self.leave(&who, cause.code(Dialect::Tutorial));
            }
            Effect::Release { connection, at_ms } => {
                let now_ms = self.now.ticks_ms;
                let client = self.client(connection).unwrap();
                client.held = at_ms > now_ms;
                client.released_at_ms = Some(at_ms).filter(|at_ms| *at_ms > now_ms);
                let who =
                    self.clients.iter().find(|(_, client)| client.connection == Some(connection)).unwrap();
                let who = who.0.clone();
                while !self.clients[&who].held
                    && let Some(text) = self.clients.get_mut(&who).unwrap().later.pop_front()
                {
                    self.say(&who, &text);
                }
            }
            Effect::Admitted { connection, given } => self.let_in(connection, given),
            Effect::Denied { connection, reason } => {
                self.client(connection).unwrap().denied = Some(reason.clone());
                let error = Error::new(crate::error::ErrorCode::Refused, reason);
                let refused = Event::Refused { connection: Some(connection), address: None, error };
                self.events.push_back(refused);
            }
            Effect::Ask(question) => self.asked.push(question),
            // Its records are another's from here on.
            Effect::Forget { .. } => {}
            Effect::Exit { .. }
            | Effect::Show { .. }
            | Effect::Notify { .. }
            | Effect::Reply { .. }
            | Effect::Refuse { .. }
            | Effect::Heartbeat { .. } => {}
            Effect::Tell(event) => self.events.push_back(event),
        }
    }
}

fn heard(record: &Record) -> Heard {
    let message = record.message().unwrap();
    Heard {
        room: message.room.to_string(),
        offset: Some(message.position.offset),
        author: message.name.to_string(),
        text: message.text.clone(),
    }
}

// The steps.
impl World {
    pub(super) fn play(&mut self, at: &str, act: &Act) {
        match act {
            Act::Option { .. } => {}
            Act::Client { who, act } => self.play_client(at, who, act),
            Act::DifferentColors { who } => {
                let mut colors: Vec<_> =
                    who.iter().map(|who| self.clients[who].color.unwrap().name()).collect();
                colors.sort_unstable();
                colors.dedup();
                assert_eq!(colors.len(), who.len(), "{at}");
            }
            Act::Host { act, error } => self.play_host(at, act, error.as_ref()),
            Act::HostHears { event: EventPattern::Started, .. } => {}
            Act::HostHears { event, next } => self.hears(at, event, *next),
            Act::HostHearsNothing => assert!(self.events.is_empty(), "{at}: {:?}", self.events),
            Act::HostIsAsked(pattern) => {
                let question = self.asked.last().unwrap_or_else(|| panic!("{at}: nothing is asked"));
                let fits = match (&question.subject, pattern) {
                    (Subject::Admit { .. }, QuestionPattern::Admit { who }) => {
                        self.clients[who].connection == Some(question.connection)
                    }
                    (
                        Subject::MaySend { room, text, .. },
                        QuestionPattern::MaySend { who, room: in_room, text: said },
                    ) => {
                        self.clients[who].connection == Some(question.connection)
                            && **room == **in_room
                            && text == said
                    }
                    _ => false,
                };
                assert!(fits, "{at}: {question:?}");
            }
        }
    }

    fn play_client(&mut self, at: &str, who: &str, act: &ClientAct) {
        match act {
            ClientAct::Joins { room, name } => self.join(who, room, name),
            ClientAct::Enters { room } => self.knock(who, room),
            ClientAct::Knocks { path, .. } => self.knock(who, room_of(path).unwrap()),
            ClientAct::TakesName { name } => {
                self.clients.get_mut(who).unwrap().name = Some(name.clone());
                self.say(who, name);
                assert!(self.clients[who].color.is_some(), "{at}");
            }
            ClientAct::IsLetIn => assert!(self.clients[who].admitted, "{at}"),
            ClientAct::IsRefused { words, .. } => {
                if self.clients[who].denied.is_none() {
                    self.turn_ms(self.settings.question_timeout_ms);
                }
                let denied = self.clients[who].denied.clone().unwrap_or_else(|| panic!("{at}: not refused"));
                assert!(words.as_ref().is_none_or(|words| denied.contains(words)), "{at}: {denied}");
            }
            ClientAct::HasColor => assert!(self.clients[who].color.is_some(), "{at}"),
            ClientAct::Says { text, .. } => self.say(who, text),
            ClientAct::Hears(said) => match self.clients.get_mut(who).unwrap().got.pop_front() {
                Some(Got::Heard(got) | Got::Shown(got)) => assert_eq!(got, *said, "{at}"),
                None => panic!("{at}: nothing is heard"),
            },
            ClientAct::IsShown(said) => {
                let got = self.clients.get_mut(who).unwrap().got.pop_front();
                assert_eq!(got, Some(Got::Shown(said.clone())), "{at}");
            }
            ClientAct::HearsNothing => assert!(self.clients[who].got.is_empty(), "{at}"),
            ClientAct::Leaves => self.leave(who, 1000),
            ClientAct::Drops => self.leave(who, 1006),
            ClientAct::Returns => {
                let (room, name) = (self.clients[who].room.clone(), self.clients[who].name.clone());
                self.knock(who, &room);
                if let Some(name) = name {
                    self.clients.get_mut(who).unwrap().name = Some(name.clone());
                    self.say(who, &name);
                }
            }
            ClientAct::IsClosedWith { code, reason } => {
                let (cause, words) = self.clients[who].closed.clone().unwrap_or_else(|| panic!("{at}: open"));
                assert_eq!(cause.code(Dialect::Tutorial), *code, "{at}");
                assert!(reason.as_ref().is_none_or(|reason| words.contains(reason)), "{at}: {words}");
            }
            other => unreachable!("{at}: {other:?}"),
        }
    }

    fn play_host(&mut self, at: &str, act: &HostAct, error: Option<&ExpectedError>) {
        let result = match act {
            HostAct::Broadcasts { room, text } => self.broadcast(room, text).map(drop),
            HostAct::Sends { room, user, text } => {
                self.run(|chat, at| chat.send(room, user, text, at)).map(drop)
            }
            HostAct::Answers(said) => {
                let verdict = match said.clone() {
                    Said::Allow => Verdict::Allow,
                    Said::AllowAs { user, name } => {
                        Verdict::AllowAs(Admission { user, ..Admission::new(name) })
                    }
                    Said::Rewrite(text) => Verdict::Rewrite(text),
                    Said::Refuse(reason) => Verdict::Refuse(reason),
                    Said::AllowAsAdmission(_) | Said::Answer(_) => unreachable!("{at}"),
                };
                let id = self.asked.last().unwrap_or_else(|| panic!("{at}: nothing is asked")).id;
                self.run(|chat, at| chat.answer(id, verdict, at))
            }
            HostAct::SeesRooms { rooms } => {
                let seen: Vec<_> = self.chat.rooms();
                let seen: Vec<_> = seen
                    .iter()
                    .map(|room| (room.name.to_string(), room.member_count, room.position.offset))
                    .collect();
                assert_eq!(seen, *rooms, "{at}");
                Ok(())
            }
            HostAct::SeesMembers { room, members } => self.chat.room(room).map(|key| {
                let seen = self.chat.members(key);
                let seen: Vec<_> =
                    seen.iter().map(|member| (member.name.to_string(), member.connection_count)).collect();
                assert_eq!(seen, *members, "{at}");
            }),
            HostAct::SeesMemberCount { room, count } => {
                self.chat.room(room).map(|key| assert_eq!(self.chat.member_count(key), *count, "{at}"))
            }
            HostAct::SeesHistory { room, before, limit, messages } => self.chat.room(room).map(|_| {
                let log = self.logs.get(room.as_str()).map(Vec::as_slice).unwrap_or_default();
                let mut seen: Vec<_> = log
                    .iter()
                    .map(heard)
                    .map(|said| (said.offset.unwrap(), said.author, said.text))
                    .filter(|(offset, ..)| *before == 0 || offset < before)
                    .collect();
                seen.drain(..seen.len().saturating_sub(*limit as usize));
                assert_eq!(seen, *messages, "{at}");
            }),
            other => unreachable!("{at}: {other:?}"),
        };
        match (result, error) {
            (Ok(()), None) => {}
            (Err(got), Some(expected)) => {
                assert_eq!(got.code().name(), expected.code, "{at}: {got}");
                assert!(
                    expected.words.as_ref().is_none_or(|words| got.message().contains(words)),
                    "{at}: {got}"
                );
            }
            (result, expected) => panic!("{at}: {result:?}, expected {expected:?}"),
        }
    }

    fn hears(&mut self, at: &str, pattern: &EventPattern, next: bool) {
        loop {
            if self.events.is_empty() {
                self.turn_ms(self.settings.question_timeout_ms);
            }
            let event = self.events.pop_front().unwrap_or_else(|| panic!("{at}: nothing more is heard"));
            if self.fits(&event, pattern) {
                return;
            }
            assert!(!next, "{at}: heard {event:?}");
        }
    }

    fn fits(&self, event: &Event, pattern: &EventPattern) -> bool {
        // A client that is gone has given its number back, so only its other words are compared.
        let is = |who: &str, id: ConnectionId| self.clients[who].connection.is_none_or(|other| other == id);
        match (event, pattern) {
            (
                Event::Connected { connection, dialect, .. },
                EventPattern::Connected { who, dialect: name },
            ) => is(who, *connection) && name.as_ref().is_none_or(|name| dialect.name() == name),
            (Event::Named { connection, name, .. }, EventPattern::Named { who, name: text }) => {
                is(who, *connection) && **name == **text
            }
            (
                Event::Joined { room, connection, member_count, .. },
                EventPattern::Joined { who, room: name, member_count: count },
            )
            | (
                Event::Left { room, connection, member_count, .. },
                EventPattern::Left { who, room: name, member_count: count },
            ) => is(who, *connection) && **room == **name && member_count == count,
            (Event::Message { message, .. }, EventPattern::Message { room, offset, name, text }) => {
                (&*message.room, message.position.offset, &*message.name, &message.text)
                    == (room.as_str(), *offset, name.as_str(), text)
            }
            (
                Event::Disconnected { connection, code, .. },
                EventPattern::Disconnected { who, code: number },
            ) => is(who, *connection) && code == number,
            (Event::Refused { connection, error, .. }, EventPattern::Refused { who, code }) => {
                let who_is = match (who, connection) {
                    (Some(who), Some(connection)) => is(who, *connection),
                    (None, _) => true,
                    (Some(_), None) => false,
                };
                who_is && error.code().name() == code
            }
            _ => false,
        }
    }
}
