//! The one place that reads the wall clock; everything below is given it.

use std::time::SystemTime;

/// Returns the wall time.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
