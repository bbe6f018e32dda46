//! Keeps what the go commands print, for the tests of `larder-doctor` that have no go command.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

use larder_testkit::lab::Case;
use larder_testkit::settings;

use crate::{Scenario, noise};

/// What may be named first about a scenario's log, by `ID/name`.
static EXPECTED: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());

fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../larder-doctor/tests/corpus"))
}

/// Reports whether this run is for the record; nobody asks the doctor then.
pub(crate) fn recording() -> bool {
    settings::machine("LARDER_RECORD").is_some_and(|value| value != "0")
}

/// Keeps one log, and once for each scenario the same in the dress of some build system.
pub(crate) fn log(scenario: &Scenario, case: &Case<'_>, text: &str) {
    if !recording() || case.silent_log || text.trim().is_empty() {
        return;
    }
    let folder = corpus().join(scenario.id);
    fs_err::create_dir_all(&folder).expect("the tree can be written");
    let minor = case.client().minor();
    let file = |dress: &str| folder.join(format!("{}.go1.{minor}{dress}.log", scenario.name));
    fs_err::write(file(""), text).expect("the tree can be written");
    let command = format!("go {}", case.scrubbed(&case.command.join(" ")));
    if let Some((dress, text)) = noise::dressed(scenario.id, scenario.name, minor, &command, text) {
        fs_err::write(file(&format!(".{dress}")), text).expect("the tree can be written");
    }
    let allowed =
        std::iter::once(scenario.id).chain(case.log_may_say.iter().copied()).map(str::to_owned).collect();
    let key = format!("{}/{}", scenario.id, scenario.name);
    EXPECTED.lock().expect("nobody panics holding it").insert(key, allowed);
}

/// Keeps what is expected of the logs, once all are there, and of equal logs of one scenario that of the oldest client.
pub(crate) fn expectations(wanted: &[&str]) {
    if !recording() {
        return;
    }
    for key in EXPECTED.lock().expect("nobody panics holding it").keys() {
        keep_one_of_equals(key);
    }
    let file = corpus().join("expected.toml");
    let known: BTreeMap<String, Vec<String>> = if wanted.is_empty() {
        BTreeMap::new()
    } else {
        toml::from_str(&fs_err::read_to_string(&file).unwrap_or_default()).unwrap_or_default()
    };
    let mut all = known;
    all.extend(EXPECTED.lock().expect("nobody panics holding it").clone());
    let mut text = "# What may be named first about a log: the cause that was played, then those its text can't be told from.\n".to_owned();
    for (key, allowed) in all {
        let _ = writeln!(text, "{key:?} = {allowed:?}");
    }
    fs_err::write(file, text).expect("the tree can be written");
}

/// Removes what a later client says word for word as an older one.
fn keep_one_of_equals(key: &str) {
    let mut seen = HashSet::new();
    for minor in 13..100 {
        let file = corpus().join(format!("{key}.go1.{minor}.log"));
        if let Ok(text) = fs_err::read(&file)
            && !seen.insert(text)
        {
            fs_err::remove_file(&file).expect("the tree can be written");
        }
    }
}
