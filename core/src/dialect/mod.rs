//! Text of the wire to commands, and what is to be shown to text. JSON is read and written here, and by the chat client
//! with the reader and the writer of here.
//!
//! In: whole texts from a client, and pushes for it. Out: commands, and payloads. Knows nothing of frames,
//! sockets or of what the chat does with a command.

pub(crate) mod json;
pub(crate) mod raw;
pub(crate) mod tutorial;
pub(crate) mod v1;
