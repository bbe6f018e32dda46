//! A refusal as the client will read it.
//!
//! The `go` command prints at most eight lines of a `text/plain` body, stops at a blank line, shows nothing of a long single line and
//! hides the whole text for one control character. So the text is fitted here, once, for every kind of failure: the first line says
//! what failed, then come the attempts in order, then what to do. Attempts are cut before the advice is.

use std::time::Duration;

use larder_upstream::{FetchCause, FetchError};

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
    /// The route has look-ups switched off, or reaches version control, which this version doesn't do.
    LookupsOff,
    /// An upstream refuses this client's module (401 or 403 there).
    Denied,
    /// The module belongs to a private route and the client's address may not see such.
    PrivateClients,
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

    /// Reports whether the reason is a positive statement about the module, which may be repeated to later callers for a while.
    pub(crate) fn is_positive_absence(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Reports whether nobody could be asked, so that what was learned earlier still stands.
    pub(crate) fn chain_cannot_be_asked(&self) -> bool {
        match self {
            Self::BadUpstream
            | Self::UpstreamCredentials
            | Self::UpstreamTimeout
            | Self::StillFetching
            | Self::Saturated { .. }
            | Self::BreakerOpen { .. }
            | Self::RateLimited { .. }
            | Self::Denied
            | Self::LookupsOff
            | Self::CachedOnly
            | Self::ChecksumUnavailable
            | Self::ShuttingDown => true,
            Self::Absent
            | Self::PrivateClients
            | Self::ChecksumMismatch
            | Self::ChecksumUnknown
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
        Self {
            reason,
            lines: fit(headline, attempts, advice),
            learned: None,
            private: false,
        }
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
    let advice: Vec<String> = advice
        .iter()
        .map(|line| cut(&clean(line), 180))
        .filter(|line| !line.is_empty())
        .take(2)
        .collect();
    let fixed: usize = headline.len() + 1 + advice.iter().map(|line| line.len() + 1).sum::<usize>();
    let mut room = MAX_BYTES.saturating_sub(fixed);
    let attempts: Vec<String> = attempts
        .iter()
        .map(|line| clean(line))
        .filter(|line| !line.is_empty())
        .collect();
    let slots = MAX_LINES - 1 - advice.len();
    let shown = attempts.len().min(slots);
    let mut lines = vec![headline];
    for (index, attempt) in attempts.iter().take(shown).enumerate() {
        let share = room / (shown - index);
        if share < 24 {
            break;
        }
        let line = cut(attempt, share - 1);
        room -= line.len() + 1;
        lines.push(line);
    }
    lines.extend(advice);
    lines.retain(|line| !line.is_empty());
    lines
}

/// Makes one printable line of text from anywhere: no control characters, no runs of white space.
pub(crate) fn clean(text: &str) -> String {
    let printable: String = text
        .chars()
        .map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c })
        .collect();
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

/// Chooses the reason that one failed attempt stands for.
pub(crate) fn reason_of(error: &FetchError) -> Reason {
    reason_of_cause(&error.cause)
}

/// Chooses the reason that a cause stands for.
pub(crate) fn reason_of_cause(_cause: &FetchCause) -> Reason {
    todo!()
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
