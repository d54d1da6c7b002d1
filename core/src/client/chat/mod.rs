//! A chat client that speaks `klatsch.v1` and stays: it comes back by itself, fetches what it missed, and says what was
//! said meanwhile, once and in order.
//!
//! ```
//! use klatsch::client::chat::Event;
//! use klatsch::client::{Chat, ChatOptions};
//! # use klatsch::{Engine, Error, Options};
//! # fn main() -> Result<(), Error> {
//! # let engine = Engine::new(Options::new().listen("127.0.0.1:0"))?;
//! # let url = format!("ws://{}", engine.start()?[0]);
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
//! # runtime.expect("there is a runtime").block_on(async {
//! let ann = Chat::connect(ChatOptions::new(&url).name("Ann"))?; // returns at once
//! ann.join("lobby").await?;
//! let sent = ann.send("lobby", "hello").await?;
//! while let Some(event) = ann.next().await {
//!     if let Event::Message { room, message } = event {
//!         assert_eq!((room.as_str(), message.position), ("lobby", sent.position));
//!         break;
//!     }
//! }
//! let room = ann.room("lobby").expect("it was joined");
//! assert_eq!(room.messages().len(), 1);
//! ann.close().await;
//! # engine.stop(std::time::Duration::ZERO).await
//! # })
//! # }
//! ```
//!
//! **What holds.** Each record of a room's log is told once and in order, or the room is [begun anew](Event::Reset) and that
//! is told; what the log lost is [told](Event::Rollback) too. A change that was answered stands in the log exactly once; one
//! that is [`Uncertain`](crate::ErrorCode::Uncertain) at most once; one that was refused not at all. [`Room`] has the
//! messages as they stand, with edits, deletions and reactions in them.
//!
//! **Which requests wait**, which are made again after a break, and which are not: [`Request`].
//!
//! **Close codes** say what becomes of it: 4000 to 4099 and what means that the other side will never understand this one
//! (1002, 1003, 1007, 1008, 1009) close it for good, 4100 to 4199 have it come back late, and after all others it comes
//! back soon and resumes.
//!
//! # The map
//!
//! [`Chat`] is a task (`driver`) around a [`Machine`], which has no socket, thread, clock or chance: `hello` and `line` are
//! its connection (with `talk`, what is known of it), `answers` its requests (with `outbox`, for changes, and `calls`, for
//! the rest), `catch_up` its rooms on the line (with `room`, how one is kept), `documents` the texts both ways, `saved` what
//! outlives it.

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
