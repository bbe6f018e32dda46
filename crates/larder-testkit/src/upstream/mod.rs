//! A module proxy that answers from memory, counts what it was asked, and fails on command.
//!
//! It runs in a thread of its own, so that asynchronous tests, tests that pause the clock and plain tests can all
//! use it, and it speaks HTTP/1.1 on the bare connection, because most faults can't be played through a library.

mod serve;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::faults::Rule;
use crate::module::{BuiltModule, ModuleBuilder, escape};
use crate::sumdb::FakeSumdb;
use crate::{Endpoint, Fault};

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers, without the length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: ReplyBody,
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub enum ReplyBody {
    /// Bytes at hand.
    Memory(Bytes),
    /// A file that is read while it is sent.
    File(PathBuf),
}

impl Reply {
    /// Returns an answer with status 200.
    pub fn ok(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::status(200, content_type, body)
    }

    /// Returns an answer with any status.
    pub fn status(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: ReplyBody::Memory(body.into()),
        }
    }

    /// Returns what a proxy says when it has no such thing.
    pub fn not_found(what: &str) -> Self {
        Self::status(404, "text/plain; charset=utf-8", format!("not found: {what}\n"))
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Answers the requests below a prefix; used to join a fake checksum database to a fake proxy.
///
/// It is given the rest of the path, which begins with a slash, and answers none for 404.
pub type Handler = Arc<dyn Fn(&str) -> Option<Reply> + Send + Sync>;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The method.
    pub method: String,
    /// The path as sent, with its query if any.
    pub path: String,
    /// The headers, names in small letters.
    pub headers: Vec<(String, String)>,
}

impl Logged {
    /// Returns the first header of this name (in small letters).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// The versions of one module.
#[derive(Clone, Debug, Default)]
struct Served {
    versions: BTreeMap<String, BuiltModule>,
    queries: HashMap<String, String>,
}

/// Everything that decides an answer; tests change it while the server runs.
#[derive(Clone, Default)]
struct State {
    modules: BTreeMap<String, Served>,
    replies: HashMap<String, Reply>,
    handlers: Vec<(String, Handler)>,
    rules: Vec<Rule>,
    log: Vec<Logged>,
    counts: HashMap<String, usize>,
    delay: Duration,
    rate: Option<u64>,
    etags: bool,
    no_latest: bool,
    offers_ranges: bool,
    required_authorization: Option<String>,
}

/// What the server's tasks share with the handle.
struct Shared {
    state: Mutex<State>,
    total: AtomicUsize,
    connections: AtomicUsize,
    bytes: std::sync::atomic::AtomicU64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the state")
    }
}

/// A fake upstream before it starts, which answers for others as well ([`Self::answer`]).
#[derive(Clone, Default)]
pub struct FakeUpstream {
    state: State,
    tls: Option<Arc<tokio_rustls::rustls::ServerConfig>>,
}

impl FakeUpstream {
    /// Starts with nothing to serve.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a version with default content.
    pub fn module(self, path: &str, version: &str) -> Self {
        self.with(&ModuleBuilder::new(path, version))
    }

    /// Adds a version.
    pub fn with(self, module: &ModuleBuilder) -> Self {
        self.built(module.build())
    }

    /// Adds a version that is already built.
    pub fn built(mut self, module: BuiltModule) -> Self {
        self.state.insert(module);
        self
    }

    /// Makes a query (a branch, say) answer with a version, which need not be among those listed.
    pub fn query(mut self, path: &str, query: &str, version: &str) -> Self {
        let served = self.state.modules.entry(path.to_owned()).or_default();
        served.queries.insert(query.to_owned(), version.to_owned());
        self
    }

    /// Answers one path with this, whatever else is known.
    pub fn reply(mut self, path: &str, reply: Reply) -> Self {
        self.state.replies.insert(path.to_owned(), reply);
        self
    }

    /// Hands everything below a prefix such as `/sumdb/sum.example.com` to a handler.
    pub fn handler(mut self, prefix: &str, handler: Handler) -> Self {
        self.state.handlers.push((prefix.to_owned(), handler));
        self
    }

    /// Carries a checksum database below `/sumdb/<name>`, and has every version added so far recorded in it.
    pub fn sumdb(self, sumdb: &FakeSumdb) -> Self {
        self.record_in(sumdb);
        let prefix = format!("/sumdb/{}", sumdb.name());
        let sumdb = sumdb.clone();
        self.handler(
            &prefix,
            Arc::new(move |path| {
                let path = path.replace("%21", "!").replace("%2B", "+").replace("%40", "@");
                let reply = sumdb.answer(&path);
                Some(Reply::status(reply.status, "text/plain; charset=utf-8", reply.body))
            }),
        )
    }

    /// Answers everything with a status.
    pub fn always(self, status: u16) -> Self {
        self.fault_everywhere(Fault::Status(status))
    }

    /// Makes a kind of request fail.
    pub fn fault(mut self, endpoint: Endpoint, fault: Fault) -> Self {
        self.state.rules.push(Rule { endpoint: Some(endpoint), path: None, left: None, fault });
        self
    }

    /// Makes a kind of request fail so many times, then no more.
    pub fn fault_times(mut self, endpoint: Endpoint, fault: Fault, times: usize) -> Self {
        self.state.rules.push(Rule { endpoint: Some(endpoint), path: None, left: Some(times), fault });
        self
    }

    /// Makes everything fail.
    pub fn fault_everywhere(mut self, fault: Fault) -> Self {
        self.state.rules.push(Rule { endpoint: None, path: None, left: None, fault });
        self
    }

    /// Waits this long before each answer.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.state.delay = delay;
        self
    }

    /// Sends each body at so many bytes a second.
    pub fn rate(mut self, bytes_per_second: u64) -> Self {
        self.state.rate = Some(bytes_per_second);
        self
    }

    /// Sends `ETag`s and answers `If-None-Match`.
    pub fn etags(mut self) -> Self {
        self.state.etags = true;
        self
    }

    /// Answers `Range` requests (with `If-Range` when `etags` are on).
    pub fn ranges(mut self) -> Self {
        self.state.offers_ranges = true;
        self
    }

    /// Answers `@latest` with 404, as some mirrors do.
    pub fn without_latest(mut self) -> Self {
        self.state.no_latest = true;
        self
    }

    /// Answers 401 unless this `Authorization` header is sent.
    pub fn require_authorization(mut self, value: &str) -> Self {
        self.state.required_authorization = Some(value.to_owned());
        self
    }

    /// Speaks TLS with this configuration.
    pub fn tls(mut self, config: Arc<tokio_rustls::rustls::ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Answers a request for a path such as `/example.com/m/@v/list` as it would once it runs, faults aside.
    pub fn answer(&self, path: &str) -> Reply {
        let path = path.split('?').next().unwrap_or(path).replace("%2B", "+");
        serve::find(&self.state, &path)
    }

    /// Returns one version.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn get(&self, path: &str, version: &str) -> &BuiltModule {
        let found = self.state.modules.get(path).and_then(|served| served.versions.get(version));
        found.unwrap_or_else(|| panic!("no {path}@{version} in the fake upstream"))
    }

    pub(crate) fn record_in(&self, sumdb: &FakeSumdb) {
        for built in self.state.modules.values().flat_map(|served| served.versions.values()) {
            sumdb.record(&built.path, &built.version, &built.h1, &built.mod_h1);
        }
    }

    /// Starts it on a free port.
    #[expect(clippy::unused_async, reason = "reads like any other start in asynchronous tests")]
    pub async fn start(self) -> RunningUpstream {
        self.start_blocking()
    }

    /// Starts it on a free port, from a plain test.
    pub fn start_blocking(self) -> RunningUpstream {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            state: Mutex::new(self.state),
            total: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            bytes: std::sync::atomic::AtomicU64::new(0),
        });
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (commands, inbox) = tokio::sync::mpsc::unbounded_channel();
        let for_server = Arc::clone(&shared);
        let tls = self.tls;
        let thread = std::thread::Builder::new()
            .name("fake-upstream".to_owned())
            .spawn(move || serve::run(listener, inbox, for_server, tls))
            .expect("the machine can start a thread");
        RunningUpstream {
            url: format!("{scheme}://{address}"),
            address,
            shared,
            commands,
            thread: Some(thread),
        }
    }
}

impl State {
    fn insert(&mut self, module: BuiltModule) {
        let served = self.modules.entry(module.path.clone()).or_default();
        served.versions.insert(module.version.clone(), module);
    }

    fn strike(&mut self, path: &str) -> Option<Fault> {
        self.rules.iter_mut().find_map(|rule| rule.strike(path))
    }
}

/// Told to the server's thread; each is acknowledged.
enum Command {
    Cut(mpsc::SyncSender<()>),
    Restore(mpsc::SyncSender<()>),
    Hang(mpsc::SyncSender<()>),
}

/// A fake upstream that runs until it is dropped.
pub struct RunningUpstream {
    url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    commands: tokio::sync::mpsc::UnboundedSender<Command>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl fmt::Display for RunningUpstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.url)
    }
}

impl RunningUpstream {
    /// Returns its URL, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns `host:port`, which is how error texts name it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how often a path was asked for.
    pub fn requests(&self, path: &str) -> usize {
        self.shared.state().counts.get(path).copied().unwrap_or(0)
    }

    /// Returns how many requests there were.
    pub fn total(&self) -> usize {
        self.shared.total.load(Ordering::SeqCst)
    }

    /// Returns how many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Returns how many bytes of bodies were sent.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::SeqCst)
    }

    /// Returns every request so far.
    pub fn log(&self) -> Vec<Logged> {
        self.shared.state().log.clone()
    }

    /// Forgets all requests so far.
    pub fn forget(&self) {
        let mut state = self.shared.state();
        state.log.clear();
        state.counts.clear();
        self.shared.total.store(0, Ordering::SeqCst);
        self.shared.bytes.store(0, Ordering::SeqCst);
    }

    /// Waits until a path was asked for so many times; reports whether that came true in time.
    pub async fn wait_for_requests(&self, path: &str, count: usize, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.requests(path) < count {
            if Instant::now() > end {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        true
    }

    /// Adds a version.
    pub fn add(&self, module: &ModuleBuilder) -> BuiltModule {
        let built = module.build();
        self.shared.state().insert(built.clone());
        built
    }

    /// Removes a version.
    pub fn remove(&self, path: &str, version: &str) {
        if let Some(served) = self.shared.state().modules.get_mut(path) {
            served.versions.remove(version);
        }
    }

    /// Returns a version as it is served.
    pub fn built(&self, path: &str, version: &str) -> Option<BuiltModule> {
        self.shared.state().modules.get(path)?.versions.get(version).cloned()
    }

    /// Returns every version that is served.
    pub fn all(&self) -> Vec<BuiltModule> {
        let state = self.shared.state();
        state.modules.values().flat_map(|served| served.versions.values().cloned()).collect()
    }

    /// Makes a query answer with a version.
    pub fn set_query(&self, path: &str, query: &str, version: &str) {
        let mut state = self.shared.state();
        let served = state.modules.entry(path.to_owned()).or_default();
        served.queries.insert(query.to_owned(), version.to_owned());
    }

    /// Answers one path with this from now on.
    pub fn set_reply(&self, path: &str, reply: Reply) {
        self.shared.state().replies.insert(path.to_owned(), reply);
    }

    /// Makes a kind of request fail from now on.
    pub fn set_fault(&self, endpoint: Endpoint, fault: Fault) {
        let rule = Rule { endpoint: Some(endpoint), path: None, left: None, fault };
        self.shared.state().rules.push(rule);
    }

    /// Makes one path fail, always or so many times.
    pub fn set_fault_on(&self, path: &str, fault: Fault, times: Option<usize>) {
        let rule = Rule { endpoint: None, path: Some(path.to_owned()), left: times, fault };
        self.shared.state().rules.push(rule);
    }

    /// Makes everything fail from now on.
    pub fn set_fault_everywhere(&self, fault: Fault) {
        self.shared.state().rules.push(Rule { endpoint: None, path: None, left: None, fault });
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.shared.state().rules.clear();
    }

    /// Sets the wait before each answer.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// Sets the rate of bodies in bytes a second.
    pub fn set_rate(&self, bytes_per_second: Option<u64>) {
        self.shared.state().rate = bytes_per_second;
    }

    /// Closes the port and every connection; from now on connections are refused.
    pub fn cut(&self) {
        self.tell(Command::Cut);
    }

    /// Listens again after [`Self::cut`], on the same port.
    pub fn restore(&self) {
        self.tell(Command::Restore);
    }

    /// Closes every connection, but keeps the port open.
    pub fn hang_up(&self) {
        self.tell(Command::Hang);
    }

    fn tell(&self, command: impl FnOnce(mpsc::SyncSender<()>) -> Command) {
        let (done, wait) = mpsc::sync_channel(1);
        self.commands.send(command(done)).expect("the server's thread runs");
        wait.recv().expect("the server's thread runs");
    }
}

impl Drop for RunningUpstream {
    fn drop(&mut self) {
        let (closed, _) = tokio::sync::mpsc::unbounded_channel();
        self.commands = closed; // dropping the sender ends the thread's loop
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns the request path of a module's list.
pub fn list_path(module: &str) -> String {
    format!("/{}/@v/list", escape(module))
}

/// Returns the request path of a module's latest version.
pub fn latest_path(module: &str) -> String {
    format!("/{}/@latest", escape(module))
}
