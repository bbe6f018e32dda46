//! Paths that were asked for lately: what they mean, and the head of the reply.
//!
//! A build farm asks for the same files again and again. Reading a path and composing a dozen headers cost more than finding
//! the bytes, so both are kept. Nothing here decides anything: what a path means never changes, and a kept head is used only
//! while the engine serves the very bytes it was composed for.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use http::HeaderMap;
use larder_module::request::{ProxyRequest, RequestError};
use quick_cache::sync::Cache;

use crate::wire::{WireHead, WireMark};

/// How many paths are kept.
const PATHS: usize = 4096;
/// Longer paths are read each time, so that a hostile client can't fill memory with them.
const LONGEST: usize = 256;

/// The paths.
pub(crate) struct KnownPaths(Cache<Box<str>, Arc<KnownPath>>);

/// One path.
#[derive(Debug)]
pub(crate) struct KnownPath {
    pub(crate) request: ProxyRequest,
    head: OnceLock<KeptHead>,
    wire: Mutex<Option<Arc<WireHead>>>,
}

/// The head of a whole reply out of the store.
#[derive(Debug)]
struct KeptHead {
    of: BytesMark,
    headers: HeaderMap,
}

/// What tells that a head belongs to a reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct BytesMark {
    pub(crate) etag: Arc<str>,
    pub(crate) modified: Option<SystemTime>,
    pub(crate) private: bool,
}

impl KnownPaths {
    pub(crate) fn new() -> Self {
        Self(Cache::new(PATHS))
    }

    /// Reads a path, or remembers what it means.
    pub(crate) fn read(&self, path: &str) -> Result<Arc<KnownPath>, RequestError> {
        if path.len() > LONGEST {
            return KnownPath::read(path);
        }
        if let Some(known) = self.0.get(path) {
            return Ok(known);
        }
        let known = KnownPath::read(path)?;
        self.0.insert(path.into(), Arc::clone(&known));
        Ok(known)
    }
}

impl KnownPath {
    fn read(path: &str) -> Result<Arc<Self>, RequestError> {
        Ok(Arc::new(Self {
            request: ProxyRequest::parse(path)?,
            head: OnceLock::new(),
            wire: Mutex::default(),
        }))
    }

    /// Returns the head that was composed for these bytes.
    pub(crate) fn head(&self, of: &BytesMark) -> Option<&HeaderMap> {
        self.head.get().filter(|kept| kept.of == *of).map(|kept| &kept.headers)
    }

    /// Keeps a head; the first one stays until the path is forgotten.
    pub(crate) fn keep_head(&self, of: BytesMark, headers: &HeaderMap) {
        let _first_stays = self.head.set(KeptHead { of, headers: headers.clone() });
    }
}

impl KnownPath {
    /// Returns the head as bytes that was composed for such a reply.
    pub(crate) fn wire_head(&self, of: &WireMark) -> Option<Arc<WireHead>> {
        let kept = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|head| head.is_of(of)).map(Arc::clone)
    }

    /// Keeps a head as bytes in place of an earlier one: that of an answer grows old every second.
    pub(crate) fn keep_wire_head(&self, head: Arc<WireHead>) {
        *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }
}

impl PartialEq for KnownPath {
    fn eq(&self, other: &Self) -> bool {
        self.request == other.request
    }
}

impl Eq for KnownPath {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_once_and_a_wrong_one_each_time() {
        let known = KnownPaths::new();
        let path = "/example.com/a/@v/v1.0.0.info";
        let first = known.read(path).expect("a path");
        assert!(Arc::ptr_eq(&first, &known.read(path).expect("a path")));
        assert_eq!(first.request, ProxyRequest::parse(path).expect("a path"));
        assert!(known.read("/none").is_err() && known.read("/none").is_err());
        let long = format!("/example.com/{}/@latest", "a".repeat(LONGEST));
        assert!(!Arc::ptr_eq(&known.read(&long).expect("long"), &known.read(&long).expect("long")));
    }

    #[test]
    fn a_head_is_for_its_bytes_only() {
        let known = KnownPath::read("/example.com/a/@v/v1.0.0.info").expect("a path");
        let of = BytesMark { etag: "\"a\"".into(), modified: None, private: false };
        assert!(known.head(&of).is_none());
        known.keep_head(of.clone(), &HeaderMap::new());
        assert!(known.head(&of).is_some());
        for other in [
            BytesMark { etag: "\"b\"".into(), ..of.clone() },
            BytesMark { modified: Some(SystemTime::UNIX_EPOCH), ..of.clone() },
            BytesMark { private: true, ..of },
        ] {
            assert!(known.head(&other).is_none(), "{other:?}");
        }
    }
}
