//! The engine and all that stands behind it: what every command needs that fetches, whether or not it listens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use larder_cache::{ChecksumDatabases, Engine, Journal, Metrics};
use larder_direct::Direct;
use larder_store::{FailPoint, Store, StoreError, StoreOptions};
use larder_upstream::Instance;

use crate::clock;
use crate::commands::Outcome;
use crate::config::{Config, Environment};
use crate::findings::Findings;
use crate::git_figures::GitFigures;

/// What commands want differently.
#[derive(Debug)]
pub(crate) struct WorksSettings {
    /// The one server of the data folder; other commands share it with each other and with that one.
    pub(crate) exclusive: bool,
    /// The folder of git mirrors, which one process works on at a time.
    pub(crate) mirrors: PathBuf,
    /// The process's limit of descriptors.
    pub(crate) descriptors: u64,
    /// Who is told of every request.
    pub(crate) journal: Option<Arc<dyn Journal>>,
    /// An answer past its freshness is never served while its upstream can be asked.
    pub(crate) fresh_answers: bool,
}

/// An engine that is ready, with what its owner needs of its parts.
#[derive(Debug)]
pub(crate) struct Works {
    pub(crate) engine: Arc<Engine>,
    pub(crate) metrics: Metrics,
    pub(crate) instance: Instance,
    pub(crate) notices: Vec<String>,
}

impl Works {
    /// Builds the engine as configured; needs a runtime.
    pub(crate) fn build(
        config: &Config,
        environment: &Environment,
        settings: WorksSettings,
    ) -> Result<Self, Outcome> {
        let upstreams = super::upstreams(config, environment).map_err(Outcome::Configuration)?;
        let findings = Arc::new(Findings::default());
        let observer = Arc::<Findings>::clone(&findings);
        let direct = super::version_control(config, environment, settings.mirrors, observer, &upstreams)
            .map_err(Outcome::Configuration)?;
        let upstreams = upstreams.with_version_control(Arc::<Direct>::clone(&direct));
        let routes = super::routes(config, &upstreams).map_err(Outcome::Configuration)?;
        let mut checksums = super::checksums(config).map_err(Outcome::Configuration)?;
        checksums.journal.clone_from(&settings.journal);
        let store = open_store(config, environment, settings.exclusive)?;
        let databases = ChecksumDatabases::new(checksums, &store, &upstreams);
        let metrics = Metrics::new();
        findings.keep_in(store.clone(), metrics.clone());
        metrics.register(|registry| registry.register_collector(Box::new(GitFigures::new(direct))));
        let instance = upstreams.instance().clone();
        let mut notices = upstreams.notices().to_vec();
        notices.extend(super::missing_git(config, environment));
        let mut engine = super::engine(config, settings.descriptors);
        engine.journal = settings.journal;
        if settings.fresh_answers {
            engine.answer_grace = Duration::ZERO;
        }
        let engine = Engine::new(engine, store, upstreams, routes, Some(databases), metrics.clone());
        Ok(Self { engine, metrics, instance, notices })
    }
}

fn open_store(config: &Config, environment: &Environment, exclusive: bool) -> Result<Store, Outcome> {
    let mut options = StoreOptions::new(config.path("data").unwrap_or_default(), clock::wall);
    options.exclusive = exclusive;
    if let Some(plan) = environment.non_empty("LARDER_FAIL_POINT") {
        options.fail_point = Some(plan.parse::<FailPoint>().map_err(|error| Outcome::usage(&error, None))?);
    }
    Store::open(options).map_err(|error| {
        let hint = match &error {
            StoreError::Busy { .. } => "stop the other server, or name another folder with --data",
            StoreError::NoSpace { .. } | StoreError::NoInodes { .. } => {
                "make room, or name another folder with --data"
            }
            StoreError::Denied { .. } | StoreError::ReadOnly { .. } => {
                "name a folder that this user may write with --data, or change the owner of this one"
            }
            _ => "name another folder with --data",
        };
        Outcome::usage(&error, hint.to_owned())
    })
}
