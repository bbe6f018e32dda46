//! The log on standard error.

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::Config;

/// Starts logging as configured. Libraries below Larder speak up only for warnings.
pub(crate) fn start(config: &Config) {
    let level = match config.text("log.level") {
        "error" => Level::ERROR,
        "warn" => Level::WARN,
        "debug" => Level::DEBUG,
        "trace" => Level::TRACE,
        _ => Level::INFO,
    };
    let others = if level == Level::TRACE { Level::DEBUG } else { level.min(Level::WARN) };
    let ours = ["larder", "larder_cache", "larder_server", "larder_store", "larder_upstream"];
    let filter = Targets::new()
        .with_default(LevelFilter::from_level(others))
        .with_targets(ours.map(|name| (name, level)));
    let layer = if config.text("log.format") == "json" {
        fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
    } else {
        let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
        fmt::layer().with_target(false).with_ansi(colour).with_writer(std::io::stderr).boxed()
    };
    // A second start in one process (tests) keeps the first subscriber.
    let _already = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}
