//! A positive reply, described so that the HTTP layer needs to know nothing else.

use std::{
    fs::File,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use larder_upstream::UpstreamName;

use crate::growing::GrowingReader;

/// A reply with a body.
#[derive(Debug)]
pub struct Served {
    /// The bytes.
    pub body: Body,
    /// What the bytes are; decides content type and lifetime.
    pub content: Content,
    /// A strong entity tag with its quotes; absent while the body is still arriving.
    pub etag: Option<Arc<str>>,
    /// When the stored file was written.
    pub modified: Option<SystemTime>,
    /// Where the bytes came from, for `Cache-Status`, the log and metrics.
    pub outcome: Outcome,
    /// The module belongs to a private route: shared caches must not keep the reply.
    pub private: bool,
}

/// The bytes of a reply.
#[derive(Debug)]
pub enum Body {
    /// Small and ready.
    Memory(Bytes),
    /// An open, verified, whole file, shared by all who read the object.
    File {
        /// The file, to be read by offset only.
        file: Arc<File>,
        /// Its length in bytes.
        len: u64,
    },
    /// A body that is still arriving.
    Growing(GrowingReader),
}

impl Body {
    /// Returns the length of the body where it is known.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        match self {
            Self::Memory(bytes) => Some(bytes.len() as u64),
            Self::File { len, .. } => Some(*len),
            Self::Growing(reader) => reader.len(),
        }
    }

    /// Reports whether the body is known to be empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

/// What a reply's bytes are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Content {
    /// The `.info` of a canonical version: never changes.
    Info,
    /// A `.mod`: never changes.
    Mod,
    /// A `.zip`: never changes.
    Zip,
    /// A version list: mutable.
    List,
    /// The `@latest` answer: mutable.
    Latest,
    /// The `.info` of a query: mutable.
    Query,
    /// `/sumdb/<name>/supported`: empty, local.
    ChecksumSupported,
    /// The newest verified tree head: mutable.
    ChecksumLatest,
    /// A checksum record under a verified head: the record never changes, the head does.
    ChecksumLookup,
    /// A tile: never changes.
    ChecksumTile,
}

impl Content {
    /// How many there are.
    pub(crate) const KINDS: usize = Self::ChecksumTile as usize + 1;

    /// Returns the word for logs and metric labels.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Mod => "mod",
            Self::Zip => "zip",
            Self::List => "list",
            Self::Latest => "latest",
            Self::Query => "query",
            Self::ChecksumSupported => "sumdb-supported",
            Self::ChecksumLatest => "sumdb-latest",
            Self::ChecksumLookup => "sumdb-lookup",
            Self::ChecksumTile => "sumdb-tile",
        }
    }
}

/// Where a reply came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Kept here: an object, or an answer that is still fresh.
    Hit {
        /// How old an answer is; objects have no age.
        age: Option<Duration>,
    },
    /// Fetched for this request, or for one that it joined.
    Miss {
        /// Who provided it.
        upstream: UpstreamName,
    },
    /// Kept here, and the upstream just confirmed it.
    Revalidated {
        /// Who confirmed it.
        upstream: UpstreamName,
    },
    /// Kept here past its freshness: it is being asked again, or the upstream can't be asked.
    Stale {
        /// How old it is.
        age: Duration,
    },
    /// Fetched and verified, but the disk could not take it.
    Unstored {
        /// Who provided it.
        upstream: UpstreamName,
    },
    /// Worked out from what is stored, because nobody can be asked.
    Computed,
}

impl Outcome {
    /// Returns the word for logs and metric labels.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Hit { .. } => "hit",
            Self::Miss { .. } => "miss",
            Self::Revalidated { .. } => "revalidated",
            Self::Stale { .. } => "stale",
            Self::Unstored { .. } => "unstored",
            Self::Computed => "computed",
        }
    }

    /// Returns who provided the bytes, where somebody was asked.
    #[must_use]
    pub fn upstream(&self) -> Option<&UpstreamName> {
        match self {
            Self::Miss { upstream } | Self::Revalidated { upstream } | Self::Unstored { upstream } => {
                Some(upstream)
            }
            Self::Hit { .. } | Self::Stale { .. } | Self::Computed => None,
        }
    }

    /// Returns the age of an answer that was kept.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        match self {
            Self::Hit { age } => *age,
            Self::Stale { age } => Some(*age),
            Self::Miss { .. } | Self::Revalidated { .. } | Self::Unstored { .. } | Self::Computed => None,
        }
    }
}
