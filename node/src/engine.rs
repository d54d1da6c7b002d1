//! The engine as a class for `index.js`, which gives it its public face.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use klatsch::{
    ConnectionId, Engine, Error, ErrorCode, Event, Events, Payload, QuestionId, RoomOptions, Verdict,
};
use napi::Env;
use napi::bindgen_prelude::{Function, Uint8Array};
use napi_derive::napi;

use crate::cleanup::CleanupHook;
use crate::error::{Failure, guard, of_napi};
use crate::wake::Bell;
use crate::{event, json, message, options, people};

/// One engine. Lives on JavaScript's thread; only the [`Bell`] is seen by others.
#[napi]
pub struct NativeEngine {
    engine: Engine,
    events: RefCell<Events>,
    running: RefCell<Option<Running>>,
    stopping: RefCell<Option<Stopping>>,
    /// A call panicked: every further one is refused.
    broken: Cell<bool>,
}

/// What a running engine needs of its environment.
struct Running {
    bell: Arc<Bell>,
    /// Taken back when this is dropped.
    _hook: CleanupHook,
}

/// A stop under way.
struct Stopping {
    future: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
    result: Option<Result<(), Error>>,
    /// The core told its last event. It goes out with the result: whoever hears `stopped` may start again at
    /// once, which takes the end of the engine's thread.
    holds_stopped: bool,
}

#[napi]
impl NativeEngine {
    /// Makes an engine of options as JSON text, and the subjects of the questions for which there are handlers.
    #[napi(constructor)]
    pub fn new(options: String, asked: Vec<String>) -> Result<NativeEngine, Failure> {
        guard(|| {
            let options = options::read(&options, &asked)?;
            let engine = Engine::new(options).map_err(|error| options::respelt(&error))?;
            let events = RefCell::new(engine.events()?);
            Ok(NativeEngine {
                engine,
                events,
                running: RefCell::new(None),
                stopping: RefCell::new(None),
                broken: Cell::new(false),
            })
        })
    }

    /// Starts. `wake` is called when there is something to [`drain`](Self::drain), until `release`. Gives the
    /// addresses as a JSON array.
    #[napi]
    pub fn start(&self, env: Env, wake: Function<'_, (), ()>, keep_alive: bool) -> Result<String, Failure> {
        self.call(|| {
            let addresses = self.engine.start()?;
            let running = self.listen_to_events(&env, &wake, keep_alive).inspect_err(|_| {
                // The engine's thread must not outlive a start that failed; how its stop ends matters no more.
                let _ = self.engine.stop_blocking(Duration::ZERO);
            })?;
            self.running.replace(Some(running));
            Ok(json_of_addresses(&addresses))
        })
    }

    /// Begins to stop; the end of it stands in the batches as `stop_done`.
    #[napi]
    pub fn stop(&self, grace_ms: f64) -> Result<(), Failure> {
        guard(|| {
            let future =
                self.engine.stop(Duration::from_secs_f64(grace_ms.clamp(0.0, MAX_GRACE_MS) / 1_000.0));
            let mut stopping = self.stopping.borrow_mut();
            if stopping.is_none() {
                *stopping = Some(Stopping { future: Box::pin(future), result: None, holds_stopped: false });
            }
            // The drain that follows is what polls the future.
            if let Some(running) = &*self.running.borrow() {
                running.bell.ring();
            }
            Ok(())
        })
    }

    /// Lets go of the environment once the last event of a run has been drained.
    #[napi]
    pub fn release(&self) -> Result<(), Failure> {
        guard(|| {
            self.stopping.take();
            if let Some(running) = self.running.take() {
                running.bell.close();
            }
            Ok(())
        })
    }

    /// Stops here and now, and waits for it: for a process that is about to exit.
    #[napi]
    pub fn halt(&self) -> Result<(), Failure> {
        guard(|| {
            if let Some(running) = self.running.take() {
                halt(&self.engine, &running.bell);
            }
            Ok(())
        })
    }

    /// Takes at most `limit` events, as a JSON array; empty when none waits.
    #[napi]
    pub fn drain(&self, limit: u32) -> Result<String, Failure> {
        guard(|| {
            // Polled before the events are taken: when it is ready, the last event waits among them.
            self.poll_stop();
            let events = self.events.borrow_mut().drain(limit as usize);
            let was_last = events.len() < limit as usize;
            let mut batch = Batch::new();
            let mut stopping = self.stopping.borrow_mut();
            for event in &events {
                match &mut *stopping {
                    Some(stop) if matches!(event, Event::Stopped) => stop.holds_stopped = true,
                    _ => batch.push(|out| event::write(out, event)),
                }
            }
            if let Some(Stopping { result: Some(result), holds_stopped, .. }) = &*stopping
                && was_last
            {
                batch.push(|out| event::write_stop_done(out, *holds_stopped, result));
                *stopping = None;
            }
            Ok(batch.end())
        })
    }

    /// Says which kinds of events [`drain`](Self::drain) gives from now on, beside those that always come.
    #[napi]
    pub fn want(&self, kinds: Vec<String>) -> Result<(), Failure> {
        guard(|| {
            let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
            self.events.borrow_mut().want(&kinds)
        })
    }

    /// Whether the running engine keeps the process alive.
    #[napi]
    pub fn keep_alive(&self, env: Env, on: bool) -> Result<(), Failure> {
        guard(|| match &*self.running.borrow() {
            Some(running) => running.bell.keep_alive(&env, on).map_err(|error| of_napi(&error)),
            None => Ok(()),
        })
    }

    /// The addresses as a JSON array.
    #[napi]
    pub fn addresses(&self) -> Result<String, Failure> {
        self.call(|| Ok(json_of_addresses(&self.engine.addresses())))
    }

    /// See the core.
    #[napi]
    pub fn reload_tls(&self) -> Result<(), Failure> {
        self.call(|| self.engine.reload_tls())
    }

    /// Gives the position as JSON.
    #[napi]
    pub fn broadcast(&self, room: String, text: String) -> Result<String, Failure> {
        self.call(|| self.engine.broadcast(&room, &text).map(message::position))
    }

    /// See the core.
    #[napi]
    pub fn broadcast_all(&self, text: String) -> Result<(), Failure> {
        self.call(|| self.engine.broadcast_all(&text))
    }

    /// See the core.
    #[napi]
    pub fn tell_text(&self, connection: f64, text: String) -> Result<(), Failure> {
        self.call(|| self.engine.tell(ConnectionId(connection as u64), text))
    }

    /// See the core.
    #[napi]
    pub fn tell_bytes(&self, connection: f64, bytes: Uint8Array) -> Result<(), Failure> {
        self.call(|| self.engine.tell(ConnectionId(connection as u64), payload(&bytes)))
    }

    /// See the core.
    #[napi]
    pub fn tell_room_text(&self, room: String, text: String) -> Result<(), Failure> {
        self.call(|| self.engine.tell_room(&room, text))
    }

    /// See the core.
    #[napi]
    pub fn tell_room_bytes(&self, room: String, bytes: Uint8Array) -> Result<(), Failure> {
        self.call(|| self.engine.tell_room(&room, payload(&bytes)))
    }

    /// See the core.
    #[napi]
    pub fn tell_all_text(&self, text: String) -> Result<(), Failure> {
        self.call(|| self.engine.tell_all(text))
    }

    /// See the core.
    #[napi]
    pub fn tell_all_bytes(&self, bytes: Uint8Array) -> Result<(), Failure> {
        self.call(|| self.engine.tell_all(payload(&bytes)))
    }

    /// Gives the position as JSON.
    #[napi]
    pub fn send(&self, room: String, user: String, text: String) -> Result<String, Failure> {
        self.call(|| self.engine.send(&room, &user, &text).map(message::position))
    }

    /// Gives the position as JSON.
    #[napi]
    pub fn edit(&self, room: String, offset: f64, text: String) -> Result<String, Failure> {
        self.call(|| self.engine.edit(&room, whole(offset), &text).map(message::position))
    }

    /// Gives the position as JSON.
    #[napi]
    pub fn delete(&self, room: String, offset: f64) -> Result<String, Failure> {
        self.call(|| self.engine.delete(&room, whole(offset)).map(message::position))
    }

    /// See the core.
    #[napi]
    pub fn tell_user(&self, user: String, text: String) -> Result<(), Failure> {
        self.call(|| self.engine.tell_user(&user, &text))
    }

    /// Does an act, an object as JSON. Gives the position as JSON.
    #[napi]
    pub fn moderate(&self, room: String, act: String) -> Result<String, Failure> {
        self.call(|| self.engine.moderate(&room, people::moderation(&act)?).map(message::position))
    }

    /// See the core.
    #[napi]
    pub fn join(&self, room: String, user: String) -> Result<(), Failure> {
        self.call(|| self.engine.join(&room, &user))
    }

    /// See the core.
    #[napi]
    pub fn leave(&self, room: String, user: String) -> Result<(), Failure> {
        self.call(|| self.engine.leave(&room, &user))
    }

    /// Sets what is given of a room.
    #[napi]
    pub fn set_room(
        &self,
        room: String,
        private: Option<bool>,
        read_only: Option<bool>,
        max_member_count: Option<f64>,
        history_kept: Option<f64>,
    ) -> Result<(), Failure> {
        self.call(|| {
            let (max_member_count, history_kept) = (max_member_count.map(whole), history_kept.map(whole));
            let options = RoomOptions { private, read_only, max_member_count, history_kept };
            self.engine.set_room(&room, &options)
        })
    }

    /// Makes a ticket for an admission, an object as JSON.
    #[napi]
    pub fn ticket(&self, admission: String, ttl_ms: f64) -> Result<String, Failure> {
        self.call(|| self.engine.ticket(people::admission(&admission)?, ttl_ms as u64))
    }

    /// See the core.
    #[napi]
    pub fn ban(&self, user: String, seconds: Option<f64>) -> Result<(), Failure> {
        self.call(|| self.engine.ban(&user, seconds.map(whole)))
    }

    /// See the core.
    #[napi]
    pub fn ban_address(&self, address: String, seconds: Option<f64>) -> Result<(), Failure> {
        self.call(|| {
            let address = address.parse::<IpAddr>().map_err(|_| {
                let words = format!("address is {address:?}; it must be an IP address, without a port");
                Error::new(ErrorCode::InvalidArgument, words)
            })?;
            self.engine.ban_address(address, seconds.map(whole))
        })
    }

    /// See the core.
    #[napi]
    pub fn kick(&self, connection: f64, reason: String) -> Result<(), Failure> {
        self.call(|| self.engine.kick(ConnectionId(connection as u64), &reason))
    }

    /// A JSON array.
    #[napi]
    pub fn rooms(&self) -> Result<String, Failure> {
        self.call(|| self.engine.rooms().map(|rooms| message::rooms(&rooms)))
    }

    /// A JSON array.
    #[napi]
    pub fn members(&self, room: String) -> Result<String, Failure> {
        self.call(|| self.engine.members(&room).map(|members| message::members(&members)))
    }

    /// See the core.
    #[napi]
    pub fn member_count(&self, room: String) -> Result<f64, Failure> {
        self.call(|| self.engine.member_count(&room).map(|count| count as f64))
    }

    /// A JSON array.
    #[napi]
    pub fn history(&self, room: String, before: f64, limit: f64) -> Result<String, Failure> {
        self.call(|| {
            let messages = self.engine.history(&room, before as u64, limit as u64)?;
            Ok(message::messages(&messages))
        })
    }

    /// A JSON object.
    #[napi]
    pub fn stats(&self) -> Result<String, Failure> {
        self.call(|| self.engine.stats().map(|stats| message::stats(&stats)))
    }

    /// Answers a question: `allow`, `allow_as` (an admission as JSON), `rewrite` (text), `answer` (JSON) or `refuse`
    /// (reason).
    #[napi]
    pub fn answer(&self, question: f64, verdict: String, text: Option<String>) -> Result<(), Failure> {
        self.call(|| {
            let text = text.unwrap_or_default();
            let verdict = match verdict.as_str() {
                "allow" => Verdict::Allow,
                "allow_as" => Verdict::AllowAs(people::admission(&text)?),
                "answer" => Verdict::Answer(text),
                "rewrite" => Verdict::Rewrite(text),
                _ => Verdict::Refuse(text),
            };
            self.engine.answer(QuestionId(question as u64), verdict)
        })
    }

    /// Takes over a copy of the connected socket `descriptor`, which stays the caller's. `read` is what was
    /// read from it already.
    #[napi]
    pub fn adopt(&self, descriptor: i32, read: Uint8Array) -> Result<(), Failure> {
        self.call(|| {
            if descriptor < 0 {
                let words = format!("{descriptor} is no descriptor");
                return Err(Error::new(ErrorCode::CannotAdopt, words));
            }
            // SAFETY: the caller holds the socket that it belongs to for the length of this call, on the only
            // thread that could close it, and it is not -1.
            let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
            // `F_DUPFD_CLOEXEC`: closing the caller's one shuts nothing down.
            let socket = borrowed.try_clone_to_owned().map_err(|error| {
                let words = "the socket's descriptor cannot be copied";
                Error::with_source(ErrorCode::CannotAdopt, words, error)
            })?;
            self.engine.adopt(socket, &read)
        })
    }
}

impl NativeEngine {
    /// [`guard`], and after a panic `internal` for every further call.
    fn call<T>(&self, body: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
        guard(|| {
            if self.broken.get() {
                let words = "a call panicked before, which is a bug; stop this engine and make another";
                return Err(Error::new(ErrorCode::Internal, words));
            }
            // Stays set when `body` does not return.
            self.broken.set(true);
            let result = body();
            self.broken.set(false);
            result
        })
    }

    fn listen_to_events(
        &self,
        env: &Env,
        wake: &Function<'_, (), ()>,
        keep_alive: bool,
    ) -> Result<Running, Error> {
        let bell = Bell::new(wake).map_err(|error| of_napi(&error))?;
        bell.keep_alive(env, keep_alive).map_err(|error| of_napi(&error))?;
        // Made after the bell, so that it runs before the bell's function is closed: no thread is left then
        // that could ring.
        let hook = CleanupHook::new(env, {
            let (engine, bell) = (self.engine.clone(), Arc::clone(&bell));
            move || halt(&engine, &bell)
        })
        .map_err(|error| of_napi(&error))?;
        let rung = Arc::clone(&bell);
        self.events.borrow_mut().on_ready(move || rung.ring());
        Ok(Running { bell, _hook: hook })
    }

    /// Asks the stop under way whether it has ended; if not, it rings when it has.
    fn poll_stop(&self) {
        let (running, mut stopping) = (self.running.borrow(), self.stopping.borrow_mut());
        if let (Some(running), Some(stopping)) = (&*running, &mut *stopping)
            && stopping.result.is_none()
        {
            let waker = Waker::from(Arc::clone(&running.bell));
            if let Poll::Ready(result) = stopping.future.as_mut().poll(&mut Context::from_waker(&waker)) {
                stopping.result = Some(result);
            }
        }
    }
}

/// Ends an engine whose environment ends: no thread is left behind that could ring.
fn halt(engine: &Engine, bell: &Bell) {
    // There is nobody left to tell how it ended.
    let _ = engine.stop_blocking(LAST_GRACE);
    bell.close();
}

/// A JSON array that grows element by element.
struct Batch {
    out: Vec<u8>,
}

impl Batch {
    fn new() -> Batch {
        Batch { out: vec![b'['] }
    }

    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        write(&mut self.out);
    }

    fn end(mut self) -> String {
        self.out.push(b']');
        json::finish(self.out)
    }
}

fn json_of_addresses(addresses: &[std::net::SocketAddr]) -> String {
    let mut out = Vec::new();
    event::write_addresses(&mut out, addresses);
    json::finish(out)
}

/// The other half gives whole numbers, 0 or more.
fn whole(number: f64) -> u64 {
    number as u64
}

fn payload(bytes: &[u8]) -> Payload {
    Payload::Binary(bytes.to_vec())
}

/// What clients have to take leave when the environment ends. JavaScript is over by then, so it is short.
const LAST_GRACE: Duration = Duration::from_millis(100);

/// A year: more than any grace, less than a `Duration` holds.
const MAX_GRACE_MS: f64 = 31_536_000_000.0;
