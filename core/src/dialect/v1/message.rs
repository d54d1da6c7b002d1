//! Messages as they stand now, and records as they stand in the log.

use crate::command::request::Act;
use crate::dialect::json::{Object, list, object, text};
use crate::id::{Position, UserId};
use crate::push::reply::{Content, Folded, Logged, LoggedChange};

/// Writes `messages` or `records`.
pub(super) fn content(content: Content<'_>, into: &mut Object<'_>) {
    match content {
        Content::Messages(messages) => into.list("messages", messages, |message, out| folded(message, out)),
        Content::Records(records) => {
            into.list("records", records, |record, out| object(out, |entry| logged(record, None, entry)));
        }
    }
}

pub(super) fn folded(message: &Folded<'_>, out: &mut Vec<u8>) {
    object(out, |entry| {
        place(message.position, entry);
        entry.maybe_text("mid", message.mid);
        entry.text("user", message.user);
        entry.text("name", message.name);
        entry.text("color", message.color.name());
        entry.number("at", message.at_ms);
        entry.maybe_text("text", message.text);
        entry.maybe_number("reply_to", message.reply_to);
        if message.revision > 0 {
            entry.number("revision", message.revision);
        }
        if message.text.is_none() {
            entry.boolean("deleted", true);
        }
        if !message.reactions.is_empty() {
            let out = entry.field("reactions");
            out.push(b'{');
            for (at, reaction) in message.reactions.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                text(&reaction.emoji, out);
                out.push(b':');
                list(out, &reaction.users, |user, out| text(user, out));
            }
            out.push(b'}');
        }
        if let Some(data) = message.data {
            entry.raw("data", data);
        }
    });
}

/// Writes the fields of a record: as an event where a room is given, else as one of a list.
pub(super) fn logged(record: &Logged<'_>, room: Option<&str>, entry: &mut Object<'_>) {
    entry.text("on", kind(&record.change));
    entry.maybe_text("room", room);
    place(record.position, entry);
    prev(record, entry);
    match &record.change {
        LoggedChange::Message(message) => folded(message, entry.field("message")),
        LoggedChange::Edit { of, mid, user, text } => {
            entry.number("of", *of);
            entry.text("mid", mid);
            entry.text("text", text);
            entry.text("user", user);
        }
        LoggedChange::Delete { of, mid, user } => {
            entry.number("of", *of);
            entry.text("mid", mid);
            entry.text("user", user);
        }
        LoggedChange::React { of, mid, user, emoji, add } => {
            entry.number("of", *of);
            entry.text("mid", mid);
            entry.text("emoji", emoji);
            entry.boolean("add", *add);
            entry.text("user", user);
        }
        LoggedChange::Moderation { act, by } => {
            moderation(act, entry);
            entry.maybe_text("by", *by);
        }
        LoggedChange::Rename { user, name, color } => {
            entry.text("user", user);
            entry.text("name", name);
            entry.text("color", color.name());
        }
    }
    // A message has its time in itself.
    if !matches!(record.change, LoggedChange::Message(_)) {
        entry.number("at", record.at_ms);
    }
}

/// An upper bound for the bytes of one message, for those who fill a page: every byte of a text may become six.
pub(crate) fn message_bytes(message: &Folded<'_>) -> usize {
    let texts = message.mid.map_or(0, str::len)
        + message.user.len()
        + message.name.len()
        + message.text.map_or(0, str::len);
    let users = |users: &[UserId]| users.iter().map(|user| user.len() + PUNCTUATION).sum::<usize>();
    let reactions = message.reactions.iter();
    let reactions = reactions.map(|reaction| 6 * reaction.emoji.len() + PUNCTUATION + users(&reaction.users));
    OVERHEAD + 6 * texts + reactions.sum::<usize>() + message.data.map_or(0, str::len)
}

/// An upper bound for the bytes of one record.
pub(crate) fn record_bytes(record: &Logged<'_>) -> usize {
    let texts = match &record.change {
        LoggedChange::Message(message) => return OVERHEAD + message_bytes(message),
        LoggedChange::Edit { mid, user, text, .. } => mid.len() + user.len() + text.len(),
        LoggedChange::Delete { mid, user, .. } => mid.len() + user.len(),
        LoggedChange::React { mid, user, emoji, .. } => mid.len() + user.len() + emoji.len(),
        LoggedChange::Moderation { act, by } => by.map_or(0, str::len) + act_bytes(act),
        LoggedChange::Rename { user, name, .. } => user.len() + name.len(),
    };
    OVERHEAD + 6 * texts
}

fn act_bytes(act: &Act<'_>) -> usize {
    match act {
        Act::Kick { user } | Act::Unban { user } | Act::Mute { user, .. } | Act::Ban { user, .. } => {
            user.len()
        }
        Act::Role { user, .. } => user.len(),
        Act::Clear { user } => user.as_ref().map_or(0, |user| user.len()),
        Act::Topic { topic } => topic.len(),
        Act::Slow { .. } => 0,
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
fn prev(record: &Logged<'_>, entry: &mut Object<'_>) {
    let Position { epoch, offset } = record.position;
    match record.prev {
        Some(prev) if prev.epoch == epoch && prev.offset + 1 == offset => {}
        Some(prev) => position("prev", prev, entry),
        None => entry.raw("prev", "null"),
    }
}

const fn kind(change: &LoggedChange<'_>) -> &'static str {
    match change {
        LoggedChange::Message(_) => "message",
        LoggedChange::Edit { .. } => "edit",
        LoggedChange::Delete { .. } => "delete",
        LoggedChange::React { .. } => "react",
        LoggedChange::Moderation { .. } => "moderation",
        LoggedChange::Rename { .. } => "rename",
    }
}

fn moderation(act: &Act<'_>, entry: &mut Object<'_>) {
    let mut to = |name: &str, user: Option<&str>| {
        entry.text("act", name);
        entry.maybe_text("user", user);
    };
    match act {
        Act::Kick { user } => to("kick", Some(user)),
        Act::Unban { user } => to("unban", Some(user)),
        Act::Clear { user } => to("clear", user.as_deref()),
        Act::Mute { user, seconds } => {
            to("mute", Some(user));
            entry.maybe_number("seconds", *seconds);
        }
        Act::Ban { user, seconds } => {
            to("ban", Some(user));
            entry.maybe_number("seconds", *seconds);
        }
        Act::Slow { seconds } => {
            to("slow", None);
            entry.number("value", *seconds);
        }
        Act::Topic { topic } => {
            to("topic", None);
            entry.text("value", topic);
        }
        Act::Role { user, role } => {
            to("role", Some(user));
            entry.text("value", role.name());
        }
    }
}

/// All names of fields, numbers, colours and punctuation that a message or a record can have, and then some.
const OVERHEAD: usize = 384;
/// Around one text in a list or an object: quotes, colon, brackets, comma.
const PUNCTUATION: usize = 6;
