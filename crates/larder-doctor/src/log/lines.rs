//! Lines of a log as a person would have seen them: no escapes, no invisible marks, JSON unwrapped, of bounded length.

use std::borrow::Cow;
use std::io::BufRead;

/// A longer line is read in pieces of this size.
const LONGEST: usize = 64 * 1024;

/// Reads a log line by line; what ends in a carriage return counts as a line, for progress is drawn so.
pub(super) struct Lines<R> {
    input: R,
    number: usize,
    piece: Vec<u8>,
    inside: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(input: R) -> Self {
        Self { input, number: 0, piece: Vec::new(), inside: false }
    }

    /// Hands the next line to `take`, perhaps as several; answers false at the end.
    pub(super) fn next(&mut self, mut take: impl FnMut(usize, &str)) -> std::io::Result<bool> {
        self.piece.clear();
        let mut ended = false;
        while !ended && self.piece.len() < LONGEST {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                break;
            }
            let room = available.len().min(LONGEST - self.piece.len());
            let end = available[..room].iter().position(|byte| *byte == b'\n');
            ended = end.is_some();
            let used = end.map_or(room, |at| at + 1);
            self.piece.extend_from_slice(&available[..used]);
            self.input.consume(used);
        }
        if self.piece.is_empty() {
            return Ok(false);
        }
        if !self.inside {
            self.number += 1;
        }
        self.inside = !ended;
        // A log that PowerShell wrote has two bytes a character; without the zero bytes it is ASCII.
        self.piece.retain(|byte| *byte != 0);
        if self.piece.is_empty() {
            return Ok(true);
        }
        let text = String::from_utf8_lossy(&self.piece);
        let text = text.trim_end_matches(['\n', '\r']);
        for segment in text.split('\r') {
            unwrapped(&cleaned(segment), |line| take(self.number, line));
        }
        Ok(true)
    }
}

/// Removes escapes, marks that nobody sees and typographic quotes.
pub(super) fn cleaned(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| matches!(byte, b'\t' | 0x20..=0x7e) && !matches!(byte, b'&' | b'[');
    if text.bytes().all(plain) && !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let text = visible_escapes(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(char) = rest.chars().next() {
        let after = &rest[char.len_utf8()..];
        rest = match char {
            '\u{1b}' => escape(after),
            '\u{9b}' => control_sequence(after).unwrap_or(after),
            '[' => match bare_colour(after) {
                Some(after) => after,
                None => {
                    out.push('[');
                    after
                }
            },
            '&' => {
                let (decoded, after) = entity(after);
                out.push(decoded);
                after
            }
            '\u{8}' => {
                out.pop();
                after
            }
            other => {
                out.extend(shown(other));
                after
            }
        };
    }
    Cow::Owned(out)
}

/// Returns what a character stands for; nothing for one that is not seen.
fn shown(char: char) -> Option<char> {
    match char {
        '\u{a0}' | '\u{202f}' | '\u{3000}' | '\u{2007}' => Some(' '),
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{ff02}' => Some('"'),
        '\u{2018}' | '\u{2019}' | '\u{201a}' => Some('\''),
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{fffe}' => None,
        '\t' => Some('\t'),
        other if other.is_control() => None,
        other => Some(other),
    }
}

/// Turns escapes that a tool has made readable (`^[[`, `\u001b[`) into real ones.
fn visible_escapes(text: &str) -> Cow<'_, str> {
    const FORMS: &[&str] =
        &["^[[", "\\u001b[", "\\u001B[", "\\x1b[", "\\x1B[", "\\033[", "\\e[", "\u{241b}[", "#x1B["];
    if !FORMS.iter().any(|form| text.contains(form)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(FORMS.iter().fold(text.to_owned(), |text, form| text.replace(form, "\u{1b}[")))
}

/// Skips an escape sequence, whose ESC was taken.
fn escape(text: &str) -> &str {
    let mut chars = text.chars();
    match chars.next() {
        Some('[') => control_sequence(chars.as_str()).unwrap_or(text),
        Some(']' | 'P' | '_' | '^' | 'X') => {
            let body = chars.as_str();
            let ends = body.char_indices().take(2048).find(|(_, char)| matches!(char, '\u{7}' | '\u{1b}'));
            match ends {
                Some((at, '\u{7}')) => &body[at + 1..],
                Some((at, _)) => body[at + 1..].strip_prefix('\\').unwrap_or_else(|| &body[at..]),
                None => body,
            }
        }
        Some(' '..='/') => chars.as_str().get(1..).unwrap_or(""),
        Some(_) => chars.as_str(),
        None => "",
    }
}

/// Skips the parameters and the final letter of a control sequence.
fn control_sequence(text: &str) -> Option<&str> {
    let end = text.bytes().take(64).position(|byte| (0x40..=0x7e).contains(&byte))?;
    text.is_char_boundary(end + 1).then(|| &text[end + 1..])
}

/// Skips `31m` or `0K` after a bracket whose ESC somebody lost.
fn bare_colour(text: &str) -> Option<&str> {
    let digits = text.bytes().take(12).take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    (digits > 0 && matches!(text.as_bytes().get(digits), Some(b'm' | b'K'))).then(|| &text[digits + 1..])
}

/// Decodes what follows an `&`.
fn entity(text: &str) -> (char, &str) {
    const ENTITIES: &[(&str, char)] = &[
        ("quot;", '"'),
        ("#34;", '"'),
        ("#39;", '\''),
        ("apos;", '\''),
        ("lt;", '<'),
        ("gt;", '>'),
        ("amp;", '&'),
        ("nbsp;", ' '),
    ];
    ENTITIES
        .iter()
        .find_map(|(name, char)| text.strip_prefix(name).map(|after| (*char, after)))
        .unwrap_or(('&', text))
}

/// Hands out the lines that a line of JSON or of `key="text\n"` holds, or the line itself.
fn unwrapped(line: &str, mut take: impl FnMut(&str)) {
    if let Some(at) = line.find("{\"")
        && let Some(Ok(value)) =
            serde_json::Deserializer::from_str(&line[at..]).into_iter::<serde_json::Value>().next()
    {
        let mut sentences = Vec::new();
        sentences_of(&value, 0, &mut sentences);
        if !sentences.is_empty() {
            sentences.iter().flat_map(|text| text.lines()).for_each(|text| take(&cleaned(text)));
            return;
        }
    }
    if line.contains('\\') {
        if let Some(text) = escaped_literal(line) {
            text.lines().for_each(|text| take(&cleaned(text)));
            return;
        }
        if line.contains("\\n\\t") {
            line.replace("\\n\\t", "\n\t").lines().for_each(&mut take);
            return;
        }
    }
    take(line);
}

/// Collects the texts of a JSON value that have words in them.
fn sentences_of(value: &serde_json::Value, depth: usize, out: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) if text.trim().contains(' ') => out.push(text.clone()),
        serde_json::Value::Array(items) if depth < 8 => {
            items.iter().for_each(|item| sentences_of(item, depth + 1, out));
        }
        serde_json::Value::Object(fields) if depth < 8 => {
            fields.values().for_each(|field| sentences_of(field, depth + 1, out));
        }
        _ => {}
    }
}

/// Returns the longest text of the form `: "..."` or `="..."` that has escapes in it, without them.
fn escaped_literal(line: &str) -> Option<String> {
    let mut best: Option<String> = None;
    for (at, _) in line.match_indices('"') {
        if !line[..at].trim_end_matches(' ').ends_with([':', '=', '(', '[', ',']) {
            continue;
        }
        let literal = &line[at + 1..];
        let mut text = String::new();
        let mut escapes = false;
        let mut chars = literal.chars();
        while let Some(char) = chars.next() {
            match char {
                '"' => break,
                '\\' => match chars.next() {
                    Some('n') => {
                        escapes = true;
                        text.push('\n');
                    }
                    Some('t') => text.push('\t'),
                    Some('"') => {
                        escapes = true;
                        text.push('"');
                    }
                    Some('u') => {
                        let code = chars.as_str().get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                        if let Some(decoded) = code.and_then(char::from_u32) {
                            text.push(decoded);
                            chars = chars.as_str()[4..].chars();
                        }
                    }
                    Some(other) => text.push(other),
                    None => break,
                },
                other => text.push(other),
            }
        }
        if escapes && best.as_ref().is_none_or(|known| known.len() < text.len()) {
            best = Some(text);
        }
        if best.as_ref().is_some_and(|known| known.len() > 40) {
            break;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(log: &[u8]) -> Vec<(usize, String)> {
        let mut reader = Lines::new(log);
        let mut found = Vec::new();
        while reader.next(|number, line| found.push((number, line.to_owned()))).expect("memory can be read") {
        }
        found
    }

    #[test]
    fn escapes_and_invisible_marks_go() {
        for (raw, seen) in [
            ("\u{1b}[31;1mgo: x\u{1b}[0m", "go: x"),
            ("\u{1b}]8;;https://a.example.com\u{7}link\u{1b}]8;;\u{7}", "link"),
            ("\u{1b}_bk;t=1700000000000\u{7}go: x", "go: x"),
            ("[31mgo: x[0m [::1]:53", "go: x [::1]:53"),
            ("^[[1mgo^[[0m", "go"),
            ("\u{feff}go: Get \u{201c}https://a\u{201d}", "go: Get \"https://a\""),
            ("go: Get &quot;https://a?x=1&amp;y=2&quot;", "go: Get \"https://a?x=1&y=2\""),
            ("a\u{202e}b\u{200b}c\u{7}", "abc"),
            ("\u{1b}[", ""),
            ("a\u{1b}", "a"),
        ] {
            assert_eq!(cleaned(raw).trim_end_matches('['), seen, "{raw:?}");
        }
    }

    #[test]
    fn windows_line_ends_progress_and_double_bytes_are_lines() {
        let found = lines(b"a\r\n10%\r20%\rdone\nend");
        let texts: Vec<_> = found.iter().map(|(number, text)| (*number, text.as_str())).collect();
        assert_eq!(texts, [(1, "a"), (2, "10%"), (2, "20%"), (2, "done"), (3, "end")]);
        let wide: Vec<u8> = "go: x\r\n\tb\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(lines(&wide), [(1, "go: x".to_owned()), (2, "\tb".to_owned())]);
    }

    #[test]
    fn json_is_unwrapped() {
        let found = lines(
            br#"{"log":"go: a b: Get \"https://x\": EOF\n\tmore here\n","stream":"stderr"}
time="1" level=error msg="go: x: Get \"https://y\": EOF\n\tserver response: no"
	"Error": "m@v1: Get \"https://z\": EOF"
"#,
        );
        let texts: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "go: a b: Get \"https://x\": EOF",
                "\tmore here",
                "go: x: Get \"https://y\": EOF",
                "\tserver response: no",
                "m@v1: Get \"https://z\": EOF"
            ]
        );
    }

    #[test]
    fn a_gigantic_line_comes_in_pieces() {
        let log = [b"x".repeat(LONGEST * 3), b"\nend".to_vec()].concat();
        let found = lines(&log);
        assert!(found.iter().all(|(_, text)| text.len() <= LONGEST));
        assert_eq!(found.last(), Some(&(2, "end".to_owned())));
    }
}
