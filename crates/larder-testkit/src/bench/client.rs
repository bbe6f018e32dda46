//! A keep-alive HTTP/1.1 client that throws bodies away.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where to ask, and how.
#[derive(Clone)]
pub struct Target {
    address: SocketAddr,
    host: String,
    base: String,
    tls: Option<TlsConnector>,
}

impl Target {
    /// Reads `http://address:port/base` or `https://...`; the latter needs the authority to trust, in PEM.
    pub fn parse(url: &str, authority: Option<&str>) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("{url}: no URL"))?;
        let (host, base) = rest.split_once('/').unwrap_or((rest, ""));
        let address = host.parse().map_err(|error| format!("{host}: {error}"))?;
        let base = if base.is_empty() { String::new() } else { format!("/{}", base.trim_end_matches('/')) };
        let tls = match scheme {
            "https" => Some(connector(authority.ok_or("https needs an authority")?)?),
            _ => None,
        };
        Ok(Self { address, host: host.to_owned(), base, tls })
    }

    /// Opens a connection.
    pub async fn connect(&self) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = match &self.tls {
            None => Stream::Plain(stream),
            Some(connector) => {
                let name = ServerName::IpAddress(self.address.ip().into());
                Stream::Tls(Box::new(connector.connect(name, stream).await?))
            }
        };
        Ok(Connection { stream, buffer: Vec::with_capacity(4 << 10), target: self.clone() })
    }
}

fn connector(authority: &str) -> Result<TlsConnector, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.as_bytes())
        .map_err(|error| format!("authority: {error}"))?;
    roots.add(certificate).map_err(|error| format!("authority: {error}"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body's length.
    pub bytes: u64,
}

/// One connection.
pub struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    target: Target,
}

impl Connection {
    /// Asks for a path and reads the whole answer.
    pub async fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        let Target { base, host, .. } = &self.target;
        let request =
            format!("GET {base}{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Go-http-client/1.1\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        let head = self.head().await?;
        let bytes = match head.length {
            Some(length) => self.skip(length).await?,
            None if head.chunked => self.chunks().await?,
            None => self.rest().await?,
        };
        if head.closes {
            *self = self.target.clone().connect().await?;
        }
        Ok(Answer { status: head.status, bytes })
    }

    /// Gives the buffer's memory back, for a connection that will stay idle.
    pub fn release(&mut self) {
        self.buffer = Vec::new();
    }

    async fn more(&mut self) -> std::io::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    async fn head(&mut self) -> std::io::Result<Head> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = Head::parse(&self.buffer[..end]);
                self.buffer.drain(..end + 4);
                return head.ok_or_else(|| std::io::Error::other("no HTTP answer"));
            }
            self.more().await?;
        }
    }

    /// Reads a body of known length past.
    async fn skip(&mut self, length: u64) -> std::io::Result<u64> {
        let mut left = length;
        loop {
            let have = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.buffer.drain(..have);
            left -= have as u64;
            if left == 0 {
                return Ok(length);
            }
            if self.buffer.capacity() < 256 << 10 {
                self.buffer.reserve(256 << 10);
            }
            self.more().await?;
        }
    }

    async fn chunks(&mut self) -> std::io::Result<u64> {
        let mut bytes = 0;
        loop {
            let end = loop {
                match self.buffer.windows(2).position(|window| window == b"\r\n") {
                    Some(end) => break end,
                    None => self.more().await?,
                }
            };
            let digits = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
            let size = u64::from_str_radix(digits.split(';').next().unwrap_or("").trim(), 16)
                .map_err(|_| std::io::Error::other("a chunk without a size"))?;
            self.buffer.drain(..end + 2);
            self.skip(size + 2).await?;
            if size == 0 {
                return Ok(bytes);
            }
            bytes += size;
        }
    }

    async fn rest(&mut self) -> std::io::Result<u64> {
        let mut bytes = self.buffer.len() as u64;
        self.buffer.clear();
        while self.stream.read_buf(&mut self.buffer).await? > 0 {
            bytes += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(bytes)
    }
}

struct Head {
    status: u16,
    length: Option<u64>,
    chunked: bool,
    closes: bool,
}

impl Head {
    fn parse(head: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(head).ok()?.to_ascii_lowercase();
        let mut lines = text.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let mut parsed = Self { status, length: None, chunked: false, closes: false };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            match (name, value.trim()) {
                ("content-length", value) => parsed.length = value.parse().ok(),
                ("transfer-encoding", value) => parsed.chunked = value.contains("chunked"),
                ("connection", value) => parsed.closes = value.contains("close"),
                _ => {}
            }
        }
        parsed.closes |= parsed.length.is_none() && !parsed.chunked;
        Some(parsed)
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
