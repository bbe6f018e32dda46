//! One mistake in the configuration: what, where, and what would be right.

use std::fmt;

use larder_doctor::settings::distance;

use super::origin::Origin;

/// One mistake; a start reports all of them together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    key: String,
    origin: Origin,
    what: String,
}

impl Problem {
    pub(crate) fn new(key: impl Into<String>, origin: Origin, what: impl Into<String>) -> Self {
        Self { key: key.into(), origin, what: what.into() }
    }

    /// Returns the line of the configuration file, 0 for what stands elsewhere.
    pub(crate) fn line(&self) -> usize {
        if let Origin::File { line, .. } = self.origin { line } else { 0 }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        out.write_str(&self.what)
    }
}

/// Returns the known word that is closest to `word`, if one is close enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = word.len() / 3 + 1;
    known
        .iter()
        .map(|near| (distance(word, near), *near))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_only_when_it_is_near() {
        assert_eq!(nearest("listn", &["listen", "data"]), Some("listen"));
        assert_eq!(nearest("zzzzzz", &["listen", "data"]), None);
    }
}
