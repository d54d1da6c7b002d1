//! Connections that come and go.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::close::Cause;
use crate::error::Error;
use crate::event::{Dialect, Event, Question, Subject};
use crate::id::{ConnectionId, RoomName, UserId};

use super::connection::{Connection, Knock, Origin, Phase, Place, Sent, Talk, Who};
use super::effect::{Effect, Given};
use super::requests::Waiting;
use super::room::RoomKey;
use super::session::User;
use super::timers::Due;
use super::{Arrival, Chat, Moment, TOO_MANY_QUESTIONS};

impl Chat {
    /// Asks the host whether a connection may come in, and into its room. An [`Effect::Admitted`] or
    /// [`Effect::Denied`] follows, now or later.
    pub(crate) fn ask_admit(
        &mut self,
        connection: ConnectionId,
        address: Option<SocketAddr>,
        subject: Subject,
        at: &mut Moment<'_>,
    ) {
        let room = match &subject {
            Subject::Admit { room, .. } => room.clone(),
            _ => None,
        };
        if !self.settings.ask_admit {
            return self.ask_room(connection, address, room, None, at);
        }
        self.ask(connection, address, subject, Waiting::Admit { address, room }, at);
    }

    /// Goes on when the host has let a connection in: it may have to say so of the room too.
    pub(super) fn ask_room(
        &mut self,
        connection: ConnectionId,
        address: Option<SocketAddr>,
        room: Option<RoomName>,
        given: Option<Given>,
        at: &mut Moment<'_>,
    ) {
        match room.filter(|_| self.settings.ask_may_join) {
            Some(room) => {
                let user = given.as_ref().and_then(|given| given.user.clone());
                let subject = Subject::MayJoin {
                    room,
                    user: user.unwrap_or_else(|| UserId::of_connection(connection)),
                    name: given.as_ref().map(|given| given.name.clone()),
                };
                self.ask(connection, address, subject, Waiting::Enter { given }, at);
            }
            None => at.push(Effect::Admitted { connection, given }),
        }
    }

    fn ask(
        &mut self,
        connection: ConnectionId,
        address: Option<SocketAddr>,
        subject: Subject,
        waiting: Waiting,
        at: &mut Moment<'_>,
    ) {
        match self.requests.ask(connection, waiting, at.now.ticks_ms) {
            Some(id) => at.push(Effect::Ask(Question { id, connection, address, subject })),
            None => at.push(Effect::Denied { connection, reason: TOO_MANY_QUESTIONS.into() }),
        }
    }

    /// Lets a connection in, and into its room if it named one.
    ///
    /// # Errors
    /// `too_many_rooms`, `banned`, `not_allowed` (the room is private), `too_many` (it is
    /// full): nothing has happened.
    pub(crate) fn connect(&mut self, arrival: Arrival, at: &mut Moment<'_>) -> Result<(), Error> {
        let Arrival { connection, dialect, room, path, address, given, knock } = arrival;
        let user = given.as_ref().and_then(|given| given.user.clone());
        // A v1 client is told at its hello, in words and by a close code that it understands.
        if dialect != Dialect::V1 {
            self.check_banned(user.as_ref(), address, at)?;
        }
        let key = match room.as_ref().filter(|_| dialect != Dialect::V1) {
            Some(name) => {
                let invited = given.as_ref().is_some_and(|given| given.rooms.contains(name));
                self.check_entry(name, user.as_ref(), address, invited, at)?;
                Some(self.find_or_make(name, at)?)
            }
            None => None,
        };
        let room = room.filter(|_| key.is_some());
        at.push(Effect::Tell(Event::Connected { connection, dialect, room: room.clone(), path, address }));
        if let (Some(key), Some(name)) = (key, room) {
            self.rooms.enter(key);
            let top = self.rooms.get(key).top;
            at.push(Effect::Enter { connection, room: key, name, alone: false, top });
        }
        let place = match (dialect, key) {
            (Dialect::V1, _) => Place::Talk(Box::new(self.await_hello(connection, knock, at))),
            (_, Some(key)) => Place::Room(key),
            (_, None) => Place::Nowhere,
        };
        let made = Connection {
            origin: Origin::new(address),
            place,
            who: None,
            given: false,
            sent: Sent::default(),
        };
        self.connections.insert(connection, Box::new(made));
        if let Some(given) = given.filter(|_| dialect != Dialect::V1) {
            let user = given.user.clone().unwrap_or_else(|| UserId::of_connection(connection));
            let who = self.know(&user, &given, at);
            self.introduce(connection, who, true, at);
        }
        Ok(())
    }

    fn await_hello(&mut self, connection: ConnectionId, knock: Option<Box<Knock>>, at: &Moment<'_>) -> Talk {
        self.timers.set(at.now.ticks_ms + self.settings.hello_timeout_ms, Due::Hello(connection));
        Talk {
            phase: Phase::New(knock.unwrap_or_default()),
            refused: (0, 0),
            expires_ms: None,
            looks_ms: None,
        }
    }

    /// Counts a connection of a user whom the host named.
    pub(super) fn know(&mut self, user: &UserId, given: &Given, _at: &Moment<'_>) -> Arc<Who> {
        if let Some(known) = self.users.get_mut(user) {
            known.connection_count += 1;
            known.role = given.role;
            return known.who.clone();
        }
        let name = match self.settings.repeat_given_names {
            true => given.name.clone(),
            false => self.names.free_of_users(given.name.clone(), user),
        };
        let who = Arc::new(Who { user: user.clone(), name, color: self.palette.next() });
        self.names.hold(&who.name, user);
        let mut made = User::new(who.clone(), true, given.role);
        made.connection_count = 1;
        self.users.insert(user.clone(), made);
        who
    }

    /// Takes a connection out of everything it is in, and tells why it is gone. A v1 client's session stays for a while.
    pub(crate) fn disconnect(
        &mut self,
        connection: ConnectionId,
        code: u16,
        reason: String,
        at: &mut Moment<'_>,
    ) {
        self.requests.cancel(connection);
        let Some(gone) = self.connections.remove(&connection) else { return };
        match &gone.place {
            Place::Nowhere => {}
            Place::Room(key) => {
                if let Some(who) = &gone.who {
                    self.go(*key, connection, who, at);
                }
                self.rooms.exit(*key);
                if let (true, Some(who)) = (gone.given, &gone.who) {
                    self.forget_connection(&who.user, at);
                }
            }
            Place::Talk(talk) => {
                if let Phase::In(session) = talk.phase {
                    self.detach(session, at);
                }
            }
        }
        if let (Place::Nowhere, true, Some(who)) = (&gone.place, gone.given, &gone.who) {
            self.forget_connection(&who.user, at);
        }
        at.push(Effect::Tell(Event::Disconnected { connection, code, reason }));
    }

    /// A user has one connection less.
    pub(super) fn forget_connection(&mut self, user: &UserId, at: &mut Moment<'_>) {
        if let Some(known) = self.users.get_mut(user) {
            known.connection_count -= 1;
            self.forget_user(user, at);
        }
    }

    /// Forgets a user of whom nothing is left.
    pub(super) fn forget_user(&mut self, user: &UserId, at: &mut Moment<'_>) {
        if !self.users.get(user).is_some_and(User::is_gone) {
            return;
        }
        let Some(gone) = self.users.remove(user) else { return };
        if gone.holds_name {
            self.names.release(&gone.who.name, user);
        }
        let directs = gone.talk.map_or(Vec::new(), |talk| talk.directs);
        for other in directs.iter().filter(|other| !self.users.contains_key(*other)) {
            if let Some(key) = self.rooms.find(&RoomName::direct(user, other)) {
                self.rooms.remove(key);
                at.push(Effect::Forget { room: key });
                at.log.forget(&RoomName::direct(user, other));
            }
        }
    }

    pub(super) fn find_or_make(&mut self, name: &RoomName, at: &mut Moment<'_>) -> Result<RoomKey, Error> {
        let (key, forgotten) = self.rooms.find_or_make(name, at.now)?;
        if let Some((room, name)) = forgotten {
            at.push(Effect::Forget { room });
            at.log.forget(&name);
        }
        Ok(key)
    }

    pub(super) fn introduce(
        &mut self,
        connection: ConnectionId,
        who: Arc<Who>,
        given: bool,
        at: &mut Moment<'_>,
    ) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        known.who = Some(who.clone());
        known.given = given;
        let room = known.room();
        at.push(Effect::Tell(Event::Named {
            connection,
            user: who.user.clone(),
            name: who.name.clone(),
            color: who.color,
        }));
        if let Some(key) = room {
            self.come(key, connection, who, at);
        }
    }

    pub(super) fn close(&self, connection: ConnectionId, cause: Cause, reason: &str, at: &mut Moment<'_>) {
        at.push(Effect::Close { connection, cause, reason: reason.to_owned() });
    }

    pub(super) fn address_of(&self, connection: ConnectionId) -> Option<SocketAddr> {
        self.connections.get(&connection).and_then(|known| known.origin.address())
    }
}
