mod deflated;

use super::*;
use crate::wire::testing::{Random, client_frame};

const RULES: Rules = Rules {
    role: Role::Server,
    deflate: false,
    max_message_bytes: 100_000,
    max_fragment_count: 8,
    max_assembly_ms: 1_000,
};

/// An item that outlives its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Deflated(bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Item<'_>> for Owned {
    fn from(item: Item<'_>) -> Owned {
        match item {
            Item::Text(text) => Owned::Text(text.into()),
            Item::Binary(bytes) => Owned::Binary(bytes.into()),
            Item::Deflated { is_text, payload } => Owned::Deflated(is_text, payload.into()),
            Item::Ping(bytes) => Owned::Ping(bytes.into()),
            Item::Pong(bytes) => Owned::Pong(bytes.into()),
            Item::Close(close) => Owned::Close(close.map(|(code, reason)| (code, reason.into()))),
        }
    }
}

fn text(text: &str) -> Owned {
    Owned::Text(text.into())
}

/// Gives one piece at a time, as a server does; the items, and the code at which it ended.
fn feed(assembly: &mut Assembly, pieces: &[&[u8]], rules: &Rules, now_ms: u64) -> (Vec<Owned>, Option<u16>) {
    let mut items = Vec::new();
    for piece in pieces {
        let mut bytes = piece.to_vec();
        let mut pos = 0;
        while pos < bytes.len() {
            let rest = bytes.len() - pos;
            match assembly.next(&mut bytes[pos..], rules, now_ms) {
                Ok(step) => {
                    assert!(step.item.is_some() || step.used == rest, "bytes were left behind");
                    pos += step.used;
                    items.extend(step.item.map(Owned::from));
                }
                Err(violation) => return (items, Some(violation.code)),
            }
        }
        assembly.settle();
    }
    (items, None)
}

fn read(pieces: &[&[u8]]) -> (Vec<Owned>, Option<u16>) {
    feed(&mut Assembly::default(), pieces, &RULES, 0)
}

/// Frames behind one another.
fn stream(frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| client_frame(*first, payload)).collect()
}

#[test]
fn an_idle_connection_keeps_one_pointer_and_it_is_null() {
    assert_eq!(size_of::<Assembly>(), size_of::<usize>());
    let whole = stream(&[(0x01, b"a"), (0x89, b"p"), (0x80, b"b"), (0x81, b"c"), (0x82, b"")]);
    for cut in 0..=whole.len() {
        let mut assembly = Assembly::default();
        feed(&mut assembly, &[&whole[..cut], &whole[cut..]], &RULES, 0);
        assert!(assembly.0.is_none(), "cut at {cut}");
    }
}

#[test]
fn a_whole_frame_is_lent_from_the_bytes_it_came_in() {
    let mut bytes = client_frame(0x81, "größe".as_bytes());
    let inside = bytes.as_ptr_range();
    let mut assembly = Assembly::default();
    let Some(Item::Text(text)) = assembly.next(&mut bytes, &RULES, 0).unwrap().item else {
        panic!("no text")
    };
    assert_eq!(text, "größe");
    assert!(inside.contains(&text.as_ptr()));
    assert!(assembly.0.is_none());
}

#[test]
fn every_kind_of_item_comes_out_of_frames_and_pieces() {
    let long = "€".repeat(30_000);
    for (frames, want) in [
        (vec![(0x81, "hi".as_bytes())], vec![text("hi")]),
        (vec![(0x81, b"")], vec![text("")]),
        (vec![(0x82, b"")], vec![Owned::Binary(vec![])]),
        (vec![(0x82, b"\xff\0")], vec![Owned::Binary(vec![255, 0])]),
        (vec![(0x89, b"p")], vec![Owned::Ping(b"p".to_vec())]),
        (vec![(0x8a, b"")], vec![Owned::Pong(vec![])]),
        (vec![(0x88, b"")], vec![Owned::Close(None)]),
        (vec![(0x88, b"\x03\xe8bye")], vec![Owned::Close(Some((1000, "bye".into())))]),
        (vec![(0x01, b"a"), (0x00, b""), (0x80, b"b")], vec![text("ab")]),
        (vec![(0x01, b""), (0x00, b""), (0x80, b"")], vec![text("")]),
        (vec![(0x02, b"\xff"), (0x80, b"\xfe")], vec![Owned::Binary(vec![255, 254])]),
        // A character split between fragments.
        (vec![(0x01, b"\xf0\x9f"), (0x00, b"\x91"), (0x80, b"\x8d")], vec![text("👍")]),
        (
            vec![(0x01, b"a"), (0x89, b"p"), (0x8a, b"q"), (0x80, b"b"), (0x81, b"c")],
            vec![Owned::Ping(b"p".to_vec()), Owned::Pong(b"q".to_vec()), text("ab"), text("c")],
        ),
        (vec![(0x81, long.as_bytes()), (0x81, b"x")], vec![text(&long), text("x")]),
    ] {
        let bytes = stream(&frames);
        assert_eq!(read(&[&bytes]), (want.clone(), None), "{frames:.20?} whole");
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&singles), (want, None), "{frames:.20?} byte by byte");
    }
}

#[test]
fn random_streams_cut_anywhere_give_what_they_give_uncut() {
    let mut random = Random(0x5eed);
    for round in 0..400 {
        let mut bytes = Vec::new();
        let mut is_open = false;
        for _ in 0..random.below(12) {
            let len = [0, 1, 3, 125, 126, 300, 70_000][random.below(7)];
            let letters: String = (0..len).map(|_| ['a', 'é', '€', '👍'][random.below(4)]).collect();
            match random.below(4) {
                0 => bytes.extend(client_frame(0x89, &letters.as_bytes()[..letters.len().min(125)])),
                // Now and then a stream that breaks a rule: a continuation of nothing, a second message.
                1 if random.below(8) == 0 => bytes.extend(client_frame(0x80, b"x")),
                kind => {
                    let is_final = random.below(3) > 0;
                    let opcode = if is_open { 0 } else { [1, 2][kind % 2] };
                    is_open = !is_final;
                    bytes.extend(client_frame(u8::from(is_final) << 7 | opcode, letters.as_bytes()));
                }
            }
        }
        let whole = read(&[&bytes]);
        for _ in 0..4 {
            let mut pieces: Vec<&[u8]> = Vec::new();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let most = [2, 20, 5_000, 100_000][random.below(4)];
                let (piece, after) = rest.split_at(rest.len().min(1 + random.below(most)));
                pieces.push(piece);
                rest = after;
            }
            assert_eq!(read(&pieces), whole, "round {round}");
        }
    }
}

#[test]
fn every_two_byte_header_meets_the_machine_with_the_right_verdict() {
    // An empty mask and eight bytes of payload; or a length of 0 in two bytes; or one of 0x78787878 in eight.
    const TAIL: &[u8; 12] = b"\0\0\0\0xxxxxxxx";
    for pair in 0..=u16::MAX {
        let [first, second] = pair.to_be_bytes();
        let (is_final, opcode, len) = (first & 0x80 != 0, first & 0x0f, second & 0x7f);
        let is_control = opcode >= 8;
        let verdict = match (opcode, len) {
            _ if first & 0x70 != 0 || second & 0x80 == 0 => Some(1002),
            (3..=7 | 11.., _) => Some(1002),
            (8.., _) if !is_final || len > 125 => Some(1002),
            // Half a close code, or the code 0x7878.
            (8, 1..=8) => Some(1002),
            // A continuation of nothing.
            (0, _) => Some(1002),
            (_, 126) => Some(1002),
            (_, 127) => Some(1009),
            _ => None,
        };
        let is_whole = len <= 8 && (is_final || is_control);
        let bytes = [&[first, second][..], TAIL].concat();
        let end = bytes.len().min(6 + usize::from(len));
        for pieces in [
            &[&bytes[..end]][..],
            &[&bytes[..1], &bytes[1..2], &bytes[2..7.min(end)], &bytes[7.min(end)..end]],
        ] {
            let (items, code) = feed(&mut Assembly::default(), pieces, &RULES, 0);
            assert_eq!(code, verdict, "{pair:04x}");
            assert_eq!(items.len(), usize::from(verdict.is_none() && is_whole), "{pair:04x}");
        }
    }
}

#[test]
fn frames_out_of_order_are_protocol_errors() {
    for frames in [
        vec![(0x80, b"a".as_slice())],
        vec![(0x00, b"a")],
        vec![(0x81, b"a"), (0x80, b"b")],
        vec![(0x01, b"a"), (0x81, b"b")],
        vec![(0x01, b"a"), (0x02, b"b")],
        vec![(0x01, b"a"), (0x89, b""), (0x01, b"b")],
    ] {
        let (_, code) = read(&[&stream(&frames)]);
        assert_eq!(code, Some(1002), "{frames:?}");
    }
}

#[test]
fn the_message_limit_holds_to_the_byte_in_one_frame_and_in_fragments() {
    let rules = Rules { max_message_bytes: 300, ..RULES };
    let payload = [b'x'; 301];
    for (len, code) in [(299, None), (300, None), (301, Some(1009))] {
        let single = stream(&[(0x82, &payload[..len])]);
        let parts =
            stream(&[(0x02, &payload[..100]), (0x00, &payload[100..250]), (0x80, &payload[250..len])]);
        for bytes in [single, parts] {
            for size in [1, 7, 1_000] {
                let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
                let (items, end) = feed(&mut Assembly::default(), &pieces, &rules, 0);
                assert_eq!(end, code, "{len} bytes in pieces of {size}");
                assert_eq!(items.len(), usize::from(code.is_none()));
            }
        }
    }
}

#[test]
fn a_claim_over_the_limit_is_refused_at_its_header_and_a_claim_below_it_costs_nothing() {
    let claim = |len: u64| [&[0x82, 0xff][..], &len.to_be_bytes(), &[0; 4]].concat();
    for len in [RULES.max_message_bytes + 1, 1 << 32, (1 << 63) - 4, (1 << 63) - 1] {
        assert_eq!(read(&[&claim(len)]), (vec![], Some(1009)), "{len}");
    }
    let mut continuation = claim((1 << 63) - 1);
    continuation[0] = 0x80;
    assert_eq!(read(&[&stream(&[(0x02, b"x")]), &continuation]), (vec![], Some(1009)));

    let generous = Rules { max_message_bytes: u64::MAX, ..RULES };
    let mut assembly = Assembly::default();
    assert_eq!(feed(&mut assembly, &[&claim((1 << 63) - 1), b"abc"], &generous, 0), (vec![], None));
    let partial = assembly.0.unwrap();
    assert_eq!((partial.data.as_slice(), partial.control.capacity()), (b"abc".as_slice(), 0));
    assert!(partial.data.capacity() <= 8, "{}", partial.data.capacity());
}

#[test]
fn memory_is_at_most_twice_what_was_received() {
    let mut assembly = Assembly::default();
    let frame = client_frame(0x82, &[0; 90_000]);
    for (i, byte) in frame[..frame.len() - 1].chunks(1).enumerate() {
        feed(&mut assembly, &[byte], &RULES, 0);
        let capacity = assembly.0.as_ref().unwrap().data.capacity();
        assert!(capacity <= 8.max(2 * i), "{capacity} bytes for {i}");
    }
}

#[test]
fn no_text_is_judged_twice_but_an_unfinished_character() {
    let mut assembly = Assembly::default();
    let frame = client_frame(0x81, "aé€👍".repeat(1_000).as_bytes());
    for piece in frame[..frame.len() - 1].chunks(7) {
        feed(&mut assembly, &[piece], &RULES, 0);
        let partial = assembly.0.as_ref().unwrap();
        assert!(partial.data.len() - partial.checked <= 3);
    }
}

#[test]
fn a_message_of_too_many_frames_is_refused_whatever_they_hold() {
    for payload in [b"".as_slice(), b"x"] {
        let mut frames = vec![(0x01, payload)];
        frames.extend(vec![(0x00, payload); RULES.max_fragment_count as usize - 2]);
        let last_that_may = [frames.clone(), vec![(0x89, b"between"), (0x80, payload)]].concat();
        let (items, code) = read(&[&stream(&last_that_may)]);
        assert_eq!((items.len(), code), (2, None));
        frames.extend([(0x00, payload), (0x80, payload)]);
        assert_eq!(read(&[&stream(&frames)]), (vec![], Some(1008)));
    }
}

#[test]
fn what_is_unfinished_too_long_is_overdue_and_what_is_whole_never() {
    let message = stream(&[(0x01, b"abc"), (0x80, b"def")]);
    let control = stream(&[(0x89, b"ping")]);
    for bytes in [message, control, stream(&[(0x82, &[0; 200])])] {
        for cut in 1..bytes.len() {
            let mut assembly = Assembly::default();
            feed(&mut assembly, &[&bytes[..cut]], &RULES, 5_000);
            assert!(!assembly.is_overdue(&RULES, 6_000), "cut at {cut}");
            assert!(assembly.is_overdue(&RULES, 6_001), "cut at {cut}");
            let (_, code) = feed(&mut assembly, &[&bytes[cut..]], &RULES, 6_001);
            assert_eq!(code, Some(1008), "cut at {cut}");
        }
        // Lent and not yet settled.
        let mut assembly = Assembly::default();
        feed(&mut assembly, &[&bytes[..7]], &RULES, 0);
        let mut rest = bytes[7..].to_vec();
        assert!(assembly.next(&mut rest, &RULES, 0).unwrap().item.is_some());
        assert!(assembly.0.is_some() && !assembly.is_overdue(&RULES, u64::MAX));
    }
}

#[test]
fn the_time_of_a_message_runs_from_its_own_first_byte() {
    let bytes = stream(&[(0x01, b"a"), (0x89, b"p"), (0x80, b"b")]);
    let mut assembly = Assembly::default();
    for start in [0, 900, 1_800] {
        let (front, back) = bytes.split_at(3);
        feed(&mut assembly, &[front], &RULES, start);
        // A control frame in between gives no more time.
        feed(&mut assembly, &[&back[..8]], &RULES, start + 600);
        let (_, code) = feed(&mut assembly, &[&back[8..]], &RULES, start + 900);
        assert_eq!(code, None);
    }
    feed(&mut assembly, &[&bytes[..15]], &RULES, 3_000);
    let (_, code) = feed(&mut assembly, &[&bytes[15..]], &RULES, 4_001);
    assert_eq!(code, Some(1008));
}

#[test]
fn text_that_is_not_utf8_is_refused_at_its_first_bad_byte() {
    // The text, and which of its bytes, counted from 1, is the bad one.
    for (bad, at) in [
        (b"abc\xff".as_slice(), 4),
        (b"\x80", 1),
        (b"\xc0\xaf", 1),
        (b"\xc1\xbf", 1),
        (b"\xc3(", 2),
        // Overlong, in three and four bytes.
        (b"\xe0\x80\xaf", 2),
        (b"\xf0\x80\x80\xaf", 2),
        // Surrogates.
        (b"x\xed\xa0\x80", 3),
        (b"\xed\xbf\xbf", 2),
        // Above U+10FFFF.
        (b"\xf4\x90\x80\x80", 2),
        (b"\xf5", 1),
        (b"\xfe", 1),
        (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80edited", 9),
    ] {
        let payload = [bad, b"more"].concat();
        // In one frame, and one byte a fragment.
        let single = client_frame(0x81, &payload);
        let mut fragments = stream(&[(0x01, b"")]);
        fragments.extend(payload.chunks(1).flat_map(|byte| client_frame(0x00, byte)));
        let rules = Rules { max_fragment_count: 99, ..RULES };
        // Where the first byte of the text stands, and how far the next one is from it.
        for (bytes, first, stride) in [(single, 6, 1), (fragments, 12, 7)] {
            let mut assembly = Assembly::default();
            let before = first + (at - 1) * stride;
            assert_eq!(feed(&mut assembly, &[&bytes[..before]], &rules, 0), (vec![], None), "{bad:x?}");
            let (_, code) = feed(&mut assembly, &[&bytes[before..=before]], &rules, 0);
            assert_eq!(code, Some(1007), "{bad:x?}");
        }
        assert_eq!(read(&[&client_frame(0x81, &payload)]), (vec![], Some(1007)), "{bad:x?} whole");
    }
}

#[test]
fn text_that_ends_within_a_character_is_refused_at_its_end() {
    for bytes in [
        stream(&[(0x81, b"a\xe2\x82")]),
        stream(&[(0x01, b"a\xe2"), (0x80, b"\x82")]),
        stream(&[(0x01, b"a\xf0\x9f\x91"), (0x80, b"")]),
    ] {
        assert_eq!(read(&[&bytes]), (vec![], Some(1007)));
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&singles), (vec![], Some(1007)));
    }
}

#[test]
fn close_payloads_are_judged_whole_and_in_pieces() {
    for (payload, code) in [
        (b"\x03".as_slice(), 1002),
        (b"\x03\xed", 1002),
        (b"\x03\xee", 1002),
        (b"\x03\xf7", 1002),
        (b"\x03\xe7", 1002),
        (b"\0\0", 1002),
        (b"\x13\x88", 1002),
        (b"\x03\xe8\xff", 1007),
    ] {
        let bytes = client_frame(0x88, payload);
        assert_eq!(read(&[&bytes]), (vec![], Some(code)), "{payload:x?}");
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&singles), (vec![], Some(code)), "{payload:x?}");
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(99);
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.below(60)).map(|_| random.next() as u8).collect();
        // Half of them get past the first two bytes.
        if let [first, second, ..] = &mut bytes[..]
            && random.below(2) == 0
        {
            *first = [0x01, 0x00, 0x80, 0x81, 0x02, 0x88, 0x89][random.below(7)];
            *second |= 0x80;
        }
        let mut assembly = Assembly::default();
        let cut = random.below(bytes.len() + 1);
        feed(&mut assembly, &[&bytes[..cut], &bytes[cut..]], &RULES, 0);
        // Also after a violation.
        feed(&mut assembly, &[&bytes], &RULES, 0);
    }
}
