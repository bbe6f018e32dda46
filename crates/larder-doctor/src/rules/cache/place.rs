//! Where the module cache lies: rights, room, locks.

use crate::Facts;
use crate::finding::{CauseId, Evidence, Match, Verdict};
use crate::rules::sayings::{match_of, said};
use crate::symptom::{Symptom, Trouble};

const DENIED: [&str; 4] =
    ["permission denied", "read-only file system", "Access is denied", "operation not permitted"];

/// Parts of a path by which the module cache and its neighbour are known, whatever they are called by.
const CACHE_PARTS: [&str; 7] = [
    "/cache/download/",
    "/pkg/mod",
    "/pkg/sumdb",
    "\\pkg\\mod",
    "\\cache\\download",
    "module cache",
    "/mod/cache",
];

/// The folder, its owner or its mount says no.
pub(super) fn not_permitted(facts: &Facts) -> Vec<Match> {
    let mut found: Vec<Match> =
        facts.symptoms().filter_map(|(index, symptom)| denied_in_cache(facts, index, symptom)).collect();
    if let Some(cache) = &facts.cache
        && let Some((path, owner, mode, uid)) = &cache.unwritable
    {
        let evidence = Evidence::new(
            path.as_str(),
            format!("owner {owner}, mode {mode}; we are uid {uid}"),
            "module cache",
        );
        // Complete entries can be read by anyone: on its own this is no failure.
        if found.is_empty() {
            found.push(Match::of(CauseId("C01"), path).sure(0.5).verdict(Verdict::Info).with("path", path));
        }
        let user = uid.to_string();
        found = found
            .into_iter()
            .map(|one| one.because(evidence.clone()).with("folder", path).with("uid", &user))
            .collect();
    }
    found
}

fn denied_in_cache(facts: &Facts, index: usize, symptom: &Symptom) -> Option<Match> {
    let text = &symptom.text;
    let created = text.contains("could not create module cache") && !text.contains("is not a directory");
    let known = |part: &str| text.contains(part);
    let folder = facts.cache.as_ref().and_then(|cache| cache.folder.as_deref());
    let inside = CACHE_PARTS.iter().any(|part| known(part)) || folder.is_some_and(known) || known("@v/");
    let refused = DENIED.iter().find(|words| text.contains(*words));
    let of_sums = text.contains("updating go.sum") || text.contains("rm: cannot remove");
    if of_sums || !(created || refused.is_some() && inside) {
        return None;
    }
    if matches!(symptom.trouble, Trouble::SocketDenied { .. } | Trouble::Unroutable { .. }) {
        return None;
    }
    let path = match &symptom.trouble {
        Trouble::FileTrouble { path: Some(path), .. } => path.clone(),
        _ => String::new(),
    };
    let found = match_of(index, symptom, "C01", &[("", 0.92)])?;
    let found = Match { about: path.clone(), ..found }.with("path", path);
    Some(if text.contains("verifying") {
        found.not(
            CauseId("V02"),
            "no hash was compared: a file of the checksum database's folder could not be opened",
        )
    } else {
        found
    })
}

const FULL: [&str; 4] = [
    "no space left on device",
    "not enough space on the disk",
    "disk quota exceeded",
    "No space left on device",
];

/// The disk has no room or no inodes left.
pub(super) fn full(facts: &Facts) -> Vec<Match> {
    let mut found = Vec::new();
    for (index, symptom) in facts.symptoms() {
        if FULL.iter().any(|words| symptom.says(words)) {
            let one = match_of(index, symptom, "C02", &[("", 0.95)])
                .unwrap_or_else(|| Match::of(CauseId("C02"), ""));
            let one = Match { about: String::new(), ..one };
            found.push(if symptom.url.is_some() {
                one.not(
                    CauseId("N28"),
                    "the text names a URL, but it was the write to the local disk that failed",
                )
            } else {
                one
            });
        }
    }
    for (path, bytes, inodes) in facts.cache.iter().flat_map(|cache| &cache.disks) {
        if *bytes >= 1 << 20 && *inodes >= 16 {
            continue;
        }
        let value = format!("{bytes} bytes and {inodes} inodes free");
        let value = value.replace(&u64::MAX.to_string(), "unlimited");
        found.push(Match::of(CauseId("C02"), "").sure(0.95).with("path", path).because(Evidence::new(
            path.as_str(),
            value,
            "statvfs",
        )));
    }
    found
}

/// The module cache is nowhere, or where it can't be.
pub(super) fn no_place(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "C03",
        &[
            ("could not create module cache: \"{path}\" is not a directory", 0.97),
            ("GOMODCACHE entry is relative; must be absolute path: {path}", 0.97),
            ("GOMODCACHE entry is relative", 0.95),
            ("GOPATH entry is relative", 0.95),
            ("GOPATH entry cannot start with shell metacharacter", 0.97),
            ("module cache not found: neither GOMODCACHE nor GOPATH is set", 0.97),
            ("build cache is required, but could not be located", 0.9),
            ("GOCACHE is not defined and neither", 0.9),
        ],
    );
    for problem in facts.cache.iter().flat_map(|cache| &cache.place_problems) {
        found.push(Match::of(CauseId("C03"), "").sure(0.96).with("problem", problem).because(Evidence::new(
            "place of the module cache",
            problem.as_str(),
            "settings",
        )));
    }
    found
}

/// Somebody else holds a lock, or the file system knows none.
pub(super) fn locked(facts: &Facts) -> Vec<Match> {
    let mut found = said(
        facts,
        "C04",
        &[
            (".lock: function not implemented", 0.95),
            (".lock: no locks available", 0.95),
            (".lock: operation not supported", 0.95),
        ],
    );
    for (path, holder) in facts.cache.iter().flat_map(|cache| &cache.locks) {
        found.push(
            Match::of(CauseId("C04"), path)
                .sure(0.85)
                .with("path", path)
                .with("pid", holder.to_string())
                .because(Evidence::new(path.as_str(), format!("held by process {holder}"), "/proc/locks")),
        );
    }
    found
}

/// Folders of the module cache are read-only on purpose.
pub(super) fn not_deletable(facts: &Facts) -> Vec<Match> {
    let mut found = said(facts, "C08", &[("clean -modcache cannot be used with package arguments", 0.95)]);
    for (index, symptom) in facts.symptoms() {
        let text = &symptom.text;
        let removing =
            ["cannot remove", "unlinkat ", "failed to remove", "rm: "].iter().any(|word| text.contains(word));
        let refused = text.contains("ermission denied") || text.contains("Access is denied");
        let inside = text.contains("@v") || text.contains("pkg/mod") || text.contains("pkg\\mod");
        if removing && refused && inside {
            found.extend(match_of(index, symptom, "C08", &[("cannot remove '{path}'", 0.95), ("", 0.94)]));
        }
    }
    found.into_iter().map(|one| Match { about: String::new(), ..one }).collect()
}

/// cache/vcs belongs to another user.
pub(super) fn foreign_repositories(facts: &Facts) -> Vec<Match> {
    let owner = facts.cache.as_ref().and_then(|cache| cache.vcs_owner);
    let mut found = said(
        facts,
        "C09",
        &[
            ("fatal: detected dubious ownership in repository at '{path}'", 0.9),
            ("fatal: unsafe repository ('{path}' is owned by someone else)", 0.9),
            ("'origin' does not appear to be a git repository", 0.9),
        ],
    );
    found.retain(|one| one.values.get("path").is_none_or(|path| path.contains("vcs")));
    match owner {
        Some(uid) => found
            .into_iter()
            .map(|one| {
                one.because(Evidence::new("owner of cache/vcs", uid.to_string(), "module cache")).sure(0.95)
            })
            .collect(),
        None => found,
    }
}
