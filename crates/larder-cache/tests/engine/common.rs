//! An engine on a store of its own, in front of fake upstreams, with a clock that tests move.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use larder_cache::{
    Access, Body, ChecksumDatabases, Engine, EngineSettings, Failure, Metrics, Served, Session, WallClock,
    checksum::{ChecksumSettings, Gosumdb},
};
use larder_module::{
    goproxy::ProxyList, path::ModulePath, pattern::Patterns, request::ObjectKind, version::ModuleVersion,
};
use larder_store::{FailPoint, ObjectKey, Store, StoreOptions};
use larder_testkit::{ModuleBuilder, sumdb::FakeSumdb};
use larder_upstream::{
    Concurrency, Prefetch, Retries, Route, Routes, Timeouts, UpstreamSettings, Upstreams, VerifyMode,
};

use crate::repositories::FakeRepositories;

/// Hours pass when a test says so.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).expect("short"), Ordering::SeqCst);
    }

    fn passed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000) + self.passed()
    }

    pub(crate) fn engine_clock(&self) -> WallClock {
        let (wall, steady) = (self.clone(), self.clone());
        WallClock::new(move || wall.wall()).with_steady(move || steady.passed())
    }
}

/// How a test wants its engine.
pub(crate) struct Setup {
    pub(crate) chain: String,
    pub(crate) verify: VerifyMode,
    pub(crate) private: Vec<(&'static str, String)>,
    pub(crate) sumdb: Option<String>,
    pub(crate) nosumdb: &'static str,
    /// Who answers for `direct`; by default nothing is there.
    pub(crate) repositories: Option<Arc<FakeRepositories>>,
    pub(crate) fail_point: Option<FailPoint>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: Retries,
    pub(crate) breaker_failures: u32,
    pub(crate) concurrency: Concurrency,
    pub(crate) prefetch: Prefetch,
    pub(crate) adjust: fn(&mut EngineSettings),
}

impl Setup {
    pub(crate) fn chain(chain: impl Into<String>) -> Self {
        Self {
            chain: chain.into(),
            verify: VerifyMode::Off,
            private: Vec::new(),
            sumdb: None,
            nosumdb: "",
            repositories: None,
            fail_point: None,
            timeouts: Timeouts {
                connect: Duration::from_secs(2),
                first_byte: Duration::from_secs(5),
                zip_first_byte: Duration::from_secs(5),
                between_bytes: Duration::from_secs(5),
                ..Timeouts::default()
            },
            retries: Retries {
                attempts: 1,
                first_pause: Duration::from_millis(1),
                longest_pause: Duration::from_millis(2),
                longest_retry_after: Duration::ZERO,
            },
            breaker_failures: 1_000,
            concurrency: Concurrency::default(),
            prefetch: Prefetch::Off,
            adjust: |_| {},
        }
    }

    pub(crate) fn verified_by(mut self, sumdb: &FakeSumdb, url: &str) -> Self {
        self.verify = VerifyMode::Required;
        self.sumdb = Some(format!("{} {url}/sumdb/{}", sumdb.verifier_key(), sumdb.name()));
        self
    }

    pub(crate) fn start(self) -> World {
        let folder = tempfile::tempdir().expect("a folder");
        self.start_in(folder, TestClock::default())
    }

    pub(crate) fn start_in(self, home: tempfile::TempDir, clock: TestClock) -> World {
        let wall = clock.clone();
        let mut options = StoreOptions::new(home.path(), move || wall.wall());
        options.fail_point = self.fail_point;
        let store = Store::open(options).expect("a store");
        let mut upstream_settings = UpstreamSettings {
            timeouts: self.timeouts,
            retries: self.retries,
            concurrency: self.concurrency,
            ..UpstreamSettings::default()
        };
        upstream_settings.breaker.failures = self.breaker_failures;
        upstream_settings.tls.native_roots = false;
        let repositories = self.repositories.unwrap_or_else(FakeRepositories::new);
        let upstreams =
            Upstreams::new(upstream_settings).expect("upstreams").with_version_control(repositories);
        let route = |name: &str, patterns: &str, chain: &str, private: bool| {
            let list = ProxyList::parse(chain).expect("a chain");
            Route {
                name: name.to_owned(),
                patterns: Patterns::parse(patterns),
                chain: if private { upstreams.private_chain(&list) } else { upstreams.chain(&list) }
                    .expect("a chain"),
                private,
                verify: self.verify,
                prefetch: self.prefetch,
            }
        };
        let routes = self.private.iter().map(|(patterns, chain)| route(patterns, patterns, chain, true));
        let routes = Routes::new(routes.collect(), route("default", "*", &self.chain, false));
        let databases = self.sumdb.as_ref().map(|text| {
            let Ok(Gosumdb::Database(address)) = Gosumdb::parse(text) else { panic!("a database: {text}") };
            let mut settings = ChecksumSettings::new(Some(address));
            settings.skip = Patterns::parse(self.nosumdb);
            ChecksumDatabases::new(settings, &store, &upstreams)
        });
        let mut settings = EngineSettings::new(clock.engine_clock());
        (self.adjust)(&mut settings);
        let engine =
            Engine::new(settings, store.clone(), upstreams.clone(), routes, databases, Metrics::new());
        World { engine, store, upstreams, clock, home }
    }
}

pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Store,
    pub(crate) upstreams: Upstreams,
    pub(crate) clock: TestClock,
    pub(crate) home: tempfile::TempDir,
}

/// A reply as a client with its whole body would see it.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) body: Vec<u8>,
    pub(crate) outcome: &'static str,
    pub(crate) etag: Option<Arc<str>>,
    pub(crate) private: bool,
}

impl Got {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

impl World {
    pub(crate) async fn get(&self, path: &str, version: &str, kind: ObjectKind) -> Result<Got, Failure> {
        self.get_as(path, version, kind, &Access::trusted("test")).await
    }

    pub(crate) async fn get_as(
        &self,
        path: &str,
        version: &str,
        kind: ObjectKind,
        access: &Access,
    ) -> Result<Got, Failure> {
        let served = self.engine.object(&of(path, version), kind, access).await?;
        Ok(read(served).await.expect("a whole body"))
    }

    pub(crate) async fn list(&self, path: &str) -> Result<Got, Failure> {
        let served = self.engine.list(&module(path), &Access::trusted("test")).await?;
        Ok(read(served).await.expect("a whole body"))
    }

    pub(crate) async fn latest(&self, path: &str) -> Result<Got, Failure> {
        let served = self.engine.latest(&module(path), &Access::trusted("test")).await?;
        Ok(read(served).await.expect("a whole body"))
    }

    pub(crate) async fn query(&self, path: &str, query: &str) -> Result<Got, Failure> {
        let query = query.parse().expect("a query");
        let served = self.engine.query(&module(path), &query, &Access::trusted("test")).await?;
        Ok(read(served).await.expect("a whole body"))
    }

    /// Waits until something comes true.
    pub(crate) async fn until(&self, what: &str, is_true: impl Fn(&Self) -> bool) {
        for _ in 0..5_000 {
            if is_true(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("never: {what}\n{}", self.engine.render_metrics());
    }

    /// Waits until everything that was fetched is stored.
    pub(crate) async fn settled(&self, path: &str, version: &str, kind: ObjectKind) {
        for _ in 0..2_000 {
            let got = self.get(path, version, kind).await.expect("it is there");
            if got.outcome == "hit" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("{path}@{version} is never a hit");
    }

    /// Does the same for what may still be fetched.
    pub(crate) async fn settled_at_last(&self, path: &str, version: &str, kind: ObjectKind) {
        while !self.stored(path, version, kind) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.settled(path, version, kind).await;
    }

    pub(crate) fn stored(&self, path: &str, version: &str, kind: ObjectKind) -> bool {
        self.store.object(&ObjectKey::new(of(path, version), kind)).expect("a store").is_some()
    }

    /// Stops this engine and starts another on the same store, as after a restart.
    pub(crate) fn restarted(self, setup: Setup) -> Self {
        let Self { engine, store, upstreams, clock, home } = self;
        store.flush();
        drop((engine, store, upstreams));
        setup.start_in(home, clock)
    }
}

pub(crate) fn cached_only() -> Access {
    Access { cached_only: true, ..Access::trusted("test") }
}

/// A client with every right on a connection of its own.
pub(crate) fn on_connection(connection: u64) -> Access {
    let client = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    Access { session: Some(Session { connection, client }), ..Access::trusted("test") }
}

/// A module whose requirements are all read by the go command, whatever it is asked to do.
pub(crate) fn old(module: &str) -> ModuleBuilder {
    ModuleBuilder::new(module, "v1.0.0").go_line("1.16")
}

pub(crate) fn of(path: &str, version: &str) -> ModuleVersion {
    ModuleVersion::parse(path, version).expect("a module version")
}

pub(crate) fn module(path: &str) -> ModulePath {
    path.parse().expect("a module path")
}

/// Reads a body to its end; nothing when the connection would be broken.
pub(crate) async fn read(served: Served) -> Option<Got> {
    let outcome = served.outcome.label();
    let body = match served.body {
        Body::Memory(bytes) => bytes.to_vec(),
        Body::File { file, len } => {
            let mut body = vec![0; usize::try_from(len).expect("small enough")];
            std::os::unix::fs::FileExt::read_exact_at(&*file, &mut body, 0).expect("readable");
            body
        }
        Body::Growing(mut reader) => {
            let mut body = Vec::new();
            loop {
                match reader.next().await {
                    Ok(Some(piece)) => body.extend_from_slice(&piece),
                    Ok(None) => break body,
                    Err(_) => return None,
                }
            }
        }
    };
    Some(Got { body, outcome, etag: served.etag, private: served.private })
}

/// Asserts what holds for every failure's text.
pub(crate) fn assert_printable(failure: &Failure) {
    assert!(!failure.lines.is_empty());
    assert!(failure.lines.len() <= 8, "{failure:?}");
    assert!(failure.lines.join("\n").len() <= 600, "{failure:?}");
    for line in &failure.lines {
        assert!(!line.trim().is_empty() && !line.chars().any(char::is_control), "{failure:?}");
    }
}
