//! One failure: somebody's home, and the command that fails there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Answer, GoClient, Lab, Request, may_change_user};
use crate::git::GitRepository;
use crate::process;
use crate::sumdb::FakeSumdb;
use crate::upstream::FakeUpstream;

/// How a command ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Ending {
    /// It fails, as most do.
    #[default]
    Fails,
    /// It succeeds although something is wrong.
    Succeeds,
    /// It never ends.
    Hangs,
}

/// What a command printed, and how it ended.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it printed on both of its outputs, in order.
    pub text: String,
    /// How it ended.
    pub ending: Ending,
    /// Its exit code.
    pub code: Option<i32>,
    /// How long it took.
    pub elapsed: Duration,
}

/// A failure in the making.
pub struct Case<'a> {
    lab: &'a Lab,
    client: &'a GoClient,
    folder: TempDir,
    environment: BTreeMap<String, String>,
    replacements: Vec<(String, String)>,
    held: Vec<Box<dyn std::any::Any + Send>>,
    /// The program, if it isn't the go command.
    pub program: Option<String>,
    /// The arguments.
    pub command: Vec<String>,
    /// The folder it is run in, below the home.
    pub working_folder: String,
    /// What to run before, in the shell of a mount namespace of its own, as root.
    pub prelude: String,
    /// A program, with arguments, that everything runs behind: one that takes rights away.
    pub behind: Vec<String>,
    /// Whether it runs as another user than root.
    pub as_nobody: bool,
    /// How it must end.
    pub ending: Ending,
    /// How long it may take.
    pub limit: Duration,
    /// What it must print: one of these.
    pub says: Vec<String>,
    /// What the doctor should be asked about, `M@V`; nothing for the project's own needs.
    pub subject: Option<String>,
    /// Other causes that the log alone can't tell from this one.
    pub log_may_say: Vec<&'static str>,
    /// Other causes that the live doctor may name first.
    pub live_may_say: Vec<&'static str>,
    /// Whether the log holds nothing that names this cause.
    pub silent_log: bool,
    /// Why the live doctor can't find it in the lab.
    pub no_live: Option<&'static str>,
    /// Why it can't be played.
    pub skipped: Option<String>,
}

impl std::fmt::Debug for Case<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Case in {}", self.folder.path().display())
    }
}

impl<'a> Case<'a> {
    pub(super) fn new(lab: &'a Lab, client: &'a GoClient) -> Self {
        let folder = TempDir::with_prefix_in("case-", lab.folder()).expect("a temporary folder");
        for sub in ["home/.config/go", "home/app", "tmp"] {
            fs_err::create_dir_all(folder.path().join(sub)).expect("a temporary folder");
        }
        let root = client.root().to_string_lossy().into_owned();
        let home = folder.path().join("home").to_string_lossy().into_owned();
        let mut case = Self {
            lab,
            client,
            environment: BTreeMap::new(),
            replacements: vec![
                (home, "/home/dev".to_owned()),
                (folder.path().join("tmp").to_string_lossy().into_owned(), "/tmp".to_owned()),
                (
                    lab.authority_file().to_string_lossy().into_owned(),
                    "/etc/ssl/certs/ca-certificates.crt".to_owned(),
                ),
                (root, "/usr/local/go".to_owned()),
            ],
            folder,
            program: None,
            command: Vec::new(),
            held: Vec::new(),
            working_folder: "app".to_owned(),
            prelude: String::new(),
            behind: Vec::new(),
            as_nobody: false,
            ending: Ending::Fails,
            limit: Duration::from_secs(60),
            says: Vec::new(),
            subject: None,
            log_may_say: Vec::new(),
            live_may_say: Vec::new(),
            silent_log: false,
            no_live: None,
            skipped: None,
        };
        let binaries = client.root().join("bin");
        let build_cache = lab.folder().join(format!("build-{}", client.version()));
        let usual = [
            ("HOME", case.home().to_string_lossy().into_owned()),
            ("TMPDIR", case.folder.path().join("tmp").to_string_lossy().into_owned()),
            ("PATH", format!("{}:/usr/bin:/bin", binaries.display())),
            ("GOCACHE", build_cache.to_string_lossy().into_owned()),
            ("GOTOOLCHAIN", "local".to_owned()),
            ("GOFLAGS", "-modcacherw".to_owned()),
            ("SSL_CERT_FILE", lab.authority_file().to_string_lossy().into_owned()),
            ("SSL_CERT_DIR", lab.folder().join("certificates").to_string_lossy().into_owned()),
            ("GIT_SSL_CAINFO", lab.authority_file().to_string_lossy().into_owned()),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ];
        for (name, value) in usual {
            case.env(name, &value);
        }
        case
    }

    /// Returns the world.
    pub fn lab(&self) -> &'a Lab {
        self.lab
    }

    /// Returns the go command that will fail.
    pub fn client(&self) -> &'a GoClient {
        self.client
    }

    /// Returns a folder of this case alone, outside of the home.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the home.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Returns the project's folder.
    pub fn project(&self) -> PathBuf {
        self.home().join("app")
    }

    /// Returns the module cache, where nothing else is set.
    pub fn module_cache(&self) -> PathBuf {
        self.home().join("go/pkg/mod")
    }

    /// Sets a variable.
    pub fn env(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Unsets a variable.
    pub fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    /// Returns a variable.
    pub fn variable(&self, name: &str) -> &str {
        self.environment.get(name).map_or("", String::as_str)
    }

    /// Writes what `go env -w` would write, or somebody by hand.
    pub fn env_file(&self, text: &str) {
        self.write(".config/go/env", text);
    }

    /// Writes a file below the home.
    pub fn write(&self, file: &str, text: &str) {
        let file = self.home().join(file);
        fs_err::create_dir_all(file.parent().expect("below the home")).expect("a temporary folder");
        fs_err::write(file, text).expect("a temporary folder");
    }

    /// Writes a project that imports these packages and requires these versions; `import` alone without requirement.
    pub fn app(&self, requires: &[(&str, &str)], imports: &[&str]) {
        let mut go_mod = "module example.com/app\n\ngo 1.19\n".to_owned();
        for (path, version) in requires {
            go_mod.push_str(&format!("\nrequire {path} {version}\n"));
        }
        self.write("app/go.mod", &go_mod);
        self.code(imports);
    }

    /// Writes the project's code, which imports these packages.
    pub fn code(&self, imports: &[&str]) {
        let imports: String = imports.iter().map(|path| format!("import _ \"{path}\"\n")).collect();
        self.write("app/app.go", &format!("package app\n\n{imports}"));
    }

    /// Has this in the record as that: what differs from run to run.
    pub fn scrub(&mut self, what: &str, by: &str) {
        self.replacements.insert(0, (what.to_owned(), by.to_owned()));
    }

    /// Serves a site on a host of the web server and returns its URL, without a slash at the end.
    pub fn site(
        &mut self,
        host: &str,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> String {
        let prefix = format!("/go-{}", self.lab.number());
        self.lab.web.site(&format!("*{prefix}"), answer);
        self.scrub(&prefix, "");
        format!("https://{host}{prefix}")
    }

    /// Serves modules, verified by a checksum database of this case, and makes both the settings. Returns the URL.
    pub fn proxy(&mut self, modules: &FakeUpstream) -> String {
        let served = modules.clone();
        let url = self.site("proxy.example.com", move |request| served.answer(&request.path).into());
        self.env("GOPROXY", &url);
        self.checksums(modules);
        url
    }

    /// As [`Case::proxy`], with something that answers before the proxy does.
    pub fn broken_proxy(
        &mut self,
        modules: &FakeUpstream,
        instead: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
    ) -> String {
        let served = modules.clone();
        let url = self.site("proxy.example.com", move |request| {
            instead(request).unwrap_or_else(|| served.answer(&request.path).into())
        });
        self.env("GOPROXY", &url);
        self.checksums(modules);
        url
    }

    /// Has the modules in a checksum database of this case, which becomes the setting.
    pub fn checksums(&mut self, modules: &FakeUpstream) -> FakeSumdb {
        let sumdb = FakeSumdb::new("sum.example.com", 1);
        modules.record_in(&sumdb);
        let server = sumdb.clone();
        let url = self.site("sum.example.com", move |request| database_answer(&server, &request.path));
        self.env("GOSUMDB", &format!("{} {url}", sumdb.verifier_key()));
        sumdb
    }

    /// Makes a repository on the forge, at a place of this case, and returns it with its module path:
    /// `git.corp.example/team/NAME` in the record.
    pub fn repository(&mut self, host: &str, name: &str) -> (GitRepository, String) {
        let team = format!("team{}", self.lab.number());
        self.scrub(&team, "team");
        let path = format!("{host}/{team}/{name}");
        (self.lab.forge.repository(&path), path)
    }

    /// Sets the command that fails.
    pub fn go(&mut self, arguments: &[&str]) {
        self.command = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    }

    /// Sets the command that fails: the download of one module, which the doctor is asked about too.
    pub fn download(&mut self, module: &str) {
        self.go(&["mod", "download", module]);
        self.subject = Some(module.to_owned());
    }

    /// Sets the command that fails: `go get`.
    pub fn get(&mut self, module: &str) {
        self.go(&["get", module]);
        self.subject = Some(module.to_owned());
    }

    /// Sets what it must print: one of these.
    pub fn prints(&mut self, texts: &[&str]) {
        self.says = texts.iter().map(|text| (*text).to_owned()).collect();
    }

    /// Keeps something until the case ends: a lock, a server.
    pub fn hold(&mut self, what: impl std::any::Any + Send) {
        self.held.push(Box::new(what));
    }

    /// Sets the project up with one dependency, downloaded and in go.sum; the proxy must serve `example.com/ok@v1.0.0`.
    pub fn ready_app(&self) {
        self.app(&[("example.com/ok", "v1.0.0")], &["example.com/ok"]);
        self.before(&["mod", "tidy"]);
    }

    /// Empties the module cache.
    pub fn clean(&self) {
        self.shell("chmod -R u+w go && rm -rf go/pkg/mod");
    }

    /// Says why this can't be played here.
    pub fn skip(&mut self, why: &str) {
        self.skipped.get_or_insert_with(|| why.to_owned());
    }

    /// Plays it with clients from `go1.FROM` to `go1.TO` only.
    pub fn needs_go(&mut self, from: u32, to: u32) {
        if !(from..=to).contains(&self.client.minor()) {
            self.skip(&format!("needs go1.{from} to go1.{to}"));
        }
    }

    /// Runs everything as a user without rights.
    pub fn without_rights(&mut self) {
        self.as_nobody = true;
        if !may_change_user() {
            self.skip("the namespace has one user only");
        }
        let own = self.folder.path().join("tmp/build").to_string_lossy().into_owned();
        self.env("GOCACHE", &own);
    }

    /// Runs a go command now that must succeed, with the environment as it is so far.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn before(&self, arguments: &[&str]) {
        if self.skipped.is_some() {
            return;
        }
        let mut command = Command::new(self.client.binary());
        command
            .args(arguments)
            .current_dir(self.home().join(&self.working_folder))
            .env_clear()
            .envs(&self.environment);
        let output = command.stdin(Stdio::null()).output().expect("the go command can be run");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "go {} before the failure: {text}", arguments.join(" "));
    }

    /// Runs a shell script now, in the home, with the case's folder as `$CASE`.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn shell(&self, script: &str) {
        if self.skipped.is_some() {
            return;
        }
        let mut command = Command::new("sh");
        command.args(["-ec", script]).current_dir(self.home()).env_clear().envs(&self.environment);
        let output =
            command.env("CASE", self.folder.path()).stdin(Stdio::null()).output().expect("there is a shell");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs the command that fails.
    pub fn run(&self) -> Run {
        let go = || self.client.binary().to_string_lossy().into_owned();
        let program = self.program.clone().unwrap_or_else(go);
        self.run_program(&program, &self.command, self.limit)
    }

    /// Runs any program in the place where the command fails, as it would run there.
    pub fn run_program(&self, program: &str, arguments: &[String], limit: Duration) -> Run {
        if self.as_nobody {
            let _ = Command::new("chown").args(["-R", "65534:65534"]).arg(self.folder.path()).status();
        }
        let out = self.folder.path().join(format!("output-{}", self.lab.number()));
        let file = fs_err::File::create(&out).expect("a temporary folder").into_parts().0;
        let mut command = Command::new("unshare");
        let script = format!("{}\n[ -z \"$CD\" ] || cd \"$CD\"\nexec \"$@\"", self.prelude);
        command.args(["--mount", "--", "sh", "-ec", &script, "sh"]);
        if self.as_nobody {
            command.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        }
        // Only what comes behind has the environment of the case, whose PATH may hold nothing.
        command.args(["/usr/bin/env", "-i"]);
        command.args(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        let folder = self.home().join(&self.working_folder);
        command
            .arg(format!("PWD={}", folder.display()))
            .args(&self.behind)
            .arg(program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CASE", self.folder.path())
            .env("CD", &folder)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("an open file"))
            .stderr(file);
        let started = Instant::now();
        let mut child = command.spawn().expect("unshare could be run before");
        let status = process::wait(&mut child, limit);
        if status.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let bytes = fs_err::read(&out).unwrap_or_default();
        let _ = fs_err::remove_file(&out);
        Run {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            ending: match status {
                None => Ending::Hangs,
                Some(status) if status.success() => Ending::Succeeds,
                Some(_) => Ending::Fails,
            },
            code: status.and_then(|status| status.code()),
            elapsed: started.elapsed(),
        }
    }

    /// Returns a text without what differs from run to run or belongs to this machine.
    pub fn scrubbed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (what, by) in &self.replacements {
            text = text.replace(what, by);
        }
        text = text.replace(super::public_proxy_host(), "{public_proxy}");
        text = text.replace(super::public_sumdb_host(), "{public_sumdb}");
        let text = scrub_behind(&text, "current time ", is_of_time, "2025-03-14T09:26:53Z");
        let text = scrub_behind(&text, "/cache/vcs/", |c| c.is_ascii_hexdigit(), VCS_FOLDER);
        let text = scrub_behind(&text, ".zip", |c| c.is_ascii_digit(), "1234567890");
        scrub_ports(&text)
    }
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        // What go has written into its cache can't be removed by everybody.
        let _ = Command::new("chmod")
            .args(["-R", "u+rwX"])
            .arg(self.folder.path())
            .stderr(Stdio::null())
            .status();
    }
}

fn database_answer(sumdb: &FakeSumdb, path: &str) -> Answer {
    let path = path.replace("%21", "!").replace("%2B", "+").replace("%40", "@");
    let reply = sumdb.answer(&path);
    crate::upstream::Reply::status(reply.status, "text/plain; charset=utf-8", reply.body).into()
}

/// Where git's clone of something lies in the record.
const VCS_FOLDER: &str = "5b863d3c5f6d03d8b2e5e1b6a6c5b2ed6c2b4f0c3a8d64d4a6d5f1a6d0b7a2f1";

fn is_of_time(character: char) -> bool {
    character.is_ascii_digit() || "-:TZ+.".contains(character)
}

/// Replaces what stands behind some words, as far as it consists of such characters.
fn scrub_behind(text: &str, words: &str, of: impl Fn(char) -> bool, by: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split(words);
    out.push_str(parts.next().unwrap_or(""));
    for part in parts {
        out.push_str(words);
        let rest = part.trim_start_matches(&of);
        if rest.len() < part.len() {
            out.push_str(by);
        }
        out.push_str(rest);
    }
    out
}

/// Gives the client's end of every connection the same port: `192.0.2.1:40312->` in go's words.
fn scrub_ports(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("->") {
        let before = &rest[..at];
        let digits = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let colon = before[..before.len() - digits].ends_with(':');
        if digits > 0 && colon {
            out.push_str(&before[..before.len() - digits]);
            out.push_str("43210->");
        } else {
            out.push_str(&rest[..at + 2]);
        }
        rest = &rest[at + 2..];
    }
    out.push_str(rest);
    out
}
