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
    /// A forge told a stranger that there is no such repository: hidden ones are told of in the same words.
    pub(crate) hidden: bool,
}

impl DirectError {
    /// Builds a failure without a quotation.
    pub fn new(kind: DirectFaultKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), said: None, hidden: false }
    }

    /// Marks it as what a stranger was told about a repository that may be hidden.
    pub(crate) fn hidden(self) -> Self {
        Self { kind: DirectFaultKind::LoginNeeded, hidden: true, ..self }
    }

    /// Returns what it means to whoever asked about a module that isn't private: nobody hides that one, so it doesn't exist.
    #[must_use]
    pub fn in_public(self) -> Self {
        let kind = if self.hidden { DirectFaultKind::Absent } else { self.kind };
        Self { kind, ..self }
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
