//! After whatever peers do with their sockets, an engine with nothing to do does nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use klatsch::{Event, Options};

use crate::common::host;
use crate::common::process::{alone, idle_percent};
use crate::common::raw::{UPGRADE, frame, open, serves_the_next};

/// What is more than an idle engine uses, in percent of a processor.
const BUSY: i64 = 5;

#[test]
fn peers_that_have_closed_their_half_keep_nothing_busy() {
    if !alone("idle::peers_that_have_closed_their_half_keep_nothing_busy") {
        return;
    }
    // Held for the host's answer, which never comes; told to close; answered and not gone; in the middle of a
    // request; in the middle of a message.
    let mut asking = host(Options::new().ask_admit(true).question_timeout_ms(600_000));
    let mut plain = host(Options::new().close_timeout_ms(600_000).max_address_connection_count(0));
    let mut streams = Vec::new();
    for _ in 0..20 {
        let stream = TcpStream::connect(asking.address).unwrap();
        (&stream).write_all(UPGRADE.as_bytes()).unwrap();
        asking.event_of("question");
        streams.push(stream);
        let stream = open(&plain);
        let Event::Connected { connection, .. } = plain.event_of("connected") else { unreachable!() };
        plain.engine.kick(connection, "go").unwrap();
        plain.event_of("disconnected");
        streams.push(stream);
        for bytes in ["GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HT", ""] {
            let stream = TcpStream::connect(plain.address).unwrap();
            (&stream).write_all(bytes.as_bytes()).unwrap();
            streams.push(stream);
        }
        let mut stream = open(&plain);
        stream.write_all(&frame(0x01, b"half a mess")).unwrap();
        streams.push(stream);
    }
    streams.iter().for_each(|stream| stream.shutdown(Shutdown::Write).unwrap());
    serves_the_next(&plain);
    let percent = idle_percent();
    assert!(percent < BUSY, "{percent} %");
    drop(streams);
    let percent = idle_percent();
    assert!(percent < BUSY, "{percent} % when they are gone");
}

#[test]
fn a_storm_of_resets_leaves_nothing_busy() {
    if !alone("idle::a_storm_of_resets_leaves_nothing_busy") {
        return;
    }
    let host = host(Options::new().max_address_connection_count(0));
    for round in 0..1_000 {
        let bytes = [UPGRADE.as_bytes(), &frame(0x81, b"Ann"), &frame(0x01, b"half")].concat();
        let stream = TcpStream::connect(host.address).unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        (&stream).write_all(&bytes[..round * 7 % bytes.len()]).unwrap();
    }
    serves_the_next(&host);
    let percent = idle_percent();
    assert!(percent < BUSY, "{percent} %");
}

#[test]
fn readers_whose_window_is_shut_keep_nothing_busy() {
    if !alone("idle::readers_whose_window_is_shut_keep_nothing_busy") {
        return;
    }
    let options = Options::new().write_timeout_ms(600_000).outbox_bytes(1 << 30).message_rate(0);
    let host = host(options.max_address_connection_count(0));
    let deaf: Vec<TcpStream> = (0..20).map(|_| open(&host)).collect();
    // More than the sockets' buffers hold, so that it waits in the engine.
    for _ in 0..1_000 {
        while host.engine.broadcast_all(&"x".repeat(16_000)).is_err() {
            std::thread::yield_now();
        }
    }
    serves_the_next(&host);
    let percent = idle_percent();
    assert!(percent < BUSY, "{percent} %");
    // It was there all the time.
    let mut first = &deaf[0];
    let mut some = vec![0; 1 << 20];
    first.read_exact(&mut some).unwrap();
}
