//! `Range`, and which of several validators decides (RFC 9110, sections 13 and 14).

use std::time::SystemTime;

use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};

/// What the conditions and the range of a request come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Selection {
    /// The whole body, 200.
    Whole,
    /// The client has it, 304.
    NotModified,
    /// A condition does not hold, 412.
    ConditionFailed,
    /// Bytes from `start` up to and without `end`, 206.
    Part { start: u64, end: u64 },
    /// No byte of the range is there, 416.
    OutOfRange,
}

/// What is known about the representation that would be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validators<'a> {
    /// The entity tag with its quotes.
    pub(crate) etag: Option<&'a [u8]>,
    pub(crate) modified: Option<SystemTime>,
}

/// Decides what to send; `len` is absent while a body's length is unknown or it can't be cut.
pub(crate) fn select(headers: &HeaderMap, validators: Validators<'_>, len: Option<u64>) -> Selection {
    if let Some(early) = conditions(headers, validators) {
        return early;
    }
    let Some(len) = len else { return Selection::Whole };
    if !headers.contains_key(RANGE) || !range_holds(headers, validators) {
        return Selection::Whole;
    }
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Selection::Whole };
    range.to_str().map_or(Selection::Whole, |text| parse_range(text, len))
}

fn conditions(headers: &HeaderMap, validators: Validators<'_>) -> Option<Selection> {
    if headers.contains_key(IF_MATCH) {
        if !matches_any(headers, &IF_MATCH, validators.etag, Comparison::Strong) {
            return Some(Selection::ConditionFailed);
        }
    } else if let (Some(date), Some(modified)) = (date(headers, &IF_UNMODIFIED_SINCE), validators.modified)
        && whole_seconds(modified) > whole_seconds(date)
    {
        return Some(Selection::ConditionFailed);
    }
    if headers.contains_key(IF_NONE_MATCH) {
        return matches_any(headers, &IF_NONE_MATCH, validators.etag, Comparison::Weak)
            .then_some(Selection::NotModified);
    }
    let (date, modified) = (date(headers, &IF_MODIFIED_SINCE)?, validators.modified?);
    (whole_seconds(modified) <= whole_seconds(date)).then_some(Selection::NotModified)
}

/// Reports whether `If-Range` allows a part: a strong tag or the exact date, else the whole.
fn range_holds(headers: &HeaderMap, validators: Validators<'_>) -> bool {
    let mut values = headers.get_all(IF_RANGE).iter();
    let Some(value) = values.next() else { return true };
    if values.next().is_some() {
        return false;
    }
    if value.as_bytes().first() == Some(&b'"') || value.as_bytes().starts_with(b"W/") {
        return validators.etag.is_some_and(|tag| !tag.starts_with(b"W/") && tag == value.as_bytes());
    }
    let date = value.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok());
    matches!((date, validators.modified), (Some(date), Some(modified)) if whole_seconds(date) == whole_seconds(modified))
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

fn matches_any(
    headers: &HeaderMap,
    name: &http::HeaderName,
    etag: Option<&[u8]>,
    comparison: Comparison,
) -> bool {
    headers.get_all(name).iter().any(|value| {
        let bytes = value.as_bytes().trim_ascii();
        if bytes == b"*" {
            return true;
        }
        etag.is_some_and(|own| tags(bytes).any(|tag| same_tag(tag, own, comparison)))
    })
}

fn same_tag(tag: &[u8], own: &[u8], comparison: Comparison) -> bool {
    match (tag.strip_prefix(b"W/"), own.strip_prefix(b"W/")) {
        (None, None) => tag == own,
        _ if comparison == Comparison::Strong => false,
        (given, had) => given.unwrap_or(tag) == had.unwrap_or(own),
    }
}

/// Splits a list of entity tags; a comma may stand inside the quotes.
fn tags(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_ascii_start();
            match rest.first()? {
                b',' => rest = &rest[1..],
                _ => break,
            }
        }
        let open = rest.iter().position(|&b| b == b'"')?;
        let close = open + 1 + rest[open + 1..].iter().position(|&b| b == b'"')?;
        let (tag, after) = rest.split_at(close + 1);
        rest = after;
        Some(tag)
    })
}

fn date(headers: &HeaderMap, name: &http::HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    httpdate::parse_http_date(value).ok()
}

fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Reads one byte range; several ranges, other units and malformed text ask for the whole.
fn parse_range(text: &str, len: u64) -> Selection {
    let Some((unit, set)) = text.split_once('=') else { return Selection::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Selection::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Selection::Whole };
    match (first.is_empty(), last.is_empty()) {
        (true, true) => Selection::Whole,
        (true, false) => match number(last) {
            Some(0) => Selection::OutOfRange,
            Some(_) if len == 0 => Selection::OutOfRange,
            Some(suffix) => Selection::Part { start: len.saturating_sub(suffix), end: len },
            None => Selection::Whole,
        },
        (false, open_ended) => {
            match (number(first), if open_ended { Some(u64::MAX) } else { number(last) }) {
                (Some(start), Some(last)) if start <= last => {
                    if start >= len {
                        Selection::OutOfRange
                    } else {
                        Selection::Part { start, end: last.saturating_add(1).min(len) }
                    }
                }
                _ => Selection::Whole,
            }
        }
    }
}

/// Reads digits only; a number too big to hold counts as the biggest.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TAG: &[u8] = b"\"abc\"";

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn ask(pairs: &[(&'static str, &str)]) -> Selection {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("header"));
        }
        select(&headers, Validators { etag: Some(TAG), modified: Some(at(1_700_000_000)) }, Some(1000))
    }

    #[test]
    fn range_table() {
        use Selection::{OutOfRange, Part, Whole};
        for (text, want) in [
            ("bytes=0-0", Part { start: 0, end: 1 }),
            ("bytes=0-499", Part { start: 0, end: 500 }),
            ("bytes=500-", Part { start: 500, end: 1000 }),
            ("bytes=-1", Part { start: 999, end: 1000 }),
            ("bytes=-1000", Part { start: 0, end: 1000 }),
            ("bytes=-5000", Part { start: 0, end: 1000 }),
            ("bytes=999-999", Part { start: 999, end: 1000 }),
            ("bytes=0-99999999999999999999999", Part { start: 0, end: 1000 }),
            ("Bytes=0-1", Part { start: 0, end: 2 }),
            ("bytes=1000-", OutOfRange),
            ("bytes=1000-2000", OutOfRange),
            ("bytes=99999999999999999999999-", OutOfRange),
            ("bytes=-0", OutOfRange),
            ("bytes=5-4", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=--5", Whole),
            ("lines=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(ask(&[("range", text)]), want, "{text:?}");
        }
        assert_eq!(ask(&[("range", "bytes=0-1"), ("range", "bytes=0-1")]), Whole);
    }

    #[test]
    fn conditions_table() {
        use Selection::{ConditionFailed, NotModified, Part, Whole};
        let modified = httpdate::fmt_http_date(at(1_700_000_000));
        let before = httpdate::fmt_http_date(at(1_699_999_999));
        let part = Part { start: 0, end: 1 };
        let range = ("range", "bytes=0-0");
        for (headers, want) in [
            (vec![("if-none-match", "\"abc\"")], NotModified),
            (vec![("if-none-match", "W/\"abc\"")], NotModified),
            (vec![("if-none-match", "*")], NotModified),
            (vec![("if-none-match", "\"x\", \"a,b\" ,\"abc\"")], NotModified),
            (vec![("if-none-match", "\"x\"")], Whole),
            (vec![("if-none-match", "abc")], Whole),
            (vec![("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")], NotModified),
            (vec![("if-none-match", "\"x\""), ("if-modified-since", modified.as_str())], Whole),
            (vec![("if-modified-since", modified.as_str())], NotModified),
            (vec![("if-modified-since", before.as_str())], Whole),
            (vec![("if-modified-since", "yesterday")], Whole),
            (vec![("if-match", "\"abc\"")], Whole),
            (vec![("if-match", "W/\"abc\"")], ConditionFailed),
            (vec![("if-match", "\"x\"")], ConditionFailed),
            (vec![("if-unmodified-since", before.as_str())], ConditionFailed),
            (vec![("if-unmodified-since", modified.as_str())], Whole),
            (vec![range, ("if-range", "\"abc\"")], part),
            (vec![range, ("if-range", "\"x\"")], Whole),
            (vec![range, ("if-range", "W/\"abc\"")], Whole),
            (vec![range, ("if-range", modified.as_str())], part),
            (vec![range, ("if-range", before.as_str())], Whole),
            (vec![range, ("if-range", "nonsense")], Whole),
            (vec![range, ("if-none-match", "\"abc\"")], NotModified),
        ] {
            assert_eq!(ask(&headers), want, "{headers:?}");
        }
    }

    #[test]
    fn an_unknown_length_is_sent_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, "bytes=0-0".parse().expect("header"));
        assert_eq!(select(&headers, Validators { etag: None, modified: None }, None), Selection::Whole);
    }

    #[test]
    fn an_empty_body_has_no_range() {
        assert_eq!(parse_range("bytes=-1", 0), Selection::OutOfRange);
        assert_eq!(parse_range("bytes=0-", 0), Selection::OutOfRange);
    }
}
