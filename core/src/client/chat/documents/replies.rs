//! What a request was answered, read as what it must be.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::events::refusal;
use super::read::{Fields, Read, member, message, place, record, room_line, wrong};
use crate::client::chat::message::{Me, Member, Message, Record};
use crate::client::chat::request::{Hit, Page, Reply, Request, Sent};
use crate::dialect::json::Json;
use crate::error::Refusal;
use crate::id::Position;

/// The reply to `hello`.
pub(crate) struct Welcome {
    pub(crate) me: Me,
    pub(crate) session: String,
    pub(crate) heartbeat_ms: Option<u64>,
    pub(crate) expires_at_ms: Option<u64>,
    /// Each room of a resume; `None`: nothing was resumed.
    pub(crate) rooms: Option<BTreeMap<String, Resumed>>,
}

/// What became of one room in a resume.
pub(crate) enum Resumed {
    In(Entered),
    Out(Refusal),
}

/// The reply to `join`.
pub(crate) struct Entered {
    /// Its name as the server writes it, in the reply to `join`.
    pub(crate) room: Option<String>,
    /// The room's newest position.
    pub(crate) top: Position,
    pub(crate) recovered: bool,
    pub(crate) content: Content,
    pub(crate) members: Vec<Member>,
    pub(crate) member_count: u64,
    pub(crate) read: u64,
    pub(crate) unread_count: u64,
    pub(crate) more: bool,
    /// Where a server says it here.
    pub(crate) topic: Option<String>,
}

/// Messages as they stand, or records.
pub(crate) enum Content {
    Messages(Vec<Arc<Message>>),
    /// And, before the records, how far the log was rolled back.
    Records {
        rollback: Option<Position>,
        records: Vec<Record>,
    },
}

pub(crate) fn welcome(ok: Json<'_>) -> Read<Welcome> {
    let fields = Fields::of(ok)?;
    let limits = match fields.any("limits") {
        None => BTreeMap::new(),
        // A limit that is no whole number is one that this version does not know.
        Some(limits) => Fields::of(limits)?
            .into_list()
            .into_iter()
            .filter_map(|(name, limit)| Some((name.into_owned(), limit.whole()?)))
            .collect(),
    };
    let rooms = match fields.any("rooms") {
        None => None,
        Some(rooms) => {
            let rooms = Fields::of(rooms)?.into_list().into_iter();
            let read = rooms.map(|(name, room)| {
                let resumed = match Fields::of(room)?.any("error") {
                    Some(error) => Resumed::Out(refusal(error)?),
                    None => Resumed::In(entered(room)?),
                };
                Ok((name.into_owned(), resumed))
            });
            Some(read.collect::<Read<_>>()?)
        }
    };
    Ok(Welcome {
        me: Me {
            connection: fields.maybe_whole("connection")?.unwrap_or(0),
            user: fields.text("user")?,
            name: fields.text("name")?,
            color: fields.text("color")?,
            limits,
            time_ms: fields.maybe_whole("time")?.unwrap_or(0),
        },
        session: fields.text("session")?,
        heartbeat_ms: fields.maybe_whole("heartbeat_ms")?.filter(|every| *every > 0),
        expires_at_ms: fields.maybe_whole("expires_at")?,
        rooms,
    })
}

pub(crate) fn entered(ok: Json<'_>) -> Read<Entered> {
    let fields = Fields::of(ok)?;
    Ok(Entered {
        room: fields.maybe_text("room")?,
        top: place(&fields)?,
        recovered: fields.is("recovered")?,
        content: match fields.any("records") {
            Some(_) => Content::Records { rollback: rollback(&fields)?, records: records(&fields)? },
            None => Content::Messages(fields.list("messages", message)?),
        },
        members: fields.list("members", member)?,
        member_count: fields.maybe_whole("member_count")?.unwrap_or(0),
        read: fields.maybe_whole("read")?.unwrap_or(0),
        unread_count: fields.maybe_whole("unread_count")?.unwrap_or(0),
        more: fields.is("more")?,
        topic: fields.maybe_text("topic")?,
    })
}

pub(crate) fn page(ok: Json<'_>) -> Read<Page> {
    let fields = Fields::of(ok)?;
    Ok(Page {
        messages: fields.list("messages", message)?,
        records: records(&fields)?,
        rollback: rollback(&fields)?,
        position: place(&fields)?,
        more: fields.is("more")?,
    })
}

/// Where a list of records says first that the log has lost what came after.
fn rollback(fields: &Fields<'_>) -> Read<Option<Position>> {
    let Some(first) = fields.list("records", Ok)?.first().copied() else { return Ok(None) };
    let first = Fields::of(first)?;
    match first.maybe_text("on")?.as_deref() {
        Some("rollback") => first.position("to").map(Some),
        _ => Ok(None),
    }
}

/// What stands in a list of records without a place of its own, such as a note about the log, is no record.
fn records(fields: &Fields<'_>) -> Read<Vec<Record>> {
    let list = fields.list("records", Fields::of)?;
    list.iter().filter(|fields| place(fields).is_ok()).map(record).collect()
}

/// The reply to a change.
pub(crate) fn sent(ok: Json<'_>, room: Option<&str>, mid: &str) -> Read<Sent> {
    let fields = Fields::of(ok)?;
    Ok(Sent {
        room: match (fields.maybe_text("room")?, room) {
            (Some(room), _) => room,
            (None, Some(room)) => room.to_owned(),
            (None, None) => return Err(wrong("room")),
        },
        position: place(&fields)?,
        at_ms: fields.maybe_whole("at")?.unwrap_or(0),
        duplicate: fields.is("duplicate")?,
        mid: mid.to_owned(),
    })
}

/// The reply to any request but `hello`, `join` and the changes.
pub(crate) fn reply(request: &Request, ok: Json<'_>) -> Read<Reply> {
    if let Request::Call { .. } = request {
        return Ok(Reply::Called { data: ok.raw().to_owned() });
    }
    let fields = Fields::of(ok)?;
    let cursor = || fields.maybe_text("cursor");
    Ok(match request {
        Request::Rooms { .. } => {
            let line = |json| room_line(&Fields::of(json)?, None);
            Reply::Rooms { rooms: fields.list("rooms", line)?, cursor: cursor()? }
        }
        Request::History { .. } => Reply::Page(page(ok)?),
        Request::Members { .. } => Reply::Members {
            members: fields.list("members", member)?,
            member_count: fields.maybe_whole("member_count")?.unwrap_or(0),
            cursor: cursor()?,
        },
        Request::Search { .. } => {
            let hit = |json| {
                let fields = Fields::of(json)?;
                Ok(Hit {
                    room: fields.text("room")?,
                    offset: fields.whole("offset")?,
                    snippet: fields.maybe_text("snippet")?.unwrap_or_default(),
                })
            };
            Reply::Found { hits: fields.list("hits", hit)?, cursor: cursor()? }
        }
        Request::Read { .. } => Reply::Read { offset: fields.whole("offset")? },
        Request::Rename { .. } => Reply::Renamed {
            name: fields.text("name")?,
            color: fields.maybe_text("color")?.unwrap_or_default(),
        },
        Request::Moderate { .. } => Reply::Moderated { position: place(&fields)? },
        Request::Refresh { .. } => Reply::Refreshed { expires_at_ms: fields.whole("expires_at")? },
        _ => Reply::Done,
    })
}
