//! One line a request.
//!
//! The line is written when the body ends, so that it can tell bytes and duration; nothing is
//! kept unless there is a log. Larder's own log may name private modules: it never leaves the machine by
//! Larder's doing.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, StatusCode, Uri};

use crate::log_form::Facts;
use crate::log_writer::AccessLog;
use crate::metrics::HttpMetrics;

/// What is known about a request while it is being answered.
pub(crate) struct RequestLog {
    line: Option<Box<Line>>,
    metrics: Arc<HttpMetrics>,
}

/// A line before its last facts are known.
pub(crate) struct Line {
    pub(crate) log: AccessLog,
    pub(crate) id: RequestId,
    pub(crate) client: IpAddr,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) status: StatusCode,
    pub(crate) outcome: &'static str,
    pub(crate) upstream: Option<String>,
    pub(crate) begun: Instant,
    pub(crate) broke_off: Option<String>,
}

impl RequestLog {
    pub(crate) fn new(line: Option<Line>, metrics: &Arc<HttpMetrics>) -> Self {
        Self { line: line.map(Box::new), metrics: Arc::clone(metrics) }
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
        line.log.line(&Facts {
            id: line.id.as_str(),
            client: line.client,
            method: &line.method,
            path: line.uri.path(),
            status: line.status,
            bytes: sent,
            duration: line.begun.elapsed(),
            outcome: line.outcome,
            upstream: line.upstream.as_deref(),
            broke_off: line.broke_off.as_deref(),
        });
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
    fn ids_differ_and_are_hexadecimal() {
        let ids: HashSet<String> = (0..10_000).map(|n| RequestId::of(n).as_str().to_owned()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())));
    }
}
