//! A WebSocket of the core's client as a class, for where JavaScript has none of its own: `lib/websocket.js` gives it the
//! browser's shape.
//!
//! The connections of an environment share one thread, which runs them: made with the first and joined after the last.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use klatsch::client::{Closed, Options, Sender, WebSocket};
use klatsch::{Error, ErrorCode, Payload};
use napi::Env;
use napi::bindgen_prelude::{Function, Uint8Array};
use napi_derive::napi;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::cleanup::CleanupHook;
use crate::error::{Failure, guard, of_napi};
use crate::json;
use crate::wake::Bell;

/// One WebSocket. Lives on JavaScript's thread; what it shares with the connection's is the [`Line`].
#[napi]
pub struct NativeWebSocket {
    line: Arc<Line>,
    wishes: mpsc::UnboundedSender<Wish>,
    open: RefCell<Option<Open>>,
}

/// What a connection needs of its environment, until it has ended.
struct Open {
    bell: Arc<Bell>,
    task: AbortHandle,
    /// Taken back when this is dropped. Holds the thread.
    _hook: CleanupHook,
}

/// Between JavaScript's thread and the connection's.
#[derive(Default)]
struct Line {
    said: Mutex<VecDeque<Said>>,
    /// JavaScript has taken something of it.
    taken: Notify,
    is_open: AtomicBool,
    /// Bytes of messages that the connection has not taken yet.
    buffered: AtomicU64,
}

/// What is told to JavaScript.
enum Said {
    Open(String),
    Message(Payload),
    Closed(Closed),
}

/// What JavaScript wants.
enum Wish {
    Send(Payload),
    Close(u16, String),
}

#[napi]
impl NativeWebSocket {
    /// Connects. `wake` is called when there is something to [`drain`](Self::drain), until `release`; until then it keeps the
    /// process alive.
    #[napi(factory)]
    pub fn connect(
        env: Env,
        url: String,
        subprotocols: Vec<String>,
        wake: Function<'_, (), ()>,
    ) -> Result<NativeWebSocket, Failure> {
        guard(|| {
            let runtime = Runtime::shared()?;
            let bell = Bell::new(&wake).map_err(|error| of_napi(&error))?;
            bell.keep_alive(&env, true).map_err(|error| of_napi(&error))?;
            let (wishes, wished) = mpsc::unbounded_channel();
            let line = Arc::new(Line::default());
            let options = subprotocols.into_iter().fold(Options::new(), Options::subprotocol);
            let task = runtime.handle.spawn(live(url, options, wished, Arc::clone(&line), Arc::clone(&bell)));
            let task = task.abort_handle();
            // Made after the bell, so that it runs before the bell's function is closed.
            let hook = CleanupHook::new(&env, {
                let (bell, task) = (Arc::clone(&bell), task.clone());
                move || {
                    bell.close();
                    task.abort();
                    drop(runtime);
                }
            })
            .map_err(|error| of_napi(&error))?;
            Ok(NativeWebSocket { line, wishes, open: RefCell::new(Some(Open { bell, task, _hook: hook })) })
        })
    }

    /// Takes what was said, as a JSON array of `{open}`, `{text}`, `{binary}` and, last, `{code, reason, clean}`.
    #[napi]
    pub fn drain(&self) -> Result<String, Failure> {
        guard(|| {
            let said: Vec<Said> = self.line.said().drain(..).collect();
            self.line.taken.notify_one();
            Ok(json::array(&said, write))
        })
    }

    /// See the core.
    #[napi]
    pub fn send_text(&self, text: String) -> Result<(), Failure> {
        guard(|| self.wish(Payload::Text(text)))
    }

    /// See the core.
    #[napi]
    pub fn send_bytes(&self, bytes: Uint8Array) -> Result<(), Failure> {
        guard(|| self.wish(Payload::Binary(bytes.to_vec())))
    }

    /// How many bytes of messages wait for the connection to take them.
    #[napi]
    pub fn buffered(&self) -> Result<f64, Failure> {
        guard(|| Ok(self.line.buffered.load(Ordering::SeqCst) as f64))
    }

    /// Closes; one that is not open yet is given up.
    #[napi]
    pub fn close(&self, code: u16, reason: String) -> Result<(), Failure> {
        guard(|| {
            if self.line.is_open.load(Ordering::SeqCst) {
                // Nobody takes it when the connection has ended: then it is closed.
                let _ = self.wishes.send(Wish::Close(code, reason));
            } else if let Some(Open { bell, task, .. }) = &*self.open.borrow() {
                task.abort();
                self.line.said().push_back(Said::Closed(lost()));
                bell.ring();
            }
            Ok(())
        })
    }

    /// Lets go of the environment, once the end was drained.
    #[napi]
    pub fn release(&self) -> Result<(), Failure> {
        guard(|| {
            if let Some(open) = self.open.take() {
                open.bell.close();
            }
            Ok(())
        })
    }
}

impl NativeWebSocket {
    fn wish(&self, message: Payload) -> Result<(), Error> {
        self.line.buffered.fetch_add(length(&message), Ordering::SeqCst);
        // Nobody takes it when the connection has ended, which JavaScript is about to hear.
        let _ = self.wishes.send(Wish::Send(message));
        Ok(())
    }
}

impl Line {
    fn said(&self) -> MutexGuard<'_, VecDeque<Said>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells something, when there is room for it: the peer of a slow program is read later.
    async fn tell(&self, said: Said, bell: &Bell) {
        loop {
            {
                let mut queue = self.said();
                if queue.len() < MAX_SAID_COUNT {
                    queue.push_back(said);
                    break;
                }
            }
            self.taken.notified().await;
        }
        bell.ring();
    }
}

/// A connection from its beginning to its end.
async fn live(
    url: String,
    options: Options,
    wished: mpsc::UnboundedReceiver<Wish>,
    line: Arc<Line>,
    bell: Arc<Bell>,
) {
    let Ok(socket) = WebSocket::connect(&url, &options).await else {
        return line.tell(Said::Closed(lost()), &bell).await;
    };
    line.is_open.store(true, Ordering::SeqCst);
    line.tell(Said::Open(socket.subprotocol().unwrap_or_default().to_owned()), &bell).await;
    let (sender, mut receiver) = socket.split();
    let sending = tokio::spawn(carry_out(wished, sender.clone(), Arc::clone(&line)));
    // What failed shows in how it was closed.
    while let Some(message) = receiver.next().await {
        if let Ok(message) = message {
            line.tell(Said::Message(message), &bell).await;
        }
    }
    sending.abort();
    line.tell(Said::Closed(sender.closed().unwrap_or_else(lost)), &bell).await;
}

async fn carry_out(mut wished: mpsc::UnboundedReceiver<Wish>, sender: Sender, line: Arc<Line>) {
    while let Some(wish) = wished.recv().await {
        // What fails here fails because the connection has ended, which is told.
        match wish {
            Wish::Send(message) => {
                let length = length(&message);
                let _ = sender.send(message).await;
                line.buffered.fetch_sub(length, Ordering::SeqCst);
            }
            Wish::Close(code, reason) => {
                let _ = sender.close(code, &reason).await;
            }
        }
    }
}

fn write(out: &mut Vec<u8>, said: &Said) {
    let object = json::Object::new(out);
    match said {
        Said::Open(subprotocol) => object.text("open", subprotocol),
        Said::Message(Payload::Text(text)) => object.text("text", text),
        Said::Message(Payload::Binary(bytes)) => object.field("binary", |out| json::base64(out, bytes)),
        Said::Closed(Closed { code, reason, is_clean }) => object
            .number("code", u64::from(*code))
            .text("reason", reason)
            .field("clean", |out| out.extend_from_slice(if *is_clean { b"true" } else { b"false" })),
    }
    .end();
}

fn length(message: &Payload) -> u64 {
    match message {
        Payload::Text(text) => text.len() as u64,
        Payload::Binary(bytes) => bytes.len() as u64,
    }
}

fn lost() -> Closed {
    Closed { code: 1006, reason: String::new(), is_clean: false }
}

/// The thread that the connections of one environment share.
struct Runtime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

thread_local! {
    static RUNTIME: RefCell<Weak<Runtime>> = const { RefCell::new(Weak::new()) };
}

impl Runtime {
    fn shared() -> Result<Rc<Runtime>, Error> {
        RUNTIME.with_borrow_mut(|shared| match shared.upgrade() {
            Some(runtime) => Ok(runtime),
            None => {
                let runtime = Rc::new(Runtime::start()?);
                *shared = Rc::downgrade(&runtime);
                Ok(runtime)
            }
        })
    }

    fn start() -> Result<Runtime, Error> {
        let failed = |error| Error::with_source(ErrorCode::Internal, "a thread cannot be started", error);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("klatsch-client".to_owned()).spawn(move || {
            // An error is what a dropped sender sends.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_timeout(LAST_GRACE);
        });
        Ok(Runtime { handle, stop: Some(stop), thread: Some(thread.map_err(failed)?) })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell; a panic of it was told by itself.
            let _ = thread.join();
        }
    }
}

/// Most messages that wait for JavaScript.
const MAX_SAID_COUNT: usize = 256;

/// What a name that is being looked up may take when the environment ends.
const LAST_GRACE: Duration = Duration::from_millis(500);
