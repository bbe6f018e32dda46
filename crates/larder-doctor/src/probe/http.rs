//! One request as the go command would send it: its User-Agent, its login, its redirects, and a bounded body.
//!
//! Connections are the business of [`dial`](super::dial); here begins what is said on them. An answer is kept with the
//! beginning of its body; whether it is a good one is for [`judge`](super::judge) to say.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use url::Url;

use super::dial::Dialer;
use super::login::Logins;
use super::{Heard, RequestProbe, Wire};
use crate::symptom::Trouble;
use crate::{GoVersion, redact};

/// How long the doctor waits for the head of an answer; the go command would wait for ever.
const FIRST_BYTE: Duration = Duration::from_secs(9);
/// How long a body may stand still.
const IDLE: Duration = Duration::from_secs(6);
/// The go command stops after so many redirects.
const REDIRECTS: usize = 10;
/// What is kept of a body for people.
const SHOWN: usize = 2048;
/// Headers that tell who answered, and from where.
const TELLING: &[&str] = &[
    "age",
    "allow",
    "cache-control",
    "cache-status",
    "cf-cache-status",
    "cf-ray",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "location",
    "proxy-authenticate",
    "retry-after",
    "server",
    "via",
    "www-authenticate",
    "x-cache",
    "x-content-type-options",
    "x-powered-by",
];

/// How the go command of a version names itself.
pub(super) fn agent_of(go: Option<GoVersion>, http2: bool) -> &'static str {
    match go {
        Some(go) if go.names_itself() => "GoCommand/1 (+https://go.dev/cmd/go)",
        _ if http2 => "Go-http-client/2.0",
        _ => "Go-http-client/1.1",
    }
}

/// What is to be asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// Whom, for people: `GOPROXY entry 1`.
    pub(super) role: String,
    /// Where, with the login that stands in it.
    pub(super) url: Url,
    /// Another User-Agent than the go command's.
    pub(super) agent: Option<&'static str>,
    /// How much of the body is read at most; a longer one that says so is only begun.
    pub(super) limit: u64,
}

/// An answer and what came with it.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// What is kept of it.
    pub(super) probe: RequestProbe,
    /// The body, decoded.
    pub(super) body: Vec<u8>,
    /// Whether that is all of it.
    pub(super) whole: bool,
    /// Whether the doctor's time was over before it came.
    pub(super) out_of_time: bool,
}

/// Asks over connections that it keeps.
pub(super) struct Client {
    pub(super) dialer: Dialer,
    pub(super) logins: Logins,
    pub(super) go: Option<GoVersion>,
    /// When the time is over.
    pub(super) until: tokio::time::Instant,
    /// The wall clock at the start, and when that was.
    pub(super) started: (SystemTime, Instant),
    idle: Mutex<HashMap<String, Vec<Sender>>>,
}

enum Sender {
    One(http1::SendRequest<Empty<Bytes>>, Extra),
    Two(http2::SendRequest<Empty<Bytes>>),
}

impl Sender {
    fn is_closed(&self) -> bool {
        match self {
            Self::One(sender, _) => sender.is_closed(),
            Self::Two(sender) => sender.is_closed(),
        }
    }

    fn is_free(&self) -> bool {
        match self {
            Self::One(sender, _) => sender.is_ready(),
            Self::Two(_) => true,
        }
    }
}

/// Why there is no head of an answer.
enum Failed {
    Library(hyper::Error),
    Trouble(Trouble),
}

/// What requests through a forward proxy without a tunnel need.
#[derive(Clone, Default)]
struct Extra {
    absolute: bool,
    authorization: Option<HeaderValue>,
}

impl Client {
    pub(super) fn new(
        dialer: Dialer,
        logins: Logins,
        go: Option<GoVersion>,
        until: tokio::time::Instant,
        now: SystemTime,
    ) -> Self {
        Self { dialer, logins, go, until, started: (now, Instant::now()), idle: Mutex::default() }
    }

    /// Asks, follows redirects as the go command does, and reads as much of the body as is allowed.
    pub(super) async fn ask(&self, ask: &Ask) -> Answer {
        let began = Instant::now();
        let mut answer = Answer::default();
        answer.probe.url = printable(&ask.url);
        let met = self.walk_hops(ask, &mut answer, began).await;
        if let Err(trouble) = met {
            answer.out_of_time = matches!(trouble, Trouble::Stalled { seconds, .. } if seconds < 4);
            answer.probe.trouble = (!answer.out_of_time).then_some(trouble);
        }
        answer.probe.total_ms = milliseconds(began);
        answer.probe.body = shown(&answer.body);
        answer
    }

    async fn walk_hops(&self, ask: &Ask, answer: &mut Answer, began: Instant) -> Result<(), Trouble> {
        let mut url = ask.url.clone();
        loop {
            let response = self.hop(ask, &url, answer).await?;
            answer.probe.first_byte_ms = milliseconds(began);
            let status = response.status();
            answer.probe.status = Some(status.as_u16());
            answer.probe.headers = telling(response.headers());
            let Some(next) = next_hop(&url, status.as_u16(), response.headers()) else {
                return self.read_body(response, ask.limit, answer).await;
            };
            answer.probe.hops.push(printable(&next));
            check_hop(&ask.url, &next, answer.probe.hops.len())?;
            url = next;
        }
    }

    /// Sends one request and waits for the head of the answer.
    async fn hop(&self, ask: &Ask, url: &Url, answer: &mut Answer) -> Result<Response<Incoming>, Trouble> {
        let origin = origin(url);
        // A connection that was kept may have been closed meanwhile: then a new one is tried.
        while let Some(sender) = self.kept(&origin) {
            if let Ok(response) = self.send(sender, ask, url, answer).await {
                return Ok(response);
            }
        }
        let wire = tokio::time::timeout_at(self.until, self.dialer.dial(&ask.role, url))
            .await
            .map_err(|_| Trouble::Stalled { seconds: 0, received: 0 })??;
        let (heard, encrypted) = (wire.heard.clone(), wire.encrypted);
        let sender = begin(wire).await.map_err(|error| trouble_of(&error, encrypted, &heard))?;
        self.send(sender, ask, url, answer).await.map_err(|failed| match failed {
            Failed::Library(error) => trouble_of(&error, encrypted, &heard),
            Failed::Trouble(trouble) => trouble,
        })
    }

    fn kept(&self, origin: &str) -> Option<Sender> {
        let mut idle = self.idle.lock().expect("nobody panics while it is held");
        let senders = idle.get_mut(origin)?;
        senders.retain(|sender| !sender.is_closed());
        let at = senders.iter().position(Sender::is_free)?;
        match &senders[at] {
            Sender::Two(sender) => Some(Sender::Two(sender.clone())),
            Sender::One(..) => Some(senders.swap_remove(at)),
        }
    }

    fn keep(&self, origin: String, sender: Sender) {
        self.idle.lock().expect("nobody panics while it is held").entry(origin).or_default().push(sender);
    }

    async fn send(
        &self,
        mut sender: Sender,
        ask: &Ask,
        url: &Url,
        answer: &mut Answer,
    ) -> Result<Response<Incoming>, Failed> {
        let began = Instant::now();
        let extra = match &sender {
            Sender::One(_, extra) => extra.clone(),
            Sender::Two(_) => Extra::default(),
        };
        let http2 = matches!(sender, Sender::Two(_));
        let request = self.request(ask, url, http2, &extra, answer).map_err(Failed::Trouble)?;
        let limit = self.until.min(tokio::time::Instant::now() + FIRST_BYTE);
        let sent = async {
            match &mut sender {
                Sender::One(sender, _) => sender.send_request(request).await,
                Sender::Two(sender) => sender.send_request(request).await,
            }
        };
        let response = match tokio::time::timeout_at(limit, sent).await {
            Ok(response) => response.map_err(Failed::Library)?,
            Err(_) => {
                let seconds = began.elapsed().as_secs();
                return Err(Failed::Trouble(Trouble::Stalled { seconds, received: 0 }));
            }
        };
        // Whether a connection is free again shows when it is taken.
        self.keep(origin(url), sender);
        Ok(response)
    }

    fn request(
        &self,
        ask: &Ask,
        url: &Url,
        http2: bool,
        extra: &Extra,
        answer: &mut Answer,
    ) -> Result<Request<Empty<Bytes>>, Trouble> {
        let agent = ask.agent.unwrap_or_else(|| agent_of(self.go, http2));
        answer.probe.agent = agent.to_owned();
        let target = target(url);
        let authority = authority(url);
        let uri =
            if http2 || extra.absolute { format!("{}://{authority}{target}", url.scheme()) } else { target };
        let mut request =
            Request::get(uri).header(header::USER_AGENT, agent).header(header::ACCEPT_ENCODING, "gzip");
        if !http2 {
            request = request.header(header::HOST, authority);
        }
        if let Some((value, from)) = self.logins.for_url(&ask.url, url, self.go) {
            answer.probe.login = Some(from.to_owned());
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some(value) = &extra.authorization {
            request = request.header(header::PROXY_AUTHORIZATION, value);
        }
        request.body(Empty::new()).map_err(|error| Trouble::BadAnswer { text: error.to_string() })
    }

    async fn read_body(
        &self,
        mut response: Response<Incoming>,
        limit: u64,
        answer: &mut Answer,
    ) -> Result<(), Trouble> {
        let declared = header_number(response.headers(), &header::CONTENT_LENGTH);
        // Of what is too long anyway, only the beginning is looked at.
        let limit = if declared.is_some_and(|length| length > limit) { limit.min(64 << 10) } else { limit };
        let zipped = response.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "gzip");
        let mut raw = Vec::new();
        let ended = loop {
            let waiting = Instant::now();
            let patience = self.until.min(tokio::time::Instant::now() + IDLE);
            match tokio::time::timeout_at(patience, response.body_mut().frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Some(piece) = frame.data_ref() {
                        let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(raw.len());
                        raw.extend_from_slice(&piece[..piece.len().min(room)]);
                        answer.probe.received += piece.len() as u64;
                    }
                    if raw.len() as u64 >= limit && declared != Some(raw.len() as u64) {
                        break Ok(false);
                    }
                }
                Ok(Some(Err(error))) => break Err(broken_body(&error)),
                Ok(None) => break Ok(true),
                // Time that is over while bytes flow says nothing about the peer.
                Err(_) if waiting.elapsed() < Duration::from_secs(3) => break Ok(false),
                Err(_) => {
                    let seconds = waiting.elapsed().as_secs();
                    break Err(Trouble::Stalled { seconds, received: answer.probe.received });
                }
            }
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        answer.body = if zipped { inflated(&raw, limit) } else { raw };
        answer.whole = ended?;
        Ok(())
    }
}

/// Begins to speak on a connection.
async fn begin(wire: Wire) -> Result<Sender, hyper::Error> {
    if wire.h2 {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(wire.io)).await?;
        tokio::spawn(connection);
        return Ok(Sender::Two(sender));
    }
    let authorization = wire.proxy_authorization.and_then(|value| HeaderValue::from_str(&value).ok());
    let extra = Extra { absolute: wire.absolute_form, authorization };
    let (sender, connection) = http1::handshake(TokioIo::new(wire.io)).await?;
    tokio::spawn(connection);
    Ok(Sender::One(sender, extra))
}

/// Says what an error before the head of an answer means.
fn trouble_of(error: &hyper::Error, encrypted: bool, heard: &Heard) -> Trouble {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<std::io::Error>() {
            return Wire::trouble(Some(error), encrypted, heard);
        }
        cause = inner.source();
    }
    if error.is_parse() && heard.bytes().starts_with(b"HTTP/") {
        return Trouble::NotHttp { text: format!("malformed HTTP response: {error}") };
    }
    Wire::trouble(None, encrypted, heard)
}

/// Says what an error in a body means.
fn broken_body(error: &hyper::Error) -> Trouble {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = match inner.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(std::io::ErrorKind::UnexpectedEof) => "unexpected EOF".to_owned(),
            Some(std::io::ErrorKind::ConnectionReset) => "connection reset by peer".to_owned(),
            _ => inner.to_string(),
        };
        cause = inner.source();
    }
    if error.is_incomplete_message() || text.contains("before message completed") {
        "unexpected EOF".clone_into(&mut text);
    }
    Trouble::BodyBroken { text }
}

/// Returns where a redirect leads; nothing for an answer that the go command takes as it is.
fn next_hop(from: &Url, status: u16, headers: &HeaderMap) -> Option<Url> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    let mut next = from.join(location).ok()?;
    if next.fragment().is_none() {
        next.set_fragment(None);
    }
    matches!(next.scheme(), "http" | "https").then_some(next)
}

fn check_hop(first: &Url, next: &Url, hops: usize) -> Result<(), Trouble> {
    if first.scheme() == "https" && next.scheme() != "https" {
        let text =
            format!("redirected from secure URL {} to insecure URL {}", printable(first), printable(next));
        return Err(Trouble::BadRedirect { text });
    }
    if hops >= REDIRECTS {
        return Err(Trouble::BadRedirect { text: format!("stopped after {REDIRECTS} redirects") });
    }
    Ok(())
}

/// Returns scheme, host and port.
pub(super) fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), authority(url))
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn target(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

/// Returns a URL without its login and its fragment; of a query only that there is one, since it may be a signature.
pub(super) fn printable(url: &Url) -> String {
    let query = if url.query().is_some() { "?..." } else { "" };
    format!("{}{}{query}", origin(url), url.path())
}

fn telling(headers: &HeaderMap) -> Vec<(String, String)> {
    TELLING
        .iter()
        .filter_map(|name| {
            let value = headers.get(*name)?;
            let mut text = shown(value.as_bytes()).replace('\n', " ");
            if *name == "location" {
                text = Url::parse(&text).map_or(text, |url| printable(&url));
            }
            Some(((*name).to_owned(), text.chars().take(200).collect()))
        })
        .collect()
}

fn header_number(headers: &HeaderMap, name: &header::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn inflated(raw: &[u8], limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    let read = flate2::read::GzDecoder::new(raw).take(limit as u64).read_to_end(&mut body);
    if read.is_err() && body.is_empty() { raw.to_vec() } else { body }
}

/// Returns the beginning of a body as text without anything that a terminal obeys; of other bytes, the first few as numbers.
pub(super) fn shown(body: &[u8]) -> String {
    shown_of(body, SHOWN)
}

/// As [`shown`], with a limit of one's own.
pub(super) fn shown_of(body: &[u8], limit: usize) -> String {
    let beginning = &body[..body.len().min(limit)];
    let odd = beginning.iter().filter(|byte| **byte < 0x20 && !b"\t\r\n".contains(byte)).count();
    if odd * 10 > beginning.len() {
        let numbers: Vec<_> = beginning.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        return format!("bytes {}", numbers.join(" "));
    }
    redact::plain(&String::from_utf8_lossy(beginning))
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_show_nothing_that_a_terminal_obeys() {
        assert_eq!(shown(b"plain \x1b[31mred\nnext\r\n"), "plain red\nnext\n");
        assert_eq!(shown("left\u{202e}right".as_bytes()), "leftright");
        assert_eq!(shown(b"\x1f\x8b\x08\x00\x00"), "bytes 1f 8b 08 00 00");
    }

    #[test]
    fn a_printed_url_holds_no_secret() {
        let url = Url::parse("https://me:canary@proxy.example.com:8443/x?sig=canary#canary").unwrap();
        assert_eq!(printable(&url), "https://proxy.example.com:8443/x?...");
    }

    #[test]
    fn redirects_are_those_that_go_follows() {
        let from = Url::parse("https://proxy.example.com/a/b").unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(next_hop(&from, 302, &headers), None, "without Location it is the answer");
        headers.insert(header::LOCATION, HeaderValue::from_static("../c"));
        assert_eq!(next_hop(&from, 302, &headers).unwrap().path(), "/c");
        assert_eq!(next_hop(&from, 304, &headers), None);
        let plain = Url::parse("http://proxy.example.com/c").unwrap();
        assert!(matches!(check_hop(&from, &plain, 1), Err(Trouble::BadRedirect { .. })));
        assert!(check_hop(&plain, &from, 9).is_ok() && check_hop(&plain, &from, 10).is_err());
    }
}
