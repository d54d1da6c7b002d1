//! Fields of what a server says. What is not known is passed over; `null` counts as absent.

use std::borrow::Cow;
use std::sync::Arc;

use crate::client::chat::message::{Act, Change, Member, Message, Reaction, Record, RoomLine};
use crate::dialect::json::Json;
use crate::id::Position;

/// A document that does not say what it must: which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) String);

pub(crate) type Read<T> = Result<T, Unreadable>;

/// The fields of one object.
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Fields<'a> {
    pub(crate) fn of(json: Json<'a>) -> Read<Fields<'a>> {
        match json.fields() {
            Some(fields) => Ok(Fields(fields.collect())),
            None => Err(Unreadable(format!("{} where an object is right", json.kind()))),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every field, for an object whose names are data.
    pub(crate) fn into_list(self) -> Vec<(Cow<'a, str>, Json<'a>)> {
        self.0
    }

    pub(crate) fn any(&self, name: &str) -> Option<Json<'a>> {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| *value).filter(|value| !value.is_null())
    }

    /// Whether the field is there, be it `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }

    pub(crate) fn needed(&self, name: &str) -> Read<Json<'a>> {
        self.any(name).ok_or_else(|| wrong(name))
    }

    pub(crate) fn maybe_text(&self, name: &str) -> Read<Option<String>> {
        self.any(name).map(|value| text(value, name)).transpose()
    }

    pub(crate) fn text(&self, name: &str) -> Read<String> {
        text(self.needed(name)?, name)
    }

    pub(crate) fn maybe_whole(&self, name: &str) -> Read<Option<u64>> {
        self.any(name).map(|value| value.whole().ok_or_else(|| wrong(name))).transpose()
    }

    pub(crate) fn whole(&self, name: &str) -> Read<u64> {
        self.maybe_whole(name)?.ok_or_else(|| wrong(name))
    }

    /// `false` where it is left out.
    pub(crate) fn is(&self, name: &str) -> Read<bool> {
        self.any(name).map_or(Ok(false), |value| value.boolean().ok_or_else(|| wrong(name)))
    }

    pub(crate) fn boolean(&self, name: &str) -> Read<bool> {
        self.needed(name)?.boolean().ok_or_else(|| wrong(name))
    }

    /// An empty list where it is left out.
    pub(crate) fn list<T>(&self, name: &str, read: impl Fn(Json<'a>) -> Read<T>) -> Read<Vec<T>> {
        let Some(value) = self.any(name) else { return Ok(Vec::new()) };
        value.items().ok_or_else(|| wrong(name))?.map(read).collect()
    }

    /// An object `{epoch, offset}`.
    pub(crate) fn position(&self, name: &str) -> Read<Position> {
        place(&Fields::of(self.needed(name)?)?)
    }
}

/// The `epoch` and `offset` of an object itself.
pub(crate) fn place(fields: &Fields<'_>) -> Read<Position> {
    Ok(Position { epoch: fields.whole("epoch")?, offset: fields.whole("offset")? })
}

pub(crate) fn message(json: Json<'_>) -> Read<Arc<Message>> {
    let fields = Fields::of(json)?;
    let reactions = match fields.any("reactions") {
        None => Vec::new(),
        Some(value) => {
            let list = Fields::of(value)?.into_list().into_iter();
            let read = list.map(|(emoji, users)| {
                let users = users.items().ok_or_else(|| wrong("reactions"))?;
                let users = users.map(|user| text(user, "reactions")).collect::<Read<_>>()?;
                Ok(Reaction { emoji: emoji.into_owned(), users })
            });
            read.collect::<Read<_>>()?
        }
    };
    let is_deleted = fields.is("deleted")?;
    Ok(Arc::new(Message {
        position: place(&fields)?,
        mid: fields.maybe_text("mid")?,
        user: fields.text("user")?,
        name: fields.text("name")?,
        color: fields.text("color")?,
        at_ms: fields.whole("at")?,
        text: if is_deleted { None } else { Some(fields.text("text")?) },
        reply_to: fields.maybe_whole("reply_to")?,
        revision: fields.maybe_whole("revision")?.unwrap_or(0),
        reactions,
        data: fields.any("data").map(|data| data.raw().to_owned()),
    }))
}

/// A record, of a list or as an event.
pub(crate) fn record(fields: &Fields<'_>) -> Read<Record> {
    let position = place(fields)?;
    let prev = match (fields.any("prev"), fields.has("prev")) {
        (Some(prev), _) => Some(place(&Fields::of(prev)?)?),
        (None, true) => None,
        // Left out, it is simply the offset before; the first has none before it.
        (None, false) => position
            .offset
            .checked_sub(1)
            .filter(|before| *before > 0)
            .map(|offset| Position { offset, ..position }),
    };
    let on = fields.text("on")?;
    let change = match on.as_str() {
        "message" => Change::Message(message(fields.needed("message")?)?),
        "edit" => Change::Edit {
            of: fields.whole("of")?,
            mid: fields.maybe_text("mid")?,
            user: fields.text("user")?,
            text: fields.text("text")?,
        },
        "delete" => Change::Delete {
            of: fields.whole("of")?,
            mid: fields.maybe_text("mid")?,
            user: fields.text("user")?,
        },
        "react" => Change::React {
            of: fields.whole("of")?,
            mid: fields.text("mid")?,
            user: fields.text("user")?,
            emoji: fields.text("emoji")?,
            add: fields.boolean("add")?,
        },
        "moderation" => Change::Moderation { act: act(fields)?, by: fields.maybe_text("by")? },
        "rename" => Change::Rename {
            user: fields.text("user")?,
            name: fields.text("name")?,
            color: fields.text("color")?,
        },
        _ => Change::Other { on },
    };
    let at_ms = match &change {
        Change::Message(message) => message.at_ms,
        Change::Other { .. } => fields.any("at").and_then(Json::whole).unwrap_or(0),
        _ => fields.whole("at")?,
    };
    Ok(Record { position, prev, at_ms, change })
}

fn act(fields: &Fields<'_>) -> Read<Act> {
    let user = || fields.text("user");
    let seconds = || fields.maybe_whole("seconds");
    let act = fields.text("act")?;
    Ok(match act.as_str() {
        "kick" => Act::Kick { user: user()? },
        "mute" => Act::Mute { user: user()?, seconds: seconds()? },
        "ban" => Act::Ban { user: user()?, seconds: seconds()? },
        "unban" => Act::Unban { user: user()? },
        "slow" => Act::Slow { seconds: fields.whole("value")? },
        "topic" => Act::Topic { topic: fields.text("value")? },
        "role" => Act::Role { user: user()?, role: fields.text("value")? },
        "clear" => Act::Clear { user: fields.maybe_text("user")? },
        _ => Act::Other { act },
    })
}

pub(crate) fn member(json: Json<'_>) -> Read<Member> {
    let fields = Fields::of(json)?;
    Ok(Member {
        user: fields.text("user")?,
        name: fields.text("name")?,
        color: fields.text("color")?,
        role: fields.maybe_text("role")?.unwrap_or_default(),
    })
}

/// One of the user's rooms; its position stands in it, or in the field of that name.
pub(crate) fn room_line(fields: &Fields<'_>, position: Option<&str>) -> Read<RoomLine> {
    Ok(RoomLine {
        room: fields.text("room")?,
        with: fields.maybe_text("with")?,
        topic: fields.maybe_text("topic")?.unwrap_or_default(),
        member_count: fields.maybe_whole("member_count")?.unwrap_or(0),
        position: match position {
            Some(name) => fields.position(name)?,
            None => place(fields)?,
        },
        read: fields.maybe_whole("read")?.unwrap_or(0),
        unread_count: fields.maybe_whole("unread_count")?.unwrap_or(0),
        last: fields.any("last").map(message).transpose()?,
    })
}

pub(crate) fn text(json: Json<'_>, name: &str) -> Read<String> {
    json.text().map(Cow::into_owned).ok_or_else(|| wrong(name))
}

pub(crate) fn wrong(name: &str) -> Unreadable {
    Unreadable(format!("{name} is missing or not what it must be"))
}
