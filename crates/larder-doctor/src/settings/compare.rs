//! What the go command itself says about its settings, beside what was worked out from the files.
//!
//! They are the same unless something stands between: a wrapper that sets variables, a build of Go with other defaults. Then
//! the go command is right, and that there is a difference is worth knowing.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::{GoSetting, Origin, SettingFacts};
use crate::System;

/// Settings that are compared: not those that `go env` computes from the project, or that this run itself sets.
const COMPARED: &[&str] = &[
    "GOPROXY",
    "GONOPROXY",
    "GOPRIVATE",
    "GOSUMDB",
    "GONOSUMDB",
    "GOINSECURE",
    "GOVCS",
    "GO111MODULE",
    "GOFLAGS",
    "GOPATH",
    "GOMODCACHE",
];

/// How long the go command may take.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Asks `go env`, where there is a go command and it is this machine's, and notes what it says otherwise.
pub async fn compare(system: &System, settings: &mut SettingFacts) {
    let Some(program) = settings.go_program.clone().filter(|_| system.root == std::path::Path::new("/"))
    else {
        return;
    };
    let Some(said) = ask(system, &program).await else { return };
    for name in COMPARED {
        let Some(theirs) = said.get(*name) else { continue };
        let ours = settings.value(name).to_owned();
        if ours == *theirs {
            continue;
        }
        settings.disagreements.push(((*name).to_owned(), ours, theirs.clone()));
        let told = GoSetting {
            name: (*name).to_owned(),
            value: theirs.clone(),
            origin: Origin::GoCommand(program.clone()),
            hides: Vec::new(),
        };
        match settings.go.iter_mut().find(|known| known.name == *name) {
            Some(known) => *known = told,
            None => settings.go.push(told),
        }
    }
}

async fn ask(system: &System, program: &str) -> Option<BTreeMap<String, String>> {
    let mut command = Command::new(program);
    command
        .args(["env", "-json"])
        .args(COMPARED)
        .env_clear()
        .envs(&system.environment)
        // A toolchain line must not make this a download.
        .env("GOTOOLCHAIN", "local")
        .current_dir(&system.folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    // One that complains, about GOFLAGS for example, says nothing here.
    output.status.success().then(|| serde_json::from_slice(&output.stdout).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_go_command_is_right_where_it_says_otherwise() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("go");
        fs_err::write(
            &program,
            "#!/bin/sh\necho '{\"GOPROXY\":\"https://wrapped.example.com\",\"GOSUMDB\":\"off\"}'\n",
        )
        .expect("a temporary folder");
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755))
            .expect("a temporary folder");
        let mut system = System::of_environment([("GOSUMDB".to_owned(), "off".to_owned())].into());
        system.folder = folder.path().to_owned();
        let mut settings = SettingFacts {
            go_program: Some(program.to_string_lossy().into_owned()),
            go: vec![GoSetting {
                name: "GOSUMDB".to_owned(),
                value: "off".to_owned(),
                ..GoSetting::default()
            }],
            ..SettingFacts::default()
        };
        compare(&system, &mut settings).await;
        assert_eq!(settings.value("GOPROXY"), "https://wrapped.example.com");
        assert_eq!(settings.disagreements.len(), 1);
        assert!(settings.origin("GOPROXY").starts_with("go env of "));
    }
}
