//! What clients of `klatsch.v1` may try: to fill the engine with rooms, to shout the others down, to read what is not
//! theirs, to choke the reader of JSON.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use klatsch::{Admission, Event, Moderation, Options, Subject, UserId, Verdict};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span;
use tungstenite::Message;

use crate::common::process::alone;
use crate::common::raw::serves_the_next;
use crate::common::{Client, Host, host};

/// A client that speaks `klatsch.v1`.
struct Talker {
    client: Client,
    last_id: u64,
    /// What it heard beside its answers.
    heard: Vec<Value>,
}

impl Talker {
    fn connect(host: &Host) -> Talker {
        let protocol = ("sec-websocket-protocol", "klatsch.v1");
        let client = Client::try_connect(host.address, "/", &[protocol]).unwrap();
        Talker { client, last_id: 0, heard: Vec::new() }
    }

    fn named(host: &Host, name: &str) -> Talker {
        let mut talker = Talker::connect(host);
        let answer = talker.ask(json!({ "do": "hello", "name": name }));
        assert_eq!(answer["ok"]["name"], name, "{answer}");
        talker
    }

    fn say(&mut self, mut request: Value) -> u64 {
        self.last_id += 1;
        request["id"] = self.last_id.into();
        self.client.say(&request.to_string());
        self.last_id
    }

    fn ask(&mut self, request: Value) -> Value {
        let id = self.say(request);
        self.answer(id)
    }

    fn answer(&mut self, id: u64) -> Value {
        loop {
            let document = self.next();
            if document["id"] == id {
                return document;
            }
            self.heard.push(document);
        }
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.client.hear()).unwrap()
    }

    fn join(&mut self, room: &str) -> Value {
        let answer = self.ask(json!({ "do": "join", "room": room }));
        assert!(answer["ok"].is_object(), "{answer}");
        answer["ok"].clone()
    }

    fn error(&mut self, request: Value) -> String {
        let words = request.to_string();
        let answer = self.ask(request);
        answer["error"]["name"].as_str().unwrap_or_else(|| panic!("{words}: {answer}")).to_owned()
    }
}

fn send(room: &str, mid: &str, text: &str) -> Value {
    json!({ "do": "send", "room": room, "mid": mid, "text": text })
}

#[test]
fn joins_without_end_are_refused_at_their_limits_and_then_closed() {
    let host = host(Options::new().max_connection_room_count(5).max_room_count(8));
    let (mut joiner, mut other) = (Talker::named(&host, "Joiner"), Talker::named(&host, "Other"));
    for n in 0..5 {
        joiner.join(&format!("room {n}"));
    }
    for n in 5..54 {
        assert_eq!(joiner.error(json!({ "do": "join", "room": format!("room {n}") })), "too_many_rooms");
    }
    for n in 5..8 {
        other.join(&format!("room {n}"));
    }
    assert_eq!(other.error(json!({ "do": "join", "room": "one more" })), "too_many_rooms");
    assert_eq!(host.engine.stats().unwrap().room_count, 8);
    // The fiftieth refusal is the last.
    joiner.say(json!({ "do": "join", "room": "room 54" }));
    assert_eq!(joiner.client.closed().0, 4102);
    other.join("room 7");
    host.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn rooms_that_are_made_and_left_without_end_are_forgotten_and_cost_no_memory() {
    if !alone("talk::rooms_that_are_made_and_left_without_end_are_forgotten_and_cost_no_memory") {
        return;
    }
    const ROUND: u64 = 50;
    let host =
        host(Options::new().max_room_count(100).message_rate(0).tell_rate(0).heartbeat_timeout_ms(60_000));
    let mut joiner = Talker::named(&host, "Joiner");
    let mut visit = |rounds: std::ops::Range<u64>| {
        for round in rounds {
            let mut last = 0;
            for n in 0..ROUND {
                let room = format!("room {round} {n}");
                joiner.say(json!({ "do": "join", "room": room }));
                joiner.say(send(&room, "m", "a word that nobody will read any more"));
                last = joiner.say(json!({ "do": "leave", "room": room }));
            }
            assert!(joiner.answer(last)["ok"].is_object());
            joiner.heard.clear();
        }
        assert!(host.engine.stats().unwrap().room_count <= 100);
        crate::common::process::resident()
    };
    let before = visit(0..40);
    let after = visit(40..200);
    let grown = after.saturating_sub(before);
    // The ids of what was sent are known for a day, so that nothing is said twice: that much for each.
    assert!(grown <= 160 * ROUND as usize * 192 + (1 << 20), "{grown} bytes for {} rooms", 160 * ROUND);
    host.stop();
}

#[test]
fn who_shouts_is_refused_then_closed_and_the_others_get_everything_in_its_order() {
    let host = host(Options::new().message_rate(1).message_burst(20));
    let mut people: Vec<Talker> =
        ["Loud", "Bob", "Cy"].into_iter().map(|name| Talker::named(&host, name)).collect();
    people.iter_mut().for_each(|talker| drop(talker.join("lobby")));
    let mut cy = people.pop().unwrap();
    let mut bob = people.pop().unwrap();
    let mut loud = people.pop().unwrap();
    let mut ids = Vec::new();
    for n in 0..200 {
        ids.push(loud.say(send("lobby", &n.to_string(), "LOUD")));
        if n % 20 == 0 {
            let said = bob.ask(send("lobby", &n.to_string(), &format!("bob {}", n / 20)));
            assert!(said["ok"].is_object(), "{said}");
        }
    }
    let (mut done, mut refused) = (0, 0);
    let code = loop {
        let text = match loud.client.socket.read().unwrap() {
            Message::Text(text) => text,
            Message::Close(frame) => break u16::from(frame.unwrap().code),
            other => panic!("{other:?}"),
        };
        let answer: Value = serde_json::from_str(&text).unwrap();
        match &answer["error"] {
            Value::Null if answer.get("on").is_some() => {}
            Value::Null => done += 1,
            error => {
                assert_eq!(error["name"], "rate_limited");
                assert!((1..=1_000).contains(&error["retry_after_ms"].as_u64().unwrap()), "{error}");
                refused += 1;
            }
        }
    };
    // The fiftieth is what closes it.
    assert_eq!((code, refused), (4102, 50));
    // All of Bob's words, in their order, among as many of the other's as were allowed.
    cy.ask(send("lobby", "last", "that was all"));
    let texts: Vec<String> = cy
        .heard
        .iter()
        .filter_map(|event| event["message"]["text"].as_str().map(str::to_owned))
        .filter(|text| text != "that was all")
        .collect();
    let bobs: Vec<&String> = texts.iter().filter(|text| *text != "LOUD").collect();
    assert_eq!(bobs, (0..10).map(|n| format!("bob {n}")).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    assert_eq!(texts.len() - bobs.len(), done);
    assert!((20..30).contains(&done), "{done} were allowed");
    host.stop();
}

#[test]
fn json_however_deep_or_wrong_is_answered_and_ends_nobody() {
    let host = host(Options::new());
    let mut talker = Talker::named(&host, "Eve");
    talker.join("lobby");
    let deep = |open: &str| open.repeat(10_000);
    let texts = [
        deep("["),
        deep("{\"a\":"),
        format!("{{\"id\":1,\"do\":\"tell\",\"room\":\"lobby\",\"data\":{}", deep("[")),
        format!("{{\"id\":1,\"do\":\"tell\",\"room\":\"lobby\",\"data\":{}1{}}}", deep("["), deep("]")),
        r#"{"id":1,"do":"tell","room":"lobby","data":1e400}"#.to_owned(),
        r#"{"id":1,"do":"rename","name":"\ud83d"}"#.to_owned(),
        r#"{"id":1,"id":2,"do":"rooms"}"#.to_owned(),
        r#"{"id":9007199254740992,"do":"rooms"}"#.to_owned(),
        "{\"id\":1,\"do\":\"rooms\"}\u{0}".to_owned(),
        r#"{"id":1,"do":"rooms"}{"id":2,"do":"rooms"}"#.to_owned(),
        "\u{0}".to_owned(),
        "null".to_owned(),
        "\"".repeat(60_000),
        format!("{{{}}}", "\"id\":1,".repeat(8_000)),
        format!("{{\"id\":1,\"do\":\"rename\",\"name\":\"{}\"}}", "\\u0041".repeat(10_000)),
    ];
    for text in &texts {
        talker.client.say(text);
        let answer = talker.next();
        let name = answer["error"]["name"].as_str();
        assert!(name.is_some(), "{}: {answer}", &text[..text.len().min(60)]);
        assert!(answer.to_string().len() < 400, "the answer is short: {answer}");
    }
    assert!(talker.ask(json!({ "do": "rooms" }))["ok"].is_object());
    serves_the_next(&host);
    host.stop();
}

#[test]
fn nothing_of_a_room_is_read_or_changed_by_who_is_not_in_it() {
    let mut host = host(Options::new());
    let (mut ann, mut bob, mut eve) =
        (Talker::named(&host, "Ann"), Talker::named(&host, "Bob"), Talker::connect(&host));
    let hello = eve.ask(json!({ "do": "hello", "name": "Eve" }))["ok"].clone();
    ann.join("den");
    let said = ann.ask(send("den", "1", "s3cr3t"))["ok"].clone();
    let direct = ann.ask(json!({ "do": "send", "to": "u2", "mid": "2", "text": "s3cr3t" }))["ok"].clone();
    bob.ask(json!({ "do": "rooms" }));
    for room in [&said["room"], &direct["room"]] {
        for request in [
            json!({ "do": "history" }),
            json!({ "do": "history", "after": 0 }),
            json!({ "do": "history", "around": 1 }),
            json!({ "do": "members" }),
            json!({ "do": "read", "offset": 1 }),
            json!({ "do": "send", "mid": "x", "text": "x" }),
            json!({ "do": "edit", "offset": 1, "mid": "x", "text": "x" }),
            json!({ "do": "delete", "offset": 1, "mid": "x" }),
            json!({ "do": "react", "offset": 1, "mid": "x", "emoji": "x", "add": true }),
            json!({ "do": "typing", "state": "active" }),
            json!({ "do": "tell", "data": 1 }),
            json!({ "do": "moderate", "act": "clear" }),
        ] {
            let mut request = request;
            request["room"] = room.clone();
            assert_eq!(eve.error(request.clone()), "not_member", "{request}");
        }
    }
    assert_eq!(eve.error(json!({ "do": "join", "room": direct["room"] })), "bad_room_name");
    // Who was in it and was kicked resumes into it no more.
    eve.join("den");
    let user = UserId::new(hello["user"].as_str().unwrap()).unwrap();
    host.engine.moderate("den", Moderation::Kick { user }).unwrap();
    ann.ask(send("den", "3", "s3cr3t, too"));
    let seen = json!({ "epoch": said["epoch"], "offset": said["offset"] });
    let mut rooms = serde_json::Map::new();
    rooms.insert("den".into(), seen.clone());
    rooms.insert(direct["room"].as_str().unwrap().into(), seen);
    let mut again = Talker::connect(&host);
    let resume = json!({ "session": hello["session"], "rooms": rooms });
    let answer = again.ask(json!({ "do": "hello", "resume": resume }));
    assert_eq!(answer["ok"]["user"], hello["user"], "{answer}");
    for room in answer["ok"]["rooms"].as_object().unwrap().values() {
        assert_eq!(room["error"]["name"], "not_member");
    }
    assert!(!answer.to_string().contains("s3cr3t"));
    assert!(again.ask(json!({ "do": "rooms" }))["ok"]["rooms"].as_array().unwrap().is_empty());
    assert!(!again.heard.iter().any(|event| event.to_string().contains("s3cr3t")));
    assert_eq!(host.event_of("message").kind(), "message");
    host.stop();
}

/// Keeps every word that is traced.
struct Words(Arc<Mutex<String>>);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl tracing::Subscriber for Words {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut Words(self.0.clone()));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Words(self.0.clone()));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Words(self.0.clone()));
    }

    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn a_token_stands_in_the_question_about_it_and_nowhere_else() {
    if !alone("talk::a_token_stands_in_the_question_about_it_and_nowhere_else") {
        return;
    }
    let traced = Arc::new(Mutex::new(String::new()));
    tracing::subscriber::set_global_default(Words(traced.clone())).unwrap();
    let mut host = host(Options::new().ask_admit(true));
    let ticket = host.engine.ticket(Admission::user("ann-1", "Ann"), 10_000).unwrap();
    let mut secrets = vec![ticket.clone()];
    let mut documents = String::new();
    let mut answered = Talker::connect(&host);
    let hello = answered.ask(json!({ "do": "hello", "token": ticket }));
    secrets.push(hello["ok"]["session"].as_str().unwrap().to_owned());
    // The host judges the other tokens, one of them a ticket that was used.
    let mut events = String::new();
    for (token, verdict) in [
        ("t0k3n-of-eve", Verdict::Refuse("no".into())),
        (&*ticket, Verdict::Refuse("used".into())),
        ("t0k3n-of-bob", Verdict::AllowAs(Admission::user("bob-1", "Bob"))),
    ] {
        let mut talker = Talker::connect(&host);
        let id = talker.say(json!({ "do": "hello", "token": token }));
        let question = loop {
            match host.event() {
                Event::Question(question) => break question,
                other => writeln!(events, "{other:?}").unwrap(),
            }
        };
        let Subject::Admit { token: Some(asked), .. } = &question.subject else { panic!("it is admit") };
        assert_eq!(asked, token);
        let allowed = matches!(verdict, Verdict::AllowAs(_));
        host.engine.answer(question.id, verdict).unwrap();
        let answer = talker.answer(id);
        match allowed {
            true => secrets.push(answer["ok"]["session"].as_str().unwrap().to_owned()),
            false => {
                documents.push_str(&answer.to_string());
                documents.push_str(&talker.client.closed().1);
            }
        }
        secrets.push(token.to_owned());
    }
    host.stop();
    events.extend(host.events.drain(usize::MAX).iter().map(|event| format!("{event:?}\n")));
    let traced = traced.lock().unwrap().clone();
    assert!(traced.contains("listening") && events.contains("Disconnected"), "{traced}{events}");
    for secret in &secrets {
        for (place, words) in [("a log", &traced), ("an event", &events), ("an answer", &documents)] {
            assert!(!words.contains(secret.as_str()), "{secret} stands in {place}: {words}");
        }
    }
}
