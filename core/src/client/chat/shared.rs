//! What a chat's task and its handles have in common: the machine, who waits for which answer, and the events.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::event::{Action, Event, State};
use super::machine::Machine;
use super::request::{Reply, Request, RequestId};
use crate::error::{Error, ErrorCode};

/// An answer on its way to whoever waits for it.
pub(super) type Answer = oneshot::Receiver<Result<Reply, Error>>;

#[derive(Debug)]
pub(super) struct Shared {
    inside: Mutex<Inside>,
    /// The task has something to do.
    pub(super) news: Notify,
    clock: Clock,
    max_event_count: usize,
    has_events: bool,
}

#[derive(Debug)]
struct Inside {
    machine: Machine,
    waiters: HashMap<RequestId, oneshot::Sender<Result<Reply, Error>>>,
    /// What an earlier process asked for: nobody waits for it here.
    inherited: HashSet<RequestId>,
    events: VecDeque<Event>,
    readers: Vec<Waker>,
    /// The task has ended, or the runtime.
    is_over: bool,
    closers: Vec<Waker>,
}

/// Milliseconds since 1970 that do not go back, and go on while the computer sleeps.
#[derive(Debug)]
struct Clock {
    began: Instant,
    began_ms: u64,
}

impl Shared {
    pub(super) fn new(machine: Machine, max_event_count: usize, has_events: bool) -> Shared {
        let inherited = machine.outbox().map(|(request, ..)| request).collect();
        let inside = Inside {
            machine,
            waiters: HashMap::new(),
            inherited,
            events: VecDeque::new(),
            readers: Vec::new(),
            is_over: false,
            closers: Vec::new(),
        };
        Shared {
            inside: Mutex::new(inside),
            news: Notify::new(),
            clock: Clock { began: Instant::now(), began_ms: unix_ms() },
            max_event_count,
            has_events,
        }
    }

    /// Does something with the machine. The task must carry out what that wants.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Machine, u64) -> T) -> T {
        act(&mut self.lock().machine, self.clock.now_ms())
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.lock().machine)
    }

    pub(super) fn ask(&self, request: Request) -> Answer {
        let (answer, receiver) = oneshot::channel();
        let mut inside = self.lock();
        if inside.is_over {
            let words = "the chat is closed, or its runtime has ended";
            let _ = answer.send(Err(Error::new(ErrorCode::ConnectionClosed, words)));
            return receiver;
        }
        let id = inside.machine.request(request, self.clock.now_ms());
        inside.waiters.insert(id, answer);
        drop(inside);
        self.news.notify_one();
        receiver
    }

    /// The task: what it must do itself. Answers and events are given on by the way.
    pub(super) fn next_action(&self) -> Option<Action> {
        loop {
            let mut inside = self.lock();
            match inside.machine.next_action()? {
                Action::Answered { request, result } => {
                    let is_inherited = inside.inherited.remove(&request);
                    let waiter = inside.waiters.remove(&request);
                    drop(inside);
                    match (waiter, result) {
                        // Whoever asked may have stopped waiting.
                        (Some(waiter), result) => drop(waiter.send(result)),
                        (None, Err(error)) if is_inherited => self.tell(Event::Error(error)),
                        (None, _) => {}
                    }
                }
                Action::Event(event) => {
                    drop(inside);
                    self.tell(event);
                }
                action => return Some(action),
            }
        }
    }

    pub(super) fn tell(&self, event: Event) {
        if !self.has_events {
            return;
        }
        let mut inside = self.lock();
        inside.events.push_back(event);
        let readers = std::mem::take(&mut inside.readers);
        drop(inside);
        // Outside the lock: a waker may do anything.
        readers.into_iter().for_each(Waker::wake);
    }

    /// The task: whether more may be read.
    pub(super) fn has_place(&self) -> bool {
        self.lock().events.len() < self.max_event_count
    }

    pub(super) fn poll_event(&self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut inside = self.lock();
        if let Some(event) = inside.events.pop_front() {
            let is_wanted = inside.events.len() + 1 == self.max_event_count;
            drop(inside);
            if is_wanted {
                self.news.notify_one();
            }
            return Poll::Ready(Some(event));
        }
        if inside.is_over {
            return Poll::Ready(None);
        }
        register(&mut inside.readers, cx);
        Poll::Pending
    }

    /// Waits until the task has ended.
    pub(super) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inside = self.lock();
        if inside.is_over {
            return Poll::Ready(());
        }
        register(&mut inside.closers, cx);
        Poll::Pending
    }

    /// How long until the machine wants to be woken.
    pub(super) fn wait(&self) -> Option<Duration> {
        let inside = self.lock();
        let at_ms = inside.machine.next_deadline_ms()?;
        Some(Duration::from_millis(at_ms.saturating_sub(self.clock.now_ms())))
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.look(Machine::state), State::Closed { .. })
    }

    /// The task has ended, be it with its runtime: nobody waits for ever.
    pub(super) fn end(&self) {
        let mut inside = self.lock();
        inside.is_over = true;
        inside.waiters.clear();
        let readers = std::mem::take(&mut inside.readers);
        let closers = std::mem::take(&mut inside.closers);
        drop(inside);
        readers.into_iter().chain(closers).for_each(Waker::wake);
    }

    /// A handle: closes for good.
    pub(super) fn close(&self) {
        self.with(|machine, now_ms| machine.close(now_ms));
        self.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // No code that can panic runs under this lock.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    fn now_ms(&self) -> u64 {
        let passed = self.began_ms + self.began.elapsed().as_millis() as u64;
        // The other clock stands still while the computer sleeps.
        passed.max(unix_ms())
    }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

fn register(wakers: &mut Vec<Waker>, cx: &mut Context<'_>) {
    if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
        wakers.push(cx.waker().clone());
    }
}
