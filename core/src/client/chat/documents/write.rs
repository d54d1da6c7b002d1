//! Requests to text.

use crate::client::chat::message::Act;
use crate::client::chat::request::{From, Place, Request};
use crate::dialect::json::{Object, object, text};
use crate::id::Position;

/// What the first request says.
pub(crate) struct Hello<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    pub(crate) heartbeat_ms: Option<u64>,
    /// The session, and how far each room was seen.
    pub(crate) resume: Option<(&'a str, Vec<(&'a str, Position)>)>,
}

/// The text of the first request.
pub(crate) fn hello(id: u64, hello: &Hello<'_>) -> String {
    written(id, "hello", |entry| {
        entry.maybe_text("name", hello.name);
        entry.maybe_text("token", hello.token);
        entry.maybe_number("heartbeat_ms", hello.heartbeat_ms);
        if let Some((session, rooms)) = &hello.resume {
            entry.object("resume", |resume| {
                resume.text("session", session);
                let out = resume.field("rooms");
                out.push(b'{');
                for (at, (room, position)) in rooms.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    text(room, out);
                    out.push(b':');
                    object(out, |entry| place(*position, entry));
                }
                out.push(b'}');
            });
        }
    })
}

/// The text of any other request. `mid`: of a change.
pub(crate) fn request(id: u64, request: &Request, mid: Option<&str>) -> String {
    written(id, verb(request), |entry| match request {
        Request::Join { room, history, since } => {
            entry.text("room", room);
            if let Some(since) = since {
                entry.object("since", |inside| place(*since, inside));
            }
            entry.maybe_number("history", *history);
        }
        Request::Leave { room } => entry.text("room", room),
        Request::Rooms { limit, cursor } => part(*limit, cursor.as_deref(), entry),
        Request::Send(post) => {
            to(&post.to, entry);
            entry.maybe_text("mid", mid);
            entry.text("text", &post.text);
            entry.maybe_number("reply_to", post.reply_to);
            if let Some(data) = &post.data {
                entry.raw("data", data);
            }
        }
        Request::Edit { room, offset, text } => {
            target(room, *offset, mid, entry);
            entry.text("text", text);
        }
        Request::Delete { room, offset, reason } => {
            target(room, *offset, mid, entry);
            entry.maybe_text("reason", reason.as_deref());
        }
        Request::React { room, offset, emoji, add } => {
            target(room, *offset, mid, entry);
            entry.text("emoji", emoji);
            entry.boolean("add", *add);
        }
        Request::History { room, from, limit } => {
            entry.text("room", room);
            match from {
                From::Newest => {}
                From::After(offset) => entry.number("after", *offset),
                From::Before(offset) => entry.number("before", *offset),
                From::Around(offset) => entry.number("around", *offset),
            }
            entry.maybe_number("limit", *limit);
        }
        Request::Members { room, limit, cursor } => {
            entry.text("room", room);
            part(*limit, cursor.as_deref(), entry);
        }
        Request::Search { query, room, from_user, limit, cursor } => {
            entry.text("query", query);
            entry.maybe_text("room", room.as_deref());
            entry.maybe_text("from_user", from_user.as_deref());
            part(*limit, cursor.as_deref(), entry);
        }
        Request::Read { room, offset } => {
            entry.text("room", room);
            entry.number("offset", *offset);
        }
        Request::Typing { room, active } => {
            entry.text("room", room);
            entry.text("state", if *active { "active" } else { "done" });
        }
        Request::Tell { to: place, data } => {
            to(place, entry);
            entry.raw("data", data);
        }
        Request::Rename { name } => entry.text("name", name),
        Request::Moderate { room, act } => {
            entry.text("room", room);
            moderation(act, entry);
        }
        Request::Block { user, on } => {
            entry.text("user", user);
            entry.boolean("on", *on);
        }
        Request::Call { method, data } => {
            entry.text("method", method);
            entry.raw("data", data);
        }
        Request::Refresh { token } => entry.text("token", token),
    })
}

fn written(id: u64, verb: &str, fill: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = Vec::new();
    object(&mut out, |entry| {
        entry.number("id", id);
        entry.text("do", verb);
        fill(entry);
    });
    // Texts and names are UTF-8, and JSON that a caller gave was checked; so nothing is ever replaced.
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

const fn verb(request: &Request) -> &'static str {
    match request {
        Request::Join { .. } => "join",
        Request::Leave { .. } => "leave",
        Request::Rooms { .. } => "rooms",
        Request::Send(_) => "send",
        Request::Edit { .. } => "edit",
        Request::Delete { .. } => "delete",
        Request::React { .. } => "react",
        Request::History { .. } => "history",
        Request::Members { .. } => "members",
        Request::Search { .. } => "search",
        Request::Read { .. } => "read",
        Request::Typing { .. } => "typing",
        Request::Tell { .. } => "tell",
        Request::Rename { .. } => "rename",
        Request::Moderate { .. } => "moderate",
        Request::Block { .. } => "block",
        Request::Call { .. } => "call",
        Request::Refresh { .. } => "refresh",
    }
}

fn to(place: &Place, entry: &mut Object<'_>) {
    match place {
        Place::Room(room) => entry.text("room", room),
        Place::User(user) => entry.text("to", user),
    }
}

fn target(room: &str, offset: u64, mid: Option<&str>, entry: &mut Object<'_>) {
    entry.text("room", room);
    entry.number("offset", offset);
    entry.maybe_text("mid", mid);
}

fn part(limit: Option<u64>, cursor: Option<&str>, entry: &mut Object<'_>) {
    entry.maybe_number("limit", limit);
    entry.maybe_text("cursor", cursor);
}

fn place(position: Position, entry: &mut Object<'_>) {
    entry.number("epoch", position.epoch);
    entry.number("offset", position.offset);
}

fn moderation(act: &Act, entry: &mut Object<'_>) {
    let who = |act: &str, user: &str, seconds: Option<u64>, entry: &mut Object<'_>| {
        entry.text("act", act);
        entry.text("user", user);
        entry.maybe_number("seconds", seconds);
    };
    match act {
        Act::Kick { user } => who("kick", user, None, entry),
        Act::Mute { user, seconds } => who("mute", user, *seconds, entry),
        Act::Ban { user, seconds } => who("ban", user, *seconds, entry),
        Act::Unban { user } => who("unban", user, None, entry),
        Act::Slow { seconds } => {
            entry.text("act", "slow");
            entry.number("value", *seconds);
        }
        Act::Topic { topic } => {
            entry.text("act", "topic");
            entry.text("value", topic);
        }
        Act::Role { user, role } => {
            who("role", user, None, entry);
            entry.text("value", role);
        }
        Act::Clear { user } => {
            entry.text("act", "clear");
            entry.maybe_text("user", user.as_deref());
        }
        Act::Other { act } => entry.text("act", act),
    }
}
