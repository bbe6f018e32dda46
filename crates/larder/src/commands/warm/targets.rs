//! What the words of the command line stand for.

use std::path::{Path, PathBuf};

use larder_module::gosum::GoSumLine;

use crate::commands::Outcome;
use crate::project::{ProjectError, ProjectFiles, ProjectSettings, read_sums};

/// One thing to warm.
#[derive(Debug)]
pub(crate) enum Target {
    /// A project.
    Project(Box<ProjectFiles>),
    /// The lines of a go.sum file.
    Sums { file: PathBuf, lines: Vec<GoSumLine> },
    /// A module or package path, and a version or query.
    Version { path: String, query: String },
}

/// Reads what was named; nothing stands for this folder.
pub(crate) fn read(words: &[String], settings: &ProjectSettings) -> Result<Vec<Target>, Outcome> {
    if words.is_empty() {
        return Ok(vec![one(".", settings)?]);
    }
    words.iter().map(|word| one(word, settings)).collect()
}

fn one(word: &str, settings: &ProjectSettings) -> Result<Target, Outcome> {
    let path = Path::new(word);
    if path.is_dir() {
        return match ProjectFiles::around(path, settings).map_err(|error| unreadable(&error))? {
            Some(files) => Ok(Target::Project(Box::new(files))),
            None => Err(Outcome::Usage {
                error: format!("there is no go.mod or go.work file in {} or above it", path.display()),
                hint: Some(
                    "name a project's folder, a go.mod, go.work or go.sum file, or MODULE@VERSION".to_owned(),
                ),
            }),
        };
    }
    if path.is_file() {
        return file(path, settings);
    }
    match word.split_once('@') {
        Some((module, query))
            if !module.is_empty() && !query.is_empty() && !query.starts_with(['-', '/']) =>
        {
            Ok(Target::Version { path: module.to_owned(), query: query.to_owned() })
        }
        _ if word.is_empty() => {
            Err(Outcome::Usage { error: "an empty word names nothing".to_owned(), hint: None })
        }
        _ if is_file_name(word) => {
            Err(Outcome::Usage { error: format!("there is no file {word}"), hint: None })
        }
        Some(_) | None => Err(Outcome::Usage {
            error: format!("{word} is neither a file or folder nor MODULE@VERSION"),
            hint: Some(match word.trim_end_matches('@') {
                module if module.contains('@') => {
                    "write MODULE@VERSION, such as example.com/m@v1.2.3".to_owned()
                }
                module => format!("for the latest version of a module, say {module}@latest"),
            }),
        }),
    }
}

/// Reports whether a word can be meant for nothing but a file or folder.
fn is_file_name(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or_default();
    matches!(name, "go.mod" | "go.sum" | "go.work") || word.starts_with(['/', '.'])
}

fn file(path: &Path, settings: &ProjectSettings) -> Result<Target, Outcome> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let read = match extension {
        Some("sum") => {
            let lines = read_sums(path).map_err(|error| unreadable(&error))?;
            return Ok(Target::Sums { file: path.to_owned(), lines });
        }
        Some("work") => ProjectFiles::of_go_work(path, settings),
        Some("mod") => ProjectFiles::of_go_mod(path, settings),
        Some(_) | None => {
            return Err(Outcome::Usage {
                error: format!("{} is no go.mod, go.work or go.sum file", path.display()),
                hint: None,
            });
        }
    };
    read.map(|files| Target::Project(Box::new(files))).map_err(|error| unreadable(&error))
}

fn unreadable(error: &ProjectError) -> Outcome {
    let hint = match error {
        ProjectError::Parse { .. } => Some("`go mod tidy` writes versions in place of branches".to_owned()),
        ProjectError::Io(_) | ProjectError::Sums { .. } | ProjectError::NoModule { .. } => None,
    };
    Outcome::usage(error, hint)
}
