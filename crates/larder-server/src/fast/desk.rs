//! What a thread keeps for all of its connections, so that they need nothing of their own while they rest.

use std::cell::RefCell;
use std::time::SystemTime;

use crate::reply::date_bytes;
use crate::wire::DATE;

/// How many bytes are read from a client at once.
const INPUT: usize = 16 << 10;

thread_local! {
    pub(super) static DESK: RefCell<Desk> = RefCell::new(Desk::new());
}

pub(super) struct Desk {
    pub(super) input: Box<[u8]>,
    /// Answers being composed.
    pub(super) out: Vec<u8>,
    pub(super) dates: Dates,
}

impl Desk {
    fn new() -> Self {
        Self {
            input: vec![0; INPUT].into(),
            out: Vec::new(),
            dates: Dates { told_ms: 0, text: [b' '; DATE] },
        }
    }
}

/// The date as text.
pub(super) struct Dates {
    told_ms: u64,
    text: [u8; DATE],
}

impl Dates {
    /// Returns the date; the wall clock is asked when the coarse one has moved, twice a second.
    pub(super) fn date(&mut self, coarse_ms: u64) -> &[u8; DATE] {
        if self.told_ms != coarse_ms {
            self.told_ms = coarse_ms;
            self.text = date_bytes(now());
        }
        &self.text
    }
}

#[expect(clippy::disallowed_methods, reason = "as hyper does for its answers; nothing is decided by it")]
fn now() -> SystemTime {
    SystemTime::now()
}
