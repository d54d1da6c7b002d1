//! Frames that nobody should send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use klatsch::{Event, Options, Payload};

use crate::common::raw::{UPGRADE, claim, close_code, frame, open, open_at, read_frame, serves_the_next};
use crate::common::{Host, host};

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
fn a_close_frame_is_answered_with_its_own_code_if_that_may_be_sent_and_1002_if_not() {
    let host = host(Options::new().close_timeout_ms(300).max_address_connection_count(0));
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999_u16]
    {
        let mut stream = open(&host);
        stream.write_all(&frame(0x88, &[&code.to_be_bytes()[..], b"bye"].concat())).unwrap();
        assert_eq!(close_code(&mut stream), Some(code));
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535_u16] {
        let mut stream = open(&host);
        stream.write_all(&frame(0x88, &code.to_be_bytes())).unwrap();
        assert_eq!(close_code(&mut stream), Some(1002), "{code}");
    }
    let mut stream = open(&host);
    stream.write_all(&frame(0x88, b"\x03\xe8\xff")).unwrap();
    assert_eq!(close_code(&mut stream), Some(1007), "a reason that is not UTF-8");
    serves_the_next(&host);
}

#[test]
fn a_length_that_no_message_can_have_is_refused_at_its_header() {
    let host = host(Options::new().close_timeout_ms(300).max_message_bytes(67_108_864).raw("/raw", ""));
    for (len, code) in [
        (67_108_865, 1009),
        ((1 << 32) - 1, 1009),
        (1 << 32, 1009),
        ((1 << 32) + 5, 1009),
        ((1 << 63) - 1, 1009),
        (1 << 63, 1002),
        (u64::MAX - 14, 1002),
        (u64::MAX - 3, 1002),
        (u64::MAX, 1002),
        // Not in their shortest form.
        (0, 1002),
        (125, 1002),
        (65_535, 1002),
    ] {
        for target in ["/", "/raw"] {
            let mut stream = open_at(&host, target);
            stream.write_all(&claim(len)).unwrap();
            assert_eq!(close_code(&mut stream), Some(code), "{len} at {target}");
        }
    }
    for len in [0, 1, 125_u16] {
        let mut stream = open(&host);
        stream.write_all(&[&[0x81, 0xFE], &len.to_be_bytes()[..], &[0; 4]].concat()).unwrap();
        assert_eq!(close_code(&mut stream), Some(1002), "{len} in two bytes");
    }
    // Together with what was there before, a fragment can be too long too.
    let mut stream = open(&host);
    stream
        .write_all(
            &[frame(0x01, b"x"), vec![0x80, 0xFF], u64::MAX.to_be_bytes().to_vec(), vec![0; 4]].concat(),
        )
        .unwrap();
    assert_eq!(close_code(&mut stream), Some(1002));
    serves_the_next(&host);
}

#[test]
fn text_that_is_not_utf8_is_refused_at_its_first_wrong_byte() {
    let host = host(Options::new().close_timeout_ms(300).max_address_connection_count(0));
    for bad in [
        &b"\xff"[..],
        b"\x80",
        b"ok\xc0\xaf",
        b"\xc1\x81",
        b"\xe0\x80\x80",
        b"\xe0\x9f\xbf",
        b"\xf0\x80\x80\x80",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xe2\x82x",
        b"\xf0\x9f\x98 ",
    ] {
        // The fragment says more is to come, and nothing does: the byte alone is enough.
        let mut stream = open(&host);
        let unfinished = [&[0x01, 0x80 | 100, 0, 0, 0, 0], bad].concat();
        stream.write_all(&unfinished).unwrap();
        assert_eq!(close_code(&mut stream), Some(1007), "{bad:x?} in a frame that goes on");
        // Split at every byte, over frames.
        for split in 1..bad.len() {
            let mut stream = open(&host);
            stream.write_all(&[frame(0x01, &bad[..split]), frame(0x80, &bad[split..])].concat()).unwrap();
            assert_eq!(close_code(&mut stream), Some(1007), "{bad:x?} split at {split}");
        }
    }
    let mut stream = open(&host);
    stream.write_all(&frame(0x81, "€".as_bytes().split_at(2).0)).unwrap();
    assert_eq!(close_code(&mut stream), Some(1007), "a character that ends with the message");
    // What is right stays right, wherever frames cut it.
    let mut client = host.named("/?room=split", "Ann");
    let said = "κόσμε €😀\u{10ffff}";
    let bytes: Vec<u8> = said
        .bytes()
        .enumerate()
        .flat_map(|(at, byte)| {
            let last = if at + 1 == said.len() { 0x80 } else { 0 };
            frame(last | u8::from(at == 0), &[byte])
        })
        .collect();
    client.socket.get_mut().write_all(&bytes).unwrap();
    assert!(client.hear().contains(said));
}

/// What a raw connection's message comes to: its length at the host, or the close code.
fn received(host: &mut Host, bytes: &[u8]) -> Result<usize, u16> {
    let mut stream = open_at(host, "/raw");
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
fn the_limit_that_is_set_is_the_limit_that_is_kept_whole_and_in_fragments() {
    for max in [125, 1_000, 65_536, 200_000_usize] {
        let options = Options::new().raw("/raw", "").close_timeout_ms(300).max_message_bytes(max as u64);
        let mut host = host(options);
        for (len, want) in [(max - 1, Ok(max - 1)), (max, Ok(max)), (max + 1, Err(1009))] {
            let payload = vec![b'x'; len];
            let (front, back) = payload.split_at(len / 3);
            assert_eq!(received(&mut host, &frame(0x82, &payload)), want, "{len} of {max}");
            assert_eq!(received(&mut host, &frame(0x81, &payload)), want, "{len} of {max} as text");
            let fragments =
                [frame(0x02, front), frame(0x89, b"ping"), frame(0x00, b""), frame(0x80, back)].concat();
            assert_eq!(received(&mut host, &fragments), want, "{len} of {max} in fragments");
        }
        let big = Payload::Binary(vec![0; max + 1]);
        assert!(host.engine.tell_all(big).unwrap_err().message().contains("max_message_bytes"));
    }
}

#[test]
fn fragments_without_an_end_are_cut_by_their_number_their_size_or_their_time() {
    let options = Options::new().close_timeout_ms(300).max_assembly_ms(300).max_address_connection_count(0);
    let host = host(options);
    let endless = |first: &[u8], more: &[u8], count: usize| [first, &more.repeat(count)].concat();
    for (what, bytes, code) in [
        ("empty continuations", endless(&frame(0x01, b""), &frame(0x00, b""), 10_000), 1008),
        ("one byte each", endless(&frame(0x01, b"x"), &frame(0x00, b"x"), 10_000), 1008),
        ("large ones", endless(&frame(0x02, &[0; 2_000]), &frame(0x00, &[0; 2_000]), 60), 1009),
        (
            "pings in between",
            endless(&frame(0x01, b""), &[frame(0x00, b""), frame(0x89, b"")].concat(), 1_000),
            1008,
        ),
        ("nothing more", frame(0x01, b"never finished"), 1008),
        ("half a frame", vec![0x81, 0x80 | 100, 0, 0, 0, 0, b'x'], 1008),
    ] {
        let mut stream = open(&host);
        // The server may be done with it before all of it is sent.
        let _ = stream.write_all(&bytes);
        assert_eq!(close_code(&mut stream), Some(code), "{what}");
    }
    serves_the_next(&host);
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
fn of_a_thousand_headers_every_wrong_one_is_answered_1002_and_the_next_client_is_served() {
    let host = host(Options::new().raw("/raw", "").close_timeout_ms(100).max_address_connection_count(0));
    let mut wrong = 0;
    for pair in (0..=u16::MAX).step_by(65) {
        let [first, second] = pair.to_be_bytes();
        let mut stream = open_at(&host, "/raw");
        // All of the header, and a part of the payload where there is one.
        stream.write_all(&[&[first, second][..], &[1; 12]].concat()).unwrap();
        let (opcode, len) = (first & 15, second & 127);
        let is_control = opcode >= 8;
        let is_wrong = first & 0x70 != 0
            || !matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10)
            || second & 0x80 == 0
            || is_control && (first & 0x80 == 0 || len > 125)
            // What it would continue is not there.
            || opcode == 0;
        if is_wrong {
            wrong += 1;
            assert_eq!(close_code(&mut stream), Some(1002), "{pair:04x}");
        }
    }
    assert!(wrong > 900, "{wrong}");
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
fn who_does_not_answer_a_close_frame_is_cut_and_what_it_says_is_thrown_away() {
    let mut host = host(Options::new().raw("/raw", "").close_timeout_ms(400));
    let mut stream = open_at(&host, "/raw");
    let Event::Connected { connection, .. } = host.event_of("connected") else { unreachable!() };
    host.engine.kick(connection, "go").unwrap();
    assert_eq!(read_frame(&mut stream).unwrap(), (0x88, b"\x03\xf0go".to_vec()));
    let begun = Instant::now();
    stream.write_all(&frame(0x82, b"I am still talking")).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    let took = begun.elapsed();
    assert!((Duration::from_millis(300)..Duration::from_secs(4)).contains(&took), "{took:?}");
    serves_the_next(&host);
    assert!(host.events.drain(usize::MAX).iter().all(|event| event.kind() != "received"));
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
