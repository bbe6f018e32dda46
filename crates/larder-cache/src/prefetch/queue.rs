//! What is wished for and hasn't begun: each client in its turn, and each client's sooner wishes first.
//!
//! A client with a thousand wishes doesn't keep one with ten waiting, and an upstream that is at its limit keeps nobody from another.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap, hash_map::Entry},
    sync::Arc,
};

use larder_module::request::ObjectKind;
use larder_store::ObjectKey;

use super::{budget::Budget, predict::SessionKey};

/// A wish that waits.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) key: ObjectKey,
    /// What it says is wanted too.
    pub(super) facts: bool,
    pub(super) rank: u32,
    pub(super) session: SessionKey,
    pub(super) upstream: Arc<str>,
    number: u64,
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.rank, self.number).cmp(&(other.rank, other.number))
    }
}

/// More wishes than this don't wait: they are dropped.
const MOST: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: HashMap<(SessionKey, Arc<str>, bool), BinaryHeap<Reverse<Item>>>,
    /// What waits in some line, and whether what it says is wanted too; whatever isn't here was taken out.
    waiting: HashMap<ObjectKey, bool>,
    /// How much is under way on behalf of each client.
    under_way: HashMap<SessionKey, usize>,
    next: u64,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a wish; reports whether there was room, and nobody had wished for it before.
    pub(super) fn push(
        &mut self,
        key: ObjectKey,
        facts: bool,
        rank: u32,
        session: SessionKey,
        upstream: Arc<str>,
    ) -> bool {
        let is_full = self.waiting.len() >= MOST;
        match self.waiting.entry(key.clone()) {
            Entry::Occupied(mut place) => {
                *place.get_mut() |= facts;
                return false;
            }
            Entry::Vacant(_) if is_full => return false,
            Entry::Vacant(place) => {
                place.insert(facts);
            }
        }
        self.next += 1;
        let line = (session, Arc::clone(&upstream), key.kind() == ObjectKind::Zip);
        let item = Item { key, facts, rank, session, upstream, number: self.next };
        self.lines.entry(line).or_default().push(Reverse(item));
        true
    }

    /// Takes out a wish, wherever it waits; tells whether what it says was wanted too, if it was there.
    pub(super) fn take_out(&mut self, key: &ObjectKey) -> Option<bool> {
        self.waiting.remove(key)
    }

    /// Takes the next wish for which there is room, and counts it as under way.
    pub(super) fn pop(&mut self, budget: &Budget) -> Option<Item> {
        if !budget.has_room() {
            return None;
        }
        let zips = budget.room_for_zips();
        let Self { lines, waiting, under_way, .. } = self;
        lines.retain(|_, line| {
            while line.peek().is_some_and(|Reverse(item)| !waiting.contains_key(&item.key)) {
                line.pop();
            }
            !line.is_empty()
        });
        let load = |session: &SessionKey| under_way.get(session).copied().unwrap_or_default();
        let next = lines
            .iter()
            .filter(|((_, upstream, is_zip), _)| {
                budget.has_room_at(upstream) && (!is_zip || zips.is_at(upstream))
            })
            .filter_map(|(line, items)| {
                let Reverse(item) = items.peek()?;
                Some(((load(&line.0), item.rank, item.number), line.clone()))
            })
            .min_by_key(|(order, _)| *order)?
            .1;
        let Reverse(mut item) = self.lines.get_mut(&next)?.pop()?;
        item.facts = self.waiting.remove(&item.key)?;
        *self.under_way.entry(item.session).or_default() += 1;
        Some(item)
    }

    /// Counts a wish of a client as done.
    pub(super) fn done(&mut self, session: &SessionKey) {
        if let Some(count) = self.under_way.get_mut(session) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(session);
            }
        }
    }

    /// Drops the wishes of clients that are gone.
    pub(super) fn retain(&mut self, is_there: impl Fn(&SessionKey) -> bool) {
        let waiting = &mut self.waiting;
        self.lines.retain(|(session, ..), line| {
            let stays = is_there(session);
            if !stays {
                for Reverse(item) in line.drain() {
                    waiting.remove(&item.key);
                }
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use larder_module::version::ModuleVersion;

    use super::*;
    use crate::prefetch::PrefetchSettings;

    fn session(connection: u64) -> SessionKey {
        SessionKey { connection, client: IpAddr::V4(Ipv4Addr::LOCALHOST), private_ok: true }
    }

    fn key(path: &str, kind: ObjectKind) -> ObjectKey {
        ObjectKey::new(ModuleVersion::parse(path, "v1.0.0").expect("a module version"), kind)
    }

    fn budget(requests: usize, upstream_requests: usize, bytes: u64) -> Budget {
        Budget::new(PrefetchSettings { requests, upstream_requests, bytes, ..PrefetchSettings::default() })
    }

    #[test]
    fn clients_take_turns_and_each_has_its_sooner_wishes_first() {
        let mut queue = Queue::default();
        let budget = budget(100, 100, 1 << 30);
        for number in 0..10 {
            let path = format!("example.com/busy{number}");
            assert!(queue.push(key(&path, ObjectKind::Mod), true, 10 - number, session(1), "a".into()));
        }
        assert!(queue.push(key("example.com/quiet", ObjectKind::Mod), true, 99, session(2), "a".into()));
        assert!(
            !queue.push(key("example.com/quiet", ObjectKind::Mod), true, 1, session(3), "a".into()),
            "once"
        );
        let mut next = || queue.pop(&budget).expect("a wish").key.of().module().to_string();
        assert_eq!(next(), "example.com/busy9");
        assert_eq!(next(), "example.com/quiet", "the other one's turn");
        assert_eq!(next(), "example.com/busy8");
    }

    #[test]
    fn an_upstream_at_its_limit_and_zips_without_room_keep_nobody_waiting() {
        let mut queue = Queue::default();
        let mut full = budget(100, 1, 0);
        full.take("a".into(), None);
        queue.push(key("example.com/a", ObjectKind::Mod), true, 0, session(1), "a".into());
        queue.push(key("example.com/b", ObjectKind::Zip), true, 1, session(1), "b".into());
        queue.push(key("example.com/b", ObjectKind::Mod), true, 2, session(1), "b".into());
        assert_eq!(queue.pop(&full).expect("a wish").key, key("example.com/b", ObjectKind::Mod));
        assert!(queue.pop(&full).is_none());
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn what_was_taken_out_or_whose_client_is_gone_never_begins() {
        let mut queue = Queue::default();
        let budget = budget(100, 100, 1 << 30);
        let asked = key("example.com/asked", ObjectKind::Mod);
        queue.push(asked.clone(), true, 0, session(1), "a".into());
        queue.push(key("example.com/gone", ObjectKind::Mod), true, 0, session(2), "a".into());
        assert_eq!((queue.take_out(&asked), queue.take_out(&asked)), (Some(true), None));
        queue.retain(|key| *key != session(2));
        assert!(queue.pop(&budget).is_none());
        assert_eq!(queue.len(), 0);
        assert!(queue.push(asked, true, 0, session(1), "a".into()), "it may be wished for again");
    }
}
