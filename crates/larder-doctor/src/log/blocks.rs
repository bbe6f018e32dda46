//! Lines that belong together: an error, what is indented below it, the fixed blocks of the checksum database, lines that
//! a terminal or a mail wrapped, and several programs whose lines alternate.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::message::{Understood, understood};
use super::phrases::worth_reading;
use super::prefixes::stripped;

/// How many streams may have an unfinished error.
const STREAMS: usize = 32;
/// How many lines of detail are kept for one error.
const DETAIL: usize = 64;
/// How many wrapped lines one line may have been.
const WRAPS: usize = 4;
/// How often a log may be tried for wrapped lines, and how long a line may be for that.
const TRIALS: usize = 2000;
const WRAPPED: usize = 1000;

/// Puts lines together.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    open: VecDeque<Block>,
    /// Unknown prefixes, by stream: how they look and how long they are.
    learned: VecDeque<(String, String)>,
    /// How often lines were tried together.
    trials: usize,
    /// Errors of one line that were read before, for a log repeats itself.
    known: HashSet<u64>,
}

#[derive(Debug)]
struct Block {
    stream: String,
    number: usize,
    indent: usize,
    head: String,
    /// Lines that may be the rest of the head, with the length that the line before it had on the screen.
    wraps: Vec<(usize, String)>,
    detail: Vec<String>,
    blanks: usize,
    /// How well the head is understood, once somebody asked.
    score: Option<u8>,
    /// How long its last line was on the screen.
    width: usize,
    /// Whether the head goes on in the next line: `M@V requires`.
    chain: bool,
}

impl Blocks {
    /// Takes a line; hands out the error that it ends.
    pub(super) fn feed(&mut self, number: usize, line: &str, mut done: impl FnMut(Understood)) {
        let stripped = stripped(line);
        let text = self.without_learned(&stripped.stream, stripped.text);
        let found = self.open.iter().position(|block| block.stream == stripped.stream);
        if text.trim().is_empty() {
            if let Some(at) = found {
                self.open[at].blanks += 1;
            }
            return;
        }
        let width = line.trim_end().chars().count();
        let text = &text[..text.char_indices().nth(8192).map_or(text.len(), |(at, _)| at)];
        if let Some(at) = found {
            if self.open[at].takes(text, width, &mut self.trials) {
                return;
            }
            if let Some(block) = self.open.remove(at) {
                self.finish(block, &mut done);
            }
        }
        let trimmed = text.trim();
        if !(worth_reading(text) || goes_on(trimmed) || speaks(trimmed) && !is_progress(trimmed)) {
            return;
        }
        self.learn(&stripped.stream, text);
        let text = self.without_learned(&stripped.stream, text);
        if is_progress(text.trim_start()) {
            return;
        }
        if self.open.len() == STREAMS
            && let Some(oldest) = self.open.pop_front()
        {
            self.finish(oldest, &mut done);
        }
        self.open.push_back(Block::new(stripped.stream, number, text, width));
    }

    /// Hands out what is unfinished.
    pub(super) fn end(mut self, mut done: impl FnMut(Understood)) {
        while let Some(block) = self.open.pop_front() {
            self.finish(block, &mut done);
        }
    }

    fn finish(&mut self, block: Block, done: &mut impl FnMut(Understood)) {
        if block.detail.is_empty() && block.wraps.is_empty() {
            let mut hasher = DefaultHasher::new();
            block.head.hash(&mut hasher);
            if self.known.len() > 20_000 || !self.known.insert(hasher.finish()) {
                return;
            }
        }
        done(block.finished());
    }

    /// Remembers what stands before `go: `, for the lines that follow have it too.
    fn learn(&mut self, stream: &str, text: &str) {
        let Some(at) = text.find("go: ").filter(|at| (1..=100).contains(at)) else { return };
        let prefix = &text[..at];
        if prefix.trim().is_empty() || !ends_a_word(prefix) {
            return;
        }
        self.learned.retain(|(known, _)| known != stream);
        if self.learned.len() == STREAMS {
            self.learned.pop_front();
        }
        self.learned.push_back((stream.to_owned(), shape(prefix)));
    }

    fn without_learned<'a>(&self, stream: &str, text: &'a str) -> &'a str {
        let Some((_, prefix)) = self.learned.iter().find(|(known, _)| known == stream) else { return text };
        match text.get(..prefix.len()) {
            Some(start) if shape(start) == *prefix => &text[prefix.len()..],
            _ => text,
        }
    }
}

/// Reports whether a program's name may begin after this: `m.go: ` is a file.
pub(super) fn ends_a_word(before: &str) -> bool {
    !before.ends_with(|char: char| char.is_alphanumeric() || matches!(char, '.' | '/' | '\\' | '-' | '_'))
}

/// A prefix with its digits made equal, for they count.
fn shape(prefix: &str) -> String {
    prefix.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect()
}

impl Block {
    fn new(stream: String, number: usize, text: &str, width: usize) -> Self {
        let head = text.trim().to_owned();
        let chain = goes_on(&head);
        Self {
            stream,
            number,
            indent: indent(text),
            head,
            wraps: Vec::new(),
            detail: Vec::new(),
            blanks: 0,
            score: None,
            width,
            chain,
        }
    }

    /// Takes a line that belongs here; answers false for any other.
    fn takes(&mut self, text: &str, width: usize, trials: &mut usize) -> bool {
        let trimmed = text.trim();
        let deeper = indent(text) > self.indent;
        let answering = self.detail.iter().any(|line| line.contains("server response:"));
        if speaks(trimmed) && !(deeper && answering) && (!self.chain || trimmed.starts_with("go: ")) {
            return false;
        }
        let broken = deeper && self.head.ends_with(':') && self.detail.is_empty() && self.is_riddle();
        if (self.chain || broken) && self.blanks == 0 && self.head.len() < 16 * 1024 {
            self.head.push(' ');
            self.head.push_str(trimmed);
            self.chain = goes_on(trimmed);
            self.score = None;
            self.width = width;
            return true;
        }
        // What says nothing has no details that say something: `command failed:` and then its output, indented.
        let outgrown = deeper
            && self.detail.is_empty()
            && (worth_reading(trimmed) || goes_on(trimmed) || trimmed.contains("go: "))
            && self.is_riddle()
            && understood(0, trimmed, &[]).score
                + u8::from(goes_on(trimmed))
                + u8::from(trimmed.contains("go: "))
                > 0;
        if outgrown {
            return false;
        }
        let close = self.blanks <= 1;
        let same = answering && self.blanks == 0 && indent(text) > 0 && indent(text) == self.indent;
        if (deeper && close) || (same && !goes_on(trimmed)) || belongs(trimmed, self) {
            self.blanks = 0;
            if self.detail.len() < DETAIL {
                self.detail.push(trimmed.to_owned());
            }
            self.width = width;
            return true;
        }
        self.blanks == 0 && self.wraps_into(trimmed, width, trials)
    }

    /// Reports whether the head alone says nothing.
    fn is_riddle(&mut self) -> bool {
        let (number, head) = (self.number, &self.head);
        *self.score.get_or_insert_with(|| understood(number, head, &[]).score) == 0
    }

    /// Takes what may be the rest of a wrapped line.
    fn wraps_into(&mut self, trimmed: &str, width: usize, trials: &mut usize) -> bool {
        let long = self.head.len() > WRAPPED || trimmed.len() > WRAPPED;
        if self.wraps.len() == WRAPS
            || self.width < 40
            || !self.detail.is_empty()
            || long
            || *trials == TRIALS
        {
            return false;
        }
        *trials += 1;
        let score = *self.score.get_or_insert_with(|| understood(self.number, &self.head, &[]).score);
        let open_quote = self.joined().matches('"').count() % 2 == 1;
        let unfinished = score < 2 && (open_quote || self.width >= 60);
        let next_alone = || understood(0, trimmed, &[]).score == 2 && !open_quote && self.width < 76;
        if unfinished && !next_alone() {
            self.wraps.push((self.width, trimmed.to_owned()));
            self.width = width;
            self.score = Some(self.resolved().0);
            return true;
        }
        // `certificate signed by unknown` is a complaint by itself, and another one with `authority`.
        if self.width >= 60 && !worth_reading(trimmed) {
            let before = understood(self.number, &self.joined(), &[]).symptom.trouble;
            self.wraps.push((self.width, trimmed.to_owned()));
            let (score, text) = self.resolved();
            let after = understood(self.number, &text, &[]).symptom.trouble;
            if score == 2 && std::mem::discriminant(&before) != std::mem::discriminant(&after) {
                self.width = width;
                return true;
            }
            self.wraps.pop();
        }
        false
    }

    fn joined(&self) -> String {
        self.wraps.iter().fold(self.head.clone(), |text, (_, line)| text + line)
    }

    /// Joins wrapped lines in the way that is understood best: with or without a blank at each seam.
    fn resolved(&self) -> (u8, String) {
        if self.wraps.is_empty() {
            return (self.score.unwrap_or(0), self.head.clone());
        }
        let mut best: Option<(u8, bool, String)> = None;
        for choice in 0_u32..1 << self.wraps.len() {
            let mut text = self.head.clone();
            let mut natural = true;
            for (at, (width, line)) in self.wraps.iter().enumerate() {
                let blank = choice >> at & 1 == 1;
                let soft = !matches!(width, 72 | 79 | 80 | 100 | 119 | 120 | 132 | 159 | 160)
                    || text.ends_with([':', ',']);
                natural &= blank == soft;
                if blank {
                    text.push(' ');
                }
                text.push_str(line);
            }
            let score = understood(self.number, &text, &[]).score;
            if best.as_ref().is_none_or(|(known, usual, _)| (score, natural) > (*known, *usual)) {
                best = Some((score, natural, text));
            }
        }
        best.map_or_else(|| (0, self.head.clone()), |(score, _, text)| (score, text))
    }

    fn finished(self) -> Understood {
        let (score, text) = self.resolved();
        if score == 0 && !self.wraps.is_empty() {
            return understood(self.number, &self.head, &self.detail);
        }
        understood(self.number, &text, &self.detail)
    }
}

/// Reports whether a line belongs to the error before it though its indentation is lost.
fn belongs(trimmed: &str, block: &Block) -> bool {
    const ALWAYS: &[&str] = &[
        "server response:",
        "downloaded:",
        "go.sum:",
        "SECURITY ERROR",
        "This download does NOT match",
        "The bits may have been replaced",
        "have intercepted the download",
        "For more information, see 'go help",
        "(Go version in go.mod",
        "To ignore the vendor directory",
        "To sync the vendor directory",
        "Use -buildvcs=false",
        "old database:",
        "new database:",
        "proof of misbehavior",
        "go.sum database server misbehavior",
        "earlier download recorded",
        "reported by the checksum server",
        "to add it:",
        "module declares its path as:",
        "but was required as:",
    ];
    const GIT: &[&str] = &[
        "fatal:",
        "remote:",
        "error:",
        "hint:",
        "ssh:",
        "git@",
        "warning:",
        "Permission denied",
        "Host key verification failed",
        "Please make sure you have the correct access rights",
        "and the repository exists",
        "Confirm the import path was entered correctly",
        "If this is a private repository",
        "Cloning into",
        "usage:",
        "unknown option",
        "Username for",
        "Repository not found",
        "致命错误",
    ];
    let mismatch = block.head.contains("checksum mismatch") || block.head.contains("SECURITY ERROR");
    if block.blanks > usize::from(!mismatch) * 2 + usize::from(mismatch) * 6 {
        return false;
    }
    ALWAYS.iter().any(|start| trimmed.starts_with(start))
        || trimmed.ends_with("(from $GOROOT)")
        || trimmed.ends_with("(from $GOPATH)")
        || (mismatch && trimmed.contains(": ") && trimmed.contains("h1:"))
        || (speaks_of_git(&block.head) && GIT.iter().any(|start| trimmed.starts_with(start)))
        || (block.head.starts_with("# cd ")
            && trimmed.starts_with("package ")
            && trimmed.contains("exit status"))
        || (block.head.starts_with("fatal:") && GIT.iter().any(|start| trimmed.starts_with(start)))
}

fn speaks_of_git(head: &str) -> bool {
    head.contains("exit status")
        || head.starts_with("# cd ")
        || head.starts_with("git@")
        || head.starts_with("ssh:")
}

/// Reports whether a line ends where a chain of requirements or imports goes on.
fn goes_on(trimmed: &str) -> bool {
    const ENDS: &[&str] = &[
        " requires",
        " requires:",
        " imports",
        " tested by",
        " loaded by",
        " updating to",
        "errors parsing go.mod:",
        "found in:",
    ];
    ENDS.iter().any(|end| trimmed.ends_with(end))
        && (trimmed.starts_with("go") || trimmed.contains("go: ") || trimmed.split_whitespace().count() <= 7)
}

/// Reports whether a line begins as the go command's do.
pub(super) fn speaks(trimmed: &str) -> bool {
    const STARTS: &[&str] =
        &["go: ", "go get ", "go get: ", "go list: ", "go list ", "go build ", "go install ", "build "];
    STARTS.iter().any(|start| trimmed.starts_with(start)) && !is_advice(trimmed) || at_source_line(trimmed)
}

/// `go get example.com/m` as advice, which stands below `to add it:`.
fn is_advice(trimmed: &str) -> bool {
    !trimmed.starts_with("go: ") && !trimmed.contains(": ")
}

/// `main.go:4:2: `
fn at_source_line(trimmed: &str) -> bool {
    let Some(at) = trimmed.find(".go:").filter(|at| *at < 200) else { return false };
    let rest = &trimmed[at + 4..];
    !trimmed[..at].contains(' ') && rest.starts_with(|char: char| char.is_ascii_digit())
}

/// Reports whether a line of the go command tells of progress.
fn is_progress(trimmed: &str) -> bool {
    const PROGRESS: &[&str] = &[
        "downloading ",
        "extracting ",
        "added ",
        "upgraded ",
        "downgraded ",
        "removed ",
        "found ",
        "creating new go.mod",
        "to add module requirements",
        "copying requirements",
        "no module dependencies",
        "trying upgrade",
        "switching to go",
        "upgrading ",
        "all modules verified",
    ];
    let Some(words) = trimmed.strip_prefix("go: ") else { return false };
    PROGRESS.iter().any(|start| words.starts_with(start))
        || (words.starts_with("finding ") && !words.contains(": "))
}

/// Returns how far a line is indented.
fn indent(text: &str) -> usize {
    text.chars().take_while(|char| char.is_whitespace()).map(|char| if char == '\t' { 8 } else { 1 }).sum()
}
