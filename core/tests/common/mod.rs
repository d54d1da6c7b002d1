//! A client and a host for tests: real sockets on loopback, every wait with a deadline.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses its part")]

pub mod deflating;
pub mod process;
pub mod raw;
pub mod tls;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use klatsch::{Engine, Event, Events, Options};
use tungstenite::{Message, WebSocket, client::IntoClientRequest};

/// How long anything may take that should be there at once.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How long silence must last to count as such.
pub const SILENCE: Duration = Duration::from_millis(150);

/// A running engine on a free port, with its events.
pub struct Host {
    pub engine: Engine,
    pub events: Events,
    pub address: SocketAddr,
}

pub fn host(options: Options) -> Host {
    let engine = Engine::new(options.listen("127.0.0.1:0")).unwrap();
    let events = engine.events().unwrap();
    let address = engine.start().unwrap()[0];
    Host { engine, events, address }
}

impl Host {
    pub fn client(&self, target: &str) -> Client {
        Client::connect(self.address, target)
    }

    /// A client that has been let in under a name, with its `color` answered.
    pub fn named(&self, target: &str, name: &str) -> Client {
        let mut client = self.client(target);
        client.say(name);
        loop {
            if client.hear().contains(r#""type":"color""#) {
                return client;
            }
        }
    }

    /// The next event, which must come in time.
    pub fn event(&mut self) -> Event {
        next_event(&mut self.events)
    }

    /// Skips events up to the first of this kind.
    pub fn event_of(&mut self, kind: &str) -> Event {
        loop {
            let event = self.event();
            if event.kind() == kind {
                return event;
            }
        }
    }

    /// Stops the engine, whether or not the clients of the test go by themselves.
    pub fn stop(&self) {
        self.engine.stop_blocking(Duration::from_millis(200)).unwrap();
    }
}

pub fn next_event(events: &mut Events) -> Event {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(event) = events.drain(1).pop() {
            return event;
        }
        assert!(Instant::now() < until, "no event came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A real WebSocket client.
pub struct Client {
    pub socket: WebSocket<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr, target: &str) -> Client {
        Self::try_connect(address, target, &[]).expect("the handshake is answered with 101")
    }

    /// Gives the status of the answer if it is not 101.
    pub fn try_connect(
        address: SocketAddr,
        target: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Client, u16> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, &address.to_string(), target, headers)
    }

    /// Speaks over a stream that is connected, to whom it calls `host`. Gives the status of the answer if it is
    /// not 101.
    pub fn over(
        stream: impl Into<OwnedFd>,
        host: &str,
        target: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Client, u16> {
        let stream = TcpStream::from(stream.into());
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut request = format!("ws://{host}{target}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Client { socket }),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                Err(answer.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// The next text, whatever pings come before it.
    pub fn hear(&mut self) -> String {
        loop {
            match self.socket.read().expect("something is heard in time") {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("heard {other:?}"),
            }
        }
    }

    pub fn hears_nothing(&mut self) {
        self.socket.get_mut().set_read_timeout(Some(SILENCE)).unwrap();
        match self.socket.read() {
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            other => panic!("heard {other:?}"),
        }
        self.socket.get_mut().set_read_timeout(Some(DEADLINE)).unwrap();
    }

    /// Reads until the server's close frame, and gives its code and reason.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            match self.socket.read() {
                Ok(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                Ok(Message::Close(None)) => return (1005, String::new()),
                Ok(_) => {}
                Err(error) => panic!("no close frame, but {error}"),
            }
        }
    }
}

/// Sends bytes and reads until the peer closes.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
