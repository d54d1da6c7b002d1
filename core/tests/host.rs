//! What the host can do, and what it is told.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::{Duration, Instant};

use common::{DEADLINE, host};
use klatsch::{ConnectionId, Engine, ErrorCode, Event, Options, Payload};

#[test]
fn a_broadcast_is_a_record_by_the_host_with_a_position() {
    let mut host = host(Options::new().host_name("Café").host_color("blue"));
    let mut ann = host.named("/", "Ann");
    let first = host.engine.broadcast("lobby", "one").unwrap();
    let second = host.engine.broadcast("lobby", "two").unwrap();
    assert_eq!((first.offset, second.offset, first.epoch), (1, 2, second.epoch));
    assert!(ann.hear().contains(r#""text":"one","author":"Café","color":"blue""#));
    let Event::Message { connection, message } = host.event_of("message") else { unreachable!() };
    assert_eq!((connection, message.user.as_str(), message.position), (None, "host", first));
    let history = host.engine.history("lobby", 0, 10).unwrap();
    assert_eq!(history.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(host.engine.history("lobby", second.offset, 10).unwrap().len(), 1);
}

#[test]
fn a_broadcast_to_all_reaches_every_room_and_stands_in_no_history() {
    let host = host(Options::new());
    let (mut ann, mut bob) = (host.named("/?room=a", "Ann"), host.named("/?room=b", "Bob"));
    host.engine.broadcast_all("attention").unwrap();
    assert!(ann.hear().contains("attention") && bob.hear().contains("attention"));
    assert!(host.engine.history("a", 0, 10).unwrap().is_empty());
}

#[test]
fn the_host_tells_a_connection_a_room_and_all() {
    let mut host = host(Options::new());
    let mut ann = host.named("/?room=a", "Ann");
    let Event::Connected { connection, .. } = host.event_of("connected") else { unreachable!() };
    let mut bob = host.named("/?room=b", "Bob");
    host.engine.tell(connection, "just you").unwrap();
    host.engine.tell_room("b", "you in b").unwrap();
    host.engine.tell_all("all of you").unwrap();
    assert!(ann.hear().contains("just you") && ann.hear().contains("all of you"));
    assert!(bob.hear().contains("you in b") && bob.hear().contains("all of you"));
    let refused = host.engine.tell(connection, vec![1_u8]).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidArgument);
}

#[test]
fn the_host_sends_as_a_user_who_is_here_or_is_not() {
    let mut host = host(Options::new());
    let mut ann = host.named("/", "Ann");
    let Event::Named { user, color, .. } = host.event_of("named") else { unreachable!() };
    host.engine.send("lobby", &user, "from her phone").unwrap();
    assert!(ann.hear().contains(&format!(r#""author":"Ann","color":"{color}""#)));
    host.engine.send("lobby", "weather.bot", "rain").unwrap();
    assert!(ann.hear().contains(r#""author":"weather.bot""#));
    assert_eq!(host.engine.send("lobby", "no spaces", "x").unwrap_err().code(), ErrorCode::BadName);
    assert_eq!(host.engine.send("lobby", "host", "x").unwrap_err().code(), ErrorCode::BadName);
}

#[test]
fn rooms_and_members_are_listed() {
    let host = host(Options::new());
    let _ann = host.named("/?room=b", "Ann");
    let _bob = host.named("/?room=b", "Bob");
    let _nameless = host.client("/?room=a");
    let rooms = host.engine.rooms().unwrap();
    let rows: Vec<_> =
        rooms.iter().map(|room| (room.name.as_str(), room.member_count, room.connection_count)).collect();
    assert_eq!(rows, [("a", 0, 1), ("b", 2, 2)]);
    let members = host.engine.members("b").unwrap();
    assert_eq!(members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["Ann", "Bob"]);
    assert_eq!(host.engine.member_count("b").unwrap(), 2);
    assert_eq!(host.engine.member_count("nowhere").unwrap_err().code(), ErrorCode::UnknownRoom);
}

#[test]
fn events_tell_a_life_in_its_order() {
    let mut host = host(Options::new());
    let mut ann = host.named("/?room=a", "Ann");
    ann.say("hi");
    ann.hear();
    drop(ann);
    let mut kinds = Vec::new();
    loop {
        let event = host.event();
        kinds.push(event.kind());
        match event {
            Event::Joined { name, member_count, .. } => assert_eq!((name.as_str(), member_count), ("Ann", 1)),
            Event::Left { member_count, .. } => assert_eq!(member_count, 0),
            Event::Disconnected { code, .. } => {
                assert_eq!(code, 1006);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(kinds, ["started", "connected", "named", "joined", "message", "left", "disconnected"]);
    host.stop();
    assert!(matches!(host.event(), Event::Stopped));
}

#[test]
fn a_slow_host_holds_nobody_up_and_hears_how_much_it_missed() {
    let mut host = host(Options::new().event_queue_count(16).message_rate(0));
    let mut ann = host.named("/", "Ann");
    for n in 0..100 {
        ann.say(&n.to_string());
        assert!(ann.hear().contains(&format!(r#""text":"{n}""#)));
    }
    let (mut told, mut missed) = (0, 0);
    while told + missed < 104 {
        match host.event() {
            Event::Missed { count } => missed += count,
            _ => told += 1,
        }
    }
    assert_eq!((told, missed), (15, 89));
    ann.say("again");
    let Event::Message { message, .. } = host.event() else { panic!("the order is kept after a gap") };
    assert_eq!((message.text.as_str(), message.position.offset), ("again", 101));
}

#[test]
fn wrong_calls_say_what_would_be_right() {
    let engine = Engine::new(Options::new().listen("127.0.0.1:0")).unwrap();
    assert_eq!(engine.broadcast("lobby", "x").unwrap_err().code(), ErrorCode::NotRunning);
    engine.start().unwrap();
    assert_eq!(engine.start().unwrap_err().code(), ErrorCode::AlreadyRunning);
    for (result, code, word) in [
        (engine.broadcast("", "x").map(drop), ErrorCode::BadRoomName, "1 to 64"),
        (engine.broadcast("a", " ").map(drop), ErrorCode::EmptyText, "blank"),
        (engine.broadcast("a", &"x".repeat(16_385)).map(drop), ErrorCode::TooLong, "max_text_bytes is 16384"),
        (engine.tell(ConnectionId(9), "x"), ErrorCode::UnknownConnection, "9"),
        (engine.tell_room("none", "x"), ErrorCode::UnknownRoom, "none"),
        (engine.tell_all(vec![0_u8; 65_537]), ErrorCode::TooLong, "max_message_bytes"),
        (engine.kick(ConnectionId(9), ""), ErrorCode::UnknownConnection, "9"),
        (engine.answer(klatsch::QuestionId(3), klatsch::Verdict::Allow), ErrorCode::UnknownQuestion, "3"),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.message().contains(word), "{error}");
    }
    engine.stop_blocking(DEADLINE).unwrap();
    assert_eq!(engine.rooms().unwrap_err().code(), ErrorCode::NotRunning);
}

#[test]
fn a_host_that_is_faster_than_the_network_is_told_to_wait() {
    let host = host(Options::new().max_text_bytes(1 << 20).max_message_bytes(1 << 20));
    let _ann = host.named("/", "Ann");
    let text = "x".repeat(1 << 20);
    let mut busy = false;
    for _ in 0..200 {
        match host.engine.tell_all(text.as_str()) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::Busy);
                busy = true;
                break;
            }
        }
    }
    // A machine may be quick enough to keep up; then there was nothing to wait for.
    if busy {
        std::thread::sleep(Duration::from_millis(100));
        host.engine.rooms().unwrap();
    }
    host.stop();
}

#[test]
fn raw_messages_reach_the_host_and_come_back_as_they_are() {
    let mut host = host(Options::new().raw("/echo", "").raw("/game", "game.v1"));
    let mut echo = host.client("/echo");
    let mut game = common::Client::try_connect(
        host.address,
        "/game?room=g",
        &[("Sec-WebSocket-Protocol", "other, game.v1")],
    )
    .unwrap();
    echo.socket.send(tungstenite::Message::binary(vec![0, 255])).unwrap();
    let Event::Received { connection, payload } = host.event_of("received") else { unreachable!() };
    assert_eq!(payload, Payload::Binary(vec![0, 255]));
    host.engine.tell(connection, payload).unwrap();
    assert_eq!(echo.socket.read().unwrap(), tungstenite::Message::binary(vec![0, 255]));
    echo.say("text");
    let Event::Received { payload, .. } = host.event_of("received") else { unreachable!() };
    assert_eq!(payload, Payload::Text("text".into()));
    host.engine.tell_room("g", vec![7_u8]).unwrap();
    assert_eq!(game.socket.read().unwrap(), tungstenite::Message::binary(vec![7]));
    host.engine.tell_all("to all").unwrap();
    assert_eq!((echo.hear(), game.hear()), ("to all".into(), "to all".into()));
}

#[test]
fn a_raw_connection_waits_when_the_host_is_slow_and_loses_nothing() {
    let mut host = host(Options::new().raw("/in", "").event_queue_count(16));
    let mut client = host.client("/in");
    let sender = std::thread::spawn(move || {
        for n in 0..2_000_u32 {
            client.socket.send(tungstenite::Message::binary(n.to_le_bytes().to_vec())).unwrap();
        }
        client
    });
    for n in 0..2_000_u32 {
        let Event::Received { payload, .. } = host.event_of("received") else { unreachable!() };
        assert_eq!(payload.as_bytes(), n.to_le_bytes());
    }
    drop(sender.join().unwrap());
}

#[test]
fn a_raw_connection_waits_for_no_host_that_does_not_want_what_it_sends() {
    let mut host = host(Options::new().raw("/in", "").event_queue_count(16));
    let mut client = host.client("/in");
    for _ in 0..100 {
        client.socket.send(tungstenite::Message::binary(vec![7])).unwrap();
    }
    client.socket.send(tungstenite::Message::Ping("behind them".into())).unwrap();
    let until = Instant::now() + DEADLINE;
    while host.engine.stats().unwrap().event_count < 15 {
        assert!(Instant::now() < until, "the queue does not fill");
        std::thread::yield_now();
    }
    host.events.want(&["disconnected"]).unwrap();
    assert_eq!(client.socket.read().unwrap(), tungstenite::Message::Pong("behind them".into()));
}

#[test]
fn a_host_hears_the_kinds_of_events_that_it_wants() {
    let mut host = host(Options::new());
    host.event_of("started");
    host.events.want(&["joined", "left"]).unwrap();
    let mut ann = host.named("/", "Ann");
    ann.say("hi");
    while !ann.hear().contains(r#""text":"hi""#) {}
    drop(ann);
    assert_eq!([host.event().kind(), host.event().kind()], ["joined", "left"]);
    host.events.want(&["message", "stopped"]).unwrap();
    host.engine.broadcast("lobby", "bye").unwrap();
    assert_eq!(host.event().kind(), "message");
    host.stop();
    assert_eq!(host.event().kind(), "stopped");
}
