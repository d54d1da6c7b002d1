//! permessage-deflate: the server's side of RFC 7692.
//!
//! In: what a client offers, payloads to send, payloads that came compressed. Out: what is agreed, the
//! same payloads smaller, the same payloads as they were. Knows nothing of frames, connections or rooms.
//!
//! A deflater holds about 300 KB and an inflater about 50, so neither belongs to a connection. Clients
//! are made to begin anew with every message (`client_no_context_takeover`), hence one [`Inflater`]
//! serves all. One [`Deflater`] serves all because it begins anew with every batch:
//! [`deflater`] says what a batch is and why every client can read it.

mod deflater;
mod inflater;
mod negotiation;
#[cfg(any(test, feature = "testing"))]
pub(super) mod reference;

pub(crate) use deflater::Deflater;
pub(crate) use inflater::Inflater;
pub(crate) use negotiation::{Agreed, negotiate};

/// The end of every flushed message, which is not sent: the length of an empty block and that length
/// inverted (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
