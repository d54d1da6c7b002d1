//! How a v1 client comes into a room and leaves it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::error::{Error, ErrorCode};
use crate::event::Subject;
use crate::id::{ConnectionId, Position, RoomName, UserId};
use crate::push::reply::{Entered, Happening, Refusal, Reply};

use super::effect::Effect;
use super::page::PAGE_BYTES;
use super::requests::Waiting;
use super::room::RoomKey;
use super::session::{Session, SessionKey};
use super::talk::{Caller, Outcome, refused};
use super::{Chat, Moment};

/// A wish to come into a room, as long as it waits for the host.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    room: RoomName,
    since: Option<Position>,
    history: Option<u64>,
}

impl Chat {
    pub(super) fn join_request(
        &mut self,
        caller: &Caller,
        name: &str,
        since: Option<Position>,
        history: Option<u64>,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        // Who is in it already is shown it again.
        if let Ok(key) = self.room_of(caller, name) {
            let entered = self.entered(key, &caller.who.user, since, history, &mut { PAGE_BYTES }, at);
            return Ok(Outcome::Page(Some(key), Reply::Joined(entered)));
        }
        // Whoever comes is shown to everybody who is there.
        self.check_told(caller, at)?;
        let wish = Wish { room: self.room_name_of(name)?, since, history };
        self.check_join(caller, &wish.room, at)?;
        if self.settings.ask_may_join {
            let subject = Subject::MayJoin {
                room: wish.room.clone(),
                user: caller.who.user.clone(),
                name: Some(caller.who.name.clone()),
            };
            self.ask_about(caller.connection, Waiting::Join { id: caller.id, wish }, subject, at)?;
            return Ok(Outcome::Held);
        }
        self.join_now(caller, &wish, at)
    }

    pub(super) fn join_now(
        &mut self,
        caller: &Caller,
        wish: &Wish,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        // Meanwhile it may have been put there, or the room may have got rules.
        self.check_join(caller, &wish.room, at)?;
        let key = self.put_in(caller, &wish.room, at)?;
        let entered = self.entered(key, &caller.who.user, wish.since, wish.history, &mut { PAGE_BYTES }, at);
        Ok(Outcome::Page(Some(key), Reply::Joined(entered)))
    }

    /// Comes back to a room. Who is in it no longer comes in again, unless they were taken out or the host has to be
    /// asked: then they have to join.
    pub(super) fn come_back(
        &mut self,
        caller: &Caller,
        name: &str,
        seen: Position,
        bytes: &mut usize,
        at: &mut Moment<'_>,
    ) -> Result<(RoomKey, Entered), Refusal> {
        let key = match self.room_of(caller, name) {
            Ok(key) => key,
            Err(not_member) => {
                if RoomName::is_reserved(name) {
                    self.enter_directs(caller, at);
                    self.room_of(caller, name)?
                } else {
                    let room = self.room_name_of(name)?;
                    let was_removed = |session: &Session| session.removed.contains(&room);
                    if self.settings.ask_may_join
                        || self.sessions.get(caller.session).is_some_and(was_removed)
                    {
                        return Err(not_member);
                    }
                    self.check_join(caller, &room, at)?;
                    self.put_in(caller, &room, at)?
                }
            }
        };
        Ok((key, self.entered(key, &caller.who.user, Some(seen), None, bytes, at)))
    }

    fn room_name_of(&self, name: &str) -> Result<RoomName, Refusal> {
        Ok(RoomName::new(name)?)
    }

    fn check_join(&self, caller: &Caller, room: &RoomName, at: &Moment<'_>) -> Result<(), Refusal> {
        let session = self.sessions.get(caller.session);
        let invited = session.is_some_and(|session| session.invited.contains(room));
        let address = self.address_of(caller.connection);
        self.check_entry(room, Some(&caller.who.user), address, invited, at)?;
        let is_direct = |key: &&RoomKey| self.rooms.get(**key).direct.is_some();
        let count = session.map_or(0, |session| session.rooms.iter().filter(|key| !is_direct(key)).count());
        let max = self.settings.max_connection_room_count;
        if count as u64 >= max {
            let words =
                format!("you are in {count} rooms; max_connection_room_count allows no more: leave one");
            return Err(refused(ErrorCode::TooManyRooms, &words));
        }
        Ok(())
    }

    /// Whether somebody may come into a room. `invited`: the host has said so when it let them in.
    ///
    /// # Errors
    /// `banned`, `not_allowed` (it is private), `too_many` (it is full).
    pub(super) fn check_entry(
        &self,
        room: &RoomName,
        user: Option<&UserId>,
        address: Option<SocketAddr>,
        invited: bool,
        at: &Moment<'_>,
    ) -> Result<(), Error> {
        let Some(key) = self.rooms.find(room) else { return Ok(()) };
        let Some(rules) = &self.rooms.get(key).rules else { return Ok(()) };
        let now_ms = at.now.ticks_ms;
        if user.is_some_and(|user| rules.banned.holds(user, now_ms))
            || address
                .is_some_and(|address| rules.banned_addresses.holds(&address.ip().to_canonical(), now_ms))
        {
            return Err(Error::new(ErrorCode::Banned, format!("you are banned from {room}")));
        }
        let is_known =
            user.is_some_and(|user| rules.invited.contains(user) || rules.roles.contains_key(user));
        if rules.is_private && !invited && !is_known {
            let words = format!("{room} is private: the host decides who comes in");
            return Err(Error::new(ErrorCode::NotAllowed, words));
        }
        let is_in = user.is_some_and(|user| self.is_member(key, user));
        let (count, max) = (self.member_count(key), rules.max_member_count);
        if max > 0 && count >= max && !is_in && !invited && !is_known {
            let words = format!("{room} is full: {max} members is as many as may be there");
            return Err(Error::new(ErrorCode::TooMany, words));
        }
        Ok(())
    }

    /// Puts a session into a room, unless it is there.
    ///
    /// # Errors
    /// `too_many_rooms`.
    pub(super) fn put_in(
        &mut self,
        caller: &Caller,
        room: &RoomName,
        at: &mut Moment<'_>,
    ) -> Result<RoomKey, Error> {
        let key = self.find_or_make(room, at)?;
        let Some(session) = self.sessions.get_mut(caller.session) else { return Ok(key) };
        if !session.rooms.contains(&key) {
            session.rooms.push(key);
            session.removed.retain(|other| other != room);
            self.rooms.enter(key);
            self.come(key, caller.connection, caller.who.clone(), at);
            self.show_to(caller.connection, key, &caller.who.user, at);
        }
        Ok(key)
    }

    /// From here on a connection is shown what its room is shown.
    pub(super) fn show_to(
        &mut self,
        connection: ConnectionId,
        key: RoomKey,
        user: &UserId,
        at: &mut Moment<'_>,
    ) {
        let alone = self.users.get(user).is_some_and(|user| user.blocks_some());
        let room = self.rooms.get(key);
        let (name, top) = (room.name.clone(), room.top);
        at.push(Effect::Enter { connection, room: key, name, alone, top });
    }

    pub(super) fn leave_request(
        &mut self,
        caller: &Caller,
        name: &str,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = self.room_of(caller, name)?;
        if self.rooms.get(key).direct.is_some() {
            return Err(refused(
                ErrorCode::NotAllowed,
                "a direct room is not left; block its user to hear no more",
            ));
        }
        self.take_out(caller.session, key, at);
        // The room may be forgotten from here on.
        Ok(Outcome::Done(None, Reply::Done))
    }

    /// Takes a session out of a room.
    pub(super) fn take_out(&mut self, session: SessionKey, key: RoomKey, at: &mut Moment<'_>) {
        let Some(who) = self.session_user(session).map(|user| user.who.clone()) else { return };
        let Some(left) = self.sessions.get_mut(session) else { return };
        let Some(index) = left.rooms.iter().position(|room| *room == key) else { return };
        left.rooms.remove(index);
        let (connection, holder) = (left.connection, left.holder);
        if let Some(connection) = connection {
            let alone = self.users.get(&who.user).is_some_and(|user| user.blocks_some());
            at.push(Effect::Exit { connection, room: key, alone });
        }
        self.go(key, holder, &who, at);
        self.rooms.exit(key);
    }

    /// Takes a user out of a room, whatever they came by, and says why.
    pub(super) fn remove(&mut self, key: RoomKey, user: &UserId, reason: &str, at: &mut Moment<'_>) {
        let sessions = self.users.get(user).map_or(Vec::new(), |user| user.sessions.clone());
        for session in sessions {
            let Some(held) = self.sessions.get(session).filter(|session| session.rooms.contains(&key)) else {
                continue;
            };
            let connection = held.connection;
            self.take_out(session, key, at);
            let room = self.rooms.get(key).name.clone();
            if let Some(session) = self.sessions.get_mut(session) {
                if session.removed.len() == MAX_REMOVED {
                    session.removed.remove(0);
                }
                session.removed.push(room.clone());
            }
            if let Some(connection) = connection {
                let happening = Happening::Removed { room, reason: reason.to_owned() };
                at.push(Effect::Notify { connection, room: None, happening });
            }
        }
        // Clients of the tutorial have no other room.
        for connection in self.rooms.get(key).connections_of(user) {
            self.close(connection, crate::close::Cause::Kicked, reason, at);
        }
    }

    /// The live v1 connections of a user, with their sessions.
    pub(super) fn live(&self, user: &UserId) -> Vec<Caller> {
        let Some(known) = self.users.get(user) else { return Vec::new() };
        let caller = |key: &SessionKey| {
            let connection = self.sessions.get(*key)?.connection?;
            Some(Caller { connection, id: None, session: *key, who: Arc::clone(&known.who) })
        };
        known.sessions.iter().filter_map(caller).collect()
    }
}

/// How many rooms that it was taken out of a session remembers.
const MAX_REMOVED: usize = 100;
