//! Letters, printable characters and case folding as Go sees them.
//!
//! Verdicts about names hang on the Unicode version that Go ships (15.0) and on *simple* folding orbits,
//! which neither `char::is_alphabetic` nor `to_lowercase` give: the former counts marks and letter numbers,
//! the latter maps U+0130 to two characters. So the tables are Go's own, see `tables`.

mod tables;

/// Reports whether Go counts `c` as a letter (category L).
#[must_use]
pub fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { contains(tables::LETTERS, c) }
}

/// Reports whether Go counts `c` as printable.
#[must_use]
pub fn is_print(c: char) -> bool {
    if c.is_ascii() { matches!(c, ' '..='~') } else { contains(tables::PRINTABLE, c) }
}

/// Returns the character that stands for all characters of `c`'s simple folding orbit.
///
/// It is the orbit's smallest member, except that ASCII letters give the lower-case one.
#[must_use]
pub fn fold(c: char) -> char {
    let code = u32::from(c);
    let runs = tables::FOLDINGS;
    let after = runs.partition_point(|run| run.0 <= code);
    let smallest = match after.checked_sub(1).map(|at| runs[at]) {
        Some((first, last, step, distance)) if code <= last && (code - first).is_multiple_of(step) => {
            char::from_u32(code - distance).unwrap_or(c)
        }
        _ => c,
    };
    smallest.to_ascii_lowercase()
}

fn contains(spans: &[(u32, u32)], c: char) -> bool {
    let code = u32::from(c);
    let after = spans.partition_point(|span| span.0 <= code);
    after > 0 && code <= spans[after - 1].1
}

/// Replaces every byte that is not part of valid UTF-8 by U+FFFD, one for each byte, as Go does.
///
/// [`String::from_utf8_lossy`] gives one for a whole cut-off sequence.
#[must_use]
pub fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let mut rest = bytes;
    let mut text = String::new();
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) if text.is_empty() && rest.len() == bytes.len() => return valid.into(),
            Ok(valid) => {
                text.push_str(valid);
                return text.into();
            }
            Err(error) => {
                let (valid, broken) = rest.split_at(error.valid_up_to());
                // Bytes before `valid_up_to` are valid, so nothing is replaced twice.
                text.push_str(&String::from_utf8_lossy(valid));
                text.push(char::REPLACEMENT_CHARACTER);
                rest = &broken[1..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_follows_simple_orbits() {
        let same =
            [('K', 'k'), ('k', '\u{212a}'), ('s', '\u{17f}'), ('σ', 'ς'), ('σ', 'Σ'), ('ß', 'ẞ'), ('Ā', 'ā')];
        for (a, b) in same {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        for (a, b) in [('i', '\u{130}'), ('i', '\u{131}'), ('a', 'b'), ('é', 'e')] {
            assert_ne!(fold(a), fold(b), "{a} {b}");
        }
        assert_eq!(fold('A'), 'a');
    }

    #[test]
    fn letters_are_category_l() {
        for c in ['a', 'é', 'ª', '日', '\u{10400}', '\u{31350}'] {
            assert!(is_letter(c), "{c:?}");
        }
        for c in ['1', '_', '\u{301}', 'Ⅷ', '\u{fffd}', '\u{323b0}'] {
            assert!(!is_letter(c), "{c:?}");
        }
    }

    #[test]
    fn each_broken_byte_gives_one_replacement() {
        assert_eq!(lossy(b"a\xe2\x82b\xff"), "a\u{fffd}\u{fffd}b\u{fffd}");
        assert_eq!(lossy("é".as_bytes()), "é");
    }
}
