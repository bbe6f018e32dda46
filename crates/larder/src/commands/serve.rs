//! `larder serve`: build, announce, wait, drain.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use larder_cache::paste::assignment;
use larder_server::{AppParts, Server, ServerControl, StartPageFacts, VersionFacts};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{debug, info, warn};

use super::Outcome;
use crate::config::{Config, Environment};
use crate::wiring::{Works, WorksSettings};
use crate::{clock, logging, render, wiring};

/// Time for what was verified to reach the store after the last client is gone.
const FLUSH: Duration = Duration::from_secs(10);

/// How nice the threads are that fetch and examine: a third of the time of one that serves, where both want the same core.
#[cfg(target_os = "linux")]
const BEHIND: i32 = 5;

/// Serves until SIGTERM or ctrl-c.
pub(crate) fn run(config: &Config, environment: &Environment) -> Result<(), Outcome> {
    logging::start(config);
    small_pages();
    // Whoever installed one before (tests) installed the same.
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let descriptors = raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("larder")
        // A new connection is begun from outside the workers; with the usual 61 it would wait for many rounds
        // of those that stream, long enough to be taken for one that doesn't send its head.
        .global_queue_interval(5)
        .on_thread_start(give_way)
        .build()
        .map_err(|error| Outcome::usage(&error, None))?;
    runtime.block_on(serve(config, environment, descriptors))
}

async fn serve(config: &Config, environment: &Environment, descriptors: u64) -> Result<(), Outcome> {
    let works = WorksSettings {
        exclusive: true,
        mirrors: config.path("data").unwrap_or_default().join("mirrors"),
        descriptors,
        journal: None,
        fresh_answers: false,
    };
    let Works { engine, metrics, instance, notices } = Works::build(config, environment, works)?;
    let access_log = logging::start_access_log(config).map_err(|error| Outcome::usage(&error, None))?;
    let parts = AppParts {
        backend: Arc::clone(&engine),
        metrics,
        version: version_facts(),
        start_page: StartPageFacts {
            private_patterns: crate::config::settings::list(&config.unlisted_patterns()),
        },
        instance,
        id_seed: id_seed(),
        access_log: access_log.clone(),
    };
    let server = Server::bind(wiring::server(config, descriptors), parts)
        .await
        .map_err(|error| Outcome::usage(&error, None))?;
    announce(config, &server, &notices);
    let control = server.control();
    let cut = server.run(stopped(control)).await;
    if cut > 0 {
        warn!(connections = cut, "{cut} connections were cut because their requests were not done in time");
    }
    engine.shutdown(FLUSH).await;
    access_log.flush(logging::LAST_LINES);
    info!("stopped");
    Ok(())
}

/// Prints the line to paste, and what a person has to know about private modules.
fn announce<B: larder_server::Backend>(config: &Config, server: &Server<B>, notices: &[String]) {
    for notice in config.notices.iter().chain(notices) {
        warn!("{notice}");
    }
    if let Some((setting, value)) = config.values().find(|(setting, _)| setting.key == "goproxy") {
        let chain = super::config::without_secrets(&value.text);
        info!("asks {chain} ({}: {})", setting.key, value.origin);
    }
    let mut address = server.local_address();
    if address.ip().is_unspecified() {
        // What a client on this machine can use; others know the machine's name.
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            [0, 0, 0, 0, 0, 0, 0, 1_u16].into()
        });
    }
    let scheme = if config.path("tls.certificate").is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}{}", config.text("base_path"));
    let data = config.path("data").unwrap_or_default();
    info!("larder {} serves on {url}, store in {}", env!("CARGO_PKG_VERSION"), data.display());
    let unlisted = config.unlisted_patterns();
    if unlisted.is_empty() {
        render::line(format_args!("export {}", assignment("GOPROXY", &url)));
    } else {
        let (proxy, setting) = (assignment("GOPROXY", &url), assignment("GONOSUMDB", &unlisted));
        render::line(format_args!("export {proxy} {setting}"));
        info!(
            "private modules ({unlisted}): clients need both settings; with GOPRIVATE alone they would not ask Larder"
        );
    }
}

/// Waits for SIGTERM or ctrl-c; SIGHUP reads the TLS files again.
async fn stopped<B: larder_server::Backend>(control: ServerControl<B>) {
    let listen = |kind| signal(kind).map_err(|error| warn!("signals can't be received: {error}"));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) =
        (listen(SignalKind::terminate()), listen(SignalKind::interrupt()), listen(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => match control.reload_tls() {
                Ok(()) => info!("the TLS files were read again"),
                Err(error) => warn!("the old certificate stays in use: {error}"),
            },
        }
    }
    info!("stopping: running requests get time to finish");
}

/// Keeps the kernel from backing buffers with huge pages.
///
/// The allocator asks for them. Most of the buffers of a connection is never touched, but half of them would be
/// resident: 32 KiB a connection in place of 18, and 18 MiB at rest in place of 10. Clearing two megabytes for each
/// short-lived buffer of a body took an eighth of a cold download's time besides.
#[cfg(target_os = "linux")]
pub(super) fn small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        debug!("huge pages stay on: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn small_pages() {}

/// Lets the threads that serve what is stored go first: a storm of fetches, each zip of which is inflated and hashed, would take their
/// cores from them. Nothing is lost by it while a core is free.
#[cfg(target_os = "linux")]
fn give_way() {
    // On Linux this is the calling thread's alone.
    if let Err(error) = rustix::process::setpriority_process(None, BEHIND) {
        debug!("all threads have the same priority: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

/// Raises the soft limit on open files to the hard one and returns what holds now.
fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let held = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    // No limit at all would let connections take everything else.
    held.unwrap_or(1 << 20)
}

/// Returns what this build says of itself.
pub(super) fn version_facts() -> VersionFacts {
    VersionFacts {
        name: "larder".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: option_env!("LARDER_REVISION").map(str::to_owned),
    }
}

/// Returns a number that differs from start to start.
pub(super) fn id_seed() -> u64 {
    let since = clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() << 20 ^ u64::from(since.subsec_nanos()) ^ u64::from(std::process::id()) << 40
}
