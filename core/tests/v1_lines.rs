//! The line of a v1 connection, whatever is said on it: how it begins, its heartbeats, and how it ends.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::{Duration, Instant};

use common::{Client, DEADLINE, Host, host};
use klatsch::{Dialect, Event, Options, Payload};
use tungstenite::Message;

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "klatsch.v1");

fn options() -> Options {
    Options::new().shard_count(2).deflate(false)
}

fn talker(host: &Host) -> Client {
    Client::try_connect(host.address, "/?room=den", &[PROTOCOL]).unwrap()
}

/// What comes next, but for heartbeats.
fn next(client: &mut Client) -> Message {
    loop {
        match client.socket.read() {
            Ok(Message::Text(text)) if text.as_str() == "{}" => {}
            Ok(message) => return message,
            Err(error) => panic!("something comes, not {error}"),
        }
    }
}

fn closed(client: &mut Client) -> (u16, String) {
    match next(client) {
        Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("it is closed, not sent {other:?}"),
    }
}

#[test]
fn a_v1_connection_comes_in_without_a_room_and_the_host_is_not_asked_before_its_hello() {
    let mut host = host(options().ask_admit(true));
    let mut client = talker(&host);
    let Event::Connected { dialect, room, path, .. } = host.event_of("connected") else { unreachable!() };
    assert_eq!((dialect, dialect.name(), room, path), (Dialect::V1, "v1", None, "/".to_owned()));
    assert!(host.engine.members("den").is_err());
    client.say("nonsense");
    let Message::Text(text) = next(&mut client) else { panic!("it is answered") };
    assert!(text.starts_with(r#"{"error":{"code":120,"name":"bad_request""#), "{text}");
    host.stop();
}

#[test]
fn who_hears_nothing_else_hears_heartbeats_and_no_pings_and_who_says_nothing_is_closed() {
    let host = host(options().heartbeat_interval_ms(400).heartbeat_timeout_ms(400));
    let (mut quiet, mut alive) = (talker(&host), talker(&host));
    let began = Instant::now();
    let mut heard = began;
    for _ in 0..4 {
        alive.say("{}");
        match alive.socket.read() {
            Ok(Message::Text(text)) => assert_eq!(text, "{}"),
            other => panic!("a heartbeat comes, not {other:?}"),
        }
        // A client would wait for the timeout, too.
        assert!(heard.elapsed() < Duration::from_millis(800), "it came late");
        heard = Instant::now();
    }
    assert_eq!(closed(&mut quiet), (4203, "no answer to a heartbeat".to_owned()));
    assert!(began.elapsed() >= Duration::from_millis(800), "it was closed early");
    host.stop();
}

#[test]
fn pings_are_answered_and_too_many_are_a_flood_and_bytes_are_no_message() {
    let host = host(options().control_burst(3).control_rate(1));
    let mut client = talker(&host);
    for _ in 0..3 {
        client.socket.send(Message::Ping("are you there".into())).unwrap();
        assert_eq!(next(&mut client), Message::Pong("are you there".into()));
    }
    client.socket.send(Message::Ping("and now?".into())).unwrap();
    assert_eq!(closed(&mut client).0, 4102);
    let mut client = talker(&host);
    client.socket.send(Message::binary(vec![1, 2, 3])).unwrap();
    assert_eq!(closed(&mut client).0, 1003);
    host.stop();
}

#[test]
fn what_the_host_says_and_does_reaches_one_that_is_in_no_room() {
    let mut host = host(options());
    let mut client = talker(&host);
    let Event::Connected { connection, .. } = host.event_of("connected") else { unreachable!() };
    host.engine.tell(connection, Payload::Text("say \"hi\"".into())).unwrap();
    assert_eq!(next(&mut client), Message::text(r#"{"on":"tell","data":"say \"hi\""}"#));
    assert!(host.engine.tell(connection, Payload::Binary(vec![1])).is_err());
    host.engine.kick(connection, "enough").unwrap();
    assert_eq!(closed(&mut client), (4004, "enough".to_owned()));
    let Event::Disconnected { code, .. } = host.event_of("disconnected") else { unreachable!() };
    assert_eq!(code, 4004);
    host.stop();
}

#[test]
fn when_the_engine_stops_a_bye_comes_before_the_close_frame_and_after_everything_else() {
    let mut host = host(options());
    let mut client = talker(&host);
    let Event::Connected { connection, .. } = host.event_of("connected") else { unreachable!() };
    host.engine.tell(connection, Payload::Text("last words".into())).unwrap();
    drop(host.engine.stop(DEADLINE));
    assert_eq!(next(&mut client), Message::text(r#"{"on":"tell","data":"last words"}"#));
    let bye = r#"{"on":"bye","code":4200,"reason":"the server stops","reconnect_ms":[500,8000]}"#;
    assert_eq!(next(&mut client), Message::text(bye));
    assert_eq!(closed(&mut client), (4200, "the server stops".to_owned()));
}

#[test]
fn one_that_asks_and_does_not_read_is_read_no_further_and_loses_nothing() {
    const COUNT: usize = 20_000;
    let host = host(options().lag_bytes(4_096).write_timeout_ms(60_000).heartbeat_timeout_ms(60_000));
    let mut client = talker(&host);
    let mut asker = client.socket.get_ref().try_clone().unwrap();
    // Each answer is longer than its request, so that what nobody reads would grow without a bound.
    let asking = std::thread::spawn(move || {
        use std::io::Write;
        let frames: Vec<u8> = (0..COUNT)
            .flat_map(|id| {
                let text = format!("{{\"id\":{},\"do\":\"nothing like that\"}}", id + 1);
                let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
                frame.extend_from_slice(text.as_bytes());
                frame
            })
            .collect();
        asker.write_all(&frames)
    });
    // It is held up: what waits is bounded, and what it sent waits on its own side.
    let until = Instant::now() + DEADLINE;
    while host.engine.stats().unwrap().waiting_bytes <= 4_096 {
        assert!(Instant::now() < until, "nothing waits");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    for _ in 0..20 {
        let waiting = host.engine.stats().unwrap().waiting_bytes;
        assert!(waiting < 64 * 1_024, "{waiting} bytes wait");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    for id in 1..=COUNT {
        let Message::Text(text) = next(&mut client) else { panic!("it is answered") };
        assert!(text.starts_with(&format!("{{\"id\":{id},\"error\"")), "{text} in place of {id}");
    }
    asking.join().unwrap().unwrap();
    host.stop();
}
