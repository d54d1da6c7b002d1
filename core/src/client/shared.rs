//! What a connection's task and its handles have in common: the inbox, the wish to close, and how it ended.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Closed;
use crate::error::{Error, ErrorCode};
use crate::message::Payload;

/// How a connection ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// By the closing handshake.
    Closed(Closed),
    /// In any other way.
    Failed { code: ErrorCode, words: String, closed: Closed },
}

impl End {
    /// Without a closing handshake.
    pub(crate) fn lost(words: impl Into<String>) -> End {
        let closed = Closed { code: 1006, reason: String::new(), is_clean: false };
        End::Failed { code: ErrorCode::ConnectionLost, words: words.into(), closed }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What has come and was not taken yet.
    messages: VecDeque<Payload>,
    held_bytes: usize,
    /// Nobody will ever take any.
    is_abandoned: bool,
    /// The task reads nothing, because there is no place.
    is_blocked: bool,
    /// The task waits until all that came was taken, and more is asked for.
    awaits_reader: bool,
    /// Somebody wants to close, with that code and reason.
    close: Option<(u16, String)>,
    end: Option<End>,
    /// The failure was told to the reader, once.
    is_told: bool,
    reader: Option<Waker>,
    task: Option<Waker>,
}

impl Shared {
    /// The next message; `None` at the end, and before that the failure, if that is what it was.
    pub(crate) fn poll_next(
        &self,
        cx: &mut Context<'_>,
        max_bytes: usize,
    ) -> Poll<Option<Result<Payload, Error>>> {
        let mut state = self.lock();
        if let Some(message) = state.messages.pop_front() {
            state.held_bytes -= held_bytes(&message);
            let has_place = state.has_place(max_bytes);
            let task = if state.is_blocked && has_place { state.task.take() } else { None };
            drop(state);
            wake(task);
            return Poll::Ready(Some(Ok(message)));
        }
        match &state.end {
            None => {
                state.reader = Some(cx.waker().clone());
                let task = if state.awaits_reader { state.task.take() } else { None };
                drop(state);
                wake(task);
                Poll::Pending
            }
            Some(End::Closed(_)) => Poll::Ready(None),
            Some(End::Failed { .. }) if state.is_told => Poll::Ready(None),
            Some(End::Failed { code, words, .. }) => {
                let error = Error::new(*code, words.as_str());
                state.is_told = true;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    /// The task: puts a message in the inbox. From the wish to close on, or without a reader, it goes nowhere.
    pub(crate) fn deliver(&self, message: Payload) {
        let mut state = self.lock();
        if state.is_abandoned || state.close.is_some() {
            return;
        }
        state.held_bytes += held_bytes(&message);
        state.messages.push_back(message);
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }

    /// The task: whether a message that comes now has a place, or needs none.
    pub(crate) fn may_read(&self, max_bytes: usize) -> bool {
        let mut state = self.lock();
        let may_read = state.is_abandoned || state.close.is_some() || state.has_place(max_bytes);
        state.is_blocked = !may_read;
        may_read
    }

    /// The task: whether all that came was taken and more is asked for, or nobody will ask.
    pub(crate) fn is_drained(&self) -> bool {
        let mut state = self.lock();
        let is_asked = state.messages.is_empty() && state.reader.is_some();
        let is_drained = is_asked || state.is_abandoned || state.close.is_some();
        state.awaits_reader = !is_drained;
        is_drained
    }

    /// The task: is to be woken when a handle wants something. Gives the wish to close, and whether anybody reads.
    pub(crate) fn attend(&self, cx: &mut Context<'_>) -> (Option<(u16, String)>, bool) {
        let mut state = self.lock();
        state.task = Some(cx.waker().clone());
        (state.close.clone(), state.is_abandoned)
    }

    /// The task, or its end: nothing more will come.
    pub(crate) fn finish(&self, end: End) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(end);
        }
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }

    /// A handle: wishes to close. The first wish holds.
    pub(crate) fn close(&self, code: u16, reason: &str) {
        let mut state = self.lock();
        state.close.get_or_insert_with(|| (code, reason.to_owned()));
        let task = state.task.take();
        drop(state);
        wake(task);
    }

    /// A handle: nobody will read any more.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.is_abandoned = true;
        state.messages = VecDeque::new();
        state.held_bytes = 0;
        let task = state.task.take();
        drop(state);
        wake(task);
    }

    pub(crate) fn end(&self) -> Option<End> {
        self.lock().end.clone()
    }

    /// Why nothing can be sent any more.
    pub(crate) fn why_not(&self) -> Error {
        match self.end() {
            None => Error::new(ErrorCode::ConnectionClosed, "the connection is closing"),
            Some(End::Closed(closed)) => {
                Error::new(ErrorCode::ConnectionClosed, format!("the connection is closed: {closed}"))
            }
            Some(End::Failed { code, words, .. }) => Error::new(code, words),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_place(&self, max_bytes: usize) -> bool {
        self.held_bytes < max_bytes
    }
}

/// What a message counts in the inbox and the outbox.
pub(crate) fn held_bytes(message: &Payload) -> usize {
    message.as_bytes().len() + OVERHEAD_BYTES
}

/// Outside the lock: a waker may do anything.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// So that messages of no bytes at all are bounded too.
pub(crate) const OVERHEAD_BYTES: usize = 64;
