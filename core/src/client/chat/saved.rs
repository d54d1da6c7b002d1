//! What outlives a client: its session, the positions of its rooms, and the changes without an answer.

use super::documents::{self, Fields, Unreadable};
use super::machine::Machine;
use super::request::{Place, Post, Request};
use super::room::Room;
use crate::dialect::json::{Json, list, object};
use crate::error::{Error, ErrorCode};
use crate::id::Position;

/// Whether there is something to keep.
#[derive(Debug, Default)]
pub(super) struct Saved {
    is_wished: bool,
    /// By then at the latest.
    until_ms: Option<u64>,
    /// As it was at the end.
    frozen: Option<String>,
}

impl Saved {
    pub(super) fn wish(&mut self) {
        self.is_wished = true;
    }

    pub(super) fn wish_later(&mut self, now_ms: u64) {
        self.until_ms.get_or_insert(now_ms + PATIENCE_MS);
    }

    pub(super) fn turn_to(&mut self, now_ms: u64) {
        self.is_wished |= self.until_ms.is_some_and(|until_ms| now_ms >= until_ms);
    }

    pub(super) fn take_wish(&mut self) -> bool {
        if self.is_wished {
            self.until_ms = None;
        }
        std::mem::take(&mut self.is_wished)
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        self.until_ms
    }

    pub(super) fn freeze(&mut self, text: String) {
        self.frozen = Some(text);
    }

    pub(super) fn frozen(&self) -> Option<&str> {
        self.frozen.as_deref()
    }
}

impl Machine {
    pub(super) fn saved_text(&self) -> String {
        if let Some(frozen) = self.frozen() {
            return frozen.to_owned();
        }
        let mut out = Vec::new();
        object(&mut out, |top| {
            top.number("version", VERSION);
            top.maybe_text("session", self.talk.session.as_deref());
            top.maybe_text("user", self.talk.user.as_deref());
            top.list("rooms", &self.rooms, |(name, room), out| {
                object(out, |entry| {
                    entry.text("room", name);
                    entry.number("epoch", room.position.epoch);
                    entry.number("offset", room.position.offset);
                    entry.maybe_text("with", room.with());
                });
            });
            let out = top.field("outbox");
            list(out, self.changes.all(), |(_, change), out| {
                object(out, |entry| {
                    entry.maybe_number("first_sent_ms", change.first_sent_ms);
                    entry.text("mid", &change.mid);
                    entry.raw("request", &documents::request(1, &change.body, None));
                });
            });
        });
        // All texts in it are UTF-8.
        String::from_utf8_lossy(&out).into_owned()
    }

    pub(super) fn restore(&mut self, text: &str) -> Result<(), Error> {
        self.restore_from(text).map_err(|why| {
            Error::new(ErrorCode::InvalidArgument, format!("what was saved cannot be read: {}", why.0))
        })
    }

    fn restore_from(&mut self, text: &str) -> Result<(), Unreadable> {
        let top = Fields::of(Json::parse(text, MAX_DEPTH).map_err(Unreadable)?)?;
        if top.whole("version")? != VERSION {
            return Err(Unreadable("it is of another version".into()));
        }
        self.talk.session = top.maybe_text("session")?;
        self.talk.user = top.maybe_text("user")?;
        for room in top.list("rooms", Fields::of)? {
            let position = Position { epoch: room.whole("epoch")?, offset: room.whole("offset")? };
            let mut known = Room::at(position);
            known.with = room.maybe_text("with")?;
            self.rooms.insert(room.text("room")?, known);
        }
        for change in top.list("outbox", Fields::of)? {
            let body = change_of(&Fields::of(change.needed("request")?)?)?;
            self.restore_change(body, change.text("mid")?, change.maybe_whole("first_sent_ms")?);
        }
        Ok(())
    }
}

/// A change, from the text of its request.
fn change_of(fields: &Fields<'_>) -> Result<Request, Unreadable> {
    let room = || fields.text("room");
    let offset = || fields.whole("offset");
    Ok(match fields.text("do")?.as_str() {
        "send" => Request::Send(Post {
            to: match fields.maybe_text("to")? {
                Some(user) => Place::User(user),
                None => Place::Room(room()?),
            },
            text: fields.text("text")?,
            reply_to: fields.maybe_whole("reply_to")?,
            data: fields.any("data").map(|data| data.raw().to_owned()),
        }),
        "edit" => Request::Edit { room: room()?, offset: offset()?, text: fields.text("text")? },
        "delete" => {
            Request::Delete { room: room()?, offset: offset()?, reason: fields.maybe_text("reason")? }
        }
        "react" => Request::React {
            room: room()?,
            offset: offset()?,
            emoji: fields.text("emoji")?,
            add: fields.boolean("add")?,
        },
        other => return Err(Unreadable(format!("{other} is no change"))),
    })
}

const VERSION: u64 = 1;
const MAX_DEPTH: usize = 64;
/// Positions that have moved are kept so much later, together.
const PATIENCE_MS: u64 = 1_000;
