//! A team with private repositories: the go client knows Larder's URL and which names no checksum database is asked about, and
//! nothing else. Logins, keys and certificates are Larder's.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use larder_testkit::git_server::Strangers;
use larder_testkit::{
    FakeUpstream, GitServer, GoCommand, Larder, LarderProcess, Scenario, SshServer, namespace, settings,
};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");
const HOST: &str = "git.corp.example";
const LIB: &str = "git.corp.example/team/lib";
const TOOLS: &str = "git.corp.example/team/tools/sub";

fn go() -> Option<GoCommand> {
    let found = GoCommand::find();
    if found.is_none() {
        settings::skipped("go command", "there is no go on PATH or in /usr/local/go");
    }
    found.map(|go| go.build_cache(&PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("go-build")))
}

/// Two repositories, one of which uses the other and has its module in a folder.
fn repositories(forge: &GitServer) {
    let mut lib = forge.repository(LIB);
    let first = lib.files(&[
        ("go.mod", "module git.corp.example/team/lib\n\ngo 1.21\n"),
        ("lib.go", "package lib\n\nconst Version = 1\n"),
    ]);
    lib.tag("v1.0.0", first);
    lib.save();
    let mut tools = forge.repository("git.corp.example/team/tools");
    let first = tools.files(&[
        ("LICENSE", "all rights reserved\n"),
        (
            "sub/go.mod",
            "module git.corp.example/team/tools/sub\n\ngo 1.21\n\nrequire git.corp.example/team/lib v1.0.0\n",
        ),
        (
            "sub/cmd/tool/main.go",
            "package main\n\nimport \"git.corp.example/team/lib\"\n\nfunc main() { println(lib.Version) }\n",
        ),
        ("sub/tool.go", "package sub\n\nimport _ \"git.corp.example/team/lib\"\n"),
    ]);
    tools.tag("sub/v0.3.0", first);
    tools.save();
}

/// A new version of the library.
fn release(forge: &GitServer, version: &str) {
    let mut lib = forge.repository(LIB);
    let commit = lib.files(&[
        ("go.mod", "module git.corp.example/team/lib\n\ngo 1.21\n"),
        ("lib.go", &format!("package lib\n\nconst Version = \"{version}\"\n")),
    ]);
    lib.tag(version, commit);
    lib.save();
}

/// What `docs/private-modules.md` promises a developer.
fn everything_works(go: &GoCommand, forge: &GitServer, name: &str) {
    let project = go.project(
        name,
        &[
            ("go.mod", "module example.com/app\n\ngo 1.21\n"),
            ("main.go", "package main\n\nimport (\n\t\"git.corp.example/team/lib\"\n\t_ \"git.corp.example/team/tools/sub\"\n)\n\nfunc main() { println(lib.Version) }\n"),
        ],
    );
    // Packages, not modules: the go command tries every prefix of their paths.
    go.run(&project, &["get", "git.corp.example/team/tools/sub/cmd/tool"]).expect_success();
    go.run(&project, &["get", "."]).expect_success();
    go.run(&project, &["build", "./..."]).expect_success();
    let versions = go.run(&project, &["list", "-m", "-versions", LIB]).expect_success();
    assert_eq!(versions.trim(), format!("{LIB} v1.0.0"));
    let chosen = go.run(&project, &["list", "-m", "-f", "{{.Version}}", TOOLS]).expect_success();
    assert_eq!(chosen.trim(), "v0.3.0");

    release(forge, "v1.1.0");
    // By its name at once; as the newest one when the list that Larder has is no longer fresh.
    go.run(&project, &["get", &format!("{LIB}@v1.1.0")]).expect_success();
    let began = Instant::now();
    loop {
        let newest = go.run(&project, &["list", "-m", "-f", "{{.Version}}", &format!("{LIB}@latest")]);
        if newest.expect_success().trim() == "v1.1.0" {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "the new tag is never seen");
    }
    go.run(&project, &["mod", "tidy"]).expect_success();
    go.run(&project, &["mod", "verify"]).expect_success();
}

/// A Larder for which everything of the host is private, whose lists stay fresh for two seconds.
fn larder(scene: &Scenario, forge: &GitServer, more: &str) -> Larder {
    let authority = forge.authority_file();
    scene.larder.clone().config(&format!(
        "[answers]\nfresh = \"2s\"\nnegative = \"1s\"\n[git]\nrefs = \"0s\"\n[upstream]\nca = [\"{}\"]\n\
         [[route]]\nmatch = [\"{HOST}\"]\nchain = \"direct\"\nprivate = true\n{more}",
        authority.display()
    ))
}

fn client(scene: &Scenario, go: GoCommand, larder: &LarderProcess) -> GoCommand {
    // `GIT_ALLOW_PROTOCOL` keeps a go command that would ask repositories itself from doing so unnoticed.
    scene
        .client(go, larder.url())
        .env("GONOSUMDB", HOST)
        .env("GIT_ALLOW_PROTOCOL", "none")
        .fresh_module_cache()
}

/// Asserts that nobody but the forge has heard of the host.
fn nothing_leaked(scene: &Scenario) {
    let heard: Vec<_> =
        scene.upstream.log().into_iter().filter(|asked| asked.path.contains("corp")).collect();
    assert!(heard.is_empty(), "{heard:?}");
}

#[test]
fn repositories_behind_https_with_a_login() {
    if !namespace::inside("repositories_behind_https_with_a_login", &[HOST]) {
        return;
    }
    let Some(go) = go() else { return };
    let forge = GitServer::start_named(&[HOST]);
    repositories(&forge);
    forge.protect("git.corp.example/team", "robot", "canary-password", Strangers::Challenged);
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let secret = scene.larder.folder().join("secret");
    fs_err::write(&secret, "canary-password\n").expect("a temporary folder");
    let credential = format!(
        "[[credential]]\nurl = \"https://{HOST}\"\nuser = \"robot\"\npassword_file = \"{}\"\n",
        secret.display()
    );
    let larder = larder(&scene, &forge, &credential).start();
    everything_works(&client(&scene, go.clone(), &larder), &forge, "https");
    nothing_leaked(&scene);

    // A login that was withdrawn is told to whoever asks, in words; what is stored is still served.
    forge.revoke("git.corp.example/team");
    let developer = client(&scene, go, &larder);
    let project = developer.project("later", &[("go.mod", "module example.com/later\n\ngo 1.21\n")]);
    developer.run(&project, &["get", &format!("{LIB}@v1.0.0")]).expect_success();
    let said = developer.run(&project, &["get", &format!("{LIB}@v1.0.1")]).expect_failure();
    assert!(said.contains("502") && said.contains("refuses Larder's credentials"), "{said}");
    assert!(said.contains("docs/private-modules.md"), "{said}");
    assert!(!said.contains("canary") && !larder.log().concat().contains("canary"), "{said}");
}

#[test]
fn repositories_behind_ssh() {
    if !namespace::inside("repositories_behind_ssh", &[HOST]) {
        return;
    }
    let Some(go) = go() else { return };
    let forge = GitServer::start_named(&[HOST]);
    repositories(&forge);
    // Nothing of it is to be had by https.
    forge.protect(HOST, "nobody", "canary-password", Strangers::Denied);
    forge.protect_pages(HOST);
    let ssh = match SshServer::start(forge.root(), &[HOST]) {
        Ok(ssh) => ssh,
        Err(why) => return settings::skipped("repositories_behind_ssh", &why),
    };
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let mapping = format!(
        "[[repository]]\nmatch = [\"{HOST}/*/*\"]\nurl = \"ssh://{HOST}/git.corp.example/{{1}}/{{2}}.git\"\n"
    );
    let larder = larder(&scene, &forge, &mapping).env("GIT_SSH_COMMAND", ssh.command()).start();
    everything_works(&client(&scene, go.clone(), &larder), &forge, "ssh");
    nothing_leaked(&scene);

    let developer = client(&scene, go, &larder);
    let project = developer.project("later", &[("go.mod", "module example.com/later\n\ngo 1.21\n")]);
    for (change, heard) in [
        (SshServer::revoke_key as fn(&SshServer), "Permission denied"),
        (SshServer::forget_host_key, "Host key verification failed"),
    ] {
        change(&ssh);
        let said = developer.run(&project, &["get", &format!("{LIB}@v1.0.9")]).expect_failure();
        assert!(said.contains(heard), "{said}");
    }
    developer.run(&project, &["get", &format!("{LIB}@v1.0.0")]).expect_success();
}
