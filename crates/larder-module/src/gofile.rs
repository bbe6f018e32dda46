//! The top of Go files: whether a file counts on a platform, and what it imports.
//!
//! What a package imports tells which modules the go command will ask for next. That stands before the first declaration, so a few
//! tokens suffice and nothing is parsed that could be wrong further down. Where a file can't be read, what was found so far counts.

/// The platform that packages are loaded for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target<'a> {
    /// `GOOS`.
    pub os: &'a str,
    /// `GOARCH`.
    pub arch: &'a str,
    /// Files that need cgo count.
    pub cgo: bool,
    /// Further tags, from `-tags`.
    pub tags: &'a [String],
}

/// The systems that go knows, and whether the tag `unix` holds on them.
const SYSTEMS: &[(&str, bool)] = &[
    ("aix", true),
    ("android", true),
    ("darwin", true),
    ("dragonfly", true),
    ("freebsd", true),
    ("hurd", true),
    ("illumos", true),
    ("ios", true),
    ("js", false),
    ("linux", true),
    ("nacl", false),
    ("netbsd", true),
    ("openbsd", true),
    ("plan9", false),
    ("solaris", true),
    ("wasip1", false),
    ("windows", false),
    ("zos", false),
];

const ARCHITECTURES: &[&str] = &[
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

impl Target<'_> {
    fn has(&self, tag: &str) -> bool {
        match tag {
            "cgo" => self.cgo,
            "unix" => SYSTEMS.contains(&(self.os, true)),
            "gc" => true,
            "gccgo" | "ignore" => false,
            _ => {
                tag == self.os
                    || tag == self.arch
                    || (tag == "linux" && self.os == "android")
                    || (tag == "darwin" && self.os == "ios")
                    || (tag == "solaris" && self.os == "illumos")
                    // Nearly all of these ask for a release that everybody has.
                    || tag.strip_prefix("go1.").is_some_and(|minor| minor.parse::<u32>().is_ok())
                    || self.tags.iter().any(|own| own == tag)
            }
        }
    }

    /// Reports whether a file counts by its name: `_windows.go` does on Windows, and a name that starts with `_` or `.` never.
    #[must_use]
    pub fn takes_name(&self, name: &str) -> bool {
        let Some(stem) = name.strip_suffix(".go") else { return false };
        if name.starts_with(['_', '.']) {
            return false;
        }
        let stem = stem.strip_suffix("_test").unwrap_or(stem);
        // What stands before the first underscore is never a platform.
        let Some((_, rest)) = stem.split_once('_') else { return true };
        let mut words = rest.rsplit('_');
        let (last, before) = (words.next().unwrap_or_default(), words.next());
        if ARCHITECTURES.contains(&last) {
            let fits = before.is_none_or(|os| !is_system(os) || self.has(os));
            return fits && self.has(last);
        }
        !is_system(last) || self.has(last)
    }

    /// Reports whether a file counts by its `//go:build` line.
    #[must_use]
    pub fn takes_content(&self, source: &[u8]) -> bool {
        build_line(source).is_none_or(|line| Expression { rest: line, target: self }.either().unwrap_or(true))
    }
}

fn is_system(word: &str) -> bool {
    SYSTEMS.iter().any(|(system, _)| *system == word)
}

/// Finds the `//go:build` line, which stands before the package clause.
fn build_line(source: &[u8]) -> Option<&str> {
    let mut rest = source;
    loop {
        let start = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        rest = &rest[start..];
        if rest.starts_with(b"//") {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            if let Some(line) = rest[..end].strip_prefix(b"//go:build ") {
                return std::str::from_utf8(line).ok().map(str::trim);
            }
            rest = &rest[end..];
        } else if rest.starts_with(b"/*") {
            rest = &rest[find(rest, b"*/")? + 2..];
        } else {
            return None;
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A build constraint that is being read. Nothing is found where it is malformed.
struct Expression<'a> {
    rest: &'a str,
    target: &'a Target<'a>,
}

impl Expression<'_> {
    /// The deepest nesting that is followed.
    const DEPTH: usize = 64;

    fn either(mut self) -> Option<bool> {
        let value = self.or(0)?;
        self.rest.trim().is_empty().then_some(value)
    }

    fn or(&mut self, depth: usize) -> Option<bool> {
        let mut value = self.and(depth)?;
        while self.take("||") {
            value |= self.and(depth)?;
        }
        Some(value)
    }

    fn and(&mut self, depth: usize) -> Option<bool> {
        let mut value = self.not(depth)?;
        while self.take("&&") {
            value &= self.not(depth)?;
        }
        Some(value)
    }

    fn not(&mut self, depth: usize) -> Option<bool> {
        if depth > Self::DEPTH {
            return None;
        }
        if self.take("!") {
            return Some(!self.not(depth + 1)?);
        }
        if self.take("(") {
            let value = self.or(depth + 1)?;
            return self.take(")").then_some(value);
        }
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(text.len());
        let (tag, rest) = text.split_at(end);
        self.rest = rest;
        (!tag.is_empty()).then(|| self.target.has(tag))
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// Returns the paths that a Go file imports, as written; `C` and `unsafe` among them.
#[must_use]
pub fn imports(source: &[u8]) -> Vec<&str> {
    let mut tokens = Tokens { rest: source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source) };
    let mut found = Vec::new();
    if tokens.next() != Some(Token::Word(b"package")) || !matches!(tokens.next(), Some(Token::Word(_))) {
        return found;
    }
    loop {
        match tokens.next() {
            Some(Token::Sign(b';')) => {}
            Some(Token::Word(b"import")) => {
                if read_import(&mut tokens, &mut found).is_none() {
                    return found;
                }
            }
            _ => return found,
        }
    }
}

/// Reads what stands behind `import`.
fn read_import<'a>(tokens: &mut Tokens<'a>, found: &mut Vec<&'a str>) -> Option<()> {
    let mut in_block = false;
    loop {
        match tokens.next()? {
            Token::Text(path) => {
                found.push(path);
                if !in_block {
                    return Some(());
                }
            }
            Token::Sign(b'(') if !in_block => in_block = true,
            Token::Sign(b')') if in_block => return Some(()),
            Token::Sign(b';' | b'.') | Token::Word(_) => {}
            Token::Sign(_) => return None,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token<'a> {
    Word(&'a [u8]),
    Text(&'a str),
    Sign(u8),
}

struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let (&first, after) = self.rest.split_first()?;
            match first {
                b' ' | b'\t' | b'\r' | b'\n' => self.rest = after,
                b'/' if after.first() == Some(&b'/') => {
                    let end = self.rest.iter().position(|byte| *byte == b'\n')?;
                    self.rest = &self.rest[end..];
                }
                b'/' if after.first() == Some(&b'*') => {
                    let end = find(&after[1..], b"*/")?;
                    self.rest = &after[1 + end + 2..];
                }
                b'"' | b'`' => {
                    let end = after.iter().position(|byte| *byte == first || *byte == b'\n')?;
                    self.rest = &after[end + 1..];
                    let is_closed = after[end] == first;
                    return std::str::from_utf8(&after[..end]).ok().filter(|_| is_closed).map(Token::Text);
                }
                _ if is_letter(first) => {
                    let end = self.rest.iter().position(|byte| !is_letter(*byte)).unwrap_or(self.rest.len());
                    let (word, rest) = self.rest.split_at(end);
                    self.rest = rest;
                    return Some(Token::Word(word));
                }
                _ => {
                    self.rest = after;
                    return Some(Token::Sign(first));
                }
            }
        }
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINUX: Target<'_> = Target { os: "linux", arch: "amd64", cgo: true, tags: &[] };

    #[test]
    fn imports_are_found_in_every_form() {
        let file = b"\xef\xbb\xbf// Copyright\n/* package no */ package a; import \"fmt\"\nimport (\n\t_ \"example.com/a\" // why\n\
            \tb \"example.com/b\"; . `example.com/c`\n\t/* d */ \"example.com/d\"\n)\nimport e \"example.com/e\"\n\
            var x = \"import\"\nimport \"example.com/late\"\n";
        assert_eq!(
            imports(file),
            ["fmt", "example.com/a", "example.com/b", "example.com/c", "example.com/d", "example.com/e"]
        );
    }

    #[test]
    fn what_is_malformed_ends_the_search() {
        for (file, want) in [
            (&b""[..], vec![]),
            (b"import \"a\"", vec![]),
            (b"package", vec![]),
            (b"package a\nimport \"x", vec![]),
            (b"package a\nimport \"x\ny\"", vec![]),
            (b"package a\nimport (\"x\"", vec!["x"]),
            (b"package a\nimport 7 + \"x\"", vec![]),
            (b"package a\n/* no end", vec![]),
            (b"package a\nimport \"\xff\"", vec![]),
        ] {
            assert_eq!(imports(file), want, "{}", String::from_utf8_lossy(file));
        }
    }

    #[test]
    fn names_say_for_which_platform_a_file_is() {
        for (name, takes) in [
            ("a.go", true),
            ("a_linux.go", true),
            ("linux.go", true),
            ("a_windows.go", false),
            ("windows.go", true),
            ("a_amd64.go", true),
            ("a_arm64.go", false),
            ("a_linux_amd64_test.go", true),
            ("a_windows_amd64.go", false),
            ("a_b_amd64.go", true),
            ("a_unix.go", true),
            ("_a.go", false),
            (".a.go", false),
            ("a.c", false),
        ] {
            assert_eq!(LINUX.takes_name(name), takes, "{name}");
        }
    }

    #[test]
    fn build_lines_are_judged() {
        let tags = ["integration".to_owned()];
        let tagged = Target { tags: &tags, ..LINUX };
        for (line, takes) in [
            ("linux", true),
            ("!linux", false),
            ("windows || (linux && !arm64)", true),
            ("unix && cgo", true),
            ("ignore", false),
            ("go1.18", true),
            ("tools", false),
            ("integration", true),
            ("linux &&", true),
            ("(linux", true),
        ] {
            let file = format!("// Copyright\n\n/* x */\n//go:build {line}\n\npackage a\n");
            assert_eq!(tagged.takes_content(file.as_bytes()), takes, "{line}");
        }
        for (os, is_unix) in [("illumos", true), ("darwin", true), ("windows", false), ("js", false)] {
            let takes = Target { os, ..LINUX }.takes_content(b"//go:build unix\npackage a\n");
            assert_eq!(takes, is_unix, "{os}");
        }
        assert!(LINUX.takes_content(b"package a\n//go:build ignore\n"), "only above the package clause");
        let deep = format!("//go:build {}linux\npackage a\n", "!".repeat(10_000));
        assert!(LINUX.takes_content(deep.as_bytes()), "malformed lines shut nothing out");
    }
}
