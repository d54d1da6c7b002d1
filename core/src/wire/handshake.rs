//! The opening handshake: a request's bytes to a judged request, and the bytes of its answer; and in [`client`]
//! the other side.
//!
//! In: what a client sends first, and who may connect. Out: what it asks for, or a refusal that is a
//! real HTTP answer and says which option would have let it in. Knows nothing of paths, rooms or pages.
//!
//! Stricter than HTTP asks of a server, because whatever stands in front of this one may read a
//! doubtful request differently: what has two readings is refused (RFC 9112 §11.2).

pub(crate) mod client;
mod forwarded;
mod policy;
mod request;
mod response;
mod upgrade;

pub(crate) use forwarded::client_address;
pub(crate) use policy::{HostPolicy, OriginPolicy, check_host, check_origin};
pub(crate) use request::{HeadScan, Request, parse_request, query_value};
pub(crate) use response::{Refusal, refusal_response, switching_protocols};
pub(crate) use upgrade::{Upgrade, check_upgrade, is_upgrade};

pub(super) use response::shown;
pub(super) use upgrade::is_token_byte;
