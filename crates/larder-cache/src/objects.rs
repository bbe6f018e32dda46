//! Objects as clients ask for them: from memory or an open file, else out of the one flight of the key.

use std::{sync::Arc, time::Duration};

use larder_module::{request::ObjectKind, version::ModuleVersion};
use larder_store::ObjectKey;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    Access, Body, Content, Failure, Outcome, Reason, Served,
    clock::age_text,
    engine::Engine,
    flight::{Phase, Ready, Stop},
};

/// How a wait for a flight ended.
enum Landed {
    Served(Box<Served>),
    /// The flight was not to fetch, and the object isn't stored.
    NotStored,
    /// The flight vanished; another may be started.
    Vanished,
}

pub(crate) fn content_of(kind: ObjectKind) -> Content {
    match kind {
        ObjectKind::Info => Content::Info,
        ObjectKind::Mod => Content::Mod,
        ObjectKind::Zip => Content::Zip,
    }
}

impl Engine {
    pub(crate) async fn serve_object(
        self: &Arc<Self>,
        of: &ModuleVersion,
        kind: ObjectKind,
        access: &Access,
    ) -> Result<Served, Failure> {
        let private = self.gate(of.module(), access)?;
        let key = ObjectKey::new(of.clone(), kind);
        let result = self.find_or_fetch(&key, private, access).await;
        result.map_err(|failure| Failure { private, ..failure })
    }

    /// Returns an object at hand that is served as a hit, without waiting for anything.
    ///
    /// Nothing is said of those that have to be looked for, or that the client may not see: the long way tells why.
    pub(crate) fn object_at_once(
        &self,
        of: &ModuleVersion,
        kind: ObjectKind,
        access: &Access,
    ) -> Option<Served> {
        let private = self.gate(of.module(), access).ok()?;
        let key = ObjectKey::new(of.clone(), kind);
        let ready = self.at_hand.find(&key)?;
        if !matches!(ready.outcome, Outcome::Hit { .. }) {
            return None;
        }
        self.note_asked(of, kind, access);
        Some(served(&key, &ready, private))
    }

    async fn find_or_fetch(
        self: &Arc<Self>,
        key: &ObjectKey,
        private: bool,
        access: &Access,
    ) -> Result<Served, Failure> {
        let deadline = Instant::now() + self.settings.status_budget;
        // Each round starts or joins a flight; a second one is needed only after a flight that was not to fetch, or that vanished.
        for _ in 0..3 {
            if let Some(ready) = self.at_hand.find(key) {
                self.note_asked(key.of(), key.kind(), access);
                return Ok(served(key, &ready, private));
            }
            if self.tasks.closing() {
                return Err(shutting_down(&key.to_string()));
            }
            let (flight, landing) = self.board.join(key, !access.cached_only);
            let phase = flight.follow();
            // Not before the flight is there to be followed.
            self.note_asked(key.of(), key.kind(), access);
            if let Some(landing) = landing {
                self.tasks.spawn(Arc::clone(self).fly(key.clone(), landing, access.trail.clone()));
            }
            match timeout_at(deadline, wait(phase, key, private, access)).await {
                Ok(Ok(Landed::Served(served))) => return Ok(*served),
                Ok(Ok(Landed::NotStored)) if access.cached_only => return Err(cached_only(&key.to_string())),
                Ok(Ok(Landed::NotStored | Landed::Vanished)) => {}
                Ok(Err(failure)) => return Err(failure),
                Err(_) => {
                    let waited = self.settings.status_budget;
                    return Err(still_fetching(&key.to_string(), waited, &flight.asking()));
                }
            }
        }
        Err(Failure::new(
            Reason::StoreBroken,
            &format!("the fetch of {key} ended without a result"),
            &[],
            &["this is a fault in Larder: its log has the details"],
        ))
    }
}

/// Waits until a flight has something for this client.
async fn wait(
    mut phase: watch::Receiver<Phase>,
    key: &ObjectKey,
    private: bool,
    access: &Access,
) -> Result<Landed, Failure> {
    loop {
        let now = phase.borrow_and_update().clone();
        match now {
            Phase::Done(Ok(ready)) if !ready.claim() => return Ok(Landed::Vanished),
            Phase::Done(Ok(ready)) => return Ok(Landed::Served(Box::new(served(key, &ready, private)))),
            Phase::Done(Err(Stop::NotStored)) => return Ok(Landed::NotStored),
            Phase::Done(Err(Stop::Vanished)) => return Ok(Landed::Vanished),
            Phase::Done(Err(Stop::Failed(failure))) => return Err((*failure).clone()),
            Phase::Fetching | Phase::Streaming { .. } if access.cached_only => {
                return Err(cached_only(&key.to_string()));
            }
            Phase::Streaming { growing, upstream } if !access.whole_status => {
                return Ok(Landed::Served(Box::new(Served {
                    body: Body::Growing(growing.reader()),
                    content: content_of(key.kind()),
                    etag: None,
                    modified: None,
                    outcome: Outcome::Miss { upstream },
                    private,
                })));
            }
            Phase::Looking | Phase::Fetching | Phase::Streaming { .. } => {}
        }
        if phase.changed().await.is_err() {
            return Ok(Landed::Vanished);
        }
    }
}

fn served(key: &ObjectKey, ready: &Ready, private: bool) -> Served {
    Served {
        body: ready.body.to_body(),
        content: content_of(key.kind()),
        etag: Some(Arc::clone(&ready.etag)),
        modified: ready.modified,
        outcome: ready.outcome.clone(),
        private,
    }
}

pub(crate) fn cached_only(what: &str) -> Failure {
    Failure::new(
        Reason::CachedOnly,
        &format!(
            "not found: temporarily unavailable: {what} is not stored here, and the request wants nothing fetched"
        ),
        &[],
        &["ask without `Disable-Module-Fetch` or `/cached-only` to have it fetched"],
    )
}

pub(crate) fn still_fetching(what: &str, waited: Duration, asking: &[String]) -> Failure {
    Failure::new(
        Reason::StillFetching,
        &format!("still fetching {what} after {}", age_text(waited)),
        asking,
        &["the fetch goes on: ask again and join it"],
    )
}

pub(crate) fn shutting_down(what: &str) -> Failure {
    Failure::new(
        Reason::ShuttingDown,
        &format!("could not fetch {what}: this Larder is stopping"),
        &[],
        &["ask again in a moment"],
    )
}
