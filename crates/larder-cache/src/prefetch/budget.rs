//! How much may be fetched ahead at a time, in all and at each upstream.

use std::{collections::HashMap, sync::Arc};

use super::PrefetchSettings;
use crate::flight::Flight;

/// What a zip is taken for whose length nobody has announced yet.
const UNKNOWN_ZIP: u64 = 512 << 10;

/// What is under way.
#[derive(Debug)]
pub(super) struct Budget {
    settings: PrefetchSettings,
    requests: usize,
    upstreams: HashMap<Arc<str>, usize>,
    zips: HashMap<u64, (Arc<str>, Arc<Flight>)>,
    next: u64,
}

/// Where one more zip may begin.
#[derive(Debug)]
pub(super) struct RoomForZips {
    all: bool,
    /// Upstreams that have enough of them on their way.
    full: HashMap<Arc<str>, u64>,
}

impl RoomForZips {
    /// Reports whether one more may begin at an upstream.
    pub(super) fn is_at(&self, upstream: &str) -> bool {
        self.all && !self.full.contains_key(upstream)
    }
}

/// A share of the budget, to be given back.
#[derive(Debug)]
pub(super) struct Share {
    upstream: Arc<str>,
    zip: Option<u64>,
}

impl Budget {
    pub(super) fn new(settings: PrefetchSettings) -> Self {
        Self { settings, requests: 0, upstreams: HashMap::new(), zips: HashMap::new(), next: 0 }
    }

    /// Reports whether one more may begin anywhere.
    pub(super) fn has_room(&self) -> bool {
        self.requests < self.settings.requests
    }

    /// Reports whether one more may begin at an upstream.
    pub(super) fn has_room_at(&self, upstream: &str) -> bool {
        self.upstreams.get(upstream).is_none_or(|count| *count < self.settings.upstream_requests)
    }

    /// Returns where one more zip may begin. What is on its way is never stopped half-way: a client may ask for it at any moment, and
    /// would then have to have it fetched a second time.
    pub(super) fn room_for_zips(&self) -> RoomForZips {
        let mut upstreams = HashMap::<Arc<str>, u64>::new();
        for (upstream, flight) in self.zips.values() {
            let size = match flight.size() {
                0 => UNKNOWN_ZIP,
                size => size,
            };
            *upstreams.entry(Arc::clone(upstream)).or_default() += size;
        }
        let all = upstreams.values().sum::<u64>() < self.settings.bytes;
        upstreams.retain(|_, bytes| *bytes >= self.settings.upstream_bytes);
        RoomForZips { all, full: upstreams }
    }

    /// Takes a share for a fetch that begins.
    pub(super) fn take(&mut self, upstream: Arc<str>, zip: Option<Arc<Flight>>) -> Share {
        self.requests += 1;
        *self.upstreams.entry(Arc::clone(&upstream)).or_default() += 1;
        let zip = zip.map(|flight| {
            self.next += 1;
            self.zips.insert(self.next, (Arc::clone(&upstream), flight));
            self.next
        });
        Share { upstream, zip }
    }

    /// Takes a share back.
    pub(super) fn give_back(&mut self, share: &Share) {
        self.requests -= 1;
        if let Some(count) = self.upstreams.get_mut(&share.upstream) {
            *count -= 1;
            if *count == 0 {
                self.upstreams.remove(&share.upstream);
            }
        }
        if let Some(zip) = share.zip {
            self.zips.remove(&zip);
        }
    }

    /// Returns how much is under way.
    pub(super) fn requests(&self) -> usize {
        self.requests
    }
}

#[cfg(test)]
mod tests {
    use larder_module::{request::ObjectKind, version::ModuleVersion};
    use larder_store::ObjectKey;

    use super::*;
    use crate::flight::Board;

    #[test]
    fn requests_are_limited_in_all_and_at_each_upstream_and_zips_by_their_bytes() {
        let mut budget = Budget::new(PrefetchSettings {
            requests: 3,
            upstream_requests: 2,
            bytes: 2 << 20,
            upstream_bytes: 1 << 20,
            ..PrefetchSettings::default()
        });
        let of = ModuleVersion::parse("example.com/a", "v1.0.0").expect("a module version");
        let (flight, _landing) = Board::default().join_ahead(&ObjectKey::new(of, ObjectKind::Zip));
        let first = budget.take("a".into(), Some(Arc::clone(&flight)));
        let second = budget.take("a".into(), None);
        assert!(!budget.has_room_at("a") && budget.has_room_at("b") && budget.has_room());
        assert!(budget.room_for_zips().is_at("a"), "its length isn't known yet");
        flight.note_size(1 << 20);
        let room = budget.room_for_zips();
        assert!(!room.is_at("a") && room.is_at("b"), "each upstream has a limit of its own");
        let third = budget.take("b".into(), Some(Arc::clone(&flight)));
        assert!(!budget.has_room());
        assert!(!budget.room_for_zips().is_at("c"), "and all have one");
        for share in [first, second, third] {
            budget.give_back(&share);
        }
        assert!(budget.has_room() && budget.has_room_at("a") && budget.room_for_zips().is_at("a"));
        assert_eq!(budget.requests(), 0);
    }
}
