//! `larder doctor explain`: which route the go command takes for a path, and why.

use larder_doctor::explain::{explain, patterns};
use larder_doctor::{Look, examine};
use serde_json::json;

use super::{Desk, Outcome, block_on, subject};
use crate::cli::doctor::ReportFormat;
use crate::render;
use crate::render::doctor::explained;

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
        return show_matches(desk, pattern, &paths);
    }
    let asked = subject(question.subject.as_deref().unwrap_or_default())?;
    let system = desk.system()?;
    let local = Look { subject: Some(asked.clone()), ..Look::default() };
    let look = if question.probe { desk.look(Some(asked.clone())) } else { local };
    let mut facts = block_on(examine(&system, look))?;
    let explanation = explain(&facts, &asked.module, asked.version.as_deref());
    let mut redactor = desk.redactor(&facts);
    if desk.form.format == ReportFormat::Json && !question.probe {
        render::json(&redactor.value(explained::json(&explanation, desk.language)));
        return Ok(());
    }
    if desk.form.format != ReportFormat::Json {
        let page = explained::page(&explanation, desk.language);
        let page = page.into_iter().map(|line| line.cleaned(&mut redactor)).collect::<Vec<_>>();
        render::line(match desk.form.format {
            ReportFormat::Markdown => explained::markdown(&page),
            _ => explained::text(&page),
        });
    }
    if !question.probe {
        return Ok(());
    }
    if let Some(probes) = &mut facts.probes {
        probes.skipped.retain(|skipped| skipped.id != "network");
    }
    desk.conclude(&facts, |text| render::line(text.trim_end()))
}

/// Shows what each pattern of a list does with each path, as the go command does it.
fn show_matches(desk: &Desk<'_>, list: &str, paths: &[&str]) -> Result<(), Outcome> {
    if paths.is_empty() {
        return Err(Outcome::Usage {
            error: "--pattern needs paths to match".to_owned(),
            hint: Some(
                "as in `larder doctor explain --pattern '*.corp.example' git.corp.example/team/m`".to_owned(),
            ),
        });
    }
    let mut redactor = desk.redactor(&larder_doctor::Facts::default());
    let answers =
        paths.iter().flat_map(|path| patterns(list, path).into_iter().map(move |answer| (path, answer)));
    if desk.form.format == ReportFormat::Json {
        let all: Vec<_> = answers.map(|(path, answer)| json!({"path": path, "answer": answer})).collect();
        render::json(&redactor.value(json!({"schema": larder_doctor::SCHEMA, "answers": all})));
        return Ok(());
    }
    let mut clean = |text: &str| redactor.text(&text.replace(['\n', '|'], " "));
    let rows: Vec<Vec<String>> = answers
        .map(|(path, answer)| {
            vec![clean(path), clean(&answer.pattern), clean(&answer.sentence(desk.language))]
        })
        .collect();
    if desk.form.format == ReportFormat::Markdown {
        let rows: Vec<String> = rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
        render::line(format_args!("| path | pattern | answer |\n|---|---|---|\n{}", rows.join("\n")));
    } else {
        render::table(&rows);
    }
    Ok(())
}
