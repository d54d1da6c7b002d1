//! How a v1 client comes in: as somebody new, as somebody whom the host names, or as who it was.

use std::sync::Arc;

use crate::close::Cause;
use crate::command::request::Hello;
use crate::error::ErrorCode;
use crate::event::{Dialect, Event, Subject};
use crate::id::{ConnectionId, Position, UserId, UserName};
use crate::message::Role;
use crate::push::reply::{Happening, Refusal, Reply, Resumed, Welcome};

use super::connection::{Phase, Who};
use super::effect::{Effect, Flow, Given};
use super::names::chosen;
use super::page::PAGE_BYTES;
use super::requests::Waiting;
use super::room::RoomKey;
use super::session::{SessionKey, User};
use super::talk::{Caller, Outcome, refused};
use super::timers::Due;
use super::{Chat, Moment};

/// A hello, as long as it waits for the host.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    name: Option<String>,
    heartbeat_ms: Option<u64>,
    session: Option<String>,
    /// How far each room was seen.
    rooms: Vec<(String, Position)>,
}

/// Why a hello leads to nothing, and whether that ends the connection.
type Rejected = (Refusal, Option<Cause>);

/// The host has not said no: another time it may say yes.
pub(super) fn unheard(why: &str) -> Rejected {
    (refused(ErrorCode::Busy, why), Some(Cause::Overload))
}

impl Chat {
    pub(super) fn hello(
        &mut self,
        connection: ConnectionId,
        id: Option<u64>,
        hello: Hello<'_>,
        at: &mut Moment<'_>,
    ) -> Flow {
        let (session, rooms) = match hello.resume {
            Some(resume) => {
                let rooms = resume.rooms.into_iter().map(|(room, seen)| (room.into_owned(), seen));
                (Some(resume.session.into_owned()), rooms.collect())
            }
            None => (None, Vec::new()),
        };
        let name = hello.name.map(|name| name.into_owned());
        let greeting = Greeting { name, heartbeat_ms: hello.heartbeat_ms, session, rooms };
        let ticket = hello.token.as_ref().and_then(|token| self.tickets.take(token, at.now.ticks_ms));
        if ticket.is_some() {
            return self.greeted(connection, id, greeting, ticket, at);
        }
        if self.settings.ask_admit {
            let token = hello.token.map(|token| token.into_owned());
            return self.ask_hello(connection, id, greeting, token, at);
        }
        if hello.token.is_some() {
            let refusal = refused(ErrorCode::Unauthorized, "the token is not valid, or not any more");
            return self.rejected(connection, id, (refusal, Some(Cause::Unauthorized)), at);
        }
        self.greeted(connection, id, greeting, None, at)
    }

    fn ask_hello(
        &mut self,
        connection: ConnectionId,
        id: Option<u64>,
        greeting: Greeting,
        token: Option<String>,
        at: &mut Moment<'_>,
    ) -> Flow {
        let Some(talk) = self.connections.get_mut(&connection).and_then(|known| known.talk()) else {
            return Flow::Discard;
        };
        let Phase::New(knock) = std::mem::replace(&mut talk.phase, Phase::Gone) else { return Flow::Discard };
        talk.phase = Phase::Asking(knock.clone());
        let name = greeting.name.clone();
        let subject = self.admit_subject(*knock, name, token);
        let waiting = Waiting::Hello { id, greeting: Box::new(greeting) };
        match self.ask_about(connection, waiting, subject, at) {
            Ok(()) => Flow::Hold,
            Err(refusal) => self.rejected(connection, id, unheard(&refusal.message), at),
        }
    }

    pub(super) fn admit_subject(
        &self,
        knock: super::Knock,
        name: Option<String>,
        token: Option<String>,
    ) -> Subject {
        let super::Knock { path, query, headers } = knock;
        Subject::Admit { dialect: Dialect::V1, room: None, path, query, headers, name, token }
    }

    /// Goes on with a hello when it is known who it is; `None`: whoever it says.
    pub(super) fn greeted(
        &mut self,
        connection: ConnectionId,
        id: Option<u64>,
        greeting: Greeting,
        given: Option<Given>,
        at: &mut Moment<'_>,
    ) -> Flow {
        match self.welcome(connection, greeting, given, at) {
            Ok((welcome, joined)) => {
                let outcome = Outcome::Page(None, Reply::Hello(Box::new(welcome)));
                let flow = self.settle(connection, id, Ok(outcome), at);
                let mut bytes = PAGE_BYTES;
                joined.into_iter().for_each(|key| self.notify_joined(connection, key, &mut bytes, at));
                flow
            }
            Err(rejected) => self.rejected(connection, id, rejected, at),
        }
    }

    pub(super) fn rejected(
        &mut self,
        connection: ConnectionId,
        id: Option<u64>,
        (refusal, cause): Rejected,
        at: &mut Moment<'_>,
    ) -> Flow {
        let words = refusal.message.clone();
        // Another hello may be right.
        if let Some(talk) = self.connections.get_mut(&connection).and_then(|known| known.talk())
            && let Phase::Asking(knock) = &mut talk.phase
        {
            talk.phase = Phase::New(std::mem::take(knock));
            self.timers.set(at.now.ticks_ms + self.settings.hello_timeout_ms, Due::Hello(connection));
        }
        let flow = self.settle(connection, id, Err(refusal), at);
        match cause {
            None => flow,
            Some(cause) => {
                self.part(connection, cause, &words, at);
                Flow::Discard
            }
        }
    }

    /// Gives the answer, and the rooms that the client is told of behind it.
    fn welcome(
        &mut self,
        connection: ConnectionId,
        greeting: Greeting,
        given: Option<Given>,
        at: &mut Moment<'_>,
    ) -> Result<(Welcome, Vec<RoomKey>), Rejected> {
        let address = self.address_of(connection);
        let given_user = given.as_ref().and_then(|given| given.user.as_ref());
        let known = greeting.session.as_deref().and_then(|secret| self.sessions.find(secret));
        let known = known.filter(|key| {
            let user = self.sessions.get(*key).map(|session| &session.user);
            given_user.is_none_or(|given| user == Some(given))
        });
        let user = known.and_then(|key| self.sessions.get(key)).map(|session| session.user.clone());
        let banned = |error| (Refusal::from(error), Some(Cause::Banned));
        self.check_banned(user.as_ref().or(given_user), address, at).map_err(banned)?;
        let session = match known {
            Some(key) => self.take_over(key, connection, given.as_ref(), at)?,
            None => self.make_session(connection, &greeting, given.as_ref(), at)?,
        };
        let Some(who) = self.session_user(session).map(|user| user.who.clone()) else {
            return Err((refused(ErrorCode::Unauthorized, "the user is gone"), Some(Cause::Unauthorized)));
        };
        if let Some(known) = self.connections.get_mut(&connection) {
            known.given = self.users.get(&who.user).is_some_and(|user| user.given);
            if let Some(talk) = known.talk() {
                talk.phase = Phase::In(session);
            }
        }
        self.introduce(connection, who.clone(), given.is_some(), at);
        let expires_at_ms = given.as_ref().and_then(|given| given.expires_at_ms);
        self.set_expiry(connection, expires_at_ms, at);
        let heartbeat_ms = self.settings.heartbeat_interval_ms;
        // The engine's own interval may be shorter than what a client may wish for.
        let wish = greeting.heartbeat_ms.map_or(heartbeat_ms, |wish| wish.max(MIN_HEARTBEAT_MS));
        let heartbeat_ms = wish.min(heartbeat_ms);
        at.push(Effect::Heartbeat { connection, interval_ms: heartbeat_ms });
        let (rooms, joined) = self.return_to_rooms(connection, session, &who, &greeting, given.as_ref(), at);
        let welcome = Welcome {
            connection,
            user: who.user.clone(),
            name: who.name.clone(),
            color: who.color,
            session: self.sessions.secret(session),
            heartbeat_ms,
            limits: self.limits(),
            time_ms: at.now.unix_ms,
            expires_at_ms,
            rooms,
        };
        Ok((welcome, joined))
    }

    /// Has a session go on with another connection. Whoever had it is closed.
    fn take_over(
        &mut self,
        key: SessionKey,
        connection: ConnectionId,
        given: Option<&Given>,
        at: &mut Moment<'_>,
    ) -> Result<SessionKey, Rejected> {
        let Some(session) = self.sessions.get(key) else { return Ok(key) };
        let (user, rooms) = (session.user.clone(), session.rooms.clone());
        match session.connection {
            // Its place is the other's.
            Some(old) => {
                self.close(old, Cause::Replaced, "another connection has taken the session over", at);
                if let Some(talk) = self.connections.get_mut(&old).and_then(|known| known.talk()) {
                    talk.phase = Phase::Gone;
                }
            }
            None => {
                let Some(user) = self.users.get_mut(&user) else { return Ok(key) };
                if user.connection_count >= self.settings.max_user_connection_count {
                    return Err(self.too_many_connections());
                }
                user.connection_count += 1;
            }
        }
        if let Some(old) = self.sessions.take(key, connection) {
            rooms.into_iter().for_each(|room| self.rooms.get_mut(room).swap(&user, old, connection));
        }
        if let (Some(given), Some(user)) = (given, self.users.get_mut(&user)) {
            user.role = given.role;
        }
        self.take_name_up(&user);
        Ok(key)
    }

    fn make_session(
        &mut self,
        connection: ConnectionId,
        greeting: &Greeting,
        given: Option<&Given>,
        at: &mut Moment<'_>,
    ) -> Result<SessionKey, Rejected> {
        let user = given.and_then(|given| given.user.clone());
        let user = user.unwrap_or_else(|| UserId::of_connection(connection));
        if self
            .users
            .get(&user)
            .is_some_and(|user| user.connection_count >= self.settings.max_user_connection_count)
        {
            return Err(self.too_many_connections());
        }
        match given {
            Some(given) => {
                self.know(&user, given, at);
            }
            None => self.name_stranger(&user, greeting.name.as_deref())?,
        }
        let secret = at.secret();
        let key = self.sessions.make(user.clone(), connection, secret);
        if let Some(user) = self.users.get_mut(&user) {
            user.sessions.push(key);
        }
        Ok(key)
    }

    fn too_many_connections(&self) -> Rejected {
        let max = self.settings.max_user_connection_count;
        let words = format!("the user has {max} connections; max_user_connection_count allows no more");
        (refused(ErrorCode::TooMany, &words), Some(Cause::TooManyConnections))
    }

    /// Makes a user who has chosen a name, or none.
    fn name_stranger(&mut self, user: &UserId, wanted: Option<&str>) -> Result<(), Rejected> {
        let (name, role) = match wanted {
            Some(wanted) => (self.free_name(wanted, None).map_err(|refusal| (refusal, None))?, Role::Member),
            None => {
                self.guest_count += 1;
                let name = UserName::new(&format!("Guest {}", self.guest_count));
                let name = name.map_err(|error| (Refusal::from(error), None))?;
                (self.names.free(name, None), Role::Guest)
            }
        };
        let color = self.palette.next();
        self.names.hold(&name, user);
        let mut made = User::new(Arc::new(Who { user: user.clone(), name, color }), false, role);
        made.connection_count = 1;
        self.users.insert(user.clone(), made);
        Ok(())
    }

    /// A name that somebody wants, if it may be one and nobody else has it.
    ///
    /// # Errors
    /// `bad_name`; `name_taken`, with one that is free.
    pub(super) fn free_name(&self, wanted: &str, user: Option<&UserId>) -> Result<UserName, Refusal> {
        let name = chosen(wanted)?;
        if self.names.is_free(&name, user) {
            return Ok(name);
        }
        let words = format!("somebody is called {name}, or looks like it");
        let suggestion = self.names.free(name, user).to_string();
        Err(Refusal { suggestion: Some(suggestion), ..refused(ErrorCode::NameTaken, &words) })
    }

    /// Brings a session back to its rooms, and into those of its user and of the host's word. Gives what became of
    /// those that it came back to, and the others.
    fn return_to_rooms(
        &mut self,
        connection: ConnectionId,
        session: SessionKey,
        who: &Arc<Who>,
        greeting: &Greeting,
        given: Option<&Given>,
        at: &mut Moment<'_>,
    ) -> (Vec<Resumed>, Vec<RoomKey>) {
        let caller = Caller { connection, id: None, session, who: who.clone() };
        let held = self.sessions.get(session).map_or(Vec::new(), |session| session.rooms.clone());
        held.iter().for_each(|key| self.show_to(connection, *key, &who.user, at));
        let mut bytes = PAGE_BYTES;
        let (mut resumed, mut known) = (Vec::new(), Vec::new());
        for (name, seen) in &greeting.rooms {
            let entered = self.come_back(&caller, name, *seen, &mut bytes, at);
            match entered {
                Ok((key, entered)) => {
                    known.push(key);
                    resumed.push(Resumed::In(entered));
                }
                Err(refusal) => resumed.push(Resumed::Out { room: name.clone(), refusal }),
            }
        }
        for room in given.map_or(&[][..], |given| &given.rooms) {
            if let Some(session) = self.sessions.get_mut(session)
                && !session.invited.contains(room)
            {
                session.invited.push(room.clone());
            }
            // The client did not ask for it; the host is told that there is no place for it.
            if let Err(error) = self.put_in(&caller, room, at) {
                self.tell_refused(connection, error, at);
            }
        }
        self.enter_directs(&caller, at);
        let mut told = self.sessions.get(session).map_or(Vec::new(), |session| session.rooms.clone());
        told.retain(|key| !known.contains(key));
        (resumed, told)
    }

    fn limits(&self) -> Vec<(&'static str, u64)> {
        let settings = &self.settings;
        vec![
            ("max_message_bytes", settings.max_message_bytes),
            ("max_text_bytes", settings.max_text_bytes),
            ("max_data_bytes", settings.max_data_bytes),
            ("max_connection_room_count", settings.max_connection_room_count),
            ("max_page_count", settings.max_page_count),
            ("max_reaction_count", settings.max_reaction_count),
            ("message_rate", settings.message_rate.per_second),
            ("message_burst", settings.message_rate.burst),
            ("tell_rate", settings.tell_rate.per_second),
            ("tell_burst", settings.tell_rate.burst),
            ("linger_ms", settings.linger_ms),
            ("session_ms", settings.session_ms),
            ("dedupe_ms", settings.dedupe_ms),
        ]
    }

    pub(super) fn session_user(&self, session: SessionKey) -> Option<&User> {
        self.users.get(&self.sessions.get(session)?.user)
    }

    pub(super) fn no_hello(&mut self, connection: ConnectionId, at: &mut Moment<'_>) {
        let talk = self.connections.get_mut(&connection).and_then(|known| known.talk());
        if talk.is_some_and(|talk| matches!(talk.phase, Phase::New(_))) {
            self.part(connection, Cause::NoHello, "no hello came within hello_timeout_ms", at);
        }
    }

    /// Tells a connection that it is in a room. Takes what that holds from `bytes`; where too few are left it is told
    /// without the last message.
    pub(super) fn notify_joined(
        &mut self,
        connection: ConnectionId,
        key: RoomKey,
        bytes: &mut usize,
        at: &mut Moment<'_>,
    ) {
        let Some(who) = self.connections.get(&connection).and_then(|known| known.who.clone()) else { return };
        let mut line = self.room_line(key, &who.user, at);
        line.last = line.last.filter(|last| last.wire_bytes() <= *bytes);
        *bytes -= line.last.as_ref().map_or(0, |last| last.wire_bytes());
        at.push(Effect::Notify { connection, room: Some(key), happening: Happening::Joined(line) });
    }

    /// Tells the host who a connection is.
    pub(super) fn tell_named(&self, connection: ConnectionId, who: &Who, at: &mut Moment<'_>) {
        at.push(Effect::Tell(Event::Named {
            connection,
            user: who.user.clone(),
            name: who.name.clone(),
            color: who.color,
        }));
    }
}

/// A client may want heartbeats more often, not all the time.
const MIN_HEARTBEAT_MS: u64 = 1_000;
