//! TLS together with all the rest: Unix sockets, proxies, compression, and the limits.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::deflating::{Deflating, OFFER, deflated};
use common::raw::{close_code, frame, read_frame, refusal_count, tcp_from, upgrade};
use common::tls::{
    Pair, Stream, VERSIONS, client_hello, config, connect, over, pair, serves_the_next, tcp, wss,
};
use common::{DEADLINE, Host, host, next_event};
use klatsch::{Engine, Event, Options, Payload};

/// A TLS connection whose WebSocket is open at `/raw`.
fn open(host: &Host, pair: &Pair) -> Stream {
    let mut stream = connect(host, config(&[pair], &VERSIONS), "localhost").unwrap();
    upgrade(&mut stream, "/raw", "");
    stream
}

#[test]
fn tls_is_spoken_on_a_unix_socket_too() {
    let pair = pair(&["localhost"]);
    let place = std::env::temp_dir().join(format!("klatsch-{}-tls.sock", std::process::id()));
    let engine = Engine::new(pair.options().listen(format!("unix:{}", place.display()))).unwrap();
    let mut events = engine.events().unwrap();
    engine.start().unwrap();
    let socket = || {
        let socket = UnixStream::connect(&place).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    };
    for version in VERSIONS {
        let mut ann = over(socket(), config(&[&pair], &[version]), "localhost").unwrap();
        upgrade(&mut ann, "/", "");
        let address = loop {
            if let Event::Connected { address, .. } = next_event(&mut events) {
                break address;
            }
        };
        assert_eq!(address, None);
        ann.write_all(&[frame(0x81, b"Ann"), frame(0x81, b"through the file")].concat()).unwrap();
        let heard = || String::from_utf8(read_frame(&mut ann).unwrap().1).unwrap();
        assert!(std::iter::repeat_with(heard).take(10).any(|text| text.contains("through the file")));
    }
    let mut plain = socket();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("wss://"), "{answer}");
    engine.stop_blocking(Duration::ZERO).unwrap();
}

#[test]
fn a_trusted_proxy_that_speaks_tls_is_believed_and_nobody_else_is() {
    let pair = pair(&["localhost"]);
    for (trusted, want) in [(true, "203.0.113.9"), (false, "127.0.0.1")] {
        let mut options = pair.options().max_address_connection_count(2);
        if trusted {
            options = options.trusted_proxy("127.0.0.1");
        }
        let mut host = host(options);
        let mut stream = connect(&host, config(&[&pair], &VERSIONS), "localhost").unwrap();
        upgrade(&mut stream, "/", "X-Forwarded-For: 192.0.2.66, 203.0.113.9\r\n");
        let Event::Connected { address, .. } = host.event_of("connected") else { unreachable!() };
        assert_eq!(address.unwrap().ip().to_string(), want);
    }
}

#[test]
fn clients_behind_a_proxy_that_speaks_tls_are_counted_one_by_one() {
    let pair = pair(&["localhost"]);
    let host = host(pair.options().max_address_connection_count(2).trusted_proxy("127.0.0.1"));
    let request = |client: &str| {
        let mut stream = connect(&host, config(&[&pair], &VERSIONS), "localhost").unwrap();
        let head =
            common::raw::UPGRADE.replace("\r\n\r\n", &format!("\r\nX-Forwarded-For: {client}\r\n\r\n"));
        stream.write_all(head.as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (String::from_utf8_lossy(&status[9..]).into_owned(), stream)
    };
    let mut inside = Vec::new();
    for client in ["203.0.113.9", "203.0.113.9", "198.51.100.7", "198.51.100.7"] {
        let (status, stream) = request(client);
        assert_eq!(status, "101", "{client}");
        inside.push(stream);
    }
    assert_eq!(request("203.0.113.9").0, "429");
    assert_eq!(request("192.0.2.1").0, "101");
}

#[test]
fn an_address_with_too_many_connections_is_cut_before_its_tls_handshake() {
    let pair = pair(&["localhost"]);
    let mut host = host(pair.options().max_address_connection_count(3));
    let mut inside: Vec<_> = (0..3).map(|_| wss(&host, &pair)).collect();
    let hello = client_hello(config(&[&pair], &VERSIONS));
    refusal_count(&mut host);
    for round in 0..50 {
        let mut socket = tcp(&host);
        // It may be cut before it has said anything.
        let _ = socket.write_all(&hello);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert_eq!(answer, b"", "round {round}: no byte of a handshake was made for it");
    }
    let Event::Refused { connection, address, error } = host.event_of("refused") else { unreachable!() };
    assert_eq!((connection, address.unwrap().ip()), (None, Ipv4Addr::LOCALHOST.into()));
    assert!(error.message().contains("is this a proxy"), "{error}");
    let other = tcp_from(Ipv4Addr::new(127, 0, 0, 2), host.address);
    upgrade(&mut over(other, config(&[&pair], &VERSIONS), "localhost").unwrap(), "/", "");
    assert_eq!(refusal_count(&mut host), 0, "one event, not fifty");
    // Nobody was counted who was cut: one goes, and one comes in.
    drop(inside.pop());
    let until = Instant::now() + DEADLINE;
    while connect(&host, config(&[&pair], &VERSIONS), "localhost").is_err() {
        assert!(Instant::now() < until, "its place is given back");
    }
}

#[test]
fn messages_are_compressed_over_tls_both_ways() {
    let pair = pair(&["localhost"]);
    for version in VERSIONS {
        let mut host = host(pair.options().raw("/raw", ""));
        let stream = connect(&host, config(&[&pair], &[version]), "localhost").unwrap();
        let mut client = Deflating::over(stream, "/raw", OFFER);
        assert!(client.agreed.is_some());
        let payload: Vec<u8> = (0..60_000_u32).map(|n| (n / 100) as u8).collect();
        client.send(0xC2, &deflated(&payload));
        let Event::Received { connection, payload: received } = host.event_of("received") else {
            unreachable!()
        };
        assert_eq!(received, Payload::Binary(payload.clone()));
        for _ in 0..3 {
            host.engine.tell(connection, payload.clone()).unwrap();
            let frame = client.frame();
            assert!(frame.is_compressed && frame.wire_len < 10_000 && frame.payload == payload);
        }
    }
}

/// What becomes of these frames: how many bytes the host is given, or the close code.
fn received(host: &mut Host, mut stream: impl Read + Write, bytes: &[u8]) -> Result<usize, u16> {
    stream.write_all(bytes).unwrap();
    stream.write_all(&frame(0x88, &1000_u16.to_be_bytes())).unwrap();
    let code = close_code(&mut stream).unwrap();
    let mut received = Err(code);
    loop {
        match host.event() {
            Event::Received { payload, .. } => received = Ok(payload.as_bytes().len()),
            Event::Disconnected { .. } => return received,
            _ => {}
        }
    }
}

#[test]
fn the_limit_of_messages_is_kept_over_tls_whole_in_fragments_and_compressed() {
    let pair = pair(&["localhost"]);
    for (max, is_secure) in
        [125, 1_000, 65_536, 200_000].into_iter().flat_map(|max| [(max, true), (max, false)])
    {
        let options = if is_secure { pair.options() } else { Options::new() };
        let options = options.raw("/raw", "").close_timeout_ms(300).max_message_bytes(max as u64);
        let mut host = host(options);
        let mut meets = |bytes: &[u8], offer: &str| {
            if is_secure {
                let stream = connect(&host, config(&[&pair], &VERSIONS), "localhost").unwrap();
                let stream = Deflating::over(stream, "/raw", offer).stream;
                return received(&mut host, stream, bytes);
            }
            let stream = Deflating::connect(&host, "/raw", offer).stream;
            received(&mut host, stream, bytes)
        };
        for (len, want) in [(max - 1, Ok(max - 1)), (max, Ok(max)), (max + 1, Err(1009))] {
            let what = format!("{len} of {max}, TLS: {is_secure}");
            let payload: Vec<u8> = (0..len).map(|at| b'a' + (at % 3) as u8).collect();
            let small = deflated(&payload);
            assert!(small.len() < 100 || small.len() < max / 2, "{}", small.len());
            let parts = |first: u8, payload: &[u8]| {
                let (front, back) = payload.split_at(payload.len() / 3);
                [frame(first, front), frame(0x89, b"ping"), frame(0x00, b""), frame(0x80, back)].concat()
            };
            assert_eq!(meets(&frame(0x82, &payload), "none"), want, "{what}");
            assert_eq!(meets(&parts(0x01, &payload), "none"), want, "{what}, in fragments");
            assert_eq!(meets(&frame(0xC1, &small), OFFER), want, "{what}, compressed");
            assert_eq!(meets(&parts(0x42, &small), OFFER), want, "{what}, compressed, in fragments");
        }
    }
}

#[test]
fn every_violation_has_its_code_over_tls_too() {
    let pair = pair(&["localhost"]);
    let host = host(pair.options().raw("/raw", "").close_timeout_ms(300).max_address_connection_count(0));
    let long = vec![b'x'; 60_000];
    for (what, bytes, code) in [
        ("a reserved bit", frame(0xC1, b"x"), 1002),
        ("a reserved opcode", frame(0x83, b""), 1002),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        ("no mask", vec![0x81, 1, b'x'], 1002),
        ("a message over the limit", [frame(0x01, &long), frame(0x80, &long)].concat(), 1009),
        ("a length of 2^63 - 1", vec![0x82, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0], 1009),
        ("text that is not UTF-8", frame(0x81, b"\xff"), 1007),
        (
            "a bad byte in a frame that goes on",
            [&[0x01, 0x80 | 100, 0, 0, 0, 0], &b"ok\xc0"[..]].concat(),
            1007,
        ),
        ("too many fragments", [frame(0x01, b""), frame(0x00, b"").repeat(70)].concat(), 1008),
        ("too many pings", frame(0x89, b"").repeat(30), 1008),
    ] {
        let mut stream = open(&host, &pair);
        stream.write_all(&bytes).unwrap();
        assert_eq!(close_code(&mut stream), Some(code), "{what}");
    }
    serves_the_next(&host, &pair);
}

#[test]
fn compressed_text_that_is_not_utf8_is_refused_plain_and_over_tls() {
    let pair = pair(&["localhost"]);
    let options = || Options::new().raw("/raw", "").close_timeout_ms(300).max_address_connection_count(0);
    let (plain, secure) = (host(options()), host(options().tls_pem(pair.cert.as_str(), pair.key.as_str())));
    for bad in [&b"\xff"[..], b"ok\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ends with half \xe2\x82"]
    {
        let small = deflated(bad);
        let (front, back) = small.split_at(1);
        for bytes in [frame(0xC1, &small), [frame(0x41, front), frame(0x80, back)].concat()] {
            let mut client = Deflating::connect(&plain, "/raw", OFFER);
            client.stream.write_all(&bytes).unwrap();
            assert_eq!(close_code(&mut client.stream), Some(1007), "{bad:x?}");
            let stream = connect(&secure, config(&[&pair], &VERSIONS), "localhost").unwrap();
            let mut client = Deflating::over(stream, "/raw", OFFER);
            client.stream.write_all(&bytes).unwrap();
            assert_eq!(close_code(&mut client.stream), Some(1007), "{bad:x?} over TLS");
        }
    }
    serves_the_next(&secure, &pair);
}

/// A stream that is reset after so many bytes were written to it.
struct Reset {
    socket: std::net::TcpStream,
    left: usize,
}

impl Read for Reset {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Reset {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        let count = self.socket.write(&bytes[..self.left.min(bytes.len())])?;
        self.left -= count;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.socket.flush()
    }
}

#[test]
fn a_reset_anywhere_in_a_session_over_tls_ends_only_its_own_connection() {
    let pair = pair(&["localhost"]);
    let host = host(pair.options().raw("/raw", "").max_address_connection_count(0));
    let talk = |left: usize| -> std::io::Result<usize> {
        let socket = tcp(&host);
        socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
        let mut stream = over(Reset { socket, left }, config(&[&pair], &VERSIONS), "localhost")?;
        stream.write_all(common::raw::UPGRADE.replace("GET /", "GET /raw").as_bytes())?;
        let frames = [frame(0x01, b"hel"), frame(0x89, b"p"), frame(0x80, b"lo"), frame(0x88, b"\x03\xe8")];
        for bytes in frames {
            stream.write_all(&bytes)?;
            stream.flush()?;
        }
        Ok(stream.sock.left)
    };
    let whole = 100_000 - talk(100_000).unwrap();
    assert!(whole > 400, "{whole} bytes");
    for end in (1..whole).step_by(3) {
        assert!(talk(end).is_err(), "{end} of {whole}");
    }
    serves_the_next(&host, &pair);
}
