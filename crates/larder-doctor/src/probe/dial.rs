//! From a URL to a connection on which HTTP can be spoken, with all that was met on the way.

use std::sync::{Arc, Mutex};

use hyper::header::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use url::Url;

use super::HostProbe;
use crate::System;
use crate::settings::SettingFacts;
use crate::symptom::Trouble;

/// A connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection on which HTTP can be spoken.
pub(super) struct Link {
    pub(super) stream: Watched,
    /// The first bytes that came, for whoever can't read them.
    pub(super) seen: Seen,
    /// HTTP/2 was agreed on.
    pub(super) http2: bool,
    /// The other end is a forward proxy that wants whole URLs.
    pub(super) absolute: bool,
    /// The login of that forward proxy.
    pub(super) proxy_authorization: Option<HeaderValue>,
}

/// The first bytes that came on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<u8>>>);

impl Seen {
    /// Returns Go's words for a peer that does not speak HTTP.
    pub(super) fn text(&self) -> String {
        let bytes = self.0.lock().expect("nobody panics while it is held");
        let line: String = bytes
            .iter()
            .take(24)
            .flat_map(|byte| std::ascii::escape_default(*byte))
            .map(char::from)
            .collect();
        format!("malformed HTTP response \"{line}\"")
    }
}

/// A connection that remembers the first bytes that came.
pub(super) struct Watched {
    inner: Box<dyn Stream>,
    seen: Seen,
}

impl Link {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        let seen = Seen::default();
        Self {
            stream: Watched { inner: stream, seen: seen.clone() },
            seen,
            http2: false,
            absolute: false,
            proxy_authorization: None,
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = std::pin::Pin::new(&mut self.inner).poll_read(context, buffer);
        let mut seen = self.seen.0.lock().expect("nobody panics while it is held");
        let room = 32usize.saturating_sub(seen.len());
        let new = &buffer.filled()[before..];
        seen.extend_from_slice(&new[..new.len().min(room)]);
        drop(seen);
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Connects, and looks closely at each host the first time.
pub(super) struct Dialer<'a> {
    _system: &'a System,
    _settings: &'a SettingFacts,
    hosts: Mutex<Vec<HostProbe>>,
}

impl<'a> Dialer<'a> {
    pub(super) fn new(system: &'a System, settings: &'a SettingFacts) -> Self {
        Self { _system: system, _settings: settings, hosts: Mutex::default() }
    }

    pub(super) fn hosts(&self) -> Vec<HostProbe> {
        self.hosts.lock().expect("nobody panics while it is held").clone()
    }

    /// Connects to the host of a URL.
    pub(super) async fn dial(&self, _role: &str, url: &Url) -> Result<Link, Trouble> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().unwrap_or(80);
        let stream = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|_| Trouble::ConnectRefused { address: format!("{host}:{port}") })?;
        Ok(Link::new(Box::new(stream)))
    }
}
