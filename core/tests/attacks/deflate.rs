//! Compression, abused.

use std::io::Write;
use std::net::TcpStream;

use flate2::{Compress, Compression, FlushCompress};
use klatsch::Options;

use crate::common::deflating::Deflating;
use crate::common::raw::{close_code, frame, open, serves_the_next};
use crate::common::{Host, host};

/// A connection for which compression was offered in these words, and the extension in the answer.
fn offer(host: &Host, words: &str) -> (TcpStream, Option<String>) {
    let Deflating { stream, agreed, .. } = Deflating::connect(host, "/", words);
    (stream, agreed)
}

/// So many times a mebibyte of zeros, compressed: a thousandth of it.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut one = Vec::with_capacity(1 << 16);
    let mut context = Compress::new(Compression::best(), false);
    context.compress_vec(&vec![0; 1 << 20], &mut one, FlushCompress::Full).unwrap();
    assert!(one.ends_with(&[0, 0, 0xff, 0xff]));
    let mut all = one.repeat(mebibytes);
    all.truncate(all.len() - 4);
    all
}

/// The code with which a bomb is answered.
fn explode(host: &Host, bytes: &[u8]) -> Option<u16> {
    let (mut stream, agreed) = offer(host, "permessage-deflate");
    assert!(agreed.is_some());
    // The engine may be done with it before all of it is sent.
    let _ = stream.write_all(bytes);
    close_code(&mut stream)
}

#[test]
#[cfg(target_os = "linux")]
fn a_bomb_costs_no_more_than_the_limit_of_messages_whole_or_in_fragments() {
    use crate::common::process::{alone, resident};
    if !alone("deflate::a_bomb_costs_no_more_than_the_limit_of_messages_whole_or_in_fragments") {
        return;
    }
    const MAX_BYTES: usize = 2 << 20;
    // Each shard has an inflater of its own.
    let options = Options::new().shard_count(1).close_timeout_ms(300).max_message_bytes(MAX_BYTES as u64);
    let host = host(options);
    // A gibibyte out of one mebibyte.
    let bomb = bomb(1_024);
    assert!(bomb.len() < MAX_BYTES, "{}", bomb.len());
    let pieces: Vec<&[u8]> = bomb.chunks(bomb.len() / 50).collect();
    let mut fragments = frame(0x41, pieces[0]);
    for piece in &pieces[1..] {
        fragments.extend(frame(0x00, piece));
    }
    fragments.extend(frame(0x80, b""));
    let whole = frame(0xC1, &bomb);
    serves_the_next(&host);
    let before = resident();
    for _ in 0..3 {
        assert_eq!(explode(&host, &whole), Some(1009));
        assert_eq!(explode(&host, &fragments), Some(1009));
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 2 * MAX_BYTES + (1 << 20), "{grown} bytes");
    serves_the_next(&host);
}

#[test]
fn a_window_that_cannot_be_is_declined_and_the_connection_goes_on_plain() {
    let host = host(Options::new());
    for words in [
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=x",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=99999999999999999999",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; constructor",
        "constructor",
        "x-webkit-deflate-frame",
    ] {
        let (mut stream, agreed) = offer(&host, words);
        assert_eq!(agreed, None, "{words}");
        stream.write_all(&[frame(0x81, b"Ann"), frame(0xC1, b"x")].concat()).unwrap();
        assert_eq!(close_code(&mut stream), Some(1002), "{words}: what was not agreed");
    }
    let (_, agreed) = offer(&host, "permessage-deflate; server_max_window_bits=7, permessage-deflate");
    assert!(agreed.is_some(), "the first that can be counts");
}

#[test]
fn the_bit_of_compression_in_the_wrong_place_is_refused() {
    let host = host(Options::new().close_timeout_ms(300));
    for (what, bytes) in [
        ("a continuation", [frame(0x41, b""), frame(0xC0, b"")].concat()),
        ("a continuation of a plain message", [frame(0x01, b"x"), frame(0xC0, b"x")].concat()),
        ("a ping", frame(0xC9, b"")),
        ("a pong", frame(0xCA, b"")),
        ("a close", frame(0xC8, b"")),
        ("with another bit", frame(0xE1, b"")),
    ] {
        let (mut stream, agreed) = offer(&host, "permessage-deflate");
        assert!(agreed.is_some());
        stream.write_all(&bytes).unwrap();
        assert_eq!(close_code(&mut stream), Some(1002), "{what}");
    }
    let mut stream = open(&host);
    stream.write_all(&frame(0xC1, b"x")).unwrap();
    assert_eq!(close_code(&mut stream), Some(1002), "not agreed");
    for bytes in [&[0xFF; 9][..], &[0x06], &[0x05, 0xFF]] {
        let (mut stream, _) = offer(&host, "permessage-deflate");
        stream.write_all(&frame(0xC1, bytes)).unwrap();
        assert_eq!(close_code(&mut stream), Some(1007), "{bytes:x?} is nothing compressed");
    }
    serves_the_next(&host);
}
