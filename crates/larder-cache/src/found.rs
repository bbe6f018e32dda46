//! A stored object with its content, when that is small enough to be served from memory.
//!
//! Looking at a stored file takes several steps, and each that goes to the disk on its own has to wait for a thread that may. So a small
//! file is read with the first of them.

use std::{io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use larder_store::{ObjectKey, Store, StoreError, StoredObject};

use crate::{Failure, Reason, memory::READY};

/// The object.
pub(crate) struct Found {
    pub(crate) object: Arc<StoredObject>,
    /// What could be read of a small one.
    content: Option<Bytes>,
}

impl Found {
    /// Opens an object and reads it if it is small; to be called where it may block.
    pub(crate) fn read(store: &Store, key: &ObjectKey) -> Result<Option<Self>, StoreError> {
        let Some(object) = store.object(key)? else { return Ok(None) };
        // Who needs what could not be read tries again, and tells the client what is wrong.
        let content = (object.size <= READY).then(|| read_whole(&object).ok()).flatten();
        Ok(Some(Self { object: Arc::new(object), content }))
    }

    /// Reports whether its content was read with it.
    pub(crate) fn is_small(&self) -> bool {
        self.content.is_some()
    }

    /// Returns the content.
    pub(crate) async fn content(&self, key: &ObjectKey) -> Result<Bytes, Failure> {
        if let Some(content) = &self.content {
            return Ok(content.clone());
        }
        let object = Arc::clone(&self.object);
        let read = tokio::task::spawn_blocking(move || read_whole(&object)).await;
        read.map_err(io::Error::other).flatten().map_err(|error| unreadable(key, &error.to_string()))
    }
}

fn read_whole(object: &StoredObject) -> io::Result<Bytes> {
    let size = usize::try_from(object.size).map_err(io::Error::other)?;
    let mut content = vec![0; size];
    object.file.read_exact_at(&mut content, 0)?;
    Ok(content.into())
}

pub(crate) fn unreadable(key: &ObjectKey, detail: &str) -> Failure {
    Failure::new(
        Reason::StoreBroken,
        &format!("could not read {key} from Larder's own store"),
        &[detail.to_owned()],
        &["tell the operator of this Larder; its upstreams were not asked"],
    )
}
