//! **Klatsch**: chat as a library. One engine runs a WebSocket chat server in the background of your program;
//! the same engine is there for C (`libklatsch`) and for Node.js (npm `klatsch`), name for name.
//!
//! ```
//! use klatsch::{Engine, Event, Options};
//!
//! # fn main() -> Result<(), klatsch::Error> {
//! let engine = Engine::new(Options::new().listen("127.0.0.1:0"))?;
//! let mut events = engine.events()?;
//! let addresses = engine.start()?;
//! println!("open http://{} in a browser", addresses[0]);
//!
//! engine.broadcast("lobby", "Good morning!")?;
//! while let Some(event) = events.next_blocking() {
//!     match event {
//!         Event::Joined { name, room, .. } => println!("{name} is in {room}"),
//!         Event::Message { message, .. } => {
//!             println!("{}: {}", message.name, message.text);
//! #           break;
//!         }
//!         _ => {}
//!     }
//! }
//! engine.stop_blocking(std::time::Duration::from_secs(5))
//! # }
//! ```
//!
//! # What you work with
//!
//! - [`Options`] say where the engine listens and what its limits are; each says what it means, its unit, its
//!   default, and what happens when it is met.
//! - [`Engine`] is the running chat. Its calls never wait for the network: they give a message its place and
//!   return, from any thread and inside any async runtime.
//! - [`Events`] tell what happens, in order: a `Stream`, and the same for threads. A host that is slow never holds
//!   the chat up; what it missed is counted ([`Event::Missed`]).
//! - [`Question`]s ask the host before something happens: may this connection come in, may this message be sent.
//!   It [answers](Engine::answer) at once or later; silence refuses.
//! - Everything that was said stands in the log of its room, at a [`Position`].
//! - A [`client`] of one's own: the other end of a WebSocket, to any server.
//! - A [`sim`]ulated network, to cut the line in one's own tests.
//! - An [`Error`] has a [code](ErrorCode) for programs and words for people.
//!
//! Browsers talk to it by the chat page that it serves at `/`, by any client of the classic tutorial's protocol, or by one of
//! `klatsch.v1`, which resumes where it was; your own protocols talk to the host through a [raw](Options::raw) path.
//!
//! # The map, for those who read the source
//!
//! ```text
//!  socket bytes ─► wire: frames ─► whole texts ─► dialect: text → Command ─┐
//!    (the shard's one read buffer, borrowed: nothing is copied)           ▼
//!                                     chat: users, rooms, requests → effects and replies
//!                                      │                                  │
//!         store (append, fold, read) ◄─┘   server/hub carries effects out ─┤
//!                                                                         │
//!                        the host's events and answers ◄── events, engine │
//!                                                                         ▼
//!  socket bytes ◄─ one send per member and turn ◄─ fanout ◄─ lanes: encoded and framed ONCE
//! ```
//!
//! Three floors; a file may use what is below it, and a test reads the imports:
//!
//! - **Words**, plain types that are right once made: `close error id message event options command push network rate
//!   stats time`.
//! - **Pure**, state machines without socket, file, thread, clock or randomness, which do not know one another:
//!   `wire` (bytes ⇄ whole messages), `dialect` (text ⇄ commands and pushes), `chat` (what it means; time, logs and secrets
//!   are arguments), `fanout` (who gets which bytes).
//! - **Edges**: `store` (where logs are kept), `events` (the queue to the host), `done`, `server` (sockets and the
//!   turn; the only place that sees every floor; plain, encrypted, compressed), `client` (the same `wire` in the
//!   client's role), and the doors: `engine`, the only one to a running chat, and `sim`, to one whose network and clock are
//!   turned by hand.
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate self as klatsch;

mod broken;
mod chat;
pub mod client;
mod close;
mod command;
mod dialect;
mod done;
mod engine;
mod error;
mod event;
mod events;
mod fanout;
mod id;
mod message;
mod network;
mod options;
mod push;
mod rate;
mod server;
pub mod sim;
mod stats;
mod store;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod time;
mod wire;

pub use close::Cause as CloseCause;
pub use engine::Engine;
pub use error::{Error, ErrorCode};
pub use event::{Admission, Dialect, Event, Question, Subject, Verdict};
pub use events::Events;
pub use id::{ConnectionId, Mid, Position, QuestionId, RoomName, UserId, UserName};
pub use message::{
    Change, Color, Extras, Member, Message, Moderation, More, Payload, Reaction, Record, Role, Room,
    RoomOptions,
};
pub use options::{Limits, NUMBER_OPTIONS, NumberOption, Options};
pub use stats::{SlowConnection, Stats};
