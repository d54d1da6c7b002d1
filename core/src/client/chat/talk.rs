//! The connection: token, `hello`, heartbeat, and when to come back.

use super::calls::{Call, Purpose};
use super::dice::Dice;
use super::documents::{self, Document, Hello, Resumed, Welcome};
use super::event::{Action, Event, State};
use super::machine::{Machine, unreadable};
use super::message::Me;
use super::request::{Request, RequestId};
use super::settings::Token;
use crate::dialect::json::Json;
use crate::error::{Error, ErrorCode, Refusal};
use crate::id::Position;

/// How far it is, and what is known of the other side.
#[derive(Debug)]
pub(super) struct Talk {
    phase: Phase,
    /// What is told of it.
    state: State,
    pub(super) me: Option<Me>,
    /// What the user wants to be called.
    name: Option<String>,
    pub(super) session: Option<String>,
    /// The user of that session.
    pub(super) user: Option<String>,
    token: Option<String>,
    /// The token was refused, and a fresh one is tried.
    is_second_token: bool,
    next_id: u64,
    hello_id: u64,
    heartbeat_ms: u64,
    pub(super) heard_ms: u64,
    said_ms: u64,
    /// How long after what was said last a heartbeat is due.
    beat_ms: u64,
    /// How many tries have come to nothing.
    attempt: u32,
    opened_ms: u64,
    /// What the server said before it closes: the code, the reason, when to come back.
    bye: Option<(u16, String, Option<(u64, u64)>)>,
    refresh_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// The token is asked for.
    Token {
        until_ms: u64,
    },
    Dialing {
        until_ms: u64,
    },
    Hello {
        until_ms: u64,
    },
    Open,
    Waiting {
        until_ms: u64,
    },
    Ended,
}

/// What a close code asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Come back and resume.
    Return,
    /// Come back, but late.
    Later,
    /// Do not come back.
    Never,
}

impl Talk {
    pub(super) fn new(name: Option<String>) -> Talk {
        Talk {
            phase: Phase::Idle,
            state: State::Connecting,
            me: None,
            name,
            session: None,
            user: None,
            token: None,
            is_second_token: false,
            next_id: 1,
            hello_id: 0,
            heartbeat_ms: u64::MAX,
            heard_ms: 0,
            said_ms: 0,
            beat_ms: u64::MAX,
            attempt: 0,
            opened_ms: 0,
            bye: None,
            refresh_ms: None,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state.clone()
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(super) fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Why nothing can be asked any more.
    pub(super) fn ended_words(&self) -> Option<String> {
        match &self.state {
            State::Closed { code, reason, .. } => Some(format!("the chat is closed: {code} {reason}")),
            _ => None,
        }
    }

    pub(super) fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(super) fn renamed(&mut self, name: &str, color: &str) {
        self.name = Some(name.to_owned());
        if let Some(me) = &mut self.me {
            me.name = name.to_owned();
            me.color = color.to_owned();
        }
    }

    /// Something was said now.
    fn said(&mut self, now_ms: u64, dice: &mut Dice) {
        self.said_ms = now_ms;
        // Jitter only shortens: clients that came together do not beat together.
        self.beat_ms = self.heartbeat_ms - dice.between(0, self.heartbeat_ms / 5);
    }

    fn beat_at_ms(&self) -> u64 {
        self.said_ms.saturating_add(self.beat_ms)
    }
}

impl Machine {
    pub(super) fn begin(&mut self) {
        if self.talk.phase != Phase::Idle {
            return;
        }
        self.connect();
    }

    fn connect(&mut self) {
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
                self.talk.bye = Some((code, reason, window_ms));
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
                    Some(ErrorCode::Unauthorized) if self.may_try_another_token() => {
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
            match rooms.remove(&name) {
                Some(Resumed::In(entered)) => self.entered_again(&name, position, entered),
                Some(Resumed::Out(refusal)) => self.lose_room(&name, &refusal.name),
                None => {
                    let id = self.new_request();
                    let body = Request::Join { room: name, history: None, since: Some(position) };
                    self.calls.add(id, body, Purpose::Rejoin, 0);
                }
            }
        }
        self.flush();
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
            Ok(Ok(super::Reply::Refreshed { expires_at_ms })) => self.expires_at(expires_at_ms),
            Ok(Ok(_)) => {}
            Ok(Err(why)) => self.tell(Event::Error(unreadable(why))),
            Err(refusal) => self.tell(Event::Error(Error::refused(refusal))),
        }
    }

    /// The connection is gone.
    pub(super) fn lose(&mut self, code: u16, reason: &str) {
        match self.talk.phase {
            Phase::Dialing { .. } | Phase::Hello { .. } | Phase::Open => {}
            // It was given up before, or never was.
            _ => return,
        }
        let bye = self.talk.bye.take();
        let (code, reason) = match &bye {
            // No close frame came behind it.
            Some((byes_code, reason, _)) if matches!(code, 1005 | 1006) => (*byes_code, reason.clone()),
            _ => (code, reason.to_owned()),
        };
        let window_ms = bye.and_then(|(_, _, window_ms)| window_ms);
        self.break_off();
        match course(code) {
            Course::Never if code == UNAUTHORIZED && self.may_try_another_token() => {
                self.wait(Course::Return)
            }
            Course::Never => self.end(code, &reason, None),
            course => match window_ms {
                Some((earliest, latest)) => {
                    let wait_ms = self.dice.between(earliest, latest);
                    self.wait_until(self.now_ms + wait_ms);
                }
                None => self.wait(course),
            },
        }
    }

    pub(super) fn fail(&mut self, error: &Error) {
        let Phase::Dialing { .. } = self.talk.phase else { return };
        match error.code() {
            ErrorCode::InvalidArgument | ErrorCode::InvalidOption => {
                self.end(error.code().number() as u16, &error.message(), Some(error.clone()));
            }
            _ => self.wait(match error.http_status() {
                Some(429 | 503) => Course::Later,
                _ => Course::Return,
            }),
        }
    }

    /// Whether a fresh token may be tried; only once in a row.
    fn may_try_another_token(&mut self) -> bool {
        let may = matches!(self.settings.token, Token::Asked) && !self.talk.is_second_token;
        self.talk.is_second_token = true;
        may
    }

    fn hang_up(&mut self, code: u16, reason: &str) {
        self.actions.push_back(Action::Close { code, reason: reason.to_owned() });
        self.break_off();
    }

    /// Nothing is on the wire any more.
    fn break_off(&mut self) {
        if let Phase::Open = self.talk.phase {
            // Who was open for long begins with short waits again.
            let was_open_ms = self.now_ms - self.talk.opened_ms;
            if was_open_ms >= self.settings.numbers.reconnect_max_ms {
                self.talk.attempt = 0;
            }
        }
        self.talk.bye = None;
        self.talk.refresh_ms = None;
        self.unanswered.clear();
        self.catching.clear();
        self.changes.interrupt();
        for (request, Call { purpose, .. }) in self.calls.interrupt() {
            if purpose == Purpose::Host {
                let words = "the connection was lost before there was a reply";
                self.answer(request, Err(Error::new(ErrorCode::Uncertain, words)));
            }
        }
    }

    fn wait(&mut self, course: Course) {
        self.wait_for(course, None);
    }

    fn wait_for(&mut self, course: Course, least_ms: Option<u64>) {
        let numbers = &self.settings.numbers;
        let doubled = numbers.reconnect_min_ms.saturating_mul(1 << self.talk.attempt.min(40));
        let most_ms = doubled.min(numbers.reconnect_max_ms);
        let wait_ms = match course {
            Course::Later => self.dice.between(numbers.reconnect_max_ms / 2, numbers.reconnect_max_ms),
            _ => self.dice.between(0, most_ms),
        };
        self.talk.attempt = self.talk.attempt.saturating_add(1);
        self.wait_until(self.now_ms + wait_ms.max(least_ms.unwrap_or(0)));
    }

    fn wait_until(&mut self, until_ms: u64) {
        self.talk.phase = Phase::Waiting { until_ms };
        self.become_state(State::Waiting { until_ms });
    }

    pub(super) fn end_by_wish(&mut self) {
        if self.talk.is_ended() {
            return;
        }
        if let Phase::Dialing { .. } | Phase::Hello { .. } | Phase::Open = self.talk.phase {
            // Before anything is forgotten that may have happened.
            self.actions.push_back(Action::Close { code: 1000, reason: String::new() });
        }
        self.end(1000, "", None);
    }

    fn end(&mut self, code: u16, reason: &str, error: Option<Error>) {
        let text = self.saved_text();
        self.saved_state().freeze(text);
        self.must_save();
        self.talk.phase = Phase::Ended;
        self.unanswered.clear();
        self.catching.clear();
        let words = format!("the chat is closed: {code} {reason}");
        let calls: Vec<RequestId> = self
            .calls
            .clear()
            .into_iter()
            .filter(|(_, call)| call.purpose == Purpose::Host)
            .map(|(request, _)| request)
            .collect();
        let changes: Vec<(RequestId, bool)> =
            self.changes.all().map(|(request, change)| (request, change.is_open())).collect();
        let mut left: Vec<(RequestId, bool)> = calls.into_iter().map(|request| (request, false)).collect();
        left.extend(changes);
        left.sort_unstable();
        for (request, is_open) in left {
            self.changes.take(request);
            let code = if is_open { ErrorCode::Uncertain } else { ErrorCode::ConnectionClosed };
            self.answer(request, Err(Error::new(code, words.as_str())));
        }
        self.become_state(State::Closed { code, reason: reason.to_owned(), error });
    }

    fn become_state(&mut self, state: State) {
        let is_same = matches!((&self.talk.state, &state), (State::Connecting, State::Connecting))
            && self.talk.phase != Phase::Idle;
        self.talk.state = state.clone();
        if !is_same {
            self.tell(Event::State(state));
        }
    }

    pub(super) fn talk_deadline_ms(&self) -> Option<u64> {
        match self.talk.phase {
            Phase::Idle | Phase::Ended => None,
            Phase::Token { until_ms }
            | Phase::Dialing { until_ms }
            | Phase::Hello { until_ms }
            | Phase::Waiting { until_ms } => Some(until_ms),
            Phase::Open => {
                let both = self.talk.beat_at_ms().min(self.dead_at_ms());
                Some(self.talk.refresh_ms.map_or(both, |refresh_ms| both.min(refresh_ms)))
            }
        }
    }

    fn dead_at_ms(&self) -> u64 {
        let heard_ms = self.talk.heard_ms.saturating_add(self.talk.heartbeat_ms);
        heard_ms.saturating_add(self.settings.numbers.heartbeat_timeout_ms)
    }

    pub(super) fn watch_time(&mut self) {
        self.save_in_time();
        match self.talk.phase {
            Phase::Waiting { until_ms } if self.now_ms >= until_ms => self.connect(),
            Phase::Token { until_ms } if self.now_ms >= until_ms => {
                let words = "there was no token in time; hello_timeout_ms is the time";
                self.tell(Event::Error(Error::new(ErrorCode::CannotConnect, words)));
                self.wait(Course::Return);
            }
            Phase::Dialing { until_ms } | Phase::Hello { until_ms } if self.now_ms >= until_ms => {
                self.hang_up(NO_HEARTBEAT, "no reply to hello in time");
                self.wait(Course::Return);
            }
            Phase::Open if self.now_ms >= self.dead_at_ms() => {
                self.hang_up(NO_HEARTBEAT, "no heartbeat");
                self.wait(Course::Return);
            }
            Phase::Open => {
                if self.talk.refresh_ms.is_some_and(|at_ms| self.now_ms >= at_ms) {
                    self.talk.refresh_ms = None;
                    self.actions.push_back(Action::Token);
                }
                if self.now_ms >= self.talk.beat_at_ms() {
                    self.say(documents::HEARTBEAT.to_owned());
                }
            }
            _ => {}
        }
    }
}

/// What the contract says about a close code.
fn course(code: u16) -> Course {
    match code {
        1002 | 1003 | 1007 | 1008 | 1009 | 4000..=4099 => Course::Never,
        4100..=4199 => Course::Later,
        _ => Course::Return,
    }
}

const UNAUTHORIZED: u16 = 4001;
const NO_HEARTBEAT: u16 = 4203;
/// So long before the token ends, a fresh one is asked for.
const REFRESH_BEFORE_MS: u64 = 60_000;
/// Where there was none, it is asked for again after so long.
const REFRESH_AGAIN_MS: u64 = 5_000;
