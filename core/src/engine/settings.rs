//! What the options say, in the words of the hub and of the shards.

use std::net::SocketAddr;

use crate::chat::Settings;
use crate::close::Cause;
use crate::error::Error;
use crate::options::{Checked, Options};
use crate::rate::Rate;
use crate::server::{HubSettings, Rules, ShardSettings, Site, descriptors};
use crate::store::{Bounds, RECORDS_A_MESSAGE};
use crate::wire;

/// What the hub is told.
pub(crate) fn hub_settings(options: &Options, checked: &Checked) -> HubSettings {
    let numbers = &options.numbers;
    HubSettings {
        chat: Settings {
            host_name: checked.host_name.clone(),
            host_color: checked.host_color,
            reserved_names: checked.reserved_names.clone(),
            repeat_given_names: options.repeat_given_names,
            message_rate: Rate { per_second: numbers.message_rate, burst: numbers.message_burst },
            tell_rate: Rate { per_second: numbers.tell_rate, burst: numbers.tell_burst },
            max_text_bytes: numbers.max_text_bytes,
            max_data_bytes: numbers.max_data_bytes,
            max_message_bytes: numbers.max_message_bytes,
            max_room_count: numbers.max_room_count,
            max_connection_room_count: numbers.max_connection_room_count,
            max_user_connection_count: numbers.max_user_connection_count,
            max_session_count: numbers.max_session_count,
            max_page_count: numbers.max_page_count,
            max_reaction_count: numbers.max_reaction_count,
            max_presence_count: numbers.max_presence_count,
            hello_timeout_ms: numbers.hello_timeout_ms,
            heartbeat_interval_ms: numbers.heartbeat_interval_ms,
            linger_ms: numbers.linger_ms,
            session_ms: numbers.session_ms,
            dedupe_ms: numbers.dedupe_ms,
            ask_admit: options.ask_admit,
            ask_may_join: options.ask_may_join,
            ask_may_send: options.ask_may_send,
            ask_call: options.ask_call,
            question_count: numbers.question_count,
            question_timeout_ms: numbers.question_timeout_ms,
        },
        history: numbers.history,
        max_message_bytes: numbers.max_message_bytes,
        receipts: options.receipts,
    }
}

/// How much the logs keep.
pub(crate) fn log_bounds(options: &Options) -> Bounds {
    let numbers = &options.numbers;
    Bounds {
        message_count: numbers.history_kept,
        record_count: numbers.history_kept.saturating_mul(RECORDS_A_MESSAGE),
        bytes: numbers.history_bytes,
        age_ms: numbers.history_ms,
        dedupe_ms: numbers.dedupe_ms,
    }
}

/// What the shards are told. `bound`: where the engine listens; `is_local`: only on loopback.
///
/// # Errors
/// `system`: how many descriptors the process may have cannot be found out.
pub(crate) fn shard_settings(
    options: &Options,
    checked: &Checked,
    bound: &[SocketAddr],
    is_local: bool,
) -> Result<ShardSettings, Error> {
    let numbers = &options.numbers;
    let rules = Rules {
        path: options.path.clone(),
        raw: options.raw.clone(),
        tutorial: options.tutorial,
        v1: options.v1,
        accept_unknown_subprotocol: options.accept_unknown_subprotocol,
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
        // Who comes into the one room of a connection is asked before its handshake is answered, too.
        ask_admit: options.ask_admit || options.ask_may_join,
        max_connection_count: match numbers.max_connection_count {
            0 => descriptors()?,
            count => usize::try_from(count).unwrap_or(usize::MAX),
        },
        max_address_connection_count: numbers.max_address_connection_count,
        max_handshake_count: usize::try_from(numbers.max_handshake_count).unwrap_or(usize::MAX),
        trusted: checked.trusted.clone(),
        control_rate: Rate { per_second: numbers.control_rate, burst: numbers.control_burst },
        stop_cause: if options.restarts { Cause::Restart } else { Cause::GoingAway },
        deflate_min_bytes: usize::try_from(numbers.deflate_min_bytes).unwrap_or(usize::MAX),
        lag_bytes: usize::try_from(numbers.lag_bytes).unwrap_or(usize::MAX),
        lag_timeout_ms: numbers.lag_timeout_ms,
        memory_bytes: usize::try_from(numbers.memory_bytes).unwrap_or(usize::MAX),
        outbox_bytes: usize::try_from(numbers.outbox_bytes).unwrap_or(usize::MAX),
        heartbeat_interval_ms: numbers.heartbeat_interval_ms,
        heartbeat_timeout_ms: numbers.heartbeat_timeout_ms,
        handshake_timeout_ms: numbers.handshake_timeout_ms,
        close_timeout_ms: numbers.close_timeout_ms,
        write_timeout_ms: numbers.write_timeout_ms,
    })
}
