//! `larder verify`: read the whole store again.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::{Duration, Instant, UNIX_EPOCH};

use larder_module::time::Timestamp;
use larder_store::{Event, ScrubOptions, ScrubReport, Store, StoreOptions};
use serde_json::json;

use super::Outcome;
use crate::cli::Format;
use crate::config::Config;
use crate::findings::TAG_MOVED;
use crate::{clock, render};

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) format: Format,
    pub(crate) restart: bool,
    pub(crate) rebuild_index: bool,
}

/// Events that are looked through for tags that moved, and how many of these are shown.
const LOOKED_THROUGH: u32 = 10_000;
const MOST_SHOWN: usize = 200;

/// Time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Re-hashes everything and reports what was wrong.
pub(crate) fn run(config: &Config, options: &Options) -> Result<(), Outcome> {
    let folder = config.path("data").unwrap_or_default();
    if !folder.is_dir() {
        return Err(Outcome::Usage {
            error: format!("there is no data folder {}", folder.display()),
            hint: Some("name the one that `larder serve` uses with --data or LARDER_DATA".to_owned()),
        });
    }
    let store =
        Store::open(StoreOptions::new(folder, clock::wall)).map_err(|error| Outcome::usage(&error, None))?;
    let mut progress = Progress::new();
    let records = |of: &_| store.recorded(of);
    let report = if options.rebuild_index {
        store.rebuild_index(&records, &mut |report| progress.show(report))
    } else {
        let scrub = ScrubOptions { records: &records, resume: !options.restart, add_rows: true };
        store.scrub(&scrub, &mut |report| progress.show(report))
    };
    progress.end();
    let report = report.map_err(|error| Outcome::usage(&error, None))?;
    let moved = moved_tags(&store);
    match options.format {
        Format::Text => text(&report, &moved),
        Format::Json => render::json(&as_json(&report, &moved)),
    }
    if report.wrong == 0 { Ok(()) } else { Err(Outcome::Found) }
}

/// The tags that moved after a version had been made from them, newest first. Nothing is wrong with what is stored.
fn moved_tags(store: &Store) -> Vec<Event> {
    store
        .events(LOOKED_THROUGH)
        .into_iter()
        .filter(|event| event.kind == TAG_MOVED)
        .take(MOST_SHOWN)
        .collect()
}

fn when(event: &Event) -> String {
    let since = event.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX)).to_string()
}

struct Progress {
    last: Instant,
    on_terminal: bool,
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self { last: Instant::now(), on_terminal: std::io::stderr().is_terminal(), shown: false }
    }

    fn show(&mut self, report: &ScrubReport) -> ControlFlow<()> {
        if self.last.elapsed() >= PROGRESS_EVERY {
            self.last = Instant::now();
            self.shown = true;
            let back = if self.on_terminal { "\x1b[1A\x1b[2K" } else { "" };
            render::note(format_args!(
                "{back}{} objects, {} MiB read, {} wrong: {}",
                report.objects,
                report.bytes >> 20,
                report.wrong,
                report.position
            ));
        }
        ControlFlow::Continue(())
    }

    fn end(&self) {
        if self.shown && self.on_terminal {
            render::note("\x1b[1A\x1b[2K");
        }
    }
}

fn text(report: &ScrubReport, moved: &[Event]) {
    for problem in &report.problems {
        let place = if problem.quarantined { "moved to quarantine" } else { "could not be read" };
        render::line(format_args!("{}: {} ({place})", problem.object, problem.reason));
    }
    let named = u64::try_from(report.problems.len()).unwrap_or(u64::MAX);
    if report.wrong > named {
        render::line(format_args!("... and {} more", report.wrong - named));
    }
    for event in moved {
        render::line(format_args!(
            "{} keeps its bytes: {} (seen {})",
            event.subject,
            event.detail,
            when(event)
        ));
    }
    if let Some(after) = &report.resumed_after {
        render::line(format_args!("went on after {after}; --restart begins anew"));
    }
    render::line(format_args!(
        "{} objects, {} bytes: {} wrong, {} unknown to the index, {} rows added, {} removed, {} marks and lists repaired, {} stray files",
        report.objects,
        report.bytes,
        report.wrong,
        report.without_row,
        report.rows_added,
        report.rows_removed,
        report.repaired,
        report.strays
    ));
}

fn as_json(report: &ScrubReport, moved: &[Event]) -> serde_json::Value {
    let problems: Vec<_> = report
        .problems
        .iter()
        .map(|problem| json!({"object": problem.object, "reason": problem.reason, "quarantined": problem.quarantined}))
        .collect();
    let moved: Vec<_> = moved
        .iter()
        .map(|event| json!({"at": when(event), "subject": event.subject, "detail": event.detail}))
        .collect();
    json!({
        "moved_tags": moved, "objects": report.objects, "bytes": report.bytes, "wrong": report.wrong, "problems": problems,
        "resumed_after": report.resumed_after, "finished": report.finished, "without_row": report.without_row,
        "rows_added": report.rows_added, "rows_removed": report.rows_removed, "repaired": report.repaired,
        "strays": report.strays,
    })
}
