use super::*;
use crate::wire::deflate::Inflater;
use crate::wire::deflate::reference::Reference;
use crate::wire::testing::Random;

fn deflated(deflater: &mut Deflater, payload: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    deflater.deflate(payload, &mut out);
    assert!(out.starts_with(b"before"));
    out.split_off(6)
}

/// What chats are made of.
fn chat_message(random: &mut Random) -> Vec<u8> {
    let words = ["hello", "größe", "did", "anyone", "see", "the", "👍", "build", "fail", "again", "lunch?"];
    let text: Vec<&str> = (0..1 + random.below(12)).map(|_| words[random.below(words.len())]).collect();
    let author = ["Ann", "Bob", "Çelik"][random.below(3)];
    format!(
        r#"{{"type":"message","data":{{"time":{},"text":"{}","author":"{author}","color":"red"}}}}"#,
        1_700_000_000_000 + random.below(1_000_000_000) as u64,
        text.join(" "),
    )
    .into_bytes()
}

/// Payloads of every kind: chat, repeats, randomness, nothing, long and short.
fn payload(random: &mut Random) -> Vec<u8> {
    let len = [0, 1, 2, 3, 100, 5_000, 40_000, 70_000][random.below(8)];
    match random.below(4) {
        0 => chat_message(random),
        1 => vec![random.next() as u8; len],
        2 => (0..len).map(|_| random.next() as u8).collect(),
        _ => (0..len).map(|i| b"abcd"[random.below(4).min(i % 5)]).collect(),
    }
}

#[test]
fn the_example_of_the_rfc_is_written_and_in_its_context_again() {
    // RFC 7692 §7.2.3.1 and .2.
    let mut deflater = Deflater::new(6);
    assert_eq!(deflated(&mut deflater, b"Hello"), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    assert_eq!(deflated(&mut deflater, b"Hello"), [0xf2, 0x00, 0x11, 0x00, 0x00]);
    deflater.reset();
    assert_eq!(deflated(&mut deflater, b"Hello"), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
}

#[test]
fn a_client_that_keeps_its_context_reads_every_batch_though_each_begins_anew() {
    let mut random = Random(0xba7c4);
    for level in [0, 1, 2, 5, 6, 9, 77] {
        let mut deflater = Deflater::new(level);
        let mut client = Reference::new(usize::MAX);
        for batch in 0..12 {
            deflater.reset();
            client.mark();
            let start = client.out.len();
            for _ in 0..random.below(8) {
                let payload = payload(&mut random);
                let compressed = deflated(&mut deflater, &payload);
                assert_eq!(client.read(&compressed), Ok(payload), "level {level}, batch {batch}");
            }
            // Not only could it be read: nothing in it refers to anything before the reset.
            assert!(client.earliest >= start, "level {level}, batch {batch}");
            assert!(client.farthest <= 1 << 15);
        }
    }
}

#[test]
fn members_of_one_batch_read_the_same_bytes_whatever_their_contexts_hold() {
    let mut random = Random(3);
    let mut deflater = Deflater::new(6);
    let mut other = Deflater::new(9);
    // One that is new, one that has read other batches and another deflater, one that forgets at the start.
    let mut clients = [Reference::new(usize::MAX), Reference::new(usize::MAX), Reference::new(usize::MAX)];
    for _ in 0..20 {
        let noise = payload(&mut random);
        other.reset();
        let noise_compressed = deflated(&mut other, &noise);
        assert_eq!(clients[1].read(&noise_compressed), Ok(noise));
        clients[2].forget();
        deflater.reset();
        let mut compressed_len = 0;
        let mut len = 0;
        for _ in 0..16 {
            let payload = chat_message(&mut random);
            let compressed = deflated(&mut deflater, &payload);
            (len, compressed_len) = (len + payload.len(), compressed_len + compressed.len());
            for client in &mut clients {
                assert_eq!(client.read(&compressed).as_ref(), Ok(&payload));
            }
        }
        // That is what the shared context is for.
        assert!(compressed_len * 2 < len, "{compressed_len} of {len}");
    }
}

#[test]
fn who_missed_a_message_of_a_batch_cannot_read_the_rest_and_who_forgets_reads_the_first() {
    let mut deflater = Deflater::new(6);
    let message = b"the same words again and again";
    let batch: Vec<Vec<u8>> = (0..3).map(|_| deflated(&mut deflater, message)).collect();
    // Joined after the first message.
    assert_eq!(Reference::new(99).read(&batch[1]), Err("too far back"));
    assert!(Inflater::new().inflate(&batch[1], 99).is_err());
    // No context takeover.
    let mut forgetful = Reference::new(99);
    assert_eq!(forgetful.read(&batch[0]).unwrap(), message);
    forgetful.forget();
    assert_eq!(forgetful.read(&batch[1]), Err("too far back"));
    // The next batch is for both again.
    deflater.reset();
    let first = deflated(&mut deflater, message);
    assert_eq!(forgetful.read(&first).unwrap(), message);
}

#[test]
fn a_window_that_holds_the_batch_so_far_holds_its_distances() {
    let mut random = Random(11);
    for level in [1, 6, 9] {
        let mut deflater = Deflater::new(level);
        for _ in 0..40 {
            deflater.reset();
            let mut client = Reference::new(usize::MAX);
            let mut len = 0;
            for _ in 0..random.below(20) {
                let payload =
                    if random.below(8) == 0 { payload(&mut random) } else { chat_message(&mut random) };
                client.read(&deflated(&mut deflater, &payload)).unwrap();
                len += payload.len();
                for bits in 9..=15 {
                    assert_eq!(deflater.fits(bits), bits == 15 || len <= 1 << bits);
                    assert!(!deflater.fits(bits) || client.farthest <= 1 << bits, "{bits} bits");
                }
            }
        }
    }
}

#[test]
fn what_was_deflated_is_what_is_inflated() {
    let mut random = Random(0x0dd);
    let mut inflater = Inflater::new();
    for level in 0..=9 {
        let mut deflater = Deflater::new(level);
        for _ in 0..40 {
            let payload = payload(&mut random);
            deflater.reset();
            let compressed = deflated(&mut deflater, &payload);
            assert!(compressed.len() <= payload.len() + payload.len() / 8 + 64);
            assert_eq!(inflater.inflate(&compressed, payload.len() as u64).unwrap(), payload);
        }
        for noise in [0, u64::MAX] {
            let payload: Vec<u8> = (0..1 << 20).map(|_| (random.next() & noise) as u8).collect();
            deflater.reset();
            let compressed = deflated(&mut deflater, &payload);
            assert_eq!(inflater.inflate(&compressed, 1 << 20).unwrap(), payload, "level {level}");
        }
    }
}

#[test]
fn empty_messages_are_one_byte_and_leave_the_context_as_it_was() {
    let mut deflater = Deflater::new(6);
    let mut client = Reference::new(99);
    for payload in [b"".as_slice(), b"", b"Hello", b"", b"", b"Hello", b""] {
        let compressed = deflated(&mut deflater, payload);
        assert_eq!(client.read(&compressed).unwrap(), payload);
        assert_eq!(payload.is_empty(), compressed == [0]);
    }
    assert_eq!(client.farthest, 5);
}

#[test]
fn a_buffer_without_space_gives_the_same_bytes_as_one_with_plenty() {
    let mut random = Random(21);
    for _ in 0..50 {
        let payload = payload(&mut random);
        let mut roomy = Vec::with_capacity(1 << 20);
        Deflater::new(6).deflate(&payload, &mut roomy);
        let mut tight = Vec::new();
        Deflater::new(6).deflate(&payload, &mut tight);
        assert_eq!(roomy, tight);
    }
}
