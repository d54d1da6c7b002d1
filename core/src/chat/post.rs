//! What gets a place in a room's log: messages, and what changes them.

use std::sync::Arc;

use ecow::EcoString;
use ring::digest::{SHA256, digest};

use crate::broken::{Broken, is_broken};
use crate::command::request::{Place, Post, Target};
use crate::error::{Error, ErrorCode};
use crate::event::{Event, Question, Subject};
use crate::id::{ConnectionId, Mid, Position, RoomName, UserId};
use crate::message::{Change, Extras, Message, More};
use crate::push::reply::{Refusal, Reply};

use super::connection::Who;
use super::effect::Effect;
use super::log::Sent;
use super::requests::{Spot, Waiting};
use super::rights::{Deed, is_above};
use super::room::RoomKey;
use super::talk::{Caller, Outcome, limited, not_member, refused};
use super::{Chat, Moment, TOO_MANY_QUESTIONS};

/// Something that is about to get its place.
#[derive(Clone, Debug)]
pub(crate) struct Saying {
    /// The request, for its reply; `None`: none is wanted.
    pub(crate) id: Option<u64>,
    pub(crate) text: String,
    /// The offset of the message that gets the text in place of its own; `None`: it is a message.
    of: Option<u64>,
    mid: Option<(Mid, u128)>,
    reply_to: Option<u64>,
    data: Option<Box<str>>,
}

impl Saying {
    /// A text and nothing more.
    pub(crate) fn plain(text: String) -> Saying {
        Saying { id: None, text, of: None, mid: None, reply_to: None, data: None }
    }
}

impl Chat {
    pub(super) fn send_request(
        &mut self,
        caller: &Caller,
        post: Post<'_>,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = match &post.to {
            Place::Room(room) => Some(self.room_of(caller, room)?),
            Place::User(user) => {
                self.check_right(None, caller, Deed::Tell)?;
                self.known_direct_room(caller, user, at)?
            }
        };
        let reply_to = post.reply_to.map_or(String::new(), |offset| offset.to_string());
        let content = content(&["send", &post.text, &reply_to, post.data.unwrap_or("")]);
        let mid = Mid::new(&post.mid);
        if let Some(key) = key
            && let Some(duplicate) = self.seen(&caller.who.user, key, &mid, content, true, at)?
        {
            return Ok(duplicate);
        }
        self.check_text(&post.text)?;
        let top = key.map_or(0, |key| self.rooms.get(key).top.offset);
        if let Some(offset) = post.reply_to.filter(|offset| *offset > top) {
            return Err(no_message(offset).into());
        }
        let saying = Saying {
            id: caller.id,
            text: post.text.into_owned(),
            of: None,
            mid: Some((mid, content)),
            reply_to: post.reply_to,
            data: post.data.map(Box::from),
        };
        match (key, post.to) {
            (None, Place::User(user)) => self.first_contact(caller, &user, saying, at),
            (Some(key), _) => self.say_as(caller, key, saying, at),
            (None, Place::Room(room)) => Err(not_member(&room)),
        }
    }

    pub(super) fn edit(
        &mut self,
        caller: &Caller,
        of: Target<'_>,
        text: String,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = self.room_of(caller, &of.room)?;
        let content = content(&["edit", &of.offset.to_string(), &text]);
        let mid = Mid::new(&of.mid);
        if let Some(duplicate) = self.seen(&caller.who.user, key, &mid, content, false, at)? {
            return Ok(duplicate);
        }
        self.check_text(&text)?;
        let message = self.message(key, of.offset, at)?;
        if message.user != caller.who.user {
            return Err(refused(ErrorCode::NotAllowed, "only who said it may edit it"));
        }
        let (of, mid) = (Some(of.offset), Some((mid, content)));
        let saying = Saying { id: caller.id, text, of, mid, reply_to: None, data: None };
        self.say_as(caller, key, saying, at)
    }

    /// Gives what is said its place, when the user may speak and the host agrees.
    fn say_as(
        &mut self,
        caller: &Caller,
        key: RoomKey,
        saying: Saying,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        self.check_speech(key, &caller.who.user, at)?;
        self.check_rate(caller, at)?;
        self.check_slow(caller, key, at)?;
        if self.settings.ask_may_send {
            self.ask_may_send(caller.connection, &caller.who, self.spot(key), saying, at)?;
            return Ok(Outcome::Held);
        }
        Ok(self.place(key, &caller.who.clone(), saying, Some(caller.connection), at))
    }

    /// Gives what waited for the host its place, unless that has come to nothing meanwhile.
    ///
    /// # Errors
    /// `unknown_message`: what it changes is gone; `mid_conflict`.
    pub(super) fn place_late(
        &mut self,
        key: RoomKey,
        who: &Arc<Who>,
        saying: Saying,
        connection: ConnectionId,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        if let Some((mid, content)) = &saying.mid
            && let Some(duplicate) = self.seen(&who.user, key, mid, *content, saying.of.is_none(), at)?
        {
            return Ok(duplicate);
        }
        if let Some(offset) = saying.of {
            self.message(key, offset, at)?;
        }
        Ok(self.place(key, who, saying, Some(connection), at))
    }

    /// Gives what is said its place now.
    pub(super) fn place(
        &mut self,
        key: RoomKey,
        who: &Arc<Who>,
        saying: Saying,
        connection: Option<ConnectionId>,
        at: &mut Moment<'_>,
    ) -> Outcome {
        let Saying { id: _, text, of, mid, reply_to, data } = saying;
        let sent = mid.clone().map(|(mid, content)| Sent { user: who.user.clone(), mid, content });
        let mid = mid.map(|(mid, _)| mid);
        let at_ms = at.now.unix_ms;
        let position = self.publish(key, sent, connection, at, |room, position| match (of, mid) {
            (Some(of), mid) => Change::Edit { of, mid, user: who.user.clone(), text: text.into() },
            (None, mid) => Change::Message(Arc::new(Message {
                room: room.clone(),
                position,
                user: who.user.clone(),
                name: who.name.clone(),
                color: who.color,
                at_ms,
                text,
                more: More::new(Extras { mid, reply_to, data, ..Extras::default() }),
            })),
        });
        let room = self.rooms.get(key).name.clone();
        Outcome::Done(
            Some(key),
            match of {
                Some(_) => Reply::Changed { position, at_ms, duplicate: false },
                None => Reply::Sent { room, position, at_ms, duplicate: false },
            },
        )
    }

    pub(super) fn delete(
        &mut self,
        caller: &Caller,
        of: Target<'_>,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = self.room_of(caller, &of.room)?;
        let content = content(&["delete", &of.offset.to_string()]);
        let mid = Mid::new(&of.mid);
        if let Some(duplicate) = self.seen(&caller.who.user, key, &mid, content, false, at)? {
            return Ok(duplicate);
        }
        let message = self.message(key, of.offset, at)?;
        if message.user != caller.who.user {
            let role = self.check_right(Some(key), caller, Deed::Moderate)?;
            if message.user == UserId::host() || !is_above(role, self.role_in(key, &message.user)) {
                return Err(refused(ErrorCode::NotAllowed, "your role is not above that of who said it"));
            }
        }
        self.check_rate(caller, at)?;
        let (user, of) = (caller.who.user.clone(), of.offset);
        self.changed(caller, key, (mid, content), at, |mid| Change::Delete { of, mid: Some(mid), user })
    }

    pub(super) fn react(
        &mut self,
        caller: &Caller,
        of: Target<'_>,
        emoji: &str,
        add: bool,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = self.room_of(caller, &of.room)?;
        let content = content(&["react", &of.offset.to_string(), emoji, if add { "+" } else { "-" }]);
        let mid = Mid::new(&of.mid);
        if let Some(duplicate) = self.seen(&caller.who.user, key, &mid, content, false, at)? {
            return Ok(duplicate);
        }
        if emoji.chars().any(|char| char.is_control() || char.is_whitespace()) {
            return Err(refused(
                ErrorCode::BadRequest,
                "emoji has blanks or control characters; one emoji is right",
            ));
        }
        self.check_speech(key, &caller.who.user, at)?;
        let message = self.message(key, of.offset, at)?;
        let reactions = &message.more.reactions;
        let user = &caller.who.user;
        let mine = reactions.iter().find(|reaction| reaction.emoji == emoji);
        let is_there = mine.is_some_and(|reaction| reaction.users.contains(user));
        let count: usize = reactions.iter().map(|reaction| reaction.users.len()).sum();
        if add && !is_there && count as u64 >= self.settings.max_reaction_count {
            let words = format!("the message has {count} reactions; max_reaction_count allows no more");
            return Err(refused(ErrorCode::TooMany, &words));
        }
        self.check_rate(caller, at)?;
        if is_there == add {
            // It is as they want it already: there is nothing to tell anybody.
            let (position, at_ms) = (self.rooms.get(key).top, at.now.unix_ms);
            return Ok(Outcome::Done(Some(key), Reply::Changed { position, at_ms, duplicate: true }));
        }
        let (user, of, emoji) = (user.clone(), of.offset, EcoString::from(emoji));
        self.changed(caller, key, (mid, content), at, |mid| Change::React { of, mid, user, emoji, add })
    }

    fn changed(
        &mut self,
        caller: &Caller,
        key: RoomKey,
        (mid, content): (Mid, u128),
        at: &mut Moment<'_>,
        change: impl FnOnce(Mid) -> Change,
    ) -> Result<Outcome, Refusal> {
        let sent = Sent { user: caller.who.user.clone(), mid: mid.clone(), content };
        let position = self.publish(key, Some(sent), Some(caller.connection), at, |_, _| change(mid));
        let at_ms = at.now.unix_ms;
        Ok(Outcome::Done(Some(key), Reply::Changed { position, at_ms, duplicate: false }))
    }

    /// Gives a change the next place in a room's log, keeps it and shows it.
    pub(super) fn publish(
        &mut self,
        key: RoomKey,
        sent: Option<Sent>,
        connection: Option<ConnectionId>,
        at: &mut Moment<'_>,
        change: impl FnOnce(&RoomName, Position) -> Change,
    ) -> Position {
        let room = self.rooms.get_mut(key);
        let record = room.place(at.now, change);
        let position = record.position;
        if is_broken(Broken::AcknowledgedBeforePlaced) && position.offset.is_multiple_of(16) {
            return position;
        }
        at.log.append(&room.name, record.clone(), sent, at.now.ticks_ms);
        let message = record.message().cloned();
        at.push(Effect::Record { room: key, record });
        if let Some(message) = message {
            at.push(Effect::Tell(Event::Message { connection, message: message.clone() }));
            self.tell_away(key, message, at);
        }
        position
    }

    /// Tells the host of a direct message whose addressee is not here.
    fn tell_away(&self, key: RoomKey, message: Arc<Message>, at: &mut Moment<'_>) {
        let Some(user) = self.addressee(key, &message.user) else { return };
        let blocks = self.users.get(&user).is_some_and(|known| known.blocks(&message.user));
        if !blocks && self.live(&user).is_empty() {
            at.push(Effect::Tell(Event::Away { user, message }));
        }
    }

    /// What was sent under that id before.
    ///
    /// # Errors
    /// `mid_conflict`: it was something else.
    fn seen(
        &self,
        user: &UserId,
        key: RoomKey,
        mid: &Mid,
        content: u128,
        is_send: bool,
        at: &Moment<'_>,
    ) -> Result<Option<Outcome>, Refusal> {
        let room = &self.rooms.get(key).name;
        let Some(seen) = at.log.seen(room, user, mid, at.now.ticks_ms) else { return Ok(None) };
        if seen.content != content {
            let words = format!("something else was sent under the mid {mid}");
            return Err(refused(ErrorCode::MidConflict, &words));
        }
        let (position, at_ms, duplicate) = (seen.position, seen.at_ms, true);
        let reply = match is_send {
            true => Reply::Sent { room: room.clone(), position, at_ms, duplicate },
            false => Reply::Changed { position, at_ms, duplicate },
        };
        Ok(Some(Outcome::Done(Some(key), reply)))
    }

    /// A message that can be changed.
    pub(super) fn message(&self, key: RoomKey, offset: u64, at: &Moment<'_>) -> Result<Arc<Message>, Error> {
        let message = at.log.message(&self.rooms.get(key).name, offset);
        message.filter(|message| !message.more.is_deleted).ok_or_else(|| no_message(offset))
    }

    /// Whether a user may speak in a room.
    ///
    /// # Errors
    /// `muted`, `not_allowed`.
    pub(super) fn check_speech(&self, key: RoomKey, user: &UserId, at: &Moment<'_>) -> Result<(), Error> {
        let room = self.rooms.get(key);
        let Some(rules) = &room.rules else { return Ok(()) };
        if let Some(left_ms) = rules.muted.left_ms(user, at.now.ticks_ms) {
            let words = match left_ms {
                Some(left_ms) => {
                    format!("you are muted in {} for {} seconds more", room.name, left_ms.div_ceil(1_000))
                }
                None => format!("you are muted in {}", room.name),
            };
            return Err(Error::new(ErrorCode::Muted, words));
        }
        let deed = if rules.is_read_only { Deed::SayInReadOnly } else { Deed::Say };
        if !deed.is_allowed(self.role_in(key, user)) {
            let words = format!("{} is read only: moderators and owners speak there", room.name);
            return Err(Error::new(ErrorCode::NotAllowed, words));
        }
        Ok(())
    }

    /// Counts what a user sends.
    ///
    /// # Errors
    /// `rate_limited`: it is too soon.
    pub(super) fn check_rate(&mut self, caller: &Caller, at: &Moment<'_>) -> Result<(), Refusal> {
        let (rate, now_ms) = (self.settings.message_rate, at.now.ticks_ms);
        let Some(user) = self.users.get_mut(&caller.who.user) else { return Ok(()) };
        let next_ms = user.sent.bucket.next_at_ms(rate, now_ms);
        if next_ms > now_ms {
            let words = format!("more than {} messages a second", rate.per_second);
            return Err(limited(next_ms - now_ms, &words));
        }
        user.sent.bucket.take(rate, now_ms);
        Ok(())
    }

    fn check_slow(&mut self, caller: &Caller, key: RoomKey, at: &Moment<'_>) -> Result<(), Refusal> {
        let role = self.role_in(key, &caller.who.user);
        let Some(rules) = &mut self.rooms.get_mut(key).rules else { return Ok(()) };
        let early = rules.speak(&caller.who.user, role, at.now.ticks_ms);
        early.map_err(|wait_ms| limited(wait_ms, "the room is in slow mode"))
    }

    pub(super) fn spot(&self, key: RoomKey) -> Spot {
        Spot::Room { key, born: self.rooms.get(key).born }
    }

    /// Asks the host whether something may be said.
    ///
    /// # Errors
    /// `refused`: it cannot be asked.
    pub(super) fn ask_may_send(
        &mut self,
        connection: ConnectionId,
        who: &Who,
        spot: Spot,
        saying: Saying,
        at: &mut Moment<'_>,
    ) -> Result<(), Error> {
        let address = self.address_of(connection);
        let room = match &spot {
            Spot::Room { key, .. } => self.rooms.get(*key).name.clone(),
            Spot::With(other) => RoomName::direct(&who.user, other),
        };
        let subject = Subject::MaySend {
            room,
            user: who.user.clone(),
            name: who.name.clone(),
            text: saying.text.clone(),
        };
        let waiting = Waiting::Send { spot, saying };
        let Some(id) = self.requests.ask(connection, waiting, at.now.ticks_ms) else {
            return Err(Error::new(ErrorCode::Refused, TOO_MANY_QUESTIONS));
        };
        at.push(Effect::Ask(Question { id, connection, address, subject }));
        Ok(())
    }
}

/// A hash of everything that is said, so that something else under the same id is known from the same again.
fn content(parts: &[&str]) -> u128 {
    let mut whole = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        whole.extend_from_slice(&(part.len() as u64).to_le_bytes());
        whole.extend_from_slice(part.as_bytes());
    }
    let hash = digest(&SHA256, &whole);
    let mut first = [0; 16];
    first.copy_from_slice(&hash.as_ref()[..16]);
    u128::from_le_bytes(first)
}

fn no_message(offset: u64) -> Error {
    Error::new(ErrorCode::UnknownMessage, format!("no message stands at {offset}, or not any more"))
}
