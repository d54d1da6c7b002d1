//! The edge to the network: sockets, the turn, and the only place that sees every floor.
//!
//! `hub` is what the host's threads and the engine's own share, behind one lock: it gives everything its
//! place. `shard` is the engine's own thread: it alone touches sockets. Its turn is told in the order of the
//! files `accept` (who comes, `addresses`: from where), `receive` (what they send), `send` (what they get) and `sweep` (who is gone).

mod accept;
mod addresses;
mod admission;
mod compression;
mod connection;
mod http;
mod hub;
mod lanes;
mod listener;
mod receive;
mod send;
mod shard;
mod shared;
mod sweep;
mod tls;
mod transport;

pub(crate) use admission::Rules;
pub(crate) use http::Site;
pub(crate) use hub::{Hub, HubSettings};
pub(crate) use listener::{Listener, descriptors};
pub(crate) use shard::{Adopted, Control, Shard, ShardSettings};
pub(crate) use shared::{Shared, internal};
pub(crate) use tls::{Acceptor, reload};
