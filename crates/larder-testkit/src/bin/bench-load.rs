//! A client for benchmarks; what it found goes to standard output as JSON.
//!
//! `open URL --rate N --connections N --seconds N PATH...` asks at a fixed rate and counts from when each request was due;
//! `closed URL --connections N --seconds N PATH...` asks as fast as answers come; `replay URL [--in-flight N] FILE...` plays
//! recorded clients at once, a path a line; `idle URL --connections N PATH` opens a crowd, says `ready`, and keeps it until its
//! input ends; `certificate FOLDER` makes `cert.pem` and `key.pem` for 127.0.0.1. `--authority FILE` is for https, `@FILE` in
//! place of a path stands for the paths in a file.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use larder_testkit::bench::client::Target;
use larder_testkit::bench::load::{self, Sequence};

struct Arguments {
    command: String,
    url: String,
    rate: f64,
    connections: usize,
    in_flight: usize,
    seconds: f64,
    authority: Option<String>,
    words: Vec<String>,
}

fn arguments() -> Option<Arguments> {
    let mut given = std::env::args().skip(1);
    let mut arguments = Arguments {
        command: given.next()?,
        url: given.next()?,
        rate: 100.0,
        connections: 8,
        in_flight: 2,
        seconds: 1.0,
        authority: None,
        words: Vec::new(),
    };
    while let Some(word) = given.next() {
        match word.as_str() {
            "--rate" => arguments.rate = given.next()?.parse().ok()?,
            "--connections" => arguments.connections = given.next()?.parse().ok()?,
            "--in-flight" => arguments.in_flight = given.next()?.parse().ok()?,
            "--seconds" => arguments.seconds = given.next()?.parse().ok()?,
            "--authority" => arguments.authority = fs_err::read_to_string(given.next()?).ok(),
            _ if word.starts_with("--") => return None,
            _ => arguments.words.push(word),
        }
    }
    Some(arguments)
}

fn paths(words: &[String]) -> std::io::Result<Vec<String>> {
    let mut paths = Vec::new();
    for word in words {
        match word.strip_prefix('@') {
            Some(file) => paths.extend(fs_err::read_to_string(file)?.lines().map(str::to_owned)),
            None => paths.push(word.clone()),
        }
    }
    if paths.is_empty() { Err(std::io::Error::other("no path to ask for")) } else { Ok(paths) }
}

fn sequences(files: &[String]) -> std::io::Result<Vec<Sequence>> {
    let read = |file: &String| {
        let paths = fs_err::read_to_string(file)?.lines().map(str::to_owned).collect();
        let name = Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        Ok(Sequence { name: name.unwrap_or_default(), paths })
    };
    files.iter().map(read).collect()
}

fn certificate(folder: &str) -> std::io::Result<()> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
        .map_err(std::io::Error::other)?;
    fs_err::create_dir_all(folder)?;
    fs_err::write(Path::new(folder).join("cert.pem"), made.cert.pem())?;
    fs_err::write(Path::new(folder).join("key.pem"), made.signing_key.serialize_pem())
}

async fn run(arguments: Arguments) -> std::io::Result<()> {
    let Arguments { connections, rate, words, .. } = &arguments;
    let target =
        Target::parse(&arguments.url, arguments.authority.as_deref()).map_err(std::io::Error::other)?;
    let length = Duration::from_secs_f64(arguments.seconds);
    let result = match arguments.command.as_str() {
        "open" => load::open_loop(&target, paths(words)?, *rate, *connections, length).await,
        "closed" => load::closed_loop(&target, paths(words)?, *connections, length).await,
        "replay" => load::replay(&target, sequences(words)?, arguments.in_flight).await,
        "idle" => {
            let crowd = load::crowd(&target, &paths(words)?[0], *connections).await?;
            println!("ready");
            std::io::stdout().flush()?;
            let waited = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
            waited.map_err(std::io::Error::other)??;
            serde_json::json!({ "connections": crowd.len() })
        }
        other => {
            return Err(std::io::Error::other(format!("{other}: open, closed, replay, idle or certificate")));
        }
    };
    println!("{result}");
    Ok(())
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!(
            "usage: bench-load open|closed|replay|idle|certificate URL [--rate N] [--connections N] ... PATH..."
        );
        return ExitCode::from(2);
    };
    larder_testkit::process::raise_descriptor_limit();
    let result = if arguments.command == "certificate" {
        certificate(&arguments.url)
    } else {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.and_then(|runtime| tokio::task::LocalSet::new().block_on(&runtime, run(arguments)))
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-load: {error}");
            ExitCode::from(1)
        }
    }
}
