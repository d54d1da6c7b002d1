//! Rooms: who is in them, and which position comes next.

use std::borrow::Borrow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use slab::Slab;

use crate::broken::{Broken, is_broken};
use crate::error::{Error, ErrorCode};
use crate::id::{ConnectionId, Position, RoomName, UserId};
use crate::message::{Change, Record, Role};
use crate::time::Now;

use super::connection::Who;
use super::rules::Rules;

/// Which room, as a small number that may be used again when the room is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoomKey(pub(crate) u32);

/// One room.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: RoomName,
    /// The epoch in which its log was begun.
    pub(crate) born: u64,
    /// The newest record's position; offset 0 while there is none.
    pub(crate) top: Position,
    /// Where the next record stands.
    next: Position,
    pub(crate) connection_count: u64,
    members: HashMap<ByUser, Membership>,
    /// What is not as in every room.
    pub(crate) rules: Option<Box<Rules>>,
    /// The two users of a direct room.
    pub(crate) direct: Option<Box<[UserId; 2]>>,
    /// When its members were told how many they are, in ticks; 0 if that is not under way.
    pub(crate) counted_ms: u64,
    /// Its place among the rooms that nobody is in, oldest first.
    empty_since: Option<u64>,
}

/// Somebody, found by their user's id.
#[derive(Debug)]
struct ByUser(Arc<Who>);

/// A user's connections in a room: one, as a rule, so that more are in a place of their own.
#[derive(Debug)]
struct Membership {
    /// The one that has been here for longest.
    first: ConnectionId,
    /// The others, in the order in which they came.
    #[expect(clippy::box_collection, reason = "a word in place of three: nearly nobody has others")]
    others: Option<Box<Vec<ConnectionId>>>,
    joined: u64,
}

impl Membership {
    fn count(&self) -> usize {
        1 + self.others.as_ref().map_or(0, |others| others.len())
    }

    fn add(&mut self, connection: ConnectionId) {
        self.others.get_or_insert_default().push(connection);
    }

    fn connections(&self) -> Vec<ConnectionId> {
        let others = self.others.iter().flat_map(|others| others.iter().copied());
        [self.first].into_iter().chain(others).collect()
    }

    fn swap(&mut self, old: ConnectionId, new: ConnectionId) {
        let others = self.others.iter_mut().flat_map(|others| others.iter_mut());
        for connection in [&mut self.first].into_iter().chain(others).filter(|other| **other == old) {
            *connection = new;
        }
    }

    /// Takes a connection away. Gives whether it was the last.
    fn remove(&mut self, connection: ConnectionId) -> bool {
        let Some(others) = &mut self.others else { return self.first == connection };
        if self.first == connection {
            self.first = others.remove(0);
        } else {
            others.retain(|&other| other != connection);
        }
        if others.is_empty() {
            self.others = None;
        }
        false
    }
}

impl Borrow<UserId> for ByUser {
    fn borrow(&self) -> &UserId {
        &self.0.user
    }
}

impl PartialEq for ByUser {
    fn eq(&self, other: &ByUser) -> bool {
        self.0.user == other.0.user
    }
}

impl Eq for ByUser {}

impl Hash for ByUser {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.user.hash(state);
    }
}

impl Room {
    /// Gives what happened the next place in the log.
    pub(crate) fn place(&mut self, now: Now, change: impl FnOnce(&RoomName, Position) -> Change) -> Record {
        let prev = (self.top.offset > 0).then_some(self.top);
        let position = self.next;
        self.top = position;
        self.next.offset += 1;
        Record { position, prev, at_ms: now.unix_ms, change: change(&self.name, position) }
    }

    /// The log has lost what came after `to`; what comes next is of another epoch.
    pub(crate) fn roll_back(&mut self, to: Position, epoch: u64) {
        self.top = to;
        let offset = match is_broken(Broken::ReusedOffset) {
            true => to.offset + 1,
            false => self.next.offset + MAX_UNSETTLED,
        };
        self.next = Position { epoch, offset };
    }

    /// What is not as in every room, to be changed.
    pub(crate) fn rules(&mut self) -> &mut Rules {
        self.rules.get_or_insert_default()
    }

    /// Adds a user's connection. Gives whether it is the user's first in this room.
    pub(crate) fn join(&mut self, connection: ConnectionId, who: Arc<Who>, serial: u64) -> bool {
        match self.members.entry(ByUser(who)) {
            Entry::Occupied(mut known) => {
                known.get_mut().add(connection);
                false
            }
            Entry::Vacant(new) => {
                new.insert(Membership { first: connection, others: None, joined: serial });
                true
            }
        }
    }

    /// Takes a user's connection away. Gives whether it was the user's last in this room.
    pub(crate) fn leave(&mut self, connection: ConnectionId, user: &UserId) -> bool {
        let is_last = self.members.get_mut(user).is_some_and(|membership| membership.remove(connection));
        if is_last {
            self.members.remove(user);
        }
        is_last
    }

    /// Counts another connection of a user's in place of one that is gone.
    pub(crate) fn swap(&mut self, user: &UserId, old: ConnectionId, new: ConnectionId) {
        if let Some(membership) = self.members.get_mut(user) {
            membership.swap(old, new);
        }
    }

    /// A user has another name.
    pub(crate) fn rename(&mut self, who: &Arc<Who>) {
        if let Some(membership) = self.members.remove(&who.user) {
            self.members.insert(ByUser(who.clone()), membership);
        }
    }

    pub(crate) fn is_member(&self, user: &UserId) -> bool {
        self.members.contains_key(user)
    }

    /// A member's connections.
    pub(crate) fn connections_of(&self, user: &UserId) -> Vec<ConnectionId> {
        self.members.get(user).map_or(Vec::new(), Membership::connections)
    }

    /// What a user may do here; `usual`: where nothing else is said.
    pub(crate) fn role(&self, user: &UserId, usual: Role) -> Role {
        self.rules.as_ref().and_then(|rules| rules.roles.get(user)).copied().unwrap_or(usual)
    }

    pub(crate) fn member_count(&self) -> u64 {
        self.members.len() as u64
    }

    /// Some members, in the order in which they came: at most `limit`, behind the one with that number. Gives the
    /// number of the last one too, if there are more.
    pub(crate) fn some_members(&self, behind: u64, limit: usize) -> (Vec<Present<'_>>, Option<u64>) {
        let mut found: Vec<(&ByUser, &Membership)> =
            self.members.iter().filter(|(_, membership)| membership.joined > behind).collect();
        let has_more = found.len() > limit;
        if has_more {
            found.select_nth_unstable_by_key(limit, |(_, membership)| membership.joined);
            found.truncate(limit);
        }
        found.sort_unstable_by_key(|(_, membership)| membership.joined);
        let last = found.last().map(|(_, membership)| membership.joined).filter(|_| has_more);
        let found = found.into_iter().map(|(by, membership)| Present {
            who: &by.0,
            connection: membership.first,
            connection_count: membership.count(),
        });
        (found.collect(), last)
    }
}

/// One member of a room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Present<'a> {
    pub(crate) who: &'a Arc<Who>,
    /// The one that has been here for longest.
    pub(crate) connection: ConnectionId,
    pub(crate) connection_count: usize,
}

/// All rooms of an engine.
#[derive(Debug)]
pub(crate) struct Rooms {
    rooms: Slab<Room>,
    keys: HashMap<RoomName, RoomKey>,
    empty: BTreeMap<u64, RoomKey>,
    max_count: usize,
    last_epoch: u64,
    serial: u64,
}

impl Rooms {
    pub(crate) fn new(max_count: u64) -> Rooms {
        Rooms {
            rooms: Slab::new(),
            keys: HashMap::new(),
            empty: BTreeMap::new(),
            max_count: usize::try_from(max_count).unwrap_or(usize::MAX),
            last_epoch: 0,
            serial: 0,
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<RoomKey> {
        self.keys.get(name).copied()
    }

    pub(crate) fn count(&self) -> u64 {
        self.rooms.len() as u64
    }

    /// The room of that name, made if there is none. To make place, the room that has been without
    /// connections for longest is forgotten and given back too.
    ///
    /// # Errors
    /// `too_many_rooms`: all of them have connections.
    pub(crate) fn find_or_make(
        &mut self,
        name: &RoomName,
        now: Now,
    ) -> Result<(RoomKey, Option<(RoomKey, RoomName)>), Error> {
        if let Some(&key) = self.keys.get(name) {
            return Ok((key, None));
        }
        let forgotten = match self.rooms.len() >= self.max_count {
            true => Some(self.forget_oldest_empty().ok_or_else(|| {
                Error::new(
                    ErrorCode::TooManyRooms,
                    format!(
                        "there are {} rooms and somebody is in each; max_room_count allows no more",
                        self.max_count
                    ),
                )
            })?),
            false => None,
        };
        self.next_epoch(now);
        let serial = self.next_serial();
        let key = RoomKey(self.rooms.insert(Room {
            name: name.clone(),
            born: self.last_epoch,
            top: Position { epoch: self.last_epoch, offset: 0 },
            next: Position { epoch: self.last_epoch, offset: 1 },
            connection_count: 0,
            members: HashMap::new(),
            rules: None,
            direct: None,
            counted_ms: 0,
            empty_since: Some(serial),
        }) as u32);
        self.empty.insert(serial, key);
        self.keys.insert(name.clone(), key);
        Ok((key, forgotten))
    }

    /// Counts a connection in. Must be paired with [`exit`](Rooms::exit).
    pub(crate) fn enter(&mut self, key: RoomKey) {
        let room = &mut self.rooms[key.0 as usize];
        room.connection_count += 1;
        if let Some(serial) = room.empty_since.take() {
            self.empty.remove(&serial);
        }
    }

    pub(crate) fn exit(&mut self, key: RoomKey) {
        let serial = self.next_serial();
        let room = &mut self.rooms[key.0 as usize];
        room.connection_count -= 1;
        // What was decided about a room is not forgotten to make place.
        if room.connection_count == 0 && room.rules.is_none() {
            room.empty_since = Some(serial);
            self.empty.insert(serial, key);
        }
    }

    pub(crate) fn get(&self, key: RoomKey) -> &Room {
        &self.rooms[key.0 as usize]
    }

    pub(crate) fn get_mut(&mut self, key: RoomKey) -> &mut Room {
        &mut self.rooms[key.0 as usize]
    }

    /// Adds a user's connection to a room it is in. Gives whether it is the user's first there.
    pub(crate) fn join(&mut self, key: RoomKey, connection: ConnectionId, who: Arc<Who>) -> bool {
        let serial = self.next_serial();
        self.get_mut(key).join(connection, who, serial)
    }

    /// An epoch of its own for a room's log.
    pub(crate) fn next_epoch(&mut self, now: Now) -> u64 {
        self.last_epoch = now.unix_ms.max(self.last_epoch + 1);
        self.last_epoch
    }

    /// A room is not forgotten from now on to make place for another.
    pub(crate) fn hold(&mut self, key: RoomKey) {
        if let Some(serial) = self.get_mut(key).empty_since.take() {
            self.empty.remove(&serial);
        }
    }

    pub(crate) fn keys(&self) -> Vec<RoomKey> {
        self.rooms.iter().map(|(key, _)| RoomKey(key as u32)).collect()
    }

    /// Forgets a room that nobody is in.
    pub(crate) fn remove(&mut self, key: RoomKey) {
        self.hold(key);
        let room = self.rooms.remove(key.0 as usize);
        self.keys.remove(&room.name);
    }

    /// The rooms in the order of their names.
    pub(crate) fn sorted(&self) -> Vec<&Room> {
        let mut rooms: Vec<&Room> = self.rooms.iter().map(|(_, room)| room).collect();
        rooms.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        rooms
    }

    /// Whether a room is there still.
    pub(crate) fn contains(&self, key: RoomKey) -> bool {
        self.rooms.contains(key.0 as usize)
    }

    fn forget_oldest_empty(&mut self) -> Option<(RoomKey, RoomName)> {
        let (_, key) = self.empty.pop_first()?;
        let room = self.rooms.remove(key.0 as usize);
        self.keys.remove(&room.name);
        Some((key, room.name))
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// How many records of a log may not be stored yet.
const MAX_UNSETTLED: u64 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { unix_ms: 1_000, ticks_ms: 0 };

    fn name(text: &str) -> RoomName {
        RoomName::new(text).unwrap()
    }

    #[test]
    fn every_log_gets_an_epoch_of_its_own() {
        let mut rooms = Rooms::new(10);
        let (a, _) = rooms.find_or_make(&name("a"), NOW).unwrap();
        let (b, _) = rooms.find_or_make(&name("b"), NOW).unwrap();
        assert_eq!(rooms.get(a).top, Position { epoch: 1_000, offset: 0 });
        assert_eq!(rooms.get(b).top, Position { epoch: 1_001, offset: 0 });
    }

    #[test]
    fn a_full_house_forgets_the_room_that_was_empty_for_longest() {
        let mut rooms = Rooms::new(2);
        let (a, _) = rooms.find_or_make(&name("a"), NOW).unwrap();
        let (b, _) = rooms.find_or_make(&name("b"), NOW).unwrap();
        rooms.enter(a);
        rooms.enter(b);
        assert_eq!(rooms.find_or_make(&name("c"), NOW).unwrap_err().code(), ErrorCode::TooManyRooms);
        rooms.exit(b);
        rooms.exit(a);
        let (_, forgotten) = rooms.find_or_make(&name("c"), NOW).unwrap();
        assert_eq!(forgotten.unwrap().1, name("b"));
        assert!(rooms.find("b").is_none() && rooms.find("a").is_some());
    }
}
