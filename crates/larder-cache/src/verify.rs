//! Whether bytes may be believed: the checksum database's word under the route's mode.

use std::{sync::Arc, time::Duration};

use larder_module::{defaults::TOOLCHAIN_MODULE, dirhash::H1, path::ModulePath, version::ModuleVersion};
use larder_store::Verification;
use larder_upstream::{Route, VerifyMode};
use tokio::time::Instant;

use crate::{
    Event, Failure, Reason,
    checksum::{ChecksumFailure, Verdict, What},
    engine::Engine,
    failure::attempt_line,
};

/// How long a look-up may take over all ways to the database.
const LOOKUP_LIMIT: Duration = Duration::from_secs(30);

/// Returns the mode that counts for a module: no setting skips the toolchain, and no private name goes to a database.
pub(crate) fn mode_for(route: &Route, module: &ModulePath) -> VerifyMode {
    match module.as_str() {
        TOOLCHAIN_MODULE => VerifyMode::Required,
        _ if route.private => VerifyMode::Off,
        _ => route.verify,
    }
}

/// How far a hash's confirmation may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effort {
    /// Only records that are held here count; nobody is asked.
    Held,
    /// It can do without: a moment is waited at most.
    Brief,
    /// Without it nothing is served.
    Whole,
}

impl Engine {
    /// Asks the checksum database about the hash of what an upstream sent, and decides by the route's mode what follows.
    pub(crate) async fn confirm(
        &self,
        route: &Route,
        of: &ModuleVersion,
        what: What,
        hash: &H1,
        carrier: &str,
    ) -> Result<Verification, Failure> {
        self.confirm_with(Effort::Whole, route, of, what, hash, carrier).await
    }

    /// Does the same with as much effort as the caller deems fit.
    ///
    /// `carrier` is whose bytes have that hash: the upstream that sent them, or the store.
    pub(crate) async fn confirm_with(
        &self,
        effort: Effort,
        route: &Route,
        of: &ModuleVersion,
        what: What,
        hash: &H1,
        carrier: &str,
    ) -> Result<Verification, Failure> {
        let mode = mode_for(route, of.module());
        let is_toolchain = of.module().as_str() == TOOLCHAIN_MODULE;
        if mode == VerifyMode::Off {
            return Ok(Verification::NotApplicable);
        }
        let Some(databases) = &self.databases else {
            return if is_toolchain {
                Err(unavailable(
                    of,
                    &["no checksum database is configured, and toolchains are always verified".to_owned()],
                ))
            } else {
                Ok(Verification::NotApplicable)
            };
        };
        let verdict = match effort {
            Effort::Held => databases.verify_held(of, what, hash).await,
            Effort::Brief => databases.verify_soon(of, what, hash, &route.chain).await,
            Effort::Whole => {
                let deadline = Instant::now() + LOOKUP_LIMIT;
                databases.verify(of, what, hash, &route.chain, deadline).await
            }
        };
        match verdict {
            Ok(Verdict::Match) => Ok(Verification::Verified),
            Ok(Verdict::NotApplicable) if is_toolchain => Err(unavailable(
                of,
                &["its checksum database is switched off, and toolchains are always verified".to_owned()],
            )),
            Ok(Verdict::NotApplicable) => Ok(Verification::NotApplicable),
            Err(failure) => self.judge(mode, effort, of, what, carrier, failure),
        }
    }

    /// Reports whether the checksum database's record of a version is at hand: the version is published, and so are the names in its go.mod.
    pub(crate) fn is_proven(&self, of: &ModuleVersion) -> bool {
        self.databases.as_ref().is_some_and(|databases| databases.has_record(of))
    }

    /// Starts the look-up whose result will be wanted, so that it runs beside the download.
    pub(crate) fn look_up_ahead(self: &Arc<Self>, route: &Route, of: &ModuleVersion) {
        if mode_for(route, of.module()) == VerifyMode::Off || self.databases.is_none() {
            return;
        }
        let (engine, of, chain) = (Arc::clone(self), of.clone(), route.chain.clone());
        self.tasks.spawn(async move {
            if let Some(databases) = &engine.databases {
                databases.look_up_ahead(&of, &chain).await;
            }
        });
    }

    fn judge(
        &self,
        mode: VerifyMode,
        effort: Effort,
        of: &ModuleVersion,
        what: What,
        carrier: &str,
        failure: ChecksumFailure,
    ) -> Result<Verification, Failure> {
        let file = match what {
            What::Zip => "zip",
            What::Mod => "mod",
        };
        match failure {
            ChecksumFailure::Unavailable { database, attempts } => match mode {
                VerifyMode::WhenReachable => Ok(Verification::Unverified),
                VerifyMode::Required | VerifyMode::Off => {
                    let mut causes: Vec<String> = attempts.iter().map(attempt_line).collect();
                    if causes.is_empty() {
                        causes.push(format!("{database} gave no answer that could be verified in time"));
                    }
                    if effort == Effort::Whole {
                        tracing::warn!(object = %of, %database, ?causes, "{of} can't be verified now: {database} can't be asked");
                    }
                    Err(unavailable(of, &causes))
                }
            },
            ChecksumFailure::Mismatch { database, expected, got } => {
                let detail = format!("{database} says {expected}, {carrier} has {got}");
                self.store.record_event("checksum-mismatch", &format!("{of}.{file}"), &detail);
                self.metrics.event(Event::ChecksumMismatch);
                tracing::error!(object = %of, kind = file, %expected, %got, "checksum mismatch: {of}.{file} was refused");
                Err(Failure::new(
                    Reason::ChecksumMismatch,
                    &format!(
                        "checksum mismatch: {of}.{file} is not what it was when it was first published; nothing of it is served"
                    ),
                    &[format!("{database} says {expected}"), format!("{carrier} has {got}")],
                    &[
                        "the version was changed after its publication, or something tampers with the download",
                    ],
                ))
            }
            ChecksumFailure::Unknown { database, said, learned } => {
                let failure = Failure::new(
                    Reason::ChecksumUnknown,
                    &format!("{database} does not know {of}, so it is not served"),
                    &[format!("it said: {said}")],
                    &[
                        "just published? wait a minute and ask again",
                        "private? give its path a private route in Larder's configuration",
                    ],
                );
                Err(match learned {
                    Some(age) => failure.learned(age),
                    None => failure,
                })
            }
            ChecksumFailure::Security { database, detail, attempts } => {
                self.store.record_event("checksum-security", &of.to_string(), &detail);
                tracing::error!(object = %of, %database, %detail, "the checksum database {database} can't be trusted");
                Err(Failure::new(
                    Reason::ChecksumSecurity,
                    &format!("{of} is not served: the checksum database {database} can't be trusted"),
                    &std::iter::once(detail).chain(attempts.iter().map(attempt_line)).collect::<Vec<_>>(),
                    &["tell the operator of this Larder: the evidence is in its event log"],
                ))
            }
        }
    }
}

fn unavailable(of: &ModuleVersion, causes: &[String]) -> Failure {
    Failure::new(
        Reason::ChecksumUnavailable,
        &format!(
            "{of} can't be verified now: no checksum database could be asked, and nothing unverified is served"
        ),
        causes,
        &["ask again later"],
    )
}
