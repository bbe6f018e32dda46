//! The figures of fetching ahead: what was fetched, what of it was asked for afterwards, and so what was wasted.

use larder_module::request::ObjectKind;
use larder_store::Unused;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use crate::Metrics;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Labels {
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ResultLabels {
    kind: &'static str,
    result: &'static str,
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WishResult {
    /// It was fetched before anybody asked for it.
    Fetched,
    /// A client asked for it while it was being fetched.
    Joined,
    /// It was stored already.
    Held,
    /// It couldn't be had, or not now.
    Failed,
}

impl WishResult {
    fn label(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Joined => "joined",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

fn label(kind: ObjectKind) -> Labels {
    Labels { kind: kind.extension() }
}

/// The figures; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    wishes: Family<ResultLabels, Counter>,
    fetched: Family<Labels, Counter>,
    fetched_bytes: Family<Labels, Counter>,
    used: Family<Labels, Counter>,
    used_bytes: Family<Labels, Counter>,
    unused: Family<Labels, Gauge>,
    unused_bytes: Family<Labels, Gauge>,
    removed: Family<Labels, Counter>,
    removed_bytes: Family<Labels, Counter>,
    notes_lost: Counter,
    in_flight: Gauge,
    queued: Gauge,
    sessions: Gauge,
}

impl Counts {
    /// Makes the figures and puts them on the metrics page.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let counts = Self::default();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("prefetch");
            registry.register(
                "wishes",
                "What was to be fetched ahead, by what became of it",
                counts.wishes.clone(),
            );
            registry.register(
                "fetched",
                "Objects stored before anybody asked for them",
                counts.fetched.clone(),
            );
            registry.register("fetched_bytes", "Bytes of them", counts.fetched_bytes.clone());
            registry.register("used", "Objects of those that were asked for afterwards", counts.used.clone());
            registry.register("used_bytes", "Bytes of them", counts.used_bytes.clone());
            registry.register(
                "unused",
                "Objects in the store that nobody has asked for",
                counts.unused.clone(),
            );
            registry.register("unused_bytes", "Bytes of them", counts.unused_bytes.clone());
            registry.register("removed", "Objects removed that nobody had asked for", counts.removed.clone());
            registry.register("removed_bytes", "Bytes of them", counts.removed_bytes.clone());
            registry.register(
                "notes_lost",
                "Requests that led to nothing because too many came",
                counts.notes_lost.clone(),
            );
            registry.register("in_flight", "Fetches ahead under way", counts.in_flight.clone());
            registry.register(
                "sessions",
                "Runs of the go command that are followed",
                counts.sessions.clone(),
            );
            registry.register("queued", "Objects that wait to be fetched ahead", counts.queued.clone());
        });
        counts
    }

    /// Something was stored that nobody had asked for.
    pub(super) fn fetched(&self, kind: ObjectKind, bytes: u64) {
        self.fetched.get_or_create(&label(kind)).inc();
        self.fetched_bytes.get_or_create(&label(kind)).inc_by(bytes);
    }

    /// Somebody asked for it after all.
    pub(super) fn used(&self, kind: ObjectKind, bytes: u64) {
        self.used.get_or_create(&label(kind)).inc();
        self.used_bytes.get_or_create(&label(kind)).inc_by(bytes);
    }

    /// Nobody did, and it was removed.
    pub(super) fn removed(&self, kind: ObjectKind, bytes: u64) {
        self.removed.get_or_create(&label(kind)).inc();
        self.removed_bytes.get_or_create(&label(kind)).inc_by(bytes);
    }

    /// What lies in the store for nobody so far.
    pub(super) fn unused(&self, unused: &[Unused]) {
        for kind in [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip] {
            let sizes = unused.iter().filter(|unused| unused.key.kind() == kind).map(|unused| unused.size);
            let count = i64::try_from(sizes.clone().count()).unwrap_or(i64::MAX);
            self.unused.get_or_create(&label(kind)).set(count);
            self.unused_bytes
                .get_or_create(&label(kind))
                .set(i64::try_from(sizes.sum::<u64>()).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn note_lost(&self) {
        self.notes_lost.inc();
    }

    pub(super) fn wish(&self, kind: ObjectKind, result: WishResult) {
        self.wishes.get_or_create(&ResultLabels { kind: kind.extension(), result: result.label() }).inc();
    }

    pub(super) fn state(&self, in_flight: usize, queued: usize, sessions: usize) {
        self.sessions.set(i64::try_from(sessions).unwrap_or(i64::MAX));
        self.in_flight.set(i64::try_from(in_flight).unwrap_or(i64::MAX));
        self.queued.set(i64::try_from(queued).unwrap_or(i64::MAX));
    }
}
