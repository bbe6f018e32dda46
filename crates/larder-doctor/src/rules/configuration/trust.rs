//! `GOINSECURE` where it does nothing, `GOSUMDB` that can't be read, `GOVCS` that refuses.

use larder_module::govcs::Govcs;

use super::intent::{is_certificate, known, line_problem};
use crate::Facts;
use crate::explain::{self, Database, Decision, Route, Whom};
use crate::finding::{CauseId, Evidence, Match};
use crate::rules::sayings::said;
use crate::symptom::Stage;

/// `GOINSECURE` against a certificate of a proxy, a checksum database or git.
pub(super) fn insecure_misused(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "F09",
        &[
            ("-insecure flag is no longer supported; use GOINSECURE instead", 0.97),
            ("no longer supported; use GOINSECURE", 0.97),
            ("flag provided but not defined: -insecure", 0.95),
        ],
    );
    let Some(setting) = known(facts, "GOINSECURE").filter(|setting| !setting.value.is_empty()) else {
        return found.into_iter().map(|one| Match { about: "GOINSECURE".to_owned(), ..one }).collect();
    };
    for (index, symptom) in facts.symptoms().filter(|(_, symptom)| is_certificate(symptom)) {
        // Its one use: the go-import page of a module that matches.
        let page = symptom.stage == Stage::GoImport;
        let module = symptom.module.as_deref().unwrap_or_default();
        if page && larder_module::pattern::match_prefix_patterns(setting.value, module) {
            continue;
        }
        found.push(
            Match::of(CauseId("F09"), "")
                .sure(if page { 0.7 } else { 0.955 })
                .explains(index)
                .with("value", setting.value)
                .with("host", symptom.host().unwrap_or_default())
                .because(setting.evidence())
                .because(Evidence::new("the go command said", &symptom.text, symptom.seen())),
        );
    }
    found.into_iter().map(|one| Match { about: "GOINSECURE".to_owned(), ..one }).collect()
}

/// `GOSUMDB` is neither `off` nor a name nor a key.
pub(super) fn invalid_database(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "V07",
        &[
            ("invalid GOSUMDB: {problem}", 0.97),
            ("invalid GOSUMDB URL: {problem}", 0.97),
            ("invalid sumdb name (must be host[/path]): {value}", 0.97),
            ("malformed verifier id", 0.9),
            ("missing GOSUMDB", 0.93),
        ],
    );
    if let Some(setting) = known(facts, "GOSUMDB") {
        let lost = super::layers::lacks_go_env(facts) && setting.value.is_empty();
        if let Database::Bad(problem) = Database::parse(setting.value)
            && !lost
            && (setting.origin.is_some() || !found.is_empty())
        {
            let from_file = line_problem(facts, &setting).is_some();
            let one = Match::of(CauseId("V07"), "")
                .sure(if from_file { 0.6 } else { 0.95 })
                .with("problem", problem);
            found.push(one.because(setting.evidence()));
            found = found.into_iter().map(|one| one.with("value", format!("{:?}", setting.value))).collect();
        }
        let unset = if setting.origin.is_some_and(|origin| *origin == crate::settings::Origin::Environment) {
            "unset GOSUMDB"
        } else {
            "go env -u GOSUMDB"
        };
        found = found.into_iter().map(|one| one.with("unset", unset)).collect();
    }
    let by_go_env = facts.symptoms.iter().any(|one| one.says("GOPROXY list is not the empty string"));
    let found = found.into_iter().map(|one| if by_go_env { one.sure(0.6) } else { one });
    found.map(|one| Match { about: "GOSUMDB".to_owned(), ..one }).collect()
}

/// `GOVCS` refuses a program for a path, or can't be read.
pub(super) fn version_control_refused(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "G11",
        &[
            ("GOVCS disallows using {system} for {kind} {path};", 0.98),
            ("GOVCS disallows using {system} for {kind} {path}", 0.98),
            ("malformed entry in GOVCS {problem}", 0.97),
            ("empty entry in GOVCS", 0.97),
            ("empty pattern in GOVCS", 0.97),
            ("empty VCS list in GOVCS", 0.97),
            ("empty VCS name in GOVCS", 0.97),
            ("relative pattern not allowed in GOVCS", 0.97),
            ("unreachable pattern in GOVCS", 0.97),
        ],
    );
    if let Some(setting) = known(facts, "GOVCS").filter(|setting| !setting.value.is_empty()) {
        found = found.into_iter().map(|one| one.because(setting.evidence())).collect();
        if let (Err(problem), Some(_)) = (Govcs::parse(setting.value), setting.origin) {
            let one = Match::of(CauseId("G11"), "").sure(0.9).with("problem", problem.to_string());
            found.push(one.because(setting.evidence()));
        }
    }
    found.extend(refused_route(facts));
    found.into_iter().map(|one| Match { about: "GOVCS".to_owned(), ..one }).collect()
}

/// The module that is asked about goes to its repository only, and `GOVCS` lets nobody fetch it from there.
fn refused_route(facts: &Facts) -> Option<Match> {
    let subject = facts.subject.as_ref()?;
    let explanation = explain::explain(facts, &subject.module, subject.version.as_deref());
    let Route::Asked { stations, path } = &explanation.route else { return None };
    if stations.first().is_none_or(|station| station.whom != Whom::Direct) {
        return None;
    }
    let step =
        explanation.steps.iter().find(|step| matches!(step.decision, Decision::VersionControl { .. }))?;
    let Decision::VersionControl { rule, private, system, allowed: false } = &step.decision else {
        return None;
    };
    Some(
        Match::of(CauseId("G11"), "")
            .sure(0.95)
            .with("path", path)
            .with("system", system.as_deref().unwrap_or("git"))
            .with("kind", if *private { "private" } else { "public" })
            .because(Evidence::new(
                "GOVCS",
                format!("rule {rule}"),
                facts.settings.as_ref()?.origin("GOVCS"),
            )),
    )
}
