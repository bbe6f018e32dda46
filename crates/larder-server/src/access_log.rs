//! One line a request.
//!
//! The line is written when the body ends, so that it can tell bytes and duration; nothing is
//! formatted unless somebody listens to the target [`TARGET`]. Larder's own log may name private
//! modules: it never leaves the machine by Larder's doing.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, StatusCode, Uri};

use crate::metrics::HttpMetrics;

/// The tracing target of access-log lines.
pub const TARGET: &str = "larder::access";

/// What is known about a request while it is being answered.
pub(crate) struct RequestLog {
    line: Option<Box<Line>>,
    metrics: Arc<HttpMetrics>,
}

struct Line {
    id: RequestId,
    client: IpAddr,
    method: Method,
    uri: Uri,
    status: StatusCode,
    outcome: &'static str,
    upstream: Option<String>,
    begun: Instant,
    broke_off: Option<String>,
}

/// What the log wants to know about a request as it arrives.
pub(crate) struct Begun {
    pub(crate) client: IpAddr,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) begun: Instant,
}

impl Begun {
    /// Returns the facts when somebody listens.
    pub(crate) fn when_logged(client: IpAddr, method: &Method, uri: &Uri) -> Option<Self> {
        tracing::enabled!(target: TARGET, tracing::Level::INFO).then(|| Self {
            client,
            method: method.clone(),
            uri: uri.clone(),
            begun: Instant::now(),
        })
    }
}

impl RequestLog {
    pub(crate) fn new(
        begun: Option<Begun>,
        id: &RequestId,
        status: StatusCode,
        outcome: &'static str,
        upstream: impl FnOnce() -> Option<String>,
        metrics: &Arc<HttpMetrics>,
    ) -> Self {
        let line = begun.map(|Begun { client, method, uri, begun }| {
            let (id, upstream) = (id.clone(), upstream());
            Box::new(Line { id, client, method, uri, status, outcome, upstream, begun, broke_off: None })
        });
        Self { line, metrics: Arc::clone(metrics) }
    }

    /// Notes that the body could not be finished.
    pub(crate) fn broke_off(&mut self, error: &dyn Display) {
        if let Some(line) = self.line.as_mut() {
            line.broke_off = Some(error.to_string());
        }
    }

    /// Writes the line.
    pub(crate) fn finish(self, sent: u64) {
        self.metrics.sent(sent);
        let Some(line) = self.line else { return };
        tracing::info!(
            target: TARGET,
            request_id = %line.id.as_str(),
            client = %line.client,
            method = %line.method,
            path = %Printable(line.uri.path()),
            status = line.status.as_u16(),
            bytes = sent,
            duration_ms = u64::try_from(line.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            outcome = line.outcome,
            upstream = line.upstream.as_deref().unwrap_or("-"),
            broken = line.broke_off.as_deref().unwrap_or("-"),
            "{} {} {}",
            line.method,
            Printable(line.uri.path()),
            line.status.as_u16(),
        );
    }
}

/// Text from outside that can't forge a line or turn one around.
struct Printable<'a>(&'a str);

impl Display for Printable<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.bytes().all(|b| b.is_ascii_graphic()) {
            formatter.write_str(self.0)
        } else {
            write!(formatter, "{}", self.0.escape_default())
        }
    }
}

/// The id of a request: in its reply's header, in an error's body and in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RequestId([u8; Self::LEN]);

impl RequestId {
    const LEN: usize = 16;

    /// Makes an id of a number; neighbouring numbers give unlike ids.
    pub(crate) fn of(number: u64) -> Self {
        let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let mut text = [0; Self::LEN];
        for (index, byte) in text.iter_mut().enumerate() {
            let nibble = (mixed >> (60 - 4 * index)) & 0xf;
            *byte = b"0123456789abcdef"[nibble as usize];
        }
        Self(text)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn paths_are_printed_harmlessly() {
        assert_eq!(Printable("/a/@v/v1.0.0+x%21").to_string(), "/a/@v/v1.0.0+x%21");
        assert_eq!(Printable("/a\u{202e}b\n").to_string(), "/a\\u{202e}b\\n");
    }

    #[test]
    fn ids_differ_and_are_hexadecimal() {
        let ids: HashSet<String> = (0..10_000).map(|n| RequestId::of(n).as_str().to_owned()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())));
    }
}
