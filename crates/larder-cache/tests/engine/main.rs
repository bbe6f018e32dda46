//! The engine before fake upstreams: every rule that clients rely on.

mod absence;
mod ahead;
mod ahead_manners;
mod ahead_unused;
mod answers;
mod at_once;
mod common;
mod direct;
mod journal;
mod objects;
mod repositories;
mod storage;
mod streaming;
mod trust;
mod verification;
