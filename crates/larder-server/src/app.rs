//! The handler: parse, ask the engine, describe the reply.
//!
//! There is no router: every module path, however many slashes it has, goes to the one parser in
//! `larder-module`, and besides it there are eight fixed pages.

use std::fs::File;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY};
use http::{Method, Request, Response, StatusCode, Version, request::Parts};
use larder_cache::{Access, Body, Engine, Explained, Failure, Finding, Metrics, Served, Session};
use larder_module::path::ModulePath;
use larder_module::request::{ChecksumRequest, ObjectKind, ProxyRequest};
use larder_module::version::{ModuleVersion, Query};
use larder_upstream::{Instance, Trail};

use crate::access_log::{Line, RequestId, RequestLog};
use crate::body::ReplyBody;
use crate::connection::{Connection, InFlight};
use crate::explained;
use crate::findings;
use crate::known::{KnownPath, KnownPaths};
use crate::log_writer::AccessLog;
use crate::metrics::HttpMetrics;
use crate::pieces::PieceBudget;
use crate::reply::{self, AnswerLifetime, Asked};
use crate::request::{self, Refusal, Target};
use crate::settings::{BasePath, IpPrefixes, ServerSettings, StartPageFacts, VersionFacts};
use crate::start_page;
use crate::wire::WireHead;

/// What the handler asks. The engine is the only one in earnest; tests put their own behind it.
pub trait Backend: Send + Sync + 'static {
    /// Returns one file of a version.
    fn object(
        &self,
        of: &ModuleVersion,
        kind: ObjectKind,
        access: &Access,
    ) -> impl Future<Output = Result<Served, Failure>> + Send;
    /// Returns a module's version list.
    fn list(
        &self,
        module: &ModulePath,
        access: &Access,
    ) -> impl Future<Output = Result<Served, Failure>> + Send;
    /// Returns the `.info` of a module's latest version.
    fn latest(
        &self,
        module: &ModulePath,
        access: &Access,
    ) -> impl Future<Output = Result<Served, Failure>> + Send;
    /// Returns the `.info` of what a query stands for.
    fn query(
        &self,
        module: &ModulePath,
        query: &Query,
        access: &Access,
    ) -> impl Future<Output = Result<Served, Failure>> + Send;
    /// Answers for a checksum database.
    fn checksum(
        &self,
        database: &str,
        request: &ChecksumRequest,
        access: &Access,
    ) -> impl Future<Output = Result<Served, Failure>> + Send;
    /// Returns the newest findings, newest first; those about private modules only if the client may see such.
    fn findings(&self, is_private_ok: bool, limit: usize) -> impl Future<Output = Vec<Finding>> + Send;
    /// Explains what would be done about a module.
    fn explain(
        &self,
        module: &ModulePath,
        access: &Access,
    ) -> impl Future<Output = Result<Explained, Failure>> + Send;
    /// Returns what can be served without waiting for anything; nothing where one of the others has to be asked.
    fn at_once(&self, request: &ProxyRequest, access: &Access) -> Option<Served>;
    /// Renders all figures as OpenMetrics text.
    fn render_metrics(&self) -> String;
    /// Reports why the store can't be written, if it can't. Upstreams play no part in readiness.
    fn check_ready(&self) -> impl Future<Output = Result<(), String>> + Send;
}

impl Backend for Arc<Engine> {
    async fn object(&self, of: &ModuleVersion, kind: ObjectKind, access: &Access) -> Result<Served, Failure> {
        Engine::object(self, of, kind, access).await
    }

    async fn list(&self, module: &ModulePath, access: &Access) -> Result<Served, Failure> {
        Engine::list(self, module, access).await
    }

    async fn latest(&self, module: &ModulePath, access: &Access) -> Result<Served, Failure> {
        Engine::latest(self, module, access).await
    }

    async fn query(&self, module: &ModulePath, query: &Query, access: &Access) -> Result<Served, Failure> {
        Engine::query(self, module, query, access).await
    }

    async fn checksum(
        &self,
        database: &str,
        request: &ChecksumRequest,
        access: &Access,
    ) -> Result<Served, Failure> {
        Engine::checksum(self, database, request, access).await
    }

    async fn findings(&self, is_private_ok: bool, limit: usize) -> Vec<Finding> {
        Engine::findings(self, is_private_ok, limit).await
    }

    async fn explain(&self, module: &ModulePath, access: &Access) -> Result<Explained, Failure> {
        Engine::explain(self, module, access).await
    }

    fn at_once(&self, request: &ProxyRequest, access: &Access) -> Option<Served> {
        Engine::at_once(self, request, access)
    }

    fn render_metrics(&self) -> String {
        Engine::render_metrics(self)
    }

    async fn check_ready(&self) -> Result<(), String> {
        let store = self.store().clone();
        match tokio::task::spawn_blocking(move || store.writable()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What the binary puts behind the listener.
pub struct AppParts<B> {
    /// Who answers protocol requests.
    pub backend: B,
    /// The figures of the process; the server adds its own.
    pub metrics: Metrics,
    /// What `/-/version` says.
    pub version: VersionFacts,
    /// What the start page teaches.
    pub start_page: StartPageFacts,
    /// The name of this process among proxies, to see loops.
    pub instance: Instance,
    /// A number that differs from start to start, so that request ids do too.
    pub id_seed: u64,
    /// Where the line of each request goes.
    pub access_log: AccessLog,
}

/// Everything that requests share.
pub(crate) struct App<B> {
    backend: B,
    pub(crate) metrics: Arc<HttpMetrics>,
    pub(crate) budget: Arc<PieceBudget>,
    version: VersionFacts,
    start_page: RwLock<Arc<StartPageFacts>>,
    instance: Instance,
    base_path: BasePath,
    trusted_proxies: IpPrefixes,
    private_clients: IpPrefixes,
    lifetime: AnswerLifetime,
    next_id: AtomicU64,
    access_log: AccessLog,
    known: KnownPaths,
}

/// An answer that is ready.
pub(crate) struct AtOnce {
    pub(crate) head: Arc<WireHead>,
    pub(crate) body: AtOnceBody,
    /// The word for the log.
    pub(crate) outcome: &'static str,
}

/// Its body.
pub(crate) enum AtOnceBody {
    Memory(Bytes),
    File { file: Arc<File>, len: u64 },
}

/// Where a request came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door<'a> {
    pub(crate) peer: IpAddr,
    pub(crate) encrypted: bool,
    /// The address to name when a request names none.
    pub(crate) local: &'a str,
}

impl<B: Backend> App<B> {
    pub(crate) fn new(parts: AppParts<B>, settings: &ServerSettings) -> Arc<Self> {
        Arc::new(Self {
            metrics: HttpMetrics::register(&parts.metrics),
            budget: PieceBudget::new(settings.limits.piece_budget),
            backend: parts.backend,
            version: parts.version,
            start_page: RwLock::new(Arc::new(parts.start_page)),
            instance: parts.instance,
            base_path: settings.base_path.clone(),
            trusted_proxies: settings.trusted_proxies.clone(),
            private_clients: settings.private_clients.clone(),
            lifetime: AnswerLifetime::new(settings.answer_lifetime),
            next_id: AtomicU64::new(parts.id_seed),
            access_log: parts.access_log,
            known: KnownPaths::new(),
        })
    }

    pub(crate) fn set_start_page(&self, facts: StartPageFacts) {
        *self.start_page.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(facts);
    }

    /// Answers one request.
    pub(crate) async fn answer<I: http_body::Body>(
        &self,
        request: Request<I>,
        door: Door<'_>,
        connection: Option<(&Connection, InFlight)>,
    ) -> Response<ReplyBody> {
        let (connection, in_flight) = connection.unzip();
        let (parts, body) = request.into_parts();
        let id = self.next_id();
        let client = request::client(door.peer, &parts.headers, &self.trusted_proxies, &self.private_clients);
        let begun = self.access_log.is_on().then(Instant::now);
        let asked = Asked {
            headers: &parts.headers,
            is_head: parts.method == Method::HEAD,
            version: parts.version,
            id: &id,
        };
        let target =
            request::judge(&parts, !body.is_end_stream(), &self.base_path, &self.instance, &self.known);
        let mut log = Facts { outcome: "page", upstream: None, logged: begun.is_some() };
        let mut reply = match target {
            Ok(Target::Protocol { path, cached_only }) => {
                let access = Access {
                    client_is_private_ok: client.is_private_ok,
                    cached_only,
                    whole_status: parts.version < Version::HTTP_11,
                    request_id: id.as_str().to_owned(),
                    trail: Trail::of(&parts.headers),
                    session: connection
                        .map(|connection| Session { connection: connection.id, client: client.address }),
                };
                self.ask(&path, &access, &asked, &mut log).await
            }
            Ok(Target::Explain(module)) => self.explain(&module, client.is_private_ok, &asked).await,
            Ok(page) => self.page(&page, &parts, door, client.is_private_ok, &asked).await,
            Err(refusal) => {
                log.outcome = refusal.label();
                reply::refused(&refusal, &asked, &self.base_path)
            }
        };
        let status = reply.status();
        self.metrics.answered(status);
        let line = begun.map(|begun| Line {
            log: self.access_log.clone(),
            id,
            client: client.address,
            method: parts.method,
            uri: parts.uri,
            status,
            outcome: log.outcome,
            upstream: log.upstream,
            begun,
            broke_off: None,
        });
        reply.body_mut().attach(in_flight, Some(RequestLog::new(line, &self.metrics)));
        reply
    }

    /// Returns the answer to a plain request if there is one that can be given at once.
    ///
    /// The client is whom the connection belongs to, and may see what its address may.
    pub(crate) fn at_once(&self, path: &str, client: request::Client, connection: u64) -> Option<AtOnce> {
        let request::Target::Protocol { path, cached_only: false } =
            request::find(self.base_path.strip(path)?, false, &self.known).ok()?
        else {
            return None;
        };
        // A probe for loops has to be taken note of.
        if matches!(&path.request, ProxyRequest::List(module) if self.instance.recognizes(module.as_str())) {
            return None;
        }
        let access = Access {
            client_is_private_ok: client.is_private_ok,
            cached_only: false,
            whole_status: false,
            request_id: String::new(),
            trail: Trail::default(),
            session: Some(Session { connection, client: client.address }),
        };
        let served = self.backend.at_once(&path.request, &access)?;
        let head = reply::wire_head(&served, &path, &self.lifetime)?;
        let body = match served.body {
            Body::Memory(bytes) => AtOnceBody::Memory(bytes),
            Body::File { file, len } => AtOnceBody::File { file, len },
            Body::Growing(_) => return None,
        };
        Some(AtOnce { head, body, outcome: served.outcome.label() })
    }

    /// Returns who a client is that says nothing about itself.
    pub(crate) fn plain_client(&self, peer: IpAddr) -> request::Client {
        request::client(peer, &http::HeaderMap::new(), &self.trusted_proxies, &self.private_clients)
    }

    pub(crate) fn next_id(&self) -> RequestId {
        RequestId::of(self.next_id.fetch_add(1, Relaxed))
    }

    pub(crate) fn access_log(&self) -> &AccessLog {
        &self.access_log
    }

    async fn ask(
        &self,
        path: &KnownPath,
        access: &Access,
        asked: &Asked<'_>,
        log: &mut Facts,
    ) -> Response<ReplyBody> {
        let result = match &path.request {
            ProxyRequest::Object { of, kind } => self.backend.object(of, *kind, access).await,
            ProxyRequest::List(module) => self.backend.list(module, access).await,
            ProxyRequest::Latest(module) => self.backend.latest(module, access).await,
            ProxyRequest::Query { module, query } => self.backend.query(module, query, access).await,
            ProxyRequest::Checksum { database, request } => {
                self.backend.checksum(database, request, access).await
            }
        };
        match result {
            Ok(served) => {
                log.outcome = served.outcome.label();
                if log.logged {
                    log.upstream = served.outcome.upstream().map(ToString::to_string);
                }
                let surroundings = reply::Surroundings {
                    path,
                    lifetime: &self.lifetime,
                    base: &self.base_path,
                    budget: &self.budget,
                };
                reply::served(served, asked, &surroundings)
            }
            Err(failure) => {
                log.outcome = failure.reason.label();
                let status = crate::status::of_reason(&failure.reason).status;
                if status.is_server_error() || status == StatusCode::FORBIDDEN {
                    tracing::debug!(request_id = %asked.id.as_str(), "refused: {}", failure.text());
                }
                reply::failed(&failure, asked)
            }
        }
    }

    async fn explain(
        &self,
        module: &ModulePath,
        is_private_ok: bool,
        asked: &Asked<'_>,
    ) -> Response<ReplyBody> {
        let access =
            Access { client_is_private_ok: is_private_ok, ..Access::trusted(asked.id.as_str().to_owned()) };
        match self.backend.explain(module, &access).await {
            Ok(found) => {
                let kind = HeaderValue::from_static("application/json");
                reply::page(kind, HeaderValue::from_static("no-store"), explained::render(&found), asked)
            }
            Err(failure) => reply::failed(&failure, asked),
        }
    }

    async fn page(
        &self,
        target: &Target,
        parts: &Parts,
        door: Door<'_>,
        is_private_ok: bool,
        asked: &Asked<'_>,
    ) -> Response<ReplyBody> {
        const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
        const HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");
        const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
        match target {
            Target::StartPage => self.start_page(parts, door, is_private_ok, asked),
            Target::Style => reply::page(
                HeaderValue::from_static("text/css; charset=utf-8"),
                HOUR,
                start_page::STYLE,
                asked,
            ),
            Target::Robots => reply::page(TEXT, HOUR, start_page::ROBOTS, asked),
            Target::Health => reply::page(TEXT, NO_STORE, "", asked),
            Target::Ready => match self.backend.check_ready().await {
                Ok(()) => reply::page(TEXT, NO_STORE, "", asked),
                Err(cause) => {
                    tracing::warn!("not ready: {cause}");
                    let mut reply =
                        reply::page(TEXT, NO_STORE, "not ready: the store can't be written\n", asked);
                    *reply.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    reply
                }
            },
            Target::Version => {
                let text = serde_json::to_string(&self.version).unwrap_or_default() + "\n";
                reply::page(HeaderValue::from_static("application/json"), NO_STORE, text, asked)
            }
            Target::Metrics => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                reply::page(HeaderValue::from_static(kind), NO_STORE, self.backend.render_metrics(), asked)
            }
            Target::Findings => {
                let found = self.backend.findings(is_private_ok, findings::SHOWN).await;
                let kind = HeaderValue::from_static("application/json");
                reply::page(kind, NO_STORE, findings::render(&found), asked)
            }
            Target::Protocol { .. } | Target::Explain(_) => {
                reply::refused(&Refusal::NoSuchPage, asked, &self.base_path)
            }
        }
    }

    fn start_page(
        &self,
        parts: &Parts,
        door: Door<'_>,
        is_private_ok: bool,
        asked: &Asked<'_>,
    ) -> Response<ReplyBody> {
        let origin =
            request::public_origin(parts, door.peer, &self.trusted_proxies, door.encrypted, door.local);
        let base = self.base_path.as_str();
        let facts = Arc::clone(&self.start_page.read().unwrap_or_else(PoisonError::into_inner));
        let html = start_page::render(&start_page::View {
            address: &format!("{origin}{base}"),
            base,
            facts: &facts,
            shows_private: is_private_ok,
            version: &self.version.version,
        });
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        let mut reply = reply::page(kind, HeaderValue::from_static("no-cache"), html, asked);
        let headers = reply.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(start_page::POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        reply
    }
}

/// What the access log wants to know.
struct Facts {
    outcome: &'static str,
    upstream: Option<String>,
    logged: bool,
}
