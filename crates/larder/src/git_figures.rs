//! How much git runs, for the metrics page. No label names a repository, so no private name can show.

use std::fmt;
use std::sync::Arc;

use larder_direct::Direct;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Reads the figures when the page is asked for.
pub(crate) struct GitFigures(Arc<Direct>);

impl GitFigures {
    pub(crate) fn new(direct: Arc<Direct>) -> Self {
        Self(direct)
    }
}

impl fmt::Debug for GitFigures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GitFigures")
    }
}

impl Collector for GitFigures {
    fn encode(&self, mut page: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let runs = self.0.run_counts();
        let mut gauge = |name: &str, help: &str, unit: Option<&Unit>, value: u64| {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(page.encode_descriptor(name, help, unit, gauge.metric_type())?)
        };
        gauge("git_running", "Runs of git under way", None, runs.running)?;
        gauge("git_waiting", "Runs of git that wait for their turn", None, runs.waiting)?;
        let disk = self.0.disk_use();
        gauge("git_mirrors", "Mirrors of repositories", None, disk.mirrors)?;
        gauge("git_disk", "What the mirrors take on disk", Some(&Unit::Bytes), disk.bytes)?;
        let mut counter = |name: &str, help: &str, unit: Option<&Unit>, value: u64| {
            let counter = ConstCounter::new(value);
            counter.encode(page.encode_descriptor(name, help, unit, counter.metric_type())?)
        };
        counter("git_runs", "Runs of git so far", None, runs.started)?;
        counter(
            "git_runs_failed",
            "Runs of git that ended badly, those that Larder ended included",
            None,
            runs.failed,
        )?;
        counter("git_runs_killed", "Runs of git that Larder ended: too long, too much", None, runs.killed)?;
        counter("git_output", "What git wrote to Larder", Some(&Unit::Bytes), runs.bytes)
    }
}
