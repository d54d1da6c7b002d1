//! What stands behind an engine's handle: the core's engine, who reads its events, and whether it may still
//! be used.
//!
//! Two locks. `life` is held by whoever starts, stops or frees, as long as that takes; nobody waits for it
//! inside a callback. `reader` is held for moments only. `life` is taken before `reader`, never after.

use std::cell::Cell;
use std::ffi::c_void;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use klatsch::{Engine, Error, ErrorCode, Event, Events};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use crate::bell::Bell;
use crate::event::{Told, klatsch_event_t};
use crate::guard::caught;

/// What C is called with; `Option` is taken off before it gets here.
pub(crate) type OnEvent = unsafe extern "C" fn(user_data: *mut c_void, event: *const klatsch_event_t);
pub(crate) type Destroy = unsafe extern "C" fn(user_data: *mut c_void);

/// One engine of a C program.
pub(crate) struct Host {
    pub(crate) core: Engine,
    broken: Arc<AtomicBool>,
    life: Mutex<Life>,
    reader: Mutex<Reader>,
}

#[derive(Default)]
struct Life {
    running: bool,
    freed: bool,
    delivery: Option<JoinHandle<Events>>,
}

/// Who reads the events.
pub(crate) enum Reader {
    /// Nobody: the core keeps none.
    Nobody,
    /// A callback. The delivery thread has the events while there is one.
    Callback { listener: Arc<Listener>, events: Option<Events> },
    /// The host itself, which may wait on the bell.
    Pull { events: Events, bell: Option<Arc<Bell>> },
}

impl Host {
    pub(crate) fn new(core: Engine) -> Host {
        Host { core, broken: Arc::default(), life: Mutex::default(), reader: Mutex::new(Reader::Nobody) }
    }

    /// Runs a call, unless one has panicked before.
    ///
    /// # Errors
    /// `internal`, now or before; what `act` says.
    pub(crate) fn call<T>(&self, act: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        if self.broken.load(Ordering::Relaxed) {
            let words = "a call failed through a bug in klatsch; the engine can only be stopped and freed";
            return Err(Error::new(ErrorCode::Internal, words));
        }
        self.unchecked_call(act)
    }

    /// The same also after a panic.
    pub(crate) fn unchecked_call<T>(&self, act: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        caught(act).unwrap_or_else(|error| {
            self.broken.store(true, Ordering::Relaxed);
            Err(error)
        })
    }

    pub(crate) fn start(&self) -> Result<(), Error> {
        let mut life = self.try_life()?;
        if life.running {
            return Err(already_running("the engine runs; stop it before it is started again"));
        }
        life.delivery = self.spawn_delivery()?;
        if let Err(error) = self.core.start() {
            self.join_delivery(&mut life);
            return Err(error);
        }
        life.running = true;
        Ok(())
    }

    /// Stops, and waits until the last callback has returned.
    pub(crate) fn stop(&self, grace: Duration) -> Result<(), Error> {
        self.refuse_in_callback("klatsch_engine_stop")?;
        // Begins at once, whoever holds the lock: so a second stop shortens the first one's grace.
        drop(self.core.stop(grace));
        let mut life = self.life();
        self.stop_with(&mut life, grace)
    }

    /// Stops without grace and for good. Gives what belongs to the host, to be dropped outside of all locks,
    /// and how the stopping went.
    ///
    /// # Errors
    /// `invalid_argument`: somebody else has ended it.
    pub(crate) fn end(&self) -> Result<(Reader, Result<(), Error>), Error> {
        drop(self.core.stop(Duration::ZERO));
        let mut life = self.life();
        if mem::replace(&mut life.freed, true) {
            return Err(freed());
        }
        let stopped = self.stop_with(&mut life, Duration::ZERO);
        Ok((mem::replace(&mut *self.reader(), Reader::Nobody), stopped))
    }

    /// # Errors
    /// `deadlock`: this is the delivery thread of this very engine.
    pub(crate) fn refuse_in_callback(&self, function: &str) -> Result<(), Error> {
        if ptr::eq(DELIVERS.get(), self) {
            let words =
                format!("{function} was called inside a callback of the same engine, and would wait for it");
            return Err(Error::new(ErrorCode::Deadlock, words));
        }
        Ok(())
    }

    /// Takes the events for a callback. The listener is not made if that fails.
    pub(crate) fn listen(&self, listener: impl FnOnce() -> Listener) -> Result<(), Error> {
        let life = self.try_life()?;
        if life.running {
            return Err(already_running("the engine runs; set the callback before it is started"));
        }
        let mut reader = self.reader();
        if !matches!(*reader, Reader::Nobody) {
            return Err(events_taken());
        }
        let events = self.core.events()?;
        *reader = Reader::Callback { listener: Arc::new(listener()), events: Some(events) };
        Ok(())
    }

    /// Gives the descriptor that is readable while events wait.
    pub(crate) fn descriptor(&self) -> Result<i32, Error> {
        let mut reader = self.reader();
        let (events, bell) = self.pulled(&mut reader)?;
        if bell.is_none() {
            let new = Bell::new().map_err(|cause| {
                Error::with_source(ErrorCode::System, "cannot make a descriptor for the events", cause)
            })?;
            let new = Arc::new(new);
            let ringer = Arc::clone(&new);
            *bell = Some(new);
            events.on_ready(move || ringer.ring());
        }
        Ok(bell.as_ref().map_or(-1, |bell| bell.descriptor()))
    }

    /// Takes events that wait.
    pub(crate) fn drain(&self, limit: usize) -> Result<Vec<Event>, Error> {
        let mut reader = self.reader();
        let (events, bell) = self.pulled(&mut reader)?;
        // Cleared before: an event that comes in between rings again.
        if let Some(bell) = bell {
            bell.clear();
        }
        let taken = events.drain(limit);
        if let Some(bell) = bell.as_ref().filter(|_| taken.len() == limit) {
            bell.ring();
        }
        Ok(taken)
    }

    fn pulled<'a>(
        &self,
        reader: &'a mut Reader,
    ) -> Result<(&'a mut Events, &'a mut Option<Arc<Bell>>), Error> {
        if let Reader::Nobody = reader {
            *reader = Reader::Pull { events: self.core.events()?, bell: None };
        }
        match reader {
            Reader::Pull { events, bell } => Ok((events, bell)),
            _ => Err(events_taken()),
        }
    }

    fn stop_with(&self, life: &mut Life, grace: Duration) -> Result<(), Error> {
        let stopped = caught(|| self.core.stop_blocking(grace)).and_then(|result| result);
        life.running = false;
        self.join_delivery(life);
        stopped
    }

    /// Starts the thread that calls back, if somebody wants to be called.
    fn spawn_delivery(&self) -> Result<Option<JoinHandle<Events>>, Error> {
        let mut reader = self.reader();
        let Reader::Callback { listener, events } = &mut *reader else { return Ok(None) };
        let mut taken = match events.take() {
            Some(events) => events,
            None => self.core.events()?,
        };
        let thread_listener = Arc::clone(listener);
        listener.open();
        let bell = Arc::clone(listener);
        taken.on_ready(move || bell.ring());
        let (engine, broken) = (ptr::from_ref(self).addr(), Arc::clone(&self.broken));
        let handle = without_signals(|| {
            let name = Builder::new().name("klatsch-events".into());
            name.spawn(move || deliver(engine, taken, &thread_listener, &broken))
        });
        handle.map(Some).map_err(|cause| {
            Error::with_source(ErrorCode::System, "cannot start the thread that calls back", cause)
        })
    }

    /// Lets the delivery thread end, when it has delivered what waits.
    fn join_delivery(&self, life: &mut Life) {
        let Some(thread) = life.delivery.take() else { return };
        if let Reader::Callback { listener, .. } = &*self.reader() {
            listener.close();
        }
        let ended = thread.join();
        if ended.is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
        if let Reader::Callback { events, .. } = &mut *self.reader() {
            *events = ended.ok();
        }
    }

    fn try_life(&self) -> Result<MutexGuard<'_, Life>, Error> {
        let life = match self.life.try_lock() {
            Ok(life) => life,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(already_running("another call is starting or stopping the engine; wait for it"));
            }
        };
        if life.freed {
            return Err(freed());
        }
        Ok(life)
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A host's callback with its data, which is destroyed with it. The delivery thread waits here.
pub(crate) struct Listener {
    callback: OnEvent,
    user_data: *mut c_void,
    destroy: Option<Destroy>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    rung: bool,
    closing: bool,
}

// SAFETY: the data goes back to the host untouched; that its functions may be called on other threads is
// what the header says.
unsafe impl Send for Listener {}
// SAFETY: as above.
unsafe impl Sync for Listener {}

impl Listener {
    pub(crate) fn new(callback: OnEvent, user_data: *mut c_void, destroy: Option<Destroy>) -> Listener {
        Listener { callback, user_data, destroy, state: Mutex::default(), changed: Condvar::new() }
    }

    fn open(&self) {
        *self.state() = State::default();
    }

    fn close(&self) {
        self.state().closing = true;
        self.changed.notify_one();
    }

    fn ring(&self) {
        self.state().rung = true;
        self.changed.notify_one();
    }

    /// Waits until somebody rings; `false`: it is closing, and nobody has rung since the last time.
    fn wait(&self) -> bool {
        let waits = |state: &mut State| !state.rung && !state.closing;
        let mut state = self.changed.wait_while(self.state(), waits).unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut state.rung)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the host's own function and data; no callback runs or will.
            unsafe { destroy(self.user_data) }
        }
    }
}

/// The delivery thread: one event after the other, until the engine has stopped and nothing waits.
fn deliver(engine: usize, mut events: Events, listener: &Listener, broken: &AtomicBool) -> Events {
    DELIVERS.set(ptr::without_provenance(engine));
    loop {
        let batch = events.drain(BATCH);
        if batch.is_empty() && !listener.wait() {
            return events;
        }
        for event in batch {
            let Ok(told) = caught(|| Told::new(&event)) else {
                broken.store(true, Ordering::Relaxed);
                continue;
            };
            // SAFETY: the host's own function and data; the event lives until it returns.
            unsafe { (listener.callback)(listener.user_data, told.event()) }
        }
    }
}

/// Starts a thread that takes no signal of the host's. Those that a fault raises stay as they are: the
/// callback is the host's code, and its crash reporter may want them.
fn without_signals<T>(spawn: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    let mut blocked = SigSet::all();
    for fault in [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGTRAP,
        Signal::SIGABRT,
        Signal::SIGSYS,
    ] {
        blocked.remove(fault);
    }
    let before = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let spawned = spawn();
    before.thread_set_mask()?;
    spawned
}

fn freed() -> Error {
    Error::new(ErrorCode::InvalidArgument, "engine was freed")
}

fn already_running(words: &str) -> Error {
    Error::new(ErrorCode::AlreadyRunning, words)
}

fn events_taken() -> Error {
    let words = "the engine's events go to a callback or to a descriptor, not to both, and are taken once";
    Error::new(ErrorCode::EventsTaken, words)
}

thread_local! {
    /// The engine whose events this thread delivers.
    static DELIVERS: Cell<*const Host> = const { Cell::new(ptr::null()) };
}

/// How many events are taken from the core's queue at once.
const BATCH: usize = 256;

#[cfg(test)]
mod tests {
    use klatsch::Options;

    use super::*;

    #[test]
    fn after_a_panic_an_engine_can_only_be_stopped_and_freed() {
        let host = Host::new(Engine::new(Options::new().listen("127.0.0.1:0")).unwrap());
        host.call(|| host.start()).unwrap();
        let panicked = host.call(|| -> Result<(), Error> { panic!("on purpose") }).unwrap_err();
        assert_eq!(panicked.code(), ErrorCode::Internal);
        assert!(panicked.message().contains("on purpose"));
        let refused = host.call(|| host.core.broadcast_all("x")).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Internal);
        host.unchecked_call(|| host.stop(Duration::ZERO)).unwrap();
        host.end().unwrap().1.unwrap();
        assert_eq!(host.end().err().map(|error| error.code()), Some(ErrorCode::InvalidArgument));
    }

    #[test]
    fn an_engine_that_was_freed_does_not_start_again() {
        let host = Host::new(Engine::new(Options::new().listen("127.0.0.1:0")).unwrap());
        host.end().unwrap().1.unwrap();
        assert_eq!(host.start().unwrap_err().code(), ErrorCode::InvalidArgument);
    }
}
