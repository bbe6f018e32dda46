//! The benchmarks run in their short form, only to see that they work: what they find on a busy machine means nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use larder_testkit::settings;
use serde_json::Value;

/// The suite in its short form, with its results and charts in a folder of their own that begins the PATH, or what it lacks.
fn quick(work: &Path) -> Result<Command, &'static str> {
    let programs = Path::new(env!("CARGO_BIN_EXE_corpus")).parent().expect("a file in a folder");
    let larder = settings::binary().unwrap_or_else(|| programs.join("larder"));
    if !larder.exists() {
        return Err("a larder beside the test's programs");
    }
    if !has("python3") {
        return Err("python3");
    }
    let mut command = Command::new("sh");
    command.args(["-c", "PATH=\"$0:$PATH\" exec python3 \"$@\""]).arg(work);
    command.arg(suite()).args(["--quick", "--bin"]).arg(programs).arg("--larder").arg(&larder);
    command.arg("--results").arg(work.join("results.json")).arg("--draw").arg(work);
    Ok(command)
}

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/run")
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("python3 can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn stored(work: &Path) -> Value {
    let text = fs_err::read(work.join("results.json")).expect("a run keeps its results");
    serde_json::from_slice(&text).expect("results are JSON")
}

#[test]
fn the_short_form_of_the_benchmarks_runs() {
    let work = tempfile::TempDir::new().expect("a temporary folder");
    let mut command = match quick(work.path()) {
        Ok(command) => command,
        Err(missing) => return println!("skipped: the benchmarks need {missing}"),
    };
    let said = said(command.args(["--peers", ""]));
    let stored = stored(work.path());
    for row in [
        "cold-100",
        "build-100",
        "sumdb-100",
        "run-100",
        "warm-100",
        "replay-50",
        "clients-50",
        "storm",
        "idle",
        "small-info",
        "zip-1mb",
        "tls-info",
        "start",
        "million",
    ] {
        assert!(said.contains(row) || said.contains("is not on the PATH"), "{row} is missing:\n{said}");
        assert!(
            stored["rows"][row]["median"].is_f64() || said.contains("is not on the PATH"),
            "{row}: {stored}"
        );
    }
    for (row, chart) in [("cold-100", "cold"), ("cold-100", "asked"), ("small-info", "serving")] {
        let chart = work.path().join(format!("benchmarks-{chart}.svg"));
        assert!(chart.exists() || stored["rows"][row].is_null(), "{} is missing", chart.display());
    }
}

#[test]
fn another_proxy_that_cannot_serve_is_said_in_tables_and_charts() {
    let work = tempfile::TempDir::new().expect("a temporary folder");
    let mut command = match quick(work.path()) {
        Ok(command) => command,
        Err(missing) => return println!("skipped: the benchmarks need {missing}"),
    };
    if !has("go") {
        return println!("skipped: the benchmarks need go");
    }
    let program = work.path().join("goproxy");
    fs_err::write(&program, "#!/bin/sh\necho no such flag\nexit 3\n").expect("a temporary folder");
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a temporary folder");
    let said = said(command.args(["--peers", "goproxy", "--only", "cold-0"]));
    assert!(said.contains("left out: goproxy ended with 3"), "{said}");
    let stored = stored(work.path());
    assert_eq!(
        stored["rows"]["cold-0-goproxy"]["left_out"], "goproxy ended with 3: no such flag",
        "{stored}"
    );
    assert!(stored["rows"]["cold-0"]["median"].is_f64(), "the others are measured: {stored}");
    let chart = fs_err::read_to_string(work.path().join("benchmarks-cold.svg")).expect("a chart");
    assert!(chart.contains("goproxy") && chart.contains("left out"), "{chart}");
}

#[test]
fn charts_are_drawn_from_figures_without_details() {
    if !has("python3") {
        return println!("skipped: the benchmarks need python3");
    }
    let work = tempfile::TempDir::new().expect("a temporary folder");
    let figure = |median: f64| serde_json::json!({"of": "x", "what": "it", "median": median, "low": median, "high": median, "rounds": 1, "unit": "x"});
    let rows = serde_json::json!({"cold-100": figure(0.2), "cold-0": figure(1.0), "small-info": figure(1.5)});
    let results = work.path().join("results.json");
    fs_err::write(&results, serde_json::json!({"rows": rows}).to_string()).expect("a temporary folder");
    let mut command = Command::new("python3");
    let said = said(
        command.arg(suite()).arg("--charts").arg("--results").arg(&results).arg("--draw").arg(work.path()),
    );
    assert!(said.contains("| `cold-100` | it | 0.2 |"), "{said}");
    assert!(work.path().join("benchmarks-serving.svg").exists());
    assert!(!work.path().join("benchmarks-cold.svg").exists(), "there is nothing to draw");
}

fn has(program: &str) -> bool {
    let asked = if program == "go" { "version" } else { "--version" };
    Command::new(program).arg(asked).output().is_ok_and(|output| output.status.success())
}
