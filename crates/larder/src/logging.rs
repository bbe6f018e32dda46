//! The log on standard error.

use std::time::Duration;

use larder_server::{AccessLog, LogForm};
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::clock;
use crate::config::Config;

/// Time for the last lines of the access log to get out; whoever reads it may have gone.
pub(crate) const LAST_LINES: Duration = Duration::from_secs(2);

/// Starts logging as configured. Libraries below Larder speak up only for warnings.
pub(crate) fn start(config: &Config) {
    let level = level(config);
    let others = if level == Level::TRACE { Level::DEBUG } else { level.min(Level::WARN) };
    let ours = ["larder", "larder_cache", "larder_server", "larder_store", "larder_upstream"];
    let filter = Targets::new()
        .with_default(LevelFilter::from_level(others))
        .with_targets(ours.map(|name| (name, level)));
    let layer = if is_json(config) {
        fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
    } else {
        fmt::layer().with_target(false).with_ansi(has_colour()).with_writer(std::io::stderr).boxed()
    };
    // A second start in one process (tests) keeps the first subscriber.
    let _already = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}

/// Starts the access log as configured: in the same form, on the same output.
pub(crate) fn start_access_log(config: &Config) -> std::io::Result<AccessLog> {
    if !config.switch("log.requests") || level(config) < Level::INFO {
        return Ok(AccessLog::off());
    }
    let form = if is_json(config) { LogForm::Json } else { LogForm::Text { colour: has_colour() } };
    AccessLog::start(form, clock::wall, std::io::stderr())
}

fn level(config: &Config) -> Level {
    match config.text("log.level") {
        "error" => Level::ERROR,
        "warn" => Level::WARN,
        "debug" => Level::DEBUG,
        "trace" => Level::TRACE,
        _ => Level::INFO,
    }
}

fn is_json(config: &Config) -> bool {
    config.text("log.format") == "json"
}

fn has_colour() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}
