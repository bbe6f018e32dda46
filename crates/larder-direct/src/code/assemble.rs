//! From the files of a commit to the zip of a module: what the go command does between `git archive` and its module cache.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use larder_module::ModuleVersion;
use larder_module::dirhash::H1;
use larder_module::zip::create::{CreateError, SourceFiles, packs_beyond};
use larder_module::zip::{Archive, Limits, MAX_LICENSE, MAX_ZIP, ZipError};
use larder_upstream::DirectFaultKind;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::DirectError;
use crate::git::{Repository, SourceArchive};

/// How much of an archive's directory may be kept in memory: a module may be a small part of a large repository.
const ARCHIVE_LIMITS: Limits = Limits { entries: 1_000_000, name_bytes: 96 << 20, paths: 400_000 };

/// How much of the zip is written at once.
const WRITE_BUFFER: usize = 128 * 1024;

/// How many threads may help with one zip; writing it is one thread's work.
const MOST_HELPERS: usize = 3;

/// The cores beside the first one. Zips that are made at the same time share them, so their number bounds time and memory.
static SPARE_CORES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(0, |cores| cores.get() - 1)));

/// The canonical zip of a module version.
#[derive(Debug)]
pub struct ModuleZip {
    /// An unnamed temporary file, positioned at its start.
    pub file: File,
    /// Its length.
    pub len: u64,
    /// The hash that go.sum has for it.
    pub h1: H1,
}

/// Makes the zip of a module version from an archive of the folder that the module lies in.
///
/// `commit` is what was archived, `folder` the module's folder in the repository without slashes around it (empty for the root). A module
/// in a folder without LICENSE inherits the repository's; `staging` is where the temporary file goes.
///
/// # Errors
///
/// Fails as invalid when the files break Go's rules for module zips.
pub async fn assemble(
    repository: &Repository,
    commit: &str,
    archive: SourceArchive,
    folder: &str,
    of: &ModuleVersion,
    staging: &Path,
) -> Result<ModuleZip, DirectError> {
    let job = Job::new(archive, folder, of, staging);
    let (job, inherits) = job.blocking(Job::inherits_license).await?;
    let license = match inherits {
        true => repository.read_file(commit, "LICENSE", MAX_LICENSE).await?,
        false => None,
    };
    let (_, zip) = job.blocking(move |job| job.make(license.as_deref())).await?;
    Ok(zip)
}

/// What the two parts of the work that block have in common.
struct Job {
    archive: Arc<File>,
    len: u64,
    prefix: String,
    folder: String,
    of: ModuleVersion,
    staging: PathBuf,
}

impl Job {
    fn new(archive: SourceArchive, folder: &str, of: &ModuleVersion, staging: &Path) -> Self {
        Self {
            archive: Arc::new(archive.file),
            len: archive.len,
            prefix: archive.prefix,
            folder: folder.to_owned(),
            of: of.clone(),
            staging: staging.to_owned(),
        }
    }

    /// Does one part on a thread that may wait for the disk.
    async fn blocking<T: Send + 'static>(
        self,
        part: impl FnOnce(&Self) -> Result<T, DirectError> + Send + 'static,
    ) -> Result<(Self, T), DirectError> {
        let of = self.of.clone();
        let work = tokio::task::spawn_blocking(move || part(&self).map(|outcome| (self, outcome)));
        work.await.unwrap_or_else(|_| {
            Err(DirectError::new(DirectFaultKind::Broken, format!("making the zip of {of} was given up")))
        })
    }

    fn open(&self) -> Result<Archive<Arc<File>>, DirectError> {
        let archive = Archive::open_within(Arc::clone(&self.archive), self.len, ARCHIVE_LIMITS);
        archive.map_err(|error| self.unreadable(&error))
    }

    fn pick<'a>(&self, archive: &'a Archive<Arc<File>>) -> Result<SourceFiles<'a, Arc<File>>, DirectError> {
        let files = SourceFiles::pick(archive, &self.prefix, &self.folder);
        files.map_err(|error| self.unreadable(&error))
    }

    fn inherits_license(&self) -> Result<bool, DirectError> {
        Ok(self.pick(&self.open()?)?.inherits_license())
    }

    fn make(&self, license: Option<&[u8]>) -> Result<ModuleZip, DirectError> {
        let archive = self.open()?;
        // A short archive stays one when it's compressed.
        let may_be_large = self.len > MAX_ZIP;
        if may_be_large && packs_beyond(&archive, MAX_ZIP).map_err(|error| self.unreadable(&error))? {
            let text = format!("the repository's files at {} are more than the go command takes", self.of);
            return Err(DirectError::new(DirectFaultKind::Invalid, text));
        }
        let mut files = self.pick(&archive)?;
        if let Some(license) = license {
            files.add_license(license);
        }
        let mut file = tempfile::tempfile_in(&self.staging).map_err(|error| self.unwritable(&error))?;
        let out = BufWriter::with_capacity(WRITE_BUFFER, &file);
        let (_helping, helpers) = helpers();
        let created = files.create(&self.of, out, helpers).map_err(|error| self.refused(&error))?;
        if created.length > MAX_ZIP {
            let text = format!("the zip of {} is larger than a module zip may be", self.of);
            return Err(DirectError::new(DirectFaultKind::Invalid, text));
        }
        file.rewind().map_err(|error| self.unwritable(&error))?;
        Ok(ModuleZip { file, len: created.length, h1: created.h1 })
    }

    fn unreadable(&self, error: &ZipError) -> DirectError {
        let kind = match error {
            ZipError::Limit { .. } => DirectFaultKind::Invalid,
            ZipError::Read(_)
            | ZipError::Format(_)
            | ZipError::Overlap
            | ZipError::Entry { .. }
            | ZipError::Rules(_) => DirectFaultKind::Broken,
        };
        DirectError::new(kind, format!("the source archive of {} can't be used: {error}", self.of))
    }

    fn refused(&self, error: &CreateError) -> DirectError {
        match error {
            CreateError::Write(error) => self.unwritable(error),
            CreateError::Read { name, source } => {
                let text = format!("{name:?} in the source archive of {} can't be read: {source}", self.of);
                DirectError::new(DirectFaultKind::Broken, text)
            }
            CreateError::Rules(_)
            | CreateError::Limit { .. }
            | CreateError::LongName { .. }
            | CreateError::Longer { .. } => {
                let text = format!("the files of {} can't be a module zip: {error}", self.of);
                DirectError::new(DirectFaultKind::Invalid, text)
            }
        }
    }

    fn unwritable(&self, error: &io::Error) -> DirectError {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                DirectFaultKind::StorageFull
            }
            _ => DirectFaultKind::Broken,
        };
        // The error itself names a file of Larder's.
        tracing::error!(%error, "the zip of {} can't be written", self.of);
        DirectError::new(kind, format!("the zip of {} can't be written: {}", self.of, error.kind()))
    }
}

/// Takes the cores that nobody uses for another zip, and says how many those are.
fn helpers() -> (Option<SemaphorePermit<'static>>, usize) {
    (1..=MOST_HELPERS)
        .rev()
        .find_map(|count| Some((Some(SPARE_CORES.try_acquire_many(u32::try_from(count).ok()?).ok()?), count)))
        .unwrap_or((None, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use larder_module::dirhash::hash_files;
    use larder_module::zip::{InspectOptions, inspect};
    use larder_testkit::git::{Commit, GitRepository, command};
    use std::io::{Read as _, Write as _};
    use std::process::Stdio;

    fn of() -> ModuleVersion {
        ModuleVersion::parse("example.com/m", "v1.0.0").unwrap()
    }

    /// Archives a folder of a commit that has these files, and makes the zip.
    fn make(commit: Commit, folder: &str, license: Option<&str>) -> (bool, Result<ModuleZip, DirectError>) {
        let temporary = tempfile::tempdir().unwrap();
        let mut repository = GitRepository::create(&temporary.path().join("r"));
        let mark = repository.commit(commit);
        let hash = repository.hash(mark);
        let mut git = command(repository.folder());
        git.args(["archive", "--format=zip", "-0", "--prefix=prefix/", "--end-of-options", &hash]);
        if !folder.is_empty() {
            git.arg(folder);
        }
        let output = git.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&output.stdout).unwrap();
        let len = output.stdout.len() as u64;
        let archive = SourceArchive { file, len, prefix: "prefix/".into() };
        let job = Job::new(archive, folder, &of(), temporary.path());
        (job.inherits_license().unwrap(), job.make(license.map(str::as_bytes)))
    }

    /// Checks that the zip holds just these files.
    fn holds(zip: &mut ModuleZip, files: &[(&str, &str)]) {
        let mut bytes = Vec::new();
        zip.file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, zip.len);
        let report = inspect(&bytes, zip.len, &of(), &InspectOptions::default()).unwrap();
        let name = |file: &(&str, &str)| format!("{}/{}", of(), file.0);
        let content = |wanted: &str| files.iter().find(|file| name(file) == wanted).unwrap().1.as_bytes();
        let expected = hash_files(files.iter().map(name), |wanted| Ok(content(wanted))).unwrap();
        assert_eq!((report.h1, zip.h1, report.entries), (Some(expected), expected, files.len()));
    }

    #[test]
    fn a_module_at_the_root() {
        let large = "line\n".repeat(100_000);
        let commit = Commit::on("main")
            .file("go.mod", "module example.com/m\n")
            .file("large.txt", &large)
            .executable("run.sh", "#!/bin/sh\n")
            .symlink("link", "go.mod")
            .symlink("nested/go.mod", "../go.mod")
            .file("nested/a.go", "package nested\n")
            .file("other/go.mod", "module example.com/m/other\n")
            .file("other/a.go", "package other\n")
            .file("vendor/v/v.go", "package v\n")
            .submodule("module", "0123456789012345678901234567890123456789");
        let (inherits, zip) = make(commit, "", None);
        assert!(!inherits, "the root's LICENSE is its own or there is none");
        holds(
            &mut zip.unwrap(),
            &[
                ("go.mod", "module example.com/m\n"),
                ("large.txt", &large),
                ("nested/a.go", "package nested\n"),
                ("run.sh", "#!/bin/sh\n"),
            ],
        );
    }

    #[test]
    fn a_module_in_a_folder() {
        let commit = || {
            Commit::on("main")
                .file("LICENSE", "root")
                .file("a.go", "package root\n")
                .file("sub/go.mod", "module example.com/m\n")
                .file("sub/a.go", "package m\n")
                .file("subs/b.go", "package subs\n")
        };
        let go_mod = ("go.mod", "module example.com/m\n");
        let (inherits, zip) = make(commit(), "sub", Some("root"));
        assert!(inherits);
        holds(&mut zip.unwrap(), &[go_mod, ("a.go", "package m\n"), ("LICENSE", "root")]);
        let (inherits, zip) = make(commit().file("sub/LICENSE", "own"), "sub", None);
        assert!(!inherits);
        holds(&mut zip.unwrap(), &[go_mod, ("a.go", "package m\n"), ("LICENSE", "own")]);
        // A link of that name isn't packed, but it's a LICENSE all the same.
        let (inherits, zip) = make(commit().symlink("sub/LICENSE", "../LICENSE"), "sub", None);
        assert!(!inherits);
        holds(&mut zip.unwrap(), &[go_mod, ("a.go", "package m\n")]);
    }

    #[test]
    fn files_that_cannot_be_a_module() {
        let commit = Commit::on("main").file("a", "1").file("A", "2");
        let error = make(commit, "", None).1.unwrap_err();
        assert_eq!(error.kind, DirectFaultKind::Invalid);
        assert!(error.text.contains("differs from another name by case only"), "{error}");
    }
}
