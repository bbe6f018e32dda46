//! What follows from a failed fetch: what is remembered of it, and what can be said all the same.
//!
//! Absence is an answer and is kept; it stays usable while the chain can't be asked. A refusal that follows from the bytes themselves,
//! or from the database's positive word, is repeated for a minute. Any other failure is shared only with those who waited for it; just its cause is kept.

use std::{sync::Arc, time::Duration};

use larder_module::{path::ModulePath, request::ObjectKind};
use larder_store::ObjectKey;
use larder_upstream::{FetchCause, Route, WalkFailure, Wanted};
use quick_cache::sync::Cache;

use crate::{
    Event, Failure, Outcome, Reason,
    causes::{KEPT_FOR, was_left_alone},
    clock::Moment,
    engine::Engine,
    failure::attempt_line,
    flight::{Landing, Ready, ReadyBody, Stop},
    memory::entity_tag,
};

/// How long a refusal that follows from the bytes is repeated without asking again.
const REFUSED_FOR: Duration = Duration::from_secs(60);
const REMEMBERED: usize = 4_096;

/// Failures by key that have a bearing on the next attempt.
#[derive(Debug)]
pub(crate) struct Refusals {
    refused: Cache<ObjectKey, (Moment, Arc<Failure>)>,
    /// Bodies that broke off while clients received them: the next attempt is shown only when it is whole.
    cut: Cache<ObjectKey, ()>,
}

impl Refusals {
    pub(crate) fn new() -> Self {
        Self { refused: Cache::new(REMEMBERED), cut: Cache::new(REMEMBERED) }
    }

    pub(crate) fn forget_module(&self, module: &ModulePath) {
        self.refused.retain(|key, _| key.of().module() != module);
        self.cut.retain(|key, ()| key.of().module() != module);
    }
}

/// Says what was asked for, as people do.
pub(crate) fn describe(wanted: &Wanted) -> String {
    match wanted {
        Wanted::List(module) => format!("the version list of {module}"),
        Wanted::Latest(module) => format!("the latest version of {module}"),
        Wanted::Query { module, query } => format!("{module}@{query}"),
        Wanted::Object { of, kind } => format!("{of}.{kind}"),
    }
}

pub(crate) fn wanted_of(key: &ObjectKey) -> Wanted {
    Wanted::Object { of: key.of().clone(), kind: key.kind() }
}

impl Engine {
    /// Turns a failed walk into a failure, and keeps the causes.
    pub(crate) async fn walk_failed(&self, route: &Route, wanted: &Wanted, failure: &WalkFailure) -> Failure {
        let module = wanted.module();
        let what = describe(wanted);
        let decisive = decisive(failure);
        let remembered = if failure.attempts.iter().any(was_left_alone) {
            self.causes.recall(&self.store, &self.settings.clock, module, KEPT_FOR).await
        } else {
            Vec::new()
        };
        // What a guess met is no news to anybody: it had less patience than a client's request has.
        if !route.chain.urgency().is_now() {
            return Failure::of_attempts(&what, &failure.attempts, &decisive, &[]);
        }
        self.causes.remember(&self.store, &self.settings.clock, module, &what, &failure.attempts);
        for error in failure.attempts.iter().filter(|error| !error.is_absence()) {
            // A private name is no business of whoever reads the log of a third party, but this log is the operator's own.
            tracing::info!(module = %module, upstream = %error.upstream, private = route.private, "{}", attempt_line(error));
        }
        Failure::of_attempts(&what, &failure.attempts, &decisive, &remembered)
    }

    /// Returns what is known already about an object that isn't stored, so that nobody need be asked.
    pub(crate) async fn remembered(&self, route: &Route, key: &ObjectKey) -> Option<Failure> {
        if let Some((since, failure)) = self.refusals.refused.get(key) {
            let age = self.settings.clock.age(since);
            let limit = match failure.reason {
                Reason::ChecksumUnknown => REFUSED_FOR.min(self.settings.absence_freshness),
                _ => REFUSED_FOR,
            };
            if age < limit {
                return Some((*failure).clone().learned(age));
            }
            self.refusals.refused.remove(key);
        }
        self.fresh_absence(route, &wanted_of(key)).await
    }

    /// Reports whether clients of the last attempt saw their body break off.
    pub(crate) fn was_cut(&self, key: &ObjectKey) -> bool {
        self.refusals.cut.get(key).is_some()
    }

    /// Forgets what was held against an object that came well.
    pub(crate) fn forget_failure(&self, key: &ObjectKey) {
        self.refusals.cut.remove(key);
        self.refusals.refused.remove(key);
        self.forget_absence(&wanted_of(key));
    }

    /// Remembers a failed fetch of an object as far as its kind deserves, and answers from what is known where nobody can be asked.
    pub(crate) async fn after_failure(
        &self,
        route: &Route,
        key: &ObjectKey,
        failure: Failure,
        was_shown: bool,
    ) -> Result<Ready, Failure> {
        if was_shown {
            self.refusals.cut.insert(key.clone(), ());
        }
        match &failure.reason {
            Reason::Absent => {
                self.keep_absence(route, &wanted_of(key), &failure);
                return Err(failure);
            }
            Reason::ChecksumMismatch | Reason::ChecksumUnknown => {
                // "Unknown" may be the database's word of a minute ago: it doesn't begin to count anew.
                let since = self.settings.clock.moment_before(failure.learned.unwrap_or_default());
                self.refusals.refused.insert(key.clone(), (since, Arc::new(failure.clone())));
                return Err(failure);
            }
            reason if !reason.chain_cannot_be_asked() => return Err(failure),
            _ => {}
        }
        if key.kind() == ObjectKind::Info
            && let Some(ready) = self.computed_info(key).await
        {
            return Ok(ready);
        }
        match self.absence_without_asking(route, &wanted_of(key), &failure).await {
            Some(absence) => Err(absence),
            None => Err(failure),
        }
    }

    /// Ends a flight whose fetch failed.
    pub(crate) async fn failed(
        self: &Arc<Self>,
        route: &Route,
        key: &ObjectKey,
        landing: Landing,
        failure: Failure,
    ) {
        // Off the board before anybody's body breaks: who comes back at once must not join what just failed.
        let shown = landing.flight().shown();
        let result = self.after_failure(route, key, failure, shown.is_some()).await;
        landing.end(result.map_err(|failure| Stop::Failed(Arc::new(failure))));
        if let Some(growing) = shown {
            growing.abort();
            self.metrics.event(Event::Aborted);
        }
    }

    /// Makes the `.info` of a version whose `.mod` and `.zip` are stored, while nobody can be asked for the real one.
    async fn computed_info(&self, key: &ObjectKey) -> Option<Ready> {
        let body = self.info_from_store(key.of()).await?;
        let sha256 =
            sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), &body))
                .into();
        Some(Ready {
            body: ReadyBody::Memory(body),
            etag: entity_tag(&sha256),
            modified: None,
            outcome: Outcome::Computed,
            expires: None,
            mark: None,
        })
    }
}

/// Returns the cause that decides the status: what Go would report as the most helpful one.
///
/// Where somebody said "no such thing" and the chain then ends at an entry that looks nothing up, the answer is absence.
fn decisive(failure: &WalkFailure) -> FetchCause {
    let verdict = failure.verdict().map_or(FetchCause::LookupsOff, |error| error.cause.clone());
    let absent = failure.attempts.iter().find(|error| error.is_absence());
    match (&verdict, absent) {
        (FetchCause::LookupsOff, Some(absent)) => absent.cause.clone(),
        _ => verdict,
    }
}
