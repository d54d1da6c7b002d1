//! Plays a scenario through a door: real clients, and a host that does and hears.

mod v1;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use klatsch_tests::driver::{Door, Fields, Refusal};
use klatsch_tests::scenario::{
    Act, ClientAct, EventPattern, ExpectedError, Heard, HostAct, Payload, QuestionPattern, Scenario, Verdict,
};

use serde_json::json;

use v1::{V1, admission_fields, field_of};

use crate::client::{Client, DEADLINE, Document, QUIET, Seen};
use crate::json::{Bindings, read};

/// What a step says is not so, in words.
type Wrong = String;

pub(crate) struct Play {
    door: Box<dyn Door>,
    options: Vec<(String, Vec<String>)>,
    /// Whether the engine was made, and where it listens while it runs.
    made: bool,
    address: Option<String>,
    clients: BTreeMap<String, Client>,
    /// The newest connection of each client, as the host knows it.
    connections: BTreeMap<String, String>,
    /// Connections that belong to a client already.
    known: HashSet<String>,
    /// Every event so far, and which of them the scenario has looked at.
    events: Vec<Fields>,
    looked_at: usize,
    /// The newest question that the scenario has looked at.
    question: Option<String>,
    /// What names in JSON stand for.
    bindings: Bindings,
}

/// Plays all of it; panics at the first step that is not so.
pub(crate) fn play(file: &str, scenario: &Scenario, door: Box<dyn Door>) {
    let mut play = Play {
        door,
        options: Vec::new(),
        made: false,
        address: None,
        clients: BTreeMap::new(),
        connections: BTreeMap::new(),
        known: HashSet::new(),
        events: Vec::new(),
        looked_at: 0,
        question: None,
        bindings: Bindings::default(),
    };
    for step in &scenario.steps {
        if let Err(wrong) = play.act(&step.act) {
            let events: Vec<String> = play.events.iter().map(|event| event.join(" ")).collect();
            panic!("{file}:{}: {wrong}\nthe host heard:\n  {}", step.line, events.join("\n  "));
        }
    }
    // So that the end of every scenario is a start and a stop that leave nothing behind.
    if play.address.is_some()
        && let Err(refusal) = play.door.call(&["stop", "0"])
    {
        panic!("{file}: it cannot stop: {refusal:?}");
    }
}

impl Play {
    fn act(&mut self, act: &Act) -> Result<(), Wrong> {
        match act {
            Act::Option { name, values } => {
                if self.made {
                    return Err("options come before everything else".into());
                }
                self.options.push((name.clone(), values.clone()));
                Ok(())
            }
            Act::Host { act: HostAct::Starts, error } => {
                let started = self.start();
                expect(started, error.as_ref()).map(drop)
            }
            act => {
                if !self.made {
                    self.start().map_err(|refusal| format!("it cannot start: {refusal:?}"))?;
                }
                self.act_while_made(act)
            }
        }
    }

    fn act_while_made(&mut self, act: &Act) -> Result<(), Wrong> {
        match act {
            Act::Client { who, act } => self.client_act(who, act),
            Act::DifferentColors { who } => {
                let colors: HashSet<_> = who.iter().map(|who| self.clients[who].color.clone()).collect();
                right(colors.len() == who.len(), || format!("there are only {colors:?}"))
            }
            Act::Host { act, error } => self.host_act(act, error.as_ref()),
            Act::HostHears { event, next } => self.host_hears(event, *next),
            Act::HostHearsNothing => match self.next_event(QUIET)? {
                None => Ok(()),
                Some(event) => Err(format!("it hears {event:?}")),
            },
            Act::HostIsAsked(question) => self.host_is_asked(question),
            Act::Option { .. } => unreachable!("options are kept until the start"),
        }
    }

    /// Makes the engine, once, and starts it. Every refusal on the way is one of the start.
    fn start(&mut self) -> Result<Fields, Refusal> {
        if !self.made {
            if !self.options.iter().any(|(name, _)| name == "listen" || name == "adopt_only") {
                self.door.call(&["option", "listen", "127.0.0.1:0"])?;
            }
            for (name, values) in &self.options {
                let command: Vec<&str> =
                    ["option", name].into_iter().chain(values.iter().map(String::as_str)).collect();
                self.door.call(&command)?;
            }
            self.door.call(&["new"])?;
            self.made = true;
        }
        let addresses = self.door.call(&["start"])?;
        self.address = addresses.first().cloned();
        Ok(addresses)
    }

    // What clients do.

    fn client_act(&mut self, who: &str, act: &ClientAct) -> Result<(), Wrong> {
        match act {
            ClientAct::Joins { room, name } => {
                self.open(who, &room_path(room), None)?;
                self.take_name(who, name)
            }
            ClientAct::Enters { room } => self.open(who, &room_path(room), None),
            ClientAct::TakesName { name } => self.take_name(who, name),
            ClientAct::Opens { path, subprotocol } => self.open(who, path, subprotocol.as_deref()),
            ClientAct::Knocks { path, subprotocol } => {
                self.knock(who, path, subprotocol.as_deref());
                Ok(())
            }
            ClientAct::IsLetIn => self.let_in(who),
            ClientAct::IsRefused { status, words } => match self.client(who).answer() {
                Ok(()) => Err("it is let in".into()),
                Err(refused) => right(
                    refused.status == *status && refused.body.contains(words.as_deref().unwrap_or_default()),
                    || format!("{refused:?}"),
                ),
            },
            ClientAct::HasColor => {
                if self.client(who).color.is_none() {
                    self.client(who).await_color()?;
                }
                Ok(())
            }
            ClientAct::Says { room, text } => {
                let path = room_path(room);
                right(self.client(who).path == path, || format!("{who} is in another room"))?;
                self.client(who).send(&Payload::Text(text.clone()));
                Ok(())
            }
            ClientAct::Sends(payload) => {
                self.client(who).send(payload);
                Ok(())
            }
            ClientAct::Hears(heard) => self.hears(who, heard, None),
            ClientAct::IsShown(heard) => self.hears(who, heard, Some(true)),
            ClientAct::Gets(payload) => {
                let got = self.client(who).next_payload();
                right(got == Some(Ok(payload.clone())), || format!("{who} gets {got:?}"))
            }
            ClientAct::HearsNothing => match self.client(who).break_of_silence() {
                Some(what) => Err(format!("{who} gets {what}")),
                None => Ok(()),
            },
            ClientAct::Leaves => {
                let code = self.client(who).leave();
                right(code == 1000, || format!("the farewell is answered with {code}"))
            }
            ClientAct::Drops => {
                self.client(who).drop_line();
                Ok(())
            }
            ClientAct::Returns => {
                let before = self.client(who);
                let (path, subprotocol, name) =
                    (before.path.clone(), before.subprotocol.clone(), before.name.clone());
                self.open(who, &path, subprotocol.as_deref())?;
                name.map_or(Ok(()), |name| self.take_name(who, &name))
            }
            ClientAct::SaysHello { name } => {
                self.open(who, "/", Some(V1))?;
                let fields = name.as_ref().map_or(json!({}), |name| json!({ "name": name }));
                self.say_hello(who, fields);
                self.is_answered(who, Ok(&json!({"user": "...", "name": "..."})))
            }
            ClientAct::SaysHelloWith { fields } => {
                self.open(who, "/", Some(V1))?;
                let fields = self.bindings.filled(fields);
                self.say_hello(who, fields);
                Ok(())
            }
            ClientAct::Asks { request } => {
                let request = self.bindings.filled(request);
                self.ask(who, request);
                Ok(())
            }
            ClientAct::IsAnswered { ok } => self.is_answered(who, Ok(&read(ok))),
            ClientAct::IsAnsweredError(error) => self.is_answered(who, Err(error)),
            ClientAct::GetsJson { document } => self.gets(who, &read(document)),
            ClientAct::IsClosedWith { code, reason } if self.client(who).is_v1() => {
                let end = self.client(who).next_document(false, DEADLINE);
                match &end {
                    Some(Document::Closed { code: closed, reason: why })
                        if closed == code && reason.as_ref().is_none_or(|reason| reason == why) =>
                    {
                        Ok(())
                    }
                    _ => Err(format!("{who} gets {end:?}")),
                }
            }
            ClientAct::IsClosedWith { code, reason } => {
                let seen = self.client(who).next_seen(DEADLINE);
                match &seen {
                    Some(Seen::Closed { code: closed, reason: why })
                        if closed == code && reason.as_ref().is_none_or(|reason| reason == why) =>
                    {
                        Ok(())
                    }
                    _ => Err(format!("{who} gets {seen:?}")),
                }
            }
        }
    }

    fn client(&mut self, who: &str) -> &mut Client {
        self.clients.get_mut(who).unwrap_or_else(|| panic!("nobody is called {who}"))
    }

    fn knock(&mut self, who: &str, path: &str, subprotocol: Option<&str>) {
        let address = self.address.as_ref().expect("the engine listens");
        self.clients.insert(who.to_owned(), Client::knock(address, path, subprotocol));
    }

    fn open(&mut self, who: &str, path: &str, subprotocol: Option<&str>) -> Result<(), Wrong> {
        self.knock(who, path, subprotocol);
        self.let_in(who)
    }

    /// Waits for the answer, and for the host to know the connection.
    fn let_in(&mut self, who: &str) -> Result<(), Wrong> {
        self.client(who).answer().map_err(|refused| format!("{who} is not let in: {refused:?}"))?;
        let until = Instant::now() + DEADLINE;
        loop {
            let new =
                self.events.iter().find(|event| event[0] == "connected" && !self.known.contains(&event[1]));
            if let Some(event) = new {
                let connection = event[1].clone();
                self.known.insert(connection.clone());
                self.connections.insert(who.to_owned(), connection);
                return Ok(());
            }
            if !self.listen(until)? {
                return Err(format!("the host does not hear that {who} is connected"));
            }
        }
    }

    fn take_name(&mut self, who: &str, name: &str) -> Result<(), Wrong> {
        let client = self.client(who);
        client.name = Some(name.to_owned());
        client.send(&Payload::Text(name.to_owned()));
        client.await_color()
    }

    /// `shown`: whether it must come in the history; `None`: either way.
    fn hears(&mut self, who: &str, heard: &Heard, shown: Option<bool>) -> Result<(), Wrong> {
        let path = room_path(&heard.room);
        right(self.client(who).path.starts_with(&path), || format!("{who} is in another room"))?;
        let seen = self.client(who).next_seen(DEADLINE);
        let fits = match &seen {
            Some(Seen::Message { shown: in_history, author, text }) => {
                *author == heard.author
                    && *text == heard.text
                    && shown.is_none_or(|shown| shown == *in_history)
            }
            _ => false,
        };
        right(fits, || format!("{who} hears {seen:?}"))?;
        let Some(offset) = heard.offset else { return Ok(()) };
        // Clients of this dialect see no offsets: the host does, in the same message.
        let (room, name, text) = (heard.room.clone(), heard.author.clone(), heard.text.clone());
        let record = EventPattern::Message { room, offset, name, text };
        let until = Instant::now() + DEADLINE;
        while !self.events.iter().any(|event| self.fits(&record, event)) {
            right(self.listen(until)?, || "the host heard no such message".into())?;
        }
        Ok(())
    }

    // What the host does.

    fn host_act(&mut self, act: &HostAct, error: Option<&ExpectedError>) -> Result<(), Wrong> {
        let command: Fields = self.command(act).iter().map(|field| self.bindings.text(field)).collect();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let Some(reply) = expect(self.door.call(&command), error)? else { return Ok(()) };
        if let HostAct::MakesTicket { variable, .. } = act {
            self.bindings.bind(variable.trim_start_matches('$'), reply[0].clone().into());
        }
        let wanted = match act {
            HostAct::SeesRooms { rooms } => rooms
                .iter()
                .flat_map(|(name, members, offset)| [name.clone(), members.to_string(), offset.to_string()])
                .collect(),
            HostAct::SeesMembers { members, .. } => {
                // User ids are the engine's, colors are random: the names and the counts are looked at.
                let seen: Vec<_> =
                    reply.chunks(4).map(|member| (member[1].clone(), member[3].clone())).collect();
                let wanted: Vec<_> =
                    members.iter().map(|(name, count)| (name.clone(), count.to_string())).collect();
                return right(seen == wanted, || format!("it sees {reply:?}"));
            }
            HostAct::SeesMemberCount { count, .. } => vec![count.to_string()],
            HostAct::SeesConnections { connection_count, room_count } => {
                vec![connection_count.to_string(), "0".into(), "0".into(), room_count.to_string()]
            }
            HostAct::SeesHistory { messages, .. } => messages
                .iter()
                .flat_map(|(offset, name, text)| [offset.to_string(), name.clone(), text.clone()])
                .collect(),
            HostAct::Stops { .. } => {
                self.address = None;
                return Ok(());
            }
            _ => return Ok(()),
        };
        right(reply == wanted, || format!("it sees {reply:?}"))
    }

    fn command(&self, act: &HostAct) -> Fields {
        let fields: Vec<&str> = match act {
            HostAct::Starts => vec!["start"],
            HostAct::Stops { grace_ms } => return vec!["stop".into(), grace_ms.to_string()],
            HostAct::Broadcasts { room, text } => vec!["broadcast", room, text],
            HostAct::BroadcastsEverywhere { text } => vec!["broadcast_all", text],
            HostAct::Tells { who, payload } => return told(&["tell", self.connection(who)], payload),
            HostAct::TellsRoom { room, payload } => return told(&["tell_room", room], payload),
            HostAct::TellsEveryone { payload } => return told(&["tell_all"], payload),
            HostAct::Sends { room, user, text } => vec!["send", room, user, text],
            HostAct::Edits { room, offset, text } => {
                return vec!["edit".into(), room.clone(), offset.to_string(), text.clone()];
            }
            HostAct::Deletes { room, offset } => {
                return vec!["delete".into(), room.clone(), offset.to_string()];
            }
            HostAct::Kicks { who, reason } => vec!["kick", self.connection(who), reason],
            HostAct::TellsUser { user, text } => vec!["tell_user", user, text],
            HostAct::Moderates { room, act } => {
                let act = self.bindings.filled(act);
                let value = ["seconds", "topic", "role"].map(|field| field_of(&act, field)).concat();
                return vec![
                    "moderate".into(),
                    room.clone(),
                    field_of(&act, "act"),
                    field_of(&act, "user"),
                    value,
                ];
            }
            HostAct::Puts { user, room } => vec!["join", room, user],
            HostAct::Takes { user, room } => vec!["leave", room, user],
            HostAct::Sets { room, options } => {
                let options = self.bindings.filled(options);
                let names = ["private", "read_only", "max_member_count", "history_kept"];
                let values = names.map(|name| field_of(&options, name));
                return ["set_room".into(), room.clone()].into_iter().chain(values).collect();
            }
            HostAct::MakesTicket { admission, ttl_ms, .. } => {
                let admission = admission_fields(&self.bindings.filled(admission));
                return ["ticket".into(), ttl_ms.to_string()].into_iter().chain(admission).collect();
            }
            HostAct::Bans { user, seconds } => {
                return vec!["ban".into(), user.clone(), seconds.map_or(String::new(), |s| s.to_string())];
            }
            HostAct::BansAddress { address, seconds } => {
                let seconds = seconds.map_or(String::new(), |seconds| seconds.to_string());
                return vec!["ban_address".into(), address.clone(), seconds];
            }
            HostAct::Answers(verdict) => {
                let question = self.question.as_deref().expect("the host was asked something");
                let verdict: Fields = match verdict {
                    Verdict::Allow => vec!["allow".into()],
                    Verdict::AllowAs { user, name } => {
                        let admission = admission_fields(&json!({ "user": user, "name": name }));
                        ["allow_as".into()].into_iter().chain(admission).collect()
                    }
                    Verdict::AllowAsAdmission(admission) => {
                        let admission = admission_fields(&self.bindings.filled(admission));
                        ["allow_as".into()].into_iter().chain(admission).collect()
                    }
                    Verdict::Answer(data) => vec!["answer".into(), data.clone()],
                    Verdict::Rewrite(text) => vec!["rewrite".into(), text.clone()],
                    Verdict::Refuse(reason) => vec!["refuse".into(), reason.clone()],
                };
                return ["answer".into(), question.to_owned()].into_iter().chain(verdict).collect();
            }
            HostAct::SeesRooms { .. } => vec!["rooms"],
            HostAct::SeesMembers { room, .. } => vec!["members", room],
            HostAct::SeesMemberCount { room, .. } => vec!["member_count", room],
            HostAct::SeesConnections { .. } => vec!["stats"],
            HostAct::SeesHistory { room, before, limit, .. } => {
                return vec!["history".into(), room.clone(), before.to_string(), limit.to_string()];
            }
        };
        fields.into_iter().map(str::to_owned).collect()
    }

    /// A client's connection, or a number as it stands: one that never was.
    fn connection<'a>(&'a self, who: &'a str) -> &'a str {
        self.connections.get(who).map_or(who, String::as_str)
    }

    // What the host hears.

    fn host_hears(&mut self, pattern: &EventPattern, next: bool) -> Result<(), Wrong> {
        let until = Instant::now() + DEADLINE;
        let mut passed = VecDeque::new();
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            match self.next_event(rest)? {
                Some(event) if self.fits(pattern, &event) => return Ok(()),
                Some(event) if next => return Err(format!("it hears {event:?}")),
                Some(event) => passed.push_back(event),
                None => return Err(format!("it does not hear {pattern:?}")),
            }
        }
    }

    fn host_is_asked(&mut self, pattern: &QuestionPattern) -> Result<(), Wrong> {
        let until = Instant::now() + DEADLINE;
        let question = loop {
            let rest = until.saturating_duration_since(Instant::now());
            match self.next_event(rest)? {
                Some(event) if event[0] == "question" => break event,
                Some(_) => {}
                None => return Err("it is asked nothing".into()),
            }
        };
        self.question = Some(question[1].clone());
        let fits = match pattern {
            QuestionPattern::Admit { who } => {
                self.connections.insert(who.clone(), question[3].clone());
                question[2] == "admit"
            }
            QuestionPattern::AdmitWith { who, fields } => {
                self.connections.insert(who.clone(), question[3].clone());
                let fields = self.bindings.filled(fields);
                question[2] == "admit"
                    && question[7] == field_of(&fields, "name")
                    && question[8] == field_of(&fields, "token")
            }
            QuestionPattern::MayJoin { who, room } => {
                question[2] == "may_join" && question[3] == self.connection(who) && question[4] == *room
            }
            QuestionPattern::Call { who, method, data } => {
                question[2] == "call"
                    && question[3] == self.connection(who)
                    && question[6] == *method
                    && read(&question[7]) == self.bindings.filled(data)
            }
            QuestionPattern::MaySend { who, room, text } => {
                question[2] == "may_send"
                    && question[3] == self.connection(who)
                    && question[4] == *room
                    && question[7] == *text
            }
        };
        right(fits, || format!("it is asked {question:?}"))
    }

    /// The next event that was not looked at.
    fn next_event(&mut self, deadline: Duration) -> Result<Option<Fields>, Wrong> {
        let until = Instant::now() + deadline;
        while self.looked_at == self.events.len() {
            if !self.listen(until)? {
                return Ok(None);
            }
        }
        self.looked_at += 1;
        Ok(Some(self.events[self.looked_at - 1].clone()))
    }

    /// Waits for one more event; `false` when the time is over.
    fn listen(&mut self, until: Instant) -> Result<bool, Wrong> {
        let Some(event) = self.door.event(until.saturating_duration_since(Instant::now())) else {
            return Ok(false);
        };
        let bad = ["missed", "degraded", "error"].contains(&event[0].as_str());
        self.events.push(event.clone());
        right(!bad, || format!("the host hears {event:?}"))?;
        Ok(true)
    }

    fn fits(&self, pattern: &EventPattern, event: &Fields) -> bool {
        let event: Vec<&str> = event.iter().map(String::as_str).collect();
        let is =
            |who: &str, connection: &str| self.connections.get(who).is_some_and(|known| known == connection);
        let same = |number: &u64, field: &str| number.to_string() == field;
        match (pattern, event.as_slice()) {
            (EventPattern::Started, ["started", ..]) | (EventPattern::Stopped, ["stopped"]) => true,
            (EventPattern::Connected { who, dialect }, ["connected", connection, spoken, ..]) => {
                is(who, connection) && dialect.as_ref().is_none_or(|dialect| dialect == spoken)
            }
            (EventPattern::Named { who, name }, ["named", connection, _, named, _]) => {
                is(who, connection) && name == named
            }
            (
                EventPattern::Joined { who, room, member_count },
                ["joined", place, connection, _, _, count],
            )
            | (EventPattern::Left { who, room, member_count }, ["left", place, connection, _, _, count]) => {
                is(who, connection) && room == place && same(member_count, count)
            }
            (
                EventPattern::Message { room, offset, name, text },
                ["message", _, place, position, _, author, said],
            ) => room == place && same(offset, position) && name == author && text == said,
            (
                EventPattern::Receipt { room, offset, connection_count, sent_count },
                ["receipt", place, position, connections, sent, "0", "0"],
            ) => {
                room == place
                    && same(offset, position)
                    && same(connection_count, connections)
                    && same(sent_count, sent)
            }
            (EventPattern::Away { user, name, text }, ["away", whom, author, said]) => {
                self.bindings.text(user) == *whom && name == author && text == said
            }
            (EventPattern::Received { who, payload }, ["received", connection, kind, data]) => {
                is(who, connection) && data_of(payload) == [*kind, *data]
            }
            (EventPattern::Disconnected { who, code }, ["disconnected", connection, closed, _]) => {
                is(who, connection) && code.to_string() == *closed
            }
            (EventPattern::Refused { who, code }, ["refused", connection, name]) => {
                who.as_ref().is_none_or(|who| is(who, connection)) && code == name
            }
            _ => false,
        }
    }
}

/// Looks whether a call ended as it should; gives the reply where it succeeded.
fn expect(result: Result<Fields, Refusal>, error: Option<&ExpectedError>) -> Result<Option<Fields>, Wrong> {
    match (result, error) {
        (Ok(reply), None) => Ok(Some(reply)),
        (Err(refusal), Some(error)) => {
            let words = error.words.as_deref().unwrap_or_default();
            let fits =
                refusal.code == error.code && refusal.words.contains(words) && !refusal.words.is_empty();
            right(fits, || format!("the error is {refusal:?}")).map(|()| None)
        }
        (Ok(reply), Some(_)) => Err(format!("there is no error but {reply:?}")),
        (Err(refusal), None) => Err(format!("there is an error: {refusal:?}")),
    }
}

fn told(command: &[&str], payload: &Payload) -> Fields {
    let data = data_of(payload);
    command.iter().map(|&word| word.to_owned()).chain(data).collect()
}

fn data_of(payload: &Payload) -> [String; 2] {
    match payload {
        Payload::Text(text) => ["text".into(), text.clone()],
        Payload::Bytes(bytes) => ["binary".into(), bytes.iter().map(|byte| format!("{byte:02x}")).collect()],
    }
}

/// The path of a room of the chat.
fn room_path(room: &str) -> String {
    let mut path = String::from("/?room=");
    for byte in room.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => path.push(byte.into()),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

fn right(is: bool, otherwise: impl FnOnce() -> String) -> Result<(), Wrong> {
    if is { Ok(()) } else { Err(otherwise()) }
}
