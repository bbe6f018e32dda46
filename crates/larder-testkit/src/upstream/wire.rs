//! The fake upstream's side of a connection: requests in, answers and faults out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::serve::BuiltOther;
use super::{Reply, ReplyBody};
use crate::Fault;

/// A request's head; none of the clients under test sends a body.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// What becomes of the connection.
pub(super) enum Flow {
    KeepAlive,
    Close,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection and what was read ahead.
pub(super) struct Connection {
    stream: Stream,
    ahead: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> Option<Self> {
        let stream = match tls {
            None => Stream::Plain(stream),
            Some(config) => Stream::Tls(Box::new(TlsAcceptor::from(config).accept(stream).await.ok()?)),
        };
        Some(Self { stream, ahead: Vec::new() })
    }

    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.read(buffer).await,
            Stream::Tls(stream) => stream.read(buffer).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Makes the close that follows a reset.
    fn reset(&self) {
        let tcp = match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        let _ = tcp.set_zero_linger();
    }

    pub(super) async fn read_request(&mut self) -> Option<Request> {
        let mut buffer = [0; 8192];
        loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.ahead[..end]).into_owned();
                self.ahead.drain(..end + 4);
                return parse(&head);
            }
            match self.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.ahead.extend_from_slice(&buffer[..length]),
            }
        }
    }
}

fn parse(head: &str) -> Option<Request> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let method = first.next()?.to_owned();
    let mut path = first.next()?.to_owned();
    // A forward proxy is asked with the whole URL.
    if let Some((_, rest)) = path.split_once("://") {
        path = rest.find('/').map_or_else(|| "/".to_owned(), |slash| rest[slash..].to_owned());
    }
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Request { method, path, headers })
}

/// Sends a right answer.
pub(super) async fn send(
    connection: &mut Connection,
    request: &Request,
    reply: Reply,
    rate: Option<u64>,
    sent: &AtomicU64,
) -> Flow {
    match try_send(connection, request, reply, rate, sent).await {
        Ok(()) => Flow::KeepAlive,
        Err(_) => Flow::Close,
    }
}

async fn try_send(
    connection: &mut Connection,
    request: &Request,
    reply: Reply,
    rate: Option<u64>,
    sent: &AtomicU64,
) -> io::Result<()> {
    let length = match &reply.body {
        ReplyBody::Memory(bytes) => bytes.len() as u64,
        ReplyBody::File(path) => fs_err::metadata(path)?.len(),
    };
    let framing = if reply.status == 304 { String::new() } else { format!("Content-Length: {length}\r\n") };
    let mut head = head(reply.status, &reply.headers, &framing);
    let no_body = request.method == "HEAD" || reply.status == 304;
    match reply.body {
        ReplyBody::Memory(bytes) if !no_body && rate.is_none() && bytes.len() < 65_536 => {
            head.extend_from_slice(&bytes);
            sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            connection.write(&head).await
        }
        body => {
            connection.write(&head).await?;
            if no_body {
                return Ok(());
            }
            send_body(connection, body, rate, sent).await
        }
    }
}

async fn send_body(
    connection: &mut Connection,
    body: ReplyBody,
    rate: Option<u64>,
    sent: &AtomicU64,
) -> io::Result<()> {
    let piece = rate.map_or(256 << 10, |rate| (rate / 50).max(1) as usize);
    let mut pause = Pause::new(rate);
    match body {
        ReplyBody::Memory(bytes) => {
            for chunk in bytes.chunks(piece) {
                connection.write(chunk).await?;
                sent.fetch_add(chunk.len() as u64, Ordering::SeqCst);
                pause.wait().await;
            }
        }
        ReplyBody::File(path) => {
            let mut file = tokio::fs::File::from_std(fs_err::File::open(path)?.into_parts().0);
            let mut buffer = vec![0; piece];
            loop {
                let length = file.read(&mut buffer).await?;
                if length == 0 {
                    break;
                }
                connection.write(&buffer[..length]).await?;
                sent.fetch_add(length as u64, Ordering::SeqCst);
                pause.wait().await;
            }
        }
    }
    Ok(())
}

struct Pause(Option<tokio::time::Interval>);

impl Pause {
    fn new(rate: Option<u64>) -> Self {
        Self(rate.map(|_| tokio::time::interval(Duration::from_millis(20))))
    }

    async fn wait(&mut self) {
        if let Some(interval) = &mut self.0 {
            interval.tick().await;
        }
    }
}

fn head(status: u16, headers: &[(String, String)], framing: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(framing);
    head.push_str("\r\n");
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        302 => "Found",
        304 => "Not Modified",
        404 => "Not Found",
        410 => "Gone",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body><h1>Please sign in</h1></body></html>\n";

/// Sends a wrong answer.
pub(super) async fn play(
    connection: &mut Connection,
    request: &Request,
    fault: Fault,
    right: Reply,
    other: BuiltOther,
    sent: &AtomicU64,
) -> io::Result<Flow> {
    let body = match &right.body {
        ReplyBody::Memory(bytes) => bytes.clone(),
        ReplyBody::File(path) => fs_err::read(path)?.into(),
    };
    let kind = right.headers.first().map_or("text/plain", |(_, value)| value.as_str()).to_owned();
    let plain = |status: u16, text: String| Reply::status(status, "text/plain; charset=utf-8", text);
    let whole = match fault {
        Fault::Status(status) => plain(status, format!("this upstream says {status}\n")),
        Fault::StatusWithBody(status, text) => plain(status, text),
        Fault::RetryAfter(status, seconds) => {
            plain(status, "come back later\n".to_owned()).header("Retry-After", &seconds.to_string())
        }
        Fault::HtmlOk => Reply::ok("text/html; charset=utf-8", PAGE),
        Fault::HtmlDisguised => Reply::ok(&kind, PAGE),
        Fault::BrokenZip => Reply::ok(&kind, [b"PK\x03\x04".as_slice(), &[0xa5; 700]].concat()),
        Fault::OtherModule => Reply::ok(other.content_type, other.body),
        Fault::FlippedByte => Reply::ok(&kind, flipped(&body)),
        Fault::WrongVersion => Reply::ok(&kind, "{\"Version\":\"v7.7.7\",\"Time\":\"2024-01-02T03:04:05Z\"}"),
        Fault::EmptyBody => Reply::ok(&kind, Bytes::new()),
        Fault::RightBodyWrongStatus(status) => Reply::status(status, &kind, body),
        Fault::RedirectLoop => plain(302, String::new()).header("Location", &request.path),
        Fault::RedirectTo(target) => plain(302, String::new()).header("Location", &target),
        Fault::RedirectForever => {
            plain(302, String::new()).header("Location", &format!("{}/more", request.path))
        }
        spoiled => return spoil(connection, spoiled, &kind, &body).await,
    };
    try_send(connection, request, whole, None, sent).await?;
    Ok(Flow::KeepAlive)
}

/// Plays the faults that break the connection or its framing.
async fn spoil(connection: &mut Connection, fault: Fault, kind: &str, body: &Bytes) -> io::Result<Flow> {
    let half = &body[..body.len() / 2];
    let length = format!("Content-Length: {}\r\n", body.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    let typed = [("Content-Type".to_owned(), kind.to_owned())];
    match fault {
        Fault::Reset | Fault::Refused => connection.reset(),
        Fault::ClosedInHead => connection.write(b"HTTP/1.1 200 OK\r\nContent-Ty").await?,
        Fault::TruncatedLength => connection.write(&[&head(200, &typed, &length), half].concat()).await?,
        Fault::TruncatedChunked => {
            let chunk = [format!("{:x}\r\n", half.len().max(1)).as_bytes(), half, b"\r\n"].concat();
            connection.write(&[head(200, &typed, chunked), chunk].concat()).await?;
        }
        Fault::ResetInBody => {
            connection.write(&[&head(200, &typed, &length), half].concat()).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            connection.reset();
        }
        Fault::StallBeforeHead => std::future::pending().await,
        Fault::StallBeforeBody => {
            connection.write(&head(200, &typed, &length)).await?;
            std::future::pending().await
        }
        Fault::StallInBody => {
            connection.write(&[&head(200, &typed, &length), half].concat()).await?;
            std::future::pending().await
        }
        Fault::Drip(piece, pause) => return drip(connection, &typed, body, piece, pause).await,
        Fault::OverlongBody => {
            let all = [&head(200, &typed, &length), body.as_ref(), b"and then some more".as_slice()].concat();
            connection.write(&all).await?;
        }
        Fault::EndlessBody => return endless(connection, 200, &typed, chunked).await,
        Fault::EndlessError(status) => return endless(connection, status, &typed, chunked).await,
        Fault::HugeLength => {
            return endless(connection, 200, &typed, "Content-Length: 99999999999\r\n").await;
        }
        Fault::NoContent => {
            connection.write(&head(204, &[], "")).await?;
            return Ok(Flow::KeepAlive);
        }
        Fault::NotModified => {
            connection.write(&head(304, &[], "")).await?;
            return Ok(Flow::KeepAlive);
        }
        Fault::PartialContent => {
            let range = format!(
                "Content-Range: bytes 0-{}/{}\r\nContent-Length: {}\r\n",
                half.len().saturating_sub(1),
                body.len(),
                half.len()
            );
            connection.write(&[&head(206, &typed, &range), half].concat()).await?;
            return Ok(Flow::KeepAlive);
        }
        Fault::Garbage => connection.write(b"220 mail.example.com ESMTP ready\r\n").await?,
        Fault::EndlessHead => {
            connection.write(b"HTTP/1.1 200 OK\r\n").await?;
            let line = format!("X-Filler: {}\r\n", "x".repeat(1000));
            loop {
                connection.write(line.as_bytes()).await?;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Fault::GzipBomb => {
            let bomb = gzip_of_zeros(32 << 20);
            let framing = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", bomb.len());
            connection.write(&[head(200, &typed, &framing), bomb].concat()).await?;
            return Ok(Flow::KeepAlive);
        }
        _ => {} // `Closed`: nothing is sent
    }
    Ok(Flow::Close)
}

async fn drip(
    connection: &mut Connection,
    typed: &[(String, String)],
    body: &Bytes,
    piece: usize,
    pause: Duration,
) -> io::Result<Flow> {
    let length = format!("Content-Length: {}\r\n", body.len());
    connection.write(&head(200, typed, &length)).await?;
    for chunk in body.chunks(piece.max(1)) {
        connection.write(chunk).await?;
        tokio::time::sleep(pause).await;
    }
    Ok(Flow::KeepAlive)
}

/// Sends until the client gives up; about 60 MB a second, so that a client that doesn't is seen.
async fn endless(
    connection: &mut Connection,
    status: u16,
    typed: &[(String, String)],
    framing: &str,
) -> io::Result<Flow> {
    connection.write(&head(status, typed, framing)).await?;
    let filler = "v1.0.0-filler\n".repeat(4681);
    let chunk =
        if framing.starts_with("Transfer") { format!("{:x}\r\n{filler}\r\n", filler.len()) } else { filler };
    loop {
        connection.write(chunk.as_bytes()).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn flipped(body: &Bytes) -> Vec<u8> {
    let mut spoiled = body.to_vec();
    let middle = spoiled.len() / 2;
    if let Some(byte) = spoiled.get_mut(middle) {
        *byte ^= 1;
    }
    spoiled
}

fn gzip_of_zeros(length: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&vec![0; length]).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}
