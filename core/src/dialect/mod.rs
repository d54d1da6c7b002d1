//! Text of the wire to commands, and what is to be shown to text: JSON lives here and nowhere else.
//!
//! In: whole texts from a client, and pushes for it. Out: commands, and payloads. Knows nothing of frames,
//! sockets or of what the chat does with a command.

mod json;
pub(crate) mod raw;
pub(crate) mod tutorial;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "the chat does not speak it yet"))]
pub(crate) mod v1;

use crate::push::Cause;

/// The close code for a cause, for clients that speak the tutorial dialect and for raw ones.
pub(crate) const fn close_code(cause: Cause) -> u16 {
    match cause {
        Cause::BadName | Cause::Kicked | Cause::Flood => 1008,
        Cause::TooLong => 1009,
        Cause::Overload | Cause::TooSlow => 1013,
        Cause::NoHeartbeat | Cause::GoingAway => 1001,
    }
}
