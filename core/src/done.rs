//! Something that is done once, and waited for by threads and by tasks.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Debug, Default)]
pub(crate) struct Done {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_done: bool,
    tasks: Vec<Waker>,
}

impl Done {
    /// Says that it is done.
    pub(crate) fn set(&self) {
        let mut state = self.lock();
        state.is_done = true;
        let tasks = std::mem::take(&mut state.tasks);
        drop(state);
        self.changed.notify_all();
        tasks.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.lock().is_done
    }

    /// Waits on this thread until it is done.
    pub(crate) fn wait(&self) {
        let mut state = self.lock();
        while !state.is_done {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits in a task until it is done.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_done {
            return Poll::Ready(());
        }
        if !state.tasks.iter().any(|task| task.will_wake(context.waker())) {
            state.tasks.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A flag and a list: right at any moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
