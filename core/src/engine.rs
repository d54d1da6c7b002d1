//! The only door into the core: start, stop, and the host's calls.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};
use once_cell::sync::OnceCell;

use crate::chat::Settings;
use crate::done::Done;
use crate::error::{Error, ErrorCode};
use crate::event::{Event, Verdict};
use crate::events::{Events, Queue};
use crate::id::{ConnectionId, Position, QuestionId};
use crate::message::{Member, Message, Payload, Room};
use crate::options::{Checked, Options};
use crate::rate::Rate;
use crate::server::{
    Acceptor, Adopted, Control, Hub, HubSettings, Listener, Rules, Shard, ShardSettings, Shared, Site,
    descriptors, internal, reload,
};
use crate::store::Memory;
use crate::time::Now;
use crate::wire;

/// One running chat inside a host. A handle: clones are the same engine, and when the last one is
/// dropped the engine stops at once, without the drop waiting for it.
///
/// No call blocks on the network, so all of them can be made from any thread and inside any async runtime;
/// only [`stop_blocking`](Engine::stop_blocking) waits.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

impl Engine {
    /// Makes an engine that does not run yet.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidOption`](crate::ErrorCode::InvalidOption): which option, its value, and what it
    /// may be.
    pub fn new(options: Options) -> Result<Engine, Error> {
        let checked = options.check()?;
        let numbers = &options.numbers;
        let queue = Arc::new(Queue::new(numbers.event_queue_count, numbers.event_queue_bytes));
        let inner = Inner {
            options,
            checked,
            queue,
            shared: OnceCell::new(),
            running: Mutex::new(None),
            dropped: Arc::new(AtomicBool::new(false)),
            process: std::process::id(),
        };
        Ok(Engine { inner: Arc::new(inner) })
    }

    /// Takes the events. Call it before [`start`](Engine::start) to hear all of them; nothing is kept for
    /// a host that never calls it. There is one reader: when it is dropped, the events can be taken again.
    ///
    /// # Errors
    /// `events_taken`.
    pub fn events(&self) -> Result<Events, Error> {
        self.inner.queue.reader()
    }

    /// Binds, starts the engine's own thread and returns when it listens, with the addresses, one for each
    /// `listen` that is TCP, in their order. Unix sockets are where the options say, so they are not listed.
    ///
    /// # Errors
    /// `already_running`, `cannot_listen`, `invalid_option` (a certificate or key, with its file and the cause),
    /// `system`, `forked`, `internal`.
    pub fn start(&self) -> Result<Vec<SocketAddr>, Error> {
        self.inner.check_process()?;
        self.inner.start()
    }

    /// Stops accepting at once, sends what waits, closes every connection (1001), and is done when the last
    /// one is gone, or after `grace`, when the rest is cut. The stopping begins with the call, whether or not
    /// its future is awaited. When that is ready, no thread, task or socket of the engine is left, and the last
    /// event, `stopped`, waits for its reader. Stopping what does not run is no error; a second call may
    /// shorten the first one's grace.
    ///
    /// # Errors
    /// `forked`; `internal`: the engine's thread had panicked.
    pub fn stop(&self, grace: Duration) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let done = self.inner.begin_stop(grace);
        let inner = self.inner.clone();
        async move {
            if let Some(done) = done? {
                std::future::poll_fn(|context| done.poll(context)).await;
                inner.reap(&done)?;
            }
            Ok(())
        }
    }

    /// [`stop`](Engine::stop), waited for on this thread.
    ///
    /// # Errors
    /// As `stop`; `deadlock`: called on the engine's own thread.
    pub fn stop_blocking(&self, grace: Duration) -> Result<(), Error> {
        if self.inner.lock().as_ref().is_some_and(|running| running.thread_id == std::thread::current().id())
        {
            let words =
                "stop_blocking was called on the engine's own thread, which it would wait for; use stop";
            return Err(Error::new(ErrorCode::Deadlock, words));
        }
        if let Some(done) = self.inner.begin_stop(grace)? {
            done.wait();
            self.inner.reap(&done)?;
        }
        Ok(())
    }

    /// Reads the certificates and keys of [`Options::tls_files`] again. Connections that are there stay as they
    /// are; new ones get the new certificates at once. With certificates from [`Options::tls_pem`] only there is
    /// nothing to read, and with nothing new in the files nothing changes.
    ///
    /// # Errors
    /// `invalid_option`: which file, and what is wrong with it; the certificates that were there stay in use, and
    /// the host is told `degraded` too. `invalid_argument`: the engine speaks no TLS. `not_running`, `forked`,
    /// `internal`.
    pub fn reload_tls(&self) -> Result<(), Error> {
        let (_, shared) = self.inner.control()?;
        let acceptor = self.inner.lock().as_ref().and_then(|running| running.acceptor.clone());
        reload(acceptor.as_deref(), &shared)
    }

    /// Where the engine listens, Unix sockets left out; empty while it does not run.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.inner
            .lock()
            .as_ref()
            .filter(|running| !running.done.is_done())
            .map_or(Vec::new(), |running| running.addresses.clone())
    }

    /// Says something in a room as the host: a record by the user `host`. The room is made if there is none.
    ///
    /// Gives its position. Delivery follows at once, on the engine's thread.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `too_many_rooms`, `empty_text`, `too_long`, `busy`, `forked`, `internal`.
    pub fn broadcast(&self, room: &str, text: &str) -> Result<Position, Error> {
        self.inner.act(|hub, now| hub.broadcast(room, text, now))
    }

    /// Says something to everybody in every room as the host. It stands in no log and no history.
    ///
    /// # Errors
    /// `not_running`, `empty_text`, `too_long`, `busy`, `forked`, `internal`.
    pub fn broadcast_all(&self, text: &str) -> Result<(), Error> {
        self.inner.act(|hub, now| hub.broadcast_all(text, now))
    }

    /// Tells one connection something; it stands in no log. A chat connection sees text as a message by the
    /// host; a raw one gets the payload as it is.
    ///
    /// # Errors
    /// `not_running`, `unknown_connection`, `invalid_argument` (bytes to a chat connection), `empty_text`,
    /// `too_long`, `busy`, `forked`, `internal`.
    pub fn tell(&self, connection: ConnectionId, payload: impl Into<Payload>) -> Result<(), Error> {
        let payload = payload.into();
        self.inner.act(|hub, now| hub.tell(connection, &payload, now))
    }

    /// Tells every connection in a room something: the chat ones (text only) and the raw ones.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `empty_text`, `too_long`, `busy`, `forked`, `internal`.
    pub fn tell_room(&self, room: &str, payload: impl Into<Payload>) -> Result<(), Error> {
        let payload = payload.into();
        self.inner.act(|hub, now| hub.tell_room(room, &payload, now))
    }

    /// Tells every connection something: the chat ones (text only) and the raw ones.
    ///
    /// # Errors
    /// `not_running`, `empty_text`, `too_long`, `busy`, `forked`, `internal`.
    pub fn tell_all(&self, payload: impl Into<Payload>) -> Result<(), Error> {
        let payload = payload.into();
        self.inner.act(|hub, now| hub.tell_all(&payload, now))
    }

    /// Puts a message in a room as a user: with their name and colour if they are here, else with the id as
    /// the name and a colour that follows from it. The room is made if there is none. Gives its position.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `bad_name`, `too_many_rooms`, `empty_text`, `too_long`, `busy`, `forked`,
    /// `internal`.
    pub fn send(&self, room: &str, user: &str, text: &str) -> Result<Position, Error> {
        self.inner.act(|hub, now| hub.send(room, user, text, now))
    }

    /// Closes a connection with 1008 and the reason, which is cut to 123 bytes.
    ///
    /// # Errors
    /// `not_running`, `unknown_connection`, `forked`, `internal`.
    pub fn kick(&self, connection: ConnectionId, reason: &str) -> Result<(), Error> {
        self.inner.act(|hub, _| hub.kick(connection, reason))
    }

    /// Lists the rooms, in the order of their names.
    ///
    /// # Errors
    /// `not_running`, `forked`, `internal`.
    pub fn rooms(&self) -> Result<Vec<Room>, Error> {
        self.inner.look(|hub| Ok(hub.rooms()))
    }

    /// Lists a room's members, in the order in which they came.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `forked`, `internal`.
    pub fn members(&self, room: &str) -> Result<Vec<Member>, Error> {
        self.inner.look(|hub| hub.members(room))
    }

    /// Counts a room's members.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `forked`, `internal`.
    pub fn member_count(&self, room: &str) -> Result<u64, Error> {
        self.inner.look(|hub| hub.member_count(room))
    }

    /// Reads a room's newest messages, at most `limit`, oldest first; only those before the offset `before`,
    /// unless that is 0.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `forked`, `internal`.
    pub fn history(&self, room: &str, before: u64, limit: u64) -> Result<Vec<Message>, Error> {
        self.inner.look(|hub| hub.history(room, before, limit))
    }

    /// Answers a question, now or later, from any thread.
    ///
    /// # Errors
    /// `unknown_question` (too late, or answered), `wrong_verdict`, `bad_name`, `empty_text`, `too_long`,
    /// `not_running`, `forked`, `internal`. After `wrong_verdict`, `bad_name`, `empty_text` and `too_long` the
    /// question is still open.
    pub fn answer(&self, question: QuestionId, verdict: Verdict) -> Result<(), Error> {
        self.inner.act(|hub, now| hub.answer(question, verdict, now))
    }

    /// Takes over a connected stream socket, TCP or Unix, that speaks plain HTTP. `read` is what was read from
    /// it already: the beginning of its request, or all of it and more. From here on the descriptor is the
    /// engine's, also when this fails.
    ///
    /// # Errors
    /// `not_running`, `cannot_adopt` (not a connected stream socket), `too_long` (`read` is over 64 KiB),
    /// `forked`, `internal`.
    pub fn adopt(&self, socket: impl Into<OwnedFd>, read: &[u8]) -> Result<(), Error> {
        let socket = socket2::Socket::from(socket.into());
        if read.len() > MAX_ADOPTED_BYTES {
            let words = format!(
                "{} bytes were read already; at most {MAX_ADOPTED_BYTES} can be taken over",
                read.len()
            );
            return Err(Error::new(ErrorCode::TooLong, words));
        }
        let cannot =
            |source| Error::with_source(ErrorCode::CannotAdopt, "not a connected stream socket", source);
        if socket.r#type().map_err(cannot)? != socket2::Type::STREAM {
            return Err(Error::new(ErrorCode::CannotAdopt, "the socket is not a stream socket"));
        }
        socket.peer_addr().map_err(cannot)?;
        socket.set_nonblocking(true).map_err(cannot)?;
        socket.set_cloexec(true).map_err(cannot)?;
        let (control, _) = self.inner.control()?;
        control.adopt(Adopted { socket: socket.into(), read: read.to_owned() });
        Ok(())
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

struct Inner {
    options: Options,
    checked: Checked,
    queue: Arc<Queue>,
    /// Made with the first start, and kept through stops: rooms and their logs live as long as the engine.
    shared: OnceCell<Arc<Shared>>,
    running: Mutex<Option<Running>>,
    /// No handle is left: who ends the events is the engine's thread, if it runs.
    dropped: Arc<AtomicBool>,
    process: u32,
}

struct Running {
    control: Arc<Control>,
    addresses: Vec<SocketAddr>,
    acceptor: Option<Arc<Acceptor>>,
    done: Arc<Done>,
    thread: Option<JoinHandle<()>>,
    thread_id: ThreadId,
    stopping: bool,
}

impl Inner {
    fn start(&self) -> Result<Vec<SocketAddr>, Error> {
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
        let settings = self.shard_settings(&addresses, is_local)?;
        let shard = Shard::new(shared.clone(), settings, acceptor.clone(), listeners).map_err(system)?;
        let (control, done) = (shard.control(), Arc::new(Done::default()));
        let ended = (self.dropped.clone(), done.clone(), addresses.clone());
        let (report, started) = sync_channel(1);
        let thread = without_signals(|| {
            std::thread::Builder::new().name("klatsch".into()).spawn(move || {
                let (dropped, done, addresses) = ended;
                let queue = shared.queue.clone();
                live(shard, &shared, addresses, |result| {
                    // The starting thread waits for it.
                    let _ = report.send(result);
                });
                queue.on_space(None);
                done.set();
                if dropped.load(Ordering::SeqCst) {
                    queue.close();
                }
            })
        })
        .map_err(system)?;
        *running = Some(Running {
            control,
            addresses: addresses.clone(),
            acceptor,
            done,
            thread_id: thread.thread().id(),
            thread: Some(thread),
            stopping: false,
        });
        // Not under the lock: the thread tells the host that it has started.
        drop(running);
        match started.recv() {
            Ok(Ok(())) => Ok(addresses),
            Ok(Err(source)) => Err(system(source)),
            Err(_) => Err(internal()),
        }
    }

    /// What lives as long as the engine.
    ///
    /// # Errors
    /// `system`: the clock says a time before 1970, or one past the last epoch that a position can have.
    fn share(&self) -> Result<Arc<Shared>, Error> {
        let numbers = &self.options.numbers;
        let settings = HubSettings {
            chat: Settings {
                host_name: self.checked.host_name.clone(),
                host_color: self.checked.host_color,
                message_rate: Rate { per_second: numbers.message_rate, burst: numbers.message_burst },
                max_text_bytes: numbers.max_text_bytes,
                max_room_count: numbers.max_room_count,
                ask_may_send: self.options.ask_may_send,
                question_count: numbers.question_count,
                question_timeout_ms: numbers.question_timeout_ms,
            },
            history: numbers.history,
            max_message_bytes: numbers.max_message_bytes,
        };
        let log = Box::new(Memory::new(numbers.history_kept, numbers.history_bytes));
        // The standard library seeds each of its maps from the system's randomness.
        let seed = RandomState::new().build_hasher().finish();
        let hub = Hub::new(settings, log, self.queue.clone(), seed);
        let shared = Shared::new(hub, self.queue.clone());
        match shared.now() {
            Now { unix_ms: 1..MAX_EPOCH, .. } => Ok(Arc::new(shared)),
            _ => Err(Error::new(ErrorCode::System, "the system's clock is wrong by centuries; set it")),
        }
    }

    fn shard_settings(&self, bound: &[SocketAddr], is_local: bool) -> Result<ShardSettings, Error> {
        let (options, numbers) = (&self.options, &self.options.numbers);
        let rules = Rules {
            path: options.path.clone(),
            raw: options.raw.clone(),
            tutorial: options.tutorial,
            allow_origin: options.allow_origin.clone(),
            allow_host: options.allow_host.clone(),
            require_origin: options.require_origin,
            deflate: options.deflate,
            bound: bound.iter().map(SocketAddr::ip).collect(),
            is_local,
            site: options.page.then(|| Site::new(&options.path)),
        };
        Ok(ShardSettings {
            rules,
            wire: wire::Rules {
                role: wire::Role::Server,
                // Each connection has its own word on this.
                deflate: false,
                max_message_bytes: numbers.max_message_bytes,
                max_fragment_count: numbers.max_fragment_count,
                max_assembly_ms: numbers.max_assembly_ms,
            },
            ask_admit: options.ask_admit,
            max_connection_count: match numbers.max_connection_count {
                0 => descriptors()?,
                count => usize::try_from(count).unwrap_or(usize::MAX),
            },
            max_address_connection_count: numbers.max_address_connection_count,
            max_handshake_count: usize::try_from(numbers.max_handshake_count).unwrap_or(usize::MAX),
            trusted: self.checked.trusted.clone(),
            control_rate: Rate { per_second: numbers.control_rate, burst: numbers.control_burst },
            deflate_min_bytes: usize::try_from(numbers.deflate_min_bytes).unwrap_or(usize::MAX),
            outbox_bytes: usize::try_from(numbers.outbox_bytes).unwrap_or(usize::MAX),
            heartbeat_interval_ms: numbers.heartbeat_interval_ms,
            heartbeat_timeout_ms: numbers.heartbeat_timeout_ms,
            handshake_timeout_ms: numbers.handshake_timeout_ms,
            close_timeout_ms: numbers.close_timeout_ms,
            write_timeout_ms: numbers.write_timeout_ms,
        })
    }

    /// Has the engine's thread stop. Gives what to wait for; `None`: it does not run.
    fn begin_stop(&self, grace: Duration) -> Result<Option<Arc<Done>>, Error> {
        self.check_process()?;
        let mut running = self.lock();
        let (Some(running), Some(shared)) = (running.as_mut(), self.shared.get()) else { return Ok(None) };
        running.stopping = true;
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        running.control.stop(shared.now().ticks_ms.saturating_add(grace_ms));
        Ok(Some(running.done.clone()))
    }

    /// Takes leave of the thread that has said it is done.
    ///
    /// # Errors
    /// `internal`: it had panicked.
    fn reap(&self, done: &Arc<Done>) -> Result<(), Error> {
        let mut running = self.lock();
        let thread = match running.as_mut() {
            Some(other) if Arc::ptr_eq(&other.done, done) => other.thread.take(),
            _ => None,
        };
        if let Some(thread) = thread {
            *running = None;
            drop(running);
            // It has nothing left to do but to return. Its panics are caught in it.
            let _ = thread.join();
        }
        self.shared.get().map_or(Ok(()), |shared| shared.with(|_| ()))
    }

    /// Does something in the hub, and has the engine's thread send what comes of it.
    fn act<T>(&self, act: impl FnOnce(&mut Hub, Now) -> Result<T, Error>) -> Result<T, Error> {
        let (control, shared) = self.control()?;
        let now = shared.now();
        let result = shared.with(|hub| act(hub, now))?;
        control.wake();
        result
    }

    /// Looks something up in the hub.
    fn look<T>(&self, look: impl FnOnce(&mut Hub) -> Result<T, Error>) -> Result<T, Error> {
        self.control()?.1.with(look)?
    }

    /// The running engine.
    ///
    /// # Errors
    /// `not_running`, `forked`.
    fn control(&self) -> Result<(Arc<Control>, Arc<Shared>), Error> {
        self.check_process()?;
        let running = self.lock();
        match (running.as_ref(), self.shared.get()) {
            (Some(running), Some(shared)) if !running.stopping && !running.done.is_done() => {
                Ok((running.control.clone(), shared.clone()))
            }
            // A thread that ended by itself had panicked.
            (Some(running), Some(shared)) if !running.stopping => shared.with(|_| ()).and(Err(not_running())),
            _ => Err(not_running()),
        }
    }

    fn check_process(&self) -> Result<(), Error> {
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

/// The life of the engine's thread.
fn live(
    shard: Shard,
    shared: &Arc<Shared>,
    addresses: Vec<SocketAddr>,
    report: impl FnOnce(std::io::Result<()>),
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(Err(error)),
    };
    let (queue, control) = (shared.queue.clone(), shard.control());
    queue.on_space(Some(Arc::new(move || control.has_place())));
    tracing::info!(?addresses, "listening");
    queue.push(Event::Started { addresses });
    report(Ok(()));
    let run = std::panic::AssertUnwindSafe(|| runtime.block_on(shard.run()));
    let error = match std::panic::catch_unwind(run) {
        Ok(Ok(())) => None,
        Ok(Err(source)) => {
            Some(Error::with_source(ErrorCode::System, "the engine cannot wait for its sockets", source))
        }
        Err(_) => Some(internal()),
    };
    if let Some(error) = error {
        shared.fail();
        tracing::error!(%error, "the engine has failed");
        queue.push(Event::Error { error });
    }
    tracing::info!("stopped");
    queue.push(Event::Stopped);
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

/// What a host's server can have read of a connection before it hands it over.
const MAX_ADOPTED_BYTES: usize = 64 * 1024;
/// Epochs stay below this, so that every language's numbers hold them.
const MAX_EPOCH: u64 = 1 << 53;
