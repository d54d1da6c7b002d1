//! Until when a v1 connection may be here, by the host's word, and how that is put off.

use crate::close::Cause;
use crate::error::ErrorCode;
use crate::id::ConnectionId;
use crate::push::reply::{Refusal, Reply};

use super::effect::Given;
use super::requests::Waiting;
use super::talk::{Caller, Outcome, refused};
use super::timers::Due;
use super::{Chat, Moment};

impl Chat {
    /// Takes a new token of a client's.
    pub(super) fn refresh(
        &mut self,
        caller: &Caller,
        token: &str,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        self.check_told(caller, at)?;
        if let Some(given) = self.tickets.take(token, at.now.ticks_ms) {
            return self.refreshed(caller, Some(given), at);
        }
        if !self.settings.ask_admit {
            return Err(refused(ErrorCode::Unauthorized, "the token is not valid, or not any more"));
        }
        let name = Some(caller.who.name.to_string());
        let subject = self.admit_subject(super::Knock::default(), name, Some(token.to_owned()));
        self.ask_about(caller.connection, Waiting::Refresh { id: caller.id }, subject, at)?;
        Ok(Outcome::Held)
    }

    /// A client has shown a token again.
    ///
    /// # Errors
    /// `unauthorized`: it names somebody else.
    pub(super) fn refreshed(
        &mut self,
        caller: &Caller,
        given: Option<Given>,
        at: &mut Moment<'_>,
    ) -> Result<Outcome, Refusal> {
        let user = given.as_ref().and_then(|given| given.user.as_ref());
        if user.is_some_and(|user| *user != caller.who.user) {
            return Err(refused(ErrorCode::Unauthorized, "the token is another user's"));
        }
        let expires_at_ms = given.and_then(|given| given.expires_at_ms);
        self.set_expiry(caller.connection, expires_at_ms, at);
        Ok(Outcome::Done(None, Reply::Refreshed { expires_at_ms: expires_at_ms.unwrap_or(NEVER) }))
    }

    /// From here on it does not matter whether the Unix clock jumps.
    pub(super) fn set_expiry(
        &mut self,
        connection: ConnectionId,
        expires_at_ms: Option<u64>,
        at: &Moment<'_>,
    ) {
        let now = at.now;
        let expires_ms =
            expires_at_ms.map(|at_ms| now.ticks_ms.saturating_add(at_ms.saturating_sub(now.unix_ms)));
        if let Some(talk) = self.connections.get_mut(&connection).and_then(|known| known.talk()) {
            talk.expires_ms = expires_ms;
            self.await_expiry(connection);
        }
    }

    /// One timer is enough, however often the end is put off.
    fn await_expiry(&mut self, connection: ConnectionId) {
        let talk = self.connections.get_mut(&connection).and_then(|known| known.talk());
        if let Some(talk) = talk
            && let Some(expires_ms) = talk.expires_ms
            && talk.looks_ms.is_none_or(|looks_ms| looks_ms > expires_ms)
        {
            talk.looks_ms = Some(expires_ms);
            self.timers.set(expires_ms, Due::Expiry(connection));
        }
    }

    pub(super) fn expired(&mut self, connection: ConnectionId, at: &mut Moment<'_>) {
        let now_ms = at.now.ticks_ms;
        let Some(talk) = self.connections.get_mut(&connection).and_then(|known| known.talk()) else { return };
        talk.looks_ms.take_if(|looks_ms| *looks_ms <= now_ms);
        match talk.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
            true => self.part(connection, Cause::Unauthorized, "the token has expired", at),
            false => self.await_expiry(connection),
        }
    }
}

/// The last number that JavaScript counts to.
const NEVER: u64 = (1 << 53) - 1;
