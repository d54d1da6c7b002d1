//! What v1 clients ask for: from the request to the reply.

use std::sync::Arc;

use crate::close::Cause;
use crate::command::request::{Place, Request};
use crate::error::{Error, ErrorCode};
use crate::event::{Question, Subject};
use crate::id::ConnectionId;
use crate::message::Role;
use crate::push::reply::{Refusal, Reply};

use super::connection::{Phase, Who};
use super::effect::{Effect, Flow};
use super::requests::Waiting;
use super::rights::Deed;
use super::room::RoomKey;
use super::session::SessionKey;
use super::{Chat, Moment, TOO_MANY_QUESTIONS};

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) connection: ConnectionId,
    /// The request, for its reply; `None`: none is wanted.
    pub(crate) id: Option<u64>,
    pub(crate) session: SessionKey,
    pub(crate) who: Arc<Who>,
}

/// What comes of a request. A reply stands behind what the connection was shown of the room, or of all its rooms.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Option<RoomKey>, Reply),
    /// A long reply: what the connection asks for next is looked at when it has left.
    Page(Option<RoomKey>, Reply),
    /// It is answered later, and nothing else before.
    Held,
}

impl Chat {
    /// Does what a v1 client asks for.
    pub(crate) fn request(
        &mut self,
        connection: ConnectionId,
        id: Option<u64>,
        request: Request<'_>,
        at: &mut Moment<'_>,
    ) -> Flow {
        let Some(known) = self.connections.get_mut(&connection) else { return Flow::Discard };
        let who = known.who.clone();
        let Some(talk) = known.talk() else { return Flow::Go };
        match (&talk.phase, request) {
            (Phase::New(_), Request::Hello(hello)) => self.hello(connection, id, hello, at),
            (Phase::New(_), _) => self.protocol_broken(connection, id, "the first request is hello", at),
            (Phase::In(_), Request::Hello(_)) => {
                self.protocol_broken(connection, id, "hello is said once", at)
            }
            (Phase::In(session), request) => {
                let Some(who) = who else { return Flow::Go };
                let caller = Caller { connection, id, session: *session, who };
                let result = self.asked(&caller, request, at);
                self.settle(connection, id, result, at)
            }
            (Phase::Asking(_) | Phase::Gone, _) => Flow::Discard,
        }
    }

    /// Refuses a text that is no request, or a wrong one. `is_text`: it is answered though it has no id.
    pub(crate) fn unread(
        &mut self,
        connection: ConnectionId,
        id: Option<u64>,
        is_text: bool,
        error: Error,
        at: &mut Moment<'_>,
    ) -> Flow {
        if self.connections.get(&connection).is_none_or(|known| known.is_gone()) {
            return Flow::Discard;
        }
        if is_text {
            at.push(Effect::Refuse { connection, id: None, refusal: error.into() });
            return self.count_refusal(connection, at);
        }
        self.settle(connection, id, Err(error.into()), at)
    }

    fn asked(
        &mut self,
        caller: &Caller,
        request: Request<'_>,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        match request {
            // Hello comes first and once: it does not come here.
            Request::Hello(_) => Ok(Outcome::Done(None, Reply::Done)),
            Request::Refresh { token } => self.refresh(caller, &token, at),
            Request::Join { room, since, history } => self.join_request(caller, &room, since, history, at),
            Request::Leave { room } => self.leave_request(caller, &room, at),
            Request::Rooms { page } => self.rooms_page(caller, &page, at),
            Request::Send(post) => self.send_request(caller, post, at),
            Request::Edit { of, text } => self.edit(caller, of, text.into_owned(), at),
            Request::Delete { of, reason: _ } => self.delete(caller, of, at),
            Request::React { of, emoji, add } => self.react(caller, of, &emoji, add, at),
            Request::History { room, from, limit } => self.history_page(caller, &room, from, limit, at),
            Request::Search { .. } => Err(refused(
                ErrorCode::NotAvailable,
                "there is no search: the messages are kept in memory alone",
            )),
            Request::Members { room, page } => self.members_page(caller, &room, &page),
            Request::Read { room, offset } => self.read(caller, &room, offset, at),
            Request::Typing { room, active } => self.typing(caller, &room, active, at),
            Request::Tell { to: Place::Room(room), data } => self.tell_in(caller, &room, data, at),
            Request::Tell { to: Place::User(user), data } => self.tell_one(caller, &user, data, at),
            Request::Rename { name } => self.rename(caller, &name, at),
            Request::Moderate { room, act } => self.moderate_request(caller, &room, act, at),
            Request::Block { user, on } => self.block(caller, &user, on, at),
            Request::Call { method, data } => self.call(caller, &method, data, at),
        }
    }

    /// Answers a request, or says no.
    pub(crate) fn settle(
        &mut self,
        connection: ConnectionId,
        id: Option<u64>,
        result: Result<Outcome, Refusal>,
        at: &mut Moment<'_>,
    ) -> Flow {
        match result {
            Ok(Outcome::Done(room, reply)) => {
                reply_to(connection, id, room, reply, at);
                Flow::Go
            }
            Ok(Outcome::Page(room, reply)) => {
                reply_to(connection, id, room, reply, at);
                at.push(Effect::Release { connection, at_ms: at.now.ticks_ms });
                Flow::Hold
            }
            Ok(Outcome::Held) => Flow::Hold,
            Err(refusal) => {
                if id.is_some() {
                    at.push(Effect::Refuse { connection, id, refusal });
                }
                self.count_refusal(connection, at)
            }
        }
    }

    /// Closes a connection that was refused too often in a short time.
    fn count_refusal(&mut self, connection: ConnectionId, at: &mut Moment<'_>) -> Flow {
        let now_ms = at.now.ticks_ms;
        let Some(talk) = self.connections.get_mut(&connection).and_then(|known| known.talk()) else {
            return Flow::Discard;
        };
        let (since_ms, count) = &mut talk.refused;
        if now_ms.saturating_sub(*since_ms) >= REFUSALS_MS {
            (*since_ms, *count) = (now_ms, 0);
        }
        *count += 1;
        if *count < MAX_REFUSALS {
            return Flow::Go;
        }
        self.part(connection, Cause::Flood, "50 requests were refused within 10 seconds", at);
        Flow::Discard
    }

    fn protocol_broken(
        &mut self,
        connection: ConnectionId,
        id: Option<u64>,
        words: &str,
        at: &mut Moment<'_>,
    ) -> Flow {
        if id.is_some() {
            at.push(Effect::Refuse { connection, id, refusal: refused(ErrorCode::BadRequest, words) });
        }
        self.part(connection, Cause::Protocol, words, at);
        Flow::Discard
    }

    /// Has a v1 connection closed, which is heard no more.
    pub(super) fn part(&mut self, connection: ConnectionId, cause: Cause, reason: &str, at: &mut Moment<'_>) {
        if self.connections.get(&connection).is_some_and(|known| known.is_gone()) {
            return;
        }
        self.close(connection, cause, reason, at);
        let Some(talk) = self.connections.get_mut(&connection).and_then(|known| known.talk()) else { return };
        if let Phase::In(session) = std::mem::replace(&mut talk.phase, Phase::Gone) {
            self.detach(session, at);
        }
    }

    /// The room of that name, if the caller is in it.
    ///
    /// # Errors
    /// `not_member`.
    pub(super) fn room_of(&self, caller: &Caller, name: &str) -> Result<RoomKey, Refusal> {
        let key = self.find_room(name).filter(|key| {
            self.sessions.get(caller.session).is_some_and(|session| session.rooms.contains(key))
        });
        key.ok_or_else(|| not_member(name))
    }

    /// Whether the caller may do something, in a room or anywhere. Gives the role.
    ///
    /// # Errors
    /// `not_allowed`.
    pub(super) fn check_right(
        &self,
        room: Option<RoomKey>,
        caller: &Caller,
        deed: Deed,
    ) -> Result<Role, Refusal> {
        let user = &caller.who.user;
        let role = match room {
            Some(key) => self.role_in(key, user),
            None => self.users.get(user).map_or(Role::Guest, |user| user.role),
        };
        match deed.is_allowed(role) {
            true => Ok(role),
            false => Err(refused(ErrorCode::NotAllowed, &format!("a {} may not do that", role.name()))),
        }
    }

    /// Hands a question of a client's to the host.
    fn call(
        &mut self,
        caller: &Caller,
        method: &str,
        data: &str,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        if !self.settings.ask_call {
            return Err(refused(ErrorCode::NotAvailable, "the host answers no calls (option ask_call)"));
        }
        self.check_told(caller, at)?;
        let subject = Subject::Call {
            user: caller.who.user.clone(),
            name: caller.who.name.clone(),
            method: method.to_owned(),
            data: data.to_owned(),
        };
        self.ask_about(caller.connection, Waiting::Call { id: caller.id }, subject, at)?;
        Ok(Outcome::Held)
    }

    /// Asks the host about what a v1 client wants.
    ///
    /// # Errors
    /// `refused`: as many questions are open as may be.
    pub(super) fn ask_about(
        &mut self,
        connection: ConnectionId,
        waiting: Waiting,
        subject: Subject,
        at: &mut Moment<'_>,
    ) -> Result<(), Refusal> {
        let address = self.address_of(connection);
        let id = self.requests.ask(connection, waiting, at.now.ticks_ms);
        let id = id.ok_or_else(|| refused(ErrorCode::Refused, TOO_MANY_QUESTIONS))?;
        at.push(Effect::Ask(Question { id, connection, address, subject }));
        Ok(())
    }
}

fn reply_to(
    connection: ConnectionId,
    id: Option<u64>,
    room: Option<RoomKey>,
    reply: Reply,
    at: &mut Moment<'_>,
) {
    if let Some(id) = id {
        at.push(Effect::Reply { connection, id, room, reply });
    }
}

pub(super) fn not_member(room: &str) -> Refusal {
    let room: String = room.chars().take(64).collect();
    refused(ErrorCode::NotMember, &format!("you are not in {room}; join it first"))
}

pub(super) fn refused(code: ErrorCode, words: &str) -> Refusal {
    Refusal::from(Error::new(code, words))
}

/// A refusal that ends by itself.
pub(super) fn limited(retry_after_ms: u64, words: &str) -> Refusal {
    Refusal { retry_after_ms: Some(retry_after_ms), ..refused(ErrorCode::RateLimited, words) }
}

/// So many refusals in so many milliseconds are a flood.
const MAX_REFUSALS: u32 = 50;
const REFUSALS_MS: u64 = 10_000;
