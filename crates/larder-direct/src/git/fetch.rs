//! Bringing commits into the mirror, as few and as seldom as the questions allow.
//!
//! Whoever needs something puts it into the queue. One fetch runs at a time for one repository and takes along all that waits, so a
//! hundred questions for ten versions cost about two fetches. A fetch that goes wrong for a reason that lies in the mirror is
//! repeated once with a new one; one that goes wrong because the server dislikes its form is repeated in the form that every
//! server knows.

use std::sync::{Arc, Mutex, PoisonError};

use larder_upstream::DirectFaultKind;
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use super::mirror::storage_fault;
use super::repository::{Failure, Repository};
use super::said::Meaning;
use crate::error::DirectError;

/// How many wishes one fetch takes along, so that arguments stay short.
const BATCH: usize = 200;

/// What waits to be fetched.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Vec<Waiting>>,
    /// Held by the one who fetches.
    fetching: Arc<AsyncMutex<()>>,
}

#[derive(Debug)]
struct Waiting {
    want: Want,
    answer: oneshot::Sender<Result<(), DirectError>>,
}

/// A commit of the remote, and how it is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wanted {
    pub(super) hash: String,
    /// A reference that leads to it, or its hash once more.
    pub(super) source: String,
}

/// Something to be fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Want {
    /// One commit with its files.
    Files(Wanted),
    /// One commit and all of its ancestors, without files.
    History(Wanted),
    /// All branches and tags with their ancestors, without files; the sum of the references tells whether that is done already.
    Everything { sum: String },
}

/// What one fetch brings.
#[derive(Clone, Copy, Debug)]
pub(super) enum Load<'a> {
    Files(&'a [Wanted]),
    Histories(&'a [Wanted]),
    Everything(&'a str),
}

impl Repository {
    /// Fetches what is wanted, together with what others want.
    pub(super) async fn fetch(&self, want: Want) -> Result<(), DirectError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { want, answer };
        self.state.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
        let repository = self.clone();
        // On its own, because it also works for others.
        tokio::spawn(async move { repository.work().await });
        answered.await.unwrap_or_else(|_| {
            let text = format!("fetching from {} was broken off", self.url());
            Err(DirectError::new(DirectFaultKind::Broken, text))
        })
    }

    async fn work(&self) {
        let _fetching = Arc::clone(&self.state.queue.fetching).lock_owned().await;
        loop {
            let batch: Vec<Waiting> = {
                let mut waiting = self.state.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let count = waiting.len().min(BATCH);
                waiting.drain(..count).collect()
            };
            if batch.is_empty() {
                return;
            }
            self.serve(batch).await;
            self.mirrors.keep_budget(&self.state.mirror);
        }
    }

    async fn serve(&self, batch: Vec<Waiting>) {
        let wishes = |pick: fn(&Want) -> Option<&Wanted>| {
            let mut wishes: Vec<Wanted> = Vec::new();
            for wanted in batch.iter().filter_map(|waiting| pick(&waiting.want)) {
                if !wishes.iter().any(|known| known.hash == wanted.hash) {
                    wishes.push(wanted.clone());
                }
            }
            wishes
        };
        let files = wishes(|want| if let Want::Files(wanted) = want { Some(wanted) } else { None });
        let histories = wishes(|want| if let Want::History(wanted) = want { Some(wanted) } else { None });
        let files = self
            .each(&files, |wanted| Load::Files(wanted), |wanted| self.state.mirror.holds(&wanted.hash))
            .await;
        let history = self.state.mirror.history();
        let histories = self
            .each(&histories, |wanted| Load::Histories(wanted), |wanted| history.holds(&wanted.hash))
            .await;
        for Waiting { want, answer } in batch {
            let result = match &want {
                Want::Files(wanted) => result_of(&files, wanted),
                Want::History(wanted) => result_of(&histories, wanted),
                Want::Everything { sum } if history.holds_everything(sum) => Ok(()),
                Want::Everything { sum } => self.repaired(Load::Everything(sum)).await,
            };
            // Whoever asked may have gone away.
            answer.send(result).ok();
        }
    }

    /// Fetches all that isn't there yet, at first together, and one by one if that failed: a single bad one spoils a fetch.
    async fn each<'a>(
        &self,
        wishes: &'a [Wanted],
        load: fn(&[Wanted]) -> Load<'_>,
        is_here: impl Fn(&Wanted) -> bool,
    ) -> Vec<(&'a Wanted, Result<(), DirectError>)> {
        let missing: Vec<Wanted> = wishes.iter().filter(|wanted| !is_here(wanted)).cloned().collect();
        let together = if missing.is_empty() { Ok(()) } else { self.repaired(load(&missing)).await };
        let mut results = Vec::with_capacity(wishes.len());
        for wanted in wishes {
            let result = match &together {
                _ if is_here(wanted) => Ok(()),
                Err(error) if missing.len() > 1 && is_about_one(error.kind) => {
                    self.repaired(load(std::slice::from_ref(wanted))).await
                }
                result => result.clone(),
            };
            results.push((wanted, result));
        }
        results
    }

    /// Fetches; a damaged mirror, or one that has no room, is thrown away and made anew, once.
    async fn repaired(&self, load: Load<'_>) -> Result<(), DirectError> {
        let had_some = self.state.mirror.holds_any();
        let mut outcome = self.bring(load).await;
        if outcome.as_ref().is_err_and(|failure| failure.meaning == Meaning::Moved) {
            self.follow().await?;
            outcome = self.bring(load).await;
        }
        let anew = match &outcome {
            Err(Failure { meaning: Meaning::Damaged, .. }) => true,
            // What was fetched earlier has to go to let the new in.
            Err(Failure { meaning: Meaning::TooLarge, .. }) => had_some,
            _ => false,
        };
        if anew {
            self.rebuild().await?;
            outcome = self.bring(load).await;
        }
        match outcome {
            Err(failure) if failure.meaning == Meaning::TooLarge => {
                self.rebuild().await?;
                Err(failure.error)
            }
            outcome => outcome.map_err(|failure| failure.error),
        }
    }

    async fn bring(&self, load: Load<'_>) -> Result<(), Failure> {
        let outcome = match load {
            Load::Files(wanted) => self.bring_files(wanted).await,
            Load::Histories(wanted) => self.bring_histories(wanted).await,
            Load::Everything(sum) => self.bring_everything(sum).await,
        };
        match (outcome, load) {
            // The go command does the same: whatever the server dislikes, it may still give everything.
            (Err(failure), Load::Files([wanted]) | Load::Histories([wanted]))
                if failure.meaning.is_about_the_form(wanted.source == wanted.hash) =>
            {
                self.bring_whole_repository(None).await?;
                self.name_from_whole(wanted, load).await
            }
            (Err(failure), Load::Everything(sum)) if failure.meaning.is_about_the_form(true) => {
                self.bring_whole_repository(Some(sum)).await
            }
            (outcome, _) => outcome,
        }
    }

    /// Throws the mirror away once nobody uses it.
    pub(super) async fn rebuild(&self) -> Result<(), DirectError> {
        let _alone = Arc::clone(&self.state.in_use).write_owned().await;
        tracing::warn!(repository = %self.url(), "the mirror of {} can't be used as it is and is made anew", self.url());
        let mirror = self.state.mirror.clone();
        let removed = tokio::task::spawn_blocking(move || mirror.remove()).await;
        removed.unwrap_or(Ok(())).map_err(|error| storage_fault("remove a damaged mirror", &error))
    }
}

/// Reports whether a failure of several wishes may be the failure of one of them only.
fn is_about_one(kind: DirectFaultKind) -> bool {
    use DirectFaultKind::{Absent, Broken, CredentialsRefused, Invalid, LoginNeeded, Refused};
    use DirectFaultKind::{Saturated, StorageFull, TimedOut, Unreachable};
    match kind {
        Absent | Invalid | StorageFull | Broken => true,
        LoginNeeded | CredentialsRefused | Refused | Unreachable | TimedOut | Saturated => false,
    }
}

fn result_of(results: &[(&Wanted, Result<(), DirectError>)], wanted: &Wanted) -> Result<(), DirectError> {
    results.iter().find(|(known, _)| known.hash == wanted.hash).map_or(Ok(()), |(_, result)| result.clone())
}
