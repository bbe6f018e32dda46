//! Whom a module may be asked from, and the pool of all of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use larder_module::ModuleVersion;
use larder_module::goproxy::{Entry, ProxyList};
use tokio::time::Instant;
use url::Url;

use crate::breaker::{Breaker, BreakerState};
use crate::chain::{Chain, ChainEntry};
use crate::credentials::{Credential, Secret};
use crate::direct::DirectUpstream;
use crate::error::{FetchCause, FetchError};
use crate::file::FileUpstream;
use crate::guard::ListedHosts;
use crate::instance::{Instance, Trail};
use crate::judge::Judged;
use crate::name::{Origin, UpstreamName, is_loopback};
use crate::proxy::{Errand, HttpUpstream};
use crate::settings::{BreakerSettings, Limits, UpstreamSettings};
use crate::transport::{SettingsError, Transport};
use crate::urgency::Urgency;
use crate::validators::Validators;
use crate::version_control::VersionControl;
use crate::wanted::Wanted;
use crate::zip_body::ZipBody;

/// When a caller's time is over.
pub type Deadline = Instant;

/// One entry that can be asked. Cloning is cheap; clones and other chains' entries of the same URL share the
/// breaker, the connections and the caps.
#[derive(Clone)]
pub struct Upstream {
    inner: Inner,
    errand: Errand,
}

#[derive(Clone)]
enum Inner {
    Http(Arc<HttpUpstream>),
    File(Arc<FileUpstream>),
    Direct(Arc<DirectUpstream>),
    Off,
}

/// What sort of upstream an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UpstreamKind {
    /// A module proxy over HTTP.
    Http,
    /// A tree of files.
    File,
    /// Version control.
    Direct,
    /// Nobody.
    Off,
}

/// The answer to a question for something small.
#[derive(Clone, Debug)]
pub enum SmallReply {
    /// A body, judged good.
    Fresh(Fresh),
    /// What the caller has is still current.
    NotModified,
}

/// A small body.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// The bytes as they came.
    pub body: Bytes,
    /// What to ask with next time.
    pub validators: Validators,
    /// The same, read.
    pub judged: Judged,
}

/// Where to take up a zip that broke off.
#[derive(Clone, Debug)]
pub struct Resume {
    /// How many bytes are there already.
    pub offset: u64,
    /// The validators of the body that broke off.
    pub validators: Validators,
}

impl Upstream {
    /// Returns the printable name.
    pub fn name(&self) -> UpstreamName {
        match &self.inner {
            Inner::Http(upstream) => upstream.name.clone(),
            Inner::File(upstream) => upstream.name.clone(),
            Inner::Direct(_) => UpstreamName::direct(),
            Inner::Off => UpstreamName::off(),
        }
    }

    /// Returns the sort.
    pub fn kind(&self) -> UpstreamKind {
        match &self.inner {
            Inner::Http(_) => UpstreamKind::Http,
            Inner::File(_) => UpstreamKind::File,
            Inner::Direct(_) => UpstreamKind::Direct,
            Inner::Off => UpstreamKind::Off,
        }
    }

    /// Returns the folder of a file tree.
    pub fn folder(&self) -> Option<&std::path::Path> {
        match &self.inner {
            Inner::File(upstream) => Some(upstream.root()),
            Inner::Http(_) | Inner::Direct(_) | Inner::Off => None,
        }
    }

    /// Asks for anything but a zip; what comes is capped in size and judged.
    ///
    /// # Errors
    ///
    /// Fails with the cause, which is absence only if the upstream positively said so.
    pub async fn small(
        &self,
        wanted: &Wanted,
        known: Option<&Validators>,
        deadline: Deadline,
    ) -> Result<SmallReply, FetchError> {
        match &self.inner {
            Inner::Http(upstream) => upstream.small(wanted, known, deadline, &self.errand).await,
            Inner::File(upstream) => upstream.small(wanted, known, deadline).await,
            Inner::Direct(_) if self.is_ahead() => Err(self.not_ahead(wanted.path())),
            Inner::Direct(upstream) => upstream.small(wanted, deadline, self.errand.private).await,
            Inner::Off => Err(self.nobody(wanted.path())),
        }
    }

    /// Asks for a zip. It has no deadline: a fetch outlives the client that began it, within the limits by phase.
    ///
    /// With `resume` the upstream is asked for the rest; whether it agreed says [`ZipBody::offset`].
    ///
    /// # Errors
    ///
    /// Fails with the cause when no body began.
    pub async fn zip(&self, of: &ModuleVersion, resume: Option<&Resume>) -> Result<ZipBody, FetchError> {
        match &self.inner {
            Inner::Http(upstream) => upstream.zip(of, resume, &self.errand).await,
            Inner::File(upstream) => upstream.zip(of, resume).await,
            Inner::Direct(_) if self.is_ahead() => Err(self.not_ahead(zip_path(of))),
            Inner::Direct(upstream) => upstream.zip(of, self.errand.private).await,
            Inner::Off => Err(self.nobody(zip_path(of))),
        }
    }

    /// Asks for a path below the upstream's URL, with a leading slash and not percent-encoded; for `/sumdb/...` of a
    /// proxy and for the paths of a checksum database. The body is capped, but its judge is the caller.
    /// Version control has no such paths: it answers as a chain that looks nothing up.
    ///
    /// # Errors
    ///
    /// Fails with the cause.
    pub async fn raw(&self, path: &str, limit: u64, deadline: Deadline) -> Result<Bytes, FetchError> {
        match &self.inner {
            Inner::Http(upstream) => upstream.raw(path, limit, deadline, &self.errand).await,
            Inner::File(upstream) => upstream.raw(path, limit, deadline).await,
            Inner::Direct(_) | Inner::Off => Err(self.nobody(path.to_owned())),
        }
    }

    /// Returns this upstream for a request that came through the proxies of `trail`.
    #[must_use]
    pub fn on_behalf_of(mut self, trail: &Trail) -> Self {
        self.errand.trail = trail.clone();
        self
    }

    /// Returns this upstream for something that is wanted so soon.
    #[must_use]
    pub(crate) fn wanted_so_soon(mut self, urgency: &Urgency) -> Self {
        self.errand.urgency = urgency.clone();
        self
    }

    /// Reports whether nobody waits for what it would be asked.
    fn is_ahead(&self) -> bool {
        !self.errand.urgency.is_now()
    }

    /// The answer of version control to a guess: a wrong one would clone a repository, and its few processes are for those that wait.
    fn not_ahead(&self, wanted: String) -> FetchError {
        FetchError { cause: FetchCause::Saturated, ..self.nobody(wanted) }
    }

    fn nobody(&self, wanted: String) -> FetchError {
        FetchError {
            upstream: self.name(),
            wanted,
            attempts: 0,
            elapsed: std::time::Duration::ZERO,
            redirected_to: None,
            cause: FetchCause::LookupsOff,
            said: None,
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Upstream({})", self.name())
    }
}

/// All upstreams of this process, with what they share.
#[derive(Clone)]
pub struct Upstreams {
    shared: Arc<Shared>,
    direct: Option<Arc<DirectUpstream>>,
}

struct Shared {
    transport: Arc<Transport>,
    breaker: BreakerSettings,
    limits: Limits,
    notices: Vec<String>,
    /// By URL, user info included: two users of one host are two upstreams.
    http: Mutex<HashMap<String, Arc<HttpUpstream>>>,
}

/// What an upstream does at the moment.
#[derive(Clone, Debug)]
pub struct UpstreamState {
    /// Its name.
    pub name: UpstreamName,
    /// Its breaker.
    pub breaker: BreakerState,
    /// Requests in flight at its host.
    pub in_flight: usize,
    /// Requests waiting for a turn at its host.
    pub waiting: usize,
}

/// An entry that can't be asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EntryError {
    /// Not a URL. The text is not shown, for it may hold a password.
    #[error("it is not a URL ({0})")]
    Url(url::ParseError),
    /// No `http`, `https` or `file`.
    #[error("an upstream is asked by http, https or file, not by {0}")]
    Scheme(String),
    /// No host.
    #[error("its URL names no host")]
    NoHost,
    /// A `file` URL that is no absolute path of this machine.
    #[error("a file URL names an absolute path of this machine, like file:///srv/modules")]
    FilePath,
    /// `direct` in a chain of a pool that was given no version control.
    #[error("nothing here can ask version control")]
    NoVersionControl,
    /// A password in an `http` URL.
    #[error("{0} holds a password, which would cross the network in the clear; use https")]
    PlainCredentials(UpstreamName),
}

impl Upstreams {
    /// Builds the pool.
    ///
    /// # Errors
    ///
    /// Fails when TLS can't be set up as it should; a machine without certificate authorities is no error.
    pub fn new(settings: UpstreamSettings) -> Result<Self, SettingsError> {
        let (breaker, limits) = (settings.breaker, settings.limits);
        let (transport, notices) = Transport::new(settings)?;
        let shared =
            Shared { transport: Arc::new(transport), breaker, limits, notices, http: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), direct: None })
    }

    /// Returns this pool with somebody who answers for `direct`; without one a chain that says so can't be built.
    ///
    /// Version control may itself ask through the pool as it was.
    #[must_use]
    pub fn with_version_control(mut self, control: Arc<dyn VersionControl>) -> Self {
        self.direct = Some(Arc::new(DirectUpstream::new(control, self.shared.limits)));
        self
    }

    /// Returns what the operator should know though it was no reason not to start.
    pub fn notices(&self) -> &[String] {
        &self.shared.notices
    }

    /// Returns the name of this process among proxies; the server recognizes its own requests by it.
    pub fn instance(&self) -> &Instance {
        &self.shared.transport.instance
    }

    /// Returns the chain of a `GOPROXY` list.
    ///
    /// # Errors
    ///
    /// Fails on the first entry that can't be asked.
    pub fn chain(&self, list: &ProxyList) -> Result<Chain, EntryError> {
        self.chain_for(list, false)
    }

    /// Returns the chain of a private route: its upstreams may not redirect to other hosts.
    ///
    /// # Errors
    ///
    /// Fails on the first entry that can't be asked.
    pub fn private_chain(&self, list: &ProxyList) -> Result<Chain, EntryError> {
        self.chain_for(list, true)
    }

    fn chain_for(&self, list: &ProxyList, private: bool) -> Result<Chain, EntryError> {
        let mut entries = Vec::new();
        for entry in list.entries() {
            let inner = match &entry.entry {
                Entry::Url(url) => self.inner(url)?,
                Entry::Direct => Inner::Direct(self.direct.clone().ok_or(EntryError::NoVersionControl)?),
                Entry::Off => Inner::Off,
            };
            let upstream = Upstream { inner, errand: Errand { private, ..Errand::default() } };
            entries.push(ChainEntry { upstream, separator: entry.separator });
        }
        Ok(Chain::new(entries))
    }

    /// Returns the upstream at a URL, outside of any chain: a checksum database's own address.
    ///
    /// # Errors
    ///
    /// Fails when the URL can't be asked.
    pub fn at(&self, url: &str) -> Result<Upstream, EntryError> {
        Ok(Upstream { inner: self.inner(url)?, errand: Errand::default() })
    }

    /// Returns the upstream at a URL that a go-import page named. Of all hosts but the listed ones, only public addresses
    /// are asked, redirects included.
    ///
    /// # Errors
    ///
    /// Fails when the URL can't be asked.
    pub fn guarded_at(&self, url: &str, private: bool, listed: &ListedHosts) -> Result<Upstream, EntryError> {
        // Not kept in the pool: pages could name ever new ones.
        let upstream = self.http(parsed(url)?)?;
        let errand = Errand { private, guard: Some(listed.clone()), ..Errand::default() };
        Ok(Upstream { inner: Inner::Http(Arc::new(upstream)), errand })
    }

    fn inner(&self, text: &str) -> Result<Inner, EntryError> {
        let url = parsed(text)?;
        if url.scheme() == "file" {
            let tree = FileUpstream::new(&url, self.shared.limits).ok_or(EntryError::FilePath)?;
            return Ok(Inner::File(Arc::new(tree)));
        }
        let key = url.to_string();
        let upstream = self.http(url)?;
        let mut http = self.shared.http.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Inner::Http(Arc::clone(http.entry(key).or_insert_with(|| Arc::new(upstream)))))
    }

    fn http(&self, mut url: Url) -> Result<HttpUpstream, EntryError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EntryError::Scheme(url.scheme().to_owned()));
        }
        let origin = Origin::of_url(&url).ok_or(EntryError::NoHost)?;
        let own = user_info(&url);
        if own.is_some() && url.scheme() == "http" && !is_loopback(&url) {
            return Err(EntryError::PlainCredentials(UpstreamName::of_url(&url)));
        }
        // Neither can fail for a URL that has a host.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        let breaker = Breaker::new(self.shared.breaker);
        Ok(HttpUpstream::new(url, own, origin, breaker, Arc::clone(&self.shared.transport)))
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.shared.transport
    }

    /// Returns what every HTTP upstream does at the moment, sorted by name.
    pub fn states(&self) -> Vec<UpstreamState> {
        let http = self.shared.http.lock().unwrap_or_else(PoisonError::into_inner);
        let mut states: Vec<_> = http
            .values()
            .map(|upstream| {
                let gate = self.shared.transport.gates.of(&upstream.origin);
                UpstreamState {
                    name: upstream.name.clone(),
                    breaker: upstream.breaker.state(),
                    in_flight: gate.in_flight(),
                    waiting: gate.waiting(),
                }
            })
            .collect();
        states.sort_by(|a, b| a.name.cmp(&b.name));
        states
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.states().iter().map(|state| &state.name)).finish()
    }
}

fn zip_path(of: &ModuleVersion) -> String {
    Wanted::Object { of: of.clone(), kind: larder_module::ObjectKind::Zip }.path()
}

fn parsed(text: &str) -> Result<Url, EntryError> {
    let mut url = Url::parse(text).map_err(EntryError::Url)?;
    url.set_fragment(None);
    Ok(url)
}

/// Reads the user info of a URL. A name without a password counts: some proxies take a token there.
fn user_info(url: &Url) -> Option<Credential> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some(Credential::Basic {
        user: Secret::new(decode(url.username())),
        password: Secret::new(decode(url.password().unwrap_or_default())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Upstreams {
        let mut settings = UpstreamSettings::default();
        settings.tls.native_roots = false;
        Upstreams::new(settings).unwrap()
    }

    #[test]
    fn asking_can_be_spawned() {
        fn must_be_send<T: Send>(_: T) {}
        let upstream = pool().at("https://proxy.example.com").unwrap();
        let of = ModuleVersion::parse("example.com/a", "v1.0.0").unwrap();
        let wanted = Wanted::List(of.module().clone());
        must_be_send(upstream.small(&wanted, None, Instant::now()));
        must_be_send(upstream.raw("/latest", 1, Instant::now()));
        must_be_send(upstream.zip(&of, None));
        must_be_send(async { upstream.zip(&of, None).await.unwrap().next().await.map(drop) });
        let chain = pool().chain(&ProxyList::parse("https://proxy.example.com,off").unwrap()).unwrap();
        let wanted = &wanted;
        must_be_send(
            chain.walk(|upstream| async move { upstream.small(wanted, None, Instant::now()).await }),
        );
    }

    #[test]
    fn chains_share_upstreams_by_url() {
        let pool = pool();
        let chain = |list| pool.chain(&ProxyList::parse(list).unwrap()).unwrap();
        chain("https://a.example.com,https://b.example.com|off");
        chain("https://a.example.com/,https://user:secret@a.example.com");
        let names: Vec<_> = pool.states().iter().map(|state| state.name.to_string()).collect();
        assert_eq!(names, ["https://a.example.com", "https://a.example.com", "https://b.example.com"]);
        assert_eq!(chain("https://a.example.com,off").to_string(), "https://a.example.com,off");
    }

    #[test]
    fn a_pool_without_version_control_has_no_direct() {
        let error = pool().chain(&ProxyList::parse("https://a.example.com,direct").unwrap()).unwrap_err();
        assert_eq!(error, EntryError::NoVersionControl);
    }

    #[test]
    fn what_cannot_be_asked_is_refused_without_showing_secrets() {
        let pool = pool();
        for (url, expected) in [
            ("http://user:canary@proxy.example.com", "https"),
            ("https://user:canary@proxy.example.com:bad", "not a URL"),
            ("ftp://user:canary@proxy.example.com", "ftp"),
        ] {
            let error = pool.at(url).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(expected) && !text.contains("canary"), "{text}");
        }
        assert!(pool.at("http://user:secret@127.0.0.1:3000").is_ok(), "loopback crosses no network");
        assert!(
            !format!("{:?}", pool.at("https://user:canary@proxy.example.com").unwrap()).contains("canary")
        );
    }
}
