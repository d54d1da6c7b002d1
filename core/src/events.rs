//! The queue of events between the engine and its host: bounded, in order, with one reader.
//!
//! The engine never waits for the host. What finds no place is counted, and told as one `missed` event
//! where it would have stood.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::{Error, ErrorCode};
use crate::event::Event;

/// What becomes of an event that must not be dropped for want of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It finds a place.
    Free,
    /// There is no place now.
    Full,
    /// Nobody reads events of its kind: it needs none.
    NotWanted,
}

/// The engine's side of the queue.
pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    max_count: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    missed: u64,
    taken: bool,
    /// The kinds that the reader wants beside those that always come; `None`: every kind.
    wanted: Option<Box<[&'static str]>>,
    closed: bool,
    /// Somebody was told that there is no place, and waits to hear that there is again.
    starved: bool,
    task: Option<Waker>,
    on_ready: Option<Arc<dyn Fn() + Send + Sync>>,
    on_space: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Queue {
    pub(crate) fn new(max_count: u64, max_bytes: u64) -> Queue {
        Queue {
            state: Mutex::default(),
            arrived: Condvar::new(),
            max_count: usize::try_from(max_count).unwrap_or(usize::MAX),
            max_bytes: usize::try_from(max_bytes).unwrap_or(usize::MAX),
        }
    }

    /// Adds an event, if somebody reads events of its kind. Gives whether it is in the queue now.
    pub(crate) fn push(&self, event: Event) -> bool {
        let mut state = self.lock();
        if !state.hears(event.kind()) {
            return false;
        }
        let bytes = event.held_bytes();
        // A place is kept for the `missed` event itself.
        if state.events.len() + 1 >= self.max_count || !self.holds(&state, bytes) {
            state.missed += 1;
            return false;
        }
        let was_empty = state.is_empty();
        state.tell_missed();
        state.bytes += bytes;
        state.events.push_back(event);
        if was_empty {
            self.wake(state);
        }
        true
    }

    /// What would become of what a raw connection sends, if it holds so many bytes. If it must wait, `on_space`
    /// is called when there is place again, or nobody wants it any more.
    pub(crate) fn place_for_received(&self, bytes: usize) -> Place {
        let mut state = self.lock();
        if !state.hears(RECEIVED) {
            return Place::NotWanted;
        }
        if state.events.len() + 1 < self.max_count && self.holds(&state, bytes) {
            return Place::Free;
        }
        state.starved = true;
        Place::Full
    }

    /// Sets what is called when there is place again.
    pub(crate) fn on_space(&self, call: Option<Arc<dyn Fn() + Send + Sync>>) {
        self.lock().on_space = call;
    }

    /// How many events wait for the host.
    pub(crate) fn waiting_count(&self) -> u64 {
        self.lock().events.len() as u64
    }

    /// How many bytes of text and payload wait in them.
    pub(crate) fn held_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Ends the queue: its reader gets what waits, and then nothing more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake(state);
    }

    /// Gives the reader's side.
    ///
    /// # Errors
    /// `events_taken`.
    pub(crate) fn reader(self: &Arc<Queue>) -> Result<Events, Error> {
        let mut state = self.lock();
        if state.taken {
            return Err(Error::new(
                ErrorCode::EventsTaken,
                "the events have a reader already; drop it first",
            ));
        }
        state.taken = true;
        drop(state);
        Ok(Events { queue: self.clone() })
    }

    /// A single event may be larger than the bound, if nothing else waits.
    fn holds(&self, state: &State, bytes: usize) -> bool {
        bytes == 0 || state.bytes == 0 || state.bytes + bytes <= self.max_bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock, and half a push would still be a valid queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let (task, on_ready) = (state.task.take(), state.on_ready.clone());
        drop(state);
        self.arrived.notify_one();
        if let Some(task) = task {
            task.wake();
        }
        if let Some(call) = on_ready {
            call();
        }
    }
}

impl State {
    /// Whether events of this kind are read.
    fn hears(&self, kind: &str) -> bool {
        let wants = |wanted: &[&str]| wanted.contains(&kind) || ALWAYS_WANTED.contains(&kind);
        self.taken && self.wanted.as_deref().is_none_or(wants)
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.missed == 0
    }

    fn tell_missed(&mut self) {
        if self.missed > 0 {
            let count = std::mem::take(&mut self.missed);
            self.events.push_back(Event::Missed { count });
        }
    }

    fn pop(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            self.tell_missed();
        }
        let event = self.events.pop_front()?;
        self.bytes -= event.held_bytes();
        if self.events.is_empty() && self.events.capacity() > KEPT_CAPACITY {
            self.events = VecDeque::new();
        }
        Some(event)
    }

    /// What to call when there is place again for somebody who waits for it, or nobody wants what waits.
    fn relief(&mut self, max_count: usize, max_bytes: usize) -> Option<Arc<dyn Fn() + Send + Sync>> {
        let has_place = self.events.len() <= max_count / 2 && self.bytes <= max_bytes / 2;
        let relieved = self.starved && (has_place || !self.hears(RECEIVED));
        if relieved {
            self.starved = false;
        }
        self.on_space.clone().filter(|_| relieved)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.lock().events.len()).finish_non_exhaustive()
    }
}

/// The engine's events, in the order in which they happened: a [`Stream`](futures_core::Stream) for async
/// hosts, and the same for threads. Lives through stops and starts, and ends when the engine is dropped.
///
/// At most `event_queue_count` events wait, and `event_queue_bytes` of text in them. What comes beyond is
/// dropped, counted, and told as [`Event::Missed`] in its place. What raw connections send is never dropped:
/// they are read no further until there is place.
#[derive(Debug)]
pub struct Events {
    queue: Arc<Queue>,
}

impl Events {
    /// Waits on this thread for the next event; `None` when the engine has been dropped.
    pub fn next_blocking(&mut self) -> Option<Event> {
        let mut state = self.queue.lock();
        loop {
            if let Some(event) = state.pop() {
                self.relieve(state);
                return Some(event);
            }
            if state.closed {
                return None;
            }
            state = self.queue.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes at most `limit` events that wait, without waiting.
    pub fn drain(&mut self, limit: usize) -> Vec<Event> {
        let mut state = self.queue.lock();
        let mut taken = Vec::with_capacity(limit.min(state.events.len() + 1));
        while taken.len() < limit {
            let Some(event) = state.pop() else { break };
            taken.push(event);
        }
        self.relieve(state);
        taken
    }

    /// Calls `wake` whenever the queue goes from empty to not empty (and at once if it is not), on whichever
    /// thread that happens, and when the engine is dropped: for a host with a loop of its own, which then calls
    /// [`drain`](Events::drain) until that gives nothing. `wake` must be quick and must not call the engine.
    pub fn on_ready(&mut self, wake: impl Fn() + Send + Sync + 'static) {
        let wake = Arc::new(wake);
        let mut state = self.queue.lock();
        state.on_ready = Some(wake.clone());
        let ready = !state.is_empty() || state.closed;
        drop(state);
        if ready {
            wake();
        }
    }

    /// Says which kinds of events are wanted, by their names in [`Event::KINDS`]; until this is called, every kind.
    /// Others are dropped where they happen: nobody is woken for them, and they are not counted as missed. It is so
    /// for what happens from now on; what waits already stays. What raw connections send while nobody wants
    /// `received` is read and forgotten.
    ///
    /// `question` and `missed` come in any case: silence would refuse, and nothing wanted is lost without a word.
    ///
    /// ```
    /// # let engine = klatsch::Engine::new(klatsch::Options::new().listen("127.0.0.1:0"))?;
    /// let mut events = engine.events()?;
    /// events.want(&["joined", "left", "error"])?;
    /// # Ok::<(), klatsch::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument`: there is no such kind; nothing has changed then.
    pub fn want(&mut self, kinds: &[&str]) -> Result<(), Error> {
        let known = |kind: &&str| {
            Event::KINDS.iter().copied().find(|known| known == kind).ok_or_else(|| {
                let words =
                    format!("there is no kind of event {kind:?}; there is {}", Event::KINDS.join(", "));
                Error::new(ErrorCode::InvalidArgument, words)
            })
        };
        let wanted = kinds.iter().map(known).collect::<Result<_, _>>()?;
        let mut state = self.queue.lock();
        state.wanted = Some(wanted);
        self.relieve(state);
        Ok(())
    }

    /// Whether the engine has been dropped and every event been taken.
    pub fn is_closed(&self) -> bool {
        let state = self.queue.lock();
        state.closed && state.is_empty()
    }

    fn relieve(&self, mut state: MutexGuard<'_, State>) {
        let call = state.relief(self.queue.max_count, self.queue.max_bytes);
        drop(state);
        if let Some(call) = call {
            call();
        }
    }
}

impl futures_core::Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut state = self.queue.lock();
        if let Some(event) = state.pop() {
            self.relieve(state);
            return Poll::Ready(Some(event));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.task = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        let dropped = std::mem::take(&mut state.events);
        state.bytes = 0;
        state.missed = 0;
        state.taken = false;
        state.wanted = None;
        state.task = None;
        state.on_ready = None;
        self.relieve(state);
        drop(dropped);
    }
}

/// What comes whatever is wanted: silence would refuse, and nothing wanted is lost without a word.
const ALWAYS_WANTED: [&str; 2] = ["question", "missed"];
/// The kind of what raw connections send.
const RECEIVED: &str = "received";
/// A queue that has drained gives memory back beyond this many places.
const KEPT_CAPACITY: usize = 256;

#[cfg(test)]
mod tests;
