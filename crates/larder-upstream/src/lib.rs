//! Whom a module may be asked from: proxies, file trees, their chain, credentials and limits.
//!
//! [`Upstreams`] is the pool, built once from [`UpstreamSettings`]. It turns `GOPROXY` lists into [`Chain`]s, which
//! [`Routes`] choose by module path. [`Chain::walk`] carries Go's rules for `,` and `|`; an [`Upstream`] answers
//! with what it was asked for, judged, or with a [`FetchError`] whose [`FetchCause`] says what happened and what
//! follows from it. Nothing here stores, and nothing here prints a secret.

mod addresses;
mod base64_text;
mod breaker;
mod chain;
mod classify;
mod clean;
mod client;
mod credentials;
mod direct;
mod error;
mod file;
mod forward_proxy;
mod gate;
mod guard;
mod instance;
pub mod judge;
mod name;
mod pages;
mod proxy;
mod random;
mod resolver;
mod retry;
mod routes;
mod settings;
mod suspect;
mod tls;
mod transport;
mod upstream;
mod urgency;
mod validators;
mod version_control;
mod wanted;
mod zip_body;

pub use addresses::not_public;
pub use breaker::BreakerState;
pub use chain::{Chain, ChainEntry, WalkFailure};
pub use credentials::{Credential, Credentials, Secret};
pub use error::{FetchCause, FetchError, RedirectFault};
pub use forward_proxy::{ForwardProxy, ForwardProxySettings};
pub use guard::ListedHosts;
pub use instance::{Instance, Trail};
pub use judge::{Judged, ListEntry, RawList};
pub use name::{Origin, UpstreamName};
pub use pages::{Page, PageFailure, PageRequest};
pub use resolver::{LookUp, LookingUp};
pub use routes::{Prefetch, Route, Routes, VerifyMode};
pub use settings::{
    BreakerSettings, ClientIdentity, Concurrency, Limits, Retries, Timeouts, TlsSettings, UpstreamSettings,
};
pub use transport::SettingsError;
pub use upstream::{
    Deadline, EntryError, Fresh, Resume, SmallReply, Upstream, UpstreamKind, UpstreamState, Upstreams,
};
pub use urgency::{Turns, Urgency};
pub use validators::Validators;
pub use version_control::{Answering, DirectErrand, DirectFault, DirectFaultKind, Refusal, VersionControl};
pub use wanted::Wanted;
pub use zip_body::ZipBody;
