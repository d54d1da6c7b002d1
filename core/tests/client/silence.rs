//! Peers that fall silent.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use klatsch::ErrorCode;
use klatsch::client::{Options, WebSocket};

use crate::peers::{Server, failure, frame, hear, read_frame, run, soon, wait_for_the_end};

#[test]
fn a_dead_peer_is_found_within_interval_and_timeout() {
    let server = Server::start(|mut stream| {
        stream.write_all(&frame(0x81, b"hi")).unwrap();
        assert_eq!(read_frame(&mut stream), (0x89, vec![]), "it is pinged once");
        wait_for_the_end(&mut stream);
    });
    run(async {
        let options = Options::new().heartbeat_interval_ms(100).heartbeat_timeout_ms(100);
        let mut socket = server.connect(options).await;
        assert_eq!(hear(&mut socket).await, "hi".into());
        let start = Instant::now();
        let error = failure(&mut socket).await;
        assert_eq!(error.code(), ErrorCode::ConnectionLost);
        assert!(error.message().contains("200 ms"), "{error}");
        // With time for a machine that has other things to do.
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        assert_eq!(socket.closed().unwrap().code, 1006);
    });
    server.done();
}

#[test]
fn any_frame_counts_as_life() {
    let server = Server::start(|mut stream| {
        for text in ["one", "two", "three"] {
            // Each ping comes after a silence; it is answered with whatever there is.
            assert_eq!(read_frame(&mut stream), (0x89, vec![]));
            stream.write_all(&frame(0x81, text.as_bytes())).unwrap();
        }
        stream.write_all(&frame(0x88, &[])).unwrap();
        // Pings may stand before the answer: the machine was busy.
        while read_frame(&mut stream).0 != 0x88 {}
    });
    run(async {
        let options = Options::new().heartbeat_interval_ms(30).heartbeat_timeout_ms(9_000);
        let mut socket = server.connect(options).await;
        for text in ["one", "two", "three"] {
            assert_eq!(hear(&mut socket).await, text.into());
        }
        assert!(soon(socket.next()).await.is_none());
    });
    server.done();
}

#[test]
fn connecting_ends_at_its_deadline_and_says_what_was_under_way() {
    // A listener that accepts, by its backlog, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    run(async {
        for (scheme, step) in [("ws", "waiting for the answer"), ("wss", "TLS")] {
            let url = format!("{scheme}://{address}/");
            let options = Options::new().connect_timeout_ms(100);
            let error = soon(WebSocket::connect(&url, &options)).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::CannotConnect);
            let words = error.message();
            assert!(words.contains("connect_timeout_ms") && words.contains(step), "{words}");
        }
    });
}
