//! One zip on its way in: asked for at one upstream after the other, taken up where it broke off, judged when it is whole.

use std::{sync::Arc, time::Duration};

use larder_module::{dirhash::H1, zip};
use larder_store::{ObjectKey, StoreError};
use larder_upstream::{FetchCause, FetchError, Resume, Route, Upstream, UpstreamName};

use crate::{
    engine::Engine,
    failure::cut,
    flight::{Flight, Phase},
    journal::FetchWatch,
    spool::{Spool, SpoolError},
};

/// How often a body that broke off is taken up again at the same upstream.
const RESUMPTIONS: u32 = 2;

/// What a walk for a zip brought back, besides the spool.
pub(crate) enum Received {
    /// The whole body, with the hash of its contents.
    Whole(H1),
    /// It ended, but not for a reason that another upstream could mend.
    Stopped(Stopped),
}

/// Why a zip is not had, from whomever.
pub(crate) enum Stopped {
    Storage(StoreError),
    Diverged(UpstreamName),
    BadShown(FetchError),
}

/// What of the fetch of a zip outlives an attempt that failed.
pub(crate) struct Reception<'a> {
    engine: &'a Arc<Engine>,
    route: &'a Route,
    key: &'a ObjectKey,
    flight: &'a Flight,
    spool: Spool,
    /// Where a body that broke off may be taken up.
    resume: Option<Resume>,
}

impl<'a> Reception<'a> {
    pub(crate) fn new(
        engine: &'a Arc<Engine>,
        route: &'a Route,
        key: &'a ObjectKey,
        flight: &'a Flight,
    ) -> Self {
        let spool = Spool::new(engine.store.clone(), Arc::clone(&engine.readers), engine.was_cut(key));
        Self { engine, route, key, flight, spool, resume: None }
    }

    pub(crate) fn into_spool(self) -> Spool {
        self.spool
    }

    /// Receives the zip from one upstream, taking up what broke off, and judges its structure.
    pub(crate) async fn receive(&mut self, upstream: &Upstream) -> Result<Received, FetchError> {
        self.flight.note_asking(upstream.name());
        self.resume = None;
        let mut resumptions = 0;
        loop {
            let error = match self.attempt(upstream).await {
                Ok(None) => return self.judge(upstream).await,
                Ok(Some(stopped)) => return Ok(Received::Stopped(stopped)),
                Err(error) => error,
            };
            if resumptions == RESUMPTIONS || self.resume.is_none() || !error.cause.is_retryable() {
                return Err(error);
            }
            resumptions += 1;
            tracing::info!(object = %self.key, upstream = %upstream.name(), at = self.spool.len(), %error, "taking up a body that broke off");
        }
    }

    /// Receives a body from where the spool stands; `resume` is left set when it may be taken up after a failure.
    async fn attempt(&mut self, upstream: &Upstream) -> Result<Option<Stopped>, FetchError> {
        let before = self.spool.len();
        let mut watch = self.engine.watch_fetch(upstream, self.flight.begun(), || self.path());
        let result = self.take_body(upstream, &mut watch).await;
        watch.ended(result.as_ref().map(|_| self.spool.len().saturating_sub(before)));
        result
    }

    async fn take_body(
        &mut self,
        upstream: &Upstream,
        watch: &mut FetchWatch,
    ) -> Result<Option<Stopped>, FetchError> {
        let mut body = upstream.zip(self.key.of(), self.resume.take().as_ref()).await?;
        watch.first_byte();
        // Not before: the database learns no name of which no upstream has anything. Beside the body it costs no time.
        self.engine.look_up_ahead(self.route, self.key.of());
        let stop = |error| {
            Some(match error {
                SpoolError::Storage(error) => Stopped::Storage(error),
                SpoolError::Diverged => Stopped::Diverged(upstream.name()),
            })
        };
        self.flight.note_size(body.declared_len().unwrap_or_default());
        let mut at = body.offset();
        if let Err(error) = self.spool.begin(at, body.declared_len()).await {
            return Ok(stop(error));
        }
        loop {
            let piece = match body.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => {
                    let validators = body.validators().clone();
                    self.resume = Some(Resume { offset: self.spool.len(), validators });
                    return Err(error);
                }
            };
            let len = piece.len() as u64;
            match self.spool.take(at, piece).await {
                Ok(None) => {}
                Ok(Some(growing)) => {
                    self.flight.advance(Phase::Streaming { growing, upstream: upstream.name() });
                }
                Err(error) => return Ok(stop(error)),
            }
            at += len;
        }
        match self.spool.finish(at).await {
            Ok(()) => Ok(None),
            Err(error) => Ok(stop(error)),
        }
    }

    /// Judges a body that is whole. Once clients have seen of it, no other upstream's can take its place.
    async fn judge(&self, upstream: &Upstream) -> Result<Received, FetchError> {
        let (content, len) = (self.spool.content(), self.spool.len());
        match self.engine.inspect(self.key, content, len, self.flight.urgency()).await {
            Ok(h1) => Ok(Received::Whole(h1)),
            Err(zip::ZipError::Read(source)) => {
                let path = self.key.relative_path().into();
                let error = StoreError::Io { action: "read back", path, source };
                Ok(Received::Stopped(Stopped::Storage(error)))
            }
            Err(error) => {
                let error = FetchError {
                    upstream: upstream.name(),
                    wanted: self.path(),
                    attempts: 1,
                    elapsed: Duration::ZERO,
                    redirected_to: None,
                    cause: FetchCause::BadContent(cut(&error.to_string(), 300)),
                    said: None,
                };
                if self.spool.shown() {
                    return Ok(Received::Stopped(Stopped::BadShown(error)));
                }
                Err(error)
            }
        }
    }

    fn path(&self) -> String {
        format!("/{}", self.key.relative_path())
    }
}
