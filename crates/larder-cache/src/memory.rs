//! What is kept at hand: small bodies as ready bytes, larger ones as open files.
//!
//! One open file serves every reader of an object, however many there are, because descriptors are scarcer than readers. Both caches
//! start empty and grow with use.

use std::sync::Arc;

use larder_store::ObjectKey;
use quick_cache::{Weighter, sync::Cache};

use crate::{
    WallClock,
    flight::{Ready, ReadyBody},
};

/// The largest body that is held back whole, in memory, while it is being verified.
pub(crate) const SMALL: u64 = 1 << 20;

/// The largest body that stays in memory once it is stored. The kernel has larger ones in memory as well, and can send them from there
/// without a copy.
pub(crate) const READY: u64 = 64 << 10;

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<ObjectKey, Ready> for ByBytes {
    fn weight(&self, _key: &ObjectKey, ready: &Ready) -> u64 {
        const OVERHEAD: u64 = 512;
        match &ready.body {
            ReadyBody::Memory(bytes) => OVERHEAD + bytes.len() as u64,
            ReadyBody::File { .. } => OVERHEAD,
        }
    }
}

/// The objects at hand.
#[derive(Debug)]
pub(crate) struct AtHand {
    small: Cache<ObjectKey, Ready, ByBytes>,
    files: Cache<ObjectKey, Ready>,
    clock: WallClock,
}

impl AtHand {
    pub(crate) fn new(memory_bytes: u64, open_files: usize, clock: WallClock) -> Self {
        Self {
            small: Cache::with_weighter(4_096, memory_bytes, ByBytes),
            files: Cache::new(open_files.max(1)),
            clock,
        }
    }

    /// Returns what is kept of an object for a client.
    pub(crate) fn find(&self, key: &ObjectKey) -> Option<Ready> {
        self.peek(key).filter(Ready::claim)
    }

    /// Returns what is kept of an object for somebody who is no client.
    pub(crate) fn peek(&self, key: &ObjectKey) -> Option<Ready> {
        let ready = self.small.get(key).or_else(|| self.files.get(key))?;
        if ready.expires.is_some_and(|expires| expires <= self.clock.moment()) {
            self.forget(key);
            return None;
        }
        Some(ready)
    }

    pub(crate) fn keep(&self, key: &ObjectKey, ready: Ready) {
        match &ready.body {
            ReadyBody::Memory(_) => self.small.insert(key.clone(), ready),
            ReadyBody::File { .. } => self.files.insert(key.clone(), ready),
        }
    }

    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.small.remove(key);
        self.files.remove(key);
    }
}

/// Returns the strong entity tag for bytes with this SHA-256.
pub(crate) fn entity_tag(sha256: &[u8; 32]) -> Arc<str> {
    use std::fmt::Write;
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in &sha256[..16] {
        // Writing to a string can't fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag.into()
}
