//! The listener: accept, serve, make room, drain.
//!
//! An own accept loop, because no ready-made one offers limits on heads, idle connections and slow readers,
//! a cap that makes room instead of locking everybody out, and a drain that loses nothing.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use crate::app::{App, AppParts, Backend};
use crate::connection::{Connections, SWEEP};
use crate::lanes::Lanes;
use crate::serve::{Context, serve};
use crate::settings::{Limits, ServerSettings, StartPageFacts};
use crate::tls::{Tls, TlsError};

/// Connections that the kernel may hold for us before they are accepted.
const BACKLOG: u32 = 4096;
/// Unsent bytes that the kernel holds for one connection. Without a bound a slow reader's connection would
/// look busy for minutes after it stopped reading, because the kernel takes megabytes ahead of it.
pub(crate) const UNSENT: u32 = 128 << 10;
/// How often TLS files are looked at.
const TLS_POLL: Duration = Duration::from_secs(15);
/// How long a connection that has not sent a request yet may still do so while the server drains.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// Why the server can't start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The listen address names nothing.
    #[error("cannot listen on {listen:?}: it is no address:port of this machine ({cause})")]
    BadAddress {
        /// What was configured.
        listen: String,
        /// What the system says.
        cause: io::Error,
    },
    /// Another process has the port.
    #[error(
        "cannot listen on {address}: the port is taken; stop the other process or choose another address"
    )]
    PortTaken {
        /// The address.
        address: SocketAddr,
    },
    /// The system refuses.
    #[error("cannot listen on {address}: {cause}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// The TLS files are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A bound server; [`Server::run`] serves.
pub struct Server<B> {
    lanes: Lanes,
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared<B>>,
}

/// A way to reach a running server.
pub struct ServerControl<B> {
    shared: Arc<Shared<B>>,
}

/// What all connections share.
pub(crate) struct Shared<B> {
    pub(crate) app: Arc<App<B>>,
    pub(crate) limits: Limits,
    connections: Arc<Connections>,
    pub(crate) tls: Option<Tls>,
    pub(crate) local: String,
    pub(crate) http: auto::Builder<TokioExecutor>,
    /// For a connection of which it is certain that it speaks HTTP/1.
    pub(crate) http1: http1::Builder,
}

impl<B: Backend> Server<B> {
    /// Takes the listen address and reads the TLS files; serves nothing yet.
    ///
    /// # Errors
    ///
    /// Fails with one line that says what to do.
    pub async fn bind(settings: ServerSettings, parts: AppParts<B>) -> Result<Self, BindError> {
        let tls = settings.tls.clone().map(Tls::load).transpose()?;
        let listener = listen(&settings.listen).await?;
        let address = listener
            .local_addr()
            .map_err(|cause| BindError::BadAddress { listen: settings.listen.clone(), cause })?;
        let lanes =
            Lanes::start(settings.limits.threads).map_err(|cause| BindError::Refused { address, cause })?;
        let shared = Arc::new(Shared {
            app: App::new(parts, &settings),
            http: http_builder(&settings.limits),
            http1: http1_builder(&settings.limits),
            limits: settings.limits,
            connections: Connections::new(),
            tls,
            local: address.to_string(),
        });
        Ok(Self { lanes, listener, address, shared })
    }

    /// Returns the address that is listened on.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a handle for reloads.
    pub fn control(&self) -> ServerControl<B> {
        ServerControl { shared: Arc::clone(&self.shared) }
    }

    /// Serves until `shutdown` completes, then finishes what is in flight; returns how many connections had
    /// to be cut because they were not done in time.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> usize {
        let Self { lanes, listener, shared, .. } = self;
        let sweeper = tokio::spawn(sweep(Arc::clone(&shared)));
        {
            let mut shutdown = pin!(shutdown);
            loop {
                tokio::select! {
                    biased;
                    () = &mut shutdown => break,
                    () = accept_one(&listener, &shared, &lanes) => {}
                }
            }
        }
        shared.begin_rest(&lanes, listener);
        let left = drain(&shared).await;
        sweeper.abort();
        left
    }
}

impl<B: Backend> ServerControl<B> {
    /// Reads the TLS files again; without TLS there is nothing to do.
    ///
    /// # Errors
    ///
    /// Fails when the files are of no use; the old certificate then stays in use.
    pub fn reload_tls(&self) -> Result<(), TlsError> {
        self.shared.tls.as_ref().map_or(Ok(()), Tls::reload)
    }

    /// Changes what the start page teaches.
    pub fn set_start_page(&self, facts: StartPageFacts) {
        self.shared.app.set_start_page(facts);
    }

    /// Returns how many connections are open.
    pub fn connections(&self) -> usize {
        self.shared.connections.len()
    }
}

async fn listen(listen: &str) -> Result<TcpListener, BindError> {
    let bad = |cause| BindError::BadAddress { listen: listen.to_owned(), cause };
    let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host(listen).await.map_err(bad)?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let Some(&address) = addresses.first() else { return Err(bad(io::ErrorKind::NotFound.into())) };
    bind(address).map_err(|cause| match cause.kind() {
        io::ErrorKind::AddrInUse => BindError::PortTaken { address },
        io::ErrorKind::AddrNotAvailable => bad(cause),
        _ => BindError::Refused { address, cause },
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn http_builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // The sweep does this, for TLS handshakes and HTTP/2 prefaces too.
        .header_read_timeout(None)
        // Bounds a head, and what is taken from a body ahead of the socket: one piece at a time.
        .max_buf_size(limits.head_bytes.max(8 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(256)
        .max_send_buf_size(64 << 10)
        // Requests have no bodies: small windows are enough.
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(64 << 10)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// The part of [`http_builder`] that is about HTTP/1, where nothing has to be found out first.
fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(limits.head_bytes.max(8 << 10));
    builder
}

async fn accept_one<B: Backend>(listener: &TcpListener, shared: &Arc<Shared<B>>, lanes: &Lanes) {
    match listener.accept().await {
        Ok((stream, peer)) => {
            wait_for_room(shared).await;
            shared.begin(lanes, stream, peer);
        }
        Err(error) if is_about_the_peer(&error) => {}
        Err(error) => {
            // Out of descriptors, most likely: idle connections hold some.
            let made = shared.connections.make_room();
            tracing::warn!(%error, made_room = made, "could not accept a connection");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn is_about_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// Waits until a connection that was just accepted fits, after telling half-open and idle ones to go.
///
/// Room is made for a client that is there, never ahead of one: else a full house would throw out guests all the time.
async fn wait_for_room<B: Backend>(shared: &Arc<Shared<B>>) {
    let connections = &shared.connections;
    while connections.staying() >= shared.limits.connections {
        let made = connections.make_room();
        if made > 0 {
            shared.app.metrics.made_room(made);
            return;
        }
        // All are busy: the next to finish, or to be found idle, makes room.
        let _ = timeout(Duration::from_millis(100), connections.one_closes()).await;
    }
}

/// Looks at all connections, the gauges and the TLS files, again and again.
async fn sweep<B: Backend>(shared: Arc<Shared<B>>) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut tls_looked = Instant::now();
    loop {
        ticks.tick().await;
        for (reason, count) in shared.connections.sweep(&shared.limits) {
            shared.app.metrics.cut(reason, count);
            tracing::debug!(?reason, count, "cut connections");
        }
        shared.app.metrics.state(shared.connections.len(), shared.app.budget.outstanding());
        if tls_looked.elapsed() >= TLS_POLL {
            tls_looked = Instant::now();
            look_at_tls_files(&shared).await;
        }
    }
}

async fn look_at_tls_files<B: Backend>(shared: &Arc<Shared<B>>) {
    if shared.tls.is_none() {
        return;
    }
    let shared = Arc::clone(shared);
    let looked = tokio::task::spawn_blocking(move || shared.tls.as_ref().map(Tls::reload_if_changed)).await;
    match looked {
        Ok(Some(Ok(true))) => tracing::info!("read the changed TLS files"),
        Ok(Some(Err(error))) => tracing::error!("the old certificate stays in use: {error}"),
        Ok(Some(Ok(false)) | None) | Err(_) => {}
    }
}

/// Lets every connection finish, and cuts what is left at the end.
async fn drain<B: Backend>(shared: &Arc<Shared<B>>) -> usize {
    let connections = &shared.connections;
    let begun = Instant::now();
    while connections.len() > 0 {
        let waited = begun.elapsed();
        if waited >= shared.limits.drain {
            let left = connections.cut_all();
            let _ = timeout(Duration::from_secs(1), all_closed(connections)).await;
            return left;
        }
        connections.drain(waited >= DRAIN_GRACE);
        let _ = timeout(Duration::from_millis(20), connections.one_closes()).await;
    }
    0
}

async fn all_closed(connections: &Connections) {
    while connections.len() > 0 {
        let _ = timeout(Duration::from_millis(20), connections.one_closes()).await;
    }
}

impl<B: Backend> Shared<B> {
    /// Serves what the kernel has accepted for us already, and listens no longer.
    ///
    /// The kernel itself is asked: the runtime may not have seen yet that somebody has connected, and closing the listener would reset
    /// that connection.
    fn begin_rest(self: &Arc<Self>, lanes: &Lanes, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        loop {
            let (stream, peer) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if is_about_the_peer(&error) => continue,
                Err(_) => return,
            };
            if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                self.begin(lanes, stream, peer);
            }
        }
    }

    fn begin(self: &Arc<Self>, lanes: &Lanes, stream: TcpStream, peer: SocketAddr) {
        let context = Context::new(Arc::clone(self), self.connections.open(), peer, Handle::current());
        lanes.serve(stream, move |stream| serve(context, stream));
    }
}
