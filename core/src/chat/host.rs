//! What the host says, does and asks.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::close::Cause;
use crate::error::{Error, ErrorCode};
use crate::event::Admission;
use crate::id::{ConnectionId, Position, RoomName, UserId, UserName};
use crate::message::{Change, Color, Member, Moderation, Room as RoomEntry, RoomOptions};
use crate::push::reply::Happening;

use super::connection::{Phase, Place, Who};
use super::effect::{Effect, Given};
use super::names::color_of;
use super::page::PAGE_BYTES;
use super::post::Saying;
use super::room::{Present, Room, RoomKey};
use super::{Chat, Moment};

impl Chat {
    /// Puts a message of the host's in a room.
    ///
    /// # Errors
    /// `bad_room_name`, `too_many_rooms`, `empty_text`, `too_long`.
    pub(crate) fn broadcast(
        &mut self,
        room: &str,
        text: &str,
        at: &mut Moment<'_>,
    ) -> Result<Position, Error> {
        self.post(room, self.host.clone(), text, at)
    }

    /// Puts a message in a room as a user.
    ///
    /// # Errors
    /// `bad_room_name`, `bad_name`, `too_many_rooms`, `empty_text`, `too_long`.
    pub(crate) fn send(
        &mut self,
        room: &str,
        user: &str,
        text: &str,
        at: &mut Moment<'_>,
    ) -> Result<Position, Error> {
        let user = UserId::new(user)?;
        let who = self.find_user(&user).unwrap_or_else(|| {
            Arc::new(Who { name: UserName::of_user(&user), color: color_of(&user), user })
        });
        self.post(room, who, text, at)
    }

    fn post(
        &mut self,
        room: &str,
        who: Arc<Who>,
        text: &str,
        at: &mut Moment<'_>,
    ) -> Result<Position, Error> {
        let name = RoomName::new(room)?;
        self.check_text(text)?;
        let key = self.find_or_make(&name, at)?;
        self.place(key, &who, Saying::plain(text.to_owned()), None, at);
        Ok(self.rooms.get(key).top)
    }

    /// Gives a message another text.
    ///
    /// # Errors
    /// `bad_room_name`, `unknown_room`, `unknown_message`, `empty_text`, `too_long`.
    pub(crate) fn edit_as_host(
        &mut self,
        room: &str,
        offset: u64,
        text: &str,
        at: &mut Moment<'_>,
    ) -> Result<Position, Error> {
        self.check_text(text)?;
        self.change_as_host(room, offset, at, |user| Change::Edit {
            of: offset,
            mid: None,
            user,
            text: text.into(),
        })
    }

    /// Takes a message away.
    ///
    /// # Errors
    /// `bad_room_name`, `unknown_room`, `unknown_message`.
    pub(crate) fn delete_as_host(
        &mut self,
        room: &str,
        offset: u64,
        at: &mut Moment<'_>,
    ) -> Result<Position, Error> {
        self.change_as_host(room, offset, at, |user| Change::Delete { of: offset, mid: None, user })
    }

    fn change_as_host(
        &mut self,
        room: &str,
        offset: u64,
        at: &mut Moment<'_>,
        change: impl FnOnce(UserId) -> Change,
    ) -> Result<Position, Error> {
        let key = self.room(room)?;
        self.message(key, offset, at)?;
        let user = self.host.user.clone();
        Ok(self.publish(key, None, None, at, |_, _| change(user)))
    }

    /// Moderates a room.
    ///
    /// # Errors
    /// `bad_room_name`, `unknown_room`, `too_many`, `unknown_user`.
    pub(crate) fn moderate_as_host(
        &mut self,
        room: &str,
        act: Moderation,
        at: &mut Moment<'_>,
    ) -> Result<Position, Error> {
        let key = self.room(room)?;
        self.moderate(key, act, None, at)
    }

    /// Puts a user into a room, wherever they are connected; from now on they may come in whatever the room is.
    ///
    /// # Errors
    /// `bad_room_name`, `bad_name`, `too_many_rooms`.
    pub(crate) fn join(&mut self, room: &str, user: &str, at: &mut Moment<'_>) -> Result<(), Error> {
        let (room, user) = (RoomName::new(room)?, UserId::new(user)?);
        let key = self.find_or_make(&room, at)?;
        let invited = &mut self.rooms.get_mut(key).rules().invited;
        if !invited.contains(&user) {
            if invited.len() >= MAX_INVITED {
                let words =
                    format!("{MAX_INVITED} users have been put into the room, which is as many as may be");
                return Err(Error::new(ErrorCode::TooMany, words));
            }
            invited.push(user.clone());
        }
        self.rooms.hold(key);
        for live in self.live(&user) {
            let is_in = self.sessions.get(live.session).is_some_and(|session| session.rooms.contains(&key));
            if !is_in {
                self.put_in(&live, &room, at)?;
                self.notify_joined(live.connection, key, &mut { PAGE_BYTES }, at);
            }
        }
        Ok(())
    }

    /// Takes a user out of a room, without a trace in its log. Into a private one they do not come again by themselves.
    ///
    /// # Errors
    /// `bad_room_name`, `unknown_room`, `bad_name`.
    pub(crate) fn leave(&mut self, room: &str, user: &str, at: &mut Moment<'_>) -> Result<(), Error> {
        let key = self.room(room)?;
        let user = UserId::new(user)?;
        if let Some(rules) = &mut self.rooms.get_mut(key).rules {
            rules.invited.retain(|other| *other != user);
        }
        self.remove(key, &user, "taken out by the host", at);
        Ok(())
    }

    /// Sets what is otherwise in a room. The room is made if there is none.
    ///
    /// # Errors
    /// `bad_room_name`, `too_many_rooms`, `invalid_argument`.
    pub(crate) fn set_room(
        &mut self,
        room: &str,
        options: &RoomOptions,
        at: &mut Moment<'_>,
    ) -> Result<(), Error> {
        let name = RoomName::new(room)?;
        if options.history_kept == Some(0) {
            let words = "history_kept is 0; a room keeps one message at least";
            return Err(Error::new(ErrorCode::InvalidArgument, words));
        }
        let key = self.find_or_make(&name, at)?;
        let rules = self.rooms.get_mut(key).rules();
        rules.is_private = options.private.unwrap_or(rules.is_private);
        rules.is_read_only = options.read_only.unwrap_or(rules.is_read_only);
        rules.max_member_count = options.max_member_count.unwrap_or(rules.max_member_count);
        self.rooms.hold(key);
        if options.history_kept.is_some() {
            at.log.keep(&name, options.history_kept);
        }
        Ok(())
    }

    /// Makes a ticket for somebody, good once and for so many milliseconds.
    ///
    /// # Errors
    /// `bad_name`, `bad_room_name`, `too_many`.
    pub(crate) fn ticket(
        &mut self,
        admission: Admission,
        ttl_ms: u64,
        at: &mut Moment<'_>,
    ) -> Result<String, Error> {
        let given = Given::new(admission)?;
        let secret = at.secret();
        let now_ms = at.now.ticks_ms;
        self.tickets.keep(&secret, given, now_ms.saturating_add(ttl_ms), now_ms)?;
        Ok(secret)
    }

    /// Keeps a user out of the engine, for so many seconds, or for good; 0: no longer.
    ///
    /// # Errors
    /// `bad_name`, `too_many`.
    pub(crate) fn ban(&mut self, user: &str, seconds: Option<u64>, at: &mut Moment<'_>) -> Result<(), Error> {
        let user = UserId::new(user)?;
        check_ban_count(self.banned.len())?;
        self.banned.set(user.clone(), seconds, at.now.ticks_ms);
        if seconds != Some(0) {
            self.put_out(|known| known.who.as_ref().is_some_and(|who| who.user == user), at);
        }
        Ok(())
    }

    /// Keeps an address out of the engine, for so many seconds, or for good; 0: no longer.
    ///
    /// # Errors
    /// `too_many`.
    pub(crate) fn ban_address(
        &mut self,
        address: IpAddr,
        seconds: Option<u64>,
        at: &mut Moment<'_>,
    ) -> Result<(), Error> {
        let address = address.to_canonical();
        check_ban_count(self.banned_addresses.len())?;
        self.banned_addresses.set(address, seconds, at.now.ticks_ms);
        if seconds != Some(0) {
            let is_there = |known: &super::Connection| {
                known.origin.address().is_some_and(|other| other.ip().to_canonical() == address)
            };
            self.put_out(is_there, at);
        }
        Ok(())
    }

    fn put_out(&mut self, is_meant: impl Fn(&super::Connection) -> bool, at: &mut Moment<'_>) {
        let meant = self.connections.iter().filter(|(_, known)| is_meant(known)).map(|(id, _)| *id);
        let mut meant: Vec<ConnectionId> = meant.collect();
        meant.sort_unstable();
        for connection in meant {
            self.part(connection, Cause::Banned, BANNED, at);
        }
    }

    /// Whether somebody may be here at all.
    ///
    /// # Errors
    /// `banned`.
    pub(super) fn check_banned(
        &self,
        user: Option<&UserId>,
        address: Option<SocketAddr>,
        at: &Moment<'_>,
    ) -> Result<(), Error> {
        let now_ms = at.now.ticks_ms;
        let is_banned = user.is_some_and(|user| self.banned.holds(user, now_ms))
            || address
                .is_some_and(|address| self.banned_addresses.holds(&address.ip().to_canonical(), now_ms));
        if is_banned { Err(Error::new(ErrorCode::Banned, BANNED)) } else { Ok(()) }
    }

    /// The host's name and colour, for what it says outside of every log.
    ///
    /// # Errors
    /// `empty_text`, `too_long`.
    pub(crate) fn notice(&self, text: &str) -> Result<(UserName, Color), Error> {
        self.check_text(text)?;
        Ok((self.host.name.clone(), self.host.color))
    }

    /// Tells a user's v1 connections something, JSON.
    ///
    /// # Errors
    /// `bad_name`, `unknown_user`: they have no v1 connection.
    pub(crate) fn tell_user(&mut self, user: &str, data: &str, at: &mut Moment<'_>) -> Result<(), Error> {
        let user = UserId::new(user)?;
        let live = self.live(&user);
        if live.is_empty() {
            let words = format!("{user} has no connection that speaks klatsch.v1");
            return Err(Error::new(ErrorCode::UnknownUser, words));
        }
        for caller in live {
            let happening = Happening::Tell { room: None, user: None, data: data.to_owned() };
            at.push(Effect::Notify { connection: caller.connection, room: None, happening });
        }
        Ok(())
    }

    /// The v1 connections that have said hello.
    pub(crate) fn talkers(&self) -> Vec<ConnectionId> {
        let is_in = |known: &super::Connection| match &known.place {
            Place::Talk(talk) => matches!(talk.phase, Phase::In(_)),
            Place::Nowhere | Place::Room(_) => false,
        };
        let mut talkers: Vec<ConnectionId> =
            self.connections.iter().filter(|(_, known)| is_in(known)).map(|(id, _)| *id).collect();
        talkers.sort_unstable();
        talkers
    }

    /// The log of a room has lost its newest records, and goes on behind `to`.
    pub(crate) fn lose(&mut self, room: RoomKey, count: u64, at: &mut Moment<'_>) {
        let epoch = self.rooms.next_epoch(at.now);
        let name = self.rooms.get(room).name.clone();
        let to = at.log.lose(&name, count, epoch);
        self.rooms.get_mut(room).roll_back(to, epoch);
        at.push(Effect::Show { room, happening: Happening::Rollback { room: name, to }, from: None });
    }

    /// Finds a room for a call of the host's; direct ones too.
    ///
    /// # Errors
    /// `bad_room_name`, `unknown_room`.
    pub(crate) fn room(&self, name: &str) -> Result<RoomKey, Error> {
        if !RoomName::is_reserved(name) {
            RoomName::new(name)?;
        }
        self.find_room(name)
            .ok_or_else(|| Error::new(ErrorCode::UnknownRoom, format!("there is no room {name:?}")))
    }

    /// The room of that name, direct ones too.
    pub(super) fn find_room(&self, name: &str) -> Option<RoomKey> {
        match RoomName::is_reserved(name) {
            true => self.rooms.find(name),
            false => self.rooms.find(&RoomName::new(name).ok()?),
        }
    }

    pub(crate) fn room_count(&self) -> u64 {
        self.rooms.count()
    }

    pub(crate) fn room_keys(&self) -> Vec<RoomKey> {
        self.rooms.keys()
    }

    pub(crate) fn room_key(&self, name: &RoomName) -> Option<RoomKey> {
        self.rooms.find(name)
    }

    pub(crate) fn room_name(&self, room: RoomKey) -> RoomName {
        self.rooms.get(room).name.clone()
    }

    /// The position of a room's newest record.
    pub(crate) fn position(&self, room: RoomKey) -> Position {
        self.rooms.get(room).top
    }

    /// The members of a room in the order in which they came.
    pub(crate) fn members(&self, key: RoomKey) -> Vec<Member> {
        let room = self.rooms.get(key);
        let member = |Present { who, connection, connection_count }: Present<'_>| Member {
            user: who.user.clone(),
            name: who.name.clone(),
            color: who.color,
            role: self.role_in(key, &who.user),
            connection,
            connection_count: connection_count as u64,
        };
        room.some_members(0, usize::MAX).0.into_iter().map(member).collect()
    }

    pub(crate) fn member_count(&self, room: RoomKey) -> u64 {
        let room = self.rooms.get(room);
        room.direct.as_ref().map_or(room.member_count(), |users| users.len() as u64)
    }

    pub(crate) fn rooms(&self) -> Vec<RoomEntry> {
        let entry = |room: &Room| RoomEntry {
            name: room.name.clone(),
            member_count: room.direct.as_ref().map_or(room.member_count(), |users| users.len() as u64),
            connection_count: room.connection_count,
            position: room.top,
        };
        self.rooms.sorted().into_iter().map(entry).collect()
    }

    pub(super) fn find_user(&self, user: &UserId) -> Option<Arc<Who>> {
        if let Some(user) = self.users.get(user) {
            return Some(user.who.clone());
        }
        let number = user.strip_prefix('u')?.parse().ok()?;
        let who = self.connections.get(&ConnectionId(number))?.who.clone()?;
        (who.user == *user).then_some(who)
    }
}

/// # Errors
/// `too_many`.
fn check_ban_count(count: usize) -> Result<(), Error> {
    match count >= MAX_BANS {
        true => {
            let words = format!("{count} bans are in force, which is as many as may be");
            Err(Error::new(ErrorCode::TooMany, words))
        }
        false => Ok(()),
    }
}

const BANNED: &str = "you are banned";
const MAX_BANS: usize = 100_000;
const MAX_INVITED: usize = 10_000;
