//! permessage-deflate over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::{DEADLINE, Host, host};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use klatsch::{Event, Options, Payload};

/// A client that offers permessage-deflate and keeps its context, as browsers do.
struct Deflating {
    stream: TcpStream,
    context: Decompress,
    answer: String,
}

/// One frame of the server's: whether it was compressed, its length on the wire, and its payload.
#[derive(Debug)]
struct Frame {
    is_compressed: bool,
    wire_len: usize,
    payload: Vec<u8>,
}

impl Deflating {
    fn connect(host: &Host, target: &str, offer: &str) -> Deflating {
        let mut stream = TcpStream::connect(host.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Extensions: {offer}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        Deflating { stream, context: Decompress::new(false), answer }
    }

    fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..126 => frame.push(0x80 | len as u8),
            len @ 126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).unwrap();
    }

    fn frame(&mut self) -> Frame {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let len = match head[1] {
            126 => {
                let mut len = [0; 2];
                self.stream.read_exact(&mut len).unwrap();
                usize::from(u16::from_be_bytes(len))
            }
            127 => {
                let mut len = [0; 8];
                self.stream.read_exact(&mut len).unwrap();
                u64::from_be_bytes(len) as usize
            }
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).unwrap();
        let is_compressed = head[0] & 0x40 != 0;
        if is_compressed {
            payload.extend_from_slice(&[0, 0, 0xff, 0xff]);
            let mut out = Vec::with_capacity(1 << 20);
            self.context.decompress_vec(&payload, &mut out, FlushDecompress::Sync).unwrap();
            payload = out;
        }
        Frame { is_compressed, wire_len: len, payload }
    }

    /// The next text, and whether it was compressed.
    fn hear(&mut self) -> (String, bool) {
        let frame = self.frame();
        (String::from_utf8(frame.payload).unwrap(), frame.is_compressed)
    }
}

fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 64);
    Compress::new(Compression::fast(), false).compress_vec(payload, &mut out, FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
    out
}

const OFFER: &str = "permessage-deflate; client_max_window_bits";

#[test]
fn everybody_in_a_room_hears_the_same_whoever_compresses() {
    let host = host(Options::new().message_rate(0));
    let mut plain = host.named("/", "Plain");
    let mut offers = vec![
        Deflating::connect(&host, "/", OFFER),
        Deflating::connect(&host, "/", "permessage-deflate; server_no_context_takeover"),
        Deflating::connect(&host, "/", "permessage-deflate; server_max_window_bits=9"),
    ];
    for offer in &mut offers {
        assert!(offer.answer.contains("client_no_context_takeover"), "{}", offer.answer);
        offer.send(0x81, b"Offers");
        assert!(!offer.hear().1, "what is short goes plain");
    }
    for n in 0..40 {
        let text = format!("{n} {}", "the same words again and again, ".repeat(1 + n % 60));
        plain.say(&text);
        // Whose turn it is to compress does not depend on who said it.
        offers[n % 3].send(0xC1, &deflated(text.as_bytes()));
        for _ in 0..2 {
            let heard = plain.hear();
            assert!(heard.contains(&text), "{heard}");
        }
    }
    let mut compressed = [0; 3];
    for (offer, compressed) in offers.iter_mut().zip(&mut compressed) {
        for n in 0..80 {
            let (heard, is_compressed) = offer.hear();
            assert!(heard.contains(&format!(r#""text":"{} "#, n / 2)), "{n}: {heard}");
            *compressed += usize::from(is_compressed);
        }
    }
    assert!(compressed[0] > 40, "{compressed:?}");
    host.stop();
}

#[test]
fn a_history_is_compressed_for_those_who_can_read_it() {
    let host = host(Options::new());
    for n in 0..100 {
        host.engine.broadcast("lobby", &format!("message {n} of the history")).unwrap();
    }
    let plain = host.client("/").hear();
    for offer in [OFFER, "permessage-deflate; server_max_window_bits=10; server_no_context_takeover"] {
        let frame = Deflating::connect(&host, "/", offer).frame();
        assert_eq!(String::from_utf8(frame.payload).unwrap(), plain);
        assert!(frame.is_compressed && frame.wire_len * 3 < plain.len(), "{}", frame.wire_len);
    }
}

#[test]
fn a_host_that_wants_no_compression_has_none() {
    let host = host(Options::new().deflate(false));
    assert!(!Deflating::connect(&host, "/", OFFER).answer.contains("permessage"));
}

#[test]
fn raw_messages_are_compressed_both_ways() {
    let mut host = host(Options::new().raw("/raw", ""));
    let mut client = Deflating::connect(&host, "/raw", OFFER);
    let payload: Vec<u8> = (0..60_000_u32).map(|n| (n / 100) as u8).collect();
    client.send(0xC2, &deflated(&payload));
    let Event::Received { connection, payload: received } = host.event_of("received") else { unreachable!() };
    assert_eq!(received, Payload::Binary(payload.clone()));
    host.engine.tell(connection, received).unwrap();
    let frame = client.frame();
    assert!(frame.is_compressed && frame.wire_len < 10_000 && frame.payload == payload);
}

#[test]
fn a_bomb_is_stopped_at_the_limit_of_messages() {
    let mut host = host(Options::new());
    let bomb = deflated(&vec![0; 40 << 20]);
    let mut client = Deflating::connect(&host, "/", OFFER);
    client.send(0xC1, &bomb[..60_000]);
    let Event::Disconnected { code, .. } = host.event_of("disconnected") else { unreachable!() };
    assert_eq!(code, 1009);
    let mut next = host.named("/", "Next");
    next.say("still here");
    assert!(next.hear().contains("still here"));
}
