//! What the peers in Rust share: the tutorial's JSON, colours and history.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// The colours, in the order they are given out.
pub const COLORS: [&str; 7] = ["red", "green", "blue", "magenta", "purple", "plum", "orange"];

/// The port that the first argument names.
pub fn port() -> u16 {
    std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(1337)
}

/// Unix milliseconds.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Text for HTML in a JSON string.
pub fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 16);
    push_escaped(&mut out, text);
    out
}

/// The text of a message; the author is escaped already.
pub fn message_json(time: u64, text: &[u8], author: &[u8], color: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 128);
    out.extend_from_slice(BEFORE_ENTRY);
    out.extend_from_slice(b"{\"time\":");
    push_decimal(&mut out, time);
    out.extend_from_slice(b",\"text\":\"");
    push_escaped(&mut out, text);
    out.extend_from_slice(b"\",\"author\":\"");
    out.extend_from_slice(author);
    out.extend_from_slice(b"\",\"color\":\"");
    out.extend_from_slice(color.as_bytes());
    out.extend_from_slice(b"\"}}");
    out
}

/// The text that says which colour somebody has.
pub fn color_json(color: &str) -> String {
    format!("{{\"type\":\"color\",\"data\":\"{color}\"}}")
}

/// The latest 100 messages, each as its whole text.
#[derive(Default)]
pub struct History(VecDeque<Bytes>);

impl History {
    /// Adds one; the oldest goes.
    pub fn push(&mut self, message: Bytes) {
        if self.0.len() == 100 {
            self.0.pop_front();
        }
        self.0.push_back(message);
    }

    /// The text for who comes later; `None` when nothing was said.
    pub fn json(&self) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        let mut out = b"{\"type\":\"history\",\"data\":[".to_vec();
        for (at, message) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&message[BEFORE_ENTRY.len()..message.len() - 1]);
        }
        out.extend_from_slice(b"]}");
        Some(out)
    }
}

fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0..=31 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
}

fn push_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

const BEFORE_ENTRY: &[u8] = b"{\"type\":\"message\",\"data\":";
