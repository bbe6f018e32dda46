//! The report for people: 80 columns, colours that the terminal's writer takes away where nobody wants them.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use larder_doctor::catalogue::Language;
use larder_doctor::redact::Shown;
use larder_doctor::{Finding, Report, StepMark, Verdict, Way};

use super::layout::{COLUMNS, cut, width, wrapped, wrapped_command};
use super::words::{Words, layer, words};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const BLUE: Style = AnsiColor::Blue.on_default();

/// Findings that are told in full; the others in short.
const IN_FULL: usize = 4;
/// Findings that are told at all; of further ones the causes are counted.
const MOST_FINDINGS: usize = 12;
/// Evidence, look-alikes and commands that a finding shows.
const MOST_LINES: usize = 8;

/// Returns a report as text.
pub(crate) fn text(shown: &Shown, language: Language) -> String {
    let report = shown.report();
    let mut page = Page { out: String::new(), words: words(language), language };
    let failing = report.findings.iter().any(|finding| finding.verdict != Verdict::Info);
    if !failing && !report.is_riddle() {
        page.healthy(report);
    }
    if report.is_riddle() {
        page.riddle(report);
    }
    let (told, rest) = report.findings.split_at(report.findings.len().min(MOST_FINDINGS));
    for (place, finding) in told.iter().enumerate() {
        if place == 0 {
            page.head(finding);
            page.ways(&report.path);
            page.body(finding);
        } else if place < IN_FULL && finding.verdict == Verdict::Fail {
            page.gap();
            page.head(finding);
            page.body(finding);
        } else {
            page.gap();
            page.short(finding);
        }
    }
    if !rest.is_empty() {
        page.gap();
        page.item(0, "+ ", &format!("{} {}", counted(rest), page.words.in_json));
    }
    if report.is_riddle() && report.findings.is_empty() {
        page.ways(&report.path);
    }
    page.repeats(report);
    if failing || report.is_riddle() {
        page.end(report);
    }
    page.out
}

/// Returns how often each cause is among findings: `P10 (488), V11 (3)`.
pub(super) fn counted(findings: &[Finding]) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.id).or_insert(0_usize) += 1;
    }
    counts.iter().map(|(id, count)| format!("{id} ({count})")).collect::<Vec<_>>().join(", ")
}

struct Page {
    out: String,
    words: &'static Words,
    language: Language,
}

impl Page {
    fn gap(&mut self) {
        self.out.push('\n');
    }

    fn line(&mut self, indent: usize, text: impl std::fmt::Display) {
        let _infallible = writeln!(self.out, "{:indent$}{text}", "");
    }

    fn prose(&mut self, indent: usize, text: &str) {
        for line in wrapped(text, COLUMNS - indent) {
            self.line(indent, line);
        }
    }

    /// Text after a mark; what follows stands below the text.
    fn item(&mut self, indent: usize, mark: &str, text: &str) {
        let inner = indent + width(mark);
        for (number, line) in wrapped(text, COLUMNS - inner).into_iter().enumerate() {
            if number == 0 {
                self.line(indent, format_args!("{mark}{line}"));
            } else {
                self.line(inner, line);
            }
        }
    }

    fn heading(&mut self, text: &str) {
        self.gap();
        self.line(2, paint(BOLD, text));
    }

    fn healthy(&mut self, report: &Report) {
        if report.healthy.is_empty() {
            self.line(0, paint(GREEN, self.words.nothing_failed));
            return;
        }
        self.line(0, paint(GREEN, self.words.healthy));
        for line in report.healthy.iter().take(3) {
            self.line(2, cut(line, COLUMNS - 2));
        }
        if !report.findings.is_empty() {
            self.gap();
        }
    }

    fn riddle(&mut self, report: &Report) {
        self.line(0, paint(RED, self.words.riddle));
        for line in report.unexplained.iter().take(MOST_LINES) {
            self.item(2, "| ", line);
        }
        if !report.findings.is_empty() {
            self.gap();
        }
    }

    fn head(&mut self, finding: &Finding) {
        let verdict = self.words.verdict(finding.verdict);
        let title = format!("{verdict}  {}  {}", finding.id, finding.title);
        let about = format!(
            "{}, {} {:.0} %",
            layer(finding.layer, self.language),
            self.words.sure,
            f64::from(finding.confidence) * 100.0
        );
        let style = verdict_style(finding.verdict);
        let room = COLUMNS.saturating_sub(width(&title) + width(&about));
        if room >= 2 {
            let painted =
                format!("{}  {}  {}", paint(style, verdict), finding.id, paint(BOLD, &finding.title));
            self.line(0, format_args!("{painted}{:room$}{}", "", paint(DIM, &about)));
        } else {
            for line in wrapped(&title, COLUMNS) {
                self.line(0, paint(style, &line));
            }
            self.line(6, paint(DIM, &about));
        }
        self.prose(2, &finding.sentence);
    }

    fn body(&mut self, finding: &Finding) {
        let words = self.words;
        if !finding.evidence.is_empty() {
            self.heading(words.proof);
            for evidence in finding.evidence.iter().take(MOST_LINES) {
                let text = format!("{}: {} ({})", evidence.what, evidence.value, evidence.source);
                self.item(4, "- ", &text);
            }
        }
        self.heading(words.fix);
        self.fix(finding);
        if !finding.not.is_empty() {
            self.heading(words.not);
            for out in finding.not.iter().take(MOST_LINES) {
                self.item(4, &format!("{}  ", out.id), &out.why);
            }
        }
        if !finding.by_hand.is_empty() {
            self.heading(words.by_hand);
            self.commands(&finding.by_hand);
        }
        if !finding.wrong.is_empty() {
            self.heading(words.wrong);
            self.prose(4, &finding.wrong);
        }
    }

    fn fix(&mut self, finding: &Finding) {
        self.prose(4, &finding.fix.summary);
        self.commands(&finding.fix.commands);
        if !finding.fix.commands.is_empty() && !finding.fix.changes.is_empty() {
            let text = format!("{} {}", self.words.changes, finding.fix.changes);
            self.prose(4, &text);
        }
    }

    fn commands(&mut self, commands: &[String]) {
        for command in commands.iter().take(MOST_LINES) {
            for (number, line) in wrapped_command(command, COLUMNS - 8).iter().enumerate() {
                let mark = if number == 0 { "$ " } else { "  " };
                self.line(6, format_args!("{}{}", paint(DIM, mark), paint(BLUE, line)));
            }
        }
    }

    fn short(&mut self, finding: &Finding) {
        let verdict = paint(verdict_style(finding.verdict), self.words.verdict(finding.verdict));
        let title = cut(&finding.title, COLUMNS - 13);
        self.line(0, format_args!("{verdict}  {}  {}", finding.id, paint(BOLD, &title)));
        self.prose(2, &finding.sentence);
        self.fix(finding);
    }

    fn ways(&mut self, ways: &[Way]) {
        if ways.iter().all(|way| way.steps.is_empty()) {
            return;
        }
        self.heading(self.words.way);
        for (number, way) in ways.iter().enumerate() {
            let after = match way.separator.as_str() {
                "," => self.words.after_absent,
                "|" => self.words.after_any,
                _ => "",
            };
            let name = cut(&way.to, COLUMNS - 8);
            if width(&name) + width(after) + 8 <= COLUMNS {
                self.line(4, format!("{}. {name} {}", number + 1, paint(DIM, after)).trim_end());
            } else {
                self.line(4, format_args!("{}. {name}", number + 1));
                self.line(7, paint(DIM, after));
            }
            self.steps(way);
        }
    }

    /// `go ──✓ dns ──✓ tcp ──✗ tls ┄┄ info`, and below the mark what was seen there.
    fn steps(&mut self, way: &Way) {
        let indent = 7;
        let mut plain = "go".to_owned();
        let mut painted = plain.clone();
        let mut below: Vec<(usize, &str, Style)> = Vec::new();
        for step in &way.steps {
            let (line, mark, style) = match step.mark {
                StepMark::Works => (" ──", "✓ ", GREEN),
                StepMark::Breaks => (" ──", "✗ ", RED),
                StepMark::Doubtful => (" ──", "! ", YELLOW),
                StepMark::NotReached => (" ┄┄", " ", DIM),
            };
            if indent + width(&plain) + width(line) + width(mark) + width(&step.label) > COLUMNS {
                self.line(indent, &painted);
                self.notes(indent, &mut below);
                plain = "  ".to_owned();
                painted = plain.clone();
            }
            if matches!(step.mark, StepMark::Breaks | StepMark::Doubtful) && !step.note.is_empty() {
                below.push((width(&plain) + width(line), &step.note, style));
            }
            plain = format!("{plain}{line}{mark}{}", step.label);
            let _infallible = write!(painted, "{}{}{}", paint(DIM, line), paint(style, mark), step.label);
        }
        if !way.steps.is_empty() {
            self.line(indent, &painted);
            self.notes(indent, &mut below);
        }
    }

    fn notes(&mut self, indent: usize, below: &mut Vec<(usize, &str, Style)>) {
        for (at, note, style) in below.drain(..) {
            let at = (indent + at).min(COLUMNS / 2);
            for (number, line) in wrapped(note, COLUMNS - at - 3).iter().take(3).enumerate() {
                let mark = if number == 0 { "╰─ " } else { "   " };
                self.line(at, format_args!("{}{line}", paint(style, mark)));
            }
        }
    }

    fn repeats(&mut self, report: &Report) {
        let Some(repeats) = report.facts.get("repeats").and_then(|repeats| repeats.as_array()) else {
            return;
        };
        self.heading(self.words.repeated);
        for one in repeats {
            let number = |name: &str| one[name].as_u64().unwrap_or_default();
            let text = format!(
                "{}: {}/{} {}, {}/{}/{} ms",
                one["what"].as_str().unwrap_or_default(),
                number("failed"),
                number("times"),
                self.words.failed,
                number("fastest_ms"),
                number("median_ms"),
                number("slowest_ms"),
            );
            self.item(4, "- ", &text);
        }
    }

    fn end(&mut self, report: &Report) {
        if !report.skipped.is_empty() {
            self.heading(self.words.skipped);
            for skipped in report.skipped.iter().take(MOST_LINES) {
                self.item(4, "- ", &format!("{}: {}", skipped.id, skipped.why));
            }
        }
        if let Some(first) = report.findings.first() {
            self.gap();
            let more = format!("{} larder doctor show {}", self.words.more, first.id);
            self.line(2, paint(DIM, &more));
        }
    }
}

const fn verdict_style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Fail => RED,
        Verdict::Warn => YELLOW,
        Verdict::Info => BLUE,
    }
}

fn paint(style: Style, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{style}{text}{style:#}") }
}
