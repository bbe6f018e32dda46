//! The one table from "why not" to a status.
//!
//! After a comma the go command moves on at 404 and 410 and at nothing else. So 404 stands for true
//! absence (and for the two cases that ask to be treated so: look-ups switched off, and a client that
//! wants nothing fetched); an outage is a 5xx, a refusal a 403, a request that can't be meant a 400.

use std::time::Duration;

use http::StatusCode;
use larder_cache::Reason;
use larder_module::request::Fault;

use crate::request::Refusal;

/// How a refusal looks in HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// The status.
    pub status: StatusCode,
    /// When asking again makes sense.
    pub retry_after: Option<Duration>,
    /// The connection can't be trusted to be in step any more and is closed.
    pub close: bool,
}

impl Verdict {
    const fn plain(status: StatusCode) -> Self {
        Self { status, retry_after: None, close: false }
    }

    const fn later(status: StatusCode, retry_after: Duration) -> Self {
        Self { status, retry_after: Some(retry_after), close: false }
    }

    const fn closing(status: StatusCode) -> Self {
        Self { status, retry_after: None, close: true }
    }
}

/// Returns the verdict on what the engine could not serve.
pub fn of_reason(reason: &Reason) -> Verdict {
    match reason {
        Reason::Absent | Reason::LookupsOff | Reason::CachedOnly => Verdict::plain(StatusCode::NOT_FOUND),
        // The name or version is one that can't exist.
        Reason::Invalid => Verdict::plain(StatusCode::NOT_FOUND),
        Reason::Denied
        | Reason::PrivateClients
        | Reason::PrivateLookup
        | Reason::ChecksumMismatch
        | Reason::ChecksumUnknown => Verdict::plain(StatusCode::FORBIDDEN),
        Reason::BadUpstream | Reason::UpstreamCredentials | Reason::ChecksumSecurity => {
            Verdict::plain(StatusCode::BAD_GATEWAY)
        }
        Reason::UpstreamTimeout => Verdict::plain(StatusCode::GATEWAY_TIMEOUT),
        Reason::StillFetching => Verdict::later(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(5)),
        Reason::ChecksumUnavailable => {
            Verdict::later(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(10))
        }
        Reason::Saturated { retry_after }
        | Reason::BreakerOpen { retry_after }
        | Reason::RateLimited { retry_after } => {
            Verdict::later(StatusCode::SERVICE_UNAVAILABLE, *retry_after)
        }
        Reason::ShuttingDown => Verdict {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(Duration::from_secs(1)),
            close: true,
        },
        Reason::StorageFull => Verdict::plain(StatusCode::INSUFFICIENT_STORAGE),
        Reason::StoreBroken => Verdict::plain(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Returns the verdict on a request that is not even passed to the engine.
pub(crate) fn of_refusal(refusal: &Refusal) -> Verdict {
    match refusal {
        Refusal::Method => Verdict::plain(StatusCode::METHOD_NOT_ALLOWED),
        Refusal::MethodWithBody => Verdict::closing(StatusCode::METHOD_NOT_ALLOWED),
        Refusal::Body | Refusal::Upgrade | Refusal::Host | Refusal::Target => {
            Verdict::closing(StatusCode::BAD_REQUEST)
        }
        Refusal::Query | Refusal::NoModule => Verdict::plain(StatusCode::BAD_REQUEST),
        Refusal::Loop => Verdict::plain(StatusCode::LOOP_DETECTED),
        Refusal::OutsideBasePath | Refusal::NoSuchPage => Verdict::plain(StatusCode::NOT_FOUND),
        Refusal::Path(error) => match error.fault() {
            Fault::Malformed => Verdict::plain(StatusCode::BAD_REQUEST),
            Fault::Absent => Verdict::plain(StatusCode::NOT_FOUND),
        },
        Refusal::Condition => Verdict::plain(StatusCode::PRECONDITION_FAILED),
        Refusal::Range => Verdict::plain(StatusCode::RANGE_NOT_SATISFIABLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absence_and_its_two_exceptions_are_404() {
        let after = Duration::from_secs(7);
        for (reason, status) in [
            (Reason::Absent, 404),
            (Reason::LookupsOff, 404),
            (Reason::CachedOnly, 404),
            (Reason::Invalid, 404),
            (Reason::Denied, 403),
            (Reason::PrivateClients, 403),
            (Reason::PrivateLookup, 403),
            (Reason::ChecksumMismatch, 403),
            (Reason::ChecksumUnknown, 403),
            (Reason::ChecksumSecurity, 502),
            (Reason::ChecksumUnavailable, 503),
            (Reason::BadUpstream, 502),
            (Reason::UpstreamCredentials, 502),
            (Reason::UpstreamTimeout, 504),
            (Reason::StillFetching, 504),
            (Reason::Saturated { retry_after: after }, 503),
            (Reason::BreakerOpen { retry_after: after }, 503),
            (Reason::RateLimited { retry_after: after }, 503),
            (Reason::StorageFull, 507),
            (Reason::StoreBroken, 500),
            (Reason::ShuttingDown, 503),
        ] {
            assert_eq!(of_reason(&reason).status.as_u16(), status, "{reason:?}");
        }
        assert_eq!(of_reason(&Reason::BreakerOpen { retry_after: after }).retry_after, Some(after));
    }
}
