//! Why a question to version control failed.

use larder_upstream::{DirectFault, DirectFaultKind, FetchCause, Refusal};

/// One failure: what sort, one line for people, and what the forge or git said.
///
/// Neither text may hold a secret; whoever builds one has cleaned it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct DirectError {
    /// What sort of failure it is.
    pub kind: DirectFaultKind,
    /// One line: which repository or host, and what happened.
    pub text: String,
    /// What the forge or git said, cleaned.
    pub said: Option<String>,
}

impl DirectError {
    /// Builds a failure without a quotation.
    pub fn new(kind: DirectFaultKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), said: None }
    }

    /// Adds what the forge or git said; it must be clean.
    #[must_use]
    pub fn said(mut self, text: impl Into<String>) -> Self {
        self.said = Some(text.into());
        self
    }

    /// Reports whether there is positively no such thing, or can't be by Go's rules.
    pub fn is_absence(&self) -> bool {
        matches!(self.kind, DirectFaultKind::Absent | DirectFaultKind::Invalid)
    }

    /// Reports whether the answer could be another one in a moment, with nobody changing anything.
    pub fn is_outage(&self) -> bool {
        match self.kind {
            DirectFaultKind::Unreachable
            | DirectFaultKind::TimedOut
            | DirectFaultKind::Saturated
            | DirectFaultKind::Broken => true,
            DirectFaultKind::Absent
            | DirectFaultKind::Invalid
            | DirectFaultKind::LoginNeeded
            | DirectFaultKind::CredentialsRefused
            | DirectFaultKind::Refused
            | DirectFaultKind::StorageFull => false,
        }
    }
}

impl From<DirectError> for Refusal {
    fn from(error: DirectError) -> Self {
        let fault = DirectFault { kind: error.kind, text: error.text.into() };
        Self { cause: FetchCause::Direct(fault), said: error.said }
    }
}
