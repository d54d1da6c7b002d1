//! The chat client without socket, thread, clock or chance: what comes in, and what is to be done.

use std::collections::{BTreeMap, VecDeque};

use super::calls::{Calls, Purpose, is_change, is_momentary};
use super::catch_up::CatchUp;
use super::dice::Dice;
use super::event::{Action, Event, State};
use super::message::Me;
use super::outbox::{Change, Outbox};
use super::request::{Reply, Request, RequestId};
use super::room::Room;
use super::saved::Saved;
use super::settings::Settings;
use super::talk::Talk;
use crate::dialect::json::Json;
use crate::error::{Error, ErrorCode};

/// A chat client without socket, thread, clock or chance of its own: for whoever has an event loop already, and for
/// simulations.
///
/// Tell it what happens, by the methods that take `now_ms`; after each of them do all that
/// [`next_action`](Machine::next_action) gives, in its order; and at [`next_deadline_ms`](Machine::next_deadline_ms),
/// call [`tick`](Machine::tick). `now_ms` is in milliseconds by one clock that does not go back; let it be the Unix
/// time where what is [`saved`](Machine::saved) outlives the process.
///
/// ```
/// use klatsch::client::chat::{Action, Machine, Post, Request, Settings};
/// # fn main() -> Result<(), klatsch::Error> {
/// let mut machine = Machine::new(Settings::new().name("Ann"), 7)?;
/// machine.start(0);
/// assert!(matches!(machine.next_action(), Some(Action::Event(_)))); // the state: connecting
/// assert!(matches!(machine.next_action(), Some(Action::Connect)));
/// machine.opened(5);
/// let Some(Action::Send(hello)) = machine.next_action() else { panic!("it says hello first") };
/// assert_eq!(hello, r#"{"id":1,"do":"hello","name":"Ann","heartbeat_ms":25000}"#);
/// // What is asked for now waits until the server has answered that.
/// machine.request(Request::Send(Post::to_room("lobby", "hi")), 6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Machine {
    pub(super) settings: Settings,
    pub(super) dice: Dice,
    pub(super) now_ms: u64,
    pub(super) actions: VecDeque<Action>,
    pub(super) talk: Talk,
    pub(super) rooms: BTreeMap<String, Room>,
    /// The rooms whose events are held back until what is missing has come.
    pub(super) catching: BTreeMap<String, CatchUp>,
    pub(super) changes: Outbox,
    pub(super) calls: Calls,
    /// What each id on the wire is the request of.
    pub(super) unanswered: BTreeMap<u64, RequestId>,
    next_request: u64,
    /// What makes the ids of changes this client's own.
    mid_prefix: String,
    saved: Saved,
}

impl Machine {
    /// A client that has never been anywhere. `seed`: random, and another for each client: the ids of its
    /// changes come from it.
    ///
    /// # Errors
    /// [`InvalidOption`](ErrorCode::InvalidOption): a number out of its range.
    pub fn new(settings: Settings, seed: u64) -> Result<Machine, Error> {
        settings.check()?;
        let mut dice = Dice::new(seed);
        let mid_prefix = format!("{:016x}", dice.next());
        let talk = Talk::new(settings.name.clone());
        Ok(Machine {
            settings,
            dice,
            now_ms: 0,
            actions: VecDeque::new(),
            talk,
            rooms: BTreeMap::new(),
            catching: BTreeMap::new(),
            changes: Outbox::default(),
            calls: Calls::default(),
            unanswered: BTreeMap::new(),
            next_request: 1,
            mid_prefix,
            saved: Saved::default(),
        })
    }

    /// A client that goes on where one stopped that [`saved`](Machine::saved) this: with its session, its rooms from
    /// their positions on, and the changes that have no answer yet. These are answered under the ids that
    /// [`outbox`](Machine::outbox) lists.
    ///
    /// # Errors
    /// As [`new`](Machine::new); [`InvalidArgument`](ErrorCode::InvalidArgument): what was saved cannot be read.
    pub fn restored(settings: Settings, seed: u64, saved: &str) -> Result<Machine, Error> {
        let mut machine = Machine::new(settings, seed)?;
        machine.restore(saved)?;
        Ok(machine)
    }

    /// Begins. Before it, and after the end, requests fail or wait.
    pub fn start(&mut self, now_ms: u64) {
        self.turn_to(now_ms);
        self.begin();
    }

    /// The WebSocket is open, with `klatsch.v1` agreed on.
    pub fn opened(&mut self, now_ms: u64) {
        self.turn_to(now_ms);
        self.say_hello();
    }

    /// A text message has come.
    pub fn received(&mut self, text: &str, now_ms: u64) {
        self.turn_to(now_ms);
        self.hear(text);
    }

    /// The server lives, although no whole message came; or nothing was read, because the host was too slow.
    pub fn heard(&mut self, now_ms: u64) {
        self.turn_to(now_ms);
        self.talk.heard_ms = self.now_ms;
    }

    /// The WebSocket is closed: `code` and `reason` of the server's close frame, 1006 where there was none.
    pub fn closed(&mut self, code: u16, reason: &str, now_ms: u64) {
        self.turn_to(now_ms);
        self.lose(code, reason);
    }

    /// There is no WebSocket, for this reason. One that another try cannot mend closes the client for good: an argument,
    /// an option.
    pub fn failed(&mut self, error: &Error, now_ms: u64) {
        self.turn_to(now_ms);
        self.fail(error);
    }

    /// The token that was asked for by [`Action::Token`], or why there is none.
    pub fn token(&mut self, token: Result<String, Error>, now_ms: u64) {
        self.turn_to(now_ms);
        self.take_token(token);
    }

    /// Time has gone on.
    pub fn tick(&mut self, now_ms: u64) {
        self.turn_to(now_ms);
        self.watch_time();
        self.flush();
    }

    /// When [`tick`](Machine::tick) is wanted next; `None`: never, as things stand.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let mut deadlines = vec![self.talk_deadline_ms(), self.saved.deadline_ms()];
        if self.talk.is_open() {
            deadlines.push(self.changes.goes_on_at_ms(self.now_ms));
            deadlines.push(self.calls.goes_on_at_ms(self.now_ms));
        }
        if !self.talk.is_ended() {
            deadlines.push(self.changes.oldest_open_ms().map(|sent| sent.saturating_add(self.sendable_ms())));
        }
        deadlines.into_iter().flatten().min()
    }

    /// What is to be done next; `None`: nothing more for now.
    pub fn next_action(&mut self) -> Option<Action> {
        if self.settings.saves && self.saved.take_wish() {
            return Some(Action::Save);
        }
        self.actions.pop_front()
    }

    /// Asks for something. The answer comes as [`Action::Answered`] with this id: at the latest when the client is
    /// closed, else whenever there is one. Which requests wait, and which are sent twice, says [`Request`].
    pub fn request(&mut self, request: Request, now_ms: u64) -> RequestId {
        self.turn_to(now_ms);
        let id = self.new_request();
        if let Err(error) = self.accept(id, request) {
            self.answer(id, Err(error));
        }
        self.flush();
        id
    }

    /// Closes for good, with 1000. What waits is answered `connection_closed`, what may have happened `uncertain`; what was
    /// [`saved`](Machine::saved) still has it, for a client that goes on.
    pub fn close(&mut self, now_ms: u64) {
        self.turn_to(now_ms);
        self.end_by_wish();
    }

    /// How it stands with the connection.
    pub fn state(&self) -> State {
        self.talk.state()
    }

    /// Who the client is; `None` before the first reply to `hello`.
    pub fn me(&self) -> Option<&Me> {
        self.talk.me.as_ref()
    }

    /// A room that the user is in.
    pub fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.get(name)
    }

    /// The rooms that the user is in, by their names.
    pub fn rooms(&self) -> impl Iterator<Item = (&str, &Room)> {
        self.rooms.iter().map(|(name, room)| (name.as_str(), room))
    }

    /// The changes that have no answer yet, in their order: the id under which it comes, the `mid`, and what is asked
    /// for.
    pub fn outbox(&self) -> impl Iterator<Item = (RequestId, &str, &Request)> {
        self.changes.all().map(|(id, change)| (id, change.mid.as_str(), &change.body))
    }

    /// All that another client needs to go on here: text, to be kept as a secret. [`Action::Save`] says when it has
    /// changed.
    pub fn saved(&self) -> String {
        self.saved_text()
    }

    fn turn_to(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    pub(super) fn new_request(&mut self) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        id
    }

    fn accept(&mut self, id: RequestId, request: Request) -> Result<(), Error> {
        if let Some(why) = self.talk.ended_words() {
            return Err(Error::new(ErrorCode::ConnectionClosed, why));
        }
        if is_momentary(&request) && !self.talk.is_open() {
            let words = "there is no connection, and this is for the moment only";
            return Err(Error::new(ErrorCode::ConnectionLost, words));
        }
        check_json(&request)?;
        let (count, max) = (self.settings.numbers.max_outbox_count as usize, "max_outbox_count");
        let held = if is_change(&request) { self.changes.len() } else { self.calls.asked_count() };
        if held >= count {
            return Err(Error::new(ErrorCode::Busy, format!("{held} requests wait; {max} is {count}")));
        }
        if is_change(&request) {
            let mid = format!("{}-{}", self.mid_prefix, id.0);
            self.add_change(id, request, mid);
        } else {
            let body = match request {
                Request::Join { room, history: None, since: None } => {
                    Request::Join { room, history: Some(self.settings.numbers.history), since: None }
                }
                request => request,
            };
            self.calls.add(id, body, Purpose::Host, 0);
        }
        Ok(())
    }

    fn add_change(&mut self, id: RequestId, body: Request, mid: String) {
        let change =
            Change { body, mid, open_count: 0, first_sent_ms: None, is_sent: false, refused_count: 0 };
        self.changes.add(id, change);
        self.saved.wish();
    }

    /// Puts a change back that was saved. It counts as sent when it was asked for, if nothing better is known.
    pub(super) fn restore_change(&mut self, body: Request, mid: String, first_sent_ms: Option<u64>) {
        let id = self.new_request();
        let open_count = u32::from(first_sent_ms.is_some());
        self.changes
            .add(id, Change { body, mid, open_count, first_sent_ms, is_sent: false, refused_count: 0 });
    }

    pub(super) fn answer(&mut self, request: RequestId, result: Result<Reply, Error>) {
        self.actions.push_back(Action::Answered { request, result });
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.actions.push_back(Action::Event(event));
    }

    /// Something is another than what was saved, and must be kept before what follows is done.
    pub(super) fn must_save(&mut self) {
        self.saved.wish();
    }

    /// Something is another than what was saved, and is to be kept soon.
    pub(super) fn may_save(&mut self) {
        if self.settings.saves {
            self.saved.wish_later(self.now_ms);
        }
    }

    pub(super) fn save_in_time(&mut self) {
        self.saved.turn_to(self.now_ms);
    }

    /// The user is in that room no longer.
    pub(super) fn drop_room(&mut self, name: &str) {
        self.catching.remove(name);
        if self.rooms.remove(name).is_some() {
            self.must_save();
        }
    }

    pub(super) fn saved_state(&mut self) -> &mut Saved {
        &mut self.saved
    }

    pub(super) fn frozen(&self) -> Option<&str> {
        self.saved.frozen()
    }
}

/// What a caller gives as JSON becomes a part of the text, so it must be one value and no more.
fn check_json(request: &Request) -> Result<(), Error> {
    let (json, depth) = match request {
        Request::Send(post) => (post.data.as_deref(), MAX_DATA_DEPTH),
        Request::Tell { data, .. } | Request::Call { data, .. } => (Some(data.as_str()), MAX_DATA_DEPTH),
        _ => (None, 0),
    };
    match json.map(|json| Json::parse(json, depth)) {
        Some(Err(why)) => Err(Error::new(ErrorCode::InvalidArgument, format!("data is not JSON: {why}"))),
        _ => Ok(()),
    }
}

/// A text's objects and lists stand 32 deep at most, and the request is one of them.
const MAX_DATA_DEPTH: usize = 31;
