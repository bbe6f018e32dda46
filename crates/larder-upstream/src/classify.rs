//! From the HTTP library's errors to causes, by type and never by text.

use std::error::Error;
use std::io;

use url::Url;

use crate::clean::one_line;
use crate::error::FetchCause;
use crate::guard::NotPublic;
use crate::name::printable_url;
use crate::settings::Timeouts;
use crate::tls;

/// A name that could not be looked up; our own resolver's error, so that it can be told from others.
#[derive(Debug, thiserror::Error)]
#[error("{host} can't be looked up: {reason}")]
pub(crate) struct LookupFailed {
    pub(crate) host: String,
    pub(crate) reason: String,
}

impl LookupFailed {
    pub(crate) fn cause(&self) -> FetchCause {
        FetchCause::Dns { host: one_line(&self.host), reason: one_line(&self.reason) }
    }
}

/// What is known about the request that failed.
pub(crate) struct Circumstances<'a> {
    pub(crate) timeouts: Timeouts,
    pub(crate) forward_proxy: Option<&'a Url>,
    pub(crate) no_roots: bool,
}

/// The telling errors in a chain of sources.
#[derive(Default)]
struct Findings<'a> {
    lookup: Option<&'a LookupFailed>,
    not_public: Option<&'a NotPublic>,
    tls: Option<&'a rustls::Error>,
    io: Option<io::ErrorKind>,
    http: Option<&'a hyper::Error>,
    deepest: String,
}

impl<'a> Findings<'a> {
    fn of(error: &'a (dyn Error + 'static)) -> Self {
        let mut findings = Self::default();
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                findings.lookup = Some(found);
            } else if let Some(found) = error.downcast_ref() {
                findings.not_public = Some(found);
            } else if let Some(found) = error.downcast_ref() {
                findings.tls = Some(found);
            } else if let Some(found) = error.downcast_ref() {
                findings.http = Some(found);
            } else if let Some(found) = error.downcast_ref::<io::Error>() {
                findings.io = Some(found.kind());
                // `source` of an I/O error skips the error that it wraps.
                if let Some(inner) = found.get_ref() {
                    next = Some(inner);
                    continue;
                }
            }
            findings.deepest = error.to_string();
            next = error.source();
        }
        findings
    }
}

/// Classifies a failure before the head of an answer had come.
pub(crate) fn before_answer(error: &reqwest::Error, about: &Circumstances<'_>) -> FetchCause {
    let found = Findings::of(error);
    if let Some(refused) = found.not_public {
        return refused.cause();
    }
    if let Some(lookup) = found.lookup {
        return lookup.cause();
    }
    if let Some(error) = found.tls {
        return FetchCause::Tls { reason: tls::reason(error, about.no_roots) };
    }
    if error.is_connect() {
        return while_connecting(error, &found, about);
    }
    if found.http.is_some_and(|error| error.is_parse() || error.is_parse_too_large()) {
        return FetchCause::Protocol { reason: one_line(&found.deepest) };
    }
    match found.io {
        Some(kind) if was_reset(kind) => FetchCause::Reset { received: 0 },
        _ if found.http.is_some_and(|error| {
            error.is_incomplete_message() || error.is_canceled() || error.is_closed()
        }) =>
        {
            FetchCause::ClosedBeforeAnswer
        }
        Some(io::ErrorKind::UnexpectedEof) => FetchCause::ClosedBeforeAnswer,
        _ => FetchCause::Protocol { reason: one_line(&found.deepest) },
    }
}

fn while_connecting(error: &reqwest::Error, found: &Findings<'_>, about: &Circumstances<'_>) -> FetchCause {
    let timed_out = error.is_timeout();
    if let Some(proxy) = about.forward_proxy {
        let reason = match found.io {
            _ if timed_out => "no connection through it within the limit".to_owned(),
            Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
            _ => one_line(&found.deepest),
        };
        return FetchCause::ForwardProxy {
            proxy: printable_url(proxy).trim_end_matches('/').to_owned(),
            reason,
        };
    }
    match found.io {
        _ if timed_out => FetchCause::ConnectTimeout { after: about.timeouts.connect },
        Some(io::ErrorKind::ConnectionRefused) => FetchCause::ConnectRefused,
        Some(kind) if was_reset(kind) => FetchCause::Reset { received: 0 },
        Some(io::ErrorKind::UnexpectedEof) => {
            FetchCause::Tls { reason: "the connection was closed during the handshake".to_owned() }
        }
        _ => FetchCause::Unreachable { reason: one_line(&found.deepest) },
    }
}

/// Classifies a failure in the middle of a body.
pub(crate) fn in_body(error: &reqwest::Error, received: u64, declared: Option<u64>) -> FetchCause {
    let found = Findings::of(error);
    match found.io {
        Some(kind) if was_reset(kind) => FetchCause::Reset { received },
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            FetchCause::Protocol { reason: one_line(&found.deepest) }
        }
        _ => FetchCause::Truncated { received, declared },
    }
}

fn was_reset(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe
    )
}
