//! The body of a zip, piece by piece; never in memory as a whole.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::classify;
use crate::clean::looks_like_html;
use crate::direct::MadeBody;
use crate::error::{FetchCause, FetchError};
use crate::file::FileBody;
use crate::name::UpstreamName;
use crate::proxy::{Errand, HttpUpstream};
use crate::transport::{Answer, Failed, Until};
use crate::upstream::Resume;
use crate::validators::Validators;

/// How often a body that breaks off is taken up again where it broke off.
const MOST_RESUMPTIONS: u32 = 3;

/// A zip that is being fetched.
#[derive(Debug)]
pub struct ZipBody {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Http(Box<HttpBody>),
    File(Box<FileBody>),
    Made(Box<MadeBody>),
}

impl ZipBody {
    pub(crate) fn http(body: HttpBody) -> Self {
        Self { source: Source::Http(Box::new(body)) }
    }

    pub(crate) fn file(body: FileBody) -> Self {
        Self { source: Source::File(Box::new(body)) }
    }

    pub(crate) fn made(body: MadeBody) -> Self {
        Self { source: Source::Made(Box::new(body)) }
    }

    /// Returns the length of the whole zip, the part before [`ZipBody::offset`] included, if it was announced.
    pub fn declared_len(&self) -> Option<u64> {
        match &self.source {
            Source::Http(body) => body.declared,
            Source::File(body) => Some(body.len()),
            Source::Made(body) => Some(body.len()),
        }
    }

    /// Returns the position of the first byte: 0, or where a resumption was asked for **and** granted.
    pub fn offset(&self) -> u64 {
        match &self.source {
            Source::Http(body) => body.offset,
            Source::File(body) => body.offset(),
            Source::Made(_) => 0,
        }
    }

    /// Returns what to resume with.
    pub fn validators(&self) -> &Validators {
        match &self.source {
            Source::Http(body) => &body.validators,
            Source::File(body) => body.validators(),
            Source::Made(body) => body.validators(),
        }
    }

    /// Returns who sends it.
    pub fn upstream(&self) -> &UpstreamName {
        match &self.source {
            Source::Http(body) => &body.upstream.name,
            Source::File(body) => body.upstream(),
            Source::Made(body) => body.upstream(),
        }
    }

    /// Returns the next piece, or nothing at the end. Nothing but the true end ends it without an error.
    ///
    /// A connection that breaks is taken up again at the same place where the upstream can do that.
    ///
    /// # Errors
    ///
    /// Fails when the body stalls, breaks off, is too large, or changes.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        match &mut self.source {
            Source::Http(body) => body.next().await,
            Source::File(body) => body.next().await,
            Source::Made(body) => body.next().await,
        }
    }
}

/// A zip that comes over HTTP.
#[derive(Debug)]
pub(crate) struct HttpBody {
    upstream: Arc<HttpUpstream>,
    path: String,
    errand: Errand,
    response: reqwest::Response,
    permit: Option<OwnedSemaphorePermit>,
    redirected_to: Option<String>,
    validators: Validators,
    first: Option<Bytes>,
    declared: Option<u64>,
    offset: u64,
    position: u64,
    resumptions: u32,
    began: Instant,
}

impl HttpBody {
    /// Takes an answer with status 200 or 206 and waits for its first piece.
    pub(crate) async fn begin(
        upstream: Arc<HttpUpstream>,
        path: String,
        errand: Errand,
        answer: Answer,
        offset: u64,
    ) -> Result<Self, Failed> {
        let redirected_to = answer.redirected_to.clone();
        let failed = |cause| Failed { cause, said: None, redirected_to: redirected_to.clone() };
        let declared = declared_len(&answer.response, offset).map_err(failed)?;
        let limit = upstream.transport.limits.zip;
        if declared.is_some_and(|declared| declared > limit) {
            return Err(failed(FetchCause::TooLarge { limit }));
        }
        let mut body = Self {
            validators: Validators::of(answer.response.headers()),
            response: answer.response,
            permit: Some(answer.permit),
            redirected_to: answer.redirected_to,
            upstream,
            path,
            errand,
            first: None,
            declared,
            offset,
            position: offset,
            resumptions: 0,
            began: Instant::now(),
        };
        match body.piece().await.map_err(failed)? {
            None => return Err(failed(FetchCause::BadContent("an empty body instead of a zip".to_owned()))),
            Some(piece) if offset == 0 && looks_like_html(&piece) => {
                return Err(failed(FetchCause::BadContent(
                    "a page for browsers instead of a zip".to_owned(),
                )));
            }
            Some(piece) => body.first = Some(piece),
        }
        Ok(body)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            let cause = match self.piece().await {
                Ok(piece) => return Ok(piece),
                Err(cause) => cause,
            };
            if self.resumptions >= MOST_RESUMPTIONS || !may_resume(&cause) || !self.can_resume() {
                return Err(self.give_up(cause));
            }
            self.resumptions += 1;
            // The turn at the host is given back first: with one turn only, waiting for a second would never end.
            self.permit = None;
            tokio::time::sleep(crate::random::jittered(Duration::from_millis(200) * self.resumptions)).await;
            match self.resume().await {
                Ok(()) => {
                    if let Some(first) = self.first.take() {
                        return Ok(Some(first));
                    }
                }
                Err(Some(changed)) => return Err(self.give_up(changed)),
                Err(None) if self.resumptions < MOST_RESUMPTIONS => {}
                Err(None) => return Err(self.give_up(cause)),
            }
        }
    }

    /// Reads a piece from the connection and counts it.
    async fn piece(&mut self) -> Result<Option<Bytes>, FetchCause> {
        let until = Until::new(self.upstream.transport.timeouts.between_bytes, None);
        let received = self.position - self.offset;
        let piece = match timeout_at(until.at, self.response.chunk()).await {
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => return Err(classify::in_body(&error, received, self.declared)),
            Err(_) => return Err(until.stalled(received)),
        };
        let Some(piece) = piece else {
            self.permit = None;
            return match self.declared {
                Some(declared) if self.position < declared => {
                    Err(FetchCause::Truncated { received, declared: Some(declared) })
                }
                _ => Ok(None),
            };
        };
        self.position += piece.len() as u64;
        let limit = self.upstream.transport.limits.zip;
        if self.position > limit {
            return Err(FetchCause::TooLarge { limit });
        }
        if self.declared.is_some_and(|declared| self.position > declared) {
            return Err(FetchCause::BadContent("more bytes than it announced".to_owned()));
        }
        Ok(Some(piece))
    }

    fn can_resume(&self) -> bool {
        self.position > 0 && self.declared.is_some() && self.validators.for_range().is_some()
    }

    /// Opens the rest anew; fails with nothing when the upstream just failed again.
    async fn resume(&mut self) -> Result<(), Option<FetchCause>> {
        let resume = Resume { offset: self.position, validators: self.validators.clone() };
        match self.upstream.open_zip(&self.path, Some(&resume), &self.errand).await {
            Ok(rest)
                if rest.offset == self.position
                    && (rest.declared.is_none() || rest.declared == self.declared) =>
            {
                self.response = rest.response;
                self.permit = rest.permit;
                self.redirected_to = rest.redirected_to;
                self.position = rest.position;
                self.first = rest.first;
                Ok(())
            }
            Ok(_) => Err(Some(FetchCause::Changed)),
            Err(failed) if failed.cause.is_retryable() => Err(None),
            Err(failed) => Err(Some(failed.cause)),
        }
    }

    fn give_up(&mut self, cause: FetchCause) -> FetchError {
        self.permit = None;
        self.upstream.breaker.note_failure(&cause, &self.errand.urgency);
        FetchError {
            upstream: self.upstream.name.clone(),
            wanted: self.path.clone(),
            attempts: 1 + self.resumptions,
            elapsed: self.began.elapsed(),
            redirected_to: self.redirected_to.clone(),
            cause,
            said: None,
        }
    }
}

fn may_resume(cause: &FetchCause) -> bool {
    matches!(cause, FetchCause::Truncated { .. } | FetchCause::Reset { .. })
}

/// Returns the length of the whole, from `Content-Length` or `Content-Range`.
fn declared_len(response: &reqwest::Response, offset: u64) -> Result<Option<u64>, FetchCause> {
    if response.status() != http::StatusCode::PARTIAL_CONTENT {
        return Ok(response.content_length());
    }
    let wrong = || FetchCause::BadContent("another range than the one that was asked for".to_owned());
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(wrong)?;
    let (positions, whole) =
        range.strip_prefix("bytes ").and_then(|range| range.split_once('/')).ok_or_else(wrong)?;
    let (first, last) = positions.split_once('-').ok_or_else(wrong)?;
    let whole = if whole == "*" { None } else { Some(whole.parse::<u64>().map_err(|_| wrong())?) };
    let last: u64 = last.parse().map_err(|_| wrong())?;
    if first.parse() != Ok(offset) || whole.is_some_and(|whole| last.checked_add(1) != Some(whole)) {
        return Err(wrong());
    }
    Ok(whole)
}
