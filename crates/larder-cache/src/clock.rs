//! The one door to time.
//!
//! Ages are measured on a steady clock, which no administrator sets back; wall time only dates what is kept across restarts (answers,
//! causes) and never decides about integrity. Both come from functions, so that tests can let an hour pass.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A source of wall time, and of steady time beside it.
#[derive(Clone)]
pub struct WallClock {
    wall: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    steady: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// A point on the steady clock; it may lie before the clock's start.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment(i64);

impl WallClock {
    /// Returns a clock that asks `now` for wall time and the system for steady time.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        let start = Instant::now();
        Self { wall: Arc::new(now), steady: Arc::new(move || start.elapsed()) }
    }

    /// Returns the same clock with another steady time: what passed since any fixed point.
    #[must_use]
    pub fn with_steady(mut self, elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.steady = Arc::new(elapsed);
        self
    }

    /// Returns the steady time.
    pub(crate) fn moment(&self) -> Moment {
        Moment(millis((self.steady)()))
    }

    /// Returns the steady time of what happened this long ago.
    pub(crate) fn moment_before(&self, age: Duration) -> Moment {
        Moment(self.moment().0.saturating_sub(millis(age)))
    }

    /// Returns the steady time that comes after this long.
    pub(crate) fn moment_after(&self, wait: Duration) -> Moment {
        Moment(self.moment().0.saturating_add(millis(wait)))
    }

    /// Returns how long ago a moment was.
    pub(crate) fn age(&self, moment: Moment) -> Duration {
        let millis = self.moment().0.saturating_sub(moment.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// Returns the time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        (self.wall)()
    }

    /// Returns how long ago `then` was; a time in the future counts as now, because clocks get set back.
    #[must_use]
    pub fn since(&self, then: SystemTime) -> Duration {
        self.now().duration_since(then).unwrap_or_default()
    }

    /// Returns the seconds since 1970.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        let elapsed = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WallClock")
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Says an age as people do: `40 s`, `3 min`, `5 h`, `2 days`.
#[must_use]
pub fn age_text(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_people_say_them() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_199, "119 min"),
            (7_200, "2 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(age_text(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_clock_set_back_makes_nothing_negative() {
        let clock = WallClock::new(|| UNIX_EPOCH);
        assert_eq!(clock.since(UNIX_EPOCH + Duration::from_secs(5)), Duration::ZERO);
        assert_eq!(clock.unix_seconds(), 0);
        let moment = clock.moment_before(Duration::from_secs(3_600));
        assert!(clock.age(moment) >= Duration::from_secs(3_600));
        assert_eq!(clock.age(clock.moment_after(Duration::from_secs(9))), Duration::ZERO);
    }
}
