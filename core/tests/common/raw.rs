//! Clients that keep no rules: bytes, over any stream.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::{DEADLINE, Host};

pub const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A connection that has sent nothing.
pub fn tcp(host: &Host) -> TcpStream {
    let stream = TcpStream::connect(host.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The same from one of this machine's many addresses.
pub fn tcp_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_tcp_nodelay(true).unwrap();
    socket.into()
}

/// A connection whose handshake is done.
pub fn open(host: &Host) -> TcpStream {
    open_at(host, "/")
}

pub fn open_at(host: &Host, target: &str) -> TcpStream {
    let mut stream = tcp(host);
    upgrade(&mut stream, target, "");
    stream
}

/// Does the handshake, with more headers, each ended by CRLF. Gives the head of the answer, which must be 101.
pub fn upgrade(stream: &mut (impl Read + Write), target: &str, headers: &str) -> String {
    let request = UPGRADE.replace("GET /", &format!("GET {target}"));
    let request = request.replace("\r\n\r\n", &format!("\r\n{headers}\r\n"));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    answer
}

/// A masked client frame whose mask is zero.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
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
pub fn claim(len: u64) -> Vec<u8> {
    [&[0x82, 0xFF], len.to_be_bytes().as_slice(), &[0; 4]].concat()
}

/// Reads one frame of the server's: its first byte and its payload.
pub fn read_frame(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut long = [0; 8];
    let len = match head[1] {
        126 => {
            stream.read_exact(&mut long[6..])?;
            u64::from_be_bytes(long)
        }
        127 => {
            stream.read_exact(&mut long)?;
            u64::from_be_bytes(long)
        }
        len => u64::from(len),
    };
    let mut payload = vec![0; len as usize];
    stream.read_exact(&mut payload)?;
    Ok((head[0], payload))
}

/// The code of the close frame that the server sends at last.
pub fn close_code(stream: &mut impl Read) -> Option<u16> {
    loop {
        match read_frame(stream).ok()? {
            (0x88, payload) => return Some(u16::from_be_bytes(*payload.first_chunk()?)),
            _ => continue,
        }
    }
}

pub fn serves_the_next(host: &Host) {
    let mut next = host.named("/?room=next", "Next");
    next.say("still here");
    while !next.hear().contains("still here") {}
}

/// How many refusals the host has been told of since it last looked.
pub fn refusal_count(host: &mut Host) -> usize {
    host.events.drain(usize::MAX).iter().filter(|event| event.kind() == "refused").count()
}
