//! permessage-deflate: RFC 7692, from both sides.
//!
//! In: what a client offers or a server accepts, payloads to send, payloads that came compressed. Out: what is agreed, the
//! same payloads smaller, the same payloads as they were. Knows nothing of frames, connections or rooms.
//!
//! A deflater holds about 300 KB and an inflater about 50, so in a server neither belongs to a connection. Clients
//! are made to begin anew with every message (`client_no_context_takeover`), hence one [`Inflater`]
//! serves all. One [`Deflater`] serves all because it begins anew with every batch:
//! [`deflater`] says what a batch is and why every client can read it. A client has a pair of its own, which keeps
//! its context from message to message as far as that was agreed.

mod accepted;
mod deflater;
mod inflater;
mod negotiation;
#[cfg(any(test, feature = "testing"))]
pub(super) mod reference;

pub(crate) use accepted::{Accepted, OFFER, read_accepted};
pub(crate) use deflater::Deflater;
pub(crate) use inflater::Inflater;
pub(crate) use negotiation::{Agreed, negotiate};

/// The end of every flushed message, which is not sent: the length of an empty block and that length
/// inverted (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
