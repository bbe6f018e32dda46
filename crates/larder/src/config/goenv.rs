//! What the machine's go command would use, and where it has each value from.
//!
//! Go's layers are read where the doctor reads them, without running `go`: a server that inherits these settings must
//! start on a machine without one. Other than the go command, the server takes Go's defaults for granted where an SDK
//! ships no go.env.

use std::collections::BTreeMap;

use larder_doctor::System;
use larder_doctor::settings::{GoLayers, Origin as Layer};

use super::environment::Environment;
use super::origin::Origin;

/// One of Go's settings with the place that decided it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct GoSetting {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// The layers of Go's configuration, read once.
#[derive(Debug)]
pub(crate) struct GoEnvironment(GoLayers);

impl GoEnvironment {
    /// Reads the files that this environment points to.
    pub(crate) fn read(process: &Environment) -> Self {
        let variables: BTreeMap<String, String> =
            process.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self(GoLayers::read(&System::of_environment(variables)))
    }

    /// Returns every layer's value of `name`, the deciding one first.
    pub(crate) fn layers(&self, name: &'static str) -> Vec<GoSetting> {
        let layers = self.0.layers(name).into_iter();
        layers.map(|(value, layer)| GoSetting { name, value, origin: origin(name, layer) }).collect()
    }

    /// Returns the effective value of `name`, empty when nothing sets it.
    pub(crate) fn setting(&self, name: &'static str) -> GoSetting {
        let nothing = || GoSetting { name, value: String::new(), origin: Origin::GoBuiltIn };
        self.layers(name).into_iter().next().unwrap_or_else(nothing)
    }

    /// Returns `name`, or `GOPRIVATE` where `name` is unset: `GONOPROXY` and `GONOSUMDB` default to it.
    pub(crate) fn or_private(&self, name: &'static str) -> GoSetting {
        let setting = self.0.or_private(name);
        GoSetting { name, value: setting.value, origin: origin(name, setting.origin) }
    }
}

fn origin(name: &str, layer: Layer) -> Origin {
    match layer {
        Layer::Environment => Origin::Environment(name.to_owned()),
        Layer::UserFile(path) => Origin::GoEnvFile(path.into()),
        Layer::SdkFile(path) => Origin::GoRoot(path.into()),
        // GOPRIVATE is the only one that others fall back to.
        Layer::FallsBackTo(_) => Origin::GoFallback("GOPRIVATE"),
        Layer::BuiltIn | Layer::GoCommand(_) => Origin::GoBuiltIn,
    }
}
