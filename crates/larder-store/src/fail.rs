//! Fail points: where tests kill the process or make the disk fail, once per durable step.
//!
//! The plan is text so that a test can hand it to another process: `kill@17` ends the process before its 17th step,
//! `kill@rename-new:2` before the second step of that name, `enospc@write` fails the first write,
//! `enospc@write:3+` the third and every later one. The binary passes the text down; nothing here reads the environment.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};

/// A kind of durable step.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// Create a folder.
    CreateFolder,
    /// Create a new file.
    CreateFile,
    /// Reserve room for a file.
    Reserve,
    /// Write bytes to a file.
    Write,
    /// Cut a file to its length.
    Trim,
    /// Bring a file to the disk.
    SyncFile,
    /// Bring the names in a folder to the disk.
    SyncFolder,
    /// Give a file a name that must be free.
    RenameNew,
    /// Rename a file over another.
    Replace,
    /// Remove a file.
    Remove,
    /// Lock a folder.
    Lock,
    /// Write a batch to the index.
    Index,
    /// Say that an object is stored.
    Acknowledge,
}

impl Step {
    /// Every kind of step.
    pub const ALL: [Self; 13] = [
        Self::CreateFolder,
        Self::CreateFile,
        Self::Reserve,
        Self::Write,
        Self::Trim,
        Self::SyncFile,
        Self::SyncFolder,
        Self::RenameNew,
        Self::Replace,
        Self::Remove,
        Self::Lock,
        Self::Index,
        Self::Acknowledge,
    ];

    /// Returns the name used in plans.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateFolder => "create-folder",
            Self::CreateFile => "create-file",
            Self::Reserve => "reserve",
            Self::Write => "write",
            Self::Trim => "trim",
            Self::SyncFile => "sync-file",
            Self::SyncFolder => "sync-folder",
            Self::RenameNew => "rename-new",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Lock => "lock",
            Self::Index => "index",
            Self::Acknowledge => "acknowledge",
        }
    }

    /// Returns what the step does, for error messages.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::CreateFolder | Self::CreateFile => "create",
            Self::Reserve => "reserve room for",
            Self::Write | Self::Index => "write",
            Self::Trim => "truncate",
            Self::SyncFile | Self::SyncFolder => "sync",
            Self::RenameNew | Self::Replace => "rename to",
            Self::Remove => "remove",
            Self::Lock => "lock",
            Self::Acknowledge => "acknowledge",
        }
    }
}

/// A plan of where to fail, and the count of the steps taken so far. Clones share the count.
#[derive(Clone, Debug)]
pub struct FailPoint(Arc<State>);

#[derive(Debug)]
struct State {
    plan: Option<Plan>,
    steps: AtomicU64,
    matching: AtomicU64,
    armed: AtomicBool,
}

#[derive(Debug)]
struct Plan {
    act: Act,
    step: Option<Step>,
    number: u64,
    onwards: bool,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Kill,
    Fail(Errno),
}

/// A plan that can't be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{text}` is no fail point; use (kill|enospc|eio|erofs)@(NUMBER|STEP[:NUMBER])[+], for example kill@rename-new:2"
)]
pub struct FailPointError {
    text: String,
}

impl FailPoint {
    /// Returns a plan that only counts.
    #[must_use]
    pub fn counting() -> Self {
        Self::with(None)
    }

    /// Lets steps count and fail, or pass as if there were no plan. A new plan is armed.
    pub fn arm(&self, armed: bool) {
        self.0.armed.store(armed, Ordering::SeqCst);
    }

    /// Returns how many steps were begun while armed.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::SeqCst)
    }

    fn with(plan: Option<Plan>) -> Self {
        Self(Arc::new(State {
            plan,
            steps: AtomicU64::new(0),
            matching: AtomicU64::new(0),
            armed: AtomicBool::new(true),
        }))
    }

    pub(crate) fn pass(&self, step: Step) -> io::Result<()> {
        if !self.0.armed.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.0.steps.fetch_add(1, Ordering::SeqCst);
        let Some(plan) = &self.0.plan else { return Ok(()) };
        if plan.step.is_some_and(|wanted| wanted != step) {
            return Ok(());
        }
        let number = self.0.matching.fetch_add(1, Ordering::SeqCst) + 1;
        if number != plan.number && !(plan.onwards && number > plan.number) {
            return Ok(());
        }
        match plan.act {
            Act::Fail(errno) => Err(errno.into()),
            Act::Kill => {
                kill_process(getpid(), Signal::KILL)?;
                // The signal may reach another thread first; this one must not go a step further.
                loop {
                    std::thread::park();
                }
            }
        }
    }
}

impl FromStr for FailPoint {
    type Err = FailPointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_plan(text)
            .map(|plan| Self::with(Some(plan)))
            .ok_or_else(|| FailPointError { text: text.to_owned() })
    }
}

impl fmt::Display for FailPoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.plan {
            None => formatter.write_str("counting"),
            Some(plan) => write!(formatter, "{:?} at {:?} {}", plan.act, plan.step, plan.number),
        }
    }
}

fn parse_plan(text: &str) -> Option<Plan> {
    let (act, place) = text.split_once('@')?;
    let act = match act {
        "kill" => Act::Kill,
        "enospc" => Act::Fail(Errno::NOSPC),
        "eio" => Act::Fail(Errno::IO),
        "erofs" => Act::Fail(Errno::ROFS),
        _ => return None,
    };
    let (place, onwards) = match place.strip_suffix('+') {
        Some(place) => (place, true),
        None => (place, false),
    };
    let (step, number) = match place.split_once(':') {
        Some((name, number)) => (Some(step_named(name)?), number.parse().ok()?),
        None => match place.parse() {
            Ok(number) => (None, number),
            Err(_) => (Some(step_named(place)?), 1),
        },
    };
    (number > 0).then_some(Plan { act, step, number, onwards })
}

fn step_named(name: &str) -> Option<Step> {
    Step::ALL.into_iter().find(|step| step.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_fail_where_they_say() {
        let plan: FailPoint = "enospc@write:2".parse().unwrap();
        assert!(plan.pass(Step::Write).is_ok());
        assert!(plan.pass(Step::SyncFile).is_ok());
        let error = plan.pass(Step::Write).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
        assert!(plan.pass(Step::Write).is_ok(), "only the second one");
        assert_eq!(plan.steps(), 4);

        let onwards: FailPoint = "eio@2+".parse().unwrap();
        assert!(onwards.pass(Step::Write).is_ok());
        assert!(onwards.pass(Step::Lock).is_err());
        assert!(onwards.pass(Step::Index).is_err());
    }

    #[test]
    fn unreadable_plans_are_refused() {
        for text in ["", "kill", "kill@", "kill@0", "stop@1", "kill@nowhere", "kill@write:x", "kill@write:0"]
        {
            assert!(text.parse::<FailPoint>().is_err(), "{text}");
        }
    }
}
