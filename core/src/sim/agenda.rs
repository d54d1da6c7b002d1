//! What is due when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A client's knock arrives at the engine.
    Arrival(u32),
    /// A line has something to hand over.
    Line(u32),
    /// A client has waited for the end of its line for long enough.
    Patience(u32),
    /// A shard has something to do.
    Turn { life: u32, shard: u8 },
    /// A chat client looks at the clock.
    Tick(u32),
    /// The engine starts again.
    Start,
}

/// What is due, in the order of time, and for the same moment in the order in which it was added.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u64, Due)>>,
    count: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at_us: u64, due: Due) {
        self.count += 1;
        self.heap.push(Reverse((at_us, self.count, due)));
    }

    /// Takes what is due first, if that is not after this moment.
    pub(super) fn take(&mut self, until_us: u64) -> Option<(u64, Due)> {
        let Reverse((at_us, ..)) = self.heap.peek()?;
        if *at_us > until_us {
            return None;
        }
        self.heap.pop().map(|Reverse((at_us, _, due))| (at_us, due))
    }

    pub(super) fn next_us(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at_us, ..))| *at_us)
    }
}
