//! What was noted a moment ago, so that a client that asks for the same thing again and again costs no second note.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::atomic::{AtomicU64, Ordering},
};

use larder_module::{request::ObjectKind, version::ModuleVersion};

use super::predict::SessionKey;

/// A table that forgets: each place holds the digest of what was noted there last.
#[derive(Debug)]
pub(super) struct Seen {
    hasher: RandomState,
    places: Box<[AtomicU64]>,
}

const PLACES: usize = 1 << 13;

impl Seen {
    pub(super) fn new() -> Self {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { hasher: RandomState::new(), places }
    }

    /// Reports whether this was not noted just now, and takes note of it.
    pub(super) fn is_new(&self, session: &SessionKey, of: &ModuleVersion, kind: ObjectKind) -> bool {
        let digest = self.hasher.hash_one((session, of, kind));
        let place = usize::try_from(digest % PLACES as u64).unwrap_or_default();
        // Read before it is written: the place of what is asked for most stays in every core's cache.
        self.places.get(place).is_none_or(|place| {
            place.load(Ordering::Relaxed) != digest && {
                place.store(digest, Ordering::Relaxed);
                true
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn the_same_is_new_once_for_each_connection() {
        let seen = Seen::new();
        let of = ModuleVersion::parse("example.com/a", "v1.0.0").expect("a module version");
        let session =
            |connection| SessionKey { connection, client: IpAddr::V4(Ipv4Addr::LOCALHOST), private_ok: true };
        assert!(seen.is_new(&session(1), &of, ObjectKind::Mod));
        assert!(!seen.is_new(&session(1), &of, ObjectKind::Mod));
        assert!(seen.is_new(&session(1), &of, ObjectKind::Zip));
        assert!(seen.is_new(&session(2), &of, ObjectKind::Mod));
    }
}
