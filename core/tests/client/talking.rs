//! Messages both ways.

use std::future::poll_fn;
use std::io::Write;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_core::Stream;
use klatsch::client::{Options, WebSocket};
use klatsch::{ErrorCode, Payload};
use tokio::time::timeout;

use crate::common::tls::pair;
use crate::common::{DEADLINE, SILENCE};
use crate::peers::{Echo, Server, code, frame, hear, read_frame, run, soon};

/// With limits for the largest of the messages.
fn echo(options: klatsch::Options) -> Echo {
    Echo::start(options.max_message_bytes(4 << 20).outbox_bytes(8 << 20))
}

fn options() -> Options {
    Options::new().max_message_bytes(4 << 20)
}

fn messages() -> Vec<Payload> {
    let words = "the same words once more, and once more the same words. ".repeat(200);
    vec![
        "Grüße, 世界 – привет 👋🏽".into(),
        "".into(),
        Vec::new().into(),
        (0..=255).collect::<Vec<u8>>().into(),
        words.as_str().into(),
        // Again, which a kept context makes very small.
        words.into(),
        vec![7; 60_000].into(),
        (0..3 << 20_u32).map(|at: u32| (at * 31 + (at >> 8)) as u8).collect::<Vec<u8>>().into(),
    ]
}

async fn echoes(socket: &mut WebSocket) {
    for message in messages() {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(hear(socket).await, message);
    }
    assert!(soon(socket.ping()).await.unwrap() < DEADLINE);
    let closed = soon(socket.close(1000, "good night")).await.unwrap();
    assert_eq!((closed.code, closed.is_clean), (1000, true));
}

#[test]
fn messages_come_back_as_they_were_with_and_without_compression() {
    for (server, client) in [(true, true), (true, false), (false, true)] {
        let echo = echo(klatsch::Options::new().deflate(server).deflate_min_bytes(1));
        run(async {
            let mut socket = echo.connect(options().deflate(client).deflate_min_bytes(1)).await;
            assert_eq!(socket.is_deflated(), server && client);
            assert_eq!(socket.peer(), echo.address);
            echoes(&mut socket).await;
        });
    }
}

#[test]
fn messages_come_back_over_tls_from_a_server_with_an_authority_of_ones_own() {
    let pair = pair(&["localhost", "127.0.0.1"]);
    let echo = echo(pair.options());
    let options = options().system_roots(false).root_pem(pair.cert.as_str());
    run(async {
        for host in ["localhost", "127.0.0.1"] {
            let url = format!("wss://{host}:{}/", echo.address.port());
            // A clone resumes the session.
            let mut socket = WebSocket::connect(&url, &options.clone()).await.unwrap();
            echoes(&mut socket).await;
        }
    });
}

#[test]
fn a_message_in_many_fragments_with_pings_between_them_comes_whole() {
    let server = Server::start(|mut stream| {
        let mut bytes = frame(0x02, b"0");
        for at in 1..=100_u8 {
            bytes.extend(frame(0x89, &[at]));
            bytes.extend(frame(if at == 100 { 0x80 } else { 0 }, &[at; 3000]));
        }
        // In pieces that end anywhere.
        bytes.chunks(777).for_each(|piece| stream.write_all(piece).unwrap());
        for at in 1..=100 {
            assert_eq!(read_frame(&mut stream), (0x8a, vec![at]), "every ping is answered, in order");
        }
        stream.write_all(&frame(0x88, &code(1000, ""))).unwrap();
        assert_eq!(read_frame(&mut stream), (0x88, code(1000, "")));
    });
    run(async {
        let mut socket = server.connect(Options::new()).await;
        let want: Vec<u8> = std::iter::once(b'0').chain((1..=100).flat_map(|at| [at; 3000])).collect();
        assert_eq!(hear(&mut socket).await, Payload::Binary(want));
        assert!(soon(socket.next()).await.is_none());
    });
    server.done();
}

#[test]
fn a_next_that_is_dropped_while_it_waits_loses_nothing() {
    let echo = Echo::start(klatsch::Options::new());
    run(async {
        let mut socket = echo.connect(Options::new()).await;
        for at in 0..200 {
            let text = format!("message {at}");
            {
                let mut next = pin!(socket.next());
                let waits = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending())).await;
                assert!(waits);
            }
            socket.send(text.as_str()).await.unwrap();
            // Dropped at any moment, until one brings it.
            let mut patience = Duration::from_micros(at);
            let heard = loop {
                match timeout(patience, socket.next()).await {
                    Ok(heard) => break heard,
                    Err(_) => patience = patience * 2 + Duration::from_micros(1),
                }
                assert!(patience < DEADLINE, "it never came");
            };
            assert_eq!(heard.unwrap().unwrap(), text.into());
        }
    });
}

#[test]
fn the_halves_work_in_two_tasks_and_the_receiver_is_a_stream() {
    let echo = Echo::start(klatsch::Options::new());
    run(async {
        let (sender, mut receiver) = echo.connect(Options::new()).await.split();
        let other = sender.clone();
        let sending = tokio::spawn(async move {
            for at in 0..500 {
                other.send(format!("{at}")).await.unwrap();
            }
        });
        for at in 0..500 {
            let message = soon(poll_fn(|cx| pin!(&mut receiver).poll_next(cx))).await;
            assert_eq!(message.unwrap().unwrap(), format!("{at}").into());
        }
        sending.await.unwrap();
        drop(receiver);
        // Without a receiver what comes is dropped, and the sender goes on.
        sender.send("to nobody").await.unwrap();
        soon(sender.ping()).await.unwrap();
        assert_eq!(soon(sender.close(4000, "")).await.unwrap().code, 4000);
        assert_eq!(sender.send("more").await.unwrap_err().code(), ErrorCode::ConnectionClosed);
    });
}

#[test]
fn send_waits_for_a_server_that_reads_nothing_and_all_arrives_once_it_reads() {
    const COUNT: usize = 400;
    const BYTES: usize = 64 * 1024;
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let server = Server::start(move |mut stream| {
        gone.recv_timeout(DEADLINE).unwrap();
        for at in 0..COUNT {
            assert_eq!(read_frame(&mut stream), (0x82, vec![at as u8; BYTES]));
        }
        stream.write_all(&frame(0x88, &code(1000, ""))).unwrap();
        assert_eq!(read_frame(&mut stream), (0x88, code(1000, "")));
    });
    run(async {
        let options = Options::new().outbox_bytes(256 * 1024).deflate(false);
        let (sender, mut receiver) = server.connect(options).await.split();
        let sent = std::cell::Cell::new(0);
        let sending = async {
            for at in 0..COUNT {
                sender.send(vec![at as u8; BYTES]).await.unwrap();
                sent.set(at + 1);
            }
        };
        let mut sending = pin!(sending);
        // The kernel takes some megabytes; then the outbox fills up, and then it stands still.
        let mut before = COUNT;
        while before != sent.get() {
            before = sent.get();
            let _ = timeout(SILENCE, &mut sending).await;
        }
        assert!(before < COUNT, "25 MiB went somewhere");
        go.send(()).unwrap();
        soon(sending).await;
        assert!(soon(receiver.next()).await.is_none());
    });
    server.done();
}

#[test]
fn an_inbox_that_is_full_holds_the_server_up_and_nothing_is_lost() {
    const COUNT: usize = 400;
    const BYTES: usize = 64 * 1024;
    let (told, sent) = std::sync::mpsc::channel();
    let server = Server::start(move |mut stream| {
        for at in 0..COUNT {
            stream.write_all(&frame(0x82, &vec![at as u8; BYTES])).unwrap();
            told.send(at).unwrap();
        }
        stream.write_all(&frame(0x88, &code(4321, "enough"))).unwrap();
        let answer = std::iter::repeat_with(|| read_frame(&mut stream)).find(|(first, _)| *first != 0x89);
        assert_eq!(answer.unwrap(), (0x88, code(4321, "")));
    });
    run(async {
        // A peer that is not read is not held for dead: the heartbeat is shorter than the wait below, and long
        // enough for a machine that has other things to do.
        let options =
            Options::new().inbox_bytes(128 * 1024).heartbeat_interval_ms(100).heartbeat_timeout_ms(900);
        let start = Instant::now();
        let mut socket = server.connect(options).await;
        let mut before = COUNT;
        let mut count = 0;
        while before != count || start.elapsed() < Duration::from_millis(1_200) {
            before = count;
            tokio::time::sleep(SILENCE).await;
            count += sent.try_iter().count();
        }
        assert!(count < COUNT, "25 MiB came somewhere");
        for at in 0..COUNT {
            assert_eq!(hear(&mut socket).await, Payload::Binary(vec![at as u8; BYTES]));
        }
        assert!(soon(socket.next()).await.is_none());
        let closed = socket.closed().unwrap();
        assert_eq!((closed.code, closed.reason.as_str(), closed.is_clean), (4321, "enough", true));
    });
    server.done();
}
