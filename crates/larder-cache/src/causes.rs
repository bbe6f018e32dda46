//! Why fetches failed, kept for a day, so that an answer that asks nobody can still say what happened.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use larder_module::path::ModulePath;
use larder_store::{Cause, Store};
use larder_upstream::{DirectFaultKind, FetchCause, FetchError};
use quick_cache::sync::Cache;

use crate::{
    clock::{WallClock, age_text},
    failure::{attempt_line, clean, cut},
};

pub(crate) const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);
const MODULES: usize = 2_048;
const PER_MODULE: usize = 4;
const LONGEST: usize = 400;

/// The causes at hand; the store has them too, for the time after a restart.
#[derive(Debug)]
pub(crate) struct Causes {
    recent: Cache<ModulePath, Arc<Vec<(SystemTime, String)>>>,
}

impl Causes {
    pub(crate) fn new() -> Self {
        Self { recent: Cache::new(MODULES) }
    }

    /// Keeps the cause of each failed attempt, absences excepted: they are answers.
    pub(crate) fn remember(
        &self,
        store: &Store,
        clock: &WallClock,
        module: &ModulePath,
        wanted: &str,
        attempts: &[FetchError],
    ) {
        let at = clock.now();
        for error in attempts.iter().filter(|error| is_worth_keeping(error)) {
            let detail = cut(&clean(&attempt_line(error)), LONGEST);
            self.push(module, at, detail.clone());
            store.put_cause(Cause {
                module: module.clone(),
                wanted: wanted.to_owned(),
                upstream: error.upstream.to_string(),
                detail,
                at,
            });
        }
    }

    fn push(&self, module: &ModulePath, at: SystemTime, detail: String) {
        let mut causes = self.recent.get(module).map(|causes| causes.to_vec()).unwrap_or_default();
        causes.retain(|(_, known)| *known != detail);
        causes.insert(0, (at, detail));
        causes.truncate(PER_MODULE);
        self.recent.insert(module.clone(), Arc::new(causes));
    }

    /// Returns the newest causes that are no older than `oldest`, as lines: `asked 40 s ago: ...`.
    pub(crate) async fn recall(
        &self,
        store: &Store,
        clock: &WallClock,
        module: &ModulePath,
        oldest: Duration,
    ) -> Vec<String> {
        let causes = match self.recent.get(module) {
            Some(causes) => causes,
            None => self.load(store, module).await,
        };
        let line = |(at, detail): &(SystemTime, String)| {
            let age = clock.since(*at);
            (age < KEPT_FOR && age <= oldest).then(|| format!("asked {} ago: {detail}", age_text(age)))
        };
        causes.iter().filter_map(line).take(2).collect()
    }

    async fn load(&self, store: &Store, module: &ModulePath) -> Arc<Vec<(SystemTime, String)>> {
        let (store, wanted) = (store.clone(), module.clone());
        let loaded = tokio::task::spawn_blocking(move || store.causes(&wanted)).await.unwrap_or_default();
        let causes = loaded.into_iter().take(PER_MODULE).map(|cause| (cause.at, cause.detail)).collect();
        let causes = Arc::new(causes);
        self.recent.insert(module.clone(), Arc::clone(&causes));
        causes
    }

    pub(crate) fn forget(&self, module: &ModulePath) {
        self.recent.remove(module);
    }
}

/// Reports whether an upstream was left alone because of what it did or said earlier.
pub(crate) fn was_left_alone(error: &FetchError) -> bool {
    match error.cause {
        FetchCause::BreakerOpen { .. } => true,
        FetchCause::RateLimited { .. } => error.attempts == 0,
        _ => false,
    }
}

fn is_worth_keeping(error: &FetchError) -> bool {
    let is_own_shortage = match &error.cause {
        FetchCause::Saturated | FetchCause::LookupsOff => true,
        FetchCause::Direct(fault) => fault.kind == DirectFaultKind::Saturated,
        _ => false,
    };
    !was_left_alone(error) && !error.is_absence() && !is_own_shortage
}
