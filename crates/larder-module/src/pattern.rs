//! Patterns as in `GOPRIVATE`: comma-separated globs that are matched against prefixes of a module path.
//!
//! A glob is Go's `path.Match`, which no glob library copies: `[^x]` negates and `[!x]` does not, `[]a]` and `[a-]` are
//! malformed, `?` is one character and not one byte. A malformed glob matches nothing and hurts no other.

/// Patterns that were read once and are matched often.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Patterns(Vec<String>);

impl Patterns {
    /// Reads a comma-separated list; empty globs are dropped, spaces are kept, as Go does.
    #[must_use]
    pub fn parse(globs: &str) -> Self {
        let trimmed = globs.split(',').map(|glob| glob.strip_suffix('/').unwrap_or(glob));
        Self(trimmed.filter(|glob| !glob.is_empty()).map(str::to_owned).collect())
    }

    /// Reports whether a prefix of `target`, cut at slashes, matches one of the globs.
    #[must_use]
    pub fn matches(&self, target: &str) -> bool {
        self.0.iter().any(|glob| matches_prefix(glob, target))
    }

    /// Returns the globs, without trailing slashes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Reports whether there are none, so that nothing matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the globs that are malformed and so never match: worth a warning.
    pub fn malformed(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|glob| match_glob(glob, "").is_err())
    }
}

impl std::fmt::Display for Patterns {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.join(","))
    }
}

/// Reports whether a prefix of `target`, cut at slashes, matches one of the comma-separated `globs`.
#[must_use]
pub fn match_prefix_patterns(globs: &str, target: &str) -> bool {
    Patterns::parse(globs).matches(target)
}

/// A glob that Go calls malformed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct BadPattern;

/// Reports whether `glob` matches all of `name`, as Go's `path.Match`.
///
/// # Errors
///
/// Fails if the glob is malformed in a part that was looked at; Go looks at no more.
pub fn match_glob(glob: &str, name: &str) -> Result<bool, BadPattern> {
    match_bytes(glob.as_bytes(), name.as_bytes())
}

fn matches_prefix(glob: &str, target: &str) -> bool {
    let slashes = glob.matches('/').count();
    let mut ends = target.match_indices('/').map(|(at, _)| at);
    let prefix = match ends.nth(slashes) {
        Some(end) => &target[..end],
        None if target.matches('/').count() == slashes => target,
        None => return false,
    };
    match_glob(glob, prefix).unwrap_or(false)
}

fn match_bytes(glob: &[u8], name: &[u8]) -> Result<bool, BadPattern> {
    let (mut glob, mut name) = (glob, name);
    'glob: while !glob.is_empty() {
        let (star, chunk, rest) = next_chunk(glob);
        glob = rest;
        if star && chunk.is_empty() {
            return Ok(!name.contains(&b'/'));
        }
        let fits = |left: &[u8]| left.is_empty() || !rest.is_empty();
        if let Some(left) = match_chunk(chunk, name)?.filter(|left| fits(left)) {
            name = left;
            continue;
        }
        if star {
            let reach = name.iter().position(|&byte| byte == b'/').unwrap_or(name.len());
            for skipped in 1..=reach {
                if let Some(left) = match_chunk(chunk, &name[skipped..])?.filter(|left| fits(left)) {
                    name = left;
                    continue 'glob;
                }
            }
        }
        // No match; but the rest still has to be well formed.
        while !glob.is_empty() {
            let (_, chunk, rest) = next_chunk(glob);
            match_chunk(chunk, b"")?;
            glob = rest;
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// Splits off leading stars (reported as a flag) and everything up to the next star outside a class.
fn next_chunk(glob: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = glob.iter().take_while(|&&byte| byte == b'*').count();
    let glob = &glob[stars..];
    let (mut at, mut in_class) = (0, false);
    while at < glob.len() {
        match glob[at] {
            b'\\' if at + 1 < glob.len() => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => break,
            _ => {}
        }
        at += 1;
    }
    let (chunk, rest) = glob.split_at(at);
    (stars > 0, chunk, rest)
}

/// Matches a chunk without stars at the start of `name` and returns what is left of the name.
///
/// Goes on after a mismatch, only to see whether the chunk is well formed.
fn match_chunk<'a>(chunk: &[u8], name: &'a [u8]) -> Result<Option<&'a [u8]>, BadPattern> {
    let mut chunk = chunk;
    let mut name = Some(name);
    while let Some((&first, after)) = chunk.split_first() {
        name = name.filter(|name| !name.is_empty());
        match first {
            b'[' => {
                let (c, left) = name.map_or((0, None), |name| {
                    let (c, length) = decode(name);
                    (c, Some(&name[length..]))
                });
                let (is_in, rest) = match_class(after, c)?;
                name = left.filter(|_| is_in);
                chunk = rest;
            }
            b'?' => {
                name = name.filter(|name| name[0] != b'/').map(|name| &name[decode(name).1..]);
                chunk = after;
            }
            _ => {
                let (&literal, rest) =
                    if first == b'\\' { after.split_first().ok_or(BadPattern)? } else { (&first, after) };
                name = name.and_then(|name| name.strip_prefix(&[literal]));
                chunk = rest;
            }
        }
    }
    Ok(name)
}

/// Reads a character class after its `[`; returns whether `c` is in it, and what follows.
fn match_class(class: &[u8], c: u32) -> Result<(bool, &[u8]), BadPattern> {
    let (negated, mut class) = class.strip_prefix(b"^").map_or((false, class), |rest| (true, rest));
    let mut is_in = false;
    let mut is_first = true;
    loop {
        if let Some(rest) = class.strip_prefix(b"]").filter(|_| !is_first) {
            return Ok((is_in != negated, rest));
        }
        is_first = false;
        let (low, rest) = class_character(class)?;
        let (high, rest) = rest.strip_prefix(b"-").map_or(Ok((low, rest)), class_character)?;
        is_in |= (low..=high).contains(&c);
        class = rest;
    }
}

/// Reads one character of a class; something has to follow it.
fn class_character(class: &[u8]) -> Result<(u32, &[u8]), BadPattern> {
    let class = match class {
        [] | [b'-' | b']', ..] => return Err(BadPattern),
        [b'\\', rest @ ..] => rest,
        plain => plain,
    };
    if class.is_empty() {
        return Err(BadPattern);
    }
    let (c, length) = decode(class);
    let rest = &class[length..];
    if rest.is_empty() || (c == u32::from(char::REPLACEMENT_CHARACTER) && length == 1) {
        return Err(BadPattern);
    }
    Ok((c, rest))
}

/// Decodes the first character; a broken byte counts as U+FFFD of length one.
fn decode(text: &[u8]) -> (u32, usize) {
    let head = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(c) => (u32::from(c), c.len_utf8()),
        None => (u32::from(char::REPLACEMENT_CHARACTER), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_at_slashes() {
        for (globs, target, expected) in [
            ("example.com", "example.com/a/b", true),
            ("example.com/", "example.com/a", true),
            ("example.com//", "example.com/a", false),
            ("example.com/a", "example.com", false),
            ("*.example.com", "git.example.com/a", true),
            ("*", "anything/at/all", true),
            ("*/b", "a/b/c", true),
            ("example.com/a*", "example.com/abc/d", true),
            (" example.com", "example.com/a", false),
            (",,x,example.com", "example.com", true),
            ("[,example.com", "example.com", true),
            ("", "example.com", false),
            ("example.com/?", "example.com/é", true),
            ("example.com/??", "example.com/é", false),
        ] {
            assert_eq!(match_prefix_patterns(globs, target), expected, "{globs} {target}");
        }
    }

    #[test]
    fn classes_are_gos() {
        for (glob, name, expected) in [
            ("[^x]", "a", Ok(true)),
            ("[!x]", "!", Ok(true)),
            ("[!x]", "a", Ok(false)),
            ("[]a]", "]", Err(BadPattern)),
            ("[a-]", "a", Err(BadPattern)),
            ("[\\]a]", "]", Ok(true)),
            ("[a-c]x", "bx", Ok(true)),
            ("a[", "a", Err(BadPattern)),
            ("a[", "ab", Err(BadPattern)),
            ("a\\", "a", Err(BadPattern)),
            ("*x", "xxx", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzy", Ok(false)),
            ("", "", Ok(true)),
        ] {
            assert_eq!(match_glob(glob, name), expected, "{glob} {name}");
        }
    }
}
