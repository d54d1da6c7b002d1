//! A client that keeps no rules.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::{DEADLINE, Host};

pub(crate) const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A connection whose handshake is done.
pub(crate) fn open(host: &Host) -> TcpStream {
    open_at(host, "/")
}

pub(crate) fn open_at(host: &Host, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(UPGRADE.replace("GET /", &format!("GET {target}")).as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    stream
}

/// A masked client frame whose mask is zero.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
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
    frame
}

/// The header of a masked binary frame that says this length, in the form of 8 bytes.
pub(crate) fn claim(len: u64) -> Vec<u8> {
    [&[0x82, 0xFF], len.to_be_bytes().as_slice(), &[0; 4]].concat()
}

/// The code of the close frame that the server sends at last.
pub(crate) fn close_code(stream: &mut TcpStream) -> Option<u16> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let mut at = 0;
    while at + 2 <= bytes.len() {
        let len = match bytes[at + 1] {
            126 => 2 + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]])),
            len => 2 + usize::from(len),
        };
        if bytes[at] == 0x88 {
            return Some(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
        }
        at += len;
    }
    None
}

pub(crate) fn serves_the_next(host: &Host) {
    let mut next = host.named("/?room=next", "Next");
    next.say("still here");
    while !next.hear().contains("still here") {}
}

/// How many refusals the host has been told of since it last looked.
pub(crate) fn refusal_count(host: &mut Host) -> usize {
    host.events.drain(usize::MAX).iter().filter(|event| event.kind() == "refused").count()
}
