//! The files of a commit: one of them raw, or a folder of them packed as the go command would have it.

use std::io::{Seek as _, SeekFrom};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;

use bytes::Bytes;
use larder_upstream::DirectFaultKind;

use super::SourceArchive;
use super::mirror::{commit_reference, storage_fault};
use super::repository::Repository;
use super::revision::is_hash;
use super::run::{Done, Output};
use super::said::{self, Meaning};
use crate::error::DirectError;

/// What stands before each name in an archive.
const PREFIX: &str = "prefix/";
const HEADER: usize = 256;

impl Repository {
    /// Returns the raw bytes of a file at a commit, or nothing if there is no such file there.
    ///
    /// # Errors
    ///
    /// Fails when it is larger than `limit`.
    pub async fn read_file(
        &self,
        revision: &str,
        path: &str,
        limit: u64,
    ) -> Result<Option<Bytes>, DirectError> {
        if is_odd(path) {
            return Ok(None);
        }
        let (hash, reference) = self.commit_for(revision).await?;
        let input = format!("{}:{path}\n", commit_reference(&hash)).into_bytes();
        let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(HEADER + path.len());
        let too_large = std::sync::atomic::AtomicBool::new(false);
        let done = self
            .on_commit(&hash, &reference, || {
                Box::pin(async {
                    let done =
                        self.run_local(&["cat-file", "--batch"], input.clone(), Output::Object(most)).await?;
                    // The whole answer is compared: a file may end like that, too.
                    if done.stdout.strip_suffix(b" missing\n") == input.strip_suffix(b"\n") {
                        return self.missing(&hash, path, done).await;
                    }
                    if done.stopped == Some(super::run::Stopped::Flood) {
                        too_large.store(true, std::sync::atomic::Ordering::Relaxed);
                    }
                    Ok(done)
                })
            })
            .await;
        let large = || {
            let text = format!("{path} of {} is larger than {limit} bytes", self.url());
            DirectError::new(DirectFaultKind::Invalid, text)
        };
        let done = match done {
            Err(_) if too_large.into_inner() => return Err(large()),
            done => done?,
        };
        let Some(end) = done.stdout.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let header = String::from_utf8_lossy(&done.stdout[..end]).into_owned();
        let mut fields = header.rsplit(' ');
        let (Some(size), Some("blob")) = (fields.next(), fields.next()) else { return Ok(None) };
        let Ok(size) = size.parse::<usize>() else { return Ok(None) };
        if size as u64 > limit {
            return Err(large());
        }
        let content = Bytes::from(done.stdout).slice(end + 1..);
        Ok((content.len() >= size).then(|| content.slice(..size)))
    }

    /// Makes sure that a file is missing because the commit has none, and not because the mirror is damaged: to `cat-file` that is
    /// the same.
    async fn missing(&self, hash: &str, path: &str, done: Done) -> Result<Done, DirectError> {
        let reference = commit_reference(hash);
        let arguments = ["ls-tree", "-z", "--full-tree", "--end-of-options", &reference, "--", path];
        let listed = self.run_local(&arguments, Vec::new(), Output::Memory(64 << 10)).await?;
        // A submodule's entry names a commit that is somewhere else.
        let nothing = listed.stdout.is_empty() || listed.stdout.starts_with(b"160000 ");
        match (listed.is_success(), nothing) {
            (true, true) => Ok(done),
            (true, false) => Ok(listed.damaged()),
            (false, _) => Ok(listed),
        }
    }

    /// Packs a folder of a commit, or all of it, with the bytes that the go command would archive.
    ///
    /// # Errors
    ///
    /// Fails when there is no such folder, or more than `limit` bytes.
    pub async fn archive(
        &self,
        revision: &str,
        folder: &str,
        limit: u64,
    ) -> Result<SourceArchive, DirectError> {
        if !folder.is_empty() && is_odd(folder) {
            let text = format!("{} has no such folder at that revision", self.url());
            return Err(DirectError::new(DirectFaultKind::Absent, text));
        }
        let (hash, reference) = self.commit_for(revision).await?;
        let name = commit_reference(&hash);
        let mut arguments =
            vec!["archive", "--format=zip", "-0", "--prefix=prefix/", "--end-of-options", &name];
        if !folder.is_empty() {
            arguments.push(folder);
        }
        let staging = self.mirrors.settings.staging.clone();
        let fault = |error: std::io::Error| storage_fault("pack files", &error);
        let file = tokio::task::spawn_blocking(move || {
            fs_err::create_dir_all(&staging)?;
            tempfile::tempfile_in(&staging)
        });
        let mut file = file.await.map_err(|error| fault(error.into()))?.map_err(fault)?;
        let outcome: Arc<std::sync::Mutex<Option<DirectError>>> = Arc::default();
        let done = self
            .on_commit(&hash, &reference, || {
                Box::pin(async {
                    file.set_len(0).map_err(fault)?;
                    (&file).seek(SeekFrom::Start(0)).map_err(fault)?;
                    let done = self.run_local(&arguments, Vec::new(), Output::File(&file, limit)).await?;
                    if let Some(error) =
                        self.archive_fault(&done, folder, limit, file.metadata().map_err(fault)?.len())
                    {
                        *outcome.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                    }
                    Ok(done)
                })
            })
            .await;
        if let Some(error) = outcome.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            return Err(error);
        }
        done?;
        let len = file.seek(SeekFrom::End(0)).map_err(fault)?;
        file.seek(SeekFrom::Start(0)).map_err(fault)?;
        Ok(SourceArchive { file, len, prefix: PREFIX.to_owned() })
    }

    /// Tells failures that are about the files and not about the mirror.
    fn archive_fault(&self, done: &Done, folder: &str, limit: u64, len: u64) -> Option<DirectError> {
        /// The signal for a file that grows too large.
        const XFSZ: i32 = 25;
        if len > limit || done.status.signal() == Some(XFSZ) {
            let text = format!("the files of {} take more than {limit} bytes", self.url());
            return Some(DirectError::new(DirectFaultKind::Invalid, text));
        }
        if !done.is_success() && said::meaning(&done.stderr) == Meaning::NoFiles {
            let text = format!("{} has no folder {folder} at that revision", self.url());
            return Some(DirectError::new(DirectFaultKind::Absent, text));
        }
        None
    }

    /// Returns the commit of a revision, and the reference to fetch it by if it has to be fetched again.
    async fn commit_for(&self, revision: &str) -> Result<(String, String), DirectError> {
        if is_hash(revision) && self.state.mirror.holds(revision) {
            return Ok((revision.to_owned(), revision.to_owned()));
        }
        let commit = self.stat(revision).await?;
        let reference = commit.reference.unwrap_or_else(|| commit.hash.clone());
        Ok((commit.hash, reference))
    }
}

/// Reports whether git would take a path for another one than it is (`a/../b`, `/a`, `a/`), or can't be given it. No tree has such
/// names in it.
fn is_odd(path: &str) -> bool {
    path.split('/').any(|element| matches!(element, "" | "." | "..") || element.contains(char::is_control))
}
