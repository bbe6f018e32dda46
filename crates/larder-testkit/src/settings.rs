//! The few variables that the tests themselves obey.
//!
//! `LARDER_LIVE=1` adds what needs the world, `LARDER_LONG=1` makes the load tests full size, `LARDER_SEED=n`
//! repeats a random run, `LARDER_BINARY=file` tests another build, `LARDER_RECORD=1` keeps
//! what the go command answers now, `LARDER_LAB=P12,N` plays some causes of the doctor's lab only, and
//! `LARDER_GO_CLIENTS=root:root` plays them with other go commands, too.

use std::path::PathBuf;

#[expect(clippy::disallowed_methods, reason = "the tests' own switches; the product never sees them")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reports whether tests may use the machine's own network and proxies.
pub fn live() -> bool {
    variable("LARDER_LIVE").is_some_and(|value| value != "0")
}

/// Reports whether load tests run at full size.
pub fn long() -> bool {
    variable("LARDER_LONG").is_some_and(|value| value != "0")
}

/// Returns the binary to test in place of the one that was built with the tests, such as a release build.
pub fn binary() -> Option<PathBuf> {
    variable("LARDER_BINARY").map(PathBuf::from)
}

/// Returns the seed of this run: the given one, or `default`.
pub fn seed(default: u64) -> u64 {
    let seed = variable("LARDER_SEED").and_then(|text| text.parse().ok()).unwrap_or(default);
    say(&format!("seed {seed} (repeat with LARDER_SEED={seed})"));
    seed
}

/// Returns the folders of `PATH`.
pub fn search_path() -> Vec<PathBuf> {
    variable("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// Returns a variable of the machine that a live run passes on, such as `GOPROXY`.
pub fn machine(name: &str) -> Option<String> {
    variable(name)
}

/// Prints a line for whoever reads the test's output.
#[expect(clippy::print_stderr, reason = "test output")]
pub fn say(line: &str) {
    eprintln!("{line}");
}

/// Says that a test did not run, and why.
pub fn skipped(test: &str, why: &str) {
    say(&format!("SKIPPED {test}: {why}"));
}
