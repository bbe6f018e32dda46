//! Version control as an entry of a chain.
//!
//! What it works out is judged like anything that comes over the wire. The work itself runs in a task of its own: whoever waited
//! may give up, the repository is fetched all the same, and the next one who asks finds it nearer.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use larder_module::{ModuleVersion, ObjectKind};
use tokio::time::{Instant, timeout_at};

use crate::error::{FetchCause, FetchError};
use crate::judge::{Judged, judge, judge_committed_mod};
use crate::name::UpstreamName;
use crate::settings::Limits;
use crate::upstream::{Fresh, SmallReply};
use crate::validators::Validators;
use crate::version_control::{DirectErrand, DirectFault, DirectFaultKind, Refusal, VersionControl};
use crate::wanted::Wanted;
use crate::zip_body::ZipBody;

/// How much of a zip is read at a time.
const PIECE: usize = 128 << 10;

/// What `direct` stands for in this process.
#[derive(Debug)]
pub(crate) struct DirectUpstream {
    control: Arc<dyn VersionControl>,
    limits: Limits,
}

impl DirectUpstream {
    pub(crate) fn new(control: Arc<dyn VersionControl>, limits: Limits) -> Self {
        Self { control, limits }
    }

    pub(crate) async fn small(
        &self,
        wanted: &Wanted,
        deadline: Instant,
        private: bool,
    ) -> Result<SmallReply, FetchError> {
        let began = Instant::now();
        let failed = |refusal| refused(wanted, began, refusal);
        let (control, asked) = (Arc::clone(&self.control), wanted.clone());
        let errand = DirectErrand { private };
        let work = tokio::spawn(async move { control.small(&asked, errand, deadline).await });
        let body = match timeout_at(deadline, work).await {
            Ok(Ok(answer)) => answer.map_err(failed)?,
            Ok(Err(_)) => return Err(failed(broke_down())),
            Err(_) => return Err(failed(FetchCause::DeadlinePassed { after: began.elapsed() }.into())),
        };
        let judged = match wanted {
            Wanted::Object { kind: ObjectKind::Mod, .. } => judge_committed_mod(&body).map(|()| Judged::Mod),
            _ => judge(wanted, &body, None, &self.limits),
        };
        let judged = judged.map_err(|cause| failed(cause.into()))?;
        Ok(SmallReply::Fresh(Fresh { body, validators: Validators::default(), judged }))
    }

    pub(crate) async fn zip(&self, of: &ModuleVersion, private: bool) -> Result<ZipBody, FetchError> {
        let began = Instant::now();
        let wanted = Wanted::Object { of: of.clone(), kind: ObjectKind::Zip };
        let (control, asked) = (Arc::clone(&self.control), of.clone());
        let work = tokio::spawn(async move { control.zip(&asked, DirectErrand { private }).await });
        let made = work.await.unwrap_or_else(|_| Err(broke_down()));
        let (file, len) = made.map_err(|refusal| refused(&wanted, began, refusal))?;
        let limit = self.limits.zip;
        if len > limit {
            return Err(refused(&wanted, began, FetchCause::TooLarge { limit }.into()));
        }
        Ok(ZipBody::made(MadeBody {
            name: UpstreamName::direct(),
            wanted,
            file: Some(file),
            len,
            position: 0,
            validators: Validators::default(),
            began,
        }))
    }
}

impl From<FetchCause> for Refusal {
    fn from(cause: FetchCause) -> Self {
        Self { cause, said: None }
    }
}

/// The task ended without an answer: a fault in Larder, whose log has it, or Larder is stopping.
fn broke_down() -> Refusal {
    let text = "asking version control ended without a result".into();
    FetchCause::Direct(DirectFault { kind: DirectFaultKind::Broken, text }).into()
}

fn refused(wanted: &Wanted, began: Instant, refusal: Refusal) -> FetchError {
    FetchError {
        upstream: UpstreamName::direct(),
        wanted: wanted.path(),
        attempts: 1,
        elapsed: began.elapsed(),
        redirected_to: None,
        cause: refusal.cause,
        said: refusal.said,
    }
}

/// A zip that was made here, read from a file that nobody else can see.
#[derive(Debug)]
pub(crate) struct MadeBody {
    name: UpstreamName,
    wanted: Wanted,
    file: Option<File>,
    len: u64,
    position: u64,
    validators: Validators,
    began: Instant,
}

impl MadeBody {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn validators(&self) -> &Validators {
        &self.validators
    }

    pub(crate) fn upstream(&self) -> &UpstreamName {
        &self.name
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let Some(mut file) = self.file.take() else { return Ok(None) };
        let left = usize::try_from(self.len - self.position).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; left.min(PIECE)];
            let count = file.read(&mut piece)?;
            piece.truncate(count);
            Ok::<_, std::io::Error>((file, piece))
        });
        let reason = match read.await {
            Ok(Ok((_, piece))) if piece.is_empty() => {
                "the zip that was made is shorter than it was".to_owned()
            }
            Ok(Ok((file, piece))) => {
                self.position += piece.len() as u64;
                self.file = Some(file);
                return Ok(Some(piece.into()));
            }
            Ok(Err(error)) => format!("the zip that was made can't be read ({})", error.kind()),
            Err(_) => "reading the zip that was made failed".to_owned(),
        };
        Err(refused(&self.wanted, self.began, FetchCause::Io { reason }.into()))
    }
}
