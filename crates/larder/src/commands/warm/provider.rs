//! Who is asked: the engine of this process, which fills the store, or a running Larder, which fills its own.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use larder_cache::{Aborted, Access, Body, Engine, Failure, Outcome, Reason, Served};
use larder_module::dirhash::{self, H1};
use larder_module::{ModulePath, ModuleVersion, ObjectKind, Query};
use larder_upstream::{FetchCause, FetchError, SmallReply, Upstream, Wanted, ZipBody};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

/// How often something is asked for that can't be had just now.
const TRIES: u32 = 5;
/// How often a fetch is joined again that takes longer than a client should wait.
const JOINS: u32 = 100;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Time for a small answer of a running Larder, which may have to ask upstreams that are slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who is asked.
#[derive(Clone, Debug)]
pub(crate) enum Provider {
    /// The engine of this process.
    Here(Arc<Engine>),
    /// A running Larder.
    There {
        /// It, fetching what it lacks.
        larder: Upstream,
        /// It, telling only what it has.
        stored: Upstream,
    },
}

/// Where something came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// It was stored already.
    Stored,
    /// It was fetched from there.
    Fetched(String),
    /// It was fetched from there, and the disk could not take it.
    Unstored(String),
}

/// Something that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) origin: Origin,
    pub(crate) size: u64,
    /// The bytes of anything but a zip.
    pub(crate) bytes: Vec<u8>,
    /// The hash of a zip that came from a running Larder, where it was wanted.
    pub(crate) hash: Option<H1>,
}

/// Something that can't be had.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Missing {
    /// The word for why.
    pub(crate) reason: String,
    /// What a person reads.
    pub(crate) lines: Vec<String>,
    /// Nobody has it, positively.
    pub(crate) is_absent: bool,
    pause: Option<Duration>,
    /// The fetch goes on.
    is_under_way: bool,
}

impl Provider {
    /// Asks for one file of a version, again and again where that may help. A zip that doesn't end up in the store of this process is hashed
    /// on its way if that is wanted.
    pub(crate) async fn object(
        &self,
        of: &ModuleVersion,
        kind: ObjectKind,
        hashed: bool,
    ) -> Result<Got, Missing> {
        let (mut tries, mut joins) = (1, 1);
        loop {
            let missing = match self.object_once(of, kind, hashed).await {
                Ok(got) => return Ok(got),
                Err(missing) => missing,
            };
            if missing.is_under_way && joins < JOINS {
                joins += 1;
                continue;
            }
            match missing.pause {
                Some(pause) if tries < TRIES => {
                    tries += 1;
                    sleep(pause.min(LONGEST_PAUSE)).await;
                }
                Some(_) | None => return Err(missing),
            }
        }
    }

    async fn object_once(&self, of: &ModuleVersion, kind: ObjectKind, hashed: bool) -> Result<Got, Missing> {
        match self {
            Self::Here(engine) => {
                let served = engine.object(of, kind, &access()).await?;
                received(served, kind == ObjectKind::Zip).await
            }
            Self::There { larder, stored } => {
                if let Ok(got) = ask(stored, of, kind, Origin::Stored, hashed).await {
                    return Ok(got);
                }
                ask(larder, of, kind, Origin::Fetched(larder.name().to_string()), hashed).await
            }
        }
    }

    /// Asks for the versions of a module, one a line.
    pub(crate) async fn list(&self, module: &ModulePath) -> Result<Vec<u8>, Missing> {
        match self {
            Self::Here(engine) => Ok(received(engine.list(module, &access()).await?, false).await?.bytes),
            Self::There { larder, .. } => Ok(small(larder, Wanted::List(module.clone())).await?),
        }
    }

    /// Asks for the `.info` of a module's latest version.
    pub(crate) async fn latest(&self, module: &ModulePath) -> Result<Vec<u8>, Missing> {
        match self {
            Self::Here(engine) => Ok(received(engine.latest(module, &access()).await?, false).await?.bytes),
            Self::There { larder, .. } => Ok(small(larder, Wanted::Latest(module.clone())).await?),
        }
    }

    /// Asks for the `.info` of what a branch or commit stands for.
    pub(crate) async fn query(&self, module: &ModulePath, query: &Query) -> Result<Vec<u8>, Missing> {
        match self {
            Self::Here(engine) => {
                Ok(received(engine.query(module, query, &access()).await?, false).await?.bytes)
            }
            Self::There { larder, .. } => {
                let wanted = Wanted::Query { module: module.clone(), query: query.clone() };
                Ok(small(larder, wanted).await?)
            }
        }
    }
}

fn access() -> Access {
    Access::trusted("warm")
}

/// Takes in a body; one that is still arriving is waited for, since only its end says that it is good.
async fn received(served: Served, is_zip: bool) -> Result<Got, Missing> {
    let origin = match &served.outcome {
        Outcome::Miss { upstream } | Outcome::Revalidated { upstream } => {
            Origin::Fetched(upstream.to_string())
        }
        Outcome::Unstored { upstream } => Origin::Unstored(upstream.to_string()),
        Outcome::Hit { .. } | Outcome::Stale { .. } | Outcome::Computed => Origin::Stored,
    };
    match served.body {
        Body::Memory(bytes) => Ok(Got {
            origin,
            size: bytes.len() as u64,
            bytes: if is_zip { Vec::new() } else { bytes.into() },
            hash: None,
        }),
        Body::File { file, len } if is_zip => {
            drop(file);
            Ok(Got { origin, size: len, bytes: Vec::new(), hash: None })
        }
        Body::File { file, len } => {
            let read = tokio::task::spawn_blocking(move || {
                use std::os::unix::fs::FileExt as _;
                let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
                file.read_exact_at(&mut bytes, 0).map(|()| bytes)
            });
            match read.await {
                Ok(Ok(bytes)) => Ok(Got { origin, size: len, bytes, hash: None }),
                Ok(Err(error)) => Err(Missing::plain("store-broken", error.to_string())),
                Err(error) => Err(Missing::plain("store-broken", error.to_string())),
            }
        }
        Body::Growing(reader) if is_zip => match reader.end().await {
            Ok(size) => Ok(Got { origin, size, bytes: Vec::new(), hash: None }),
            Err(aborted) => Err(broken_off(&aborted)),
        },
        Body::Growing(mut reader) => {
            let mut bytes = Vec::new();
            while let Some(piece) = reader.next().await.map_err(|aborted| broken_off(&aborted))? {
                bytes.extend_from_slice(&piece);
            }
            Ok(Got { origin, size: bytes.len() as u64, bytes, hash: None })
        }
    }
}

/// The cause was kept: asking again tells it, or fetches anew.
fn broken_off(aborted: &Aborted) -> Missing {
    Missing { pause: Some(Duration::ZERO), ..Missing::plain("broken-off", aborted.to_string()) }
}

async fn ask(
    upstream: &Upstream,
    of: &ModuleVersion,
    kind: ObjectKind,
    origin: Origin,
    hashed: bool,
) -> Result<Got, Missing> {
    if kind != ObjectKind::Zip {
        let bytes = small(upstream, Wanted::Object { of: of.clone(), kind }).await?;
        return Ok(Got { origin, size: bytes.len() as u64, bytes, hash: None });
    }
    let mut body = upstream.zip(of, None).await?;
    if hashed {
        let (size, hash) = hashed_zip(body).await?;
        return Ok(Got { origin, size, bytes: Vec::new(), hash: Some(hash) });
    }
    let mut size = 0;
    while let Some(piece) = body.next().await? {
        size += piece.len() as u64;
    }
    Ok(Got { origin, size, bytes: Vec::new(), hash: None })
}

/// Takes a zip in and hashes it. Its end says what is where in it, so it lies in a file without a name for as long.
async fn hashed_zip(mut body: ZipBody) -> Result<(u64, H1), Missing> {
    let unkept = |error: std::io::Error| {
        Missing::plain("storage", format!("a temporary file, to compare it with go.sum: {error}"))
    };
    let mut file = block_in_place(tempfile::tempfile).map_err(unkept)?;
    let mut size = 0;
    while let Some(piece) = body.next().await? {
        block_in_place(|| file.write_all(&piece)).map_err(unkept)?;
        size += piece.len() as u64;
    }
    let hash = block_in_place(|| dirhash::hash_zip(&file, size));
    Ok((size, hash.map_err(|error| Missing::plain("bad-upstream", error.to_string()))?))
}

async fn small(upstream: &Upstream, wanted: Wanted) -> Result<Vec<u8>, FetchError> {
    match upstream.small(&wanted, None, Instant::now() + PATIENCE).await? {
        SmallReply::Fresh(fresh) => Ok(fresh.body.into()),
        // Nothing was named that could be unchanged.
        SmallReply::NotModified => Ok(Vec::new()),
    }
}

impl Missing {
    pub(crate) fn absent(line: String) -> Self {
        Self { is_absent: true, ..Self::plain("absent", line) }
    }

    pub(crate) fn plain(reason: &str, line: String) -> Self {
        Self {
            reason: reason.to_owned(),
            lines: vec![line],
            is_absent: false,
            pause: None,
            is_under_way: false,
        }
    }
}

impl From<Failure> for Missing {
    fn from(failure: Failure) -> Self {
        let pause = match failure.reason {
            Reason::Saturated { retry_after }
            | Reason::BreakerOpen { retry_after }
            | Reason::RateLimited { retry_after } => Some(retry_after),
            _ => None,
        };
        Self {
            reason: failure.reason.label().to_owned(),
            is_absent: failure.reason == Reason::Absent,
            is_under_way: failure.reason == Reason::StillFetching,
            pause,
            lines: failure.lines,
        }
    }
}

impl From<FetchError> for Missing {
    fn from(error: FetchError) -> Self {
        let mut lines = vec![error.to_string()];
        lines.extend(error.said.iter().flat_map(|said| said.lines()).map(str::to_owned));
        Self {
            reason: if error.is_absence() { "absent" } else { "not-given" }.to_owned(),
            is_absent: error.is_absence(),
            // Larder says 504 while a fetch goes on; the next request joins it.
            is_under_way: matches!(error.cause, FetchCause::Status { status: 504, .. }),
            pause: error.cause.retry_after(),
            lines,
        }
    }
}
