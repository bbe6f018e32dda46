//! `larder warm`: fetch beforehand what the go command will ask for.
//!
//! The go command learns a module graph file by file, two requests at a time, and a proxy before it can only guess what comes next.
//! Here the project is read first and everything is asked for at once.

mod plan;
mod progress;
mod provider;
mod queries;
mod report;
mod tally;
mod targets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use larder_module::defaults::TOOLCHAIN_MODULE;
use larder_module::{ModuleVersion, ObjectKind};
use larder_store::{ObjectKey, Store};
use tokio::task::JoinSet;

use super::Outcome;
use crate::cli::Format;
use crate::cli::warm::Warm;
use crate::config::{Config, Environment};
use crate::project::{ProjectFiles, ProjectSettings};
use crate::wiring::{self, Works, WorksSettings};
use crate::{logging, render};
use plan::{Item, Plan, Scope};
use progress::Progress;
use provider::{Got, Missing, Provider};
use tally::{Failed, Tally};
use targets::Target;

/// Time for what was verified to reach the store.
const FLUSH: Duration = Duration::from_secs(600);
/// The same after ctrl-c.
const HURRIED_FLUSH: Duration = Duration::from_secs(3);
/// Descriptors that the engine may count on: what every system allows.
const DESCRIPTORS: u64 = 1_024;
/// The code of a command that ctrl-c ended.
const INTERRUPTED: u8 = 130;

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ending {
    tally: Tally,
    failures: Vec<Failed>,
    /// What a dry run left out, and whether it is stored; not known of a running Larder.
    left_out: Vec<(Item, Option<bool>)>,
    /// Queries and what they stood for.
    resolved: Vec<(String, ModuleVersion)>,
    interrupted: bool,
}

/// Fetches what was named, and says what came of it.
pub(crate) fn run(config: &Config, environment: &Environment, asked: &Warm) -> Result<(), Outcome> {
    logging::start(config);
    super::serve::small_pages();
    // Whoever installed one before (tests) installed the same.
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let targets = targets::read(&asked.targets, &ProjectSettings::read(environment))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("larder")
        .build()
        .map_err(|error| Outcome::usage(&error, None))?;
    let ending = runtime.block_on(warm(config, environment, asked, targets));
    // Fetches that were called off may still hold a thread.
    runtime.shutdown_timeout(Duration::from_secs(1));
    let ending = ending?;
    match asked.output.format {
        Format::Text => report::text(&ending, asked, config),
        Format::Json => render::json(&report::json(&ending, asked, config)),
    }
    match (ending.interrupted, ending.failures.is_empty()) {
        (true, _) => Err(Outcome::Code(INTERRUPTED)),
        (false, false) => Err(Outcome::Found),
        (false, true) => Ok(()),
    }
}

async fn warm(
    config: &Config,
    environment: &Environment,
    asked: &Warm,
    targets: Vec<Target>,
) -> Result<Ending, Outcome> {
    let (provider, store) = provider(config, environment, asked)?;
    let scope = Scope { all: asked.all, dry_run: asked.dry_run };
    let mut run = Run {
        provider,
        plan: Plan::new(scope),
        tally: Tally::default(),
        under_way: JoinSet::new(),
        zips: 0,
        jobs: usize::from(asked.jobs),
        progress: Progress::new(asked.output.format == Format::Json),
    };
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    let mut resolved = Vec::new();
    let mut queries = Vec::new();
    for target in targets {
        run.add(target, asked, &mut queries);
    }
    let interrupted = tokio::select! {
        found = run.find(queries, asked.no_deps) => {
            for (name, found) in found {
                run.found(name, found, &mut resolved);
            }
            run.fetch(interrupt).await
        }
        _ = &mut interrupt => true,
    };
    run.plan.finish();
    run.tally.elapsed = run.progress.end();
    if let Provider::Here(engine) = &run.provider
        && !engine.shutdown(if interrupted { HURRIED_FLUSH } else { FLUSH }).await
        && !interrupted
    {
        run.plan.failures.push(Failed {
            of: "store".to_owned(),
            file: config.text("data").to_owned(),
            reason: "storage".to_owned(),
            lines: vec!["not all that was fetched could be stored in time".to_owned()],
            required_by: Vec::new(),
        });
    }
    if let Some(store) = &store {
        compare_zips(store, &mut run.plan);
    }
    let left_out = std::mem::take(&mut run.plan.left_out);
    let left_out = left_out.into_iter().map(|item| (is_stored(store.as_ref(), &item), item));
    Ok(Ending {
        left_out: left_out.map(|(stored, item)| (item, stored)).collect(),
        tally: run.tally,
        failures: run.plan.failures,
        resolved,
        interrupted,
    })
}

/// Builds whoever is asked; the store is there only when it is this process that fills it.
fn provider(
    config: &Config,
    environment: &Environment,
    asked: &Warm,
) -> Result<(Provider, Option<Store>), Outcome> {
    let Some(url) = &asked.to else {
        let works = WorksSettings {
            exclusive: false,
            mirrors: mirrors(&config.path("data").unwrap_or_default()),
            descriptors: DESCRIPTORS,
            journal: None,
            fresh_answers: true,
        };
        let works = Works::build(config, environment, works)?;
        for notice in works.notices {
            render::note(format_args!("note: {notice}"));
        }
        let store = works.engine.store().clone();
        return Ok((Provider::Here(works.engine), Some(store)));
    };
    let upstreams = wiring::upstreams(config, environment).map_err(Outcome::Configuration)?;
    let url = url.trim_end_matches('/');
    let at = |url: &str| {
        let hint = "name a running Larder as in --to http://127.0.0.1:3000";
        let named = |error| Outcome::Usage {
            error: format!("--to {}: {error}", report::without_login(url)),
            hint: Some(hint.to_owned()),
        };
        upstreams.at(url).map_err(named)
    };
    Ok((Provider::There { larder: at(url)?, stored: at(&format!("{url}/cached-only"))? }, None))
}

/// Returns the folder of git mirrors: a serving Larder has its own in use, and one process works on them at a time.
fn mirrors(data: &Path) -> PathBuf {
    let usual = data.join("mirrors");
    let lock = fs_err::OpenOptions::new().write(true).open(usual.join(".lock"));
    let is_taken = lock.is_ok_and(|file| file.file().try_lock().is_err());
    if is_taken { data.join("mirrors-warm") } else { usual }
}

fn is_stored(store: Option<&Store>, (of, kind): &Item) -> Option<bool> {
    let key = ObjectKey::new(of.clone(), *kind);
    Some(store?.object(&key).is_ok_and(|object| object.is_some()))
}

/// Compares the hashes of stored zips with go.sum.
fn compare_zips(store: &Store, plan: &mut Plan) {
    for of in plan.zips_with_sums() {
        let object = store.object(&ObjectKey::new(of.clone(), ObjectKind::Zip));
        let Ok(Some(object)) = object else { continue };
        let found = object.marks.ziphash.or_else(|| object.row.and_then(|row| row.h1));
        if let Some(found) = found {
            plan.compare(&(of, ObjectKind::Zip), &found.to_string());
        }
    }
}

/// A version that a query stands for, and its go.mod file, where that is wanted.
type Found = Result<(ModuleVersion, Option<Result<Got, Missing>>), Missing>;

/// A run under way.
#[derive(Debug)]
struct Run {
    provider: Provider,
    plan: Plan,
    tally: Tally,
    under_way: JoinSet<(Item, Result<Got, Missing>)>,
    /// How many of those are zips.
    zips: usize,
    jobs: usize,
    progress: Progress,
}

impl Run {
    fn add(&mut self, target: Target, asked: &Warm, queries: &mut Vec<(String, String)>) {
        match target {
            Target::Project(files) => {
                if asked.output.format == Format::Text {
                    describe(&files);
                }
                if let Some(platform) = &asked.toolchain {
                    self.add_toolchain(&files, platform);
                }
                self.plan.add_project(files);
            }
            Target::Sums { file, lines } => {
                if asked.output.format == Format::Text {
                    render::note(format_args!("{}: {} lines", file.display(), lines.len()));
                }
                self.plan.add_sums(&lines);
            }
            Target::Version { path, query } => queries.push((path, query)),
        }
    }

    /// Finds out what queries stand for, many at a time; in their order.
    async fn find(&self, queries: Vec<(String, String)>, alone: bool) -> Vec<(String, Found)> {
        let mut under_way = JoinSet::new();
        let mut found = Vec::new();
        let take = |done: Option<Result<_, _>>, found: &mut Vec<_>| found.extend(done.and_then(Result::ok));
        for (number, (path, query)) in queries.into_iter().enumerate() {
            if under_way.len() >= self.jobs {
                take(under_way.join_next().await, &mut found);
            }
            let provider = self.provider.clone();
            under_way.spawn(async move {
                let name = format!("{path}@{query}");
                let one = match queries::resolve(&provider, &path, &query).await {
                    Ok(of) if alone => Ok((of, None)),
                    Ok(of) => {
                        let go_mod = provider.object(&of, ObjectKind::Mod, false).await;
                        Ok((of, Some(go_mod)))
                    }
                    Err(missing) => Err(missing),
                };
                (number, (name, one))
            });
        }
        while !under_way.is_empty() {
            take(under_way.join_next().await, &mut found);
        }
        found.sort_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, one)| one).collect()
    }

    fn found(&mut self, name: String, found: Found, resolved: &mut Vec<(String, ModuleVersion)>) {
        match found {
            Ok((of, go_mod)) => {
                match go_mod {
                    None => self.plan.add_version(&of, None),
                    Some(Ok(got)) => self.plan.add_version(&of, Some(&got.bytes)),
                    Some(Err(missing)) => self.plan.lost(&(of.clone(), ObjectKind::Mod), missing),
                }
                resolved.push((name, of));
            }
            Err(Missing { reason, lines, .. }) => self.plan.failures.push(Failed {
                of: name,
                file: "version".to_owned(),
                reason,
                lines,
                required_by: Vec::new(),
            }),
        }
    }

    /// Adds the toolchain that a go command would switch to: what the toolchain line names, else what the go line does.
    fn add_toolchain(&mut self, files: &ProjectFiles, platform: &str) {
        let named = files.toolchain.as_deref().filter(|name| *name != "default");
        let go = files.go.as_deref().filter(|line| line.split('.').count() > 2 || line.contains("rc"));
        let Some(name) = named.map(str::to_owned).or_else(|| go.map(|line| format!("go{line}"))) else {
            return render::note(format_args!(
                "note: {} names no toolchain: the go line has no patch version",
                files.file.display()
            ));
        };
        let platform = if platform.is_empty() { this_platform() } else { platform.replace('/', "-") };
        match ModuleVersion::parse(TOOLCHAIN_MODULE, &format!("v0.0.1-{name}.{platform}")) {
            Ok(of) => self.plan.add((of, ObjectKind::Zip)),
            Err(error) => render::note(format_args!("note: no toolchain is fetched: {error}")),
        }
    }

    /// Fetches until nothing is left; reports whether that was broken off.
    async fn fetch(&mut self, mut interrupt: impl Future<Output = std::io::Result<()>> + Unpin) -> bool {
        let mut ticks = tokio::time::interval(self.progress.interval());
        ticks.tick().await;
        loop {
            self.start();
            tokio::select! {
                ended = self.under_way.join_next() => match ended {
                    Some(Ok((item, result))) => self.ended(item, result),
                    Some(Err(error)) => tracing::error!(%error, "a fetch ended early"),
                    None => return false,
                },
                _ = ticks.tick() => {
                    let (known, unread) = (self.plan.known() - self.plan.left_out.len(), self.plan.unread());
                    self.progress.show(&self.tally, known as u64, unread as u64);
                }
                _ = &mut interrupt => {
                    self.under_way.abort_all();
                    return true;
                }
            }
        }
    }

    fn start(&mut self) {
        while self.under_way.len() < self.jobs {
            // Half of the turns stay for what is small, which says what else there is.
            let Some(item) = self.plan.next(self.zips <= self.jobs / 2) else { return };
            self.zips += usize::from(item.1 == ObjectKind::Zip);
            let provider = self.provider.clone();
            let hashed = self.plan.has_sum(&item);
            self.under_way.spawn(async move {
                let result = provider.object(&item.0, item.1, hashed).await;
                (item, result)
            });
        }
    }

    fn ended(&mut self, item: Item, result: Result<Got, Missing>) {
        self.zips -= usize::from(item.1 == ObjectKind::Zip);
        match result {
            Ok(got) => {
                self.tally.count(item.1, &got);
                if let Some(hash) = &got.hash {
                    self.plan.compare(&item, &hash.to_string());
                }
                if item.1 == ObjectKind::Mod {
                    self.plan.learn(&item.0, &got.bytes);
                }
            }
            Err(missing) => self.plan.lost(&item, missing),
        }
    }
}

fn describe(files: &ProjectFiles) {
    let go = files.go.as_deref().map_or_else(|| "no go line".to_owned(), |line| format!("go {line}"));
    render::note(format_args!("{}: {} ({go})", files.file.display(), files.name));
    if let Some(why) = &files.vendored {
        render::note(format_args!(
            "note: the go command builds this without downloads, from vendor ({why}); what `go mod download` takes is fetched all the same"
        ));
    }
}

/// Returns the platform as toolchains are named for it.
fn this_platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    };
    format!("{}-{architecture}", std::env::consts::OS)
}
