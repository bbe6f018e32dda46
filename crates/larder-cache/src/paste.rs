//! Lines that people paste into a shell.

/// What a client of private modules has to know: the one setting is not enough, and the better known one leads past Larder.
pub const BYPASS_WARNING: &str =
    "GOPRIVATE alone would make go bypass this proxy; with it, set GONOPROXY=none too";

/// Writes `NAME=value` as a shell takes it, quoted if it has to be: a pattern's star is no file name.
#[must_use]
pub fn assignment(name: &str, value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/,:@%+=|".contains(c);
    if value.chars().all(|c| is_plain(c) && c != '|') {
        format!("{name}={value}")
    } else {
        format!("{name}='{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_change_is_quoted() {
        for (value, written) in [
            ("git.corp.example,github.com/corp", "A=git.corp.example,github.com/corp"),
            ("github.com/corp/*", "A='github.com/corp/*'"),
            ("*.corp.example,a", "A='*.corp.example,a'"),
            ("http://127.0.0.1:3000/go", "A=http://127.0.0.1:3000/go"),
            ("a|b", "A='a|b'"),
            ("it's", r"A='it'\''s'"),
            ("", "A="),
        ] {
            assert_eq!(assignment("A", value), written);
        }
    }
}
