//! Stored objects, and how far a stored file is believed.
//!
//! A file with an index row was verified when it came: its bytes are compared with the row once in each process. A file without one
//! (copied in by hand, or the index was lost) is examined like something that just arrived. When the checksum database can't be asked
//! then, the marks beside the file decide: an object that isn't marked unverified was verified by whoever put it there, and what is
//! stored keeps being served when everything else is down. Then it is asked about again behind the clients' backs. Toolchains are the
//! exception: they are never served on trust. Who wants nothing fetched causes no question to the database either.

use std::{os::unix::fs::FileExt, sync::Arc, time::Duration};

use larder_module::{
    defaults::TOOLCHAIN_MODULE,
    dirhash::{H1, hash_mod},
    info::Info,
    request::ObjectKind,
};
use larder_store::{Examined, ObjectKey, ObjectRow, Soundness, StoreError, StoredObject, Verification};
use larder_upstream::{Route, Urgency, VerifyMode, judge::judge_committed_mod};
use sha2::{Digest, Sha256};

use crate::{
    Event, Failure, Outcome, Reason,
    checksum::What,
    engine::{Engine, Watch},
    flight::{Ready, ReadyBody},
    found::{Found, unreadable},
    memory::{READY, entity_tag},
    spool::{SpoolContent, blocking},
    verify::{Effort, mode_for},
};

/// How long something is served on trust when nobody watches over it.
const TRUSTED_FOR: Duration = Duration::from_secs(10);

/// What an examined file turned out to be.
enum Examination {
    /// To be served; nothing of it need be written down.
    Trusted,
    /// To be served because nobody could confirm it now; to be asked about again.
    TrustedForNow,
    /// Not to be served without the database's word, which only somebody may ask for who wants things fetched.
    Withheld,
    /// To be served, and its row is to be written.
    Good(Examined),
    /// Damaged or wrong.
    Bad(String),
}

impl Engine {
    /// Returns the stored object if there is one that may be served; a wrong one is moved aside and counts as none.
    ///
    /// With `may_ask` unset nobody is asked about it, now or later.
    pub(crate) async fn look(
        self: &Arc<Self>,
        route: &Route,
        key: &ObjectKey,
        may_ask: bool,
    ) -> Result<Option<Ready>, Failure> {
        let store = self.store.clone();
        let wanted = key.clone();
        // What isn't stored is fetched next, unless it is known that there is no such thing.
        let absence = may_ask.then(|| self.unread_absence(route, key)).flatten();
        let found = blocking(move || {
            let Some(found) = Found::read(&store, &wanted)? else {
                let read = absence.map(|question| {
                    let row = store.answer(&question);
                    (question, row)
                });
                return Ok(Err(read));
            };
            let soundness = store.compare(&wanted, &found.object)?;
            Ok(Ok((found, soundness)))
        });
        let (found, soundness) = match found.await.map_err(|error| store_broken(key, &error))? {
            Ok(found) => found,
            Err(read) => {
                if let Some((question, row)) = read {
                    self.note_absence(key, question, row);
                }
                return Ok(None);
            }
        };
        let examination = match soundness {
            Soundness::Damaged { expected, found } => Examination::Bad(format!(
                "its bytes changed on the disk: the SHA-256 starts with {}, was {}",
                entity_tag(&found),
                entity_tag(&expected)
            )),
            Soundness::Unknown => self.examine(route, key, &found, may_ask).await?,
            Soundness::Sound => self.reconsider(route, key, &found, may_ask).await?,
        };
        match examination {
            Examination::Trusted => self.ready(key, &found, None).await.map(Some),
            Examination::TrustedForNow => {
                let ready = self.ready(key, &found, None).await?;
                let is_watched = may_ask && self.check_later(key);
                let expires = (!is_watched).then(|| self.settings.clock.moment_after(TRUSTED_FOR));
                Ok(Some(Ready { expires, ..ready }))
            }
            Examination::Withheld => Ok(None),
            Examination::Good(examined) => {
                let recorded = self.record(key, &found, examined).await;
                self.ready(key, &found, recorded.as_ref()).await.map(Some)
            }
            Examination::Bad(reason) => {
                self.move_aside(key, &found.object, reason).await;
                Ok(None)
            }
        }
    }

    /// Writes down what examining an object found, and returns the row if there is one now.
    ///
    /// Nobody waits for the first row of a small object: its client has to be answered, and without the row it's only examined again some
    /// day. That something is trusted which wasn't before is waited for.
    async fn record(
        self: &Arc<Self>,
        key: &ObjectKey,
        found: &Found,
        examined: Examined,
    ) -> Option<ObjectRow> {
        let (store, key, object) = (self.store.clone(), key.clone(), Arc::clone(&found.object));
        let may_wait = found.is_small() && object.row.is_none() && !object.marks.unverified;
        let place = may_wait.then(|| Arc::clone(&self.recording).try_acquire_owned().ok()).flatten();
        let write = async move {
            let path = key.to_string();
            let recorded = blocking(move || store.record_examined(&key, &object, &examined)).await;
            recorded
                .inspect_err(|error| {
                    tracing::warn!(object = %path, %error, "what examining {path} found could not be written down: {error}");
                })
                .ok()
        };
        let Some(place) = place else { return write.await };
        self.tasks.spawn(async move {
            write.await;
            drop(place);
        });
        None
    }

    /// Moves a wrong object aside, so that it is fetched anew.
    pub(crate) async fn move_aside(&self, key: &ObjectKey, object: &Arc<StoredObject>, reason: String) {
        self.at_hand.forget(key);
        self.metrics.event(Event::Quarantined);
        let (store, wanted, object) = (self.store.clone(), key.clone(), Arc::clone(object));
        if let Err(error) = blocking(move || store.quarantine(&wanted, &object, &reason)).await {
            tracing::error!(object = %key, %error, "a wrong {key} could not be moved aside: {error}");
        }
    }

    /// Examines a file of which the index knows nothing.
    async fn examine(
        &self,
        route: &Route,
        key: &ObjectKey,
        found: &Found,
        may_ask: bool,
    ) -> Result<Examination, Failure> {
        let object = &found.object;
        let (what, h1) = match key.kind() {
            ObjectKind::Info => return examine_info(key, found).await,
            ObjectKind::Mod => {
                let content = found.content(key).await?;
                if let Err(cause) = judge_committed_mod(&content) {
                    return Ok(Examination::Bad(cause.to_string()));
                }
                (What::Mod, hash_mod(&content))
            }
            ObjectKind::Zip => match self.inspect_stored(key, object, route.chain.urgency()).await {
                Ok(h1) => (What::Zip, h1),
                Err(error) if error.is_read_failure() => return Err(unreadable(key, &error.to_string())),
                Err(error) => return Ok(Examination::Bad(error.to_string())),
            },
        };
        if object.marks.ziphash.as_ref().is_some_and(|marked| *marked != h1) {
            return Ok(Examination::Bad("it is not what its .ziphash says".to_owned()));
        }
        let effort = effort_for(route, key, object, may_ask);
        self.ask_about(route, key, object, what, h1, effort).await
    }

    /// Considers whether a sound object's standing is good enough for what the route demands now.
    async fn reconsider(
        &self,
        route: &Route,
        key: &ObjectKey,
        found: &Found,
        may_ask: bool,
    ) -> Result<Examination, Failure> {
        let object = &found.object;
        let Some(row) = &object.row else { return Ok(Examination::Trusted) };
        if key.kind() == ObjectKind::Info
            || (row.verified == Verification::Verified && !object.marks.unverified)
        {
            return Ok(Examination::Trusted);
        }
        let mode = mode_for(route, key.of().module());
        match mode {
            VerifyMode::Off => Ok(Examination::Trusted),
            VerifyMode::WhenReachable => {
                let is_unverified = row.verified == Verification::Unverified || object.marks.unverified;
                Ok(if is_unverified { Examination::TrustedForNow } else { Examination::Trusted })
            }
            VerifyMode::Required => {
                let (what, h1) = match self.hash_of(key, found, row).await {
                    Ok(hash) => hash,
                    Err(reason) => return Ok(Examination::Bad(reason)),
                };
                let effort = effort_for(route, key, object, may_ask);
                match self.ask_about(route, key, object, what, h1, effort).await? {
                    Examination::Good(examined) if examined.verified == row.verified => {
                        Ok(Examination::Trusted)
                    }
                    other => Ok(other),
                }
            }
        }
    }

    async fn hash_of(&self, key: &ObjectKey, found: &Found, row: &ObjectRow) -> Result<(What, H1), String> {
        match key.kind() {
            ObjectKind::Info | ObjectKind::Mod => {
                let content = found.content(key).await.map_err(|failure| failure.text())?;
                Ok((What::Mod, hash_mod(&content)))
            }
            ObjectKind::Zip => match &row.h1 {
                Some(h1) => Ok((What::Zip, *h1)),
                None => {
                    let h1 = self
                        .inspect_stored(key, &found.object, &Urgency::now())
                        .await
                        .map_err(|error| error.to_string())?;
                    Ok((What::Zip, h1))
                }
            },
        }
    }

    /// Asks the checksum database about a stored file; when it can't be asked, the file's marks decide.
    async fn ask_about(
        &self,
        route: &Route,
        key: &ObjectKey,
        object: &StoredObject,
        what: What,
        h1: H1,
        effort: Effort,
    ) -> Result<Examination, Failure> {
        match self.confirm_with(effort, route, key.of(), what, &h1, "the store").await {
            Ok(Verification::Unverified) => Ok(Examination::TrustedForNow),
            Ok(verified) => Ok(Examination::Good(Examined {
                h1: Some(h1),
                source: object
                    .row
                    .as_ref()
                    .map_or_else(|| "found in the store".to_owned(), |row| row.source.clone()),
                verified,
            })),
            Err(failure) => match failure.reason {
                Reason::ChecksumMismatch => Ok(Examination::Bad(failure.text())),
                Reason::ChecksumUnavailable | Reason::ChecksumSecurity => {
                    if is_trustworthy(key, object) {
                        Ok(Examination::TrustedForNow)
                    } else if effort == Effort::Held {
                        Ok(Examination::Withheld)
                    } else {
                        Err(failure)
                    }
                }
                _ => Err(failure),
            },
        }
    }

    async fn inspect_stored(
        &self,
        key: &ObjectKey,
        object: &Arc<StoredObject>,
        urgency: &Urgency,
    ) -> Result<H1, larder_module::zip::ZipError> {
        let file = object.file.try_clone()?;
        self.inspect(key, SpoolContent::File(Arc::new(file)), object.size, urgency).await
    }

    /// Makes a stored object ready to be served: small ones in memory, others as a shared open file.
    async fn ready(&self, key: &ObjectKey, found: &Found, row: Option<&ObjectRow>) -> Result<Ready, Failure> {
        let object = &found.object;
        let known = row.or(object.row.as_ref()).map(|row| row.sha256);
        let (body, sha256) = if object.size <= READY {
            let content = found.content(key).await?;
            let sha256 = known.unwrap_or_else(|| Sha256::digest(&content).into());
            (ReadyBody::Memory(content), sha256)
        } else {
            let sha256 = match known {
                Some(sha256) => sha256,
                None => self.hash_file(key, object).await?,
            };
            let file = object.file.try_clone().map_err(|error| unreadable(key, &error.to_string()))?;
            let body = ReadyBody::File { file: Arc::new(file), len: object.size };
            (body, sha256)
        };
        let is_unused = object.row.as_ref().is_some_and(|row| row.is_unused);
        let mark = is_unused.then(|| self.prefetch.waste.known(key, object.size));
        Ok(Ready {
            body,
            etag: entity_tag(&sha256),
            modified: Some(object.modified),
            outcome: Outcome::Hit { age: None },
            expires: None,
            mark,
        })
    }

    async fn hash_file(&self, key: &ObjectKey, object: &Arc<StoredObject>) -> Result<[u8; 32], Failure> {
        let copy = Arc::clone(object);
        let hashed = tokio::task::spawn_blocking(move || {
            let mut hasher = Sha256::new();
            let mut buffer = vec![0; 128 << 10];
            let mut offset = 0;
            while offset < copy.size {
                let count = copy.file.read_at(&mut buffer, offset)?;
                if count == 0 {
                    return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
                }
                hasher.update(&buffer[..count]);
                offset += count as u64;
            }
            Ok(hasher.finalize().into())
        });
        match hashed.await {
            Ok(Ok(sha256)) => Ok(sha256),
            Ok(Err(error)) => Err(unreadable(key, &error.to_string())),
            Err(error) => Err(unreadable(key, &error.to_string())),
        }
    }

    /// Checks an object again that is served unconfirmed, after a while and as long as the database can't be asked.
    ///
    /// Reports whether it is being watched: too many at a time are not.
    pub(crate) fn check_later(self: &Arc<Self>, key: &ObjectKey) -> bool {
        const PAUSE: Duration = Duration::from_secs(60);
        match self.checking.start(key) {
            Watch::Already => return true,
            Watch::TooMany => return false,
            Watch::New => {}
        }
        let engine = Arc::clone(self);
        let key = key.clone();
        // Not one of the counted tasks: a stop need not wait for it.
        tokio::spawn(async move {
            while !engine.tasks.closing() {
                tokio::time::sleep(PAUSE).await;
                if engine.check_now(&key).await {
                    break;
                }
            }
            engine.checking.end(&key);
        });
        true
    }

    /// Asks the database about a stored object that is served unconfirmed; reports whether that is settled.
    pub(crate) async fn check_now(self: &Arc<Self>, key: &ObjectKey) -> bool {
        let routes = self.routes();
        let route = routes.route(key.of().module().as_str());
        let (store, wanted) = (self.store.clone(), key.clone());
        let Ok(Some(found)) = blocking(move || Found::read(&store, &wanted)).await else {
            return true;
        };
        let object = Arc::clone(&found.object);
        let examination = match &object.row {
            Some(row) => match self.hash_of(key, &found, row).await {
                Ok((what, h1)) => self.ask_about(route, key, &object, what, h1, Effort::Whole).await,
                Err(_) => return true,
            },
            None => self.examine(route, key, &found, true).await,
        };
        match examination {
            Ok(Examination::Trusted) => true,
            Ok(Examination::TrustedForNow | Examination::Withheld) => false,
            Ok(Examination::Good(examined)) => {
                let (store, key) = (self.store.clone(), key.clone());
                blocking(move || store.record_examined(&key, &object, &examined)).await.is_ok()
            }
            Ok(Examination::Bad(reason)) => {
                self.move_aside(key, &object, reason).await;
                true
            }
            Err(failure) if failure.reason == Reason::ChecksumUnknown => {
                if object.marks.unverified {
                    self.move_aside(key, &object, failure.text()).await;
                } else {
                    // Perhaps a private module whose route is not configured yet: refused from now on, but kept.
                    self.at_hand.forget(key);
                }
                true
            }
            Err(_) => false,
        }
    }
}

async fn examine_info(key: &ObjectKey, found: &Found) -> Result<Examination, Failure> {
    let content = found.content(key).await?;
    Ok(match Info::parse(&content) {
        Ok(info) if info.version == *key.of().version() => Examination::Good(Examined {
            h1: None,
            source: "found in the store".to_owned(),
            verified: Verification::NotApplicable,
        }),
        Ok(info) => Examination::Bad(format!("it names {}", info.version)),
        Err(error) => Examination::Bad(error.to_string()),
    })
}

/// Reports whether a file's marks stand for its having been verified once.
fn is_trustworthy(key: &ObjectKey, object: &StoredObject) -> bool {
    key.of().module().as_str() != TOOLCHAIN_MODULE && !object.marks.unverified
}

/// Chooses how long a stored file waits for the database: one that is served in any case, hardly.
fn effort_for(route: &Route, key: &ObjectKey, object: &StoredObject, may_ask: bool) -> Effort {
    let is_served_anyway =
        is_trustworthy(key, object) || mode_for(route, key.of().module()) == VerifyMode::WhenReachable;
    match (may_ask, is_served_anyway) {
        (false, _) => Effort::Held,
        (true, true) => Effort::Brief,
        (true, false) => Effort::Whole,
    }
}

fn store_broken(key: &ObjectKey, error: &StoreError) -> Failure {
    tracing::error!(object = %key, %error, "the store could not be read: {error}");
    unreadable(key, &error.to_string())
}
