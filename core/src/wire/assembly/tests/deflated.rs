//! Compressed messages, where permessage-deflate was negotiated and where it was not.

use super::*;
use crate::wire::deflate::{Deflater, Inflater};

const DEFLATE: Rules = Rules { deflate: true, ..RULES };

fn read(pieces: &[&[u8]]) -> (Vec<Owned>, Option<u16>) {
    feed(&mut Assembly::default(), pieces, &DEFLATE, 0)
}

fn deflated(is_text: bool, payload: &[u8]) -> Owned {
    Owned::Deflated(is_text, payload.to_vec())
}

#[test]
fn a_compressed_message_comes_out_whole_and_as_it_came() {
    // No UTF-8 by itself, nor cut into fragments.
    let bytes = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    for (frames, want) in [
        (vec![(0xc1, bytes.as_slice())], vec![deflated(true, bytes)]),
        (vec![(0xc2, bytes)], vec![deflated(false, bytes)]),
        (vec![(0xc1, b"")], vec![deflated(true, b"")]),
        (vec![(0x41, &bytes[..1]), (0x00, &bytes[1..3]), (0x80, &bytes[3..])], vec![deflated(true, bytes)]),
        (vec![(0x42, b""), (0x80, bytes)], vec![deflated(false, bytes)]),
        (
            vec![(0x41, &bytes[..2]), (0x89, b"p"), (0x80, &bytes[2..]), (0x81, b"plain"), (0xc1, bytes)],
            vec![Owned::Ping(b"p".to_vec()), deflated(true, bytes), text("plain"), deflated(true, bytes)],
        ),
        (vec![(0x01, b"a"), (0x80, b"b"), (0xc2, bytes)], vec![text("ab"), deflated(false, bytes)]),
    ] {
        let bytes = stream(&frames);
        assert_eq!(read(&[&bytes]), (want.clone(), None), "{frames:x?} whole");
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&singles), (want, None), "{frames:x?} byte by byte");
    }
}

#[test]
fn a_whole_compressed_frame_is_lent_too() {
    let mut bytes = client_frame(0xc1, b"\xf2\x48");
    let inside = bytes.as_ptr_range();
    let mut assembly = Assembly::default();
    let step = assembly.next(&mut bytes, &DEFLATE, 0).unwrap();
    let Some(Item::Deflated { is_text: true, payload }) = step.item else { panic!("{step:?}") };
    assert!(inside.contains(&payload.as_ptr()));
    assert!(assembly.0.is_none());
}

#[test]
fn rsv1_is_refused_where_it_means_nothing_and_the_others_always() {
    let start = client_frame(0x41, b"a");
    for (first, is_within) in [
        (0xc0, true),
        (0x40, true),
        // A second message within the first.
        (0xc1, true),
        (0xc0, false),
        (0xc8, false),
        (0xc9, false),
        (0xca, true),
        (0xc3, false),
        (0xa1, false),
        (0x91, false),
        (0xe1, false),
        (0xd2, false),
        (0xf9, false),
        (0xa0, true),
    ] {
        let frame = client_frame(first, b"x");
        let before = if is_within { start.as_slice() } else { &[] };
        assert_eq!(read(&[before, &frame]), (vec![], Some(1002)), "{first:x}");
        // Not one byte later than needed: an opening of a second message needs its whole header.
        if first != 0xc1 {
            assert_eq!(read(&[before, &frame[..1]]), (vec![], Some(1002)), "{first:x}");
        }
    }
    for first in [0xc1, 0x41, 0xc2, 0xc0, 0xc9] {
        for bytes in [&client_frame(first, b"x")[..], &[first]] {
            let (items, code) = feed(&mut Assembly::default(), &[bytes], &RULES, 0);
            assert_eq!((items, code), (vec![], Some(1002)), "{first:x} not negotiated");
        }
    }
}

#[test]
fn limits_are_those_of_the_compressed_size() {
    let rules = Rules { max_message_bytes: 300, ..DEFLATE };
    let payload = [b'x'; 301];
    for (len, code) in [(300, None), (301, Some(1009))] {
        let single = stream(&[(0xc2, &payload[..len])]);
        let parts =
            stream(&[(0x42, &payload[..100]), (0x00, &payload[100..250]), (0x80, &payload[250..len])]);
        for bytes in [single, parts] {
            for size in [1, 7, 1_000] {
                let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
                let (items, end) = feed(&mut Assembly::default(), &pieces, &rules, 0);
                assert_eq!((items.len(), end), (usize::from(code.is_none()), code), "{len} by {size}");
            }
        }
    }
    // At the header, before anything is kept.
    assert_eq!(read(&[&[0xc1, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]]), (vec![], Some(1009)));
    let mut frames = vec![(0x41, b"x".as_slice())];
    frames.extend(vec![(0x00, b"x".as_slice()); RULES.max_fragment_count as usize]);
    assert_eq!(read(&[&stream(&frames)]), (vec![], Some(1008)));
}

#[test]
fn random_streams_with_compressed_messages_cut_anywhere_give_what_was_sent() {
    let mut random = Random(0xdef1a7e);
    let mut deflater = Deflater::new(6);
    let mut inflater = Inflater::new();
    for round in 0..300 {
        let mut bytes = Vec::new();
        let mut sent = Vec::new();
        for _ in 0..1 + random.below(6) {
            let len = [0, 1, 3, 300, 20_000][random.below(5)];
            let letters: String = (0..len).map(|_| ['a', 'é', '€', '👍'][random.below(4)]).collect();
            let (is_text, is_compressed) = (random.below(2) == 0, random.below(3) > 0);
            let mut payload = letters.clone().into_bytes();
            if is_compressed {
                deflater.reset();
                payload.clear();
                deflater.deflate(letters.as_bytes(), &mut payload);
            }
            let frame_count = 1 + random.below(RULES.max_fragment_count as usize);
            let mut rest = payload.as_slice();
            for i in 0..frame_count {
                let is_last = i == frame_count - 1;
                let (part, after) =
                    rest.split_at(if is_last { rest.len() } else { random.below(rest.len() + 1) });
                rest = after;
                let opening = u8::from(is_compressed) << 6 | if is_text { 1 } else { 2 };
                let first = u8::from(is_last) << 7 | if i == 0 { opening } else { 0 };
                bytes.extend(client_frame(first, part));
                if random.below(4) == 0 {
                    bytes.extend(client_frame(0x89, b"between"));
                }
            }
            sent.push(if is_text { Owned::Text(letters) } else { Owned::Binary(letters.into()) });
        }
        for most in [2, 20, 5_000, 100_000] {
            let mut pieces: Vec<&[u8]> = Vec::new();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(1 + random.below(most)));
                pieces.push(piece);
                rest = after;
            }
            let (items, code) = read(&pieces);
            assert_eq!(code, None, "round {round}");
            let messages: Vec<Owned> = items
                .into_iter()
                .filter(|item| !matches!(item, Owned::Ping(_)))
                .map(|item| match item {
                    Owned::Deflated(is_text, payload) => {
                        let payload = inflater.inflate(&payload, DEFLATE.max_message_bytes).unwrap();
                        match is_text {
                            true => Owned::Text(judge_text(payload).unwrap().into()),
                            false => Owned::Binary(payload.into()),
                        }
                    }
                    item => item,
                })
                .collect();
            assert_eq!(messages, sent, "round {round}");
        }
    }
}

#[test]
fn the_text_of_a_compressed_message_is_judged_when_it_is_inflated() {
    let mut payload = Vec::new();
    Deflater::new(6).deflate(b"abc\xff", &mut payload);
    let (items, code) = read(&[&client_frame(0xc1, &payload)]);
    assert_eq!((items, code), (vec![deflated(true, &payload)], None));
    let mut inflater = Inflater::new();
    let text = inflater.inflate(&payload, 99).unwrap();
    assert_eq!(judge_text(text).unwrap_err().code, 1007);
    assert_eq!(judge_text("größe".as_bytes()), Ok("größe"));
}
