//! The one fetch of a cold object: ask the chain, receive, judge, show, store.
//!
//! Everything here runs in a task of its own that no client can cancel. Clients get their bytes as soon as these are verified (or, of a
//! large body, all but the last piece before that); the disk's slow promises are waited for afterwards, off their path.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use larder_module::{
    dirhash::{H1, hash_mod},
    request::ObjectKind,
    zip,
};
use larder_store::{ObjectKey, Publication, Published, Staging, StoreError, Verification};
use larder_upstream::{
    FetchCause, FetchError, Route, SmallReply, Trail, Upstream, UpstreamName, Urgency, Wanted,
};
use sha2::{Digest, Sha256};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    Event, Failure, Outcome, Reason,
    checksum::What,
    engine::Engine,
    flight::{Flight, Landing, Phase, Ready, ReadyBody, Stop},
    growing::Growing,
    journal::FetchWatch,
    memory::{READY, entity_tag},
    prefetch::Mark,
    receive::{Received, Reception, Stopped},
    spool::{Spool, SpoolContent, Spooled, blocking},
    tasks::Slot,
};

/// How long the walk for a small file may take; clients have long been told to come again.
const SMALL_LIMIT: Duration = Duration::from_secs(120);
/// What could not be stored is kept in memory this long before the disk is tried again.
const UNSTORED_FOR: Duration = Duration::from_secs(10);

/// A verified body with all that its publication needs.
struct Fetched {
    ready: Ready,
    publication: Publication,
    staging: Option<Staging>,
    growing: Option<Arc<Growing>>,
    _slot: Slot,
}

impl Engine {
    /// Runs a flight to its end.
    pub(crate) async fn fly(self: Arc<Self>, key: ObjectKey, mut landing: Landing, trail: Trail) {
        let routes = self.routes();
        let route = on_behalf_of(routes.route(key.of().module().as_str()), &trail);
        let route = &Route { chain: route.chain.wanted_so_soon(landing.flight().urgency()), ..route };
        loop {
            let may_fetch = landing.flight().may_fetch();
            match self.look(route, &key, may_fetch).await {
                Ok(Some(ready)) => {
                    self.at_hand.keep(&key, ready.clone());
                    return landing.end(Ok(ready));
                }
                Ok(None) => {}
                Err(failure) => return landing.end(Err(Stop::Failed(Arc::new(failure)))),
            }
            if may_fetch {
                break;
            }
            // Looked again for whoever may have the database asked as well.
            match landing.end_unless_wanted() {
                Some(wanted) => landing = wanted,
                None => return,
            }
        }
        if let Some(failure) = self.remembered(route, &key).await {
            return landing.end(Err(Stop::Failed(Arc::new(failure))));
        }
        loop {
            let is_guess = !landing.flight().urgency().is_now();
            landing.flight().advance(Phase::Fetching);
            let failure = match self.fetch(route, &key, landing.flight()).await {
                Ok(fetched) => return self.land(key, landing, fetched).await,
                Err(failure) => failure,
            };
            if is_guess && !failure.reason.is_answer() {
                // It had less room, time and patience than a client's fetch has, so the client that has come meanwhile gets its own.
                let Some(wanted) = landing.give_up_unless_urgent() else { return };
                landing = wanted;
                if landing.flight().shown().is_none() {
                    continue;
                }
            }
            return self.failed(route, &key, landing, failure).await;
        }
    }

    async fn fetch(
        self: &Arc<Self>,
        route: &Route,
        key: &ObjectKey,
        flight: &Flight,
    ) -> Result<Fetched, Failure> {
        let what = key.to_string();
        let slot = self
            .slots
            .acquire(&route.name, flight.urgency(), &self.metrics)
            .await
            .map_err(|_| saturated(&what))?;
        match key.kind() {
            ObjectKind::Info | ObjectKind::Mod => self.fetch_small(route, key, flight, slot).await,
            ObjectKind::Zip => self.fetch_zip(route, key, flight, slot).await,
        }
    }

    async fn fetch_small(
        &self,
        route: &Route,
        key: &ObjectKey,
        flight: &Flight,
        slot: Slot,
    ) -> Result<Fetched, Failure> {
        let wanted = Wanted::Object { of: key.of().clone(), kind: key.kind() };
        let (body, upstream) = self.ask_small(route, &wanted, flight).await?;
        // It came, whatever the checksum database will say: an absence that was learned before is over.
        self.forget_absence(&wanted);
        let (h1, verified) = match key.kind() {
            ObjectKind::Mod => {
                let h1 = hash_mod(&body);
                let verified = self.confirm(route, key.of(), What::Mod, &h1, &upstream.to_string()).await?;
                (Some(h1), verified)
            }
            ObjectKind::Info | ObjectKind::Zip => (None, Verification::NotApplicable),
        };
        let publication = Publication { h1, source: upstream.to_string(), verified };
        Ok(self.stage_small(key, body, upstream, publication, slot).await)
    }

    /// Asks the chain for something small and gives what it brought.
    async fn ask_small(
        &self,
        route: &Route,
        wanted: &Wanted,
        flight: &Flight,
    ) -> Result<(Bytes, UpstreamName), Failure> {
        let began = Instant::now();
        let deadline = Instant::now() + SMALL_LIMIT;
        let walked = route
            .chain
            .walk(|upstream| async move {
                flight.note_asking(upstream.name());
                let watch = self.watch_fetch(&upstream, flight.begun(), || wanted.path());
                let result = match upstream.small(wanted, None, deadline).await {
                    Ok(SmallReply::Fresh(fresh)) => Ok(fresh.body),
                    Ok(SmallReply::NotModified) => Err(unasked_not_modified(&upstream, wanted)),
                    Err(error) => Err(error),
                };
                watch.ended(result.as_ref().map(|body| body.len() as u64));
                result
            })
            .await;
        match walked {
            Ok((body, upstream)) => {
                self.count_fetch(route, &upstream, began, body.len() as u64);
                Ok((body, upstream))
            }
            Err(failure) => Err(self.walk_failed(route, wanted, &failure).await),
        }
    }

    /// Writes a small verified body to staging; when the disk can't take it, it is served all the same.
    async fn stage_small(
        &self,
        key: &ObjectKey,
        body: Bytes,
        upstream: UpstreamName,
        publication: Publication,
        slot: Slot,
    ) -> Fetched {
        let store = self.store.clone();
        let copy = body.clone();
        let staged = blocking(move || {
            let mut staging = store.stage(Some(copy.len() as u64))?;
            staging.write(&copy)?;
            Ok(staging)
        });
        let (staging, outcome, expires) = match staged.await {
            Ok(staging) => (Some(staging), Outcome::Miss { upstream }, None),
            Err(error) => {
                tracing::warn!(object = %key, %error, "{key} is served without being stored: {error}");
                self.metrics.event(Event::Unstored);
                (None, Outcome::Unstored { upstream }, Some(self.settings.clock.moment_after(UNSTORED_FOR)))
            }
        };
        // Writing it has hashed it already.
        let sha256 = match &staging {
            Some(staging) => staging.sha256(),
            None => Sha256::digest(&body).into(),
        };
        Fetched {
            ready: Ready {
                body: ReadyBody::Memory(body),
                etag: entity_tag(&sha256),
                modified: None,
                outcome,
                expires,
                mark: None,
            },
            publication,
            staging,
            growing: None,
            _slot: slot,
        }
    }

    async fn fetch_zip(
        self: &Arc<Self>,
        route: &Route,
        key: &ObjectKey,
        flight: &Flight,
        slot: Slot,
    ) -> Result<Fetched, Failure> {
        let wanted = Wanted::Object { of: key.of().clone(), kind: ObjectKind::Zip };
        let began = Instant::now();
        let reception = Mutex::new(Reception::new(self, route, key, flight));
        let walked = route
            .chain
            .walk(|upstream| {
                let reception = &reception;
                async move { reception.lock().await.receive(&upstream).await }
            })
            .await;
        let spool = reception.into_inner().into_spool();
        let (received, upstream) = match walked {
            Ok(walked) => walked,
            Err(failure) => return Err(self.walk_failed(route, &wanted, &failure).await),
        };
        self.forget_absence(&wanted);
        self.count_fetch(route, &upstream, began, spool.len());
        let h1 = match received {
            Received::Whole(h1) => h1,
            Received::Stopped(stopped) => return Err(self.stopped(key, stopped)),
        };
        let verified = self.confirm(route, key.of(), What::Zip, &h1, &upstream.to_string()).await?;
        let publication = Publication { h1: Some(h1), source: upstream.to_string(), verified };
        self.conclude_zip(key, spool, upstream, publication, slot).await
    }

    async fn conclude_zip(
        &self,
        key: &ObjectKey,
        spool: Spool,
        upstream: UpstreamName,
        publication: Publication,
        slot: Slot,
    ) -> Result<Fetched, Failure> {
        match spool.into_spooled() {
            Some(Spooled::Memory(body)) => Ok(self.stage_small(key, body, upstream, publication, slot).await),
            Some(Spooled::Disk { staging, growing }) => Ok(Fetched {
                ready: Ready {
                    body: ReadyBody::File { file: Arc::clone(growing.file()), len: staging.len() },
                    etag: entity_tag(&staging.sha256()),
                    modified: None,
                    outcome: Outcome::Miss { upstream },
                    expires: None,
                    mark: None,
                },
                publication,
                staging: Some(staging),
                growing: Some(growing),
                _slot: slot,
            }),
            None => Err(Failure::new(
                Reason::StoreBroken,
                &format!("the staged bytes of {key} were lost"),
                &[],
                &["this is a fault in Larder: its log has the details"],
            )),
        }
    }

    /// Checks a zip by Go's rules and hashes its contents, a few at a time because it takes a whole core.
    pub(crate) async fn inspect(
        &self,
        key: &ObjectKey,
        content: SpoolContent,
        len: u64,
        urgency: &Urgency,
    ) -> Result<H1, zip::ZipError> {
        let _turn = self.examinations.take(urgency).await;
        let of = key.of().clone();
        let work = move || {
            let options = zip::InspectOptions { hash: true, ..zip::InspectOptions::default() };
            let report = match content {
                SpoolContent::Memory(bytes) => zip::inspect(&bytes[..], len, &of, &options),
                SpoolContent::File(file) => zip::inspect(&*file, len, &of, &options),
            };
            report?.h1.ok_or(zip::ZipError::Format("no hash was computed"))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(zip::ZipError::Read(std::io::Error::other(error))),
        }
    }

    fn stopped(&self, key: &ObjectKey, stopped: Stopped) -> Failure {
        match stopped {
            Stopped::Storage(error) => {
                tracing::warn!(object = %key, %error, "{key} could not be fetched: the disk can't take it");
                storage_full(key, &error)
            }
            Stopped::Diverged(upstream) => Failure::new(
                Reason::BadUpstream,
                &format!("could not fetch {key}: it broke off, and a second attempt brought other bytes"),
                &[format!("{upstream}: the second attempt differs from what clients had already received")],
                &["ask again: the whole is then fetched anew"],
            ),
            Stopped::BadShown(error) => {
                let cause = error.cause.clone();
                Failure::of_attempts(&key.to_string(), &[error], &cause, &[])
            }
        }
    }

    /// Gives everyone the verified bytes, then makes them durable.
    async fn land(self: &Arc<Self>, key: ObjectKey, landing: Landing, fetched: Fetched) {
        let Fetched { ready, publication, staging, growing, _slot } = fetched;
        self.forget_failure(&key);
        landing.show_result(ready.clone());
        if let (Some(growing), ReadyBody::File { len, .. }) = (&growing, &ready.body) {
            growing.complete(*len);
        }
        let Some(staging) = staging else {
            self.at_hand.keep(&key, ready);
            return landing.leave();
        };
        let unverified = publication.verified == Verification::Unverified;
        let mut mark = None;
        let published = {
            let key = key.clone();
            blocking(move || staging.publish(&key, &publication)).await
        };
        match published {
            Ok(published) => {
                let is_guess = !landing.flight().urgency().is_now();
                mark = self.published(&key, ready, published, unverified, is_guess);
            }
            Err(error) => {
                tracing::warn!(object = %key, %error, "{key} was served but could not be stored: {error}");
                self.metrics.event(Event::Unstored);
                if let (ReadyBody::Memory(_), Some(upstream)) =
                    (&ready.body, ready.outcome.upstream().cloned())
                {
                    let outcome = Outcome::Unstored { upstream };
                    let expires = Some(self.settings.clock.moment_after(UNSTORED_FOR));
                    self.at_hand.keep(&key, Ready { outcome, expires, ..ready });
                }
            }
        }
        let flight = Arc::clone(landing.flight());
        landing.leave();
        // Whoever joined while it was being marked was served already.
        if let Some(mark) = mark.filter(|_| flight.urgency().is_now()) {
            mark.claim();
        }
    }

    /// Keeps what is stored at hand. What nobody has asked for gets a mark.
    fn published(
        self: &Arc<Self>,
        key: &ObjectKey,
        ready: Ready,
        published: Published,
        unverified: bool,
        is_guess: bool,
    ) -> Option<Arc<Mark>> {
        if key.kind() == ObjectKind::Mod {
            self.answers.versions_changed(key.of().module());
        }
        match published {
            Published::Created(object) => {
                if unverified {
                    self.check_later(key);
                }
                let mark = is_guess.then(|| self.prefetch.waste.mark(key, object.size));
                let small = matches!(&ready.body, ReadyBody::Memory(bytes) if bytes.len() as u64 <= READY);
                let body = match ready.body {
                    memory @ ReadyBody::Memory(_) if small => memory,
                    ReadyBody::Memory(_) | ReadyBody::File { .. } => {
                        ReadyBody::File { len: object.size, file: Arc::new(object.file) }
                    }
                };
                let kept = Ready {
                    body,
                    etag: ready.etag,
                    modified: Some(object.modified),
                    outcome: Outcome::Hit { age: None },
                    expires: None,
                    mark: mark.clone(),
                };
                self.at_hand.keep(key, kept);
                mark
            }
            // Another process was first. Its bytes count, and the next caller finds them in the store.
            Published::AlreadyThere(_) => None,
        }
    }

    /// Watches a request to an upstream, if anybody wants to know.
    pub(crate) fn watch_fetch(
        &self,
        upstream: &Upstream,
        wanted: Instant,
        path: impl FnOnce() -> String,
    ) -> FetchWatch {
        FetchWatch::start(self.settings.journal.as_ref(), || upstream.name(), wanted, path)
    }

    fn count_fetch(&self, route: &Route, upstream: &UpstreamName, began: Instant, bytes: u64) {
        self.metrics.fetched(label_of(route, upstream), began.elapsed(), bytes);
    }
}

/// Returns the route for requests that are caused by one which came through other proxies.
pub(crate) fn on_behalf_of(route: &Route, trail: &Trail) -> Route {
    Route { chain: route.chain.on_behalf_of(trail), ..route.clone() }
}

/// Returns the metric label of an upstream: the names of private ones stay inside.
pub(crate) fn label_of(route: &Route, upstream: &UpstreamName) -> String {
    if route.private { "private".to_owned() } else { upstream.to_string() }
}

fn unasked_not_modified(upstream: &Upstream, wanted: &Wanted) -> FetchError {
    FetchError {
        upstream: upstream.name(),
        wanted: wanted.path(),
        attempts: 1,
        elapsed: Duration::ZERO,
        redirected_to: None,
        cause: FetchCause::BadContent("it says `not modified` to a request that had no condition".to_owned()),
        said: None,
    }
}

fn saturated(what: &str) -> Failure {
    Failure::new(
        Reason::Saturated { retry_after: Duration::from_secs(2) },
        &format!("could not fetch {what}: too many fetches are waiting"),
        &[],
        &["ask again in a moment"],
    )
}

fn storage_full(key: &ObjectKey, error: &StoreError) -> Failure {
    Failure::new(
        Reason::StorageFull,
        &format!("could not fetch {key}: it is too large for memory, and the disk can't take it"),
        &[error.to_string()],
        &["make room in Larder's data folder; what is stored is still served"],
    )
}
