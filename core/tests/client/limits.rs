//! What a server must not do: each is refused with its code, at the header where one tells.

use std::io::Write;

use klatsch::ErrorCode;
use klatsch::client::Options;

use crate::common::SILENCE;
use crate::peers::{Server, failure, frame, hear, read_frame, run, soon, wait_for_the_end};

/// What the client makes of these bytes: the code on the wire.
fn refused_with(options: Options, bytes: Vec<u8>, words: &str) -> u16 {
    let (told, code) = std::sync::mpsc::channel();
    let server = Server::start(move |mut stream| {
        stream.write_all(&bytes).unwrap();
        let (first, payload) = read_frame(&mut stream);
        assert_eq!(first, 0x88);
        told.send(u16::from_be_bytes([payload[0], payload[1]])).unwrap();
        // A server that goes on talking is not listened to, nor is it waited for for ever.
        let _ = stream.write_all(&frame(0x81, b"and another thing"));
        wait_for_the_end(&mut stream);
    });
    run(async {
        let mut socket = server.connect(options.close_timeout_ms(100)).await;
        let error = failure(&mut socket).await;
        assert_eq!(error.code(), ErrorCode::PeerViolation);
        assert!(error.message().contains(words), "{error}");
        assert!(socket.next().await.is_none());
        let closed = socket.closed().unwrap();
        assert!(!closed.is_clean && error.message().contains(&closed.code.to_string()));
    });
    server.done();
    code.recv().unwrap()
}

#[test]
fn a_message_over_the_limit_is_refused_at_its_header() {
    let options = Options::new().max_message_bytes(1000);
    let mut claimed = frame(0x82, &[0; 1001]);
    claimed.truncate(4);
    assert_eq!(refused_with(options.clone(), claimed, "max_message_bytes"), 1009);
    let endless = [&[0x82, 127][..], &(u64::MAX >> 1).to_be_bytes()].concat();
    assert_eq!(refused_with(options.clone(), endless, "max_message_bytes"), 1009);
    let in_two = [frame(0x02, &[0; 600]), frame(0x80, &[0; 401])].concat();
    assert_eq!(refused_with(options, in_two, "max_message_bytes"), 1009);
}

#[test]
fn too_many_fragments_and_a_message_that_never_ends_are_refused() {
    let options = Options::new().max_fragment_count(3);
    let fragments = [frame(0x01, b"a"), frame(0, b"b"), frame(0, b"c"), frame(0, b"d")].concat();
    assert_eq!(refused_with(options, fragments, "max_fragment_count"), 1008);
    for begun in [frame(0x01, b"a"), vec![0x81], vec![0x81, 5, b'a']] {
        assert_eq!(refused_with(Options::new().max_assembly_ms(50), begun, "too long"), 1008);
    }
}

#[test]
fn what_breaks_the_protocol_is_refused_with_its_code() {
    for (bytes, want) in [
        (vec![0x81, 0x80, 0, 0, 0, 0], 1002),
        (frame(0x83, b""), 1002),
        (frame(0xc1, b"x"), 1002),
        (frame(0x80, b"x"), 1002),
        (frame(0x09, b""), 1002),
        (frame(0x88, b"x"), 1002),
        (frame(0x88, &[3, 0xed]), 1002),
        (frame(0x81, &[0xff]), 1007),
        (frame(0x88, &[3, 0xe8, 0xff]), 1007),
    ] {
        assert_eq!(refused_with(Options::new(), bytes.clone(), &want.to_string()), want, "{bytes:x?}");
    }
}

#[test]
fn what_came_before_a_violation_is_answered_before_the_close_frame() {
    let server = Server::start(|mut stream| {
        stream.write_all(&[frame(0x81, b"one"), frame(0x81, b"two"), frame(0x83, b"")].concat()).unwrap();
        assert_eq!(read_frame(&mut stream), (0x81, b"one".into()));
        assert_eq!(read_frame(&mut stream), (0x81, b"two".into()));
        assert_eq!(read_frame(&mut stream).0, 0x88);
    });
    run(async {
        let mut socket = server.connect(Options::new()).await;
        for _ in 0..2 {
            let message = hear(&mut socket).await;
            // While the client has nothing to do, it goes on reading, up to the violation.
            tokio::time::sleep(SILENCE).await;
            socket.send(message).await.unwrap();
        }
        assert_eq!(failure(&mut socket).await.code(), ErrorCode::PeerViolation);
    });
    server.done();
}

#[test]
fn a_host_that_takes_nothing_holds_no_violation_up_for_ever() {
    let server = Server::start(|mut stream| {
        stream.write_all(&[frame(0x81, b"one"), frame(0x83, b"")].concat()).unwrap();
        assert_eq!(read_frame(&mut stream).0, 0x89);
        assert_eq!(read_frame(&mut stream).0, 0x88);
    });
    run(async {
        let mut socket = server.connect(Options::new().close_timeout_ms(100)).await;
        soon(socket.ping()).await.unwrap_err();
        assert_eq!(hear(&mut socket).await, "one".into());
        assert_eq!(failure(&mut socket).await.code(), ErrorCode::PeerViolation);
    });
    server.done();
}
