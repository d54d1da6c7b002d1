//! The one way from the engine's thread to JavaScript: a bell that says "there is something to drain".
//!
//! In: rings, from any thread, as many as there may be. Out: one call of a JavaScript function, soon. The
//! thread-safe function under it has no payload and at most one call queued at any time: some versions of
//! Node free the function while its queue is not empty, and then read it (nodejs/node#55706).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};

/// Weak: by itself it lets the process end; [`Bell::keep_alive`] changes that.
type WakeFunction = ThreadsafeFunction<(), (), (), Status, false, true, 0>;

/// See the module. Lives from a start to its stop.
pub(crate) struct Bell {
    function: Mutex<Option<WakeFunction>>,
    /// Whether a call is queued. Cleared when JavaScript is about to be called, before it drains, so that
    /// whatever comes after that rings again.
    queued: Arc<AtomicBool>,
}

impl Bell {
    /// Makes a bell that calls `wake` on JavaScript's thread.
    pub(crate) fn new(wake: &Function<'_, (), ()>) -> napi::Result<Arc<Bell>> {
        let queued = Arc::new(AtomicBool::new(false));
        let cleared = Arc::clone(&queued);
        let function = wake.build_threadsafe_function::<()>().weak::<true>().build_callback(move |_| {
            cleared.store(false, Ordering::SeqCst);
            Ok(())
        })?;
        Ok(Arc::new(Bell { function: Mutex::new(Some(function)), queued }))
    }

    /// Has JavaScript called soon, unless it will be anyway. Never blocks.
    pub(crate) fn ring(&self) {
        let function = self.function.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(function) = function.as_ref() else { return };
        if !self.queued.swap(true, Ordering::SeqCst)
            && function.call((), ThreadsafeFunctionCallMode::NonBlocking) != Status::Ok
        {
            self.queued.store(false, Ordering::SeqCst);
        }
    }

    /// Whether the process stays alive for as long as this bell is open.
    #[expect(deprecated, reason = "what is named instead, cloning and dropping, cannot change it")]
    pub(crate) fn keep_alive(&self, env: &Env, on: bool) -> napi::Result<()> {
        match self.function.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(function) if on => function.refer(env),
            Some(function) => function.unref(env),
            None => Ok(()),
        }
    }

    /// Lets go of JavaScript: rings are not heard any more.
    pub(crate) fn close(&self) {
        let function = self.function.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(function);
    }
}

/// A future that is waited for rings when it should be polled again.
impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}
