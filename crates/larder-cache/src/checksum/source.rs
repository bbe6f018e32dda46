//! Who is asked: the chain's proxies that carry the database, then the database itself.
//!
//! The go command stops at the first proxy that carries it. Larder may go on to the next source, because it believes
//! none of them: whatever arrives has to fit the signed tree.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use larder_module::sumdb::tile::Tile;
use larder_upstream::{Chain, FetchCause, FetchError, Upstream, UpstreamKind, UpstreamName, Urgency};
use tokio::time::Instant;

use super::ChecksumSettings;
use crate::journal::{FetchWatch, Journal};

/// The most that a look-up or head may take: a record has a line or two and the head a few.
const LIMIT: u64 = 64 << 10;
/// How long it counts that a proxy carries the database.
const SUPPORT_FRESH: Duration = Duration::from_secs(3_600);
/// How long it counts that a proxy does not.
const LACK_FRESH: Duration = Duration::from_secs(600);

/// One place where the database can be asked.
#[derive(Clone, Debug)]
pub(super) struct Source {
    upstream: Upstream,
    name: UpstreamName,
    /// What stands before the database's own paths: nothing, or `/sumdb/<name>`.
    prefix: Arc<str>,
    limit: Duration,
    journal: Option<Arc<dyn Journal>>,
}

impl Source {
    fn new(
        upstream: Upstream,
        prefix: &Arc<str>,
        limit: Duration,
        journal: Option<&Arc<dyn Journal>>,
    ) -> Self {
        let journal = journal.map(Arc::clone);
        Self { name: upstream.name(), upstream, prefix: Arc::clone(prefix), limit, journal }
    }

    pub(super) fn name(&self) -> &UpstreamName {
        &self.name
    }

    fn is_proxy(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// Asks for a path of the database, such as `latest`.
    pub(super) async fn small(&self, path: &str) -> Result<Bytes, FetchError> {
        self.get(path, LIMIT).await
    }

    /// Asks for a tile, which has exactly as many bytes as it must.
    pub(super) async fn tile(&self, tile: &Tile) -> Result<Bytes, FetchError> {
        let length = tile.byte_length();
        let bytes = self.get(&tile.path(), length as u64).await?;
        if bytes.len() == length {
            return Ok(bytes);
        }
        let what = format!("{} has {} bytes instead of {length}", tile.path(), bytes.len());
        Err(self.unusable(&tile.path(), what))
    }

    async fn get(&self, path: &str, limit: u64) -> Result<Bytes, FetchError> {
        let path = format!("{}/{path}", self.prefix);
        let now = Instant::now();
        let name = || self.name.clone();
        let watch = FetchWatch::start(self.journal.as_ref(), name, now, || path.clone());
        let result = self.upstream.raw(&path, limit, now + self.limit).boxed().await;
        watch.ended(result.as_ref().map(|body| body.len() as u64));
        result
    }

    /// The error for an answer that is none.
    pub(super) fn unusable(&self, path: &str, what: String) -> FetchError {
        FetchError {
            upstream: self.name().clone(),
            wanted: format!("{}/{path}", self.prefix),
            attempts: 1,
            elapsed: Duration::ZERO,
            redirected_to: None,
            cause: FetchCause::BadContent(what),
            said: None,
        }
    }
}

/// What a proxy said about carrying the database, and when.
type Support = Arc<tokio::sync::Mutex<Option<(Instant, Result<bool, FetchError>)>>>;

/// The sources of one database.
pub(super) struct Sources {
    prefix: Arc<str>,
    /// The database itself, unless its URL can't be asked.
    direct: Option<Source>,
    ask_proxies: bool,
    limit: Duration,
    doubt_freshness: Duration,
    journal: Option<Arc<dyn Journal>>,
    support: Mutex<HashMap<UpstreamName, Support>>,
}

impl Sources {
    pub(super) fn new(
        name: &str,
        direct: Option<Upstream>,
        ask_proxies: bool,
        settings: &ChecksumSettings,
    ) -> Self {
        let limit = settings.ask_limit;
        Self {
            prefix: format!("/sumdb/{name}").into(),
            direct: direct
                .map(|upstream| Source::new(upstream, &"".into(), limit, settings.journal.as_ref())),
            ask_proxies,
            limit,
            doubt_freshness: settings.doubt_freshness,
            journal: settings.journal.clone(),
            support: Mutex::default(),
        }
    }

    /// Lists the sources in the order in which they are asked. A chain ends at `direct` or `off`.
    pub(super) fn of(&self, chain: &Chain) -> Vec<Source> {
        let askable =
            |upstream: &Upstream| matches!(upstream.kind(), UpstreamKind::Http | UpstreamKind::File);
        // A look-up is shared by all who want it, clients too, so it is no mere guess to the upstream.
        let chain = chain.wanted_so_soon(&Urgency::now());
        let proxies = chain.upstreams().take_while(askable).filter(|_| self.ask_proxies);
        let journal = self.journal.as_ref();
        let proxies = proxies.map(|upstream| Source::new(upstream, &self.prefix, self.limit, journal));
        proxies.chain(self.direct.clone()).collect()
    }

    /// Reports whether a source carries the database; the database itself does.
    pub(super) async fn carries(&self, source: &Source) -> Result<bool, FetchError> {
        if !source.is_proxy() {
            return Ok(true);
        }
        let support = {
            let mut all = self.support.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(source.name().clone()).or_default())
        };
        // Held while asking, so that hundreds of first look-ups ask once.
        let mut support = support.lock().await;
        if let Some((asked, said)) = &*support
            && asked.elapsed() < self.freshness(said)
        {
            return said.clone();
        }
        let said = match source.small("supported").await {
            Ok(_) => Ok(true),
            Err(error) if error.is_absence() => Ok(false),
            Err(error) => Err(error),
        };
        *support = Some((Instant::now(), said.clone()));
        said
    }

    fn freshness(&self, said: &Result<bool, FetchError>) -> Duration {
        match said {
            Ok(true) => SUPPORT_FRESH,
            Ok(false) => LACK_FRESH,
            Err(_) => self.doubt_freshness,
        }
    }
}
