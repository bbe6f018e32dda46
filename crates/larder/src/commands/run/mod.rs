//! `larder run -- COMMAND...`: a module proxy for the life of one command.
//!
//! The command keeps its input, output, terminal, signals and exit code; of its environment only `GOPROXY` changes. What its go commands
//! would fetch themselves because `GOPRIVATE` or `GONOPROXY` says so they still do. Everything else comes through here, where the project
//! was read before the command began to, so that most of it is there when it is asked for.

pub(crate) mod account;
mod ahead;
mod intent;
mod module_cache;
pub(crate) mod notes;
mod place;
mod plan;
mod walk;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use larder_cache::Engine;
use larder_server::{AccessLog, AppParts, BasePath, IpPrefixes, Server, ServerSettings, StartPageFacts};
use rustix::process::{Resource, getrlimit};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

use self::account::Account;
use self::ahead::Ahead;
use self::notes::Notes;
use self::place::Mirrors;
use super::Outcome;
use super::child::{Signals, cant_be_run, exit_code};
use super::serve::{id_seed, small_pages, version_facts};
use crate::config::{Config, Environment, Flags, Problem};
use crate::render::run::{Facts, page};
use crate::wiring::{Works, WorksSettings};
use crate::{logging, render, wiring};

/// Time for what the command has fetched to reach the store after its end.
const FLUSH: Duration = Duration::from_secs(2);
/// Time for work on other threads to end after that.
const LAST_WORK: Duration = Duration::from_millis(500);

/// What is to be run, and how.
#[derive(Debug)]
pub(crate) struct Options {
    /// Where to write the report.
    pub(crate) report: Option<PathBuf>,
    /// Say nothing at the end.
    pub(crate) quiet: bool,
    /// The command with its arguments.
    pub(crate) command: Vec<OsString>,
}

/// Resolves the configuration for a run, which has other defaults than a server.
///
/// The go command checks every hash itself, against go.sum or the database. So a database that can't be reached is no reason here to refuse
/// what the user's go.sum names; and where one person waits, an answer of some minutes ago is not good enough.
pub(crate) fn configuration(
    environment: &Environment,
    file: Option<PathBuf>,
    mut flags: Flags,
) -> Result<Config, Vec<Problem>> {
    let mut defaults: Vec<(&'static str, String)> = [
        ("log.level", "error"),
        ("verify", "when-reachable"),
        ("answers.fresh", "10s"),
        ("answers.negative", "10s"),
        ("limits.client_wait", "10m"),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .into();
    let folder = place::cache_folder(environment);
    defaults.extend(folder.map(|folder| ("data", folder.to_string_lossy().into_owned())));
    // Whatever port a server is set to listen on is somebody else's: a run asks it like any other upstream.
    flags.push(("listen", "127.0.0.1:0".to_owned(), "listen"));
    flags.push(("log.requests", "false".to_owned(), "log"));
    Config::resolve_over(environment, file, flags, defaults)
}

/// Runs the command; its exit code is ours.
pub(crate) fn run(config: &Config, environment: &Environment, options: &Options) -> Result<(), Outcome> {
    logging::start(config);
    // Whoever installed one before (tests) installed the same.
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("larder")
        .global_queue_interval(5)
        .build()
        .map_err(|error| Outcome::usage(&error, None))?;
    let ended = runtime.block_on(accompany(config, environment, options));
    runtime.shutdown_timeout(LAST_WORK);
    match exit_code(ended?) {
        0 => Ok(()),
        code => Err(Outcome::Code(code)),
    }
}

async fn accompany(
    config: &Config,
    environment: &Environment,
    options: &Options,
) -> Result<ExitStatus, Outcome> {
    let notes = Arc::<Notes>::default();
    let mirrors = Mirrors::take(&config.path("data").unwrap_or_default());
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    let works = WorksSettings {
        exclusive: false,
        mirrors: mirrors.folder().to_owned(),
        descriptors,
        journal: Some(Arc::<Notes>::clone(&notes)),
        fresh_answers: true,
    };
    let works = Works::build(config, environment, works)?;
    for notice in config.notices.iter().chain(&works.notices) {
        warn!("{notice}");
    }
    let engine = Arc::clone(&works.engine);
    let (server, url) = listen(config, works, descriptors).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async move { drop(stopped.await) }));

    let began = Instant::now();
    let ahead = Ahead::start(&engine, &notes, config, environment, &options.command);
    let ended = watch(&options.command, &url).await;
    drop(ahead);
    let account = Account::of(notes.take(), began, Instant::now());
    if ended.is_ok() && !options.quiet {
        for line in account::lines(&account) {
            render::note(format_args!("larder: {line}"));
        }
    }
    let written = match &options.report {
        Some(file) => write_report(file, &account, options, ended.as_ref().ok()),
        None => Ok(()),
    };
    drop(stop);
    let _cut = serving.await;
    engine.shutdown(FLUSH).await;
    if let Err(error) = written {
        // The command's own end outranks this.
        render::note(format_args!("larder: the report could not be written: {error}"));
    }
    ended
}

fn write_report(
    file: &Path,
    account: &Account,
    options: &Options,
    ended: Option<&ExitStatus>,
) -> std::io::Result<()> {
    let words: Vec<_> = options.command.iter().map(|word| word.to_string_lossy()).collect();
    let facts = Facts {
        command: words.join(" "),
        ending: ended.map_or_else(|| "it could not be run".to_owned(), ToString::to_string),
        version: env!("CARGO_PKG_VERSION"),
    };
    fs_err::write(file, page(account, &facts))
}

/// Takes an address for the command; returns it as the `GOPROXY` to use.
async fn listen(
    config: &Config,
    works: Works,
    descriptors: u64,
) -> Result<(Server<Arc<Engine>>, String), Outcome> {
    let secret = place::secret_path().map_err(|error| Outcome::usage(&error, None))?;
    let base_path = secret.parse::<BasePath>().map_err(|error| Outcome::usage(&error, None))?;
    let usual = wiring::server(config, descriptors);
    let settings = ServerSettings {
        listen: "127.0.0.1:0".to_owned(),
        base_path: base_path.unnamed(),
        tls: None,
        trusted_proxies: IpPrefixes::none(),
        private_clients: IpPrefixes::loopback(),
        limits: larder_server::Limits { drain: Duration::from_millis(200), ..usual.limits },
        ..usual
    };
    let parts = AppParts {
        backend: works.engine,
        metrics: works.metrics,
        version: version_facts(),
        start_page: StartPageFacts::default(),
        instance: works.instance,
        id_seed: id_seed(),
        access_log: AccessLog::off(),
    };
    let server = Server::bind(settings, parts).await.map_err(|error| Outcome::usage(&error, None))?;
    let url = format!("http://{}{secret}", server.local_address());
    Ok((server, url))
}

/// Runs the command to its end.
async fn watch(command: &[OsString], goproxy: &str) -> Result<ExitStatus, Outcome> {
    let failed = |error: std::io::Error| cant_be_run(command, &error);
    let (name, arguments) =
        command.split_first().ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    // Before the start, so that no signal is lost between.
    let mut signals = Signals::new().map_err(failed)?;
    let mut child = tokio::process::Command::new(name)
        .args(arguments)
        .env("GOPROXY", goproxy)
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(failed)?;
    // Not before: the command would inherit it.
    small_pages();
    signals.wait_for(&mut child).await.map_err(failed)
}
