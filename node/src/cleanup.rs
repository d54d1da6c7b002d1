//! What must be done before a Node environment is gone: at the end of the process, and of each worker.
//!
//! napi's own hook cannot be taken back without leaking what it owns, so this one is written out.

use std::cell::RefCell;
use std::ffi::c_void;
use std::rc::Rc;

use napi::{Env, Status, sys};

use crate::error::caught;

type Action = RefCell<Option<Box<dyn FnOnce()>>>;

/// Runs an action when the environment ends, unless it is dropped before. Hooks run in the opposite order of
/// their making, so one that is made after a thread-safe function runs before that is closed.
pub(crate) struct CleanupHook {
    env: sys::napi_env,
    /// Shared with the environment, which holds a count of its own until the hook has run or is taken back.
    action: Rc<Action>,
}

impl CleanupHook {
    /// Asks `env` to run `action` when it ends.
    pub(crate) fn new(env: &Env, action: impl FnOnce() + 'static) -> napi::Result<CleanupHook> {
        let action: Rc<Action> = Rc::new(RefCell::new(Some(Box::new(action))));
        let argument = Rc::into_raw(Rc::clone(&action));
        // SAFETY: called on the thread of `env`; the argument stays valid until `run` or `drop` takes it back.
        let status =
            unsafe { sys::napi_add_env_cleanup_hook(env.raw(), Some(run), argument.cast_mut().cast()) };
        let hook = CleanupHook { env: env.raw(), action };
        if status != sys::Status::napi_ok {
            // SAFETY: the environment did not take the count that was made for it.
            drop(unsafe { Rc::from_raw(argument) });
            hook.action.take();
            return Err(napi::Error::from_status(Status::from(status)));
        }
        Ok(hook)
    }
}

impl Drop for CleanupHook {
    fn drop(&mut self) {
        if self.action.take().is_none() {
            return;
        }
        let argument = Rc::as_ptr(&self.action);
        // SAFETY: dropped on the thread of `env`, like all that JavaScript owns; the action had not run, so the
        // environment is there and has the hook.
        unsafe { sys::napi_remove_env_cleanup_hook(self.env, Some(run), argument.cast_mut().cast()) };
        // SAFETY: the count that `new` made for the environment, which has just forgotten it.
        drop(unsafe { Rc::from_raw(argument) });
    }
}

unsafe extern "C" fn run(argument: *mut c_void) {
    // SAFETY: the count that `new` made for the environment; it runs each hook once.
    let action = unsafe { Rc::from_raw(argument.cast_const().cast::<Action>()) };
    if let Some(action) = action.take() {
        // There is nobody left to tell.
        let _ = caught(|| {
            action();
            Ok(())
        });
    }
}
