//! Objects for somebody who knows what a client will ask for, because it has read the client's project.
//!
//! That is more than a guess, but nobody waits for it yet: what a client really asks for goes first wherever work queues up.

use std::sync::Arc;

use larder_module::{request::ObjectKind, version::ModuleVersion};
use larder_store::ObjectKey;
use larder_upstream::{Trail, UpstreamKind};

use crate::{Access, Body, engine::Engine, flight::Phase, prefetch::is_allowed};

impl Engine {
    /// Returns the verified body of one file, whole, from the store or else from an upstream that is asked once; nothing where that
    /// brought nothing or its route has nothing fetched ahead. A client that asks for it meanwhile joins the fetch and raises it.
    pub async fn beforehand(self: &Arc<Self>, of: &ModuleVersion, kind: ObjectKind) -> Option<Body> {
        let key = ObjectKey::new(of.clone(), kind);
        if let Some(ready) = self.at_hand.find(&key) {
            return Some(ready.body.to_body());
        }
        if self.tasks.closing() || !is_allowed(self.routes().route(of.module().as_str()), kind) {
            return None;
        }
        if self.begins_with_version_control(of) {
            // It is asked by nobody who merely guesses, but this is no guess.
            let access = Access { whole_status: true, ..Access::trusted("beforehand") };
            return self.object(of, kind, &access).await.ok().map(|served| served.body);
        }
        let (flight, landing) = self.board.join_ahead(&key);
        let mut phases = flight.follow();
        if let Some(landing) = landing {
            let work = Arc::clone(self).fly(key, landing, Trail::default());
            self.tasks.spawn_ahead(flight.urgency().clone(), work);
        }
        let phase = phases.wait_for(|phase| matches!(phase, Phase::Done(_))).await.ok()?;
        match &*phase {
            Phase::Done(Ok(ready)) => Some(ready.body.to_body()),
            Phase::Done(Err(_)) | Phase::Looking | Phase::Fetching | Phase::Streaming { .. } => None,
        }
    }

    /// Has nothing more fetched because of what clients ask for: somebody knows better what they will want.
    pub fn stop_guessing(&self) {
        self.prefetch.stop();
    }

    /// Goes on to guess: who knew better was wrong.
    pub fn guess_again(&self) {
        self.prefetch.routes_changed(&self.routes());
    }

    fn begins_with_version_control(&self, of: &ModuleVersion) -> bool {
        let routes = self.routes();
        let first = routes.route(of.module().as_str()).chain.entries().first();
        first.is_some_and(|entry| entry.upstream.kind() == UpstreamKind::Direct)
    }
}
