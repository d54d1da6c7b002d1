//! What a client is told unasked.

use crate::dialect::json::{Object, decimal, object};
use crate::push::reply::Happening;

use super::message::{logged, position};
use super::reply::room_line;

/// Appends one event.
pub(crate) fn event(happening: &Happening, out: &mut Vec<u8>) {
    object(out, |entry| match happening {
        Happening::Logged { room, record } => logged(record, Some(room), entry),
        Happening::Gap { room, from, to } => {
            about("gap", room, entry);
            position("from", *from, entry);
            position("to", *to, entry);
        }
        Happening::Rollback { room, to } => {
            about("rollback", room, entry);
            position("to", *to, entry);
        }
        Happening::Join { room, user, name, member_count } => {
            about("join", room, entry);
            passer(user, name, *member_count, entry);
        }
        Happening::Leave { room, user, name, member_count } => {
            about("leave", room, entry);
            passer(user, name, *member_count, entry);
        }
        Happening::Members { room, member_count } => {
            about("members", room, entry);
            entry.number("member_count", *member_count);
            entry.boolean("changed", true);
        }
        Happening::Joined(line) => {
            entry.text("on", "joined");
            // An event with an epoch and an offset of its own is a record of the log, and this is none.
            room_line(line, |top, entry| position("position", top, entry), entry);
        }
        Happening::Removed { room, reason } => {
            about("removed", room, entry);
            entry.text("reason", reason);
        }
        Happening::Typing { room, user, active } => {
            about("typing", room, entry);
            entry.text("user", user);
            entry.text("state", if *active { "active" } else { "done" });
        }
        Happening::Read { room, user, offset } => {
            about("read", room, entry);
            entry.text("user", user);
            entry.number("offset", *offset);
        }
        Happening::Tell { room, user, data } => {
            entry.text("on", "tell");
            entry.maybe_text("room", room.as_deref());
            entry.maybe_text("user", user.as_deref());
            entry.raw("data", data);
        }
        Happening::Bye { code, reason, reconnect_ms: (earliest, latest) } => {
            entry.text("on", "bye");
            entry.number("code", (*code).into());
            entry.text("reason", reason);
            entry.list("reconnect_ms", [*earliest, *latest], decimal);
        }
    });
}

fn about(on: &str, room: &str, entry: &mut Object<'_>) {
    entry.text("on", on);
    entry.text("room", room);
}

/// Somebody who came or went.
fn passer(user: &str, name: &str, member_count: u64, entry: &mut Object<'_>) {
    entry.text("user", user);
    entry.text("name", name);
    entry.number("member_count", member_count);
}
