//! What the doctor says about a scenario.

use std::sync::OnceLock;
use std::time::Duration;

use larder_testkit::lab::{Case, Ending};
use larder_testkit::settings;

use crate::{Outcome, Scenario};

/// What was found first, and whether that may be.
pub(crate) struct Named {
    first: String,
    right: bool,
}

/// Returns a word for the table.
pub(crate) fn word(named: &Option<Named>) -> String {
    named.as_ref().map_or_else(
        || "-".to_owned(),
        |named| {
            if named.right { named.first.clone() } else { format!("{}!", named.first) }
        },
    )
}

fn binary() -> String {
    env!("CARGO_BIN_EXE_larder").to_owned()
}

/// Reports whether this Larder has a doctor.
fn there_is_one() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let tried = std::process::Command::new(binary()).args(["doctor", "log", "--help"]).output();
        let there = tried.is_ok_and(|output| output.status.success());
        if !there {
            settings::skipped("what the doctor says", "this Larder has no doctor");
        }
        there
    })
}

/// Asks the doctor about the text.
pub(crate) fn by_log(scenario: &Scenario, case: &Case<'_>, text: &str) -> Option<Named> {
    if case.silent_log || !there_is_one() {
        return None;
    }
    let file = case.home().join("output.log");
    fs_err::write(&file, text).expect("a temporary folder");
    let arguments = ["doctor", "log", "--format", "json"].map(str::to_owned);
    let arguments = arguments.into_iter().chain([file.to_string_lossy().into_owned()]).collect();
    ask(scenario, case, arguments, &case.log_may_say)
}

/// Has the doctor run the command that fails; where nothing fails for it to see, asks it on the spot.
pub(crate) fn by_run(scenario: &Scenario, case: &Case<'_>) -> Option<Named> {
    if case.ending != Ending::Fails || case.program.is_some() {
        // There is no failure of go's that it could watch.
        return on_the_spot(scenario, case);
    }
    if !there_is_one() {
        return None;
    }
    let arguments = ["doctor", "run", "--format", "json", "--"].map(str::to_owned);
    let go = case.client().binary().to_string_lossy().into_owned();
    let arguments = arguments.into_iter().chain([go]).chain(case.command.iter().cloned()).collect();
    let mut others = case.live_may_say.clone();
    if case.no_live.is_some() {
        others.extend(&case.log_may_say);
    }
    ask(scenario, case, arguments, &others)
}

/// Asks the doctor on the spot, without a word about the command: it has less to go by, so nothing is demanded of it.
pub(crate) fn on_the_spot(scenario: &Scenario, case: &Case<'_>) -> Option<Named> {
    if case.no_live.is_some() || !there_is_one() {
        return None;
    }
    let arguments = ["doctor", "--format", "json"].map(str::to_owned);
    let arguments = arguments.into_iter().chain(case.subject.clone()).collect();
    ask(scenario, case, arguments, &case.live_may_say)
}

fn ask(scenario: &Scenario, case: &Case<'_>, arguments: Vec<String>, others: &[&str]) -> Option<Named> {
    let run = case.run_program(&binary(), &arguments, Duration::from_secs(40));
    // Behind what the command said itself.
    let start = run.text.rfind("\n{\n").map_or(0, |at| at + 1);
    let report =
        serde_json::Deserializer::from_str(&run.text[start..]).into_iter::<serde_json::Value>().next();
    let Some(Ok(report)) = report else {
        let how = if run.ending == Ending::Hangs { "hangs" } else { "no report" };
        settings::say(&format!("{} {}: {how}: {}", scenario.id, scenario.name, run.text));
        return Some(Named { first: how.to_owned(), right: false });
    };
    let first = report["findings"][0]["id"].as_str().unwrap_or("nothing").to_owned();
    let right = first == scenario.id || others.contains(&first.as_str());
    if !right {
        let all: Vec<&str> = report["findings"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|found| found["id"].as_str())
            .collect();
        settings::say(&format!(
            "MISS\t{} {}\tgo{}\t{}\tgot {all:?}",
            scenario.id,
            scenario.name,
            case.client().version(),
            arguments[..2].join(" ")
        ));
    }
    Some(Named { first, right })
}

/// How many of a hundred the doctor has to name rightly.
const BAR: usize = 95;

/// Fails when the doctor is right too rarely.
pub(crate) fn judge(outcomes: &[Outcome]) {
    let bare: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.bare.as_ref()).collect();
    let right = bare.iter().filter(|named| named.right).count();
    settings::say(&format!("named first without a word about the command: {right} of {}", bare.len()));
    for (what, named) in [
        ("by the log", outcomes.iter().filter_map(|outcome| outcome.log.as_ref()).collect::<Vec<_>>()),
        ("on the spot", outcomes.iter().filter_map(|outcome| outcome.live.as_ref()).collect()),
    ] {
        let right = named.iter().filter(|named| named.right).count();
        settings::say(&format!("named first {what}: {right} of {}", named.len()));
        assert!(right * 100 >= named.len() * BAR, "{right} of {} are named rightly {what}", named.len());
    }
}
