//! What clients of `/sumdb/<name>/...` get: the verified copy, under one head.
//!
//! Upstreams answer look-ups under whatever head they had at the time. A client that walked through such answers would
//! need tiles of many tree sizes. Here every look-up carries the one kept head, for which all tiles that prove every
//! stored record are held, so that any client can verify everything in any order, also when nobody can be asked.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use larder_module::{
    request::ChecksumRequest,
    sumdb::{
        record::format_lookup,
        tile::{DEFAULT_HEIGHT, Tile},
        tree::SignedHead,
    },
    version::ModuleVersion,
};
use larder_upstream::{Chain, UpstreamName};

use super::{
    ChecksumDatabases,
    database::{Database, LookupFailure, Refusals},
    tiles::Reach,
    trouble::Trouble,
};
use crate::{Access, Body, Content, Failure, Outcome, Reason, Served, paste, policy::private_clients};

impl ChecksumDatabases {
    /// Answers a client out of the verified copy; the chain is the one that would be asked about the module.
    ///
    /// # Errors
    ///
    /// Fails with the reason and the text for the client.
    pub async fn serve(
        &self,
        database: &str,
        request: &ChecksumRequest,
        chain: &Chain,
        access: &Access,
    ) -> Result<Served, Failure> {
        let Some(database) = self.served(database) else {
            let headline = format!("the checksum database {database} is not served here");
            let advice = "the go command then asks the database itself";
            return Err(Failure::new(Reason::Absent, &headline, &[], &[advice]));
        };
        let answer = self.answer(database, request, chain, access);
        match tokio::time::timeout(self.settings.status_budget, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                let headline = format!("{} has not answered yet; the question goes on", database.name());
                Err(Failure::new(Reason::StillFetching, &headline, &[], &["ask again"]))
            }
        }
    }

    async fn answer(
        &self,
        database: &Arc<Database>,
        request: &ChecksumRequest,
        chain: &Chain,
        access: &Access,
    ) -> Result<Served, Failure> {
        let chain = (!access.cached_only).then_some(chain);
        match request {
            ChecksumRequest::Supported => Ok(served(Bytes::new(), Content::ChecksumSupported, None)),
            ChecksumRequest::Latest => database.serve_latest(chain).await,
            ChecksumRequest::Tile(tile) => database.serve_tile(tile, chain).await,
            ChecksumRequest::Lookup { module, version } => {
                let of = ModuleVersion::new(module.clone(), version.clone()).map_err(|error| {
                    Failure::new(Reason::Absent, &format!("no such module version: {error}"), &[], &[])
                })?;
                if self.is_hidden(&of) {
                    return Err(self.private_lookup(database, &of, access));
                }
                database.serve_lookup(&of, chain).await
            }
        }
    }

    /// A private name is never sent to a database, and its client is told how not to ask.
    ///
    /// Patterns name hosts and teams: who may not see private modules reads none of them but the one that was hit,
    /// and that only if it does not stem from a private route.
    fn private_lookup(&self, database: &Database, of: &ModuleVersion, access: &Access) -> Failure {
        let module = of.module();
        if !access.client_is_private_ok && self.settings.private.matches(module.as_str()) {
            return private_clients(module);
        }
        let headline = format!("{of} is private here: {} is not asked about it", database.name());
        let patterns = self.hidden_patterns(of, access.client_is_private_ok);
        let setting =
            format!("beside GOPROXY, where go runs: export {}", paste::assignment("GONOSUMDB", &patterns));
        let mut failure = Failure::new(Reason::Denied, &headline, &[], &[&setting, paste::BYPASS_WARNING]);
        failure.private = true;
        failure
    }
}

impl Database {
    async fn serve_latest(self: &Arc<Self>, chain: Option<&Chain>) -> Result<Served, Failure> {
        let is_fresh = self.head_learned().is_some_and(|at| at.elapsed() < self.settings.head_freshness);
        let refreshed = match chain {
            Some(chain) if !is_fresh => self.refresh(chain).await,
            Some(_) | None => Ok(()),
        };
        match (self.head().await, refreshed) {
            (Some(head), _) => Ok(served(Bytes::copy_from_slice(head.note()), Content::ChecksumLatest, None)),
            (None, Err(failure)) => Err(self.failure(&failure, "its newest tree head")),
            (None, Ok(())) => Err(self.failure(&LookupFailure::nothing(chain), "its newest tree head")),
        }
    }

    /// Asks for the newest head, once for all who want it.
    async fn refresh(self: &Arc<Self>, chain: &Chain) -> Result<(), LookupFailure> {
        let (database, chain) = (Arc::clone(self), chain.clone());
        let work = move || async move { database.refresh_now(&chain).await };
        let lost = || LookupFailure::Unavailable(Arc::default());
        self.refreshes.join((), || work().boxed()).await.unwrap_or_else(|| Err(lost()))
    }

    async fn refresh_now(&self, chain: &Chain) -> Result<(), LookupFailure> {
        let mut refusals = Refusals::default();
        for source in self.sources.of(chain) {
            let asked = async {
                if !self.sources.carries(&source).await? {
                    return Ok(false);
                }
                let note = source.small("latest").await?;
                let seen = SignedHead::open(&note, self.verifier())
                    .map_err(|error| Trouble::forged(source.name(), error.to_string()))?;
                self.advance(&seen, Some(&source)).await?;
                self.confirm_head();
                Ok(true)
            };
            match asked.await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(trouble) => {
                    if refusals.add(self.name(), trouble) {
                        break;
                    }
                }
            }
        }
        Err(refusals.into_failure())
    }

    async fn serve_lookup(
        self: &Arc<Self>,
        of: &ModuleVersion,
        chain: Option<&Chain>,
    ) -> Result<Served, Failure> {
        let known = match chain {
            Some(chain) => self.record(of, chain).await,
            None => match self.held_record(of).await {
                Some(known) => Ok(known),
                None => self.held_aside(of).await.ok_or(LookupFailure::NotHeld),
            },
        };
        let known = known.map_err(|failure| self.failure(&failure, &of.to_string()))?;
        // The kept head never goes back, so it has the record; the record's own head is for a disk that is full.
        let head = self.head().await.filter(|head| !known.is_aside && head.size() > known.record.id());
        let note = head.as_ref().unwrap_or(&known.head).note();
        let body = format_lookup(known.record.id(), known.record.text(), note);
        Ok(served(body.into(), Content::ChecksumLookup, known.from.clone()))
    }

    async fn serve_tile(self: &Arc<Self>, tile: &Tile, chain: Option<&Chain>) -> Result<Served, Failure> {
        let absent = |why: &str| Failure::new(Reason::Absent, &format!("no {tile} here: {why}"), &[], &[]);
        if tile.is_data() || tile.height() != DEFAULT_HEIGHT {
            return Err(absent("only tiles of hashes with height 8 are served"));
        }
        let mut head = self.head().await;
        let holds = |head: &Option<SignedHead>| head.as_ref().is_some_and(|head| tile.is_in(head.size()));
        let mut refreshed = Ok(());
        if let (false, Some(chain)) = (holds(&head), chain) {
            // A client that also asks elsewhere may know a newer tree.
            refreshed = self.refresh(chain).await;
            head = self.head().await;
        }
        let head = match (head.filter(|head| tile.is_in(head.size())), refreshed, chain) {
            (Some(head), _, _) => head,
            (None, Err(failure), _) => return Err(self.failure(&failure, &tile.to_string())),
            (None, Ok(()), Some(_)) => return Err(absent("the signed tree does not reach so far")),
            (None, Ok(()), None) => return Err(self.failure(&LookupFailure::NotHeld, &tile.to_string())),
        };
        let (bytes, from) = self.verified_tile(&head, tile, chain).await?;
        Ok(served(bytes, Content::ChecksumTile, from))
    }

    async fn verified_tile(
        self: &Arc<Self>,
        head: &SignedHead,
        tile: &Tile,
        chain: Option<&Chain>,
    ) -> Result<(Bytes, Option<UpstreamName>), Failure> {
        let held = self.tiles.tile(head.head(), tile, Reach::Here).await;
        if held.is_err()
            && let Some(bytes) = self.tile_aside(tile).await
        {
            return Ok((bytes, None));
        }
        let (Err(_), Some(chain)) = (&held, chain) else {
            let bytes = held.map_err(|_| self.failure(&LookupFailure::NotHeld, &tile.to_string()))?;
            return Ok((bytes.0, None));
        };
        let mut refusals = Refusals::default();
        for source in self.sources.of(chain) {
            match self.sources.carries(&source).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    refusals.attempt(error);
                    continue;
                }
            }
            match self.tiles.tile(head.head(), tile, Reach::Both(&source)).await {
                Ok((bytes, proven)) => {
                    self.files.write_proof(Arc::new(proven)).await;
                    return Ok((bytes, Some(source.name().clone())));
                }
                Err(trouble) => {
                    if refusals.add(self.name(), trouble) {
                        break;
                    }
                }
            }
        }
        Err(self.failure(&refusals.into_failure(), &tile.to_string()))
    }

    /// Says what went wrong in words for the client.
    fn failure(&self, failure: &LookupFailure, wanted: &str) -> Failure {
        let name = self.name();
        let lines = |attempts: &[larder_upstream::FetchError]| -> Vec<String> {
            attempts.iter().map(ToString::to_string).collect()
        };
        match failure {
            LookupFailure::Unknown { said, at } => {
                let headline = format!("{name} does not know {wanted}");
                let advice = "if it was just published, wait a minute; if it is private, add it to a private route here";
                let attempts = [said.said.clone().unwrap_or_else(|| said.to_string())];
                let age = at.elapsed();
                let failure = Failure::new(Reason::ChecksumUnknown, &headline, &attempts, &[advice]);
                if age < Duration::from_secs(1) { failure } else { failure.learned(age) }
            }
            LookupFailure::Unavailable(attempts) => {
                let headline = format!("{name} can't be asked for {wanted}");
                let mut lines = lines(attempts);
                if lines.is_empty() {
                    lines.push(
                        "nobody gave an answer that could be verified; Larder's log may say more".to_owned(),
                    );
                }
                Failure::new(Reason::ChecksumUnavailable, &headline, &lines, &[])
            }
            LookupFailure::Refused { what, attempts } => {
                let headline = format!("SECURITY: what came as {wanted} of {name} was refused");
                let mut all = vec![what.clone()];
                all.extend(lines(attempts));
                Failure::new(Reason::ChecksumSecurity, &headline, &all, &[])
            }
            LookupFailure::NotHeld => {
                let headline = format!("{wanted} of {name} is not stored here");
                Failure::new(Reason::CachedOnly, &headline, &[], &[])
            }
        }
    }
}

fn served(bytes: Bytes, content: Content, from: Option<UpstreamName>) -> Served {
    let outcome = match from {
        Some(upstream) => Outcome::Miss { upstream },
        None => Outcome::Hit { age: None },
    };
    Served { body: Body::Memory(bytes), content, etag: None, modified: None, outcome, private: false }
}
