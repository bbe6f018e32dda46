//! Why an upstream could not give what was wanted, and what follows from it.
//!
//! Each cause is a variant; whether it means absence, is worth another try, lets the chain go on or counts
//! against the upstream is decided here by exhaustive matches and nowhere by reading message text.

use std::fmt;
use std::time::Duration;

use larder_module::goproxy::Separator;

use crate::name::UpstreamName;
use crate::version_control::{DirectFault, DirectFaultKind};

/// One upstream's failure to provide one thing. Cheap enough to be cloned for every waiter.
#[derive(Clone, Debug, thiserror::Error)]
pub struct FetchError {
    /// Who was asked.
    pub upstream: UpstreamName,
    /// The path that was asked for, with a leading slash, escaped; empty if nothing was.
    pub wanted: String,
    /// How many times it was asked.
    pub attempts: u32,
    /// How long it took in all.
    pub elapsed: Duration,
    /// Where a redirect led, if the failure happened there.
    pub redirected_to: Option<String>,
    /// Why.
    pub cause: FetchCause,
    /// What the upstream said, cleaned: at most a few lines, printable, without secrets.
    pub said: Option<String>,
}

impl fmt::Display for FetchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            // Which repository it was about is said by the fault; a path of the proxy protocol means nothing there.
            FetchCause::Direct(fault) => return write!(formatter, "{}: {}", self.upstream, fault.text),
            cause => write!(formatter, "{}{}: {cause}", self.upstream, self.wanted)?,
        }
        if let Some(place) = &self.redirected_to {
            write!(formatter, " (redirected to {place})")?;
        }
        if self.attempts > 1 {
            write!(formatter, " (asked {} times)", self.attempts)?;
        }
        Ok(())
    }
}

impl FetchError {
    /// Reports whether the upstream positively said that there is no such thing.
    pub fn is_absence(&self) -> bool {
        self.cause.is_absence()
    }
}

/// The cause of a failure, by what happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FetchCause {
    /// The upstream said that there is no such thing (HTTP 404 or 410, or no such file).
    Absent {
        /// The HTTP status; nothing for a file tree.
        status: Option<u16>,
    },
    /// The upstream refuses to answer us (HTTP 401 or 403, or a file that may not be read).
    Denied {
        /// The HTTP status; nothing for a file tree.
        status: Option<u16>,
    },
    /// The upstream refuses the credentials that Larder was configured with.
    OwnCredentials {
        /// The HTTP status.
        status: u16,
    },
    /// Too many requests (HTTP 429), or the pause that the upstream asked for is not over.
    RateLimited {
        /// How long the upstream wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Another HTTP status that is no success.
    Status {
        /// The HTTP status.
        status: u16,
        /// How long the upstream wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The request came back to this very process (HTTP 508).
    Loop,
    /// The upstream's name could not be looked up.
    Dns {
        /// The host that was looked up.
        host: String,
        /// What the look-up said.
        reason: String,
    },
    /// Nobody listens there.
    ConnectRefused,
    /// No connection within the limit.
    ConnectTimeout {
        /// The limit.
        after: Duration,
    },
    /// No way to the host.
    Unreachable {
        /// What the system said.
        reason: String,
    },
    /// The TLS handshake failed.
    Tls {
        /// Why, in words.
        reason: String,
    },
    /// The machine's forward proxy did not let us through.
    ForwardProxy {
        /// The proxy, without credentials.
        proxy: String,
        /// Why, in words.
        reason: String,
    },
    /// Connected, but no answer began within the limit.
    FirstByteTimeout {
        /// The limit.
        after: Duration,
    },
    /// The body stopped moving.
    Stalled {
        /// The limit.
        after: Duration,
        /// The bytes that had come.
        received: u64,
    },
    /// The time that the caller had is over.
    DeadlinePassed {
        /// How long it was.
        after: Duration,
    },
    /// The connection was reset.
    Reset {
        /// The bytes of the body that had come.
        received: u64,
    },
    /// The connection was closed before an answer began.
    ClosedBeforeAnswer,
    /// The body ended early.
    Truncated {
        /// The bytes that had come.
        received: u64,
        /// The bytes that were announced.
        declared: Option<u64>,
    },
    /// More than Larder accepts.
    TooLarge {
        /// The limit in bytes, or in lines for a list with too many.
        limit: u64,
    },
    /// The answer says it is a success and is none: HTML, no JSON, another version and the like.
    BadContent(String),
    /// The answer breaks the rules of HTTP.
    Protocol {
        /// How.
        reason: String,
    },
    /// A redirect that is not followed.
    Redirect(RedirectFault),
    /// A resumed body is not the one that was begun.
    Changed,
    /// The upstream failed so often that it is left alone for a moment.
    BreakerOpen {
        /// When it is asked again.
        retry_after: Duration,
        /// Why it was left alone.
        last: Box<str>,
    },
    /// Too many requests to this host are waiting already.
    Saturated,
    /// The chain says `off`.
    LookupsOff,
    /// Version control has nothing to give.
    Direct(DirectFault),
    /// A file could not be read.
    Io {
        /// What the system said.
        reason: String,
    },
}

/// Why a redirect was not followed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RedirectFault {
    /// More hops than allowed.
    TooMany(usize),
    /// It led back to a place where it had been.
    Circle,
    /// From `https` to `http`.
    Downgrade,
    /// To something that is not `http` or `https`.
    Scheme(String),
    /// There is no `Location`, or none that can be read.
    NoLocation(u16),
    /// The route is private and the target is another host.
    PrivateElsewhere,
}

impl FetchCause {
    /// Reports whether the upstream positively said that there is no such thing.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Absent { .. } => true,
            Self::Direct(fault) => matches!(fault.kind, DirectFaultKind::Absent | DirectFaultKind::Invalid),
            _ => false,
        }
    }

    /// Reports whether the go command would treat this like absence: positive absence, and the entry that looks
    /// nothing up.
    pub fn counts_as_absence_for_go(&self) -> bool {
        self.is_absence() || matches!(self, Self::LookupsOff)
    }

    /// Reports whether the chain moves on to its next entry.
    ///
    /// After a comma Go does so only for absence, after a pipe for any failure.
    pub fn may_try_next(&self, separator: Separator) -> bool {
        match separator {
            Separator::Pipe => true,
            Separator::Comma => self.counts_as_absence_for_go(),
            Separator::End => false,
        }
    }

    /// Reports whether asking the same upstream again, soon, may help.
    ///
    /// Never after a time-out: the next try would only wait as long again.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::ConnectRefused
            | Self::Reset { .. }
            | Self::ClosedBeforeAnswer
            | Self::Truncated { .. }
            | Self::RateLimited { .. } => true,
            Self::Status { status, .. } => matches!(status, 500 | 502 | 503),
            Self::Absent { .. }
            | Self::Denied { .. }
            | Self::OwnCredentials { .. }
            | Self::Loop
            | Self::Dns { .. }
            | Self::ConnectTimeout { .. }
            | Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::ForwardProxy { .. }
            | Self::FirstByteTimeout { .. }
            | Self::Stalled { .. }
            | Self::DeadlinePassed { .. }
            | Self::TooLarge { .. }
            | Self::BadContent(_)
            | Self::Protocol { .. }
            | Self::Redirect(_)
            | Self::Changed
            | Self::BreakerOpen { .. }
            | Self::Saturated
            | Self::LookupsOff
            | Self::Direct(_)
            | Self::Io { .. } => false,
        }
    }

    /// Reports whether this says that the upstream as a whole is not well, for its breaker.
    ///
    /// An answer about one module is no such thing, be it ever so wrong; nor is what we ourselves gave up.
    pub fn counts_against_upstream(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status >= 500,
            Self::Dns { .. }
            | Self::ConnectRefused
            | Self::ConnectTimeout { .. }
            | Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::ForwardProxy { .. }
            | Self::FirstByteTimeout { .. }
            | Self::Stalled { .. }
            | Self::Reset { .. }
            | Self::ClosedBeforeAnswer
            | Self::Truncated { .. }
            | Self::Protocol { .. } => true,
            Self::Absent { .. }
            | Self::Denied { .. }
            | Self::OwnCredentials { .. }
            | Self::RateLimited { .. }
            | Self::Loop
            | Self::DeadlinePassed { .. }
            | Self::TooLarge { .. }
            | Self::BadContent(_)
            | Self::Redirect(_)
            | Self::Changed
            | Self::BreakerOpen { .. }
            | Self::Saturated
            | Self::LookupsOff
            | Self::Direct(_)
            | Self::Io { .. } => false,
        }
    }

    /// Reports whether the upstream (or the caller's time) was too slow.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout { .. }
                | Self::FirstByteTimeout { .. }
                | Self::Stalled { .. }
                | Self::DeadlinePassed { .. }
                | Self::Direct(DirectFault { kind: DirectFaultKind::TimedOut, .. })
        )
    }

    /// Returns how long to leave the upstream alone, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Status { retry_after, .. } => *retry_after,
            Self::BreakerOpen { retry_after, .. } => Some(*retry_after),
            Self::Saturated => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

impl fmt::Display for FetchCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let out = formatter;
        match self {
            Self::Absent { status: Some(status) } => write!(out, "not found there (HTTP {status})"),
            Self::Absent { status: None } => out.write_str("not found there (no such file)"),
            Self::Denied { status: Some(401) } => {
                out.write_str("it asks for a login, and Larder has none for it (HTTP 401)")
            }
            Self::Denied { status: Some(status) } => write!(out, "access denied there (HTTP {status})"),
            Self::Denied { status: None } => out.write_str("the file may not be read by this user"),
            Self::OwnCredentials { status } => {
                write!(out, "it refuses the credentials that Larder has for it (HTTP {status})")
            }
            Self::RateLimited { retry_after } => {
                out.write_str("too many requests (HTTP 429)")?;
                write_retry_after(out, *retry_after)
            }
            Self::Status { status, retry_after } => {
                write!(out, "it answered with HTTP {status}")?;
                write_retry_after(out, *retry_after)
            }
            Self::Loop => out
                .write_str("the request came back to where it started: the upstreams form a loop (HTTP 508)"),
            Self::Dns { host, reason } => write!(out, "the name {host} can't be looked up ({reason})"),
            Self::ConnectRefused => out.write_str("connection refused"),
            Self::ConnectTimeout { after } => write!(out, "no connection within {}", Seconds(*after)),
            Self::Unreachable { reason } => write!(out, "no connection ({reason})"),
            Self::Tls { reason } => write!(out, "TLS failed: {reason}"),
            Self::ForwardProxy { proxy, reason } => write!(out, "the forward proxy {proxy} failed: {reason}"),
            Self::FirstByteTimeout { after } => write!(out, "no answer within {}", Seconds(*after)),
            Self::Stalled { after, received } => {
                write!(out, "the answer stopped moving for {} after {received} bytes", Seconds(*after))
            }
            Self::DeadlinePassed { after } => {
                write!(out, "no answer in the {} that were left", Seconds(*after))
            }
            Self::Reset { received: 0 } => out.write_str("connection reset"),
            Self::Reset { received } => write!(out, "connection reset after {received} bytes"),
            Self::ClosedBeforeAnswer => out.write_str("connection closed before an answer came"),
            Self::Truncated { received, declared: Some(declared) } => {
                write!(out, "the answer ended after {received} of {declared} bytes")
            }
            Self::Truncated { received, declared: None } => {
                write!(out, "the answer broke off after {received} bytes")
            }
            Self::TooLarge { limit } => write!(out, "the answer is larger than the limit of {limit}"),
            Self::BadContent(what) => write!(out, "it answered with something unusable: {what}"),
            Self::Protocol { reason } => write!(out, "its answer is not proper HTTP ({reason})"),
            Self::Redirect(fault) => fault.fmt(out),
            Self::Changed => out.write_str("the file changed while it was being fetched"),
            Self::BreakerOpen { retry_after, last } => {
                write!(
                    out,
                    "not asked, it failed repeatedly and is asked again in {}: {last}",
                    Seconds(*retry_after)
                )
            }
            Self::Saturated => out.write_str("not asked, too many requests to it are waiting"),
            Self::LookupsOff => out.write_str("look-ups are off here"),
            Self::Direct(fault) => out.write_str(&fault.text),
            Self::Io { reason } => out.write_str(reason),
        }
    }
}

impl fmt::Display for RedirectFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(limit) => write!(formatter, "it redirects more than {limit} times"),
            Self::Circle => formatter.write_str("it redirects in a circle"),
            Self::Downgrade => formatter.write_str("it redirects from https to http, which is not followed"),
            Self::Scheme(scheme) => write!(formatter, "it redirects to {scheme}, which is not followed"),
            Self::NoLocation(status) => {
                write!(formatter, "it answered with HTTP {status} and did not say where to go")
            }
            Self::PrivateElsewhere => {
                formatter.write_str("it redirects to another host, which is not followed for private modules")
            }
        }
    }
}

fn write_retry_after(out: &mut fmt::Formatter<'_>, retry_after: Option<Duration>) -> fmt::Result {
    match retry_after {
        Some(wait) => write!(out, ", try again in {}", Seconds(wait)),
        None => Ok(()),
    }
}

/// A duration as people say it.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds >= 10.0 || self.0.subsec_millis() == 0 {
            write!(formatter, "{seconds:.0} s")
        } else {
            write!(formatter, "{seconds:.1} s")
        }
    }
}
