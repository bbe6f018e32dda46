//! Scripted version control behind `direct`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use larder_module::{ModuleVersion, ObjectKind};
use larder_upstream::{
    Answering, Deadline, DirectErrand, DirectFault, DirectFaultKind, FetchCause, Refusal, VersionControl,
    Wanted,
};
use tokio::sync::Semaphore;

type Scripted = Result<Bytes, (DirectFaultKind, &'static str, Option<&'static str>)>;

/// Answers what it was told to, by the path of the proxy protocol; anything else is absent.
#[derive(Debug)]
pub(crate) struct FakeRepositories {
    answers: Mutex<HashMap<String, Scripted>>,
    asked: Mutex<Vec<(String, bool)>>,
    gate: Semaphore,
}

impl FakeRepositories {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::default(),
            asked: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    pub(crate) fn has(&self, path: &str, body: impl Into<Bytes>) {
        self.answers.lock().unwrap().insert(path.to_owned(), Ok(body.into()));
    }

    pub(crate) fn fails(
        &self,
        path: &str,
        kind: DirectFaultKind,
        text: &'static str,
        said: Option<&'static str>,
    ) {
        self.answers.lock().unwrap().insert(path.to_owned(), Err((kind, text, said)));
    }

    /// What was asked for, and whether it was known to be private.
    pub(crate) fn asked(&self) -> Vec<(String, bool)> {
        self.asked.lock().unwrap().clone()
    }

    /// Lets nobody have an answer until [`Self::open`].
    pub(crate) fn close(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn open(&self) {
        self.gate.add_permits(1_000);
    }

    async fn answer(&self, path: String, errand: DirectErrand) -> Result<Bytes, Refusal> {
        self.asked.lock().unwrap().push((path.clone(), errand.private));
        let _pass = self.gate.acquire().await.unwrap();
        let absent = || Err((DirectFaultKind::Absent, "no such thing in https://git.corp.example/a", None));
        let answer = self.answers.lock().unwrap().get(&path).cloned().unwrap_or_else(absent);
        answer.map_err(|(kind, text, said)| Refusal {
            cause: FetchCause::Direct(DirectFault { kind, text: text.into() }),
            said: said.map(str::to_owned),
        })
    }
}

impl VersionControl for FakeRepositories {
    fn small<'a>(
        &'a self,
        wanted: &'a Wanted,
        errand: DirectErrand,
        _deadline: Deadline,
    ) -> Answering<'a, Bytes> {
        Box::pin(self.answer(wanted.path(), errand))
    }

    fn zip<'a>(&'a self, of: &'a ModuleVersion, errand: DirectErrand) -> Answering<'a, (File, u64)> {
        Box::pin(async move {
            let path = Wanted::Object { of: of.clone(), kind: ObjectKind::Zip }.path();
            let body = self.answer(path, errand).await?;
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&body).unwrap();
            file.rewind().unwrap();
            Ok((file, body.len() as u64))
        })
    }
}
