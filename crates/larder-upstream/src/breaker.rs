//! Leaving a broken upstream alone for a moment.
//!
//! After a row of failures the breaker opens and requests fail at once, so that clients learn the cause
//! without waiting and the upstream is not hammered. One request at a time then probes it; a probe that
//! succeeds closes the breaker. The pauses are short, so that an upstream that is back is used again
//! within seconds. "Not found" is an answer and counts as success.
//!
//! What nobody waits for has a stricter breaker of its own, so that it neither hammers an upstream in trouble nor, with dozens of requests
//! under way, shuts it for those who wait: it begins only while the other is shut, after a few failures it pauses, and when the upstream
//! says `Retry-After` it stays away as long as that says, while clients find out for themselves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::FetchCause;
use crate::settings::BreakerSettings;
use crate::urgency::Urgency;

/// The breaker of one upstream.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    failures: u32,
    last_failure: Option<(Instant, Box<str>)>,
    open: Option<Open>,
    quiet_until: Option<Instant>,
    ahead: Ahead,
}

/// The same for what nobody waits for.
#[derive(Debug, Default)]
struct Ahead {
    failures: u32,
    quiet_until: Option<Instant>,
}

/// Failures in a row after which nothing is fetched ahead for a while.
const AHEAD_FAILURES: u32 = 3;
/// That while.
const AHEAD_PAUSE: Duration = Duration::from_secs(5);
/// How long nothing is fetched ahead from an upstream that asks for fewer requests and doesn't say how long.
const AHEAD_LIMITED: Duration = Duration::from_secs(60);
/// The longest `Retry-After` that is believed.
const AHEAD_LONGEST: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct Open {
    until: Instant,
    pause: Duration,
    probing: bool,
}

/// What a breaker does at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BreakerState {
    /// Requests go through.
    Closed,
    /// Requests fail at once.
    Open,
    /// One request is finding out whether the upstream is back, or may.
    HalfOpen,
}

impl BreakerState {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings) -> Arc<Self> {
        Arc::new(Self { settings, inner: Mutex::default() })
    }

    /// Lets a request through, or says why not. The pass reports how it went.
    pub(crate) fn admit(self: &Arc<Self>, urgency: &Urgency) -> Result<Pass, FetchCause> {
        if urgency.is_now() { self.admit_at(Instant::now()) } else { self.admit_ahead_at(Instant::now()) }
    }

    /// Lets a request through that nobody waits for.
    fn admit_ahead_at(self: &Arc<Self>, now: Instant) -> Result<Pass, FetchCause> {
        let inner = self.lock();
        let quiet = inner.quiet_until.max(inner.ahead.quiet_until).filter(|until| now < *until);
        let open = inner.open.as_ref().map(|open| open.until.max(now));
        match quiet.or(open) {
            Some(until) => {
                let last = inner.last_failure.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
                Err(FetchCause::BreakerOpen { retry_after: until - now, last })
            }
            None => Ok(Pass { breaker: Arc::clone(self), probe: false, ahead: true, settled: false }),
        }
    }

    fn admit_at(self: &Arc<Self>, now: Instant) -> Result<Pass, FetchCause> {
        let mut inner = self.lock();
        if let Some(until) = inner.quiet_until {
            if now < until {
                return Err(FetchCause::RateLimited { retry_after: Some(until - now) });
            }
            inner.quiet_until = None;
        }
        let last = inner.last_failure.as_ref().map(|(_, text)| text.clone()).unwrap_or_default();
        if let Some(open) = &mut inner.open {
            if now < open.until || open.probing {
                let retry_after = open.until.saturating_duration_since(now).max(Duration::from_millis(200));
                return Err(FetchCause::BreakerOpen { retry_after, last });
            }
            open.probing = true;
            return Ok(Pass { breaker: Arc::clone(self), probe: true, ahead: false, settled: false });
        }
        Ok(Pass { breaker: Arc::clone(self), probe: false, ahead: false, settled: false })
    }

    pub(crate) fn state(&self) -> BreakerState {
        self.state_at(Instant::now())
    }

    fn state_at(&self, now: Instant) -> BreakerState {
        match &self.lock().open {
            None => BreakerState::Closed,
            Some(open) if open.probing || now >= open.until => BreakerState::HalfOpen,
            Some(_) => BreakerState::Open,
        }
    }

    /// Takes note of a failure after the pass had been settled: a body that broke off.
    pub(crate) fn note_failure(&self, cause: &FetchCause, urgency: &Urgency) {
        if !urgency.is_now() {
            self.failed_ahead(cause, Instant::now());
        } else if cause.counts_against_upstream() {
            self.failed(cause, false, Instant::now());
        }
    }

    /// Heeds what an upstream says about how many requests it likes, whoever's request it answered.
    fn stay_away_ahead(&self, cause: &FetchCause, now: Instant) {
        let wait = match cause {
            FetchCause::RateLimited { retry_after } => retry_after.unwrap_or(AHEAD_LIMITED),
            FetchCause::Status { retry_after: Some(wait), .. } => *wait,
            _ => return,
        };
        let mut inner = self.lock();
        inner.ahead.quiet_until = inner.ahead.quiet_until.max(Some(now + wait.min(AHEAD_LONGEST)));
    }

    fn failed_ahead(&self, cause: &FetchCause, now: Instant) {
        if cause.counts_against_upstream() {
            let mut inner = self.lock();
            inner.ahead.failures += 1;
            if inner.ahead.failures >= AHEAD_FAILURES {
                inner.ahead.failures = 0;
                inner.ahead.quiet_until = inner.ahead.quiet_until.max(Some(now + AHEAD_PAUSE));
            }
        }
    }

    fn succeeded(&self) {
        let mut inner = self.lock();
        inner.failures = 0;
        inner.ahead.failures = 0;
        inner.open = None;
    }

    fn failed(&self, cause: &FetchCause, probe: bool, now: Instant) {
        let mut inner = self.lock();
        let in_a_row = inner.last_failure.as_ref().is_some_and(|(at, _)| now - *at <= self.settings.window);
        inner.failures = if in_a_row { inner.failures.saturating_add(1) } else { 1 };
        inner.last_failure = Some((now, cause.to_string().into()));
        let failures = inner.failures;
        match &mut inner.open {
            Some(open) if probe => {
                open.pause = (open.pause * 2).min(self.settings.longest_pause);
                open.until = now + crate::random::jittered(open.pause);
                open.probing = false;
            }
            // Requests that were under way when it opened say nothing new.
            Some(_) => {}
            None if failures >= self.settings.failures => {
                let pause = self.settings.first_pause;
                inner.open = Some(Open { until: now + pause, pause, probing: false });
            }
            None => {}
        }
    }

    fn quiet(&self, wait: Duration, now: Instant) {
        self.lock().quiet_until = Some(now + wait.min(self.settings.longest_pause));
    }

    fn probe_given_up(&self) {
        if let Some(open) = &mut self.lock().open {
            open.probing = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to ask once; dropping it without a result says nothing about the upstream.
#[derive(Debug)]
pub(crate) struct Pass {
    breaker: Arc<Breaker>,
    probe: bool,
    ahead: bool,
    settled: bool,
}

impl Pass {
    /// The upstream answered.
    pub(crate) fn succeeded(&mut self) {
        self.settled = true;
        self.breaker.succeeded();
    }

    /// The upstream failed, in a way that may or may not count against it.
    pub(crate) fn failed(&mut self, cause: &FetchCause) {
        self.failed_at(cause, Instant::now());
    }

    fn failed_at(&mut self, cause: &FetchCause, now: Instant) {
        self.breaker.stay_away_ahead(cause, now);
        if self.ahead {
            self.settled = true;
            return self.breaker.failed_ahead(cause, now);
        }
        if let FetchCause::RateLimited { retry_after: Some(wait) } = cause {
            self.breaker.quiet(*wait, now);
        }
        if cause.counts_against_upstream() {
            self.settled = true;
            self.breaker.failed(cause, self.probe, now);
        } else if !matches!(cause, FetchCause::DeadlinePassed { .. } | FetchCause::Saturated) {
            self.succeeded();
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probe && !self.settled {
            self.breaker.probe_given_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKEN: FetchCause = FetchCause::Status { status: 503, retry_after: None };

    fn breaker() -> Arc<Breaker> {
        Breaker::new(BreakerSettings { failures: 3, ..BreakerSettings::default() })
    }

    fn fail(breaker: &Arc<Breaker>, times: u32, now: Instant) {
        for _ in 0..times {
            breaker.admit_at(now).unwrap().failed_at(&BROKEN, now);
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_says_why() {
        let (breaker, now) = (breaker(), Instant::now());
        fail(&breaker, 2, now);
        breaker.admit_at(now).unwrap().succeeded();
        fail(&breaker, 2, now);
        assert_eq!(breaker.state_at(now), BreakerState::Closed);
        fail(&breaker, 1, now);
        assert_eq!(breaker.state_at(now), BreakerState::Open);
        match breaker.admit_at(now).unwrap_err() {
            FetchCause::BreakerOpen { last, .. } => assert!(last.contains("503"), "{last}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn absence_is_an_answer() {
        let (breaker, now) = (breaker(), Instant::now());
        fail(&breaker, 2, now);
        breaker.admit_at(now).unwrap().failed_at(&FetchCause::Absent { status: Some(404) }, now);
        fail(&breaker, 2, now);
        assert_eq!(breaker.state_at(now), BreakerState::Closed);
    }

    #[test]
    fn failures_far_apart_are_no_row() {
        let (breaker, mut now) = (breaker(), Instant::now());
        for _ in 0..10 {
            fail(&breaker, 1, now);
            now += Duration::from_secs(31);
        }
        assert_eq!(breaker.state_at(now), BreakerState::Closed);
    }

    #[test]
    fn one_probe_at_a_time_and_it_recovers_within_ten_seconds() {
        let (breaker, mut now) = (breaker(), Instant::now());
        fail(&breaker, 3, now);
        for _ in 0..20 {
            now += Duration::from_secs(5);
            let mut probe = breaker.admit_at(now).unwrap();
            assert_eq!(breaker.state_at(now), BreakerState::HalfOpen);
            assert!(breaker.admit_at(now).is_err(), "only one probe");
            probe.failed_at(&BROKEN, now);
            assert_eq!(breaker.state_at(now), BreakerState::Open);
        }
        now += Duration::from_secs(5);
        breaker.admit_at(now).unwrap().succeeded();
        assert_eq!(breaker.state_at(now), BreakerState::Closed);
    }

    #[test]
    fn a_probe_that_is_given_up_leaves_room_for_the_next() {
        let (breaker, mut now) = (breaker(), Instant::now());
        fail(&breaker, 3, now);
        now += Duration::from_secs(5);
        drop(breaker.admit_at(now).unwrap());
        assert!(breaker.admit_at(now).is_ok());
    }

    #[test]
    fn what_nobody_waits_for_shuts_no_breaker_and_probes_nothing() {
        let (breaker, mut now) = (breaker(), Instant::now());
        for _ in 0..AHEAD_FAILURES {
            breaker.admit_ahead_at(now).unwrap().failed_at(&BROKEN, now);
        }
        assert!(breaker.admit_ahead_at(now).is_err(), "it pauses");
        assert_eq!(breaker.state_at(now), BreakerState::Closed);
        assert!(breaker.admit_at(now).is_ok());
        now += AHEAD_PAUSE;
        assert!(breaker.admit_ahead_at(now).is_ok());
        fail(&breaker, 3, now);
        assert!(breaker.admit_ahead_at(now + Duration::from_secs(60)).is_err(), "no probe");
    }

    #[test]
    fn what_nobody_waits_for_heeds_retry_after_in_full() {
        let (breaker, now) = (breaker(), Instant::now());
        let limited = FetchCause::RateLimited { retry_after: Some(Duration::from_secs(120)) };
        breaker.admit_ahead_at(now).unwrap().failed_at(&limited, now);
        assert!(breaker.admit_at(now).is_ok(), "clients find out for themselves");
        assert!(breaker.admit_ahead_at(now + Duration::from_secs(119)).is_err());
        assert!(breaker.admit_ahead_at(now + Duration::from_secs(120)).is_ok());
        breaker.admit_at(now).unwrap().failed_at(&limited, now + Duration::from_secs(120));
        assert!(breaker.admit_ahead_at(now + Duration::from_secs(200)).is_err(), "a client's counts too");
    }

    #[test]
    fn retry_after_is_obeyed_up_to_a_cap() {
        let (breaker, mut now) = (breaker(), Instant::now());
        let limited = FetchCause::RateLimited { retry_after: Some(Duration::from_secs(3600)) };
        breaker.admit_at(now).unwrap().failed_at(&limited, now);
        assert!(matches!(breaker.admit_at(now), Err(FetchCause::RateLimited { .. })));
        now += Duration::from_secs(5);
        assert!(breaker.admit_at(now).is_ok());
    }
}
