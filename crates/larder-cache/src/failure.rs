//! A refusal as the client will read it.
//!
//! The `go` command prints at most eight lines of a `text/plain` body, stops at a blank line, shows nothing of a long single line and
//! hides the whole text for one control character. So the text is fitted here, once, for every kind of failure: the first line says
//! what failed, then come the attempts in order, then what to do. Attempts are cut before the advice is, and what a forge said
//! before the attempts are.

use std::time::Duration;

use larder_upstream::{DirectFaultKind, FetchCause, FetchError};

/// The most lines that a failure has; one more is left for the request id.
pub const MAX_LINES: usize = 7;
/// The most bytes that a failure's lines take with their line ends; the rest of 600 is left for the request id.
pub const MAX_BYTES: usize = 552;

/// Why a request was not served, by whose fault it is.
///
/// The HTTP layer turns each into one status; nothing else may decide it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Every upstream that was asked positively said "no such thing".
    Absent,
    /// The route has look-ups switched off.
    LookupsOff,
    /// An upstream refuses this client's module (401 or 403 there), or a rule keeps Larder from asking.
    Denied,
    /// The module belongs to a private route and the client's address may not see such.
    PrivateClients,
    /// The module is private, so no checksum database is asked about it.
    PrivateLookup,
    /// The bytes differ from what the checksum database says.
    ChecksumMismatch,
    /// The checksum database positively doesn't know the version.
    ChecksumUnknown,
    /// The checksum database can't be asked, and nothing unverified is served.
    ChecksumUnavailable,
    /// The checksum database contradicts itself or its signature.
    ChecksumSecurity,
    /// An upstream failed or sent something that can't be right.
    BadUpstream,
    /// An upstream refuses Larder's own credentials.
    UpstreamCredentials,
    /// An upstream was too slow.
    UpstreamTimeout,
    /// The fetch goes on, but the client has waited as long as it should for a status.
    StillFetching,
    /// Too many fetches are under way.
    Saturated {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The upstream failed so often that it isn't asked for now.
    BreakerOpen {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The upstream asks to be left alone.
    RateLimited {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The disk can't take a body that is too large for memory.
    StorageFull,
    /// The client wants nothing fetched, and it isn't stored.
    CachedOnly,
    /// The store can't be read.
    StoreBroken,
    /// The request can't be meant.
    Invalid,
    /// Larder is stopping.
    ShuttingDown,
}

impl Reason {
    /// Returns the word for logs and metric labels.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::LookupsOff => "lookups-off",
            Self::Denied => "denied",
            Self::PrivateClients => "private-clients",
            Self::PrivateLookup => "private-lookup",
            Self::ChecksumMismatch => "checksum-mismatch",
            Self::ChecksumUnknown => "checksum-unknown",
            Self::ChecksumUnavailable => "checksum-unavailable",
            Self::ChecksumSecurity => "checksum-security",
            Self::BadUpstream => "bad-upstream",
            Self::UpstreamCredentials => "upstream-credentials",
            Self::UpstreamTimeout => "upstream-timeout",
            Self::StillFetching => "still-fetching",
            Self::Saturated { .. } => "saturated",
            Self::BreakerOpen { .. } => "breaker-open",
            Self::RateLimited { .. } => "rate-limited",
            Self::StorageFull => "storage-full",
            Self::CachedOnly => "cached-only",
            Self::StoreBroken => "store-broken",
            Self::Invalid => "invalid",
            Self::ShuttingDown => "shutting-down",
        }
    }

    /// Reports whether somebody who is entitled to it said so, so that asking once more would change nothing.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Absent | Self::ChecksumMismatch | Self::ChecksumUnknown | Self::ChecksumSecurity)
    }

    /// Reports whether nobody could be asked, so that what was learned earlier still stands.
    ///
    /// A silent checksum database is no such case: the chain has just sent the very thing.
    pub(crate) fn chain_cannot_be_asked(&self) -> bool {
        match self {
            Self::BadUpstream
            | Self::UpstreamCredentials
            | Self::UpstreamTimeout
            | Self::StillFetching
            | Self::Saturated { .. }
            | Self::BreakerOpen { .. }
            | Self::RateLimited { .. }
            | Self::LookupsOff
            | Self::CachedOnly
            | Self::ShuttingDown => true,
            Self::Absent
            | Self::Denied
            | Self::PrivateClients
            | Self::PrivateLookup
            | Self::ChecksumMismatch
            | Self::ChecksumUnknown
            | Self::ChecksumUnavailable
            | Self::ChecksumSecurity
            | Self::StorageFull
            | Self::StoreBroken
            | Self::Invalid => false,
        }
    }
}

/// A request that was not served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// Whose fault it is; decides the status.
    pub reason: Reason,
    /// What the client reads: at most [`MAX_LINES`] lines and [`MAX_BYTES`] bytes, most important first, fit for printing.
    pub lines: Vec<String>,
    /// How long ago this was learned, when it wasn't just now.
    pub learned: Option<Duration>,
    /// The module belongs to a private route: shared caches must not keep the reply.
    pub private: bool,
}

impl Failure {
    /// Composes a failure of what failed, the attempts in order and the advice.
    pub fn new(reason: Reason, headline: &str, attempts: &[String], advice: &[&str]) -> Self {
        Self { reason, lines: fit(headline, attempts, advice), learned: None, private: false }
    }

    /// Dates the failure.
    #[must_use]
    pub fn learned(mut self, age: Duration) -> Self {
        self.learned = Some(age);
        self
    }

    /// Returns all lines as one text, for logs and for the audit.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join("; ")
    }
}

/// Fits the parts into the limits: the headline and the advice first, attempts share what is left.
fn fit(headline: &str, attempts: &[String], advice: &[&str]) -> Vec<String> {
    let headline = cut(&clean(headline), 300);
    let advice: Vec<String> =
        advice.iter().map(|line| cut(&clean(line), 180)).filter(|line| !line.is_empty()).take(2).collect();
    let fixed: usize = headline.len() + 1 + advice.iter().map(|line| line.len() + 1).sum::<usize>();
    let mut room = MAX_BYTES.saturating_sub(fixed);
    let attempts: Vec<String> =
        attempts.iter().map(|line| clean(line)).filter(|line| !line.is_empty()).collect();
    let shown = chosen(&attempts, MAX_LINES - 1 - advice.len());
    // Quotations get what is left, but never nothing.
    let quoted: usize = shown.iter().filter(|&&at| is_quotation(&attempts[at])).count();
    let kept_back = if quoted > 0 { QUOTATION_AT_LEAST.min(room / 2) } else { 0 };
    room -= kept_back;
    let mut cuts = vec![String::new(); attempts.len()];
    for (quotations, kept_back) in [(false, 0), (true, kept_back)] {
        room += kept_back;
        let turn: Vec<usize> =
            shown.iter().copied().filter(|&at| is_quotation(&attempts[at]) == quotations).collect();
        for (index, &at) in turn.iter().enumerate() {
            let share = room / (turn.len() - index);
            if share < 24 {
                break;
            }
            cuts[at] = cut(&attempts[at], share - 1);
            room -= cuts[at].len() + 1;
        }
    }
    let mut lines = vec![headline];
    lines.extend(cuts);
    lines.extend(advice);
    lines.retain(|line| !line.is_empty());
    lines
}

/// What stands before a line that somebody else wrote.
const QUOTATION: &str = "| ";
/// The bytes that quotations get even beside long attempts.
const QUOTATION_AT_LEAST: usize = 120;

fn is_quotation(line: &str) -> bool {
    line.starts_with(QUOTATION)
}

/// Chooses the lines that are shown: attempts before quotations, each in order.
fn chosen(attempts: &[String], slots: usize) -> Vec<usize> {
    let of =
        |quotations: bool| (0..attempts.len()).filter(move |&at| is_quotation(&attempts[at]) == quotations);
    let mut shown: Vec<usize> = of(false).chain(of(true)).take(slots).collect();
    shown.sort_unstable();
    shown
}

/// Makes one printable line of text from anywhere: no control characters, no runs of white space.
pub(crate) fn clean(text: &str) -> String {
    let printable: String =
        text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).collect();
    printable.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Characters that reorder or hide text in a terminal.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
}

/// Cuts to at most `limit` bytes at a character boundary, marking the cut.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub(3);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", text[..end].trim_end())
}

/// How long a client should wait where nobody said.
const DEFAULT_PAUSE: Duration = Duration::from_secs(10);

/// Chooses the reason that a cause stands for.
pub(crate) fn reason_of(cause: &FetchCause) -> Reason {
    let retry_after = cause.retry_after().unwrap_or(DEFAULT_PAUSE);
    match cause {
        FetchCause::Absent { .. } => Reason::Absent,
        FetchCause::LookupsOff => Reason::LookupsOff,
        FetchCause::Denied { .. } => Reason::Denied,
        FetchCause::OwnCredentials { .. } => Reason::UpstreamCredentials,
        FetchCause::RateLimited { .. } => Reason::RateLimited { retry_after },
        FetchCause::BreakerOpen { .. } => Reason::BreakerOpen { retry_after },
        FetchCause::Saturated => Reason::Saturated { retry_after },
        FetchCause::Status { status: 408 | 504, .. }
        | FetchCause::ConnectTimeout { .. }
        | FetchCause::FirstByteTimeout { .. }
        | FetchCause::Stalled { .. }
        | FetchCause::DeadlinePassed { .. } => Reason::UpstreamTimeout,
        FetchCause::Status { .. }
        | FetchCause::Loop
        | FetchCause::Dns { .. }
        | FetchCause::ConnectRefused
        | FetchCause::Unreachable { .. }
        | FetchCause::Tls { .. }
        | FetchCause::ForwardProxy { .. }
        | FetchCause::Reset { .. }
        | FetchCause::ClosedBeforeAnswer
        | FetchCause::Truncated { .. }
        | FetchCause::TooLarge { .. }
        | FetchCause::BadContent(_)
        | FetchCause::Protocol { .. }
        | FetchCause::Redirect(_)
        | FetchCause::Changed
        | FetchCause::Io { .. } => Reason::BadUpstream,
        FetchCause::Direct(fault) => reason_of_fault(fault.kind),
    }
}

/// Chooses the reason for a failure of version control.
fn reason_of_fault(kind: DirectFaultKind) -> Reason {
    match kind {
        DirectFaultKind::Absent | DirectFaultKind::Invalid => Reason::Absent,
        DirectFaultKind::LoginNeeded | DirectFaultKind::Refused => Reason::Denied,
        DirectFaultKind::CredentialsRefused => Reason::UpstreamCredentials,
        DirectFaultKind::Unreachable | DirectFaultKind::Broken => Reason::BadUpstream,
        DirectFaultKind::TimedOut => Reason::UpstreamTimeout,
        DirectFaultKind::Saturated => Reason::Saturated { retry_after: DEFAULT_PAUSE },
        DirectFaultKind::StorageFull => Reason::StorageFull,
    }
}

/// Describes one failed attempt in a line: who, what, why, and what was said.
pub(crate) fn attempt_line(error: &FetchError) -> String {
    match &error.said {
        Some(said) => {
            let said = clean(said);
            let said = said.strip_prefix("not found: ").unwrap_or(&said);
            format!("{error}; it said: {said}")
        }
        None => error.to_string(),
    }
}

/// The lines of what a forge said that are worth a client's terminal.
const MOST_QUOTED: usize = 5;

/// Describes one failed attempt for the client: the line, and below it what a forge said, which loses its sense in one line.
fn attempt_lines(error: &FetchError) -> Vec<String> {
    match (&error.cause, &error.said) {
        (FetchCause::Direct(_), Some(said)) => {
            let quoted = said.lines().map(clean).filter(|line| !line.is_empty()).take(MOST_QUOTED);
            std::iter::once(error.to_string())
                .chain(quoted.map(|line| format!("{QUOTATION}{line}")))
                .collect()
        }
        _ => vec![attempt_line(error)],
    }
}

impl Failure {
    /// Composes the failure of a fetch from its attempts; `decisive` is the one that decides the reason.
    pub(crate) fn of_attempts(
        what: &str,
        attempts: &[FetchError],
        decisive: &FetchCause,
        remembered: &[String],
    ) -> Self {
        let reason = reason_of(decisive);
        let headline = match &reason {
            Reason::Absent => format!("not found: {what}"),
            Reason::LookupsOff => format!("not found: {what}: {decisive}"),
            _ => format!("could not fetch {what}: {}", short_cause(&reason, decisive)),
        };
        let mut lines: Vec<String> = attempts.iter().flat_map(attempt_lines).collect();
        lines.extend_from_slice(remembered);
        let advice = advice_for(&reason, decisive);
        Self::new(reason, &headline, &lines, &[advice])
    }
}

/// Says whose fault it is, for the first line.
fn short_cause(reason: &Reason, cause: &FetchCause) -> &'static str {
    if let FetchCause::Direct(fault) = cause {
        return match fault.kind {
            DirectFaultKind::LoginNeeded => "its repository asks for a login that Larder does not have",
            DirectFaultKind::CredentialsRefused => "its repository refuses Larder's credentials",
            DirectFaultKind::Refused => "Larder does not ask for it",
            DirectFaultKind::Unreachable => "its repository can't be reached",
            DirectFaultKind::TimedOut => "its repository is too slow",
            DirectFaultKind::Saturated => "too many runs of git are waiting",
            DirectFaultKind::StorageFull => "there is no room for its repository",
            DirectFaultKind::Broken | DirectFaultKind::Absent | DirectFaultKind::Invalid => {
                "its repository could not be read"
            }
        };
    }
    match reason {
        Reason::Denied => "the upstream refuses access",
        Reason::UpstreamCredentials => "the upstream refuses Larder's credentials",
        Reason::UpstreamTimeout => "the upstream is too slow",
        Reason::BreakerOpen { .. } => "the upstream keeps failing and is left alone for a moment",
        Reason::RateLimited { .. } => "the upstream asks for a pause",
        Reason::Saturated { .. } => "too many fetches are waiting",
        Reason::Absent
        | Reason::LookupsOff
        | Reason::PrivateClients
        | Reason::PrivateLookup
        | Reason::ChecksumMismatch
        | Reason::ChecksumUnknown
        | Reason::ChecksumUnavailable
        | Reason::ChecksumSecurity
        | Reason::BadUpstream
        | Reason::StillFetching
        | Reason::StorageFull
        | Reason::CachedOnly
        | Reason::StoreBroken
        | Reason::Invalid
        | Reason::ShuttingDown => "the upstream failed",
    }
}

/// Says what the reader can do, where there is something.
fn advice_for(reason: &Reason, cause: &FetchCause) -> &'static str {
    if let FetchCause::Direct(fault) = cause {
        return match fault.kind {
            DirectFaultKind::LoginNeeded => {
                "give Larder a netrc line, a [[credential]] or an ssh key for that host: see docs/private-modules.md"
            }
            DirectFaultKind::CredentialsRefused => {
                "renew the netrc line, [[credential]] or ssh key that Larder has for that host: see docs/private-modules.md"
            }
            DirectFaultKind::Unreachable | DirectFaultKind::TimedOut => {
                "this is a failure of the repository's host, not absence; ask again later"
            }
            DirectFaultKind::Broken => "this is a failure, not absence; ask again later",
            DirectFaultKind::Saturated => "ask again in a moment",
            DirectFaultKind::StorageFull => {
                "make room in Larder's data folder, or raise git.mirrors; what is stored is still served"
            }
            DirectFaultKind::Refused | DirectFaultKind::Absent | DirectFaultKind::Invalid => "",
        };
    }
    match reason {
        Reason::Denied => {
            "a private module? give its paths a private route with credentials in Larder's configuration"
        }
        Reason::UpstreamCredentials => {
            "renew the credentials for this upstream in Larder's configuration or netrc file"
        }
        Reason::UpstreamTimeout | Reason::BadUpstream => {
            "this is an upstream failure, not absence; ask again later"
        }
        Reason::BreakerOpen { .. } | Reason::RateLimited { .. } | Reason::Saturated { .. } => {
            "ask again in a moment"
        }
        Reason::LookupsOff => {
            "only stored modules are served for this path; give it a proxy in Larder's configuration to fetch more"
        }
        Reason::Absent
        | Reason::PrivateClients
        | Reason::PrivateLookup
        | Reason::ChecksumMismatch
        | Reason::ChecksumUnknown
        | Reason::ChecksumUnavailable
        | Reason::ChecksumSecurity
        | Reason::StillFetching
        | Reason::StorageFull
        | Reason::CachedOnly
        | Reason::StoreBroken
        | Reason::Invalid
        | Reason::ShuttingDown => "",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_printable_and_in_order() {
        let failure = Failure::new(
            Reason::BadUpstream,
            "could not\nfetch example.com/a@v1.0.0",
            &["\u{1b}[31mone:\r\n\r\nHTTP 500".to_owned(), String::new(), "two".to_owned()],
            &["ask again", ""],
        );
        assert_eq!(
            failure.lines,
            ["could not fetch example.com/a@v1.0.0", "[31mone: HTTP 500", "two", "ask again"]
        );
    }

    #[test]
    fn advice_survives_long_attempts() {
        let attempts: Vec<String> = (0..20).map(|index| format!("{index}: {}", "x".repeat(500))).collect();
        let failure = Failure::new(Reason::BadUpstream, "what failed", &attempts, &["what to do"]);
        assert_eq!(failure.lines.first().map(String::as_str), Some("what failed"));
        assert_eq!(failure.lines.last().map(String::as_str), Some("what to do"));
        assert_eq!(failure.lines.len(), MAX_LINES);
    }

    fn direct(kind: DirectFaultKind, text: &str, said: Option<&str>) -> FetchError {
        FetchError {
            upstream: larder_upstream::UpstreamName::direct(),
            wanted: "/example.com/a/@v/v1.0.0.info".to_owned(),
            attempts: 1,
            elapsed: Duration::ZERO,
            redirected_to: None,
            cause: FetchCause::Direct(larder_upstream::DirectFault { kind, text: text.into() }),
            said: said.map(str::to_owned),
        }
    }

    #[test]
    fn what_a_forge_said_keeps_its_lines() {
        let said = "remote: The project you were looking for could not be found.\n\nremote: See \u{1b}[1mhelp\nfatal: Authentication failed";
        let error = direct(DirectFaultKind::LoginNeeded, "https://git.corp.example/a: no login", Some(said));
        let failure = Failure::of_attempts(
            "example.com/a@v1.0.0.info",
            std::slice::from_ref(&error),
            &error.cause,
            &[],
        );
        assert_eq!(failure.reason, Reason::Denied);
        assert_eq!(
            failure.lines,
            [
                "could not fetch example.com/a@v1.0.0.info: its repository asks for a login that Larder does not have",
                "direct: https://git.corp.example/a: no login",
                "| remote: The project you were looking for could not be found.",
                "| remote: See [1mhelp",
                "| fatal: Authentication failed",
                "give Larder a netrc line, a [[credential]] or an ssh key for that host: see docs/private-modules.md",
            ]
        );
    }

    #[test]
    fn attempts_are_shown_before_quotations_but_not_instead_of_all() {
        let said =
            (0..9).map(|line| format!("line {line} {}", "y".repeat(200))).collect::<Vec<_>>().join("\n");
        let error = direct(DirectFaultKind::Unreachable, &"x".repeat(400), Some(&said));
        let failure = Failure::of_attempts("a", &[error.clone(), error.clone()], &error.cause, &[]);
        let of = |start: &str| failure.lines.iter().filter(|line| line.starts_with(start)).count();
        assert_eq!((of("direct: "), of("| line ")), (2, 3), "{failure:?}");
        assert!(failure.lines.len() == MAX_LINES && failure.lines[2].starts_with("| "), "{failure:?}");
    }

    #[test]
    fn each_kind_of_fault_has_one_reason() {
        for (kind, label) in [
            (DirectFaultKind::Absent, "absent"),
            (DirectFaultKind::Invalid, "absent"),
            (DirectFaultKind::LoginNeeded, "denied"),
            (DirectFaultKind::Refused, "denied"),
            (DirectFaultKind::CredentialsRefused, "upstream-credentials"),
            (DirectFaultKind::Unreachable, "bad-upstream"),
            (DirectFaultKind::Broken, "bad-upstream"),
            (DirectFaultKind::TimedOut, "upstream-timeout"),
            (DirectFaultKind::Saturated, "saturated"),
            (DirectFaultKind::StorageFull, "storage-full"),
        ] {
            let error = direct(kind, "text", None);
            let failure = Failure::of_attempts("a", std::slice::from_ref(&error), &error.cause, &[]);
            assert_eq!(failure.reason.label(), label, "{kind:?}");
            assert_eq!(error.is_absence(), label == "absent");
        }
    }

    proptest! {
        #[test]
        fn limits_hold_for_any_text(headline in ".{0,900}", attempts in prop::collection::vec("(?s).{0,400}", 0..12), advice in "(?s).{0,400}") {
            let failure = Failure::new(Reason::Absent, &headline, &attempts, &[&advice]);
            prop_assert!(failure.lines.len() <= MAX_LINES);
            prop_assert!(failure.lines.iter().map(|line| line.len() + 1).sum::<usize>() <= MAX_BYTES);
            for line in &failure.lines {
                prop_assert!(!line.trim().is_empty());
                prop_assert!(!line.chars().any(char::is_control));
            }
        }
    }
}
