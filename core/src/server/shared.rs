//! What the host's threads and the engine's own share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::error::{Error, ErrorCode};
use crate::events::Queue;
use crate::time::Now;

use super::clock::{Clock, Moment};
use super::hub::Hub;

/// The hub behind its lock, the queue of events, and the clock.
#[derive(Debug)]
pub(crate) struct Shared {
    hub: Mutex<Hub>,
    pub(crate) queue: Arc<Queue>,
    /// How many shards the engine has whenever it runs.
    pub(crate) shard_count: usize,
    clock: Clock,
    /// There was a panic: nothing in here can be trusted any more.
    failed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(hub: Hub, queue: Arc<Queue>, shard_count: usize, clock: Clock) -> Shared {
        Shared { hub: Mutex::new(hub), queue, shard_count, clock, failed: AtomicBool::new(false) }
    }

    /// This moment. A Unix clock before 1970 counts as 1970.
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Begins a moment, in which lanes are shown something.
    pub(super) fn moment(&self) -> Moment {
        self.clock.moment()
    }

    /// Does something in the hub.
    ///
    /// # Errors
    /// `internal`: there was a panic in here before.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Hub) -> T) -> Result<T, Error> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(internal());
        }
        match self.hub.lock() {
            Ok(mut hub) => Ok(act(&mut hub)),
            Err(_) => {
                self.fail();
                Err(internal())
            }
        }
    }

    /// Notes that there was a panic.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn internal() -> Error {
    Error::new(
        ErrorCode::Internal,
        "the engine has failed, which is a bug in it: stop it, drop it, and please report what it printed",
    )
}
