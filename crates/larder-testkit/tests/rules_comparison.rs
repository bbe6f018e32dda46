//! Larder's rules of Go against golang.org/x/mod, question by question; needs go and its module, so it is opt-in.

use larder_testkit::{
    GoCommand, Rng,
    rules::{self, Question},
    settings,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufWriter, Write},
    path::Path,
    process::{Command, Stdio},
};

const QUESTIONS: usize = 250_000;

/// How many folders are packed; each holds some ten files.
const FOLDERS: usize = 2_000;

#[test]
fn every_verdict_is_that_of_go() {
    compare("rules comparison", |rng, folder| {
        let mut questions = rules::questions(rng, QUESTIONS, folder);
        if settings::long() {
            questions.extend(rules::questions_about_characters());
        }
        questions
    });
}

#[test]
fn every_zip_that_is_made_is_that_of_go() {
    let count = if settings::long() { 10 * FOLDERS } else { FOLDERS };
    compare("comparison of made zips", |rng, folder| rules::questions_about_folders(rng, folder, count));
}

/// Puts questions to both programs and fails at any difference.
fn compare(test: &str, questions: impl FnOnce(&mut Rng, &Path) -> Vec<Question>) {
    if !settings::live() || GoCommand::find().is_none() {
        return settings::skipped(test, "it needs LARDER_LIVE=1 and go");
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let oracle = folder.path().join("oracle");
    build_oracle(&oracle);
    let seed = settings::seed(1);
    let questions = questions(&mut Rng::new(seed), folder.path());
    let (ours, theirs) = std::thread::scope(|scope| {
        let ours = scope.spawn(|| answers(Path::new(env!("CARGO_BIN_EXE_rules")), &questions));
        let theirs = answers(&oracle, &questions);
        (ours.join().expect("rules"), theirs)
    });
    rules::unlock(folder.path());
    let mut differences = 0;
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for ((question, ours), theirs) in questions.iter().zip(&ours).zip(&theirs) {
        let (asked, passed) = counts.entry(question.operation).or_default();
        *asked += 1;
        *passed += usize::from(theirs["ok"] == true);
        if ours["ok"] != theirs["ok"] || ours.get("out") != theirs.get("out") || ours["id"] != theirs["id"] {
            differences += 1;
            if differences <= 20 {
                settings::say(&format!("{}\n  ours:   {ours}\n  theirs: {theirs}", question.line(0)));
            }
        }
    }
    for (operation, (asked, passed)) in &counts {
        settings::say(&format!("{operation:22} {asked:7} asked, {passed:7} passed by Go"));
    }
    assert_eq!(
        (ours.len(), theirs.len()),
        (questions.len(), questions.len()),
        "one answer for each question"
    );
    assert_eq!(differences, 0, "of {} questions, seed {seed}", questions.len());
}

fn build_oracle(target: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle");
    let go = Command::new("go").arg("build").arg("-o").arg(target).arg(".").current_dir(source).status();
    assert!(go.expect("go").success(), "the oracle does not build");
}

/// Asks one program everything.
fn answers(program: &Path, questions: &[Question]) -> Vec<Value> {
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("program");
    let mut input = BufWriter::new(child.stdin.take().expect("piped"));
    let mut output = child.stdout.take().expect("piped");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for (id, question) in questions.iter().enumerate() {
                writeln!(input, "{}", question.line(id)).expect("pipe");
            }
        });
        let mut text = String::new();
        std::io::Read::read_to_string(&mut output, &mut text).expect("answers");
        assert!(child.wait().expect("program").success(), "{} failed", program.display());
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    })
}
