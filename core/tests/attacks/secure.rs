//! What strangers may try on a listener that speaks TLS, before and after its handshake; each in a process of its own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tungstenite::Message;

use crate::common::process::{alone, cpu_of, grows_linearly, idle_percent};
use crate::common::raw::{frame, tcp, tcp_from, upgrade};
use crate::common::tls::{
    Pair, VERSIONS, client_hello, config, connect, hear_until, pair, serves_the_next, wss,
};
use crate::common::{Host, host};

/// What is more than an idle engine uses, in percent of a processor.
const BUSY: i64 = 5;

fn hello(pair: &Pair) -> Vec<u8> {
    client_hello(config(&[pair], &VERSIONS))
}

/// One handshake message in records of so many bytes.
fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
    let record = |part: &[u8]| [&[22, 3, 1, 0, part.len() as u8], part].concat();
    hello[5..].chunks(size).flat_map(record).collect()
}

#[test]
fn two_thousand_half_handshakes_do_not_keep_a_good_client_out() {
    if !alone("secure::two_thousand_half_handshakes_do_not_keep_a_good_client_out") {
        return;
    }
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let count = usize::try_from(hard / 2).unwrap().saturating_sub(100).min(2_000);
    let pair = pair(&["localhost"]);
    let host = host(pair.options().handshake_timeout_ms(3_000).max_handshake_count(4_000));
    let hello = hello(&pair);
    let parts = [&hello[..0], &hello[..1], &hello[..hello.len() / 2], &hello[..]];
    let half: Vec<TcpStream> = (0..count)
        .map(|n| {
            // No address is over its limit.
            let mut stream = tcp_from(Ipv4Addr::new(127, 0, 1, (n / 90) as u8 + 1), host.address);
            stream.write_all(parts[n % parts.len()]).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    let mut good = wss(&host, &pair);
    good.send(Message::text("Ann")).unwrap();
    hear_until(&mut good, "color");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}: a tenth of it is expected");
    // Each is cut by its deadline, and the good one is still there.
    for mut stream in half {
        let _ = stream.read_to_end(&mut Vec::new());
    }
    good.send(Message::text("I am still here")).unwrap();
    hear_until(&mut good, "I am still here");
    serves_the_next(&host, &pair);
}

#[test]
fn nothing_done_to_tls_leaves_the_engine_busy() {
    if !alone("secure::nothing_done_to_tls_leaves_the_engine_busy") {
        return;
    }
    let pair = pair(&["localhost"]);
    let options = pair.options().handshake_timeout_ms(600_000).close_timeout_ms(600_000);
    let host = host(options.write_timeout_ms(600_000).outbox_bytes(1 << 30).max_address_connection_count(0));
    let hello = hello(&pair);
    let close_notify = [21, 3, 3, 0, 2, 1, 0];
    let middle = hello.len() / 2;
    let mut streams = Vec::new();
    for bytes in [
        // The end, said in the middle of a handshake; and a handshake in as many records as it can be.
        close_notify.to_vec(),
        [&hello[..], &close_notify].concat(),
        [&in_records(&hello[..middle], 9)[..], &close_notify].concat(),
        in_records(&hello, 1),
        in_records(&hello[..middle], 1),
        hello[..middle].to_vec(),
        vec![],
    ] {
        for shut in [false, true] {
            let mut stream = tcp(&host);
            stream.write_all(&bytes).unwrap();
            if shut {
                stream.shutdown(Shutdown::Write).unwrap();
            }
            streams.push(stream);
        }
    }
    // Open connections: one says the end by TLS alone, one shuts its half, one stops in the middle of a record, and one
    // never reads.
    for end in 0..4 {
        let mut stream = connect(&host, config(&[&pair], &VERSIONS), "localhost").unwrap();
        upgrade(&mut stream, "/", "");
        stream.write_all(&frame(0x01, b"half a mess")).unwrap();
        match end {
            0 => {
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            }
            1 => stream.sock.shutdown(Shutdown::Write).unwrap(),
            2 => stream.sock.write_all(&[23, 3, 3, 1, 0, 7]).unwrap(),
            _ => {}
        }
        streams.push(stream.sock);
    }
    for _ in 0..500 {
        while host.engine.broadcast_all(&"x".repeat(16_000)).is_err() {
            std::thread::yield_now();
        }
    }
    storm(&host, &hello);
    serves_the_next(&host, &pair);
    let percent = idle_percent();
    assert!(percent < BUSY, "{percent} %");
    drop(streams);
    serves_the_next(&host, &pair);
    let percent = idle_percent();
    assert!(percent < BUSY, "{percent} % when they are gone");
}

/// Resets in the middle of handshakes.
fn storm(host: &Host, hello: &[u8]) {
    for round in 0..500 {
        let stream = tcp(host);
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        (&stream).write_all(&hello[..round * 7 % hello.len()]).unwrap();
    }
}

#[test]
fn a_handshake_in_so_many_records_costs_what_their_number_says() {
    if !alone("secure::a_handshake_in_so_many_records_costs_what_their_number_says") {
        return;
    }
    let pair = pair(&["localhost"]);
    let host = host(pair.options().max_address_connection_count(0));
    let mut config = config(&[&pair], &VERSIONS);
    // A long one: protocols that nobody knows, and the one that is spoken.
    let names = (0..400).map(|n| format!("protocol {n:010}").into_bytes());
    config.alpn_protocols = names.chain([b"http/1.1".to_vec()]).collect();
    let hello = client_hello(config);
    let most = hello.len() - 5;
    let cost = |records: usize| {
        let bytes = in_records_of(&hello, records);
        cpu_of(|| {
            for _ in 0..20 {
                let mut stream = tcp(&host);
                stream.write_all(&bytes).unwrap();
                // The server's part of the handshake: all of it was read.
                stream.read_exact(&mut [0]).unwrap();
            }
        })
    };
    assert_eq!(grows_linearly(most / 4, cost), Ok(()));
}

/// One handshake message in so many records.
fn in_records_of(hello: &[u8], records: usize) -> Vec<u8> {
    let body = &hello[5..];
    let (front, last) = body.split_at(records - 1);
    let mut bytes: Vec<u8> = front.iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
    bytes.extend([&[22, 3, 1], &(last.len() as u16).to_be_bytes()[..], last].concat());
    bytes
}
