//! What stands in rooms, and the engine's figures, as JSON with the names they have in JavaScript.

use klatsch::{Member, Message, More, Position, Reaction, Room, SlowConnection, Stats};

use crate::json::{self, Object};

/// Writes `{"epoch": …, "offset": …}`.
pub(crate) fn write_position(out: &mut Vec<u8>, position: Position) {
    Object::new(out).number("epoch", position.epoch).number("offset", position.offset).end();
}

/// Adds a message's fields to an object. What only some messages have is left out of the others.
pub(crate) fn add_message<'out>(object: Object<'out>, message: &Message) -> Object<'out> {
    let object = object
        .text("room", &message.room)
        .field("position", |out| write_position(out, message.position))
        .text("user", &message.user)
        .text("name", &message.name)
        .text("color", message.color.name())
        .number("atMs", message.at_ms)
        .text("text", &message.text);
    add_more(object, &message.more)
}

fn add_more<'out>(mut object: Object<'out>, more: &More) -> Object<'out> {
    if let Some(mid) = &more.mid {
        object = object.text("mid", mid);
    }
    if let Some(offset) = more.reply_to {
        object = object.number("replyTo", offset);
    }
    if let Some(data) = &more.data {
        object = object.field("data", |out| json::display(out, data));
    }
    if more.revision > 0 {
        object = object.number("revision", more.revision);
    }
    if more.is_deleted {
        object = object.field("deleted", |out| json::display(out, true));
    }
    if !more.reactions.is_empty() {
        object = object.field("reactions", |out| json::array_into(out, &more.reactions, write_reaction));
    }
    object
}

fn write_reaction(out: &mut Vec<u8>, reaction: &Reaction) {
    Object::new(out)
        .text("emoji", &reaction.emoji)
        .field("users", |out| json::array_into(out, &reaction.users, |out, user| json::text(out, user)))
        .end();
}

/// A position as a text of its own.
pub(crate) fn position(position: Position) -> String {
    let mut out = Vec::new();
    write_position(&mut out, position);
    json::finish(out)
}

/// Messages, oldest first.
pub(crate) fn messages(messages: &[Message]) -> String {
    json::array(messages, |out, message| add_message(Object::new(out), message).end())
}

/// Members, in the order in which they came.
pub(crate) fn members(members: &[Member]) -> String {
    json::array(members, |out, member| {
        Object::new(out)
            .text("user", &member.user)
            .text("name", &member.name)
            .text("color", member.color.name())
            .text("role", member.role.name())
            .number("connection", member.connection.0)
            .number("connectionCount", member.connection_count)
            .end();
    })
}

/// Rooms, in the order of their names.
pub(crate) fn rooms(rooms: &[Room]) -> String {
    json::array(rooms, |out, room| {
        Object::new(out)
            .text("name", &room.name)
            .number("memberCount", room.member_count)
            .number("connectionCount", room.connection_count)
            .field("position", |out| write_position(out, room.position))
            .end();
    })
}

/// The engine's figures.
pub(crate) fn stats(stats: &Stats) -> String {
    let mut out = Vec::new();
    Object::new(&mut out)
        .number("connectionCount", stats.connection_count)
        .number("handshakeCount", stats.handshake_count)
        .number("laggingCount", stats.lagging_count)
        .number("tooSlowCount", stats.too_slow_count)
        .number("roomCount", stats.room_count)
        .number("receivedBytes", stats.received_bytes)
        .number("sentBytes", stats.sent_bytes)
        .number("waitingBytes", stats.waiting_bytes)
        .number("historyBytes", stats.history_bytes)
        .number("memoryBytes", stats.memory_bytes)
        .number("eventCount", stats.event_count)
        .field("slowest", |out| json::array_into(out, &stats.slowest, write_slow_connection))
        .end();
    json::finish(out)
}

fn write_slow_connection(out: &mut Vec<u8>, slow: &SlowConnection) {
    Object::new(out)
        .number("connection", slow.connection.0)
        .number("waitingBytes", slow.waiting_bytes)
        .number("laggingMs", slow.lagging_ms)
        .end();
}
