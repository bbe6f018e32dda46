//! What real go commands printed in the doctor's lab, and which cause is named first.
//!
//! `corpus/ID/NAME.goVERSION.log` is the bare output of a scenario (once, under the oldest client that prints it), `corpus/ID/NAME.goVERSION.DRESS.log` the same as some build
//! system or person shows it. `corpus/expected.toml` says which causes may be named first: the one that was played, then those that
//! its text can't be told from. `cargo test -p larder --test doctor_lab` with `LARDER_RECORD=1` writes all of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use larder_doctor::catalogue::Language;
use larder_doctor::{diagnose, read_log};
use larder_module::defaults;

/// How many of a hundred logs must be named rightly.
const BAR: usize = 95;

/// Returns the logs with what may be named first.
fn corpus() -> Vec<(PathBuf, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let text = fs_err::read_to_string(root.join("expected.toml")).expect("the corpus says what is expected");
    let expected: BTreeMap<String, Vec<String>> = toml::from_str(&text).expect("a table of lists");
    let mut logs = Vec::new();
    for folder in fs_err::read_dir(&root)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
    {
        let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for file in fs_err::read_dir(&folder).expect("a folder").flatten().map(|entry| entry.path()) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let scenario = name.split(".go1").next().unwrap_or_default();
            let key = format!("{id}/{scenario}");
            let allowed = expected.get(&key).unwrap_or_else(|| panic!("nothing is expected of {key}"));
            logs.push((file, allowed.clone()));
        }
    }
    logs.sort();
    logs
}

/// Puts Go's built-in hosts where the record has names for them.
fn text_of(file: &Path) -> String {
    let text = fs_err::read_to_string(file).expect("a log");
    let proxy = defaults::GOPROXY.split(',').next().unwrap_or_default().trim_start_matches("https://");
    text.replace("{public_proxy}", proxy).replace("{public_sumdb}", defaults::GOSUMDB)
}

#[test]
fn the_cause_that_was_played_is_named_first() {
    let (mut exact, mut right, mut misses) = (0, 0, String::new());
    let logs = corpus();
    for (file, allowed) in &logs {
        let facts = read_log(text_of(file).as_bytes()).expect("memory can be read");
        let report = diagnose(&facts, Language::English);
        let found: Vec<&str> = report.findings.iter().map(|finding| finding.id.0).collect();
        let first = found.first().copied().unwrap_or("nothing");
        exact += usize::from(allowed[0] == first);
        if allowed.iter().any(|id| id == first) {
            right += 1;
        } else {
            let shown = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(file).display();
            let _ = writeln!(misses, "expected {} got {found:?} {shown}", allowed.join("|"));
        }
    }
    let count = logs.len();
    println!("{misses}{right} of {count} logs are named rightly, {exact} of them by exactly what was played");
    assert!(count >= 250, "a corpus of {count} logs is too small");
    assert!(right * 100 >= count * BAR, "{right} of {count} logs are named rightly:\n{misses}");
}
