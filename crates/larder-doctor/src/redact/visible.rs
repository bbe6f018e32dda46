//! Characters that act instead of being seen.

use std::ops::Range;

use super::HIDDEN;

/// A text without them, and where they were.
pub(super) struct Plain {
    text: String,
    /// Positions in `text`, and what is shown there.
    taken: Vec<(usize, String)>,
}

impl Plain {
    /// Takes them out. Sequences of a terminal are colours and cursors: they are not missed.
    pub(super) fn of(text: &str) -> Self {
        let mut plain = Self { text: String::with_capacity(text.len()), taken: Vec::new() };
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = without_sequence(rest) {
                rest = after;
                continue;
            }
            rest = &rest[c.len_utf8()..];
            match c {
                '\n' => plain.text.push(c),
                '\t' => plain.text.push(' '),
                '\r' if rest.starts_with('\n') => {}
                '\r' => plain.take("\\r".to_owned()),
                c if c.is_control() => plain.take(format!("\\x{:02x}", u32::from(c))),
                c if is_invisible(c) => plain.take(format!("\\u{{{:04x}}}", u32::from(c))),
                c => plain.text.push(c),
            }
        }
        plain
    }

    fn take(&mut self, shown: String) {
        self.taken.push((self.text.len(), shown));
    }

    /// Returns the text without them.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text with `hidden` parts covered, and elsewhere what was taken out in a form that can be seen.
    ///
    /// The parts are in order and don't overlap.
    pub(super) fn visible(&self, hidden: &[Range<usize>]) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut taken = self.taken.iter().peekable();
        let mut at = 0;
        for end in hidden.iter().map(Some).chain([None]) {
            let until = end.map_or(self.text.len(), |part| part.start);
            while let Some((place, shown)) = taken.next_if(|(place, _)| *place <= until) {
                out.push_str(&self.text[at..*place]);
                out.push_str(shown);
                at = *place;
            }
            out.push_str(&self.text[at..until]);
            if let Some(part) = end {
                out.push_str(HIDDEN);
                at = part.end;
                while taken.next_if(|(place, _)| *place < part.end).is_some() {}
            }
        }
        out
    }
}

/// Marks of writing direction, joiners, fillers, tags: nothing to see, and they change what is seen.
fn is_invisible(c: char) -> bool {
    matches!(
        u32::from(c),
        0xad | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e
            | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0xe0000..=0xe0fff
    )
}

/// Returns what follows the terminal's sequence that `text` begins with; none if it begins with no whole one.
fn without_sequence(text: &str) -> Option<&str> {
    let (kind, rest) = match text.as_bytes() {
        [0x1b, kind, ..] if kind.is_ascii() => (*kind, &text[2..]),
        // The same in one character.
        [0xc2, 0x9b, ..] => (b'[', &text[2..]),
        [0xc2, 0x9d, ..] => (b']', &text[2..]),
        [0xc2, 0x90, ..] => (b'P', &text[2..]),
        _ => return None,
    };
    match kind {
        b'[' => {
            let end = rest.find(|c: char| !(' '..='?').contains(&c))?;
            let last = rest.as_bytes()[end];
            (0x40..=0x7e).contains(&last).then(|| &rest[end + 1..])
        }
        b']' | b'P' | b'X' | b'^' | b'_' => {
            let line = rest.split('\n').next().unwrap_or(rest);
            let ends = [("\u{7}", 1), ("\u{1b}\\", 2), ("\u{9c}", 2)];
            let (end, length) =
                ends.iter().filter_map(|(end, length)| Some((line.find(end)?, *length))).min()?;
            Some(&rest[end + length..])
        }
        b' '..=b'/' => {
            let end = rest.find(|c: char| !(' '..='/').contains(&c))?;
            rest.as_bytes()[end].is_ascii_graphic().then(|| &rest[end + 1..])
        }
        b'0'..=b'~' => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> String {
        Plain::of(text).visible(&[])
    }

    #[test]
    fn sequences_go_and_marks_show() {
        for (text, shown) in [
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]8;;https://a.example\x1b\\link\x1b]8;;\x07", "link"),
            ("\u{9b}1mbold", "bold"),
            ("a\x1b", "a\\x1b"),
            ("\x1b[31", "\\x1b[31"),
            ("\x1b]0;title without end", "\\x1b]0;title without end"),
            ("off\r", "off\\r"),
            ("a\r\nb", "a\nb"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("bell\x07", "bell\\x07"),
            ("nul\0", "nul\\x00"),
            ("\x1b(Bplain", "plain"),
            ("模块", "模块"),
        ] {
            assert_eq!(seen(text), shown, "{text:?}");
        }
    }

    #[test]
    fn covered_parts_take_their_marks_along() {
        let plain = Plain::of("a se\u{200b}cret \u{200b}b");
        assert_eq!(plain.text(), "a secret b");
        assert_eq!(plain.visible(std::slice::from_ref(&(2..8))), "a *** \\u{200b}b");
    }
}
