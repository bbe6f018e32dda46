//! What a body that has come tells the predictor.

use std::sync::Arc;

use bytes::Bytes;
use larder_module::request::ObjectKind;
use larder_store::ObjectKey;
use larder_upstream::Urgency;

use super::predict::{ModFacts, ZipFacts};
use crate::{
    engine::Engine,
    flight::{Ready, ReadyBody},
};

/// A go.mod file that is larger is read by nobody.
const LARGEST: u64 = 4 << 20;

/// What a file says.
#[derive(Debug)]
pub(super) enum Facts {
    Mod(ModFacts),
    Zip(Arc<ZipFacts>),
}

impl Facts {
    /// Reads what an object says.
    pub(super) async fn read(engine: &Engine, key: &ObjectKey, ready: &Ready) -> Option<Self> {
        match key.kind() {
            ObjectKind::Info => None,
            ObjectKind::Mod => Some(Self::Mod(ModFacts::read(&content(&ready.body).await?))),
            ObjectKind::Zip => zip(engine, key, &ready.body).await.map(Self::Zip),
        }
    }
}

/// Unpacking takes a core, so it has its turn with the examinations that nobody waits for.
async fn zip(engine: &Engine, key: &ObjectKey, body: &ReadyBody) -> Option<Arc<ZipFacts>> {
    let _turn = engine.examinations.take(&Urgency::ahead()).await;
    let (body, of) = (body.clone(), key.of().clone());
    let work = move || match body {
        ReadyBody::Memory(bytes) => ZipFacts::read(&bytes[..], bytes.len() as u64, &of),
        ReadyBody::File { file, len } => ZipFacts::read(&*file, len, &of),
    };
    tokio::task::spawn_blocking(work).await.ok()?.ok().map(Arc::new)
}

async fn content(body: &ReadyBody) -> Option<Bytes> {
    match body {
        ReadyBody::Memory(bytes) => Some(bytes.clone()),
        ReadyBody::File { len, .. } if *len > LARGEST => None,
        ReadyBody::File { file, len } => {
            let (file, len) = (Arc::clone(file), usize::try_from(*len).ok()?);
            let read = tokio::task::spawn_blocking(move || {
                let mut content = vec![0; len];
                std::os::unix::fs::FileExt::read_exact_at(&*file, &mut content, 0).map(|()| content)
            });
            read.await.ok()?.ok().map(Bytes::from)
        }
    }
}
