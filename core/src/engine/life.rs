//! The life of an engine: what it is made of, its thread, its start and its end.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, ThreadId, available_parallelism};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};
use once_cell::sync::OnceCell;
use ring::rand::{SecureRandom, SystemRandom};

use crate::done::Done;
use crate::error::{Error, ErrorCode};
use crate::event::Event;
use crate::events::{Events, Queue};
use crate::fanout::ShardKey;
use crate::options::{Checked, Options};
use crate::server::{
    Acceptor, Clock, Hub, Listener, MAX_SHARDS, Secrets, Shard, Shards, Shared, internal, reload,
};
use crate::store::Memory;
use crate::time::Now;

use super::settings::{hub_settings, log_bounds, shard_settings};

/// What all handles of an engine share.
pub(super) struct Inner {
    options: Options,
    checked: Checked,
    queue: Arc<Queue>,
    /// Made with the first start, and kept through stops: rooms and their logs live as long as the engine.
    shared: OnceCell<Arc<Shared>>,
    running: Mutex<Option<Running>>,
    /// No handle is left: who ends the events is the last of the engine's threads, if they run.
    dropped: Arc<AtomicBool>,
    process: u32,
}

/// A life that has begun.
struct Running {
    shards: Arc<Shards>,
    addresses: Vec<SocketAddr>,
    acceptor: Option<Arc<Acceptor>>,
    done: Arc<Done>,
    /// One for each shard, until they are joined.
    threads: Vec<JoinHandle<()>>,
    thread_ids: Vec<ThreadId>,
    stopping: bool,
}

impl Inner {
    /// # Errors
    /// `invalid_option`.
    pub(super) fn new(options: Options) -> Result<Inner, Error> {
        let checked = options.check()?;
        let numbers = &options.numbers;
        let queue = Arc::new(Queue::new(numbers.event_queue_count, numbers.event_queue_bytes));
        Ok(Inner {
            options,
            checked,
            queue,
            shared: OnceCell::new(),
            running: Mutex::new(None),
            dropped: Arc::new(AtomicBool::new(false)),
            process: std::process::id(),
        })
    }

    /// # Errors
    /// `events_taken`.
    pub(super) fn events(&self) -> Result<Events, Error> {
        self.queue.reader()
    }

    /// Where the engine listens, Unix sockets left out; empty while it does not run.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.lock()
            .as_ref()
            .filter(|running| !running.done.is_done())
            .map_or(Vec::new(), |running| running.addresses.clone())
    }

    /// Whether this is called on one of the engine's own threads.
    pub(super) fn is_own_thread(&self) -> bool {
        let this = std::thread::current().id();
        self.lock().as_ref().is_some_and(|running| running.thread_ids.contains(&this))
    }

    /// # Errors
    /// As [`Engine::reload_tls`](super::Engine::reload_tls).
    pub(super) fn reload_tls(&self) -> Result<(), Error> {
        let (_, shared) = self.running()?;
        let acceptor = self.lock().as_ref().and_then(|running| running.acceptor.clone());
        reload(acceptor.as_deref(), &shared)
    }

    pub(super) fn start(&self) -> Result<Vec<SocketAddr>, Error> {
        let mut running = self.lock();
        if let Some(running) = running.as_ref().filter(|running| !running.done.is_done()) {
            let words = match running.stopping {
                true => "the engine is still stopping; wait for stop before you start it again",
                false => "the engine runs already; stop it before you start it again",
            };
            return Err(Error::new(ErrorCode::AlreadyRunning, words));
        }
        let shared = self.shared.get_or_try_init(|| self.share())?.clone();
        // Whether there was a panic in an earlier life.
        shared.with(|_| ())?;
        let acceptor = Acceptor::new(&self.options.tls)?.map(Arc::new);
        let listeners = self.checked.listen.iter().map(Listener::bind).collect::<Result<Vec<_>, _>>()?;
        let system = |source| Error::with_source(ErrorCode::System, "the engine cannot start", source);
        let addresses = listeners
            .iter()
            .filter_map(|listener| listener.address().transpose())
            .collect::<Result<Vec<_>, _>>()
            .map_err(system)?;
        let is_local = !listeners.is_empty() && listeners.iter().all(Listener::is_local);
        let settings = Arc::new(shard_settings(&self.options, &self.checked, &addresses, is_local)?);
        let (shards, polls) = Shards::new(shared.shard_count).map_err(system)?;
        let shards = Arc::new(shards);
        // The first shard accepts for all.
        let mut listeners = Some(listeners);
        let mut prepared = Vec::with_capacity(polls.len());
        for (index, poll) in polls.into_iter().enumerate() {
            let (key, listeners) = (ShardKey(index as u8), listeners.take().unwrap_or_default());
            let (shared, shards, settings) = (shared.clone(), shards.clone(), settings.clone());
            let shard = Shard::new(key, poll, shared, shards, settings, acceptor.clone(), listeners);
            prepared.push(shard.map_err(system)?);
        }
        let done = Arc::new(Done::default());
        let life = Arc::new(Life {
            shared: shared.clone(),
            shards: shards.clone(),
            addresses: addresses.clone(),
            left: AtomicUsize::new(prepared.len()),
            done: done.clone(),
            dropped: self.dropped.clone(),
        });
        let has_place = shards.clone();
        shared.queue.on_space(Some(Arc::new(move || has_place.has_place())));
        tracing::info!(?addresses, shards = shards.count(), "listening");
        let (report, started) = sync_channel(prepared.len());
        let mut threads = Vec::with_capacity(prepared.len());
        for (index, shard) in prepared.into_iter().enumerate() {
            let (own, report) = (life.clone(), report.clone());
            // Linux keeps 15 bytes of a name.
            let name = if index == 0 { "klatsch".to_owned() } else { format!("klatsch-{index}") };
            let thread = without_signals(|| {
                std::thread::Builder::new().name(name).spawn(move || {
                    own.live(shard, |result| {
                        // The starting thread waits for it.
                        let _ = report.send(result);
                    });
                })
            });
            match thread {
                Ok(thread) => threads.push(thread),
                Err(source) => {
                    // Those that run stop at once; those that never will are not waited for.
                    shards.stop(0);
                    life.end(shards.count() - threads.len());
                    threads.into_iter().for_each(|thread| drop(thread.join()));
                    return Err(system(source));
                }
            }
        }
        *running = Some(Running {
            shards: shards.clone(),
            addresses: addresses.clone(),
            acceptor,
            done,
            thread_ids: threads.iter().map(|thread| thread.thread().id()).collect(),
            threads,
            stopping: false,
        });
        // Not under the lock: the threads tell the host that they have started.
        drop(running);
        drop(report);
        for _ in 0..shards.count() {
            match started.recv() {
                Ok(Ok(())) => {}
                Ok(Err(source)) => {
                    shards.stop(0);
                    return Err(system(source));
                }
                Err(_) => return Err(internal()),
            }
        }
        Ok(addresses)
    }

    /// What lives as long as the engine.
    ///
    /// # Errors
    /// `system`: the clock says a time before 1970, or one past the last epoch that a position can have.
    fn share(&self) -> Result<Arc<Shared>, Error> {
        let numbers = &self.options.numbers;
        let settings = hub_settings(&self.options, &self.checked);
        let log = Box::new(Memory::new(log_bounds(&self.options)));
        let secrets = secrets()?;
        // The standard library seeds each of its maps from the system's randomness.
        let seed = RandomState::new().build_hasher().finish();
        let shard_count = match usize::try_from(numbers.shard_count) {
            Ok(count @ 1..) => count,
            _ => available_parallelism().map_or(1, NonZero::get),
        };
        let shard_count = shard_count.min(MAX_SHARDS);
        let hub = Hub::new(settings, log, secrets, self.queue.clone(), shard_count, seed);
        let shared = Shared::new(hub, self.queue.clone(), shard_count, Clock::system());
        match shared.now() {
            Now { unix_ms: 1..MAX_EPOCH, .. } => Ok(Arc::new(shared)),
            _ => Err(Error::new(ErrorCode::System, "the system's clock is wrong by centuries; set it")),
        }
    }

    /// Has the engine's threads stop. Gives what to wait for; `None`: they do not run.
    pub(super) fn begin_stop(&self, grace: Duration) -> Result<Option<Arc<Done>>, Error> {
        self.check_process()?;
        let mut running = self.lock();
        let (Some(running), Some(shared)) = (running.as_mut(), self.shared.get()) else { return Ok(None) };
        running.stopping = true;
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        running.shards.stop(shared.now().ticks_ms.saturating_add(grace_ms));
        Ok(Some(running.done.clone()))
    }

    /// Takes leave of the threads, the last of which has said it is done.
    ///
    /// # Errors
    /// `internal`: one had panicked.
    pub(super) fn reap(&self, done: &Arc<Done>) -> Result<(), Error> {
        let mut running = self.lock();
        let threads = match running.as_mut() {
            Some(other) if Arc::ptr_eq(&other.done, done) => std::mem::take(&mut other.threads),
            _ => Vec::new(),
        };
        if !threads.is_empty() {
            *running = None;
            drop(running);
            // They have nothing left to do but to return. Their panics are caught in them.
            threads.into_iter().for_each(|thread| drop(thread.join()));
        }
        self.shared.get().map_or(Ok(()), |shared| shared.with(|_| ()))
    }

    /// Does something in the hub, and has the shards send what comes of it.
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut Hub, Now) -> Result<T, Error>) -> Result<T, Error> {
        let (shards, shared) = self.running()?;
        let now = shared.now();
        let (result, waiting) = shared.with(|hub| (act(hub, now), hub.waiting()))?;
        shards.wake(waiting);
        result
    }

    /// Looks something up in the hub.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Hub) -> Result<T, Error>) -> Result<T, Error> {
        self.running()?.1.with(look)?
    }

    /// The running engine.
    ///
    /// # Errors
    /// `not_running`, `forked`.
    pub(super) fn running(&self) -> Result<(Arc<Shards>, Arc<Shared>), Error> {
        self.check_process()?;
        let running = self.lock();
        match (running.as_ref(), self.shared.get()) {
            (Some(running), Some(shared)) if !running.stopping && !running.done.is_done() => {
                Ok((running.shards.clone(), shared.clone()))
            }
            // Threads that ended by themselves had panicked.
            (Some(running), Some(shared)) if !running.stopping => shared.with(|_| ()).and(Err(not_running())),
            _ => Err(not_running()),
        }
    }

    pub(super) fn check_process(&self) -> Result<(), Error> {
        match std::process::id() == self.process {
            true => Ok(()),
            false => Err(Error::new(
                ErrorCode::Forked,
                "this process is a fork of the one that made the engine, whose thread it does not have; make an \
                 engine here",
            )),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        // What is under this lock is set as a whole, so a panic leaves it right.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        self.dropped.store(true, Ordering::SeqCst);
        match self.begin_stop(Duration::ZERO) {
            Ok(Some(done)) if !done.is_done() => {}
            _ => self.queue.close(),
        }
    }
}

/// What the threads of a life share.
struct Life {
    shared: Arc<Shared>,
    shards: Arc<Shards>,
    addresses: Vec<SocketAddr>,
    /// How many threads have not ended.
    left: AtomicUsize,
    done: Arc<Done>,
    /// No handle of the engine is left.
    dropped: Arc<AtomicBool>,
}

impl Life {
    /// The life of one thread.
    fn live(&self, shard: Shard, report: impl FnOnce(std::io::Result<()>)) {
        let queue = &self.shared.queue;
        let is_first = shard.is_first();
        let result = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        match result {
            Ok(runtime) => {
                if is_first {
                    queue.push(Event::Started { addresses: self.addresses.clone() });
                }
                report(Ok(()));
                let run = std::panic::AssertUnwindSafe(|| runtime.block_on(shard.run()));
                let error = match std::panic::catch_unwind(run) {
                    Ok(Ok(())) => None,
                    Ok(Err(source)) => {
                        let words = "the engine cannot wait for its sockets";
                        Some(Error::with_source(ErrorCode::System, words, source))
                    }
                    Err(_) => Some(internal()),
                };
                if let Some(error) = error {
                    self.shared.fail();
                    tracing::error!(%error, "the engine has failed");
                    queue.push(Event::Error { error });
                    // No shard can go on without the hub.
                    self.shards.stop(0);
                }
            }
            Err(error) => {
                drop(shard);
                report(Err(error));
            }
        }
        self.end(1);
    }

    /// So many threads have ended, or have never begun. The last one says that the engine has stopped.
    fn end(&self, count: usize) {
        if self.left.fetch_sub(count, Ordering::AcqRel) != count {
            return;
        }
        let queue = &self.shared.queue;
        tracing::info!("stopped");
        queue.push(Event::Stopped);
        queue.on_space(None);
        self.done.set();
        if self.dropped.load(Ordering::SeqCst) {
            queue.close();
        }
    }
}

/// Starts a thread that no signal of the host's is ever delivered to.
fn without_signals<T>(spawn: impl FnOnce() -> T) -> T {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let result = spawn();
    if let Ok(before) = before {
        // What was a mask a moment ago can be one again.
        let _ = before.thread_set_mask();
    }
    result
}

fn not_running() -> Error {
    Error::new(ErrorCode::NotRunning, "the engine does not run; start it first")
}

/// Epochs stay below this, so that every language's numbers hold them.
const MAX_EPOCH: u64 = 1 << 53;

/// Gives what nobody can guess.
///
/// # Errors
/// `system`: the operating system has no randomness.
fn secrets() -> Result<Secrets, Error> {
    let random = SystemRandom::new();
    random.fill(&mut [0; 16]).map_err(|_| {
        Error::new(ErrorCode::System, "the operating system gives no randomness, which sessions need")
    })?;
    Ok(Box::new(move || {
        let mut secret = [0; 16];
        random.fill(&mut secret).expect("a system that has given randomness has more of it");
        secret
    }))
}
