//! The report to paste into an issue: nothing in it can become markup that nobody meant.

use std::fmt::Write;

use larder_doctor::catalogue::Language;
use larder_doctor::{Finding, Report, StepMark, Way};

use super::words::{Words, layer, words};

/// Findings that are told; nobody reads an issue longer than that.
const MOST_FINDINGS: usize = 30;

/// Returns a report as Markdown.
pub(crate) fn report(report: &Report, language: Language) -> String {
    let words = words(language);
    let mut out = String::new();
    if report.findings.is_empty() && !report.is_riddle() {
        let head = if report.healthy.is_empty() { words.nothing_failed } else { words.healthy };
        let _infallible = writeln!(out, "**{}**\n", plain(head));
        for line in report.healthy.iter().take(3) {
            let _infallible = writeln!(out, "- {}", plain(line));
        }
    }
    if report.is_riddle() {
        let _infallible = writeln!(out, "**{}**\n", plain(words.riddle));
        block(&mut out, &report.unexplained);
    }
    let (told, rest) = report.findings.split_at(report.findings.len().min(MOST_FINDINGS));
    for (place, found) in told.iter().enumerate() {
        finding(&mut out, found, words, language);
        if place == 0 {
            ways(&mut out, &report.path, words);
        }
    }
    if !rest.is_empty() {
        let _infallible = writeln!(out, "{} {}\n", super::text::counted(rest), plain(words.in_json));
    }
    if !report.skipped.is_empty() {
        let _infallible = writeln!(out, "### {}\n", words.skipped);
        for skipped in &report.skipped {
            let _infallible = writeln!(out, "- {}: {}", plain(&skipped.id), plain(&skipped.why));
        }
        out.push('\n');
    }
    if !report.settings.is_empty() {
        let _infallible = writeln!(out, "<details><summary>{}</summary>\n", words.settings);
        for setting in &report.settings {
            let _infallible = writeln!(
                out,
                "- {} = {} ({})",
                plain(&setting.name),
                code(&setting.value),
                plain(&setting.origin)
            );
        }
        out.push_str("\n</details>\n");
    }
    out
}

fn finding(out: &mut String, found: &Finding, words: &Words, language: Language) {
    let _infallible =
        writeln!(out, "## {} {}: {}\n", words.verdict(found.verdict), found.id, plain(&found.title));
    let _infallible = writeln!(
        out,
        "{}\n\n*{}, {} {:.0} %*\n",
        plain(&found.sentence),
        layer(found.layer, language),
        words.sure,
        f64::from(found.confidence) * 100.0
    );
    if !found.evidence.is_empty() {
        let _infallible = writeln!(out, "### {}\n", words.proof);
        for evidence in &found.evidence {
            let (what, value, source) =
                (plain(&evidence.what), code(&evidence.value), plain(&evidence.source));
            let _infallible = writeln!(out, "- {what}: {value} ({source})");
        }
        out.push('\n');
    }
    let _infallible = writeln!(out, "### {}\n\n{}\n", words.fix, plain(&found.fix.summary));
    block(out, &found.fix.commands);
    if !found.fix.commands.is_empty() && !found.fix.changes.is_empty() {
        let _infallible = writeln!(out, "{} {}\n", words.changes, plain(&found.fix.changes));
    }
    if !found.not.is_empty() {
        let _infallible = writeln!(out, "### {}\n", words.not);
        for not in &found.not {
            let _infallible = writeln!(out, "- {}: {}", not.id, plain(&not.why));
        }
        out.push('\n');
    }
    if !found.by_hand.is_empty() {
        let _infallible = writeln!(out, "### {}\n", words.by_hand);
        block(out, &found.by_hand);
    }
    if !found.wrong.is_empty() {
        let _infallible = writeln!(out, "### {}\n\n{}\n", words.wrong, plain(&found.wrong));
    }
}

fn ways(out: &mut String, ways: &[Way], words: &Words) {
    if ways.iter().all(|way| way.steps.is_empty()) {
        return;
    }
    let _infallible = writeln!(out, "### {}\n", words.way);
    let lines: Vec<String> = ways
        .iter()
        .map(|way| {
            let mut line = way.to.clone();
            for step in &way.steps {
                let mark = match step.mark {
                    StepMark::Works => "ok",
                    StepMark::Breaks => "BREAKS",
                    StepMark::Doubtful => "doubtful",
                    StepMark::NotReached => "not reached",
                };
                let note = if step.note.is_empty() { String::new() } else { format!(", {}", step.note) };
                let _infallible = write!(line, "\n  -> {}: {mark}{note}", step.label);
            }
            line
        })
        .collect();
    block(out, &lines);
}

/// A fenced block; the fence is longer than any row of backticks inside.
fn block(out: &mut String, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let fence = "`".repeat(longest_row(&lines.join("\n")).max(2) + 1);
    let _infallible = writeln!(out, "{fence}\n{}\n{fence}\n", lines.join("\n"));
}

/// A value as code, on one line.
pub(super) fn code(text: &str) -> String {
    let text = text.replace('\n', " ");
    let fence = "`".repeat(longest_row(&text) + 1);
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let edge = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{edge}{text}{edge}{fence}")
}

fn longest_row(text: &str) -> usize {
    let mut longest = 0;
    let mut row = 0;
    for c in text.chars() {
        row = if c == '`' { row + 1 } else { 0 };
        longest = longest.max(row);
    }
    longest
}

/// Prose on one line: what Markdown or HTML would read as markup is escaped, and nobody is mentioned by accident.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(' '),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_says_becomes_no_markup() {
        assert_eq!(plain("<img src=x> @me *b*"), "&lt;img src=x> &#64;me \\*b\\*");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        let mut out = String::new();
        block(&mut out, &["```".to_owned(), "<script>".to_owned()]);
        assert!(out.starts_with("````\n```\n"), "{out}");
    }
}
