//! The end of connections: what is lost with one, when to come back, and the end for good.

use super::calls::{Call, Purpose};
use super::documents;
use super::event::{Action, Event, State};
use super::machine::Machine;
use super::request::RequestId;
use super::settings::Token;
use super::talk::{Course, Phase, course};
use crate::error::{Error, ErrorCode};

impl Machine {
    /// The connection is gone.
    pub(super) fn lose(&mut self, code: u16, reason: &str) {
        match self.talk.phase {
            Phase::Dialing { .. } | Phase::Hello { .. } | Phase::Open => {}
            // It was given up before, or never was.
            _ => return,
        }
        let was_hello = matches!(self.talk.phase, Phase::Hello { .. });
        let bye = self.talk.bye.take();
        let (code, reason) = match &bye {
            // No close frame came behind it.
            Some(bye) if matches!(code, 1005 | 1006) => (bye.code, bye.reason.clone()),
            _ => (code, reason.to_owned()),
        };
        let window_ms = bye.and_then(|bye| bye.window_ms);
        self.break_off();
        match course(code) {
            Course::Never if code == UNAUTHORIZED && self.may_try_otherwise(was_hello) => {
                self.wait(Course::Return);
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
            code => {
                if code == ErrorCode::HandshakeRefused {
                    self.tell(Event::Error(error.clone()));
                }
                self.wait(match error.http_status() {
                    Some(429 | 503) => Course::Later,
                    _ => Course::Return,
                });
            }
        }
    }

    /// Whether the server may let in with a fresh token, or (`is_hello`: it was asked) without the session, who was
    /// not authorized; each only once in a row.
    pub(super) fn may_try_otherwise(&mut self, is_hello: bool) -> bool {
        if matches!(self.settings.token, Token::Asked) && !self.talk.is_second_token {
            self.talk.is_second_token = true;
            return true;
        }
        // It may be that the session is no longer valid.
        is_hello && self.talk.session.take().is_some()
    }

    pub(super) fn hang_up(&mut self, code: u16, reason: &str) {
        self.actions.push_back(Action::Close { code, reason: reason.to_owned() });
        self.break_off();
    }

    /// Nothing is on the wire any more.
    fn break_off(&mut self) {
        if let Phase::Open = self.talk.phase {
            let was_open_ms = self.now_ms - self.talk.opened_ms;
            if was_open_ms >= SETTLED_MS.min(self.settings.numbers.reconnect_max_ms) {
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

    pub(super) fn wait(&mut self, course: Course) {
        self.wait_for(course, None);
    }

    pub(super) fn wait_for(&mut self, course: Course, least_ms: Option<u64>) {
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

    pub(super) fn wait_until(&mut self, until_ms: u64) {
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

    pub(super) fn end(&mut self, code: u16, reason: &str, error: Option<Error>) {
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

    pub(super) fn become_state(&mut self, state: State) {
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

const UNAUTHORIZED: u16 = 4001;
const NO_HEARTBEAT: u16 = 4203;
/// Who was open for so long begins with short waits again.
const SETTLED_MS: u64 = 5_000;
