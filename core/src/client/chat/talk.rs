//! How it stands with the connection, and what the server's close codes ask for.

use super::dice::Dice;
use super::event::State;
use super::message::Me;

/// How far it is, and what is known of the other side.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) phase: Phase,
    /// What is told of it.
    pub(super) state: State,
    pub(super) me: Option<Me>,
    /// What the user wants to be called.
    pub(super) name: Option<String>,
    pub(super) session: Option<String>,
    /// The user of that session.
    pub(super) user: Option<String>,
    pub(super) token: Option<String>,
    /// The token was refused, and a fresh one is tried.
    pub(super) is_second_token: bool,
    pub(super) next_id: u64,
    pub(super) hello_id: u64,
    pub(super) heartbeat_ms: u64,
    pub(super) heard_ms: u64,
    pub(super) said_ms: u64,
    /// How long after what was said last a heartbeat is due.
    pub(super) beat_ms: u64,
    /// How many tries have come to nothing.
    pub(super) attempt: u32,
    pub(super) opened_ms: u64,
    /// What the server said before it closes.
    pub(super) bye: Option<Bye>,
    pub(super) refresh_ms: Option<u64>,
}

/// What a server says before it closes.
#[derive(Debug)]
pub(super) struct Bye {
    pub(super) code: u16,
    pub(super) reason: String,
    /// When it wants its clients back: from so many milliseconds on, to so many.
    pub(super) window_ms: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
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
pub(super) enum Course {
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
    pub(super) fn said(&mut self, now_ms: u64, dice: &mut Dice) {
        self.said_ms = now_ms;
        // Jitter only shortens: clients that came together do not beat together.
        self.beat_ms = self.heartbeat_ms - dice.between(0, self.heartbeat_ms / 5);
    }

    pub(super) fn beat_at_ms(&self) -> u64 {
        self.said_ms.saturating_add(self.beat_ms)
    }
}

/// What the contract says about a close code.
pub(super) fn course(code: u16) -> Course {
    match code {
        1002 | 1003 | 1007 | 1008 | 1009 | 4000..=4099 => Course::Never,
        4100..=4199 => Course::Later,
        _ => Course::Return,
    }
}
