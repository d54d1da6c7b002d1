//! How events reach a C program: by a callback, or by a descriptor and a call that takes what waits.

use std::ffi::{c_int, c_void};
use std::ptr;

use klatsch::{Error, ErrorCode};

use crate::engine::{klatsch_engine_t, with_engine};
use crate::error::{klatsch_code_t, klatsch_error_t};
use crate::event::{Told, klatsch_event_t};
use crate::guard::value_or;
use crate::handle::{self, Handle};
use crate::host::Listener;
use crate::text;

/// A function of the host's that is called with each event. Must return, and must not throw.
///
/// - `user_data`: what `klatsch_engine_on_event` was given.
/// - `event`: lives until the function returns.
pub type klatsch_on_event_t =
    Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const klatsch_event_t)>;

/// A function of the host's that gives its data back. Must not throw.
pub type klatsch_destroy_t = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Events that `klatsch_engine_drain` gave.
pub struct klatsch_batch_t(());

impl Handle for klatsch_batch_t {
    type Object = Box<[Told]>;
    const NAME: &'static str = "batch";
}

/// Has a function called with each event, in the order in which they happened, on one thread of the
/// library's that lives while the engine runs. The function may call everything but `klatsch_engine_stop`
/// and `klatsch_engine_free` of the same engine. While it runs, later events wait; the network does not.
///
/// - `engine`: required, not running.
/// - `callback`: required.
/// - `user_data`: may be NULL. Handed to `callback`, never looked at.
/// - `destroy`: may be NULL. Called exactly once with `user_data`, inside `klatsch_engine_free`, when no
///   callback runs or will. Not called if this fails.
///
/// Fails with `KLATSCH_EVENTS_TAKEN`, `KLATSCH_ALREADY_RUNNING`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_on_event(
    engine: *mut klatsch_engine_t,
    callback: klatsch_on_event_t,
    user_data: *mut c_void,
    destroy: klatsch_destroy_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    let body = |host: &crate::host::Host| {
        let callback = callback.ok_or_else(|| Error::new(ErrorCode::InvalidArgument, "callback is NULL"))?;
        host.listen(|| Listener::new(callback, user_data, destroy))
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Gives a descriptor to wait on, with `poll` or what the host's loop has: it is readable while events wait.
/// Take them with `klatsch_engine_drain`. Call this before `klatsch_engine_start` to hear all of them.
///
/// - `engine`: required.
/// - `out_descriptor`: required. The descriptor stays the engine's, until it is freed: wait on it, nothing
///   else. A second call gives the same one.
///
/// Fails with `KLATSCH_EVENTS_TAKEN` (there is a callback), `KLATSCH_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_event_fd(
    engine: *mut klatsch_engine_t,
    out_descriptor: *mut c_int,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    let body = |host: &crate::host::Host| {
        let place = text::out("out_descriptor", out_descriptor)?;
        let descriptor = host.descriptor()?;
        // SAFETY: the conventions of the header; the place was checked.
        unsafe { place.write(descriptor) };
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Takes events that wait, in the order in which they happened. Does not wait for any. A host without a
/// descriptor may call this from time to time; the first call takes the events then.
///
/// - `engine`: required.
/// - `limit`: at most so many, at least 1. While more wait, the descriptor stays readable.
/// - `out_batch`: required. Gets the events, which may be none, for `klatsch_batch_free`.
///
/// Fails with `KLATSCH_EVENTS_TAKEN` (there is a callback).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_drain(
    engine: *mut klatsch_engine_t,
    limit: usize,
    out_batch: *mut *mut klatsch_batch_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    let body = |host: &crate::host::Host| {
        let place = text::out("out_batch", out_batch)?;
        if limit == 0 {
            return Err(Error::new(ErrorCode::InvalidArgument, "limit is 0; it can be 1 or more"));
        }
        let batch: Box<[Told]> = host.drain(limit)?.iter().map(Told::new).collect();
        // SAFETY: the conventions of the header; the place was checked.
        unsafe { place.write(handle::put(batch)) };
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}

/// Counts events.
///
/// - `batch`: may be NULL; then, and for what is no batch, the answer is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_batch_count(batch: *const klatsch_batch_t) -> usize {
    value_or(0, || handle::get(batch).map_or(0, |batch| batch.len()))
}

/// Gives one event, which lives until the batch is freed.
///
/// - `batch`: may be NULL.
/// - `index`: counted from 0, the oldest first.
///
/// Gives NULL if there is no such event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_batch_at(
    batch: *const klatsch_batch_t,
    index: usize,
) -> *const klatsch_event_t {
    value_or(ptr::null(), || {
        // The handle keeps the events where they are.
        let batch = handle::get(batch).ok();
        let told = batch.as_ref().and_then(|batch| batch.get(index));
        told.map_or(ptr::null(), |told| ptr::from_ref(told.event()))
    })
}

/// Gives events back.
///
/// - `batch`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_batch_free(batch: *mut klatsch_batch_t) {
    value_or((), || drop(handle::take(batch)));
}
