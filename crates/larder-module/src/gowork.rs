//! go.work files.

use crate::gomod::{GoDebug, GoModError, Replace};

/// A go.work file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GoWork {
    /// The go line.
    pub go: Option<String>,
    /// The toolchain line.
    pub toolchain: Option<String>,
    /// The godebug settings.
    pub godebug: Vec<GoDebug>,
    /// The folders of the modules, as written.
    pub uses: Vec<String>,
    /// The replacements.
    pub replace: Vec<Replace>,
}

impl GoWork {
    /// Reads a go.work file.
    ///
    /// # Errors
    ///
    /// Lists every line that the go command would refuse.
    pub fn parse(data: &[u8]) -> Result<Self, GoModError> {
        let _ = data;
        todo!()
    }
}
