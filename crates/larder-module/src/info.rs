//! `.info` files: the JSON that names a version and its time.

use crate::{
    time::Timestamp,
    unicode,
    version::{Version, VersionError},
};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// What a `.info` file or an `@latest` reply says.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// The version, canonical.
    pub version: Version,
    /// The commit's time, if it is given.
    pub time: Option<Timestamp>,
    /// Where the version comes from, as it was written.
    pub origin: Option<serde_json::Value>,
}

/// A `.info` file that the go command could not use.
#[derive(Debug, thiserror::Error)]
pub enum InfoError {
    /// Not a JSON object, or members of the wrong type, a time that does not exist among them.
    #[error("not the JSON of a version: {0}")]
    Json(#[from] serde_json::Error),
    /// No version.
    #[error("no Version in it")]
    NoVersion,
    /// A version that is not canonical.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl Info {
    /// Reads a `.info` file as the go command's JSON reader would, and demands a canonical version.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub fn parse(data: &[u8]) -> Result<Self, InfoError> {
        let text = unicode::lossy(data);
        let members: Members = serde_json::from_str(&text)?;
        let version = members.version.filter(|version| !version.is_empty()).ok_or(InfoError::NoVersion)?;
        Ok(Self { version: version.parse()?, time: members.time, origin: members.origin })
    }

    /// Returns the JSON that Larder writes for a version.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut members = serde_json::Map::new();
        members.insert("Version".into(), self.version.as_str().into());
        if let Some(time) = self.time {
            members.insert("Time".into(), time.to_string().into());
        }
        if let Some(origin) = &self.origin {
            members.insert("Origin".into(), origin.clone());
        }
        serde_json::Value::Object(members).to_string()
    }
}

/// The members that count. Names match by simple folding, `null` changes nothing and the last one wins, as in Go.
#[derive(Default)]
struct Members {
    version: Option<String>,
    time: Option<Timestamp>,
    origin: Option<serde_json::Value>,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object with a Version")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key::<String>()? {
            match folded(&name).as_str() {
                "version" => members.version = map.next_value::<Option<String>>()?.or(members.version),
                "time" => {
                    // Go reads the text between the quotes as it stands, so that escapes make it no time; a
                    // borrowed string is one without any.
                    if let Some(text) = map.next_value::<Option<&'de str>>()? {
                        let time = Timestamp::parse_rfc3339(text);
                        members.time = Some(time.ok_or_else(|| de::Error::custom("Time is not RFC 3339"))?);
                    }
                }
                "origin" => {
                    let origin = map.next_value::<Option<serde_json::Map<String, serde_json::Value>>>()?;
                    if origin.as_ref().is_some_and(|origin| !is_origin(origin)) {
                        return Err(de::Error::custom("a member of Origin is no string"));
                    }
                    members.origin = origin.map(serde_json::Value::Object);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(members)
    }
}

fn folded(name: &str) -> String {
    name.chars().map(unicode::fold).collect()
}

/// Reports whether the members that the go command knows are strings.
fn is_origin(origin: &serde_json::Map<String, serde_json::Value>) -> bool {
    const KNOWN: &[&str] = &["vcs", "url", "subdir", "hash", "tagprefix", "tagsum", "ref", "reposum"];
    origin
        .iter()
        .all(|(name, value)| value.is_string() || value.is_null() || !KNOWN.contains(&folded(name).as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_go_command_reads() {
        let info = Info::parse(
            br#"{"version":"v1.0.0","Time":"2020-01-02T03:04:05Z","Origin":{"VCS":"git"},"X":[1]}"#,
        );
        let info = info.expect("sound");
        assert_eq!(info.version.as_str(), "v1.0.0");
        assert_eq!(info.time.map(|time| time.to_string()).as_deref(), Some("2020-01-02T03:04:05Z"));
        assert_eq!(Info::parse(info.to_json().as_bytes()).expect("own JSON"), info);
        assert!(Info::parse(br#"{"Version":"v1.0.0","Time":null}"#).is_ok());
        assert!(Info::parse("{\"Ver\u{17f}ion\":\"v1.0.0\"}".as_bytes()).is_ok());
    }

    #[test]
    fn refuses_what_names_no_version() {
        for bad in [
            "",
            "{}",
            "null",
            "[]",
            "<html>",
            r#"{"Version":""}"#,
            r#"{"Version":"v1"}"#,
            r#"{"Version":"master"}"#,
            r#"{"Version":1}"#,
            r#"{"Version":"v1.0.0","Time":""}"#,
            r#"{"Version":"v1.0.0","Time":"yesterday"}"#,
            r#"{"Version":"v1.0.0"} x"#,
            r#"{"Version":"v1.0.0","Origin":{"VCS":1}}"#,
            r#"{"Version":"v1.0.0","Origin":[]}"#,
            r#"{"Version":"v1.0.0","Time":"2020-01-02T03:04:05\u005a"}"#,
        ] {
            assert!(Info::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
