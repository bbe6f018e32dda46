//! The usual stage: a fake upstream that carries a fake checksum database, and a Larder in front of them.

use std::path::Path;

use crate::module::BuiltModule;
use crate::sumdb::FakeSumdb;
use crate::{FakeUpstream, GoCommand, Larder, ModuleBuilder, RunningUpstream};

/// A fake world, and how to start Larder in it.
pub struct Scenario {
    /// The only upstream.
    pub upstream: RunningUpstream,
    /// The database that knows everything the upstream has.
    pub sumdb: FakeSumdb,
    /// Larder, configured by the variables that the go command would obey.
    pub larder: Larder,
}

impl Scenario {
    /// Starts the upstream and prepares the Larder.
    pub fn new(binary: impl AsRef<Path>, upstream: FakeUpstream) -> Self {
        let sumdb = FakeSumdb::new("sum.example.com", 1);
        let upstream = upstream.sumdb(&sumdb).start_blocking();
        let larder = Larder::new(binary)
            .upstream(upstream.url())
            .env("GOSUMDB", format!("{} {}/sumdb/{}", sumdb.verifier_key(), upstream.url(), sumdb.name()));
        Self { upstream, sumdb, larder }
    }

    /// Adds a version to the upstream and the database while they run.
    pub fn add(&self, module: &ModuleBuilder) -> BuiltModule {
        let built = self.upstream.add(module);
        self.sumdb.record(&built.path, &built.version, &built.h1, &built.mod_h1);
        built
    }

    /// Points a go command at a proxy, with verification on.
    pub fn client(&self, go: GoCommand, goproxy: &str) -> GoCommand {
        // No URL: the client must find the database through its proxy.
        go.proxy(goproxy).env("GOSUMDB", self.sumdb.verifier_key()).fresh_module_cache()
    }
}
