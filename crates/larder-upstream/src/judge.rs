//! Judging what an upstream sends before anybody believes it.
//!
//! A captive portal answers 200 with a page, a misconfigured mirror with another version, a half-broken
//! one with nothing. Peers pass such answers on or store them; here they become
//! [`FetchCause::BadContent`], which blames the upstream and never means absence.

use larder_module::gomod::{self, GoMod};
use larder_module::info::Info;
use larder_module::time::Timestamp;
use larder_module::{ModulePath, ModuleVersion, ObjectKind, Version, pseudo, semver};

use crate::clean::{is_markup, looks_like_html, one_line};
use crate::error::FetchCause;
use crate::settings::Limits;
use crate::wanted::Wanted;

/// An answer that was judged good, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Judged {
    /// A version list.
    List(RawList),
    /// An `.info`, `@latest` or query answer.
    Info(Info),
    /// A go.mod file.
    Mod,
}

/// A version list as an upstream sent it, junk left out, pseudo-versions kept.
///
/// Clients get no pseudo-versions ([`RawList::for_clients`]); `@latest` is computed with them
/// ([`RawList::latest`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawList {
    entries: Vec<ListEntry>,
}

/// One line of a version list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListEntry {
    /// The version; it fits the module's path.
    pub version: Version,
    /// The time, where the line names one or the version holds it.
    pub time: Option<Timestamp>,
}

impl RawList {
    /// Returns the lines, sorted by version, each version once.
    pub fn entries(&self) -> &[ListEntry] {
        &self.entries
    }

    /// Returns the versions that a client is shown: sorted, no pseudo-versions.
    pub fn for_clients(&self) -> impl Iterator<Item = &Version> {
        self.entries.iter().map(|entry| &entry.version).filter(|version| !version.is_pseudo())
    }

    /// Returns the latest version, for an upstream that has no `@latest`.
    ///
    /// That is the highest release, else the highest pre-release, `+incompatible` versions only where there is no
    /// other, else the newest pseudo-version.
    pub fn latest(&self) -> Option<&ListEntry> {
        let rank = |entry: &ListEntry| {
            let version = entry.version.as_str();
            (!entry.version.is_prerelease(), semver::build(version) != "+incompatible")
        };
        let tagged = self.entries.iter().filter(|entry| !entry.version.is_pseudo());
        let newest = || self.entries.iter().max_by_key(|entry| entry.time);
        tagged.max_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.version.cmp(&b.version))).or_else(newest)
    }

    /// Puts the versions of another list, or of the store, in.
    #[must_use]
    pub fn merged(mut self, more: impl IntoIterator<Item = Version>) -> Self {
        self.entries.extend(more.into_iter().map(|version| ListEntry { time: time_of(&version), version }));
        self.normalized()
    }

    fn normalized(mut self) -> Self {
        self.entries.sort_by(|a, b| a.version.cmp(&b.version));
        self.entries.dedup_by(|a, b| a.version == b.version);
        self
    }
}

impl FromIterator<Version> for RawList {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Self {
        Self::default().merged(versions)
    }
}

fn time_of(version: &Version) -> Option<Timestamp> {
    version.is_pseudo().then(|| pseudo::pseudo_version_time(version.as_str()).ok()).flatten()
}

/// Judges the body of a successful answer.
///
/// # Errors
///
/// Fails with what is wrong with it.
pub fn judge(
    wanted: &Wanted,
    body: &[u8],
    content_type: Option<&str>,
    limits: &Limits,
) -> Result<Judged, FetchCause> {
    if looks_like_html(body) || (body.is_empty() && content_type.is_some_and(is_markup)) {
        return Err(bad("a page for browsers instead of module data"));
    }
    match wanted {
        Wanted::List(module) => judge_list(module, body, limits).map(Judged::List),
        Wanted::Latest(module) | Wanted::Query { module, .. } => judge_answer(module, body).map(Judged::Info),
        Wanted::Object { of, kind: ObjectKind::Info } => judge_info(of, body).map(Judged::Info),
        Wanted::Object { kind: ObjectKind::Mod, .. } => judge_mod(body).map(|()| Judged::Mod),
        Wanted::Object { kind: ObjectKind::Zip, .. } => Err(bad("a zip where a small file was asked for")),
    }
}

/// Judges the `.info` of a version that fits its path: it must name that version and no other.
pub fn judge_info(of: &ModuleVersion, body: &[u8]) -> Result<Info, FetchCause> {
    let info = parse_info(body)?;
    if info.version == *of.version() {
        return Ok(info);
    }
    Err(bad(&format!(
        "the .info of {} where {} was asked for",
        one_line(info.version.as_str()),
        of.version()
    )))
}

/// Judges the answer to a query or to `@latest`: it may name any version that fits the path.
pub fn judge_answer(module: &ModulePath, body: &[u8]) -> Result<Info, FetchCause> {
    let info = parse_info(body)?;
    match ModuleVersion::new(module.clone(), info.version.clone()) {
        Ok(_) => Ok(info),
        Err(_) => {
            Err(bad(&format!("the version {}, which does not fit the path", one_line(info.version.as_str()))))
        }
    }
}

fn parse_info(body: &[u8]) -> Result<Info, FetchCause> {
    if body.trim_ascii().is_empty() {
        return Err(bad("an empty .info"));
    }
    Info::parse(body)
        .map_err(|error| bad(&format!("an .info that can't be used: {}", one_line(&error.to_string()))))
}

/// Judges a go.mod file: it must be one, and name a module.
pub fn judge_mod(body: &[u8]) -> Result<(), FetchCause> {
    if body.trim_ascii().is_empty() {
        return Err(bad("an empty go.mod"));
    }
    match GoMod::parse_outline(body, 0) {
        Ok(file) if file.module.is_some() => Ok(()),
        Ok(_) => Err(bad("a go.mod that names no module")),
        Err(error) => Err(bad(&format!("a go.mod that can't be read: {}", one_line(&error.to_string())))),
    }
}

/// Judges a go.mod file that was committed so: the go command only looks for its module line, and leaves the rest to whoever builds with it.
pub fn judge_committed_mod(body: &[u8]) -> Result<(), FetchCause> {
    match judge_mod(body) {
        Err(_) if gomod::module_path(body).is_some() => Ok(()),
        verdict => verdict,
    }
}

/// Judges a version list: junk lines are left out, but a body of nothing but junk is no list.
pub fn judge_list(module: &ModulePath, body: &[u8], limits: &Limits) -> Result<RawList, FetchCause> {
    let mut entries = Vec::new();
    let (mut lines, mut versions) = (0usize, 0usize);
    for line in body.split(|byte| *byte == b'\n') {
        let Some(line) = std::str::from_utf8(line).ok().map(str::trim) else {
            lines += 1;
            continue;
        };
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        lines += 1;
        if lines > limits.list_lines {
            return Err(FetchCause::TooLarge { limit: limits.list_lines as u64 });
        }
        versions += usize::from(semver::is_valid(first));
        let Ok(version) = first.parse::<Version>() else { continue };
        let Ok(fitting) = ModuleVersion::new(module.clone(), version) else { continue };
        let version = fitting.version().clone();
        let time = words.next().and_then(Timestamp::parse_rfc3339).or_else(|| time_of(&version));
        entries.push(ListEntry { version, time });
    }
    if versions == 0 && lines > 0 {
        return Err(bad("a list in which no line is a version"));
    }
    Ok(RawList { entries }.normalized())
}

fn bad(what: &str) -> FetchCause {
    FetchCause::BadContent(what.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn module() -> ModulePath {
        "example.com/a".parse().unwrap()
    }

    fn object(kind: ObjectKind) -> Wanted {
        Wanted::Object { of: ModuleVersion::parse("example.com/a", "v1.0.0").unwrap(), kind }
    }

    fn verdict(wanted: &Wanted, body: &str) -> Result<Judged, FetchCause> {
        judge(wanted, body.as_bytes(), None, &Limits::default())
    }

    #[test]
    fn an_info_must_name_the_asked_version() {
        let wanted = object(ObjectKind::Info);
        for (body, good) in [
            (r#"{"Version":"v1.0.0","Time":"2024-01-02T03:04:05Z"}"#, true),
            (r#"{"Version":"v1.0.0"}"#, true),
            (r#"{"Version":"v1.0.1"}"#, false),
            (r#"{"Version":"v1"}"#, false),
            (r#"{"Version":"master"}"#, false),
            (r#"{"Version":""}"#, false),
            (r#"{"Version":"v1.0.0","Time":"yesterday"}"#, false),
            ("{}", false),
            ("null", false),
            ("", false),
            (" \n", false),
            ("v1.0.0", false),
            (r#"{"Version":"v1.0.0"#, false),
            ("<!doctype html><title>login</title>", false),
        ] {
            let verdict = verdict(&wanted, body);
            assert_eq!(verdict.is_ok(), good, "{body}: {verdict:?}");
            if let Err(cause) = verdict {
                assert!(matches!(cause, FetchCause::BadContent(_)), "{body}: {cause:?}");
            }
        }
    }

    #[test]
    fn a_query_may_name_another_version_that_fits() {
        let wanted = Wanted::Query { module: module(), query: "master".parse().unwrap() };
        assert!(verdict(&wanted, r#"{"Version":"v0.0.0-20240102030405-abcdefabcdef"}"#).is_ok());
        assert!(verdict(&wanted, r#"{"Version":"v3.2.0+incompatible"}"#).is_ok());
        assert!(verdict(&wanted, r#"{"Version":"v3.2.0"}"#).is_err());
        assert!(verdict(&Wanted::Latest(module()), r#"{"Version":"v1.2.3"}"#).is_ok());
    }

    #[test]
    fn a_go_mod_must_name_a_module() {
        let wanted = object(ObjectKind::Mod);
        assert!(verdict(&wanted, "module example.com/a\n").is_ok());
        assert!(
            verdict(&wanted, "module github.com/Other/name\n\ngo 1.21\n").is_ok(),
            "replaced modules do so"
        );
        for body in ["", "\n", "go 1.21\n", "not found", "<html>module x</html>", "module (\n"] {
            assert!(matches!(verdict(&wanted, body), Err(FetchCause::BadContent(_))), "{body:?}");
        }
    }

    #[test]
    fn a_committed_go_mod_need_only_have_a_module_line() {
        for body in
            ["module example.com/a\n", "module `example.com/a`\n", "module example.com/a\nrequire (\n"]
        {
            assert!(judge_committed_mod(body.as_bytes()).is_ok(), "{body:?}");
        }
        for body in ["", "go 1.21\n", "<html>module x</html>"] {
            assert!(judge_committed_mod(body.as_bytes()).is_err(), "{body:?}");
        }
    }

    fn listed(body: &str) -> Result<Vec<String>, FetchCause> {
        judge_list(&module(), body.as_bytes(), &Limits::default())
            .map(|list| list.entries().iter().map(|entry| entry.version.to_string()).collect())
    }

    #[test]
    fn junk_lines_of_a_list_are_left_out() {
        let body = "v1.10.0\nv1.2.0\njunk\n\nv1.2.0 2024-01-02T03:04:05Z\nv2.0.0\nv1\nv3.0.0+incompatible\nv1.0.0+meta\nv1.3.0-rc.1\r\n\u{7f}\n";
        assert_eq!(listed(body).unwrap(), ["v1.2.0", "v1.3.0-rc.1", "v1.10.0", "v3.0.0+incompatible"]);
        assert_eq!(listed("").unwrap(), Vec::<String>::new());
        assert_eq!(listed("\n\n").unwrap(), Vec::<String>::new());
        assert_eq!(listed("v2.0.0\n").unwrap(), Vec::<String>::new(), "misfits are no junk");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for body in ["<html>", "\n <!DOCTYPE html>", r#"{"error":"no"}"#, "Not Found\n"] {
            let verdict = judge(&Wanted::List(module()), body.as_bytes(), None, &Limits::default());
            assert!(matches!(verdict, Err(FetchCause::BadContent(_))), "{body}");
        }
        let empty_page =
            judge(&Wanted::List(module()), b"", Some("text/html; charset=utf-8"), &Limits::default());
        assert!(empty_page.is_err());
        let limits = Limits { list_lines: 3, ..Limits::default() };
        let long = judge_list(&module(), b"v1.0.0\nv1.0.1\nv1.0.2\nv1.0.3\n", &limits);
        assert_eq!(long, Err(FetchCause::TooLarge { limit: 3 }));
    }

    #[test]
    fn latest_of_a_list() {
        let table = [
            ("v1.0.0\nv1.1.0-rc.1\nv0.0.0-20240102030405-abcdefabcdef", Some("v1.0.0")),
            ("v1.9.0\nv1.10.0", Some("v1.10.0")),
            ("v1.1.0-rc.1\nv1.1.0-rc.2", Some("v1.1.0-rc.2")),
            ("v1.0.0\nv5.0.0+incompatible", Some("v1.0.0")),
            ("v4.0.0+incompatible\nv5.0.0+incompatible\nv0.1.0-pre", Some("v5.0.0+incompatible")),
            (
                "v1.0.1-0.20200102030405-abcdefabcdef\nv0.0.0-20240102030405-abcdefabcdef",
                Some("v0.0.0-20240102030405-abcdefabcdef"),
            ),
            ("", None),
        ];
        for (body, expected) in table {
            let list = judge_list(&module(), body.as_bytes(), &Limits::default()).unwrap();
            assert_eq!(list.latest().map(|entry| entry.version.as_str()), expected, "{body}");
        }
    }

    #[test]
    fn clients_see_no_pseudo_versions() {
        let list: RawList = ["v1.2.0", "v0.0.0-20240102030405-abcdefabcdef", "v1.0.0", "v1.2.0"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(list.entries().len(), 3);
        let shown: Vec<&str> = list.for_clients().map(Version::as_str).collect();
        assert_eq!(shown, ["v1.0.0", "v1.2.0"]);
    }

    proptest! {
        #[test]
        fn no_body_makes_a_judge_panic(body in proptest::collection::vec(any::<u8>(), 0..300), html in any::<bool>()) {
            let kind = html.then_some("text/html");
            for wanted in [Wanted::List(module()), Wanted::Latest(module()), object(ObjectKind::Info), object(ObjectKind::Mod)] {
                if let Err(cause) = judge(&wanted, &body, kind, &Limits::default()) {
                    prop_assert!(!cause.is_absence());
                    prop_assert!(cause.to_string().chars().all(|c| !c.is_control()), "{}", cause);
                }
            }
        }
    }
}
