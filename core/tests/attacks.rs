//! What strangers may try: each ends only its own connection, costs bounded memory, and the next client is served.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{Client, DEADLINE, Host, exchange, host};
use klatsch::{Event, Options};

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A raw connection whose handshake is done.
fn open(host: &Host) -> TcpStream {
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(UPGRADE.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    stream
}

/// A masked client frame whose mask is zero.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// The code of the close frame that the server sends at last.
fn close_code(stream: &mut TcpStream) -> Option<u16> {
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

fn serves_the_next(host: &Host) {
    let mut next = host.named("/?room=next", "Next");
    next.say("still here");
    while !next.hear().contains("still here") {}
}

/// Resident memory of this process in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn every_violation_has_its_code_on_the_wire() {
    let host = host(Options::new().close_timeout_ms(300));
    let long = vec![b'x'; 60_000];
    for (what, bytes, code) in [
        ("a reserved bit", frame(0xC1, b"x"), 1002),
        ("a reserved opcode", frame(0x83, b""), 1002),
        ("a ping in fragments", frame(0x09, b""), 1002),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        ("no mask", vec![0x81, 1, b'x'], 1002),
        ("a length that is not minimal", vec![0x81, 0xFE, 0, 1, 0, 0, 0, 0, b'x'], 1002),
        ("a length with its top bit set", vec![0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1002),
        ("a length of 2^63 - 1", vec![0x82, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0], 1009),
        ("a message over the limit", [frame(0x01, &long), frame(0x80, &long)].concat(), 1009),
        ("text that is not UTF-8", frame(0x81, b"\xff"), 1007),
        ("a bad byte in a fragment that is not finished", frame(0x01, b"ok\xc0"), 1007),
        ("a close with one byte", frame(0x88, b"x"), 1002),
        ("a close with a code nobody may send", frame(0x88, &1005_u16.to_be_bytes()), 1002),
        ("too many fragments", [frame(0x01, b""), frame(0x00, b"").repeat(70)].concat(), 1008),
        ("too many pings", frame(0x89, b"").repeat(30), 1008),
    ] {
        let mut stream = open(&host);
        stream.write_all(&bytes).unwrap();
        assert_eq!(close_code(&mut stream), Some(code), "{what}");
    }
    serves_the_next(&host);
}

#[test]
fn what_the_host_answers_at_once_is_sent_before_a_violations_close() {
    let mut host = host(Options::new().raw("/", "").tutorial(false).close_timeout_ms(300));
    for (what, bytes) in [
        ("in one piece", vec![[frame(0x81, b"hi"), frame(0xC1, b"x"), frame(0x81, b"more")].concat()]),
        ("one by one", vec![frame(0x81, b"hi"), frame(0xC1, b"x"), frame(0x81, b"more")]),
    ] {
        let mut stream = open(&host);
        bytes.iter().for_each(|bytes| stream.write_all(bytes).unwrap());
        let Event::Received { connection, payload } = host.event_of("received") else { unreachable!() };
        host.engine.tell(connection, payload).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        assert_eq!(heard[..4], *b"\x81\x02hi", "{what}");
        assert_eq!((heard[4], &heard[6..8]), (0x88, &1002_u16.to_be_bytes()[..]), "{what}");
        let Event::Disconnected { code, .. } = host.event() else { panic!("it is read no further, {what}") };
        assert_eq!(code, 1002, "{what}");
    }
}

#[test]
fn a_connection_that_broke_the_protocol_is_closed_for_what_comes_first() {
    let mut host = host(Options::new().raw("/", "").tutorial(false).close_timeout_ms(300));
    let bad = [frame(0x81, b"hi"), frame(0xC1, b"x")].concat();
    let mut kicked = open(&host);
    kicked.write_all(&bad).unwrap();
    let Event::Received { connection, .. } = host.event_of("received") else { unreachable!() };
    host.engine.kick(connection, "out").unwrap();
    assert!(matches!(close_code(&mut kicked), Some(1008 | 1002)));
    let mut stopped = open(&host);
    stopped.write_all(&bad).unwrap();
    host.event_of("received");
    host.stop();
    assert!(matches!(close_code(&mut stopped), Some(1002)));
}

#[test]
fn a_thousand_random_headers_end_only_their_own_connections() {
    let host = host(Options::new().close_timeout_ms(100).max_address_connection_count(0));
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    for round in 0..1_000_u32 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let mut stream = open(&host);
        stream.write_all(&seed.to_le_bytes()[..(2 + round as usize % 7)]).unwrap();
    }
    serves_the_next(&host);
}

#[test]
fn a_reset_after_any_byte_ends_only_its_own_connection() {
    let mut host = host(Options::new().max_address_connection_count(0));
    let session = [
        UPGRADE.as_bytes(),
        &frame(0x81, b"Ann"),
        &frame(0x01, b"hel"),
        &frame(0x89, b"p"),
        &frame(0x80, b"lo"),
        &frame(0x88, &1000_u16.to_be_bytes()),
    ]
    .concat();
    for end in 1..session.len() {
        let stream = TcpStream::connect(host.address).unwrap();
        // Closing with unread answers or with this option resets the connection.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        (&stream).write_all(&session[..end]).unwrap();
    }
    serves_the_next(&host);
    while host
        .engine
        .rooms()
        .unwrap()
        .iter()
        .any(|room| room.name.as_str() == "lobby" && room.connection_count > 0)
    {
        host.event();
    }
}

#[test]
fn a_head_without_an_end_is_refused_at_eight_kibibytes() {
    let host = host(Options::new());
    let endless = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(20_000));
    assert!(exchange(host.address, endless.as_bytes()).starts_with("HTTP/1.1 431 "));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(200));
    assert!(exchange(host.address, many.as_bytes()).starts_with("HTTP/1.1 431 "));
    serves_the_next(&host);
}

#[test]
#[cfg(target_os = "linux")]
fn claimed_lengths_cost_no_memory() {
    let host = host(Options::new().max_message_bytes(64 << 20).max_address_connection_count(0));
    serves_the_next(&host);
    let before = resident();
    let streams: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = open(&host);
            stream.write_all(&[0x82, 0xFF, 0, 0, 0, 0, 0x03, 0, 0, 0, 0, 0, 0, 0, 1]).unwrap();
            stream
        })
        .collect();
    serves_the_next(&host);
    let each = resident().saturating_sub(before) / streams.len();
    assert!(each <= 8 * 1024, "{each} bytes a claim");
}

#[test]
#[cfg(target_os = "linux")]
fn a_ping_flood_that_never_reads_is_closed_and_costs_no_memory() {
    let mut host = host(Options::new());
    let mut stream = open(&host);
    let before = resident();
    let flood = frame(0x89, &[7; 100]).repeat(1_000);
    // The server stops reading it long before two million; then writing fails or would block.
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    for _ in 0..2_000 {
        if stream.write_all(&flood).is_err() {
            break;
        }
    }
    let Event::Disconnected { code, .. } = host.event_of("disconnected") else { unreachable!() };
    assert_eq!(code, 1008);
    assert!(resident().saturating_sub(before) < 4 << 20, "{} bytes", resident() - before);
    serves_the_next(&host);
}

#[test]
#[cfg(target_os = "linux")]
fn readers_that_never_read_are_closed_and_the_others_get_everything() {
    let options =
        Options::new().outbox_bytes(65_536).message_rate(0).max_text_bytes(4_096).event_queue_bytes(65_536);
    let mut host = host(options);
    let slow: Vec<Client> = (0..10)
        .map(|n| {
            let client = host.named("/", &format!("slow{n}"));
            socket2::SockRef::from(client.socket.get_ref()).set_recv_buffer_size(4_096).unwrap();
            client
        })
        .collect();
    let mut quick = host.named("/", "Quick");
    let text = "x".repeat(4_000);
    let before = resident();
    for n in 0..4_000 {
        quick.say(&format!("{n} {text}"));
        while !quick.hear().contains(&format!(r#""text":"{n} "#)) {}
    }
    for _ in &slow {
        let Event::Disconnected { code, reason, .. } = host.event_of("disconnected") else { unreachable!() };
        assert_eq!((code, reason.contains("outbox_bytes")), (1013, true), "{reason}");
    }
    // The log of the room itself holds up to 1,000 messages of 4 KiB.
    let grown = resident().saturating_sub(before);
    assert!(grown < 4_200_000 + 10 * 65_536 + (8 << 20), "{grown} bytes");
    assert_eq!(host.engine.member_count("lobby").unwrap(), 1);
}
