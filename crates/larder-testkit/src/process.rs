//! Runs the real `larder` binary: own data, own home, cleared environment, a port of its own.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::{self, Response};
use crate::settings;

/// How to start Larder; can be started again and again on the same data.
#[derive(Clone, Debug)]
pub struct Larder {
    binary: PathBuf,
    wrapper: Vec<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: Arc<TempDir>,
    data: PathBuf,
    listen: String,
    ready_within: Duration,
}

impl Larder {
    /// Prepares a start of this binary, or the one that `LARDER_BINARY` names, with an empty data folder.
    pub fn new(binary: impl AsRef<Path>) -> Self {
        let binary = settings::binary().unwrap_or_else(|| binary.as_ref().to_owned());
        let folder = Arc::new(TempDir::with_prefix("larder-test-").expect("a temporary folder"));
        let data = folder.path().join("data");
        fs_err::create_dir_all(folder.path().join("home")).expect("a temporary folder");
        Self {
            binary,
            wrapper: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder,
            data,
            listen: "127.0.0.1:0".to_owned(),
            ready_within: Duration::from_secs(30),
        }
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets what the go command would use as its proxies.
    pub fn upstream(self, goproxy: impl AsRef<str>) -> Self {
        self.env("GOPROXY", goproxy)
    }

    /// Adds an argument after `serve`.
    pub fn arg(mut self, argument: impl AsRef<str>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Writes a configuration file and names it on the command line.
    pub fn config(self, toml: &str) -> Self {
        let file = self.folder.path().join("larder.toml");
        fs_err::write(&file, toml).expect("a temporary folder");
        self.arg("--config").arg(file.to_string_lossy())
    }

    /// Keeps the data elsewhere.
    pub fn data_folder(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.data);
        self
    }

    /// Listens on a given address.
    pub fn listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// Puts a command in front, such as `strace -f -o file`.
    pub fn wrapper(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Returns the data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns the temporary folder that everything lies in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the command for any subcommand, with the same environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(&self.binary),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&self.binary);
                command
            }
        };
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path().join("home"))
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("GOENV", "off")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs a subcommand to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary can be started")
    }

    fn serve_command(&self) -> Command {
        let mut command = self.command(&["serve", "--listen", &self.listen]);
        command.arg("--data").arg(&self.data).args(&self.arguments);
        command
    }

    /// Starts serving and waits for the ready line.
    ///
    /// # Panics
    ///
    /// When it ends or stays silent instead; its output is part of the message.
    pub fn start(&self) -> LarderProcess {
        match self.try_start() {
            Ok(process) => process,
            Err(why) => panic!("larder did not get ready: {why}"),
        }
    }

    /// Starts serving; the error holds the output when it ended or never became ready.
    pub fn try_start(&self) -> Result<LarderProcess, String> {
        let started = Instant::now();
        let mut child = self
            .serve_command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", self.binary.display()))?;
        let output = Arc::new(Lines::default());
        collect(child.stdout.take().expect("piped"), Arc::clone(&output));
        collect(child.stderr.take().expect("piped"), Arc::clone(&output));
        let url = output.wait_for(self.ready_within, ready_url);
        let ready_after = started.elapsed();
        match url {
            Some(url) => Ok(LarderProcess { child, url, output, ready_after, data: self.data.clone() }),
            None => {
                let _ = child.kill();
                let status = child.wait();
                Err(format!("{status:?}\n{}", output.all().join("\n")))
            }
        }
    }
}

/// Finds the URL in the line that says Larder is ready: the one to paste into a shell.
fn ready_url(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("GOPROXY=")?;
    let rest = rest.trim_start_matches(['"', '\'']);
    let end =
        rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-._~:/[]".contains(c))).unwrap_or(rest.len());
    let url = rest[..end].trim_end_matches('/');
    (line.contains("export") && url.contains("://")).then(|| url.to_owned())
}

#[derive(Debug, Default)]
struct Lines {
    state: Mutex<LinesState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct LinesState {
    lines: Vec<String>,
    ended: usize,
}

impl Lines {
    fn state(&self) -> MutexGuard<'_, LinesState> {
        self.state.lock().expect("no reader panics")
    }

    fn all(&self) -> Vec<String> {
        self.state().lines.clone()
    }

    fn wait_for<T>(&self, limit: Duration, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + limit;
        let mut state = self.state();
        let mut seen = 0;
        loop {
            if let Some(found) = state.lines[seen..].iter().find_map(|line| find(line)) {
                return Some(found);
            }
            seen = state.lines.len();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || state.ended == 2 {
                return None;
            }
            state = self.changed.wait_timeout(state, left).expect("no reader panics").0;
        }
    }
}

fn collect(stream: impl Read + Send + 'static, into: Arc<Lines>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            into.state().lines.push(text);
            into.changed.notify_all();
        }
        into.state().ended += 1;
        into.changed.notify_all();
    });
}

/// A Larder that serves; it is killed when dropped.
#[derive(Debug)]
pub struct LarderProcess {
    child: Child,
    url: String,
    output: Arc<Lines>,
    ready_after: Duration,
    data: PathBuf,
}

impl LarderProcess {
    /// Returns the URL that it printed, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns how long it took to get ready.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Asks for a path, which is put behind the URL's own.
    ///
    /// # Panics
    ///
    /// When no head of an answer arrives.
    pub fn get(&self, path: &str) -> Response {
        self.try_get(path).unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log().join("\n")))
    }

    /// Asks for a path; fails when no head of an answer arrives.
    pub fn try_get(&self, path: &str) -> std::io::Result<Response> {
        self.request("GET", path, &[])
    }

    /// Asks with a method and headers of one's own.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> std::io::Result<Response> {
        let base = self.url.splitn(4, '/').nth(3).map_or_else(String::new, |base| format!("/{base}"));
        client::request(&self.url, method, &format!("{base}{path}"), headers)
    }

    /// Returns everything it printed so far.
    pub fn log(&self) -> Vec<String> {
        self.output.all()
    }

    /// Waits for a line of its output.
    pub fn wait_for_line(&self, limit: Duration, find: impl Fn(&str) -> bool) -> Option<String> {
        self.output.wait_for(limit, |line| find(line).then(|| line.to_owned()))
    }

    /// Returns a size from `/proc/<id>/status` in bytes, such as `VmHWM` (the peak) or `VmRSS`.
    pub fn memory(&self, field: &str) -> u64 {
        let status = fs_err::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }

    /// Starts counting the peak of the memory anew.
    pub fn reset_peak(&self) {
        let _ = fs_err::write(format!("/proc/{}/clear_refs", self.id()), "5");
    }

    /// Returns how many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        fs_err::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }

    /// Kills it, as a power cut would.
    pub fn kill(mut self) -> Vec<String> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.output.wait_for(Duration::from_secs(5), |_| None::<()>);
        self.output.all()
    }

    /// Asks it to stop, and waits; none when it didn't within the limit.
    pub fn terminate(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.signal(rustix::process::Signal::TERM);
        self.wait(limit)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = rustix::process::kill_process(id.expect("a running process has an id"), signal);
    }

    /// Waits for its end; none when it still runs after the limit.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait(&mut self.child, limit)
    }
}

impl Drop for LarderProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child's end; none when it still runs after the limit.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Raises this process's own soft limit of descriptors to the hard one and returns it.
pub fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limits = getrlimit(Resource::Nofile);
    limits.current = limits.maximum;
    let _ = setrlimit(Resource::Nofile, limits);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::ready_url;

    #[test]
    fn the_ready_line_is_the_one_to_paste() {
        assert_eq!(
            ready_url("  export GOPROXY=http://127.0.0.1:3000").as_deref(),
            Some("http://127.0.0.1:3000")
        );
        assert_eq!(
            ready_url("export GOPROXY='http://127.0.0.1:3000/go/'").as_deref(),
            Some("http://127.0.0.1:3000/go")
        );
        assert_eq!(ready_url("inherited GOPROXY=http://127.0.0.1:9 from the environment"), None);
    }
}
