//! The edge to the network: sockets, the turn, and the only place that sees every floor.
//!
//! `hub` is what the host's threads and the engine's own share, behind one lock: it gives everything its
//! place, and gathers what is to be sent (`dispatch`). A `shard` is a thread of the engine's own: it alone touches its
//! sockets; `shards` is how they are reached, and what they count together. A shard's turn is told in the order of the
//! files `accept` (who comes, `addresses`: from where), `receive` (what they send), `show` (what rooms get), `send` (what each gets) and `sweep` (who is gone).

mod accept;
mod addresses;
mod admission;
mod budget;
mod clock;
mod compression;
mod connection;
mod dispatch;
mod http;
mod hub;
mod listener;
mod pipe;
mod receipts;
mod receive;
mod send;
mod shard;
mod shards;
mod shared;
mod show;
mod simulated;
mod sweep;
mod tls;
mod transport;
mod waiting;

pub(crate) use admission::Rules;
pub(crate) use clock::{Clock, TurnedClock};
pub(crate) use http::Site;
pub(crate) use hub::{Hub, HubSettings, Secrets};
pub(crate) use listener::{Listener, descriptors};
pub(crate) use pipe::{End, Pipe, PipeEnd, Used};
pub(crate) use shard::{Shard, ShardSettings};
pub(crate) use shards::{Adopted, Bridge, MAX_SHARDS, Shards};
pub(crate) use shared::{Shared, internal};
pub(crate) use simulated::Readiness;
pub(crate) use tls::{Acceptor, reload};
