//! Modules that come from version control: go-import pages and git.

use larder_testkit::FakeUpstream;
use larder_testkit::git::Commit;
use larder_testkit::git_server::{GitFault, Page, Strangers};
use larder_testkit::lab::{Answer, Case};

use crate::{Scenario, one, scenario};

/// A repository with v1.0.0, taken directly; returns its module path.
fn repository(case: &mut Case<'_>) -> String {
    repository_on(case, "git.corp.example")
}

fn repository_on(case: &mut Case<'_>, host: &str) -> String {
    let (mut repository, path) = case.repository(host, "lib");
    let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
    repository.tag("v1.0.0", first);
    repository.save();
    case.env("GOPRIVATE", host);
    case.download(&format!("{path}@v1.0.0"));
    path
}

/// A path of the forge whose page is made by hand.
fn page(case: &mut Case<'_>, page: impl Fn(&str) -> Page, says: &str) {
    let team = format!("team{}", case.lab().number());
    case.scrub(&team, "team");
    let path = format!("git.corp.example/{team}/lib");
    case.lab().forge.page(&path, page(&path));
    case.env("GOPRIVATE", "git.corp.example");
    case.download(&format!("{path}@v1.0.0"));
    case.prints(&[says]);
}

/// A program called git before the real one.
fn instead_of_git(case: &mut Case<'_>, script: &str) {
    case.write("bin/git", script);
    case.shell("chmod +x bin/git");
    let path = format!("{}:{}", case.home().join("bin").display(), case.variable("PATH"));
    case.env("PATH", &path);
}

/// Git goes by ssh, whose program says this.
fn by_ssh(case: &mut Case<'_>, words: &str) {
    repository(case);
    case.write(
        ".gitconfig",
        "[url \"ssh://git@git.corp.example/\"]\n\tinsteadOf = https://git.corp.example/\n",
    );
    case.write("bin/ssh", &format!("#!/bin/sh\nprintf '%b\\n' \"{words}\" >&2\nexit 255\n"));
    case.shell("chmod +x bin/ssh");
    let program = case.home().join("bin/ssh").to_string_lossy().into_owned();
    case.env("GIT_SSH_COMMAND", &program);
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("G01", "no-git", |case| {
        repository(case);
        let path = case.client().root().join("bin").to_string_lossy().into_owned();
        case.env("PATH", &path);
        case.prints(&["exec: \"git\": executable file not found in $PATH"]);
    }),
    scenario("G02", "end-of-options", |case| {
        case.needs_go(26, 99);
        repository(case);
        let old = "#!/bin/sh\nfor word; do\n\tif [ \"$word\" = --end-of-options ]; then\n\t\tprintf \"error: unknown option \\`end-of-options'\\nusage: git fetch [<options>] [<repository> [<refspec>...]]\\n\" >&2\n\t\texit 129\n\tfi\ndone\n[ \"$*\" = version ] && { echo git version 2.20.1; exit; }\n[ \"$*\" = --version ] && { echo git version 2.20.1; exit; }\nexec /usr/bin/git \"$@\"\n";
        instead_of_git(case, old);
        case.prints(&["end-of-options"]);
    }),
    scenario("G03", "login-wanted", |case| {
        let path = repository(case);
        case.lab().forge.protect(&path, "dev", "secret", Strangers::Challenged);
        case.prints(&["could not read Username"]);
    }),
    scenario("G03", "login-wanted-by-github", |case| {
        let path = repository_on(case, "github.com");
        case.lab().forge.protect(&path, "dev", "secret", Strangers::Challenged);
        case.prints(&["could not read Username"]);
    }),
    scenario("G04", "git-of-the-proxy", |case| {
        let words = "not found: git.corp.example/team/lib@v1.0.0: invalid version: git ls-remote -q origin in /tmp/gopath/pkg/mod/cache/vcs/5b863d3c5f6d03d8b2e5e1b6a6c5b2ed6c2b4f0c3a8d64d4a6d5f1a6d0b7a2f1: exit status 128:\n\tfatal: could not read Username for 'https://git.corp.example': terminal prompts disabled\nConfirm the import path was entered correctly.\nIf this is a private repository, see https://golang.org/doc/faq#git_https for additional information.\n";
        case.broken_proxy(&FakeUpstream::new(), move |_| Some(Answer::status(404, words)));
        case.download("git.corp.example/team/lib@v1.0.0");
        case.prints(&["server response:"]);
    }),
    scenario("G05", "no-such-repository", |case| {
        let path = repository(case);
        case.lab().forge.protect(&path, "dev", "secret", Strangers::Denied);
        case.prints(&["not found"]);
    }),
    scenario("G05", "wrong-password", |case| {
        let path = repository(case);
        case.lab().forge.protect(&path, "dev", "secret", Strangers::Challenged);
        case.write(
            ".gitconfig",
            "[credential]\n\thelper = \"!echo username=dev; echo password=outdated; :\"\n",
        );
        case.prints(&["Authentication failed for"]);
    }),
    scenario("G06", "unknown-host-key", |case| {
        by_ssh(
            case,
            "No ED25519 host key is known for git.corp.example and you have requested strict checking.\\nHost key verification failed.",
        );
        case.prints(&["Host key verification failed"]);
    }),
    scenario("G06", "key-refused", |case| {
        by_ssh(case, "git@git.corp.example: Permission denied (publickey).");
        case.prints(&["Permission denied (publickey)"]);
    }),
    scenario("G06", "port-closed", |case| {
        by_ssh(case, "ssh: connect to host git.corp.example port 22: Connection timed out");
        case.prints(&["port 22: Connection timed out"]);
    }),
    scenario("G07", "rewritten-to-a-dead-port", |case| {
        repository(case);
        case.write(
            ".gitconfig",
            "[url \"https://git.corp.example:9443/\"]\n\tinsteadOf = https://git.corp.example/\n",
        );
        case.prints(&["git.corp.example:9443"]);
    }),
    scenario("G07", "rewritten-to-another-repository", |case| {
        let path = repository(case);
        let (mut other, other_path) = case.repository("git.corp.example", "mirror");
        let first = other.files(&[("README", "empty\n")]);
        other.tag("v0.1.0", first);
        other.save();
        case.write(".gitconfig", &format!("[url \"https://{other_path}\"]\n\tinsteadOf = https://{path}\n"));
        case.prints(&["unknown revision v1.0.0"]);
        case.log_may_say = vec!["G13"];
    }),
    scenario("G08", "authority-unknown-to-git", |case| {
        repository(case);
        case.unset("GIT_SSL_CAINFO");
        case.write("empty.pem", "");
        let nobody = case.home().join("empty.pem").to_string_lossy().into_owned();
        case.write(".gitconfig", &format!("[http]\n\tsslCAInfo = {nobody}\n"));
        case.prints(&["unable to access", "verification failed"]);
    }),
    scenario("G08", "proxy-of-git-dead", |case| {
        repository(case);
        case.write(".gitconfig", "[http]\n\tproxy = http://squid.corp.example:9\n");
        case.prints(&["Failed to connect to squid.corp.example port 9"]);
    }),
    scenario("G08", "authority-unknown-to-go", |case| {
        repository(case);
        case.write("empty.pem", "");
        let nobody = case.home().join("empty.pem").to_string_lossy().into_owned();
        case.env("SSL_CERT_FILE", &nobody);
        let nowhere = case.home().join("nowhere").to_string_lossy().into_owned();
        case.env("SSL_CERT_DIR", &nowhere);
        case.prints(&["certificate signed by unknown authority"]);
        case.log_may_say = vec!["N10", "N14", "N12"];
        case.live_may_say = vec!["N14"];
    }),
    scenario("G09", "login-page", |case| {
        page(
            case,
            |_| Page::Html("<html><head><title>Sign in</title></head></html>\n".to_owned()),
            "no go-import meta tags ()",
        );
    }),
    scenario("G09", "page-not-found", |case| {
        page(case, |_| Page::Status(404, "not here\n".to_owned()), "404 Not Found")
    }),
    scenario("G09", "page-wants-login", |case| {
        page(case, |_| Page::Status(401, "who are you\n".to_owned()), "401 Unauthorized")
    }),
    scenario("G10", "prefix-of-another-path", |case| {
        page(
            case,
            |_| {
                Page::import(
                    "git.corp.example/elsewhere/lib",
                    "git",
                    "https://git.corp.example/elsewhere/lib.git",
                )
            },
            "did not match import path",
        );
    }),
    scenario("G10", "two-tags", |case| {
        let two = |path: &str| {
            Page::Imports(vec![
                format!("{path} git https://{path}.git"),
                format!("{path} git https://{path}-2.git"),
            ])
        };
        page(case, two, "multiple meta tags match import path");
    }),
    scenario("G10", "unknown-system", |case| {
        page(case, |path| Page::import(path, "cvs", &format!("https://{path}")), "unknown vcs \"cvs\"")
    }),
    scenario("G10", "no-scheme", |case| page(case, |path| Page::import(path, "git", path), "no scheme")),
    scenario("G11", "all-off", |case| {
        repository(case);
        case.env("GOVCS", "*:off");
        case.prints(&[
            "GOVCS disallows using git for private git.corp.example/team/lib",
            "GOVCS disallows using git",
        ]);
    }),
    scenario("G11", "public-subversion", |case| {
        page(
            case,
            |path| Page::import(path, "svn", &format!("https://{path}")),
            "GOVCS disallows using svn for public",
        );
        case.unset("GOPRIVATE");
        case.env("GOPROXY", "direct");
        case.env("GOSUMDB", "off");
    }),
    scenario("G11", "malformed", |case| {
        repository(case);
        case.env("GOVCS", "git.corp.example");
        case.prints(&["malformed entry in GOVCS"]);
    }),
    scenario("G12", "no-subversion", |case| {
        page(case, |path| Page::import(path, "svn", &format!("https://{path}")), "");
        let path = case.subject.clone().unwrap_or_default();
        let path = path.split('@').next().unwrap_or_default().to_owned();
        case.app(&[], &[]);
        case.get(&path);
        if std::path::Path::new("/usr/bin/svn").exists() {
            case.skip("there is a svn");
        }
        case.prints(&["no matching versions for query \"upgrade\"", "svn"]);
        case.log_may_say = vec!["R01"];
    }),
    scenario("G13", "no-such-tag", |case| {
        let path = repository(case);
        case.download(&format!("{path}@v1.0.7"));
        case.prints(&["unknown revision v1.0.7"]);
    }),
    scenario("G13", "no-such-branch", |case| {
        let path = repository(case);
        case.app(&[], &[]);
        case.get(&format!("{path}@develop"));
        case.prints(&["unknown revision develop"]);
    }),
    scenario("G14", "wrong-time", |case| {
        pseudo(
            case,
            |hash| format!("v0.0.0-20200101000000-{}", &hash[..12]),
            "does not match version-control timestamp",
        )
    }),
    scenario("G14", "short-hash", |case| {
        pseudo(
            case,
            |hash| format!("v0.0.0-20240101120000-{}", &hash[..7]),
            "revision is shorter than canonical",
        )
    }),
    scenario("G14", "no-such-base", |case| {
        pseudo(
            case,
            |hash| format!("v1.4.1-0.20240101120000-{}", &hash[..12]),
            "preceding tag (v1.4.0) not found",
        );
    }),
    scenario("G15", "url", |case| {
        malformed(case, "https://git.corp.example/team/lib", "malformed module path \"https:")
    }),
    scenario("G15", "as-ssh-writes-it", |case| {
        malformed(case, "git@git.corp.example:team/lib", "malformed module path")
    }),
    scenario("G15", "no-dot", |case| {
        malformed(case, "team/lib", "malformed module path \"team/lib\": missing dot in first path element")
    }),
    scenario("G15", "github-owner-only", |case| {
        malformed(case, "github.com/foo", "invalid github.com import path \"github.com/foo\"");
        case.env("GOPROXY", "direct");
    }),
    scenario("G16", "names-differ-in-case", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let commit = Commit::on("main")
            .file("go.mod", format!("module {path}\n"))
            .file("Lib.go", "package lib\n")
            .file("lib.go", "package lib\n");
        let first = repository.commit(commit);
        repository.tag("v1.0.0", first);
        repository.save();
        case.env("GOPRIVATE", "git.corp.example");
        case.download(&format!("{path}@v1.0.0"));
        case.prints(&["case-insensitive file name collision"]);
    }),
    scenario("G16", "invalid-name", |case| {
        let (mut repository, path) = case.repository("git.corp.example", "lib");
        let commit = Commit::on("main")
            .file("go.mod", format!("module {path}\n"))
            .file("aux.go", "package lib\n")
            .file("what?.txt", "?\n");
        let first = repository.commit(commit);
        repository.tag("v1.0.0", first);
        repository.save();
        case.env("GOPRIVATE", "git.corp.example");
        case.download(&format!("{path}@v1.0.0"));
        case.prints(&["create zip"]);
    }),
    scenario("G17", "checkout-of-another-user", |case| {
        if !larder_testkit::lab::may_change_user() {
            case.skip("the namespace has one user only");
        }
        case.write("app/go.mod", "module example.com/app\n\ngo 1.19\n");
        case.write("app/main.go", "package main\n\nfunc main() {}\n");
        case.shell("cd app; git init -q .; git add .; git -c user.name=a -c user.email=a@example.com commit -qm first; chown -R 65534 .");
        case.go(&["build", "-o", "/dev/null", "."]);
        case.prints(&["error obtaining VCS status"]);
    }),
    scenario("G08", "forge-stops-in-the-middle", |case| {
        let path = repository(case);
        case.lab().forge.fault(&path, None, GitFault::Status(503, "busy\n".to_owned()), None);
        case.prints(&["unable to access", "503"]);
        case.live_may_say = vec!["P12", "G09"];
        case.log_may_say = vec!["P12", "G09"];
    }),
];

fn pseudo(case: &mut Case<'_>, version: fn(&str) -> String, says: &str) {
    let (mut repository, path) = case.repository("git.corp.example", "lib");
    let first = repository.files(&[("go.mod", &format!("module {path}\n")), ("lib.go", "package lib\n")]);
    let hash = repository.hash(first);
    case.env("GOPRIVATE", "git.corp.example");
    case.download(&format!("{path}@{}", version(&hash)));
    case.prints(&[says]);
}

fn malformed(case: &mut Case<'_>, path: &str, says: &str) {
    case.proxy(&one());
    case.app(&[], &[]);
    case.go(&["get", path]);
    case.prints(&[says]);
    case.subject = Some(path.to_owned());
}
