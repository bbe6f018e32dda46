//! The causes of failed downloads, played with the real go command in a world of their own, and named by the doctor.
//!
//! A scenario sets something up that fails. The go command has to fail in it, and to say what the catalogue says it says. Its
//! output then goes to `larder doctor log`, and `larder doctor run` runs it where it failed: both have to name the cause first.
//! `LARDER_LONG=1` asks the bare `larder doctor`, too, and plays what takes long.
//!
//! Scenarios stand in one file a layer. `LARDER_LAB=P12,N` plays those whose id begins so; `LARDER_GO_CLIENTS=root:root` adds
//! go commands by their `GOROOT`; `LARDER_RECORD=1` keeps what they print as the corpus of `larder-doctor`.

mod cache;
mod configuration;
mod database;
mod doctor;
mod network;
mod network_forward;
mod network_tls;
mod network_variables;
mod noise;
mod project;
mod protocol;
mod proxy_setting;
mod record;
mod resolution;
mod toolchain;
mod verification;
mod version_control;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use larder_testkit::lab::{self, Case, GoClient, Lab};
use larder_testkit::{FakeUpstream, settings};

/// A cause, and how to make it.
struct Scenario {
    id: &'static str,
    name: &'static str,
    set_up: fn(&mut Case<'_>),
}

/// Makes a table's line.
const fn scenario(id: &'static str, name: &'static str, set_up: fn(&mut Case<'_>)) -> Scenario {
    Scenario { id, name, set_up }
}

fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    [
        network::SCENARIOS,
        network_tls::SCENARIOS,
        network_forward::SCENARIOS,
        network_variables::SCENARIOS,
        protocol::SCENARIOS,
        proxy_setting::SCENARIOS,
        cache::SCENARIOS,
        project::SCENARIOS,
        database::SCENARIOS,
        verification::SCENARIOS,
        configuration::SCENARIOS,
        toolchain::SCENARIOS,
        version_control::SCENARIOS,
        resolution::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}

/// Two versions of one module: enough for most.
fn one() -> FakeUpstream {
    FakeUpstream::new().module("example.com/ok", "v1.0.0").module("example.com/ok", "v1.1.0")
}

/// What became of a scenario with one client.
struct Outcome {
    scenario: &'static Scenario,
    client: String,
    /// Why it was not played.
    skipped: Option<String>,
    /// What is wrong with the go command's part.
    wrong: Option<String>,
    /// What the doctor found first, and whether that is right: in the log, and on the spot.
    log: Option<doctor::Named>,
    live: Option<doctor::Named>,
    /// The same without the command, in long runs.
    bare: Option<doctor::Named>,
}

#[test]
fn every_cause_is_played_and_named() {
    if !lab::enter("every_cause_is_played_and_named") {
        return;
    }
    let clients = lab::clients();
    if clients.is_empty() {
        settings::skipped("every_cause_is_played_and_named", "there is no go command");
        return;
    }
    let wanted = settings::machine("LARDER_LAB").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|prefix| !prefix.is_empty()).collect();
    let chosen = scenarios().filter(|scenario| {
        wanted.is_empty()
            || wanted.iter().any(|prefix| scenario.id.starts_with(prefix) || *prefix == scenario.name)
    });
    let tasks: Vec<(&Scenario, &GoClient)> =
        chosen.flat_map(|scenario| clients.iter().map(move |client| (scenario, client))).collect();
    let lab = Lab::start();
    let outcomes = play(&lab, &tasks);
    record::expectations(&wanted);
    show(&outcomes);
    let wrong: Vec<String> = outcomes.iter().filter_map(|outcome| outcome.wrong.clone()).collect();
    assert!(wrong.is_empty(), "{} scenarios did not play as written:\n{}", wrong.len(), wrong.join("\n"));
    doctor::judge(&outcomes);
}

/// Plays all, a few at a time: most of them wait.
fn play(lab: &Lab, tasks: &[(&'static Scenario, &GoClient)]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((scenario, client)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        play_one(lab, scenario, client)
                    }))
                    .unwrap_or_else(|_| {
                        let wrong = Some(format!("{} {}: could not be set up", scenario.id, scenario.name));
                        let client = client.version().to_owned();
                        Outcome { scenario, client, skipped: None, wrong, log: None, live: None, bare: None }
                    });
                    outcomes.lock().expect("nobody panics holding it").push(outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("nobody panics holding it");
    outcomes.sort_by(|a, b| {
        (a.scenario.id, a.scenario.name, &a.client).cmp(&(b.scenario.id, b.scenario.name, &b.client))
    });
    outcomes
}

fn play_one(lab: &Lab, scenario: &'static Scenario, client: &GoClient) -> Outcome {
    let mut case = lab.case(client);
    (scenario.set_up)(&mut case);
    let named = format!("{} {} (go{})", scenario.id, scenario.name, client.version());
    let mut outcome = Outcome {
        scenario,
        client: client.version().to_owned(),
        skipped: case.skipped.clone(),
        wrong: None,
        log: None,
        live: None,
        bare: None,
    };
    if outcome.skipped.is_some() {
        return outcome;
    }
    let run = case.run();
    let text = case.scrubbed(&run.text);
    if run.ending != case.ending {
        outcome.wrong = Some(format!("{named}: {:?} instead of {:?}:\n{text}", run.ending, case.ending));
    } else if !case.says.is_empty() && !case.says.iter().any(|words| text.contains(words)) {
        outcome.wrong = Some(format!("{named}: doesn't say {:?}:\n{text}", case.says));
    }
    if outcome.wrong.is_none() {
        record::log(scenario, &case, &text);
    }
    if outcome.wrong.is_none() && !record::recording() {
        outcome.log = doctor::by_log(scenario, &case, &run.text);
        outcome.live = doctor::by_run(scenario, &case);
        if settings::long() {
            outcome.bare = doctor::on_the_spot(scenario, &case);
        }
    }
    outcome
}

/// Prints the table: a line for each scenario, a mark for each client.
fn show(outcomes: &[Outcome]) {
    let mut lines: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    let mut played: BTreeMap<&str, bool> = BTreeMap::new();
    for outcome in outcomes {
        let key = (outcome.scenario.id, outcome.scenario.name);
        let minor = outcome.client.split('.').nth(1).unwrap_or("?");
        let word = match (&outcome.skipped, &outcome.wrong) {
            (Some(why), _) => {
                settings::say(&format!("skipped: {} {} with go{}: {why}", key.0, key.1, outcome.client));
                format!("{minor}: skipped")
            }
            (_, Some(_)) => format!("{minor}: WRONG"),
            _ => format!("{minor}: log {} live {}", doctor::word(&outcome.log), doctor::word(&outcome.live)),
        };
        lines.entry(key).or_default().push(word);
        *played.entry(key.0).or_default() |= outcome.skipped.is_none() && outcome.wrong.is_none();
    }
    for ((id, name), words) in &lines {
        settings::say(&format!("{id:4} {name:44} {}", words.join(" | ")));
    }
    let count = played.values().filter(|played| **played).count();
    settings::say(&format!("{count} causes played, by {} scenarios", lines.len()));
}
