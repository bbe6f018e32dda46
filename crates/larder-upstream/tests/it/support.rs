//! A tiny scripted HTTP server: what it sends is bytes, so it can be as wrong as one likes.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use larder_module::goproxy::ProxyList;
use larder_module::{ModulePath, ModuleVersion, ObjectKind};
use larder_upstream::{
    Answering, BreakerSettings, Chain, Deadline, DirectErrand, DirectFault, DirectFaultKind, FetchCause,
    Limits, Refusal, Retries, Timeouts, TlsSettings, UpstreamSettings, Upstreams, VersionControl, Wanted,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One step of an answer.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends bytes one at a time, this far apart.
    Drip(Vec<u8>, Duration),
    /// Keeps still until the client goes away.
    Stall,
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
}

/// Returns the steps of a complete answer.
pub(crate) fn reply(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<Step> {
    let body = body.as_ref();
    let mut bytes =
        format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes)]
}

/// Returns the step that sends text.
pub(crate) fn send(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct Head(pub(crate) String);

impl Head {
    pub(crate) fn path(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

type Script = Arc<dyn Fn(&Head, usize) -> Vec<Step> + Send + Sync>;

/// A server that runs until the test ends.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<Head>>>,
    connections: Arc<Mutex<usize>>,
}

impl Server {
    /// Starts a server; the script gets each request's head and number.
    pub(crate) async fn start(script: impl Fn(&Head, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, Arc::new(script), None)
    }

    /// Starts a server that speaks TLS.
    pub(crate) async fn start_tls(
        config: rustls::ServerConfig,
        script: impl Fn(&Head, usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, Arc::new(script), Some(tokio_rustls::TlsAcceptor::from(Arc::new(config))))
    }

    fn on(listener: TcpListener, script: Script, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let server = Self {
            address: listener.local_addr().unwrap(),
            heads: Arc::default(),
            connections: Arc::default(),
        };
        let told = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *told.connections.lock().unwrap() += 1;
                let (told, script, tls) = (told.clone(), Arc::clone(&script), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => told.serve(stream, script).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                told.serve(Tls(stream), script).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    async fn serve<S: Connection>(self, mut stream: S, script: Script) {
        let mut buffer = Vec::new();
        loop {
            while !buffer.windows(4).any(|window| window == b"\r\n\r\n") {
                let mut piece = [0; 4096];
                match stream.read(&mut piece).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => buffer.extend_from_slice(&piece[..count]),
                }
            }
            let head = Head(String::from_utf8(std::mem::take(&mut buffer)).unwrap());
            let number = {
                let mut heads = self.heads.lock().unwrap();
                heads.push(head.clone());
                heads.len() - 1
            };
            for step in script(&head, number) {
                let sent = match step {
                    Step::Send(bytes) => stream.write_all(&bytes).await,
                    Step::Drip(bytes, pause) => {
                        let mut sent = Ok(());
                        for byte in bytes {
                            tokio::time::sleep(pause).await;
                            sent = stream.write_all(&[byte]).await;
                        }
                        sent
                    }
                    Step::Stall => {
                        let _ = stream.read(&mut [0; 1]).await;
                        return;
                    }
                    Step::Close => {
                        let _ = stream.shutdown().await;
                        return;
                    }
                    Step::Reset => {
                        stream.reset();
                        return;
                    }
                };
                if sent.is_err() {
                    return;
                }
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns what was asked so far.
    pub(crate) fn heads(&self) -> Vec<Head> {
        self.heads.lock().unwrap().clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.heads.lock().unwrap().len()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

/// A connection that can be reset.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {
    fn reset(self);
}

impl Connection for TcpStream {
    fn reset(self) {
        self.set_zero_linger().unwrap();
    }
}

/// A TLS connection.
pub(crate) struct Tls(pub(crate) tokio_rustls::server::TlsStream<TcpStream>);

impl Connection for Tls {
    fn reset(self) {
        self.0.get_ref().0.set_zero_linger().unwrap();
    }
}

impl AsyncRead for Tls {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Tls {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// Settings with limits that a test can wait for.
pub(crate) fn quick() -> UpstreamSettings {
    UpstreamSettings {
        timeouts: Timeouts {
            connect: Duration::from_secs(4),
            first_byte: Duration::from_secs(2),
            zip_first_byte: Duration::from_secs(2),
            between_bytes: Duration::from_secs(2),
            suspicion: Duration::from_secs(60),
        },
        limits: Limits {
            list: 4096,
            list_lines: 100,
            info: 1024,
            go_mod: 2048,
            zip: 1 << 20,
            error: 4096,
            redirects: 10,
        },
        retries: Retries {
            attempts: 3,
            first_pause: Duration::from_millis(2),
            longest_pause: Duration::from_millis(10),
            longest_retry_after: Duration::from_secs(1),
        },
        breaker: BreakerSettings { failures: 1000, ..BreakerSettings::default() },
        tls: TlsSettings { native_roots: false, ..TlsSettings::default() },
        ..UpstreamSettings::default()
    }
}

/// Version control that has nothing.
#[derive(Debug)]
struct Nowhere;

impl VersionControl for Nowhere {
    fn small<'a>(&'a self, _: &'a Wanted, _: DirectErrand, _: Deadline) -> Answering<'a, Bytes> {
        Box::pin(async { Err(nothing_there()) })
    }

    fn zip<'a>(&'a self, _: &'a ModuleVersion, _: DirectErrand) -> Answering<'a, (File, u64)> {
        Box::pin(async { Err(nothing_there()) })
    }
}

fn nothing_there() -> Refusal {
    let fault = DirectFault { kind: DirectFaultKind::Absent, text: "nothing there".into() };
    Refusal { cause: FetchCause::Direct(fault), said: None }
}

pub(crate) fn pool() -> Upstreams {
    Upstreams::new(quick()).unwrap().with_version_control(Arc::new(Nowhere))
}

pub(crate) fn chain(pool: &Upstreams, list: &str) -> Chain {
    pool.chain(&ProxyList::parse(list).unwrap()).unwrap()
}

pub(crate) fn soon() -> Deadline {
    Deadline::now() + Duration::from_secs(20)
}

pub(crate) fn module() -> ModulePath {
    "example.com/a".parse().unwrap()
}

pub(crate) fn version() -> ModuleVersion {
    ModuleVersion::parse("example.com/a", "v1.0.0").unwrap()
}

pub(crate) fn info() -> Wanted {
    Wanted::Object { of: version(), kind: ObjectKind::Info }
}

pub(crate) fn go_mod() -> Wanted {
    Wanted::Object { of: version(), kind: ObjectKind::Mod }
}

/// All endpoints but the zip.
pub(crate) fn small_things() -> Vec<Wanted> {
    vec![
        Wanted::List(module()),
        Wanted::Latest(module()),
        Wanted::Query { module: module(), query: "master".parse().unwrap() },
        info(),
        go_mod(),
    ]
}

/// A good body for each endpoint.
pub(crate) fn good_body(path: &str) -> &'static str {
    match path.rsplit('/').next().unwrap_or_default() {
        "list" => "v1.0.0\n",
        "v1.0.0.mod" => "module example.com/a\n",
        "v1.0.0.zip" => "PK\x03\x04 not much of a zip",
        _ => r#"{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}"#,
    }
}
