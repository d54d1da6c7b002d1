//! The closing handshake, from both sides.

use std::io::Write;
use std::time::{Duration, Instant};

use klatsch::ErrorCode;
use klatsch::client::Options;
use tokio::task::unconstrained;

use crate::peers::{Echo, Server, code, failure, frame, hear, read_frame, run, soon, wait_for_the_end};

#[test]
fn what_was_sent_before_goes_out_before_the_close_frame_and_the_server_ends_the_connection() {
    let server = Server::start(|mut stream| {
        for at in 0..1000 {
            assert_eq!(read_frame(&mut stream), (0x81, format!("{at}").into()));
        }
        assert_eq!(read_frame(&mut stream), (0x88, code(4001, "tschüs")));
        // What comes now is dropped.
        stream.write_all(&frame(0x81, b"too late")).unwrap();
        stream.write_all(&frame(0x89, b"")).unwrap();
        stream.write_all(&frame(0x88, &code(4002, "bye"))).unwrap();
        // Nothing follows, and the client waits for the server to end.
        stream.set_read_timeout(Some(crate::common::SILENCE)).unwrap();
        let error = std::io::Read::read(&mut stream, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    });
    run(async {
        let mut socket = server.connect(Options::new()).await;
        // All of it before the connection's task has a turn, and more than a task may do in one.
        let sending = async {
            for at in 0..1000 {
                socket.send(format!("{at}")).await.unwrap();
            }
        };
        unconstrained(sending).await;
        let closed = soon(socket.close(4001, "tschüs")).await.unwrap();
        assert_eq!((closed.code, closed.reason.as_str(), closed.is_clean), (4002, "bye", true));
        assert!(socket.next().await.is_none());
        let error = socket.send("more").await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ConnectionClosed);
        assert!(error.message().contains("4002"), "{error}");
        assert_eq!(socket.close(1000, "").await.unwrap(), closed, "it is closed already");
    });
    server.done();
}

#[test]
fn a_servers_close_is_answered_with_its_code() {
    for (sent, answered, told) in [
        (code(4000, "reason"), code(4000, ""), 4000),
        (code(1001, ""), code(1001, ""), 1001),
        (vec![], vec![], 1005),
    ] {
        let server = Server::start(move |mut stream| {
            stream.write_all(&frame(0x81, b"last words")).unwrap();
            stream.write_all(&frame(0x88, &sent)).unwrap();
            assert_eq!(read_frame(&mut stream), (0x88, answered));
        });
        run(async {
            let mut socket = server.connect(Options::new()).await;
            assert_eq!(hear(&mut socket).await, "last words".into());
            assert!(soon(socket.next()).await.is_none());
            assert_eq!(socket.closed().unwrap().code, told);
        });
        server.done();
    }
}

#[test]
fn an_engine_that_stops_says_1001() {
    let echo = Echo::start(klatsch::Options::new());
    run(async {
        let mut socket = echo.connect(Options::new()).await;
        socket.send("here").await.unwrap();
        assert_eq!(hear(&mut socket).await, "here".into());
        let stopped = echo.engine.stop(Duration::from_secs(1));
        assert!(soon(socket.next()).await.is_none());
        assert_eq!(socket.closed().unwrap().code, 1001);
        soon(stopped).await.unwrap();
    });
}

#[test]
fn a_server_that_never_answers_a_close_frame_is_cut_after_the_deadline() {
    // One that reads and one that does not even read.
    for reads in [true, false] {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let server = Server::start(move |mut stream| {
            if reads {
                wait_for_the_end(&mut stream);
            }
            ended.recv_timeout(crate::common::DEADLINE).unwrap();
        });
        run(async {
            let socket = server.connect(Options::new().close_timeout_ms(200).deflate(false)).await;
            if !reads {
                let flood = async { while socket.send(vec![0; 1 << 20]).await.is_ok() {} };
                tokio::time::timeout(crate::common::SILENCE, flood).await.unwrap_err();
            }
            let start = Instant::now();
            let error = soon(socket.close(1000, "")).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::ConnectionLost);
            assert!(error.message().contains("close_timeout_ms"), "{error}");
            assert!(start.elapsed() >= Duration::from_millis(200));
            assert_eq!(socket.closed().unwrap().code, 1006);
        });
        end.send(()).unwrap();
        server.done();
    }
}

#[test]
fn a_server_that_goes_without_a_word_is_an_error_and_no_close() {
    let server = Server::start(|mut stream| stream.write_all(&frame(0x81, b"hi")).unwrap());
    run(async {
        let mut socket = server.connect(Options::new()).await;
        assert_eq!(hear(&mut socket).await, "hi".into());
        assert_eq!(failure(&mut socket).await.code(), ErrorCode::ConnectionLost);
        assert!(socket.next().await.is_none(), "it is told once");
        assert_eq!(socket.send("x").await.unwrap_err().code(), ErrorCode::ConnectionLost);
        assert_eq!(socket.close(1000, "").await.unwrap_err().code(), ErrorCode::ConnectionLost);
        assert!(!socket.closed().unwrap().is_clean);
    });
    server.done();
}

#[test]
fn whoever_drops_all_handles_closes_with_1001() {
    let server = Server::start(|mut stream| {
        assert_eq!(read_frame(&mut stream), (0x81, b"last words".into()));
        assert_eq!(read_frame(&mut stream), (0x88, code(1001, "")));
        stream.write_all(&frame(0x88, &code(1001, ""))).unwrap();
    });
    run(async {
        let socket = server.connect(Options::new()).await;
        socket.send("last words").await.unwrap();
        drop(socket);
        soon(tokio::task::spawn_blocking(|| server.done())).await.unwrap();
    });
}

#[test]
fn a_closing_that_is_not_waited_for_goes_on() {
    let server = Server::start(|mut stream| {
        assert_eq!(read_frame(&mut stream), (0x88, code(4000, "")));
        stream.write_all(&frame(0x88, &code(4000, ""))).unwrap();
    });
    run(async {
        let mut socket = server.connect(Options::new()).await;
        let _ = tokio::time::timeout(Duration::ZERO, socket.close(4000, "")).await;
        assert!(soon(socket.next()).await.is_none());
        assert_eq!(socket.closed().unwrap().code, 4000);
    });
    server.done();
}

#[test]
fn a_code_that_must_not_be_sent_and_a_reason_too_long_are_refused() {
    let echo = Echo::start(klatsch::Options::new());
    run(async {
        let mut socket = echo.connect(Options::new()).await;
        for wrong in [0, 999, 1004, 1005, 1006, 1015, 2000, 5000] {
            assert_eq!(socket.close(wrong, "").await.unwrap_err().code(), ErrorCode::InvalidArgument);
        }
        assert_eq!(socket.close(1000, &"x".repeat(124)).await.unwrap_err().code(), ErrorCode::TooLong);
        // Neither has closed it.
        socket.send("still here").await.unwrap();
        assert_eq!(hear(&mut socket).await, "still here".into());
    });
}

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let server = Server::start(|mut stream| wait_for_the_end(&mut stream));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut socket = runtime.block_on(server.connect(Options::new()));
    drop(runtime);
    run(async {
        assert_eq!(failure(&mut socket).await.code(), ErrorCode::ConnectionLost);
        assert!(soon(socket.send("x")).await.is_err());
        assert!(soon(socket.ping()).await.is_err());
        assert!(soon(socket.close(1000, "")).await.is_err());
    });
    server.done();
}
