//! The benchmarks run in their short form, only to see that they work: what they find on a busy machine means nothing.

use std::path::Path;
use std::process::Command;

use larder_testkit::settings;

#[test]
fn the_short_form_of_the_benchmarks_runs() {
    let programs = Path::new(env!("CARGO_BIN_EXE_corpus")).parent().expect("a file in a folder");
    let larder = settings::binary().unwrap_or_else(|| programs.join("larder"));
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/run");
    for (what, there) in
        [("a larder beside the test's programs", larder.exists()), ("python3", has("python3"))]
    {
        if !there {
            println!("skipped: the benchmarks need {what}");
            return;
        }
    }
    let work = tempfile::TempDir::new().expect("a temporary folder");
    let output = Command::new("python3")
        .arg(suite)
        .args(["--quick", "--peers", "", "--bin"])
        .arg(programs)
        .arg("--larder")
        .arg(&larder)
        .arg("--results")
        .arg(work.path().join("results.json"))
        .output()
        .expect("python3 can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for row in
        ["cold-100", "build-100", "sumdb-100", "replay-50", "storm", "idle", "zip-1mb", "tls-info", "million"]
    {
        assert!(said.contains(row) || said.contains("is not on the PATH"), "{row} is missing:\n{said}");
    }
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
