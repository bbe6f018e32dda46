//! Progress for the person who waits: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use tokio::time::Instant;

use super::tally::{Tally, bytes};
use crate::render;

/// Cells of the bar.
const WIDTH: u64 = 24;

/// The display.
#[derive(Debug)]
pub(crate) struct Progress {
    is_terminal: bool,
    is_quiet: bool,
    began: Instant,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(is_quiet: bool) -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), is_quiet, began: Instant::now(), shown: false }
    }

    /// Returns how often it wants to be shown.
    pub(crate) fn interval(&self) -> Duration {
        if self.is_terminal { Duration::from_millis(200) } else { Duration::from_secs(5) }
    }

    /// Shows how far things are; `known` files are wanted as far as is known, `unread` go.mod files are waited for.
    pub(crate) fn show(&mut self, tally: &Tally, known: u64, unread: u64) {
        if self.is_quiet {
            return;
        }
        let text = line(tally, known, unread, self.began.elapsed());
        if self.is_terminal {
            self.shown = true;
            render::progress(&format!("{} {text}", bar(tally.files(), known)));
        } else {
            render::note(format_args!("warm: {text}"));
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&mut self) -> Duration {
        if std::mem::take(&mut self.shown) {
            render::progress("");
        }
        self.began.elapsed()
    }
}

fn bar(done: u64, known: u64) -> String {
    let full = (done * WIDTH).checked_div(known).unwrap_or(0).min(WIDTH);
    let (full, rest) = (usize::try_from(full).unwrap_or(0), usize::try_from(WIDTH - full).unwrap_or(0));
    format!("[{}{}]", "=".repeat(full), " ".repeat(rest))
}

fn line(tally: &Tally, known: u64, unread: u64, elapsed: Duration) -> String {
    let fetched = tally.fetched.bytes + tally.unstored.bytes;
    let seconds = elapsed.as_secs_f64().max(0.001);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "three digits are shown"
    )]
    let rate = (fetched as f64 / seconds) as u64;
    let graph = if unread > 0 { format!(", {unread} go.mod files to come") } else { String::new() };
    format!("{}/{known} files, {} fetched, {}/s{graph}", tally.files(), bytes(fetched), bytes(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_lines() {
        assert_eq!(bar(0, 0), format!("[{}]", " ".repeat(24)));
        assert_eq!(bar(5, 10), format!("[{}{}]", "=".repeat(12), " ".repeat(12)));
        assert_eq!(bar(12, 10), format!("[{}]", "=".repeat(24)));
        let text = line(&Tally::default(), 7, 2, Duration::from_secs(1));
        assert_eq!(text, "0/7 files, 0 B fetched, 0 B/s, 2 go.mod files to come");
    }
}
