//! Whom the client talks to in these tests, and the runtime in which it does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use klatsch::client::{Options, WebSocket};
use klatsch::{Engine, Error, Event, Payload};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::common::{DEADLINE, Host, host};

/// Runs a test in a runtime of its own; none of them may take longer than the deadline.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(3 * DEADLINE, test).await.expect("the test ends in time") })
}

/// What must be there at once.
pub(crate) async fn soon<T>(awaited: impl Future<Output = T>) -> T {
    timeout(DEADLINE, awaited).await.expect("it comes in time")
}

/// An engine whose host sends every message back as it came.
pub(crate) struct Echo {
    pub(crate) engine: Engine,
    pub(crate) address: SocketAddr,
}

impl Echo {
    pub(crate) fn start(options: klatsch::Options) -> Echo {
        let Host { engine, mut events, address } = host(options.raw("/", "").tutorial(false));
        let echoing = engine.clone();
        std::thread::spawn(move || {
            while let Some(event) = events.next_blocking() {
                if let Event::Received { connection, payload } = event {
                    // A connection that is gone hears no echo.
                    let _ = echoing.tell(connection, payload);
                }
            }
        });
        Echo { engine, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    pub(crate) async fn connect(&self, options: Options) -> WebSocket {
        WebSocket::connect(&self.url(), &options).await.unwrap()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.engine.stop_blocking(std::time::Duration::ZERO);
    }
}

/// A server that does the opening handshake and then what the test says.
pub(crate) struct Server {
    pub(crate) url: String,
    thread: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(act: impl FnOnce(TcpStream) + Send + 'static) -> Server {
        Server::before_the_handshake(|mut stream| {
            let key = read_request(&mut stream);
            let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).unwrap();
            act(stream);
        })
    }

    pub(crate) fn before_the_handshake(act: impl FnOnce(TcpStream) + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            stream.set_write_timeout(Some(DEADLINE)).unwrap();
            act(stream);
        });
        Server { url, thread }
    }

    pub(crate) async fn connect(&self, options: Options) -> WebSocket {
        WebSocket::connect(&self.url, &options).await.unwrap()
    }

    /// What the server looked at was as it should be.
    pub(crate) fn done(self) {
        self.thread.join().unwrap();
    }
}

/// Reads the opening request and gives its key.
pub(crate) fn read_request(stream: &mut TcpStream) -> String {
    let request = read_head(stream);
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    key.to_owned()
}

/// Reads the opening request.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

/// Reads one of the client's frames: its first byte and its payload. It must be masked.
pub(crate) fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert!(head[1] & 0x80 != 0, "a client masks its frames");
    let len = match head[1] & 0x7f {
        126 => {
            let mut len = [0; 2];
            stream.read_exact(&mut len).unwrap();
            usize::from(u16::from_be_bytes(len))
        }
        127 => {
            let mut len = [0; 8];
            stream.read_exact(&mut len).unwrap();
            u64::from_be_bytes(len) as usize
        }
        len => usize::from(len),
    };
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).unwrap();
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload).unwrap();
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    (head[0], payload)
}

/// A server's frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..126 => out.push(len as u8),
        len @ 126..65_536 => {
            out.push(126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(payload);
    out
}

/// A close frame's payload.
pub(crate) fn code(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Waits for the client to end the connection.
pub(crate) fn wait_for_the_end(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    // A reset is an end too.
    while stream.read(&mut bytes).is_ok_and(|len| len > 0) {}
}

pub(crate) async fn hear(socket: &mut WebSocket) -> Payload {
    soon(socket.next()).await.expect("the connection is open").unwrap()
}

/// What a connection failed with, behind the messages that were whole.
pub(crate) async fn failure(socket: &mut WebSocket) -> Error {
    loop {
        match soon(socket.next()).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => return error,
            None => panic!("the connection was closed in good order: {:?}", socket.closed()),
        }
    }
}
