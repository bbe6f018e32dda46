//! `GO111MODULE`, `GOFLAGS`, folders without a module, a go.mod that can't be read.

use super::intent::{known, shown};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::rules::sayings::said;
use crate::symptom::Symptom;

/// Modules are off, half off, or set to something unknown.
pub(super) fn module_mode(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "F07",
        &[
            ("modules disabled by GO111MODULE={value};", 0.98),
            ("modules disabled inside GOPATH/src by GO111MODULE={value};", 0.97),
            ("unknown environment setting GO111MODULE={value}", 0.98),
        ],
    );
    for (index, symptom) in facts.symptoms().filter(|(_, symptom)| is_gopath_mode(symptom)) {
        let evidence = Evidence::new("the go command said", &symptom.text, symptom.seen());
        found.push(
            Match::of(CauseId("F07"), "").sure(0.9).explains(index).because(evidence).with("value", "off"),
        );
    }
    if let Some(setting) = known(facts, "GO111MODULE") {
        let sure = match setting.value {
            "" | "on" => None,
            "auto" => (!found.is_empty()).then_some(0.6),
            "off" => (setting.origin.is_some() || !facts.symptoms.is_empty()).then_some(0.92),
            _ => setting.origin.is_some().then_some(0.97),
        };
        found = found.into_iter().map(|one| one.because(setting.evidence())).collect();
        if let Some(sure) = sure {
            found.push(
                Match::of(CauseId("F07"), "")
                    .sure(sure)
                    .with("value", setting.value)
                    .because(setting.evidence()),
            );
        }
        let unset = if setting.origin.is_some_and(|origin| *origin == crate::settings::Origin::Environment) {
            "unset GO111MODULE"
        } else {
            "go env -u GO111MODULE"
        };
        found = found.into_iter().map(|one| one.with("unset", unset)).collect();
    }
    found.into_iter().map(|one| Match { about: "GO111MODULE".to_owned(), ..one }).collect()
}

/// `cannot find package "x" in any of:` with the two places of the time before modules.
fn is_gopath_mode(symptom: &Symptom) -> bool {
    symptom.says("cannot find package") && symptom.says("(from $GOPATH)")
}

/// A flag in `GOFLAGS` that is none, or that decides more than was meant.
pub(super) fn flags(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "F08",
        &[
            ("parsing $GOFLAGS: non-flag \"{flag}\"", 0.98),
            ("parsing $GOFLAGS: unknown flag {flag}", 0.98),
            ("parsing $GOFLAGS: {flag}", 0.96),
            ("(from $GOFLAGS)", 0.9),
        ],
    );
    if let Some(setting) = known(facts, "GOFLAGS").filter(|setting| !setting.value.is_empty()) {
        let words: Vec<&str> = setting.value.split_whitespace().collect();
        let odd = words.iter().find(|word| !word.starts_with('-') && !setting.value.contains(['\'', '"']));
        if let Some(word) = odd.filter(|_| setting.origin.is_some()) {
            found.push(Match::of(CauseId("F08"), "").sure(0.96).with("flag", *word));
        }
        let unknown = words.iter().find(|word| word.starts_with('-') && !is_known_flag(word));
        if let Some(flag) =
            unknown.filter(|_| setting.origin.is_some() && facts.go.is_some_and(|go| go.minor <= NEWEST))
        {
            found.push(Match::of(CauseId("F08"), "").sure(0.93).with("flag", *flag));
        }
        let mode = words.iter().find(|word| word.trim_start_matches('-').starts_with("mod="));
        if let Some(flag) = mode {
            found.extend(persisted(facts, flag));
        }
        found = found.into_iter().map(|one| one.because(setting.evidence())).collect();
        let unset = if setting.origin.is_some_and(|origin| *origin == crate::settings::Origin::Environment) {
            "unset GOFLAGS"
        } else {
            "go env -u GOFLAGS"
        };
        found = found.into_iter().map(|one| one.with("unset", unset)).collect();
    }
    found.into_iter().map(|one| Match { about: "GOFLAGS".to_owned(), ..one }).collect()
}

/// The newest Go whose flags are listed here.
const NEWEST: u16 = 27;

/// The flags of all commands of Go: `GOFLAGS` may hold any of them.
const FLAGS: &str = "C a artifacts asan asmflags b bench benchmem benchtime blockprofile blockprofilerate buildmode buildvcs c \
    cache changed compat compiled compiler count cover covermode coverpkg coverprofile cpu cpuprofile d debug-actiongraph \
    debug-runtime-trace debug-trace deps diff dropexclude dropgodebug dropignore dropreplace droprequire dropretract droptool \
    dropuse e exclude exec export f failfast find fix fmt fullpath fuzz fuzzcache fuzzminimizetime fuzztime gccgoflags gcflags \
    go godebug h help i ignore insecure installsuffix json ldflags linkshared list m memprofile memprofilerate mod modcache \
    modcacherw modfile module msan mutexprofile mutexprofilefraction n o outputdir overlay p parallel pgo pkgdir port print r \
    race replace require retract retracted reuse run short shuffle skip src http t tags test testcache testwork timeout tool \
    toolchain toolexec trace trimpath u unsafeptr update use v vendor versions vet vettool w work x all cmd appends asmdecl \
    assign atomic bool bools buildtag buildtags cgocall composites copylocks defers directive errorsas framepointer \
    httpresponse hostport ifaceassert inline loopclosure lostcancel methods nilfunc nilness printf printfuncs rangeloops shift \
    sigchanyzer slog source stdmethods stdversion stringintconv structtag structtags testinggoroutine tests timeformat \
    unmarshal unreachable unusedresult waitgroup";

fn is_known_flag(word: &str) -> bool {
    let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
    name.is_empty() || word.contains(['\'', '"', '.']) || FLAGS.split_whitespace().any(|known| known == name)
}

/// A mode that stands in `GOFLAGS` and that a command now stumbles over.
fn persisted(facts: &Facts, flag: &str) -> Option<Match> {
    // Where go would use the vendor folder by itself, the flag changes nothing.
    let by_itself = facts.project.as_ref().is_some_and(|project| project.vendor == Some(true));
    let words: &[&str] = if flag.ends_with("=vendor") && !by_itself {
        &["-mod=vendor", "inconsistent vendoring", "using the vendor directory", "/vendor/"]
    } else if flag.ends_with("=mod") {
        &["-mod may only be set to"]
    } else if flag.ends_with("=readonly") {
        &["disabled by -mod=readonly"]
    } else {
        return None;
    };
    let mut one = Match::of(CauseId("F08"), "").sure(0.975).with("flag", flag);
    for (index, symptom) in
        facts.symptoms().filter(|(_, symptom)| words.iter().any(|words| symptom.says(words)))
    {
        let evidence = Evidence::new("the go command said", &symptom.text, symptom.seen());
        one = one.explains(index).because(evidence);
    }
    (!one.explains.is_empty()).then_some(one)
}

/// The command runs where there is no module.
pub(super) fn no_module_here(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "F12",
        &[
            ("go.mod file not found in current directory or any parent", 0.97),
            ("cannot find main module", 0.95),
            ("no modules specified (see 'go help mod download')", 0.95),
            ("ignoring go.mod in system temp root {path}", 0.93),
            ("'go install' requires a version when current directory is not in a module", 0.97),
            ("directory prefix {path} does not contain main module or its selected dependencies", 0.95),
            ("main module ({module}) does not contain package", 0.6),
            ("go.mod exists but should not", 0.97),
            ("working directory is not part of a module", 0.96),
            ("no Go files in", 0.3),
        ],
    );
    if let Some(setting) = shown(facts, "GO111MODULE").filter(|setting| setting.value == "auto") {
        found = found.into_iter().map(|one| one.because(setting.evidence())).collect();
    }
    if let Some(path) = facts.project.as_ref().and_then(|project| project.ignored_go_mod.as_ref())
        && !found.is_empty()
    {
        let evidence =
            Evidence::new("go.mod", format!("{path} lies in the root of the temporary folder"), "project");
        found = found.into_iter().map(|one| one.because(evidence.clone())).collect();
    }
    found.retain(|one| one.confidence > 0.5);
    found.extend(ignored_go_mod(facts));
    found.into_iter().map(|one| Match { about: String::new(), ..one }).collect()
}

/// A go.mod where go does not look for one: in the root of the temporary folder, or of `GOPATH`.
fn ignored_go_mod(facts: &Facts) -> Option<Match> {
    let project = facts.project.as_ref()?;
    let go_path = facts.settings.as_ref().map(|settings| settings.value("GOPATH")).unwrap_or_default();
    let in_go_path = project
        .go_mod
        .as_deref()
        .filter(|path| !go_path.is_empty() && path.strip_suffix("/go.mod") == go_path.split(':').next());
    let (path, place) = match (&project.ignored_go_mod, in_go_path) {
        (Some(path), _) if project.go_mod.is_none() => (path.as_str(), "the root of the temporary folder"),
        (_, Some(path)) => (path, "GOPATH itself"),
        _ => return None,
    };
    let evidence = Evidence::new("go.mod", format!("{path} lies in {place}: go ignores it"), "project");
    Some(Match::of(CauseId("F12"), "").sure(0.93).with("path", path).because(evidence))
}

/// go.mod can't be read.
pub(super) fn unparsable(facts: &Facts) -> Vec<Match> {
    let mut found: Vec<Match> = said(
        facts,
        "F16",
        &[
            ("errors parsing go.mod", 0.93),
            ("errors parsing go.work", 0.93),
            ("unknown directive: {word}", 0.9),
        ],
    );
    found.retain(|one| one.explains.iter().all(|index| is_of_this_project(&facts.symptoms[*index])));
    let of_dependencies = said(facts, "F16", &[("parsing go.mod: go.mod:{line}: {problem}", 0.9)]);
    found.extend(
        of_dependencies
            .into_iter()
            .filter(|one| one.explains.iter().all(|index| !facts.symptoms[*index].says("should be v"))),
    );
    // The go.mod of a dependency.
    found.extend(
        said(facts, "F16", &[("parsing go.mod: go.mod:{line}: {problem}", 0.85)])
            .into_iter()
            .filter(|one| one.explains.iter().all(|index| !facts.symptoms[*index].says("should be v"))),
    );
    if let Some(project) = &facts.project
        && !project.go_mod_problems.is_empty()
    {
        let mut one = Match::of(CauseId("F16"), "").sure(0.95);
        for problem in project.go_mod_problems.iter().take(5) {
            let path = project.go_mod.clone().unwrap_or_default();
            one = one.because(Evidence::new("go.mod", problem.as_str(), path));
        }
        found.push(one);
    }
    found.into_iter().map(|one| Match { about: String::new(), ..one }).collect()
}

/// Tells a file of the project from one that came with a module, and from what a newer Go would understand.
fn is_of_this_project(symptom: &Symptom) -> bool {
    let others = [
        "should be v",
        "missing module line",
        "unknown directive: toolchain",
        "unknown directive: godebug",
        "unknown directive: tool",
        "unknown directive: ignore",
        "invalid go version",
        "invalid toolchain version",
        "requires go >=",
    ];
    !others.iter().any(|words| symptom.says(words)) && symptom.url.is_none() && symptom.version.is_none()
}
