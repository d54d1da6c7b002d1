//! The task of one chat: carries out what the machine wants, and tells it what happens.
//!
//! In: the socket, the time, tokens, what the handles ask for. Out: connections, texts, closes, what is to be kept.
//! It waits for all of it at once and for nothing in particular, so it can neither be blocked by a slow server nor by a
//! slow host: while the host takes no events, the socket is not read, and everything else goes on.

use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::event::{Action, Event};
use super::options::{ChatOptions, Fetching};
use super::shared::Shared;
use crate::client::{Closed, Options, Receiver, Sender, WebSocket};
use crate::error::{Error, ErrorCode};
use crate::message::Payload;

type Opening = Pin<Box<dyn Future<Output = Result<WebSocket, Error>> + Send>>;
type Sending = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

pub(super) struct Driver {
    shared: Arc<Shared>,
    options: ChatOptions,
    socket: Options,
    opening: Option<Opening>,
    line: Option<(Sender, Receiver)>,
    /// What is to be sent, and the text that waits for a place in the socket's outbox.
    texts: VecDeque<String>,
    sending: Option<Sending>,
    fetching: Option<Fetching>,
    /// Connections that are being closed.
    closing: Vec<JoinHandle<()>>,
}

/// What the task waits for.
enum Moved {
    /// A handle wants something, or time has passed.
    News,
    Opened(Result<WebSocket, Error>),
    Read(Option<Result<Payload, Error>>),
    Sent,
    Token(Result<String, Error>),
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, options: ChatOptions) -> Driver {
        // The heartbeat is the dialect's own.
        let socket = options.socket.clone().subprotocol(SUBPROTOCOL).heartbeat_interval_ms(0);
        Driver {
            shared,
            options,
            socket,
            opening: None,
            line: None,
            texts: VecDeque::new(),
            sending: None,
            fetching: None,
            closing: Vec::new(),
        }
    }

    /// Runs until the chat is closed for good and its last connection is gone.
    pub(super) async fn run(mut self) {
        self.shared.with(|machine, now_ms| machine.start(now_ms));
        loop {
            self.act();
            if self.shared.is_closed() {
                break;
            }
            let moved = self.next().await;
            self.take(moved);
        }
        for closing in std::mem::take(&mut self.closing) {
            // Each has a deadline of its own.
            let _ = closing.await;
        }
    }

    /// Carries out what the machine wants.
    fn act(&mut self) {
        while let Some(action) = self.shared.next_action() {
            match action {
                Action::Connect => {
                    let (url, socket) = (self.options.url.clone(), self.socket.clone());
                    self.opening = Some(Box::pin(async move { WebSocket::connect(&url, &socket).await }));
                }
                Action::Send(text) => self.texts.push_back(text),
                Action::Close { code, reason } => self.hang_up(code, reason),
                Action::Token => {
                    self.fetching = self.options.fetch_token.as_ref().map(|fetch| fetch());
                }
                Action::Save => self.save(),
                // Answers and events were given on before.
                Action::Event(_) | Action::Answered { .. } => {}
            }
        }
    }

    fn save(&self) {
        let Some(store) = &self.options.store else { return };
        if let Err(error) = store.save(&self.shared.look(|machine| machine.saved())) {
            self.shared.tell(Event::Error(error));
        }
    }

    /// Closes the connection in a task of its own, once what waits has been sent.
    fn hang_up(&mut self, code: u16, reason: String) {
        self.opening = None;
        let (texts, sending) = (std::mem::take(&mut self.texts), self.sending.take());
        let Some((sender, receiver)) = self.line.take() else { return };
        self.closing.retain(|closing| !closing.is_finished());
        self.closing.push(tokio::spawn(async move {
            let rest = async {
                if let Some(sending) = sending {
                    sending.await?;
                }
                for text in texts {
                    sender.send(text).await?;
                }
                Ok::<(), Error>(())
            };
            // Nobody reads any more, so a server that waits for that takes nothing either.
            let _ = timeout(FAREWELL, rest).await;
            drop(receiver);
            let _ = sender.close(code, &reason).await;
        }));
    }

    async fn next(&mut self) -> Moved {
        if self.sending.is_none()
            && let (Some((sender, _)), Some(text)) = (&self.line, self.texts.pop_front())
        {
            let sender = sender.clone();
            self.sending = Some(Box::pin(async move { sender.send(text).await }));
        }
        let may_read = self.shared.has_place();
        let Driver { shared, opening, line, sending, fetching, .. } = self;
        let mut news = pin!(shared.news.notified());
        let mut time = pin!(sleep(shared.wait().unwrap_or(FAR)));
        let mut reading = pin!(async {
            match line {
                Some((_, receiver)) if may_read => receiver.next().await,
                _ => pending().await,
            }
        });
        // What is rare comes first, so that a server that says very much keeps nothing from being done.
        poll_fn(|cx| {
            if let Poll::Ready(opened) = poll_maybe(opening, cx) {
                return Poll::Ready(Moved::Opened(opened));
            }
            if let Poll::Ready(token) = poll_maybe(fetching, cx) {
                return Poll::Ready(Moved::Token(token));
            }
            if poll_maybe(sending, cx).is_ready() {
                return Poll::Ready(Moved::Sent);
            }
            if let Poll::Ready(read) = reading.as_mut().poll(cx) {
                return Poll::Ready(Moved::Read(read));
            }
            let is_news = news.as_mut().poll(cx).is_ready() || time.as_mut().poll(cx).is_ready();
            if is_news { Poll::Ready(Moved::News) } else { Poll::Pending }
        })
        .await
    }

    fn take(&mut self, moved: Moved) {
        match moved {
            Moved::News => {}
            Moved::Opened(opened) => {
                self.opening = None;
                match opened.and_then(check) {
                    Ok(socket) => {
                        self.line = Some(socket.split());
                        self.shared.with(|machine, now_ms| machine.opened(now_ms));
                    }
                    Err(error) => self.shared.with(|machine, now_ms| machine.failed(&error, now_ms)),
                }
            }
            Moved::Read(Some(Ok(Payload::Text(text)))) => {
                self.shared.with(|machine, now_ms| machine.received(&text, now_ms));
            }
            // The dialect has none.
            Moved::Read(Some(Ok(Payload::Binary(_)))) => {}
            Moved::Read(_) => self.lose(),
            // If it was not sent, reading tells why.
            Moved::Sent => self.sending = None,
            Moved::Token(token) => {
                self.fetching = None;
                self.shared.with(|machine, now_ms| machine.token(token, now_ms));
            }
        }
        let is_deaf = self.line.is_some() && !self.shared.has_place();
        self.shared.with(|machine, now_ms| {
            if is_deaf {
                // It is this side that does not listen: who knows what the server says.
                machine.heard(now_ms);
            }
            machine.tick(now_ms);
        });
    }

    /// The connection has ended.
    fn lose(&mut self) {
        let closed = self.line.take().and_then(|(sender, _)| sender.closed());
        self.texts.clear();
        self.sending = None;
        let lost = Closed { code: 1006, reason: String::new(), is_clean: false };
        let Closed { code, reason, .. } = closed.unwrap_or(lost);
        self.shared.with(|machine, now_ms| machine.closed(code, &reason, now_ms));
    }
}

impl Drop for Driver {
    /// Also when the runtime ends before the chat.
    fn drop(&mut self) {
        self.shared.end();
    }
}

/// A server that does not speak the dialect may answer 101 all the same.
fn check(socket: WebSocket) -> Result<WebSocket, Error> {
    match socket.subprotocol() {
        Some(SUBPROTOCOL) => Ok(socket),
        _ => Err(Error::new(ErrorCode::HandshakeRefused, "the server does not speak klatsch.v1 there")),
    }
}

/// Looks at what is under way, if anything is.
fn poll_maybe<T>(
    future: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    cx: &mut Context<'_>,
) -> Poll<T> {
    match future {
        Some(future) => future.as_mut().poll(cx),
        None => Poll::Pending,
    }
}

const SUBPROTOCOL: &str = "klatsch.v1";
/// For what is still to be sent before a close frame.
const FAREWELL: Duration = Duration::from_secs(1);
/// Where nothing is to be done at any time, that is looked at again some day.
const FAR: Duration = Duration::from_secs(3_600);
