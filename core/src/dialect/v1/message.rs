//! Messages as they stand now, and records as they stand in the log.

use crate::dialect::json::{Object, list, object, text};
use crate::id::Position;
use crate::message::{Change, Message, Moderation, Record};
use crate::push::reply::Content;

/// Writes `messages` or `records`. `rollback`: what comes first in them.
pub(super) fn content(content: &Content, rollback: Option<Position>, into: &mut Object<'_>) {
    match content {
        Content::Messages(messages) => into.list("messages", messages, |message, out| folded(message, out)),
        Content::Records(records) => {
            let lost = rollback.map(Entry::Rollback);
            let entries = lost.into_iter().chain(records.iter().map(Entry::Record));
            into.list("records", entries, |entry, out| match entry {
                Entry::Record(record) => object(out, |fields| logged(record, None, fields)),
                Entry::Rollback(to) => object(out, |fields| {
                    fields.text("on", "rollback");
                    position("to", to, fields);
                }),
            });
        }
    }
}

/// What stands among records.
enum Entry<'a> {
    Rollback(Position),
    Record(&'a Record),
}

pub(super) fn folded(message: &Message, out: &mut Vec<u8>) {
    let more = &message.more;
    object(out, |entry| {
        place(message.position, entry);
        entry.maybe_text("mid", more.mid.as_deref());
        entry.text("user", &message.user);
        entry.text("name", &message.name);
        entry.text("color", message.color.name());
        entry.number("at", message.at_ms);
        if !more.is_deleted {
            entry.text("text", &message.text);
        }
        entry.maybe_number("reply_to", more.reply_to);
        if more.revision > 0 {
            entry.number("revision", more.revision);
        }
        if more.is_deleted {
            entry.boolean("deleted", true);
        }
        if !more.reactions.is_empty() {
            let out = entry.field("reactions");
            out.push(b'{');
            for (at, reaction) in more.reactions.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                text(&reaction.emoji, out);
                out.push(b':');
                list(out, &reaction.users, |user, out| text(user, out));
            }
            out.push(b'}');
        }
        if let Some(data) = &more.data {
            entry.raw("data", data);
        }
    });
}

/// Writes the fields of a record: as an event where a room is given, else as one of a list.
pub(super) fn logged(record: &Record, room: Option<&str>, entry: &mut Object<'_>) {
    entry.text("on", kind(&record.change));
    entry.maybe_text("room", room);
    place(record.position, entry);
    prev(record, entry);
    match &record.change {
        Change::Message(message) => folded(message, entry.field("message")),
        Change::Edit { of, mid, user, text } => {
            entry.number("of", *of);
            entry.maybe_text("mid", mid.as_deref());
            entry.text("text", text);
            entry.text("user", user);
        }
        Change::Delete { of, mid, user } => {
            entry.number("of", *of);
            entry.maybe_text("mid", mid.as_deref());
            entry.text("user", user);
        }
        Change::React { of, mid, user, emoji, add } => {
            entry.number("of", *of);
            entry.text("mid", mid);
            entry.text("emoji", emoji);
            entry.boolean("add", *add);
            entry.text("user", user);
        }
        Change::Moderation { act, by } => {
            moderation(act, entry);
            entry.maybe_text("by", by.as_deref());
        }
        Change::Rename { user, name, color } => {
            entry.text("user", user);
            entry.text("name", name);
            entry.text("color", color.name());
        }
    }
    // A message has its time in itself.
    if record.message().is_none() {
        entry.number("at", record.at_ms);
    }
}

/// Writes `epoch` and `offset`.
pub(super) fn place(position: Position, into: &mut Object<'_>) {
    into.number("epoch", position.epoch);
    into.number("offset", position.offset);
}

/// Writes a position as an object of its own.
pub(super) fn position(name: &str, position: Position, into: &mut Object<'_>) {
    into.object(name, |inside| place(position, inside));
}

/// Writes `prev` where it is not simply the offset before, of the same epoch.
fn prev(record: &Record, entry: &mut Object<'_>) {
    let Position { epoch, offset } = record.position;
    match record.prev {
        Some(prev) if prev.epoch == epoch && prev.offset + 1 == offset => {}
        Some(prev) => position("prev", prev, entry),
        None => entry.raw("prev", "null"),
    }
}

const fn kind(change: &Change) -> &'static str {
    match change {
        Change::Message(_) => "message",
        Change::Edit { .. } => "edit",
        Change::Delete { .. } => "delete",
        Change::React { .. } => "react",
        Change::Moderation { .. } => "moderation",
        Change::Rename { .. } => "rename",
    }
}

fn moderation(act: &Moderation, entry: &mut Object<'_>) {
    entry.text("act", act.name());
    entry.maybe_text("user", act.user().map(|user| user.as_str()));
    match act {
        Moderation::Mute { seconds, .. } | Moderation::Ban { seconds, .. } => {
            entry.maybe_number("seconds", *seconds);
        }
        Moderation::Slow { seconds } => entry.number("value", *seconds),
        Moderation::Topic { topic } => entry.text("value", topic),
        Moderation::Role { role, .. } => entry.text("value", role.name()),
        Moderation::Kick { .. } | Moderation::Unban { .. } | Moderation::Clear { .. } => {}
    }
}
