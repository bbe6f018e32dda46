//! An upstream that speaks the `GOPROXY` protocol over HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use larder_module::{ModuleVersion, ObjectKind};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::breaker::{Breaker, Pass};
use crate::credentials::Credential;
use crate::error::{FetchCause, FetchError};
use crate::guard::ListedHosts;
use crate::instance::Trail;
use crate::judge::judge;
use crate::name::{Origin, UpstreamName};
use crate::retry::Attempts;
use crate::suspect::Suspect;
use crate::transport::{Answer, Failed, Manner, Request, Transport, check_encoding, content_type};
use crate::upstream::{Fresh, Resume, SmallReply};
use crate::urgency::Urgency;
use crate::validators::Validators;
use crate::wanted::{Wanted, percent_encode};
use crate::zip_body::{HttpBody, ZipBody};

/// One HTTP upstream; all chains that name its URL share it.
#[derive(Debug)]
pub(crate) struct HttpUpstream {
    pub(crate) name: UpstreamName,
    pub(crate) origin: Origin,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) suspect: Suspect,
    /// Without user info.
    url: Url,
    own: Option<Credential>,
}

/// On whose behalf an upstream is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Errand {
    pub(crate) private: bool,
    pub(crate) trail: Trail,
    pub(crate) urgency: Urgency,
    /// The upstream is a stranger's idea: of all hosts but these, only public addresses are asked.
    pub(crate) guard: Option<ListedHosts>,
}

impl HttpUpstream {
    pub(crate) fn new(
        url: Url,
        own: Option<Credential>,
        origin: Origin,
        breaker: Arc<Breaker>,
        transport: Arc<Transport>,
    ) -> Self {
        Self {
            name: UpstreamName::of_url(&url),
            origin,
            breaker,
            transport,
            suspect: Suspect::default(),
            url,
            own,
        }
    }

    /// Asks for something small, judges it, and asks again where that may help.
    pub(crate) async fn small(
        &self,
        wanted: &Wanted,
        known: Option<&Validators>,
        deadline: Instant,
        errand: &Errand,
    ) -> Result<SmallReply, FetchError> {
        let path = wanted.path();
        let mut series =
            self.begin(&path, Some(deadline), errand).map_err(|cause| self.not_asked(&path, cause))?;
        loop {
            series.attempts.count();
            match self.small_once(&path, wanted, known, deadline, errand).await {
                Ok(reply) => return Ok(series.succeeded(reply)),
                Err(failed) => series.pause_or_give_up(failed).await?,
            }
        }
    }

    async fn small_once(
        &self,
        path: &str,
        wanted: &Wanted,
        known: Option<&Validators>,
        deadline: Instant,
        errand: &Errand,
    ) -> Result<SmallReply, Failed> {
        let limits = &self.transport.limits;
        let limit = match wanted {
            Wanted::List(_) => limits.list,
            Wanted::Object { kind: ObjectKind::Mod, .. } => limits.go_mod,
            Wanted::Latest(_) | Wanted::Query { .. } | Wanted::Object { .. } => limits.info,
        };
        let mut headers = HeaderMap::new();
        if let Some(known) = known {
            known.if_changed(&mut headers);
        }
        let conditional = !headers.is_empty();
        let answer = self.ask(path, headers, Some(deadline), errand).await?;
        match answer.response.status() {
            StatusCode::NOT_MODIFIED if conditional => return Ok(SmallReply::NotModified),
            StatusCode::OK => {}
            _ => return Err(self.transport.refusal(answer, Some(deadline)).await),
        }
        check_encoding(&answer.response)?;
        let validators = Validators::of(answer.response.headers());
        let content_type = content_type(&answer.response);
        let redirected_to = answer.redirected_to.clone();
        let body = self.transport.read(answer, limit, deadline).await?;
        let judged = judge(wanted, &body, content_type.as_deref(), limits).map_err(|cause| Failed {
            cause,
            said: None,
            redirected_to,
        })?;
        Ok(SmallReply::Fresh(Fresh { body, validators, judged }))
    }

    /// Asks for a path below the upstream's URL, unjudged.
    pub(crate) async fn raw(
        &self,
        path: &str,
        limit: u64,
        deadline: Instant,
        errand: &Errand,
    ) -> Result<Bytes, FetchError> {
        let mut series =
            self.begin(path, Some(deadline), errand).map_err(|cause| self.not_asked(path, cause))?;
        loop {
            series.attempts.count();
            match self.raw_once(path, limit, deadline, errand).await {
                Ok(body) => return Ok(series.succeeded(body)),
                Err(failed) => series.pause_or_give_up(failed).await?,
            }
        }
    }

    async fn raw_once(
        &self,
        path: &str,
        limit: u64,
        deadline: Instant,
        errand: &Errand,
    ) -> Result<Bytes, Failed> {
        let answer = self.ask(path, HeaderMap::new(), Some(deadline), errand).await?;
        if answer.response.status() != StatusCode::OK {
            return Err(self.transport.refusal(answer, Some(deadline)).await);
        }
        check_encoding(&answer.response)?;
        self.transport.read(answer, limit, deadline).await
    }

    /// Asks for a zip and returns it once its first bytes are there.
    pub(crate) async fn zip(
        self: &Arc<Self>,
        of: &ModuleVersion,
        resume: Option<&Resume>,
        errand: &Errand,
    ) -> Result<ZipBody, FetchError> {
        let path = Wanted::Object { of: of.clone(), kind: ObjectKind::Zip }.path();
        let mut series = self.begin(&path, None, errand).map_err(|cause| self.not_asked(&path, cause))?;
        loop {
            series.attempts.count();
            match self.open_zip(&path, resume, errand).await {
                Ok(body) => return Ok(series.succeeded(ZipBody::http(body))),
                Err(failed) => series.pause_or_give_up(failed).await?,
            }
        }
    }

    /// Opens a zip once, from its start or, where the upstream agrees, from where it broke off.
    pub(crate) async fn open_zip(
        self: &Arc<Self>,
        path: &str,
        resume: Option<&Resume>,
        errand: &Errand,
    ) -> Result<HttpBody, Failed> {
        let mut headers = HeaderMap::new();
        let range = resume
            .filter(|resume| resume.offset > 0)
            .and_then(|resume| Some((resume, resume.validators.for_range()?)));
        if let Some((resume, condition)) = &range {
            let bytes = format!("bytes={}-", resume.offset);
            headers.insert(
                header::RANGE,
                HeaderValue::from_str(&bytes).unwrap_or(HeaderValue::from_static("bytes=0-")),
            );
            headers.insert(header::IF_RANGE, condition.clone());
        }
        let answer =
            self.ask_for(path, headers, self.transport.timeouts.zip_first_byte, None, errand).await?;
        let offset = match (answer.response.status(), &range) {
            (StatusCode::OK, _) => 0,
            (StatusCode::PARTIAL_CONTENT, Some((resume, _))) => resume.offset,
            _ => return Err(self.transport.refusal(answer, None).await),
        };
        check_encoding(&answer.response)?;
        HttpBody::begin(Arc::clone(self), path.to_owned(), errand.clone(), answer, offset).await
    }

    async fn ask(
        &self,
        path: &str,
        headers: HeaderMap,
        deadline: Option<Instant>,
        errand: &Errand,
    ) -> Result<Answer, Failed> {
        self.ask_for(path, headers, self.transport.timeouts.first_byte, deadline, errand).await
    }

    async fn ask_for(
        &self,
        path: &str,
        headers: HeaderMap,
        first_byte: Duration,
        deadline: Option<Instant>,
        errand: &Errand,
    ) -> Result<Answer, Failed> {
        let request = self.request(path, headers, first_byte, deadline, errand);
        if errand.guard.is_some() {
            // Nobody at a local or private address, where a loop would lead, unless the operator named it.
            return self.transport.send(request).await;
        }
        let probe = |path: String| async move {
            let (patience, errand) = (Duration::from_secs(10), Errand::default());
            let request = self.request(&path, HeaderMap::new(), patience, None, &errand);
            drop(self.transport.send(request).await);
        };
        tokio::select! {
            answer = self.transport.send(request) => answer,
            () = self.suspect.found_out(&self.transport, &self.origin, probe) => Err(FetchCause::Loop.into()),
        }
    }

    fn request<'a>(
        &'a self,
        path: &str,
        headers: HeaderMap,
        first_byte: Duration,
        deadline: Option<Instant>,
        errand: &'a Errand,
    ) -> Request<'a> {
        let mut url = self.url.clone();
        let joined = format!("{}{}", url.path().trim_end_matches('/'), percent_encode(path));
        url.set_path(&joined);
        let own = self.own.as_ref();
        Request {
            url,
            own,
            headers,
            first_byte,
            deadline,
            private: errand.private,
            trail: &errand.trail,
            urgency: &errand.urgency,
            guard: errand.guard.as_ref(),
            tokens: None,
            manner: Manner::Proxy,
        }
    }

    /// Asks the breaker for leave to begin.
    fn begin<'a>(
        &'a self,
        path: &'a str,
        deadline: Option<Instant>,
        errand: &'a Errand,
    ) -> Result<Series<'a>, FetchCause> {
        if self.suspect.leads_back() {
            return Err(FetchCause::Loop);
        }
        let pass = self.breaker.admit(&errand.urgency)?;
        let attempts = Attempts::begin(self.transport.retries, deadline);
        Ok(Series { upstream: self, path, attempts, pass, urgency: &errand.urgency })
    }

    fn not_asked(&self, path: &str, cause: FetchCause) -> FetchError {
        self.error(path, &Attempts::begin(self.transport.retries, None), cause.into())
    }

    fn error(&self, path: &str, attempts: &Attempts, failed: Failed) -> FetchError {
        FetchError {
            upstream: self.name.clone(),
            wanted: path.to_owned(),
            attempts: attempts.made(),
            elapsed: attempts.elapsed(),
            redirected_to: failed.redirected_to,
            cause: failed.cause,
            said: failed.said,
        }
    }
}

/// The attempts at one thing, and the leave of the breaker for all of them together.
struct Series<'a> {
    upstream: &'a HttpUpstream,
    path: &'a str,
    attempts: Attempts,
    pass: Pass,
    urgency: &'a Urgency,
}

impl Series<'_> {
    fn succeeded<T>(mut self, value: T) -> T {
        self.pass.succeeded();
        value
    }

    /// Waits before the next attempt, or fails when another would not help, and tells the breaker.
    async fn pause_or_give_up(&mut self, failed: Failed) -> Result<(), FetchError> {
        match self.attempts.pause_after(&failed.cause) {
            // Nobody's patience is at stake, and the upstream has trouble enough.
            Some(pause) if self.urgency.is_now() => {
                sleep(pause).await;
                Ok(())
            }
            Some(_) | None => {
                self.pass.failed(&failed.cause);
                Err(self.upstream.error(self.path, &self.attempts, failed))
            }
        }
    }
}
