//! What machines put before a line: times, levels, steps of a build, names of containers, quotation marks.

/// A line without its prefixes.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Stripped<'a> {
    /// Which stream of several it belongs to: `#12`, `web-1`; empty if there is but one.
    pub(super) stream: String,
    /// What the program said, indentation kept.
    pub(super) text: &'a str,
}

/// Takes the prefixes off a line.
pub(super) fn stripped(line: &str) -> Stripped<'_> {
    let mut stream = String::new();
    let mut text = after_tabbed_fields(line).unwrap_or(line);
    for _ in 0..8 {
        let trimmed = text.trim_start_matches(' ');
        let Some((name, rest)) = one(trimmed) else { break };
        if let Some(name) = name {
            stream.push_str(name);
            stream.push(' ');
        }
        text = rest;
    }
    Stripped { stream, text }
}

type Step<'a> = Option<(Option<&'a str>, &'a str)>;

fn one(text: &str) -> Step<'_> {
    let first = text.chars().next()?;
    match first {
        '#' => build_step(text).or_else(|| forge_command(text)),
        ':' => forge_command(text),
        '[' | '(' => bracketed(text),
        '>' | '\u{2502}' | '\u{2503}' | '\u{2551}' | '|' => quoted(text, first),
        '=' => text.strip_prefix("=> ").map(|rest| (None, rest)),
        '0'..='9' => {
            timed(text).or_else(|| seconds(text)).or_else(|| numbered(text)).or_else(|| container(text))
        }
        _ => level(text).or_else(|| system_log(text)).or_else(|| container(text)),
    }
}

/// `job<TAB>step<TAB>2026-01-01T00:00:00.0000000Z text`, as a forge's own client prints logs.
fn after_tabbed_fields(line: &str) -> Option<&str> {
    line.match_indices('\t').take(3).map(|(at, _)| &line[at + 1..]).find(|rest| date_and_time(rest).is_some())
}

/// `#12 3.456 text`, `#12 text`
fn build_step(text: &str) -> Step<'_> {
    let digits = count(&text[1..], |byte| byte.is_ascii_digit());
    if digits == 0 || digits > 5 {
        return None;
    }
    let rest = text[1 + digits..].strip_prefix(' ')?;
    let rest = seconds(rest).map_or(rest, |(_, rest)| rest);
    Some((Some(&text[..=digits]), rest))
}

/// `3.456 text`: seconds since a step's start.
fn seconds(text: &str) -> Step<'_> {
    let whole = count(text, |byte| byte.is_ascii_digit());
    let rest = text[whole..].strip_prefix('.')?;
    let fraction = count(rest, |byte| byte.is_ascii_digit());
    let rest = rest[fraction..].strip_prefix("s").unwrap_or_else(|| &rest[fraction..]);
    (whole > 0 && (1..=3).contains(&fraction)).then_some(())?;
    rest.strip_prefix(' ').map(|rest| (None, rest))
}

/// `##[error]text`, `::error file=a.go::text`
fn forge_command(text: &str) -> Step<'_> {
    if let Some(rest) = text.strip_prefix("##[").or_else(|| text.strip_prefix("##vso[")) {
        return rest.split_once(']').map(|(_, rest)| (None, rest));
    }
    let rest = text.strip_prefix("::")?;
    let (name, rest) = rest.split_once("::")?;
    (name.starts_with(|char: char| char.is_ascii_lowercase()) && name.len() < 200).then_some((None, rest))
}

/// `[2026-01-01T00:00:00Z] text`, `[ERROR] text`, `[pod/web-1] text`, `[Error - 12:00:00] text`
fn bracketed(text: &str) -> Step<'_> {
    let close = if text.starts_with('[') { ']' } else { ')' };
    let end = text.find(close).filter(|end| *end < 80)?;
    let (inside, rest) = (&text[1..end], &text[end + 1..]);
    let rest = match rest.as_bytes().first() {
        None => rest,
        Some(b' ') => &rest[1..],
        Some(b':') if rest[1..].starts_with([' ', '\t']) => &rest[2..],
        Some(b'[' | b'\t') => rest,
        _ if is_level(inside) || time_of_day(inside).is_some() || date_and_time(inside).is_some() => {
            // `[12:00:00]W: text`
            let marked =
                rest.split_once(':').filter(|(mark, rest)| mark.len() == 1 && rest.starts_with([' ', '\t']));
            marked.map_or(rest, |(_, rest)| rest.trim_start())
        }
        _ => return None,
    };
    if close == ')' && date_and_time(inside).is_none() && time_of_day(inside).is_none() {
        return None;
    }
    let names_stream = !is_level(inside)
        && inside.starts_with(|char: char| char.is_ascii_alphabetic())
        && inside.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    Some((names_stream.then_some(inside), rest))
}

/// `> text`, `│ text`
fn quoted(text: &str, mark: char) -> Step<'_> {
    let rest = &text[mark.len_utf8()..];
    rest.strip_prefix(' ').or_else(|| rest.is_empty().then_some(rest)).map(|rest| (None, rest))
}

/// A time of any usual form, and the marks that a forge puts after it.
fn timed(text: &str) -> Step<'_> {
    let end = date_and_time(text).or_else(|| time_of_day(text))?;
    let rest = &text[end..];
    let rest = rest.strip_prefix(" UTC").unwrap_or(rest);
    let rest = rest.strip_prefix([':', ',']).unwrap_or(rest);
    let rest = rest.strip_prefix(" - ").or_else(|| rest.strip_prefix(' ')).unwrap_or(rest);
    // `stderr F `: what a container's runtime writes.
    if let Some(rest) = rest.strip_prefix("stderr ").or_else(|| rest.strip_prefix("stdout "))
        && let Some(rest) = rest.strip_prefix("F ").or_else(|| rest.strip_prefix("P "))
    {
        return Some((None, rest));
    }
    // `01E+`: the stream of one forge's runner, and whether the line goes on.
    let bytes = rest.as_bytes();
    let marked = bytes.len() >= 4
        && bytes[..2].iter().all(u8::is_ascii_hexdigit)
        && matches!(bytes[2], b'O' | b'E')
        && matches!(bytes[3], b' ' | b'+');
    Some((None, if marked { &rest[4..] } else { rest }))
}

/// Returns the length of `2026-01-01T00:00:00.000Z`, `2026/01/01 00:00:00`.
fn date_and_time(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let digits =
        |from: usize, to: usize| bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let date = digits(0, 4)
        && digits(5, 7)
        && digits(8, 10)
        && matches!(bytes[4], b'-' | b'/' | b'.')
        && bytes[7] == bytes[4]
        && matches!(bytes.get(10), Some(b'T' | b' ' | b'_'));
    if !date {
        return None;
    }
    Some(11 + time_of_day(text.get(11..)?)?)
}

/// Returns the length of `12:00:00.123Z`, `12:00:00 PM`.
fn time_of_day(text: &str) -> Option<usize> {
    let hours = count(text, |byte| byte.is_ascii_digit());
    if !(1..=2).contains(&hours) {
        return None;
    }
    let bytes = text.as_bytes();
    let two = |at: usize| {
        bytes.get(at) == Some(&b':')
            && bytes.get(at + 1..at + 3).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    if !two(hours) || !two(hours + 3) {
        return None;
    }
    let mut end = hours + 6;
    if matches!(bytes.get(end), Some(b'.' | b',')) {
        end += 1 + count(text.get(end + 1..).unwrap_or(""), |byte| byte.is_ascii_digit());
    }
    let zone = &text[end..];
    if zone.starts_with('Z') {
        end += 1;
    } else if zone.starts_with(['+', '-']) {
        let digits = count(&zone[1..], |byte| byte.is_ascii_digit() || byte == b':');
        end += if digits >= 4 { 1 + digits } else { 0 };
    } else if zone.starts_with(" AM") || zone.starts_with(" PM") {
        end += 3;
    }
    Some(end)
}

/// `   12<TAB>text`: a numbered listing.
fn numbered(text: &str) -> Step<'_> {
    let digits = count(text, |byte| byte.is_ascii_digit());
    text[digits..].strip_prefix('\t').map(|rest| (None, rest))
}

/// `ERROR text`, `Error: text`, `ERRO[0012] text`, `E0102 15:04:05.000000       1 file.go:12] text`
fn level(text: &str) -> Step<'_> {
    let letters = count(text, |byte| byte.is_ascii_alphabetic());
    let (word, rest) = text.split_at(letters);
    if matches!(word, "E" | "W" | "I" | "F")
        && rest.len() > 20
        && count(rest, |byte| byte.is_ascii_digit()) == 4
    {
        let (head, rest) = rest.split_once("] ").filter(|(head, _)| head.len() < 80)?;
        return head.contains(':').then_some((None, rest));
    }
    if !is_level(word) || word.starts_with(|char: char| char.is_ascii_lowercase()) {
        return None;
    }
    if let Some(rest) = rest.strip_prefix('[') {
        return rest.split_once("] ").filter(|(inside, _)| inside.len() < 20).map(|(_, rest)| (None, rest));
    }
    if let Some(rest) = rest.strip_prefix(':') {
        return Some((None, rest.strip_prefix(' ').unwrap_or(rest)));
    }
    rest.strip_prefix(' ')
        .filter(|_| word.bytes().all(|byte| byte.is_ascii_uppercase()))
        .map(|rest| (None, rest))
}

fn is_level(word: &str) -> bool {
    const LEVELS: &[&str] = &[
        "error", "err", "erro", "warn", "warning", "info", "debug", "fatal", "fata", "stderr", "stdout",
        "notice",
    ];
    LEVELS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// `Jan  2 15:04:05 host program[12]: text`
fn system_log(text: &str) -> Step<'_> {
    const MONTHS: &[&str] =
        &["Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ", "Aug ", "Sep ", "Oct ", "Nov ", "Dec "];
    let rest = MONTHS.iter().find_map(|month| text.strip_prefix(month))?.trim_start();
    let day = count(rest, |byte| byte.is_ascii_digit());
    let rest = rest[day..].strip_prefix(' ')?;
    let rest = &rest[time_of_day(rest)?..];
    let (head, rest) = rest.split_once(": ").filter(|(head, _)| head.len() < 80)?;
    (head.split_whitespace().count() == 2).then_some((None, rest))
}

/// `web-1  | text`, `+base | text`
fn container(text: &str) -> Step<'_> {
    let name = count(text, |byte| byte.is_ascii_alphanumeric() || b"-_.+/@*".contains(&byte));
    let rest = text[name..].trim_start_matches(' ');
    let rest = rest.strip_prefix('|').or_else(|| rest.strip_prefix('\u{2502}'))?;
    if name == 0 || name > 60 {
        return None;
    }
    rest.strip_prefix(' ')
        .or_else(|| rest.is_empty().then_some(rest))
        .or_else(|| rest.starts_with('\t').then_some(rest))
        .map(|rest| (Some(&text[..name]), rest))
}

fn count(text: &str, accept: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| accept(*byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_forges_builders_and_editors_go() {
        for (line, stream, text) in [
            ("2026-01-01T00:00:00.0000000Z go: x", "", "go: x"),
            ("2026-01-01T00:00:00.0000000Z ##[error]go: x", "", "go: x"),
            (
                "build\tRun go build\t2026-01-01T00:00:00.0000000Z \tserver response: x",
                "",
                "\tserver response: x",
            ),
            ("2026-01-01T00:00:00.000000Z 01E go: x", "", "go: x"),
            ("2026-01-01T00:00:00.000000Z 01O+\tx", "", "\tx"),
            ("[2026-01-01T00:00:00.000Z] go: x", "", "go: x"),
            ("12:00:00  go: x", "", " go: x"),
            ("2026-01-01T00:00:00.000000001Z stderr F \tx", "", "\tx"),
            ("[12:00:00]W:\t [Step 1/3] go: x", "", "go: x"),
            ("#12 3.456 go: x", "#12 ", "go: x"),
            ("#12 3.456 \tx", "#12 ", "\tx"),
            ("3.456 go: x", "", "go: x"),
            ("web-1  | go: x", "web-1 ", "go: x"),
            ("> > go: x", "", "go: x"),
            ("::error file=a.go,line=3::go: x", "", "go: x"),
            ("[Error - 12:00:00 PM] go: x", "", "go: x"),
            ("[ERROR] go: x", "", "go: x"),
            ("ERROR: go: x", "", "go: x"),
            ("ERRO[0012] go: x", "", "go: x"),
            ("Jan  2 15:04:05 ci runner[12]: go: x", "", "go: x"),
            ("2026/01/01 12:00:00 go: x", "", "go: x"),
            ("[pod/web-1] go: x", "pod/web-1 ", "go: x"),
            ("    go: x", "", "    go: x"),
            ("\tserver response: x", "", "\tserver response: x"),
            ("go: x | y", "", "go: x | y"),
            ("error: RPC failed", "", "error: RPC failed"),
            ("[::1]:53: read", "", "[::1]:53: read"),
        ] {
            assert_eq!(stripped(line), Stripped { stream: stream.to_owned(), text }, "{line:?}");
        }
    }
}
