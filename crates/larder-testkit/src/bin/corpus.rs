//! Writes a made-up module graph to disk, for benchmarks: `corpus FOLDER [--seed N] [--small]`.
//!
//! `FOLDER/tree` has the layout of a module cache's `cache/download`, so any file server can be its upstream;
//! `FOLDER/project` is a main module that needs much of it, `FOLDER/small` the same one cut down to a small command, and
//! `FOLDER/graphs/*` are further main modules. What there is goes to standard output as JSON.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use larder_testkit::universe::{Universe, UniverseOptions};
use serde_json::json;

fn main() -> ExitCode {
    let Some((folder, options)) = arguments() else {
        eprintln!("usage: corpus FOLDER [--seed N] [--small]");
        return ExitCode::from(2);
    };
    match write(&options, &folder) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::from(1)
        }
    }
}

fn arguments() -> Option<(PathBuf, UniverseOptions)> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().filter(|first| !first.starts_with("--"))?);
    let mut options = UniverseOptions::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--small" => options = UniverseOptions { seed: options.seed, ..UniverseOptions::small() },
            "--seed" => options.seed = arguments.next()?.parse().ok()?,
            _ => return None,
        }
    }
    Some((folder, options))
}

fn write(options: &UniverseOptions, folder: &Path) -> std::io::Result<serde_json::Value> {
    let universe = Universe::generate(options);
    let written = universe.write(&folder.join("tree"))?;
    let project = universe.project();
    universe.write_project(&project, &written, &folder.join("project"))?;
    universe.write_small(&project, &written, &folder.join("small"))?;
    for number in 0..options.graphs {
        let graph = universe.graph(number as u64);
        universe.write_project(&graph, &written, &folder.join(format!("graphs/{number:02}")))?;
    }
    Ok(json!({
        "seed": options.seed,
        "versions": written.versions(),
        "bytes": written.bytes(),
        "listed": project.listed(),
        "read": project.read(),
        "needed_bytes": written.bytes_of(&project),
    }))
}
