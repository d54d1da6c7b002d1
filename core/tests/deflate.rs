//! permessage-deflate over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::deflating::{Deflating, OFFER, deflated};
use common::host;
use klatsch::{Event, Options, Payload};

#[test]
fn everybody_in_a_room_hears_the_same_whoever_compresses() {
    let host = host(Options::new().message_rate(0));
    let mut plain = host.named("/", "Plain");
    let mut offers = vec![
        Deflating::connect(&host, "/", OFFER),
        Deflating::connect(&host, "/", "permessage-deflate; server_no_context_takeover"),
        Deflating::connect(&host, "/", "permessage-deflate; server_max_window_bits=9"),
    ];
    for offer in &mut offers {
        assert!(offer.agreed.as_ref().unwrap().contains("client_no_context_takeover"), "{:?}", offer.agreed);
        offer.send(0x81, b"Offers");
        assert!(!offer.hear().1, "what is short goes plain");
    }
    for n in 0..40 {
        let text = format!("{n} {}", "the same words again and again, ".repeat(1 + n % 60));
        plain.say(&text);
        // Whose turn it is to compress does not depend on who said it.
        offers[n % 3].send(0xC1, &deflated(text.as_bytes()));
        for _ in 0..2 {
            let heard = plain.hear();
            assert!(heard.contains(&text), "{heard}");
        }
    }
    let mut compressed = [0; 3];
    for (offer, compressed) in offers.iter_mut().zip(&mut compressed) {
        for n in 0..80 {
            let (heard, is_compressed) = offer.hear();
            assert!(heard.contains(&format!(r#""text":"{} "#, n / 2)), "{n}: {heard}");
            *compressed += usize::from(is_compressed);
        }
    }
    assert!(compressed[0] > 40, "{compressed:?}");
    host.stop();
}

#[test]
fn a_history_is_compressed_for_those_who_can_read_it() {
    let host = host(Options::new());
    for n in 0..100 {
        host.engine.broadcast("lobby", &format!("message {n} of the history")).unwrap();
    }
    let plain = host.client("/").hear();
    for offer in [OFFER, "permessage-deflate; server_max_window_bits=10; server_no_context_takeover"] {
        let frame = Deflating::connect(&host, "/", offer).frame();
        assert_eq!(String::from_utf8(frame.payload).unwrap(), plain);
        assert!(frame.is_compressed && frame.wire_len * 3 < plain.len(), "{}", frame.wire_len);
    }
}

#[test]
fn a_host_that_wants_no_compression_has_none() {
    let host = host(Options::new().deflate(false));
    assert_eq!(Deflating::connect(&host, "/", OFFER).agreed, None);
}

#[test]
fn raw_messages_are_compressed_both_ways() {
    let mut host = host(Options::new().raw("/raw", ""));
    let mut client = Deflating::connect(&host, "/raw", OFFER);
    let payload: Vec<u8> = (0..60_000_u32).map(|n| (n / 100) as u8).collect();
    client.send(0xC2, &deflated(&payload));
    let Event::Received { connection, payload: received } = host.event_of("received") else { unreachable!() };
    assert_eq!(received, Payload::Binary(payload.clone()));
    host.engine.tell(connection, received).unwrap();
    let frame = client.frame();
    assert!(frame.is_compressed && frame.wire_len < 10_000 && frame.payload == payload);
}

#[test]
fn a_bomb_is_stopped_at_the_limit_of_messages() {
    let mut host = host(Options::new());
    let bomb = deflated(&vec![0; 40 << 20]);
    let mut client = Deflating::connect(&host, "/", OFFER);
    client.send(0xC1, &bomb[..60_000]);
    let Event::Disconnected { code, .. } = host.event_of("disconnected") else { unreachable!() };
    assert_eq!(code, 1009);
    let mut next = host.named("/", "Next");
    next.say("still here");
    assert!(next.hear().contains("still here"));
}
