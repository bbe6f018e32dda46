//! The place where the download fails: this process, or the one that `--pid` names.

use std::path::PathBuf;

use larder_doctor::System;

use super::{Desk, Outcome};
use crate::clock;
use crate::config::Environment;

impl Desk<'_> {
    /// Reports whether what is measured here would be measured there, too.
    pub(super) fn shares_network(&self) -> bool {
        self.reach.pid.is_none_or(|pid| same_namespace(pid, "net"))
    }

    /// Returns the values that the doctor may look at.
    pub(super) fn system(&self) -> Result<System, Outcome> {
        let Some(pid) = self.reach.pid else {
            let folder = std::env::current_dir().map_err(|error| Outcome::usage(&error, None))?;
            return Ok(system(self.environment, folder, PathBuf::from("/")));
        };
        let refused = |error: std::io::Error| {
            Outcome::usage(&error, "--pid needs a running process of this user, or root".to_owned())
        };
        let environment = Environment::of_process(pid).map_err(refused)?;
        let folder = fs_err::read_link(format!("/proc/{pid}/cwd")).map_err(refused)?;
        let root = fs_err::read_link(format!("/proc/{pid}/root")).map_err(refused)?;
        let shares_root = root == std::path::Path::new("/") && same_mounts(pid);
        let root = if shares_root { root } else { PathBuf::from(format!("/proc/{pid}/root")) };
        Ok(system(&environment, folder, root))
    }
}

/// Reports whether a process sees the same file systems as this one.
fn same_mounts(pid: u32) -> bool {
    same_namespace(pid, "mnt")
}

fn same_namespace(pid: u32, kind: &str) -> bool {
    let namespace = |of: &str| fs_err::read_link(format!("/proc/{of}/ns/{kind}")).ok();
    namespace("self") == namespace(&pid.to_string())
}

fn system(environment: &Environment, folder: PathBuf, root: PathBuf) -> System {
    System {
        environment: environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        folder,
        root,
        now: clock::wall(),
    }
}
