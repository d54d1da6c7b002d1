//! Order in a room: who is taken out, who may not speak, what it is about.

use crate::command::request::Act;
use crate::error::{Error, ErrorCode};
use crate::id::{ConnectionId, Position, UserId};
use crate::message::{Change, Moderation};
use crate::push::reply::{Refusal, Reply};

use super::rights::{Deed, is_above};
use super::room::RoomKey;
use super::talk::{Caller, Outcome, refused};
use super::{Chat, Moment};

impl Chat {
    pub(super) fn moderate_request(
        &mut self,
        caller: &Caller,
        room: &str,
        act: Act<'_>,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let key = self.room_of(caller, room)?;
        let act = self.act(act)?;
        let deed = if matches!(act, Moderation::Role { .. }) { Deed::Role } else { Deed::Moderate };
        let role = self.check_right(Some(key), caller, deed)?;
        if self.rooms.get(key).direct.is_some() {
            return Err(refused(
                ErrorCode::NotAllowed,
                "a direct room is nobody's to moderate; block its user",
            ));
        }
        if let Some(user) = act.user() {
            let is_over = *user != UserId::host() && is_above(role, self.role_in(key, user));
            if !is_over && *user != caller.who.user {
                return Err(refused(ErrorCode::NotAllowed, "your role is not above theirs"));
            }
        }
        self.check_told(caller, at)?;
        let position = self.moderate(key, act, Some(&caller.who.user), at)?;
        Ok(Outcome::Done(Some(key), Reply::Moderated { position }))
    }

    /// # Errors
    /// `unknown_user`: somebody is meant whose id is none.
    fn act(&self, act: Act<'_>) -> Result<Moderation, Refusal> {
        Ok(match act {
            Act::Kick { user } => Moderation::Kick { user: self.user_id(&user)? },
            Act::Mute { user, seconds } => Moderation::Mute { user: self.user_id(&user)?, seconds },
            Act::Ban { user, seconds } => Moderation::Ban { user: self.user_id(&user)?, seconds },
            Act::Unban { user } => Moderation::Unban { user: self.user_id(&user)? },
            Act::Slow { seconds } => Moderation::Slow { seconds },
            Act::Topic { topic } => Moderation::Topic { topic: topic.into_owned().into() },
            Act::Role { user, role } => Moderation::Role { user: self.user_id(&user)?, role },
            Act::Clear { user } => {
                Moderation::Clear { user: user.map(|user| self.user_id(&user)).transpose()? }
            }
        })
    }

    /// Does it, and gives it its place in the log. `by`: `None` for the host.
    ///
    /// # Errors
    /// `too_many`: the room has as many bans, mutes or roles as it may have. `unknown_user`: somebody is to be kicked who
    /// is not there.
    pub(super) fn moderate(
        &mut self,
        key: RoomKey,
        act: Moderation,
        by: Option<&UserId>,
        at: &mut Moment<'_>,
    ) -> Result<Position, Error> {
        let now_ms = at.now.ticks_ms;
        if let Moderation::Kick { user } = &act
            && !self.is_member(key, user)
        {
            return Err(Error::new(ErrorCode::UnknownUser, format!("{user} is not in the room")));
        }
        let addresses = self.addresses(key, &act);
        let room = self.rooms.get_mut(key);
        let rules = room.rules();
        let count = rules.muted.len() + rules.banned.len() + rules.banned_addresses.len() + rules.roles.len();
        if count + addresses.len() >= MAX_RULES {
            let words = format!("the room has {count} bans, mutes and roles; end some before there are more");
            return Err(Error::new(ErrorCode::TooMany, words));
        }
        match &act {
            Moderation::Kick { .. } | Moderation::Clear { .. } => {}
            Moderation::Mute { user, seconds } => rules.muted.set(user.clone(), *seconds, now_ms),
            Moderation::Ban { user, seconds } => {
                rules.invited.retain(|other| other != user);
                rules.banned.set(user.clone(), *seconds, now_ms);
                for address in addresses {
                    rules.ban_address(user, address, *seconds, now_ms);
                }
            }
            Moderation::Unban { user } => rules.unban(user),
            Moderation::Slow { seconds } => rules.slow(*seconds),
            Moderation::Topic { topic } => rules.topic.clone_from(topic),
            Moderation::Role { user, role } => drop(rules.roles.insert(user.clone(), *role)),
        }
        self.rooms.hold(key);
        let removed = match &act {
            Moderation::Kick { user } => Some((user.clone(), "kicked")),
            Moderation::Ban { user, .. } => Some((user.clone(), "banned")),
            _ => None,
        };
        let by = by.cloned();
        let position = self.publish(key, None, None, at, |_, _| Change::Moderation { act, by });
        if let Some((user, reason)) = removed {
            self.remove(key, &user, reason, at);
        }
        Ok(position)
    }

    /// Where somebody is who is to be banned: whom the host did not name would come back as somebody else.
    fn addresses(&self, key: RoomKey, act: &Moderation) -> Vec<std::net::IpAddr> {
        let Moderation::Ban { user, .. } = act else { return Vec::new() };
        if self.users.get(user).is_some_and(|user| user.given) {
            return Vec::new();
        }
        let live = self.live(user).into_iter().map(|caller| caller.connection);
        let connections: Vec<ConnectionId> = live.chain(self.rooms.get(key).connections_of(user)).collect();
        let mut addresses: Vec<_> = connections
            .into_iter()
            .filter(|connection| self.connections.get(connection).is_some_and(|known| !known.given))
            .filter_map(|connection| self.address_of(connection))
            .map(|address| address.ip().to_canonical())
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

/// How many bans, mutes and roles a room has at the most.
const MAX_RULES: usize = 10_000;
