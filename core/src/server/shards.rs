//! All shards of a running engine: how they are reached, and what they count together.

use std::cmp::Reverse;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mio::net::TcpStream;
use mio::{Poll, Token, Waker};

use crate::fanout::ShardKey;
use crate::stats::{MAX_SLOWEST, SlowConnection, Stats};

use super::addresses::Addresses;
use super::budget::Pressure;
use super::waiting::Tally;

/// How many shards an engine may have.
pub(crate) const MAX_SHARDS: usize = 64;

/// The shards of a running engine.
#[derive(Debug)]
pub(crate) struct Shards {
    controls: Box<[Control]>,
    pub(super) census: Census,
}

/// How a shard is reached from other threads.
#[derive(Debug)]
struct Control {
    waker: Waker,
    /// The waker has been used and the shard has not looked yet.
    woken: AtomicBool,
    wishes: Mutex<Wishes>,
}

/// What a shard is asked to do, beside what the hub has for it.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// Stop, at this moment at the latest, in ticks.
    pub(super) stop_at_ms: Option<u64>,
    pub(super) adopted: Vec<Adopted>,
    /// Who has come to a listener of the first shard's, and is counted already.
    pub(super) newcomers: Vec<Newcomer>,
    /// The host's queue has place for events again.
    pub(super) has_place: bool,
}

/// A socket that the host hands over, and what was read from it.
pub(crate) struct Adopted {
    pub(crate) socket: std::net::TcpStream,
    pub(crate) read: Vec<u8>,
    /// What carries bytes between it and a stream of the host's, while both last.
    pub(crate) bridge: Option<Bridge>,
}

pub(crate) type Bridge = Pin<Box<dyn Future<Output = ()> + Send>>;

impl fmt::Debug for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adopted").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// Somebody who has come to a listener; without an address by a Unix socket.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) socket: TcpStream,
    pub(super) address: Option<IpAddr>,
}

/// Who is there, in all shards together.
#[derive(Debug)]
pub(super) struct Census {
    /// How many connections each shard has.
    connections: Box<[AtomicUsize]>,
    /// How many of all are no WebSockets yet.
    handshakes: AtomicUsize,
    /// The host was told that those are too many.
    pub(super) told_crowded: AtomicBool,
    addresses: Mutex<Addresses>,
    /// About how many bytes each shard holds.
    held_bytes: Box<[AtomicUsize]>,
    /// And the hub, when a shard looked last.
    hub_bytes: AtomicUsize,
    /// What each shard counted, as of its last turn.
    figures: Box<[Mutex<Figures>]>,
}

/// What a shard has counted.
#[derive(Clone, Debug, Default)]
struct Figures {
    tally: Tally,
    slowest: Vec<SlowConnection>,
}

impl Shards {
    /// Makes the controls of so many shards, and the poll that each of them is to wait on.
    ///
    /// # Errors
    /// The operating system has no place for another poll or waker.
    pub(crate) fn new(count: usize) -> io::Result<(Shards, Vec<Poll>)> {
        let mut polls = Vec::with_capacity(count);
        let mut controls = Vec::with_capacity(count);
        for _ in 0..count {
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), WAKE)?;
            polls.push(poll);
            controls.push(Control { waker, woken: AtomicBool::new(false), wishes: Mutex::default() });
        }
        let census = Census {
            connections: (0..count).map(|_| AtomicUsize::new(0)).collect(),
            handshakes: AtomicUsize::new(0),
            told_crowded: AtomicBool::new(false),
            addresses: Mutex::default(),
            held_bytes: (0..count).map(|_| AtomicUsize::new(0)).collect(),
            hub_bytes: AtomicUsize::new(0),
            figures: (0..count).map(|_| Mutex::default()).collect(),
        };
        Ok((Shards { controls: controls.into(), census }, polls))
    }

    pub(crate) fn count(&self) -> usize {
        self.controls.len()
    }

    /// Has the shards look at what the hub has for them. `waiting`: a bit for each of them.
    pub(crate) fn wake(&self, waiting: u64) {
        let mut rest = waiting;
        while rest != 0 {
            let index = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            if let Some(control) = self.controls.get(index) {
                control.wake();
            }
        }
    }

    /// Has all shards stop, at this moment at the latest, in ticks. A later call may only shorten that.
    pub(crate) fn stop(&self, at_ms: u64) {
        for control in &self.controls {
            control.wish(|wishes| {
                wishes.stop_at_ms = Some(wishes.stop_at_ms.map_or(at_ms, |other| other.min(at_ms)));
            });
        }
    }

    /// Hands a socket of the host's to the shard that has the fewest connections.
    pub(crate) fn adopt(&self, adopted: Adopted) {
        let shard = self.census.least();
        self.controls[usize::from(shard.0)].wish(|wishes| wishes.adopted.push(adopted));
    }

    /// Hands somebody who has come to a listener to a shard.
    pub(super) fn hand_over(&self, shard: ShardKey, newcomer: Newcomer) {
        self.controls[usize::from(shard.0)].wish(|wishes| wishes.newcomers.push(newcomer));
    }

    /// Tells the shards that the host's queue has place again.
    pub(crate) fn has_place(&self) {
        for control in &self.controls {
            control.wish(|wishes| wishes.has_place = true);
        }
    }

    /// How near the engine is to holding as much as it may.
    pub(super) fn pressure(&self, max_bytes: usize) -> Pressure {
        Pressure::of(self.census.held_bytes(), max_bytes)
    }

    /// The shards' part of the engine's figures.
    pub(crate) fn fill(&self, stats: &mut Stats) {
        let census = &self.census;
        stats.connection_count = census.connection_count() as u64;
        stats.handshake_count = census.handshake_count() as u64;
        stats.memory_bytes = census.held_bytes() as u64;
        for figures in &census.figures {
            let figures = lock(figures);
            stats.lagging_count += figures.tally.lagging_count as u64;
            stats.too_slow_count += figures.tally.too_slow_count;
            stats.received_bytes += figures.tally.received_bytes;
            stats.sent_bytes += figures.tally.sent_bytes;
            stats.waiting_bytes += figures.tally.waiting_bytes as u64;
            stats.slowest.extend_from_slice(&figures.slowest);
        }
        stats.slowest.sort_by_key(|slow| Reverse(slow.waiting_bytes));
        stats.slowest.truncate(MAX_SLOWEST);
    }

    /// Whether a shard has been asked to look, and has not looked yet.
    pub(super) fn is_woken(&self, shard: ShardKey) -> bool {
        self.controls[usize::from(shard.0)].woken.load(Ordering::Acquire)
    }

    /// Takes what a shard is asked to do.
    pub(super) fn take(&self, shard: ShardKey) -> Wishes {
        self.controls[usize::from(shard.0)].take()
    }
}

impl Control {
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // Fails only if the shard is gone, and then there is nothing to look at.
            let _ = self.waker.wake();
        }
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        // Nothing that can panic runs under this lock.
        change(&mut self.wishes.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake();
    }

    fn take(&self) -> Wishes {
        self.woken.store(false, Ordering::Release);
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        Wishes {
            stop_at_ms: wishes.stop_at_ms,
            adopted: std::mem::take(&mut wishes.adopted),
            newcomers: std::mem::take(&mut wishes.newcomers),
            has_place: std::mem::take(&mut wishes.has_place),
        }
    }
}

impl Census {
    /// The shard with the fewest connections.
    pub(super) fn least(&self) -> ShardKey {
        let counts = self.connections.iter().map(|count| count.load(Ordering::Relaxed));
        let least = counts.enumerate().min_by_key(|&(_, count)| count).map_or(0, |(index, _)| index);
        // There are at most MAX_SHARDS.
        ShardKey(least as u8)
    }

    /// Counts a new connection in, whose handshake begins.
    pub(super) fn enter(&self, shard: ShardKey) {
        self.connections[usize::from(shard.0)].fetch_add(1, Ordering::Relaxed);
        self.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection out, whose handshake is over.
    pub(super) fn leave(&self, shard: ShardKey) {
        self.connections[usize::from(shard.0)].fetch_sub(1, Ordering::Relaxed);
    }

    /// A handshake is over, whichever way.
    pub(super) fn settle(&self) {
        self.handshakes.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn connection_count(&self) -> usize {
        self.connections.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn handshake_count(&self) -> usize {
        self.handshakes.load(Ordering::Relaxed)
    }

    pub(super) fn addresses(&self) -> MutexGuard<'_, Addresses> {
        lock(&self.addresses)
    }

    /// Notes how much a shard found the hub to hold.
    pub(super) fn note_hub(&self, held_bytes: usize) {
        self.hub_bytes.store(held_bytes, Ordering::Relaxed);
    }

    /// Notes how much a shard holds, and what it has counted.
    pub(super) fn note(&self, shard: ShardKey, held_bytes: usize, tally: Tally) {
        self.held_bytes[usize::from(shard.0)].store(held_bytes, Ordering::Relaxed);
        lock(&self.figures[usize::from(shard.0)]).tally = tally;
    }

    /// Notes a shard's slowest connections.
    pub(super) fn note_slowest(&self, shard: ShardKey, slowest: Vec<SlowConnection>) {
        lock(&self.figures[usize::from(shard.0)]).slowest = slowest;
    }

    /// About how many bytes the engine holds.
    fn held_bytes(&self) -> usize {
        let shards = self.held_bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum::<usize>();
        shards.saturating_add(self.hub_bytes.load(Ordering::Relaxed))
    }
}

/// Figures are right at any moment, whatever panicked beside them.
fn lock<T>(figures: &Mutex<T>) -> MutexGuard<'_, T> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) const WAKE: Token = Token(usize::MAX);
