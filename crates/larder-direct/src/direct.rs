//! From a question of the module proxy protocol to a repository's answer.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use larder_module::ModuleVersion;
use larder_upstream::{Answering, Deadline, DirectErrand, VersionControl, Wanted};

use crate::discover::Discovery;
use crate::git::Mirrors;
use crate::settings::DirectSettings;

/// Version control as an upstream. One per process.
#[derive(Debug)]
pub struct Direct {
    discovery: Discovery,
    mirrors: Arc<Mirrors>,
}

impl Direct {
    /// Builds the upstream. Nothing is run or created before the first question.
    ///
    /// # Errors
    ///
    /// Fails when what fetches go-import pages can't be set up.
    pub fn new(settings: DirectSettings) -> Result<Self, crate::DirectError> {
        let settings = Arc::new(settings);
        Ok(Self { discovery: Discovery::new(Arc::clone(&settings))?, mirrors: Mirrors::new(settings) })
    }
}

impl VersionControl for Direct {
    fn small<'a>(
        &'a self,
        wanted: &'a Wanted,
        errand: DirectErrand,
        deadline: Deadline,
    ) -> Answering<'a, Bytes> {
        let _ = (wanted, errand, deadline, &self.discovery, &self.mirrors);
        todo!("put together by the code part")
    }

    fn zip<'a>(&'a self, of: &'a ModuleVersion, errand: DirectErrand) -> Answering<'a, (File, u64)> {
        let _ = (of, errand);
        todo!("put together by the code part")
    }
}
