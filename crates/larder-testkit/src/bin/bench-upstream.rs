//! An upstream for benchmarks: `bench-upstream FOLDER [--listen ADDRESS] [--delay MS] [--rate BYTES] [--fill] [--sumdb NAME]`.
//!
//! Serves a folder in the layout of a module cache's `cache/download`, each answer after a delay and at a rate. `/-/bench/counts`
//! says what was asked, `/-/bench/log` in which order, `/-/bench/reset` begins anew, `/-/bench/delay/MS` and
//! `/-/bench/rate/BYTES` move it nearer or farther. `--fill` makes up the zips of versions of which only the `.mod` is there, `--sumdb`
//! adds a checksum database below `/-/sumdb` whose key `/-/bench/sumdb` names. One line says when it listens.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use larder_testkit::bench::server::{Distance, Upstream};
use larder_testkit::bench::tree::Tree;
use larder_testkit::sumdb::FakeSumdb;

struct Arguments {
    folder: PathBuf,
    listen: String,
    distance: Distance,
    fill: bool,
    sumdb: Option<String>,
}

fn arguments() -> Option<Arguments> {
    let mut words = std::env::args().skip(1);
    let mut arguments = Arguments {
        folder: words.next()?.into(),
        listen: "127.0.0.1:0".to_owned(),
        distance: Distance::default(),
        fill: false,
        sumdb: None,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--listen" => arguments.listen = words.next()?,
            "--delay" => arguments.distance.delay = Duration::from_millis(words.next()?.parse().ok()?),
            "--rate" => arguments.distance.rate = words.next()?.parse().ok()?,
            "--fill" => arguments.fill = true,
            "--sumdb" => arguments.sumdb = Some(words.next()?),
            _ => return None,
        }
    }
    Some(arguments)
}

fn run(arguments: Arguments) -> std::io::Result<()> {
    larder_testkit::process::raise_descriptor_limit();
    let tree = Tree::new(arguments.folder, arguments.fill);
    let sumdb = match arguments.sumdb {
        Some(name) => {
            let sumdb = FakeSumdb::new(&name, 1);
            tree.record(&sumdb)?;
            Some(sumdb)
        }
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = tokio::net::TcpListener::bind(&arguments.listen).await?;
        println!("http://{}", listener.local_addr()?);
        std::io::stdout().flush()?;
        Upstream::new(tree, sumdb, arguments.distance).serve(listener).await
    })
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!(
            "usage: bench-upstream FOLDER [--listen ADDRESS] [--delay MS] [--rate BYTES] [--fill] [--sumdb NAME]"
        );
        return ExitCode::from(2);
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-upstream: {error}");
            ExitCode::from(1)
        }
    }
}
