//! A `file://` tree as upstream, read as the go command reads one.
//!
//! A missing file is absence; anything else that keeps a file from being read is a failure. One thing is
//! stricter than Go: when the tree itself is not there (a share that isn't mounted), that is no absence.
//!
//! A share may hang. Its files are read few at a time, so that the threads that read stored files are never
//! all taken by it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use larder_module::{ModuleVersion, ObjectKind};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use crate::error::{FetchCause, FetchError};
use crate::judge::judge;
use crate::name::UpstreamName;
use crate::settings::Limits;
use crate::upstream::{Fresh, Resume, SmallReply};
use crate::validators::Validators;
use crate::wanted::Wanted;
use crate::zip_body::ZipBody;

/// How much of a zip is read at a time.
const PIECE: usize = 128 << 10;

/// Files read at a time, of each tree.
const AT_A_TIME: usize = 64;
/// The longest wait for a turn when the caller names no deadline.
const PATIENCE: Duration = Duration::from_secs(30);

/// One file tree.
#[derive(Clone, Debug)]
pub(crate) struct FileUpstream {
    pub(crate) name: UpstreamName,
    root: PathBuf,
    limits: Limits,
    turns: Arc<Semaphore>,
}

impl FileUpstream {
    pub(crate) fn new(url: &Url, limits: Limits) -> Option<Self> {
        let root = url.to_file_path().ok()?;
        Some(Self {
            name: UpstreamName::of_url(url),
            root,
            limits,
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        })
    }

    pub(crate) async fn small(
        &self,
        wanted: &Wanted,
        known: Option<&Validators>,
        deadline: Instant,
    ) -> Result<SmallReply, FetchError> {
        let limit = match wanted {
            Wanted::List(_) => self.limits.list,
            Wanted::Object { kind: ObjectKind::Mod, .. } => self.limits.go_mod,
            Wanted::Latest(_) | Wanted::Query { .. } | Wanted::Object { .. } => self.limits.info,
        };
        let began = Instant::now();
        let path = wanted.path();
        let read = self
            .read(&path, limit, known.cloned(), deadline)
            .await
            .map_err(|cause| self.error(&path, began, cause))?;
        let Some((body, validators)) = read else { return Ok(SmallReply::NotModified) };
        let judged =
            judge(wanted, &body, None, &self.limits).map_err(|cause| self.error(&path, began, cause))?;
        Ok(SmallReply::Fresh(Fresh { body, validators, judged }))
    }

    pub(crate) async fn raw(&self, path: &str, limit: u64, deadline: Instant) -> Result<Bytes, FetchError> {
        let began = Instant::now();
        match self.read(path, limit, None, deadline).await {
            Ok(found) => Ok(found.map(|(body, _)| body).unwrap_or_default()),
            Err(cause) => Err(self.error(path, began, cause)),
        }
    }

    pub(crate) async fn zip(
        self: &Arc<Self>,
        of: &ModuleVersion,
        resume: Option<&Resume>,
    ) -> Result<ZipBody, FetchError> {
        let began = Instant::now();
        let path = Wanted::Object { of: of.clone(), kind: ObjectKind::Zip }.path();
        let (tree, place, resume, limit) = (Arc::clone(self), path.clone(), resume.cloned(), self.limits.zip);
        let opened = blocking(&self.turns, move || {
            let (mut file, len, validators) = tree.open(&place)?;
            if len > limit {
                return Err(FetchCause::TooLarge { limit });
            }
            if len == 0 {
                return Err(FetchCause::BadContent("an empty file instead of a zip".to_owned()));
            }
            let offset = resume
                .filter(|resume| resume.validators == validators && resume.offset <= len)
                .map_or(0, |r| r.offset);
            file.seek(SeekFrom::Start(offset)).map_err(|error| unreadable(&error))?;
            Ok((file, len, validators, offset))
        });
        match opened.await {
            Ok((file, len, validators, offset)) => Ok(ZipBody::file(FileBody {
                tree: Arc::clone(self),
                path,
                file: Some(file),
                len,
                offset,
                position: offset,
                validators,
                began,
            })),
            Err(cause) => Err(self.error(&path, began, cause)),
        }
    }

    async fn read(
        &self,
        path: &str,
        limit: u64,
        known: Option<Validators>,
        deadline: Instant,
    ) -> Result<Option<(Bytes, Validators)>, FetchCause> {
        let tree = self.clone();
        let (place, began) = (path.to_owned(), Instant::now());
        let work = blocking(&self.turns, move || {
            let (file, len, validators) = tree.open(&place)?;
            if known.is_some_and(|known| known == validators) {
                return Ok(None);
            }
            if len > limit {
                return Err(FetchCause::TooLarge { limit });
            }
            let mut body = Vec::new();
            file.take(limit + 1).read_to_end(&mut body).map_err(|error| unreadable(&error))?;
            if body.len() as u64 > limit {
                return Err(FetchCause::TooLarge { limit });
            }
            Ok(Some((Bytes::from(body), validators)))
        });
        // A network share may hang for as long as it likes.
        timeout_at(deadline, work)
            .await
            .unwrap_or_else(|_| Err(FetchCause::DeadlinePassed { after: began.elapsed() }))
    }

    fn open(&self, path: &str) -> Result<(File, u64, Validators), FetchCause> {
        let place = self.place(path)?;
        let file = match fs_err::File::open(&place) {
            Ok(file) => file.into_parts().0,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.missing()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(FetchCause::Denied { status: None });
            }
            Err(error) => return Err(unreadable(&error)),
        };
        let facts = file.metadata().map_err(|error| unreadable(&error))?;
        if !facts.is_file() {
            return Err(FetchCause::Io { reason: "there is something else than a file".to_owned() });
        }
        let modified =
            facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let etag = format!("\"{:x}-{:x}\"", modified.as_nanos(), facts.len());
        Ok((file, facts.len(), Validators { etag: Some(etag), last_modified: None }))
    }

    /// Returns where a path lies; one that would leave the tree has no place in it.
    fn place(&self, path: &str) -> Result<PathBuf, FetchCause> {
        let mut place = self.root.clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if matches!(part, "." | "..") || part.contains(['\\', '\0']) {
                return Err(FetchCause::Io { reason: "the path would leave the tree".to_owned() });
            }
            place.push(part);
        }
        Ok(place)
    }

    fn missing(&self) -> FetchCause {
        match fs_err::metadata(&self.root) {
            Ok(_) => FetchCause::Absent { status: None },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                FetchCause::Io { reason: "the folder itself does not exist (is it mounted?)".to_owned() }
            }
            Err(error) => unreadable(&error),
        }
    }

    fn error(&self, path: &str, began: Instant, cause: FetchCause) -> FetchError {
        FetchError {
            upstream: self.name.clone(),
            wanted: path.to_owned(),
            attempts: 1,
            elapsed: began.elapsed(),
            redirected_to: None,
            cause,
            said: None,
        }
    }

    /// Returns the folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

/// A zip that is read from a tree.
#[derive(Debug)]
pub(crate) struct FileBody {
    tree: Arc<FileUpstream>,
    path: String,
    file: Option<File>,
    len: u64,
    offset: u64,
    position: u64,
    validators: Validators,
    began: Instant,
}

impl FileBody {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn validators(&self) -> &Validators {
        &self.validators
    }

    pub(crate) fn upstream(&self) -> &UpstreamName {
        &self.tree.name
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let Some(mut file) = self.file.take() else { return Ok(None) };
        let left = usize::try_from(self.len - self.position).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(None);
        }
        let read = blocking(&self.tree.turns, move || {
            let mut piece = vec![0; left.min(PIECE)];
            let count = file.read(&mut piece).map_err(|error| unreadable(&error))?;
            piece.truncate(count);
            Ok((file, piece))
        });
        match read.await {
            Ok((_, piece)) if piece.is_empty() => {
                let cause = FetchCause::Truncated { received: self.position, declared: Some(self.len) };
                Err(self.tree.error(&self.path, self.began, cause))
            }
            Ok((file, piece)) => {
                self.position += piece.len() as u64;
                self.file = Some(file);
                Ok(Some(piece.into()))
            }
            Err(cause) => Err(self.tree.error(&self.path, self.began, cause)),
        }
    }
}

/// Runs work that may block; the turn is given back when it is done, not when nobody waits any more.
async fn blocking<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, FetchCause> + Send + 'static,
) -> Result<T, FetchCause> {
    let Ok(Ok(turn)) = timeout(PATIENCE, Arc::clone(turns).acquire_owned()).await else {
        return Err(FetchCause::Saturated);
    };
    let work = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(turn);
        result
    });
    work.await.unwrap_or_else(|_| Err(FetchCause::Io { reason: "reading it failed".to_owned() }))
}

/// Names the system's reason without the path, which the error already names.
fn unreadable(error: &io::Error) -> FetchCause {
    FetchCause::Io { reason: format!("the file can't be read ({})", error.kind()) }
}
