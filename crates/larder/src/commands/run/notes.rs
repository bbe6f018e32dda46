//! The journal of one run: kept whole, because the command that it is about ends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use larder_cache::{Answered, Fetched, Journal};
use tokio::sync::mpsc::{UnboundedSender, WeakUnboundedSender};

/// Everything that happened, in the order in which it ended.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) answers: Vec<Answered>,
    pub(crate) fetches: Vec<Fetched>,
}

/// The journal.
#[derive(Debug, Default)]
pub(super) struct Notes {
    events: Mutex<Events>,
    listener: Mutex<Option<WeakUnboundedSender<String>>>,
}

impl Notes {
    /// Tells a listener what the command asks for, path by path, as long as it listens.
    pub(super) fn tell(&self, listener: &UnboundedSender<String>) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener.downgrade());
    }

    /// Takes what happened until now.
    pub(super) fn take(&self) -> Events {
        std::mem::take(&mut *self.events())
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for Notes {
    fn answered(&self, answer: Answered) {
        // What was fetched ahead is no answer to anybody.
        if !answer.by_client {
            return;
        }
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = listener.as_ref().and_then(WeakUnboundedSender::upgrade) {
            let _gone = listener.send(answer.path.clone());
        }
        drop(listener);
        self.events().answers.push(answer);
    }

    fn fetched(&self, fetch: Fetched) {
        self.events().fetches.push(fetch);
    }
}
