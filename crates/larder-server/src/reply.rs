//! Turning what the engine serves into a response: headers by content, conditions, ranges.

use std::fmt::Write;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, AGE, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode, Version};
use larder_cache::{Body, Content, Failure, Outcome, Served};

use crate::access_log::RequestId;
use crate::body::ReplyBody;
use crate::known::{BytesMark, KnownPath};
use crate::pieces::PieceBudget;
use crate::range::{Selection, Validators, select};
use crate::request::Refusal;
use crate::settings::BasePath;
use crate::status::{self, Verdict};
use crate::wire::{DATE, WireHead, WireMark};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// The header that carries the request id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ZIP: HeaderValue = HeaderValue::from_static("application/zip");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const PRIVATE_NO_CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const PRIVATE_IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
const VARIES: HeaderValue = HeaderValue::from_static("Disable-Module-Fetch");
const HIT: HeaderValue = HeaderValue::from_static("Larder; hit");
const MISS: HeaderValue = HeaderValue::from_static("Larder; fwd=uri-miss; stored");
const UNSTORED: HeaderValue = HeaderValue::from_static("Larder; fwd=uri-miss; stored=?0; detail=unstored");
const REVALIDATED: HeaderValue = HeaderValue::from_static("Larder; fwd=stale; fwd-status=304");
const COMPUTED: HeaderValue = HeaderValue::from_static("Larder; hit; detail=computed");
const KEPT_FAILURE: HeaderValue = HeaderValue::from_static("Larder; hit; detail=learned-earlier");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// How long a downstream cache may keep an answer, as ready header values.
#[derive(Clone, Debug)]
pub(crate) struct AnswerLifetime {
    seconds: u64,
    shared: HeaderValue,
    private: HeaderValue,
}

impl AnswerLifetime {
    pub(crate) fn new(lifetime: Duration) -> Self {
        let seconds = lifetime.as_secs();
        let value =
            |scope: &str| HeaderValue::from_str(&format!("{scope}, max-age={seconds}")).unwrap_or(NO_CACHE);
        Self { seconds, shared: value("public"), private: value("private") }
    }
}

/// The parts of a request that its reply depends on.
pub(crate) struct Asked<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) is_head: bool,
    pub(crate) version: Version,
    pub(crate) id: &'a RequestId,
}

/// What a reply depends on besides the request and what is served.
pub(crate) struct Surroundings<'a> {
    pub(crate) path: &'a KnownPath,
    pub(crate) lifetime: &'a AnswerLifetime,
    pub(crate) base: &'a BasePath,
    pub(crate) budget: &'a Arc<PieceBudget>,
}

/// Composes the reply to what the engine serves.
pub(crate) fn served(served: Served, asked: &Asked<'_>, around: &Surroundings<'_>) -> Response<ReplyBody> {
    // What was made up here gives way to what an upstream says later: no tag and no date may vouch for it.
    let served = if served.outcome == Outcome::Computed {
        Served { etag: None, modified: None, ..served }
    } else {
        served
    };
    let len = served.body.len();
    let growing = matches!(served.body, Body::Growing(_));
    let validators =
        Validators { etag: served.etag.as_deref().map(str::as_bytes), modified: served.modified };
    // HEAD knows no range, and a body that is still arriving can't be cut.
    let cuttable = len.filter(|_| !growing && !asked.is_head);
    let (status, headers, start, end) = match select(asked.headers, validators, cuttable) {
        Selection::NotModified => {
            let headers = validating_headers(&served, asked, around.lifetime);
            return response(StatusCode::NOT_MODIFIED, headers, ReplyBody::empty());
        }
        Selection::ConditionFailed => return refused(&Refusal::Condition, asked, around.base),
        Selection::OutOfRange => {
            let mut reply = refused(&Refusal::Range, asked, around.base);
            let range = text_value(format_args!("bytes */{}", len.unwrap_or(0)));
            reply.headers_mut().insert(CONTENT_RANGE, range);
            return reply;
        }
        Selection::Part { start, end } => {
            let mut headers = headers_with_body(&served, asked, around.lifetime);
            let range = format_args!("bytes {start}-{}/{}", end - 1, len.unwrap_or(end));
            headers.insert(CONTENT_RANGE, text_value(range));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(end - start));
            (StatusCode::PARTIAL_CONTENT, headers, start, end)
        }
        Selection::Whole => (StatusCode::OK, whole_headers(&served, asked, around), 0, len.unwrap_or(0)),
    };
    let body = if asked.is_head {
        ReplyBody::empty()
    } else {
        match served.body {
            Body::Memory(bytes) => ReplyBody::memory(cut(bytes, start, end)),
            Body::File { file, .. } => ReplyBody::file(file, start, end, around.budget),
            Body::Growing(reader) => ReplyBody::growing(reader),
        }
    };
    response(status, headers, body)
}

/// Returns the head of a whole reply to a plain request as bytes; nothing unless it is a hit.
pub(crate) fn wire_head(
    served: &Served,
    path: &KnownPath,
    lifetime: &AnswerLifetime,
) -> Option<Arc<WireHead>> {
    let mark = WireMark::of(served)?;
    if let Some(head) = path.wire_head(&mark) {
        return Some(head);
    }
    let (none, id) = (HeaderMap::new(), RequestId::of(0));
    let asked = Asked { headers: &none, is_head: false, version: Version::HTTP_11, id: &id };
    let mut headers = headers_with_body(served, &asked, lifetime);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(served.body.len()?));
    let head = Arc::new(WireHead::render(mark, &headers));
    path.keep_wire_head(Arc::clone(&head));
    Some(head)
}

/// Returns the headers of a whole reply; those of a stored object are composed once.
fn whole_headers(served: &Served, asked: &Asked<'_>, around: &Surroundings<'_>) -> HeaderMap {
    let mark = match (&served.body, &served.outcome, &served.etag) {
        (Body::Memory(_) | Body::File { .. }, Outcome::Hit { age: None }, Some(etag)) => {
            Some(BytesMark { etag: Arc::clone(etag), modified: served.modified, private: served.private })
        }
        _ => None,
    };
    if let Some(kept) = mark.as_ref().and_then(|mark| around.path.head(mark)) {
        let mut headers = kept.clone();
        headers.insert(REQUEST_ID, id_value(asked.id));
        return headers;
    }
    let mut headers = headers_with_body(served, asked, around.lifetime);
    if let Some(len) = served.body.len() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    }
    if let Some(mark) = mark {
        around.path.keep_head(mark, &headers);
    }
    headers
}

/// Returns what a reply with a body tells about it, but for its length and place.
fn headers_with_body(served: &Served, asked: &Asked<'_>, lifetime: &AnswerLifetime) -> HeaderMap {
    let mut headers = validating_headers(served, asked, lifetime);
    headers.insert(CONTENT_TYPE, content_type(served.content));
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if !matches!(served.body, Body::Growing(_)) {
        headers.insert(ACCEPT_RANGES, BYTES);
    }
    headers
}

/// Returns what a reply tells about freshness and identity, with a body or without.
fn validating_headers(served: &Served, asked: &Asked<'_>, lifetime: &AnswerLifetime) -> HeaderMap {
    let Served { content, etag, modified, outcome, private, .. } = served;
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(CACHE_CONTROL, cache_control(*content, outcome, *private, lifetime));
    headers.insert(CACHE_STATUS, cache_status(outcome, lifetime));
    headers.insert(VARY, VARIES);
    headers.insert(REQUEST_ID, id_value(asked.id));
    if let Some(etag) = etag.as_deref().and_then(|etag| HeaderValue::from_str(etag).ok()) {
        headers.insert(ETAG, etag);
    }
    if let Some(modified) = modified {
        headers.insert(LAST_MODIFIED, date_value(*modified));
    }
    // Caches count it towards `max-age`: no answer is believed for longer because it passed through here.
    if let Some(age) = outcome.age() {
        headers.insert(AGE, HeaderValue::from(age.as_secs()));
    }
    headers
}

fn cut(bytes: Bytes, start: u64, end: u64) -> Bytes {
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start <= end && end <= bytes.len() => bytes.slice(start..end),
        _ => bytes,
    }
}

/// Composes the reply to what the engine could not serve.
pub(crate) fn failed(failure: &Failure, asked: &Asked<'_>) -> Response<ReplyBody> {
    let mut reply = text_reply(status::of_reason(&failure.reason), &failure.lines, asked);
    let headers = reply.headers_mut();
    headers.insert(VARY, VARIES);
    if failure.learned.is_some() {
        headers.insert(CACHE_STATUS, KEPT_FAILURE);
    }
    reply
}

/// Composes the reply to a request that the engine never sees.
pub(crate) fn refused(refusal: &Refusal, asked: &Asked<'_>, base: &BasePath) -> Response<ReplyBody> {
    let mut reply = text_reply(status::of_refusal(refusal), &refusal.lines(base), asked);
    if matches!(refusal, Refusal::Method | Refusal::MethodWithBody) {
        reply.headers_mut().insert(ALLOW, METHODS);
    }
    reply
}

/// Writes an error's text: at most eight lines and 600 bytes, the request id on the last line.
fn text_reply(verdict: Verdict, lines: &[String], asked: &Asked<'_>) -> Response<ReplyBody> {
    let text = error_text(lines, asked.id);
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(REQUEST_ID, id_value(asked.id));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    if let Some(wait) = verdict.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_millis().div_ceil(1000).max(1) as u64));
    }
    if verdict.close && asked.version <= Version::HTTP_11 {
        headers.insert(CONNECTION, CLOSE);
    }
    let body = if asked.is_head { ReplyBody::empty() } else { ReplyBody::memory(text.into()) };
    response(verdict.status, headers, body)
}

/// The most bytes that an error's text has: the go command hides longer ones.
const ERROR_BYTES: usize = 600;
const ERROR_LINES: usize = 8;

fn error_text(lines: &[String], id: &RequestId) -> String {
    let last = format!("request id: {}\n", id.as_str());
    let room = ERROR_BYTES - last.len();
    let mut text = String::with_capacity(ERROR_BYTES);
    for line in lines.iter().take(ERROR_LINES - 1) {
        let begun = text.len();
        for c in line.chars().map(|c| if c.is_control() { ' ' } else { c }) {
            if text.len() + c.len_utf8() + 1 > room {
                break;
            }
            text.push(c);
        }
        if text[begun..].trim().is_empty() {
            text.truncate(begun);
        } else {
            text.push('\n');
        }
    }
    text.push_str(&last);
    text
}

/// Composes a page of our own.
pub(crate) fn page(
    content_type: HeaderValue,
    cache_control: HeaderValue,
    text: impl Into<Bytes>,
    asked: &Asked<'_>,
) -> Response<ReplyBody> {
    let text = text.into();
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(CACHE_CONTROL, cache_control);
    headers.insert(REQUEST_ID, id_value(asked.id));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    let body = if asked.is_head { ReplyBody::empty() } else { ReplyBody::memory(text) };
    response(StatusCode::OK, headers, body)
}

fn response(status: StatusCode, headers: HeaderMap, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn content_type(content: Content) -> HeaderValue {
    match content {
        Content::Info | Content::Latest | Content::Query => JSON,
        Content::Mod
        | Content::List
        | Content::ChecksumSupported
        | Content::ChecksumLatest
        | Content::ChecksumLookup => TEXT,
        Content::Zip => ZIP,
        Content::ChecksumTile => OCTETS,
    }
}

/// Decides how long others may keep the reply: for ever what never changes, a minute an answer, and what
/// is stale, made up here or moves with the tree head only after asking again.
fn cache_control(
    content: Content,
    outcome: &Outcome,
    private: bool,
    lifetime: &AnswerLifetime,
) -> HeaderValue {
    let either = |public, own| if private { own } else { public };
    match (content, outcome) {
        (_, Outcome::Computed) => either(NO_CACHE, PRIVATE_NO_CACHE),
        (Content::Info | Content::Mod | Content::Zip | Content::ChecksumTile, _) => {
            either(IMMUTABLE, PRIVATE_IMMUTABLE)
        }
        (Content::List | Content::Latest | Content::Query, Outcome::Stale { .. }) => {
            either(NO_CACHE, PRIVATE_NO_CACHE)
        }
        (
            Content::List
            | Content::Latest
            | Content::Query
            | Content::ChecksumSupported
            | Content::ChecksumLookup,
            _,
        ) => {
            if private {
                lifetime.private.clone()
            } else {
                lifetime.shared.clone()
            }
        }
        (Content::ChecksumLatest, _) => NO_CACHE,
    }
}

/// Says in RFC 9211's words where the reply came from.
fn cache_status(outcome: &Outcome, lifetime: &AnswerLifetime) -> HeaderValue {
    match outcome {
        Outcome::Hit { age: None } => HIT,
        Outcome::Hit { age: Some(age) } => {
            let left = i128::from(lifetime.seconds) - i128::from(age.as_secs());
            text_value(format_args!("Larder; hit; ttl={left}"))
        }
        Outcome::Stale { age } => {
            let left = i128::from(lifetime.seconds) - i128::from(age.as_secs());
            text_value(format_args!("Larder; hit; ttl={}; detail=stale", left.min(0)))
        }
        Outcome::Miss { .. } => MISS,
        Outcome::Revalidated { .. } => REVALIDATED,
        Outcome::Unstored { .. } => UNSTORED,
        Outcome::Computed => COMPUTED,
    }
}

fn id_value(id: &RequestId) -> HeaderValue {
    HeaderValue::from_bytes(id.as_bytes()).unwrap_or(NO_STORE)
}

/// Formats a date without a detour over a `String`.
fn date_value(time: SystemTime) -> HeaderValue {
    HeaderValue::from_bytes(&date_bytes(time)).unwrap_or(NO_STORE)
}

/// Returns an HTTP date; all of them are of one length.
pub(crate) fn date_bytes(time: SystemTime) -> [u8; DATE] {
    let mut buffer = [b' '; DATE];
    let written = write!(&mut buffer[..], "{}", httpdate::HttpDate::from(time));
    // Nothing is longer.
    let _ = written;
    buffer
}

fn text_value(text: std::fmt::Arguments<'_>) -> HeaderValue {
    let mut line = String::with_capacity(48);
    let _ = line.write_fmt(text);
    HeaderValue::try_from(line).unwrap_or(NO_STORE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_date_is_an_http_date() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(date_value(time), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn the_request_id_stands_on_the_last_line() {
        let text =
            error_text(&["what failed".to_owned(), String::new(), "why".to_owned()], &RequestId::of(1));
        assert_eq!(text, format!("what failed\nwhy\nrequest id: {}\n", RequestId::of(1).as_str()));
    }

    proptest! {
        #[test]
        fn error_texts_keep_the_limits(lines in prop::collection::vec("(?s).{0,300}", 0..12)) {
            let text = error_text(&lines, &RequestId::of(7));
            prop_assert!(text.len() <= 600);
            prop_assert!(text.lines().count() <= 8);
            prop_assert!(text.lines().all(|line| !line.trim().is_empty()));
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
            let last = format!("request id: {}\n", RequestId::of(7).as_str());
            prop_assert!(text.ends_with(&last));
        }
    }
}
