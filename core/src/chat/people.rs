//! What users do to themselves and show one another: names, blocks, read marks, typing, and what stands in no log.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::ErrorCode;
use crate::id::UserId;
use crate::message::Change;
use crate::push::reply::{Happening, Refusal, Reply};

use super::connection::Who;
use super::effect::Effect;
use super::rights::Deed;
use super::room::RoomKey;
use super::talk::{Caller, Outcome, limited, refused};
use super::{Chat, Moment};

impl Chat {
    pub(super) fn rename(
        &mut self,
        caller: &Caller,
        name: &str,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let old = &caller.who;
        let Some(user) = self.users.get(&old.user) else { return Ok(Outcome::Done(None, Reply::Done)) };
        if user.given {
            return Err(refused(ErrorCode::NotAllowed, "the host gave you your name"));
        }
        let name = self.free_name(name, Some(&old.user))?;
        self.check_told(caller, at)?;
        let color = old.color;
        if name != old.name {
            let who = Arc::new(Who { user: old.user.clone(), name: name.clone(), color });
            self.names.release(&old.name, &old.user);
            self.names.hold(&name, &old.user);
            if let Some(user) = self.users.get_mut(&old.user) {
                user.who = who.clone();
            }
            self.take_name(&who, at);
        }
        Ok(Outcome::Done(None, Reply::Renamed { name, color }))
    }

    /// A user is called otherwise from here on, in all their rooms.
    fn take_name(&mut self, who: &Arc<Who>, at: &mut Moment<'_>) {
        let live = self.live(&who.user);
        for caller in &live {
            if let Some(known) = self.connections.get_mut(&caller.connection) {
                known.who = Some(who.clone());
            }
            self.tell_named(caller.connection, who, at);
        }
        let sessions = self.users.get(&who.user).map_or(Vec::new(), |user| user.sessions.clone());
        let sessions = sessions.iter().filter_map(|session| self.sessions.get(*session));
        let rooms: HashSet<RoomKey> = sessions.flat_map(|session| session.rooms.iter().copied()).collect();
        let mut rooms: Vec<RoomKey> = rooms.into_iter().collect();
        rooms.sort_unstable();
        for key in rooms {
            self.rooms.get_mut(key).rename(who);
            let (user, name, color) = (who.user.clone(), who.name.clone(), who.color);
            self.publish(key, None, None, at, |_, _| Change::Rename { user, name, color });
        }
    }

    pub(super) fn block(
        &mut self,
        caller: &Caller,
        user: &str,
        on: bool,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let other = self.user_id(user)?;
        let me = &caller.who.user;
        if other == *me {
            return Err(refused(ErrorCode::BadRequest, "user is yourself; another user is right"));
        }
        let Some(known) = self.users.get_mut(me) else { return Ok(Outcome::Done(None, Reply::Done)) };
        let was_alone = known.blocks_some();
        let blocked = &mut known.talk().blocked;
        match on {
            true if blocked.contains(&other) => {}
            true if blocked.len() >= MAX_BLOCKED => {
                let words = format!("{MAX_BLOCKED} users are blocked, which is as many as may be");
                return Err(refused(ErrorCode::TooMany, &words));
            }
            true => blocked.push(other),
            false => blocked.retain(|user| *user != other),
        }
        let alone = known.blocks_some();
        if alone != was_alone {
            self.show_otherwise(me, was_alone, at);
        }
        Ok(Outcome::Done(None, Reply::Done))
    }

    /// Shows a user's connections their rooms alone from here on, or as everybody.
    fn show_otherwise(&mut self, user: &UserId, was_alone: bool, at: &mut Moment<'_>) {
        for caller in self.live(user) {
            let rooms = self.sessions.get(caller.session).map_or(Vec::new(), |session| session.rooms.clone());
            for key in rooms {
                at.push(Effect::Exit { connection: caller.connection, room: key, alone: was_alone });
                self.show_to(caller.connection, key, user, at);
            }
        }
    }

    pub(super) fn read(
        &mut self,
        caller: &Caller,
        room: &str,
        offset: u64,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = self.room_of(caller, room)?;
        let room = self.rooms.get(key);
        let (name, born, top) = (room.name.clone(), room.born, room.top.offset);
        if offset > top {
            return Err(refused(
                ErrorCode::UnknownMessage,
                &format!("nothing stands at {offset}; {top} is the newest"),
            ));
        }
        let user = caller.who.user.clone();
        let Some(known) = self.users.get_mut(&user) else { return Ok(Outcome::Done(None, Reply::Done)) };
        let before = known.read(&name, born);
        let (has_risen, offset) = (offset > before, offset.max(before));
        let read = &mut known.talk().read;
        if read.len() >= MAX_READ && !read.contains_key(&name) {
            // Of rooms that are no more nothing is remembered.
            let rooms = &self.rooms;
            read.retain(|name, _| rooms.find(name).is_some());
        }
        read.insert(name.clone(), (born, offset));
        if has_risen && self.may_show(key, caller, at) {
            let happening = Happening::Read { room: name, user: user.clone(), offset };
            at.push(Effect::Show { room: key, happening, from: Some(user) });
        }
        Ok(Outcome::Done(Some(key), Reply::Read { offset }))
    }

    pub(super) fn typing(
        &mut self,
        caller: &Caller,
        room: &str,
        active: bool,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = self.room_of(caller, room)?;
        self.check_speech(key, &caller.who.user, at)?;
        if self.may_show(key, caller, at) {
            let (room, user) = (self.rooms.get(key).name.clone(), caller.who.user.clone());
            let happening = Happening::Typing { room, user: user.clone(), active };
            at.push(Effect::Show { room: key, happening, from: Some(user) });
        }
        Ok(Outcome::Done(Some(key), Reply::Done))
    }

    pub(super) fn tell_in(
        &mut self,
        caller: &Caller,
        room: &str,
        data: &str,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = self.room_of(caller, room)?;
        self.check_right(Some(key), caller, Deed::Tell)?;
        self.check_speech(key, &caller.who.user, at)?;
        self.check_told(caller, at)?;
        let user = caller.who.user.clone();
        let room = Some(self.rooms.get(key).name.clone());
        let happening = Happening::Tell { room, user: Some(user.clone()), data: data.to_owned() };
        at.push(Effect::Show { room: key, happening, from: Some(user) });
        Ok(Outcome::Done(Some(key), Reply::Done))
    }

    pub(super) fn tell_one(
        &mut self,
        caller: &Caller,
        user: &str,
        data: &str,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        self.check_right(None, caller, Deed::Tell)?;
        let other = self.user_id(user)?;
        let known = self.users.get(&other).ok_or_else(|| no_user(user))?;
        let is_welcome = !known.blocks(&caller.who.user);
        self.check_told(caller, at)?;
        for live in self.live(&other).iter().filter(|_| is_welcome) {
            let user = Some(caller.who.user.clone());
            let happening = Happening::Tell { room: None, user, data: data.to_owned() };
            at.push(Effect::Notify { connection: live.connection, room: None, happening });
        }
        Ok(Outcome::Done(None, Reply::Done))
    }

    /// Counts what a user does that is no message.
    pub(super) fn check_told(&mut self, caller: &Caller, at: &Moment<'_>) -> Result<(), Refusal> {
        let (rate, now_ms) = (self.settings.tell_rate, at.now.ticks_ms);
        let Some(user) = self.users.get_mut(&caller.who.user) else { return Ok(()) };
        let told = &mut user.talk().told;
        let next_ms = told.next_at_ms(rate, now_ms);
        if next_ms > now_ms {
            return Err(limited(next_ms - now_ms, &format!("more than {} a second", rate.per_second)));
        }
        told.take(rate, now_ms);
        Ok(())
    }

    /// Whether a room is shown something small of a user's: not too often, and not a crowd.
    fn may_show(&mut self, key: RoomKey, caller: &Caller, at: &Moment<'_>) -> bool {
        self.rooms.get(key).member_count() <= self.settings.max_presence_count
            && self.check_told(caller, at).is_ok()
    }

    /// # Errors
    /// `unknown_user`: nobody has such an id.
    pub(super) fn user_id(&self, user: &str) -> Result<UserId, Refusal> {
        UserId::new(user).map_err(|_| no_user(user))
    }
}

pub(super) fn no_user(user: &str) -> Refusal {
    let user: String = user.chars().take(64).collect();
    refused(ErrorCode::UnknownUser, &format!("no user has the id {user}"))
}

/// How many rooms' read marks a user has, before those of rooms that are no more are looked for.
const MAX_READ: usize = 1_000;
const MAX_BLOCKED: usize = 1_000;
