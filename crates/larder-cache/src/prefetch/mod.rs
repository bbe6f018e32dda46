//! Fetching ahead of clients.
//!
//! The go command asks for two things at a time on two cores, so over a long link it mostly waits. From the go.mod files that
//! pass by it can be told what it will ask for next.

#[allow(dead_code, reason = "the actor that feeds it comes next")]
mod predict;

use larder_module::{request::ObjectKind, version::ModuleVersion};

use crate::{Access, engine::Engine};

impl Engine {
    /// Takes note of what a client asks for, whether or not it is stored.
    pub(crate) fn note_asked(&self, _of: &ModuleVersion, _kind: ObjectKind, access: &Access) {
        if access.session.is_none() || access.cached_only {
            return;
        }
    }
}
