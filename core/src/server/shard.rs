//! One of the engine's own threads: it alone touches the sockets that are its.
//!
//! A turn: wait for sockets, for the host and for time; read what is ready, once from each socket; let the
//! hub give it its place; then send each connection everything that the turn had for it, in one go. Nothing
//! is woken, allocated or copied per member of a room.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Registry, Token};
use slab::Slab;
use tokio::io::unix::AsyncFd;

use crate::close::Cause;
use crate::fanout::{LaneKey, ShardKey};
use crate::id::ConnectionId;
use crate::network::Trusted;
use crate::rate::Rate;
use crate::time::Now;
use crate::wire::Rules as WireRules;

use super::admission::Rules;
use super::budget::Pressure;
use super::compression::Compression;
use super::connection::{Connection, Phase};
use super::dispatch::Outgoing;
use super::listener::Listener;
use super::send::bye;
use super::shards::{Shards, WAKE};
use super::shared::Shared;
use super::show::{Catching, Stage};
use super::tls::Acceptor;
use super::waiting::{Missing, Tally};

/// What the host's options say about connections.
#[derive(Debug)]
pub(crate) struct ShardSettings {
    pub(crate) rules: Rules,
    pub(crate) wire: WireRules,
    pub(crate) ask_admit: bool,
    pub(crate) max_connection_count: usize,
    pub(crate) max_address_connection_count: u64,
    pub(crate) max_handshake_count: usize,
    /// Proxies that are believed about who their clients are.
    pub(crate) trusted: Trusted,
    pub(crate) control_rate: Rate,
    pub(crate) lag_bytes: usize,
    pub(crate) lag_timeout_ms: u64,
    pub(crate) outbox_bytes: usize,
    /// What the engine may hold; 0: the host has not said.
    pub(crate) memory_bytes: usize,
    /// As what the connections are closed when the engine stops.
    pub(crate) stop_cause: Cause,
    pub(crate) deflate_min_bytes: usize,
    pub(crate) heartbeat_interval_ms: u64,
    pub(crate) heartbeat_timeout_ms: u64,
    pub(crate) handshake_timeout_ms: u64,
    pub(crate) close_timeout_ms: u64,
    pub(crate) write_timeout_ms: u64,
}

/// One of the engine's threads, before and while it runs.
pub(crate) struct Shard {
    pub(super) key: ShardKey,
    pub(super) shared: Arc<Shared>,
    pub(super) shards: Arc<Shards>,
    pub(super) settings: Arc<ShardSettings>,
    pub(super) registry: Registry,
    /// `None`: the listeners speak plain.
    pub(super) acceptor: Option<Arc<Acceptor>>,
    poll: Option<Poll>,
    pub(super) listeners: Vec<Listening>,
    /// An open descriptor, to be given up when there are no others.
    pub(super) spare: Option<std::fs::File>,
    pub(super) connections: Slab<Connection>,
    /// The handshakes under way, and since when, oldest first; some of them may be over.
    pub(super) handshakes: VecDeque<(u32, u64)>,
    /// Connections that may have something to read.
    pub(super) ready: Vec<u32>,
    /// Raw connections for whose message the host's queue had no place.
    pub(super) parked: Vec<u32>,
    /// When held connections may be read again.
    pub(super) releases: BinaryHeap<Reverse<(u64, u32, ConnectionId)>>,
    /// The connections of each lane.
    pub(super) stages: Vec<Stage>,
    /// Lanes that have something to show.
    pub(super) showing: Vec<LaneKey>,
    /// Lanes whose last connection here has left since the last turn.
    pub(super) emptied: Vec<LaneKey>,
    /// Connections that lagged, and have taken everything that waited for them.
    pub(super) drained: Vec<(u32, ConnectionId, Missing)>,
    /// Those of them that speak v1, while the turn has something for each alone.
    pub(super) catching: Vec<Catching>,
    /// The one buffer that everything is read into.
    pub(super) buffer: Box<[u8]>,
    pub(super) outgoing: Outgoing,
    pub(super) compression: Compression,
    pub(super) tally: Tally,
    pub(super) pressure: Pressure,
    /// What was written in part, and is to be written before the turn is over.
    pub(super) unwritten: Vec<u32>,
    /// For whom alone something gathers in this turn.
    pub(super) gathering: Vec<u32>,
    pub(super) now: Now,
    pub(super) next_sweep_ms: u64,
    /// When the last sweep was, in ticks.
    pub(super) swept_ms: u64,
    /// Since when the engine stops, and until when at the latest.
    pub(super) stop_at_ms: Option<u64>,
}

/// A listener, and what it is doing.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) socket: Listener,
    pub(super) is_ready: bool,
    /// Accepting failed: not before this moment again, in ticks.
    pub(super) resume_ms: u64,
    /// It failed, and there has not been a moment since in which nobody waited.
    pub(super) is_failing: bool,
}

impl Shard {
    /// Prepares a shard. `poll`: the one that was made for it; `sockets`: where it listens.
    ///
    /// # Errors
    /// The operating system cannot watch a socket.
    pub(crate) fn new(
        key: ShardKey,
        poll: Poll,
        shared: Arc<Shared>,
        shards: Arc<Shards>,
        settings: Arc<ShardSettings>,
        acceptor: Option<Arc<Acceptor>>,
        sockets: Vec<Listener>,
    ) -> io::Result<Shard> {
        let registry = poll.registry().try_clone()?;
        let mut listeners = Vec::with_capacity(sockets.len());
        for (index, mut socket) in sockets.into_iter().enumerate() {
            registry.register(&mut socket, Token(FIRST_LISTENER - index), Interest::READABLE)?;
            listeners.push(Listening { socket, is_ready: false, resume_ms: 0, is_failing: false });
        }
        Ok(Shard {
            now: shared.now(),
            compression: Compression::new(settings.deflate_min_bytes),
            key,
            shared,
            shards,
            settings,
            acceptor,
            registry,
            poll: Some(poll),
            listeners,
            spare: spare(),
            connections: Slab::new(),
            handshakes: VecDeque::new(),
            ready: Vec::new(),
            parked: Vec::new(),
            releases: BinaryHeap::new(),
            stages: Vec::new(),
            showing: Vec::new(),
            emptied: Vec::new(),
            drained: Vec::new(),
            catching: Vec::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            outgoing: Outgoing::default(),
            tally: Tally::default(),
            pressure: Pressure::None,
            unwritten: Vec::new(),
            gathering: Vec::new(),
            next_sweep_ms: 0,
            swept_ms: 0,
            stop_at_ms: None,
        })
    }

    /// Whether it is the one that accepts for all.
    pub(crate) fn is_first(&self) -> bool {
        self.key == ShardKey(0)
    }

    /// Runs until the host has stopped the engine. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The operating system refuses to wait for sockets.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        let Some(poll) = self.poll.take() else { return Ok(()) };
        // Deprecated in favour of an unsafe function, whose condition holds here: the poll owns its descriptor and
        // is neither replaced nor closed before the `AsyncFd` is.
        #[expect(deprecated)]
        let mut poll = AsyncFd::with_interest(poll, tokio::io::Interest::READABLE)?;
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_finished() {
            match self.wait() {
                Some(Duration::ZERO) => tokio::task::yield_now().await,
                wait => {
                    let readable = poll.readable();
                    let guard = match wait {
                        Some(wait) => tokio::time::timeout(wait, readable).await.ok(),
                        None => Some(readable.await),
                    };
                    if let Some(guard) = guard {
                        guard?.clear_ready();
                    }
                }
            }
            loop {
                match poll.get_mut().poll(&mut events, Some(Duration::ZERO)) {
                    Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                    _ => {}
                }
                let mut count = 0;
                for event in &events {
                    self.note(event);
                    count += 1;
                }
                if count < EVENTS {
                    break;
                }
            }
            self.turn();
        }
        Ok(())
    }

    /// Notes what a socket has to say; nothing is done yet.
    fn note(&mut self, event: &mio::event::Event) {
        match event.token() {
            WAKE => {}
            Token(token) if token > FIRST_LISTENER - MAX_LISTENERS => {
                if let Some(listener) = self.listeners.get_mut(FIRST_LISTENER - token) {
                    listener.is_ready = true;
                }
            }
            Token(slot) => {
                let Some(connection) = self.connections.get_mut(slot) else { return };
                if event.is_writable() && connection.outbox.is_some() {
                    self.unwritten.push(slot as u32);
                }
                connection.read_closed |= event.is_read_closed() || event.is_error();
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.make_ready(slot as u32);
                }
            }
        }
    }

    pub(super) fn turn(&mut self) {
        self.now = self.shared.now();
        let wishes = self.shards.take(self.key);
        wishes.newcomers.into_iter().for_each(|newcomer| self.welcome(newcomer));
        wishes.adopted.into_iter().for_each(|adopted| self.adopt(adopted));
        if wishes.has_place {
            let parked = std::mem::take(&mut self.parked);
            parked.into_iter().for_each(|slot| self.make_ready(slot));
        }
        self.accept();
        self.release();
        self.receive();
        self.expire();
        self.flush();
        if let Some(at_ms) = wishes.stop_at_ms {
            self.begin_stop(at_ms);
        }
        if self.now.ticks_ms >= self.next_sweep_ms {
            self.sweep();
        }
        self.shards.census.note(self.key, self.held_bytes(), self.tally);
        self.relieve();
    }

    /// How long nothing needs to be done; `None`: until somebody says something.
    pub(super) fn wait(&self) -> Option<Duration> {
        let accepts = |listener: &Listening| listener.is_ready && listener.resume_ms <= self.now.ticks_ms;
        if !self.ready.is_empty()
            || !self.showing.is_empty()
            || !self.drained.is_empty()
            || self.listeners.iter().any(accepts)
        {
            return Some(Duration::ZERO);
        }
        let sweep = (!self.connections.is_empty()).then_some(self.next_sweep_ms);
        let release = self.releases.peek().map(|Reverse((at_ms, ..))| *at_ms);
        let backed_off = self.listeners.iter().filter(|listener| listener.is_ready);
        let question = self.shared.with(|hub| hub.next_deadline_ms()).ok().flatten();
        let next = [sweep, release, question, self.stop_at_ms]
            .into_iter()
            .flatten()
            .chain(backed_off.map(|listener| listener.resume_ms))
            .min()?;
        // Never zero: that is for what is ready now.
        Some(Duration::from_millis(next.saturating_sub(self.shared.now().ticks_ms).max(1)))
    }

    pub(super) fn make_ready(&mut self, slot: u32) {
        if let Some(connection) = self.connections.get_mut(slot as usize)
            && !connection.is_ready
        {
            connection.is_ready = true;
            self.ready.push(slot);
        }
    }

    /// Finds a connection, unless its slot is another's by now.
    pub(super) fn find(&mut self, slot: u32, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(slot as usize).filter(|connection| connection.id == id)
    }

    /// Finds a connection that may be sent something. RFC 6455 §5.5.1: nothing follows a close frame, which overtakes
    /// what a turn had for it.
    pub(super) fn find_talking(&mut self, slot: u32, id: ConnectionId) -> Option<&mut Connection> {
        self.find(slot, id).filter(|connection| matches!(connection.phase, Phase::Open | Phase::Failing(_)))
    }

    fn release(&mut self) {
        while let Some(&Reverse((at_ms, slot, id))) = self.releases.peek() {
            if at_ms > self.now.ticks_ms {
                break;
            }
            self.releases.pop();
            self.let_go(slot, id);
        }
    }

    fn expire(&mut self) {
        let now = self.now;
        let _ = self.shared.with(|hub| {
            if hub.next_deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now.ticks_ms) {
                hub.expire(now);
            }
        });
    }

    /// Accepts no more, and closes everybody, after what waits for them.
    fn begin_stop(&mut self, at_ms: u64) {
        if self.stop_at_ms.is_none() {
            for mut listener in self.listeners.drain(..) {
                // The socket is closed next; that it was not registered would change nothing.
                let _ = self.registry.deregister(&mut listener.socket);
            }
            let slots: Vec<u32> = self.connections.iter().map(|(slot, _)| slot as u32).collect();
            let bye = bye(self.settings.stop_cause);
            slots.into_iter().for_each(|slot| self.dismiss(slot, &bye));
        }
        self.stop_at_ms = Some(at_ms);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.stop_at_ms.is_some_and(|at_ms| self.connections.is_empty() || at_ms <= self.now.ticks_ms)
    }
}

impl Drop for Shard {
    /// Takes everybody out of the chat who is still in it.
    fn drop(&mut self) {
        let (key, now) = (self.key, self.shared.now());
        let ids: Vec<ConnectionId> = self.connections.iter().map(|(_, connection)| connection.id).collect();
        let _ = self.shared.with(|hub| {
            ids.into_iter().for_each(|id| hub.disconnect(id, 1006, "the engine has stopped".into(), now));
            hub.take(key, 0, &mut Outgoing::default());
        });
    }
}

/// A descriptor to give up when there are no others.
pub(super) fn spare() -> Option<std::fs::File> {
    std::fs::File::open("/dev/null").ok()
}

const FIRST_LISTENER: usize = usize::MAX - 1;
const MAX_LISTENERS: usize = 1 << 16;
/// Readiness events taken at once.
const EVENTS: usize = 1_024;
/// What is read from one socket in one turn at the most.
const READ_BYTES: usize = 64 * 1024;
