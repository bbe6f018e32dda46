//! The engine's outside: one method per kind of request, and what all of them share.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicUsize},
    time::Duration,
};

use larder_module::{
    path::ModulePath,
    request::{ChecksumRequest, ObjectKind, ProxyRequest},
    version::{ModuleVersion, Query},
};
use larder_store::{ObjectKey, Store};
use larder_upstream::{BreakerState, Routes, Turns, UpstreamState, Upstreams, Wanted};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use crate::{
    Access, ChecksumDatabases, Content, Failure, Journal, Metrics, PrefetchSettings, Served, WallClock,
    absence::Absences,
    aftermath::Refusals,
    answers::Answers,
    causes::Causes,
    flight::Board,
    journal::AnswerWatch,
    memory::AtHand,
    objects,
    prefetch::{Counts, Prefetcher},
    tasks::{Slots, Tasks},
};

/// How many objects may be written down in the index while their clients are being answered; more are waited for.
const RECORDING: usize = 64;

/// What may be set about the engine.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// How long an answer counts as fresh: 0 to 1 h.
    pub answer_freshness: Duration,
    /// How long past its freshness an answer is served at once while it is asked again; older ones wait for the upstream.
    pub answer_grace: Duration,
    /// How long a positive "no such thing" counts as fresh.
    pub absence_freshness: Duration,
    /// How long a client waits for a status.
    pub status_budget: Duration,
    /// How many bytes of small objects and answers are kept in memory; three eighths of it are for the answers.
    pub memory_bytes: u64,
    /// How many files are kept open for readers to share.
    pub open_files: usize,
    /// How many fetches may be under way; of several routes, none may have more than half of them.
    pub fetches: usize,
    /// How many fetches may wait for a slot.
    pub fetch_queue: usize,
    /// How many zips are hashed at a time; each takes a whole core.
    pub examinations: usize,
    /// How much is fetched ahead of clients.
    pub prefetch: PrefetchSettings,
    /// Wall time.
    pub clock: WallClock,
    /// Who is told of every request.
    pub journal: Option<Arc<dyn Journal>>,
}

impl EngineSettings {
    /// Returns the defaults.
    #[must_use]
    pub fn new(clock: WallClock) -> Self {
        Self {
            answer_freshness: Duration::from_secs(60),
            answer_grace: Duration::from_secs(600),
            absence_freshness: Duration::from_secs(60),
            status_budget: Duration::from_secs(34),
            memory_bytes: 64 << 20,
            open_files: 512,
            fetches: 128,
            fetch_queue: 4_096,
            examinations: std::thread::available_parallelism().map_or(2, usize::from),
            prefetch: PrefetchSettings::default(),
            clock,
            journal: None,
        }
    }
}

/// The engine: looks up, else fetches once for all who wait, verifies, stores, streams.
#[derive(Debug)]
pub struct Engine {
    pub(crate) settings: EngineSettings,
    pub(crate) store: Store,
    upstreams: Upstreams,
    routes: RwLock<Arc<Routes>>,
    pub(crate) databases: Option<ChecksumDatabases>,
    pub(crate) metrics: Metrics,
    pub(crate) at_hand: AtHand,
    pub(crate) board: Board,
    pub(crate) tasks: Tasks,
    pub(crate) slots: Slots,
    pub(crate) examinations: Turns,
    /// Readers of all growing bodies together.
    pub(crate) readers: Arc<AtomicUsize>,
    pub(crate) answers: Answers,
    pub(crate) absences: Absences,
    pub(crate) refusals: Refusals,
    pub(crate) causes: Causes,
    pub(crate) checking: Checking,
    /// Places for what is written down while its client is being answered.
    pub(crate) recording: Arc<Semaphore>,
    pub(crate) prefetch: Prefetcher,
}

impl Engine {
    /// Starts an engine; without checksum databases only toolchains are refused for want of verification.
    pub fn new(
        settings: EngineSettings,
        store: Store,
        upstreams: Upstreams,
        routes: Routes,
        databases: Option<ChecksumDatabases>,
        metrics: Metrics,
    ) -> Arc<Self> {
        let answers_memory = settings.memory_bytes / 8 * 3;
        let objects_memory = settings.memory_bytes - answers_memory;
        let slots = Slots::new(settings.fetches, settings.fetch_queue);
        slots.share_among(routes.iter().count());
        let (prefetch, ahead) = Prefetcher::new(settings.prefetch, Counts::new(&metrics));
        prefetch.routes_changed(&routes);
        let engine = Arc::new(Self {
            at_hand: AtHand::new(objects_memory, settings.open_files, settings.clock.clone()),
            board: Board::default(),
            tasks: Tasks::default(),
            slots,
            examinations: Turns::new(settings.examinations, settings.examinations.div_ceil(2)),
            readers: Arc::default(),
            answers: Answers::new(answers_memory),
            absences: Absences::new(),
            refusals: Refusals::new(),
            causes: Causes::new(),
            checking: Checking::default(),
            recording: Arc::new(Semaphore::new(RECORDING)),
            settings,
            store,
            upstreams,
            routes: RwLock::new(Arc::new(routes)),
            databases,
            metrics,
            prefetch,
        });
        engine.start_fetching_ahead(ahead);
        engine
    }

    /// Returns one file of a version.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn object(
        self: &Arc<Self>,
        of: &ModuleVersion,
        kind: ObjectKind,
        access: &Access,
    ) -> Result<Served, Failure> {
        let watch = self.watch();
        let result = self.serve_object(of, kind, access).await;
        let path = || Wanted::Object { of: of.clone(), kind }.path();
        watch.answered(objects::content_of(kind), access, result.as_ref(), path);
        self.counted(objects::content_of(kind), result)
    }

    /// Returns what can be served without waiting for anything: an object at hand, an answer that is still fresh.
    ///
    /// It counts and is noted as any other reply. Nothing is returned where the other methods have to be asked, whether they will
    /// fetch, refuse or merely look into the store.
    pub fn at_once(&self, request: &ProxyRequest, access: &Access) -> Option<Served> {
        let watch = self.watch();
        let wanted = match request {
            ProxyRequest::Object { of, kind } => Wanted::Object { of: of.clone(), kind: *kind },
            ProxyRequest::List(module) => Wanted::List(module.clone()),
            ProxyRequest::Latest(module) => Wanted::Latest(module.clone()),
            ProxyRequest::Query { module, query } => {
                Wanted::Query { module: module.clone(), query: query.clone() }
            }
            ProxyRequest::Checksum { .. } => return None,
        };
        let served = match &wanted {
            Wanted::Object { of, kind } => self.object_at_once(of, *kind, access),
            Wanted::List(_) | Wanted::Latest(_) | Wanted::Query { .. } => {
                self.answer_at_once(&wanted, access)
            }
        }?;
        watch.answered(served.content, access, Ok(&served), || wanted.path());
        self.metrics.answered(served.content, Ok(&served));
        Some(served)
    }

    /// Returns the version list of a module: valid versions, sorted, no pseudo-versions.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn list(self: &Arc<Self>, module: &ModulePath, access: &Access) -> Result<Served, Failure> {
        self.answer_watched(Wanted::List(module.clone()), Content::List, access).await
    }

    /// Returns the `.info` of a module's latest version.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn latest(self: &Arc<Self>, module: &ModulePath, access: &Access) -> Result<Served, Failure> {
        self.answer_watched(Wanted::Latest(module.clone()), Content::Latest, access).await
    }

    /// Returns the `.info` of what a branch, commit or version prefix stands for.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn query(
        self: &Arc<Self>,
        module: &ModulePath,
        query: &Query,
        access: &Access,
    ) -> Result<Served, Failure> {
        let wanted = Wanted::Query { module: module.clone(), query: query.clone() };
        self.answer_watched(wanted, Content::Query, access).await
    }

    /// Answers for a checksum database out of the verified copy.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn checksum(
        self: &Arc<Self>,
        database: &str,
        request: &ChecksumRequest,
        access: &Access,
    ) -> Result<Served, Failure> {
        let content = match request {
            ChecksumRequest::Supported => Content::ChecksumSupported,
            ChecksumRequest::Latest => Content::ChecksumLatest,
            ChecksumRequest::Lookup { .. } => Content::ChecksumLookup,
            ChecksumRequest::Tile(_) => Content::ChecksumTile,
        };
        let watch = self.watch();
        let result = self.serve_checksum(database, request, access).await;
        watch.answered(content, access, result.as_ref(), || checksum_path(database, request));
        self.counted(content, result)
    }

    /// Forgets every kept absence, refusal, cause and answer about a module, so that its upstreams are asked again.
    pub async fn purge(self: &Arc<Self>, module: &ModulePath) {
        self.forget_at_hand(module);
        if let Some(databases) = &self.databases {
            databases.forget_unknown(module);
        }
        let (store, purged) = (self.store.clone(), module.clone());
        let forgotten = tokio::task::spawn_blocking(move || {
            store.forget_answers(&purged);
            store.forget_causes(&purged);
        });
        if let Err(error) = forgotten.await {
            tracing::error!(%error, "a purge ended early");
        }
        // Requests may have taken something out of the store before that forgot it.
        self.forget_at_hand(module);
    }

    fn forget_at_hand(&self, module: &ModulePath) {
        self.answers.forget_module(module);
        self.absences.forget_module(module);
        self.refusals.forget_module(module);
        self.causes.forget(module);
    }

    /// Replaces the routes; requests under way keep the old ones.
    pub fn set_routes(&self, routes: Routes) {
        self.slots.share_among(routes.iter().count());
        self.prefetch.routes_changed(&routes);
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routes);
    }

    /// Renders all figures as OpenMetrics text.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        const STATES: [BreakerState; 3] = [BreakerState::Closed, BreakerState::HalfOpen, BreakerState::Open];
        let private = self.private_upstreams();
        for state in self.upstreams.states() {
            let name = state.name.to_string();
            if private.contains(&name) {
                continue;
            }
            let words = STATES.map(BreakerState::as_str);
            self.metrics.breaker(name, state.breaker.as_str(), &words);
        }
        self.metrics.render()
    }

    /// Returns the store, for readiness and the commands beside serving.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Stops taking new fetches and waits until what was verified is stored, at most `limit`; reports whether all of it was.
    pub async fn shutdown(self: &Arc<Self>, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut done = self.tasks.close(limit).await;
        if let Some(databases) = &self.databases {
            done &= timeout_at(deadline, databases.flush()).await.is_ok();
        }
        let (engine, store) = (Arc::clone(self), self.store.clone());
        let flush = move || {
            engine.prefetch.waste.flush(&store);
            store.flush();
        };
        done &= timeout_at(deadline, tokio::task::spawn_blocking(flush)).await.is_ok();
        done
    }

    pub(crate) fn upstream_states(&self) -> Vec<UpstreamState> {
        self.upstreams.states()
    }

    pub(crate) fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Names of upstreams that only private routes use: they are private names.
    fn private_upstreams(&self) -> HashSet<String> {
        let routes = self.routes();
        let names = |private: bool| {
            routes
                .iter()
                .filter(move |route| route.private == private)
                .flat_map(|route| route.chain.entries())
                .map(|entry| entry.upstream.name().to_string())
                .collect::<HashSet<_>>()
        };
        &names(true) - &names(false)
    }

    fn watch(&self) -> AnswerWatch<'_> {
        AnswerWatch::start(self.settings.journal.as_ref())
    }

    async fn answer_watched(
        self: &Arc<Self>,
        wanted: Wanted,
        content: Content,
        access: &Access,
    ) -> Result<Served, Failure> {
        let watch = self.watch();
        let path = self.settings.journal.is_some().then(|| wanted.path());
        let result = self.serve_answer(wanted, access).await;
        watch.answered(content, access, result.as_ref(), || path.unwrap_or_default());
        self.counted(content, result)
    }

    fn counted(&self, content: Content, result: Result<Served, Failure>) -> Result<Served, Failure> {
        self.metrics.answered(content, result.as_ref());
        result
    }
}

/// Returns the path that a client asks a checksum database's copy for.
fn checksum_path(database: &str, request: &ChecksumRequest) -> String {
    match request {
        ChecksumRequest::Supported => format!("/sumdb/{database}/supported"),
        ChecksumRequest::Latest => format!("/sumdb/{database}/latest"),
        ChecksumRequest::Lookup { module, version } => {
            format!("/sumdb/{database}/lookup/{}@{}", module.escaped(), version.escaped())
        }
        ChecksumRequest::Tile(tile) => format!("/sumdb/{database}/{}", tile.path()),
    }
}

/// What became of the wish to watch an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Watch {
    /// It is watched from now on.
    New,
    /// It was watched already.
    Already,
    /// There is no room.
    TooMany,
}

/// The unverified objects that are waiting to be checked again.
#[derive(Debug, Default)]
pub(crate) struct Checking(Mutex<HashSet<ObjectKey>>);

impl Checking {
    const MOST: usize = 1_024;

    /// Begins to watch an object, if there is room.
    pub(crate) fn start(&self, key: &ObjectKey) -> Watch {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.contains(key) {
            return Watch::Already;
        }
        if watched.len() >= Self::MOST {
            return Watch::TooMany;
        }
        watched.insert(key.clone());
        Watch::New
    }

    pub(crate) fn end(&self, key: &ObjectKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
