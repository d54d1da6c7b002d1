//! How a v1 user goes: the session without a connection, its linger, its end.

use std::sync::Arc;

use crate::id::UserId;

use super::connection::Who;
use super::session::SessionKey;
use super::timers::Due;
use super::{Chat, Moment};

impl Chat {
    /// A session has no connection any more. Its user stays in its rooms for a while.
    pub(super) fn detach(&mut self, session: SessionKey, at: &mut Moment<'_>) {
        let now_ms = at.now.ticks_ms;
        let turn = self.sessions.leave(session, now_ms);
        self.timers.set(now_ms + self.settings.linger_ms, Due::Linger(session, turn));
        let user = self.sessions.get(session).map(|session| session.user.clone());
        if let Some(user) = user.and_then(|user| self.users.get_mut(&user)) {
            user.connection_count -= 1;
        }
        while let Some(surplus) = self.sessions.surplus() {
            self.end_session(surplus, at);
        }
    }

    /// Nobody has come back to a session: its user leaves its rooms.
    pub(super) fn lingered(&mut self, session: SessionKey, turn: u64, at: &mut Moment<'_>) {
        if self
            .sessions
            .get(session)
            .is_some_and(|session| session.turn == turn && session.connection.is_none())
        {
            self.leave_all(session, at);
            self.lay_name_down(session);
        }
    }

    /// Lets others have a name that somebody chose who is not here: nobody's reload or lost answer keeps it from them for
    /// as long as a session.
    fn lay_name_down(&mut self, session: SessionKey) {
        let Some(user) = self.sessions.get(session).and_then(|session| self.users.get_mut(&session.user))
        else {
            return;
        };
        if user.holds_name && !user.given && user.connection_count == 0 {
            user.holds_name = false;
            let who = user.who.clone();
            self.names.release(&who.name, &who.user);
        }
    }

    /// Gives somebody who is back their name again, or, where another has it now, that with a number.
    pub(super) fn take_name_up(&mut self, user: &UserId) {
        let Some(known) = self.users.get_mut(user).filter(|known| !known.holds_name) else { return };
        known.holds_name = true;
        let name = self.names.free(known.who.name.clone(), Some(user));
        self.names.hold(&name, user);
        if name != known.who.name {
            known.who = Arc::new(Who { user: user.clone(), name, color: known.who.color });
        }
    }

    /// Takes a session out of its rooms.
    fn leave_all(&mut self, session: SessionKey, at: &mut Moment<'_>) {
        let Some(who) = self.session_user(session).map(|user| user.who.clone()) else { return };
        let Some(left) = self.sessions.get_mut(session) else { return };
        let (rooms, holder) = (std::mem::take(&mut left.rooms), left.holder);
        for key in rooms {
            self.go(key, holder, &who, at);
            self.rooms.exit(key);
        }
    }

    pub(super) fn end_session(&mut self, session: SessionKey, at: &mut Moment<'_>) {
        self.leave_all(session, at);
        let Some(ended) = self.sessions.remove(session) else { return };
        if let Some(user) = self.users.get_mut(&ended.user) {
            user.sessions.retain(|other| *other != session);
        }
        self.forget_user(&ended.user, at);
    }
}
