//! How a line of the access log reads: like the other log lines, as text or as JSON.
//!
//! Written by hand into one buffer per thread: with the machinery of the other log lines this was the dearest part of a request.

use std::cell::RefCell;
use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};

/// The target of access-log lines in JSON.
const TARGET: &str = "larder::access";

/// The form of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogForm {
    /// For people.
    Text {
        /// With colours.
        colour: bool,
    },
    /// One JSON object a line.
    Json,
}

/// What a line tells.
pub(crate) struct Facts<'a> {
    pub(crate) id: &'a str,
    pub(crate) client: IpAddr,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) status: StatusCode,
    pub(crate) bytes: u64,
    pub(crate) duration: Duration,
    pub(crate) outcome: &'static str,
    pub(crate) upstream: Option<&'a str>,
    pub(crate) broke_off: Option<&'a str>,
}

/// What a thread keeps between lines.
struct Desk {
    line: Vec<u8>,
    /// The second that `stamp` tells.
    second: u64,
    stamp: [u8; 19],
}

thread_local! {
    static DESK: RefCell<Desk> = const { RefCell::new(Desk { line: Vec::new(), second: u64::MAX, stamp: [0; 19] }) };
}

/// Writes a line, with its end, and passes it on.
pub(crate) fn with_line(form: LogForm, now: SystemTime, facts: &Facts<'_>, pass: impl FnOnce(&[u8])) {
    DESK.with_borrow_mut(|desk| {
        desk.line.clear();
        desk.begin(form, now, Severity::Info);
        match form {
            LogForm::Text { .. } => push_text(&mut desk.line, facts),
            LogForm::Json => push_json(&mut desk.line, facts),
        }
        pass(&desk.line);
        desk.line.shrink_to(4 << 10);
    });
}

/// Appends the line that tells of dropped ones.
pub(crate) fn push_dropped(form: LogForm, now: SystemTime, dropped: u64, lines: &mut Vec<u8>) {
    DESK.with_borrow_mut(|desk| {
        desk.line.clear();
        desk.begin(form, now, Severity::Warning);
        lines.extend_from_slice(&desk.line);
    });
    push_number(lines, dropped);
    lines.extend_from_slice(b" lines of the access log were dropped: its reader is too slow");
    if form == LogForm::Json {
        lines.extend_from_slice(b"\",\"target\":\"");
        lines.extend_from_slice(TARGET.as_bytes());
        lines.extend_from_slice(b"\"}");
    }
    lines.push(b'\n');
}

#[derive(Clone, Copy)]
enum Severity {
    Info,
    Warning,
}

impl Desk {
    /// Writes time and level, up to where the message begins.
    fn begin(&mut self, form: LogForm, now: SystemTime, severity: Severity) {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            self.stamp = stamp(self.second);
        }
        let line = &mut self.line;
        let (before, between, after): (&[u8], &[u8], &[u8]) = match (form, severity) {
            (LogForm::Text { colour: false }, Severity::Info) => (b"", b"  INFO ", b""),
            (LogForm::Text { colour: false }, Severity::Warning) => (b"", b"  WARN ", b""),
            (LogForm::Text { colour: true }, Severity::Info) => {
                (b"\x1b[2m", b"\x1b[0m \x1b[32m INFO\x1b[0m ", b"")
            }
            (LogForm::Text { colour: true }, Severity::Warning) => {
                (b"\x1b[2m", b"\x1b[0m \x1b[33m WARN\x1b[0m ", b"")
            }
            (LogForm::Json, Severity::Info) => {
                (b"{\"timestamp\":\"", b"\",\"level\":\"INFO\"", b",\"message\":\"")
            }
            (LogForm::Json, Severity::Warning) => {
                (b"{\"timestamp\":\"", b"\",\"level\":\"WARN\"", b",\"message\":\"")
            }
        };
        line.extend_from_slice(before);
        line.extend_from_slice(&self.stamp);
        line.push(b'.');
        push_padded(line, since.subsec_micros());
        line.push(b'Z');
        line.extend_from_slice(between);
        line.extend_from_slice(after);
    }
}

fn push_text(line: &mut Vec<u8>, facts: &Facts<'_>) {
    push_message(line, facts);
    line.extend_from_slice(b" request_id=");
    line.extend_from_slice(facts.id.as_bytes());
    line.extend_from_slice(b" client=");
    push_address(line, facts.client);
    line.extend_from_slice(b" bytes=");
    push_number(line, facts.bytes);
    line.extend_from_slice(b" duration_ms=");
    push_number(line, u64::try_from(facts.duration.as_millis()).unwrap_or(u64::MAX));
    line.extend_from_slice(b" outcome=");
    line.extend_from_slice(facts.outcome.as_bytes());
    for (name, text) in [("upstream", facts.upstream), ("broken", facts.broke_off)] {
        line.push(b' ');
        line.extend_from_slice(name.as_bytes());
        match text {
            None => line.extend_from_slice(b"=-"),
            Some(text) => {
                line.extend_from_slice(b"=\"");
                push_escaped(line, text);
                line.push(b'"');
            }
        }
    }
    line.push(b'\n');
}

fn push_json(line: &mut Vec<u8>, facts: &Facts<'_>) {
    push_message(line, facts);
    line.extend_from_slice(b"\",\"request_id\":\"");
    line.extend_from_slice(facts.id.as_bytes());
    line.extend_from_slice(b"\",\"client\":\"");
    push_address(line, facts.client);
    line.extend_from_slice(b"\",\"method\":\"");
    line.extend_from_slice(facts.method.as_str().as_bytes());
    line.extend_from_slice(b"\",\"path\":\"");
    push_escaped(line, facts.path);
    line.extend_from_slice(b"\",\"status\":");
    push_number(line, facts.status.as_u16().into());
    line.extend_from_slice(b",\"bytes\":");
    push_number(line, facts.bytes);
    line.extend_from_slice(b",\"duration_ms\":");
    push_number(line, u64::try_from(facts.duration.as_millis()).unwrap_or(u64::MAX));
    line.extend_from_slice(b",\"outcome\":\"");
    line.extend_from_slice(facts.outcome.as_bytes());
    line.extend_from_slice(b"\",\"upstream\":\"");
    push_escaped(line, facts.upstream.unwrap_or("-"));
    line.extend_from_slice(b"\",\"broken\":\"");
    push_escaped(line, facts.broke_off.unwrap_or("-"));
    line.extend_from_slice(b"\",\"target\":\"");
    line.extend_from_slice(TARGET.as_bytes());
    line.extend_from_slice(b"\"}\n");
}

fn push_message(line: &mut Vec<u8>, facts: &Facts<'_>) {
    line.extend_from_slice(facts.method.as_str().as_bytes());
    line.push(b' ');
    push_escaped(line, facts.path);
    line.push(b' ');
    push_number(line, facts.status.as_u16().into());
}

/// Appends text from outside so that it can neither end a line or a string nor turn text around.
fn push_escaped(line: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(is_plain) {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    // What is written to a vector is written.
    let _ = text.chars().try_for_each(|c| match c {
        '"' | '\\' => write!(line, "\\{c}"),
        ' '..='~' => write!(line, "{c}"),
        _ => c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(line, "\\u{unit:04x}")),
    });
}

fn push_address(line: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    line.push(b'.');
                }
                push_number(line, octet.into());
            }
        }
        IpAddr::V6(address) => {
            let _ = write!(line, "{address}");
        }
    }
}

fn push_number(line: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut begin = digits.len();
    loop {
        begin -= 1;
        digits[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[begin..]);
}

/// Appends six digits.
fn push_padded(line: &mut Vec<u8>, mut number: u32) {
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    line.extend_from_slice(&digits);
}

/// Formats a second as `2006-01-02T15:04:05`.
fn stamp(second: u64) -> [u8; 19] {
    let (year, month, day) = civil(second / 86_400);
    let of_day = second % 86_400;
    let mut text = [0; 19];
    let written = write!(
        &mut text[..],
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    );
    // Years of five digits are cut.
    let _ = written;
    text
}

/// Turns days since 1970 into year, month and day. Years are counted from March, so that leap days come last.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(form: LogForm, path: &str, broke_off: Option<&str>) -> String {
        let facts = Facts {
            id: "00ff",
            client: [192, 0, 2, 10].into(),
            method: &Method::HEAD,
            path,
            status: StatusCode::NOT_FOUND,
            bytes: 0,
            duration: Duration::from_micros(12_999),
            outcome: "miss",
            upstream: Some("proxy.example.com"),
            broke_off,
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_micros(1_709_211_845_000_042);
        let mut text = String::new();
        with_line(form, now, &facts, |line| text = String::from_utf8(line.to_vec()).expect("text"));
        text
    }

    #[test]
    fn text_reads_like_the_other_log_lines() {
        assert_eq!(
            line(LogForm::Text { colour: false }, "/a/@v/list", None),
            "2024-02-29T13:04:05.000042Z  INFO HEAD /a/@v/list 404 request_id=00ff client=192.0.2.10 bytes=0 \
             duration_ms=12 outcome=miss upstream=\"proxy.example.com\" broken=-\n"
        );
        assert!(
            line(LogForm::Text { colour: true }, "/", None).contains("\u{1b}[32m INFO\u{1b}[0m HEAD / 404")
        );
    }

    #[test]
    fn json_has_the_same_facts() {
        let line = line(LogForm::Json, "/a\"b\\c\u{202e}\u{1f600}", Some("reset\nby peer"));
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let want = serde_json::json!({
            "timestamp": "2024-02-29T13:04:05.000042Z", "level": "INFO",
            "message": "HEAD /a\"b\\c\u{202e}\u{1f600} 404",
            "request_id": "00ff", "client": "192.0.2.10", "method": "HEAD", "path": "/a\"b\\c\u{202e}\u{1f600}",
            "status": 404, "bytes": 0, "duration_ms": 12, "outcome": "miss", "upstream": "proxy.example.com",
            "broken": "reset\nby peer", "target": TARGET,
        });
        assert_eq!(value, want);
    }

    #[test]
    fn dropped_lines_are_told_in_either_form() {
        for form in [LogForm::Text { colour: false }, LogForm::Json] {
            let mut lines = Vec::new();
            push_dropped(form, SystemTime::UNIX_EPOCH, 7, &mut lines);
            let text = String::from_utf8(lines).expect("text");
            assert!(text.contains("7 lines of the access log were dropped"), "{text}");
            if form == LogForm::Json {
                let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                assert_eq!(value["level"], "WARN");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_forges_a_line(path in "(?s).{0,40}") {
            for form in [LogForm::Text { colour: false }, LogForm::Json] {
                let line = line(form, &path, Some(&path));
                prop_assert!(line.ends_with('\n'));
                prop_assert!(line.trim_end_matches('\n').bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }

        #[test]
        fn dates_agree_with_another_calendar(second in 0_u64..250_000_000_000) {
            let other = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
            let own = stamp(second);
            let own = std::str::from_utf8(&own).expect("text");
            prop_assert_eq!(&own[..4], &other[12..16]);
            prop_assert_eq!(&own[8..10], &other[5..7]);
            prop_assert_eq!(&own[11..], &other[17..25]);
            let month = own[5..7].parse::<usize>().expect("a month") - 1;
            let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
            prop_assert_eq!(&names[3 * month..3 * month + 3], &other[8..11]);
        }
    }
}
