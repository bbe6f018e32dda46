//! When the same upstream is asked again.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::FetchCause;
use crate::random::jittered;
use crate::settings::Retries;

/// The attempts at one thing at one upstream.
#[derive(Debug)]
pub(crate) struct Attempts {
    settings: Retries,
    deadline: Option<Instant>,
    made: u32,
    began: Instant,
}

impl Attempts {
    pub(crate) fn begin(settings: Retries, deadline: Option<Instant>) -> Self {
        Self { settings, deadline, made: 0, began: Instant::now() }
    }

    /// Counts an attempt.
    pub(crate) fn count(&mut self) {
        self.made += 1;
    }

    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Returns how long to wait before the next attempt, or nothing when this was the last.
    pub(crate) fn pause_after(&self, cause: &FetchCause) -> Option<Duration> {
        if self.made >= self.settings.attempts || !cause.is_retryable() {
            return None;
        }
        let pause = match cause.retry_after() {
            Some(asked) if asked <= self.settings.longest_retry_after => asked,
            Some(_) => return None,
            None => {
                let doubled =
                    self.settings.first_pause.saturating_mul(1 << self.made.saturating_sub(1).min(16));
                jittered(doubled.min(self.settings.longest_pause))
            }
        };
        match self.deadline {
            Some(deadline) if Instant::now() + pause >= deadline => None,
            _ => Some(pause),
        }
    }
}

/// Reads `Retry-After`: seconds or a date, by the upstream's own clock where it names one.
pub(crate) fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = headers.get(http::header::DATE)?.to_str().ok()?;
    let now = httpdate::parse_http_date(now).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    const BROKEN: FetchCause = FetchCause::Status { status: 502, retry_after: None };

    #[test]
    fn attempts_are_bounded_by_number_time_and_cause() {
        let mut attempts = Attempts::begin(Retries::default(), None);
        attempts.count();
        let first = attempts.pause_after(&BROKEN).unwrap();
        assert!(first >= Duration::from_millis(75) && first <= Duration::from_millis(150));
        assert_eq!(
            attempts.pause_after(&FetchCause::FirstByteTimeout { after: Duration::from_secs(30) }),
            None
        );
        assert_eq!(attempts.pause_after(&FetchCause::Absent { status: Some(404) }), None);
        attempts.count();
        assert!(attempts.pause_after(&BROKEN).unwrap() >= Duration::from_millis(150));
        attempts.count();
        assert_eq!(attempts.pause_after(&BROKEN), None);

        let mut attempts =
            Attempts::begin(Retries::default(), Some(Instant::now() + Duration::from_millis(10)));
        attempts.count();
        assert_eq!(attempts.pause_after(&BROKEN), None, "no time left");
    }

    #[test]
    fn a_short_retry_after_is_waited_for_and_a_long_one_ends_it() {
        let mut attempts = Attempts::begin(Retries::default(), None);
        attempts.count();
        let limited = |seconds| FetchCause::RateLimited { retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(attempts.pause_after(&limited(2)), Some(Duration::from_secs(2)));
        assert_eq!(attempts.pause_after(&limited(60)), None);
    }

    #[test]
    fn retry_after_in_both_forms() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert("retry-after", HeaderValue::from_static("7"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert("retry-after", HeaderValue::from_static("Sun, 06 Nov 1994 08:49:47 GMT"));
        assert_eq!(retry_after(&headers), None, "a date without the upstream's clock says nothing");
        headers.insert("date", HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(10)));
        headers.insert("retry-after", HeaderValue::from_static("-1"));
        assert_eq!(retry_after(&headers), None);
    }
}
