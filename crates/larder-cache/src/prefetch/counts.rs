//! The figures of fetching ahead: what was fetched, what of it was asked for afterwards, and so what was wasted.

use larder_module::request::ObjectKind;
use larder_store::Unused;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Metric, Registry},
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

/// How many objects, and how many bytes they have.
#[derive(Clone, Debug, Default)]
struct Weighed<M> {
    objects: Family<Labels, M>,
    bytes: Family<Labels, M>,
}

impl<M> Weighed<M>
where
    Family<Labels, M>: Metric + Clone,
{
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.objects.clone());
        registry.register(format!("{name}_bytes"), "Bytes of them", self.bytes.clone());
    }
}

impl Weighed<Counter> {
    fn add(&self, kind: ObjectKind, bytes: u64) {
        let labels = Labels { kind: kind.extension() };
        self.objects.get_or_create(&labels).inc();
        self.bytes.get_or_create(&labels).inc_by(bytes);
    }
}

impl Weighed<Gauge> {
    fn set(&self, kind: ObjectKind, objects: usize, bytes: u64) {
        let labels = Labels { kind: kind.extension() };
        self.objects.get_or_create(&labels).set(i64::try_from(objects).unwrap_or(i64::MAX));
        self.bytes.get_or_create(&labels).set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// The figures; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    wishes: Family<ResultLabels, Counter>,
    fetched: Weighed<Counter>,
    used: Weighed<Counter>,
    unused: Weighed<Gauge>,
    removed: Weighed<Counter>,
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
            counts.fetched.register(registry, "fetched", "Objects stored before anybody asked for them");
            counts.used.register(registry, "used", "Objects of those that were asked for afterwards");
            counts.unused.register(registry, "unused", "Objects in the store that nobody has asked for");
            counts.removed.register(registry, "removed", "Objects removed that nobody had asked for");
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
        self.fetched.add(kind, bytes);
    }

    /// Somebody asked for it after all.
    pub(super) fn used(&self, kind: ObjectKind, bytes: u64) {
        self.used.add(kind, bytes);
    }

    /// Nobody did, and it was removed.
    pub(super) fn removed(&self, kind: ObjectKind, bytes: u64) {
        self.removed.add(kind, bytes);
    }

    /// What lies in the store for nobody so far.
    pub(super) fn unused(&self, unused: &[Unused]) {
        for kind in [ObjectKind::Info, ObjectKind::Mod, ObjectKind::Zip] {
            let sizes = unused.iter().filter(|unused| unused.key.kind() == kind).map(|unused| unused.size);
            self.unused.set(kind, sizes.clone().count(), sizes.sum());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_objects_and_bytes_stand_on_the_page() {
        let metrics = Metrics::new();
        let counts = Counts::new(&metrics);
        counts.fetched(ObjectKind::Mod, 10);
        counts.fetched(ObjectKind::Zip, 500);
        counts.used(ObjectKind::Mod, 10);
        counts.removed(ObjectKind::Zip, 500);
        counts.unused(&[]);
        let page = metrics.render();
        let lines: Vec<&str> = page.lines().filter(|line| line.contains("larder_prefetch_")).collect();
        for wanted in [
            "# HELP larder_prefetch_fetched Objects stored before anybody asked for them.",
            "# TYPE larder_prefetch_fetched counter",
            "larder_prefetch_fetched_total{kind=\"mod\"} 1",
            "# HELP larder_prefetch_fetched_bytes Bytes of them.",
            "larder_prefetch_fetched_bytes_total{kind=\"zip\"} 500",
            "# HELP larder_prefetch_used Objects of those that were asked for afterwards.",
            "larder_prefetch_used_bytes_total{kind=\"mod\"} 10",
            "# HELP larder_prefetch_unused Objects in the store that nobody has asked for.",
            "# TYPE larder_prefetch_unused_bytes gauge",
            "larder_prefetch_unused{kind=\"info\"} 0",
            "# HELP larder_prefetch_removed Objects removed that nobody had asked for.",
            "larder_prefetch_removed_bytes_total{kind=\"zip\"} 500",
        ] {
            assert!(lines.contains(&wanted), "{wanted} is missing of\n{}", lines.join("\n"));
        }
    }
}
