//! What can go wrong while something is verified, by whose fault it is.

use larder_upstream::{FetchError, UpstreamName};

/// A step that failed. Cheap to clone for every waiter.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// A source did not answer, or not with what was asked for.
    Fetch(Box<FetchError>),
    /// The database positively does not know the version.
    Unknown(Box<FetchError>),
    /// A source answered with something that the signed tree does not bear out.
    Forged {
        /// Who sent it.
        by: UpstreamName,
        /// What is wrong with it.
        what: String,
    },
    /// Two heads with good signatures contradict each other; the evidence is recorded.
    Fork {
        /// Who sent the one that contradicts the kept one, if it was not the store.
        by: Option<UpstreamName>,
    },
    /// It is not in the store, and nobody was to be asked.
    NotHeld,
    /// The work broke down; a bug.
    Broken,
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        Self::Fetch(Box::new(error))
    }
}

impl Trouble {
    pub(super) fn forged(by: &UpstreamName, what: impl Into<String>) -> Self {
        Self::Forged { by: by.clone(), what: what.into() }
    }
}
