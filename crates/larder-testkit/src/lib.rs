//! Fakes and drivers for Larder's tests; nothing of it is shipped.
//!
//! Everything here listens on loopback only, keeps to folders that it made itself, and takes its randomness
//! from a seed that can be given again.

pub mod bench;
pub mod certificates;
pub mod client;
pub mod corpus;
pub mod faults;
pub mod git;
pub mod git_server;
pub mod git_stage;
pub mod go;
pub mod hostile;
pub mod lab;
pub mod module;
pub mod namespace;
pub mod process;
pub mod rng;
pub mod rules;
pub mod scenario;
pub mod settings;
pub mod sshd;
pub mod sumdb;
pub mod universe;
pub mod upstream;
pub mod watch;
pub mod zip;

pub use corpus::{Corpus, CorpusOptions};
pub use faults::{Endpoint, Fault};
pub use git::{Commit, GitRepository, Mark, ObjectFormat};
pub use git_server::GitServer;
pub use go::{GoCommand, GoOutput};
pub use module::{BuiltModule, ModuleBuilder};
pub use process::{Larder, LarderProcess};
pub use rng::Rng;
pub use scenario::Scenario;
pub use sshd::SshServer;
pub use upstream::{FakeUpstream, Reply, RunningUpstream};
