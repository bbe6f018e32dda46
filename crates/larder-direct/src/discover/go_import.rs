//! The `go-import` tags of a page, and which of them is meant for a module path.

use super::html::{Reader, Stop, Token, attribute};
use larder_module::hosting::has_path_prefix;

/// `<meta name="go-import" content="prefix system repository subdirectory">`
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct GoImport {
    /// The module path of the repository's root.
    pub(super) prefix: String,
    /// The version control system, or `mod`.
    pub(super) system: String,
    /// The clone URL, or the proxy's.
    pub(super) repository: String,
    /// The folder that stands for the root.
    pub(super) subdirectory: String,
}

impl GoImport {
    /// Reads the four words of a tag; the last may be missing.
    fn parse(content: &str) -> Option<Self> {
        let mut words = content.split_whitespace().map(str::to_owned);
        let import = Self {
            prefix: words.next()?,
            system: words.next()?,
            repository: words.next()?,
            subdirectory: words.next().unwrap_or_default(),
        };
        words.next().is_none().then_some(import)
    }

    fn is_proxy(&self) -> bool {
        self.system == "mod"
    }
}

/// The tags of a page, those of kind `mod` first, without those that one of them stands in for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct GoImports {
    pub(super) tags: Vec<GoImport>,
    /// Why the page could not be read to the end of what counts, if there are no tags.
    pub(super) problem: Option<Stop>,
}

/// More tags than this are not kept; nobody needs them.
const MOST_TAGS: usize = 1000;

/// Bytes of text that are kept of one page's tags.
const MOST_TEXT: usize = 8 << 10;

/// Reads the tags of a page up to the end of its head or the start of its body.
pub(super) fn read_page(page: &[u8]) -> GoImports {
    let mut reader = Reader::new(page);
    let mut found = Vec::new();
    let stop = loop {
        match reader.next() {
            Ok(Token::Start { name, .. }) if name.eq_ignore_ascii_case("body") => break None,
            Ok(Token::End { name }) if name.eq_ignore_ascii_case("head") => break None,
            Ok(Token::Start { name, attributes }) if name.eq_ignore_ascii_case("meta") => {
                if attribute(&attributes, "name") == "go-import" && found.len() < MOST_TAGS {
                    found.extend(GoImport::parse(attribute(&attributes, "content")));
                }
            }
            Ok(_) => {}
            Err(Stop::End) => break None,
            Err(stop) => break Some(stop),
        }
    };
    let problem = stop.filter(|_| found.is_empty());
    let (mut tags, repositories): (Vec<_>, Vec<_>) = found.into_iter().partition(GoImport::is_proxy);
    let proxies = tags.len();
    for import in repositories {
        if !tags[..proxies].iter().any(|proxy| proxy.prefix == import.prefix) {
            tags.push(import);
        }
    }
    GoImports { tags, problem }
}

impl GoImports {
    /// Drops what says nothing about a path or what is above or below it, but for a few tags that show what is there instead,
    /// so that little is kept of a page however large it is.
    pub(super) fn keep_for(&mut self, path: &str) {
        let (mut others, mut room) = (3, MOST_TEXT);
        self.tags.retain(|tag| {
            let size = tag.prefix.len() + tag.system.len() + tag.repository.len() + tag.subdirectory.len();
            let concerns = has_path_prefix(path, &tag.prefix) || has_path_prefix(&tag.prefix, path);
            let keeps = size <= room && (concerns || others > 0);
            if keeps {
                room -= size;
                others -= usize::from(!concerns);
            }
            keeps
        });
    }
}

/// Why no tag of a page is meant for a path.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum NoMatch {
    /// There is none.
    #[error("it has no go-import tag")]
    NoTag,
    /// They are all for other paths.
    #[error("its go-import tags are for other paths ({0})")]
    Others(String),
    /// Two are meant for it.
    #[error("more than one of its go-import tags is for that path")]
    Several,
}

/// Finds the tag that is meant for a path.
pub(super) fn matching<'a>(tags: &'a [GoImport], path: &str) -> Result<&'a GoImport, NoMatch> {
    let mut matches = tags.iter().filter(|tag| has_path_prefix(path, &tag.prefix));
    match (matches.next(), matches.next()) {
        (Some(first), None) => Ok(first),
        // A proxy goes before everything that isn't one.
        (Some(first), Some(second)) if first.is_proxy() && !second.is_proxy() => Ok(first),
        (Some(_), Some(_)) => Err(NoMatch::Several),
        (None, _) if tags.is_empty() => Err(NoMatch::NoTag),
        (None, _) => {
            let others: Vec<_> =
                tags.iter().take(3).map(|tag| tag.prefix.escape_debug().to_string()).collect();
            Err(NoMatch::Others(others.join(", ").chars().take(120).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tag(words: &str) -> GoImport {
        GoImport::parse(words).unwrap()
    }

    fn shown(page: &str) -> String {
        let found = read_page(page.as_bytes());
        let words = |tag: &GoImport| {
            format!("{} {} {} {}", tag.prefix, tag.system, tag.repository, tag.subdirectory)
                .trim_end()
                .to_owned()
        };
        match found.problem {
            Some(_) => "problem".to_owned(),
            None => found.tags.iter().map(words).collect::<Vec<_>>().join("|"),
        }
    }

    /// A page and what the go command's parser finds in it.
    #[test]
    fn pages_as_the_go_command_reads_them() {
        let good = r#"<meta name="go-import" content="a.b/c git https://r">"#;
        let found = "a.b/c git https://r";
        let table: &[(String, &str)] = &[
            (good.to_owned(), found),
            (String::new(), ""),
            ("plain text, no tags".to_owned(), ""),
            (format!("<!DOCTYPE html>\n<html><head>{good}</head><body>"), found),
            (format!("<!doctype html PUBLIC \"-//W3C//DTD <x>\" '>'><html>{good}"), found),
            (format!("<!DOCTYPE html [ <!ENTITY x \"y\"> <!-- > --> ]>{good}"), found),
            (format!("<!-- a comment > <meta> -->{good}"), found),
            (format!("<!-- a -- b -->{good}"), "problem"),
            (format!("<!-->{good}"), "problem"),
            (format!("<![CDATA[ <body> ]] > ]]>{good}"), found),
            (format!("text with ]]> in it{good}"), "problem"),
            (format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{good}"), found),
            (format!("<?xml version='1.0' encoding='US-ASCII'?>{good}"), "problem"),
            (format!("<?xml version='1.0' encoding='ASCII'?>{good}"), found),
            (format!("<?xml encoding='iso-8859-1'?>{good}"), "problem"),
            (format!("<?xml version='1.1'?>{good}"), "problem"),
            (format!("<?xml version=1.1?>{good}"), found),
            (format!("<?php echo ?>{good}"), found),
            (format!("<? x ?>{good}"), "problem"),
            (good.to_uppercase().replace("GO-IMPORT", "go-import"), "A.B/C GIT HTTPS://R"),
            (good.replace("go-import", "GO-IMPORT"), ""),
            (good.replace('"', "'"), found),
            (good.replace('>', "/>"), found),
            (good.replace('>', " / >"), "problem"),
            (r#"<meta name=go-import content="a.b/c git https://r">"#.to_owned(), found),
            ("<meta name=go-import content=a:b>".to_owned(), ""),
            ("<meta name=go-import content=a.b/c>".to_owned(), "problem"),
            (r#"<meta content="a.b/c git https://r" name="go-import">"#.to_owned(), found),
            (r#"<meta async name="go-import" defer content="a.b/c git https://r" x>"#.to_owned(), found),
            (r#"<meta x:name="go-import" y:content="a.b/c git https://r">"#.to_owned(), found),
            (r#"<x:meta name="go-import" content="a.b/c git https://r">"#.to_owned(), found),
            (r#"<x:y:meta name="go-import" content="a.b/c git https://r">"#.to_owned(), "problem"),
            (r#"<meta name="x" name="go-import" content="a.b/c git https://r">"#.to_owned(), ""),
            ("<meta name=\"go-import\" content=\"a.b/c\n\tgit\u{a0}\r\nhttps://r\">".to_owned(), found),
            (r#"<meta name="go&#45;import" content="a.b&#x2f;c&#32;git https://r">"#.to_owned(), found),
            (
                r#"<meta name="go-import" content="a.b/c git https://r?x=1&y=2&amp;z">"#.to_owned(),
                "a.b/c git https://r?x=1&y=2&z",
            ),
            (
                r#"<meta name="go-import" content="a.b/c git https://r?x&nbsp;&#xd800;&#0x;">"#.to_owned(),
                "a.b/c git https://r?x&nbsp;\u{fffd}&#0x;",
            ),
            (r#"<meta name="go-import" content="a.b/c git https://r&#0;">"#.to_owned(), "problem"),
            (r#"<meta name="go-import" content="a<b">"#.to_owned(), "problem"),
            (format!("<p>a & b && c &; &# </p>{good}"), found),
            (format!("<p>a < b</p>{good}"), "problem"),
            (format!("<script>if (a && b) x</script>{good}"), found),
            (format!("<script>if (a <b) x</script>{good}"), "problem"),
            (format!("{good}<script>if (a <b) x</script>"), found),
            (format!("</head>{good}"), ""),
            (format!("<head/>{good}"), ""),
            (format!("<BODY class=x>{good}"), ""),
            (format!("</x ></y\n>{good}"), found),
            (format!("</x y>{good}"), "problem"),
            (format!("</>{good}"), "problem"),
            (format!("<1>{good}"), "problem"),
            (format!("<\u{e9}t\u{e9} \u{4e00}='\u{1f600}'>{good}"), found),
            (format!("<\u{1f600}>{good}"), "problem"),
            (format!("\u{feff}{good}"), found),
            (format!("\u{b}{good}"), "problem"),
            (good[..good.len() - 1].to_owned(), "problem"),
            (good[..20].to_owned(), "problem"),
            (format!("{good}<met"), found),
            (r#"<meta name="go-import" content="a.b/c git">"#.to_owned(), ""),
            (
                r#"<meta name="go-import" content="a.b/c git https://r sub/dir">"#.to_owned(),
                "a.b/c git https://r sub/dir",
            ),
            (r#"<meta name="go-import" content="a.b/c git https://r sub dir">"#.to_owned(), ""),
            (r#"<meta name="go-source" content="a.b/c git https://r">"#.to_owned(), ""),
        ];
        for (page, expected) in table {
            assert_eq!(shown(page), *expected, "{page}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_end_a_page() {
        let good = br#"<meta name="go-import" content="a.b/c git https://r">"#;
        for (before, tags) in
            [(&b"caf\xe9 "[..], 0), (b"<x y='\xe9'>", 0), (b"<!-- \xe9 -->", 1), (b"<!DOCTYPE \xe9>", 1)]
        {
            let page = [before, good].concat();
            assert_eq!(read_page(&page).tags.len(), tags, "{before:?}");
        }
    }

    #[test]
    fn proxies_come_first_and_stand_in_for_repositories() {
        let page = |tags: &[&str]| {
            let tags = tags.iter().map(|tag| format!("<meta name='go-import' content='{tag}'>"));
            read_page(tags.collect::<String>().as_bytes()).tags
        };
        let both = page(&["a.b git https://r", "a.b mod https://p", "a.b/c git https://r2"]);
        assert_eq!(both, [tag("a.b mod https://p"), tag("a.b/c git https://r2")]);
        assert_eq!(matching(&both, "a.b/c"), Ok(&tag("a.b mod https://p")));
        let several = page(&["a.b git https://r", "a.b/c git https://r"]);
        assert_eq!(matching(&several, "a.b/c/d"), Err(NoMatch::Several));
        assert_eq!(matching(&several, "a.b/d"), Ok(&tag("a.b git https://r")));
        let proxies = page(&["a.b mod https://p", "a.b/c mod https://q"]);
        assert_eq!(matching(&proxies, "a.b/c"), Err(NoMatch::Several));
        assert_eq!(matching(&[], "a.b"), Err(NoMatch::NoTag));
        assert_eq!(matching(&several, "a.bc"), Err(NoMatch::Others("a.b, a.b/c".to_owned())));
    }

    #[test]
    fn little_is_kept_of_a_large_page() {
        let page: String = (0..900)
            .map(|number| format!("<meta name='go-import' content='a.b/{number} git https://r'>"))
            .collect();
        let mut found = read_page(page.as_bytes());
        assert_eq!(found.tags.len(), 900);
        found.keep_for("a.b/77");
        let kept: Vec<_> = found.tags.iter().map(|tag| tag.prefix.as_str()).collect();
        assert_eq!(kept, ["a.b/0", "a.b/1", "a.b/2", "a.b/77"]);
        let mut found = read_page(page.as_bytes());
        found.keep_for("a.b");
        assert!(found.tags.len() > 100 && found.tags.len() < 900);
    }

    proptest! {
        #[test]
        fn no_page_is_too_wild(page in proptest::collection::vec(any::<u8>(), 0..400), pieces in proptest::collection::vec("<|>|/|!|\\?|--|meta|head|body|name=|content=|\"|'|go-import|a\\.b|&|;|#x?|\\[CDATA\\[|\\]\\]|xml|[ -~]|\\PC", 0..80)) {
            read_page(&page);
            let found = read_page(pieces.concat().as_bytes());
            for tag in &found.tags {
                prop_assert!(!tag.prefix.is_empty() && !tag.prefix.contains(char::is_whitespace));
            }
            let _ = matching(&found.tags, "a.b/c");
        }
    }
}
