//! What the machine's go command would use, and where it has each value from.
//!
//! The order is Go's own: a non-empty environment variable, then the user's `go/env` file (or the one that `GOENV`
//! names, or none), then `$GOROOT/go.env`, then what is built in. No `go` is run: a server that inherits these
//! settings must start on a machine without one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use larder_module::defaults;

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
#[derive(Debug, Default)]
pub(crate) struct GoEnvironment {
    process: Environment,
    user_file: Option<(PathBuf, BTreeMap<String, String>)>,
    sdk_file: Option<(PathBuf, BTreeMap<String, String>)>,
}

impl GoEnvironment {
    /// Reads the files that this environment points to.
    pub(crate) fn read(process: &Environment) -> Self {
        let user_file = user_file_path(process).map(|path| {
            let values = read_env_file(&path);
            (path, values)
        });
        let named_root = user_file.as_ref().and_then(|(_, values)| values.get("GOROOT")).map(String::as_str);
        let sdk_file = find_sdk(process, named_root).map(|root| {
            let path = root.join("go.env");
            let values = read_env_file(&path);
            (path, values)
        });
        Self { process: process.clone(), user_file, sdk_file }
    }

    /// Returns every layer's value of `name`, the deciding one first.
    ///
    /// An empty value in the user's file hides the SDK's, as it does for the go command, and counts as none.
    pub(crate) fn layers(&self, name: &'static str) -> Vec<GoSetting> {
        let mut found = Vec::new();
        let mut push = |value: &str, origin: Origin| {
            if !value.is_empty() {
                found.push(GoSetting { name, value: value.to_owned(), origin });
            }
        };
        if let Some(value) = self.process.non_empty(name) {
            push(value, Origin::Environment(name.to_owned()));
        }
        let user = self.user_file.as_ref().and_then(|(path, values)| Some((path, values.get(name)?)));
        if let Some((path, value)) = user {
            push(value, Origin::GoEnvFile(path.clone()));
        } else if let Some((path, values)) = &self.sdk_file
            && let Some(value) = values.get(name)
        {
            push(value, Origin::GoRoot(path.clone()));
        }
        push(built_in(name), Origin::GoBuiltIn);
        found
    }

    /// Returns the effective value of `name`, empty when nothing sets it.
    pub(crate) fn setting(&self, name: &'static str) -> GoSetting {
        let nothing = || GoSetting { name, value: String::new(), origin: Origin::GoBuiltIn };
        self.layers(name).into_iter().next().unwrap_or_else(nothing)
    }

    /// Returns `name`, or `GOPRIVATE` where `name` is unset: `GONOPROXY` and `GONOSUMDB` default to it.
    pub(crate) fn or_private(&self, name: &'static str) -> GoSetting {
        let own = self.setting(name);
        if !own.value.is_empty() {
            return own;
        }
        let private = self.setting("GOPRIVATE");
        if private.value.is_empty() {
            return own;
        }
        GoSetting { name, value: private.value, origin: Origin::GoFallback("GOPRIVATE") }
    }
}

fn built_in(name: &str) -> &'static str {
    match name {
        "GOPROXY" => defaults::GOPROXY,
        "GOSUMDB" => defaults::GOSUMDB,
        "GOAUTH" => "netrc",
        _ => "",
    }
}

fn user_file_path(process: &Environment) -> Option<PathBuf> {
    match process.non_empty("GOENV") {
        Some("off") => None,
        Some(path) => Some(PathBuf::from(path)),
        None => Some(config_directory(process)?.join("go/env")),
    }
}

/// Returns the directory that `os.UserConfigDir` would name.
fn config_directory(process: &Environment) -> Option<PathBuf> {
    match process.non_empty("XDG_CONFIG_HOME") {
        Some(path) => Path::new(path).is_absolute().then(|| PathBuf::from(path)),
        None => Some(process.home()?.join(".config")),
    }
}

/// Finds the SDK of the `go` that would run: `GOROOT`, else two folders above the `go` on the `PATH`.
fn find_sdk(process: &Environment, named: Option<&str>) -> Option<PathBuf> {
    if let Some(root) = process.non_empty("GOROOT").or(named) {
        return Some(PathBuf::from(root));
    }
    let path = process.non_empty("PATH")?;
    let go = std::env::split_paths(path).map(|folder| folder.join("go")).find(|file| file.is_file())?;
    let resolved = fs_err::canonicalize(go).ok()?;
    Some(resolved.parent()?.parent()?.to_owned())
}

/// Reads `NAME=value` lines as the go command does: what is no such line is skipped, nothing is unquoted or trimmed.
fn read_env_file(path: &Path) -> BTreeMap<String, String> {
    let Ok(bytes) = fs_err::read(path) else { return BTreeMap::new() };
    let text = String::from_utf8_lossy(&bytes);
    text.split('\n')
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(home: &Path, extra: &[(&str, &str)]) -> Environment {
        let mut process = Environment::from([("HOME", home.to_str().expect("utf-8")), ("PATH", "")]);
        for (name, value) in extra {
            process.set(name, value);
        }
        process
    }

    fn home_with(env_file: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().expect("temporary folder");
        fs_err::create_dir_all(home.path().join(".config/go")).expect("folder");
        fs_err::write(home.path().join(".config/go/env"), env_file).expect("file");
        home
    }

    #[test]
    fn the_environment_wins_unless_it_is_empty() {
        let home = home_with("# comment\nGOPROXY=https://proxy-b.example.com\nnonsense\n");
        let set =
            GoEnvironment::read(&environment(home.path(), &[("GOPROXY", "https://proxy-a.example.com")]));
        assert_eq!(set.setting("GOPROXY").value, "https://proxy-a.example.com");
        assert_eq!(set.setting("GOPROXY").origin, Origin::Environment("GOPROXY".to_owned()));
        let empty = GoEnvironment::read(&environment(home.path(), &[("GOPROXY", "")]));
        assert_eq!(empty.setting("GOPROXY").value, "https://proxy-b.example.com");
        assert!(matches!(empty.setting("GOPROXY").origin, Origin::GoEnvFile(_)));
    }

    #[test]
    fn goenv_off_skips_the_user_file() {
        let home = home_with("GOPROXY=https://proxy-b.example.com\n");
        let set = GoEnvironment::read(&environment(home.path(), &[("GOENV", "off")]));
        assert_eq!(set.setting("GOPROXY").value, defaults::GOPROXY);
        assert_eq!(set.setting("GOPROXY").origin, Origin::GoBuiltIn);
    }

    #[test]
    fn the_sdk_comes_after_the_user_file_and_before_the_built_in_values() {
        let home = home_with("GOPRIVATE=corp.example.com\n");
        let sdk = tempfile::tempdir().expect("temporary folder");
        fs_err::write(sdk.path().join("go.env"), "# x\nGOPROXY=https://sdk.example.com\nGOSUMDB=off\n")
            .expect("file");
        let root = sdk.path().to_str().expect("utf-8");
        let set = GoEnvironment::read(&environment(home.path(), &[("GOROOT", root)]));
        assert_eq!(set.setting("GOPROXY").value, "https://sdk.example.com");
        assert_eq!(set.setting("GOSUMDB").value, "off");
        assert_eq!(set.or_private("GONOSUMDB").value, "corp.example.com");
        assert_eq!(set.or_private("GONOSUMDB").origin, Origin::GoFallback("GOPRIVATE"));
        assert_eq!(set.layers("GOPROXY").len(), 2);
    }

    #[test]
    fn a_carriage_return_stays_part_of_the_value_as_it_does_for_go() {
        let home = home_with("GOPROXY=off\r\n");
        let set = GoEnvironment::read(&environment(home.path(), &[]));
        assert_eq!(set.setting("GOPROXY").value, "off\r");
    }
}
