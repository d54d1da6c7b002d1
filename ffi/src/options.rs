//! What a host sets before the engine starts: an object with one function for each option.
//!
//! In: values from C. Out: the core's options. What the values may be only the core knows.

mod numbers;

pub use numbers::*;

use std::ffi::c_char;
use std::sync::{Mutex, PoisonError};

use klatsch::{Error, ErrorCode, Limits, Options};

use crate::error::klatsch_code_t;
use crate::guard::{caught, guard, value_or};
use crate::handle::{self, Handle};
use crate::text;

/// What a host sets before the engine starts. Made with `klatsch_options_new`, given back with
/// `klatsch_options_free`; one thread at a time.
///
/// The functions that set an option answer `KLATSCH_INVALID_ARGUMENT` (no options, or a NULL) or
/// `KLATSCH_INVALID_UTF8`. A program need not look: the options remember their first failure, and
/// `klatsch_engine_new` fails with it. That one checks the values too.
pub struct klatsch_options_t(());

impl Handle for klatsch_options_t {
    type Object = Mutex<Setting>;
    const NAME: &'static str = "options";
}

/// What stands behind the options' handle.
#[derive(Default)]
pub(crate) struct Setting {
    options: Options,
    failure: Option<(ErrorCode, String)>,
}

/// Reads options for an engine.
///
/// # Errors
/// `invalid_argument`, `forked`: what a handle answers. The first failure of a setter.
pub(crate) fn options_of(options: *const klatsch_options_t) -> Result<Options, Error> {
    let setting = handle::get(options)?;
    let setting = setting.lock().unwrap_or_else(PoisonError::into_inner);
    match &setting.failure {
        Some((code, words)) => Err(Error::new(*code, words.clone())),
        None => Ok(setting.options.clone()),
    }
}

/// Sets one option, and remembers the first failure.
fn set(
    options: *mut klatsch_options_t,
    act: impl FnOnce(Options) -> Result<Options, Error>,
) -> klatsch_code_t {
    let body = || {
        let setting = handle::get(options)?;
        let mut setting = setting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = setting.options.clone();
        match caught(|| act(before)).and_then(|result| result) {
            Ok(after) => setting.options = after,
            Err(error) => {
                setting.failure.get_or_insert_with(|| (error.code(), error.message()));
                return Err(error);
            }
        }
        Ok(())
    };
    // SAFETY: NULL is no place to write to.
    unsafe { guard(std::ptr::null_mut(), body) }
}

/// Makes options that are all at their defaults.
///
/// Gives options for `klatsch_options_free`; NULL only after a bug in klatsch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_new() -> *mut klatsch_options_t {
    value_or(std::ptr::null_mut(), || handle::put(Mutex::default()))
}

/// Gives options back. Engines that were made with them keep what they need.
///
/// - `options`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_free(options: *mut klatsch_options_t) {
    value_or((), || drop(handle::take(options)));
}

/// Listens on this address too. May be called several times.
///
/// - `options`: required.
/// - `address`: UTF-8, copied. `IP:PORT`, `[IPv6]:PORT` or `localhost:PORT`; port 0 takes a free one. Or a
///   Unix socket: `unix:/run/chat.sock`. Its file is removed when the engine stops, and one on which nobody
///   listens any more is replaced; who may connect is the file's mode, which the process's umask decides.
///
/// Default, when it is never called: `127.0.0.1:1337`, which only this machine can reach.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_listen(
    options: *mut klatsch_options_t,
    address: *const c_char,
    address_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let address = unsafe { text::required("address", address, address_length) }?;
        Ok(options.listen(address))
    })
}

/// Listens nowhere: every connection comes by `klatsch_engine_adopt_fd`.
///
/// - `options`: required.
/// - `on`: default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_adopt_only(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.adopt_only(on)))
}

/// Has every listener speak TLS (1.2 or 1.3; `wss://`, `https://`) with the certificate in one file and its key
/// in another, both PEM; the certificates of its chain stand behind it. May be called several times: a client gets
/// the first certificate that is for the host it names (SNI), or the first of all.
///
/// - `options`: required.
/// - `cert`, `key`: UTF-8, copied. The files' paths.
///
/// The files are read by `klatsch_engine_start`, and again by `klatsch_engine_reload_tls`. Default, when neither
/// this nor `klatsch_options_tls_pem` is ever called: no TLS. Adopted connections never speak it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_tls_files(
    options: *mut klatsch_options_t,
    cert: *const c_char,
    cert_length: usize,
    key: *const c_char,
    key_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let cert = unsafe { text::required("cert", cert, cert_length) }?;
        // SAFETY: the conventions of the header: text lives for the call.
        let key = unsafe { text::required("key", key, key_length) }?;
        Ok(options.tls_files(cert, key))
    })
}

/// As `klatsch_options_tls_files`, with what would be in the files.
///
/// - `options`: required.
/// - `cert`, `key`: PEM, copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_tls_pem(
    options: *mut klatsch_options_t,
    cert: *const c_char,
    cert_length: usize,
    key: *const c_char,
    key_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let cert = unsafe { text::required("cert", cert, cert_length) }?;
        // SAFETY: the conventions of the header: text lives for the call.
        let key = unsafe { text::required("key", key, key_length) }?;
        Ok(options.tls_pem(cert, key))
    })
}

/// Sets the path on which the chat is; WebSocket requests for another are answered 404.
///
/// - `options`: required.
/// - `path`: UTF-8, copied. Default `/`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_path(
    options: *mut klatsch_options_t,
    path: *const c_char,
    path_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let path = unsafe { text::required("path", path, path_length) }?;
        Ok(options.path(path))
    })
}

/// Marks a path as raw: whole messages, text and bytes, go to the host as `KLATSCH_EVENT_RECEIVED`, and the
/// host answers with `klatsch_engine_tell`. May be called for several paths.
///
/// - `options`: required.
/// - `path`: UTF-8, copied.
/// - `subprotocol`: UTF-8, copied; may be NULL. The `Sec-WebSocket-Protocol` that clients of this path must
///   offer and that is echoed; empty: none is spoken, and a client's offer is refused with 400.
///
/// A raw connection is in the room that its `?room=` names, or in none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_raw(
    options: *mut klatsch_options_t,
    path: *const c_char,
    path_length: usize,
    subprotocol: *const c_char,
    subprotocol_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let path = unsafe { text::required("path", path, path_length) }?;
        // SAFETY: the conventions of the header: text lives for the call.
        let subprotocol = unsafe { text::optional("subprotocol", subprotocol, subprotocol_length) }?;
        Ok(options.raw(path, subprotocol))
    })
}

/// Sets whether the tutorial dialect is spoken.
///
/// - `options`: required.
/// - `on`: default true.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_tutorial(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.tutorial(on)))
}

/// Sets whether the dialect `klatsch.v1` is spoken, with clients that offer that subprotocol on the chat's path.
///
/// - `options`: required.
/// - `on`: default true.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_v1(options: *mut klatsch_options_t, on: bool) -> klatsch_code_t {
    set(options, |options| Ok(options.v1(on)))
}

/// Sets whether a client that offers unknown subprotocols only is taken for one of the tutorial's, and answered
/// without a subprotocol. Browsers then close the connection themselves, as their standard asks of them; other
/// clients may not mind. Else it is answered 400 with the supported ones.
///
/// - `options`: required.
/// - `on`: default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_accept_unknown_subprotocol(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.accept_unknown_subprotocol(on)))
}

/// Sets whether the chat page is served at `/`.
///
/// - `options`: required.
/// - `on`: default true.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_page(options: *mut klatsch_options_t, on: bool) -> klatsch_code_t {
    set(options, |options| Ok(options.page(on)))
}

/// Lets pages of this origin connect too. May be called several times.
///
/// - `options`: required.
/// - `origin`: UTF-8, copied. Like `https://chat.example`, compared as a whole; or `null`: pages that hide their
///   origin, such as those opened from a file; or `*`: any page of any site.
///
/// Pages of the engine's own origin always may. What is no page, and sends no `Origin`, may, unless
/// `klatsch_options_require_origin` is on. As long as this is never called and every listener is on loopback,
/// so may any page from loopback, and any page opened from a file. Browsers call such a page's origin `null`,
/// and that of a sandboxed frame of any site too: a chat on loopback that must not be reached from a web page
/// calls this with the origins it wants.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_allow_origin(
    options: *mut klatsch_options_t,
    origin: *const c_char,
    origin_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let origin = unsafe { text::required("origin", origin, origin_length) }?;
        Ok(options.allow_origin(origin))
    })
}

/// Answers requests for this host name too. May be called several times. A request for another is answered
/// 421.
///
/// - `options`: required.
/// - `host`: UTF-8, copied. Like `chat.example`, or with its port `chat.example:8080`.
///
/// Default, when it is never called: any name where a listener is not on loopback, and for adopted
/// connections; else only loopback names and addresses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_allow_host(
    options: *mut klatsch_options_t,
    host: *const c_char,
    host_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let host = unsafe { text::required("host", host, host_length) }?;
        Ok(options.allow_host(host))
    })
}

/// Keeps a name, and whatever looks like it, from those who choose their names themselves: they get a number behind
/// it. May be called several times. The host may still give it to somebody.
///
/// - `options`: required.
/// - `name`: UTF-8, copied.
///
/// The host's name and names of an authority, such as `admin`, are always kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_reserve_name(
    options: *mut klatsch_options_t,
    name: *const c_char,
    name_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let name = unsafe { text::required("name", name, name_length) }?;
        Ok(options.reserve_name(name))
    })
}

/// Believes this proxy, or every one in this network, about whose connection it hands on. May be called
/// several times.
///
/// - `options`: required.
/// - `network`: UTF-8, copied. Like `10.0.0.7`, `10.0.0.0/8` or `2001:db8::/32`; or `unix`: whoever comes by a
///   Unix socket that has a path.
///
/// Such a connection is its client's for the events and for `max_address_connection_count`. The client is the
/// last address in `X-Forwarded-For` that is not a trusted proxy's itself; a request whose header says anything
/// but an address there is answered 400. From everybody else the header is ignored, since anybody can write one:
/// list no network that strangers are in.
///
/// Default, when it is never called: nobody is believed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_trusted_proxy(
    options: *mut klatsch_options_t,
    network: *const c_char,
    network_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let network = unsafe { text::required("network", network, network_length) }?;
        Ok(options.trusted_proxy(network))
    })
}

/// Sets whether a WebSocket request without an `Origin` is refused.
///
/// - `options`: required.
/// - `on`: default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_require_origin(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.require_origin(on)))
}

/// Sets whether an engine that stops is started again soon, here or by another program that takes its place, as when a
/// service is updated. Connections are closed as by a restart then (4202; 1012 where they do not speak `klatsch.v1`),
/// and else as by a server that goes away (4200, 1001).
///
/// - `options`: required.
/// - `on`: default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_restarts(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.restarts(on)))
}

/// Sets whether messages are compressed (permessage-deflate) for clients that offer it, as browsers do. A message
/// is compressed once for all members of a room.
///
/// - `options`: required.
/// - `on`: default true.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_deflate(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.deflate(on)))
}

/// Sets whether the host is asked before a connection comes in (`KLATSCH_SUBJECT_ADMIT`).
///
/// - `options`: required.
/// - `on`: default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_ask_admit(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.ask_admit(on)))
}

/// Sets whether the host is asked before a user comes into a room (`KLATSCH_SUBJECT_MAY_JOIN`).
///
/// - `options`: required.
/// - `on`: default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_ask_may_join(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.ask_may_join(on)))
}

/// Sets whether the host is asked before a user's message gets its place (`KLATSCH_SUBJECT_MAY_SEND`).
///
/// - `options`: required.
/// - `on`: default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_ask_may_send(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.ask_may_send(on)))
}

/// Sets whether v1 clients may ask the host something itself (`KLATSCH_SUBJECT_CALL`). Else a `call` is answered
/// `not_available`.
///
/// - `options`: required.
/// - `on`: default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_ask_call(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.ask_call(on)))
}

/// Sets whether two users may have one name whom the host named, by its answer to a question or by a ticket; else the
/// second gets a number behind it.
///
/// - `options`: required.
/// - `on`: default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_repeat_given_names(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.repeat_given_names(on)))
}

/// Sets whether the host is told what became of each of its broadcasts (`KLATSCH_EVENT_RECEIPT`).
///
/// - `options`: required.
/// - `on`: default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_receipts(
    options: *mut klatsch_options_t,
    on: bool,
) -> klatsch_code_t {
    set(options, |options| Ok(options.receipts(on)))
}

/// Sets the name under which the host broadcasts.
///
/// - `options`: required.
/// - `name`: UTF-8, copied. Default `Host`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_host_name(
    options: *mut klatsch_options_t,
    name: *const c_char,
    name_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let name = unsafe { text::required("name", name, name_length) }?;
        Ok(options.host_name(name))
    })
}

/// Sets the colour in which the host broadcasts.
///
/// - `options`: required.
/// - `color`: UTF-8, copied. `black` (the default), `red`, `green`, `blue`, `magenta`, `purple`, `plum` or
///   `orange`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_host_color(
    options: *mut klatsch_options_t,
    color: *const c_char,
    color_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let color = unsafe { text::required("color", color, color_length) }?;
        Ok(options.host_color(color))
    })
}

/// Sets the options that a named set of limits covers; what is set later holds.
///
/// - `options`: required.
/// - `limits`: UTF-8. `default`; or `load-test`, for load tests from a single machine: what is counted per
///   user and per address is not limited (`message_rate`, `max_address_connection_count`). Never for a
///   public server.
///
/// Fails with `KLATSCH_INVALID_OPTION` too: there is no such set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_limits(
    options: *mut klatsch_options_t,
    limits: *const c_char,
    limits_length: usize,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let limits = unsafe { text::required("limits", limits, limits_length) }?;
        Ok(options.limits(Limits::from_name(limits)?))
    })
}

/// Sets one of the options that are numbers by its name: `history` is `klatsch_options_history`.
///
/// - `options`: required.
/// - `name`: UTF-8.
/// - `value`: what that option takes.
///
/// Fails with `KLATSCH_INVALID_OPTION` too: there is no such number option.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_set_number(
    options: *mut klatsch_options_t,
    name: *const c_char,
    name_length: usize,
    value: u64,
) -> klatsch_code_t {
    set(options, |options| {
        // SAFETY: the conventions of the header: text lives for the call.
        let name = unsafe { text::required("name", name, name_length) }?;
        let mut options = options;
        options.set_number(name, value)?;
        Ok(options)
    })
}
