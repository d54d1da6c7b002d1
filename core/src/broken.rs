//! Ways to break the engine on purpose, so that tests can prove that the simulator's judge would notice.
//!
//! Outside of this crate's own tests nothing is ever broken, and nothing is looked up: the question is a constant.

/// One promise that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// What is sent again gets another place.
    NoDedupe,
    /// A change is acknowledged, and now and then has no place.
    AcknowledgedBeforePlaced,
    /// Whoever lagged is never shown what it missed.
    LostWakeUp,
    /// A log that went back uses its offsets again.
    ReusedOffset,
    /// Who comes back is shown messages, and not what changed those it has.
    FoldedResume,
}

/// Whether the engine is broken in that way.
#[cfg(not(test))]
pub(crate) const fn is_broken(_: Broken) -> bool {
    false
}

#[cfg(test)]
pub(crate) use tests::is_broken;

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::Broken;

    thread_local! {
        static HOW: Cell<Option<Broken>> = const { Cell::new(None) };
    }

    pub(crate) fn is_broken(how: Broken) -> bool {
        HOW.get() == Some(how)
    }

    /// Breaks every engine of this thread while `act` runs.
    pub(crate) fn while_broken<T>(how: Broken, act: impl FnOnce() -> T) -> T {
        HOW.set(Some(how));
        let result = act();
        HOW.set(None);
        result
    }
}
