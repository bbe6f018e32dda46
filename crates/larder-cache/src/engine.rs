//! The engine's outside: one method per kind of request.

use std::{sync::Arc, time::Duration};

use larder_module::{
    path::ModulePath,
    request::{ChecksumRequest, ObjectKind},
    version::{ModuleVersion, Query},
};
use larder_store::Store;
use larder_upstream::{Routes, Upstreams};

use crate::{Access, ChecksumDatabases, Failure, Metrics, Served, WallClock};

/// What may be set about the engine.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// How long an answer counts as fresh: 0 to 1 h.
    pub answer_freshness: Duration,
    /// How long past its freshness an answer is served at once while it is asked again; older ones wait for the upstream.
    pub answer_grace: Duration,
    /// How long a positive "no such thing" counts as fresh.
    pub absence_freshness: Duration,
    /// How long a client waits for a status.
    pub status_budget: Duration,
    /// How many bytes of small objects are kept in memory.
    pub memory_bytes: u64,
    /// How many files are kept open for readers to share.
    pub open_files: usize,
    /// How many fetches may be under way.
    pub fetches: usize,
    /// How many fetches may wait for a slot.
    pub fetch_queue: usize,
    /// Wall time.
    pub clock: WallClock,
}

impl EngineSettings {
    /// Returns the defaults.
    #[must_use]
    pub fn new(clock: WallClock) -> Self {
        Self {
            answer_freshness: Duration::from_secs(60),
            answer_grace: Duration::from_secs(600),
            absence_freshness: Duration::from_secs(60),
            status_budget: Duration::from_secs(34),
            memory_bytes: 64 << 20,
            open_files: 512,
            fetches: 128,
            fetch_queue: 4_096,
            clock,
        }
    }
}

/// The engine: looks up, else fetches once for all who wait, verifies, stores, streams.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// Starts an engine; without checksum databases nothing but the toolchain's absence of one is refused.
    pub fn new(
        settings: EngineSettings,
        store: Store,
        upstreams: Upstreams,
        routes: Routes,
        databases: Option<ChecksumDatabases>,
        metrics: Metrics,
    ) -> Arc<Self> {
        todo!()
    }

    /// Returns one file of a version.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn object(self: &Arc<Self>, of: &ModuleVersion, kind: ObjectKind, access: &Access) -> Result<Served, Failure> {
        todo!()
    }

    /// Returns the version list of a module: valid versions, sorted, no pseudo-versions.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn list(self: &Arc<Self>, module: &ModulePath, access: &Access) -> Result<Served, Failure> {
        todo!()
    }

    /// Returns the `.info` of a module's latest version.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn latest(self: &Arc<Self>, module: &ModulePath, access: &Access) -> Result<Served, Failure> {
        todo!()
    }

    /// Returns the `.info` of what a branch, commit or version prefix stands for.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn query(self: &Arc<Self>, module: &ModulePath, query: &Query, access: &Access) -> Result<Served, Failure> {
        todo!()
    }

    /// Answers for a checksum database out of the verified copy.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn checksum(self: &Arc<Self>, database: &str, request: &ChecksumRequest, access: &Access) -> Result<Served, Failure> {
        todo!()
    }

    /// Forgets every kept absence and cause about a module, and makes its answers be asked again.
    pub async fn purge(self: &Arc<Self>, module: &ModulePath) {
        todo!()
    }

    /// Replaces the routes; requests under way keep the old ones.
    pub fn set_routes(&self, routes: Routes) {
        todo!()
    }

    /// Renders all figures as OpenMetrics text.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        todo!()
    }

    /// Returns the store, for readiness and the commands beside serving.
    #[must_use]
    pub fn store(&self) -> &Store {
        todo!()
    }

    /// Stops taking new fetches and waits until what was verified is stored, at most `limit`.
    pub async fn shutdown(&self, limit: Duration) {
        todo!()
    }
}
