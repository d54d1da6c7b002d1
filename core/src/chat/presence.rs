//! Who is in which room: first connection in, last one out.

use std::sync::Arc;

use crate::event::Event;
use crate::id::{ConnectionId, UserId};
use crate::message::Role;
use crate::push::reply::{Happening, MemberLine};

use super::connection::Who;
use super::effect::Effect;
use super::room::RoomKey;
use super::timers::Due;
use super::{Chat, Moment};

impl Chat {
    /// Counts a named connection in a room.
    pub(super) fn come(
        &mut self,
        key: RoomKey,
        connection: ConnectionId,
        who: Arc<Who>,
        at: &mut Moment<'_>,
    ) {
        let (user, name) = (who.user.clone(), who.name.clone());
        if !self.rooms.join(key, connection, who) {
            return;
        }
        let room = self.rooms.get(key);
        let (room, member_count) = (room.name.clone(), room.member_count());
        let joined =
            Happening::Join { room: room.clone(), user: user.clone(), name: name.clone(), member_count };
        at.push(Effect::Tell(Event::Joined { room, connection, user: user.clone(), name, member_count }));
        self.show_presence(key, joined, user, at);
    }

    /// Counts a user's connection out of a room.
    pub(super) fn go(&mut self, key: RoomKey, connection: ConnectionId, who: &Who, at: &mut Moment<'_>) {
        let room = self.rooms.get_mut(key);
        if !room.leave(connection, &who.user) {
            return;
        }
        let (room, member_count) = (room.name.clone(), room.member_count());
        let (user, name) = (who.user.clone(), who.name.clone());
        let left =
            Happening::Leave { room: room.clone(), user: user.clone(), name: name.clone(), member_count };
        at.push(Effect::Tell(Event::Left { room, connection, user: user.clone(), name, member_count }));
        self.show_presence(key, left, user, at);
    }

    /// Shows a room who came or went; in a large one only how many there are, a moment later.
    fn show_presence(&mut self, key: RoomKey, happening: Happening, user: UserId, at: &mut Moment<'_>) {
        let room = self.rooms.get_mut(key);
        if room.member_count() <= self.settings.max_presence_count {
            return at.push(Effect::Show { room: key, happening, from: Some(user) });
        }
        if room.counted_ms == 0 {
            room.counted_ms = at.now.ticks_ms + COUNT_EVERY_MS;
            self.timers.set(room.counted_ms, Due::Count(key));
        }
    }

    /// Tells a room how many there are in it.
    pub(super) fn tell_count(&mut self, key: RoomKey, at: &mut Moment<'_>) {
        if !self.rooms.contains(key) {
            return;
        }
        let room = self.rooms.get_mut(key);
        room.counted_ms = 0;
        let happening = Happening::Members { room: room.name.clone(), member_count: room.member_count() };
        at.push(Effect::Show { room: key, happening, from: None });
    }

    /// Some members of a room behind the one with that number, and the number of the last one, if there are more.
    pub(super) fn member_lines(
        &self,
        key: RoomKey,
        behind: u64,
        limit: usize,
    ) -> (Vec<MemberLine>, Option<u64>) {
        let room = self.rooms.get(key);
        if let Some(users) = &room.direct {
            let lines = users.iter().filter_map(|user| self.find_user(user)).map(|who| self.line(key, &who));
            return (lines.collect(), None);
        }
        let (found, last) = room.some_members(behind, limit);
        (found.into_iter().map(|present| self.line(key, present.who)).collect(), last)
    }

    fn line(&self, key: RoomKey, who: &Who) -> MemberLine {
        MemberLine {
            user: who.user.clone(),
            name: who.name.clone(),
            color: who.color,
            role: self.role_in(key, &who.user),
        }
    }

    /// What a user may do in a room.
    pub(super) fn role_in(&self, key: RoomKey, user: &UserId) -> Role {
        let usual = self.users.get(user).map_or(Role::Member, |user| user.role);
        self.rooms.get(key).role(user, usual)
    }

    /// Whether a user is in a room, direct ones too.
    pub(super) fn is_member(&self, key: RoomKey, user: &UserId) -> bool {
        let room = self.rooms.get(key);
        room.is_member(user) || room.direct.as_ref().is_some_and(|users| users.contains(user))
    }
}

/// How often a large room is told how many there are in it.
const COUNT_EVERY_MS: u64 = 1_000;
