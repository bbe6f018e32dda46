//! Real repositories that somebody keeps on this machine: every tag of each.

use std::path::Path;

use larder_module::semver;
use larder_testkit::git;

use super::World;
use crate::questions::{Asks, Question};

/// Adds every repository of a folder: bare ones, or working copies.
pub(super) fn build(world: &mut World<'_>, folder: &Path) {
    let entries = fs_err::read_dir(folder).expect("LARDER_MIRRORS names a folder");
    let mut folders: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    folders.sort();
    for found in folders {
        let inner = found.join(".git");
        let bare = if inner.is_dir() { inner } else { found.clone() };
        if !bare.join("objects").is_dir() {
            continue;
        }
        let name =
            found.file_name().unwrap_or_default().to_string_lossy().trim_end_matches(".git").to_owned();
        let place = format!("git.corp.example/mirrors/{name}");
        world.server.link(&place, &bare);
        world.repositories += 1;
        let listed = git::command(&bare)
            .args(["-c", "safe.directory=*", "tag", "--list"])
            .output()
            .expect("git is on the machine");
        let tags = String::from_utf8_lossy(&listed.stdout).into_owned();
        let mut ask = |module: String, asks| {
            world.questions.insert(Question { repository: place.clone(), module, asks });
        };
        ask(place.clone(), Asks::List);
        ask(place.clone(), Asks::Latest);
        for tag in tags.lines() {
            for (module, asks) in of_tag(&place, tag) {
                ask(module.clone(), asks);
                ask(module.clone(), Asks::List);
                ask(module, Asks::Latest);
            }
        }
    }
}

/// Returns what a tag may stand for.
fn of_tag(place: &str, tag: &str) -> Vec<(String, Asks)> {
    let (below, version) = tag.rsplit_once('/').map_or(("", tag), |(below, version)| (below, version));
    if semver::canonical(version) != version {
        return Vec::new();
    }
    let slash = if below.is_empty() { "" } else { "/" };
    let module = format!("{place}{slash}{below}");
    let major = semver::major(version);
    if matches!(major, "v0" | "v1") {
        return vec![(module, Asks::Version(version.to_owned()))];
    }
    vec![
        (module.clone(), Asks::Version(format!("{version}+incompatible"))),
        (format!("{module}/{major}"), Asks::Version(version.to_owned())),
    ]
}
