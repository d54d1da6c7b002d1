//! A WebSocket client: the other end, to this engine or to any other server.
//!
//! It stands on the same `wire` as the engine, in the client's role: `ws://` and `wss://`, compression, heartbeat,
//! the closing handshake, and limits for everything that a server could use up. It is async and runs in the caller's
//! tokio runtime, as one task for each connection.
//!
//! ```
//! use klatsch::client::{Options, WebSocket};
//! # use klatsch::{Engine, Error, Payload};
//! # fn main() -> Result<(), Error> {
//! # let engine = Engine::new(klatsch::Options::new().listen("127.0.0.1:0"))?;
//! # let url = format!("ws://{}/?room=lobby", engine.start()?[0]);
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
//! # runtime.expect("there is a runtime").block_on(async {
//! let mut socket = WebSocket::connect(&url, &Options::new()).await?;
//! socket.send("Ann").await?; // to a chat of the tutorial's, the first text is a name
//! while let Some(message) = socket.next().await {
//!     match message? {
//!         Payload::Text(text) => println!("{text}"),
//!         Payload::Binary(bytes) => println!("{} bytes", bytes.len()),
//!     }
//! #   break;
//! }
//! socket.close(1000, "good night").await?;
//! # engine.stop(std::time::Duration::ZERO).await
//! # })
//! # }
//! ```
//!
//! **Nothing grows without bound.** `send` waits while [`outbox_bytes`](Options::outbox_bytes) wait for the network;
//! while [`inbox_bytes`](Options::inbox_bytes) wait for [`next`](WebSocket::next), nothing more is read from it, and the
//! server feels that.
//!
//! **Every future may be dropped** while it waits: `next` loses no message by that, `send` sends all of one or nothing,
//! and a closing that was begun goes on.
//!
//! **Whoever drops all handles** closes the connection with 1001, once what was sent is on its way.

pub mod chat;
mod connection;
mod dial;
mod incoming;
mod masks;
mod options;
mod outgoing;
mod shared;
mod tls;
mod transport;
mod url;

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::error::{Error, ErrorCode};
use crate::message::Payload;
use crate::wire::{MAX_REASON_BYTES, is_allowed};
use connection::{Command, Connection};
use shared::{End, OVERHEAD_BYTES, Shared, held_bytes};

pub use chat::{Chat, ChatOptions};
pub use options::Options;

/// A connected WebSocket, seen from the client.
#[derive(Debug)]
pub struct WebSocket {
    sender: Sender,
    receiver: Receiver,
    peer: SocketAddr,
    subprotocol: Option<String>,
    is_deflated: bool,
}

impl WebSocket {
    /// Connects to `ws://host:port/path?query` or `wss://…`, and does the opening handshake. Without a port it is 80,
    /// or 443 for `wss`.
    ///
    /// Must be called within a tokio runtime that has its IO and its time enabled. The connection lives in it, as
    /// a task.
    ///
    /// # Errors
    /// Before anything is sent, [`InvalidArgument`](ErrorCode::InvalidArgument): the URL (another scheme, user information,
    /// a fragment), and [`InvalidOption`](ErrorCode::InvalidOption): an option, by its name.
    /// [`CannotConnect`](ErrorCode::CannotConnect): name, TCP or TLS, or `connect_timeout_ms`.
    /// [`HandshakeRefused`](ErrorCode::HandshakeRefused): the server's status and words
    /// ([`Error::http_status`]), or what is wrong with its answer. Redirections are not followed.
    ///
    /// Source: RFC 6455 §3, §4.1.
    pub async fn connect(url: &str, options: &Options) -> Result<WebSocket, Error> {
        let dialed = dial::dial(url, options).await?;
        let numbers = options.numbers.clone();
        let (peer, opened) = (dialed.peer, dialed.opened.clone());
        let shared = Arc::new(Shared::default());
        let outbox = Arc::new(Semaphore::new(numbers.outbox_bytes as usize));
        let (commands, wanted) = mpsc::unbounded_channel();
        let sender = Sender {
            commands,
            outbox: outbox.clone(),
            outbox_bytes: numbers.outbox_bytes as u32,
            shared: shared.clone(),
        };
        let receiver = Receiver { shared: shared.clone(), inbox_bytes: numbers.inbox_bytes as usize };
        tokio::spawn(Connection::new(dialed, numbers, wanted, outbox, shared).run());
        let is_deflated = opened.deflate.is_some();
        Ok(WebSocket { sender, receiver, peer, subprotocol: opened.protocol, is_deflated })
    }

    /// The next message, text or bytes; `None` when the connection was closed, whoever began it. How, says
    /// [`closed`](WebSocket::closed). May be dropped while it waits: no message is lost.
    ///
    /// # Errors
    /// Once, behind the last message: [`ConnectionLost`](ErrorCode::ConnectionLost),
    /// [`PeerViolation`](ErrorCode::PeerViolation).
    pub async fn next(&mut self) -> Option<Result<Payload, Error>> {
        self.receiver.next().await
    }

    /// As [`Sender::send`].
    ///
    /// # Errors
    /// The same.
    pub async fn send(&self, message: impl Into<Payload>) -> Result<(), Error> {
        self.sender.send(message).await
    }

    /// As [`Sender::ping`].
    ///
    /// # Errors
    /// The same.
    pub async fn ping(&self) -> Result<Duration, Error> {
        self.sender.ping().await
    }

    /// As [`Sender::close`].
    ///
    /// # Errors
    /// The same.
    pub async fn close(&self, code: u16, reason: &str) -> Result<Closed, Error> {
        self.sender.close(code, reason).await
    }

    /// How the connection was closed; `None` while it is not.
    pub fn closed(&self) -> Option<Closed> {
        self.sender.closed()
    }

    /// The subprotocol that the server chose among those offered; `None`: none.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Whether permessage-deflate was agreed on.
    pub fn is_deflated(&self) -> bool {
        self.is_deflated
    }

    /// The address that was connected to.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Gives the two halves, for two tasks.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

impl Stream for WebSocket {
    type Item = Result<Payload, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.receiver).poll_next(cx)
    }
}

/// The half that sends. Its clones send on the same connection.
#[derive(Clone)]
pub struct Sender {
    commands: mpsc::UnboundedSender<Command>,
    outbox: Arc<Semaphore>,
    outbox_bytes: u32,
    shared: Arc<Shared>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.closed()).finish_non_exhaustive()
    }
}

impl Sender {
    /// Sends a whole message, text or bytes. Waits for a place in the outbox: those who wait get theirs in
    /// order. `Ok` says that the message has its place; whether it arrives, only an answer can say. Dropped
    /// while it waits, it has sent nothing.
    ///
    /// # Errors
    /// [`ConnectionClosed`](ErrorCode::ConnectionClosed): it is closed, or closing. And what
    /// [`next`](WebSocket::next) fails with.
    pub async fn send(&self, message: impl Into<Payload>) -> Result<(), Error> {
        let message = message.into();
        let permit = self.place(held_bytes(&message)).await?;
        self.order(Command::Message(message, permit))
    }

    /// Pings the server; gives how long its pong took. Waits as long as the connection lives: for a server that is
    /// dead, `heartbeat_interval_ms` ends that.
    ///
    /// # Errors
    /// As [`send`](Sender::send).
    ///
    /// Source: RFC 6455 §5.5.2.
    pub async fn ping(&self) -> Result<Duration, Error> {
        // It keeps its place until the pong is there, so that pings without an answer are bounded too.
        let _place = self.place(OVERHEAD_BYTES).await?;
        let (answer, pong) = oneshot::channel();
        self.order(Command::Ping(answer))?;
        pong.await.map_err(|_| self.shared.why_not())
    }

    /// Closes: what was sent before goes out, then the close frame; the server answers it and ends the connection. At
    /// the latest after `close_timeout_ms` the connection is cut. Messages that come from here on are dropped.
    /// Dropped while it waits, the closing goes on. When it is closed already, gives how.
    ///
    /// `code`: 1000 for a normal end, 3000 to 4999 for one's own, or another that RFC 6455 §7.4 allows; `reason`: at
    /// most 123 bytes.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorCode::InvalidArgument): a code that must not be sent.
    /// [`TooLong`](ErrorCode::TooLong): the reason. [`ConnectionLost`](ErrorCode::ConnectionLost): no answer in time.
    /// And whatever the connection had failed with.
    ///
    /// Source: RFC 6455 §7.
    pub async fn close(&self, code: u16, reason: &str) -> Result<Closed, Error> {
        if !is_allowed(code) {
            let words = format!("the close code is {code}; it can be 1000, or 3000 to 4999");
            return Err(Error::new(ErrorCode::InvalidArgument, words));
        }
        if reason.len() > MAX_REASON_BYTES {
            let words = format!("the reason is {} bytes; it can be {MAX_REASON_BYTES}", reason.len());
            return Err(Error::new(ErrorCode::TooLong, words));
        }
        self.shared.close(code, reason);
        self.outbox.close();
        self.commands.closed().await;
        match self.shared.end() {
            Some(End::Closed(closed)) => Ok(closed),
            _ => Err(self.shared.why_not()),
        }
    }

    /// As [`WebSocket::closed`].
    pub fn closed(&self) -> Option<Closed> {
        self.shared.end().map(|end| match end {
            End::Closed(closed) | End::Failed { closed, .. } => closed,
        })
    }

    async fn place(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        // What is larger than the outbox waits until it is empty.
        let count = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.outbox_bytes);
        self.outbox.clone().acquire_many_owned(count).await.map_err(|_| self.shared.why_not())
    }

    fn order(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).map_err(|_| self.shared.why_not())
    }
}

/// The half that receives. A [`Stream`] of messages.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
    inbox_bytes: usize,
}

impl Receiver {
    /// As [`WebSocket::next`].
    ///
    /// # Errors
    /// The same.
    pub async fn next(&mut self) -> Option<Result<Payload, Error>> {
        poll_fn(|cx| self.shared.poll_next(cx, self.inbox_bytes)).await
    }
}

impl Stream for Receiver {
    type Item = Result<Payload, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.shared.poll_next(cx, self.inbox_bytes)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

/// How a connection was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The server's close code, 1005 when it gave none; when it gave no close frame the client's own, or 1006 when
    /// there was none at all.
    ///
    /// Source: RFC 6455 §7.1.5, §7.4.
    pub code: u16,
    /// The reason that came with it.
    pub reason: String,
    /// Whether both sides said goodbye.
    pub is_clean: bool,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => write!(f, "{}", self.code),
            reason => write!(f, "{} {reason:?}", self.code),
        }
    }
}
