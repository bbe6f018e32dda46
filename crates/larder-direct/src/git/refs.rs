//! What `git ls-remote` says: the branches, the tags and the default branch of a repository.
//!
//! A hostile or merely large repository has a million of them, so names lie in one text and hashes in one block. Tags that have
//! an object of their own count as the commit they lead to, as for the go command.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use larder_module::{pseudo, semver};
use sha2::{Digest as _, Sha256};

/// What the kept references may take in memory.
const MEMORY_LIMIT: usize = 128 << 20;
const PEELED: &[u8] = b"^{}";

/// The references of a repository.
#[derive(Clone, Debug, Default)]
pub(super) struct Refs {
    names: Vec<u8>,
    entries: Vec<Entry>,
    hash_bytes: usize,
    /// Where `HEAD` leads, if the server said so.
    pub(super) default_branch: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    length: u16,
    hash: [u8; 32],
}

/// Reads the lines one by one.
#[derive(Debug, Default)]
pub(super) struct Reader {
    refs: Refs,
    peeled: HashMap<Box<[u8]>, [u8; 32]>,
}

/// The listing can't be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unusable {
    TooMany,
    MixedHashes,
}

impl Reader {
    /// Takes in one line without its end. Lines that say nothing about branches and tags are passed over.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), Unusable> {
        let mut fields = line.split(|byte| byte.is_ascii_whitespace()).filter(|field| !field.is_empty());
        let (Some(first), Some(name)) = (fields.next(), fields.next()) else { return Ok(()) };
        if first == b"ref:" {
            if fields.next() == Some(b"HEAD") {
                self.refs.default_branch = std::str::from_utf8(name).ok().map(str::to_owned);
            }
            return Ok(());
        }
        let kept = name == b"HEAD" || name.starts_with(b"refs/heads/") || name.starts_with(b"refs/tags/");
        if fields.next().is_some() || !kept || name.len() > 4096 {
            return Ok(());
        }
        let Some((hash, bytes)) = decode_hash(first) else { return Ok(()) };
        if self.refs.hash_bytes == 0 {
            self.refs.hash_bytes = bytes;
        } else if self.refs.hash_bytes != bytes {
            return Err(Unusable::MixedHashes);
        }
        if let Some(plain) = name.strip_suffix(PEELED) {
            // The peeled line follows the tag's own, unless the server is odd.
            if self.refs.entries.last().is_some_and(|last| self.refs.name_of(last) == plain) {
                if let Some(last) = self.refs.entries.last_mut() {
                    last.hash = hash;
                }
            } else {
                self.peeled.insert(plain.into(), hash);
            }
        } else {
            let start = u32::try_from(self.refs.names.len()).map_err(|_| Unusable::TooMany)?;
            let length = u16::try_from(name.len()).map_err(|_| Unusable::TooMany)?;
            self.refs.names.extend_from_slice(name);
            self.refs.entries.push(Entry { start, length, hash });
        }
        if self.refs.memory() + self.peeled.len() * 256 > MEMORY_LIMIT {
            return Err(Unusable::TooMany);
        }
        Ok(())
    }

    /// Puts the references in order.
    pub(super) fn finish(self) -> Refs {
        let Self { mut refs, peeled } = self;
        let names = std::mem::take(&mut refs.names);
        refs.entries.sort_by(|a, b| name_in(&names, a).cmp(name_in(&names, b)));
        refs.entries.dedup_by(|a, b| name_in(&names, a) == name_in(&names, b));
        for (name, hash) in peeled {
            if let Ok(at) = refs.entries.binary_search_by(|entry| name_in(&names, entry).cmp(&name)) {
                refs.entries[at].hash = hash;
            }
        }
        refs.entries.shrink_to_fit();
        refs.names = names;
        refs.names.shrink_to_fit();
        refs
    }
}

impl Refs {
    /// Returns the number of hexadecimal digits of this repository's hashes; 40 as long as nothing says otherwise.
    pub(super) fn hash_digits(&self) -> usize {
        if self.hash_bytes == 32 { 64 } else { 40 }
    }

    /// Returns what it takes in memory.
    pub(super) fn memory(&self) -> usize {
        self.names.len() + self.entries.len() * size_of::<Entry>()
    }

    /// Returns the commit that a full reference name stands for.
    pub(super) fn find(&self, name: &str) -> Option<String> {
        let at = self.entries.binary_search_by(|entry| self.name_of(entry).cmp(name.as_bytes())).ok()?;
        Some(self.hash_of(&self.entries[at]))
    }

    /// Returns the name and hash of each, by name. Names that aren't UTF-8 are passed over: no version can be asked by them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        self.entries
            .iter()
            .filter_map(|entry| Some((std::str::from_utf8(self.name_of(entry)).ok()?, self.hash_of(entry))))
    }

    /// Returns the references at commits whose hash begins with some digits, by name.
    pub(super) fn with_hash_prefix<'a>(&'a self, digits: &'a str) -> impl Iterator<Item = (&'a str, String)> {
        let whole = digits.len() / 2;
        let mut first = [0; 32];
        for (at, byte) in first.iter_mut().enumerate().take(whole) {
            *byte = digits
                .get(2 * at..2 * at + 2)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .unwrap_or(0);
        }
        self.entries.iter().filter(move |entry| entry.hash[..whole] == first[..whole]).filter_map(
            move |entry| {
                let hash = self.hash_of(entry);
                let name = std::str::from_utf8(self.name_of(entry)).ok()?;
                hash.starts_with(digits).then_some((name, hash))
            },
        )
    }

    /// Returns the names of the tags at a commit, sorted.
    pub(super) fn tags_at(&self, hash: &str) -> Vec<String> {
        self.with_hash_prefix(hash)
            .filter_map(|(name, _)| name.strip_prefix("refs/tags/").map(str::to_owned))
            .collect()
    }

    /// Returns the tags whose names begin with `prefix`, and Go's sum of those that can matter for versions.
    pub(super) fn tags(self: &Arc<Self>, prefix: &str) -> Tags {
        let full = format!("refs/tags/{prefix}").into_bytes();
        let first = self.entries.partition_point(|entry| self.name_of(entry) < full.as_slice());
        let count = self.entries[first..].partition_point(|entry| self.name_of(entry).starts_with(&full));
        let mut tags = Tags { refs: Arc::clone(self), entries: first..first + count, tag_sum: String::new() };
        tags.tag_sum = tags.sum(&prefix[..prefix.rfind('/').map_or(0, |at| at + 1)]);
        tags
    }

    /// Returns Go's sum of all references, which an answer about an unknown revision holds for.
    pub(super) fn sum(&self) -> String {
        let mut sum = Sha256::new();
        for entry in &self.entries {
            sum.update(format!("{} {}\n", quote(self.name_of(entry)), self.hash_of(entry)));
        }
        format!("r1:{}", base64::engine::general_purpose::STANDARD.encode(sum.finalize()))
    }

    fn name_of(&self, entry: &Entry) -> &[u8] {
        name_in(&self.names, entry)
    }

    fn hash_of(&self, entry: &Entry) -> String {
        entry.hash[..self.hash_bytes].iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String can't fail.
            write!(text, "{byte:02x}").ok();
            text
        })
    }
}

/// The tags of a repository whose names begin alike, as `ls-remote` listed them. A million of them take no memory of their own.
#[derive(Clone, Debug)]
pub struct Tags {
    refs: Arc<Refs>,
    entries: Range<usize>,
    /// Go's `Origin.TagSum` of them.
    pub tag_sum: String,
}

impl Tags {
    /// Returns the names without `refs/tags/`, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.listed().map(|(name, _)| name)
    }

    /// Returns the commit (peeled) that a tag names, 40 or 64 hex digits.
    #[must_use]
    pub fn commit(&self, name: &str) -> Option<String> {
        self.refs.find(&format!("refs/tags/{name}"))
    }

    fn listed(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.refs.entries[self.entries.clone()].iter().filter_map(|entry| {
            let name = std::str::from_utf8(self.refs.name_of(entry)).ok()?;
            Some((name.strip_prefix("refs/tags/")?, entry))
        })
    }

    fn sum(&self, folder: &str) -> String {
        let mut sum = Sha256::new();
        for (name, entry) in self.listed() {
            if matters(name.strip_prefix(folder).unwrap_or(name)) {
                sum.update(format!("{} {}\n", quote(name.as_bytes()), self.refs.hash_of(entry)));
            }
        }
        format!("t1:{}", base64::engine::general_purpose::STANDARD.encode(sum.finalize()))
    }
}

/// Reports whether git itself would create a reference of that name, so that it can stand in a refspec.
pub(super) fn is_fetchable(name: &str) -> bool {
    name == "HEAD"
        || (name.starts_with("refs/")
            && !name.ends_with(['/', '.'])
            && !name.contains("..")
            && !name.contains("@{")
            && !name.contains("//")
            && !name.split('/').any(|part| part.starts_with('.') || part.ends_with(".lock"))
            && !name.bytes().any(|byte| byte <= b' ' || byte == 0x7f || b"~^:?*[\\".contains(&byte)))
}

fn name_in<'a>(names: &'a [u8], entry: &Entry) -> &'a [u8] {
    &names[entry.start as usize..entry.start as usize + usize::from(entry.length)]
}

fn decode_hash(text: &[u8]) -> Option<([u8; 32], usize)> {
    if !matches!(text.len(), 40 | 64) {
        return None;
    }
    let mut hash = [0; 32];
    for (at, pair) in text.chunks_exact(2).enumerate() {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        hash[at] = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some((hash, text.len() / 2))
}

/// Go's `isOriginTag`: canonical versions, also with something behind them, but no pseudo-versions.
fn matters(tag: &str) -> bool {
    let canonical = semver::canonical(tag);
    !canonical.is_empty() && tag.starts_with(&canonical) && !pseudo::is_pseudo_version(tag)
}

/// Go's `%q`.
fn quote(text: &[u8]) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                '\u{7}' => quoted.push_str("\\a"),
                '\u{8}' => quoted.push_str("\\b"),
                '\u{c}' => quoted.push_str("\\f"),
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                '\u{b}' => quoted.push_str("\\v"),
                c if larder_module::unicode::is_print(c) => quoted.push(c),
                c if u32::from(c) < 0x80 => push(&mut quoted, format_args!("\\x{:02x}", u32::from(c))),
                c if u32::from(c) < 0x10000 => push(&mut quoted, format_args!("\\u{:04x}", u32::from(c))),
                c => push(&mut quoted, format_args!("\\U{:08x}", u32::from(c))),
            }
        }
        for byte in chunk.invalid() {
            push(&mut quoted, format_args!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    quoted
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    text.write_fmt(what).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn read(text: &str) -> Arc<Refs> {
        let mut reader = Reader::default();
        for line in text.lines() {
            reader.line(line.as_bytes()).expect("a usable line");
        }
        Arc::new(reader.finish())
    }

    #[test]
    fn peeled_tags_count_as_their_commits_and_other_names_are_passed_over() {
        let refs = read(&format!(
            "ref: refs/heads/trunk\tHEAD\n{ONE}\tHEAD\n{ONE}\trefs/heads/trunk\n{TWO}\trefs/pull/1/head\n{TWO}\trefs/tags/v1.0.0\n{ONE}\trefs/tags/v1.0.0^{{}}\nnoise\n"
        ));
        assert_eq!(refs.entries.len(), 3);
        assert_eq!(refs.find("refs/tags/v1.0.0").as_deref(), Some(ONE));
        assert_eq!(refs.find("refs/pull/1/head"), None);
        assert_eq!(refs.default_branch.as_deref(), Some("refs/heads/trunk"));
        assert_eq!(refs.tags_at(ONE), ["v1.0.0"]);
        let found: Vec<_> = refs.with_hash_prefix("1111111").map(|(name, _)| name).collect();
        assert_eq!(found, ["HEAD", "refs/heads/trunk", "refs/tags/v1.0.0"]);
        assert_eq!(refs.with_hash_prefix("11111112").count(), 0);
    }

    #[test]
    fn the_sums_are_those_of_the_go_command() {
        let refs = read(&format!("{ONE}\tHEAD\n{ONE}\trefs/tags/v1.0.0\n{TWO}\trefs/tags/sub/v0.1.0\n"));
        // printf '"v1.0.0" 1...\n' | sha256sum | xxd -r -p | base64
        let expected = Sha256::digest(format!("\"v1.0.0\" {ONE}\n"));
        let expected = format!("t1:{}", base64::engine::general_purpose::STANDARD.encode(expected));
        assert_eq!(refs.tags("").tag_sum, expected);
        assert_eq!(refs.tags("v").tag_sum, expected);
        assert_eq!(refs.tags("none").tag_sum, "t1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert!(refs.sum().starts_with("r1:"));
    }

    #[test]
    fn quoting_is_that_of_go() {
        for (plain, quoted) in [
            (&b"v1.0.0"[..], r#""v1.0.0""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            ("\u{e4}\u{200b}\u{1}".as_bytes(), "\"\u{e4}\\u200b\\x01\""),
            (b"\xff", r#""\xff""#),
        ] {
            assert_eq!(quote(plain), quoted);
        }
    }

    #[test]
    fn a_million_references_stay_small() {
        let mut reader = Reader::default();
        for number in 0..1_000_000u32 {
            let line = format!("{number:040x}\trefs/tags/v0.0.{number}");
            reader.line(line.as_bytes()).expect("within the limit");
        }
        let refs = reader.finish();
        assert_eq!(refs.entries.len(), 1_000_000);
        assert!(refs.memory() < 64 << 20, "{} bytes", refs.memory());
        assert_eq!(
            refs.find("refs/tags/v0.0.77").as_deref(),
            Some("000000000000000000000000000000000000004d")
        );
    }

    #[test]
    fn only_names_that_git_would_create_are_fetched() {
        for name in ["HEAD", "refs/heads/main", "refs/tags/sub/v1.0.0", "refs/tags/-x"] {
            assert!(is_fetchable(name), "{name}");
        }
        for name in [
            "refs/tags/a:b",
            "refs/tags/a..b",
            "refs/heads/../../x",
            "refs/tags/a*",
            "refs/tags/.x",
            "refs/tags/x.lock",
            "+refs/x",
            "-x",
            "refs/a b",
            "refs/a@{1}",
        ] {
            assert!(!is_fetchable(name), "{name}");
        }
    }
}
