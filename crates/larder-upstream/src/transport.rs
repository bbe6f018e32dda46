//! One HTTP request to an upstream, its redirects included, up to the head of the answer.
//!
//! Redirects are followed here and not by the HTTP library, because each hop decides anew who Larder is
//! there, whether it may go there at all, and whether there is a turn free at that host.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use crate::addresses::not_public;
use crate::classify::{self, Circumstances};
use crate::clean;
use crate::client::{client, guarded_client};
use crate::credentials::{Credential, Credentials};
use crate::error::{FetchCause, RedirectFault};
use crate::forward_proxy::ForwardProxy;
use crate::gate::Gates;
use crate::guard::{self, Judge, ListedHosts};
use crate::instance::{Instance, Trail};
use crate::name::Origin;
use crate::resolver::SystemResolver;
use crate::retry::retry_after;
use crate::settings::{Limits, Retries, Timeouts, UpstreamSettings};
use crate::tls;
use crate::urgency::Urgency;

/// An error body that stops moving is not waited for longer than this.
const ERROR_BODY_PATIENCE: Duration = Duration::from_secs(2);

/// What all HTTP upstreams share.
pub(crate) struct Transport {
    client: reqwest::Client,
    with_identity: Vec<(Vec<Origin>, reqwest::Client)>,
    /// Connects to public addresses only, and never through a forward proxy.
    guarded: reqwest::Client,
    judge: Judge,
    resolver: SystemResolver,
    no_roots: bool,
    pub(crate) gates: Gates,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    pub(crate) retries: Retries,
    forward_proxy: ForwardProxy,
    credentials: Credentials,
    pub(crate) instance: Instance,
    private_redirect_hosts: Vec<String>,
}

/// A request that is about to be sent.
pub(crate) struct Request<'a> {
    /// Without user info.
    pub(crate) url: Url,
    /// The credential that stood in the upstream's own URL.
    pub(crate) own: Option<&'a Credential>,
    /// Headers besides those that every request has.
    pub(crate) headers: HeaderMap,
    /// The limit up to the head of the answer.
    pub(crate) first_byte: Duration,
    /// When the caller's time is over.
    pub(crate) deadline: Option<Instant>,
    /// Redirects stay at the same host.
    pub(crate) private: bool,
    /// Where the request that caused this one came through.
    pub(crate) trail: &'a Trail,
    /// Whether somebody waits for it.
    pub(crate) urgency: &'a Urgency,
    /// The URL is a stranger's idea: of all hosts but these, only public addresses are asked.
    pub(crate) guard: Option<&'a ListedHosts>,
    /// Credentials by origin that are meant for this sort of request, ahead of the general ones.
    pub(crate) tokens: Option<&'a Credentials>,
    /// How redirects are followed.
    pub(crate) manner: Manner,
}

/// How redirects are followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// As Larder asks proxies.
    Proxy,
    /// As the go command asks for pages: a redirect that leads nowhere is the answer.
    Page {
        /// Plain http may be used.
        plain: bool,
    },
}

/// The go command gives up at the tenth redirect.
const PAGE_REDIRECTS: usize = 9;

/// The head of an answer, of whatever status, with the turn at its host.
pub(crate) struct Answer {
    pub(crate) response: reqwest::Response,
    pub(crate) permit: OwnedSemaphorePermit,
    pub(crate) authenticated: bool,
    pub(crate) redirected_to: Option<String>,
    pub(crate) secrets: Vec<String>,
}

/// A failure of one attempt.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) cause: FetchCause,
    pub(crate) said: Option<String>,
    pub(crate) redirected_to: Option<String>,
}

impl From<FetchCause> for Failed {
    fn from(cause: FetchCause) -> Self {
        Self { cause, said: None, redirected_to: None }
    }
}

/// Settings with which no client can be built.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// TLS can't be set up.
    #[error("TLS for upstreams can't be set up")]
    Tls(#[source] rustls::Error),
    /// A client certificate and its key don't go together.
    #[error("the client certificate for {place} can't be used")]
    Identity {
        /// Where it was meant for.
        place: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The HTTP client can't be set up.
    #[error("the HTTP client can't be set up")]
    Client(#[source] reqwest::Error),
}

impl Transport {
    /// Builds the clients; returns what is wrong with the settings but no reason not to start, too.
    pub(crate) fn new(settings: UpstreamSettings) -> Result<(Self, Vec<String>), SettingsError> {
        Self::with_judge(settings, not_public)
    }

    #[cfg(test)]
    pub(crate) fn judging(settings: UpstreamSettings, judge: Judge) -> Self {
        Self::with_judge(settings, judge).unwrap().0
    }

    fn with_judge(settings: UpstreamSettings, judge: Judge) -> Result<(Self, Vec<String>), SettingsError> {
        let roots = tls::roots(&settings.tls);
        let mut notices = roots.problems;
        notices.extend(settings.forward_proxy.problems().iter().cloned());
        let plain = tls::client_config(&roots.store, None).map_err(SettingsError::Tls)?;
        let resolver = SystemResolver::new(settings.timeouts.connect, settings.look_up.clone());
        let mut with_identity = Vec::new();
        for identity in &settings.tls.identities {
            let pair = (identity.chain.clone(), identity.key.clone_key());
            let config =
                tls::client_config(&roots.store, Some(pair)).map_err(|source| SettingsError::Identity {
                    place: identity.origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                    source,
                })?;
            with_identity.push((identity.origins.clone(), client(config, &settings, &resolver)?));
        }
        let guarded = guarded_client(plain.clone(), &settings, &resolver, judge)?;
        let transport = Self {
            client: client(plain, &settings, &resolver)?,
            with_identity,
            guarded,
            judge,
            resolver,
            no_roots: roots.store.is_empty(),
            gates: Gates::new(settings.concurrency),
            timeouts: settings.timeouts,
            limits: settings.limits,
            retries: settings.retries,
            forward_proxy: settings.forward_proxy,
            credentials: settings.credentials,
            instance: settings.instance,
            private_redirect_hosts: settings.private_redirect_hosts,
        };
        Ok((transport, notices))
    }

    /// Sends a request and follows its redirects.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Answer, Failed> {
        let mut hops = Hops::start(&request.url)?;
        let mut url = request.url.clone();
        let until = Until::new(request.first_byte, request.deadline);
        loop {
            let credential = self.credential(&request, &hops, &url);
            let answer = match self.hop(&request, &url, credential, until).await {
                Ok(answer) => answer,
                Err(cause) => return Err(hops.failed(cause, None)),
            };
            if !request.manner.follows(&answer.response) {
                return Ok(Answer { redirected_to: hops.elsewhere(), ..answer });
            }
            url = match self.next_hop(&request, &mut hops, &url, &answer.response) {
                Ok(next) => next,
                Err(fault) => return Err(hops.failed(FetchCause::Redirect(fault), None)),
            };
            drain(answer.response).await;
        }
    }

    /// Chooses who Larder is at a hop. User info and netrc are meant for the upstream itself, and once a redirect
    /// has left it they are not used again: whoever sends us back chose the path. A configured credential is meant
    /// for its origin, whoever leads there.
    fn credential<'a>(&'a self, request: &Request<'a>, hops: &Hops, url: &Url) -> Option<&'a Credential> {
        let configured = Origin::of_url(url).and_then(|origin| {
            let token = request.tokens.and_then(|tokens| tokens.configured(&origin));
            token.or_else(|| self.credentials.configured(&origin))
        });
        if hops.has_left {
            return configured;
        }
        request.own.or(configured).or_else(|| self.credentials.netrc(url))
    }

    async fn hop(
        &self,
        request: &Request<'_>,
        url: &Url,
        credential: Option<&Credential>,
        until: Until,
    ) -> Result<Answer, FetchCause> {
        let origin =
            Origin::of_url(url).ok_or_else(|| FetchCause::Protocol { reason: "no host".to_owned() })?;
        let client = self.client_at(request, url, &origin)?;
        let permit = self.gates.of(&origin).enter(request.urgency, Some(until.at)).await?;
        let mut headers = request.headers.clone();
        // Compression would change what is hashed, and the library is built without it.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(header::VIA, request.trail.via(&self.instance));
        let authorization = credential.and_then(Credential::header);
        let authenticated = authorization.is_some();
        headers.extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        let sent = Instant::now();
        let sending = client.get(url.clone()).headers(headers).send();
        let response = match timeout_at(until.at, sending).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let about = Circumstances {
                    timeouts: self.timeouts,
                    forward_proxy: self.forward_proxy.for_url(url),
                    no_roots: self.no_roots,
                };
                return Err(classify::before_answer(&error, &about));
            }
            Err(_) => return Err(until.passed(sent.elapsed())),
        };
        let secrets = credential.map(Credential::telling_texts).unwrap_or_default();
        Ok(Answer { response, permit, authenticated, redirected_to: None, secrets })
    }

    /// Chooses the client, by whose idea the URL is.
    fn client_at(
        &self,
        request: &Request<'_>,
        url: &Url,
        origin: &Origin,
    ) -> Result<&reqwest::Client, FetchCause> {
        match request.guard {
            Some(listed) if !listed.lists(url) => {
                self.check_unlisted(url)?;
                Ok(&self.guarded)
            }
            Some(_) | None => Ok(self.client_for(origin)),
        }
    }

    /// Checks what can be told of an unlisted host without looking it up.
    fn check_unlisted(&self, url: &Url) -> Result<(), FetchCause> {
        if self.forward_proxy.for_url(url).is_some() {
            return Err(guard::behind_a_proxy(url));
        }
        guard::judge_literal(url, self.judge).map_err(|refused| refused.cause())
    }

    /// Looks up the host of a URL that isn't listed, and returns its addresses if all of them are public.
    pub(crate) async fn public_addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, FetchCause> {
        self.check_unlisted(url)?;
        let port = url.port_or_known_default().unwrap_or_default();
        let host = match url.host() {
            Some(Host::Ipv4(address)) => return Ok(vec![SocketAddr::new(address.into(), port)]),
            Some(Host::Ipv6(address)) => return Ok(vec![SocketAddr::new(address.into(), port)]),
            Some(Host::Domain(name)) => name,
            None => return Err(FetchCause::Protocol { reason: "no host".to_owned() }),
        };
        let mut addresses = self.resolver.addresses(host).await.map_err(|failed| failed.cause())?;
        guard::judge_all(host, &addresses, self.judge).map_err(|refused| refused.cause())?;
        for address in addresses.iter_mut().filter(|address| address.port() == 0) {
            address.set_port(port);
        }
        Ok(addresses)
    }

    /// Reports whether a URL is asked through a forward proxy.
    pub(crate) fn is_proxied(&self, url: &Url) -> bool {
        self.forward_proxy.for_url(url).is_some()
    }

    fn client_for(&self, origin: &Origin) -> &reqwest::Client {
        let special = self.with_identity.iter().find(|(origins, _)| origins.contains(origin));
        special.map_or(&self.client, |(_, client)| client)
    }

    fn next_hop(
        &self,
        request: &Request<'_>,
        hops: &mut Hops,
        from: &Url,
        response: &reqwest::Response,
    ) -> Result<Url, RedirectFault> {
        let nowhere = || RedirectFault::NoLocation(response.status().as_u16());
        let location = response
            .headers()
            .get(header::LOCATION)
            .and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let mut next = match location {
            Some(text) if !text.is_empty() => from.join(text).map_err(|_| nowhere())?,
            _ => return Err(nowhere()),
        };
        if !matches!(next.scheme(), "http" | "https") || next.host_str().is_none() {
            return Err(RedirectFault::Scheme(clean::one_line(next.scheme())));
        }
        if from.scheme() == "https" && next.scheme() == "http" && !request.manner.is_plain() {
            return Err(RedirectFault::Downgrade);
        }
        next.set_fragment(None);
        // User info in a redirect is the upstream's idea of who we are.
        if next.set_username("").and_then(|()| next.set_password(None)).is_err() {
            return Err(nowhere());
        }
        let listed = request.guard.is_some_and(|listed| listed.lists(&next));
        let elsewhere = next.host_str() != request.url.host_str();
        if request.private && elsewhere && !listed && !self.may_go_privately(&next) {
            return Err(RedirectFault::PrivateElsewhere);
        }
        let most = match request.manner {
            Manner::Proxy => self.limits.redirects,
            Manner::Page { .. } => self.limits.redirects.min(PAGE_REDIRECTS),
        };
        hops.go(&next, most)?;
        Ok(next)
    }

    fn may_go_privately(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        self.private_redirect_hosts.iter().any(|allowed| match allowed.strip_prefix('*') {
            Some(suffix) => suffix.starts_with('.') && host.ends_with(&suffix.to_ascii_lowercase()),
            None => allowed.eq_ignore_ascii_case(host),
        })
    }

    /// Turns an answer that is no success into its cause, with what it says.
    pub(crate) async fn refusal(&self, answer: Answer, deadline: Option<Instant>) -> Failed {
        let cause = self.cause_of(&answer);
        let content_type = content_type(&answer.response);
        let Answer { response, redirected_to, secrets, permit, .. } = answer;
        let patience = Instant::now() + ERROR_BODY_PATIENCE;
        let until = deadline.map_or(patience, |deadline| deadline.min(patience));
        let body = read_some(response, self.limits.error, until).await;
        drop(permit);
        Failed { cause, said: clean::clean(&body, content_type.as_deref(), &secrets), redirected_to }
    }

    /// Returns what the status of an answer that is no success means.
    pub(crate) fn cause_of(&self, answer: &Answer) -> FetchCause {
        let status = answer.response.status().as_u16();
        let retry_after = retry_after(answer.response.headers());
        match status {
            404 | 410 => FetchCause::Absent { status: Some(status) },
            401 if answer.authenticated => FetchCause::OwnCredentials { status },
            401 | 403 => FetchCause::Denied { status: Some(status) },
            407 => FetchCause::ForwardProxy {
                proxy: self.forward_proxy.for_url(answer.response.url()).map_or_else(
                    || "on the way".to_owned(),
                    |proxy| crate::name::printable_url(proxy).trim_end_matches('/').to_owned(),
                ),
                reason: "it asks for a login (HTTP 407)".to_owned(),
            },
            429 => FetchCause::RateLimited { retry_after },
            Instance::LOOP_STATUS => FetchCause::Loop,
            200..=399 => FetchCause::BadContent(format!("HTTP {status} where 200 was due")),
            _ => FetchCause::Status { status, retry_after },
        }
    }

    /// Reads a whole body of at most `limit` bytes.
    pub(crate) async fn read(&self, answer: Answer, limit: u64, deadline: Instant) -> Result<Bytes, Failed> {
        let Answer { mut response, redirected_to, permit, .. } = answer;
        let declared = response.content_length();
        let failed = |cause| Failed { cause, said: None, redirected_to: redirected_to.clone() };
        if declared.is_some_and(|declared| declared > limit) {
            return Err(failed(FetchCause::TooLarge { limit }));
        }
        let mut body = BytesMut::new();
        loop {
            let until = Until::new(self.timeouts.between_bytes, Some(deadline));
            let received = body.len() as u64;
            match timeout_at(until.at, response.chunk()).await {
                Ok(Ok(Some(piece))) if received + piece.len() as u64 > limit => {
                    return Err(failed(FetchCause::TooLarge { limit }));
                }
                Ok(Ok(Some(piece))) => body.extend_from_slice(&piece),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(failed(classify::in_body(&error, received, declared))),
                Err(_) => return Err(failed(until.stalled(received))),
            }
        }
        drop(permit);
        Ok(body.freeze())
    }
}

/// An upstream that was asked and silent for so long is to blame, however short its caller's time was; otherwise one
/// that nobody has time to wait for would never be left alone.
const LONG_SILENCE: Duration = Duration::from_secs(10);

/// A limit and a deadline, and which of them comes first.
#[derive(Clone, Copy)]
pub(crate) struct Until {
    pub(crate) at: Instant,
    limit: Duration,
    cut_by_deadline: Option<Duration>,
}

impl Until {
    pub(crate) fn new(limit: Duration, deadline: Option<Instant>) -> Self {
        let now = Instant::now();
        match deadline {
            Some(deadline) if deadline < now + limit => {
                Self { at: deadline, limit, cut_by_deadline: Some(deadline.saturating_duration_since(now)) }
            }
            _ => Self { at: now + limit, limit, cut_by_deadline: None },
        }
    }

    /// Returns the cause for an answer that did not begin; `silence` is how long the upstream had been asked.
    fn passed(self, silence: Duration) -> FetchCause {
        match self.cut_by_deadline {
            Some(_) if silence >= LONG_SILENCE => FetchCause::FirstByteTimeout { after: silence },
            Some(after) => FetchCause::DeadlinePassed { after },
            None => FetchCause::FirstByteTimeout { after: self.limit },
        }
    }

    pub(crate) fn stalled(self, received: u64) -> FetchCause {
        match self.cut_by_deadline {
            Some(after) => FetchCause::DeadlinePassed { after },
            None => FetchCause::Stalled { after: self.limit, received },
        }
    }
}

/// Where a request has been.
struct Hops {
    start: Origin,
    current: Origin,
    been: HashSet<String>,
    has_left: bool,
}

impl Hops {
    fn start(url: &Url) -> Result<Self, FetchCause> {
        let origin =
            Origin::of_url(url).ok_or_else(|| FetchCause::Protocol { reason: "no host".to_owned() })?;
        let been = HashSet::from([url.to_string()]);
        Ok(Self { start: origin.clone(), current: origin, been, has_left: false })
    }

    fn go(&mut self, next: &Url, most: usize) -> Result<(), RedirectFault> {
        if self.been.len() > most {
            return Err(RedirectFault::TooMany(most));
        }
        if !self.been.insert(next.to_string()) {
            return Err(RedirectFault::Circle);
        }
        if let Some(origin) = Origin::of_url(next) {
            self.has_left |= origin != self.start;
            self.current = origin;
        }
        Ok(())
    }

    fn elsewhere(&self) -> Option<String> {
        (self.current != self.start).then(|| self.current.to_string())
    }

    fn failed(&self, cause: FetchCause, said: Option<String>) -> Failed {
        Failed { cause, said, redirected_to: self.elsewhere() }
    }
}

impl Manner {
    fn is_plain(self) -> bool {
        self == Self::Page { plain: true }
    }

    fn follows(self, response: &reqwest::Response) -> bool {
        let leads_somewhere =
            || response.headers().get(header::LOCATION).is_some_and(|location| !location.is_empty());
        is_redirect(response.status()) && (self == Self::Proxy || leads_somewhere())
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

pub(crate) fn content_type(response: &reqwest::Response) -> Option<String> {
    response.headers().get(header::CONTENT_TYPE)?.to_str().ok().map(str::to_owned)
}

/// Reports whether a body is encoded although no encoding was asked for.
pub(crate) fn check_encoding(response: &reqwest::Response) -> Result<(), FetchCause> {
    match response.headers().get(header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"identity") || value.is_empty() => Ok(()),
        Some(_) => Err(FetchCause::BadContent("a compressed body, which was not asked for".to_owned())),
    }
}

/// Reads the start of a body, as much as comes in time.
async fn read_some(mut response: reqwest::Response, limit: u64, until: Instant) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Ok(Some(piece))) = timeout_at(until, response.chunk()).await {
        body.extend_from_slice(&piece);
        if body.len() as u64 >= limit {
            body.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            break;
        }
    }
    body
}

/// Reads a short body to its end, so that the connection can be used again.
async fn drain(response: reqwest::Response) {
    if response.content_length().is_some_and(|length| length <= 16 << 10) {
        let until = Instant::now() + Duration::from_millis(500);
        drop(read_some(response, 16 << 10, until).await);
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Transport").field("instance", &self.instance).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_silence_counts_against_the_upstream_and_a_short_deadline_does_not() {
        let seconds = Duration::from_secs;
        let cut = Until::new(seconds(30), Some(Instant::now() + seconds(15)));
        assert!(cut.passed(seconds(15)).counts_against_upstream());
        assert!(!cut.passed(seconds(9)).counts_against_upstream());
        let own = Until::new(seconds(3), Some(Instant::now() + seconds(15)));
        assert_eq!(own.passed(seconds(3)), FetchCause::FirstByteTimeout { after: seconds(3) });
    }
}
