//! Listeners that speak TLS: what is served over it, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::tls::{
    VERSIONS, client_hello, config, connect, hear, hear_until, pair, read_to_end, serves_the_next, session,
    tcp, websocket, wss,
};
use common::{Client, DEADLINE, Host, exchange, host};
use klatsch::{ErrorCode, Event};
use rustls::StreamOwned;
use rustls::version::{TLS12, TLS13};
use tungstenite::Message;
use tungstenite::client::IntoClientRequest;

/// As [`answer_to`], where the server waits for the end too.
fn answer_to_the_end(host: &Host, bytes: &[u8]) {
    let mut socket = tcp(host);
    socket.write_all(bytes).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = socket.read_to_end(&mut Vec::new());
}

/// What the server sends to these bytes until it closes.
fn answer_to(host: &Host, bytes: &[u8]) -> Vec<u8> {
    let mut socket = tcp(host);
    socket.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    answer
}

/// Processor time of this whole process.
fn processor_time() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(value.tv_sec().unsigned_abs(), value.tv_usec().unsigned_abs() as u32 * 1_000)
    };
    time(usage.user_time()) + time(usage.system_time())
}

#[test]
fn people_chat_over_tls_of_both_versions() {
    let pair = pair(&["localhost"]);
    let mut host = host(pair.options());
    let mut ann = websocket(&host, connect(&host, config(&[&pair], &[&TLS13]), "localhost").unwrap());
    let mut bob = websocket(&host, connect(&host, config(&[&pair], &[&TLS12]), "localhost").unwrap());
    ann.send(Message::text("Ann")).unwrap();
    hear_until(&mut ann, "color");
    bob.send(Message::text("Bob")).unwrap();
    hear_until(&mut bob, "color");
    ann.send(Message::text("hello over TLS")).unwrap();
    hear_until(&mut bob, "hello over TLS");
    hear_until(&mut ann, "hello over TLS");
    bob.close(None).unwrap();
    while bob.read().is_ok() {}
    let Event::Disconnected { code, .. } = host.event_of("disconnected") else { unreachable!() };
    assert_eq!(code, 1005);
    assert_eq!(read_to_end(bob.get_mut()), "");
}

#[test]
fn the_page_comes_by_https_and_ends_with_close_notify() {
    let pair = pair(&["localhost"]);
    let host = host(pair.options());
    for version in VERSIONS {
        let mut stream = connect(&host, config(&[&pair], &[version]), "localhost").unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let page = read_to_end(&mut stream);
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("</html>\n"), "{page}");
    }
}

#[test]
fn a_stopping_engine_says_goodbye_by_websocket_and_by_tls() {
    let pair = pair(&["localhost"]);
    let host = host(pair.options());
    let mut client = wss(&host, &pair);
    client.send(Message::text("Ann")).unwrap();
    hear_until(&mut client, "color");
    let stop = host.engine.stop(DEADLINE);
    let Message::Close(Some(frame)) = client.read().unwrap() else { panic!("no close frame") };
    assert_eq!(u16::from(frame.code), 1001);
    while client.read().is_ok() {}
    assert_eq!(read_to_end(client.get_mut()), "");
    drop(stop);
    host.stop();
}

#[test]
fn large_messages_pass_both_ways_in_their_order() {
    let pair = pair(&["localhost"]);
    let mut host =
        host(pair.options().raw("/raw", "").max_message_bytes(4 << 20).event_queue_bytes(64 << 20));
    let stream = connect(&host, config(&[&pair], &VERSIONS), "localhost").unwrap();
    let request = "wss://localhost/raw".into_client_request().unwrap();
    let (mut client, _) = tungstenite::client(request, stream).unwrap();
    for size in [0, 1, 125, 16_383, 16_384, 16_385, 100_000, 1 << 20, 3 << 20] {
        let sent: Vec<u8> = (0..size).map(|at: u32| (at / 7 + at / 251) as u8).collect();
        client.send(Message::binary(sent.clone())).unwrap();
        let Event::Received { connection, payload } = host.event_of("received") else { unreachable!() };
        assert!(payload.as_bytes() == sent, "{size} bytes to the host");
        for _ in 0..3 {
            host.engine.tell(connection, sent.clone()).unwrap();
            assert!(client.read().unwrap().into_data() == sent, "{size} bytes to the client");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn readers_that_never_read_are_closed_over_tls_too_and_memory_is_bounded() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    };
    let pair = pair(&["localhost"]);
    let options =
        pair.options().write_timeout_ms(2_000).message_rate(0).max_text_bytes(4_096).history_kept(10);
    let mut host = host(options.event_queue_bytes(65_536));
    let slow: Vec<_> = (0..5)
        .map(|n| {
            let mut client = wss(&host, &pair);
            client.send(Message::text(format!("slow{n}"))).unwrap();
            hear_until(&mut client, "color");
            socket2::SockRef::from(&client.get_ref().sock).set_recv_buffer_size(4_096).unwrap();
            client
        })
        .collect();
    let mut quick = wss(&host, &pair);
    quick.send(Message::text("Quick")).unwrap();
    hear_until(&mut quick, "color");
    let text = "x".repeat(4_000);
    let before = resident();
    for n in 0..2_500 {
        quick.send(Message::text(format!("{n} {text}"))).unwrap();
        hear_until(&mut quick, &format!(r#""text":"{n} "#));
    }
    for _ in &slow {
        let Event::Disconnected { code, reason, .. } = host.event_of("disconnected") else { unreachable!() };
        assert_eq!((code, reason.contains("write_timeout_ms")), (1006, true), "{reason}");
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 5 * (65_536 + 16_384) + (6 << 20), "{grown} bytes");
    assert_eq!(host.engine.member_count("lobby").unwrap(), 1);
}

#[test]
fn a_reader_that_rests_and_goes_on_gets_everything() {
    let pair = pair(&["localhost"]);
    let options = pair.options().lag_bytes(32 << 20).outbox_bytes(32 << 20).max_text_bytes(65_536);
    let host = host(options);
    let mut slow = wss(&host, &pair);
    slow.send(Message::text("Slow")).unwrap();
    hear_until(&mut slow, "color");
    let text = "y".repeat(64_000);
    // More than the sockets' buffers hold.
    for n in 0..200 {
        host.engine.broadcast("lobby", &format!("{n} {text}")).unwrap();
    }
    for n in 0..200 {
        assert!(hear(&mut slow).contains(&format!(r#""text":"{n} y"#)), "message {n}");
    }
    slow.send(Message::text("I am here")).unwrap();
    hear_until(&mut slow, "I am here");
}

#[test]
fn http_without_tls_is_told_what_is_spoken_here() {
    let pair = pair(&["localhost"]);
    let mut host = host(pair.options());
    let answer = exchange(host.address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("wss://"), "{answer}");
    let Event::Refused { error, .. } = host.event_of("refused") else { unreachable!() };
    assert!(error.message().contains("wss://"), "{error}");
    assert_eq!(Client::try_connect(host.address, "/", &[]).err(), Some(400));
    serves_the_next(&host, &pair);
}

#[test]
fn older_versions_than_1_2_are_refused_with_an_alert() {
    let pair = pair(&["localhost"]);
    let mut host = host(pair.options());
    // A ClientHello of TLS 1.2, its version lowered and its list of versions made something unknown.
    for minor in [0, 1, 2] {
        let mut hello = client_hello(config(&[&pair], &[&TLS12]));
        assert_eq!(hello[9..11], [3, 3]);
        hello[10] = minor;
        let list = [0, 43, 0, 3, 2, 3, 3];
        let at = hello.windows(list.len()).position(|bytes| bytes == list).unwrap();
        hello[at..at + 2].copy_from_slice(&[0xFA, 0xFA]);
        let answer = answer_to(&host, &hello);
        assert_eq!(answer[..], [21, 3, 3, 0, 2, 2, 70], "a fatal protocol_version for 3.{minor}");
        let Event::Refused { connection, error, .. } = host.event_of("refused") else { unreachable!() };
        assert_eq!((connection, error.code()), (None, ErrorCode::Refused));
    }
    for version in VERSIONS {
        assert!(connect(&host, config(&[&pair], &[version]), "localhost").is_ok());
    }
}

#[test]
fn only_http_1_1_is_agreed_on() {
    let pair = pair(&["localhost"]);
    let host = host(pair.options());
    let offer = |protocols: &[&str]| {
        let mut config = config(&[&pair], &VERSIONS);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        connect(&host, config, "localhost").map(|stream| stream.conn.alpn_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(offer(&[]).unwrap(), None);
    assert_eq!(offer(&["h2", "http/1.1"]).unwrap().unwrap(), b"http/1.1");
    assert!(offer(&["h2"]).unwrap_err().to_string().contains("NoApplicationProtocol"));
    serves_the_next(&host, &pair);
}

#[test]
fn half_a_client_hello_is_cut_at_its_deadline_and_so_is_half_a_request() {
    let pair = pair(&["localhost"]);
    let host = host(pair.options().handshake_timeout_ms(300));
    let hello = client_hello(config(&[&pair], &VERSIONS));
    for half in [&hello[..1], &hello[..hello.len() / 2], &hello[..]] {
        let begun = Instant::now();
        answer_to(&host, half);
        assert!(begun.elapsed() >= Duration::from_millis(250), "{:?}", begun.elapsed());
    }
    let mut stream = connect(&host, config(&[&pair], &VERSIONS), "localhost").unwrap();
    stream.write_all(b"GET / HT").unwrap();
    assert_eq!(read_to_end(&mut stream), "");
    serves_the_next(&host, &pair);
}

#[test]
fn a_client_hello_may_come_byte_by_byte_and_in_many_records() {
    let pair = pair(&["localhost"]);
    let host = host(pair.options());
    for split in [false, true] {
        let mut session = session(config(&[&pair], &VERSIONS), "localhost");
        let mut hello = Vec::new();
        session.write_tls(&mut hello).unwrap();
        if split {
            // One handshake message in records of seven bytes.
            let records = hello[5..].chunks(7).map(|part| [&[22, 3, 1, 0, part.len() as u8], part].concat());
            hello = records.collect::<Vec<_>>().concat();
        }
        let mut socket = tcp(&host);
        for byte in hello {
            socket.write_all(&[byte]).unwrap();
        }
        let stream = StreamOwned::new(session, socket);
        let mut client = websocket(&host, stream);
        client.send(Message::text("Ann")).unwrap();
        hear_until(&mut client, "color");
    }
}

#[test]
fn close_notify_in_the_middle_of_the_handshake_costs_no_processor_time() {
    let pair = pair(&["localhost"]);
    let host = host(pair.options().handshake_timeout_ms(60_000));
    let hello = client_hello(config(&[&pair], &VERSIONS));
    let close_notify = [21, 3, 3, 0, 2, 1, 0];
    let middle = hello.len() / 2;
    // None of them shuts its socket: that the engine does not wait for it in a loop is what is measured.
    let sockets: Vec<TcpStream> = [
        close_notify.to_vec(),
        [&hello[..], &close_notify].concat(),
        [&hello[..], &close_notify, &close_notify].concat(),
        [&[22, 3, 1, 0, (middle - 5) as u8][..], &hello[5..middle], &close_notify].concat(),
    ]
    .into_iter()
    .map(|bytes| {
        let mut socket = tcp(&host);
        socket.write_all(&bytes).unwrap();
        socket
    })
    .collect();
    serves_the_next(&host, &pair);
    // Other tests of this process may be at work: the quietest of some windows counts.
    let busiest = |_| {
        let before = processor_time();
        std::thread::sleep(Duration::from_millis(500));
        processor_time() - before
    };
    let spent = (0..20).map(busiest).find(|spent| *spent < Duration::from_millis(50));
    assert!(spent.is_some(), "the process was never idle");
    drop(sockets);
}

#[test]
fn garbage_after_the_handshake_ends_only_its_own_connection() {
    let pair = pair(&["localhost"]);
    let mut host = host(pair.options());
    let mut client = wss(&host, &pair);
    client.send(Message::text("Ann")).unwrap();
    hear_until(&mut client, "color");
    client
        .get_mut()
        .sock
        .write_all(&[23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
        .unwrap();
    let Event::Disconnected { code, .. } = host.event_of("disconnected") else { unreachable!() };
    assert_eq!(code, 1006);
    assert!(client.read().is_err());
    for bytes in [&[0x16; 100][..], &[0x80, 0x2e, 1, 0, 2], &[0; 40], &[0xff; 20_000]] {
        answer_to_the_end(&host, bytes);
    }
    serves_the_next(&host, &pair);
}

#[test]
fn so_many_handshakes_are_under_way_and_more_are_cut() {
    let pair = pair(&["localhost"]);
    let mut host = host(pair.options().max_handshake_count(3));
    let mut done: Vec<_> = (0..5).map(|_| wss(&host, &pair)).collect();
    for _ in 0..5 {
        // Whoever has had an answer is under way no more, also before it has gone.
        exchange(host.address, b"GET / HTTP/1.1\r\n");
        answer_to_the_end(&host, &[0x16; 100]);
    }
    let hello = client_hello(config(&[&pair], &VERSIONS));
    let idle: Vec<TcpStream> = (0..3)
        .map(|_| {
            let mut socket = tcp(&host);
            socket.write_all(&hello).unwrap();
            // Its answer has come, so it is counted.
            socket.read_exact(&mut [0]).unwrap();
            socket
        })
        .collect();
    let mut one_more = tcp(&host);
    let end = one_more.read(&mut [0]);
    assert!(matches!(&end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    let Event::Degraded { error } = host.event_of("degraded") else { unreachable!() };
    assert!(error.message().contains("max_handshake_count"), "{error}");
    done[0].send(Message::text("I am in already")).unwrap();
    hear_until(&mut done[0], "color");
    drop(idle);
    let until = Instant::now() + DEADLINE;
    while connect(&host, config(&[&pair], &VERSIONS), "localhost").is_err() {
        assert!(Instant::now() < until, "places are given back");
    }
}

#[test]
fn a_peer_that_resets_after_any_part_of_its_handshake_ends_only_its_own() {
    let pair = pair(&["localhost"]);
    let host = host(pair.options().max_address_connection_count(0));
    let hello = client_hello(config(&[&pair], &VERSIONS));
    for end in (0..hello.len()).step_by(3) {
        let socket = tcp(&host);
        socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
        (&socket).write_all(&hello[..end]).unwrap();
    }
    serves_the_next(&host, &pair);
}
