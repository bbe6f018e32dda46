//! Figures of the HTTP side. Labels are statuses and reasons only, never a module, so no private name can show.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use http::StatusCode;
use larder_cache::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;

use crate::connection::CutReason;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CodeLabel {
    code: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CutLabel {
    reason: &'static str,
}

/// The statuses that this server sends; their counters are looked up once.
const CODES: [u16; 19] =
    [200, 206, 304, 400, 403, 404, 405, 412, 416, 421, 429, 431, 500, 501, 502, 503, 504, 507, 508];

/// Counters that requests raise.
pub(crate) struct HttpMetrics {
    codes: [Counter; CODES.len()],
    other: Counter,
    bytes: Counter,
    connections: Gauge<i64, AtomicI64>,
    cut: Family<CutLabel, Counter>,
    pieces: Gauge<i64, AtomicI64>,
}

impl HttpMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Arc<Self> {
        let family: Family<CodeLabel, Counter<u64, AtomicU64>> = Family::default();
        let counter = |code: u16| family.get_or_create(&CodeLabel { code }).clone();
        let this = Self {
            codes: CODES.map(counter),
            other: counter(0),
            bytes: Counter::default(),
            connections: Gauge::default(),
            cut: Family::default(),
            pieces: Gauge::default(),
        };
        metrics.register(|registry| {
            registry.register("http_responses", "Responses sent, by status", family.clone());
            registry.register_with_unit("http_sent", "Bytes of bodies sent", Unit::Bytes, this.bytes.clone());
            registry.register("http_connections", "Open client connections", this.connections.clone());
            registry.register(
                "http_connections_cut",
                "Connections that Larder cut, by reason",
                this.cut.clone(),
            );
            registry.register_with_unit(
                "http_pieces",
                "Memory of body pieces on their way to clients",
                Unit::Bytes,
                this.pieces.clone(),
            );
        });
        Arc::new(this)
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        let code = status.as_u16();
        match CODES.iter().position(|&known| known == code) {
            Some(index) => self.codes[index].inc(),
            None => self.other.inc(),
        };
    }

    pub(crate) fn sent(&self, bytes: u64) {
        if bytes > 0 {
            self.bytes.inc_by(bytes);
        }
    }

    pub(crate) fn state(&self, connections: usize, pieces: usize) {
        self.connections.set(i64::try_from(connections).unwrap_or(i64::MAX));
        self.pieces.set(i64::try_from(pieces).unwrap_or(i64::MAX));
    }

    pub(crate) fn cut(&self, reason: CutReason, count: usize) {
        let reason = match reason {
            CutReason::HeadTooSlow => "head-too-slow",
            CutReason::IdleTooLong => "idle-too-long",
            CutReason::ReaderTooSlow => "reader-too-slow",
        };
        self.cut.get_or_create(&CutLabel { reason }).inc_by(count as u64);
    }

    pub(crate) fn made_room(&self, count: usize) {
        self.cut.get_or_create(&CutLabel { reason: "made-room" }).inc_by(count as u64);
    }
}
