//! The engine: look up, else fetch once for all who wait, verify, store, stream.
//!
//! A request comes in as a typed question ([`larder_module::request`]) with the client's [`Access`], and leaves as [`Served`] or as a
//! [`Failure`] whose lines the client can read. Nothing here knows HTTP statuses, sockets of clients or configuration files.

mod absence;
mod access;
mod aftermath;
mod answers;
mod beforehand;
mod causes;
mod clock;
mod coalesce;
mod computed;
mod engine;
mod explained;
mod failure;
mod fetch;
mod findings;
mod flight;
mod found;
mod growing;
mod journal;
mod look;
mod memory;
mod merged;
mod metrics;
mod objects;
pub mod paste;
mod policy;
mod prefetch;
mod receive;
mod served;
mod spool;
mod tasks;
mod verify;

pub mod checksum;

pub use access::{Access, Session};
pub use checksum::ChecksumDatabases;
pub use clock::{WallClock, age_text};
pub use engine::{Engine, EngineSettings};
pub use explained::{Explained, Hop};
pub use failure::{Failure, MAX_BYTES, MAX_LINES, Reason};
pub use findings::Finding;
pub use growing::{Aborted, GrowingReader};
pub use journal::{Answered, Fetched, Journal};
pub use metrics::{Event, Metrics};
pub use prefetch::PrefetchSettings;
pub use served::{Body, Content, Outcome, Served};
