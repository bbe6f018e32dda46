//! Walking the upstreams of a chain by Go's own rules.
//!
//! After a comma the next entry is asked only when this one says that there is no such thing, after a pipe
//! when it fails in any way. Of several failures the most helpful is reported: one that is not absence before
//! one that is, the later before the earlier. In one point this is stricter than the go command: the whole walk
//! counts as absence only if **every** entry that was asked positively said so. `A|off` with A down is A's
//! failure, for a client that took it for absence would go on to ask somebody else.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use larder_module::goproxy::Separator;

use crate::error::{FetchCause, FetchError};
use crate::instance::Trail;
use crate::name::UpstreamName;
use crate::upstream::Upstream;
use crate::urgency::Urgency;

/// Upstreams in the order in which they are asked. Cloning is cheap.
#[derive(Clone)]
pub struct Chain {
    entries: Arc<[ChainEntry]>,
    /// Its name as a list, which is part of many keys.
    text: Arc<str>,
    trail: Trail,
    urgency: Urgency,
}

/// One upstream of a chain.
#[derive(Clone, Debug)]
pub struct ChainEntry {
    /// Whom to ask.
    pub upstream: Upstream,
    /// What stands after it.
    pub separator: Separator,
}

/// The walk of a chain that found nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.verdict_text())]
pub struct WalkFailure {
    /// Each attempt, in order.
    pub attempts: Vec<FetchError>,
}

impl Chain {
    pub(crate) fn new(entries: Vec<ChainEntry>) -> Self {
        let text = text_of(&entries).into();
        Self { entries: entries.into(), text, trail: Trail::default(), urgency: Urgency::now() }
    }

    /// Returns its upstreams as a list like that of `GOPROXY`, in printable form. Cloning it is cheap.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Returns the entries.
    pub fn entries(&self) -> &[ChainEntry] {
        &self.entries
    }

    /// Returns the upstreams in order, each for the request that the chain stands for.
    pub fn upstreams(&self) -> impl Iterator<Item = Upstream> {
        self.entries.iter().map(|entry| self.errand_to(&entry.upstream))
    }

    /// Returns this chain for a request that came through the proxies of `trail`.
    #[must_use]
    pub fn on_behalf_of(&self, trail: &Trail) -> Self {
        Self { trail: trail.clone(), ..self.clone() }
    }

    /// Returns this chain for something that is wanted so soon.
    #[must_use]
    pub fn wanted_so_soon(&self, urgency: &Urgency) -> Self {
        Self { urgency: urgency.clone(), ..self.clone() }
    }

    /// Returns how soon what it is asked for is wanted.
    pub fn urgency(&self) -> &Urgency {
        &self.urgency
    }

    fn errand_to(&self, upstream: &Upstream) -> Upstream {
        upstream.clone().on_behalf_of(&self.trail).wanted_so_soon(&self.urgency)
    }

    /// Asks one upstream after the other until one succeeds or the rules end the walk.
    ///
    /// # Errors
    ///
    /// Fails with every attempt when none succeeded.
    pub async fn walk<T, Asking>(
        &self,
        mut ask: impl FnMut(Upstream) -> Asking,
    ) -> Result<(T, UpstreamName), WalkFailure>
    where
        Asking: Future<Output = Result<T, FetchError>>,
    {
        let mut attempts = Vec::new();
        for entry in self.entries.iter() {
            let upstream = self.errand_to(&entry.upstream);
            let name = upstream.name();
            match ask(upstream).await {
                Ok(found) => return Ok((found, name)),
                Err(error) => {
                    let go_on = error.cause.may_try_next(entry.separator);
                    attempts.push(error);
                    if !go_on {
                        break;
                    }
                }
            }
        }
        Err(WalkFailure { attempts })
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn text_of(entries: &[ChainEntry]) -> String {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&entry.upstream.name().to_string());
        match entry.separator {
            Separator::Comma => text.push(','),
            Separator::Pipe => text.push('|'),
            Separator::End => {}
        }
    }
    text
}

impl fmt::Debug for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Chain({self})")
    }
}

impl WalkFailure {
    /// Returns the attempt that stands for the whole walk; none only if no upstream was asked.
    pub fn verdict(&self) -> Option<&FetchError> {
        // Of equal ranks `max_by_key` takes the last, as Go does.
        self.attempts.iter().max_by_key(|error| rank(&error.cause))
    }

    /// Reports whether every entry that was asked positively said that there is no such thing.
    pub fn is_absence(&self) -> bool {
        !self.attempts.is_empty() && self.attempts.iter().all(FetchError::is_absence)
    }

    fn verdict_text(&self) -> String {
        self.verdict().map_or_else(|| "nobody was asked".to_owned(), ToString::to_string)
    }
}

/// How much a cause says about the walk: absence least, an end of look-ups more, a failure most.
fn rank(cause: &FetchCause) -> u8 {
    match cause {
        cause if cause.is_absence() => 0,
        FetchCause::LookupsOff => 1,
        _ => 2,
    }
}
