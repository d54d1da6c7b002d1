//! What is said, by whom, where, and in which order.
//!
//! In: connections that come and go, commands of clients, calls and answers of the host, and the time.
//! Out: effects, for the server to carry out. Knows nothing of sockets, of JSON, of who reads how fast, or
//! of where records are kept.

mod effect;
mod names;
mod requests;
mod room;
mod session;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) use effect::{Effect, Flow, Given};
pub(crate) use room::RoomKey;
pub(crate) use session::Knock;

use crate::command::Command;
use crate::error::{Error, ErrorCode};
use crate::event::{Dialect, Event, Question, Subject, Verdict};
use crate::id::{ConnectionId, Position, QuestionId, RoomName, UserId, UserName};
use crate::message::{Change, Color, Member, Record, Room as RoomEntry};
use crate::push::Cause;
use crate::rate::Rate;
use crate::time::Now;

use names::{Palette, Reserved, chosen, color_of};
use requests::{Requests, Waiting};
use room::Rooms;
use session::{Origin, Sent, Session, User, Who};

/// What the host's options say about the chat.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) host_name: UserName,
    pub(crate) host_color: Color,
    pub(crate) reserved_names: Vec<UserName>,
    pub(crate) message_rate: Rate,
    pub(crate) max_text_bytes: u64,
    pub(crate) max_room_count: u64,
    pub(crate) ask_may_send: bool,
    pub(crate) question_count: u64,
    pub(crate) question_timeout_ms: u64,
}

/// A connection that has just been opened.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) connection: ConnectionId,
    pub(crate) dialect: Dialect,
    pub(crate) room: Option<RoomName>,
    pub(crate) path: String,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) given: Option<Given>,
    /// What a v1 connection's hello will be judged by.
    #[expect(dead_code, reason = "the chat asks nobody at their hello yet")]
    pub(crate) knock: Option<Box<Knock>>,
}

/// The chat of one engine.
#[derive(Debug)]
pub(crate) struct Chat {
    settings: Settings,
    host: Arc<Who>,
    rooms: Rooms,
    /// Boxed, because a map has places to spare.
    sessions: HashMap<ConnectionId, Box<Session>>,
    /// Users whom the host named. Everybody else is who their connection is.
    users: HashMap<UserId, User>,
    palette: Palette,
    reserved: Reserved,
    requests: Requests,
}

impl Chat {
    /// `seed` decides the order of the colours.
    pub(crate) fn new(settings: Settings, seed: u64) -> Chat {
        let host = Who { user: UserId::host(), name: settings.host_name.clone(), color: settings.host_color };
        Chat {
            host: Arc::new(host),
            rooms: Rooms::new(settings.max_room_count),
            sessions: HashMap::new(),
            users: HashMap::new(),
            palette: Palette::new(seed),
            reserved: Reserved::new(&settings.host_name, &settings.reserved_names),
            requests: Requests::new(settings.question_count, settings.question_timeout_ms),
            settings,
        }
    }

    /// Asks the host whether a connection may come in. An [`Effect::Admitted`] or [`Effect::Denied`] follows,
    /// now or later.
    pub(crate) fn ask_admit(
        &mut self,
        connection: ConnectionId,
        address: Option<SocketAddr>,
        subject: Subject,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        match self.requests.ask(connection, Waiting::Admit, now.ticks_ms) {
            Some(id) => effects.push(Effect::Ask(Question { id, connection, address, subject })),
            None => effects.push(Effect::Denied { connection, reason: TOO_MANY_QUESTIONS.into() }),
        }
    }

    /// Lets a connection into its room.
    ///
    /// # Errors
    /// `too_many_rooms`: nothing has happened.
    pub(crate) fn connect(
        &mut self,
        arrival: Arrival,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        let Arrival { connection, dialect, room, path, address, given, knock: _ } = arrival;
        let key = match &room {
            Some(name) => Some(self.find_or_make(name, now, effects)?),
            None => None,
        };
        effects.push(Effect::Tell(Event::Connected {
            connection,
            dialect,
            room: room.clone(),
            path,
            address,
        }));
        if let (Some(key), Some(name)) = (key, room) {
            self.rooms.enter(key);
            effects.push(Effect::Enter { connection, room: key, name });
        }
        let session = Session {
            origin: Origin::new(address),
            room: key,
            who: None,
            given: false,
            sent: Sent::default(),
        };
        self.sessions.insert(connection, Box::new(session));
        if let Some(given) = given {
            let user = given.user.unwrap_or_else(|| UserId::of_connection(connection));
            let who = match self.users.entry(user) {
                Entry::Occupied(mut known) => {
                    known.get_mut().connection_count += 1;
                    known.get().who.clone()
                }
                Entry::Vacant(new) => {
                    let who = Who { user: new.key().clone(), name: given.name, color: self.palette.next() };
                    let who = Arc::new(who);
                    new.insert(User { who: who.clone(), connection_count: 1, sent: Sent::default() });
                    who
                }
            };
            self.introduce(connection, who, true, effects);
        }
        Ok(())
    }

    /// Does what a client asks for.
    pub(crate) fn command(
        &mut self,
        connection: ConnectionId,
        command: Command<'_>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let Some(session) = self.sessions.get(&connection) else { return Flow::Go };
        match (command, session.who.clone()) {
            (Command::Name(_), Some(who)) => {
                effects.push(Effect::Color { connection, color: who.color });
                Flow::Go
            }
            (Command::Name(name), None) => match chosen(name) {
                Ok(name) => {
                    let name = self.reserved.unreserved(name);
                    let color = self.palette.next();
                    let user = UserId::of_connection(connection);
                    effects.push(Effect::Color { connection, color });
                    self.introduce(connection, Arc::new(Who { user, name, color }), false, effects);
                    Flow::Go
                }
                Err(error) => {
                    let reason = error.message();
                    effects.push(Effect::Close { connection, cause: Cause::BadName, reason });
                    Flow::Discard
                }
            },
            (Command::Say(text), Some(who)) => self.say(connection, &who, text, now, effects),
            (Command::Say(_), None) => Flow::Go,
        }
    }

    /// Takes a connection out of everything it is in, and tells why it is gone.
    pub(crate) fn disconnect(
        &mut self,
        connection: ConnectionId,
        code: u16,
        reason: String,
        effects: &mut Vec<Effect>,
    ) {
        self.requests.cancel(connection);
        let Some(session) = self.sessions.remove(&connection) else { return };
        if let Some(key) = session.room {
            if let Some(who) = &session.who {
                let room = self.rooms.get_mut(key);
                if room.leave(connection, &who.user) {
                    effects.push(Effect::Tell(Event::Left {
                        room: room.name.clone(),
                        connection,
                        user: who.user.clone(),
                        name: who.name.clone(),
                        member_count: room.member_count(),
                    }));
                }
            }
            self.rooms.exit(key);
        }
        if let (true, Some(who)) = (session.given, session.who)
            && let Some(user) = self.users.get_mut(&who.user)
        {
            user.connection_count -= 1;
            if user.connection_count == 0 {
                self.users.remove(&who.user);
            }
        }
        effects.push(Effect::Tell(Event::Disconnected { connection, code, reason }));
    }

    /// Carries out the host's answer to a question.
    ///
    /// # Errors
    /// `unknown_question`; `wrong_verdict`, `bad_name`, `empty_text`, `too_long`: the question is still open.
    pub(crate) fn answer(
        &mut self,
        id: QuestionId,
        verdict: Verdict,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        let open = self.requests.get(id).ok_or_else(|| {
            Error::new(
                ErrorCode::UnknownQuestion,
                format!("question {} is not open: it was answered, its time ran out, or it never was", id.0),
            )
        })?;
        let connection = open.connection;
        match (&open.waiting, verdict) {
            (Waiting::Admit, Verdict::Allow) => {
                self.requests.close(id);
                effects.push(Effect::Admitted { connection, given: None });
            }
            (Waiting::Admit, Verdict::AllowAs { user, name }) => {
                let user = user.map(|user| UserId::given(&user)).transpose()?;
                let given = Some(Given { user, name: UserName::new(&name)? });
                self.requests.close(id);
                effects.push(Effect::Admitted { connection, given });
            }
            (Waiting::Send { .. }, Verdict::Rewrite(text)) => {
                self.check_text(&text)?;
                self.sent(id, Some(text), now, effects);
            }
            (Waiting::Send { .. }, Verdict::Allow) => self.sent(id, None, now, effects),
            (_, Verdict::Refuse(reason)) => self.refuse(id, &reason, now, effects),
            (Waiting::Admit, Verdict::Rewrite(_)) => return Err(wrong_verdict("rewrite", "admit")),
            (Waiting::Send { .. }, Verdict::AllowAs { .. }) => {
                return Err(wrong_verdict("allow_as", "may_send"));
            }
        }
        Ok(())
    }

    /// Refuses what a question was about, because the host could not be asked.
    pub(crate) fn unanswered(&mut self, id: QuestionId, now: Now, effects: &mut Vec<Effect>) {
        self.refuse(id, NOT_ASKED, now, effects);
    }

    /// Refuses what the host has not answered in time.
    pub(crate) fn expire(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while let Some(open) = self.requests.expired(now.ticks_ms) {
            self.refused(open, NO_ANSWER, now, effects);
        }
    }

    /// When [`expire`](Chat::expire) has something to do next, in ticks.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.requests.next_deadline_ms()
    }

    /// Puts a message of the host's in a room.
    ///
    /// # Errors
    /// `bad_room_name`, `too_many_rooms`, `empty_text`, `too_long`.
    pub(crate) fn broadcast(
        &mut self,
        room: &str,
        text: &str,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<Position, Error> {
        self.post(room, self.host.clone(), text, now, effects)
    }

    /// Puts a message in a room as a user.
    ///
    /// # Errors
    /// `bad_room_name`, `bad_name`, `too_many_rooms`, `empty_text`, `too_long`.
    pub(crate) fn send(
        &mut self,
        room: &str,
        user: &str,
        text: &str,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<Position, Error> {
        let user = UserId::new(user)?;
        let who = self.find_user(&user).unwrap_or_else(|| {
            Arc::new(Who { name: UserName::of_user(&user), color: color_of(&user), user })
        });
        self.post(room, who, text, now, effects)
    }

    /// The host's name and colour, for what it says outside of every log.
    ///
    /// # Errors
    /// `empty_text`, `too_long`.
    pub(crate) fn notice(&self, text: &str) -> Result<(UserName, Color), Error> {
        self.check_text(text)?;
        Ok((self.host.name.clone(), self.host.color))
    }

    /// Finds a room for a call of the host's.
    ///
    /// # Errors
    /// `bad_room_name`, `unknown_room`.
    pub(crate) fn room(&self, name: &str) -> Result<RoomKey, Error> {
        let name = RoomName::new(name)?;
        self.rooms.find(&name).ok_or_else(|| {
            Error::new(ErrorCode::UnknownRoom, format!("there is no room {name:?}", name = name.as_str()))
        })
    }

    pub(crate) fn room_count(&self) -> u64 {
        self.rooms.count()
    }

    pub(crate) fn room_name(&self, room: RoomKey) -> RoomName {
        self.rooms.get(room).name.clone()
    }

    /// The position of a room's newest record.
    pub(crate) fn position(&self, room: RoomKey) -> Position {
        self.rooms.get(room).top
    }

    pub(crate) fn members(&self, room: RoomKey) -> Vec<Member> {
        self.rooms.get(room).members()
    }

    pub(crate) fn member_count(&self, room: RoomKey) -> u64 {
        self.rooms.get(room).member_count()
    }

    pub(crate) fn rooms(&self) -> Vec<RoomEntry> {
        let entry = |room: &room::Room| RoomEntry {
            name: room.name.clone(),
            member_count: room.member_count(),
            connection_count: room.connection_count,
            position: room.top,
        };
        self.rooms.sorted().into_iter().map(entry).collect()
    }

    fn find_or_make(
        &mut self,
        name: &RoomName,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<RoomKey, Error> {
        let (key, forgotten) = self.rooms.find_or_make(name, now)?;
        if let Some((room, name)) = forgotten {
            effects.push(Effect::Forget { room, name });
        }
        Ok(key)
    }

    fn introduce(&mut self, connection: ConnectionId, who: Arc<Who>, given: bool, effects: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get_mut(&connection) else { return };
        session.who = Some(who.clone());
        session.given = given;
        let (user, name) = (who.user.clone(), who.name.clone());
        effects.push(Effect::Tell(Event::Named {
            connection,
            user: user.clone(),
            name: name.clone(),
            color: who.color,
        }));
        let Some(key) = session.room else { return };
        if self.rooms.join(key, connection, who) {
            let room = self.rooms.get(key);
            effects.push(Effect::Tell(Event::Joined {
                room: room.name.clone(),
                connection,
                user,
                name,
                member_count: room.member_count(),
            }));
        }
    }

    fn say(
        &mut self,
        connection: ConnectionId,
        who: &Arc<Who>,
        text: &str,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let Some(key) = self.sessions.get(&connection).and_then(|session| session.room) else {
            return Flow::Go;
        };
        if let Err(error) = self.check_text(text) {
            let reason = error.message();
            effects.push(Effect::Close { connection, cause: Cause::TooLong, reason });
            return Flow::Discard;
        }
        let next_at_ms = match self.count(connection, who, now) {
            Ok(next_at_ms) => next_at_ms,
            Err(reason) => {
                effects.push(Effect::Close { connection, cause: Cause::Flood, reason });
                return Flow::Discard;
            }
        };
        if self.settings.ask_may_send {
            return self.ask_may_send(connection, who, key, text, now, effects);
        }
        let record = self.rooms.get_mut(key).place(who, text.to_owned(), now);
        publish(key, record, Some(connection), effects);
        match next_at_ms > now.ticks_ms {
            true => Flow::PauseUntil(next_at_ms),
            false => Flow::Go,
        }
    }

    /// Counts one message of a user. Gives when the next may come, in ticks.
    ///
    /// # Errors
    /// Words: the user has been too fast for too long.
    fn count(&mut self, connection: ConnectionId, who: &Who, now: Now) -> Result<u64, String> {
        let rate = self.settings.message_rate;
        let sent = match self.users.get_mut(&who.user) {
            Some(user) => &mut user.sent,
            None => match self.sessions.get_mut(&connection) {
                Some(session) => &mut session.sent,
                None => return Ok(now.ticks_ms),
            },
        };
        if sent.bucket.has_recovered(rate, now.ticks_ms) {
            sent.recover();
        }
        sent.bucket.take(rate, now.ticks_ms);
        let next_at_ms = sent.bucket.next_at_ms(rate, now.ticks_ms);
        if next_at_ms > now.ticks_ms {
            let since = sent.throttle(now.ticks_ms);
            if now.ticks_ms.saturating_sub(since) > MAX_THROTTLED_MS {
                let per_second = rate.per_second;
                return Err(format!("more than {per_second} messages a second for over 10 seconds"));
            }
        }
        Ok(next_at_ms)
    }

    fn ask_may_send(
        &mut self,
        connection: ConnectionId,
        who: &Who,
        room: RoomKey,
        text: &str,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let address = self.sessions.get(&connection).and_then(|session| session.origin.address());
        let waiting = Waiting::Send { room, text: text.to_owned() };
        let Some(id) = self.requests.ask(connection, waiting, now.ticks_ms) else {
            let error = Error::new(ErrorCode::Refused, TOO_MANY_QUESTIONS);
            effects.push(Effect::Tell(Event::Refused { connection: Some(connection), address, error }));
            return Flow::Go;
        };
        let subject = Subject::MaySend {
            room: self.rooms.get(room).name.clone(),
            user: who.user.clone(),
            name: who.name.clone(),
            text: text.to_owned(),
        };
        effects.push(Effect::Ask(Question { id, connection, address, subject }));
        Flow::Hold
    }

    /// A message that waited for the host gets its place now, with its text or another.
    fn sent(&mut self, id: QuestionId, rewritten: Option<String>, now: Now, effects: &mut Vec<Effect>) {
        let Some(open) = self.requests.close(id) else { return };
        let Waiting::Send { room, text } = open.waiting else { return };
        // A question is cancelled when its connection goes, so the session and its room are there.
        if let Some(who) = self.sessions.get(&open.connection).and_then(|session| session.who.clone()) {
            let record = self.rooms.get_mut(room).place(&who, rewritten.unwrap_or(text), now);
            publish(room, record, Some(open.connection), effects);
        }
        self.release(open.connection, now, effects);
    }

    fn refuse(&mut self, id: QuestionId, reason: &str, now: Now, effects: &mut Vec<Effect>) {
        if let Some(open) = self.requests.close(id) {
            self.refused(open, reason, now, effects);
        }
    }

    fn refused(&mut self, open: requests::Open, reason: &str, now: Now, effects: &mut Vec<Effect>) {
        let connection = open.connection;
        match open.waiting {
            Waiting::Admit => effects.push(Effect::Denied { connection, reason: reason.to_owned() }),
            Waiting::Send { .. } => {
                let address = self.sessions.get(&connection).and_then(|session| session.origin.address());
                let error = Error::new(ErrorCode::Refused, format!("a message was refused: {reason}"));
                effects.push(Effect::Tell(Event::Refused { connection: Some(connection), address, error }));
                self.release(connection, now, effects);
            }
        }
    }

    /// Lets a held connection go on, at the rate of its user.
    fn release(&mut self, connection: ConnectionId, now: Now, effects: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get(&connection) else { return };
        let user = session.who.as_ref().and_then(|who| self.users.get(&who.user));
        let sent = user.map_or(&session.sent, |user| &user.sent);
        let at_ms = sent.bucket.next_at_ms(self.settings.message_rate, now.ticks_ms);
        effects.push(Effect::Release { connection, at_ms });
    }

    fn post(
        &mut self,
        room: &str,
        who: Arc<Who>,
        text: &str,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<Position, Error> {
        let name = RoomName::new(room)?;
        self.check_text(text)?;
        let key = self.find_or_make(&name, now, effects)?;
        let record = self.rooms.get_mut(key).place(&who, text.to_owned(), now);
        let position = record.position();
        publish(key, record, None, effects);
        Ok(position)
    }

    fn find_user(&self, user: &UserId) -> Option<Arc<Who>> {
        if let Some(user) = self.users.get(user) {
            return Some(user.who.clone());
        }
        let number = user.strip_prefix('u')?.parse().ok()?;
        let who = self.sessions.get(&ConnectionId(number))?.who.clone()?;
        (who.user == *user).then_some(who)
    }

    fn check_text(&self, text: &str) -> Result<(), Error> {
        let max = self.settings.max_text_bytes;
        if text.trim().is_empty() {
            return Err(Error::new(ErrorCode::EmptyText, "the text is empty or blank; say something"));
        }
        if text.len() as u64 > max {
            let words = format!("the text has {} bytes; max_text_bytes is {max}", text.len());
            return Err(Error::new(ErrorCode::TooLong, words));
        }
        Ok(())
    }
}

fn publish(room: RoomKey, record: Record, connection: Option<ConnectionId>, effects: &mut Vec<Effect>) {
    let Change::Message(message) = &record.change;
    let event = Event::Message { connection, message: message.clone() };
    effects.push(Effect::Record { room, record });
    effects.push(Effect::Tell(event));
}

fn wrong_verdict(verdict: &str, question: &str) -> Error {
    Error::new(ErrorCode::WrongVerdict, format!("{verdict} does not answer the question {question}"))
}

const TOO_MANY_QUESTIONS: &str = "as many questions are open as question_count allows";
const NO_ANSWER: &str = "the host gave no answer within question_timeout_ms";
const NOT_ASKED: &str = "the host could not be asked: it takes no events, or too many wait for it";
const MAX_THROTTLED_MS: u64 = 10_000;

#[cfg(test)]
mod tests;
