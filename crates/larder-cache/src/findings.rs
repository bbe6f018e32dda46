//! What was kept because somebody may have to answer for it: a tag that moved, a checksum that doesn't match, a damaged object.

use std::{sync::Arc, time::SystemTime};

use larder_module::path::ModulePath;
use larder_store::Event;

use crate::engine::Engine;

/// Events that are looked through; more are not kept for long either.
const LOOKED_THROUGH: u32 = 2_000;

/// One event, as it is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Grows with each finding.
    pub id: i64,
    /// When it was made.
    pub at: SystemTime,
    /// Its kind, such as `tag-moved`.
    pub kind: String,
    /// What it is about, such as `example.com/a@v1.0.0`.
    pub subject: String,
    /// The evidence.
    pub detail: String,
}

impl Engine {
    /// Returns the newest findings, newest first; those about modules of private routes only to whoever may see such.
    pub async fn findings(self: &Arc<Self>, client_is_private_ok: bool, limit: usize) -> Vec<Finding> {
        let store = self.store.clone();
        let read = tokio::task::spawn_blocking(move || store.events(LOOKED_THROUGH)).await;
        let shown = |event: &Event| client_is_private_ok || !self.is_about_private(&event.subject);
        let events = read.unwrap_or_default().into_iter().filter(shown);
        let finding = |Event { id, at, kind, subject, detail }| Finding { id, at, kind, subject, detail };
        events.take(limit).map(finding).collect()
    }

    /// Reports whether an event's subject is a private name; what can't be read counts as one.
    fn is_about_private(&self, subject: &str) -> bool {
        // What names no version is no module: a checksum database.
        let Some((module, _)) = subject.split_once('@') else { return false };
        module.parse::<ModulePath>().map_or(true, |module| self.routes().route(module.as_str()).private)
    }
}
