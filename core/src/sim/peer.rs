//! The client's end of a line: a WebSocket as browsers have it.
//!
//! In: what arrives, and what the user wants said. Out: what the user sees, and bytes to send. It answers pings and close
//! frames by itself. Knows nothing of time.

use crate::wire::handshake::client::{Offer, Opened, Refused, handshake_request, read_answer};
use crate::wire::{Assembly, Item, Kind, Role, Rules, close_frame, reply_code, write_frame, write_masked};

use super::What;
use super::random::Random;

#[derive(Debug)]
pub(super) struct Peer {
    state: State,
    /// What came and is not used up.
    rest: Vec<u8>,
    assembly: Assembly,
}

#[derive(Debug)]
enum State {
    Opening(Box<Offer>),
    Open,
    /// Its close frame is under way: what it is told no longer counts.
    Closing,
    Closed,
}

impl Peer {
    /// Gives the request to send too; without one, the path or a subprotocol cannot be asked for.
    pub(super) fn new(
        path: &str,
        subprotocols: &[&str],
        random: &mut Random,
    ) -> (Peer, Result<Vec<u8>, String>) {
        let offer = Offer {
            host: "localhost".into(),
            target: path.into(),
            key: random.bytes(),
            protocols: subprotocols.iter().map(|&name| name.to_owned()).collect(),
            headers: Vec::new(),
            deflate: false,
        };
        let request = handshake_request(&offer).map_err(|refused| match refused {
            Refused::Wrong(words) => words,
            Refused::Status { phrase, .. } => phrase,
        });
        let state = State::Opening(Box::new(offer));
        (Peer { state, rest: Vec::new(), assembly: Assembly::default() }, request)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Bytes have come. What is to be sent is appended to `out`, what the user sees to `seen`.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        random: &mut Random,
        out: &mut Vec<u8>,
        seen: &mut Vec<What>,
    ) {
        if self.is_closed() {
            return;
        }
        self.rest.extend_from_slice(bytes);
        if let State::Opening(offer) = &self.state {
            match read_answer(&self.rest, offer) {
                Ok(None) => return,
                Ok(Some(Opened { protocol, len, .. })) => {
                    self.rest.drain(..len);
                    self.state = State::Open;
                    seen.push(What::Opened { subprotocol: protocol });
                }
                Err(refused) => {
                    let (status, reason) = match refused {
                        Refused::Status { status, text, phrase } => (status, self.body(text, phrase)),
                        Refused::Wrong(words) => (0, words),
                    };
                    self.state = State::Closed;
                    seen.push(What::Refused { status, reason });
                    return;
                }
            }
        }
        self.read_frames(random, out, seen);
    }

    /// The words of an answer that is no, as far as they have come.
    fn body(&self, text: Option<(usize, u64)>, phrase: String) -> String {
        match text.and_then(|(from, _)| self.rest.get(from..)) {
            Some(body) if !body.is_empty() => String::from_utf8_lossy(body).trim_end().to_owned(),
            _ => phrase,
        }
    }

    fn read_frames(&mut self, random: &mut Random, out: &mut Vec<u8>, seen: &mut Vec<What>) {
        let mut bytes = std::mem::take(&mut self.rest);
        let mut at = 0;
        while at < bytes.len() && !self.is_closed() {
            let step = match self.assembly.next(&mut bytes[at..], &RULES, 0) {
                Ok(step) => step,
                Err(violation) => {
                    self.state = State::Closed;
                    seen.push(What::Closed { code: ABNORMAL, reason: violation.reason.into() });
                    return;
                }
            };
            at += step.used;
            let is_open = matches!(self.state, State::Open);
            match step.item {
                Some(Item::Text(text)) if is_open => seen.push(What::Text(text.to_owned())),
                Some(Item::Binary(bytes)) if is_open => seen.push(What::Binary(bytes.to_owned())),
                Some(Item::Ping(payload)) => {
                    let mut frame = Vec::new();
                    write_frame(&mut frame, Kind::Pong, payload);
                    write_masked(out, &frame, random.bytes());
                }
                Some(Item::Close(close)) => {
                    if is_open {
                        write_masked(out, &close_frame(reply_code(close), ""), random.bytes());
                    }
                    let (code, reason) = close.unwrap_or((NO_CODE, ""));
                    seen.push(What::Closed { code, reason: reason.to_owned() });
                    self.state = State::Closed;
                }
                _ => {}
            }
        }
        self.assembly.settle();
    }

    /// Says something; nothing before it is open or after it was closed.
    pub(super) fn say(&self, kind: Kind, payload: &[u8], random: &mut Random, out: &mut Vec<u8>) {
        if self.is_open() {
            let mut frame = Vec::with_capacity(payload.len() + 10);
            write_frame(&mut frame, kind, payload);
            write_masked(out, &frame, random.bytes());
        }
    }

    /// Begins to close. Gives whether its end is still to come: it is not, where it was not open.
    pub(super) fn close(&mut self, code: u16, reason: &str, random: &mut Random, out: &mut Vec<u8>) -> bool {
        let was_open = self.is_open();
        if was_open {
            write_masked(out, &close_frame(code, reason), random.bytes());
            self.state = State::Closing;
        }
        was_open
    }

    /// The line is at its end. Gives what the user sees of it, unless that is nothing new.
    pub(super) fn end(&mut self) -> Option<What> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => None,
            _ => Some(What::Closed { code: ABNORMAL, reason: String::new() }),
        }
    }
}

const RULES: Rules = Rules {
    role: Role::Client,
    deflate: false,
    max_message_bytes: 64 << 20,
    max_fragment_count: 1_024,
    max_assembly_ms: u64::MAX,
};
/// RFC 6455 §7.1.5.
const NO_CODE: u16 = 1005;
const ABNORMAL: u16 = 1006;
