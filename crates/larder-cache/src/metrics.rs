//! The engine's figures, for the metrics page.
//!
//! A private upstream's name is a private name: its figures are kept under the label `private`.

use std::{
    fmt::{self, Debug},
    sync::{Arc, OnceLock},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::{Content, Failure, Outcome, Served};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct UpstreamLabels {
    upstream: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct BreakerLabels {
    upstream: String,
    state: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct EventLabels {
    event: &'static str,
}

type Histograms = Family<UpstreamLabels, Histogram, fn() -> Histogram>;

/// The figures; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<std::sync::Mutex<Registry>>,
    requests: Family<RequestLabels, Counter>,
    /// The counters of hits, looked up once for each kind of content.
    hits: Arc<[OnceLock<Counter>; Content::KINDS]>,
    upstream_seconds: Histograms,
    upstream_bytes: Family<UpstreamLabels, Counter>,
    in_flight: Gauge,
    waiting: Gauge,
    breakers: Family<BreakerLabels, Gauge>,
    events: Family<EventLabels, Counter>,
}

/// Something rare that an operator wants counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// A body was refused because the checksum database says otherwise.
    ChecksumMismatch,
    /// A stored object was found damaged and moved aside.
    Quarantined,
    /// A verified object could not be stored.
    Unstored,
    /// A body that was being passed on had to be broken off.
    Aborted,
    /// A tag that a version was made from points elsewhere now.
    TagMoved,
}

impl Event {
    fn label(self) -> &'static str {
        match self {
            Self::ChecksumMismatch => "checksum-mismatch",
            Self::Quarantined => "quarantined",
            Self::Unstored => "unstored",
            Self::Aborted => "aborted",
            Self::TagMoved => "tag-moved",
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics")
    }
}

impl Metrics {
    /// Returns figures that all start at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("larder");
        let requests = Family::default();
        registry.register("requests", "Requests answered, by kind and outcome", requests.clone());
        let upstream_seconds: Histograms = Family::new_with_constructor(upstream_histogram);
        registry.register_with_unit(
            "upstream_fetch",
            "Time that fetches took at an upstream, whole bodies included",
            Unit::Seconds,
            upstream_seconds.clone(),
        );
        let upstream_bytes = Family::default();
        registry.register_with_unit(
            "upstream",
            "Bytes of bodies received",
            Unit::Bytes,
            upstream_bytes.clone(),
        );
        let in_flight = Gauge::default();
        registry.register("fetches_in_flight", "Fetches under way", in_flight.clone());
        let waiting = Gauge::default();
        registry.register("fetches_waiting", "Fetches that wait for a slot", waiting.clone());
        let breakers = Family::default();
        registry.register(
            "upstream_breaker",
            "1 for the state that each upstream's breaker is in",
            breakers.clone(),
        );
        let events = Family::default();
        registry.register("events", "Rare events that deserve a look", events.clone());
        Self {
            registry: Arc::new(std::sync::Mutex::new(registry)),
            requests,
            hits: Arc::new(std::array::from_fn(|_| OnceLock::new())),
            upstream_seconds,
            upstream_bytes,
            in_flight,
            waiting,
            breakers,
            events,
        }
    }

    /// Lets another part add its figures to the same page.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.lock());
    }

    /// Renders every figure as OpenMetrics text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = String::new();
        match encode(&mut page, &self.lock()) {
            Ok(()) => page,
            Err(_) => String::new(),
        }
    }

    pub(crate) fn answered(&self, kind: Content, result: Result<&Served, &Failure>) {
        let outcome = match result {
            Ok(served) => served.outcome.label(),
            Err(failure) => failure.reason.label(),
        };
        let labels = RequestLabels { kind: kind.label(), outcome };
        let hit = matches!(result, Ok(Served { outcome: Outcome::Hit { .. }, .. }));
        match self.hits.get(kind as usize).filter(|_| hit) {
            Some(counter) => counter.get_or_init(|| self.requests.get_or_create(&labels).clone()).inc(),
            None => self.requests.get_or_create(&labels).inc(),
        };
    }

    pub(crate) fn fetched(&self, upstream: String, elapsed: Duration, bytes: u64) {
        let labels = UpstreamLabels { upstream };
        self.upstream_seconds.get_or_create(&labels).observe(elapsed.as_secs_f64());
        self.upstream_bytes.get_or_create(&labels).inc_by(bytes);
    }

    /// Counts an event.
    pub fn event(&self, event: Event) {
        self.events.get_or_create(&EventLabels { event: event.label() }).inc();
    }

    pub(crate) fn in_flight(&self) -> &Gauge {
        &self.in_flight
    }

    pub(crate) fn waiting(&self) -> &Gauge {
        &self.waiting
    }

    pub(crate) fn breaker(&self, upstream: String, state: &'static str, all_states: &[&'static str]) {
        for candidate in all_states {
            let labels = BreakerLabels { upstream: upstream.clone(), state: candidate };
            self.breakers.get_or_create(&labels).set(i64::from(*candidate == state));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn upstream_histogram() -> Histogram {
    Histogram::new([0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 120.0])
}

/// Raises a gauge for as long as it lives.
#[derive(Debug)]
pub(crate) struct Raised(Gauge);

impl Raised {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.dec();
    }
}
