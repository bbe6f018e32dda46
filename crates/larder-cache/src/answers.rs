//! Answers that change: lists, latest versions, queries.
//!
//! A fresh answer is served as it is. One that is a little older is served too, while one revalidation runs for all who ask. One that is
//! older still waits for the upstream, and is served stale only when that fails: a client that comes back after a week wants this
//! week's versions, not last week's. When nothing was ever learned, what is stored answers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use larder_module::{
    path::ModulePath,
    request::ObjectKind,
    version::{ModuleVersion, Version},
};
use larder_store::AnswerRow;
use larder_upstream::{
    Deadline, FetchCause, FetchError, Judged, Route, SmallReply, Trail, Upstream, UpstreamKind, UpstreamName,
    Urgency, Validators, Wanted,
};
use quick_cache::{Weighter, sync::Cache};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use crate::{
    Access, Body, Content, Failure, Outcome, Reason, Served,
    absence::{answer_key, read_answer},
    aftermath::describe,
    clock::Moment,
    coalesce::Coalesce,
    computed::list_lines,
    engine::Engine,
    fetch::{label_of, on_behalf_of},
    memory::entity_tag,
    merged::MergedLists,
    objects::{cached_only, shutting_down, still_fetching},
};

/// How long one walk for an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// How long a client waits for a better answer than the one at hand, stale or computed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A body with its entity tag.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    bytes: Bytes,
    etag: Arc<str>,
}

impl Text {
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl From<Bytes> for Text {
    fn from(bytes: Bytes) -> Self {
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        Self { etag: entity_tag(&sha256), bytes }
    }
}

/// An answer that was learned.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// As it came; of a list, only the versions for clients.
    body: Text,
    validators: Validators,
    source: String,
    /// When this process was last told; decides freshness.
    asked: Moment,
    fetched_at: std::time::SystemTime,
}

/// What a refresh brought.
#[derive(Clone, Debug)]
struct Refreshed {
    kept: Arc<Kept>,
    outcome: Outcome,
}

impl Kept {
    /// Reports whether version control said it.
    fn is_of_a_repository(&self) -> bool {
        self.source == UpstreamName::direct().as_str()
    }
}

type RefreshResult = Result<Refreshed, Arc<Failure>>;

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<(Wanted, Arc<str>), Arc<Kept>> for ByBytes {
    fn weight(&self, _key: &(Wanted, Arc<str>), kept: &Arc<Kept>) -> u64 {
        512 + kept.body.len()
    }
}

/// The answers at hand, and the refreshes under way.
#[derive(Debug)]
pub(crate) struct Answers {
    kept: Cache<(Wanted, Arc<str>), Arc<Kept>, ByBytes>,
    merged: MergedLists,
    refreshes: Coalesce<Wanted, RefreshResult>,
}

impl Answers {
    /// Makes room for answers that weigh so much in all; a third of it is for lists in the form that clients get.
    pub(crate) fn new(memory: u64) -> Self {
        let merged = memory / 3;
        Self {
            kept: Cache::with_weighter(1_024, memory - merged, ByBytes),
            merged: MergedLists::new(merged),
            refreshes: Coalesce::default(),
        }
    }

    /// A `.mod` was stored: the module's list has one version more.
    pub(crate) fn versions_changed(&self, module: &ModulePath) {
        self.merged.forget(module);
    }

    pub(crate) fn forget_module(&self, module: &ModulePath) {
        self.kept.retain(|(wanted, _), _| wanted.module() != module);
        self.merged.forget(module);
    }
}

fn content_of(wanted: &Wanted) -> Content {
    match wanted {
        Wanted::List(_) => Content::List,
        Wanted::Latest(_) => Content::Latest,
        Wanted::Query { .. } | Wanted::Object { .. } => Content::Query,
    }
}

impl Engine {
    /// Answers a list, a latest version or a query.
    pub(crate) async fn serve_answer(
        self: &Arc<Self>,
        wanted: Wanted,
        access: &Access,
    ) -> Result<Served, Failure> {
        let private = self.gate(wanted.module(), access)?;
        let result = self.answer(&wanted, access).await;
        let (body, outcome) = result.map_err(|failure| Failure { private, ..failure })?;
        Ok(Served {
            body: Body::Memory(body.bytes),
            content: content_of(&wanted),
            etag: Some(body.etag),
            modified: None,
            outcome,
            private,
        })
    }

    /// Returns an answer that is fresh and in memory in the form for clients, without waiting for anything.
    pub(crate) fn answer_at_once(&self, wanted: &Wanted, access: &Access) -> Option<Served> {
        let routes = self.routes();
        let route = routes.route(wanted.module().as_str());
        if route.private && !access.client_is_private_ok {
            return None;
        }
        let kept = self.answers.kept.get(&(wanted.clone(), Arc::clone(route.chain.text())))?;
        let age = self.settings.clock.age(kept.asked);
        if age >= self.settings.answer_freshness {
            return None;
        }
        let body = match wanted {
            Wanted::List(module) if !kept.is_of_a_repository() => {
                self.answers.merged.find(module, kept.asked)?
            }
            _ => kept.body.clone(),
        };
        Some(Served {
            body: Body::Memory(body.bytes),
            content: content_of(wanted),
            etag: Some(body.etag),
            modified: None,
            outcome: Outcome::Hit { age: Some(age) },
            private: route.private,
        })
    }

    async fn answer(self: &Arc<Self>, wanted: &Wanted, access: &Access) -> Result<(Text, Outcome), Failure> {
        let routes = self.routes();
        let route = routes.route(wanted.module().as_str());
        let kept = self.kept_answer(route, wanted).await;
        let fresh_for = self.settings.answer_freshness;
        if let Some(kept) = &kept {
            let age = self.settings.clock.age(kept.asked);
            if age < fresh_for {
                return Ok((self.body_of(wanted, kept).await, Outcome::Hit { age: Some(age) }));
            }
            if access.cached_only {
                return Ok((self.body_of(wanted, kept).await, Outcome::Stale { age }));
            }
            let grace = self.grace_of(kept);
            if !fresh_for.is_zero() && age < fresh_for + grace && !self.tasks.closing() {
                drop(self.refresh(wanted, access));
                return Ok((self.body_of(wanted, kept).await, Outcome::Stale { age }));
            }
        }
        if access.cached_only {
            let body = self.computed(wanted).await.ok_or_else(|| cached_only(&describe(wanted)))?;
            return Ok((body.into(), Outcome::Computed));
        }
        if kept.is_none()
            && let Some(failure) = self.fresh_absence(route, wanted).await
        {
            return self.absent_upstream(wanted, failure).await;
        }
        self.ask_now(route, wanted, kept, access).await
    }

    /// Returns how long past its freshness an answer is served while it is asked again.
    ///
    /// What a repository said is not: asking it is cheap, and whoever has just pushed a tag waits for it.
    fn grace_of(&self, kept: &Kept) -> Duration {
        if kept.is_of_a_repository() { Duration::ZERO } else { self.settings.answer_grace }
    }

    /// Joins the refresh and waits for it; then what is known already has to do.
    async fn ask_now(
        self: &Arc<Self>,
        route: &Route,
        wanted: &Wanted,
        kept: Option<Arc<Kept>>,
        access: &Access,
    ) -> Result<(Text, Outcome), Failure> {
        if self.tasks.closing() {
            return Err(shutting_down(&describe(wanted)));
        }
        let has_substitute = kept.is_some() || self.computed(wanted).await.is_some();
        let patience = match has_substitute {
            true => PATIENCE.min(self.settings.status_budget),
            false => self.settings.status_budget,
        };
        let joined = self.refresh(wanted, access);
        let failure = match timeout_at(Instant::now() + patience, joined.wait()).await {
            Ok(Ok(Ok(refreshed))) => {
                return Ok((self.body_of(wanted, &refreshed.kept).await, refreshed.outcome));
            }
            Ok(Ok(Err(failure))) => (*failure).clone(),
            Ok(Err(_)) => shutting_down(&describe(wanted)),
            Err(_) => still_fetching(&describe(wanted), patience, &[format!("asking {}", route.chain)]),
        };
        if failure.reason == Reason::Absent {
            return self.absent_upstream(wanted, failure).await;
        }
        if let Some(kept) = kept {
            let age = self.settings.clock.age(kept.asked);
            return Ok((self.body_of(wanted, &kept).await, Outcome::Stale { age }));
        }
        if let Some(body) = self.computed(wanted).await {
            return Ok((body.into(), Outcome::Computed));
        }
        if failure.reason.chain_cannot_be_asked()
            && let Some(absence) = self.absence_without_asking(route, wanted, &failure).await
        {
            return Err(absence);
        }
        Err(failure)
    }

    /// The upstream positively has no such thing (any more). What is stored is still served.
    async fn absent_upstream(&self, wanted: &Wanted, failure: Failure) -> Result<(Text, Outcome), Failure> {
        match wanted {
            // Version control has worked it out already, retractions and all.
            Wanted::Latest(module) if self.asks_version_control(module) => Err(failure),
            Wanted::List(_) | Wanted::Latest(_) => match self.computed(wanted).await {
                // Of a module with nothing but pseudo-versions the list is empty, not absent: go then asks for the latest version.
                Some(body) => Ok((body.into(), Outcome::Computed)),
                None => Err(failure),
            },
            Wanted::Query { .. } | Wanted::Object { .. } => Err(failure),
        }
    }

    /// Reports whether absence of a module is the word of version control, among others'.
    fn asks_version_control(&self, module: &ModulePath) -> bool {
        let routes = self.routes();
        routes
            .route(module.as_str())
            .chain
            .upstreams()
            .any(|upstream| upstream.kind() == UpstreamKind::Direct)
    }

    /// Joins or starts the one refresh of an answer.
    fn refresh(self: &Arc<Self>, wanted: &Wanted, access: &Access) -> crate::coalesce::Joined<RefreshResult> {
        let engine = Arc::clone(self);
        let asked = wanted.clone();
        let trail = access.trail.clone();
        self.answers
            .refreshes
            .join(&self.tasks, wanted, || async move { engine.run_refresh(&asked, &trail).await })
    }

    async fn run_refresh(&self, wanted: &Wanted, trail: &Trail) -> RefreshResult {
        let routes = self.routes();
        let route = &on_behalf_of(routes.route(wanted.module().as_str()), trail);
        let Ok(_slot) = self.slots.acquire(&route.name, &Urgency::now(), &self.metrics).await else {
            let reason = Reason::Saturated { retry_after: Duration::from_secs(2) };
            let headline = format!("could not fetch {}: too many fetches are waiting", describe(wanted));
            return Err(Arc::new(Failure::new(reason, &headline, &[], &["ask again in a moment"])));
        };
        let known = self.kept_answer(route, wanted).await;
        let began = Instant::now();
        let deadline = Instant::now() + ANSWER_LIMIT;
        let walked = route
            .chain
            .walk(|upstream| {
                let known = known.clone();
                async move {
                    let watch = self.watch_fetch(&upstream, began, || wanted.path());
                    let result = self.ask(&upstream, wanted, known.as_deref(), deadline).await;
                    let bytes = |news: &Option<(Bytes, Validators)>| {
                        news.as_ref().map_or(0, |(body, _)| body.len() as u64)
                    };
                    watch.ended(result.as_ref().map(bytes));
                    result
                }
            })
            .await;
        match walked {
            Ok((news, upstream)) => {
                let bytes = news.as_ref().map_or(0, |(body, _)| body.len() as u64);
                self.metrics.fetched(label_of(route, &upstream), began.elapsed(), bytes);
                Ok(self.learned(route, wanted, news, known, upstream))
            }
            Err(failure) => {
                let failure = self.walk_failed(route, wanted, &failure).await;
                if failure.reason == Reason::Absent {
                    self.answers.kept.remove(&(wanted.clone(), Arc::clone(route.chain.text())));
                    self.keep_absence(route, wanted, &failure);
                }
                Err(Arc::new(failure))
            }
        }
    }

    /// Asks one upstream; nothing new means that what is known was confirmed.
    async fn ask(
        &self,
        upstream: &Upstream,
        wanted: &Wanted,
        known: Option<&Kept>,
        deadline: Deadline,
    ) -> Result<Option<(Bytes, Validators)>, FetchError> {
        let known = known.filter(|kept| kept.source == upstream.name().as_str());
        let validators = known.map(|kept| &kept.validators).filter(|validators| !validators.is_empty());
        match upstream.small(wanted, validators, deadline).await {
            Ok(SmallReply::NotModified) => Ok(None),
            Ok(SmallReply::Fresh(fresh)) => {
                let body = match fresh.judged {
                    Judged::List(list) => list_lines(wanted.module(), list.for_clients().cloned()).into(),
                    Judged::Info(_) | Judged::Mod => fresh.body,
                };
                Ok(Some((body, fresh.validators)))
            }
            // Version control has worked it out already, retractions and all: its word is final.
            Err(error)
                if error.is_absence()
                    && matches!(wanted, Wanted::Latest(_))
                    && upstream.kind() != UpstreamKind::Direct =>
            {
                let body = self.latest_of_list(upstream, wanted.module(), deadline, error).await?;
                Ok(Some((body, Validators::default())))
            }
            Err(error) => Err(error),
        }
    }

    /// Computes the latest version for an upstream that doesn't: real mirrors answer 404 to `@latest` of modules they do have.
    async fn latest_of_list(
        &self,
        upstream: &Upstream,
        module: &ModulePath,
        deadline: Deadline,
        absence: FetchError,
    ) -> Result<Bytes, FetchError> {
        let list = match upstream.small(&Wanted::List(module.clone()), None, deadline).await? {
            SmallReply::Fresh(fresh) => fresh,
            SmallReply::NotModified => return Err(absence),
        };
        let Judged::List(list) = list.judged else { return Err(absence) };
        let Some(of) = list.latest().and_then(|latest| fitting(module, &latest.version)) else {
            return Err(absence);
        };
        if let Some(info) = self.stored_info(&of).await {
            return Ok(info);
        }
        let wanted = Wanted::Object { of, kind: ObjectKind::Info };
        match upstream.small(&wanted, None, deadline).await {
            Ok(SmallReply::Fresh(info)) => Ok(info.body),
            Ok(SmallReply::NotModified) => Err(absence),
            // Listed but absent is a contradiction, not absence of the module.
            Err(error) if error.is_absence() => Err(FetchError {
                cause: FetchCause::BadContent("it lists a version whose .info it does not have".to_owned()),
                ..error
            }),
            Err(error) => Err(error),
        }
    }

    fn learned(
        &self,
        route: &Route,
        wanted: &Wanted,
        news: Option<(Bytes, Validators)>,
        known: Option<Arc<Kept>>,
        upstream: UpstreamName,
    ) -> Refreshed {
        let chain = route.chain.text();
        let now = self.settings.clock.now();
        let confirmed = news.is_none();
        let (body, validators, fetched_at) = match (news, known) {
            (Some((body, validators)), _) => (Text::from(body), validators, now),
            (None, Some(known)) => (known.body.clone(), known.validators.clone(), known.fetched_at),
            (None, None) => (Text::from(Bytes::new()), Validators::default(), now),
        };
        let kept = Arc::new(Kept {
            body,
            validators,
            source: upstream.to_string(),
            asked: self.settings.clock.moment(),
            fetched_at,
        });
        let row = AnswerRow {
            body: Some(kept.body.bytes.clone()),
            etag: kept.validators.etag.clone(),
            last_modified: kept.validators.last_modified.clone(),
            source: kept.source.clone(),
            note: None,
            fetched_at,
            checked_at: now,
        };
        self.store.put_answer(&answer_key(wanted, chain), row);
        self.answers.kept.insert((wanted.clone(), Arc::clone(chain)), Arc::clone(&kept));
        self.forget_absence(wanted);
        let outcome = if confirmed { Outcome::Revalidated { upstream } } else { Outcome::Miss { upstream } };
        Refreshed { kept, outcome }
    }

    /// Returns what was learned before, from memory or from the store.
    async fn kept_answer(&self, route: &Route, wanted: &Wanted) -> Option<Arc<Kept>> {
        let chain = route.chain.text();
        let key = (wanted.clone(), Arc::clone(chain));
        if let Some(kept) = self.answers.kept.get(&key) {
            return Some(kept);
        }
        let row = read_answer(&self.store, answer_key(wanted, chain)).await?;
        let body = row.body?;
        let age = self.settings.clock.since(row.checked_at);
        let asked = self.settings.clock.moment_before(age);
        let kept = Arc::new(Kept {
            body: body.into(),
            validators: Validators { etag: row.etag, last_modified: row.last_modified },
            source: row.source,
            asked,
            fetched_at: row.fetched_at,
        });
        self.answers.kept.insert(key, Arc::clone(&kept));
        Some(kept)
    }

    /// Returns the body for clients: a list gets the stored versions in.
    ///
    /// Not so the list of a repository, which is right as it is. The go command leaves versions out that can be had by name, such as those
    /// of a major version whose latest has a go.mod, and would take them for the newest if it were shown them.
    async fn body_of(&self, wanted: &Wanted, kept: &Kept) -> Text {
        let Wanted::List(module) = wanted else {
            return kept.body.clone();
        };
        if kept.is_of_a_repository() {
            return kept.body.clone();
        }
        if let Some(body) = self.answers.merged.find(module, kept.asked) {
            return body;
        }
        let before = self.answers.merged.begin(module);
        let text = String::from_utf8_lossy(&kept.body.bytes).into_owned();
        let told = text.lines().filter_map(|line| line.parse::<Version>().ok());
        let stored = self.stored_versions(module).await;
        let body = Text::from(Bytes::from(list_lines(module, told.chain(stored))));
        self.answers.merged.keep(module, before, kept.asked, body.clone());
        body
    }
}

fn fitting(module: &ModulePath, version: &Version) -> Option<ModuleVersion> {
    ModuleVersion::new(module.clone(), version.clone()).ok()
}
