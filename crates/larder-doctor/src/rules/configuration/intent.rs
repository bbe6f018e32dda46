//! A setting as it is known: from the machine, else from a line of the log that shows it.

use crate::Facts;
use crate::finding::Evidence;
use crate::log;
use crate::settings::{FileProblem, Origin, without_login};
use crate::symptom::{Stage, Symptom, Trouble};

/// A value and where it is from.
#[derive(Clone, Debug)]
pub(super) struct Known<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
    pub(super) source: String,
    /// None for what a log shows.
    pub(super) origin: Option<&'a Origin>,
}

impl Known<'_> {
    pub(super) fn evidence(&self) -> Evidence {
        Evidence::new(self.name, without_login(self.value), self.source.clone())
    }

    /// Returns the command that changes it where it is made.
    pub(super) fn set(&self, value: &str) -> String {
        set(self.name, value, self.origin)
    }
}

/// Returns the command that gives a setting a value, where it is made: a variable hides what `go env -w` writes.
pub(super) fn set(name: &str, value: &str, origin: Option<&Origin>) -> String {
    let safe = |char: char| char.is_ascii_alphanumeric() || ":/,._-=@%+".contains(char);
    let value =
        if value.chars().all(safe) { value.to_owned() } else { format!("'{}'", value.replace('\'', "")) };
    match origin {
        Some(Origin::Environment) => format!("export {name}={value}"),
        _ => format!("go env -w {name}={value}"),
    }
}

/// Returns one of Go's settings: of the machine, else the last that the log shows.
pub(super) fn known<'a>(facts: &'a Facts, name: &'a str) -> Option<Known<'a>> {
    if let Some(setting) = facts.settings.as_ref().and_then(|settings| settings.go(name)) {
        return Some(Known {
            name,
            value: &setting.value,
            source: setting.origin.to_string(),
            origin: Some(&setting.origin),
        });
    }
    shown(facts, name)
}

/// Returns the last value that the log shows for a variable.
pub(super) fn shown<'a>(facts: &'a Facts, name: &'a str) -> Option<Known<'a>> {
    let lines = facts.seen_settings.iter().rev();
    lines
        .filter_map(|(line, text)| Some((line, log::setting(text)?)))
        .find(|(_, (known, _))| *known == name)
        .map(|(line, (_, value))| Known { name, value, source: format!("log line {line}"), origin: None })
}

/// Returns a variable of the network: of the process, else of the log; in either case of letters.
pub(super) fn proxy_variable<'a>(facts: &'a Facts, names: [&'a str; 2]) -> Option<Known<'a>> {
    let own = facts.settings.as_ref().map(|settings| &settings.network.proxy_variables);
    let found = names.into_iter().find_map(|name| {
        own?.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| (name, value))
    });
    match found {
        Some((name, value)) => Some(Known {
            name,
            value,
            source: Origin::Environment.to_string(),
            origin: Some(&Origin::Environment),
        }),
        None => names.into_iter().find_map(|name| shown(facts, name)),
    }
}

/// Returns what is wrong with the line of a file that a setting is from.
pub(super) fn line_problem<'a>(facts: &'a Facts, known: &Known<'_>) -> Option<&'a FileProblem> {
    let (Origin::UserFile(path) | Origin::SdkFile(path)) = known.origin? else { return None };
    let problems = &facts.settings.as_ref()?.file_problems;
    problems.iter().find(|one| one.path == *path && one.text.starts_with(&format!("{}=", known.name)))
}

/// Reports whether a symptom is about reaching somebody: names, connections, TLS, forward proxies.
pub(super) fn is_unreachable(symptom: &Symptom) -> bool {
    matches!(
        symptom.trouble.innermost(),
        Trouble::NoSuchHost { .. }
            | Trouble::ResolverError { .. }
            | Trouble::ResolverTimeout { .. }
            | Trouble::ResolverUnreachable { .. }
            | Trouble::Unroutable { .. }
            | Trouble::ConnectTimeout { .. }
            | Trouble::ConnectRefused { .. }
            | Trouble::Reset { .. }
            | Trouble::ClosedEarly { .. }
            | Trouble::HandshakeTimeout
    )
}

/// Reports whether a symptom is about the module's own repository.
pub(super) fn is_direct(symptom: &Symptom) -> bool {
    matches!(symptom.stage, Stage::GoImport | Stage::VersionControl)
        && !symptom.says("GOVCS disallows")
        && !symptom.says("VCS stamping")
        && !symptom.says("VCS status")
}

/// Reports whether a certificate was refused.
pub(super) fn is_certificate(symptom: &Symptom) -> bool {
    matches!(
        symptom.trouble.innermost(),
        Trouble::UnknownAuthority { .. }
            | Trouble::WrongName { .. }
            | Trouble::CommonNameOnly
            | Trouble::NotInValidity { .. }
            | Trouble::BadCertificate { .. }
    ) || symptom.says("certificate verification failed")
        || symptom.says("certificate problem")
}
