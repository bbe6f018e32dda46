//! The remote's references, asked once for all who want them and remembered for a while.

use std::sync::{Arc, PoisonError};

use larder_upstream::DirectFaultKind;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::mirrors::Mirrors;
use super::refs::{Reader, Refs};
use super::repository::{Failure, Repository};
use super::run::{Output, Stopped};
use super::said::Meaning;
use super::{Tags, refs};
use crate::error::DirectError;

/// What `ls-remote` may say. A million references with long names fit.
const LIMIT: usize = 256 << 20;
/// What all remembered listings may take in memory.
const MEMORY: usize = 128 << 20;

/// What was heard last.
#[derive(Debug, Default)]
pub(super) struct Listing {
    heard: Arc<Mutex<Option<Heard>>>,
}

#[derive(Clone, Debug)]
struct Heard {
    /// When the question was put, so that whatever was pushed before is in the answer.
    asked: Instant,
    answer: Result<Arc<Refs>, DirectError>,
}

impl Listing {
    /// Returns what it takes in memory, and when it was heard; nothing while it is being asked for.
    fn weight(&self) -> Option<(Instant, usize)> {
        let heard = self.heard.try_lock().ok()?;
        let heard = heard.as_ref()?;
        Some((heard.asked, heard.answer.as_ref().map_or(0, |refs| refs.memory())))
    }

    /// Forgets what was heard, unless it is being asked for.
    fn forget(&self) {
        if let Ok(mut heard) = self.heard.try_lock() {
            *heard = None;
        }
    }
}

impl Mirrors {
    /// Forgets the oldest listings when all of them take too much memory.
    fn trim_listings(&self) {
        let repositories: Vec<_> = {
            let repositories = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
            repositories.values().cloned().collect()
        };
        let mut weights: Vec<_> = repositories
            .iter()
            .filter_map(|state| state.listing.weight().map(|(asked, weight)| (asked, weight, state)))
            .collect();
        let mut total: usize = weights.iter().map(|(_, weight, _)| weight).sum();
        weights.sort_by_key(|(asked, ..)| *asked);
        for (_, weight, state) in weights {
            if total <= MEMORY {
                break;
            }
            state.listing.forget();
            total -= weight;
        }
    }
}

impl Repository {
    /// Returns the remote's tags whose names begin with `prefix`.
    ///
    /// # Errors
    ///
    /// Fails when the remote can't be asked.
    pub async fn tags(&self, prefix: &str) -> Result<Tags, DirectError> {
        Ok(self.refs().await?.tags(prefix))
    }

    /// Returns Go's sum of all branches and tags (`Origin.RepoSum`).
    ///
    /// # Errors
    ///
    /// Fails when the remote can't be asked.
    pub async fn repository_sum(&self) -> Result<String, DirectError> {
        Ok(self.refs().await?.sum())
    }

    /// Returns the commit that a full reference name (`refs/tags/v1.0.0`) stands for now.
    ///
    /// # Errors
    ///
    /// Fails when the remote can't be asked.
    pub async fn commit_of_reference(&self, name: &str) -> Result<Option<String>, DirectError> {
        Ok(self.refs().await?.find(name))
    }

    /// Returns the references, no older than the settings want.
    pub(super) async fn refs(&self) -> Result<Arc<Refs>, DirectError> {
        let now = Instant::now();
        let oldest = now.checked_sub(self.mirrors.settings.refs_freshness).unwrap_or(now);
        self.refs_asked_since(oldest).await
    }

    /// Returns the references as they were at some time or later.
    pub(super) async fn refs_asked_since(&self, oldest: Instant) -> Result<Arc<Refs>, DirectError> {
        let arrived = Instant::now();
        let mut heard = Arc::clone(&self.state.listing.heard).lock_owned().await;
        if let Some(Heard { asked, answer }) = &*heard {
            match answer {
                Ok(refs) if *asked >= oldest => return Ok(Arc::clone(refs)),
                // A failure holds for those who waited for it, and for nobody else.
                Err(error) if *asked >= arrived => return Err(error.clone()),
                _ => {}
            }
        }
        let repository = self.clone();
        // On its own, so that it is finished even if whoever asked first goes away.
        let asking = tokio::spawn(async move {
            let asked = Instant::now();
            let answer = repository.list().await;
            *heard = Some(Heard { asked, answer: answer.clone() });
            drop(heard);
            repository.mirrors.trim_listings();
            answer
        });
        asking.await.unwrap_or_else(|_| {
            Err(DirectError::new(DirectFaultKind::Broken, "listing the references was broken off"))
        })
    }

    async fn list(&self) -> Result<Arc<Refs>, DirectError> {
        let first = match self.list_once().await {
            Err(failure) if failure.meaning == Meaning::Moved => failure,
            outcome => return outcome.map_err(|failure| failure.error),
        };
        self.follow().await.map_err(|error| match error.kind {
            DirectFaultKind::Unreachable => first.error,
            _ => error,
        })?;
        self.list_once().await.map_err(|failure| failure.error)
    }

    async fn list_once(&self) -> Result<Arc<Refs>, Failure> {
        let remote = self.remote();
        let url = remote.address.argument();
        let mut reader = Reader::default();
        let mut unusable = None;
        let mut line = |line: &[u8]| match reader.line(line) {
            Ok(()) => true,
            Err(why) => {
                unusable = Some(why);
                false
            }
        };
        let arguments = ["ls-remote", "--symref", "--quiet", "--end-of-options", &url];
        let done = self.run_network(None, &remote, &arguments, Output::Lines(LIMIT, &mut line)).await?;
        if let Some(why) = unusable {
            return Err(self.unusable(why));
        }
        if done.stopped == Some(Stopped::Flood) {
            return Err(self.unusable(refs::Unusable::TooMany));
        }
        if !done.is_success() {
            return Err(self.failure("list the references of", &done));
        }
        // A million of them take a while to sort.
        let finished = tokio::task::spawn_blocking(|| Arc::new(reader.finish())).await;
        finished.map_err(|_| {
            DirectError::new(DirectFaultKind::Broken, "listing the references was broken off").into()
        })
    }

    fn unusable(&self, why: refs::Unusable) -> Failure {
        let why = match why {
            refs::Unusable::TooMany => "too many references",
            refs::Unusable::MixedHashes => "hashes of two kinds",
        };
        DirectError::new(DirectFaultKind::Broken, format!("{} lists {why}", self.url())).into()
    }
}
