//! Requests that never end, are no requests, or have two readings.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use klatsch::Options;

use crate::common::raw::{UPGRADE, frame, serves_the_next};
use crate::common::{DEADLINE, exchange, host};

#[test]
fn who_never_finishes_a_request_is_cut_and_the_others_are_served_meanwhile() {
    let host = host(Options::new().handshake_timeout_ms(700).max_address_connection_count(0));
    let slow: Vec<TcpStream> = (0..300)
        .map(|n| {
            let mut stream = TcpStream::connect(host.address).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            stream.write_all([&b""[..], b"GET / HTTP/1.1\r\nHost: local", b"G"][n % 3]).unwrap();
            stream
        })
        .collect();
    let mut drips = TcpStream::connect(host.address).unwrap();
    drips.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    serves_the_next(&host);
    // A byte now and then does not put the end off.
    let mut bytes = UPGRADE.bytes().cycle().take(10_000);
    loop {
        let byte = bytes.next().expect("it is cut long before");
        if drips.write_all(&[byte]).is_err() {
            break;
        }
        match drips.read(&mut [0; 1]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => break,
            Ok(_) => panic!("answered"),
        }
    }
    for mut stream in slow {
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
    }
    serves_the_next(&host);
}

#[test]
fn a_request_for_tls_is_told_that_there_is_none() {
    let host = host(Options::new());
    let answer = exchange(host.address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("TLS"), "{answer}");
}

#[test]
fn a_head_without_an_end_is_refused_at_eight_kibibytes() {
    let host = host(Options::new());
    let start = "GET / HTTP/1.1\r\nHost: localhost\r\n";
    for (what, bytes) in [
        ("one header", format!("{start}X: {}", "x".repeat(20_000))),
        ("one line", format!("GET /{}", "x".repeat(20_000))),
        ("many headers", format!("{start}{}\r\n", "A: b\r\n".repeat(10_000))),
        ("many empty headers", format!("{start}{}\r\n", "A:\r\n".repeat(10_000))),
    ] {
        let answer = exchange(host.address, bytes.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 431 "), "{what}: {answer}");
    }
    // Twenty megabytes: the answer comes at the limit, and what is sent after it is thrown away or refused.
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(start.as_bytes()).unwrap();
    let piece = [b'x'; 64 * 1024];
    let mut sent = 0;
    while sent < 20 << 20 && stream.write_all(&piece).is_ok() {
        sent += piece.len();
    }
    serves_the_next(&host);
    // And in pieces of one byte.
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"GET /").unwrap();
    let taken = (0..64 * 1024).take_while(|_| stream.write_all(b"x").is_ok()).count();
    assert!(taken >= 8 * 1024 - 5, "{taken}");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    serves_the_next(&host);
}

#[test]
fn a_request_with_two_readings_is_refused() {
    let host = host(Options::new().max_address_connection_count(0));
    let with = |line: &str| UPGRADE.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
    for (what, request) in [
        ("two Hosts", with("Host: localhost")),
        ("no Host", UPGRADE.replace("Host: localhost\r\n", "")),
        ("two keys", with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")),
        ("a key that is none", UPGRADE.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=")),
        ("a body in chunks", with("Transfer-Encoding: chunked")),
        ("a length and chunks", with("Content-Length: 0\r\nTransfer-Encoding: chunked")),
        ("two lengths", with("Content-Length: 0\r\nContent-Length: 0")),
        ("a wrong length", with("Content-Length: +0")),
        ("a folded line", with("X: a\r\n b")),
        ("a blank before a colon", with("X : a")),
        ("a line feed alone", with("X: a\nY: b")),
        ("line feeds throughout", UPGRADE.replace("\r\n", "\n")),
        ("a carriage return alone", with("X: a\rY: b")),
        ("a NUL", with("X: a\0b")),
        ("a whole URI", UPGRADE.replace("GET /", "GET http://localhost/")),
        ("another's authority", UPGRADE.replace("GET /", "GET localhost:80")),
        ("an asterisk", UPGRADE.replace("GET /", "GET *")),
        ("a fragment", UPGRADE.replace("GET /", "GET /#x")),
        ("a blank in the path", UPGRADE.replace("GET /", "GET / x")),
        ("two upgrades", UPGRADE.replace("Upgrade: websocket", "Upgrade: websocket, h2c")),
        ("two lines of upgrades", with("Upgrade: h2c")),
        ("no Connection", UPGRADE.replace("Connection: Upgrade", "Connection: close")),
        ("HTTP/1.0", UPGRADE.replace("HTTP/1.1", "HTTP/1.0")),
        ("HTTP/2.0", UPGRADE.replace("HTTP/1.1", "HTTP/2.0")),
        ("HTTP/2's greeting", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("an empty line in front", format!("\r\n{UPGRADE}")),
    ] {
        let answer = exchange(host.address, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
    }
    let body = exchange(host.address, with("Content-Length: 5").as_bytes());
    assert!(body.starts_with("HTTP/1.1 413 "), "a body: {body}");
    serves_the_next(&host);
}

#[test]
fn frames_that_come_with_the_request_are_kept_in_their_order() {
    let host = host(Options::new());
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let said: Vec<u8> = (0..10).flat_map(|n| frame(0x81, format!("number {n}").as_bytes())).collect();
    stream.write_all(&[UPGRADE.as_bytes(), &frame(0x81, b"Ann"), &said].concat()).unwrap();
    let mut answer = String::new();
    while !answer.contains("number 9") {
        let mut some = [0; 4_096];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&some[..count]));
    }
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let places: Vec<Option<usize>> = (0..10).map(|n| answer.find(&format!("number {n}"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{answer}");
}

#[test]
fn a_right_request_is_answered_before_what_its_frames_come_to() {
    let host = host(Options::new().close_timeout_ms(300));
    for (bytes, code) in [
        (frame(0x88, b""), None),
        (frame(0x88, &1000_u16.to_be_bytes()), Some(1000)),
        (frame(0x83, b""), Some(1002_u16)),
    ] {
        let mut stream = TcpStream::connect(host.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(&[UPGRADE.as_bytes(), &bytes].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let close = &answer[end..];
        assert_eq!(close[0], 0x88, "{close:x?}");
        assert_eq!(close.get(2..4).map(|code| u16::from_be_bytes([code[0], code[1]])), code);
    }
    serves_the_next(&host);
}
