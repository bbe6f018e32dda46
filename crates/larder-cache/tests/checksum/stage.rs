//! A service, the database it asks, and the folder it keeps things in.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use larder_cache::{
    Access, Body, ChecksumDatabases, Failure, Served,
    checksum::{ChecksumFailure, ChecksumSettings, DatabaseAddress, Gosumdb, Verdict, What},
};
use larder_module::{
    dirhash::H1, goproxy::ProxyList, pattern::Patterns, request::ProxyRequest, version::ModuleVersion,
};
use larder_store::{FailPoint, Store, StoreOptions};
use larder_testkit::sumdb::{FakeSumdb, RunningSumdb};
use larder_upstream::{
    Answering, BreakerSettings, Chain, Deadline, DirectErrand, FetchCause, ForwardProxy,
    ForwardProxySettings, Retries, TlsSettings, UpstreamSettings, Upstreams, VersionControl, Wanted,
};
use tempfile::TempDir;
use tokio::time::Instant;

/// A name whose own URL nobody answers at, at once.
pub(crate) const NOWHERE: &str = "127.0.0.1:1/sums";
/// What a service has to be done with; far longer than any test takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How the database is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// At its own URL.
    Directly,
    /// Through a proxy that carries it.
    ThroughProxy,
}

pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) sumdb: RunningSumdb,
    pub(crate) store: Store,
    pub(crate) databases: Arc<ChecksumDatabases>,
    pub(crate) chain: Chain,
    settings: ChecksumSettings,
}

impl Stage {
    pub(crate) async fn new(sumdb: FakeSumdb) -> Self {
        Self::with(sumdb, Reach::Directly, |_| {}).await
    }

    pub(crate) async fn with(
        sumdb: FakeSumdb,
        reach: Reach,
        adjust: impl FnOnce(&mut ChecksumSettings),
    ) -> Self {
        let sumdb = sumdb.start().await;
        let gosumdb = match reach {
            Reach::Directly => sumdb.gosumdb(),
            Reach::ThroughProxy => sumdb.verifier_key(),
        };
        let chain = match reach {
            Reach::Directly => "off".to_owned(),
            Reach::ThroughProxy => format!("{},off", sumdb.url()),
        };
        let mut settings = ChecksumSettings::new(Some(address(&gosumdb)));
        settings.audit_delay = Duration::ZERO;
        settings.doubt_freshness = Duration::ZERO;
        adjust(&mut settings);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (store, upstreams) = (open_store(&folder, None), upstreams());
        let chain = chain_of(&upstreams, &chain);
        let databases = Arc::new(ChecksumDatabases::new(settings.clone(), &store, &upstreams));
        Self { folder, sumdb, store, databases, chain, settings }
    }

    /// Opens the folder anew, as a restart does, or as another process beside this one.
    pub(crate) fn another(&self) -> Arc<ChecksumDatabases> {
        self.another_failing(None)
    }

    pub(crate) fn another_failing(&self, fail_point: Option<&str>) -> Arc<ChecksumDatabases> {
        let fail_point = fail_point.map(|plan| plan.parse::<FailPoint>().expect("a fail point"));
        let store = open_store(&self.folder, fail_point);
        Arc::new(ChecksumDatabases::new(self.settings.clone(), &store, &upstreams()))
    }

    pub(crate) async fn verify(&self, module: &str, what: What) -> Result<Verdict, ChecksumFailure> {
        verify(&self.databases, &self.chain, module, what).await
    }

    /// Asks as a client of the HTTP surface does.
    pub(crate) async fn get(&self, path: &str) -> Result<Bytes, Failure> {
        get(&self.databases, &self.chain, &format!("sumdb/{}{path}", self.sumdb.name()), false).await
    }

    /// The paths of all files of the verified copy.
    pub(crate) fn files(&self) -> Vec<String> {
        let base = self.folder.path().join("modules/sumdb").join(self.sumdb.name());
        let mut folders = vec![base.clone()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs_err::read_dir(folder) else { continue };
            for entry in entries.map(|entry| entry.expect("a readable folder").path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    files.push(entry.strip_prefix(&base).expect("below").display().to_string());
                }
            }
        }
        files.sort();
        files
    }

    pub(crate) fn file(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join("modules/sumdb").join(self.sumdb.name()).join(path)
    }
}

pub(crate) fn address(gosumdb: &str) -> DatabaseAddress {
    match Gosumdb::parse(gosumdb) {
        Ok(Gosumdb::Database(address)) => address,
        other => panic!("{gosumdb}: {other:?}"),
    }
}

pub(crate) fn open_store(folder: &TempDir, fail_point: Option<FailPoint>) -> Store {
    let clock = || SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let mut options = StoreOptions::new(folder.path(), clock);
    options.fail_point.clone_from(&fail_point);
    // A folder that can't be written at the start is refused; here it fails later.
    let arm = |armed| fail_point.iter().for_each(|plan| plan.arm(armed));
    arm(false);
    let store = Store::open(options).expect("a store");
    arm(true);
    store
}

/// Version control that has nothing.
#[derive(Debug)]
struct NoRepositories;

impl VersionControl for NoRepositories {
    fn small<'a>(&'a self, _: &'a Wanted, _: DirectErrand, _: Deadline) -> Answering<'a, Bytes> {
        Box::pin(async { Err(FetchCause::Absent { status: None }.into()) })
    }

    fn zip<'a>(&'a self, _: &'a ModuleVersion, _: DirectErrand) -> Answering<'a, (std::fs::File, u64)> {
        Box::pin(async { Err(FetchCause::Absent { status: None }.into()) })
    }
}

/// Upstreams that give up soon, and whose way out of this machine is blocked.
pub(crate) fn upstreams() -> Upstreams {
    let dead = "http://127.0.0.1:1".to_owned();
    let forward = ForwardProxySettings { http: dead.clone(), https: dead, ..ForwardProxySettings::default() };
    Upstreams::new(UpstreamSettings {
        retries: Retries { attempts: 1, ..Retries::default() },
        breaker: BreakerSettings { failures: 1_000_000, ..BreakerSettings::default() },
        tls: TlsSettings { native_roots: false, ..TlsSettings::default() },
        forward_proxy: ForwardProxy::new(&forward),
        ..UpstreamSettings::default()
    })
    .expect("upstreams")
    .with_version_control(Arc::new(NoRepositories))
}

pub(crate) fn chain_of(upstreams: &Upstreams, list: &str) -> Chain {
    upstreams.chain(&ProxyList::parse(list).expect("a list")).expect("a chain")
}

pub(crate) fn patterns(text: &str) -> Patterns {
    Patterns::parse(text)
}

/// The hashes that the tests' databases have for a module.
pub(crate) fn hashes(module: &str) -> (String, String) {
    let h1 = |salt: &str| larder_testkit::module::h1(&[(format!("{module}{salt}"), module.as_bytes())]);
    (h1("zip"), h1("mod"))
}

pub(crate) fn add(sumdb: &FakeSumdb, module: &str) -> u64 {
    let (zip, go_mod) = hashes(module);
    sumdb.record(module, "v1.0.0", &zip, &go_mod)
}

pub(crate) fn version(module: &str) -> ModuleVersion {
    ModuleVersion::parse(module, "v1.0.0").expect("a module version")
}

pub(crate) async fn verify(
    databases: &ChecksumDatabases,
    chain: &Chain,
    module: &str,
    what: What,
) -> Result<Verdict, ChecksumFailure> {
    let (zip, go_mod) = hashes(module);
    let hash: H1 = if what == What::Zip { &zip } else { &go_mod }.parse().expect("an h1");
    databases.verify(&version(module), what, &hash, chain, Instant::now() + PATIENCE).await
}

pub(crate) async fn get(
    databases: &ChecksumDatabases,
    chain: &Chain,
    path: &str,
    cached_only: bool,
) -> Result<Bytes, Failure> {
    get_as(databases, chain, path, &Access { cached_only, ..Access::trusted("test") }).await
}

pub(crate) async fn get_as(
    databases: &ChecksumDatabases,
    chain: &Chain,
    path: &str,
    access: &Access,
) -> Result<Bytes, Failure> {
    let request = ProxyRequest::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let ProxyRequest::Checksum { database, request } = request else {
        panic!("{path}: another kind of request")
    };
    databases.serve(&database, &request, chain, access).await.map(|served| body(&served))
}

pub(crate) fn body(served: &Served) -> Bytes {
    match &served.body {
        Body::Memory(bytes) => bytes.clone(),
        other => panic!("not in memory: {other:?}"),
    }
}
