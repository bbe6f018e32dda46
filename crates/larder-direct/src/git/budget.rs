//! What the mirrors take on disk together, and which of them go when it is too much.
//!
//! A mirror is only ever a saving: whatever is thrown away is fetched again when it is asked for. So there is no index to keep right;
//! folders are measured, and the time of a file says when each was used last.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::disk::size_of;
use super::mirror::Mirror;
use super::mirrors::Mirrors;

/// Eviction goes on until so many percent of the budget are taken, so that it isn't needed again at once.
const DOWN_TO_PERCENT: u64 = 90;

/// What is known of the sizes on disk.
#[derive(Debug, Default)]
pub(super) struct Budget {
    sizes: Mutex<HashMap<OsString, u64>>,
    /// How often room was asked for since somebody began to make some.
    asked: AtomicUsize,
}

/// What the mirrors take on disk, for metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DiskUse {
    /// How many mirrors were measured.
    pub mirrors: u64,
    /// What they take, as far as it was measured.
    pub bytes: u64,
}

impl Mirrors {
    /// Returns what the mirrors take on disk, as far as they were measured in this process.
    pub fn disk_use(&self) -> DiskUse {
        let sizes = self.budget.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        DiskUse { mirrors: sizes.len() as u64, bytes: sizes.values().sum() }
    }

    /// Measures a mirror that has grown, and makes room if all of them take more than they may.
    ///
    /// Runs on its own, one at a time; who asks while one runs makes it look once more.
    pub(super) fn keep_budget(self: &Arc<Self>, grown: &Mirror) {
        if let Some(name) = grown.folder.file_name() {
            self.budget.sizes.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
        self.make_room(self.settings.budget);
    }

    /// Throws away the half that was used least recently: the disk is full, whoever filled it.
    pub(super) fn give_back(self: &Arc<Self>) {
        self.make_room((self.disk_use().bytes / 2).min(self.settings.budget));
    }

    fn make_room(self: &Arc<Self>, most: u64) {
        if self.budget.asked.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let mirrors = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let mut most = most;
            loop {
                let asked = mirrors.budget.asked.load(Ordering::Acquire);
                mirrors.evict(most);
                if mirrors.budget.asked.fetch_sub(asked, Ordering::AcqRel) == asked {
                    return;
                }
                most = mirrors.settings.budget;
            }
        });
    }

    fn evict(&self, most: u64) {
        let mut all = self.measure();
        let mut total: u64 = all.iter().map(|(_, _, size)| size).sum();
        if total <= most {
            return;
        }
        let target = most / 100 * DOWN_TO_PERCENT;
        all.sort_by_key(|(used, ..)| *used);
        for (_, folder, size) in all {
            if total <= target {
                break;
            }
            if self.throw_away(&folder) {
                total -= size.min(total);
                tracing::info!(bytes = size, "the mirror {} was thrown away to make room", folder.display());
            }
        }
    }

    /// Returns each mirror with the time of its last use and its size; those that didn't grow keep the size that was measured.
    fn measure(&self) -> Vec<(Option<SystemTime>, PathBuf, u64)> {
        let entries = fs_err::read_dir(&self.settings.mirrors).ok().into_iter().flatten().flatten();
        let mut measured = Vec::new();
        let mut names = Vec::new();
        for entry in entries {
            let (name, folder) = (entry.file_name(), entry.path());
            if name.to_string_lossy().starts_with('.') || !folder.is_dir() {
                continue;
            }
            let known = self.budget.sizes.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied();
            let size = known.unwrap_or_else(|| size_of(&folder));
            self.budget.sizes.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), size);
            let mirror = Mirror { folder };
            measured.push((mirror.last_used(), mirror.folder, size));
            names.push(name);
        }
        let mut sizes = self.budget.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.retain(|name, _| names.contains(name));
        measured
    }

    /// Throws one away, unless it is in use.
    fn throw_away(&self, folder: &std::path::Path) -> bool {
        let Some(name) = folder.file_name() else { return false };
        let state = {
            let repositories = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
            repositories.get(&*name.to_string_lossy()).cloned()
        };
        let _alone = match &state {
            Some(state) => match state.in_use.try_write() {
                Ok(alone) => Some(alone),
                Err(_) => return false,
            },
            None => None,
        };
        let removed = Mirror { folder: folder.to_owned() }.remove();
        if let Err(error) = &removed {
            tracing::warn!(%error, "the mirror {} could not be thrown away", folder.display());
        }
        self.budget.sizes.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        removed.is_ok()
    }
}
