//! Chat clients on the simulated network: the machine of [`client::chat`](crate::client::chat), with this clock and these
//! lines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::client::chat::{Action, Event, Machine, Message, Reply, Request, RequestId, Settings};
use crate::error::{Error, ErrorCode};

use super::agenda::Due;
use super::{LineId, Link, Shown, Sim, V1, What};

/// A chat client of a simulation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u32);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.0)
    }
}

/// What a chat client tells its host.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Told {
    /// Something happened.
    Event(Event),
    /// A request has its answer.
    Answered {
        /// Which.
        request: RequestId,
        /// What.
        result: Result<Reply, Error>,
    },
}

/// A client, and its way to the engine.
#[derive(Debug)]
pub(super) struct Pilot {
    machine: Machine,
    settings: Settings,
    link: Link,
    line: Option<LineId>,
    /// When the machine wants to be told of the time.
    tick_us: Option<u64>,
    told: VecDeque<(u64, Told)>,
}

impl Sim {
    /// Starts a chat client, which connects by lines of this kind whenever it wants to. What it tells waits in
    /// [`told`](Sim::told); when its settings ask for a token, it is given the text `token`.
    ///
    /// ```
    /// # use klatsch::{Options, sim::{Link, Sim}, client::chat::{Post, Request, Settings}};
    /// # fn main() -> Result<(), klatsch::Error> {
    /// let mut sim = Sim::new(&Options::new(), 1)?;
    /// let ann = sim.client(Settings::new().name("Ann"), Link::new())?;
    /// sim.request(ann, Request::Join { room: "lobby".into(), history: None, since: None });
    /// sim.request(ann, Request::Send(Post::to_room("lobby", "hello")));
    /// sim.advance(1_000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Machine::new`].
    pub fn client(&mut self, settings: Settings, link: Link) -> Result<ClientId, Error> {
        let machine = Machine::new(settings.clone(), self.random.next())?;
        Ok(self.pilot(machine, settings, link))
    }

    /// Starts a second client that goes on where a first one stands, which does not know of it: two windows of one user, or
    /// a second try while the first is still under way.
    ///
    /// # Errors
    /// As [`Machine::restored`].
    pub fn twin(&mut self, client: ClientId, link: Link) -> Result<ClientId, Error> {
        let first = &self.clients[client.0 as usize];
        let (settings, saved) = (first.settings.clone(), first.machine.saved());
        let machine = Machine::restored(settings.clone(), self.random.next(), &saved)?;
        Ok(self.pilot(machine, settings, link))
    }

    fn pilot(&mut self, machine: Machine, settings: Settings, link: Link) -> ClientId {
        let client = self.clients.len() as u32;
        let pilot = Pilot { machine, settings, link, line: None, tick_us: None, told: VecDeque::new() };
        self.clients.push(pilot);
        self.steer(client, |machine, now_ms| machine.start(now_ms));
        ClientId(client)
    }

    /// Asks for something as a client. The answer is among what it is [told](Sim::told) later.
    pub fn request(&mut self, client: ClientId, request: Request) -> RequestId {
        self.steer(client.0, |machine, now_ms| machine.request(request, now_ms))
    }

    /// Closes a client for good.
    pub fn close_client(&mut self, client: ClientId) {
        self.steer(client.0, Machine::close);
    }

    /// What a client has told its host since it was asked last, and when.
    pub fn told(&mut self, client: ClientId) -> Vec<(u64, Told)> {
        self.clients[client.0 as usize].told.drain(..).collect()
    }

    /// A client as it stands: its state, its rooms, its outbox.
    pub fn machine(&self, client: ClientId) -> &Machine {
        &self.clients[client.0 as usize].machine
    }

    /// The line that a client has now: to cut it, to have it hang or be slow.
    pub fn line_of(&self, client: ClientId) -> Option<LineId> {
        self.clients[client.0 as usize].line
    }

    /// What a client's lines are like from the next one on.
    pub fn set_link(&mut self, client: ClientId, link: Link) {
        self.clients[client.0 as usize].link = link;
    }

    /// Gives what a client holds of a room to the [judge](Sim::judge), under a name; `false`: it is not in the room.
    pub fn compare(&mut self, client: ClientId, name: &str, room: &str) -> bool {
        let at_ms = self.now_ms();
        let Some(state) = self.clients[client.0 as usize].machine.room(room) else { return false };
        let shown: Vec<Shown> = state.messages().map(|message| shown_of(message)).collect();
        // Where there are older messages than it keeps, it is whole from the first that it has.
        let since = match state.more() {
            true => shown.first().map_or(state.position().offset + 1, |first| first.position.offset),
            false => 0,
        };
        let user = self.clients[client.0 as usize].machine.me().map_or("", |me| me.user.as_str());
        if let Some(checker) = &mut self.checker {
            let hidden = checker.hidden_from(user);
            checker.compare(at_ms, name, room, since, &shown, &hidden);
        }
        true
    }

    /// A client's line has something to say.
    pub(super) fn tell_client(&mut self, client: u32, line: LineId, what: What) {
        if self.clients[client as usize].line != Some(line) {
            return;
        }
        if matches!(what, What::Closed { .. } | What::Refused { .. }) {
            self.clients[client as usize].line = None;
        }
        self.steer(client, |machine, now_ms| match what {
            What::Opened { .. } => machine.opened(now_ms),
            What::Text(text) => machine.received(&text, now_ms),
            What::Binary(_) => machine.heard(now_ms),
            What::Closed { code, reason } => machine.closed(code, &reason, now_ms),
            What::Refused { status, reason } => {
                let words = format!("the engine answered {status}: {reason}");
                machine.failed(&Error::new(ErrorCode::HandshakeRefused, words), now_ms);
            }
        });
    }

    /// It is time for a client to look at the clock.
    pub(super) fn tick(&mut self, client: u32) {
        if self.clients[client as usize].tick_us.is_some_and(|tick_us| tick_us <= self.now_us) {
            self.clients[client as usize].tick_us = None;
            self.steer(client, Machine::tick);
        }
    }

    /// Has a client's machine do something, and does what it wants done.
    fn steer<T>(&mut self, client: u32, act: impl FnOnce(&mut Machine, u64) -> T) -> T {
        let now_ms = self.now_ms();
        let index = client as usize;
        let result = act(&mut self.clients[index].machine, now_ms);
        while let Some(action) = self.clients[index].machine.next_action() {
            match action {
                Action::Connect => {
                    let link = self.clients[index].link.clone();
                    let line = self.connect("/", &[V1], link);
                    self.lines[line.0 as usize].owner = Some(client);
                    self.clients[index].line = Some(line);
                }
                Action::Send(text) => {
                    if let Some(line) = self.clients[index].line {
                        self.send(line, &text);
                    }
                }
                Action::Close { code, reason } => {
                    if let Some(line) = self.clients[index].line.take() {
                        self.close(line, code, &reason);
                    }
                }
                Action::Token => self.clients[index].machine.token(Ok(TOKEN.into()), now_ms),
                Action::Save => {}
                Action::Event(event) => self.clients[index].told.push_back((now_ms, Told::Event(event))),
                Action::Answered { request, result } => {
                    self.clients[index].told.push_back((now_ms, Told::Answered { request, result }));
                }
            }
        }
        let pilot = &mut self.clients[index];
        if let Some(deadline_ms) = pilot.machine.next_deadline_ms() {
            let at_us = deadline_ms.saturating_mul(1_000).max(self.now_us + 1);
            if pilot.tick_us.is_none_or(|tick_us| tick_us > at_us) {
                pilot.tick_us = Some(at_us);
                self.agenda.add(at_us, Due::Tick(client));
            }
        }
        result
    }
}

fn shown_of(message: &Message) -> Shown {
    let users = |users: &[String]| users.iter().cloned().collect::<BTreeSet<String>>();
    let reactions = message.reactions.iter().map(|reaction| (reaction.emoji.clone(), users(&reaction.users)));
    Shown {
        position: message.position,
        user: message.user.clone(),
        mid: message.mid.clone(),
        text: message.text.clone(),
        revision: message.revision,
        reactions: reactions.filter(|(_, users)| !users.is_empty()).collect::<BTreeMap<_, _>>(),
    }
}

const TOKEN: &str = "token";
