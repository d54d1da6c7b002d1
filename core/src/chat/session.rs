//! Sessions, by which a v1 client comes back as who it was; and the users whose they are.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::id::{ConnectionId, RoomName, UserId};
use crate::message::Role;
use crate::rate::Bucket;

use super::connection::{Sent, Who};
use super::room::RoomKey;

/// Which session, as a number that is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionKey(u64);

/// What a v1 client goes on with when it comes back.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) user: UserId,
    /// The one connection that has it now.
    pub(crate) connection: Option<ConnectionId>,
    /// The connection as which it is counted in its rooms; the last one, while nobody has it and it lingers.
    pub(crate) holder: ConnectionId,
    /// The rooms that it is in, direct ones too, in the order in which it came.
    pub(crate) rooms: Vec<RoomKey>,
    /// Rooms that the host lets it into, though they are private.
    pub(crate) invited: Vec<RoomName>,
    /// Rooms that it was taken out of, the latest last: into these it comes by joining alone.
    pub(crate) removed: Vec<RoomName>,
    /// Grows each time that somebody takes it over: timers of before are void.
    pub(crate) turn: u64,
    secret: Box<str>,
}

/// All sessions. The one that nobody has had for longest makes place.
#[derive(Debug)]
pub(crate) struct Sessions {
    sessions: HashMap<SessionKey, Session>,
    by_secret: HashMap<Box<str>, SessionKey>,
    /// Those that nobody has, and until when they are kept, in ticks; oldest first. Some of them are had again, or gone.
    away: VecDeque<(SessionKey, u64, u64)>,
    /// How many of them nobody has.
    away_count: usize,
    keep_ms: u64,
    last: u64,
    max_away_count: usize,
}

impl Sessions {
    /// `max_away_count`: how many are kept that nobody has; `keep_ms`: for how long.
    pub(crate) fn new(max_away_count: u64, keep_ms: u64) -> Sessions {
        Sessions {
            sessions: HashMap::new(),
            by_secret: HashMap::new(),
            away: VecDeque::new(),
            away_count: 0,
            keep_ms,
            last: 0,
            max_away_count: usize::try_from(max_away_count).unwrap_or(usize::MAX),
        }
    }

    /// Makes a session.
    pub(crate) fn make(&mut self, user: UserId, connection: ConnectionId, secret: String) -> SessionKey {
        self.last += 1;
        let key = SessionKey(self.last);
        let secret: Box<str> = secret.into();
        self.by_secret.insert(secret.clone(), key);
        let session = Session {
            user,
            connection: Some(connection),
            holder: connection,
            rooms: Vec::new(),
            invited: Vec::new(),
            removed: Vec::new(),
            turn: 0,
            secret,
        };
        self.sessions.insert(key, session);
        key
    }

    /// One that has to go, because nobody has more of them than are kept: the one that has been without a connection for
    /// longest.
    pub(crate) fn surplus(&mut self) -> Option<SessionKey> {
        while self.away_count > self.max_away_count {
            let (key, turn, _) = self.away.pop_front()?;
            if self.is_away(key, turn) {
                return Some(key);
            }
        }
        None
    }

    /// One that nobody has had for too long.
    pub(crate) fn ended(&mut self, now_ms: u64) -> Option<SessionKey> {
        while let Some(&(key, turn, until_ms)) = self.away.front() {
            let is_away = self.is_away(key, turn);
            if is_away && until_ms > now_ms {
                return None;
            }
            self.away.pop_front();
            if is_away {
                return Some(key);
            }
        }
        None
    }

    /// When the next one may have ended, in ticks.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.away.front().map(|(_, _, until_ms)| *until_ms)
    }

    fn is_away(&self, key: SessionKey, turn: u64) -> bool {
        self.sessions.get(&key).is_some_and(|session| session.connection.is_none() && session.turn == turn)
    }

    pub(crate) fn find(&self, secret: &str) -> Option<SessionKey> {
        self.by_secret.get(secret).copied()
    }

    pub(crate) fn get(&self, key: SessionKey) -> Option<&Session> {
        self.sessions.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.sessions.get_mut(&key)
    }

    pub(crate) fn secret(&self, key: SessionKey) -> String {
        self.sessions.get(&key).map_or(String::new(), |session| session.secret.to_string())
    }

    /// Has it go on with a connection. Gives the one as which it was counted before.
    pub(crate) fn take(&mut self, key: SessionKey, connection: ConnectionId) -> Option<ConnectionId> {
        let session = self.sessions.get_mut(&key)?;
        if session.connection.replace(connection).is_none() {
            self.away_count -= 1;
        }
        session.turn += 1;
        Some(std::mem::replace(&mut session.holder, connection))
    }

    /// Notes that nobody has it any more. Gives the number by which its timers know it.
    pub(crate) fn leave(&mut self, key: SessionKey, now_ms: u64) -> u64 {
        let Some(session) = self.sessions.get_mut(&key) else { return 0 };
        if session.connection.take().is_some() {
            self.away_count += 1;
        }
        session.turn += 1;
        let turn = session.turn;
        // What is had again is dropped now and then, so that the list is not much longer than the sessions are many.
        if self.away.len() > 2 * self.sessions.len() + 16 {
            let away = std::mem::take(&mut self.away);
            self.away = away.into_iter().filter(|(key, turn, _)| self.is_away(*key, *turn)).collect();
        }
        self.away.push_back((key, turn, now_ms + self.keep_ms));
        turn
    }

    pub(crate) fn remove(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.sessions.remove(&key)?;
        self.away_count -= usize::from(session.connection.is_none());
        self.by_secret.remove(&session.secret);
        Some(session)
    }
}

/// A user whom the host named, or who has a session: they may have several connections, and share their rates.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) who: Arc<Who>,
    /// Whether the host said who it is.
    pub(crate) given: bool,
    /// Whether nobody else may have their name now.
    pub(crate) holds_name: bool,
    /// What they may do where no room says otherwise.
    pub(crate) role: Role,
    /// Connections that are there now.
    pub(crate) connection_count: u64,
    /// Sessions, with a connection or without.
    pub(crate) sessions: Vec<SessionKey>,
    pub(crate) sent: Sent,
    /// What only those have who talk v1.
    pub(crate) talk: Option<Box<Talker>>,
}

/// What a user of the v1 dialect has.
#[derive(Debug, Default)]
pub(crate) struct Talker {
    /// How fast they tell.
    pub(crate) told: Bucket,
    /// Whom they do not want to see.
    pub(crate) blocked: Vec<UserId>,
    /// How far they have read, by room, with the epoch in which its log was begun: another log is not read.
    pub(crate) read: HashMap<RoomName, (u64, u64)>,
    /// With whom they have a direct room, in the order in which those began.
    pub(crate) directs: Vec<UserId>,
}

impl User {
    pub(crate) fn new(who: Arc<Who>, given: bool, role: Role) -> User {
        User {
            who,
            given,
            holds_name: true,
            role,
            connection_count: 0,
            sessions: Vec::new(),
            sent: Sent::default(),
            talk: None,
        }
    }

    pub(crate) fn talk(&mut self) -> &mut Talker {
        self.talk.get_or_insert_default()
    }

    /// Whether they do not want to see that user.
    pub(crate) fn blocks(&self, user: &UserId) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.blocked.contains(user))
    }

    /// Whether they have blocked anybody.
    pub(crate) fn blocks_some(&self) -> bool {
        self.talk.as_ref().is_some_and(|talk| !talk.blocked.is_empty())
    }

    /// With how many others they may have a direct room. Whoever chose a name could have many names.
    pub(crate) const fn max_directs(&self) -> usize {
        if self.given { 1_000 } else { 100 }
    }

    /// With whom they have a direct room.
    pub(crate) fn directs(&self) -> &[UserId] {
        self.talk.as_ref().map_or(&[], |talk| &talk.directs)
    }

    /// How far they have read a room whose log was begun in that epoch.
    pub(crate) fn read(&self, room: &str, born: u64) -> u64 {
        let read = self.talk.as_ref().and_then(|talk| talk.read.get(room));
        read.filter(|(epoch, _)| *epoch == born).map_or(0, |(_, offset)| *offset)
    }

    /// Whether nothing keeps them any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.connection_count == 0 && self.sessions.is_empty()
    }
}
