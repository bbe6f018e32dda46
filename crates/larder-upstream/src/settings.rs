//! What can be set about asking upstreams, with the defaults that suit most.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::credentials::Credentials;
use crate::forward_proxy::ForwardProxy;
use crate::instance::Instance;
use crate::name::Origin;
use crate::resolver::LookUp;

/// Everything that upstreams share.
#[derive(Debug)]
pub struct UpstreamSettings {
    /// How long each phase of a request may take.
    pub timeouts: Timeouts,
    /// How much an upstream may send.
    pub limits: Limits,
    /// How often one upstream is asked again.
    pub retries: Retries,
    /// When an upstream is left alone for a while.
    pub breaker: BreakerSettings,
    /// How many requests one host gets at a time.
    pub concurrency: Concurrency,
    /// Certificates.
    pub tls: TlsSettings,
    /// The machine's forward proxies.
    pub forward_proxy: ForwardProxy,
    /// Who Larder is towards upstreams.
    pub credentials: Credentials,
    /// The name of this process among proxies.
    pub instance: Instance,
    /// The value of `User-Agent`.
    pub user_agent: String,
    /// Hosts to which the upstream of a private route may redirect, besides its own.
    ///
    /// The path of a redirect may spell a private name, so by default none is followed to another host.
    pub private_redirect_hosts: Vec<String>,
    /// Who looks names up in the system's stead.
    pub look_up: Option<Arc<dyn LookUp>>,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            retries: Retries::default(),
            breaker: BreakerSettings::default(),
            concurrency: Concurrency::default(),
            tls: TlsSettings::default(),
            forward_proxy: ForwardProxy::default(),
            credentials: Credentials::default(),
            instance: Instance::random(),
            user_agent: format!("larder/{}", env!("CARGO_PKG_VERSION")),
            private_redirect_hosts: Vec::new(),
            look_up: None,
        }
    }
}

/// Time limits by phase. There is none on a body that keeps moving.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// Name look-up, TCP and TLS together.
    pub connect: Duration,
    /// From the start of a request to the head of its answer.
    pub first_byte: Duration,
    /// The same for a zip, which some upstreams only build when asked.
    pub zip_first_byte: Duration,
    /// Between two pieces of a body.
    pub between_bytes: Duration,
    /// An upstream at a local or private address that is silent for this long is checked for leading back to us.
    pub suspicion: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            zip_first_byte: Duration::from_secs(120),
            between_bytes: Duration::from_secs(30),
            suspicion: Duration::from_secs(2),
        }
    }
}

/// The most that is read of each kind of answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of a version list.
    pub list: u64,
    /// Lines of a version list.
    pub list_lines: usize,
    /// Bytes of an `.info` or `@latest` answer.
    pub info: u64,
    /// Bytes of a `.mod` file; Go's own limit.
    pub go_mod: u64,
    /// Bytes of a zip; Go's own limit.
    pub zip: u64,
    /// Bytes of an error body.
    pub error: u64,
    /// Hops of one redirect chain.
    pub redirects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            list: 16 << 20,
            list_lines: 200_000,
            info: 1 << 20,
            go_mod: 16 << 20,
            zip: 500 << 20,
            error: 64 << 10,
            redirects: 10,
        }
    }
}

/// Asking the same upstream again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retries {
    /// The number of requests in all, the first one included.
    pub attempts: u32,
    /// The pause before the first repetition; it doubles each time, and a random part of it is waited.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// A `Retry-After` up to this is waited for; a longer one ends the attempts.
    pub longest_retry_after: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 3,
            first_pause: Duration::from_millis(150),
            longest_pause: Duration::from_secs(2),
            longest_retry_after: Duration::from_secs(3),
        }
    }
}

/// Leaving a broken upstream alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BreakerSettings {
    /// Failures in a row that open the breaker.
    pub failures: u32,
    /// Failures further apart than this don't count as a row.
    pub window: Duration,
    /// How long the breaker first stays open; it doubles with each probe that fails.
    pub first_pause: Duration,
    /// The longest time it stays open, which also bounds how long an upstream that is back goes unnoticed
    /// and how long an upstream's `Retry-After` keeps everybody away.
    pub longest_pause: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 10,
            window: Duration::from_secs(30),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(5),
        }
    }
}

/// Requests at a time, for each scheme, host and port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Concurrency {
    /// Requests in flight; for HTTP/1.1 also the number of connections.
    pub in_flight: usize,
    /// Requests in flight that nobody waits for, besides those.
    pub ahead: usize,
    /// Requests waiting for their turn; more are refused at once.
    pub queue: usize,
    /// The longest wait for a turn.
    pub longest_wait: Duration,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { in_flight: 128, ahead: 128, queue: 2048, longest_wait: Duration::from_secs(25) }
    }
}

/// Whom to trust and who to be in TLS.
#[derive(Debug)]
pub struct TlsSettings {
    /// Trust the authorities that the machine trusts. A machine without any is no error.
    pub native_roots: bool,
    /// More authorities.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Client certificates, each for the origins it is meant for.
    pub identities: Vec<ClientIdentity>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self { native_roots: true, extra_roots: Vec::new(), identities: Vec::new() }
    }
}

/// A client certificate; it is shown to its origins only.
#[derive(Debug)]
pub struct ClientIdentity {
    /// Where it is used.
    pub origins: Vec<Origin>,
    /// The certificate and those that lead to its authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key; it prints as its kind only.
    pub key: PrivateKeyDer<'static>,
}
