//! The assembly beside tungstenite's: the same bytes, cut in the same places, give the same messages, or both fail.
//!
//! Ours fails sooner, at the byte that breaks a rule, so the other one is given bytes until its frame is whole.
//! Four differences are meant, and only these are let pass: ours refuses lengths that are not in their
//! shortest form; it allows the close code 1014, which was registered since; a close code that nobody may send is a
//! violation here and an answer there; limits other than that of size do not exist there, so they are off.

use std::io::{self, Read, Write};

use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{WebSocket, WebSocketConfig};
use tungstenite::{Error, Message, protocol};

use super::assembly::{Assembly, Item, Rules};
use super::frame::{Role, Violation};

/// What both made of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// They wait for more.
    Open,
    /// A close frame came.
    Closed,
    /// Both refused them.
    Failed,
    /// Only ours refused them, as it is meant to.
    Stricter,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End<F> {
    Open,
    Closed,
    Failed(F),
}

/// Reads what a peer sent to somebody of this role, cut in these pieces, twice.
///
/// # Errors
/// What differs, in words.
pub(super) fn compare(role: Role, pieces: &[&[u8]]) -> Result<Outcome, String> {
    let (messages, end) = ours(role, pieces);
    let uncut = ours(role, &[&pieces.concat()]);
    if uncut != (messages.clone(), end.clone()) {
        return Err(format!("in pieces {messages:?} {end:?}, uncut {uncut:?}"));
    }
    let padding = vec![0; MAX_BYTES + 32];
    let mut given = pieces.to_vec();
    if matches!(end, End::Failed(_)) {
        given.push(&padding);
    }
    let (other, other_end) = theirs(role, &given);
    let outcome = match (&end, &other_end) {
        (End::Open, End::Open) if messages == other => Some(Outcome::Open),
        (End::Closed, End::Closed) if messages == other || is_1014(&messages, &other) => {
            Some(Outcome::Closed)
        }
        (End::Failed(_), End::Failed(_)) if messages == other => Some(Outcome::Failed),
        (End::Failed(violation), End::Closed) if violation.code == 1002 => match other.split_last() {
            Some((last, rest)) if rest == messages && *last == refused_code() => Some(Outcome::Failed),
            _ => None,
        },
        _ => None,
    };
    let stricter = matches!(&end, End::Failed(violation) if LONG_LENGTHS.contains(&violation.reason))
        && other.starts_with(&messages);
    outcome
        .or(stricter.then_some(Outcome::Stricter))
        .ok_or_else(|| format!("ours: {messages:?} {end:?}\ntheirs: {other:?} {other_end:?}"))
}

/// 1014 was registered after the other implementation was written, which calls it a violation.
fn is_1014(ours: &[Message], theirs: &[Message]) -> bool {
    let (Some((last, rest)), Some((other_last, other_rest))) = (ours.split_last(), theirs.split_last())
    else {
        return false;
    };
    let has_1014 = matches!(last, Message::Close(Some(frame)) if u16::from(frame.code) == 1014);
    has_1014 && rest == other_rest && *other_last == refused_code()
}

/// What tungstenite gives in place of a close frame whose code nobody may send.
fn refused_code() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::Protocol, reason: "Protocol violation".into() }))
}

fn ours(role: Role, pieces: &[&[u8]]) -> (Vec<Message>, End<Violation>) {
    let rules = Rules { role, ..RULES };
    let mut assembly = Assembly::default();
    let mut messages = Vec::new();
    for piece in pieces {
        let mut bytes = piece.to_vec();
        let mut at = 0;
        while at < bytes.len() {
            let step = match assembly.next(&mut bytes[at..], &rules, 0) {
                Ok(step) => step,
                Err(violation) => return (messages, End::Failed(violation)),
            };
            at += step.used;
            messages.extend(step.item.map(message));
            if messages.last().is_some_and(Message::is_close) {
                return (messages, End::Closed);
            }
        }
        assembly.settle();
    }
    (messages, End::Open)
}

fn message(item: Item<'_>) -> Message {
    match item {
        Item::Text(text) => Message::text(text),
        Item::Binary(bytes) => Message::binary(bytes.to_vec()),
        Item::Deflated { .. } => unreachable!("compression was not agreed"),
        Item::Ping(payload) => Message::Ping(payload.to_vec().into()),
        Item::Pong(payload) => Message::Pong(payload.to_vec().into()),
        Item::Close(None) => Message::Close(None),
        Item::Close(Some((code, reason))) => {
            Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
        }
    }
}

fn theirs(role: Role, pieces: &[&[u8]]) -> (Vec<Message>, End<String>) {
    let config = WebSocketConfig::default()
        .read_buffer_size(256)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_BYTES))
        .max_frame_size(Some(MAX_BYTES));
    let role = match role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
    let mut socket = WebSocket::from_raw_socket(Pieces { pieces, piece: &[] }, role, Some(config));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => {
                let is_close = message.is_close();
                messages.push(message);
                if is_close {
                    return (messages, End::Closed);
                }
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (messages, End::Open);
            }
            Err(error) => return (messages, End::Failed(error.to_string())),
        }
    }
}

/// A stream that gives these pieces, one at a time, and takes whatever is written.
struct Pieces<'a> {
    pieces: &'a [&'a [u8]],
    piece: &'a [u8],
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let (first, rest) = self.pieces.split_first().ok_or(io::ErrorKind::WouldBlock)?;
            (self.piece, self.pieces) = (first, rest);
        }
        self.piece.read(buffer)
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const MAX_BYTES: usize = 600;
const RULES: Rules = Rules {
    role: Role::Server,
    deflate: false,
    max_message_bytes: MAX_BYTES as u64,
    max_fragment_count: u64::MAX,
    max_assembly_ms: u64::MAX,
};
/// With which words lengths are refused that the other one takes.
const LONG_LENGTHS: [&str; 2] = ["a length is not in its shortest form", "a control frame is over 125 bytes"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::write_masked;
    use crate::wire::testing::Random;

    /// Frames for somebody of this role, most of them right, and where each begins.
    fn frames(random: &mut Random, role: Role) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        // What is left of the message that is under way.
        let mut message: Option<(u8, Vec<u8>)> = None;
        for _ in 0..1 + random.below(8) {
            starts.push(bytes.len());
            if random.below(4) == 0 {
                let kind = [0x89, 0x8a, 0x89, 0x8a, 0x8a, 0x88][random.below(6)];
                let payload = match kind {
                    0x88 => close_payload(random),
                    _ => (0..random.below(126)).map(|_| random.next() as u8).collect(),
                };
                frame(random, role, kind, &payload, &mut bytes);
                continue;
            }
            let (opcode, mut rest) = message.take().unwrap_or_else(|| new_message(random));
            let is_final = random.below(2) == 0;
            let len = if is_final { rest.len() } else { random.below(rest.len() + 1) };
            let later = rest.split_off(len);
            frame(random, role, opcode | if is_final { 0x80 } else { 0 }, &rest, &mut bytes);
            message = (!is_final).then_some((0, later));
        }
        (bytes, starts)
    }

    fn new_message(random: &mut Random) -> (u8, Vec<u8>) {
        let len = [0, 1, 5, 30, 130, 590, 601][random.below(7)] + random.below(4);
        if random.below(2) == 0 {
            return (2, (0..len).map(|_| random.next() as u8).collect());
        }
        let mut text = String::new();
        while text.len() < len {
            text.push(['a', 'ß', '€', '👍', '\0', '\u{ffff}'][random.below(6)]);
        }
        (1, text.into_bytes())
    }

    fn close_payload(random: &mut Random) -> Vec<u8> {
        let code = [1000, 1001, 1004, 1005, 1006, 1011, 1013, 1014, 1015, 2999, 3000, 4999, 5000, 0];
        let code: u16 = code[random.below(code.len())];
        let reason = ["", "bye", "größe", "\u{10ffff}"][random.below(4)];
        [&[][..], &[3], &[&code.to_be_bytes()[..], reason.as_bytes()].concat()][random.below(7).min(2)]
            .to_vec()
    }

    fn frame(random: &mut Random, role: Role, first: u8, payload: &[u8], out: &mut Vec<u8>) {
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..126 => frame.push(len as u8),
            len => frame.extend([&[126], &(len as u16).to_be_bytes()[..]].concat()),
        }
        frame.extend_from_slice(payload);
        match role {
            Role::Server => write_masked(out, &frame, (random.next() as u32).to_ne_bytes()),
            Role::Client => out.extend_from_slice(&frame),
        }
    }

    /// Changes bytes, of headers above all.
    fn mutate(random: &mut Random, bytes: &mut Vec<u8>, starts: &[usize]) {
        for _ in 0..1 + random.below(3) {
            let at = match random.below(4) {
                0 => random.below(bytes.len()),
                _ => starts[random.below(starts.len())] + random.below(6),
            };
            let at = at.min(bytes.len() - 1);
            match random.below(6) {
                0 | 1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes[at] = random.next() as u8,
                3 => bytes.insert(at, random.next() as u8),
                4 if bytes.len() > 1 => drop(bytes.remove(at)),
                4 => {}
                // The same length in a longer form.
                _ => {
                    let at = (starts[random.below(starts.len())] + 1).min(bytes.len() - 1);
                    let len = u64::from(bytes[at] & 0x7f);
                    let mask = bytes[at] & 0x80;
                    let long = match random.below(2) {
                        0 => [&[mask | 126], &(len as u16).to_be_bytes()[..]].concat(),
                        _ => [&[mask | 127], &len.to_be_bytes()[..]].concat(),
                    };
                    bytes.splice(at..=at, long);
                }
            }
        }
    }

    /// Cuts bytes anywhere, also into nothing.
    fn cut<'a>(random: &mut Random, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let most = [1, 3, 20, 200, 10_000][random.below(5)];
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(random.below(most + 1).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }

    /// `KLATSCH_SEED` says where to begin, so that one case can be run again or others be tried.
    #[test]
    fn streams_of_frames_mean_the_same_to_tungstenite() {
        let first = std::env::var("KLATSCH_SEED").map_or(1, |seed| seed.parse().unwrap());
        let mut outcomes = [0; 4];
        for seed in first..first + CASES {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let role = if seed % 4 == 0 { Role::Client } else { Role::Server };
            let (mut bytes, starts) = frames(&mut random, role);
            if random.below(2) == 0 {
                mutate(&mut random, &mut bytes, &starts);
            }
            let outcome = compare(role, &cut(&mut random, &bytes))
                .unwrap_or_else(|words| panic!("KLATSCH_SEED={seed}: {role:?} {bytes:02x?}\n{words}"));
            outcomes[outcome as usize] += 1;
        }
        assert!(outcomes.iter().all(|count| *count > CASES / 100), "too little was tried: {outcomes:?}");
    }

    const CASES: u64 = 40_000;
}
