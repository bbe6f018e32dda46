//! `larder doctor [MODULE[@VERSION]]`: look at this place.

use std::io::IsTerminal;
use std::time::Duration;

use larder_doctor::examine;

use super::{Desk, Outcome, block_on, subject};
use crate::render;

/// Looks, and shows what was found.
pub(super) fn run(desk: &Desk<'_>, asked: Option<&str>) -> Result<(), Outcome> {
    let asked = asked.map(subject).transpose()?;
    let system = desk.system()?;
    let mut facts = block_on(watched(desk, examine(&system, desk.look(asked))))?;
    if !desk.shares_network() {
        facts.skip("network", "that process has a network of its own: run larder there");
    }
    desk.conclude(&facts, |text| render::line(text.trim_end()))
}

/// Says on a terminal how long it has been going on, from when a person begins to wonder.
async fn watched<T>(desk: &Desk<'_>, work: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    let words = render::doctor::words(desk.language);
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.tick().await;
    let mut seconds = 0;
    let mut work = std::pin::pin!(work);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = every.tick() => {
                seconds += 1;
                render::progress(&format!("{} ({seconds}/{} s)", words.looking, desk.reach.timeout));
            }
        }
    };
    if seconds > 0 {
        render::progress("");
    }
    result
}
