//! What a request is answered.

use crate::dialect::json::{Object, object, text};
use crate::id::Position;
use crate::push::reply::{Entered, Fate, MemberLine, Refusal, Reply, Resumed, RoomLine, Welcome};

use super::message::{content, folded, place, position};

/// Appends the reply to the request with that id.
pub(crate) fn reply(id: u64, reply: &Reply, out: &mut Vec<u8>) {
    object(out, |whole| {
        whole.number("id", id);
        match reply {
            Reply::Called { data } => whole.raw("ok", data),
            _ => whole.object("ok", |ok| fields(reply, ok)),
        }
    });
}

/// Appends a refusal: of the request with that id, or of a text that is none.
pub(crate) fn refusal(id: Option<u64>, refusal: &Refusal, out: &mut Vec<u8>) {
    object(out, |whole| {
        whole.maybe_number("id", id);
        whole.object("error", |error| reason(refusal, error));
    });
}

fn fields(reply: &Reply, ok: &mut Object<'_>) {
    match reply {
        Reply::Hello(welcome) => hello(welcome, ok),
        Reply::Refreshed { expires_at_ms } => ok.number("expires_at", *expires_at_ms),
        Reply::Joined(entered) => {
            ok.text("room", &entered.room);
            joined(entered, ok);
        }
        Reply::Rooms { rooms, cursor } => {
            ok.list("rooms", rooms, |line, out| object(out, |entry| room_line(line, place, entry)));
            ok.maybe_text("cursor", cursor.as_deref());
        }
        Reply::Sent { room, position, at_ms, duplicate } => {
            ok.text("room", room);
            changed(*position, *at_ms, *duplicate, ok);
        }
        Reply::Changed { position, at_ms, duplicate } => changed(*position, *at_ms, *duplicate, ok),
        Reply::History { content: page, top, more } => {
            content(page, None, ok);
            place(*top, ok);
            ok.boolean("more", *more);
        }
        Reply::Members { members, member_count, cursor } => {
            ok.list("members", members, member);
            ok.number("member_count", *member_count);
            ok.maybe_text("cursor", cursor.as_deref());
        }
        Reply::Read { offset } => ok.number("offset", *offset),
        Reply::Renamed { name, color } => {
            ok.text("name", name);
            ok.text("color", color.name());
        }
        Reply::Moderated { position } => place(*position, ok),
        Reply::Called { .. } | Reply::Done => {}
    }
}

fn changed(position: Position, at_ms: u64, duplicate: bool, ok: &mut Object<'_>) {
    place(position, ok);
    ok.number("at", at_ms);
    ok.boolean("duplicate", duplicate);
}

fn hello(welcome: &Welcome, ok: &mut Object<'_>) {
    ok.number("connection", welcome.connection.0);
    ok.text("user", &welcome.user);
    ok.text("name", &welcome.name);
    ok.text("color", welcome.color.name());
    ok.text("session", &welcome.session);
    ok.number("heartbeat_ms", welcome.heartbeat_ms);
    ok.object("limits", |limits| {
        for (name, limit) in &welcome.limits {
            limits.number(name, *limit);
        }
    });
    ok.number("time", welcome.time_ms);
    ok.maybe_number("expires_at", welcome.expires_at_ms);
    if !welcome.rooms.is_empty() {
        let out = ok.field("rooms");
        out.push(b'{');
        for (at, room) in welcome.rooms.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match room {
                Resumed::In(entered) => {
                    text(&entered.room, out);
                    out.push(b':');
                    object(out, |ok| joined(entered, ok));
                }
                Resumed::Out { room, refusal } => {
                    text(room, out);
                    out.push(b':');
                    object(out, |entry| entry.object("error", |error| reason(refusal, error)));
                }
            }
        }
        out.push(b'}');
    }
}

fn joined(entered: &Entered, ok: &mut Object<'_>) {
    place(entered.top, ok);
    ok.boolean("recovered", entered.recovered);
    content(&entered.content, entered.rollback, ok);
    ok.list("members", &entered.members, member);
    ok.number("member_count", entered.member_count);
    ok.number("read", entered.read);
    ok.number("unread_count", entered.unread_count);
    if entered.more {
        ok.boolean("more", true);
    }
}

/// Writes the fields of one of a user's rooms, its newest position in the way given.
pub(super) fn room_line(line: &RoomLine, top: fn(Position, &mut Object<'_>), entry: &mut Object<'_>) {
    entry.text("room", &line.room);
    entry.maybe_text("with", line.with.as_deref());
    entry.text("topic", &line.topic);
    entry.number("member_count", line.member_count);
    top(line.top, entry);
    entry.number("read", line.read);
    entry.number("unread_count", line.unread_count);
    if let Some(last) = &line.last {
        folded(last, entry.field("last"));
    }
}

fn member(member: &MemberLine, out: &mut Vec<u8>) {
    object(out, |entry| {
        entry.text("user", &member.user);
        entry.text("name", &member.name);
        entry.text("color", member.color.name());
        entry.text("role", member.role.name());
    });
}

fn reason(refusal: &Refusal, error: &mut Object<'_>) {
    error.number("code", refusal.code.number().into());
    error.text("name", refusal.code.name());
    error.text("message", &refusal.message);
    error.maybe_number("retry_after_ms", refusal.retry_after_ms);
    match refusal.fate {
        None => {}
        Some(Fate::Refused) => error.boolean("open", false),
        Some(Fate::Open(at)) => {
            error.boolean("open", true);
            position("position", at, error);
        }
    }
    error.maybe_text("suggestion", refusal.suggestion.as_deref());
}
