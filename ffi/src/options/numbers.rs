//! The options that are numbers, one function each.

use crate::error::klatsch_code_t;
use crate::options::{klatsch_options_t, set};

/// How many messages of its room a tutorial client is shown when it arrives: the newest, and at most 256
/// KiB of them.
///
/// - `options`: required.
/// - `history`: default 100; from 0 to 10000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_history(
    options: *mut klatsch_options_t,
    history: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.history(history)))
}

/// How many messages each room keeps as they stand; of its log, which resuming clients are given, it keeps four times
/// as many of the newest records. Older ones are forgotten.
///
/// - `options`: required.
/// - `history_kept`: default 1000; from 1 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_history_kept(
    options: *mut klatsch_options_t,
    history_kept: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.history_kept(history_kept)))
}

/// For how many milliseconds a room keeps what was said; past it the oldest is forgotten, a part in 256 of that time
/// later at the most. 0: for ever. Seven days, and a hundred years at the most.
///
/// - `options`: required.
/// - `history_ms`: default 604800000; from 0 to 3153600000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_history_ms(
    options: *mut klatsch_options_t,
    history_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.history_ms(history_ms)))
}

/// How many bytes the logs of all rooms may hold together; past it the oldest records of the rooms that
/// were quiet for longest are forgotten.
///
/// - `options`: required.
/// - `history_bytes`: default 268435456; from 65536 to 1099511627776.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_history_bytes(
    options: *mut klatsch_options_t,
    history_bytes: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.history_bytes(history_bytes)))
}

/// After how many milliseconds without a byte from a connection the engine pings it. Up to a fifth less, so
/// that not all connections are pinged at once. A v1 connection is sent a heartbeat that often instead, or
/// more often if its client wishes, and has to send something as often itself.
///
/// - `options`: required.
/// - `heartbeat_interval_ms`: default 25000; from 100 to 3600000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_heartbeat_interval_ms(
    options: *mut klatsch_options_t,
    heartbeat_interval_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.heartbeat_interval_ms(heartbeat_interval_ms)))
}

/// For how many milliseconds more the engine waits before it holds the peer for dead and cuts it.
///
/// - `options`: required.
/// - `heartbeat_timeout_ms`: default 10000; from 100 to 3600000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_heartbeat_timeout_ms(
    options: *mut klatsch_options_t,
    heartbeat_timeout_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.heartbeat_timeout_ms(heartbeat_timeout_ms)))
}

/// How many milliseconds a connection has for its whole opening request, and before that, where TLS is
/// spoken, for the TLS handshake; then it is cut.
///
/// - `options`: required.
/// - `handshake_timeout_ms`: default 5000; from 100 to 600000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_handshake_timeout_ms(
    options: *mut klatsch_options_t,
    handshake_timeout_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.handshake_timeout_ms(handshake_timeout_ms)))
}

/// How many milliseconds a v1 connection has for its `hello`; then it is closed with 4204.
///
/// - `options`: required.
/// - `hello_timeout_ms`: default 10000; from 100 to 600000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_hello_timeout_ms(
    options: *mut klatsch_options_t,
    hello_timeout_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.hello_timeout_ms(hello_timeout_ms)))
}

/// For how many milliseconds after its last connection is gone a v1 user is still in its rooms, so that
/// nobody sees a leave and a join when it comes back meanwhile. 0: it leaves at once.
///
/// - `options`: required.
/// - `linger_ms`: default 15000; from 0 to 3600000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_linger_ms(
    options: *mut klatsch_options_t,
    linger_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.linger_ms(linger_ms)))
}

/// For how many milliseconds after its last connection a v1 session can be resumed; then a client begins
/// anew.
///
/// - `options`: required.
/// - `session_ms`: default 86400000; from 1000 to 31536000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_session_ms(
    options: *mut klatsch_options_t,
    session_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.session_ms(session_ms)))
}

/// How many sessions of v1 users without a connection are kept; past it the oldest are forgotten.
///
/// - `options`: required.
/// - `max_session_count`: default 100000; from 0 to 16000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_session_count(
    options: *mut klatsch_options_t,
    max_session_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_session_count(max_session_count)))
}

/// For how many milliseconds the engine knows the `mid` of a v1 client's change, and gives the first one's
/// answer if it is sent again. Past it a client must not send again.
///
/// - `options`: required.
/// - `dedupe_ms`: default 86400000; from 1000 to 31536000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_dedupe_ms(
    options: *mut klatsch_options_t,
    dedupe_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.dedupe_ms(dedupe_ms)))
}

/// How many milliseconds the peer has to answer a close frame and go; then it is cut.
///
/// - `options`: required.
/// - `close_timeout_ms`: default 5000; from 100 to 600000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_close_timeout_ms(
    options: *mut klatsch_options_t,
    close_timeout_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.close_timeout_ms(close_timeout_ms)))
}

/// For how many milliseconds a connection may take not one byte of what waits for it; then it is cut.
///
/// - `options`: required.
/// - `write_timeout_ms`: default 10000; from 100 to 600000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_write_timeout_ms(
    options: *mut klatsch_options_t,
    write_timeout_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.write_timeout_ms(write_timeout_ms)))
}

/// How many milliseconds the host has to answer a question; then the answer is no.
///
/// - `options`: required.
/// - `question_timeout_ms`: default 5000; from 10 to 600000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_question_timeout_ms(
    options: *mut klatsch_options_t,
    question_timeout_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.question_timeout_ms(question_timeout_ms)))
}

/// How many questions may be open at once; one more is refused without being asked.
///
/// - `options`: required.
/// - `question_count`: default 1024; from 1 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_question_count(
    options: *mut klatsch_options_t,
    question_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.question_count(question_count)))
}

/// How many events may wait for the host; past it they are dropped, counted and told as `missed`.
///
/// - `options`: required.
/// - `event_queue_count`: default 8192; from 16 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_event_queue_count(
    options: *mut klatsch_options_t,
    event_queue_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.event_queue_count(event_queue_count)))
}

/// How many bytes of text and payload may wait in those events.
///
/// - `options`: required.
/// - `event_queue_bytes`: default 16777216; from 65536 to 1073741824.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_event_queue_bytes(
    options: *mut klatsch_options_t,
    event_queue_bytes: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.event_queue_bytes(event_queue_bytes)))
}

/// How long a whole message of a client may be, in bytes; a longer one closes its connection with 1009.
///
/// - `options`: required.
/// - `max_message_bytes`: default 65536; from 125 to 67108864.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_message_bytes(
    options: *mut klatsch_options_t,
    max_message_bytes: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_message_bytes(max_message_bytes)))
}

/// How long a chat message's text may be, in bytes; a longer one closes a tutorial connection with 1009,
/// and is refused to the host.
///
/// - `options`: required.
/// - `max_text_bytes`: default 16384; from 1 to 1048576.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_text_bytes(
    options: *mut klatsch_options_t,
    max_text_bytes: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_text_bytes(max_text_bytes)))
}

/// How long the `data` of a v1 client's request may be, in bytes of JSON; longer is refused with `too_long`.
///
/// - `options`: required.
/// - `max_data_bytes`: default 16384; from 1 to 1048576.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_data_bytes(
    options: *mut klatsch_options_t,
    max_data_bytes: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_data_bytes(max_data_bytes)))
}

/// How many messages, records or other entries one answer to a v1 client has at the most; the rest is in the
/// next answers.
///
/// - `options`: required.
/// - `max_page_count`: default 100; from 1 to 10000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_page_count(
    options: *mut klatsch_options_t,
    max_page_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_page_count(max_page_count)))
}

/// How many reactions one message may have; one more is refused with `too_many`.
///
/// - `options`: required.
/// - `max_reaction_count`: default 256; from 1 to 65536.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_reaction_count(
    options: *mut klatsch_options_t,
    max_reaction_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_reaction_count(max_reaction_count)))
}

/// Up to how many members a v1 client is told of everybody who comes to its room or leaves it; above, only
/// how many there are, at most once a second.
///
/// - `options`: required.
/// - `max_presence_count`: default 200; from 0 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_presence_count(
    options: *mut klatsch_options_t,
    max_presence_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_presence_count(max_presence_count)))
}

/// Into how many frames a message may be split; one more closes the connection with 1008.
///
/// - `options`: required.
/// - `max_fragment_count`: default 64; from 1 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_fragment_count(
    options: *mut klatsch_options_t,
    max_fragment_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_fragment_count(max_fragment_count)))
}

/// How many milliseconds the frames of one message may take to arrive; then 1008.
///
/// - `options`: required.
/// - `max_assembly_ms`: default 10000; from 100 to 600000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_assembly_ms(
    options: *mut klatsch_options_t,
    max_assembly_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_assembly_ms(max_assembly_ms)))
}

/// How many connections there may be; one more is answered 503, or cut where TLS would come first. 0: as
/// many as the process's descriptors allow, less a reserve for the host.
///
/// - `options`: required.
/// - `max_connection_count`: default 0; from 0 to 16000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_connection_count(
    options: *mut klatsch_options_t,
    max_connection_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_connection_count(max_connection_count)))
}

/// How many connections one IP address, or one IPv6 /64, may have; one more is answered 429, or cut where
/// TLS would come first. 0: no limit. Peers on a Unix socket are not counted, and of a trusted proxy its
/// clients are.
///
/// - `options`: required.
/// - `max_address_connection_count`: default 100; from 0 to 16000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_address_connection_count(
    options: *mut klatsch_options_t,
    max_address_connection_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_address_connection_count(max_address_connection_count)))
}

/// How many connections one v1 user may have; one more is closed with 4101.
///
/// - `options`: required.
/// - `max_user_connection_count`: default 10; from 1 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_user_connection_count(
    options: *mut klatsch_options_t,
    max_user_connection_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_user_connection_count(max_user_connection_count)))
}

/// How many rooms one v1 connection may be in, its direct rooms not counted; one more is refused with
/// `too_many`.
///
/// - `options`: required.
/// - `max_connection_room_count`: default 32; from 1 to 10000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_connection_room_count(
    options: *mut klatsch_options_t,
    max_connection_room_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_connection_room_count(max_connection_room_count)))
}

/// How many connections may be on their way to a WebSocket at once: in the TLS handshake, sending their
/// request, or asked about. One more has the one cut that has taken longest, if that is over a second; else
/// it is cut itself.
///
/// - `options`: required.
/// - `max_handshake_count`: default 1024; from 1 to 16000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_handshake_count(
    options: *mut klatsch_options_t,
    max_handshake_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_handshake_count(max_handshake_count)))
}

/// How many rooms there may be. When they are all there, a room without connections is forgotten to make
/// place; if none is empty, the new one is refused.
///
/// - `options`: required.
/// - `max_room_count`: default 100000; from 1 to 10000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_max_room_count(
    options: *mut klatsch_options_t,
    max_room_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.max_room_count(max_room_count)))
}

/// How many messages a second one user may send in the long run. A tutorial connection that sends faster
/// is read later, and closed with 1008 when it has done nothing else for 10 seconds. 0: no limit.
///
/// - `options`: required.
/// - `message_rate`: default 2; from 0 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_message_rate(
    options: *mut klatsch_options_t,
    message_rate: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.message_rate(message_rate)))
}

/// How many messages one user may send at once before that rate holds.
///
/// - `options`: required.
/// - `message_burst`: default 20; from 1 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_message_burst(
    options: *mut klatsch_options_t,
    message_burst: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.message_burst(message_burst)))
}

/// How many requests a second that are no messages one v1 user may send in the long run (`tell`, `typing`, `join`,
/// `refresh`, `moderate`, `call`); more are refused with `rate_limited`. 0: no limit.
///
/// - `options`: required.
/// - `tell_rate`: default 20; from 0 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_tell_rate(
    options: *mut klatsch_options_t,
    tell_rate: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.tell_rate(tell_rate)))
}

/// How many of those one v1 user may send at once before that rate holds.
///
/// - `options`: required.
/// - `tell_burst`: default 60; from 1 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_tell_burst(
    options: *mut klatsch_options_t,
    tell_burst: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.tell_burst(tell_burst)))
}

/// How many control frames (pings, pongs) a second a connection may send in the long run; more close it with
/// 1008, a v1 one with 4102.
///
/// - `options`: required.
/// - `control_rate`: default 10; from 1 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_control_rate(
    options: *mut klatsch_options_t,
    control_rate: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.control_rate(control_rate)))
}

/// How many control frames a connection may send at once before that rate holds.
///
/// - `options`: required.
/// - `control_burst`: default 20; from 1 to 1000000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_control_burst(
    options: *mut klatsch_options_t,
    control_burst: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.control_burst(control_burst)))
}

/// How many threads serve the connections, each its own share of them. 0: as many as there are processors for
/// the process; in Node, one.
///
/// - `options`: required.
/// - `shard_count`: default 0; from 0 to 64.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_shard_count(
    options: *mut klatsch_options_t,
    shard_count: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.shard_count(shard_count)))
}

/// From how many bytes on what is sent to a connection at once is compressed, if it is agreed on; less goes
/// plain, because compressing it saves next to nothing.
///
/// - `options`: required.
/// - `deflate_min_bytes`: default 512; from 1 to 1073741824.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_deflate_min_bytes(
    options: *mut klatsch_options_t,
    deflate_min_bytes: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.deflate_min_bytes(deflate_min_bytes)))
}

/// From how many waiting bytes on a connection lags: it is shown nothing more of its rooms until it has taken
/// what waits, and then what it missed, from the rooms' logs. If that is more than 256 KiB or no longer kept,
/// a tutorial connection is closed with 1013, and a v1 one is told where the gap is.
///
/// - `options`: required.
/// - `lag_bytes`: default 65536; from 1024 to 1073741824.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_lag_bytes(
    options: *mut klatsch_options_t,
    lag_bytes: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.lag_bytes(lag_bytes)))
}

/// For how many milliseconds a connection may lag; then it is closed with 1013, a v1 one with 4201.
///
/// - `options`: required.
/// - `lag_timeout_ms`: default 30000; from 100 to 3600000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_lag_timeout_ms(
    options: *mut klatsch_options_t,
    lag_timeout_ms: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.lag_timeout_ms(lag_timeout_ms)))
}

/// How many bytes may wait for one connection that reads too slowly; past it the connection is closed with
/// 1013, a v1 one with 4201.
///
/// - `options`: required.
/// - `outbox_bytes`: default 1048576; from 65536 to 1073741824.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_outbox_bytes(
    options: *mut klatsch_options_t,
    outbox_bytes: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.outbox_bytes(outbox_bytes)))
}

/// How many bytes the engine may hold in all, about. When it nears that, it answers new connections 503, then
/// closes slow readers, then shows no history; the host is told `degraded`. 0: no limit but all the others
/// together.
///
/// - `options`: required.
/// - `memory_bytes`: default 0; from 0 to 1099511627776.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn klatsch_options_memory_bytes(
    options: *mut klatsch_options_t,
    memory_bytes: u64,
) -> klatsch_code_t {
    set(options, |options| Ok(options.memory_bytes(memory_bytes)))
}
