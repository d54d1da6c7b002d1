//! The classic tutorial's JSON, byte for byte.
//!
//! In: texts of a client: its name first, then what it says. Out: `history`, `color` and `message`
//! objects with the tutorial's keys in the tutorial's order. Text and author are HTML-escaped here, and
//! only here: the log keeps what was typed.

use crate::command::Command;
use crate::dialect::json::decimal;
use crate::id::UserName;
use crate::message::{Color, Message};
use crate::push::Push;

/// Reads one text of a client. `first`: it is the connection's first, so it is a name.
///
/// Gives `None` for what the tutorial ignores: a blank text.
pub(crate) fn command(text: &str, first: bool) -> Option<Command<'_>> {
    match (first, text.trim().is_empty()) {
        (true, _) => Some(Command::Name(text)),
        (false, true) => None,
        (false, false) => Some(Command::Say(text)),
    }
}

/// Appends the JSON text for a push.
pub(crate) fn encode(push: &Push<'_>, out: &mut Vec<u8>) {
    match push {
        Push::Color(color) => {
            out.extend_from_slice(b"{\"type\":\"color\",\"data\":\"");
            out.extend_from_slice(color.name().as_bytes());
            out.extend_from_slice(b"\"}");
        }
        Push::Message(message) => {
            out.extend_from_slice(b"{\"type\":\"message\",\"data\":");
            entry(&Entry::of(message), out);
            out.push(b'}');
        }
        Push::Notice { name, color, at_ms, text } => {
            out.extend_from_slice(b"{\"type\":\"message\",\"data\":");
            entry(&Entry { at_ms: *at_ms, text, name, color: *color }, out);
            out.push(b'}');
        }
        Push::History(messages) => {
            out.extend_from_slice(b"{\"type\":\"history\",\"data\":[");
            let start = out.len();
            for message in *messages {
                if out.len() > start {
                    out.push(b',');
                }
                entry(&Entry::of(message), out);
            }
            out.extend_from_slice(b"]}");
        }
    }
}

/// An upper bound for the bytes of one message in a history: every byte of text and name may become six.
pub(crate) fn entry_bytes(message: &Message) -> usize {
    ENTRY_OVERHEAD + 6 * (message.text.len() + message.name.len())
}

struct Entry<'a> {
    at_ms: u64,
    text: &'a str,
    name: &'a UserName,
    color: Color,
}

impl<'a> Entry<'a> {
    fn of(message: &'a Message) -> Entry<'a> {
        Entry { at_ms: message.at_ms, text: &message.text, name: &message.name, color: message.color }
    }
}

fn entry(entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":");
    decimal(entry.at_ms, out);
    out.extend_from_slice(b",\"text\":\"");
    escape(entry.text, out);
    out.extend_from_slice(b"\",\"author\":\"");
    escape(entry.name, out);
    out.extend_from_slice(b"\",\"color\":\"");
    out.extend_from_slice(entry.color.name().as_bytes());
    out.extend_from_slice(b"\"}");
}

/// Appends text inside a JSON string, HTML-escaped first: both in one pass, because no replacement of the
/// one needs the other.
fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if ESCAPED[usize::from(byte)] {
            out.extend_from_slice(&bytes[copied..at]);
            replace(byte, out);
            copied = at + 1;
        }
    }
    out.extend_from_slice(&bytes[copied..]);
}

fn replace(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'&' => out.extend_from_slice(b"&amp;"),
        b'<' => out.extend_from_slice(b"&lt;"),
        b'>' => out.extend_from_slice(b"&gt;"),
        b'"' => out.extend_from_slice(b"&quot;"),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0C => out.extend_from_slice(b"\\f"),
        _ => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}

static ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'&' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

/// The keys, the braces, the longest colour and the longest number.
const ENTRY_OVERHEAD: usize = 80;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::id::{Position, RoomName, UserId};
    use crate::message::More;

    fn message(name: &str, text: &str) -> Message {
        Message {
            room: RoomName::new("lobby").unwrap(),
            position: Position { epoch: 1, offset: 1 },
            user: UserId::new("u1").unwrap(),
            name: UserName::new(name).unwrap(),
            color: Color::Red,
            at_ms: 1_700_000_000_000,
            text: text.into(),
            more: More::default(),
        }
    }

    fn encoded(push: &Push<'_>) -> String {
        let mut out = Vec::new();
        encode(push, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_bytes_are_the_tutorials() {
        let said = message("Ann", "hi");
        assert_eq!(encoded(&Push::Color(Color::Plum)), r#"{"type":"color","data":"plum"}"#);
        assert_eq!(
            encoded(&Push::Message(&said)),
            r#"{"type":"message","data":{"time":1700000000000,"text":"hi","author":"Ann","color":"red"}}"#
        );
        let said = Arc::new(said);
        assert_eq!(
            encoded(&Push::History(&[said.clone(), said])),
            concat!(
                r#"{"type":"history","data":[{"time":1700000000000,"text":"hi","author":"Ann","color":"red"},"#,
                r#"{"time":1700000000000,"text":"hi","author":"Ann","color":"red"}]}"#
            )
        );
    }

    #[test]
    fn html_is_escaped_in_text_and_author() {
        let said = encoded(&Push::Message(&message("<i>\"A\"&", "<b>x</b> & \"y\"")));
        assert!(said.contains(r#""text":"&lt;b&gt;x&lt;/b&gt; &amp; &quot;y&quot;""#), "{said}");
        assert!(said.contains(r#""author":"&lt;i&gt;&quot;A&quot;&amp;""#), "{said}");
    }

    #[test]
    fn every_character_survives_json_and_stays_within_the_bound() {
        let all: String = (0..0x250u32).chain(0x2020..0x2030).filter_map(char::from_u32).collect();
        for part in all.chars().collect::<Vec<_>>().chunks(40) {
            let text: String = part.iter().collect();
            let message = message("Ann", &text);
            let json = encoded(&Push::Message(&message));
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            let html = parsed["data"]["text"].as_str().unwrap();
            let back =
                html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
            assert_eq!(back, text);
            assert!(json.len() <= entry_bytes(&message) + 28);
        }
    }

    #[test]
    fn the_first_text_is_a_name_and_blank_ones_are_nothing() {
        assert_eq!(command("Ann", true), Some(Command::Name("Ann")));
        assert_eq!(command(" ", true), Some(Command::Name(" ")));
        assert_eq!(command("hello", false), Some(Command::Say("hello")));
        assert_eq!(command(" \n\t", false), None);
    }
}
