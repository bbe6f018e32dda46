//! Answers of the go command, kept beside the suite.
//!
//! Asking it everything takes minutes: most questions need a fresh module cache. The repositories come out the same on every
//! run, so its answers do too, and are kept. Each run asks it a part of the questions again; `LARDER_LONG=1` asks them all, and
//! `LARDER_RECORD=1` keeps what it says.

use std::path::PathBuf;

use larder_testkit::settings;

use crate::questions::{Answer, Answers, Question};
use crate::reference::Reference;

/// One in so many questions is asked again.
const PART: usize = 20;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/direct/answers").join(format!("{name}.jsonl"))
}

/// Reads the kept answers of a world.
fn read(name: &str) -> Answers {
    let text = fs_err::read_to_string(file(name)).unwrap_or_default();
    let lines = text.lines().map(|line| {
        serde_json::from_str::<(String, Answer)>(line)
            .unwrap_or_else(|error| panic!("{name}: {error}: {line}"))
    });
    lines.collect()
}

fn write(name: &str, answers: &Answers) {
    let lines: Vec<String> =
        answers.iter().map(|pair| serde_json::to_string(&pair).expect("text") + "\n").collect();
    let file = file(name);
    fs_err::create_dir_all(file.parent().expect("a file lies in a folder")).expect("the source tree is ours");
    fs_err::write(file, lines.concat()).expect("the source tree is ours");
}

/// Returns what the go command answers, asked now or before; says which of its answers have changed.
pub(crate) fn answers(
    name: &str,
    questions: &[Question],
    reference: Option<&Reference>,
) -> (Answers, Vec<String>) {
    let record = settings::machine("LARDER_RECORD").is_some();
    let mut known = read(name);
    known.retain(|key, _| questions.iter().any(|question| question.to_string() == *key));
    let Some(reference) = reference else { return (known, Vec::new()) };
    let seed = usize::try_from(settings::seed(1)).unwrap_or_default();
    let now = questions.iter().enumerate().filter(|(number, question)| {
        settings::long() || number % PART == seed % PART || !known.contains_key(&question.to_string())
    });
    let now: Vec<Question> = now.map(|(_, question)| question.clone()).collect();
    settings::say(&format!("the go command is asked {} of {} questions", now.len(), questions.len()));
    let fresh = reference.answer(&now);
    let changed =
        fresh.iter().filter(|(key, answer)| known.get(*key).is_some_and(|kept| !kept.equals(answer)));
    let changed = changed
        .map(|(key, answer)| format!("{key}\n  kept:   {:?}\n  go now: {answer:?}", known[key]))
        .collect();
    known.extend(fresh);
    if record {
        write(name, &known);
        return (known, Vec::new());
    }
    (known, changed)
}
