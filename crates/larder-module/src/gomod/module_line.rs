//! The module path of a go.mod file that need not be one.
//!
//! When the go command looks for a module in a repository it does not read go.mod files by their grammar, but takes the first line that
//! looks like a module line. So a file with broken lines below still names its module, and a block `module (` names `(`.

use super::words::unquote;
use crate::unicode;

/// Returns the path on the first line that begins with `module`; nothing if there is none or it is wrongly quoted.
#[must_use]
pub fn module_path(data: &[u8]) -> Option<String> {
    let text = unicode::lossy(data);
    let words = text.split('\n').find_map(|line| {
        let line = line.split("//").next().unwrap_or_default().trim();
        let rest = line.strip_prefix("module")?;
        let path = rest.trim_start();
        (!path.is_empty() && path.len() < rest.len()).then_some(path)
    })?;
    match words.as_bytes().first()? {
        b'"' => unquote(words),
        b'`' => {
            let inner = words.strip_prefix('`')?.strip_suffix('`')?;
            // A lone back quote is its own prefix and suffix only once.
            (words.len() > 1 && !inner.contains('`')).then(|| inner.replace('\r', ""))
        }
        _ => Some(words.to_owned()),
    }
    .filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_first_line_that_looks_like_one() {
        for (text, expected) in [
            ("module example.com/a\n", Some("example.com/a")),
            ("// module example.com/no\n\n\tmodule\texample.com/a // said\r\n", Some("example.com/a")),
            ("modulexample\nmodule\nmodule   \nmodule example.com/b", Some("example.com/b")),
            ("garbage (((\nmodule example.com/a", Some("example.com/a")),
            ("module \"example.com/a\"\n", Some("example.com/a")),
            ("module `example.com/a`\n", Some("example.com/a")),
            ("module 'example.com/a'\n", Some("'example.com/a'")),
            ("module (\n\texample.com/a\n)\n", Some("(")),
            ("module \"example.com/a\nmodule example.com/b\n", None),
            ("module `\n", None),
            ("module \"\"\n", None),
            ("", None),
            ("go 1.21\n", None),
        ] {
            assert_eq!(module_path(text.as_bytes()).as_deref(), expected, "{text:?}");
        }
    }
}
