//! What the lines of go.mod and go.work files say.

use super::{
    Exclude, GoDebug, GoMod, GoModError, LineError, LineFault, Replace, Require, Retract,
    syntax::{self, Comments, Header, Line, Sink},
    words::{is_directory_path, is_go_version, is_toolchain, lenient_go_version, read_string, read_version},
};
use crate::{gowork::GoWork, path};
use std::sync::Arc;

/// Which file is read, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    /// The go.mod file of a dependency: what counts in main modules only and what is unknown is skipped.
    Lax,
    /// The go.mod file of a main module.
    Strict,
    /// A go.work file.
    Work,
}

impl Dialect {
    /// Reports whether lines of this directive are looked at.
    fn reads(self, directive: &str) -> bool {
        match self {
            Self::Lax => matches!(directive, "go" | "module" | "retract" | "require" | "ignore"),
            Self::Strict | Self::Work => true,
        }
    }

    /// Reports whether a block of this directive may stand in the file.
    fn has_block(self, directive: &str) -> bool {
        match self {
            Self::Lax | Self::Strict => matches!(
                directive,
                "module" | "godebug" | "require" | "exclude" | "replace" | "retract" | "tool" | "ignore"
            ),
            Self::Work => matches!(directive, "godebug" | "use" | "replace"),
        }
    }
}

/// How many errors are told of one file; it may have millions.
const MAX_ERRORS: usize = 10;

/// What is kept of a file whose lines are all looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Keep {
    /// Everything.
    Everything,
    /// What stands there once, and the first so many retractions without their reasons.
    Outline {
        /// How many retractions.
        retractions: usize,
    },
}

/// Reads go.mod and go.work alike; the latter's folders come as `uses`.
pub(crate) fn read(data: &[u8], dialect: Dialect, keep: Keep) -> Result<(GoMod, Vec<String>), GoModError> {
    let text = crate::unicode::lossy(data);
    let mut reader = Reader {
        dialect,
        keep,
        file: GoMod::default(),
        uses: Vec::new(),
        has_module: false,
        errors: Vec::new(),
        pending: None,
    };
    syntax::parse(&text, &mut reader).map_err(|error| {
        GoModError(vec![LineError { line: error.line, fault: LineFault::Syntax(error.message) }])
    })?;
    if reader.errors.is_empty() { Ok((reader.file, reader.uses)) } else { Err(GoModError(reader.errors)) }
}

impl From<(GoMod, Vec<String>)> for GoWork {
    fn from((file, uses): (GoMod, Vec<String>)) -> Self {
        Self { go: file.go, toolchain: file.toolchain, godebug: file.godebug, uses, replace: file.replace }
    }
}

struct Reader<'a> {
    dialect: Dialect,
    keep: Keep,
    file: GoMod,
    uses: Vec<String>,
    has_module: bool,
    errors: Vec<LineError>,
    pending: Option<Pending<'a>>,
}

/// A line whose comments are not all known yet.
struct Pending<'a> {
    subject: Subject,
    comments: Comments<'a>,
    /// The comments of its block, which count where it has none.
    block_text: Option<Arc<str>>,
}

/// What the comments of a line say something about.
#[derive(Clone, Copy)]
enum Subject {
    Module,
    /// The requirement of this index.
    Require(usize),
    /// The retraction of this index.
    Retract(usize),
}

impl<'a> Sink<'a> for Reader<'a> {
    fn line(&mut self, line: Line<'a>, block: Option<&Header<'a>>) {
        let (directive, words) = match (block, line.words.split_first()) {
            (Some(block), _) => (block.words[0], &line.words[..]),
            (None, Some((directive, words))) => (*directive, words),
            (None, None) => return,
        };
        let is_read = block.is_none_or(|block| block.words.len() == 1 && self.dialect.has_block(directive));
        if !is_read || !self.dialect.reads(directive) {
            return;
        }
        match self.directive(directive, words) {
            Ok(None) => {}
            Ok(Some(subject)) => {
                let block_text = block.map(Header::comment_text);
                let pending = Pending { subject, comments: line.comments, block_text };
                if line.is_single {
                    self.pending = Some(pending);
                } else {
                    // Comments that are yet to come belong to an earlier line.
                    self.apply(&pending);
                }
            }
            Err(fault) => self.note(line.number, fault),
        }
    }

    fn block(&mut self, header: &Header<'a>) {
        let is_known = header.words.len() == 1 && self.dialect.has_block(header.words[0]);
        if !is_known && self.dialect != Dialect::Lax {
            self.note(header.number, LineFault::UnknownBlock(header.words.join(" ")));
        }
    }

    fn late_comment(&mut self, comment: &'a str) {
        if let Some(pending) = &mut self.pending {
            pending.comments.suffix.push(comment);
        }
    }

    fn settle(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.apply(&pending);
        }
    }
}

impl Reader<'_> {
    fn note(&mut self, line: usize, fault: LineFault) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(LineError { line, fault });
        }
    }

    /// Writes down what a line's comments say.
    fn apply(&mut self, pending: &Pending<'_>) {
        let text = || match &pending.block_text {
            Some(text) if pending.comments.is_empty() => text.clone(),
            _ => pending.comments.text(),
        };
        match pending.subject {
            Subject::Module => self.file.deprecated = deprecation(&text()),
            Subject::Require(index) => self.file.require[index].indirect = is_indirect(&pending.comments),
            Subject::Retract(index) => self.file.retract[index].rationale = text(),
        }
    }

    fn directive(&mut self, directive: &str, words: &[&str]) -> Result<Option<Subject>, LineFault> {
        let is_work = self.dialect == Dialect::Work;
        match directive {
            "go" => self.go(words)?,
            "toolchain" => self.toolchain(words)?,
            "godebug" => self.godebug(words)?,
            "replace" => self.file.replace.push(read_replace(words)?),
            "use" if is_work => self.uses.push(read_string(only("use", words)?)?),
            "module" if !is_work => {
                self.module(words)?;
                return Ok(Some(Subject::Module));
            }
            "require" if !is_work => {
                let (path, version) = read_module(words)?;
                if self.keep != Keep::Everything {
                    return Ok(None);
                }
                self.file.require.push(Require { path, version, indirect: false });
                return Ok(Some(Subject::Require(self.file.require.len() - 1)));
            }
            "exclude" if !is_work => {
                let (path, version) = read_module(words)?;
                self.file.exclude.push(Exclude { path, version });
            }
            "retract" if !is_work => return self.retract(words),
            "tool" if !is_work => self.file.tool.push(read_string(only("tool", words)?)?),
            "ignore" if !is_work => {
                let folder = read_string(only("ignore", words)?)?;
                if self.keep == Keep::Everything {
                    self.file.ignore.push(folder);
                }
            }
            unknown => return Err(LineFault::UnknownDirective(unknown.into())),
        }
        Ok(None)
    }

    fn go(&mut self, words: &[&str]) -> Result<(), LineFault> {
        if self.file.go.is_some() {
            return Err(LineFault::Repeated("go"));
        }
        let word = only("go", words)?;
        let version = match self.dialect {
            Dialect::Lax => lenient_go_version(word),
            Dialect::Strict | Dialect::Work => Some(word).filter(|word| is_go_version(word)),
        };
        self.file.go = Some(version.ok_or_else(|| LineFault::GoVersion(word.into()))?.into());
        Ok(())
    }

    fn toolchain(&mut self, words: &[&str]) -> Result<(), LineFault> {
        if self.file.toolchain.is_some() {
            return Err(LineFault::Repeated("toolchain"));
        }
        let word = only("toolchain", words)?;
        if !is_toolchain(word) {
            return Err(LineFault::Toolchain(word.into()));
        }
        self.file.toolchain = Some(word.into());
        Ok(())
    }

    fn godebug(&mut self, words: &[&str]) -> Result<(), LineFault> {
        let usage = || LineFault::Usage("godebug key=value");
        let [word] = words else { return Err(usage()) };
        let pair = word.split_once('=').filter(|_| !word.contains(['"', '`', '\'', ',']));
        let (key, value) = pair.ok_or_else(usage)?;
        self.file.godebug.push(GoDebug { key: key.into(), value: value.into() });
        Ok(())
    }

    fn module(&mut self, words: &[&str]) -> Result<(), LineFault> {
        if std::mem::replace(&mut self.has_module, true) {
            return Err(LineFault::Repeated("module"));
        }
        self.file.module = Some(read_string(only("module", words)?)?);
        Ok(())
    }

    fn retract(&mut self, words: &[&str]) -> Result<Option<Subject>, LineFault> {
        let is_strict = self.dialect == Dialect::Strict;
        let (low, high, rest) = match read_interval(words) {
            Ok(interval) => interval,
            // Newer go commands may know other intervals.
            Err(_) if !is_strict => return Ok(None),
            Err(fault) => return Err(fault),
        };
        if let Some(unexpected) = rest.first().filter(|_| is_strict) {
            return Err(LineFault::Unexpected((*unexpected).into()));
        }
        if matches!(self.keep, Keep::Outline { retractions } if self.file.retract.len() >= retractions) {
            return Ok(None);
        }
        self.file.retract.push(Retract { low, high, rationale: Arc::default() });
        let index = self.file.retract.len() - 1;
        Ok((self.keep == Keep::Everything).then_some(Subject::Retract(index)))
    }
}

fn only<'a>(directive: &'static str, words: &[&'a str]) -> Result<&'a str, LineFault> {
    match words {
        [word] => Ok(word),
        _ => Err(LineFault::OneArgument(directive)),
    }
}

/// Reads a module path and a version that fits it; the path itself is not judged.
fn read_module(words: &[&str]) -> Result<(String, String), LineFault> {
    let [path, version] = words else { return Err(LineFault::Usage("module/path v1.2.3")) };
    let path = read_string(path)?;
    let version = read_version(version)?;
    path::check_path_major(&version, path_major(&path)?).map_err(LineFault::Major)?;
    Ok((path, version))
}

fn path_major(path: &str) -> Result<&str, LineFault> {
    match path::split_path_version(path) {
        Some((_, major)) => Ok(major),
        None => Err(LineFault::ModulePath(path.into())),
    }
}

/// Reads a version or `[version, version]`; returns what follows, too. Versions stay as they are written.
fn read_interval<'a, 'w>(words: &'w [&'a str]) -> Result<(String, String, &'w [&'a str]), LineFault> {
    match words {
        [] | ["(", ..] => Err(LineFault::Interval),
        ["[", low, ",", high, "]", rest @ ..] => Ok((read_string(low)?, read_string(high)?, rest)),
        ["[", ..] => Err(LineFault::Interval),
        [version, rest @ ..] => {
            let version = read_string(version)?;
            Ok((version.clone(), version, rest))
        }
    }
}

fn read_replace(words: &[&str]) -> Result<Replace, LineFault> {
    let (old_path, old_version, new_path, new_version) = match *words {
        [old_path, "=>", new_path] => (old_path, None, new_path, None),
        [old_path, "=>", new_path, new_version] => (old_path, None, new_path, Some(new_version)),
        [old_path, old_version, "=>", new_path] => (old_path, Some(old_version), new_path, None),
        [old_path, old_version, "=>", new_path, new_version] => {
            (old_path, Some(old_version), new_path, Some(new_version))
        }
        _ => return Err(LineFault::Usage("replace module/path [v1.2.3] => other/module v1.4 or ../folder")),
    };
    let old_path = read_string(old_path)?;
    let major = path_major(&old_path)?;
    let old_version = old_version.map(read_version).transpose()?;
    if let Some(version) = &old_version {
        path::check_path_major(version, major).map_err(LineFault::Major)?;
    }
    let new_path = read_string(new_path)?;
    let new_version = new_version.map(read_version).transpose()?;
    match (is_directory_path(&new_path), &new_version) {
        (true, None) if new_path.contains('\\') => return Err(LineFault::WindowsFolder(new_path)),
        (true, Some(_)) => return Err(LineFault::FolderWithVersion(new_path)),
        (false, None) => return Err(LineFault::ReplacementWithoutVersion(new_path)),
        (true, None) | (false, Some(_)) => {}
    }
    Ok(Replace {
        old_path,
        old_version: old_version.unwrap_or_default(),
        new_path,
        new_version: new_version.unwrap_or_default(),
    })
}

/// Reports whether the first comment behind a line is `indirect`, alone or with `;` and more.
fn is_indirect(comments: &Comments<'_>) -> bool {
    let Some(comment) = comments.suffix.first() else { return false };
    let mut words = comment.strip_prefix("//").unwrap_or(comment).split_whitespace();
    match (words.next(), words.next()) {
        (Some("indirect"), None) => true,
        (Some(first), Some(_)) => first == "indirect;",
        _ => false,
    }
}

/// Returns the paragraph that starts with `Deprecated:`, without that word.
fn deprecation(text: &str) -> String {
    const MARK: &str = "Deprecated:";
    let message = text
        .strip_prefix(MARK)
        .or_else(|| text.split_once("\n\nDeprecated:").map(|(_, message)| message))
        .unwrap_or_default()
        .trim_start_matches(' ');
    message.split("\n\n").next().unwrap_or_default().into()
}
