//! The stage for hostile and broken repositories: a forge, a Larder that asks it through git, and a record of what git was given.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::watch::{GitRecorder, Started, listing};
use crate::{FakeUpstream, GitServer, Larder, Scenario};

/// The host of all modules; its forge is reached by address, so that no network of its own is needed.
pub const HOST: &str = "git.corp.example";
/// What hostile commands try to make. The name stands in no URL, so that no mirror is named after it.
pub const CANARY: &str = "pwned-7f3a91";

/// What Larder gives git before the words that may come from outside.
const SUBCOMMANDS: &[&str] = &[
    "ls-remote",
    "fetch",
    "cat-file",
    "archive",
    "log",
    "rev-parse",
    "rev-list",
    "ls-tree",
    "update-ref",
    "config",
    "version",
];
const OPTIONS: &[&str] = &[
    "--symref",
    "--quiet",
    "--get-url",
    "--includes",
    "-z",
    "--get-regexp",
    "--force",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-gc",
    "--no-recurse-submodules",
    "--depth=1",
    "--prune",
    "--filter=tree:0",
    "--batch",
    "--batch-check=%(objectname)",
    "--full-tree",
    "--format=zip",
    "-0",
    "--prefix=prefix/",
    "--verify",
    "--no-decorate",
    "-n1",
    "--format=format:%H %ct",
    "--format=%H %ct",
    "--no-walk=unsorted",
];
const SETTINGS: &[&str] = &[
    "core.attributesFile",
    "core.hooksPath",
    "core.fsmonitor",
    "core.autocrlf",
    "core.eol",
    "log.showSignature",
    "gc.auto",
    "maintenance.auto",
    "fetch.unpackLimit",
    "fetch.recurseSubmodules",
    "fetch.writeCommitGraph",
    "submodule.recurse",
    "credential.interactive",
    "http.followRedirects",
    "http.lowSpeedLimit",
    "http.lowSpeedTime",
    "http.curloptResolve",
    "http.sslCAInfo",
    "protocol.version",
    "protocol.allow",
    "protocol.https.allow",
    "protocol.ssh.allow",
    "protocol.http.allow",
    "remote.origin.url",
];
/// The commands of its own that git runs for a fetch.
const HELPERS: &[&str] =
    &["remote-https", "remote-http", "index-pack", "unpack-objects", "rev-list", "fetch-pack", "maintenance"];

/// A forge, and how to start a Larder that knows it.
pub struct GitStage {
    /// The forge.
    pub forge: GitServer,
    /// The other upstreams; they should never hear anything.
    pub scene: Scenario,
    /// Stands in front of git.
    pub recorder: GitRecorder,
    before: Vec<(PathBuf, BTreeSet<PathBuf>)>,
}

impl GitStage {
    /// Sets it up with a forge that is asked by its address.
    pub fn new(binary: &str) -> Self {
        Self::with(binary, GitServer::start())
    }

    /// Sets it up with a forge.
    pub fn with(binary: &str, forge: GitServer) -> Self {
        let scene = Scenario::new(binary, FakeUpstream::new());
        let recorder = GitRecorder::new(&scene.larder.folder().join("recorder"));
        Self { forge, scene, recorder, before: Vec::new() }
    }

    /// Returns the mapping of the host's repositories to the forge's address.
    pub fn mapping(&self) -> String {
        let address = self.forge.address();
        format!(
            "[[repository]]\nmatch = [\"{HOST}/*/*\"]\nurl = \"https://{address}/{{host}}/{{path}}.git\"\n"
        )
    }

    /// Prepares a Larder with this git and more configuration: lines of `[git]`, and tables of their own.
    pub fn larder(&self, program: &Path, git: &str, tables: &str) -> Larder {
        self.scene.larder.clone().config(&format!(
            "[answers]\nfresh = \"1s\"\nnegative = \"1s\"\n[git]\nprogram = \"{}\"\n{git}\n[upstream]\nca = [\"{}\"]\n\
             [[route]]\nmatch = [\"{HOST}\"]\nchain = \"direct\"\nprivate = true\n{tables}",
            program.display(),
            self.forge.authority_file().display()
        ))
    }

    /// Prepares a Larder whose git is recorded and whose repositories are at the forge's address.
    pub fn recorded(&self, git: &str) -> Larder {
        self.larder(&self.recorder.program(), git, &self.mapping())
    }

    /// Remembers what is on the disk where nothing may change: around the data folder, and where the tests run.
    pub fn remember_the_world(&mut self, others: &[&Path]) {
        let mut folders = vec![self.scene.larder.folder().to_owned()];
        folders.extend(others.iter().map(|folder| (*folder).to_owned()));
        self.before = folders
            .into_iter()
            .map(|folder| {
                let names = listing(&folder).into_keys().collect();
                (folder, names)
            })
            .collect();
    }

    /// Asserts that nothing is new there, but in the data folder and in the record.
    pub fn assert_same_world(&self) {
        let folder = self.scene.larder.folder();
        let own = [self.scene.larder.data().to_owned(), folder.join("recorder")];
        for (folder, before) in &self.before {
            let now: BTreeSet<PathBuf> = listing(folder).into_keys().collect();
            let new: Vec<_> =
                now.difference(before).filter(|path| !own.iter().any(|own| path.starts_with(own))).collect();
            assert!(new.is_empty(), "new files outside: {new:?}");
        }
        let canary = listing(folder).into_keys().find(|path| path.ends_with(CANARY));
        assert!(canary.is_none(), "a hostile command was run: {canary:?}");
        for place in ["/", "/tmp", "/var/tmp", "/dev/shm"] {
            assert!(!Path::new(place).join(CANARY).exists(), "a hostile command was run: {place}");
        }
        let heard: Vec<_> = self.scene.upstream.log().into_iter().map(|asked| asked.path).collect();
        assert!(!heard.iter().any(|path| path.contains("corp")), "a private name leaked: {heard:?}");
    }

    /// Asserts that git was given nothing from outside that it could take for an option, and started nothing but its own.
    pub fn assert_tame(&self) {
        for run in self.recorder.runs() {
            if let Err(why) = judge(&run) {
                panic!("git was given {why}: {run:?}");
            }
        }
        for started in self.recorder.started() {
            assert!(is_own(&started, &self.recorder), "git started {started:?}");
        }
        for run in self.recorder.ssh_runs() {
            // Options of git's own, the host, the command for the other side.
            let host = run.iter().position(|word| {
                !word.starts_with('-') && !word.contains("SendEnv") && word != "GIT_PROTOCOL"
            });
            let host = host.unwrap_or_else(|| panic!("ssh without a host: {run:?}"));
            assert!(
                run[..host].iter().all(|word| ["-o", "SendEnv=GIT_PROTOCOL", "-G"].contains(&word.as_str())),
                "{run:?}"
            );
            assert!(run[host + 1..].iter().all(|word| word.starts_with("git-upload-pack '")), "{run:?}");
        }
    }
}

fn judge(run: &[String]) -> Result<(), String> {
    let mut words = run.iter().map(String::as_str).peekable();
    let mut subcommand = None;
    while let Some(word) = words.next() {
        match word {
            "--end-of-options" => break,
            "-c" => {
                let setting = words.next().unwrap_or_default();
                let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
                let is_address =
                    ["https://", "ssh://", "http://"].iter().any(|scheme| value.starts_with(scheme));
                if !SETTINGS.contains(&name) || (name == "remote.origin.url" && !is_address) {
                    return Err(format!("the setting {setting:?}"));
                }
            }
            _ if word.starts_with('-') && OPTIONS.contains(&word) => {}
            _ if subcommand.is_none() && SUBCOMMANDS.contains(&word) => subcommand = Some(word),
            _ if subcommand == Some("config") && !word.starts_with('-') => {}
            _ => return Err(format!("{word:?} where it could be an option")),
        }
    }
    match words.find(|word| word.starts_with('-') && *word != "--") {
        Some(word) => Err(format!("{word:?}")),
        None => Ok(()),
    }
}

fn is_own(started: &Started, recorder: &GitRecorder) -> bool {
    let words: Vec<&str> = started.arguments.iter().map(String::as_str).collect();
    // Git lets a shell read the operator's own command for ssh.
    if words.first().is_some_and(|word| Path::new(word) == recorder.ssh()) {
        return true;
    }
    let helper = match words.as_slice() {
        ["git", name, ..] => *name,
        [name, ..] => name.strip_prefix("git-").unwrap_or_default(),
        [] => "",
    };
    // Git's own options may stand before the name.
    !started.shell
        && (HELPERS.contains(&helper) || words.iter().any(|word| HELPERS.contains(word)) && words[0] == "git")
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn words_from_outside_are_told_from_options() {
        let judge = |text: &str| judge(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(judge("-c gc.auto=0 fetch --quiet --end-of-options https://a +b:c").is_ok());
        assert!(judge("archive --end-of-options refs/x -- folder").is_ok());
        for text in [
            "fetch --upload-pack=x --end-of-options a",
            "fetch https://a",
            "fetch --end-of-options --upload-pack=x",
            "-c core.sshCommand=x fetch --end-of-options a",
            "-c remote.origin.url=ext::x fetch --end-of-options a",
            "clone --end-of-options a",
        ] {
            assert!(judge(text).is_err(), "{text}");
        }
    }
}
