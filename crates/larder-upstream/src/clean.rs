//! Making text from upstreams fit to be shown.
//!
//! An upstream's error text is worth quoting: it often names the true cause. But the go command hides a
//! whole body for one control character, a terminal obeys escape sequences, an HTML page says nothing, and
//! an upstream may echo the credentials it was sent. So it is cut to a few printable lines without secrets.

/// The most lines that are kept.
const LINES: usize = 3;
/// The most characters that are kept.
const CHARACTERS: usize = 300;

/// Returns the part of an upstream's text that may be shown, if there is any.
pub(crate) fn clean(body: &[u8], content_type: Option<&str>, secrets: &[String]) -> Option<String> {
    if content_type.is_some_and(is_markup) || looks_like_html(body) || body.contains(&0) {
        return None;
    }
    let text = redact(&String::from_utf8_lossy(body), secrets);
    let mut kept = String::new();
    let mut left = CHARACTERS;
    for line in text.lines().map(printable_line).filter(|line| !line.is_empty()).take(LINES) {
        let separator = if kept.is_empty() { "" } else { "\n" };
        let count = line.chars().count() + separator.len();
        if count > left {
            // Too little room for words to mean anything is left empty.
            if left > 20 {
                kept.push_str(separator);
                kept.extend(line.chars().take(left - separator.len() - 3));
                kept.push_str("...");
            }
            break;
        }
        left -= count;
        kept.push_str(separator);
        kept.push_str(&line);
    }
    (!kept.is_empty()).then_some(kept)
}

/// Reports whether a body begins as a page for browsers does.
pub(crate) fn looks_like_html(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.trim_ascii_start().first() == Some(&b'<')
}

/// Reports whether a content type is one of markup.
pub(crate) fn is_markup(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "text/html" | "application/xhtml+xml" | "text/xml" | "application/xml")
}

/// Returns a short text of foreign origin as one printable line.
pub(crate) fn one_line(text: &str) -> String {
    let line = printable_line(&text.replace(['\r', '\n'], " "));
    if line.chars().count() <= 80 { line } else { line.chars().take(77).chain("...".chars()).collect() }
}

/// Replaces what can't be shown: control characters, marks that change the direction of writing,
/// characters without width, and the replacement for bytes that aren't UTF-8.
fn printable_line(line: &str) -> String {
    let line: String = line
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Takes known secrets out, and the user info and queries of URLs.
fn redact(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "***");
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        kept.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>'))
            .unwrap_or(after.len());
        let (url, tail) = after.split_at(end);
        let authority_end = url.find(['/', '?', '#']).unwrap_or(url.len());
        let (authority, path) = url.split_at(authority_end);
        kept.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        match path.find('?') {
            Some(query) => {
                kept.push_str(&path[..query]);
                kept.push_str("?...");
            }
            None => kept.push_str(path),
        }
        rest = tail;
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(body: &str) -> Option<String> {
        clean(body.as_bytes(), Some("text/plain; charset=utf-8"), &["canary".to_owned()])
    }

    #[test]
    fn short_plain_text_stays() {
        assert_eq!(
            shown("not found: example.com/a@v1.0.0: unknown revision\n").unwrap(),
            "not found: example.com/a@v1.0.0: unknown revision"
        );
        assert_eq!(shown(""), None);
        assert_eq!(shown(" \n\t\n"), None);
    }

    #[test]
    fn it_is_cut_to_a_few_lines() {
        assert_eq!(shown("a\n\nb\r\nc\nd").unwrap(), "a\nb\nc");
        let long = shown(&"x".repeat(5000)).unwrap();
        assert!(long.chars().count() <= CHARACTERS && long.ends_with("..."));
    }

    #[test]
    fn nothing_steers_a_terminal() {
        let text = clean(b"\x1b[31mred\x07 \xff\xfe end\xe2\x80\xae", None, &[]).unwrap();
        assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text:?}");
        assert!(text.contains("red") && text.contains("end"));
        assert_eq!(clean(b"binary\0body", None, &[]), None);
    }

    #[test]
    fn markup_is_never_quoted() {
        assert_eq!(shown("  <!DOCTYPE html><h1>no</h1>"), None);
        assert_eq!(shown("\u{feff}<html>"), None);
        assert_eq!(clean(b"Not found", Some("text/html; charset=utf-8"), &[]), None);
    }

    #[test]
    fn secrets_go() {
        for text in [
            "bad password canary for you",
            "https://user:pass-canary@host.example.com/x failed",
            "https://user:other@host.example.com/x?signature=sig failed",
            "ssh://git@host/x \"http://a:b@c\"",
        ] {
            let cleaned = shown(text).unwrap();
            for secret in ["canary", "user", "other", "sig=", "signature", "a:b", "git@"] {
                assert!(!cleaned.contains(secret), "{cleaned}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_what_is_shown_is_harmless(body in proptest::collection::vec(any::<u8>(), 0..2000), text in ".{0,300}") {
            for body in [&body[..], text.as_bytes()] {
                if let Some(shown) = clean(body, None, &["canary".to_owned()]) {
                    prop_assert!(!shown.is_empty() && shown.lines().count() <= LINES);
                    prop_assert!(shown.chars().count() <= CHARACTERS);
                    prop_assert!(shown.lines().all(|line| !line.is_empty() && line.chars().all(|c| !c.is_control())));
                }
                prop_assert!(one_line(&String::from_utf8_lossy(body)).chars().count() <= 80);
            }
        }

        #[test]
        fn a_secret_is_found_wherever_it_stands(before in "[ -~]{0,40}", after in "[ -~]{0,40}") {
            let shown = clean(format!("x {before}canary{after}").as_bytes(), None, &["canary".to_owned()]);
            prop_assert!(!shown.unwrap_or_default().contains("canary"));
        }
    }
}
