//! The machine against a server that says what the test wants, by a clock that the test turns.

use super::*;
use crate::id::Position;

/// A machine, and all it wanted done.
struct Desk {
    machine: Machine,
    now_ms: u64,
    sent: Vec<String>,
    events: Vec<Event>,
    answers: Vec<(RequestId, Result<Reply, crate::Error>)>,
    closes: Vec<u16>,
    connects: usize,
}

impl Desk {
    fn new(settings: Settings) -> Desk {
        let machine = Machine::new(settings, 7).unwrap();
        let mut desk = Desk {
            machine,
            now_ms: 1_000,
            sent: Vec::new(),
            events: Vec::new(),
            answers: Vec::new(),
            closes: Vec::new(),
            connects: 0,
        };
        desk.machine.start(desk.now_ms);
        desk.drain();
        desk
    }

    fn drain(&mut self) {
        while let Some(action) = self.machine.next_action() {
            match action {
                Action::Connect => self.connects += 1,
                Action::Send(text) => self.sent.push(text),
                Action::Close { code, .. } => self.closes.push(code),
                Action::Event(event) => self.events.push(event),
                Action::Answered { request, result } => self.answers.push((request, result)),
                Action::Token | Action::Save => {}
            }
        }
    }

    fn hear(&mut self, text: &str) {
        self.machine.received(text, self.now_ms);
        self.drain();
    }

    fn open(&mut self) {
        self.machine.opened(self.now_ms);
        self.drain();
        let hello = self.sent.remove(0);
        assert!(hello.contains(r#""do":"hello""#), "{hello}");
        self.hear(r#"{"id":1,"ok":{"connection":7,"user":"u7","name":"Ann","color":"red","session":"s","heartbeat_ms":25000,"limits":{},"time":1}}"#);
    }
}

#[test]
fn who_joins_and_sends_is_answered_and_hears_it() {
    let mut desk = Desk::new(Settings::new().name("Ann"));
    let join = desk.machine.request(Request::Join { room: "lobby".into(), history: None, since: None }, 0);
    let send = desk.machine.request(Request::Send(Post::to_room("lobby", "hi")), 0);
    desk.drain();
    assert!(desk.sent.is_empty());
    desk.open();
    assert_eq!(desk.sent[0], r#"{"id":2,"do":"join","room":"lobby","history":50}"#);
    assert!(desk.sent[1].starts_with(r#"{"id":3,"do":"send","room":"lobby","mid":""#), "{}", desk.sent[1]);
    desk.hear(r#"{"id":2,"ok":{"room":"lobby","epoch":5,"offset":0,"recovered":false,"messages":[],"members":[],"member_count":1,"read":0,"unread_count":0}}"#);
    desk.hear(r#"{"on":"message","room":"lobby","epoch":5,"offset":1,"prev":null,"message":{"epoch":5,"offset":1,"mid":"x","user":"u7","name":"Ann","color":"red","at":9,"text":"hi"}}"#);
    desk.hear(r#"{"id":3,"ok":{"room":"lobby","epoch":5,"offset":1,"at":9,"duplicate":false}}"#);
    assert_eq!(desk.answers.len(), 2);
    assert_eq!((desk.answers[0].0, desk.answers[1].0), (join, send));
    let Ok(Reply::Sent(sent)) = &desk.answers[1].1 else { panic!("{:?}", desk.answers) };
    assert_eq!(sent.position, Position { epoch: 5, offset: 1 });
    let room = desk.machine.room("lobby").unwrap();
    assert_eq!(room.messages().len(), 1);
    assert!(matches!(desk.events.last(), Some(Event::Message { .. })), "{:?}", desk.events);
}
