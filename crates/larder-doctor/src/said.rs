//! Matching what programs say against templates with named places: `missing go.sum entry for {what}`.

use std::collections::BTreeMap;

/// The texts at the named places of a template.
pub type Captures = BTreeMap<&'static str, String>;

/// Finds `template` anywhere in `text` and returns what stands at its `{name}` places.
///
/// A place holds as little as lets the next fixed part follow, within one line; the last place takes the rest of the line.
/// A place named `_` is not returned. A template without places is a plain search.
#[must_use]
pub fn captures(template: &'static str, text: &str) -> Option<Captures> {
    let first_fixed = template.split('{').next().unwrap_or("");
    let mut from = 0;
    while let Some(at) = text[from..].find(first_fixed) {
        let start = from + at;
        if let Some(found) = match_here(template, &text[start..]) {
            return Some(found);
        }
        from = start + text[start..].chars().next()?.len_utf8();
    }
    None
}

fn match_here(template: &'static str, text: &str) -> Option<Captures> {
    let mut found = Captures::new();
    let (mut template, mut text) = (template, text);
    while let Some((fixed, rest)) = template.split_once('{') {
        text = text.strip_prefix(fixed)?;
        let (name, after) = rest.split_once('}')?;
        let next_fixed = after.split('{').next().unwrap_or("");
        let line = text.split('\n').next().unwrap_or("");
        let end = if next_fixed.is_empty() { line.len() } else { line.find(next_fixed)? };
        if name != "_" {
            found.insert(name, text[..end].to_owned());
        }
        (template, text) = (after, &text[end..]);
    }
    text.starts_with(template).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_take_what_stands_between_the_fixed_parts() {
        let found = captures(
            "reading {url}: {code} Not Found",
            "go: m@v: reading https://p.example.com/m: 404 Not Found\nx",
        );
        let found = found.expect("it matches");
        assert_eq!(found["url"], "https://p.example.com/m");
        assert_eq!(found["code"], "404");
        assert_eq!(
            captures("unknown revision {revision}", "x: unknown revision v9\nmore").expect("it matches")["revision"],
            "v9"
        );
        assert!(captures("no such {thing} here", "no such luck there").is_none());
        assert!(captures("plain", "a plain text").expect("it matches").is_empty());
    }
}
