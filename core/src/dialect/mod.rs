//! Text of the wire to commands, and what is to be shown to text. JSON is read and written here, and by the chat client
//! with the reader and the writer of here.
//!
//! In: whole texts from a client, and pushes for it. Out: commands, and payloads. Knows nothing of frames,
//! sockets or of what the chat does with a command.

pub(crate) mod json;
pub(crate) mod raw;
pub(crate) mod tutorial;
pub(crate) mod v1;

use crate::event::Dialect;
use crate::push::Cause;

/// The close code for a cause, as clients of a dialect are told it.
pub(crate) const fn close_code(dialect: Dialect, cause: Cause) -> u16 {
    match dialect {
        Dialect::V1 => v1::close_code(cause),
        Dialect::Tutorial | Dialect::Raw => match cause {
            Cause::TooLong => 1009,
            Cause::Overload | Cause::TooManyConnections | Cause::TooSlow => 1013,
            Cause::Restart => 1012,
            Cause::NoHeartbeat | Cause::GoingAway => 1001,
            Cause::Protocol
            | Cause::Unauthorized
            | Cause::Banned
            | Cause::Replaced
            | Cause::BadName
            | Cause::Kicked
            | Cause::Flood
            | Cause::NoHello => 1008,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_the_close_code_of_each_dialect() {
        for (cause, v1, others) in [
            (Cause::Protocol, 4000, 1008),
            (Cause::BadName, 4000, 1008),
            (Cause::Unauthorized, 4001, 1008),
            (Cause::Banned, 4002, 1008),
            (Cause::Replaced, 4003, 1008),
            (Cause::Kicked, 4004, 1008),
            (Cause::TooLong, 1009, 1009),
            (Cause::Overload, 4100, 1013),
            (Cause::TooManyConnections, 4101, 1013),
            (Cause::Flood, 4102, 1008),
            (Cause::GoingAway, 4200, 1001),
            (Cause::TooSlow, 4201, 1013),
            (Cause::Restart, 4202, 1012),
            (Cause::NoHeartbeat, 4203, 1001),
            (Cause::NoHello, 4204, 1008),
        ] {
            assert_eq!(close_code(Dialect::V1, cause), v1, "{cause:?}");
            for dialect in [Dialect::Tutorial, Dialect::Raw] {
                assert_eq!(close_code(dialect, cause), others, "{cause:?}, {dialect:?}");
            }
        }
    }
}
