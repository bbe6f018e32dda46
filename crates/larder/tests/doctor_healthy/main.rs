//! Machines with nothing wrong: the go command succeeds on them, so the doctor has to find nothing, however unusual they are.
//!
//! Each configuration is played in the doctor's lab. First the real go command shows that it works; then `larder doctor`
//! looks with a full module cache, with an empty one, and about one module, and may neither fail nor warn. Its text says in
//! three lines what was checked. `LARDER_LAB` takes the names of configurations.

mod local;
mod network;
mod private;
mod settings_of_go;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use larder_testkit::lab::{self, Case, Ending, GoClient, Lab, Run};
use larder_testkit::{FakeUpstream, settings};

/// A configuration, and how to make it.
struct Configuration {
    name: &'static str,
    set_up: fn(&mut Case<'_>),
    /// What is done to it after the go command has shown that it works, and before the doctor looks.
    then: fn(&mut Case<'_>),
    /// Whether it works with an empty module cache too.
    cold: bool,
}

impl Configuration {
    /// Does this before the doctor looks.
    const fn then(mut self, then: fn(&mut Case<'_>)) -> Self {
        self.then = then;
        self
    }

    /// It works with its module cache only.
    const fn warm_only(mut self) -> Self {
        self.cold = false;
        self
    }
}

/// Makes a table's line.
const fn healthy(name: &'static str, set_up: fn(&mut Case<'_>)) -> Configuration {
    Configuration { name, set_up, then: |_| {}, cold: true }
}

fn configurations() -> impl Iterator<Item = &'static Configuration> {
    [network::TABLE, private::TABLE, local::TABLE, settings_of_go::TABLE].into_iter().flatten()
}

/// What most configurations serve.
fn usual() -> FakeUpstream {
    FakeUpstream::new().module("example.com/ok", "v1.0.0").module("example.com/ok", "v1.1.0")
}

/// A proxy and its checksum database, and a project that needs one module of it; returns the proxy's URL.
fn usual_place(case: &mut Case<'_>) -> String {
    let url = case.proxy(&usual());
    needs_ok(case);
    url
}

/// The project needs one module, and the doctor is asked about it.
fn needs_ok(case: &mut Case<'_>) {
    case.app(&[("example.com/ok", "v1.0.0")], &["example.com/ok"]);
    case.before(&["mod", "tidy"]);
    case.go(&["build", "./..."]);
    case.subject = Some("example.com/ok@v1.0.0".to_owned());
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    if !lab::enter("nothing_is_found_where_nothing_is_wrong") {
        return;
    }
    let Some(client) = GoClient::machine() else {
        settings::skipped("nothing_is_found_where_nothing_is_wrong", "there is no go command");
        return;
    };
    let wanted = settings::machine("LARDER_LAB").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    let chosen: Vec<&Configuration> = configurations()
        .filter(|found| wanted.is_empty() || wanted.iter().any(|name| found.name.contains(name)))
        .collect();
    let lab = Lab::start();
    let complaints = play(&lab, &client, &chosen);
    settings::say(&format!("{} healthy configurations, {} complaints", chosen.len(), complaints.len()));
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Plays all, a few at a time.
fn play(lab: &Lab, client: &GoClient, chosen: &[&Configuration]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(one) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play_one(lab, client, one)))
                            .unwrap_or_else(|_| vec![format!("{}: could not be set up", one.name)]);
                    complaints.lock().expect("nobody panics holding it").extend(found);
                }
            });
        }
    });
    complaints.into_inner().expect("nobody panics holding it")
}

fn play_one(lab: &Lab, client: &GoClient, configuration: &Configuration) -> Vec<String> {
    let mut case = lab.case(client);
    case.ending = Ending::Succeeds;
    // The first build of a standard library takes its time.
    case.limit = Duration::from_secs(300);
    (configuration.set_up)(&mut case);
    let name = configuration.name;
    if let Some(why) = &case.skipped {
        settings::skipped(name, why);
        return Vec::new();
    }
    let run = case.run();
    if run.ending != Ending::Succeeds {
        return vec![format!("{name}: the go command itself ends with {:?}:\n{}", run.ending, run.text)];
    }
    (configuration.then)(&mut case);
    let mut complaints = Vec::new();
    let mut note = |what: &str, complaint: Option<String>| {
        complaints.extend(complaint.map(|words| format!("{name}, {what}: {words}")));
    };
    note("here", judged(&doctor(&case, &["--format", "json"])));
    note("in words", three_lines(&doctor(&case, &["--lang", "en"]), "Healthy"));
    note("in Chinese", three_lines(&doctor(&case, &["--lang", "zh"]), "健康"));
    note("from files alone", judged(&doctor(&case, &["--no-network", "--format", "json"])));
    if let Some(subject) = case.subject.clone() {
        note("about a module", judged(&doctor(&case, &["--format", "json", &subject])));
    }
    if configuration.cold {
        empty_cache(&case);
        note("with an empty cache", judged(&doctor(&case, &["--format", "json"])));
    }
    complaints
}

/// Empties the module cache, whatever the case's environment lets a shell do.
fn empty_cache(case: &Case<'_>) {
    let set = std::path::PathBuf::from(case.variable("GOMODCACHE"));
    let folder = if set.as_os_str().is_empty() { case.module_cache() } else { set };
    let _ = std::process::Command::new("chmod").args(["-R", "u+w"]).arg(&folder).output();
    let _ = fs_err::remove_dir_all(folder);
}

fn doctor(case: &Case<'_>, more: &[&str]) -> Run {
    let arguments: Vec<String> = ["doctor"].iter().chain(more).map(|word| (*word).to_owned()).collect();
    case.run_program(env!("CARGO_BIN_EXE_larder"), &arguments, Duration::from_secs(60))
}

/// Says what is wrong with a report.
fn judged(run: &Run) -> Option<String> {
    let start = run.text.find("{\n").or_else(|| run.text.find('{')).unwrap_or(0);
    let report =
        serde_json::Deserializer::from_str(&run.text[start..]).into_iter::<serde_json::Value>().next();
    let Some(Ok(report)) = report else {
        return Some(format!("{:?}, no report: {}", run.ending, run.text));
    };
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let bad: Vec<String> = findings
        .iter()
        .filter(|finding| finding["verdict"] != "info")
        .map(|finding| {
            format!(
                "{} {} {} ({}): {} because {}",
                finding["verdict"],
                finding["id"],
                finding["confidence"],
                finding["about"],
                finding["sentence"],
                finding["evidence"]
            )
        })
        .collect();
    let unexplained = &report["unexplained"];
    if bad.is_empty() && run.code == Some(0) && unexplained.as_array().is_none_or(Vec::is_empty) {
        return None;
    }
    let facts = &report["facts"];
    Some(format!("code {:?}, {unexplained}, {facts}\n    {}", run.code, bad.join("\n    ")))
}

/// Says what is wrong with a text that has to be a healthy one.
fn three_lines(run: &Run, word: &str) -> Option<String> {
    let mut lines = run.text.lines();
    let head = lines.next().unwrap_or("");
    let checked: Vec<&str> = lines.take_while(|line| !line.trim().is_empty()).collect();
    let indented = checked.iter().all(|line| line.starts_with("  ") && line.trim().chars().count() > 8);
    let fine = run.code == Some(0) && head.starts_with(word) && checked.len() == 3 && indented;
    (!fine).then(|| format!("no healthy text:\n{}", run.text))
}
