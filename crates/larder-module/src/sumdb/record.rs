//! Records and the answers to look-ups.
//!
//! A look-up answers with a record's number, its text, a blank line and a signed tree head. Only
//! the record's text is ever proven, so only it may give `go.sum` lines: a hash line in the note,
//! among the signatures or after them counts for nothing.

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// The first line is no number.
    #[error("malformed record number")]
    Number,
    /// The text is not ended by a blank line.
    #[error("record text without an end")]
    Unterminated,
    /// The text isn't UTF-8 or has control characters.
    #[error("malformed record text")]
    Text,
}

/// A record at the start of a message, and what follows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Record<'a> {
    /// The number as written, which may be negative or padded: Go reads those too.
    pub id: i64,
    /// The text, which ends in a newline.
    pub text: &'a str,
    /// Everything after the blank line.
    pub rest: &'a [u8],
}

/// Reads the record at the start of a message.
///
/// # Errors
///
/// Fails where Go's reader fails.
pub fn parse_record(message: &[u8]) -> Result<Record<'_>, RecordError> {
    let end = message.iter().position(|byte| *byte == b'\n');
    let (number, body) = message.split_at(end.ok_or(RecordError::Number)?);
    let id =
        std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()).ok_or(RecordError::Number)?;
    let body = &body[1..];
    let end = body.windows(2).position(|pair| pair == b"\n\n");
    let end = end.ok_or(RecordError::Unterminated)?;
    let text = std::str::from_utf8(&body[..=end]).map_err(|_| RecordError::Text)?;
    if !is_valid_text(text) {
        return Err(RecordError::Text);
    }
    Ok(Record { id, text, rest: &body[end + 2..] })
}

/// Reports whether a text may be a record: control-free lines, none blank, each ended.
pub fn is_valid_text(text: &str) -> bool {
    text.ends_with('\n') && !text.contains("\n\n") && text.bytes().all(|byte| byte >= 0x20 || byte == b'\n')
}

/// The answer to a look-up, taken apart but not yet believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lookup {
    /// The record's number.
    pub id: i64,
    /// The record's text.
    pub text: String,
    /// The signed tree head that came with it.
    pub head_note: Vec<u8>,
}

/// Reads the answer to a look-up.
///
/// # Errors
///
/// Fails when it doesn't start with a record.
pub fn parse_lookup(answer: &[u8]) -> Result<Lookup, RecordError> {
    let record = parse_record(answer)?;
    Ok(Lookup { id: record.id, text: record.text.to_owned(), head_note: record.rest.to_owned() })
}

/// Writes the answer to a look-up from a record and a signed tree head.
pub fn format_lookup(id: u64, text: &str, head_note: &[u8]) -> Vec<u8> {
    let mut answer = format!("{id}\n{text}\n").into_bytes();
    answer.extend_from_slice(head_note);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_records_as_go_does() {
        let good: &[(&str, i64, &str, &str)] = &[
            ("7\na\nb\n\nrest\n", 7, "a\nb\n", "rest\n"),
            ("-7\na\n\n", -7, "a\n", ""),
            ("+007\na\n\n\n", 7, "a\n", "\n"),
            ("0\na\u{7f}\u{85}\n\n", 0, "a\u{7f}\u{85}\n", ""),
            ("7\n\n\n", 7, "\n", ""),
            ("7\n\na\n\n", 7, "\na\n", ""),
        ];
        for (message, id, text, rest) in good {
            let record = parse_record(message.as_bytes()).unwrap();
            assert_eq!((record.id, record.text), (*id, *text), "{message:?}");
            assert_eq!(record.rest, rest.as_bytes(), "{message:?}");
        }
        for message in [
            "",
            "7",
            "7\n",
            "7\n\n",
            "7\na\n",
            "x\na\n\n",
            "\na\n\n",
            "7\na\tb\n\n",
            "7\na\r\n\n",
            " 7\na\n\n",
            "9223372036854775808\na\n\n",
        ] {
            assert!(parse_record(message.as_bytes()).is_err(), "{message:?}");
        }
        assert_eq!(parse_record(b"7\n\xff\n\n"), Err(RecordError::Text));
    }
}
