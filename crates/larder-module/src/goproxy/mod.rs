//! The `GOPROXY` list, read as the go command reads it.
//!
//! Entries may lack a scheme (`proxy.example.com` means https), spaces around them and empty ones count for nothing, and
//! what follows `direct` or `off` is not even looked at. Every other entry is judged by Go's own reader of URLs, so that
//! a list which stops the go command stops Larder, and no other.

mod go_url;

pub use go_url::UrlFault;

/// One entry of the list and what stands after it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyEntry {
    /// Whom to ask.
    pub entry: Entry,
    /// What stands after it.
    pub separator: Separator,
}

/// Whom an entry asks.
#[derive(Clone, Eq, PartialEq)]
pub enum Entry {
    /// A proxy, as a URL with its scheme; it may hold credentials, so it has no `Debug` of its text.
    Url(String),
    /// The module's own repository.
    Direct,
    /// Nobody.
    Off,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Url(_) => "Url(..)",
            Self::Direct => "Direct",
            Self::Off => "Off",
        })
    }
}

/// What stands between an entry and the next, which decides when the next is asked.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Separator {
    /// `,`: only when the entry says that there is no such thing.
    Comma,
    /// `|`: after any failure.
    Pipe,
    /// The list ends.
    End,
}

/// A list of at least one entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyList {
    entries: Vec<ProxyEntry>,
}

/// A list that the go command refuses; never prints a URL, which may hold credentials.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProxyListError {
    /// Nothing but separators and spaces.
    #[error("GOPROXY holds no entries")]
    NoEntries,
    /// A word that is neither `direct` nor `off` nor a URL.
    #[error("invalid proxy URL without a scheme (entry {entry} of GOPROXY)")]
    NoScheme {
        /// The entry's number, from 1, empty ones not counted.
        entry: usize,
    },
    /// A scheme other than https, http and file.
    #[error("invalid proxy URL scheme (entry {entry} of GOPROXY): it must be https, http or file")]
    Scheme {
        /// The entry's number, from 1, empty ones not counted.
        entry: usize,
    },
    /// A `file:` URL with a host, a query or another part besides the path.
    #[error("file URL with more than a path (entry {entry} of GOPROXY)")]
    FileUrl {
        /// The entry's number, from 1, empty ones not counted.
        entry: usize,
    },
    /// Text that is no URL.
    #[error("not a URL (entry {entry} of GOPROXY): {fault}")]
    Url {
        /// The entry's number, from 1, empty ones not counted.
        entry: usize,
        /// What is wrong with it.
        fault: UrlFault,
    },
}

impl ProxyList {
    /// Reads a list. What follows `direct` or `off` is not looked at.
    ///
    /// # Errors
    ///
    /// Names the first entry that the go command would refuse.
    pub fn parse(list: &str) -> Result<Self, ProxyListError> {
        let mut entries = Vec::new();
        let mut rest = list;
        while !rest.is_empty() {
            let (text, separator, after) = match rest.find([',', '|']) {
                Some(at) if rest[at..].starts_with('|') => (&rest[..at], Separator::Pipe, &rest[at + 1..]),
                Some(at) => (&rest[..at], Separator::Comma, &rest[at + 1..]),
                None => (rest, Separator::End, ""),
            };
            rest = after;
            let entry = match text.trim() {
                "" => continue,
                "off" => Entry::Off,
                "direct" => Entry::Direct,
                text => Entry::Url(check_entry(text, entries.len() + 1)?),
            };
            let is_last = matches!(entry, Entry::Off | Entry::Direct);
            entries.push(ProxyEntry { entry, separator });
            if is_last {
                break;
            }
        }
        // Nothing is asked after the last entry, whatever separator stands there.
        entries.last_mut().ok_or(ProxyListError::NoEntries)?.separator = Separator::End;
        Ok(Self { entries })
    }

    /// Returns the entries, of which there is at least one.
    #[must_use]
    pub fn entries(&self) -> &[ProxyEntry] {
        &self.entries
    }
}

/// Completes an entry without a scheme and checks what the go command would check before asking anybody.
fn check_entry(text: &str, entry: usize) -> Result<String, ProxyListError> {
    let is_bare_host = text.contains(['.', ':', '/']) && !text.contains(":/") && !text.starts_with('/');
    let url = if is_bare_host { format!("https://{text}") } else { text.to_owned() };
    let parts = go_url::parse(&url).map_err(|fault| ProxyListError::Url { entry, fault })?;
    match parts.scheme.as_str() {
        "http" | "https" => Ok(url),
        "file" if parts.is_path_only => Ok(url),
        "file" => Err(ProxyListError::FileUrl { entry }),
        "" => Err(ProxyListError::NoScheme { entry }),
        _ => Err(ProxyListError::Scheme { entry }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> Result<Vec<(String, Separator)>, ProxyListError> {
        let name = |entry: &Entry| match entry {
            Entry::Url(url) => url.clone(),
            Entry::Direct => "direct".into(),
            Entry::Off => "off".into(),
        };
        let list = ProxyList::parse(list)?;
        Ok(list.entries().iter().map(|entry| (name(&entry.entry), entry.separator)).collect())
    }

    #[test]
    fn lists() {
        use Separator::{Comma, End, Pipe};
        let a = "https://a.example.com";
        for (list, expected) in [
            ("https://a.example.com,direct", vec![(a, Comma), ("direct", End)]),
            (" a.example.com | off ", vec![(a, Pipe), ("off", End)]),
            ("a.example.com|,off", vec![(a, Pipe), ("off", End)]),
            ("direct,%%%,:", vec![("direct", End)]),
            ("off|direct", vec![("off", End)]),
            ("a.example.com|", vec![(a, End)]),
            (",,a.example.com,,", vec![(a, End)]),
            ("file:///srv/go", vec![("file:///srv/go", End)]),
            ("HTTP://A.example.com:80/x", vec![("HTTP://A.example.com:80/x", End)]),
            ("user:p%40ss@a.example.com", vec![("https://user:p%40ss@a.example.com", End)]),
            ("localhost:3000", vec![("https://localhost:3000", End)]),
            ("http://[::1]:3000", vec![("http://[::1]:3000", End)]),
            ("http://[fe80::1%25en0]", vec![("http://[fe80::1%25en0]", End)]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(name, after)| (name.to_owned(), after)).collect();
            assert_eq!(read(list), Ok(expected), "{list:?}");
        }
    }

    #[test]
    fn refused_lists() {
        for list in [
            "",
            ",",
            " | ,",
            "none",
            "/srv/go",
            "ftp://a.example.com",
            "file:/srv/go",
            "file://host/srv",
            "file:///srv?x",
            "file:///srv#x",
            "https://a.example.com:x",
            "https://a b.example.com",
            "https://%41.example.com",
            "https://a.example.com/%zz",
            "http://[::1",
            "http://[1.2.3.4]",
            "http://a.example.com:1:2",
            "https://\u{7}.example.com",
            "noproxy",
            "a.example.com,none",
        ] {
            assert!(read(list).is_err(), "{list:?}");
        }
        let error = ProxyList::parse("https://user:secret@a.example.com:x").expect_err("bad port");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}
