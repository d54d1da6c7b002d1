//! The C door: libklatsch, whose manual is `include/klatsch.h`.
//!
//! Thin on purpose: each function converts what comes in, makes **one** call into the core, and converts what
//! goes out. The comments here are the header's comments; a test regenerates it and compares.
//!
//! | file | one job |
//! | --- | --- |
//! | `version` `error` `options` `engine` `events` `event` `calls` `people` `message` `stats` | the functions and types of the header, in its order |
//! | `host` | what stands behind an engine's handle: its life, and the thread that calls back |
//! | `handle` | numbers for objects, so that no wrong pointer is ever followed |
//! | `guard` | the wall that no panic passes |
//! | `text` `bell` | text in and out; the descriptor that is readable while events wait |

// The names are C's. What a caller must keep is said once, in the header's conventions: a `# Safety` section
// in each comment would land there too.
#![allow(non_camel_case_types, clippy::missing_safety_doc, clippy::too_many_arguments)]

// In the header's order.
mod version;

mod error;

mod close;

mod options;

mod engine;

mod events;

mod event;

mod calls;

mod people;

mod message;

mod stats;

// What is behind them.
mod bell;
mod guard;
mod handle;
mod host;
mod text;

pub use calls::*;
pub use close::*;
pub use engine::*;
pub use error::*;
pub use event::*;
pub use events::*;
pub use message::*;
pub use options::*;
pub use people::*;
pub use stats::*;
pub use text::klatsch_text_t;
pub use version::*;
