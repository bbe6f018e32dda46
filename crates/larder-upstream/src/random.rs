//! Random numbers for jitter and names, from the seeds that the standard library takes from the system.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Returns a random number.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(std::thread::current().id())
}

/// Returns a random part of a duration, at least half of it.
pub(crate) fn jittered(whole: Duration) -> Duration {
    let part = 0.5 + (number() >> 11) as f64 / (1u64 << 53) as f64 / 2.0;
    whole.mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_bounds() {
        let whole = Duration::from_millis(100);
        let times: Vec<_> = (0..100).map(|_| jittered(whole)).collect();
        assert!(times.iter().all(|time| *time >= whole / 2 && *time <= whole));
        assert!(times.iter().any(|time| *time != times[0]));
    }
}
