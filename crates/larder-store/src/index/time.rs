//! Wall time in the index: milliseconds since 1970. It dates things and never decides about integrity.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) fn to_millis(time: SystemTime) -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => millis(after),
        Err(before) => -millis(before.duration()),
    }
}

pub(crate) fn from_millis(millis: i64) -> SystemTime {
    let duration = Duration::from_millis(millis.unsigned_abs());
    let time = if millis >= 0 { UNIX_EPOCH.checked_add(duration) } else { UNIX_EPOCH.checked_sub(duration) };
    time.unwrap_or(UNIX_EPOCH)
}
