//! One text of a client to what it asks for.

use std::borrow::Cow;

use crate::command::request::{Act, From, Hello, Page, Place, Post, Request, Resume, Target};
use crate::dialect::json::Json;
use crate::error::{Error, ErrorCode};
use crate::message::Role;

use super::fields::{Fields, bad_request, position};

/// The limits of what a request carries that are options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) text_bytes: u64,
    pub(crate) data_bytes: u64,
}

/// A text that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// Nothing to do, nothing to answer.
    Heartbeat,
    /// No id: no reply is wanted.
    Request { id: Option<u64>, request: Request<'a> },
}

/// A text that was not understood.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is no request at all, or its id is none: it is answered without an id.
    Text(Error),
    /// It is a request, but a wrong one. No id: no reply is wanted.
    Request { id: Option<u64>, error: Error },
}

/// Reads one text.
///
/// # Errors
/// `bad_request`: which field is wrong and what would be right; `unknown_request`; `too_long`: a text or data is longer
/// than its bound.
pub(crate) fn read(text: &str, bounds: Bounds) -> Result<Incoming<'_>, Unread> {
    let json = Json::parse(text, MAX_DEPTH).map_err(|words| Unread::Text(bad_request(words)))?;
    let fields = Fields::of(json, "").ok_or_else(|| {
        Unread::Text(bad_request(format!("the text is {}; an object is right", json.kind())))
    })?;
    if fields.is_empty() {
        return Ok(Incoming::Heartbeat);
    }
    let id = fields.whole("id", 1).map_err(Unread::Text)?;
    match request(&fields, bounds) {
        Ok(request) => Ok(Incoming::Request { id, request }),
        Err(error) => Err(Unread::Request { id, error }),
    }
}

fn request<'a>(fields: &Fields<'a>, bounds: Bounds) -> Result<Request<'a>, Error> {
    let verb = fields.needed_text("do", MAX_SHORT)?;
    let room = || fields.needed_text("room", MAX_SHORT);
    let user = || fields.needed_text("user", MAX_SHORT);
    Ok(match &*verb {
        "hello" => Request::Hello(hello(fields)?),
        "refresh" => Request::Refresh { token: fields.needed_text("token", MAX_TOKEN)? },
        "join" => Request::Join {
            room: room()?,
            since: fields.position("since", "since.")?,
            history: fields.whole("history", 0)?,
        },
        "leave" => Request::Leave { room: room()? },
        "rooms" => Request::Rooms { page: page(fields)? },
        "send" => Request::Send(Post {
            to: place(fields)?,
            mid: fields.needed_text("mid", MAX_MID)?,
            text: said(fields, bounds)?,
            reply_to: fields.whole("reply_to", 1)?,
            data: data(fields, bounds)?,
        }),
        "edit" => Request::Edit { of: target(fields)?, text: said(fields, bounds)? },
        "delete" => Request::Delete { of: target(fields)?, reason: fields.text("reason", MAX_LONG)? },
        "react" => Request::React {
            of: target(fields)?,
            emoji: fields.needed_text("emoji", MAX_EMOJI)?,
            add: fields.needed_boolean("add")?,
        },
        "history" => {
            Request::History { room: room()?, from: from(fields)?, limit: fields.whole("limit", 1)? }
        }
        "search" => Request::Search {
            query: fields.needed_text("query", MAX_LONG)?,
            room: fields.text("room", MAX_SHORT)?,
            from_user: fields.text("from_user", MAX_SHORT)?,
            page: page(fields)?,
        },
        "members" => Request::Members { room: room()?, page: page(fields)? },
        "read" => Request::Read { room: room()?, offset: fields.needed_whole("offset", 1)? },
        "typing" => Request::Typing {
            room: room()?,
            active: fields.needed_choice("state", &[("active", true), ("done", false)])?,
        },
        "tell" => Request::Tell { to: place(fields)?, data: data(fields, bounds)?.unwrap_or("null") },
        "rename" => Request::Rename { name: fields.needed_text("name", MAX_LONG)? },
        "moderate" => Request::Moderate { room: room()?, act: act(fields)? },
        "block" => Request::Block { user: user()?, on: fields.needed_boolean("on")? },
        "call" => Request::Call {
            method: fields.needed_text("method", MAX_SHORT)?,
            data: data(fields, bounds)?.unwrap_or("null"),
        },
        _ => {
            let words = "do is another text; one of hello, refresh, join, leave, rooms, send, edit, delete, react, \
                         history, search, members, read, typing, tell, rename, moderate, block, call is right";
            return Err(Error::new(ErrorCode::UnknownRequest, words));
        }
    })
}

fn hello<'a>(fields: &Fields<'a>) -> Result<Hello<'a>, Error> {
    let resume = match fields.any("resume")? {
        None => None,
        Some(value) => {
            let inside = Fields::of(value, "resume.")
                .ok_or_else(|| fields.wrong("resume", value.kind(), "an object {session, rooms}"))?;
            Some(Resume { session: inside.needed_text("session", MAX_SHORT)?, rooms: seen(&inside)? })
        }
    };
    Ok(Hello {
        name: fields.text("name", MAX_LONG)?,
        token: fields.text("token", MAX_TOKEN)?,
        heartbeat_ms: fields.whole("heartbeat_ms", 1)?,
        resume,
    })
}

/// How far each room was seen. A room that is there twice is an error, as a field is.
fn seen<'a>(resume: &Fields<'a>) -> Result<Vec<(Cow<'a, str>, crate::id::Position)>, Error> {
    let right = "an object of rooms, each with its {epoch, offset},";
    let value = resume.any("rooms")?.ok_or_else(|| resume.missing("rooms", right))?;
    let rooms = Fields::of(value, "").ok_or_else(|| resume.wrong("rooms", value.kind(), right))?.into_list();
    let mut names: Vec<&str> = rooms.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(bad_request("resume.rooms has a room twice; once is right"));
    }
    rooms
        .into_iter()
        .map(|(name, value)| {
            Ok((name, position(value, "a room of resume.rooms", "resume.rooms: a room's ")?))
        })
        .collect()
}

/// A room or a user, and not both.
fn place<'a>(fields: &Fields<'a>) -> Result<Place<'a>, Error> {
    match (fields.text("room", MAX_SHORT)?, fields.text("to", MAX_SHORT)?) {
        (Some(room), None) => Ok(Place::Room(room)),
        (None, Some(user)) => Ok(Place::User(user)),
        (None, None) => Err(bad_request("room and to are missing; one of them is right")),
        (Some(_), Some(_)) => Err(bad_request("room and to are both there; one of them is right")),
    }
}

fn target<'a>(fields: &Fields<'a>) -> Result<Target<'a>, Error> {
    Ok(Target {
        room: fields.needed_text("room", MAX_SHORT)?,
        offset: fields.needed_whole("offset", 1)?,
        mid: fields.needed_text("mid", MAX_MID)?,
    })
}

fn page<'a>(fields: &Fields<'a>) -> Result<Page<'a>, Error> {
    Ok(Page { limit: fields.whole("limit", 1)?, cursor: fields.text("cursor", MAX_LONG)? })
}

fn from(fields: &Fields<'_>) -> Result<From, Error> {
    let after = fields.whole("after", 0)?.map(From::After);
    let before = fields.whole("before", 1)?.map(From::Before);
    let around = fields.whole("around", 1)?.map(From::Around);
    let mut given = [after, before, around].into_iter().flatten();
    match (given.next(), given.next()) {
        (_, Some(_)) => Err(bad_request("two of after, before and around are there; at most one is right")),
        (from, None) => Ok(from.unwrap_or(From::Newest)),
    }
}

fn act<'a>(fields: &Fields<'a>) -> Result<Act<'a>, Error> {
    let user = || fields.needed_text("user", MAX_SHORT);
    let verb = fields.needed_choice("act", &ACTS.map(|act| (act, act)))?;
    Ok(match verb {
        "kick" => Act::Kick { user: user()? },
        "mute" => Act::Mute { user: user()?, seconds: fields.whole("seconds", 0)? },
        "ban" => Act::Ban { user: user()?, seconds: fields.whole("seconds", 1)? },
        "unban" => Act::Unban { user: user()? },
        "slow" => Act::Slow { seconds: fields.needed_whole("value", 0)? },
        "topic" => match fields.any_text("value")? {
            topic if topic.len() <= MAX_LONG => Act::Topic { topic },
            topic => {
                let found = format!("a text of {} bytes", topic.len());
                return Err(fields.wrong("value", &found, &format!("a text of at most {MAX_LONG} bytes")));
            }
        },
        "role" => Act::Role {
            user: user()?,
            role: fields.needed_choice("value", &Role::ALL.map(|role| (role.name(), role)))?,
        },
        // The last of them: the choice has been checked.
        _ => Act::Clear { user: fields.text("user", MAX_SHORT)? },
    })
}

/// The text of a message. Whether it may be blank is for the chat to say.
fn said<'a>(fields: &Fields<'a>, bounds: Bounds) -> Result<Cow<'a, str>, Error> {
    let text = fields.any_text("text")?;
    within("text", text.len(), bounds.text_bytes)?;
    Ok(text)
}

fn data<'a>(fields: &Fields<'a>, bounds: Bounds) -> Result<Option<&'a str>, Error> {
    let data = fields.any("data")?.map(Json::raw);
    within("data", data.map_or(0, str::len), bounds.data_bytes)?;
    Ok(data)
}

fn within(name: &str, bytes: usize, max: u64) -> Result<(), Error> {
    match bytes as u64 > max {
        true => {
            Err(Error::new(ErrorCode::TooLong, format!("{name} has {bytes} bytes; at most {max} are right")))
        }
        false => Ok(()),
    }
}

const ACTS: [&str; 8] = ["kick", "mute", "ban", "unban", "slow", "topic", "role", "clear"];
/// Objects and lists within one another.
pub(super) const MAX_DEPTH: usize = 32;
/// A client's id for what it sends.
const MAX_MID: usize = 64;
/// Names of rooms, users and methods. What they may be is for the chat to say; this is what is looked at.
const MAX_SHORT: usize = 256;
/// Texts that people write beside messages, and cursors.
const MAX_LONG: usize = 1_024;
const MAX_TOKEN: usize = 8_192;
const MAX_EMOJI: usize = 64;
