//! Where an answer comes from, written as the go command writes it.

use std::fmt::Write as _;

use bytes::Bytes;
use larder_module::pseudo::is_pseudo_version;
use larder_module::time::Timestamp;

/// Go's `Origin`: the repository and all that an answer depends on. Empty fields are not written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Origin {
    /// The clone URL, without user info.
    pub(super) url: String,
    /// The module's folder in it.
    pub(super) subdirectory: String,
    /// The commit.
    pub(super) hash: String,
    /// Which tags mattered.
    pub(super) tag_prefix: String,
    /// Their sum.
    pub(super) tag_sum: String,
    /// The reference that was resolved.
    pub(super) reference: String,
}

impl Origin {
    /// Puts two together that one answer depends on; nothing when they contradict each other.
    pub(super) fn merged(first: Option<&Self>, second: Option<&Self>) -> Option<Self> {
        let (first, second) = (first?, second?);
        if first.url != second.url || first.subdirectory != second.subdirectory {
            return None;
        }
        let mut merged = first.clone();
        merged.hash = either(&first.hash, &second.hash)?;
        merged.reference = either(&first.reference, &second.reference)?;
        if !second.tag_sum.is_empty() {
            let same = first.tag_sum == second.tag_sum && first.tag_prefix == second.tag_prefix;
            if !first.tag_sum.is_empty() && !same {
                return None;
            }
            (merged.tag_sum, merged.tag_prefix) = (second.tag_sum.clone(), second.tag_prefix.clone());
        }
        Some(merged)
    }

    fn write(&self, out: &mut String) {
        out.push_str(r#"{"VCS":"git""#);
        for (name, value) in [
            ("URL", &self.url),
            ("Subdir", &self.subdirectory),
            ("Hash", &self.hash),
            ("TagPrefix", &self.tag_prefix),
            ("TagSum", &self.tag_sum),
            ("Ref", &self.reference),
        ] {
            if !value.is_empty() {
                let _ = write!(out, r#","{name}":{}"#, quoted(value));
            }
        }
        out.push('}');
    }
}

/// Returns the one of two that says something; nothing when they say different things.
fn either(first: &str, second: &str) -> Option<String> {
    match (first.is_empty(), second.is_empty()) {
        (_, true) => Some(first.to_owned()),
        (true, false) => Some(second.to_owned()),
        (false, false) => (first == second).then(|| first.to_owned()),
    }
}

/// Quotes a text as Go's JSON writer does, which also escapes what could matter inside of HTML.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            plain => out.push(plain),
        }
    }
    out
}

/// A version and the commit that it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Revision {
    /// The version, canonical.
    pub(super) version: String,
    /// The commit's time.
    pub(super) time: Timestamp,
    /// The commit.
    pub(super) commit: String,
    /// Where it comes from; nothing where the go command can't tell.
    pub(super) origin: Option<Origin>,
}

impl Revision {
    /// Returns the JSON that answers a query, with everything the answer depends on.
    pub(super) fn query_json(&self) -> Bytes {
        self.json(self.origin.as_ref())
    }

    /// Returns the JSON of the version's `.info` file: what a fixed version doesn't depend on is left out.
    pub(super) fn file_json(&self) -> Bytes {
        let mut origin = self.origin.clone();
        if let Some(origin) = &mut origin {
            origin.tag_prefix.clear();
            origin.tag_sum.clear();
            if is_pseudo_version(&self.version) {
                origin.reference.clear();
            }
        }
        self.json(origin.as_ref())
    }

    fn json(&self, origin: Option<&Origin>) -> Bytes {
        let mut out = format!(r#"{{"Version":{},"Time":"{}""#, quoted(&self.version), self.time);
        if let Some(origin) = origin {
            out.push_str(r#","Origin":"#);
            origin.write(&mut out);
        }
        out.push('}');
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use larder_module::info::Info;

    use super::*;

    fn origin() -> Origin {
        Origin {
            url: "https://git.corp.example/a?x=1&y=<2>".into(),
            hash: "0123".into(),
            tag_prefix: "sub/".into(),
            tag_sum: "t1:x".into(),
            reference: "refs/heads/main".into(),
            ..Origin::default()
        }
    }

    #[test]
    fn json_is_written_as_go_writes_it() {
        let revision = Revision {
            version: "v1.0.0".into(),
            time: Timestamp::from_unix(0),
            commit: "0123".into(),
            origin: Some(origin()),
        };
        assert_eq!(
            revision.query_json(),
            r#"{"Version":"v1.0.0","Time":"1970-01-01T00:00:00Z","Origin":{"VCS":"git","URL":"https://git.corp.example/a?x=1\u0026y=\u003c2\u003e","Hash":"0123","TagPrefix":"sub/","TagSum":"t1:x","Ref":"refs/heads/main"}}"#
        );
        assert_eq!(
            revision.file_json(),
            r#"{"Version":"v1.0.0","Time":"1970-01-01T00:00:00Z","Origin":{"VCS":"git","URL":"https://git.corp.example/a?x=1\u0026y=\u003c2\u003e","Hash":"0123","Ref":"refs/heads/main"}}"#
        );
        assert!(Info::parse(&revision.file_json()).is_ok());
        let pseudo = Revision { version: "v0.0.0-20200102030405-abcdefabcdef".into(), ..revision };
        assert!(!String::from_utf8_lossy(&pseudo.file_json()).contains("Ref"));
    }

    #[test]
    fn origins_merge_where_they_agree() {
        let tags = Origin { hash: String::new(), reference: String::new(), ..origin() };
        let commit = Origin { tag_prefix: String::new(), tag_sum: String::new(), ..origin() };
        assert_eq!(Origin::merged(Some(&tags), Some(&commit)), Some(origin()));
        let other = Origin { tag_prefix: "sub/v2.".into(), ..origin() };
        assert_eq!(Origin::merged(Some(&tags), Some(&other)), None);
        assert_eq!(Origin::merged(None, Some(&other)), None);
    }
}
