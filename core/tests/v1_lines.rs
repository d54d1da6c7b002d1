//! The line of a v1 connection, whatever is said on it: how it begins, its heartbeats, and how it ends.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use common::{Client, DEADLINE, Host, host};
use klatsch::{Dialect, Event, Options, Payload};
use serde_json::Value;
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

/// What comes next that has this in it.
fn until(client: &mut Client, part: &str) -> String {
    loop {
        match next(client) {
            Message::Text(text) if text.contains(part) => return text.to_string(),
            Message::Text(_) => {}
            other => panic!("{part} comes, not {other:?}"),
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
fn who_sends_half_a_message_and_no_more_is_closed_as_one_who_may_come_back() {
    let host = host(options().max_assembly_ms(200));
    let mut client = talker(&host);
    // The first of two frames.
    client.socket.get_mut().write_all(&[0x01, 0x81, 0, 0, 0, 0, b'{']).unwrap();
    assert_eq!(closed(&mut client), (4203, "a message took too long to arrive".to_owned()));
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

/// A client that has said hello.
fn greeted(host: &Host, name: &str) -> Client {
    let mut client = talker(host);
    client.say(&format!(r#"{{"id":1,"do":"hello","name":"{name}"}}"#));
    assert!(ok(&mut client, 1)["session"].is_string());
    client
}

fn heard(client: &mut Client) -> Value {
    match next(client) {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("heard {other:?}"),
    }
}

/// The fields of the reply to that request, which comes next but for what is told unasked.
fn ok(client: &mut Client, id: u64) -> Value {
    loop {
        let mut heard = heard(client);
        if heard.get("on").is_none() {
            assert_eq!(heard["id"], id, "{heard}");
            return heard["ok"].take();
        }
    }
}

fn offset(event: &Value, field: &str) -> u64 {
    event[field]["offset"].as_u64().unwrap_or_else(|| panic!("{event}"))
}

fn frames_of(texts: impl Iterator<Item = String>) -> Vec<u8> {
    let frame = |text: String| {
        let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        assert!(text.len() < 126);
        frame.extend_from_slice(text.as_bytes());
        frame
    };
    texts.flat_map(frame).collect()
}

#[test]
fn who_blocks_somebody_goes_on_from_the_position_of_a_join_and_sees_no_rollback() {
    let host = host(options());
    let mut people = ["Ann", "Bob"].map(|name| {
        let mut client = talker(&host);
        for request in
            [format!("\"do\":\"hello\",\"name\":\"{name}\""), "\"do\":\"join\",\"room\":\"den\"".into()]
        {
            client.say(&format!("{{\"id\":1,{request}}}"));
            assert!(until(&mut client, "\"id\":1").contains("\"ok\""));
        }
        client
    });
    let [ann, bob] = &mut people;
    ann.say(r#"{"id":2,"do":"block","user":"u2","on":true}"#);
    until(ann, r#""id":2"#);
    for (mid, id) in [("1", 3), ("2", 4)] {
        bob.say(&format!(
            "{{\"id\":{id},\"do\":\"send\",\"room\":\"den\",\"mid\":\"{mid}\",\"text\":\"unseen\"}}"
        ));
        until(bob, &format!("\"id\":{id}"));
    }
    ann.say(r#"{"id":5,"do":"join","room":"den"}"#);
    let joined = until(ann, r#""id":5"#);
    assert!(joined.contains("\"offset\":2,\"recovered\":false,\"messages\":[]"), "{joined}");
    // What comes next comes behind that, so it has no other predecessor to name.
    ann.say(r#"{"id":6,"do":"send","room":"den","mid":"3","text":"mine"}"#);
    let mine = until(ann, r#""on":"message""#);
    assert!(mine.contains("\"offset\":3,\"message\""), "{mine}");
    host.stop();
}

#[test]
fn one_that_asks_and_does_not_read_is_read_no_further_and_loses_nothing() {
    const COUNT: u64 = 40_000;
    let host = host(options().lag_bytes(4_096).write_timeout_ms(60_000).heartbeat_timeout_ms(60_000));
    let mut client = greeted(&host, "Ann");
    client.say(r#"{"id":2,"do":"join","room":"lobby"}"#);
    ok(&mut client, 2);
    // Each answer is longer than its request, so that what nobody reads would grow without a bound.
    let mut asker = client.socket.get_ref().try_clone().unwrap();
    let asking = std::thread::spawn(move || {
        let requests = (3..COUNT).map(|id| format!(r#"{{"id":{id},"do":"members","room":"lobby"}}"#));
        asker.write_all(&frames_of(requests))
    });
    // It is held up: what waits is bounded, and what it sent waits on its own side.
    let until = Instant::now() + DEADLINE;
    while host.engine.stats().unwrap().waiting_bytes == 0 {
        assert!(Instant::now() < until, "nothing waits");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    for _ in 0..20 {
        let waiting = host.engine.stats().unwrap().waiting_bytes;
        assert!(waiting < 64 * 1_024, "{waiting} bytes wait");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    for id in 3..COUNT {
        assert_eq!(ok(&mut client, id)["member_count"], 1);
    }
    asking.join().unwrap().unwrap();
    host.stop();
}

#[test]
fn answers_that_leave_together_come_in_their_order_each_behind_what_happened_before_it() {
    const SENDS: std::ops::Range<u64> = 3..43;
    let host = host(options().message_rate(0));
    let mut client = greeted(&host, "Ann");
    client.say(r#"{"id":2,"do":"join","room":"lobby"}"#);
    ok(&mut client, 2);
    let sends = SENDS.map(|id| {
        format!(r#"{{"id":{id},"do":"send","room":"lobby","mid":"{id}","text":"one of many, said at once"}}"#)
    });
    client.socket.get_mut().write_all(&frames_of(sends)).unwrap();
    for id in SENDS {
        let said = loop {
            let heard = heard(&mut client);
            if heard["on"] == "message" {
                break heard;
            }
            assert!(heard.get("id").is_none(), "before its message: {heard}");
        };
        assert_eq!(said["message"]["mid"], id.to_string());
        assert_eq!(ok(&mut client, id)["offset"], said["offset"]);
    }
    host.stop();
}

#[test]
fn who_reads_is_answered_more_than_may_wait_for_one_who_does_not() {
    let host = host(options().message_rate(0).outbox_bytes(65_536).lag_bytes(65_536));
    let mut client = greeted(&host, "Ann");
    client.say(r#"{"id":2,"do":"join","room":"lobby"}"#);
    ok(&mut client, 2);
    let text = "x".repeat(16_000);
    for id in 3..9 {
        client.say(&format!(r#"{{"id":{id},"do":"send","room":"lobby","mid":"{id}","text":"{text}"}}"#));
        ok(&mut client, id);
    }
    client.say(r#"{"id":9,"do":"history","room":"lobby","limit":6}"#);
    let page = ok(&mut client, 9);
    assert_eq!(page["messages"].as_array().unwrap().len(), 6);
    assert!(page.to_string().len() > 65_536);
    host.stop();
}

/// Has the host say something long in a room.
fn say(host: &Host, room: &str) -> u64 {
    let text = "x".repeat(4_000);
    loop {
        match host.engine.broadcast(room, &text) {
            Ok(position) => return position.offset,
            Err(_) => std::thread::yield_now(),
        }
    }
}

/// A client that keeps to the rule of positions: it knows up to where it has each room.
#[derive(Default)]
struct Reader {
    rooms: HashMap<String, u64>,
    gap_count: usize,
}

impl Reader {
    /// Takes one event or reply.
    fn take(&mut self, heard: &Value) {
        let room = || heard["room"].as_str().unwrap().to_owned();
        match heard["on"].as_str() {
            None if heard["ok"]["room"].is_string() && heard["ok"]["recovered"].is_boolean() => {
                let room = heard["ok"]["room"].as_str().unwrap().to_owned();
                self.rooms.insert(room, heard["ok"]["offset"].as_u64().unwrap());
            }
            Some("message") => {
                let Some(at) = self.rooms.get_mut(&room()) else { return };
                let offset = heard["offset"].as_u64().unwrap();
                assert!(offset <= *at + 1, "a silent gap behind {at}: {}", heard["offset"]);
                *at = offset.max(*at);
            }
            Some("gap") => {
                let at = self.rooms.get_mut(&room()).unwrap();
                assert!(offset(heard, "from") <= *at, "a silent gap behind {at}: {heard}");
                *at = offset(heard, "to").max(*at);
                self.gap_count += 1;
            }
            _ => {}
        }
    }

    /// Reads until it has the rooms up to there.
    fn read_up_to(&mut self, client: &mut Client, tops: &[(&str, u64)]) {
        while tops.iter().any(|(room, top)| self.rooms[*room] < *top) {
            let heard = heard(client);
            self.take(&heard);
        }
    }
}

/// Fills what the system keeps for a client that does not read, until it lags. `quick` is in the rooms too.
fn overwhelm(host: &Host, quick: &mut Client, rooms: &[&str]) {
    let until = Instant::now() + DEADLINE;
    while host.engine.stats().unwrap().lagging_count == 0 {
        assert!(Instant::now() < until, "it never lags");
        for room in rooms {
            // Each in a turn of its own, as people speak.
            let said = say(host, room);
            while heard(quick)["offset"] != said {}
        }
    }
}

/// A client that has joined the rooms, and where it is in them.
fn member(host: &Host, name: &str, rooms: &[&str]) -> (Client, Reader) {
    let (mut client, mut reader) = (greeted(host, name), Reader::default());
    for room in rooms {
        client.say(&format!(r#"{{"id":2,"do":"join","room":"{room}"}}"#));
        while !reader.rooms.contains_key(*room) {
            reader.take(&heard(&mut client));
        }
    }
    (client, reader)
}

#[test]
fn who_lags_in_several_rooms_has_each_without_a_silent_gap_and_is_not_closed() {
    // One shard: what the quick one has heard, the slow one was to hear too.
    let host = host(options().shard_count(1).lag_bytes(1_024));
    let (mut client, mut reader) = member(&host, "Slow", &["den", "attic", "yard"]);
    let (mut quick, _) = member(&host, "Quick", &["den", "attic"]);
    let yard = say(&host, "yard");
    // A little is caught up record by record, much by a gap; a room in which nothing was said has none.
    for count in [1, 2, 100] {
        overwhelm(&host, &mut quick, &["den", "attic"]);
        let tops: Vec<(&str, u64)> =
            ["den", "attic"].map(|room| (room, (0..count).map(|_| say(&host, room)).max().unwrap())).to_vec();
        let gap_count = reader.gap_count;
        let is_heard = |heard: &Value| heard["room"] == "attic" && heard["offset"] == tops[1].1;
        while !is_heard(&heard(&mut quick)) {}
        reader.read_up_to(&mut client, &tops);
        assert_eq!(reader.gap_count > gap_count, count == 100, "{count} in each room");
    }
    assert_eq!(reader.rooms["yard"], yard);
    client.say(r#"{"id":5,"do":"read","room":"yard","offset":1}"#);
    assert_eq!(ok(&mut client, 5)["offset"], 1);
    host.stop();
}

#[test]
fn who_joins_and_leaves_while_it_lags_has_what_it_is_in_and_nothing_of_what_it_left() {
    let host = host(options().lag_bytes(8_192));
    let (mut client, mut reader) = member(&host, "Slow", &["den", "attic"]);
    let (mut quick, _) = member(&host, "Quick", &["den", "attic"]);
    let until = Instant::now() + DEADLINE;
    let await_members = |room: &str, count: u64| {
        while host.engine.member_count(room).unwrap_or(0) != count {
            assert!(Instant::now() < until, "{room} has not {count} members");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    };
    overwhelm(&host, &mut quick, &["den", "attic"]);
    client.say(r#"{"id":4,"do":"leave","room":"attic"}"#);
    await_members("attic", 1);
    client.say(r#"{"id":5,"do":"leave","room":"den"}"#);
    await_members("den", 1);
    say(&host, "den");
    client.say(r#"{"id":6,"do":"join","room":"den","history":0}"#);
    await_members("den", 2);
    let den = say(&host, "den");
    say(&host, "attic");
    let mut has_left = false;
    while !has_left || reader.rooms["den"] < den {
        let heard = heard(&mut client);
        has_left |= heard["id"] == 4;
        assert!(!has_left || heard["room"] != "attic", "{}", heard["on"]);
        reader.take(&heard);
    }
    // What it asks for next is read, now that it has taken the page.
    client.say(r#"{"id":7,"do":"join","room":"yard"}"#);
    assert_eq!(ok(&mut client, 7)["member_count"], 1);
    host.stop();
}

#[test]
fn who_begins_and_ceases_to_see_something_else_than_the_others_misses_nothing_and_sees_nothing_twice() {
    const COUNT: u64 = 3_000;
    let host = host(options());
    let mut other = talker(&host);
    other.say(r#"{"id":1,"do":"hello","name":"Other"}"#);
    let user = ok(&mut other, 1)["user"].as_str().unwrap().to_owned();
    let (mut client, reader) = member(&host, "Ann", &["lobby"]);
    // Somebody whose lane stays the common one.
    let (mut bystander, _) = member(&host, "Bob", &["lobby"]);
    let mut at = reader.rooms["lobby"];
    let mut asker = client.socket.get_ref().try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..COUNT {
                while host.engine.broadcast("lobby", &number.to_string()).is_err() {
                    std::thread::yield_now();
                }
                if number % 10 == 0 {
                    let block = format!(r#"{{"do":"block","user":"{user}","on":{}}}"#, number / 10 % 2 == 0);
                    asker.write_all(&frames_of(std::iter::once(block))).unwrap();
                }
            }
        });
        for client in [&mut client, &mut bystander] {
            let mut next_at = at;
            while next_at < at + COUNT {
                let heard = heard(client);
                if heard["on"] == "message" {
                    next_at += 1;
                    assert_eq!(heard["offset"], next_at);
                }
            }
        }
    });
    at += COUNT + 1;
    assert_eq!(host.engine.broadcast("lobby", "the end").unwrap().offset, at);
    while heard(&mut client)["offset"] != at {}
    host.stop();
}

#[test]
fn a_client_that_wishes_heartbeats_more_often_has_them() {
    let host = host(options());
    let mut client = talker(&host);
    client.say(r#"{"id":1,"do":"hello","name":"Ann","heartbeat_ms":1000}"#);
    assert_eq!(ok(&mut client, 1)["heartbeat_ms"], 1_000);
    for _ in 0..2 {
        let began = Instant::now();
        assert_eq!(client.hear(), "{}");
        assert!(began.elapsed() < Duration::from_millis(1_900), "it came late");
    }
    host.stop();
}
