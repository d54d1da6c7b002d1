//! The tutorial dialect over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Client, Host, host};
use klatsch::{Event, Options};

fn chat() -> Host {
    host(Options::new())
}

fn text_of(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_name_gets_a_colour_and_what_is_said_reaches_everybody_in_the_room() {
    let host = chat();
    let mut ann = host.named("/", "Ann");
    let mut bob = host.client("/");
    ann.say("hello <b>");
    let heard = [ann.hear(), bob.hear()];
    assert_eq!(heard[0], heard[1]);
    let heard = text_of(&heard[0]);
    assert_eq!(heard["type"], "message");
    assert_eq!(heard["data"]["text"], "hello &lt;b&gt;");
    assert_eq!(heard["data"]["author"], "Ann");
    host.stop();
}

#[test]
fn whoever_comes_later_sees_the_latest_hundred_before_anything_else() {
    let host = host(Options::new().message_rate(0));
    let mut ann = host.named("/", "Ann");
    for n in 0..105 {
        ann.say(&n.to_string());
        ann.hear();
    }
    let history = text_of(&host.client("/").hear());
    assert_eq!(history["type"], "history");
    let texts: Vec<&str> =
        history["data"].as_array().unwrap().iter().map(|entry| entry["text"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 100);
    assert_eq!((texts[0], texts[99]), ("5", "104"));
}

#[test]
fn rooms_do_not_hear_one_another() {
    let host = chat();
    let mut ann = host.named("/?room=a", "Ann");
    let mut bob = host.named("/?room=b", "Bob");
    ann.say("only a");
    ann.hear();
    bob.hears_nothing();
    assert_eq!(Client::try_connect(host.address, "/?room=%0A", &[]).err(), Some(400));
}

#[test]
fn the_order_is_the_same_for_everybody() {
    let mut host = host(Options::new().message_rate(0));
    let mut clients: Vec<Client> = (0..4).map(|n| host.named("/", &format!("n{n}"))).collect();
    for round in 0..20 {
        for (n, client) in clients.iter_mut().enumerate() {
            client.say(&format!("{n}:{round}"));
        }
    }
    let heard: Vec<Vec<String>> =
        clients.iter_mut().map(|client| (0..80).map(|_| client.hear()).collect()).collect();
    assert!(heard.iter().all(|one| *one == heard[0]));
    let mut offsets = Vec::new();
    for text in &heard[0] {
        let Event::Message { message, .. } = host.event_of("message") else { unreachable!() };
        assert_eq!(text_of(text)["data"]["text"], message.text.as_str());
        offsets.push(message.position.offset);
    }
    assert_eq!(offsets, (1..=80).collect::<Vec<_>>());
}

#[test]
fn a_message_in_fragments_is_one_message() {
    use std::io::Write;
    let host = chat();
    let mut ann = host.named("/", "Ann");
    // "he" and "llo", with a ping between, masked with zeros.
    let bytes = [
        0x01, 0x82, 0, 0, 0, 0, b'h', b'e', 0x89, 0x80, 0, 0, 0, 0, 0x80, 0x83, 0, 0, 0, 0, b'l', b'l', b'o',
    ];
    for byte in bytes {
        ann.socket.get_mut().write_all(&[byte]).unwrap();
    }
    assert_eq!(text_of(&ann.hear())["data"]["text"], "hello");
}

#[test]
fn blank_and_binary_are_ignored_and_too_long_is_closed() {
    let host = chat();
    let mut ann = host.named("/", "Ann");
    ann.say("  ");
    ann.socket.send(tungstenite::Message::binary(vec![1, 2])).unwrap();
    ann.hears_nothing();
    ann.say(&"x".repeat(16_385));
    let (code, reason) = ann.closed();
    assert_eq!(code, 1009);
    assert!(reason.contains("max_text_bytes"), "{reason}");
}

#[test]
fn a_name_that_is_not_allowed_closes_with_words() {
    let host = chat();
    let mut ann = host.client("/");
    ann.say(" ");
    let (code, reason) = ann.closed();
    assert_eq!((code, reason.contains("1 to 32 characters")), (1008, true), "{reason}");
}

#[test]
fn either_side_may_close() {
    let mut host = chat();
    let mut ann = host.named("/", "Ann");
    ann.socket
        .close(Some(tungstenite::protocol::CloseFrame { code: 1000.into(), reason: "bye".into() }))
        .unwrap();
    assert_eq!(ann.closed().0, 1000);
    let Event::Disconnected { code, reason, .. } = host.event_of("disconnected") else { unreachable!() };
    assert_eq!((code, reason.as_str()), (1000, "bye"));
    let mut bob = host.named("/", "Bob");
    let Event::Connected { connection, .. } = host.event_of("connected") else { unreachable!() };
    host.engine.kick(connection, "enough").unwrap();
    assert_eq!(bob.closed(), (1008, "enough".to_owned()));
    let Event::Disconnected { code, .. } = host.event_of("disconnected") else { unreachable!() };
    assert_eq!(code, 1008);
}

#[test]
fn nothing_follows_a_close_frame() {
    use std::io::{Read, Write};
    let host = host(Options::new().close_timeout_ms(100));
    let mut ann = host.client("/");
    // In one packet: a name, whose colour is sent at the end of the turn, and a reserved bit.
    let bytes = [0x81, 0x81, 0, 0, 0, 0, b'A', 0xC1, 0x80, 0, 0, 0, 0];
    ann.socket.get_mut().write_all(&bytes).unwrap();
    let mut heard = Vec::new();
    ann.socket.get_mut().read_to_end(&mut heard).unwrap();
    let mut frames = Vec::new();
    let mut rest = &heard[..];
    while let [first, len, ..] = *rest {
        frames.push(first);
        rest = &rest[2 + usize::from(len)..];
    }
    assert_eq!(frames.iter().position(|&first| first == 0x88), Some(frames.len() - 1), "{heard:x?}");
}

#[test]
fn a_silent_peer_is_pinged_and_then_held_for_dead() {
    use std::io::Read;
    let mut host = host(Options::new().heartbeat_interval_ms(200).heartbeat_timeout_ms(200));
    let mut ann = host.named("/", "Ann");
    // While she answers pings, she stays.
    let until = std::time::Instant::now() + std::time::Duration::from_millis(1_000);
    ann.socket.get_mut().set_read_timeout(Some(std::time::Duration::from_millis(20))).unwrap();
    let mut pings = 0;
    while std::time::Instant::now() < until {
        match ann.socket.read() {
            Ok(tungstenite::Message::Ping(_)) => pings += 1,
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(pings >= 2, "{pings} pings");
    // Then she reads without answering.
    let mut rest = Vec::new();
    ann.socket.get_mut().set_read_timeout(Some(common::DEADLINE)).unwrap();
    ann.socket.get_mut().read_to_end(&mut rest).unwrap();
    let Event::Disconnected { code, .. } = host.event_of("disconnected") else { unreachable!() };
    assert_eq!(code, 1001);
}

#[test]
fn who_sends_too_fast_is_read_later_and_loses_nothing() {
    let host = host(Options::new().message_rate(20).message_burst(5));
    let mut ann = host.named("/", "Ann");
    let start = std::time::Instant::now();
    for n in 0..15 {
        ann.say(&n.to_string());
    }
    for n in 0..15 {
        assert_eq!(text_of(&ann.hear())["data"]["text"], n.to_string());
    }
    assert!(start.elapsed().as_millis() >= 400, "{:?}", start.elapsed());
}
