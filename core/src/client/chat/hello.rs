//! From the wish to connect to the open chat: token, `hello`, resume.

use super::answers::unreadable;
use super::calls::Purpose;
use super::documents::{self, Document, Hello, Resumed, Welcome};
use super::event::{Action, Event, State};
use super::machine::Machine;
use super::request::{Reply, Request};
use super::settings::Token;
use super::talk::{Bye, Course, Phase};
use crate::dialect::json::Json;
use crate::error::{Error, ErrorCode, Refusal};
use crate::id::Position;

impl Machine {
    pub(super) fn begin(&mut self) {
        if self.talk.phase != Phase::Idle {
            return;
        }
        self.connect();
    }

    pub(super) fn connect(&mut self) {
        self.become_state(State::Connecting);
        let until_ms = self.now_ms + self.settings.numbers.hello_timeout_ms;
        match &self.settings.token {
            Token::Asked => {
                self.talk.phase = Phase::Token { until_ms };
                self.actions.push_back(Action::Token);
            }
            Token::None => self.dial(None),
            Token::Fixed(token) => self.dial(Some(token.clone())),
        }
    }

    fn dial(&mut self, token: Option<String>) {
        self.talk.token = token;
        self.talk.phase = Phase::Dialing { until_ms: self.now_ms + self.settings.numbers.hello_timeout_ms };
        self.actions.push_back(Action::Connect);
    }

    pub(super) fn take_token(&mut self, token: Result<String, Error>) {
        match (self.talk.phase, token) {
            (Phase::Token { .. }, Ok(token)) => self.dial(Some(token)),
            (Phase::Token { .. }, Err(error)) => {
                self.tell(Event::Error(error));
                self.wait(Course::Return);
            }
            (Phase::Open, Ok(token)) => {
                let id = self.new_request();
                self.calls.add(id, Request::Refresh { token }, Purpose::Refresh, 0);
                self.flush();
            }
            (Phase::Open, Err(error)) => {
                self.talk.refresh_ms = Some(self.now_ms + REFRESH_AGAIN_MS);
                self.tell(Event::Error(error));
            }
            _ => {}
        }
    }

    pub(super) fn say_hello(&mut self) {
        let Phase::Dialing { .. } = self.talk.phase else { return };
        self.talk.phase = Phase::Hello { until_ms: self.now_ms + self.settings.numbers.hello_timeout_ms };
        let id = self.talk.new_id();
        self.talk.hello_id = id;
        let resume = self.talk.session.as_deref().map(|session| {
            let rooms = self.rooms.iter().map(|(name, room)| (name.as_str(), room.position)).collect();
            (session, rooms)
        });
        let hello = Hello {
            name: self.talk.name.as_deref(),
            token: self.talk.token.as_deref(),
            heartbeat_ms: Some(self.settings.numbers.heartbeat_ms),
            resume,
        };
        let text = documents::hello(id, &hello);
        self.say(text);
    }

    pub(super) fn say(&mut self, text: String) {
        self.talk.said(self.now_ms, &mut self.dice);
        self.actions.push_back(Action::Send(text));
    }

    pub(super) fn hear(&mut self, text: &str) {
        // What comes from a connection that was given up is nobody's.
        if !matches!(self.talk.phase, Phase::Hello { .. } | Phase::Open) {
            return;
        }
        self.talk.heard_ms = self.now_ms;
        match documents::document(text) {
            Ok(Document::Heartbeat | Document::Unknown) => {}
            Ok(Document::Reply { id, result }) if id == self.talk.hello_id => self.hello_replied(result),
            Ok(Document::Reply { id, result }) => self.replied(id, result),
            Ok(Document::Complaint(refusal)) => self.tell(Event::Error(Error::refused(refusal))),
            Ok(Document::Event(documents::Happening::Bye { code, reason, window_ms })) => {
                self.talk.bye = Some(Bye { code, reason, window_ms });
            }
            Ok(Document::Event(happening)) => {
                self.happened(happening);
                self.flush();
            }
            Err(why) => self.tell(Event::Error(unreadable(why))),
        }
    }

    fn hello_replied(&mut self, result: Result<Json<'_>, Refusal>) {
        let Phase::Hello { .. } = self.talk.phase else { return };
        match result.map(documents::welcome) {
            Ok(Ok(welcome)) => self.welcomed(welcome),
            Ok(Err(why)) => {
                self.hang_up(1002, "the reply to hello cannot be read");
                self.end(ErrorCode::PeerViolation.number() as u16, &why.0, Some(unreadable(why.clone())));
            }
            Err(refusal) => {
                self.hang_up(1000, "");
                let code = ErrorCode::from_number(refusal.number);
                let retry_ms = refusal.retry_after_ms;
                let (number, name) = (refusal.number, refusal.name.clone());
                let error = Error::refused(refusal);
                match code {
                    Some(ErrorCode::RateLimited | ErrorCode::Busy | ErrorCode::TooMany)
                    | Some(ErrorCode::StoreUnavailable | ErrorCode::Internal) => {
                        self.tell(Event::Error(error));
                        self.wait_for(Course::Later, retry_ms);
                    }
                    // One's own name may be held by one's own last connection, for a while.
                    Some(ErrorCode::NameTaken) if self.talk.user.is_some() => {
                        self.tell(Event::Error(error));
                        self.wait_for(Course::Later, retry_ms);
                    }
                    Some(ErrorCode::Unauthorized) if self.may_try_otherwise(true) => {
                        self.wait(Course::Return)
                    }
                    _ => self.end(u16::try_from(number).unwrap_or(u16::MAX), &name, Some(error)),
                }
            }
        }
    }

    fn welcomed(&mut self, welcome: Welcome) {
        let Welcome { me, session, heartbeat_ms, expires_at_ms, rooms } = welcome;
        if self.talk.user.as_ref().is_some_and(|user| *user != me.user) {
            // What was sent in another user's name must not be sent in this one's.
            for id in self.changes.open_since(u64::MAX) {
                self.give_up(
                    id,
                    "it was sent, had no reply, and the server knows this client as another user now",
                    None,
                );
            }
        }
        let time_ms = me.time_ms;
        self.talk.heartbeat_ms = heartbeat_ms.unwrap_or(self.settings.numbers.heartbeat_ms);
        self.talk.said(self.now_ms, &mut self.dice);
        self.talk.user = Some(me.user.clone());
        self.talk.me = Some(me);
        self.talk.session = Some(session);
        self.talk.is_second_token = false;
        self.talk.opened_ms = self.now_ms;
        self.talk.refresh_ms = None;
        self.talk.phase = Phase::Open;
        self.become_state(State::Open);
        self.must_save();
        if let Some(until_ms) = expires_at_ms.filter(|_| time_ms > 0) {
            self.expires_at(until_ms);
        }
        let mut rooms = rooms.unwrap_or_default();
        let known: Vec<(String, Position)> =
            self.rooms.iter().map(|(name, room)| (name.clone(), room.position)).collect();
        for (name, position) in known {
            // Who was taken out meanwhile, or whom the host wants to be asked about, joins from there.
            let is_out = ErrorCode::NotMember.number();
            match rooms.remove(&name) {
                Some(Resumed::In(entered)) => self.enter(&name, entered, true),
                Some(Resumed::Out(_)) if self.calls.leaves(&name) => self.drop_room(&name),
                Some(Resumed::Out(refusal)) if refusal.number == is_out => self.rejoin(name, position),
                Some(Resumed::Out(refusal)) => self.lose_room(&name, &refusal.name),
                None => self.rejoin(name, position),
            }
        }
        self.flush();
    }

    fn rejoin(&mut self, room: String, position: Position) {
        let id = self.new_request();
        let body = Request::Join { room, history: None, since: Some(position) };
        self.calls.add(id, body, Purpose::Rejoin, 0);
    }

    /// When the token ends, by the server's clock.
    pub(super) fn expires_at(&mut self, until_ms: u64) {
        let Some(me) = &self.talk.me else { return };
        if !matches!(self.settings.token, Token::Asked) {
            return;
        }
        let servers_now_ms = me.time_ms + (self.now_ms - self.talk.opened_ms);
        let left_ms = until_ms.saturating_sub(servers_now_ms);
        self.talk.refresh_ms = Some(self.now_ms + left_ms - REFRESH_BEFORE_MS.min(left_ms / 2));
    }

    pub(super) fn refreshed(&mut self, result: Result<Json<'_>, Refusal>) {
        let request = Request::Refresh { token: String::new() };
        match result.map(|ok| documents::reply(&request, ok)) {
            Ok(Ok(Reply::Refreshed { expires_at_ms })) => self.expires_at(expires_at_ms),
            Ok(Ok(_)) => {}
            Ok(Err(why)) => self.tell(Event::Error(unreadable(why))),
            Err(refusal) => {
                // Nobody has looked at it: another time somebody may.
                if let Some(ErrorCode::RateLimited | ErrorCode::Busy | ErrorCode::StoreUnavailable) =
                    ErrorCode::from_number(refusal.number)
                {
                    let wait_ms = refusal.retry_after_ms.unwrap_or(REFRESH_AGAIN_MS);
                    self.talk.refresh_ms = Some(self.now_ms + wait_ms);
                }
                self.tell(Event::Error(Error::refused(refusal)));
            }
        }
    }
}

/// So long before the token ends, a fresh one is asked for.
const REFRESH_BEFORE_MS: u64 = 60_000;
/// Where there was none, it is asked for again after so long.
const REFRESH_AGAIN_MS: u64 = 5_000;
