//! `explain` beside real go commands: for many combinations of settings, paths and projects, whom it names is whom they ask.
//!
//! Everybody whom a go command could ask is played by one forward proxy on loopback, which writes down who was asked.
//! `LARDER_LONG=1` runs all combinations, and `LARDER_GO_CLIENTS=root:root` adds clients to the machine's own.

mod case;
mod expected;
mod recorder;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use larder_doctor::{Facts, System, explain, project, settings};
use larder_testkit::lab::{self, GoClient};
use larder_testkit::sumdb::FakeSumdb;
use larder_testkit::{BuiltModule, GoCommand, ModuleBuilder, settings as switches};

use case::{Case, Project};
use recorder::Recorder;

const FORK: &str = "fork.example/r";
const FORK_VERSION: &str = "v1.2.0";

/// What all runs of a client share.
struct Bench {
    client: GoClient,
    key: String,
    folder: tempfile::TempDir,
    cases: AtomicU64,
}

impl Bench {
    fn new(client: GoClient) -> Self {
        let key = FakeSumdb::new("sums.example", 7).verifier_key();
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { client, key, folder, cases: AtomicU64::new(0) }
    }

    /// Runs one case and says how the go command and the explanation differ.
    fn compare(&self, seed: u64) -> Option<String> {
        let number = self.cases.fetch_add(1, Ordering::Relaxed);
        let root = self.folder.path().join(number.to_string());
        let tree = root.join("tree");
        let case = Case::new(seed, &self.key, &tree.to_string_lossy());
        let modules = built(&case);
        for module in &modules {
            module.write_to(&tree).expect("a temporary folder");
        }
        let folder = write_project(&root, &case, &modules);
        let recorder = Recorder::start(case.manners.clone(), modules);
        let environment = self.environment(&root, &case, &recorder.url());
        let explanation = explained(&environment, &folder, &case);
        let expected = expected::events(&explanation, &case.manners, &tree.to_string_lossy());

        let mut go = GoCommand::at(&self.client.binary()).limit(Duration::from_secs(120));
        for (name, value) in &environment {
            go = go.env(name, value);
        }
        let asked = format!("{}@{}", case.module, case.version);
        let asked = if names_version(&case) { &asked } else { case.module };
        let output = go.run(&folder, &["mod", "download", "-json", asked]);
        let seen = recorder.events();
        let _ = fs_err::remove_dir_all(&root);
        if seen == expected {
            return None;
        }
        Some(format!(
            "go{} seed {}:\n  {case:?}\n  expected {expected:?}\n  seen     {seen:?}\n  route {:?}\n  checksum {:?}\n  {}{}",
            self.client.version(),
            case.seed,
            explanation.route,
            explanation.checksum,
            output.stdout,
            output.stderr
        ))
    }

    fn environment(&self, root: &Path, case: &Case, proxy: &str) -> BTreeMap<String, String> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        fs_err::create_dir_all(root.join("home")).expect("a temporary folder");
        let lines: String = case.file.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        fs_err::write(root.join("go.env"), lines).expect("a temporary folder");
        let mut environment: BTreeMap<String, String> = [
            ("HOME", text(root.join("home"))),
            ("PATH", format!("{}:/usr/bin:/bin", self.client.root().join("bin").display())),
            ("GOENV", text(root.join("go.env"))),
            ("GOMODCACHE", text(root.join("modules"))),
            ("GOPATH", text(root.join("gopath"))),
            ("GOCACHE", text(self.folder.path().join("build"))),
            ("GOTOOLCHAIN", "local".to_owned()),
            ("GOFLAGS", String::new()),
            ("HTTP_PROXY", proxy.to_owned()),
            ("HTTPS_PROXY", proxy.to_owned()),
            ("GIT_ALLOW_PROTOCOL", "https".to_owned()),
            ("GIT_SSH_COMMAND", "/bin/false".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (name, value) in &case.environment {
            environment.insert((*name).to_owned(), value.clone());
        }
        environment
    }
}

fn built(case: &Case) -> Vec<BuiltModule> {
    // What the checks of paths refuse can't be served either.
    let served = larder_module::path::check(case.module, case.version).is_ok();
    let own = served.then(|| ModuleBuilder::new(case.module, case.version).build());
    own.into_iter().chain([ModuleBuilder::new(FORK, FORK_VERSION).build()]).collect()
}

fn write_project(root: &Path, case: &Case, modules: &[BuiltModule]) -> PathBuf {
    let folder = root.join("project");
    fs_err::create_dir_all(&folder).expect("a temporary folder");
    let name = if case.project == Project::Is { case.module } else { "example.org/own" };
    let mut go_mod = format!("module {name}\n\ngo 1.21\n");
    if !matches!(case.project, Project::Silent | Project::Is) {
        go_mod.push_str(&format!("\nrequire {} {}\n", case.module, case.version));
    }
    match case.project {
        Project::Replaces => {
            go_mod.push_str(&format!("\nreplace {} => {FORK} {FORK_VERSION}\n", case.module))
        }
        Project::ReplacesVersion => {
            go_mod
                .push_str(&format!("\nreplace {} {} => {FORK} {FORK_VERSION}\n", case.module, case.version));
        }
        Project::ReplacesByFolder => {
            let local = root.join("local");
            fs_err::create_dir_all(&local).expect("a temporary folder");
            fs_err::write(local.join("go.mod"), format!("module {}\n", case.module))
                .expect("a temporary folder");
            go_mod.push_str(&format!("\nreplace {} => ../local\n", case.module));
        }
        Project::Knows => {
            fs_err::write(folder.join("go.sum"), modules[0].sum_lines()).expect("a temporary folder");
        }
        Project::Silent | Project::Requires | Project::Is => {}
    }
    fs_err::write(folder.join("go.mod"), go_mod).expect("a temporary folder");
    folder
}

/// Reports whether the command names the version; else the project does.
fn names_version(case: &Case) -> bool {
    match case.project {
        Project::Silent => true,
        Project::Is => case.seed.is_multiple_of(2),
        _ => false,
    }
}

fn explained(environment: &BTreeMap<String, String>, folder: &Path, case: &Case) -> explain::Explanation {
    let system = System {
        environment: environment.clone(),
        folder: folder.to_owned(),
        root: "/".into(),
        now: SystemTime::UNIX_EPOCH,
    };
    let mut facts = Facts::default();
    settings::collect(&system, &mut facts);
    facts.project = facts.settings.as_ref().map(|settings| project::collect(&system, settings));
    let version = names_version(case).then_some(case.version);
    explain::explain(&facts, case.module, version)
}

#[test]
fn explain_names_whom_the_go_command_asks() {
    let clients = lab::clients();
    if clients.is_empty() {
        return switches::skipped("explain_names_whom_the_go_command_asks", "there is no go command");
    }
    let seed = switches::seed(0x5eed);
    let each: u64 = if switches::long() { 320 } else { 24 };
    let mut all = Vec::new();
    for client in clients {
        let bench = Bench::new(client);
        let next = AtomicU64::new(0);
        let differences = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= each {
                            break;
                        }
                        if let Some(difference) = bench.compare(seed.wrapping_add(number)) {
                            differences.lock().expect("no thread panics here").push(difference);
                        }
                    }
                });
            }
        });
        let differences = differences.into_inner().expect("no thread panics here");
        switches::say(&format!(
            "go{}: {each} combinations, {} differences",
            bench.client.version(),
            differences.len()
        ));
        all.extend(differences);
    }
    let shown: Vec<&str> = all.iter().take(8).map(String::as_str).collect();
    assert!(all.is_empty(), "{} differences\n{}", all.len(), shown.join("\n"));
}
