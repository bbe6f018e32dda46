//! The head of a whole reply as bytes, ready but for the request's id and the date.

use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use larder_cache::{Outcome, Served};

use crate::access_log::RequestId;
use crate::reply::REQUEST_ID;

/// The length of an HTTP date.
pub(crate) const DATE: usize = 29;

/// A head.
#[derive(Debug)]
pub(crate) struct WireHead {
    of: WireMark,
    bytes: Box<[u8]>,
    id_at: usize,
    date_at: usize,
}

/// What tells that a head belongs to a reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WireMark {
    etag: Arc<str>,
    modified: Option<SystemTime>,
    private: bool,
    /// How old an answer is, in seconds, as its head tells.
    age: Option<u64>,
}

impl WireMark {
    /// Returns the mark of a hit; nothing for other replies.
    pub(crate) fn of(served: &Served) -> Option<Self> {
        let Outcome::Hit { age } = &served.outcome else { return None };
        Some(Self {
            etag: Arc::clone(served.etag.as_ref()?),
            modified: served.modified,
            private: served.private,
            age: age.map(|age| age.as_secs()),
        })
    }
}

impl WireHead {
    /// Writes the head of a 200 as hyper would. The id among the headers only holds the place.
    pub(crate) fn render(of: WireMark, headers: &HeaderMap) -> Self {
        let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
        let mut id_at = 0;
        for (name, value) in headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            if *name == REQUEST_ID {
                id_at = bytes.len();
            }
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"date: ");
        let date_at = bytes.len();
        bytes.extend_from_slice(&[b' '; DATE]);
        bytes.extend_from_slice(b"\r\n\r\n");
        Self { of, bytes: bytes.into(), id_at, date_at }
    }

    /// Reports whether it is the head of replies with this mark.
    pub(crate) fn is_of(&self, mark: &WireMark) -> bool {
        self.of == *mark
    }

    /// Appends the head of one reply.
    pub(crate) fn push(&self, id: &RequestId, date: &[u8; DATE], out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        let head = &mut out[begin..];
        head[self.id_at..self.id_at + id.as_bytes().len()].copy_from_slice(id.as_bytes());
        head[self.date_at..self.date_at + DATE].copy_from_slice(date);
    }
}
