//! The task of one connection: reads, writes, watches the time, and ends it in good order.
//!
//! In: the commands of the handles, the bytes of the socket, the time. Out: messages for the inbox, frames for the
//! socket, and how it ended. It is one future that turns all of this on until nothing moves, and it ends by itself:
//! every state but the open one has a deadline.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Closed;
use super::dial::Dialed;
use super::incoming::{Clock, Incoming, Said};
use super::options::Numbers;
use super::outgoing::Outgoing;
use super::shared::{End, Shared};
use super::transport::Transport;
use crate::error::{Error, ErrorCode};
use crate::message::Payload;
use crate::wire::{Violation, reply_code};

/// What a handle wants to be sent, in its order.
pub(crate) enum Command {
    Message(Payload, OwnedSemaphorePermit),
    /// A ping; its answer is how long the pong took.
    Ping(oneshot::Sender<Duration>),
}

pub(crate) struct Connection {
    transport: Transport,
    incoming: Incoming,
    outgoing: Outgoing,
    /// Something was written that may still be in the transport.
    is_unflushed: bool,
    /// Why the socket takes no more; what is still to read is read.
    deaf: Option<String>,
    commands: mpsc::UnboundedReceiver<Command>,
    outbox: Arc<Semaphore>,
    shared: Arc<Shared>,
    stage: Stage,
    /// When a closing connection is cut.
    cut_at: Option<Instant>,
    /// What the peer broke, while the host has not taken all that came before, and until when that is waited for:
    /// so that its answers go out before the close frame, as they would have on a line of one's own.
    broken: Option<(Violation, Instant)>,
    clock: Clock,
    /// When the last byte came, by the clock.
    heard_ms: u64,
    /// Since then the peer was pinged.
    is_pinged: bool,
    pings: VecDeque<(u64, Instant, oneshot::Sender<Duration>)>,
    ping_count: u64,
    timer: Pin<Box<Sleep>>,
    numbers: Numbers,
}

/// How far it is with closing.
enum Stage {
    Open,
    /// A handle wishes to close: first what was sent before.
    Emptying(u16, String),
    /// The close frame is written, the peer's has not come.
    Asked,
    /// It was the peer that broke the connection; or there were two close frames. What comes is not looked at: only
    /// the end of it is waited for, which is the server's to make (RFC 6455 §7.1.1).
    Ending(End),
}

impl Connection {
    pub(crate) fn new(
        dialed: Dialed,
        numbers: Numbers,
        commands: mpsc::UnboundedReceiver<Command>,
        outbox: Arc<Semaphore>,
        shared: Arc<Shared>,
    ) -> Connection {
        let terms = dialed.opened.deflate;
        let min_bytes = numbers.deflate_min_bytes as usize;
        Connection {
            transport: dialed.transport,
            incoming: Incoming::new(&dialed.rest, terms, &numbers),
            outgoing: Outgoing::new(dialed.masks, terms, min_bytes),
            is_unflushed: false,
            deaf: None,
            commands,
            outbox,
            shared,
            stage: Stage::Open,
            cut_at: None,
            broken: None,
            clock: Clock::new(),
            heard_ms: 0,
            is_pinged: false,
            pings: VecDeque::new(),
            ping_count: 0,
            timer: Box::pin(sleep_until(Instant::now())),
            numbers,
        }
    }

    /// Runs to the end.
    pub(crate) async fn run(mut self) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        // A farewell of TLS, if it is taken at once; the socket is closed when this is dropped.
        let _ = poll_fn(|cx| Poll::Ready(self.transport.poll_shutdown(cx))).await;
        self.shared.finish(end);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            match self.turn(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(end) => return Poll::Ready(end),
            }
        }
    }

    /// Gives whether anything moved; when nothing does, all that could move it will wake the task.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let (wish, is_abandoned) = self.shared.attend(cx);
        if let (Some((code, reason)), Stage::Open) = (wish, &self.stage) {
            self.start_closing(code, reason);
        }
        let mut moved = self.take_commands(cx, is_abandoned)?;
        moved |= self.write(cx);
        moved |= self.read(cx)?;
        moved |= self.watch_time(cx)?;
        Ok(moved)
    }

    fn take_commands(&mut self, cx: &mut Context<'_>, is_abandoned: bool) -> Result<bool, End> {
        let mut moved = false;
        while matches!(self.stage, Stage::Open | Stage::Emptying(..)) && self.outgoing.has_room() {
            moved |= self.outgoing.catch_up().map_err(end_of)?;
            match self.commands.poll_recv(cx) {
                Poll::Ready(Some(Command::Message(message, permit))) => {
                    self.outgoing.message(&message, permit).map_err(end_of)?;
                }
                Poll::Ready(Some(Command::Ping(answer))) => {
                    self.pings.retain(|(_, _, answer)| !answer.is_closed());
                    self.ping_count += 1;
                    self.pings.push_back((self.ping_count, Instant::now(), answer));
                    self.outgoing.ping(&self.ping_count.to_be_bytes()).map_err(end_of)?;
                }
                Poll::Ready(None) if matches!(self.stage, Stage::Open) => {
                    if !is_abandoned {
                        break;
                    }
                    // All handles are gone.
                    self.start_closing(GOING_AWAY, String::new());
                }
                Poll::Ready(None) | Poll::Pending => {
                    let Stage::Emptying(code, reason) = &self.stage else { break };
                    // The runtime may make a task pause that has much to do: then more is waiting.
                    if !self.commands.is_empty() {
                        break;
                    }
                    self.outgoing.close(*code, reason).map_err(end_of)?;
                    self.stage = Stage::Asked;
                }
            }
            moved = true;
        }
        Ok(moved)
    }

    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while !self.outgoing.unsent().is_empty() {
            match self.transport.poll_write(cx, self.outgoing.unsent()) {
                Poll::Pending => return moved,
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.outgoing.take(count);
                    self.is_unflushed = true;
                }
                Poll::Ready(taken) => self.be_deaf(taken.err()),
            }
            moved = true;
        }
        if self.is_unflushed {
            match self.transport.poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.is_unflushed = false,
                Poll::Ready(Err(error)) => {
                    self.is_unflushed = false;
                    self.be_deaf(Some(error));
                }
            }
        }
        moved
    }

    /// The peer takes nothing more. What it said before, a close frame perhaps, is in the socket still.
    fn be_deaf(&mut self, error: Option<std::io::Error>) {
        let why = error.map_or_else(|| "it takes no more".to_owned(), |error| error.to_string());
        self.deaf.get_or_insert(why);
        self.outgoing.clear();
        self.limit_closing();
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let mut moved = false;
        loop {
            if let Stage::Ending(_) = self.stage {
                self.incoming.clear();
            } else if let Some((violation, until)) = self.broken {
                let is_drained = self.shared.is_drained() && self.commands.is_empty();
                if !is_drained && Instant::now() < until {
                    return Ok(moved);
                }
                self.broken = None;
                self.refuse(violation)?;
                moved = true;
                continue;
            } else if !self.shared.may_read(self.numbers.inbox_bytes as usize) {
                self.clock.stop();
                return Ok(moved);
            }
            self.clock.go_on();
            if !self.incoming.is_used_up() {
                match self.incoming.next(self.clock.now_ms()) {
                    Ok(Some(said)) => self.hear(said)?,
                    Ok(None) => {}
                    Err(violation) => {
                        let patience = Duration::from_millis(self.numbers.close_timeout_ms);
                        self.broken = Some((violation, Instant::now() + patience));
                        // Nothing more is read, so nothing can show that the peer lives.
                        self.clock.stop();
                    }
                }
                moved = true;
                continue;
            }
            match self.transport.poll_read(cx, self.incoming.space()) {
                Poll::Pending => return Ok(moved),
                Poll::Ready(Ok(len)) if len > 0 => {
                    self.incoming.filled(len);
                    self.heard_ms = self.clock.now_ms();
                    self.is_pinged = false;
                }
                Poll::Ready(ended) => return Err(self.ended(ended.err())),
            }
            moved = true;
        }
    }

    fn hear(&mut self, said: Said) -> Result<(), End> {
        match said {
            Said::Message(message) => self.shared.deliver(message),
            // Nothing may follow a close frame of our own.
            Said::Ping(payload) if matches!(self.stage, Stage::Open | Stage::Emptying(..)) => {
                if self.deaf.is_none() {
                    self.outgoing.pong(&payload).map_err(end_of)?;
                }
            }
            Said::Ping(_) => {}
            Said::Pong(payload) => {
                // A pong answers the pings before it too (RFC 6455 §5.5.3).
                let Ok(number) = payload.as_slice().try_into().map(u64::from_be_bytes) else { return Ok(()) };
                if self.pings.iter().any(|(sent, ..)| *sent == number) {
                    let answered = self.pings.iter().take_while(|(sent, ..)| *sent <= number).count();
                    for (_, at, answer) in self.pings.drain(..answered) {
                        let _ = answer.send(at.elapsed());
                    }
                }
            }
            Said::Close(close) => {
                let code = reply_code(close.as_ref().map(|(code, reason)| (*code, reason.as_str())));
                if !matches!(self.stage, Stage::Asked) && self.deaf.is_none() {
                    self.outgoing.close(code, "").map_err(end_of)?;
                }
                let reason = close.map(|(_, reason)| reason).unwrap_or_default();
                self.await_end(End::Closed(Closed { code, reason, is_clean: true }));
            }
        }
        Ok(())
    }

    /// The peer broke a rule: says which, and ends the connection.
    fn refuse(&mut self, violation: Violation) -> Result<(), End> {
        let Violation { code, reason } = violation;
        if !matches!(self.stage, Stage::Asked) && self.deaf.is_none() {
            self.outgoing.close(code, reason).map_err(end_of)?;
        }
        let closed = Closed { code, reason: reason.into(), is_clean: false };
        let words = format!("the peer was refused with {code}: {reason}");
        self.await_end(End::Failed { code: ErrorCode::PeerViolation, words, closed });
        Ok(())
    }

    fn start_closing(&mut self, code: u16, reason: String) {
        self.stage = Stage::Emptying(code, reason);
        self.limit_closing();
    }

    fn await_end(&mut self, end: End) {
        self.stage = Stage::Ending(end);
        self.pings.clear();
        self.limit_closing();
    }

    /// From here on there is a deadline, and nothing new is sent.
    fn limit_closing(&mut self) {
        self.outbox.close();
        let limit = Duration::from_millis(self.numbers.close_timeout_ms);
        self.cut_at.get_or_insert_with(|| Instant::now() + limit);
    }

    /// What it means that no more bytes come.
    fn ended(&mut self, error: Option<std::io::Error>) -> End {
        match std::mem::replace(&mut self.stage, Stage::Asked) {
            Stage::Ending(end) => end,
            _ => End::lost(match (error, self.deaf.take()) {
                (Some(error), _) => format!("the connection broke: {error}"),
                (None, Some(why)) => format!("the connection broke: {why}"),
                (None, None) => "the peer ended the connection without a closing handshake".to_owned(),
            }),
        }
    }

    fn watch_time(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let now = Instant::now();
        let numbers = &self.numbers;
        let mut next = self.cut_at;
        if next.is_some_and(|at| at <= now) {
            let limit_ms = numbers.close_timeout_ms;
            return Err(match std::mem::replace(&mut self.stage, Stage::Asked) {
                Stage::Ending(end) => end,
                _ => End::lost(match self.deaf.take() {
                    Some(why) => format!("the connection broke: {why}"),
                    None => format!("no closing handshake within {limit_ms} ms (close_timeout_ms)"),
                }),
            });
        }
        next = next.into_iter().chain(self.broken.map(|(_, until)| until)).min();
        let mut wait = |ms| {
            let at = self.clock.at_ms(ms);
            next = next.into_iter().chain(at).min();
        };
        let now_ms = self.clock.now_ms();
        if !matches!(self.stage, Stage::Ending(_))
            && let Some(due_ms) = self.incoming.due_ms()
        {
            if self.incoming.is_overdue(now_ms) {
                self.refuse(Violation { code: 1008, reason: "a message took too long to arrive" })?;
                return Ok(true);
            }
            wait(due_ms);
        }
        if matches!(self.stage, Stage::Open) && numbers.heartbeat_interval_ms > 0 {
            let ping_ms = self.heard_ms + numbers.heartbeat_interval_ms;
            let dead_ms = ping_ms + numbers.heartbeat_timeout_ms;
            if now_ms >= dead_ms {
                let silence = dead_ms - self.heard_ms;
                return Err(End::lost(format!(
                    "nothing has come from the peer for {silence} ms (heartbeat_interval_ms and heartbeat_timeout_ms)"
                )));
            }
            if now_ms >= ping_ms && !self.is_pinged {
                self.is_pinged = true;
                self.outgoing.ping(b"").map_err(end_of)?;
                return Ok(true);
            }
            wait(if self.is_pinged { dead_ms } else { ping_ms });
        }
        let Some(next) = next else { return Ok(false) };
        // Set anew only for what comes earlier: mostly something is heard long before, and it would be for nothing.
        if self.timer.is_elapsed() || next < self.timer.deadline() {
            self.timer.as_mut().reset(next);
        }
        Ok(self.timer.as_mut().poll(cx).is_ready())
    }
}

impl Drop for Connection {
    /// Also when the runtime ends before the connection: nobody waits for ever.
    fn drop(&mut self) {
        self.outbox.close();
        self.shared.finish(End::lost("the runtime ended"));
    }
}

fn end_of(error: Error) -> End {
    let closed = Closed { code: 1006, reason: String::new(), is_clean: false };
    End::Failed { code: error.code(), words: error.message(), closed }
}

/// RFC 6455 §7.4.1.
const GOING_AWAY: u16 = 1001;
