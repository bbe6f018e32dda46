//! The engine before fake upstreams: every rule that clients rely on.

mod absence;
mod answers;
mod common;
mod objects;
mod storage;
mod streaming;
mod trust;
mod verification;
