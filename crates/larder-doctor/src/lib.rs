//! Why a module download fails: the causes, how to tell them apart, and what to do about each.
//!
//! Three steps, and arrows that point one way. *Facts* are collected by probes ([`probe`], [`settings`], [`project`],
//! [`cache`]) and by the reader of logs ([`log`]); nobody judges there. *Rules* ([`rules`]) are pure functions over
//! [`Facts`]: each knows one cause of the catalogue and answers with a [`Match`] or nothing. [`diagnose()`] ranks what the
//! rules found into a [`Report`], whose words come from [`catalogue`], one file a language. Nothing in here prints.
//!
//! What joins logs and probes is [`Trouble`]: the reader of logs works it out from what the go command said, a probe from
//! what it met itself, and a rule can't tell the two apart.

pub mod cache;
pub mod catalogue;
mod dates;
mod diagnose;
mod examine;
pub mod explain;
mod facts;
mod finding;
mod go_version;
mod healthy;
pub mod log;
pub mod probe;
pub mod project;
pub mod recipe;
pub mod redact;
mod repeat;
mod report;
pub mod rules;
mod said;
pub mod settings;
mod symptom;
mod system;
mod way;

pub use diagnose::diagnose;
pub use examine::{Look, examine, read_log};
pub use facts::{Facts, Subject};
pub use finding::{CauseId, Evidence, Layer, Match, Verdict};
pub use go_version::GoVersion;
pub use repeat::Repeated;
pub use report::{Finding, Fix, PathStep, Report, RuledOut, SCHEMA, Setting, Skipped, StepMark, Way};
pub use said::{Captures, captures};
pub use symptom::{Endpoint, Source, Stage, Symptom, Trouble};
pub use system::System;
