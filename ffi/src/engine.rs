//! The engine's life: new, start, stop, free, and where it listens.
//!
//! What the host can do with a running one is in `calls.rs`, its events are in `events.rs`.

use std::ffi::c_char;
use std::time::Duration;

use klatsch::{Engine, Error, ErrorCode};

use crate::error::{klatsch_code_t, klatsch_error_t};
use crate::guard::guard;
use crate::handle::{self, Handle};
use crate::host::Host;
use crate::options::{klatsch_options_t, options_of};
use crate::text;

/// One running chat inside a host. Made with `klatsch_engine_new`, given back with `klatsch_engine_free`.
///
/// Every function that takes an engine can fail with `KLATSCH_INVALID_ARGUMENT` and `KLATSCH_INVALID_UTF8`
/// (an argument is not what this header asks for), `KLATSCH_FORKED` and `KLATSCH_INTERNAL`; its comment names
/// the other codes.
pub struct klatsch_engine_t(());

impl Handle for klatsch_engine_t {
    type Object = Host;
    const NAME: &'static str = "engine";
}

/// Runs the body of a function that takes an engine.
///
/// # Safety
/// `out_error` is NULL or a place to write a pointer to.
pub(crate) unsafe fn with_engine(
    engine: *mut klatsch_engine_t,
    out_error: *mut *mut klatsch_error_t,
    body: impl FnOnce(&Host) -> Result<(), Error>,
) -> klatsch_code_t {
    let body = || {
        let host = handle::get(engine)?;
        host.call(|| body(&host))
    };
    // SAFETY: the caller's promise.
    unsafe { guard(out_error, body) }
}

/// Makes an engine that does not run yet, and checks its options.
///
/// - `options`: required; copied, they stay the caller's.
/// - `out_engine`: required. Gets the engine, for `klatsch_engine_free`.
///
/// Fails with `KLATSCH_INVALID_OPTION`: which option, its value, and what it may be; and with the first
/// failure of a function that set an option.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_new(
    options: *const klatsch_options_t,
    out_engine: *mut *mut klatsch_engine_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    let body = || {
        let place = text::out("out_engine", out_engine)?;
        let core = Engine::new(options_of(options)?)?;
        // SAFETY: the conventions of the header; the place was checked.
        unsafe { place.write(handle::put(Host::new(core))) };
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { guard(out_error, body) }
}

/// Stops an engine without grace, waits until its last callback has returned, and gives it back. Every later
/// call with it answers `KLATSCH_INVALID_ARGUMENT`; calls that other threads are in the middle of fail.
///
/// - `engine`: may be NULL.
///
/// Answers `KLATSCH_DEADLOCK` inside a callback of this engine, `KLATSCH_FORKED` in a child process,
/// `KLATSCH_INVALID_ARGUMENT` for what is no engine: then nothing was given back. Every other answer says
/// how the stopping went; the engine is gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_free(engine: *mut klatsch_engine_t) -> klatsch_code_t {
    let body = || {
        if engine.is_null() {
            return Ok(());
        }
        let host = handle::get(engine)?;
        host.refuse_in_callback("klatsch_engine_free")?;
        let (reader, stopped) = host.end()?;
        drop(handle::take(engine));
        // The host's destructor runs here.
        drop(reader);
        stopped
    };
    // SAFETY: NULL is no place to write to.
    unsafe { guard(std::ptr::null_mut(), body) }
}

/// Binds, starts the engine's own threads and returns when it listens.
///
/// - `engine`: required.
///
/// Fails with `KLATSCH_ALREADY_RUNNING` (also while another call starts or stops it),
/// `KLATSCH_CANNOT_LISTEN`, `KLATSCH_INVALID_OPTION` (a certificate or key, with its file and the cause),
/// `KLATSCH_SYSTEM`. After `klatsch_engine_stop` it may be started again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_start(
    engine: *mut klatsch_engine_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, Host::start) }
}

/// Stops accepting at once, sends what waits, closes every connection (1001, or 4200; 1012, or 4202, with
/// `klatsch_options_restarts`), and cuts what is left after the grace. Blocks until no thread or socket of the engine is left, and until the last callback, with
/// `KLATSCH_EVENT_STOPPED`, has returned. Stopping what does not run is no failure; a second call, from
/// another thread, may shorten the first one's grace.
///
/// - `engine`: required.
/// - `grace_ms`: in milliseconds; 0: cut at once.
///
/// Fails with `KLATSCH_DEADLOCK` inside a callback of this engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_stop(
    engine: *mut klatsch_engine_t,
    grace_ms: u64,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    let body = || {
        let host = handle::get(engine)?;
        host.unchecked_call(|| host.stop(Duration::from_millis(grace_ms)))
    };
    // SAFETY: the conventions of the header.
    unsafe { guard(out_error, body) }
}

/// Reads the certificates and keys of `klatsch_options_tls_files` again. Connections that are there stay as they
/// are; new ones get the new certificates at once. What came by `klatsch_options_tls_pem` stays.
///
/// - `engine`: required.
///
/// Fails with `KLATSCH_INVALID_OPTION` if a file is missing or wrong; the words name it, the certificates that were
/// there stay in use, and `KLATSCH_EVENT_DEGRADED` says so too. With `KLATSCH_INVALID_ARGUMENT` if the engine speaks
/// no TLS; with `KLATSCH_NOT_RUNNING`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_reload_tls(
    engine: *mut klatsch_engine_t,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, |host| host.core.reload_tls()) }
}

/// Tells where the engine listens: one address for each `klatsch_options_listen` that is TCP, in their order.
/// Unix sockets are where the options say, so they are not listed.
///
/// - `engine`: required. It listens nowhere while it does not run.
/// - `index`: which address, counted from 0.
/// - `buffer`: gets the address as text, `IP:PORT` or `[IPv6]:PORT`, with a NUL behind it. May be NULL, to
///   ask for the count only.
/// - `capacity`: how many bytes `buffer` has. `KLATSCH_ADDRESS_BYTES` are always enough.
/// - `out_count`: may be NULL. Gets the number of addresses, also when `index` is no address.
///
/// Fails with `KLATSCH_INVALID_ARGUMENT` if there is no such address or `buffer` is too small.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_engine_addresses(
    engine: *mut klatsch_engine_t,
    index: usize,
    buffer: *mut c_char,
    capacity: usize,
    out_count: *mut usize,
    out_error: *mut *mut klatsch_error_t,
) -> klatsch_code_t {
    let invalid = |words: String| Err(Error::new(ErrorCode::InvalidArgument, words));
    let body = |host: &Host| {
        let addresses = host.core.addresses();
        if !out_count.is_null() {
            // SAFETY: the conventions of the header; the place was checked.
            unsafe { text::out("out_count", out_count)?.write(addresses.len()) };
        }
        if buffer.is_null() {
            return if out_count.is_null() {
                invalid("buffer and out_count are NULL".into())
            } else {
                Ok(())
            };
        }
        let Some(address) = addresses.get(index) else {
            return invalid(format!("index is {index}; the engine listens on {} addresses", addresses.len()));
        };
        let text = address.to_string();
        if text.len() >= capacity {
            return invalid(format!("capacity is {capacity}; the address needs {}", text.len() + 1));
        }
        // SAFETY: the conventions of the header: `buffer` has `capacity` bytes, more than the text and its NUL.
        unsafe {
            buffer.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
            buffer.add(text.len()).write(0);
        }
        Ok(())
    };
    // SAFETY: the conventions of the header.
    unsafe { with_engine(engine, out_error, body) }
}
