//! What an engine may be watched doing: every request that was answered, and every request to an upstream.
//!
//! `larder run` tells a person where the time of one command went. Whoever serves many clients watches metrics; without a journal
//! nothing here costs more than a look whether there is one.

use std::{fmt, sync::Arc};

use larder_upstream::UpstreamName;
use tokio::time::Instant;

use crate::{Access, Body, Content, Failure, Served};

/// Somebody who is told what an engine does. It is called in the middle of things, so it must be quick.
pub trait Journal: fmt::Debug + Send + Sync {
    /// A request was answered.
    fn answered(&self, answer: Answered);
    /// An upstream was asked, and has answered in full or failed.
    fn fetched(&self, fetch: Fetched);
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The path below the proxy's URL, in Go's escaping.
    pub path: String,
    /// What was asked for.
    pub content: Content,
    /// A client asked, over a connection; else it is work of this process's own.
    pub by_client: bool,
    /// When it was asked for.
    pub began: Instant,
    /// When the answer was ready. A body that was still arriving ended later: when its fetch did.
    pub ended: Instant,
    /// The word for how it was answered, such as `hit`, `miss` or `absent`.
    pub outcome: &'static str,
    /// The answer was a failure, absence among them.
    pub failed: bool,
    /// The body was still arriving.
    pub is_arriving: bool,
    /// The length of the body, where it was known.
    pub bytes: Option<u64>,
}

/// A request to an upstream.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The path below the upstream's URL, in Go's escaping.
    pub path: String,
    /// Who was asked.
    pub upstream: UpstreamName,
    /// When somebody first wanted it: the time from there is spent on looking, on waiting for a turn, and on upstreams that failed.
    pub wanted: Instant,
    /// When the upstream was asked.
    pub began: Instant,
    /// When the answer began, where that was seen.
    pub first_byte: Option<Instant>,
    /// When it was over.
    pub ended: Instant,
    /// Bytes of the body.
    pub bytes: u64,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// The upstream said that there is no such thing.
    pub is_absence: bool,
}

/// A request under watch.
#[derive(Debug)]
pub(crate) struct AnswerWatch<'a>(Option<(&'a Arc<dyn Journal>, Instant)>);

impl<'a> AnswerWatch<'a> {
    pub(crate) fn start(journal: Option<&'a Arc<dyn Journal>>) -> Self {
        Self(journal.map(|journal| (journal, Instant::now())))
    }

    /// Tells of the answer; the path is made only when somebody wants it.
    pub(crate) fn answered(
        self,
        content: Content,
        access: &Access,
        result: Result<&Served, &Failure>,
        path: impl FnOnce() -> String,
    ) {
        let Some((journal, began)) = self.0 else { return };
        let (outcome, bytes, is_arriving) = match result {
            Ok(served) => {
                (served.outcome.label(), served.body.len(), matches!(served.body, Body::Growing(_)))
            }
            Err(failure) => (failure.reason.label(), None, false),
        };
        journal.answered(Answered {
            path: path(),
            content,
            by_client: access.session.is_some(),
            began,
            ended: Instant::now(),
            outcome,
            failed: result.is_err(),
            is_arriving,
            bytes,
        });
    }
}

/// A request to an upstream under watch. One that is dropped unfinished was called off, and is told as that.
#[derive(Debug)]
pub(crate) struct FetchWatch(Option<Box<Watched>>);

#[derive(Debug)]
struct Watched {
    journal: Arc<dyn Journal>,
    fetch: Fetched,
}

impl FetchWatch {
    pub(crate) fn start(
        journal: Option<&Arc<dyn Journal>>,
        upstream: impl FnOnce() -> UpstreamName,
        wanted: Instant,
        path: impl FnOnce() -> String,
    ) -> Self {
        Self(journal.map(|journal| {
            let now = Instant::now();
            let fetch = Fetched {
                path: path(),
                upstream: upstream(),
                wanted,
                began: now,
                first_byte: None,
                ended: now,
                bytes: 0,
                failure: Some("called off".to_owned()),
                is_absence: false,
            };
            Box::new(Watched { journal: Arc::clone(journal), fetch })
        }))
    }

    /// The answer began.
    pub(crate) fn first_byte(&mut self) {
        if let Some(watched) = &mut self.0 {
            watched.fetch.first_byte = Some(Instant::now());
        }
    }

    /// It is over.
    pub(crate) fn ended(mut self, result: Result<u64, &larder_upstream::FetchError>) {
        let Some(watched) = &mut self.0 else { return };
        match result {
            Ok(bytes) => {
                watched.fetch.bytes = bytes;
                watched.fetch.failure = None;
            }
            Err(error) => {
                watched.fetch.is_absence = error.is_absence();
                watched.fetch.failure = Some(error.to_string());
            }
        }
    }
}

impl Drop for FetchWatch {
    fn drop(&mut self) {
        if let Some(mut watched) = self.0.take() {
            watched.fetch.ended = Instant::now();
            watched.journal.fetched(watched.fetch);
        }
    }
}
