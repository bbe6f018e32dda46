//! The object store on disk and the index beside it.
