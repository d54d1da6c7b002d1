//! Servers that other people wrote, against the client: npm's `ws` always, Python's `websockets` with
//! `KLATSCH_INTEROP=all` in the environment. `tests/interop/README.md` says more.
#![allow(clippy::unwrap_used)] // A helper that panics fails its test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use klatsch::client::{Options, WebSocket};
use klatsch::{Error, Payload};
use klatsch_tests::place::root;
use tokio::runtime::Builder;
use tokio::time::timeout;

#[test]
fn npm_ws_as_a_server_and_the_client_understand_each_other() {
    for mode in ["plain", "deflate", "forgetful"] {
        understands(Command::new("node").arg(root().join("tests/interop/ws_server.mjs")), mode);
    }
}

#[cfg(interop_all)]
#[test]
fn pythons_websockets_as_a_server_and_the_client_understand_each_other() {
    for mode in ["plain", "deflate"] {
        understands(
            Command::new(klatsch_tests::place::python())
                .arg(root().join("tests/interop/websockets_server.py")),
            mode,
        );
    }
}

fn understands(server: &mut Command, mode: &str) {
    let server = Server::start(server.arg(mode));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let talk = async {
        for offer in [true, false] {
            let is_deflated = offer && mode != "plain";
            talk(&server.url, offer, is_deflated).await.unwrap_or_else(|error| panic!("{mode}: {error}"));
        }
    };
    runtime.block_on(async { timeout(DEADLINE, talk).await.expect("it is done in time") });
}

async fn talk(url: &str, offer: bool, is_deflated: bool) -> Result<(), Error> {
    let options = Options::new().deflate(offer).deflate_min_bytes(1).max_message_bytes(4 << 20);
    let mut socket = WebSocket::connect(url, &options).await?;
    assert_eq!(socket.is_deflated(), is_deflated);
    let words = "the same words once more, and once more the same words. ".repeat(300);
    let big: Vec<u8> = (0..1 << 20_u32).map(|at: u32| (at * 31 + (at >> 8)) as u8).collect();
    let messages: [Payload; 6] = [
        "Grüße, 世界 – привет 👋🏽".into(),
        "".into(),
        (0..=255).collect::<Vec<u8>>().into(),
        words.as_str().into(),
        words.into(),
        big.into(),
    ];
    for message in messages {
        socket.send(message.clone()).await?;
        let echo = socket.next().await.expect("the server has not closed")?;
        assert!(echo == message, "{} bytes came back as {}", message.as_bytes().len(), echo.as_bytes().len());
    }
    socket.ping().await?;
    let closed = socket.close(4001, "tschüs").await?;
    assert_eq!((closed.code, closed.is_clean), (4001, true));

    let mut socket = WebSocket::connect(url, &options).await?;
    socket.send("close").await?;
    assert!(socket.next().await.is_none());
    let closed = socket.closed().unwrap();
    assert_eq!((closed.code, closed.reason.as_str(), closed.is_clean), (4002, "tschüs", true));

    // Over the server's limit: its close frame comes through, although it reads no further.
    let mut socket = WebSocket::connect(url, &options).await?;
    socket.send(vec![b'x'; 3 << 20]).await?;
    while let Some(Ok(_)) = socket.next().await {}
    assert_eq!(socket.closed().unwrap().code, 1009);
    Ok(())
}

/// Ends with the test at the latest.
struct Server {
    url: String,
    process: Child,
}

impl Server {
    fn start(command: &mut Command) -> Server {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, first) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).is_ok_and(|_| sender.send(line).is_ok())
        });
        let mut server = Server { url: String::new(), process };
        server.url = first.recv_timeout(DEADLINE).expect("it starts in time").trim().to_owned();
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const DEADLINE: Duration = Duration::from_secs(60);
