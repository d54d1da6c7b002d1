//! A chat client that speaks `klatsch.v1`.
//!
//! [`Machine`] is all of it but the socket and the clock: it says what to send and tells what happened.

mod answers;
mod calls;
mod catch_up;
mod dice;
mod documents;
mod driver;
mod event;
mod handle;
mod hello;
mod line;
mod machine;
mod message;
mod options;
mod outbox;
mod request;
mod room;
mod saved;
mod settings;
mod shared;
mod talk;

pub use crate::error::Refusal;
pub use event::{Action, Event, State};
pub use handle::Chat;
pub use machine::Machine;
pub use message::{Act, Change, Me, Member, Message, Reaction, Record, RoomLine};
pub use options::{ChatOptions, Store};
pub use request::{From, Hit, Joined, Page, Place, Post, Reply, Request, RequestId, Sent};
pub use room::Room;
pub use settings::{Settings, Token};

#[cfg(test)]
mod tests;
