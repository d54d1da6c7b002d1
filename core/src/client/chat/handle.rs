//! The chat that a program holds in its hands.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::driver::Driver;
use super::event::{Event, State};
use super::machine::Machine;
use super::message::{Act, Me, Member, RoomLine};
use super::options::ChatOptions;
use super::request::{From, Hit, Joined, Page, Place, Post, Reply, Request, Sent};
use super::room::Room;
use super::shared::Shared;
use crate::client::masks::Masks;
use crate::client::url::Url;
use crate::error::{Error, ErrorCode};
use crate::id::Position;

/// A chat client that stays: it connects, comes back, and goes on where it was.
///
/// Clones are handles to the same chat; it is closed when the last of them is dropped. Requests wait while there is no
/// connection (those that are for the moment fail), and say how it went when the server does; a future that is
/// dropped stops waiting, not the request. See [`Request`] for which are made twice and which are not.
#[derive(Clone)]
pub struct Chat {
    owner: Arc<Owner>,
}

/// Closes the chat when the last handle goes.
struct Owner {
    shared: Arc<Shared>,
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Chat {
    /// Begins to connect, in a task of its own, and returns at once. [`State`]s come as events.
    ///
    /// Must be called within a tokio runtime that has its IO and its time enabled.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorCode::InvalidArgument): the URL, or what the store gave cannot be read.
    /// [`InvalidOption`](ErrorCode::InvalidOption): a number out of its range. And what the store fails with.
    pub fn connect(options: ChatOptions) -> Result<Chat, Error> {
        Url::parse(&options.url)?;
        options.socket.check()?;
        let seed = u64::from_be_bytes(Masks::new().next()?);
        let saved = options.store.as_ref().map(|store| store.load()).transpose()?.flatten();
        let machine = match saved {
            Some(saved) => Machine::restored(options.settings.clone(), seed, &saved)?,
            None => Machine::new(options.settings.clone(), seed)?,
        };
        let shared = Arc::new(Shared::new(machine, options.max_event_count, options.has_events));
        tokio::spawn(Driver::new(shared.clone(), options).run());
        Ok(Chat { owner: Arc::new(Owner { shared }) })
    }

    /// The next event; `None` when the chat is closed for good and all have been taken. Of several that wait here,
    /// one gets it. May be dropped while it waits: no event is lost.
    ///
    /// While [`max_event_count`](ChatOptions::max_event_count) of them wait, nothing is read from the network.
    pub async fn next(&self) -> Option<Event> {
        poll_fn(|cx| self.owner.shared.poll_event(cx)).await
    }

    /// Closes for good, and waits until the connection is gone, for a few seconds at most. What waits is answered
    /// `connection_closed`, what may have happened `uncertain`.
    pub async fn close(&self) {
        self.owner.shared.close();
        poll_fn(|cx| self.owner.shared.poll_over(cx)).await;
    }

    /// How it stands with the connection.
    pub fn state(&self) -> State {
        self.owner.shared.look(Machine::state)
    }

    /// Who the user is; `None` before the first connection.
    pub fn me(&self) -> Option<Me> {
        self.owner.shared.look(|machine| machine.me().cloned())
    }

    /// A room that the user is in, as it stands now: its messages, folded, and its counts.
    pub fn room(&self, name: &str) -> Option<Room> {
        self.owner.shared.look(|machine| machine.room(name).cloned())
    }

    /// The names of the rooms that the user is in, as far as this client knows.
    pub fn room_names(&self) -> Vec<String> {
        self.owner.shared.look(|machine| machine.rooms().map(|(name, _)| name.to_owned()).collect())
    }

    /// How many changes have no answer yet.
    pub fn outbox_count(&self) -> usize {
        self.owner.shared.look(|machine| machine.outbox().count())
    }

    /// Asks for anything; the methods below are this with the right answer.
    ///
    /// # Errors
    /// What the server refuses, by its code; [`Error::refusal`] has all that it said. Of the client's own:
    /// [`Uncertain`](ErrorCode::Uncertain): it was sent, and nobody knows whether it happened.
    /// [`Busy`](ErrorCode::Busy): too many wait. [`ConnectionLost`](ErrorCode::ConnectionLost): it is for the
    /// moment, and there is no connection. [`ConnectionClosed`](ErrorCode::ConnectionClosed): the chat is closed.
    /// [`InvalidArgument`](ErrorCode::InvalidArgument): what should be JSON is none.
    pub async fn request(&self, request: Request) -> Result<Reply, Error> {
        let answer = self.owner.shared.ask(request);
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(Error::new(ErrorCode::ConnectionClosed, "the chat's runtime has ended")),
        }
    }

    /// Enters a room, with its newest messages.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn join(&self, room: &str) -> Result<Joined, Error> {
        self.enter(room, None).await
    }

    /// Enters a room that is known up to a position: what happened since comes as events.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn join_since(&self, room: &str, since: Position) -> Result<Joined, Error> {
        self.enter(room, Some(since)).await
    }

    async fn enter(&self, room: &str, since: Option<Position>) -> Result<Joined, Error> {
        match self.request(Request::Join { room: room.into(), history: None, since }).await? {
            Reply::Joined(joined) => Ok(joined),
            other => Err(unexpected(&other)),
        }
    }

    /// Leaves a room, once what was to be said there before has been.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn leave(&self, room: &str) -> Result<(), Error> {
        self.done(Request::Leave { room: room.into() }).await
    }

    /// Says something in a room.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn send(&self, room: &str, text: &str) -> Result<Sent, Error> {
        self.post(Post::to_room(room, text)).await
    }

    /// Says something to one user; the room for that is in the answer.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn send_to(&self, user: &str, text: &str) -> Result<Sent, Error> {
        self.post(Post::to_user(user, text)).await
    }

    /// Says something, with all that may belong to it.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn post(&self, post: Post) -> Result<Sent, Error> {
        self.change(Request::Send(post)).await
    }

    /// Gives the message at an offset another text.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn edit(&self, room: &str, offset: u64, text: &str) -> Result<Sent, Error> {
        self.change(Request::Edit { room: room.into(), offset, text: text.into() }).await
    }

    /// Takes the message at an offset away. Nobody else sees the reason.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn delete(&self, room: &str, offset: u64, reason: Option<&str>) -> Result<Sent, Error> {
        let reason = reason.map(str::to_owned);
        self.change(Request::Delete { room: room.into(), offset, reason }).await
    }

    /// Puts an emoji on the message at an offset, or takes it off.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn react(&self, room: &str, offset: u64, emoji: &str, add: bool) -> Result<Sent, Error> {
        self.change(Request::React { room: room.into(), offset, emoji: emoji.into(), add }).await
    }

    async fn change(&self, request: Request) -> Result<Sent, Error> {
        match self.request(request).await? {
            Reply::Sent(sent) => Ok(sent),
            other => Err(unexpected(&other)),
        }
    }

    /// One page of a room's history. What is before the messages that are kept joins them, as far as there is room.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn history(&self, room: &str, from: From, limit: Option<u64>) -> Result<Page, Error> {
        match self.request(Request::History { room: room.into(), from, limit }).await? {
            Reply::Page(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Some of a room's members, how many there are, and where the next part begins.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn members(
        &self,
        room: &str,
        cursor: Option<String>,
    ) -> Result<(Vec<Member>, u64, Option<String>), Error> {
        match self.request(Request::Members { room: room.into(), limit: None, cursor }).await? {
            Reply::Members { members, member_count, cursor } => Ok((members, member_count, cursor)),
            other => Err(unexpected(&other)),
        }
    }

    /// Some of the user's rooms, direct ones too, and where the next part begins.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn rooms(&self, cursor: Option<String>) -> Result<(Vec<RoomLine>, Option<String>), Error> {
        match self.request(Request::Rooms { limit: None, cursor }).await? {
            Reply::Rooms { rooms, cursor } => Ok((rooms, cursor)),
            other => Err(unexpected(&other)),
        }
    }

    /// Messages by their words, in one room or in all, and where the next part begins.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn search(
        &self,
        query: &str,
        room: Option<&str>,
        cursor: Option<String>,
    ) -> Result<(Vec<Hit>, Option<String>), Error> {
        let (query, room) = (query.to_owned(), room.map(str::to_owned));
        match self.request(Request::Search { query, room, from_user: None, limit: None, cursor }).await? {
            Reply::Found { hits, cursor } => Ok((hits, cursor)),
            other => Err(unexpected(&other)),
        }
    }

    /// Says up to where the user has read; gives where it stands, since it only ever rises.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn read(&self, room: &str, offset: u64) -> Result<u64, Error> {
        match self.request(Request::Read { room: room.into(), offset }).await? {
            Reply::Read { offset } => Ok(offset),
            other => Err(unexpected(&other)),
        }
    }

    /// Says that the user is typing, or no more. It ends by itself after 6 seconds.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn typing(&self, room: &str, active: bool) -> Result<(), Error> {
        self.done(Request::Typing { room: room.into(), active }).await
    }

    /// Carries JSON to those who are there, in no log.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn tell(&self, to: Place, json: &str) -> Result<(), Error> {
        self.done(Request::Tell { to, data: json.into() }).await
    }

    /// Takes another name; gives it as the server writes it, and the colour.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn rename(&self, name: &str) -> Result<(String, String), Error> {
        match self.request(Request::Rename { name: name.into() }).await? {
            Reply::Renamed { name, color } => Ok((name, color)),
            other => Err(unexpected(&other)),
        }
    }

    /// Moderates in one room; gives where the record of it stands.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn moderate(&self, room: &str, act: Act) -> Result<Position, Error> {
        match self.request(Request::Moderate { room: room.into(), act }).await? {
            Reply::Moderated { position } => Ok(position),
            other => Err(unexpected(&other)),
        }
    }

    /// Hides a user from this one, while it is on.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn block(&self, user: &str, on: bool) -> Result<(), Error> {
        self.done(Request::Block { user: user.into(), on }).await
    }

    /// Asks the host's program; what it says is JSON, and so is `json`.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn call(&self, method: &str, json: &str) -> Result<String, Error> {
        match self.request(Request::Call { method: method.into(), data: json.into() }).await? {
            Reply::Called { data } => Ok(data),
            other => Err(unexpected(&other)),
        }
    }

    /// Shows a new token before the old one ends; gives when that one will, in Unix milliseconds of the server's
    /// clock. With [`token_with`](ChatOptions::token_with) that is done by itself.
    ///
    /// # Errors
    /// As [`request`](Chat::request).
    pub async fn refresh(&self, token: &str) -> Result<u64, Error> {
        match self.request(Request::Refresh { token: token.into() }).await? {
            Reply::Refreshed { expires_at_ms } => Ok(expires_at_ms),
            other => Err(unexpected(&other)),
        }
    }

    async fn done(&self, request: Request) -> Result<(), Error> {
        self.request(request).await.map(|_| ())
    }
}

impl Stream for Chat {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.owner.shared.poll_event(cx)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Each request has one kind of answer, which the machine gives.
fn unexpected(reply: &Reply) -> Error {
    Error::new(ErrorCode::Internal, format!("the answer is of another request: {reply:?}"))
}
