//! The rooms in which two users write to one another.

use crate::error::ErrorCode;
use crate::id::{RoomName, UserId};
use crate::push::reply::Refusal;

use super::page::PAGE_BYTES;
use super::people::no_user;
use super::room::RoomKey;
use super::session::User;
use super::talk::{Caller, refused};
use super::{Chat, Moment};

impl Chat {
    /// The caller's room with a user, made if there is none.
    ///
    /// # Errors
    /// `unknown_user`, `too_many`, `too_many_rooms`.
    pub(super) fn direct_room(
        &mut self,
        caller: &Caller,
        user: &str,
        at: &mut Moment<'_>,
    ) -> Result<RoomKey, Refusal> {
        let (me, other) = (&caller.who.user, self.user_id(user)?);
        if other == *me {
            return Err(refused(ErrorCode::BadRequest, "to is yourself; another user is right"));
        }
        if !self.users.contains_key(&other) {
            return Err(no_user(user));
        }
        let name = RoomName::direct(me, &other);
        let pairs = [(me, &other), (&other, me)];
        // Who was forgotten meanwhile is in it anew.
        let is_new = |chat: &Chat, user: &UserId, with: &UserId| {
            chat.users.get(user).is_some_and(|known| !known.directs().contains(with))
        };
        if let Some(key) = self.rooms.find(&name)
            && !pairs.iter().any(|&(user, with)| is_new(self, user, with))
        {
            return Ok(key);
        }
        for (user, with) in pairs {
            let known = self.users.get(user);
            let count = known.map_or(0, |known| known.directs().len());
            if count >= known.map_or(0, User::max_directs) && is_new(self, user, with) {
                let words = format!("{user} has {count} direct rooms, which is as many as may be");
                return Err(refused(ErrorCode::TooMany, &words));
            }
        }
        let key = self.find_or_make(&name, at)?;
        self.rooms.get_mut(key).direct = Some(Box::new([me.clone(), other.clone()]));
        for (user, with) in pairs {
            if is_new(self, user, with)
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
