//! The server's texts, taken apart: replies by their ids, and events.

use super::read::{Fields, Read, Unreadable, place, record, room_line, wrong};
use crate::client::chat::message::{Record, RoomLine};
use crate::dialect::json::Json;
use crate::error::Refusal;
use crate::id::Position;

/// One text of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Document<'a> {
    Heartbeat,
    /// `ok` is for whoever asked to read.
    Reply {
        id: u64,
        result: Result<Json<'a>, Refusal>,
    },
    /// A text of ours was no request.
    Complaint(Refusal),
    Event(Happening),
    /// A newer server says what this version does not know.
    Unknown,
}

/// What the server says unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    Record { room: String, record: Record },
    Gap { room: String, to: Position },
    Rollback { room: String, to: Position },
    Join { room: String, user: String, name: String, member_count: u64 },
    Leave { room: String, user: String, name: String, member_count: u64 },
    Members { room: String, member_count: u64 },
    Joined(RoomLine),
    Removed { room: String, reason: String },
    Typing { room: String, user: String, active: bool },
    Read { room: String, user: String, offset: u64 },
    Tell { room: Option<String>, user: Option<String>, data: String },
    Bye { code: u16, reason: String, window_ms: Option<(u64, u64)> },
}

/// Takes a text apart.
pub(crate) fn document(text: &str) -> Read<Document<'_>> {
    let json = Json::parse(text, MAX_DEPTH).map_err(Unreadable)?;
    let fields = Fields::of(json)?;
    if fields.is_empty() {
        return Ok(Document::Heartbeat);
    }
    let id = fields.maybe_whole("id")?;
    match (id, fields.any("ok"), fields.any("error"), fields.any("on")) {
        (Some(id), Some(ok), None, _) => Ok(Document::Reply { id, result: Ok(ok) }),
        (Some(id), None, Some(error), _) => Ok(Document::Reply { id, result: Err(refusal(error)?) }),
        (None, None, Some(error), None) => Ok(Document::Complaint(refusal(error)?)),
        (None, _, _, Some(_)) => {
            happening(&fields).map(|found| found.map_or(Document::Unknown, Document::Event))
        }
        // What the host's program answers to `call` may be null.
        (Some(id), None, None, _) if fields.has("ok") => {
            Json::parse("null", 1).map(|null| Document::Reply { id, result: Ok(null) }).map_err(Unreadable)
        }
        _ => Ok(Document::Unknown),
    }
}

fn happening(fields: &Fields<'_>) -> Read<Option<Happening>> {
    let room = || fields.text("room");
    let user = || fields.text("user");
    let on = fields.text("on")?;
    Ok(Some(match on.as_str() {
        "gap" => Happening::Gap { room: room()?, to: fields.position("to")? },
        "rollback" => Happening::Rollback { room: room()?, to: fields.position("to")? },
        "join" => Happening::Join {
            room: room()?,
            user: user()?,
            name: fields.text("name")?,
            member_count: fields.whole("member_count")?,
        },
        "leave" => Happening::Leave {
            room: room()?,
            user: user()?,
            name: fields.text("name")?,
            member_count: fields.whole("member_count")?,
        },
        "members" => Happening::Members { room: room()?, member_count: fields.whole("member_count")? },
        "joined" => Happening::Joined(room_line(fields, Some("position"))?),
        "removed" => {
            Happening::Removed { room: room()?, reason: fields.maybe_text("reason")?.unwrap_or_default() }
        }
        "typing" => {
            Happening::Typing { room: room()?, user: user()?, active: fields.text("state")? == "active" }
        }
        "read" => Happening::Read { room: room()?, user: user()?, offset: fields.whole("offset")? },
        "tell" => Happening::Tell {
            room: fields.maybe_text("room")?,
            user: fields.maybe_text("user")?,
            data: fields.any("data").map_or("null", Json::raw).to_owned(),
        },
        "bye" => {
            let window =
                fields.list("reconnect_ms", |bound| bound.whole().ok_or_else(|| wrong("reconnect_ms")))?;
            Happening::Bye {
                code: fields.whole("code")?.try_into().map_err(|_| wrong("code"))?,
                reason: fields.maybe_text("reason")?.unwrap_or_default(),
                window_ms: match window[..] {
                    [earliest, latest] if earliest <= latest => Some((earliest, latest)),
                    _ => None,
                },
            }
        }
        // What has a place in a log is a record, also one that this version does not know.
        _ if fields.has("room") && place(fields).is_ok() => {
            Happening::Record { room: room()?, record: record(fields)? }
        }
        _ => return Ok(None),
    }))
}

pub(crate) fn refusal(json: Json<'_>) -> Read<Refusal> {
    let fields = Fields::of(json)?;
    Ok(Refusal {
        number: fields.whole("code")?.try_into().map_err(|_| wrong("code"))?,
        name: fields.maybe_text("name")?.unwrap_or_default(),
        message: fields.maybe_text("message")?.unwrap_or_default(),
        retry_after_ms: fields.maybe_whole("retry_after_ms")?,
        open: fields.any("open").and_then(Json::boolean),
        position: fields.any("position").map(|position| place(&Fields::of(position)?)).transpose()?,
        suggestion: fields.maybe_text("suggestion")?,
    })
}

/// `data` of others may be 32 deep, and stands in a few objects and lists itself.
const MAX_DEPTH: usize = 64;
