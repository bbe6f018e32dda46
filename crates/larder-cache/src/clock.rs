//! The one door to wall time.
//!
//! Durations inside the engine come from tokio's clock, which tests pause. Wall time only dates what is kept across restarts
//! (answers, causes), never decides about integrity, and comes from a function that the binary passes in.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A source of wall time.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl WallClock {
    /// Returns a clock that asks `now`.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        (self.0)()
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
    }
}
