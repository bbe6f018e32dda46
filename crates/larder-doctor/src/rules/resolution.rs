//! Which versions and packages there are, and what go.mod says about them.

use larder_module::path::{check_path_major, split_path_version};

use super::sayings::{match_of, said};
use super::{Rule, rule};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match, Verdict};
use crate::symptom::{Endpoint, Stage, Symptom, Trouble};

pub(super) const RULES: &[Rule] = &[
    rule("R01", no_matching_versions),
    rule("R02", version_absent),
    rule("R03", major_suffix_missing),
    rule("R04", major_suffix_wrong),
    rule("R05", declared_path_differs),
    rule("R06", package_not_in_module),
    rule("R07", missing_module_line),
    rule("R08", ambiguous_import),
    rule("R09", retracted),
    rule("R10", replacement_broken),
    rule("R11", update_needed),
    rule("R12", branch_with_slash),
    rule("R13", path_case),
    rule("R14", not_in_std),
    rule("R15", transitive),
];

fn no_matching_versions(facts: &Facts) -> Vec<Match> {
    said(
        facts,
        "R01",
        &[("no matching versions for query \"{query}\"", 0.75), ("no matching versions for query", 0.7)],
    )
}

const fn is_absence(symptom: &Symptom) -> bool {
    matches!(symptom.trouble, Trouble::Status { code: 404 | 410 })
}

/// The module is there, this version of it is not.
fn version_absent(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let Stage::Proxy(endpoint @ (Endpoint::Info | Endpoint::Mod | Endpoint::Zip)) = symptom.stage
            else {
                return None;
            };
            let version = symptom.version.as_deref().filter(|_| is_absence(symptom))?;
            // What a dependency requires is its author's business, and has a cause of its own.
            let is_below = |other: &Symptom| other.module == symptom.module && !other.required_by.is_empty();
            if facts.symptoms.iter().any(is_below) {
                return None;
            }
            let listed = other_versions(facts, symptom);
            let bare = version.starts_with(|char: char| char.is_ascii_digit()) && version.contains('.');
            // A version of another major than the path's is asked for in vain everywhere.
            let misfit = symptom.module.as_deref().is_some_and(|module| {
                let (_, major) = split_path_version(module).unwrap_or((module, ""));
                major_of(version).is_some_and(|wanted| wanted >= 2)
                    && check_path_major(version, major).is_err()
            });
            let sure = match endpoint {
                _ if misfit && !bare => 0.55,
                _ if !listed.is_empty() => 0.92,
                _ if bare => 0.9,
                Endpoint::Zip => 0.8,
                _ => 0.6,
            };
            let mut found = match_of(index, symptom, "R02", &[("", sure)])?;
            if bare {
                found = found.with("suggestion", format!("v{version}")).because(Evidence::new(
                    "version",
                    format!("{version} lacks its v"),
                    symptom.seen(),
                ));
            }
            if !listed.is_empty() {
                found = found
                    .because(Evidence::new("versions that there are", listed, "probe list"))
                    .not(CauseId("P10"), "the same proxy knows other versions of the module");
            }
            Some(found)
        })
        .collect()
}

/// Returns what a proxy lists of the module, where that lacks the version.
fn other_versions(facts: &Facts, symptom: &Symptom) -> String {
    let version = symptom.version.as_deref().unwrap_or_default();
    let list = facts.probes.iter().flat_map(|probes| &probes.requests).find(|request| {
        request.endpoint == Endpoint::List
            && request.status == Some(200)
            && request.module == symptom.module
            && request.body.starts_with('v')
    });
    let versions: Vec<&str> = list.map_or("", |list| list.body.as_str()).split_whitespace().collect();
    if versions.contains(&version) {
        return String::new();
    }
    versions.iter().rev().take(8).rev().copied().collect::<Vec<_>>().join(" ")
}

fn major_suffix_missing(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "R03",
        &[
            ("so module path must match major version (\"{suggestion}\")", 0.96),
            ("module path must match major version", 0.95),
            ("invalid: should be v0 or v1, not v{major}", 0.92),
            ("should be v0 or v1, not v{major}", 0.8),
            ("path major version", 0.7),
        ],
    );
    found.extend(facts.symptoms().filter_map(|(index, symptom)| {
        let (module, version) = (symptom.module.as_deref()?, symptom.version.as_deref()?);
        let major = major_of(version).filter(|major| *major >= 2)?;
        let plain = suffix_of(module).is_none()
            && !module.starts_with("gopkg.in/")
            && !version.ends_with("+incompatible");
        (plain && is_absence(symptom) && matches!(symptom.stage, Stage::Proxy(_))).then_some(())?;
        Some(match_of(index, symptom, "R03", &[("", 0.82)])?.with("suggestion", format!("{module}/v{major}")))
    }));
    found
}

/// Returns 2 for `v2.0.0` and `2.0.0`.
fn major_of(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok().filter(|_| version.contains('.'))
}

/// Returns 2 for `example.com/m/v2`.
fn suffix_of(path: &str) -> Option<u32> {
    path.rsplit_once("/v")?.1.parse().ok()
}

/// Splits what stands between `module ` and the package that it lacks.
fn lacking(symptom: &Symptom) -> Option<(&str, &str)> {
    let (before, package) = symptom.text.split_once(", but does not contain package ")?;
    let module = before.rsplit_once("module ")?.1.split(['@', ' ']).next()?;
    Some((module, package.split([' ', ';', ':', '"', ',']).next()?))
}

/// Reports whether a package is its module with another major version at its end, or below such a one.
fn wants_other_major(module: &str, package: &str) -> bool {
    package.strip_prefix(module).and_then(|rest| rest.strip_prefix("/v")).is_some_and(|rest| {
        let digits = rest.split('/').next().unwrap_or("");
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn major_suffix_wrong(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let (module, package) = lacking(symptom)?;
            wants_other_major(module, package).then_some(())?;
            let version =
                symptom.text.split_once("found (").and_then(|(_, rest)| rest.split([')', ',']).next());
            Some(
                match_of(index, symptom, "R04", &[("", 0.94)])?
                    .with("module", module)
                    .with("package", package)
                    .with("found", version.unwrap_or_default()),
            )
        })
        .collect()
}

/// Reads the two paths of a module that calls itself otherwise.
fn declared(symptom: &Symptom) -> Option<(String, String)> {
    let all = std::iter::once(symptom.text.as_str()).chain(symptom.detail.iter().map(String::as_str));
    let all = all.collect::<Vec<_>>().join(" ");
    let (_, rest) = all.split_once("declares its path as: ")?;
    let declared = rest.split_whitespace().next()?;
    let required = rest.split_once("but was required as: ")?.1.split_whitespace().next()?;
    Some((declared.to_owned(), required.to_owned()))
}

fn declared_path_differs(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let found = match_of(
                index,
                symptom,
                "R05",
                &[
                    ("declares its path as", 0.95),
                    ("unexpected module path \"{declared}\"", 0.93),
                    ("used for two different module paths", 0.7),
                ],
            )?;
            Some(match declared(symptom) {
                Some((declared, required)) => found.with("declared", declared).with("required", required),
                None => found,
            })
        })
        .collect()
}

fn package_not_in_module(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter(|(_, symptom)| {
            symptom.trouble == Trouble::Said
                && lacking(symptom).is_none_or(|(module, package)| !wants_other_major(module, package))
                && !symptom.says("disabled by -mod=vendor")
        })
        .filter_map(|(index, symptom)| {
            match_of(
                index,
                symptom,
                "R06",
                &[
                    ("but does not contain package {package}", 0.93),
                    ("no required module provides package {package};", 0.75),
                    ("no required module provides package {package}", 0.75),
                    ("cannot find module providing package {package}:", 0.6),
                    ("cannot find module providing package {package}", 0.7),
                    ("cannot find module for path {package}", 0.7),
                    ("no module provides package {package}", 0.7),
                ],
            )
        })
        .map(trim_package)
        .collect()
}

/// A place takes the rest of the line; a package ends earlier.
fn trim_package(mut found: Match) -> Match {
    if let Some(package) = found.values.get_mut("package") {
        let end = package.find([' ', ';', ':', ',', '"']).unwrap_or(package.len());
        package.truncate(end);
        if found.about.is_empty() {
            found.about = package.clone();
        }
    }
    found
}

fn missing_module_line(facts: &Facts) -> Vec<Match> {
    said(facts, "R07", &[("missing module line", 0.75), ("missing module declaration", 0.75)])
}

fn ambiguous_import(facts: &Facts) -> Vec<Match> {
    let found = said(
        facts,
        "R08",
        &[
            ("ambiguous import: found package {package} in multiple modules", 0.96),
            ("ambiguous import", 0.95),
        ],
    );
    found
        .into_iter()
        .map(|found| {
            let modules = found.explains.first().map(|index| {
                let symptom = &facts.symptoms[*index];
                symptom.detail.iter().take(4).map(|line| line.trim()).collect::<Vec<_>>().join(", ")
            });
            found.with("modules", modules.unwrap_or_default())
        })
        .collect()
}

/// A warning only: nothing fails for it.
fn retracted(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter(|(_, symptom)| symptom.trouble == Trouble::Said)
        .filter_map(|(index, symptom)| {
            match_of(
                index,
                symptom,
                "R09",
                &[
                    ("retracted by module author: {reason}", 0.95),
                    ("retracted by module author", 0.95),
                    ("is deprecated: {reason}", 0.9),
                ],
            )
        })
        .map(|found| found.verdict(Verdict::Warn))
        .collect()
}

fn replacement_broken(facts: &Facts) -> Vec<Match> {
    let said = facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            if let Some(found) =
                match_of(index, symptom, "R10", &[("replacement directory {folder} does not exist", 0.96)])
            {
                return Some(found);
            }
            let replaced = symptom.text.contains("(replaced by ");
            match &symptom.trouble {
                Trouble::FileTrouble { path: Some(path), .. }
                    if path.ends_with("go.mod")
                        && !symptom.text.contains("go.work")
                        && (replaced || symptom.text.contains("reading ")) =>
                {
                    Some(
                        match_of(index, symptom, "R10", &[("", 0.92)])?
                            .with("folder", path.trim_end_matches("go.mod").trim_end_matches('/')),
                    )
                }
                Trouble::Status { code: 404 | 410 } if replaced || stands_for_another(symptom) => {
                    match_of(index, symptom, "R10", &[("", 0.88)])
                }
                _ => None,
            }
        })
        .map(|found| {
            let by = found.explains.first().and_then(|index| {
                let (_, rest) = facts.symptoms[*index].text.split_once("(replaced by ")?;
                Some(rest.split(')').next()?.to_owned())
            });
            match by {
                Some(by) => found.with("by", by),
                None => found,
            }
        });
    said.chain(folders_missing(facts)).map(|found| Match { about: String::new(), ..found }).collect()
}

/// A folder that stands for a module is not there, or has no go.mod.
fn folders_missing(facts: &Facts) -> Vec<Match> {
    let Some(project) = &facts.project else { return Vec::new() };
    let required = |what: &str| {
        let path = what.split('@').next().unwrap_or(what);
        project.requires.iter().any(|(module, ..)| module == path)
    };
    let missing = project.replaces.iter().filter(|(what, _, there)| !there && required(what));
    missing
        .map(|(what, folder, _)| {
            Match::of(CauseId("R10"), "").sure(0.93).with("folder", folder).with("by", folder).because(
                Evidence::new(format!("replacement of {what}"), format!("{folder} has no go.mod"), "go.mod"),
            )
        })
        .collect()
}

/// `imports example.com/ok: example.com/fork@v1.0.0: `: the package is not of the module that is fetched for it.
fn stands_for_another(symptom: &Symptom) -> bool {
    let (Some(module), Some(version)) = (&symptom.module, &symptom.version) else { return false };
    let Some((before, _)) = symptom.text.split_once(&format!(": {module}@{version}: ")) else { return false };
    before.contains(" imports ")
        && before.split_whitespace().next_back().is_some_and(|package| {
            package.contains('.') && !package.contains('@') && !package.starts_with(module.as_str())
        })
}

fn update_needed(facts: &Facts) -> Vec<Match> {
    said(
        facts,
        "R11",
        &[
            ("updates to go.mod needed", 0.92),
            ("excluded by go.mod", 0.93),
            ("excluded by exclude directive", 0.93),
            ("is explicitly required in go.mod, but not marked", 0.4),
            ("import lookup disabled by -mod=readonly", 0.8),
        ],
    )
    .into_iter()
    .filter(|found| found.explains.iter().all(|index| !facts.symptoms[*index].says("inconsistent vendoring")))
    .map(|found| {
        // What could not be fetched is missing in go.mod for that reason.
        let echo = facts.symptoms.iter().any(|symptom| {
            matches!(symptom.trouble, Trouble::Status { .. } | Trouble::Command { .. })
                || matches!(symptom.stage, Stage::Proxy(_))
        });
        if echo { found.sure(0.5) } else { found }
    })
    .collect()
}

fn branch_with_slash(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let slash = symptom.version.as_deref().is_some_and(|version| version.contains('/'))
                || symptom.text.split_whitespace().any(|word| {
                    word.split_once('@').is_some_and(|(_, query)| query.trim_end_matches(':').contains('/'))
                });
            let sure = if slash { 0.96 } else { 0.8 };
            let found = match_of(
                index,
                symptom,
                "R12",
                &[("disallowed version string \"{query}\"", sure), ("disallowed version string", sure)],
            )?;
            let query = symptom.version.clone().unwrap_or_default();
            Some(if found.values.contains_key("query") { found } else { found.with("query", query) })
        })
        .collect()
}

/// The two paths differ in nothing but capitals.
fn path_case(facts: &Facts) -> Vec<Match> {
    let mut found: Vec<Match> = facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let (declared, required) = declared(symptom)?;
            (declared != required && declared.eq_ignore_ascii_case(&required)).then_some(())?;
            Some(
                match_of(index, symptom, "R13", &[("", 0.97)])?
                    .with("declared", declared)
                    .with("required", required)
                    .not(CauseId("R05"), "the paths differ in capitals only"),
            )
        })
        .collect();
    found.extend(said(
        facts,
        "R13",
        &[("case-insensitive import collision: \"{declared}\" and \"{required}\"", 0.96)],
    ));
    found
}

/// An import without a dot in its first element can only be of the standard library.
fn not_in_std(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let found = match_of(
                index,
                symptom,
                "R14",
                &[
                    ("package {package} is not in std", 0.94),
                    ("package {package} is not in GOROOT", 0.94),
                    ("cannot find package \"{package}\" in any of", 0.6),
                ],
            )?;
            let package = found.values.get("package")?;
            let first = package.split('/').next()?;
            (!first.contains('.') && !first.is_empty()).then_some(found)
        })
        .map(trim_package)
        .collect()
}

/// What fails is not what was asked for, but what that requires.
fn transitive(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let parent = symptom.required_by.last()?;
            let replaced = symptom.text.contains("(replaced by ");
            let sure = match symptom.trouble {
                _ if replaced => return None,
                Trouble::Status { code: 404 | 410 } if matches!(symptom.stage, Stage::Proxy(_)) => 0.93,
                Trouble::Said if symptom.says("unknown revision") => 0.6,
                Trouble::Command { .. } => 0.6,
                _ => return None,
            };
            let mut found = match_of(index, symptom, "R15", &[("", sure)])?;
            // Probes ask for the module without knowing who requires it.
            let same = |other: &Symptom| other.module == symptom.module && is_absence(other);
            let others = facts.symptoms().filter(|(other, seen)| *other != index && same(seen));
            found.explains.extend(others.map(|(other, _)| other));
            Some(
                found
                    .with("parent", parent)
                    .because(Evidence::new("required by", symptom.required_by.join(" → "), symptom.seen()))
                    .not(CauseId("P10"), format!("{parent} was found; what it requires was not")),
            )
        })
        .collect()
}
