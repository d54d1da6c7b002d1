//! What a client says and understands: the opening, the tutorial's texts, Socket.IO's events around them.

use super::client::Stage;
use super::frame::{self, CLOSE, Frame, PING, PONG, TEXT};
use super::spec::Dialect;
use super::{Load, MOST_AT_ONCE};

impl Load {
    /// Sends the opening request, as a browser would.
    pub(super) fn request(&mut self, at: usize) {
        let path = match self.spec.dialect {
            Dialect::Tutorial | Dialect::V1 => "/",
            Dialect::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        };
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let host = format!("localhost:{}", self.spec.port);
        let deflate = match self.spec.deflate {
            true => "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
            false => "",
        };
        let protocol = match self.spec.dialect {
            Dialect::V1 => "Sec-WebSocket-Protocol: klatsch.v1\r\n",
            Dialect::Tutorial | Dialect::SocketIo => "",
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Origin: {scheme}://{host}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
             {protocol}{deflate}\r\n"
        );
        let client = &mut self.clients[at];
        client.stage = Stage::Opening;
        client.out().extend_from_slice(request.as_bytes());
        self.flush(at);
    }

    /// Reads all whole frames of a client's bytes. Gives how many bytes that were.
    pub(super) fn understand(&mut self, at: usize, bytes: &[u8]) -> usize {
        let mut used = 0;
        if self.clients[at].stage == Stage::Opening {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return 0 };
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            if !head.starts_with("HTTP/1.1 101") || !head.contains(ACCEPT) {
                self.ended(at, &format!("refused: {}", head.lines().next().unwrap_or_default()));
                return bytes.len();
            }
            if self.spec.deflate && !head.to_ascii_lowercase().contains("permessage-deflate") {
                self.ended(at, "the server does not deflate");
                return bytes.len();
            }
            used = end + 4;
            self.clients[at].stage = Stage::Named;
            match self.spec.dialect {
                Dialect::Tutorial => self.say_name(at),
                Dialect::SocketIo => self.say(at, TEXT, b"40"),
                Dialect::V1 => self.say_hello(at),
            }
        }
        let now = self.now();
        while let Some(frame) = frame::read(&bytes[used..]) {
            used += frame.len;
            self.frame(at, &frame, now);
            if self.clients[at].socket.is_none() {
                return bytes.len();
            }
        }
        used
    }

    fn frame(&mut self, at: usize, frame: &Frame<'_>, now: u64) {
        match frame.opcode {
            PING => {
                self.pings += 1;
                self.say(at, PONG, frame.payload);
            }
            PONG => {}
            CLOSE if self.clients[at].stage == Stage::Leaving => self.left(at, now),
            CLOSE => {
                let code = frame.payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                self.ended(at, &format!("closed with {code}"));
            }
            _ => self.data(at, frame, now),
        }
    }

    fn data(&mut self, at: usize, frame: &Frame<'_>, now: u64) {
        if self.spec.dialect == Dialect::V1 {
            return self.heard(at, frame.payload, now);
        }
        let client = &mut self.clients[at];
        if self.spec.dialect == Dialect::SocketIo && frame.payload == b"2" {
            self.pings += 1;
            return self.say(at, TEXT, b"3");
        }
        // A witness inflates everything, since later messages may refer to it.
        let is_witness = client.inflater.is_some();
        let inflated = match frame.is_compressed && is_witness {
            true => client.inflate(frame.payload).map(Some),
            false => Ok(None),
        };
        let inflated = match inflated {
            Ok(inflated) => inflated,
            Err(words) => return self.ended(at, &words),
        };
        let payload = inflated.as_deref().unwrap_or(frame.payload);
        if !(self.is_running && client.stage == Stage::Joined) {
            return self.setup(at, payload, frame.is_compressed && !is_witness);
        }
        if !self.spec.deflate {
            return self.checks.message(at, payload, now);
        }
        let index = client.message_count;
        client.message_count += 1;
        if is_witness {
            self.checks.witnessed(at, payload);
        }
        self.checks.counted(index, now);
    }

    /// A message before anything is said. `blind`: it is compressed and nobody inflates it. The history comes first,
    /// if there is one, so where there is none the first message is the colour.
    fn setup(&mut self, at: usize, payload: &[u8], blind: bool) {
        let is_named = self.clients[at].stage == Stage::Named;
        let color: &[u8] = match self.spec.dialect {
            Dialect::Tutorial | Dialect::V1 => b"{\"type\":\"color\"",
            Dialect::SocketIo => b"42[\"color\"",
        };
        if is_named && (blind || payload.starts_with(color)) {
            self.joined(at);
        } else if self.spec.dialect == Dialect::SocketIo && payload.starts_with(b"40") {
            self.say_name(at);
        }
    }

    pub(super) fn joined(&mut self, at: usize) {
        self.joined += 1;
        self.clients[at].stage = Stage::Joined;
        if self.spec.pattern.mode == super::Mode::Churn && !self.is_running {
            if self.spec.dialect == Dialect::SocketIo {
                self.say(at, TEXT, b"41");
            }
            self.say(at, CLOSE, &1000u16.to_be_bytes());
            self.clients[at].stage = Stage::Leaving;
        } else if self.clients[at].is_slow {
            self.watch(at);
        }
    }

    /// A session of a churn is over as it should be.
    fn left(&mut self, at: usize, now: u64) {
        let client = &mut self.clients[at];
        let took = now - client.born;
        client.cut();
        self.done.push(at);
        self.session_count += 1;
        if self.checks.is_recording {
            self.sessions.add(took);
        }
    }

    fn say_name(&mut self, at: usize) {
        let name = name(at);
        match self.spec.dialect {
            Dialect::Tutorial | Dialect::V1 => self.say(at, TEXT, name.as_bytes()),
            Dialect::SocketIo => self.say(at, TEXT, format!("42[\"name\",\"{name}\"]").as_bytes()),
        }
    }

    /// A client says its next message; `now` may be earlier than now, if that is when it ought to have been said.
    pub(super) fn say_message(&mut self, sender: usize, now: u64) {
        let mut text = Vec::with_capacity(self.spec.pattern.size + 96);
        let behind: &[u8] = match self.spec.dialect {
            Dialect::Tutorial => b"",
            Dialect::SocketIo => {
                text.extend_from_slice(b"42[\"message\",\"");
                b"\"]"
            }
            Dialect::V1 => {
                self.room.begin_send(sender, &mut text);
                b"\"}"
            }
        };
        self.checks.say(sender, self.spec.pattern.size, now, &mut text);
        text.extend_from_slice(behind);
        self.say(sender, TEXT, &text);
    }

    /// Puts a frame behind what the client has to send.
    pub(super) fn say(&mut self, at: usize, opcode: u8, payload: &[u8]) {
        // Any key will do, if it is another one each time (a linear congruence; Numerical Recipes, 7.1).
        self.mask = self.mask.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mask = (self.mask | 0x0101_0101).to_ne_bytes();
        let out = self.clients[at].out();
        if out.is_empty() {
            self.dirty.push(at);
        }
        frame::write_final(out, opcode, mask, payload);
        debug_assert!(out.len() < MOST_AT_ONCE, "a client has so much to say at once");
    }
}

/// What a client is called.
pub(super) fn name(at: usize) -> String {
    format!("user{at:05}")
}

/// The example of RFC 6455, 1.3, and what is answered to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
