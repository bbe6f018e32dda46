//! Whether an answer is what the go command can use, in the go command's words.

use larder_module::zip::{FolderState, Folders, InspectOptions, MAX_ZIP, ZipError, inspect};
use larder_module::{ModuleVersion, dirhash, gomod};

use super::http::{Answer, shown, shown_of};
use crate::symptom::{Endpoint, Trouble};

/// What is kept of a list.
const LISTED: usize = 32 << 10;

/// What a request was about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// Which file.
    pub(super) endpoint: Endpoint,
    /// Of which module.
    pub(super) module: &'a str,
    /// Of which version; a query for a `.info` of none that is canonical.
    pub(super) version: Option<&'a str>,
    /// The folder of the module that is wanted.
    pub(super) folder: Option<&'a str>,
}

/// What is returned of a zip that lacks the folder.
pub(super) const NO_FOLDER: &str = "no such folder";

/// Judges an answer: sets its trouble and its hash, and returns the version that it names; of a list its text, of a go.mod the
/// path in it, of a zip [`NO_FOLDER`] if that is so.
pub(super) fn judge(about: About<'_>, answer: &mut Answer) -> Option<String> {
    answer.probe.endpoint = about.endpoint;
    answer.probe.module = Some(about.module.to_owned());
    answer.probe.version = about.version.map(str::to_owned);
    if answer.probe.trouble.is_some() || answer.out_of_time {
        return None;
    }
    if let Some(code) = answer.probe.status.filter(|code| *code != 200) {
        answer.probe.trouble = Some(Trouble::Status { code });
        return None;
    }
    let body = std::mem::take(&mut answer.body);
    let judged = match about.endpoint {
        Endpoint::List => {
            // Rules look for versions in it, not only people.
            answer.probe.body = shown_of(&body, LISTED);
            list(&body)
        }
        Endpoint::Latest | Endpoint::Info => info(about.version, &body),
        Endpoint::Mod => go_mod(&body, answer),
        Endpoint::Zip => zip(about, &body, answer),
        Endpoint::Other => Ok(None),
    };
    answer.body = body;
    judged.unwrap_or_else(|trouble| {
        answer.probe.trouble = Some(trouble);
        None
    })
}

fn list(body: &[u8]) -> Result<Option<String>, Trouble> {
    if is_page(body) {
        return Err(Trouble::BadAnswer { text: "a page instead of a list of versions".to_owned() });
    }
    Ok(Some(String::from_utf8_lossy(body).into_owned()))
}

fn info(version: Option<&str>, body: &[u8]) -> Result<Option<String>, Trouble> {
    let bad = |text: String| Trouble::BadAnswer { text };
    let value: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| bad(json_words(body, &error)))?;
    let members = value.as_object();
    let named = members.and_then(|members| {
        members
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("version"))
            .and_then(|(_, value)| value.as_str())
    });
    let got = named.unwrap_or_default().to_owned();
    match version.filter(|version| larder_module::semver::canonical(version) == **version) {
        Some(wanted) if wanted != got && !wanted.contains('+') => {
            Err(Trouble::OtherVersion { got, wanted: wanted.to_owned() })
        }
        None if got.is_empty() => Err(bad("no version in the answer".to_owned())),
        _ => Ok(Some(got)),
    }
}

/// Says what Go's JSON reader would say.
fn json_words(body: &[u8], error: &serde_json::Error) -> String {
    let trimmed = body.trim_ascii_start();
    match trimmed.first() {
        None => "unexpected end of JSON input".to_owned(),
        Some(first) if !b"{[\"-0123456789tfn".contains(first) => {
            format!("invalid character '{}' looking for beginning of value", char::from(*first))
        }
        Some(_) if error.is_eof() => "unexpected end of JSON input".to_owned(),
        Some(_) => error.to_string(),
    }
}

fn go_mod(body: &[u8], answer: &mut Answer) -> Result<Option<String>, Trouble> {
    let Some(path) = gomod::module_path(body).filter(|path| !path.is_empty()) else {
        return Err(Trouble::BadAnswer { text: "parsing go.mod: missing module line".to_owned() });
    };
    if answer.whole {
        answer.probe.h1 = Some(dirhash::hash_mod(body).to_string());
    }
    Ok(Some(path.to_string()))
}

fn zip(about: About<'_>, body: &[u8], answer: &mut Answer) -> Result<Option<String>, Trouble> {
    let bad = |file: Option<String>, text: &str| Trouble::BadZip { file, text: text.to_owned() };
    let length = answer.probe.header("content-length").and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_ZIP) {
        return Err(bad(None, "downloaded zip file too large"));
    }
    if !body.starts_with(b"PK\x03\x04") && !body.starts_with(b"PK\x05\x06") {
        return Err(bad(None, "zip: not a valid zip file"));
    }
    let of = about.version.and_then(|version| ModuleVersion::parse(about.module, version).ok());
    let (Some(of), true) = (of, answer.whole) else { return Ok(None) };
    match inspect(body, body.len() as u64, &of, &InspectOptions::default()) {
        Ok(report) => {
            answer.probe.h1 = report.h1.map(|h1| h1.to_string());
            let lacks = about.folder.is_some_and(|folder| {
                let folders = Folders::read(body, body.len() as u64, &of);
                folders.is_ok_and(|folders| folders.state(folder) != FolderState::Folder)
            });
            Ok(lacks.then(|| NO_FOLDER.to_owned()))
        }
        Err(ZipError::Format(why)) => Err(bad(None, &format!("zip: not a valid zip file ({why})"))),
        Err(ZipError::Rules(checked)) => {
            let file = checked.invalid.first().map(|file| shown(&file.name));
            let text = checked.to_string();
            Err(bad(file, &text))
        }
        Err(ZipError::Entry { name, problem }) => Err(bad(Some(name), &problem.to_string())),
        Err(error) => Err(bad(None, &error.to_string())),
    }
}

/// Reports whether a body is a page for browsers.
pub(super) fn is_page(body: &[u8]) -> bool {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start().first() == Some(&b'<')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(endpoint: Endpoint, status: u16, body: &[u8]) -> (Option<String>, Option<Trouble>) {
        let mut answer = Answer { body: body.to_vec(), whole: true, ..Answer::default() };
        answer.probe.status = Some(status);
        let about = About { endpoint, module: "example.com/m", version: Some("v1.0.0"), folder: Some("sub") };
        let named = judge(about, &mut answer);
        (named, answer.probe.trouble)
    }

    #[test]
    fn answers_are_judged_in_the_words_of_the_go_command() {
        let bad = |text: &str| Some(Trouble::BadAnswer { text: text.to_owned() });
        for (endpoint, status, body, trouble) in [
            (Endpoint::Info, 200, r#"{"Version":"v1.0.0"}"#, None),
            (Endpoint::Info, 200, "<html>", bad("invalid character '<' looking for beginning of value")),
            (Endpoint::Info, 200, "", bad("unexpected end of JSON input")),
            (
                Endpoint::Info,
                200,
                r#"{"Version":"v9.9.9"}"#,
                Some(Trouble::OtherVersion { got: "v9.9.9".into(), wanted: "v1.0.0".into() }),
            ),
            (Endpoint::Info, 204, "", Some(Trouble::Status { code: 204 })),
            (Endpoint::Mod, 200, "module example.com/m\n", None),
            (Endpoint::Mod, 200, "<html>", bad("parsing go.mod: missing module line")),
            (Endpoint::List, 200, "", None),
            (Endpoint::List, 200, "<p>", bad("a page instead of a list of versions")),
        ] {
            assert_eq!(judged(endpoint, status, body.as_bytes()).1, trouble, "{endpoint:?} {body}");
        }
        let (_, trouble) = judged(Endpoint::Zip, 200, b"<html>");
        assert!(matches!(trouble, Some(Trouble::BadZip { file: None, .. })));
    }
}
