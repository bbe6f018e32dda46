//! Files of `NAME=value` lines as the go command reads them: nothing is unquoted, trimmed or complained about.

use std::collections::BTreeMap;
use std::path::Path;

use super::FileProblem;
use crate::System;

/// A go/env or go.env file.
#[derive(Clone, Debug, Default)]
pub(super) struct EnvFile {
    /// The path, as the process names it.
    pub(super) path: String,
    /// Whether it could be read.
    pub(super) exists: bool,
    /// What Go takes from it; the last line of a name counts.
    pub(super) values: BTreeMap<String, String>,
    /// Lines that don't mean what they look like.
    pub(super) problems: Vec<FileProblem>,
}

impl EnvFile {
    /// Reads a file; one that can't be read has no values, as for the go command.
    pub(super) fn read(system: &System, path: &Path) -> Self {
        let name = path.to_string_lossy().into_owned();
        match fs_err::read(system.path(path)) {
            Ok(bytes) => Self::parse(name, &String::from_utf8_lossy(&bytes)),
            Err(_) => Self { path: name, ..Self::default() },
        }
    }

    fn parse(path: String, text: &str) -> Self {
        let mut file = Self { path, exists: true, ..Self::default() };
        for (index, line) in text.split('\n').enumerate() {
            if let Some((name, value)) = pair(line) {
                file.values.insert(name.to_owned(), value.to_owned());
            }
            if let Some(problem) = problem(line) {
                file.problems.push(FileProblem {
                    path: file.path.clone(),
                    line: index + 1,
                    text: line.to_owned(),
                    problem: problem.to_owned(),
                });
            }
        }
        file
    }
}

/// Returns what Go reads from a line: it starts with a capital letter and has an equals sign.
fn pair(line: &str) -> Option<(&str, &str)> {
    line.starts_with(|first: char| first.is_ascii_uppercase()).then(|| line.split_once('='))?
}

/// Returns what about a line does not mean what it looks like.
fn problem(line: &str) -> Option<&'static str> {
    let bare = line.trim_start_matches('\u{feff}').trim();
    if bare.is_empty() || bare.starts_with('#') {
        return None;
    }
    if line.starts_with('\u{feff}') {
        return Some("byte order mark");
    }
    let Some((name, value)) = bare.split_once('=') else { return Some("no equals sign") };
    if name.starts_with("export ") || name.starts_with("set ") || name.starts_with("setenv ") {
        return Some("export");
    }
    if line.starts_with([' ', '\t']) || name.ends_with([' ', '\t']) || value.starts_with([' ', '\t']) {
        return Some("spaces");
    }
    if name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Some("lower case");
    }
    if line.ends_with('\r') {
        return Some("carriage return");
    }
    if ['"', '\''].iter().any(|quote| value.len() > 1 && value.starts_with(*quote) && value.ends_with(*quote))
    {
        return Some("quotes");
    }
    (line.ends_with([' ', '\t'])).then_some("spaces")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_go_reads_them_and_odd_ones_are_reported() {
        let text = "# comment\nGOPROXY=https://proxy.example.com\nexport GOSUMDB=x\nGOFLAGS = -v\nGOPRIVATE=\"a\"\nGOVCS=a:git\r\n gap=1\ngoproxy=b\nGOPROXY=off\n\nnonsense";
        let file = EnvFile::parse("f".to_owned(), text);
        assert_eq!(file.values["GOPROXY"], "off");
        assert_eq!(file.values["GOPRIVATE"], "\"a\"");
        assert_eq!(file.values["GOVCS"], "a:git\r");
        assert_eq!(file.values["GOFLAGS "], " -v");
        assert!(!file.values.contains_key("GOSUMDB"));
        let problems: Vec<_> = file.problems.iter().map(|one| (one.line, one.problem.as_str())).collect();
        assert_eq!(
            problems,
            [
                (3, "export"),
                (4, "spaces"),
                (5, "quotes"),
                (6, "carriage return"),
                (7, "spaces"),
                (8, "lower case"),
                (11, "no equals sign")
            ]
        );
    }
}
