//! The laboratory for version control, tried with the real git, ssh and go.

use std::path::Path;

use larder_testkit::git_server::{GitFault, Page, Stage, Strangers};
use larder_testkit::{GitServer, GoCommand, SshServer, git, namespace, settings};

const HOST: &str = "git.corp.example";

fn clone(server: &GitServer, url: &str, extra: &[(&str, &str)]) -> Result<String, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = git::command(folder.path())
        .env("GIT_SSL_CAINFO", server.authority_file())
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs(extra.iter().copied())
        .args(["clone", "--quiet", "--bare", "--depth=1", url, "copy"])
        .output()
        .expect("git is on the machine");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let head = git::command(&folder.path().join("copy")).args(["rev-parse", "HEAD"]).output();
    Ok(String::from_utf8_lossy(&head.expect("git is on the machine").stdout).trim().to_owned())
}

fn repository(server: &GitServer, name: &str) -> String {
    let mut repository = server.repository(name);
    let first = repository.files(&[("go.mod", &format!("module {name}\n")), ("a.go", "package a\n")]);
    repository.tag("v1.0.0", first);
    repository.hash(first)
}

#[test]
fn a_clone_by_address_is_counted() {
    let server = GitServer::start();
    let hash = repository(&server, "git.corp.example/team/repo");
    let url = server.url("git.corp.example/team/repo");
    assert_eq!(clone(&server, &url, &[]), Ok(hash));
    let traffic = server.traffic("git.corp.example/team/repo");
    assert_eq!((traffic.advertisements, traffic.listings, traffic.fetches), (1, 1, 1), "{:?}", server.log());
    assert!(traffic.bytes > 300, "{traffic:?}");
    assert!(
        clone(&server, &server.url("git.corp.example/team/none"), &[]).unwrap_err().contains("not found")
    );
}

#[test]
fn logins_and_faults_are_played() {
    let server = GitServer::start();
    let hash = repository(&server, "git.corp.example/team/secret");
    server.protect("git.corp.example/team", "robot", "hunter2", Strangers::Challenged);
    let url = server.url("git.corp.example/team/secret");
    assert!(clone(&server, &url, &[]).unwrap_err().contains("could not read Username"));
    let with = url.replace("https://", "https://robot:hunter2@");
    assert_eq!(clone(&server, &with, &[]), Ok(hash.clone()));
    server.revoke("git.corp.example/team");
    assert!(clone(&server, &with, &[]).is_err());
    server.protect("git.corp.example/team", "robot", "new", Strangers::Denied);
    let with = url.replace("https://", "https://robot:new@");
    server.fault("git.corp.example/team", Some(Stage::Fetch), GitFault::Cut(40), Some(1));
    assert!(clone(&server, &with, &[]).is_err());
    server.fault("git.corp.example/team", None, GitFault::Status(503, "later\n".to_owned()), Some(1));
    assert!(clone(&server, &with, &[]).unwrap_err().contains("503"));
    server.heal();
    assert!(
        server
            .wait_until(std::time::Duration::from_secs(5), |log| log.iter().any(|asked| asked.status == 503))
    );
}

#[test]
fn go_reaches_module_paths_on_loopback() {
    if !namespace::inside("go_reaches_module_paths_on_loopback", &[HOST, "pages.corp.example"]) {
        return;
    }
    let Some(go) = GoCommand::find() else { return settings::skipped("go", "there is no go command") };
    let server = GitServer::start_named(&[HOST, "pages.corp.example"]);
    repository(&server, "git.corp.example/team/repo");
    let mut nested = server.repository("git.corp.example/team/mono");
    let first =
        nested.files(&[("lib/go.mod", "module pages.corp.example/lib\n"), ("lib/a.go", "package a\n")]);
    nested.tag("lib/v1.0.0", first);
    nested.save();
    let url = "https://git.corp.example/team/mono.git";
    server.page("pages.corp.example/lib", Page::import_folder("pages.corp.example/lib", url, "lib"));
    let go = go
        .proxy("direct")
        .env("GOSUMDB", "off")
        .env("SSL_CERT_FILE", server.authority_file().to_string_lossy())
        .env("GIT_SSL_CAINFO", server.authority_file().to_string_lossy());
    let wanted = ["git.corp.example/team/repo@v1.0.0", "pages.corp.example/lib@v1.0.0"];
    let output = go.run(Path::new("/"), &[&["mod", "download", "-json"], wanted.as_slice()].concat());
    assert_eq!(output.expect_success().matches("\"Sum\"").count(), 2, "{:?}", server.log());
}

#[test]
fn ssh_serves_who_has_the_key() {
    if !namespace::inside("ssh_serves_who_has_the_key", &[HOST]) {
        return;
    }
    let server = GitServer::start();
    let hash = repository(&server, "team/repo");
    let ssh = match SshServer::start(server.root(), &[HOST]) {
        Ok(ssh) => ssh,
        Err(why) => return settings::skipped("ssh_serves_who_has_the_key", &why),
    };
    let command = ssh.command();
    let with: &[_] = &[("GIT_SSH_COMMAND", command.as_str())];
    let url = ssh.url(HOST, "team/repo");
    assert_eq!(clone(&server, &url, with), Ok(hash.clone()));
    assert_eq!(ssh.log(), ["git-upload-pack '/team/repo.git'"]);
    assert!(clone(&server, &ssh.url(HOST, "team/none"), with).unwrap_err().contains("Repository not found"));
    ssh.forget_host_key();
    assert!(clone(&server, &url, with).unwrap_err().contains("Host key verification failed"));
    ssh.expect_other_host_key();
    assert!(clone(&server, &url, with).unwrap_err().contains("IDENTIFICATION HAS CHANGED"));
    ssh.trust_host_key();
    ssh.revoke_key();
    assert!(clone(&server, &url, with).unwrap_err().contains("Permission denied"));
    ssh.allow_key();
    assert_eq!(clone(&server, &url, with), Ok(hash));
}
