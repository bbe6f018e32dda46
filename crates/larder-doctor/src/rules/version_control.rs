//! git and its like, and the pages that name repositories: what fails when a path really goes direct.

use super::sayings::{Saying, match_of, said};
use super::{Rule, rule};
use crate::Facts;
use crate::finding::{CauseId, Evidence, Match};
use crate::symptom::{Stage, Symptom, Trouble};

pub(super) const RULES: &[Rule] = &[
    rule("G01", git_missing),
    rule("G02", git_too_old),
    rule("G03", no_credentials),
    rule("G04", same_text_from_server),
    rule("G05", repository_not_found),
    rule("G06", ssh),
    rule("G07", rewritten),
    rule("G08", git_own_network),
    rule("G09", go_import_missing),
    rule("G10", go_import_wrong),
    rule("G12", other_tool_missing),
    rule("G13", unknown_revision),
    rule("G14", pseudo_version),
    rule("G15", malformed_path),
    rule("G16", create_zip),
    rule("G17", build_stamp),
];

/// Finds symptoms of a program that ran here (not on a server) and that says one of these.
fn ran_here(facts: &Facts, cause: &'static str, sayings: &[Saying]) -> Vec<Match> {
    facts
        .symptoms()
        .filter(|(_, symptom)| is_local(symptom))
        .filter_map(|(index, symptom)| match_of(index, symptom, cause, sayings))
        .map(|found| with_repository_host(facts, found))
        .collect()
}

/// Reports whether a version control program of this machine spoke.
fn is_local(symptom: &Symptom) -> bool {
    match symptom.trouble {
        Trouble::Command { .. } => true,
        Trouble::Said => symptom.stage == Stage::VersionControl,
        _ => false,
    }
}

/// Adds the host of the repository that the program's words name.
fn with_repository_host(facts: &Facts, found: Match) -> Match {
    let host = found.explains.first().and_then(|index| repository_host(&facts.symptoms[*index]));
    match host {
        Some(host) => found.with("host", host),
        None => found,
    }
}

fn lines(symptom: &Symptom) -> impl Iterator<Item = &str> {
    std::iter::once(symptom.text.as_str()).chain(symptom.detail.iter().map(String::as_str))
}

/// Finds the host in git's complaint: `'https://host/x'`, `git@host: ...`, `connect to host H port`.
fn repository_host(symptom: &Symptom) -> Option<String> {
    lines(symptom)
        .filter(|line| !line.contains("golang.org/doc") && !line.contains("go.dev/doc"))
        .find_map(|line| {
            let from_url = line.rsplit_once("://").and_then(|(_, rest)| {
                let authority = rest.split(['/', '\'', '"', ' ', '`']).next()?;
                Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
            });
            from_url
                .or_else(|| {
                    let (_, rest) = line.split_once("connect to host ")?;
                    rest.split(' ').next()
                })
                .or_else(|| {
                    let (before, rest) = line.split_once('@')?;
                    let user = before.rsplit([' ', '\'', '"']).next()?;
                    let host = rest.split([':', '\'', '"', ' ', '/']).next()?;
                    (matches!(user, "git" | "ssh" | "hg") && host.contains('.')).then_some(host)
                })
        })
        .map(|host| host.trim_end_matches(':').to_owned())
        .filter(|host| !host.is_empty())
}

fn git_missing(facts: &Facts) -> Vec<Match> {
    said(
        facts,
        "G01",
        &[
            ("exec: \"git\": executable file not found", 0.97),
            ("exec: \"git.exe\": executable file not found", 0.97),
            ("unable to resolve git version: failed to execute git version: exec", 0.97),
            ("missing Git command", 0.97),
            ("exec: \"git\": cannot run executable", 0.9),
        ],
    )
}

fn git_too_old(facts: &Facts) -> Vec<Match> {
    ran_here(
        facts,
        "G02",
        &[
            ("unknown option `end-of-options'", 0.97),
            ("unknown option: --end-of-options", 0.97),
            ("unknown option 'end-of-options'", 0.97),
            ("unknown option `unshallow'", 0.97),
            ("unknown option 'unshallow'", 0.97),
            ("Unknown option: -c", 0.95),
        ],
    )
}

/// What git says where it wants a login and can't ask for one.
const NO_LOGIN: &[Saying] = &[
    ("could not read Username for '{repository}'", 0.92),
    ("could not read Password for '{repository}'", 0.92),
    ("terminal prompts disabled", 0.9),
    ("终端提示被禁用", 0.9),
    ("无法读取用户名", 0.9),
];

fn no_credentials(facts: &Facts) -> Vec<Match> {
    ran_here(facts, "G03", NO_LOGIN)
        .into_iter()
        .map(|found| {
            found.not(
                CauseId("G04"),
                "git ran on this machine: the words don't stand below `server response:`",
            )
        })
        .collect()
}

/// The same words, but git ran on the proxy.
fn same_text_from_server(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter(|(_, symptom)| {
            matches!(symptom.trouble, Trouble::Status { .. })
                && !matches!(symptom.stage, Stage::ChecksumDatabase(_) | Stage::GoImport)
        })
        .filter_map(|(index, symptom)| {
            let sayings: Vec<Saying> = NO_LOGIN
                .iter()
                .copied()
                .chain([
                    ("fatal: Authentication failed", 0.92),
                    ("Permission denied (publickey", 0.92),
                    ("Host key verification failed", 0.92),
                ])
                .map(|(template, sure)| (template, f32::max(sure, 0.92)))
                .collect();
            match_of(index, symptom, "G04", &sayings)
        })
        .map(|found| {
            found.not(CauseId("G03"), "git ran on the server: its words stand below `server response:`")
        })
        .collect()
}

fn repository_not_found(facts: &Facts) -> Vec<Match> {
    ran_here(
        facts,
        "G05",
        &[
            ("fatal: repository '{repository}' not found", 0.94),
            ("fatal: Authentication failed for '{repository}'", 0.94),
            ("Repository not found", 0.94),
            ("Authentication failed for", 0.93),
            ("The requested URL returned error: 403", 0.93),
            ("The requested URL returned error: 404", 0.93),
            ("HTTP Basic: Access denied", 0.93),
            ("could not be found or you don't have permission", 0.93),
            ("Support for password authentication was removed", 0.94),
            ("does not appear to be a git repository", 0.7),
            ("未找到仓库", 0.9),
        ],
    )
}

fn ssh(facts: &Facts) -> Vec<Match> {
    ran_here(
        facts,
        "G06",
        &[
            ("Host key verification failed", 0.93),
            ("REMOTE HOST IDENTIFICATION HAS CHANGED", 0.93),
            ("Permission denied (publickey{_}", 0.93),
            ("ssh: connect to host {host} port {port}: ", 0.93),
            ("ssh: Could not resolve hostname {host}: ", 0.93),
            ("kex_exchange_identification", 0.92),
            ("cannot run ssh", 0.93),
            ("Could not read from remote repository", 0.6),
            ("无法读取远程仓库", 0.6),
        ],
    )
    .into_iter()
    .filter(|found| {
        // A server that lets the key in and hides the repository ends with the same words.
        found.explains.iter().all(|index| !facts.symptoms[*index].says("Repository not found"))
    })
    .collect()
}

/// The command names one host, git's complaint another.
fn rewritten(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter_map(|(index, symptom)| {
            let Trouble::Command { line, .. } = &symptom.trouble else { return None };
            let complaint =
                symptom.detail.iter().find(|line| line.contains("fatal:") && line.contains("://"));
            let complained = complaint.and_then(|line| host_of(line));
            let asked = host_of(line);
            let rule = facts.seen_settings.iter().find(|(_, line)| line.to_lowercase().contains("insteadof"));
            let (sure, asked, complained) = match (asked, complained, rule) {
                (Some(asked), Some(complained), _) if asked != complained => (0.95, asked, complained),
                (_, Some(complained), Some((_, rule))) if rule.contains(&complained) => {
                    (0.93, symptom.module.clone().unwrap_or_default(), complained)
                }
                _ => return None,
            };
            let mut found = match_of(index, symptom, "G07", &[("", sure)])?
                .with("asked", asked.clone())
                .with("rewritten", complained.clone())
                .because(Evidence::new("asked for", asked, symptom.seen()))
                .because(Evidence::new("git went to", complained, symptom.seen()));
            if let Some((line, rule)) = rule {
                found = found.because(Evidence::new("rule", rule, format!("log line {line}")));
            }
            Some(found)
        })
        .collect()
}

fn host_of(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("://")?;
    let authority = rest.split(['/', '\'', '"', ' ']).next()?;
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned())
}

/// git reaches nobody, by its own certificates, its own forward proxy, its own patience.
fn git_own_network(facts: &Facts) -> Vec<Match> {
    ran_here(
        facts,
        "G08",
        &[
            ("server certificate verification failed", 0.9),
            ("SSL certificate problem: {problem}", 0.9),
            ("SSL certificate OpenSSL verify result", 0.9),
            ("schannel: ", 0.88),
            ("Failed to connect to {host} port {port}", 0.9),
            ("Could not resolve host: {host}", 0.9),
            ("Couldn't resolve host '{host}'", 0.9),
            ("Could not resolve proxy: {proxy}", 0.92),
            ("from proxy after CONNECT", 0.92),
            ("CONNECT tunnel failed", 0.92),
            ("gnutls_handshake() failed", 0.9),
            ("SSL_ERROR_SYSCALL", 0.9),
            ("SSL_connect", 0.88),
            ("Connection timed out after", 0.9),
            ("Connection was reset", 0.9),
            ("Recv failure: ", 0.9),
            ("Empty reply from server", 0.9),
            ("RPC failed; ", 0.88),
            ("early EOF", 0.85),
            ("remote end hung up unexpectedly", 0.8),
            ("unexpected disconnect while reading sideband packet", 0.88),
            ("unable to access '{repository}': ", 0.6),
        ],
    )
    .into_iter()
    .filter(|found| found.explains.iter().all(|index| !facts.symptoms[*index].says("returned error: 40")))
    .collect()
}

fn go_import_missing(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "G09",
        &[
            ("parse {page}: no go-import meta tag", 0.93),
            ("no go-import meta tag", 0.93),
            ("go-get=1: XML syntax error", 0.9),
        ],
    );
    found.extend(facts.symptoms().filter_map(|(index, symptom)| match symptom.trouble {
        Trouble::Status { code } if symptom.stage == Stage::GoImport => {
            let sure = if (400..500).contains(&code) { 0.92 } else { 0.75 };
            Some(
                match_of(index, symptom, "G09", &[("", sure)])?
                    .with("page", symptom.url.clone().unwrap_or_default())
                    .with("code", code.to_string()),
            )
        }
        _ => None,
    }));
    found
}

fn go_import_wrong(facts: &Facts) -> Vec<Match> {
    said(
        facts,
        "G10",
        &[
            ("meta tag {tag} did not match import path {path}", 0.96),
            ("did not match import path", 0.95),
            ("multiple meta tags match import path", 0.96),
            ("unknown vcs \"{vcs}\"", 0.96),
            ("unknown version control system \"{vcs}\"", 0.96),
            ("invalid repo root \"{root}\": no scheme", 0.96),
            ("invalid repo root", 0.94),
            ("disagree about go-import", 0.96),
        ],
    )
}

/// The repository is not git's, and its program is not here.
fn other_tool_missing(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "G12",
        &[
            ("exec: \"hg\": executable file not found", 0.96),
            ("exec: \"svn\": executable file not found", 0.96),
            ("exec: \"bzr\": executable file not found", 0.96),
            ("exec: \"fossil\": executable file not found", 0.96),
            ("missing Mercurial command", 0.96),
            ("missing Subversion command", 0.96),
            ("missing Bazaar command", 0.96),
            ("missing Fossil command", 0.96),
        ],
    );
    found.extend(facts.symptoms().filter_map(|(index, symptom)| {
        symptom.says("no matching versions for query").then_some(())?;
        let page = facts.probes.iter().flat_map(|probes| &probes.requests).find(|request| {
            request.url.contains("go-get=1")
                && symptom.module.as_ref().is_none_or(|module| request.url.contains(module.as_str()))
                && ["svn", "hg", "bzr", "fossil"].iter().any(|tool| {
                    request.body.contains("go-import") && request.body.contains(&format!(" {tool} "))
                })
        })?;
        Some(
            match_of(index, symptom, "G12", &[("", 0.93)])?
                .because(Evidence::new("go-import", page.body.as_str(), page.url.as_str()))
                .not(CauseId("R01"), "the repository is not git's, so its versions were never listed"),
        )
    }));
    found
}

fn unknown_revision(facts: &Facts) -> Vec<Match> {
    facts
        .symptoms()
        .filter(|(_, symptom)| !matches!(symptom.stage, Stage::ChecksumDatabase(_)))
        .filter_map(|(index, symptom)| {
            let from_server = matches!(symptom.trouble, Trouble::Status { .. });
            let sure = if from_server { 0.87 } else { 0.85 };
            match_of(index, symptom, "G13", &[("unknown revision {revision}", sure)])
        })
        .collect()
}

fn pseudo_version(facts: &Facts) -> Vec<Match> {
    said(
        facts,
        "G14",
        &[
            ("invalid pseudo-version: {reason} (expected {expected})", 0.96),
            ("invalid pseudo-version: {reason}", 0.96),
        ],
    )
}

fn malformed_path(facts: &Facts) -> Vec<Match> {
    said(
        facts,
        "G15",
        &[
            ("malformed module path \"{path}\": {reason}", 0.93),
            ("malformed import path \"{path}\": {reason}", 0.93),
            ("invalid github.com import path \"{path}\"", 0.93),
            ("invalid github.com/ import path \"{path}\"", 0.93),
            ("missing dot in first path element", 0.9),
            ("invalid module path \"{path}\"", 0.85),
            ("invalid import path \"{path}\"", 0.85),
        ],
    )
}

fn create_zip(facts: &Facts) -> Vec<Match> {
    said(facts, "G16", &[("create zip: {file}: {reason}", 0.95), ("create zip: ", 0.93)])
        .into_iter()
        .filter(|found| found.explains.iter().all(|index| !facts.symptoms[*index].says("too large")))
        .collect()
}

fn build_stamp(facts: &Facts) -> Vec<Match> {
    said(facts, "G17", &[("error obtaining VCS status", 0.96)])
}
