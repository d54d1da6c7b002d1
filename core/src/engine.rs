//! The only door into the core: start, stop, and the host's calls.

mod adopt;
mod life;
pub(crate) mod settings;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod talked;

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, ErrorCode};
use crate::event::{Admission, Verdict};
use crate::events::Events;
use crate::id::{ConnectionId, Position, QuestionId};
use crate::message::{Member, Message, Moderation, Payload, Room, RoomOptions};
use crate::options::Options;
use crate::stats::Stats;

use life::Inner;

/// One running chat inside a host. A handle: clones are the same engine, and when the last one is
/// dropped the engine stops at once, without the drop waiting for it.
///
/// No call blocks on the network, so all of them can be made from any thread and inside any async runtime;
/// only [`stop_blocking`](Engine::stop_blocking) waits.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

impl Engine {
    /// Makes an engine that does not run yet.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidOption`](crate::ErrorCode::InvalidOption): which option, its value, and what it
    /// may be.
    pub fn new(options: Options) -> Result<Engine, Error> {
        Ok(Engine { inner: Arc::new(Inner::new(options)?) })
    }

    /// Takes the events. Call it before [`start`](Engine::start) to hear all of them; nothing is kept for
    /// a host that never calls it. There is one reader: when it is dropped, the events can be taken again.
    ///
    /// # Errors
    /// `events_taken`.
    pub fn events(&self) -> Result<Events, Error> {
        self.inner.events()
    }

    /// Binds, starts the engine's own threads and returns when it listens, with the addresses, one for each
    /// `listen` that is TCP, in their order. Unix sockets are where the options say, so they are not listed.
    ///
    /// # Errors
    /// `already_running`, `cannot_listen`, `invalid_option` (a certificate or key, with its file and the cause),
    /// `system`, `forked`, `internal`.
    pub fn start(&self) -> Result<Vec<SocketAddr>, Error> {
        self.inner.check_process()?;
        self.inner.start()
    }

    /// Stops accepting at once, sends what waits, closes every connection (1001, v1 with a `bye` and 4200; with
    /// [`restarts`](Options::restarts) 1012 and 4202), and is done when the last one is gone, or after `grace`, when the rest is cut. The stopping begins with the call, whether or not
    /// its future is awaited. When that is ready, no thread, task or socket of the engine is left, and the last
    /// event, `stopped`, waits for its reader. Stopping what does not run is no error; a second call may
    /// shorten the first one's grace.
    ///
    /// # Errors
    /// `forked`; `internal`: one of the engine's threads had panicked.
    pub fn stop(&self, grace: Duration) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let done = self.inner.begin_stop(grace);
        let inner = self.inner.clone();
        async move {
            if let Some(done) = done? {
                std::future::poll_fn(|context| done.poll(context)).await;
                inner.reap(&done)?;
            }
            Ok(())
        }
    }

    /// [`stop`](Engine::stop), waited for on this thread.
    ///
    /// # Errors
    /// As `stop`; `deadlock`: called on one of the engine's own threads.
    pub fn stop_blocking(&self, grace: Duration) -> Result<(), Error> {
        if self.inner.is_own_thread() {
            let words = "stop_blocking was called on one of the engine's own threads, which it would wait for; use stop";
            return Err(Error::new(ErrorCode::Deadlock, words));
        }
        if let Some(done) = self.inner.begin_stop(grace)? {
            done.wait();
            self.inner.reap(&done)?;
        }
        Ok(())
    }

    /// Reads the certificates and keys of [`Options::tls_files`] again. Connections that are there stay as they
    /// are; new ones get the new certificates at once. With certificates from [`Options::tls_pem`] only there is
    /// nothing to read, and with nothing new in the files nothing changes.
    ///
    /// # Errors
    /// `invalid_option`: which file, and what is wrong with it; the certificates that were there stay in use, and
    /// the host is told `degraded` too. `invalid_argument`: the engine speaks no TLS. `not_running`, `forked`,
    /// `internal`.
    pub fn reload_tls(&self) -> Result<(), Error> {
        self.inner.reload_tls()
    }

    /// Where the engine listens, Unix sockets left out; empty while it does not run.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.inner.addresses()
    }

    /// Says something in a room as the host: a record by the user `host`. The room is made if there is none.
    ///
    /// Gives its position. Delivery follows at once, on the engine's threads.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `too_many_rooms`, `empty_text`, `too_long`, `busy`, `forked`, `internal`.
    pub fn broadcast(&self, room: &str, text: &str) -> Result<Position, Error> {
        self.inner.act(|hub, now| hub.broadcast(room, text, now))
    }

    /// Says something to everybody in every room as the host. It stands in no log and no history.
    ///
    /// # Errors
    /// `not_running`, `empty_text`, `too_long`, `busy`, `forked`, `internal`.
    pub fn broadcast_all(&self, text: &str) -> Result<(), Error> {
        self.inner.act(|hub, now| hub.broadcast_all(text, now))
    }

    /// Tells one connection something; it stands in no log. A tutorial connection sees text as a message
    /// by the host, a v1 one as a `tell` without a user whose data is the text; a raw one gets the payload as it is.
    ///
    /// # Errors
    /// `not_running`, `unknown_connection`, `invalid_argument` (bytes to a chat connection), `empty_text`,
    /// `too_long`, `busy`, `forked`, `internal`.
    pub fn tell(&self, connection: ConnectionId, payload: impl Into<Payload>) -> Result<(), Error> {
        let payload = payload.into();
        self.inner.act(|hub, now| hub.tell(connection, &payload, now))
    }

    /// Tells every connection in a room something: the chat ones (text only) and the raw ones.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `empty_text`, `too_long`, `busy`, `forked`, `internal`.
    pub fn tell_room(&self, room: &str, payload: impl Into<Payload>) -> Result<(), Error> {
        let payload = payload.into();
        self.inner.act(|hub, now| hub.tell_room(room, &payload, now))
    }

    /// Tells every connection something: the chat ones (text only) and the raw ones.
    ///
    /// # Errors
    /// `not_running`, `empty_text`, `too_long`, `busy`, `forked`, `internal`.
    pub fn tell_all(&self, payload: impl Into<Payload>) -> Result<(), Error> {
        let payload = payload.into();
        self.inner.act(|hub, now| hub.tell_all(&payload, now))
    }

    /// Puts a message in a room as a user: with their name and colour if they are here, else with the id as
    /// the name and a colour that follows from it. The room is made if there is none. Gives its position.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `bad_name`, `too_many_rooms`, `empty_text`, `too_long`, `busy`, `forked`,
    /// `internal`.
    pub fn send(&self, room: &str, user: &str, text: &str) -> Result<Position, Error> {
        self.inner.act(|hub, now| hub.send(room, user, text, now))
    }

    /// Gives a message another text, whoever said it. `offset`: where it stands. Is a record of the room's log, by the
    /// host's user. Gives its position.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `unknown_message` (no message stands there, or not any more),
    /// `empty_text`, `too_long`, `busy`, `forked`, `internal`.
    pub fn edit(&self, room: &str, offset: u64, text: &str) -> Result<Position, Error> {
        self.inner.act(|hub, now| hub.edit(room, offset, text, now))
    }

    /// Takes a message away, whoever said it: its text, its data and its reactions. `offset`: where it stands. Is a
    /// record of the room's log, by the host's user. Gives its position.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `unknown_message` (no message stands there, or not any more),
    /// `forked`, `internal`.
    pub fn delete(&self, room: &str, offset: u64) -> Result<Position, Error> {
        self.inner.act(|hub, now| hub.delete(room, offset, now))
    }

    /// Tells a user something, on all their connections that speak `klatsch.v1`; it stands in no log.
    ///
    /// # Errors
    /// `not_running`, `bad_name`, `unknown_user` (no such connection), `too_long`, `busy`, `forked`, `internal`.
    pub fn tell_user(&self, user: &str, text: &str) -> Result<(), Error> {
        self.inner.act(|hub, now| hub.tell_user(user, text, now))
    }

    /// Moderates a room: takes somebody out, mutes or bans them, sets roles, topic or slow mode, takes messages away. Each
    /// is a record of the room's log. Gives its position.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `unknown_user` (to be kicked, and not there), `too_many`, `forked`,
    /// `internal`.
    pub fn moderate(&self, room: &str, act: Moderation) -> Result<Position, Error> {
        self.inner.act(|hub, now| hub.moderate(room, act, now))
    }

    /// Puts a user into a room, on all their connections that speak `klatsch.v1`, and lets them into it from now on, private
    /// or not. The room is made if there is none.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `bad_name`, `too_many_rooms`, `too_many`, `forked`, `internal`.
    pub fn join(&self, room: &str, user: &str) -> Result<(), Error> {
        self.inner.act(|hub, now| hub.join(room, user, now))
    }

    /// Takes a user out of a room, which no record tells of; whom [`join`](Engine::join) put there does not come into a
    /// private one again. A connection of the tutorial's, which has no other room, is closed.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `bad_name`, `forked`, `internal`.
    pub fn leave(&self, room: &str, user: &str) -> Result<(), Error> {
        self.inner.act(|hub, now| hub.leave(room, user, now))
    }

    /// Sets what is otherwise in a room than in others. The room is made if there is none.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `too_many_rooms`, `invalid_argument`, `forked`, `internal`.
    pub fn set_room(&self, room: &str, options: &RoomOptions) -> Result<(), Error> {
        self.inner.act(|hub, now| hub.set_room(room, options, now))
    }

    /// Makes a ticket: a token that a client of `klatsch.v1` shows in its `hello`, good once and for `ttl_ms` milliseconds.
    /// Whoever shows it is who the admission says; the host is not asked. Hand it over by a way that nobody else hears.
    ///
    /// # Errors
    /// `not_running`, `bad_name`, `bad_room_name`, `too_many`, `forked`, `internal`.
    pub fn ticket(&self, admission: Admission, ttl_ms: u64) -> Result<String, Error> {
        self.inner.act(|hub, now| hub.ticket(admission, ttl_ms, now))
    }

    /// Keeps a user out of the engine, for so many seconds, or for good (`None`); `Some(0)` ends a ban. Their connections
    /// are closed (4002, 1008).
    ///
    /// # Errors
    /// `not_running`, `bad_name`, `too_many`, `forked`, `internal`.
    pub fn ban(&self, user: &str, seconds: Option<u64>) -> Result<(), Error> {
        self.inner.act(|hub, now| hub.ban(user, seconds, now))
    }

    /// Keeps an address out of the engine, as [`ban`](Engine::ban) does a user.
    ///
    /// # Errors
    /// `not_running`, `too_many`, `forked`, `internal`.
    pub fn ban_address(&self, address: IpAddr, seconds: Option<u64>) -> Result<(), Error> {
        self.inner.act(|hub, now| hub.ban_address(address, seconds, now))
    }

    /// Closes a connection with 1008 (4004 where it speaks `klatsch.v1`) and the reason, which is cut to 123 bytes.
    ///
    /// # Errors
    /// `not_running`, `unknown_connection`, `forked`, `internal`.
    pub fn kick(&self, connection: ConnectionId, reason: &str) -> Result<(), Error> {
        self.inner.act(|hub, _| hub.kick(connection, reason))
    }

    /// Lists the rooms, in the order of their names.
    ///
    /// # Errors
    /// `not_running`, `forked`, `internal`.
    pub fn rooms(&self) -> Result<Vec<Room>, Error> {
        self.inner.look(|hub| Ok(hub.rooms()))
    }

    /// Lists a room's members, in the order in which they came.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `forked`, `internal`.
    pub fn members(&self, room: &str) -> Result<Vec<Member>, Error> {
        self.inner.look(|hub| hub.members(room))
    }

    /// Counts a room's members.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `forked`, `internal`.
    pub fn member_count(&self, room: &str) -> Result<u64, Error> {
        self.inner.look(|hub| hub.member_count(room))
    }

    /// Reads a room's newest messages, at most `limit`, oldest first; only those before the offset `before`,
    /// unless that is 0.
    ///
    /// # Errors
    /// `not_running`, `bad_room_name`, `unknown_room`, `forked`, `internal`.
    pub fn history(&self, room: &str, before: u64, limit: u64) -> Result<Vec<Message>, Error> {
        self.inner.look(|hub| hub.history(room, before, limit))
    }

    /// Figures of the running engine: how many connections, how much waits, which of them read too slowly.
    ///
    /// # Errors
    /// `not_running`, `forked`, `internal`.
    pub fn stats(&self) -> Result<Stats, Error> {
        let (shards, shared) = self.inner.running()?;
        let mut stats = Stats::default();
        shards.fill(&mut stats);
        shared.with(|hub| hub.fill(&mut stats))?;
        Ok(stats)
    }

    /// Answers a question, now or later, from any thread.
    ///
    /// # Errors
    /// `unknown_question` (too late, or answered), `wrong_verdict`, `bad_name`, `bad_room_name`, `empty_text`,
    /// `too_long`, `invalid_argument` (an answer that is no JSON), `not_running`, `forked`, `internal`. After
    /// `wrong_verdict`, `bad_name`, `bad_room_name`, `empty_text`, `too_long` and `invalid_argument` the question is still
    /// open.
    pub fn answer(&self, question: QuestionId, verdict: Verdict) -> Result<(), Error> {
        self.inner.act(|hub, now| hub.answer(question, verdict, now))
    }

    /// Takes over a connected stream socket, TCP or Unix, that speaks plain HTTP. `read` is what was read from
    /// it already: the beginning of its request, or all of it and more. From here on the descriptor is the
    /// engine's, also when this fails.
    ///
    /// # Errors
    /// `not_running`, `cannot_adopt` (not a connected stream socket), `too_long` (`read` is over 64 KiB),
    /// `forked`, `internal`.
    pub fn adopt(&self, socket: impl Into<OwnedFd>, read: &[u8]) -> Result<(), Error> {
        adopt::socket(&self.inner, socket.into(), read)
    }

    /// Takes over a stream of the host's own kind that speaks plain HTTP from here on: one that the host has
    /// encrypted itself, one in memory, one that is tunnelled. A small task in the engine carries its bytes, 16 KiB
    /// each way at a time, and so it costs more than a socket, which [`adopt`](Engine::adopt) takes. `read` is as
    /// there. It is dropped when the connection ends, and when the engine stops.
    ///
    /// # Errors
    /// `not_running`, `too_long` (`read` is over 64 KiB), `system` (no descriptors are left), `forked`, `internal`.
    pub fn adopt_stream<S>(&self, stream: S, read: &[u8]) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        adopt::stream(&self.inner, stream, read)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}
