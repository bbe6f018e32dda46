//! Fetching ahead of the command, for as long as it runs.
//!
//! One task owns the plan and keeps many requests under way; what the command itself asks for goes before them. It ends with the
//! command, whatever is still open.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use larder_cache::{Body, Engine};
use larder_module::request::ObjectKind;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};
use tracing::debug;

use super::intent::{self, Intent, Want};
use super::module_cache::ModuleCache;
use super::notes::Notes;
use super::plan::{Plan, Wish};
use super::walk::{Content, Platform, Reading};
use crate::config::{Config, Environment, GoEnvironment};
use crate::project::{ProjectFiles, ProjectSettings};

/// Fetching that is under way.
#[derive(Debug)]
pub(super) struct Ahead(JoinHandle<()>);

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the plan is made of.
struct Question {
    intent: Intent,
    folder: PathBuf,
    settings: ProjectSettings,
    cache: ModuleCache,
}

impl Ahead {
    /// Begins to fetch what a command will want, as far as its words and the project tell.
    pub(super) fn start(
        engine: &Arc<Engine>,
        notes: &Notes,
        config: &Config,
        environment: &Environment,
        command: &[OsString],
    ) -> Self {
        let intent = Intent::of(command);
        let width = config.count("upstream.connections").max(1);
        let go = GoEnvironment::read(environment);
        let platform = platform(&go, &intent);
        let question = question(&go, config, environment, intent);
        let (teller, asked) = unbounded_channel();
        notes.tell(&teller);
        let lead = Lead { engine: Arc::clone(engine), platform, width, jobs: JoinSet::new(), readings: 0 };
        Self(tokio::spawn(async move {
            // The journal tells as long as this lives.
            let _teller = teller;
            lead.run(question, asked).await;
        }))
    }
}

fn question(go: &GoEnvironment, config: &Config, environment: &Environment, intent: Intent) -> Question {
    let settings = ProjectSettings::read_with(environment, &intent.flags);
    let named = go.setting("GOMODCACHE").value;
    let go_path = go.setting("GOPATH").value.split(':').next().unwrap_or_default().to_owned();
    let cache = if !named.is_empty() {
        Some(PathBuf::from(named))
    } else if !go_path.is_empty() {
        Some(PathBuf::from(go_path).join("pkg/mod"))
    } else {
        environment.home().map(|home| home.join("go/pkg/mod"))
    };
    let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    Question {
        folder: intent.folder.as_ref().map_or_else(|| folder.clone(), |named| folder.join(named)),
        settings,
        cache: ModuleCache::new(cache, config.go_setting("GONOPROXY")),
        intent,
    }
}

fn platform(go: &GoEnvironment, intent: &Intent) -> Platform {
    let or = |name, otherwise: &str| {
        let value = go.setting(name).value;
        if value.is_empty() { otherwise.to_owned() } else { value }
    };
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        other => other,
    };
    let flags = go.setting("GOFLAGS").value;
    let in_flags =
        flags.split_whitespace().filter_map(|word| word.trim_start_matches('-').strip_prefix("tags="));
    let mut tags = intent.tags.clone();
    if tags.is_empty() {
        tags = in_flags.flat_map(intent::tags).collect();
    }
    Platform { os: or("GOOS", os), arch: or("GOARCH", arch), cgo: or("CGO_ENABLED", "1") != "0", tags }
}

impl Question {
    /// Reads the project. Blocks.
    fn plan(self) -> Option<Plan> {
        if self.intent.want == Want::Nothing {
            return None;
        }
        let files = match ProjectFiles::around(&self.folder, &self.settings) {
            Ok(files) => files?,
            Err(error) => {
                // The command will find out, and say so better.
                debug!("nothing is fetched ahead: {error}");
                return None;
            }
        };
        let is_vendored = files.vendored.is_some() && self.intent.want != Want::Everything;
        (!is_vendored).then(|| Plan::new(files, &self.intent.want, &self.folder, self.cache))
    }
}

/// What came of a piece of work.
enum Done {
    Fetched(Wish, Option<Body>),
    Imports(Vec<String>),
}

struct Lead {
    engine: Arc<Engine>,
    platform: Platform,
    width: usize,
    jobs: JoinSet<Done>,
    /// How many of them read imports.
    readings: usize,
}

impl Lead {
    async fn run(mut self, question: Question, mut asked: UnboundedReceiver<String>) {
        let is_a_guess = question.intent.is_a_guess;
        let Ok(Some(mut plan)) = tokio::task::spawn_blocking(move || question.plan()).await else { return };
        let mut is_sure = plan.knows_all();
        if is_sure {
            self.engine.stop_guessing();
        }
        if is_a_guess {
            let Some(path) = asked.recv().await else { return };
            plan.note(&path);
        }
        loop {
            self.start(&mut plan);
            tokio::select! {
                Some(done) = self.jobs.join_next() => {
                    if let Ok(done) = done {
                        self.readings -= usize::from(matches!(done, Done::Imports(_)));
                        take(&mut plan, done);
                    }
                }
                path = asked.recv() => match path {
                    Some(path) if is_a_guess => plan.note(&path),
                    Some(path) if is_sure && plan.is_wrong_about(&path) && self.readings == 0 => {
                        is_sure = false;
                        self.engine.guess_again();
                    }
                    Some(_) => {}
                    None => return,
                },
            }
        }
    }

    fn start(&mut self, plan: &mut Plan) {
        for reading in plan.readings() {
            self.read(reading);
        }
        while self.jobs.len() < self.width
            && let Some((of, kind)) = plan.wish()
        {
            let engine = Arc::clone(&self.engine);
            self.jobs.spawn(async move {
                let body = engine.beforehand(&of, kind).await;
                Done::Fetched((of, kind), body)
            });
        }
    }

    fn read(&mut self, reading: Reading) {
        let platform = self.platform.clone();
        self.readings += 1;
        self.jobs.spawn_blocking(move || Done::Imports(reading.imports(&platform)));
    }
}

fn take(plan: &mut Plan, done: Done) {
    match done {
        Done::Imports(imports) => plan.learned_imports(&imports),
        Done::Fetched((of, ObjectKind::Mod), body) => {
            plan.learned_mod(&of, body.and_then(small).as_deref());
        }
        Done::Fetched((of, ObjectKind::Zip), Some(body)) => {
            let content = match body {
                Body::Memory(bytes) => Content::Memory { of: of.clone(), bytes },
                Body::File { file, len } => Content::Zip { of: of.clone(), file, len },
                Body::Growing(_) => return,
            };
            plan.learned_content(&of, &content);
        }
        Done::Fetched(..) => {}
    }
}

/// Returns the bytes of a small file.
fn small(body: Body) -> Option<Vec<u8>> {
    match body {
        Body::Memory(bytes) => Some(bytes.to_vec()),
        Body::File { file, len } => {
            let mut bytes = vec![0; usize::try_from(len).ok()?];
            std::os::unix::fs::FileExt::read_exact_at(&*file, &mut bytes, 0).ok()?;
            Some(bytes)
        }
        Body::Growing(_) => None,
    }
}
