//! The chat client without socket, thread, clock or chance: what comes in, and what is to be done.

use std::collections::{BTreeMap, VecDeque};

use super::calls::{Calls, Purpose, is_change, is_momentary, room_of};
use super::catch_up::CatchUp;
use super::dice::Dice;
use super::documents;
use super::event::{Action, Event, State};
use super::message::Me;
use super::outbox::{Change, Outbox};
use super::request::{From, Reply, Request, RequestId};
use super::room::Room;
use super::saved::Saved;
use super::settings::Settings;
use super::talk::Talk;
use crate::dialect::json::Json;
use crate::error::{Error, ErrorCode, Refusal};

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
        let change = Change { body, mid, open_count: 0, first_sent_ms: None, is_sent: false, doubt_count: 0 };
        self.changes.add(id, change);
        self.saved.wish();
    }

    /// Puts a change back that was saved. It counts as sent when it was asked for, if nothing better is known.
    pub(super) fn restore_change(&mut self, body: Request, mid: String, first_sent_ms: Option<u64>) {
        let id = self.new_request();
        let open_count = u32::from(first_sent_ms.is_some());
        self.changes.add(id, Change { body, mid, open_count, first_sent_ms, is_sent: false, doubt_count: 0 });
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

    /// Sends what may be sent.
    pub(super) fn flush(&mut self) {
        self.give_up_old_changes();
        if !self.talk.is_open() {
            return;
        }
        let changes = &self.changes;
        let holds_up = |room: &str, before: RequestId| {
            changes
                .all()
                .take_while(|(id, _)| *id < before)
                .any(|(_, change)| room_of(&change.body) == Some(room))
        };
        let mut texts = Vec::new();
        while let Some((request, call)) = self.calls.next(self.now_ms, holds_up) {
            let id = self.talk.new_id();
            self.unanswered.insert(id, request);
            texts.push(documents::request(id, &call.body, None));
        }
        while let Some((request, change)) = self.changes.next(self.now_ms) {
            let id = self.talk.new_id();
            self.unanswered.insert(id, request);
            texts.push(documents::request(id, &change.body, Some(&change.mid)));
            self.saved.wish();
        }
        for text in texts {
            self.say(text);
        }
    }

    /// How long after it was first sent a change may be sent again. A little less than the server says, because what is
    /// sent then has a way to go.
    pub(super) fn sendable_ms(&self) -> u64 {
        let dedupe_ms = self.me().and_then(|me| me.limits.get("dedupe_ms")).copied().unwrap_or(DEDUPE_MS);
        dedupe_ms - (dedupe_ms / 10).min(MAX_MARGIN_MS)
    }

    fn give_up_old_changes(&mut self) {
        let Some(until_ms) = self.now_ms.checked_sub(self.sendable_ms()) else { return };
        for id in self.changes.open_since(until_ms) {
            self.give_up(id, "it was sent, and had no reply for as long as it may be sent again", None);
        }
    }

    /// A change of which nobody knows whether it happened.
    pub(super) fn give_up(&mut self, id: RequestId, words: &str, refusal: Option<Refusal>) {
        if self.changes.take(id).is_some() {
            self.saved.wish();
            let error = Error::new(ErrorCode::Uncertain, words);
            let error = match refusal {
                Some(refusal) => error.with_refusal(refusal),
                None => error,
            };
            self.answer(id, Err(error));
        }
    }

    /// A reply to anything but `hello`.
    pub(super) fn replied(&mut self, id: u64, result: Result<Json<'_>, Refusal>) {
        let Some(request) = self.unanswered.remove(&id) else { return };
        if self.changes.get(request).is_some() {
            self.change_replied(request, result);
        } else if let Some(call) = self.calls.take(request) {
            match call.purpose {
                Purpose::Host => self.host_replied(request, call.body, result),
                Purpose::Refresh => self.refreshed(result),
                Purpose::CatchUp => self.caught_up(request, call.body, result),
                Purpose::Rejoin => self.rejoined(call.body, result),
            }
        }
        self.flush();
    }

    fn change_replied(&mut self, request: RequestId, result: Result<Json<'_>, Refusal>) {
        let Some(change) = self.changes.get(request) else { return };
        let refusal = match result {
            Ok(ok) => {
                let sent = documents::sent(ok, room_of(&change.body), &change.mid).map(Reply::Sent);
                self.changes.take(request);
                self.saved.wish();
                return self.answer(request, sent.map_err(unreadable));
            }
            Err(refusal) => refusal,
        };
        let code = ErrorCode::from_number(refusal.number);
        let wait_ms = refusal.retry_after_ms.unwrap_or(RETRY_MS);
        let (is_open, is_later) = (refusal.open == Some(true), refusal.retry_after_ms.is_some());
        if is_open {
            // It has a place, and only the same mid once more can say whether it stays.
            let doubled = RETRY_MS << change.doubt_count.min(5);
            self.changes.put_back(request, false, self.now_ms + wait_ms.max(doubled));
        } else if code == Some(ErrorCode::RateLimited) || code == Some(ErrorCode::Busy) && is_later {
            self.changes.put_back(request, true, self.now_ms + wait_ms);
        } else if change.open_count > 1 {
            let words = format!("it was sent before and had no reply, and now: {}", refusal.message);
            self.give_up(request, &words, Some(refusal));
        } else {
            self.changes.take(request);
            self.saved.wish();
            self.answer(request, Err(Error::refused(refusal)));
        }
    }

    fn host_replied(&mut self, request: RequestId, body: Request, result: Result<Json<'_>, Refusal>) {
        let ok = match result {
            Ok(ok) => ok,
            Err(refusal) => {
                // Sent once more after a break, it was done the first time.
                let is_left = matches!(body, Request::Leave { .. })
                    && ErrorCode::from_number(refusal.number) == Some(ErrorCode::NotMember);
                if let (true, Some(room)) = (is_left, room_of(&body)) {
                    self.drop_room(room);
                    return self.answer(request, Ok(Reply::Done));
                }
                return self.answer(request, Err(Error::refused(refusal)));
            }
        };
        if let Request::Join { room, since, .. } = &body {
            return match documents::entered(ok) {
                Ok(entered) => self.joined(request, room, *since, entered),
                Err(why) => self.answer(request, Err(unreadable(why))),
            };
        }
        let reply = match documents::reply(&body, ok) {
            Ok(reply) => reply,
            Err(why) => return self.answer(request, Err(unreadable(why))),
        };
        match (&body, &reply) {
            (Request::Leave { room }, _) => self.drop_room(room),
            (Request::Read { room, .. }, Reply::Read { offset }) => self.set_read(room, *offset),
            (Request::Rename { .. }, Reply::Renamed { name, color }) => self.talk.renamed(name, color),
            (Request::Rooms { .. }, Reply::Rooms { rooms, .. }) => {
                for line in rooms {
                    if let Some(room) = self.rooms.get_mut(&line.room) {
                        room.topic = Some(line.topic.clone());
                        room.with = line.with.clone();
                    }
                }
            }
            (Request::History { room, from: From::Before(before), .. }, Reply::Page(page)) => {
                let max = self.settings.numbers.kept_message_count as usize;
                if let Some(room) = self.rooms.get_mut(room)
                    && room.oldest() == Some(*before)
                {
                    room.prepend(&page.messages, page.position, page.more, max);
                }
            }
            (Request::Refresh { .. }, Reply::Refreshed { expires_at_ms }) => self.expires_at(*expires_at_ms),
            _ => {}
        }
        self.answer(request, Ok(reply));
    }

    pub(super) fn set_read(&mut self, room: &str, offset: u64) {
        let me = self.talk.me.as_ref().map_or("", |me| me.user.as_str());
        if let Some(room) = self.rooms.get_mut(room) {
            room.set_read(offset, me);
        }
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

/// The server's reply cannot be read.
pub(super) fn unreadable(why: documents::Unreadable) -> Error {
    Error::new(ErrorCode::PeerViolation, format!("what the server says cannot be read: {}", why.0))
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
/// For so long a server knows a `mid` that does not say for how long.
const DEDUPE_MS: u64 = 86_400_000;
const MAX_MARGIN_MS: u64 = 60_000;
/// When a server asks to wait and does not say how long.
const RETRY_MS: u64 = 1_000;
