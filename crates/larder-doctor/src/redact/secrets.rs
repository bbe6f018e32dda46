//! Where the secrets of a text are. There is no list of all; better one word too many is covered than one too few.

use std::collections::BTreeSet;
use std::ops::Range;

use super::shapes::{
    BEGINNINGS, HEADERS, NOT_SECRET_ENDS, QUERY_NAMES, SCHEMES, SECRET_NAMES, SECRET_PATHS, SECRET_WORDS,
    is_token,
};

/// Users of repositories who are nobody in particular.
const NOBODIES: &[&str] = &["git", "hg", "svn", "ssh", "anonymous", "xxxxx", "***"];

/// Returns the parts of a text that are secrets, in order, none overlapping.
pub(super) fn spans(text: &str, known: &BTreeSet<String>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    logins_in_urls(text, &mut found);
    encoded_logins(text, &mut found);
    bare_logins(text, &mut found);
    named_values(text, &mut found);
    words_before(text, &mut found);
    tokens(text, &mut found);
    private_keys(text, &mut found);
    netrc(text, &mut found);
    for secret in known {
        found.extend(text.match_indices(secret.as_str()).map(|(at, part)| at..at + part.len()));
    }
    merged(found)
}

/// Reports whether a variable or field of this name holds a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    // These two are folders.
    if matches!(name, "PWD" | "OLDPWD") {
        return false;
    }
    let name = normal(name);
    if NOT_SECRET_ENDS.iter().any(|end| name.ends_with(end)) && !name.contains("webhook") {
        return false;
    }
    let last = name.rsplit('_').next().unwrap_or(&name);
    SECRET_NAMES.contains(&name.as_str())
        || matches!(last, "pass" | "pwd" | "pat" | "psk")
        || SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Returns the passwords, or names that stand alone, in the URLs of a value.
pub(super) fn passwords_of_urls(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    logins_in_urls(value, &mut found);
    found
        .into_iter()
        .filter_map(|part| value.get(part))
        .map(|login| login.split_once(':').map_or(login, |(_, password)| password).to_owned())
        .collect()
}

/// Returns the parts into which whoever reads URLs by the book takes passwords with `/`, `?` or `#` in them apart.
pub(super) fn shards_of_passwords(text: &str) -> Vec<String> {
    let is_broken = |password: &&String| password.contains(['/', '?', '#', '@', ',', '|']);
    let passwords = passwords_of_urls(text);
    let parts = passwords
        .iter()
        .filter(is_broken)
        .flat_map(|password| password.split(['/', '?', '#', '@', ',', '|']));
    parts.filter(|part| part.len() >= 3).map(str::to_owned).collect()
}

/// Returns what follows the login of a URL's part behind `://`, also where the login is no good one.
pub(super) fn behind_login(rest: &str) -> &str {
    let mut found = Vec::new();
    let text = format!("x://{rest}");
    logins_in_urls(&text, &mut found);
    match found.first() {
        Some(login) if login.start == 4 => rest.get(login.end - 3..).unwrap_or(rest),
        _ => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            authority.rfind('@').map_or(rest, |at| &rest[at + 1..])
        }
    }
}

fn merged(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.retain(|part| !part.is_empty());
    found.sort_by_key(|part| (part.start, part.end));
    let mut merged: Vec<Range<usize>> = Vec::new();
    for part in found {
        match merged.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => merged.push(part),
        }
    }
    merged
}

fn normal(name: &str) -> String {
    name.chars().map(|c| if matches!(c, '-' | '.') { '_' } else { c.to_ascii_lowercase() }).collect()
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>')
}

/// Reports whether a word is nobody's name for anything: it has both digits and letters, and no dots between words.
pub(super) fn is_random(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    digits > 0 && letters > 3 && !word.starts_with(['/', '.']) && word.matches(['.', '/']).count() <= 2
}

/// The end of the word that begins at `at`.
fn word_end(text: &str, at: usize) -> usize {
    text[at..].find(ends_word).map_or(text.len(), |length| at + length)
}

/// `scheme://user:password@host`. A password with `/`, `?` or `#` in it is nobody's idea of a URL, and people have them.
fn logins_in_urls(text: &str, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = text[from..].find("://") {
        let start = from + at + 3;
        let word = &text[start..word_end(text, start)];
        // The next URL of a list is another one.
        let word = &word[..word.find("://").unwrap_or(word.len())];
        // A backslash ends a URL of JSON, and divides a domain of Windows from its user.
        let authority = &word[..word.find(['/', '?', '#']).unwrap_or(word.len())];
        let end = match authority.rfind('@') {
            Some(end) => Some(end),
            None if has_odd_port(authority) => {
                word.match_indices('@').map(|(at, _)| at).find(|at| !word[..*at].ends_with('/'))
            }
            None => None,
        };
        if let Some(end) = end
            && !NOBODIES.contains(&&word[..end])
        {
            found.push(start..start + end);
        }
        from = start;
    }
}

/// Reports whether what follows the colon is no port: then it may be the beginning of a password.
fn has_odd_port(authority: &str) -> bool {
    !authority.starts_with('[')
        && authority
            .split_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && !port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The same, percent-encoded into another URL.
fn encoded_logins(text: &str, found: &mut Vec<Range<usize>>) {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower[from..].find("%3a%2f%2f") {
        let start = from + at + 9;
        let end =
            lower[start..].find(|c| ends_word(c) || c == '&').map_or(lower.len(), |length| start + length);
        let authority = lower[start..end].find("%2f").map_or(end, |length| start + length);
        if let Some(at) = lower[start..authority].rfind("%40").or_else(|| lower[start..authority].rfind('@'))
        {
            found.push(start..start + at);
        }
        from = start;
    }
}

/// `user:password@host` without a scheme.
fn bare_logins(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices('@') {
        let after = &text[at + 1..];
        if !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') || after.starts_with("sha256:")
        {
            continue;
        }
        let start = text[..at]
            .rfind(|c: char| ends_word(c) || matches!(c, ',' | '|' | '=' | '(' | '/' | '@'))
            .map_or(0, |before| before + text[before..].chars().next().map_or(1, char::len_utf8));
        let login = &text[start..at];
        let Some((user, password)) = login.split_once(':') else { continue };
        if !user.is_empty() && !password.is_empty() && !text[..start].ends_with('/') {
            found.push(start..at);
        }
    }
}

/// A name in a text: where it is, and what follows it.
struct Name<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

/// `NAME=value`, `name: value`, `"name": "value"`, `--name value`, `?name=value&`.
fn named_values(text: &str, found: &mut Vec<Range<usize>>) {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut rest = 0;
    while let Some(at) = text[rest..].find(is_name) {
        let start = rest + at;
        let end = text[start..].find(|c| !is_name(c)).map_or(text.len(), |length| start + length);
        rest = end;
        // A name is short; what is longer is data.
        if end - start > 80 {
            continue;
        }
        let name = Name { text, start, end };
        if let Some(value) = name.secret() {
            // What follows may be within: `password=x token=y` has two.
            found.push(value);
        }
    }
}

impl Name<'_> {
    fn secret(&self) -> Option<Range<usize>> {
        let name = &self.text[self.start..self.end];
        let normal_name = normal(name.trim_start_matches('-'));
        let in_query = self.text[..self.start].ends_with(['?', '&']);
        let is_header = HEADERS.contains(&normal_name.as_str());
        let secret = is_header
            || is_secret_name(name.trim_start_matches('-'))
            || (in_query && QUERY_NAMES.contains(&normal_name.as_str()));
        if !secret {
            let is_login = matches!(name, "-u" | "--user" | "--proxy-user" | "-U");
            return if is_login { self.login_after() } else { None };
        }
        let assigned = self.assigned();
        match assigned {
            Some(at) if is_header => Some(self.to_the_end(at)),
            Some(at) => self.value(at, in_query),
            None if name.starts_with("--") => self.value(self.after_blanks(self.end)?, false),
            None => None,
        }
    }

    fn after_blanks(&self, at: usize) -> Option<usize> {
        let blank = self.text[at..].len() - self.text[at..].trim_start_matches(' ').len();
        (blank > 0).then_some(at + blank)
    }

    /// Returns where the value begins behind `=`, `:`, `=>`, `:=`; a quote may close the name.
    fn assigned(&self) -> Option<usize> {
        let rest = &self.text[self.end..];
        let trimmed = rest.trim_start_matches(['"', '\'', '\\', ']']).trim_start_matches(' ');
        let after = trimmed.strip_prefix(":=").or_else(|| trimmed.strip_prefix("=>"));
        let after = after.or_else(|| trimmed.strip_prefix(['=', ':', '：']))?;
        if after.starts_with("//") {
            return None;
        }
        let value = after.trim_start_matches(' ');
        (!value.is_empty()).then(|| self.text.len() - value.len())
    }

    /// A header's value goes to the end of the line, or of the quotes it stands in.
    fn to_the_end(&self, at: usize) -> Range<usize> {
        let line = self.text[at..].split('\n').next().unwrap_or_default();
        let before = self.text[..self.start].trim_end_matches('-').chars().next_back();
        let quote = before.filter(|c| matches!(c, '"' | '\''));
        let (at, line) = match line.strip_prefix(['"', '\'']) {
            // JSON: the value has quotes of its own.
            Some(inner) => {
                let length = inner.find(['"', '\'']).unwrap_or(inner.len());
                return at + 1..at + 1 + length;
            }
            None => (at, line),
        };
        let length = quote.and_then(|quote| line.find(quote)).unwrap_or(line.len());
        at..at + length
    }

    fn value(&self, at: usize, in_query: bool) -> Option<Range<usize>> {
        let rest = &self.text[at..];
        let escaped = rest.strip_prefix('\\').is_some_and(|rest| rest.starts_with('"'));
        let rest_at = at + usize::from(escaped);
        let rest = &self.text[rest_at..];
        if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) {
            let inner = &rest[1..];
            let length = closing(inner, quote, escaped).unwrap_or(inner.len());
            let value = &inner[..length];
            return (!is_reference(value)).then(|| rest_at + 1..rest_at + 1 + length);
        }
        let mut length = rest.find(ends_word).unwrap_or(rest.len());
        if SCHEMES.contains(&rest[..length].to_ascii_lowercase().as_str()) {
            // The word after it is what has to be hidden.
            let blanks = rest[length..].len() - rest[length..].trim_start_matches(' ').len();
            let next = length + blanks;
            length = rest[next..].find(ends_word).map_or(rest.len(), |more| next + more);
        }
        if in_query {
            length = rest[..length].find(['&', '#', ';', ',', '|']).unwrap_or(length);
        } else if !self.is_last(&rest[..length]) {
            length = rest[..length].trim_end_matches([',', ';', ')', ']', '}', '.', ':']).len();
        }
        let value = &rest[..length];
        (!is_reference(value)).then(|| rest_at..rest_at + length)
    }

    /// Nothing is trimmed from a value that would be nothing then.
    fn is_last(&self, value: &str) -> bool {
        value.trim_end_matches([',', ';', ')', ']', '}', '.', ':']).is_empty()
    }

    /// `-u user:password`
    fn login_after(&self) -> Option<Range<usize>> {
        let at = self.assigned().or_else(|| self.after_blanks(self.end))?;
        let rest = self.text[at..].trim_start_matches(['"', '\'']);
        let at = self.text.len() - rest.len();
        let word = &rest[..rest.find(ends_word).unwrap_or(rest.len())];
        let (user, password) = word.split_once(':')?;
        // A user and group by number is no login.
        let numbers = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
        (!password.is_empty() && !numbers).then(|| at + user.len() + 1..at + word.len())
    }
}

fn closing(inner: &str, quote: char, escaped: bool) -> Option<usize> {
    if escaped {
        return inner.find("\\\"");
    }
    let mut before = ' ';
    for (at, c) in inner.char_indices() {
        if c == quote && before != '\\' {
            return Some(at);
        }
        before = c;
    }
    None
}

/// `$TOKEN`, `${{ secrets.TOKEN }}`, `%TOKEN%`: a place for a secret, and none.
fn is_reference(value: &str) -> bool {
    let upper = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    value.is_empty()
        || value.starts_with("${")
        || value.strip_prefix('$').is_some_and(upper)
        || value.strip_prefix('%').and_then(|value| value.strip_suffix('%')).is_some_and(upper)
}

/// `Bearer x`, `Basic x`, `token x`: the word alone is prose, so what follows has to look like no word.
fn words_before(text: &str, found: &mut Vec<Range<usize>>) {
    let lower = text.to_ascii_lowercase();
    for scheme in SCHEMES {
        for (at, _) in lower.match_indices(scheme) {
            let inside = lower[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            let after = at + scheme.len();
            let blanks = lower[after..].len() - lower[after..].trim_start_matches(' ').len();
            if inside || blanks == 0 {
                continue;
            }
            let start = after + blanks;
            let end = word_end(text, start);
            let value = text[start..end].trim_end_matches([',', ';', ')', '.']);
            if value.len() >= 8 && is_odd(value) {
                let end = if matches!(*scheme, "digest" | "aws4-hmac-sha256") {
                    text[start..].find('\n').map_or(text.len(), |length| start + length)
                } else {
                    start + value.len()
                };
                found.push(start..end);
            }
        }
    }
}

/// Reports whether this is no word of a language: digits, capitals inside, or signs of base64 and queries.
fn is_odd(value: &str) -> bool {
    if !value.is_ascii() || value.contains("://") || value.starts_with(['(', '[', '{']) {
        return false;
    }
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let capitals = value.bytes().skip(1).filter(u8::is_ascii_uppercase).count();
    let signs = value.contains(['=', '+', '_']);
    let pathlike = value.contains('/') && value.contains('.');
    (digits > 0 || (capitals > 0 && value.bytes().any(|byte| byte.is_ascii_lowercase())) || signs)
        && !pathlike
}

/// Tokens that say by their beginning, or by their shape, what they are.
fn tokens(text: &str, found: &mut Vec<Range<usize>>) {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let starts = c.is_ascii_alphanumeric() && (!before.is_ascii_alphanumeric());
        before = c;
        if starts && let Some(length) = token_here(&text[at..]) {
            found.push(at..at + length);
        }
    }
    for path in SECRET_PATHS {
        for (at, _) in text.match_indices(path) {
            let start = at + path.len();
            found.push(start..word_end(text, start));
        }
    }
    for marker in [".atlasv1."] {
        for (at, _) in text.match_indices(marker) {
            let start = text[..at].rfind(|c: char| !is_token(c)).map_or(0, |before| before + 1);
            found.push(start..word_end(text, start));
        }
    }
    keys_as_text(text, found);
}

fn token_here(text: &str) -> Option<usize> {
    let run = |from: usize, more: &[char]| {
        text[from..]
            .find(|c: char| !is_token(c) && !more.contains(&c))
            .map_or(text.len(), |length| from + length)
    };
    for (beginning, least) in BEGINNINGS {
        if text.starts_with(beginning) {
            let end = run(beginning.len(), &['.', '~', '/', '+', '=', ':'][..]);
            let own = run(beginning.len(), &[]);
            if own - beginning.len() >= *least
                || (beginning.ends_with('.') && end - beginning.len() >= *least)
            {
                // `sk-` and the like begin words, too.
                let odd = text[beginning.len()..own].bytes().any(|byte| byte.is_ascii_digit())
                    || beginning.len() > 3
                    || text[beginning.len()..own].bytes().any(|byte| byte.is_ascii_uppercase());
                if odd {
                    return Some(trimmed(text, end.min(url_end(text, own))));
                }
            }
        }
    }
    if text.starts_with("eyJ") {
        let end = run(3, &['.', '=']);
        return (end >= 20).then_some(end);
    }
    telegram(text)
}

/// Tokens with dots go on behind them; a sentence or a URL does not.
fn url_end(text: &str, own: usize) -> usize {
    let mut end = own;
    while let Some(rest) = text.get(end..).and_then(|rest| rest.strip_prefix(['.', '~', '/', '+', '='])) {
        let more = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        end += 1 + more;
    }
    end
}

fn trimmed(text: &str, end: usize) -> usize {
    text[..end].trim_end_matches(['.', ':', '/', ',']).len()
}

/// `123456789:35 characters`
fn telegram(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.get(digits..)?.strip_prefix(':')?;
    let length = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
    ((8..=12).contains(&digits) && (34..=40).contains(&length)).then_some(digits + 1 + length)
}

/// A line of a key in base64, when its frame was cut off. Hashes of go.sum are shorter.
fn keys_as_text(text: &str, found: &mut Vec<Range<usize>>) {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let mut from = 0;
    while let Some(at) = text[from..].find(is_base64) {
        let start = from + at;
        let end = text[start..].find(|c| !is_base64(c)).map_or(text.len(), |length| start + length);
        let run = &text[start..end];
        let count = |is: fn(&u8) -> bool| run.bytes().filter(is).count();
        let mixed = count(u8::is_ascii_digit) >= 4
            && count(u8::is_ascii_uppercase) >= 6
            && count(u8::is_ascii_lowercase) >= 6;
        if run.len() >= 60 && mixed && count(|byte| *byte == b'/') * 12 <= run.len() {
            found.push(start..end);
        }
        from = end;
    }
}

/// `-----BEGIN ... PRIVATE KEY-----` to its end, or to the end of the text.
fn private_keys(text: &str, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = text[from..].find("-----BEGIN ") {
        let start = from + at;
        let label_end = text[start + 11..].find("-----").map_or(text.len(), |length| start + 11 + length + 5);
        let label = &text[start..label_end];
        from = label_end;
        if !label.contains("PRIVATE KEY") && !label.contains("PGP MESSAGE") {
            continue;
        }
        let end = text[label_end..].find("-----END ").map_or(text.len(), |length| label_end + length);
        found.push(label_end..end);
        from = end;
    }
}

/// `machine HOST login USER password SECRET`, on one line or several.
fn netrc(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices("password") {
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].split('\n').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let alone = matches!(words.as_slice(), ["password", _]);
        let listed = words.contains(&"login") || words.contains(&"machine") || words.contains(&"default");
        let after = at + "password".len();
        let blanks = text[after..].len() - text[after..].trim_start_matches([' ', '\n']).len();
        let whole_word =
            before.is_empty() || before.ends_with(char::is_whitespace) || before.ends_with(['"', '\'']);
        if (alone || listed) && blanks > 0 && whole_word {
            let start = after + blanks;
            found.push(start..word_end(text, start));
        }
    }
}
