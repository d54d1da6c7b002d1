//! The rooms in which two users write to one another.

use crate::error::ErrorCode;
use crate::id::{RoomName, UserId};
use crate::push::reply::Refusal;

use super::page::PAGE_BYTES;
use super::people::no_user;
use super::post::Saying;
use super::requests::Spot;
use super::room::RoomKey;
use super::session::User;
use super::talk::{Caller, Outcome, refused};
use super::{Chat, Moment};

impl Chat {
    /// The caller's room with a user, if there is one.
    ///
    /// # Errors
    /// As [`direct_room`](Chat::direct_room); `bad_request`: they are the same.
    pub(super) fn known_direct_room(
        &mut self,
        caller: &Caller,
        user: &str,
        at: &mut Moment<'_>,
    ) -> Result<Option<RoomKey>, Refusal> {
        let other = self.user_id(user)?;
        if other == caller.who.user {
            return Err(refused(ErrorCode::BadRequest, "to is yourself; another user is right"));
        }
        match self.rooms.find(&RoomName::direct(&caller.who.user, &other)) {
            Some(_) => self.direct_room(caller, &other, at).map(Some),
            None => Ok(None),
        }
    }

    /// Says the first thing to a user. What is refused puts nobody into a room.
    pub(super) fn first_contact(
        &mut self,
        caller: &Caller,
        user: &str,
        saying: Saying,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let other = self.user_id(user)?;
        self.check_contact(&caller.who.user, &other)?;
        self.check_rate(caller, at)?;
        if self.settings.ask_may_send {
            self.ask_may_send(caller.connection, &caller.who, Spot::With(other), saying, at)?;
            return Ok(Outcome::Held);
        }
        let key = self.direct_room(caller, &other, at)?;
        Ok(self.place(key, &caller.who.clone(), saying, Some(caller.connection), at))
    }

    /// Whether two users may have a room.
    ///
    /// # Errors
    /// `unknown_user`, `too_many`.
    fn check_contact(&self, me: &UserId, other: &UserId) -> Result<(), Refusal> {
        if !self.users.contains_key(other) {
            return Err(no_user(other.as_str()));
        }
        for (user, with) in [(me, other), (other, me)] {
            let known = self.users.get(user);
            let count = known.map_or(0, |known| known.directs().len());
            if count >= known.map_or(0, User::max_directs) && self.is_new_to(user, with) {
                let words = format!("{user} has {count} direct rooms, which is as many as may be");
                return Err(refused(ErrorCode::TooMany, &words));
            }
        }
        Ok(())
    }

    /// Whether a user who is here has no room with another. Who was forgotten meanwhile is in it anew.
    fn is_new_to(&self, user: &UserId, with: &UserId) -> bool {
        self.users.get(user).is_some_and(|known| !known.directs().contains(with))
    }

    /// The caller's room with a user, made if there is none.
    ///
    /// # Errors
    /// `unknown_user`, `too_many`, `too_many_rooms`.
    pub(super) fn direct_room(
        &mut self,
        caller: &Caller,
        other: &UserId,
        at: &mut Moment<'_>,
    ) -> Result<RoomKey, Refusal> {
        let me = &caller.who.user;
        self.check_contact(me, other)?;
        let name = RoomName::direct(me, other);
        let pairs = [(me, other), (other, me)];
        if let Some(key) = self.rooms.find(&name)
            && !pairs.iter().any(|&(user, with)| self.is_new_to(user, with))
        {
            return Ok(key);
        }
        let key = self.find_or_make(&name, at)?;
        self.rooms.get_mut(key).direct = Some(Box::new([me.clone(), other.clone()]));
        for (user, with) in pairs {
            if self.is_new_to(user, with)
                && let Some(user) = self.users.get_mut(user)
            {
                user.talk().directs.push(with.clone());
            }
            for live in self.live(user) {
                if self.enter_direct(&live, key, at) {
                    self.notify_joined(live.connection, key, &mut { PAGE_BYTES }, at);
                }
            }
        }
        Ok(key)
    }

    /// Puts a session into all direct rooms of its user.
    pub(super) fn enter_directs(&mut self, caller: &Caller, at: &mut Moment<'_>) {
        let user = &caller.who.user;
        let directs = self.users.get(user).map_or(Vec::new(), |user| user.directs().to_vec());
        for other in directs {
            if let Some(key) = self.rooms.find(&RoomName::direct(user, &other)) {
                self.enter_direct(caller, key, at);
            }
        }
    }

    /// Gives whether it was not in it.
    fn enter_direct(&mut self, caller: &Caller, key: RoomKey, at: &mut Moment<'_>) -> bool {
        let Some(session) = self.sessions.get_mut(caller.session) else { return false };
        let is_out = !session.rooms.contains(&key);
        if is_out {
            session.rooms.push(key);
            self.rooms.enter(key);
            self.show_to(caller.connection, key, &caller.who.user, at);
        }
        is_out
    }

    /// Whom a user writes to in a direct room.
    pub(super) fn addressee(&self, key: RoomKey, user: &UserId) -> Option<UserId> {
        let users = self.rooms.get(key).direct.as_ref()?;
        users.iter().find(|other| *other != user).cloned()
    }
}
