//! The checksum database service. Agreed surface only; its bodies arrive with the verifier.

use larder_module::{dirhash::H1, request::ChecksumRequest, version::ModuleVersion};
use larder_upstream::{Chain, Deadline};

use crate::{Failure, Served};

/// Which hash of a version is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// The hash of the zip.
    Zip,
    /// The hash of the go.mod.
    Mod,
}

/// What a check found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The database has the very same hash.
    Match,
    /// The module is not to be looked up (`GONOSUMDB`, `GOSUMDB=off`).
    NotApplicable,
}

/// Why a hash could not be confirmed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ChecksumFailure {
    /// The database has another hash.
    #[error("{database} says {expected}, the upstream sent {got}")]
    Mismatch {
        /// The database's name.
        database: String,
        /// Its hash.
        expected: H1,
        /// The hash of what came.
        got: H1,
    },
    /// The database positively doesn't know the version.
    #[error("{database} does not know it: {said}")]
    Unknown {
        /// The database's name.
        database: String,
        /// What it said.
        said: String,
    },
    /// The database can't be asked.
    #[error("the checksum database can't be asked")]
    Unavailable {
        /// Each attempt, in order.
        causes: Vec<String>,
    },
    /// The database contradicts itself or its key.
    #[error("{detail}")]
    Security {
        /// The database's name.
        database: String,
        /// What is wrong.
        detail: String,
    },
}

/// Every checksum database that is known here.
#[derive(Debug)]
pub struct ChecksumDatabases {}

impl ChecksumDatabases {
    /// Confirms a hash.
    ///
    /// # Errors
    ///
    /// Fails when the hash is wrong, unknown, or can't be confirmed.
    pub async fn verify(&self, _of: &ModuleVersion, _what: What, _hash: &H1, _chain: &Chain, _deadline: Deadline) -> Result<Verdict, ChecksumFailure> {
        todo!()
    }

    /// Answers a client out of the verified copy.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn serve(&self, _database: &str, _request: &ChecksumRequest, _chain: &Chain, _cached_only: bool) -> Result<Served, Failure> {
        todo!()
    }
}
