//! What is said, by whom, where, and in which order.
//!
//! In: connections that come and go, commands of clients, calls and answers of the host, the time, the logs. Out:
//! effects, for the server to carry out. Knows nothing of sockets, of JSON, of who reads how fast, or of how records
//! are kept.

mod answers;
mod arrive;
mod connection;
mod direct;
mod effect;
mod entry;
mod expiry;
mod hello;
mod host;
mod linger;
mod log;
mod moderate;
mod names;
mod page;
mod people;
mod post;
mod presence;
mod requests;
mod rights;
mod room;
mod rules;
mod session;
mod talk;
mod ticket;
mod timers;
mod tutorial;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub(crate) use connection::Knock;
pub(crate) use effect::{Effect, Flow, Given};
pub(crate) use log::{Log, Reach, Seen, Sent};
pub(crate) use room::RoomKey;

use crate::event::Dialect;
use crate::id::{ConnectionId, RoomName, UserId, UserName};
use crate::message::Color;
use crate::rate::Rate;
use crate::time::Now;

use connection::{Connection, Who};
use names::{Names, Palette};
use requests::Requests;
use room::Rooms;
use rules::Terms;
use session::{Sessions, User};
use ticket::Tickets;
use timers::{Due, Timers};

/// What the host's options say about the chat.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) host_name: UserName,
    pub(crate) host_color: Color,
    pub(crate) reserved_names: Vec<UserName>,
    /// Two users whom the host named may have one name.
    pub(crate) repeat_given_names: bool,
    pub(crate) message_rate: Rate,
    pub(crate) tell_rate: Rate,
    pub(crate) max_text_bytes: u64,
    pub(crate) max_data_bytes: u64,
    pub(crate) max_message_bytes: u64,
    pub(crate) max_room_count: u64,
    pub(crate) max_connection_room_count: u64,
    pub(crate) max_user_connection_count: u64,
    pub(crate) max_session_count: u64,
    pub(crate) max_page_count: u64,
    pub(crate) max_reaction_count: u64,
    pub(crate) max_presence_count: u64,
    pub(crate) hello_timeout_ms: u64,
    pub(crate) heartbeat_interval_ms: u64,
    pub(crate) linger_ms: u64,
    pub(crate) session_ms: u64,
    pub(crate) dedupe_ms: u64,
    pub(crate) ask_admit: bool,
    pub(crate) ask_may_join: bool,
    pub(crate) ask_may_send: bool,
    pub(crate) ask_call: bool,
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
    pub(crate) knock: Option<Box<Knock>>,
}

/// What a call has at hand: the time, the logs, secrets that nobody can guess, and the place to say what is to be done.
pub(crate) struct Moment<'a> {
    pub(crate) now: Now,
    pub(crate) log: &'a mut dyn Log,
    pub(crate) secret: &'a mut dyn FnMut() -> [u8; 16],
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl Moment<'_> {
    fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// A secret as text.
    fn secret(&mut self) -> String {
        (self.secret)().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The chat of one engine.
#[derive(Debug)]
pub(crate) struct Chat {
    settings: Settings,
    host: Arc<Who>,
    rooms: Rooms,
    /// Boxed, because a map has places to spare.
    connections: HashMap<ConnectionId, Box<Connection>>,
    /// Users whom the host named, and those who talk v1. Everybody else is who their connection is.
    users: HashMap<UserId, User>,
    sessions: Sessions,
    names: Names,
    palette: Palette,
    requests: Requests,
    tickets: Tickets,
    timers: Timers,
    /// Who may not be here at all.
    banned: Terms<UserId>,
    banned_addresses: Terms<IpAddr>,
    guest_count: u64,
}

impl Chat {
    /// `seed` decides the order of the colours.
    pub(crate) fn new(settings: Settings, seed: u64) -> Chat {
        let host = Who { user: UserId::host(), name: settings.host_name.clone(), color: settings.host_color };
        Chat {
            host: Arc::new(host),
            rooms: Rooms::new(settings.max_room_count),
            connections: HashMap::new(),
            users: HashMap::new(),
            sessions: Sessions::new(settings.max_session_count, settings.session_ms),
            names: Names::new(&settings.host_name, &settings.reserved_names),
            palette: Palette::new(seed),
            requests: Requests::new(settings.question_count, settings.question_timeout_ms),
            tickets: Tickets::default(),
            timers: Timers::default(),
            banned: Terms::default(),
            banned_addresses: Terms::default(),
            guest_count: 0,
            settings,
        }
    }

    /// Does what is due: refuses what the host has not answered in time, lets go of who has not come back.
    pub(crate) fn expire(&mut self, at: &mut Moment<'_>) {
        let now_ms = at.now.ticks_ms;
        while let Some(open) = self.requests.expired(now_ms) {
            self.refused(open, answers::No::Unheard(NO_ANSWER), at);
        }
        while let Some(due) = self.timers.take(now_ms) {
            match due {
                Due::Hello(connection) => self.no_hello(connection, at),
                Due::Linger(session, turn) => self.lingered(session, turn, at),
                Due::Expiry(connection) => self.expired(connection, at),
                Due::Count(room) => self.tell_count(room, at),
            }
        }
        while let Some(session) = self.sessions.ended(now_ms) {
            self.end_session(session, at);
        }
    }

    /// When [`expire`](Chat::expire) has something to do next, in ticks.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let next = [self.requests.next_deadline_ms(), self.timers.next_ms(), self.sessions.next_ms()];
        next.into_iter().flatten().min()
    }
}

const NO_ANSWER: &str = "the host gave no answer within question_timeout_ms";
const NOT_ASKED: &str = "the host could not be asked: it takes no events, or too many wait for it";
const TOO_MANY_QUESTIONS: &str = "as many questions are open as question_count allows";

#[cfg(test)]
mod tests;
