//! The options that are numbers: one table of names, defaults, ranges and meanings.

use crate::error::Error;

use super::{Options, invalid};

macro_rules! numbers {
    ($($(#[doc = $doc:literal])+ $name:ident: $default:literal, $min:literal ..= $max:literal;)+) => {
        #[derive(Clone, Debug)]
        pub(crate) struct Numbers { $(pub(crate) $name: u64,)+ }

        impl Default for Numbers {
            fn default() -> Numbers {
                Numbers { $($name: $default,)+ }
            }
        }

        /// Every option that is a number, its default and what it may be.
        pub const NUMBER_OPTIONS: &[NumberOption] = &[$(NumberOption {
            name: stringify!($name), default: $default, min: $min, max: $max,
            meaning: concat!($($doc),+).trim_ascii(),
        },)+];

        impl Options {
            $($(#[doc = $doc])+
            #[doc = concat!("\n\nDefault ", stringify!($default), "; from ", stringify!($min), " to ",
                stringify!($max), ".")]
            #[must_use]
            pub fn $name(mut self, $name: u64) -> Options {
                self.numbers.$name = $name;
                self
            })+

            /// Sets the option of that name, one of [`NUMBER_OPTIONS`].
            ///
            /// # Errors
            /// [`ErrorCode::InvalidOption`](crate::ErrorCode::InvalidOption): there is no such number option.
            pub fn set_number(&mut self, name: &str, value: u64) -> Result<(), Error> {
                match name {
                    $(stringify!($name) => self.numbers.$name = value,)+
                    _ => return Err(invalid(format!("there is no number option {name:?}"))),
                }
                Ok(())
            }

            pub(super) fn number(&self, name: &str) -> u64 {
                match name { $(stringify!($name) => self.numbers.$name,)+ _ => 0 }
            }
        }
    };
}

numbers! {
    /// How many messages of its room a tutorial client is shown when it arrives: the newest, and at most
    /// 256 KiB of them.
    history: 100, 0 ..= 10_000;
    /// How many messages each room keeps as they stand; of its log, which resuming clients are given, it keeps four times
    /// as many of the newest records. Older ones are forgotten.
    history_kept: 1_000, 1 ..= 1_000_000;
    /// For how many milliseconds a room keeps what was said; past it the oldest is forgotten, a part in 256 of that time
    /// later at the most. 0: for ever. Seven days, and a hundred years at the most.
    history_ms: 604_800_000, 0 ..= 3_153_600_000_000;
    /// How many bytes the logs of all rooms may hold together; past it the oldest records of the rooms
    /// that were quiet for longest are forgotten.
    history_bytes: 268_435_456, 65_536 ..= 1_099_511_627_776;
    /// After how many milliseconds without a byte from a connection the engine pings it. Up to a fifth
    /// less, so that not all connections are pinged at once. A v1 connection is sent a heartbeat that often instead,
    /// or more often if its client wishes, and has to send something as often itself.
    heartbeat_interval_ms: 25_000, 100 ..= 3_600_000;
    /// For how many milliseconds more the engine waits before it holds the peer for dead and cuts it.
    heartbeat_timeout_ms: 10_000, 100 ..= 3_600_000;
    /// How many milliseconds a connection has for its whole opening request, and before that, where TLS is
    /// spoken, for the TLS handshake; then it is cut.
    handshake_timeout_ms: 5_000, 100 ..= 600_000;
    /// How many milliseconds a v1 connection has for its `hello`; then it is closed with 4204.
    hello_timeout_ms: 10_000, 100 ..= 600_000;
    /// For how many milliseconds after its last connection is gone a v1 user is still in its rooms, so that nobody sees
    /// a leave and a join when it comes back meanwhile. 0: it leaves at once.
    linger_ms: 15_000, 0 ..= 3_600_000;
    /// For how many milliseconds after its last connection a v1 session can be resumed; then a client begins anew.
    session_ms: 86_400_000, 1_000 ..= 31_536_000_000;
    /// How many sessions of v1 users without a connection are kept; past it the oldest are forgotten.
    max_session_count: 100_000, 0 ..= 16_000_000;
    /// For how many milliseconds the engine knows the `mid` of a v1 client's change, and gives the first one's answer if
    /// it is sent again. Past it a client must not send again.
    dedupe_ms: 86_400_000, 1_000 ..= 31_536_000_000;
    /// How many milliseconds the peer has to answer a close frame and go; then it is cut.
    close_timeout_ms: 5_000, 100 ..= 600_000;
    /// For how many milliseconds a connection may take not one byte of what waits for it; then it is cut.
    write_timeout_ms: 10_000, 100 ..= 600_000;
    /// How many milliseconds the host has to answer a question; then the answer is no.
    question_timeout_ms: 5_000, 10 ..= 600_000;
    /// How many questions may be open at once; one more is refused without being asked.
    question_count: 1_024, 1 ..= 1_000_000;
    /// How many events may wait for the host; past it they are dropped, counted and told as `missed`.
    event_queue_count: 8_192, 16 ..= 1_000_000;
    /// How many bytes of text and payload may wait in those events.
    event_queue_bytes: 16_777_216, 65_536 ..= 1_073_741_824;
    /// How long a whole message of a client may be, in bytes; a longer one closes its connection with 1009.
    max_message_bytes: 65_536, 125 ..= 67_108_864;
    /// How long a chat message's text may be, in bytes; a longer one closes a tutorial connection with
    /// 1009, and is refused to the host.
    max_text_bytes: 16_384, 1 ..= 1_048_576;
    /// How long the `data` of a v1 client's request may be, in bytes of JSON; longer is refused with `too_long`.
    max_data_bytes: 16_384, 1 ..= 1_048_576;
    /// How many messages, records or other entries one answer to a v1 client has at the most; the rest is in the next
    /// answers.
    max_page_count: 100, 1 ..= 10_000;
    /// How many reactions one message may have; one more is refused with `too_many`.
    max_reaction_count: 256, 1 ..= 65_536;
    /// Up to how many members a v1 client is told of everybody who comes to its room or leaves it; above, only how many
    /// there are, at most once a second.
    max_presence_count: 200, 0 ..= 1_000_000;
    /// Into how many frames a message may be split; one more closes the connection with 1008.
    max_fragment_count: 64, 1 ..= 1_000_000;
    /// How many milliseconds the frames of one message may take to arrive; then 1008.
    max_assembly_ms: 10_000, 100 ..= 600_000;
    /// How many connections there may be; one more is answered 503, or cut where TLS would come first. 0: as
    /// many as the process's descriptors allow, less a reserve for the host.
    max_connection_count: 0, 0 ..= 16_000_000;
    /// How many connections one IP address, or one IPv6 /64, may have; one more is answered 429, or cut where
    /// TLS would come first. 0: no limit. Peers on a Unix socket are not counted, and of a trusted proxy its
    /// clients are.
    max_address_connection_count: 100, 0 ..= 16_000_000;
    /// How many connections one v1 user may have; one more is closed with 4101.
    max_user_connection_count: 10, 1 ..= 1_000_000;
    /// How many rooms one v1 connection may be in, its direct rooms not counted; one more is refused with `too_many`.
    max_connection_room_count: 32, 1 ..= 10_000;
    /// How many connections may be on their way to a WebSocket at once: in the TLS handshake, sending their
    /// request, or asked about. One more has the one cut that has taken longest, if that is over a second; else it
    /// is cut itself.
    max_handshake_count: 1_024, 1 ..= 16_000_000;
    /// How many rooms there may be. When they are all there, a room without connections is forgotten to
    /// make place; if none is empty, the new one is refused.
    max_room_count: 100_000, 1 ..= 10_000_000;
    /// How many messages a second one user may send in the long run. A tutorial connection that sends
    /// faster is read later, and closed with 1008 when it has done nothing else for 10 seconds. 0: no limit.
    message_rate: 2, 0 ..= 1_000_000;
    /// How many messages one user may send at once before that rate holds.
    message_burst: 20, 1 ..= 1_000_000;
    /// How many requests a second that are no messages one v1 user may send in the long run (`tell`, `typing`, `join`,
    /// `refresh`, `moderate`, `call`); more are refused with `rate_limited`. 0: no limit.
    tell_rate: 20, 0 ..= 1_000_000;
    /// How many of those one v1 user may send at once before that rate holds.
    tell_burst: 60, 1 ..= 1_000_000;
    /// How many control frames (pings, pongs) a second a connection may send in the long run; more close
    /// it with 1008, a v1 one with 4102.
    control_rate: 10, 1 ..= 1_000_000;
    /// How many control frames a connection may send at once before that rate holds.
    control_burst: 20, 1 ..= 1_000_000;
    /// How many threads serve the connections, each its own share of them. 0: as many as there are processors for the
    /// process; in Node, one.
    shard_count: 0, 0 ..= 64;
    /// From how many bytes on what is sent to a connection at once is compressed, if it is agreed on; less goes
    /// plain, because compressing it saves next to nothing.
    deflate_min_bytes: 512, 1 ..= 1_073_741_824;
    /// From how many waiting bytes on a connection lags: it is shown nothing more of its rooms until it has taken what
    /// waits, and then what it missed, from the rooms' logs. If that is more than 256 KiB or no longer kept, a tutorial
    /// connection is closed with 1013, and a v1 one is told where the gap is.
    lag_bytes: 65_536, 1_024 ..= 1_073_741_824;
    /// For how many milliseconds a connection may lag; then it is closed with 1013, a v1 one with 4201.
    lag_timeout_ms: 30_000, 100 ..= 3_600_000;
    /// How many bytes may wait for one connection that reads too slowly; past it the connection is closed
    /// with 1013, a v1 one with 4201.
    outbox_bytes: 1_048_576, 65_536 ..= 1_073_741_824;
    /// How many bytes the engine may hold in all, about. When it nears that, it answers new connections 503, then closes
    /// slow readers, then shows no history; the host is told `degraded`. 0: no limit but all the others together.
    memory_bytes: 0, 0 ..= 1_099_511_627_776;
}

/// A number option: its name, what it may be and what it means.
#[derive(Clone, Copy, Debug)]
pub struct NumberOption {
    /// The name, the same in every door but for its case.
    pub name: &'static str,
    /// Its value when it is not set.
    pub default: u64,
    /// The smallest value it may have.
    pub min: u64,
    /// The largest value it may have.
    pub max: u64,
    /// What it means, its unit and what happens at the limit.
    pub meaning: &'static str,
}
