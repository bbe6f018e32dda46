//! What single words of go.mod and go.work files mean: strings, versions, go versions.

use super::LineFault;
use crate::{unicode, version::canonical_version};

/// Reads a word that may be quoted; quotes other than `"`, or inside a word, are refused.
pub(super) fn read_string(word: &str) -> Result<String, LineFault> {
    if word.starts_with('"') {
        return unquote(word).ok_or_else(|| LineFault::QuotedString(word.into()));
    }
    if word.contains(['"', '\'', '`']) {
        return Err(LineFault::QuotedString(word.into()));
    }
    Ok(word.into())
}

/// Reads a version and brings it into canonical form.
pub(super) fn read_version(word: &str) -> Result<String, LineFault> {
    let text = read_string(word)?;
    match canonical_version(&text) {
        canonical if canonical.is_empty() => Err(LineFault::Version(text)),
        canonical => Ok(canonical),
    }
}

/// Reads a double-quoted string of Go; bytes that are no UTF-8 become U+FFFD.
pub(super) fn unquote(word: &str) -> Option<String> {
    let inner = word.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\n' => return None,
            '\\' => unescape(&mut chars, &mut bytes)?,
            plain => push(&mut bytes, plain),
        }
    }
    Some(unicode::lossy(&bytes).into_owned())
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn unescape(chars: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Option<()> {
    let escape = chars.next()?;
    let simple = match escape {
        'a' => 7,
        'b' => 8,
        't' => 9,
        'n' => 10,
        'v' => 11,
        'f' => 12,
        'r' => 13,
        '\\' | '"' => u8::try_from(escape).ok()?,
        'x' => u8::try_from(number(chars, 0, 2, 16)?).ok()?,
        'u' | 'U' => {
            let length = if escape == 'u' { 4 } else { 8 };
            push(bytes, char::from_u32(number(chars, 0, length, 16)?)?);
            return Some(());
        }
        '0'..='7' => u8::try_from(number(chars, escape.to_digit(8)?, 2, 8)?).ok()?,
        _ => return None,
    };
    bytes.push(simple);
    Some(())
}

fn number(chars: &mut std::str::Chars<'_>, start: u32, length: usize, radix: u32) -> Option<u32> {
    (0..length)
        .try_fold(start, |number, _| number.checked_mul(radix)?.checked_add(chars.next()?.to_digit(radix)?))
}

/// Reads a go version as main modules may name it: `1.21`, `1.21.3`, `1.21rc1`.
pub(super) fn is_go_version(word: &str) -> bool {
    let Some((_, rest)) = language_version(word) else { return false };
    let rest = match rest.strip_prefix('.') {
        None => rest,
        Some(patch) => match take_number(patch) {
            Some((_, rest)) => rest,
            None => return false,
        },
    };
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
    rest.is_empty()
        || (digits.len() < rest.len()
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads a go version as a dependency may name it: whatever follows major and minor version is cut off.
pub(super) fn lenient_go_version(word: &str) -> Option<&str> {
    if is_go_version(word) {
        return Some(word);
    }
    let (language, rest) = language_version(word.strip_prefix('v').unwrap_or(word))?;
    let is_cut = rest.starts_with(|c: char| !c.is_ascii_digit()) && !rest.contains('\n');
    is_cut.then_some(language)
}

/// Reports whether a toolchain may be called so.
pub(super) fn is_toolchain(word: &str) -> bool {
    word == "default" || word == "go1" || word.starts_with("go1.")
}

/// Splits off major and minor version.
fn language_version(text: &str) -> Option<(&str, &str)> {
    let (major, rest) = take_number(text)?;
    if major == "0" {
        return None;
    }
    let (_, rest) = take_number(rest.strip_prefix('.')?)?;
    Some((&text[..text.len() - rest.len()], rest))
}

/// Splits off a number without leading zeros; digits right behind a zero are what follows.
fn take_number(text: &str) -> Option<(&str, &str)> {
    let length = match text.as_bytes().first()? {
        b'0' => 1,
        b'1'..=b'9' => text.bytes().take_while(u8::is_ascii_digit).count(),
        _ => return None,
    };
    Some(text.split_at(length))
}

/// Reports whether a replacement names a folder, by the rules of Unix and Windows at once.
pub(super) fn is_directory_path(path: &str) -> bool {
    let is_drive = matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    matches!(path, "." | "..")
        || ["./", ".\\", "../", "..\\", "/", "\\"].iter().any(|start| path.starts_with(start))
        || is_drive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        let read = |word| read_string(word).ok();
        for (word, expected) in [
            (r#""a b""#, Some("a b")),
            (r#""\x61\u00e9\101\n""#, Some("aéA\n")),
            (r#""\xc3\xa9\xff""#, Some("é\u{fffd}")),
            (r#""\'""#, None),
            (r#""\400""#, None),
            (r#""\ud800""#, None),
            (r#""\U00110000""#, None),
            (r#""\8""#, None),
            (r#""\x4""#, None),
            ("`a`", None),
            ("a'b", None),
            ("plain", Some("plain")),
        ] {
            assert_eq!(read(word).as_deref(), expected, "{word}");
        }
    }

    #[test]
    fn go_versions() {
        for (word, strict, lenient) in [
            ("1.21", true, Some("1.21")),
            ("1.21.0", true, Some("1.21.0")),
            ("1.21rc1", true, Some("1.21rc1")),
            ("1.21.3rc1", true, Some("1.21.3rc1")),
            ("1.21.x", false, Some("1.21")),
            ("v1.21.3", false, Some("1.21")),
            ("v1.21", false, None),
            ("1.05", false, None),
            ("1", false, None),
            ("0.9", false, None),
            ("1.21rc", false, Some("1.21")),
            ("1.21.", false, Some("1.21")),
            ("1.", false, None),
        ] {
            assert_eq!(is_go_version(word), strict, "{word}");
            assert_eq!(lenient_go_version(word), lenient, "{word}");
        }
    }
}
