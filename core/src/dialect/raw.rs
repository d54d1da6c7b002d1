//! No dialect: payloads go to the host and back as they are. Each is one message of its own kind.

use crate::message::Payload;

/// Whether the payload goes out as a text message, and its bytes.
pub(crate) fn encode(payload: &Payload) -> (bool, &[u8]) {
    (matches!(payload, Payload::Text(_)), payload.as_bytes())
}
