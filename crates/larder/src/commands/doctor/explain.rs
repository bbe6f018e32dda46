//! `larder doctor explain`: which route the go command takes for a path, and why.

use larder_module::pattern::Patterns;

use super::{Desk, Outcome, subject};
use crate::render;

/// What was asked.
pub(super) struct Question {
    pub(super) subject: Option<String>,
    pub(super) pattern: Option<String>,
    pub(super) paths: Vec<String>,
    pub(super) probe: bool,
}

/// Explains.
pub(super) fn run(desk: &Desk<'_>, question: &Question) -> Result<(), Outcome> {
    if let Some(pattern) = &question.pattern {
        let paths: Vec<&str> = question.subject.iter().chain(&question.paths).map(String::as_str).collect();
        matches(pattern, &paths);
        return Ok(());
    }
    let _subject = subject(question.subject.as_deref().unwrap_or_default())?;
    let _system = desk.system()?;
    let _with_network = question.probe;
    Err(Outcome::Usage { error: "nothing explains yet".to_owned(), hint: None })
}

/// Shows what a pattern matches, as the go command does it.
fn matches(pattern: &str, paths: &[&str]) {
    let patterns = Patterns::parse(pattern);
    let rows: Vec<Vec<String>> = paths
        .iter()
        .map(|path| {
            let said = if patterns.matches(path) { "matches" } else { "no match" };
            vec![said.to_owned(), (*path).to_owned()]
        })
        .collect();
    render::table(&rows);
}
