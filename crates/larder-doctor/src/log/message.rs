//! From one error of the go command, put together from its lines, to a symptom.
//!
//! Nothing is anchored: what a client puts before an error differs between versions, and beginnings get lost. The last
//! request that a text names is the one that failed; what stands before it says for which module.

use super::blocks::ends_a_word;
use super::files::{file_trouble, owner};
use super::network::{Request, bare_status, network};
use super::phrases::phrase;
use super::places;
use crate::symptom::{Endpoint, Source, Stage, Symptom, Trouble};

/// What was read, and how well it was understood: 0 not at all, 1 by its ending only, 2 in full.
#[derive(Debug)]
pub(super) struct Understood {
    pub(super) symptom: Symptom,
    pub(super) score: u8,
}

/// Reads an error: its first line, with chains of requirements joined to it, and the lines that belong to it.
pub(super) fn understood(number: usize, head: &str, detail: &[String]) -> Understood {
    let (head, squashed) =
        head.split_once(" server response:").map_or((head, None), |(a, b)| (a.trim_end(), Some(b)));
    let text = from_the_program(head);
    let mut detail: Vec<String> =
        squashed.iter().map(|text| format!("server response:{text}")).chain(detail.iter().cloned()).collect();
    let call = Call::in_text(text);
    let (trouble, score) = trouble(text, call.as_ref(), &mut detail);
    let mut required_by = places::required_by(text);
    if required_by.is_empty() {
        required_by = places::importers(text);
    }
    let (module, version) = module_of(text, call.as_ref(), &required_by);
    let url = call.as_ref().map(|call| call.url.to_owned()).or_else(|| places::other_url(text));
    let stage = stage(text, call.as_ref(), &trouble);
    Understood {
        symptom: Symptom {
            source: Source::Log { line: number },
            stage,
            module,
            version,
            package: places::package(text),
            required_by,
            url,
            trouble,
            text: text.to_owned(),
            detail,
        },
        score,
    }
}

/// Cuts off what stands before `go: `.
fn from_the_program(text: &str) -> &str {
    let text = text.trim();
    match text.find("go: ") {
        Some(at) if at < 160 && ends_a_word(&text[..at]) => &text[at..],
        _ => text,
    }
}

/// A request that a text names.
#[derive(Clone, Copy, Debug)]
struct Call<'a> {
    kind: Kind,
    url: &'a str,
    /// Where it begins.
    at: usize,
    /// What is said about it.
    tail: &'a str,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// `Get "U": `: no answer.
    Get,
    /// `reading U: `: an answer that is no success.
    Reading,
    /// `read "U": `: a body that broke, or a file that could not be written.
    Body,
}

impl<'a> Call<'a> {
    fn in_text(text: &'a str) -> Option<Self> {
        const MARKS: &[(&str, Kind)] = &[
            ("Get \"", Kind::Get),
            ("Head \"", Kind::Get),
            ("Post \"", Kind::Get),
            ("Get http", Kind::Get),
            ("Get https", Kind::Get),
            ("reading http", Kind::Reading),
            ("reading \"http", Kind::Reading),
            ("reading file:", Kind::Reading),
            ("read \"http", Kind::Body),
            ("read \"file:", Kind::Body),
            ("read http", Kind::Body),
            ("unexpected status (", Kind::Reading),
        ];
        let (at, mark, kind) = MARKS
            .iter()
            .filter_map(|(mark, kind)| Some((text.rfind(mark)?, *mark, *kind)))
            .max_by_key(|(at, mark, _)| (*at, mark.len()))?;
        let begins =
            at + mark.find(['"', '(']).map_or_else(|| mark.find(' ').unwrap_or(0) + 1, |quote| quote + 1);
        let rest = &text[begins..];
        let (url, tail) = match text[..begins].chars().next_back() {
            Some('"') => rest.split_once('"').unwrap_or((rest, "")),
            Some('(') => rest.split_once(')').unwrap_or((rest, "")),
            _ => {
                let end = rest.find(": ").unwrap_or(rest.len());
                let end = rest[..end].find([' ', '\t']).unwrap_or(end);
                (rest[..end].trim_end_matches(':'), &rest[end..])
            }
        };
        let tail = tail.trim_start_matches([':', ' ']);
        Some(Self { kind, url, at, tail })
    }

    fn request(self) -> Request {
        Request { https: self.url.starts_with("https:"), body: self.kind == Kind::Body }
    }
}

fn trouble(text: &str, call: Option<&Call<'_>>, detail: &mut Vec<String>) -> (Trouble, u8) {
    if text.contains("checksum mismatch") {
        return (mismatch(text, detail), 2);
    }
    if let Some(command) = command(text, detail) {
        return (command, 2);
    }
    if let Some(found) = call.and_then(|call| of_call(call)) {
        return (found, 2);
    }
    if let Some(found) = answer(text) {
        return (found, 2);
    }
    if call.is_none()
        && let Some(code) = elided_status(text)
    {
        return (Trouble::Status { code }, 2);
    }
    if let Some(found) = zip(text) {
        return (found, 2);
    }
    if let Some(found) = file_trouble(text).filter(|found| concerns_go(text, found)) {
        return (found, 2);
    }
    if call.is_none()
        && let Some(found) =
            network(text, Request { https: text.contains("https:"), body: without_url(text) })
    {
        let ending_only = match &found {
            Trouble::NoSuchHost { .. } => !text.contains("lookup "),
            Trouble::ConnectRefused { .. } | Trouble::Unroutable { .. } => !text.contains("dial "),
            Trouble::ClosedEarly { .. } | Trouble::BodyBroken { .. }
                if !text.starts_with("go") && !text.contains("@v") =>
            {
                return (Trouble::Said, 0);
            }
            _ => false,
        };
        return (found, if ending_only { 1 } else { 2 });
    }
    let known = phrase(text).is_some() || detail.iter().take(12).any(|line| phrase(line).is_some());
    (Trouble::Said, if known { 2 } else { 0 })
}

/// `reading ...: 410 Gone`: people shorten URLs.
fn elided_status(text: &str) -> Option<u16> {
    let (_, rest) = text.rsplit_once("reading ")?;
    let (_, status) = rest.split_once(": ")?;
    let (digits, words) = status.split_once(' ')?;
    let code = digits.parse().ok().filter(|code| (200..600).contains(code))?;
    (digits.len() == 3 && words.starts_with(|char: char| char.is_ascii_uppercase())).then_some(code)
}

/// Up to Go 1.15 a body that broke was told of without its URL, and only that: `M@V: unexpected EOF`.
fn without_url(text: &str) -> bool {
    text.contains("@v") && !text.contains("://") && !text.contains("dial ")
}

/// Reports whether an error of the network has nothing to do with modules, as far as can be seen.
pub(super) fn is_loose(symptom: &Symptom) -> bool {
    const MODULES: &[&str] = &[
        "@v",
        "@latest",
        "@upgrade",
        "go-get=1",
        "import path",
        "/sumdb/",
        "/lookup/",
        "verifying ",
        "proxyconnect",
        "go.mod",
        "toolchain",
        "fetch_repo",
        "missing go.sum",
    ];
    let of_network = !matches!(
        symptom.trouble,
        Trouble::Said
            | Trouble::Command { .. }
            | Trouble::BadZip { .. }
            | Trouble::FileTrouble { .. }
            | Trouble::Mismatch { .. }
            | Trouble::OtherVersion { .. }
    );
    of_network
        && symptom.module.is_none()
        && !symptom.text.starts_with("go")
        && !MODULES.iter().any(|word| symptom.text.contains(word))
}

/// What is said about a request.
fn of_call(call: &Call<'_>) -> Option<Trouble> {
    let tail = call.tail;
    if let Some(found) = redirect(tail) {
        return Some(found);
    }
    if call.kind == Kind::Reading
        && let Some(code) = tail
            .get(..3)
            .and_then(|digits| digits.parse::<u16>().ok())
            .filter(|code| (100..600).contains(code))
        && !tail[3..].starts_with(|char: char| char.is_ascii_alphanumeric())
    {
        return Some(Trouble::Status { code });
    }
    if let Some(found) = file_trouble(tail).or_else(|| local_answer(call)) {
        return Some(found);
    }
    if let Some(found) = network(tail, call.request()) {
        return Some(found);
    }
    if call.kind == Kind::Get
        && let Some(code) = bare_status(tail)
        && (code.is_some() || call.url.starts_with("https:"))
    {
        let text = tail.trim().trim_end_matches(['"', ')', ',', '\'']).to_owned();
        return Some(Trouble::ConnectDenied { code, text });
    }
    None
}

/// `reading file:///mirror/m: no such file or directory`
fn local_answer(call: &Call<'_>) -> Option<Trouble> {
    call.url.starts_with("file:").then_some(())?;
    match file_trouble(&format!("open {}: {}", call.url, call.tail)) {
        Some(Trouble::FileTrouble { path, text, .. }) => {
            Some(Trouble::FileTrouble { path, operation: "read".to_owned(), text })
        }
        other => other,
    }
}

fn redirect(text: &str) -> Option<Trouble> {
    ["stopped after 10 redirects", "redirected from secure URL", "missing Location header"]
        .iter()
        .find_map(|words| text.find(words))
        .map(|at| Trouble::BadRedirect { text: text[at..].trim_end().to_owned() })
}

/// Answers that are a success and yet wrong.
fn answer(text: &str) -> Option<Trouble> {
    if let Some(found) = redirect(text) {
        return Some(found);
    }
    if let Some((_, rest)) = text.split_once("proxy returned info for version ") {
        let got = rest.split_whitespace().next().unwrap_or("").to_owned();
        let wanted = rest
            .split_once("instead of requested version")
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .map(str::to_owned)
            .or_else(|| places::versions(text).last().map(|(_, version)| version.clone()))
            .unwrap_or_default();
        return Some(Trouble::OtherVersion { got, wanted });
    }
    if let Some((_, rest)) = text.split_once("invalid response from proxy ") {
        let words = rest.split_once("\": ").or_else(|| rest.split_once(": ")).map_or("", |(_, words)| words);
        return Some(Trouble::BadAnswer { text: words.to_owned() });
    }
    let json = ["unexpected end of JSON input", "looking for beginning of value"]
        .iter()
        .any(|words| text.contains(words));
    (json && text.starts_with("go"))
        .then(|| Trouble::BadAnswer { text: text.rsplit(": ").next().unwrap_or("").to_owned() })
}

fn zip(text: &str) -> Option<Trouble> {
    let words = [
        "not a valid zip file",
        "gzip: invalid",
        "zip for ",
        "-> unzip",
        "create zip: ",
        "zip file too large",
        "source tree too large",
        "zip: checksum error",
        "zip: unsupported",
        "has unexpected file",
        "unexpected file name",
        "case-insensitive file name collision",
    ];
    words.iter().any(|words| text.contains(words)).then_some(())?;
    let file = text
        .split_once("-> unzip ")
        .or_else(|| text.split_once("unzip "))
        .and_then(|(_, rest)| rest.split_once(": "))
        .map(|(file, _)| file.to_owned());
    let from = ["create zip: ", "zip for ", "-> unzip ", "gzip: ", "zip: "]
        .iter()
        .filter_map(|words| text.find(words))
        .min();
    Some(Trouble::BadZip { file, text: text[from.unwrap_or(0)..].to_owned() })
}

/// Keeps what compilers and shells say about files out: only what the go command does for modules counts.
fn concerns_go(text: &str, trouble: &Trouble) -> bool {
    let said_by_go = text.starts_with("go: ")
        || text.starts_with("go ")
        || text.contains("@v")
        || text.contains("module cache");
    match trouble {
        Trouble::FileTrouble { path, text: answer, .. } => {
            said_by_go
                || answer.contains("no space left")
                || path.as_deref().is_some_and(|path| owner(path) != Stage::Unknown)
        }
        _ => said_by_go,
    }
}

/// `downloaded: h1:A`, `go.sum: h1:B`, in the text or among the lines below it.
fn mismatch(text: &str, detail: &[String]) -> Trouble {
    let mut hashes: Vec<(String, String)> = Vec::new();
    for line in std::iter::once(text).chain(detail.iter().map(String::as_str)) {
        for (at, _) in line.match_indices(": ") {
            let value = line[at + 2..].split_whitespace().next().unwrap_or("");
            let name = line[..at].split_whitespace().next_back().unwrap_or("");
            if value.starts_with("h1:") && !name.is_empty() {
                hashes.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    let downloaded = hashes.iter().find(|(name, _)| name == "downloaded").cloned().unwrap_or_default().1;
    let (by, expected) = hashes.iter().find(|(name, _)| name != "downloaded").cloned().unwrap_or_default();
    let go_mod = text.contains("verifying go.mod")
        || text.contains("/go.mod: checksum")
        || text.contains("/go.mod:\n");
    Trouble::Mismatch { go_mod, downloaded, expected, by }
}

/// Runs of git and its like: `git ls-remote -q origin in DIR: exit status 128: WORDS`.
fn command(text: &str, detail: &mut Vec<String>) -> Option<Trouble> {
    const PROGRAMS: &[&str] = &["git", "hg", "svn", "bzr", "fossil"];
    let begins = |program: &str| {
        text.match_indices(program).map(|(at, _)| at).find(|at| {
            let before = text[..*at].chars().next_back();
            before.is_none_or(|char| matches!(char, ' ' | '\t' | ';' | '('))
                && text[at + program.len()..].starts_with(' ')
        })
    };
    if let Some((before, program)) = text.split_once(": exec: \"") {
        let program = program.split('"').next().unwrap_or("");
        let name = program.trim_end_matches(".exe");
        if PROGRAMS.contains(&name) {
            let line = begins(name).map_or(name, |at| text[at..].split(" in ").next().unwrap_or(name));
            let line = if before.contains(line) { line } else { name };
            detail.insert(0, text[before.len() + 2..].to_owned());
            return Some(Trouble::Command { line: line.to_owned(), status: None });
        }
        return None;
    }
    let at = PROGRAMS.iter().filter_map(|program| begins(program)).min()?;
    let rest = &text[at..];
    if let Some((line, status)) = rest.split_once(": exit status ") {
        let digits = status.bytes().take_while(u8::is_ascii_digit).count();
        let words = status[digits..].trim_start_matches([':', ' ', '\t']);
        if !words.is_empty() {
            detail.insert(0, words.to_owned());
        }
        let line = line.rsplit_once(" in ").map_or(line, |(line, _)| line);
        return Some(Trouble::Command { line: line.to_owned(), status: status[..digits].parse().ok() });
    }
    // GOPATH mode shows the command and what it said.
    let shown = text.starts_with("# cd ");
    shown.then(|| Trouble::Command { line: rest.to_owned(), status: None })
}

fn module_of(
    text: &str,
    call: Option<&Call<'_>>,
    required_by: &[String],
) -> (Option<String>, Option<String>) {
    let before = call.map_or(text, |call| &text[..call.at]);
    let own = places::versions(before)
        .into_iter()
        .rfind(|(module, version)| !required_by.contains(&format!("{module}@{version}")));
    let from_url = call.and_then(|call| places::of_url(call.url));
    match (own, from_url) {
        (Some((module, version)), _) => (Some(module), Some(version)),
        (None, Some((module, version))) => (Some(module), version),
        (None, None) => (places::module(before), None),
    }
}

fn stage(text: &str, call: Option<&Call<'_>>, trouble: &Trouble) -> Stage {
    let url = call.map_or("", |call| call.url);
    let verifying = text.contains("verifying ");
    if let Some(operation) = places::checksum_database(url, verifying) {
        return Stage::ChecksumDatabase(operation);
    }
    if matches!(trouble, Trouble::Mismatch { .. }) {
        return Stage::Verification;
    }
    if let Trouble::FileTrouble { path: Some(path), .. } = trouble {
        let owner = match owner(path) {
            Stage::Unknown if path.starts_with("go1.") => Stage::Toolchain,
            Stage::Unknown if text.contains("cache") && text.starts_with("go: ") => Stage::ModuleCache,
            owner => owner,
        };
        return if owner == Stage::Unknown && path.starts_with("file:") {
            Stage::Proxy(places::endpoint(path))
        } else {
            owner
        };
    }
    if text.contains("golang.org/toolchain@")
        || url.contains("/golang.org/toolchain/@v/")
        || text.contains(": download go1.")
    {
        return Stage::Toolchain;
    }
    if text.contains("go-get=1") || url.contains("go-get=1") {
        return Stage::GoImport;
    }
    match trouble {
        Trouble::Command { .. } => return Stage::VersionControl,
        Trouble::BadZip { .. } if text.contains("create zip") => return Stage::VersionControl,
        Trouble::BadZip { file: Some(_), .. } => return Stage::ModuleCache,
        Trouble::BadZip { .. } => return Stage::Proxy(Endpoint::Zip),
        Trouble::BadAnswer { .. } | Trouble::OtherVersion { .. } => return Stage::Proxy(Endpoint::Info),
        _ => {}
    }
    if url.contains("/@v/") || url.ends_with("/@latest") {
        return Stage::Proxy(places::endpoint(url));
    }
    if let Some(stage) = phrase(text).filter(|_| *trouble == Trouble::Said) {
        return stage.clone();
    }
    match trouble {
        Trouble::Said | Trouble::TooManyFiles { .. } => Stage::Unknown,
        _ if !url.is_empty() && (text.starts_with("go") || text.contains("@v")) => {
            Stage::Proxy(Endpoint::Other)
        }
        _ if verifying => Stage::ChecksumDatabase(String::new()),
        _ => Stage::Unknown,
    }
}
