//! The figures of fetching ahead: what was fetched, what of it was asked for afterwards, and so what was wasted.

use larder_module::request::ObjectKind;
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

/// The figures; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    wishes: Family<ResultLabels, Counter>,
    fetched_bytes: Family<Labels, Counter>,
    used: Family<Labels, Counter>,
    used_bytes: Family<Labels, Counter>,
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
                "fetched_bytes",
                "Bytes fetched before anybody asked for them",
                counts.fetched_bytes.clone(),
            );
            registry.register(
                "used",
                "Objects fetched ahead that were asked for afterwards",
                counts.used.clone(),
            );
            registry.register("used_bytes", "Bytes of them", counts.used_bytes.clone());
            registry.register(
                "removed",
                "Objects fetched ahead and removed without ever having been asked for",
                counts.removed.clone(),
            );
            registry.register("removed_bytes", "Bytes of them", counts.removed_bytes.clone());
            registry.register(
                "notes_lost",
                "Requests that caused no fetch ahead because too many came at once",
                counts.notes_lost.clone(),
            );
            registry.register("in_flight", "Fetches ahead under way", counts.in_flight.clone());
            registry.register(
                "sessions",
                "Runs of the go command that are followed",
                counts.sessions.clone(),
            );
            registry.register("queued", "Objects waiting to be fetched ahead", counts.queued.clone());
        });
        counts
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
