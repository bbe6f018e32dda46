//! Writes a made-up module graph to disk, for benchmarks: `corpus FOLDER [SEED]`.
//!
//! `FOLDER/tree` has the layout of a module cache's `cache/download`, so any file server can be its upstream;
//! `FOLDER/project` is a main module that needs all of it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::path::PathBuf;
use std::process::ExitCode;

use larder_testkit::corpus::{Corpus, CorpusOptions};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: corpus FOLDER [SEED]");
        return ExitCode::from(2);
    };
    let seed = arguments.next().and_then(|text| text.to_str()?.parse().ok()).unwrap_or(1);
    let corpus = Corpus::generate(&CorpusOptions { seed, ..CorpusOptions::default() });
    match write(&corpus, &folder) {
        Ok(()) => {
            println!("{} versions, {} bytes of zips, seed {seed}", corpus.modules.len(), corpus.zip_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::from(1)
        }
    }
}

fn write(corpus: &Corpus, folder: &std::path::Path) -> std::io::Result<()> {
    corpus.write_to(&folder.join("tree"))?;
    let project = folder.join("project");
    fs_err::create_dir_all(&project)?;
    corpus.project().iter().try_for_each(|(name, text)| fs_err::write(project.join(name), text))
}
