//! Clients that speak `klatsch.v1`: they say hello, join one room, send with a `mid`, and look at every position and
//! every reply.

use serde_json::{Value, json};

use super::Load;
use super::client::Stage;
use super::frame::TEXT;
use super::speak::name;

/// What the clients have in common: the room they are in, and what was sent there.
#[derive(Default)]
pub(super) struct Room {
    /// How a message of the room begins, up to its offset; known once somebody has joined.
    begins: Vec<u8>,
    sent: u64,
    answered: u64,
    /// When to look next who has been silent for long.
    look_at: u64,
}

impl Room {
    /// Appends a request to send, up to its text.
    pub(super) fn begin_send(&mut self, sender: usize, out: &mut Vec<u8>) {
        self.sent += 1;
        let (id, sent) = (FIRST_SEND_ID + self.sent, self.sent);
        let request = format!(r#"{{"id":{id},"do":"send","room":"{ROOM}","mid":"{sender}-{sent}","text":""#);
        out.extend_from_slice(request.as_bytes());
    }
}

impl Load {
    /// How many requests to send have had no reply.
    pub(super) fn unanswered(&self) -> u64 {
        self.room.sent - self.room.answered
    }

    pub(super) fn say_hello(&mut self, at: usize) {
        self.ask(at, &json!({ "id": HELLO_ID, "do": "hello", "name": name(at) }));
    }

    /// A document came.
    pub(super) fn heard(&mut self, at: usize, payload: &[u8], now: u64) {
        if self.clients[at].stage != Stage::Joined {
            return self.comes_in(at, payload);
        }
        let begins = self.room.begins.as_slice();
        if let Some(rest) = payload.strip_prefix(begins) {
            let client = &mut self.clients[at];
            // The record behind the last one, and no other: nothing is lost, nothing comes twice.
            if offset(rest) != client.offset + 1 {
                self.checks.disorder += 1;
            }
            client.offset = offset(rest);
            self.checks.message(at, payload, now);
        } else if payload.starts_with(b"{\"id\":") {
            self.answered(at, payload);
        } else if !HARMLESS.iter().any(|begins| payload.starts_with(begins)) {
            self.ended(at, &format!("unexpected: {}", String::from_utf8_lossy(payload)));
        }
    }

    /// The reply to a request to send; one that was refused ends the run.
    fn answered(&mut self, at: usize, payload: &[u8]) {
        let reply: Value = serde_json::from_slice(payload).unwrap_or_default();
        match reply["id"].as_u64().is_some_and(|id| id > FIRST_SEND_ID) && reply["ok"]["offset"].is_u64() {
            true => self.room.answered += 1,
            false => self.ended(at, &format!("refused: {reply}")),
        }
    }

    /// A document for a client that is not in the room yet.
    fn comes_in(&mut self, at: usize, payload: &[u8]) {
        let document: Value = serde_json::from_slice(payload).unwrap_or_default();
        let ok = &document["ok"];
        match document["id"].as_u64() {
            Some(HELLO_ID) if ok.is_object() => {
                self.ask(at, &json!({ "id": JOIN_ID, "do": "join", "room": ROOM, "history": 0 }));
            }
            Some(JOIN_ID) if ok.is_object() => {
                let (epoch, offset) = (ok["epoch"].as_u64(), ok["offset"].as_u64());
                let (Some(epoch), Some(offset)) = (epoch, offset) else {
                    return self.ended(at, "the reply to join has no position");
                };
                let begins = format!(r#"{{"on":"message","room":"{ROOM}","epoch":{epoch},"offset":"#);
                self.room.begins = begins.into_bytes();
                self.clients[at].offset = offset;
                self.joined(at);
            }
            Some(_) => self.ended(at, &format!("refused: {document}")),
            None => {}
        }
    }

    fn ask(&mut self, at: usize, document: &Value) {
        self.clients[at].said_at = self.now();
        self.say(at, TEXT, document.to_string().as_bytes());
    }

    /// Sends the heartbeat of those who have said nothing for long. Only now and then, since it looks at all of them.
    pub(super) fn beat(&mut self) {
        if self.spec.dialect != super::spec::Dialect::V1 {
            return;
        }
        let now = self.now();
        if now < self.room.look_at {
            return;
        }
        self.room.look_at = now + LOOK_NS;
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            if client.stage == Stage::Joined && !client.is_slow && now - client.said_at >= SILENCE_NS {
                client.said_at = now;
                self.say(at, TEXT, b"{}");
            }
        }
    }
}

/// The number at the front.
fn offset(digits: &[u8]) -> u64 {
    let digits = digits.iter().take_while(|digit| digit.is_ascii_digit());
    digits.fold(0, |offset, digit| offset * 10 + u64::from(digit - b'0'))
}

const ROOM: &str = "lobby";
const HELLO_ID: u64 = 1;
const JOIN_ID: u64 = 2;
/// Requests to send have greater ones.
const FIRST_SEND_ID: u64 = 2;

/// What a member may get beside messages and replies: who came and went, and the heartbeat.
const HARMLESS: [&[u8]; 4] = [b"{}", b"{\"on\":\"join\"", b"{\"on\":\"leave\"", b"{\"on\":\"members\""];

/// `heartbeat_ms` is 25,000 unless somebody wishes less.
const SILENCE_NS: u64 = 24_000_000_000;
const LOOK_NS: u64 = 500_000_000;
