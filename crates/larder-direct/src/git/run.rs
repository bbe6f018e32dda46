//! Running the git program: how many at once, how long, how much it may say.
//!
//! Every run is its own process group, so that what git starts (ssh, curl helpers, index-pack) ends with it. Nothing here knows
//! what a run is for; `command` decides the arguments and the environment.

mod output;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use larder_upstream::DirectFaultKind;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

pub(super) use self::output::Output;
use self::output::{Said, Sink, read_output};
use super::guardian::Guardian;
use crate::error::DirectError;

/// How long a group has between being asked to end and being ended.
const GRACE: Duration = Duration::from_secs(2);
/// How long what git left behind may keep the pipes open after git itself has ended.
const LINGER: Duration = Duration::from_secs(2);
/// How often the size of a growing folder is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Memory of its own that one process may have; a pack of deltas can ask for any amount.
const MEMORY: u64 = 3 << 30;
/// How many may wait for each that may run.
const WAITING_PER_RUN: usize = 64;
/// Beside serving, git comes second.
const NICENESS: i32 = 10;

/// One run of git.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) folder: &'a Path,
    pub(super) input: Vec<u8>,
    pub(super) deadline: Duration,
    /// Whether it talks to a forge; those leave room for the quick ones.
    pub(super) network: bool,
    /// A folder that it may fill, and how far.
    pub(super) growth: Option<(PathBuf, u64)>,
}

impl Job<'_> {
    /// Returns what git is to do (`fetch`): the first argument that is no option.
    fn command(&self) -> &str {
        let mut arguments = self.arguments.iter().filter_map(|argument| argument.to_str());
        while let Some(argument) = arguments.next() {
            match argument {
                "-c" => drop(arguments.next()),
                command => return command,
            }
        }
        ""
    }
}

/// A run that came to an end.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
    pub(super) stopped: Option<Stopped>,
}

/// Why a run was ended from here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stopped {
    /// It took too long.
    Deadline,
    /// It said too much.
    Flood,
    /// It filled its folder.
    Growth,
    /// The reader had heard enough; no failure.
    Enough,
}

impl Done {
    /// Reports whether git did what it should.
    pub(super) fn is_success(&self) -> bool {
        matches!(self.stopped, None | Some(Stopped::Enough))
            && (self.status.success() || self.stopped.is_some())
    }
}

impl Done {
    /// Returns the same run as one that found the mirror damaged.
    pub(super) fn damaged(self) -> Self {
        let status = ExitStatus::from_raw(128 << 8);
        Self { status, stderr: "fatal: missing object".to_owned(), ..self }
    }
}

/// How often git was run and is running, for metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RunCounts {
    /// Running now.
    pub running: u64,
    /// Waiting for their turn.
    pub waiting: u64,
    /// Started so far.
    pub started: u64,
    /// Ended with a failure so far, those that were ended by Larder included.
    pub failed: u64,
    /// Ended by Larder so far: too long, too much.
    pub killed: u64,
    /// Bytes of output so far.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Counters {
    running: AtomicU64,
    started: AtomicU64,
    failed: AtomicU64,
    killed: AtomicU64,
    bytes: AtomicU64,
}

/// Starts git, never more than so many at once.
#[derive(Debug)]
pub(super) struct Runner {
    program: PathBuf,
    all: Arc<Semaphore>,
    network: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_limit: usize,
    /// The turn to hold something large in memory; the others' git waits at its pipe.
    large: Semaphore,
    counters: Counters,
    guardian: Guardian,
}

impl Runner {
    pub(super) fn new(program: PathBuf, processes: usize, guardian: Guardian) -> Self {
        let processes = processes.max(1);
        // A quarter is left for the quick runs, so that slow forges don't stop what the mirrors already hold.
        let network = (processes - processes.div_ceil(4)).max(1);
        Self {
            program,
            all: Arc::new(Semaphore::new(processes)),
            network: Arc::new(Semaphore::new(network)),
            waiting: AtomicUsize::new(0),
            waiting_limit: processes * WAITING_PER_RUN,
            large: Semaphore::new(1),
            counters: Counters::default(),
            guardian,
        }
    }

    pub(super) fn counts(&self) -> RunCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RunCounts {
            running: read(&self.counters.running),
            waiting: self.waiting.load(Ordering::Relaxed) as u64,
            started: read(&self.counters.started),
            failed: read(&self.counters.failed),
            killed: read(&self.counters.killed),
            bytes: read(&self.counters.bytes),
        }
    }

    /// Runs git to its end, whatever that is.
    ///
    /// Fails when there is no turn for it or it can't be started. If the future is dropped, the whole group is ended.
    pub(super) async fn run(&self, mut job: Job<'_>, output: Output<'_>) -> Result<Done, DirectError> {
        let arrived = Instant::now();
        let _turn = self.turn(job.network, job.deadline).await?;
        let began = Instant::now();
        let mut child = self.spawn(&job, &output)?;
        let _running = Running::new(&self.counters);
        let group = Group::of(&child, &self.guardian);
        restrain(group.pid, &job, &output);
        let input = feed(child.stdin.take(), std::mem::take(&mut job.input));
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let mut said = Said::default();
        let mut sink = Sink::new(output);
        let stopped = {
            let work = async {
                let heard = async {
                    said.read(stderr).await;
                    Ok(())
                };
                let fed = async {
                    input.await;
                    Ok(())
                };
                tokio::try_join!(read_output(stdout, &mut sink, &self.large), heard, fed).err()
            };
            supervise(&mut child, work, &job).await
        };
        let (status, stopped) =
            end(&mut child, &group, stopped).await.map_err(|error| self.broken(&error))?;
        self.counters.bytes.fetch_add(sink.count, Ordering::Relaxed);
        if stopped.is_some_and(|stopped| stopped != Stopped::Enough) {
            self.counters.killed.fetch_add(1, Ordering::Relaxed);
        }
        let bytes = sink.count;
        let done = Done { status, stdout: sink.memory, stderr: said.into_text(), stopped };
        if !done.is_success() {
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
        }
        tell(&job, &done, bytes, arrived, began);
        Ok(done)
    }

    async fn turn(&self, network: bool, patience: Duration) -> Result<Turn, DirectError> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits(&self.waiting);
        let saturated = || DirectError::new(DirectFaultKind::Saturated, "too many runs of git are waiting");
        if waiting >= self.waiting_limit {
            return Err(saturated());
        }
        let both = async {
            let network = match network {
                true => Some(Arc::clone(&self.network).acquire_owned().await.ok()?),
                false => None,
            };
            Some(Turn { _all: Arc::clone(&self.all).acquire_owned().await.ok()?, _network: network })
        };
        tokio::time::timeout(patience, both).await.ok().flatten().ok_or_else(saturated)
    }

    fn spawn(&self, job: &Job<'_>, output: &Output<'_>) -> Result<Child, DirectError> {
        let stdout = match output {
            Output::File(file, _) => Stdio::from(file.try_clone().map_err(|error| self.broken(&error))?),
            Output::Memory(_) | Output::Object(_) | Output::Lines(..) => Stdio::piped(),
        };
        let mut command = Command::new(&self.program);
        command
            .args(&job.arguments)
            .env_clear()
            .envs(job.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(job.folder)
            .stdin(if job.input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(stdout)
            .stderr(Stdio::piped())
            .process_group(0);
        let child = command.spawn().map_err(|error| self.broken(&error))?;
        self.counters.started.fetch_add(1, Ordering::Relaxed);
        Ok(child)
    }

    fn broken(&self, error: &io::Error) -> DirectError {
        let program = self.program.display();
        let text = match error.kind() {
            io::ErrorKind::NotFound => {
                format!("there is no program `{program}`; Larder needs git for `direct`")
            }
            _ => format!("could not run `{program}`: {error}"),
        };
        DirectError::new(DirectFaultKind::Broken, text)
    }
}

#[derive(Debug)]
struct Turn {
    _all: OwnedSemaphorePermit,
    _network: Option<OwnedSemaphorePermit>,
}

struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Running<'a>(&'a Counters);

impl<'a> Running<'a> {
    fn new(counters: &'a Counters) -> Self {
        counters.running.fetch_add(1, Ordering::Relaxed);
        Self(counters)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The processes of one run. Dropped before the run has ended, it ends them all.
struct Group<'a> {
    pid: Option<Pid>,
    guardian: &'a Guardian,
    ended: AtomicBool,
}

impl<'a> Group<'a> {
    fn of(child: &Child, guardian: &'a Guardian) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            guardian.watch(pid);
        }
        Self { pid, guardian, ended: AtomicBool::new(false) }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            // A group that is gone already needs no signal.
            rustix::process::kill_process_group(pid, signal).ok();
        }
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if !self.ended.load(Ordering::Relaxed) {
            self.signal(Signal::KILL);
        }
        if let Some(pid) = self.pid {
            self.guardian.forget(pid);
        }
    }
}

/// Lowers the priority and sets limits that hold for all that git starts. Each is a bound on damage, so a kernel that refuses one
/// costs nothing but the bound.
fn restrain(pid: Option<Pid>, job: &Job<'_>, output: &Output<'_>) {
    let Some(pid) = pid else { return };
    let limit = |resource, most: u64| {
        let new = Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::prlimit(Some(pid), resource, new).ok();
    };
    rustix::process::setpriority_process(Some(pid), NICENESS).ok();
    limit(Resource::Core, 0);
    limit(Resource::Data, MEMORY);
    if let Output::File(_, most) = output {
        limit(Resource::Fsize, most.saturating_add(1));
    } else if let Some((_, most)) = &job.growth {
        limit(Resource::Fsize, *most);
    }
}

/// Writes the run into the log, for whoever asks where the time goes. Arguments stay out: they may hold what is nobody's business.
fn tell(job: &Job<'_>, done: &Done, bytes: u64, arrived: Instant, began: Instant) {
    let command = job.command();
    let (waited_ms, duration_ms) = ((began - arrived).as_millis() as u64, began.elapsed().as_millis() as u64);
    let outcome = if done.is_success() { "ran" } else { "failed" };
    tracing::debug!(
        command,
        folder = %job.folder.display(),
        duration_ms,
        waited_ms,
        bytes,
        stopped = ?done.stopped,
        "git {command} {outcome} in {duration_ms} ms ({})",
        ending(done.status),
    );
}

async fn feed(stdin: Option<tokio::process::ChildStdin>, input: Vec<u8>) {
    if let Some(mut stdin) = stdin {
        // A git that doesn't read its input says by its status why.
        stdin.write_all(&input).await.ok();
    }
}

/// Waits until the output has ended, or for a reason to end it.
async fn supervise(
    child: &mut Child,
    work: impl Future<Output = Option<Stopped>>,
    job: &Job<'_>,
) -> Option<Stopped> {
    let mut work = std::pin::pin!(work);
    let deadline = Instant::now() + job.deadline;
    let mut exited = false;
    let mut until = deadline;
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            biased;
            stopped = &mut work => {
                if stopped.is_some() || exited {
                    return stopped;
                }
                // All is said; the process has the rest of its time to end.
                return match tokio::time::timeout_at(deadline, child.wait()).await {
                    Ok(_) => None,
                    Err(_) => Some(Stopped::Deadline),
                };
            }
            _ = child.wait(), if !exited => {
                exited = true;
                until = deadline.min(Instant::now() + LINGER);
            }
            () = tokio::time::sleep_until(until) => {
                // Only leftovers hold the pipes once git itself has ended.
                return (!exited).then_some(Stopped::Deadline);
            }
            _ = look.tick() => {
                if let Some((folder, limit)) = job.growth.clone() {
                    let size = tokio::task::spawn_blocking(move || super::disk::size_of(&folder)).await;
                    if size.is_ok_and(|size| size > limit) {
                        return Some(Stopped::Growth);
                    }
                }
            }
        }
    }
}

/// Makes sure that the whole group is gone, and reaps git.
async fn end(
    child: &mut Child,
    group: &Group<'_>,
    stopped: Option<Stopped>,
) -> io::Result<(ExitStatus, Option<Stopped>)> {
    if let Some(status) = child.try_wait()? {
        // What git left behind, if anything, goes with it.
        group.signal(Signal::KILL);
        group.ended.store(true, Ordering::Relaxed);
        return Ok((status, stopped));
    }
    group.signal(Signal::TERM);
    let status = match tokio::time::timeout(GRACE, child.wait()).await {
        Ok(status) => status?,
        Err(_) => {
            group.signal(Signal::KILL);
            child.wait().await?
        }
    };
    group.signal(Signal::KILL);
    group.ended.store(true, Ordering::Relaxed);
    Ok((status, stopped))
}

/// Says how a process ended, for a text.
pub(super) fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}
