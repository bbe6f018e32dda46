//! A backend without upstreams and store: it says what each test wants.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use larder_cache::{Access, Body, Content, Explained, Failure, Finding, Hop, Outcome, Reason, Served};
use larder_module::path::ModulePath;
use larder_module::request::{ChecksumRequest, ObjectKind, ProxyRequest};
use larder_module::version::{ModuleVersion, Query};
use tokio::sync::Semaphore;

use crate::Backend;

type Reply = Box<dyn Fn() -> Result<Served, Failure> + Send + Sync>;

/// What the zip of `example.com/a@v1.0.0` holds.
pub(super) fn zip_bytes() -> Vec<u8> {
    (0..1_000_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

pub(super) const INFO: &str = "{\"Version\":\"v1.0.0\",\"Time\":\"2024-01-02T03:04:05Z\"}";
pub(super) const MOD: &str = "module example.com/a\n\ngo 1.21\n";

/// A backend that replies as it was told, and 404 to everything else.
pub(super) struct Fake {
    replies: HashMap<String, Reply>,
    asked: Mutex<Vec<(String, Access)>>,
    /// Requests below `slow.example.com` take one of these each.
    pub(super) gate: Semaphore,
    pub(super) ready: AtomicBool,
    /// Nothing is at hand: every request has to be waited for.
    pub(super) is_slow: AtomicBool,
    pub(super) answered_at_once: AtomicUsize,
}

impl Fake {
    /// A backend with one module, `example.com/a`, and a private one, `corp.example.com/p`.
    pub(super) fn new() -> Self {
        let mut fake = Self {
            replies: HashMap::new(),
            asked: Mutex::default(),
            gate: Semaphore::new(0),
            ready: AtomicBool::new(true),
            is_slow: AtomicBool::new(false),
            answered_at_once: AtomicUsize::new(0),
        };
        let zip = file_of(&zip_bytes());
        let len = zip_bytes().len() as u64;
        for module in ["example.com/a", "corp.example.com/p", "slow.example.com/s", "github.com/!azure/x"] {
            let private = module.starts_with("corp");
            let on = |content, text: &'static str| move || Ok(memory(content, text, private));
            fake = fake
                .on(&format!("/{module}/@v/list"), on(Content::List, "v1.0.0\nv1.1.0\n"))
                .on(&format!("/{module}/@latest"), on(Content::Latest, INFO))
                .on(&format!("/{module}/@v/v1.0.0.info"), on(Content::Info, INFO))
                .on(&format!("/{module}/@v/v1.0.0.mod"), on(Content::Mod, MOD))
                .on(&format!("/{module}/@v/master.info"), on(Content::Query, INFO));
            let zip = Arc::clone(&zip);
            fake = fake.on(&format!("/{module}/@v/v1.0.0.zip"), move || {
                let body = Body::File { file: Arc::clone(&zip), len };
                Ok(Served { body, ..memory(Content::Zip, "", private) })
            });
        }
        let database = larder_module::defaults::GOSUMDB;
        let on = |content, text: &'static str| move || Ok(memory(content, text, false));
        fake.on(&format!("/sumdb/{database}/supported"), on(Content::ChecksumSupported, ""))
            .on(&format!("/sumdb/{database}/latest"), on(Content::ChecksumLatest, "head\n"))
            .on(&format!("/sumdb/{database}/lookup/example.com/a@v1.0.0"), on(Content::ChecksumLookup, "7\n"))
            .on(&format!("/sumdb/{database}/tile"), on(Content::ChecksumTile, "tile"))
    }

    /// Replies to a path.
    pub(super) fn on(
        mut self,
        path: &str,
        reply: impl Fn() -> Result<Served, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.replies.insert(path.to_owned(), Box::new(reply));
        self
    }

    /// Returns the paths that were asked for so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").iter().map(|(path, _)| path.clone()).collect()
    }

    /// Returns the access of the last request.
    pub(super) fn last_access(&self) -> Access {
        self.asked.lock().expect("no panic").last().expect("asked").1.clone()
    }

    async fn reply(&self, path: String, access: &Access) -> Result<Served, Failure> {
        self.asked.lock().expect("no panic").push((path.clone(), access.clone()));
        if path.starts_with("/slow.") {
            self.gate.acquire().await.expect("open").forget();
        }
        let absent = || Err(Failure::new(Reason::Absent, &format!("not found: {path}"), &[], &[]));
        if access.cached_only && !path.contains("v1.0.0") {
            let text = "not stored, and the client wants nothing fetched";
            return Err(Failure::new(Reason::CachedOnly, text, &[], &[]));
        }
        let served = self.replies.get(&path).map_or_else(absent, |reply| reply())?;
        if served.private && !access.client_is_private_ok {
            let text = "private module: your address is not in `private_clients`";
            return Err(Failure::new(Reason::PrivateClients, text, &[], &[]));
        }
        Ok(served)
    }
}

/// A reply out of memory, with an entity tag and a date.
pub(super) fn memory(content: Content, text: &'static str, private: bool) -> Served {
    Served {
        body: Body::Memory(text.into()),
        content,
        etag: Some("\"tag\"".into()),
        modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
        outcome: Outcome::Hit { age: None },
        private,
    }
}

/// An open file with these bytes.
pub(super) fn file_of(bytes: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("written");
    Arc::new(file)
}

impl Backend for Arc<Fake> {
    async fn object(&self, of: &ModuleVersion, kind: ObjectKind, access: &Access) -> Result<Served, Failure> {
        let path = format!("/{}/@v/{}.{kind}", of.module().escaped(), of.version().escaped());
        self.reply(path, access).await
    }

    async fn list(&self, module: &ModulePath, access: &Access) -> Result<Served, Failure> {
        self.reply(format!("/{}/@v/list", module.escaped()), access).await
    }

    async fn latest(&self, module: &ModulePath, access: &Access) -> Result<Served, Failure> {
        self.reply(format!("/{}/@latest", module.escaped()), access).await
    }

    async fn query(&self, module: &ModulePath, query: &Query, access: &Access) -> Result<Served, Failure> {
        self.reply(format!("/{}/@v/{}.info", module.escaped(), query.escaped()), access).await
    }

    async fn checksum(
        &self,
        database: &str,
        request: &ChecksumRequest,
        access: &Access,
    ) -> Result<Served, Failure> {
        let rest = match request {
            ChecksumRequest::Supported => "supported".to_owned(),
            ChecksumRequest::Latest => "latest".to_owned(),
            ChecksumRequest::Lookup { module, version } => {
                format!("lookup/{}@{}", module.escaped(), version.escaped())
            }
            ChecksumRequest::Tile(_) => "tile".to_owned(),
        };
        self.reply(format!("/sumdb/{database}/{rest}"), access).await
    }

    async fn explain(&self, module: &ModulePath, access: &Access) -> Result<Explained, Failure> {
        self.reply(format!("/{}/@v/list", module.escaped()), access).await?;
        Ok(Explained {
            module: module.clone(),
            route: "others".to_owned(),
            patterns: Vec::new(),
            private: false,
            verify: "required",
            checksum_database: None,
            chain: vec![Hop {
                upstream: "proxy.example.com".to_owned(),
                kind: "proxy",
                separator: "",
                breaker: Some("closed"),
            }],
            stored: 2,
            causes: vec!["asked 40 s ago: proxy.example.com: timed out".to_owned()],
        })
    }

    async fn findings(&self, is_private_ok: bool, _limit: usize) -> Vec<Finding> {
        let finding = |id, subject: &str| Finding {
            id,
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            kind: "tag-moved".to_owned(),
            subject: subject.to_owned(),
            detail: "a \"quoted\"\nword".to_owned(),
        };
        let mut found = vec![finding(2, "corp.example.com/a@v1.0.0"), finding(1, "example.com/a@v1.0.0")];
        found.retain(|finding| is_private_ok || !finding.subject.starts_with("corp."));
        found
    }

    fn at_once(&self, request: &ProxyRequest, access: &Access) -> Option<Served> {
        let path = match request {
            ProxyRequest::Object { of, kind } => {
                format!("/{}/@v/{}.{kind}", of.module().escaped(), of.version().escaped())
            }
            ProxyRequest::List(module) => format!("/{}/@v/list", module.escaped()),
            ProxyRequest::Latest(module) => format!("/{}/@latest", module.escaped()),
            ProxyRequest::Query { .. } | ProxyRequest::Checksum { .. } => return None,
        };
        if self.is_slow.load(Relaxed) || path.starts_with("/slow.") {
            return None;
        }
        let served = self.replies.get(&path)?().ok()?;
        if served.private && !access.client_is_private_ok {
            return None;
        }
        self.asked.lock().expect("no panic").push((path, access.clone()));
        self.answered_at_once.fetch_add(1, Relaxed);
        Some(served)
    }

    fn render_metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    async fn check_ready(&self) -> Result<(), String> {
        if self.ready.load(Relaxed) { Ok(()) } else { Err("the disk at /secret/path is full".to_owned()) }
    }
}
