//! What stands behind `direct`: version control, asked inside this process like any other upstream.
//!
//! The chain, the engine and the store treat it as they treat a proxy. Who asks repositories, and how, is not known here.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use larder_module::ModuleVersion;

use crate::error::FetchCause;
use crate::upstream::Deadline;
use crate::wanted::Wanted;

/// An answer that is being worked out.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send + 'a>>;

/// Answers what a module proxy would answer, from repositories.
pub trait VersionControl: fmt::Debug + Send + Sync {
    /// Returns a list, an `.info`, a query's `.info` or a `.mod`, as a proxy would send it.
    ///
    /// Work that outlives the deadline goes on for the next one who asks.
    fn small<'a>(
        &'a self,
        wanted: &'a Wanted,
        errand: DirectErrand,
        deadline: Deadline,
    ) -> Answering<'a, Bytes>;

    /// Returns a module zip as a file that nobody else can see, positioned at its start, with its length.
    fn zip<'a>(&'a self, of: &'a ModuleVersion, errand: DirectErrand) -> Answering<'a, (File, u64)>;
}

/// What a question to version control stands for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DirectErrand {
    /// The module belongs to a private route: its name may reach its own hosts only.
    pub private: bool,
}

/// Why version control gave nothing.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The cause.
    pub cause: FetchCause,
    /// What the forge or git said, cleaned: at most a few lines, printable, without secrets.
    pub said: Option<String>,
}

/// Why version control has nothing to give, told by its own kind of upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirectFault {
    /// What sort of failure it is; everything that follows is decided by it.
    pub kind: DirectFaultKind,
    /// One line for people, without secrets: which repository or host, and what happened.
    pub text: Box<str>,
}

/// The sorts of failure of version control.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DirectFaultKind {
    /// The repository, revision or file positively doesn't exist.
    Absent,
    /// Go's rules say that there can be no such version: a pseudo-version that doesn't match its commit, a go.mod without
    /// module line, a wrong major version. As final as absence.
    Invalid,
    /// The forge wants a login and Larder has none for it, or it hides whether the repository exists from strangers.
    LoginNeeded,
    /// The forge refuses the credentials that Larder has.
    CredentialsRefused,
    /// Not asked, by a rule: another version control system, `GOVCS`, an address that isn't listed, a hostile name.
    Refused,
    /// The host can't be reached, its key or certificate isn't trusted, or it broke off.
    Unreachable,
    /// It took longer than it may.
    TimedOut,
    /// Too many runs of git are waiting.
    Saturated,
    /// The disk, or the part of it that mirrors may take, is full.
    StorageFull,
    /// What came can't be used, or git failed in a way that isn't the forge's: it is missing, it died.
    Broken,
}
