//! The time: the system's, or one that is turned by hand.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Now;

/// Where the engine's time comes from.
#[derive(Debug)]
pub(crate) enum Clock {
    /// Since when it counts its ticks.
    System(Instant),
    Turned(Arc<TurnedClock>),
}

/// Time that stands still until it is turned.
#[derive(Debug)]
pub(crate) struct TurnedClock {
    /// Unix time at its first tick.
    unix_ms: u64,
    ticks_ms: AtomicU64,
    /// How many sends a moment lasts.
    moment_sends: AtomicU32,
}

impl Clock {
    pub(crate) fn system() -> Clock {
        Clock::System(Instant::now())
    }

    /// This moment. A Unix clock before 1970 counts as 1970.
    pub(super) fn now(&self) -> Now {
        match self {
            Clock::System(made) => {
                let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Now { unix_ms: unix.as_millis() as u64, ticks_ms: made.elapsed().as_millis() as u64 }
            }
            Clock::Turned(clock) => clock.now(),
        }
    }

    /// Begins a moment.
    pub(super) fn moment(&self) -> Moment {
        match self {
            Clock::System(_) => Moment::Since(Instant::now()),
            Clock::Turned(clock) => Moment::Sends(Cell::new(clock.moment_sends.load(Ordering::Relaxed))),
        }
    }
}

impl TurnedClock {
    pub(crate) fn new(unix_ms: u64) -> TurnedClock {
        TurnedClock { unix_ms, ticks_ms: AtomicU64::new(0), moment_sends: AtomicU32::new(u32::MAX) }
    }

    pub(crate) fn now(&self) -> Now {
        let ticks_ms = self.ticks_ms.load(Ordering::Relaxed);
        Now { unix_ms: self.unix_ms + ticks_ms, ticks_ms }
    }

    /// Turns it on to so many ticks; `moment_sends`: how much is done in a moment then.
    pub(crate) fn turn_to(&self, ticks_ms: u64, moment_sends: u32) {
        self.ticks_ms.store(ticks_ms, Ordering::Relaxed);
        self.moment_sends.store(moment_sends, Ordering::Relaxed);
    }
}

/// How long lanes are shown something before the sockets are looked at again.
#[derive(Debug)]
pub(super) enum Moment {
    Since(Instant),
    /// It is over after so many sends.
    Sends(Cell<u32>),
}

impl Moment {
    /// One more send: gives whether the moment is over. The system's clock is looked at now and then.
    pub(super) fn is_over_after(&self, send_count: u32) -> bool {
        match self {
            Moment::Since(_) => send_count.is_multiple_of(SENDS_BETWEEN_LOOKS) && self.is_over(),
            Moment::Sends(left) => {
                left.set(left.get().saturating_sub(1));
                left.get() == 0
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        match self {
            Moment::Since(began) => began.elapsed() > MOMENT,
            Moment::Sends(left) => left.get() == 0,
        }
    }
}

const MOMENT: Duration = Duration::from_millis(1);
/// How many sends lie between two looks at the clock.
const SENDS_BETWEEN_LOOKS: u32 = 32;
