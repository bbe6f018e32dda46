//! How far wishes are trusted, and how soon they are needed.
//!
//! Nothing says what a client is about. So each kind of wish has a credit that what the client really asks for renews: who goes its own
//! way costs a few fetches, and no more.

use std::collections::VecDeque;

use larder_module::request::ObjectKind;

use super::{Why, graph::NodeId};

/// Ranks, so that what is needed first comes first.
pub(super) mod rank {
    pub(in super::super) const FACTS: u32 = 0;
    pub(in super::super) const REQUIRED: u32 = 10;
    pub(in super::super) const COMPANION: u32 = 20;
    pub(in super::super) const IMPORTED: u32 = 30;
    pub(in super::super) const LIKELY: u32 = 100;
    pub(in super::super) const INFO: u32 = 1_000;
    pub(in super::super) const ZIP: u32 = 10_000;
}

/// A wish of one session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) id: NodeId,
    pub(super) kind: ObjectKind,
    pub(super) rank: u32,
    pub(super) why: Why,
    pub(super) facts: bool,
}

/// How far a kind of wish is trusted: so many on credit, then so many for each that the client really came for, and for each file of
/// the kind that makes wishes of this kind.
#[derive(Debug, Default)]
pub(super) struct Credit {
    pub(super) given: usize,
    pub(super) used: usize,
    /// Roots that the client has asked for.
    pub(super) roots: usize,
    pub(super) held: VecDeque<Draft>,
}

impl Credit {
    /// Reports whether one more may be made.
    pub(super) const fn allows(&self, why: Why, kind: ObjectKind) -> bool {
        let (first, each, each_root) = match (why, kind) {
            (Why::Facts, _) => return true,
            (Why::Required, _) => (50, 8, 4),
            (Why::Likely, _) => (100, 3, 4),
            (Why::Companion, _) => (50, 5, 0),
            (Why::Imported, _) => (20, 3, 0),
            (Why::Selected, ObjectKind::Info) => (64, 8, 1),
            (Why::Selected, _) => (64, 4, 0),
            (Why::Listed, _) => (24, 4, 0),
        };
        self.given < first + each * self.used + each_root * self.roots
    }
}
