use super::*;
use crate::wire::deflate::Deflater;
use crate::wire::deflate::reference::{self, Reference};
use crate::wire::testing::Random;

fn inflate(payload: &[u8], max_bytes: u64) -> Result<Vec<u8>, u16> {
    Inflater::new().inflate(payload, max_bytes).map(<[u8]>::to_vec).map_err(|violation| violation.code)
}

fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Deflater::new(6).deflate(payload, &mut out);
    out
}

/// A message of about 1 MiB that becomes 1 GiB of zeros.
fn bomb() -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut deflater = Deflater::new(9);
    let mut piece = Vec::new();
    deflater.deflate(&zeros, &mut piece);
    piece.extend(TAIL);
    let mut bomb = piece.repeat(1024);
    bomb.truncate(bomb.len() - TAIL.len());
    bomb
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    // RFC 7692 §7.2.3.1, .3, .4, .5, .6.
    for (payload, want) in [
        (&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], "Hello"),
        (&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], "Hello"),
        (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], "Hello"),
        (&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00], "Hello"),
        (&[0x00], ""),
        // Without even that byte; a last block with nothing behind it, empty and not; several last blocks.
        (&[], ""),
        (&[0x03, 0x00], ""),
        (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], "Hello"),
        (&[0x03, 0x00, 0x03, 0x00, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x03, 0x00, 0x00], "Hello"),
    ] {
        assert_eq!(inflate(payload, 5), Ok(want.into()), "{payload:x?}");
    }
}

#[test]
fn every_message_begins_without_a_context() {
    let mut inflater = Inflater::new();
    for _ in 0..3 {
        assert_eq!(inflater.inflate(&deflated(b"Hello"), 5), Ok(b"Hello".as_slice()));
        // RFC 7692 §7.2.3.2: "Hello" again, by reference to the message before.
        let violation = inflater.inflate(&[0xf2, 0x00, 0x11, 0x00, 0x00], 5).unwrap_err();
        assert_eq!(violation.code, 1007);
        // Nor with one that a last block has ended.
        let ended = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0x00, 0x11, 0x00, 0x00];
        assert_eq!(inflater.inflate(&ended, 99).unwrap_err().code, 1007);
    }
}

#[test]
fn the_limit_holds_to_the_byte() {
    let mut random = Random(5);
    for len in [1, 2, 4_095, 4_096, 4_097, 8_192, 65_536, 300_000] {
        let noise: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        for payload in [vec![7; len], noise] {
            let compressed = deflated(&payload);
            let len = len as u64;
            assert_eq!(inflate(&compressed, len), Ok(payload.clone()), "{len}");
            assert_eq!(inflate(&compressed, len + 1), Ok(payload.clone()), "{len}");
            assert_eq!(inflate(&compressed, u64::MAX), Ok(payload), "{len}");
            assert_eq!(inflate(&compressed, len - 1), Err(1009), "{len}");
            assert_eq!(inflate(&compressed, 0), Err(1009), "{len}");
        }
    }
    assert_eq!(inflate(&deflated(b""), 0), Ok(vec![]));
}

#[test]
fn a_bomb_stops_at_the_limit_and_its_memory_too() {
    let bomb = bomb();
    assert!(bomb.len() < 1_100_000, "{}", bomb.len());
    // It is one: read to its end, in pieces.
    let mut stream = Decompress::new(false);
    let mut piece = vec![0; 1 << 16];
    loop {
        let at = stream.total_in() as usize;
        let status = stream.decompress(&bomb[at..], &mut piece, FlushDecompress::Sync).unwrap();
        if status == Status::BufError {
            break;
        }
    }
    assert_eq!(stream.total_out(), 1 << 30);

    let mut inflater = Inflater::new();
    for limit in [65_536_u64, 1_000_000, 16 << 20] {
        assert_eq!(inflater.inflate(&bomb, limit).unwrap_err().code, 1009);
        // Neither memory nor work was spent on more than the first byte that is too many.
        assert_eq!(inflater.out.capacity() as u64, limit + 1);
        assert_eq!(inflater.stream.total_out(), limit + 1);
        inflater.settle();
    }
    assert_eq!(inflater.out.capacity(), 0);
    assert_eq!(inflater.inflate(&deflated(b"next"), 99), Ok(b"next".as_slice()));
}

#[test]
fn a_bomb_of_many_last_blocks_stops_at_the_limit_too() {
    // Each is a stream of its own, so that none by itself is over the limit.
    let mut piece = deflated(&[0; 50_000]);
    piece.extend([0, 0, 0xff, 0xff, 0x03, 0x00]);
    let bomb = piece.repeat(1_000);
    let mut inflater = Inflater::new();
    assert_eq!(inflater.inflate(&bomb, 60_000).unwrap_err().code, 1009);
    assert_eq!(inflater.inflate(&bomb, 49_999_999).unwrap_err().code, 1009);
    assert_eq!(inflater.inflate(&bomb, 50_000_000).unwrap().len(), 50_000_000);
}

#[test]
fn memory_grows_with_what_comes_out_and_is_given_back() {
    let mut inflater = Inflater::new();
    let mut random = Random(8);
    for len in [1, 1_000, 65_536, 100_000] {
        inflater.inflate(&deflated(&vec![0; len]), u64::MAX).unwrap();
        assert!(inflater.out.capacity() <= MIN_BYTES.max(len * 2), "{}", inflater.out.capacity());
    }
    let kept = inflater.out.capacity();
    inflater.settle();
    assert_eq!(inflater.out.capacity(), kept);
    let noise: Vec<u8> = (0..1 << 20).map(|_| random.next() as u8).collect();
    for payload in [vec![0; 1 << 20], noise] {
        inflater.inflate(&deflated(&payload), 1 << 20).unwrap();
        assert_eq!(inflater.out.capacity(), (1 << 20) + 1);
        // By itself with the next message.
        inflater.inflate(&deflated(b"x"), 1 << 20).unwrap();
        assert!(inflater.out.capacity() <= MIN_BYTES);
    }
}

#[test]
fn what_is_cut_off_or_no_deflate_is_refused() {
    let mut random = Random(13);
    let noise: Vec<u8> = (0..300).map(|_| random.next() as u8).collect();
    for payload in [b"Hello, hello, hello and goodbye".as_slice(), &noise, "größe 👍 größe".as_bytes()]
    {
        let whole = deflated(payload);
        assert_eq!(inflate(&whole, 1_000), Ok(payload.into()));
        // One byte of 0, with which a stored block begins, would be a whole empty message.
        for cut in 1 + usize::from(whole[0] == 0)..whole.len() {
            assert_eq!(inflate(&whole[..cut], 1_000), Err(1007), "{cut} of {}", whole.len());
        }
    }
    for payload in [
        &[0xff][..],
        &[0x07],
        &[0x06, 0x00],
        b"Hello",
        // A stored block that would take what is appended for its own.
        &[0x00, 0x04, 0x00, 0xfb, 0xff],
        &[0x00, 0x09, 0x00, 0xf6, 0xff],
        // Half a tail; the tail that should not have been sent is an empty block, and is fine.
        &[0x00, 0x00, 0x00],
    ] {
        assert_eq!(inflate(payload, 1_000), Err(1007), "{payload:x?}");
    }
    assert_eq!(inflate(&[0x00, 0x00, 0x00, 0xff, 0xff, 0x00], 1_000), Ok(vec![]));
}

#[test]
fn mangled_messages_get_the_verdict_of_the_reference() {
    let mut random = Random(0xf022);
    let mut inflater = Inflater::new();
    let mut verdicts = [0; 3];
    for round in 0..30_000 {
        let len = [0, 1, 10, 100, 600][random.below(5)];
        let letters = [1, 3, 256][random.below(3)];
        let payload: Vec<u8> = (0..len).map(|_| random.below(letters) as u8).collect();
        let mut deflater = Deflater::new([0, 1, 6, 9][random.below(4)]);
        let mut bytes = Vec::new();
        deflater.deflate(&payload, &mut bytes);
        if random.below(3) == 0 {
            // A last block in the middle.
            bytes.extend([0, 0, 0xff, 0xff, 0x03, 0x00]);
            deflater.deflate(&payload, &mut bytes);
        }
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                _ => bytes.truncate(at + 1),
            }
        }
        let want = match Reference::new(1_000).read(&bytes) {
            Ok(payload) => Ok(payload),
            Err(reference::TOO_LARGE) => Err(1009),
            Err(_) => Err(1007),
        };
        let got = inflater.inflate(&bytes, 1_000).map(<[u8]>::to_vec).map_err(|violation| violation.code);
        assert_eq!(got, want, "round {round}: {bytes:x?}");
        verdicts[match got {
            Ok(_) => 0,
            Err(1007) => 1,
            Err(_) => 2,
        }] += 1;
    }
    assert!(verdicts.iter().all(|count| *count > 300), "{verdicts:?}");
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(77);
    let mut inflater = Inflater::new();
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..random.below(80)).map(|_| random.next() as u8).collect();
        if let Ok(out) = inflater.inflate(&bytes, 1_000) {
            assert!(out.len() <= 1_000);
        }
    }
}

#[test]
fn a_kept_context_is_referred_to_also_past_a_last_block() {
    let mut inflater = Inflater::keeping();
    // RFC 7692 §7.2.3.2; then the same after a message with a last block, and within one behind a last block.
    for payload in [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
    ] {
        assert_eq!(inflater.inflate(payload, 5), Ok(b"Hello".as_slice()), "{payload:x?}");
    }
    let both = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(inflater.inflate(&both, 10), Ok(b"HelloHello".as_slice()));
    // A message that is cut off within a block is seen as such.
    assert_eq!(inflater.inflate(&[0xf2, 0x48], 99).unwrap_err().code, 1007);
}

#[test]
fn a_kept_context_reads_all_that_a_deflater_of_any_window_writes() {
    let mut random = Random(11);
    for bits in [9, 12, 15] {
        let (mut deflater, mut inflater) = (Deflater::with_window(6, bits), Inflater::keeping());
        // Lengths around what a window holds, of words that come again.
        let short: Vec<usize> = (0..40).map(|_| random.below(1000)).collect();
        for len in short.into_iter().chain([0, 32_767, 32_768, 32_769, 200_000, 1, 40_000]) {
            let message: Vec<u8> =
                (0..len).map(|at| if at % 64 < 48 { (at / 7) as u8 } else { random.next() as u8 }).collect();
            let mut payload = Vec::new();
            deflater.deflate(&message, &mut payload);
            assert_eq!(inflater.inflate(&payload, 200_000), Ok(message.as_slice()), "{bits} bits, {len}");
            assert!(inflater.context.as_ref().unwrap().len() <= WINDOW_BYTES);
        }
    }
}
