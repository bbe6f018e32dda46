//! The layers of Go's configuration: environment, the user's go/env file, `$GOROOT/go.env`, what is built in.

use std::path::{Path, PathBuf};

use larder_module::defaults;

use super::env_file::EnvFile;
use super::known::{BUILT_IN_GOAUTH, RELEVANT};
use super::sdk::{self, Sdk};
use super::{FileProblem, GoSetting, Origin};
use crate::{GoVersion, System};

/// The layers, read once.
#[derive(Clone, Debug)]
pub struct GoLayers {
    system: System,
    user: Option<EnvFile>,
    program: Option<PathBuf>,
    sdk: Option<Sdk>,
}

impl GoLayers {
    /// Reads the files that this environment points to.
    #[must_use]
    pub fn read(system: &System) -> Self {
        let user = user_file_path(system).map(|path| EnvFile::read(system, &path));
        let named_root = user.as_ref().and_then(|file| file.values.get("GOROOT")).map(String::as_str);
        let program = sdk::program(system);
        let sdk = Sdk::find(system, named_root, program.as_deref());
        Self { system: system.clone(), user, program, sdk }
    }

    /// Returns every layer's value of `name`, the deciding one first.
    ///
    /// An empty value in the user's file hides the SDK's, as it does for the go command, and counts as none.
    #[must_use]
    pub fn layers(&self, name: &str) -> Vec<(String, Origin)> {
        let mut found = Vec::new();
        let mut push = |value: &str, origin: Origin| {
            if !value.is_empty() {
                found.push((value.to_owned(), origin));
            }
        };
        if let Some(value) = self.system.variable(name) {
            push(value, Origin::Environment);
        }
        let in_user_file = self.user.as_ref().and_then(|file| Some((file, file.values.get(name)?)));
        if let Some((file, value)) = in_user_file {
            push(value, Origin::UserFile(file.path.clone()));
        } else if let Some(sdk) = &self.sdk
            && let Some(value) = sdk.file.values.get(name)
        {
            push(value, Origin::SdkFile(sdk.file.path.clone()));
        }
        push(built_in(name), Origin::BuiltIn);
        found
    }

    /// Returns `name` as the go command of this machine sees it; empty when nothing sets it.
    ///
    /// `GOPROXY` and `GOSUMDB` are built in only up to Go 1.20: later ones know them from `$GOROOT/go.env` alone. Where
    /// no SDK was found, a shipped go.env is taken for granted.
    #[must_use]
    pub fn setting(&self, name: &str) -> GoSetting {
        let mut layers = self.layers(name).into_iter().filter(|(_, origin)| {
            *origin != Origin::BuiltIn || !self.defaults_are_in_go_env() || name == "GOAUTH"
        });
        let (value, origin) = layers.next().unwrap_or_default();
        GoSetting { name: name.to_owned(), value, origin, hides: layers.collect() }
    }

    fn defaults_are_in_go_env(&self) -> bool {
        self.version().is_some_and(GoVersion::switches_toolchains)
    }

    /// Returns `name`, or `GOPRIVATE` where `name` is unset: `GONOPROXY` and `GONOSUMDB` default to it.
    #[must_use]
    pub fn or_private(&self, name: &str) -> GoSetting {
        let own = self.setting(name);
        if !own.value.is_empty() {
            return own;
        }
        let private = self.setting("GOPRIVATE");
        if private.value.is_empty() {
            return own;
        }
        let origin = Origin::FallsBackTo("GOPRIVATE".to_owned());
        GoSetting { value: private.value, origin, ..own }
    }

    /// Returns the settings that matter to downloads and that have a value.
    pub(super) fn effective(&self) -> Vec<GoSetting> {
        let computed = |name: &str| match name {
            "GOPATH" => self.go_path(),
            "GOMODCACHE" => self.module_cache(),
            "GOCACHE" => self.build_cache(),
            "GOROOT" => self.root().unwrap_or_default(),
            "GOENV" => self.user.as_ref().map_or_else(|| "off".to_owned(), |file| file.path.clone()),
            _ => String::new(),
        };
        RELEVANT
            .iter()
            .map(|name| match *name {
                "GONOPROXY" | "GONOSUMDB" => self.or_private(name),
                name => self.setting(name),
            })
            .map(|setting| {
                let value = if setting.value.is_empty() { computed(&setting.name) } else { setting.value };
                GoSetting { value, ..setting }
            })
            .filter(|setting| {
                !setting.value.is_empty() || matches!(setting.name.as_str(), "GOPROXY" | "GOSUMDB")
            })
            .collect()
    }

    fn go_path(&self) -> String {
        let own = self.setting("GOPATH").value;
        if !own.is_empty() {
            return own;
        }
        let default = self.system.home().map(|home| home.join("go").to_string_lossy().into_owned());
        default.filter(|folder| self.root().as_ref() != Some(folder)).unwrap_or_default()
    }

    fn module_cache(&self) -> String {
        let own = self.setting("GOMODCACHE").value;
        let first = self.go_path().split(':').next().unwrap_or_default().to_owned();
        match (own.is_empty(), first.is_empty()) {
            (false, _) => own,
            (true, true) => String::new(),
            (true, false) => Path::new(&first).join("pkg/mod").to_string_lossy().into_owned(),
        }
    }

    fn build_cache(&self) -> String {
        let folder = match self.system.variable("XDG_CACHE_HOME") {
            Some(path) => Path::new(path).is_absolute().then(|| PathBuf::from(path)),
            None => self.system.home().map(|home| home.join(".cache")),
        };
        folder.map_or_else(String::new, |folder| folder.join("go-build").to_string_lossy().into_owned())
    }

    /// Returns the version of the SDK.
    #[must_use]
    pub fn version(&self) -> Option<GoVersion> {
        self.sdk.as_ref()?.version
    }

    pub(super) fn root(&self) -> Option<String> {
        let named = self.system.variable("GOROOT").map(str::to_owned);
        named.or_else(|| Some(self.sdk.as_ref()?.root.to_string_lossy().into_owned()))
    }

    pub(super) fn program(&self) -> Option<String> {
        self.program.as_ref().map(|path| path.to_string_lossy().into_owned())
    }

    pub(super) fn user_file(&self) -> (Option<(String, bool)>, Vec<FileProblem>) {
        described(self.user.as_ref())
    }

    pub(super) fn sdk_file(&self) -> (Option<(String, bool)>, Vec<FileProblem>) {
        described(self.sdk.as_ref().map(|sdk| &sdk.file))
    }
}

fn described(file: Option<&EnvFile>) -> (Option<(String, bool)>, Vec<FileProblem>) {
    match file {
        Some(file) => (Some((file.path.clone(), file.exists)), file.problems.clone()),
        None => (None, Vec::new()),
    }
}

fn built_in(name: &str) -> &'static str {
    match name {
        "GOPROXY" => defaults::GOPROXY,
        "GOSUMDB" => defaults::GOSUMDB,
        "GOAUTH" => BUILT_IN_GOAUTH,
        _ => "",
    }
}

fn user_file_path(system: &System) -> Option<PathBuf> {
    match system.variable("GOENV") {
        Some("off") => None,
        Some(path) => Some(PathBuf::from(path)),
        None => Some(config_directory(system)?.join("go/env")),
    }
}

/// Returns the directory that `os.UserConfigDir` would name.
fn config_directory(system: &System) -> Option<PathBuf> {
    match system.variable("XDG_CONFIG_HOME") {
        Some(path) => Path::new(path).is_absolute().then(|| PathBuf::from(path)),
        None => Some(system.home()?.join(".config")),
    }
}

/// Returns go/env files that somebody may have written for this process and that it doesn't read: of the user who called
/// `sudo`, and the one below `HOME` where `XDG_CONFIG_HOME` or `GOENV` leads elsewhere.
pub(super) fn of_other_users(system: &System) -> Vec<(String, Vec<String>)> {
    let own = user_file_path(system);
    let sudo_home = system
        .variable("SUDO_USER")
        .filter(|user| !user.contains('/'))
        .map(|user| if user == "root" { PathBuf::from("/root") } else { Path::new("/home").join(user) });
    [sudo_home, system.home()]
        .into_iter()
        .flatten()
        .map(|home| home.join(".config/go/env"))
        .filter(|path| Some(path) != own.as_ref())
        .map(|path| EnvFile::read(system, &path))
        .filter(|file| file.exists && !file.values.is_empty())
        .map(|file| (file.path, file.values.into_keys().collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(home: &Path, extra: &[(&str, &str)]) -> System {
        let mut system =
            System::of_environment([("HOME".to_owned(), home.to_string_lossy().into_owned())].into());
        for (name, value) in extra {
            system.environment.insert((*name).to_owned(), (*value).to_owned());
        }
        system
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
        let set = GoLayers::read(&system(home.path(), &[("GOPROXY", "https://proxy-a.example.com")]));
        let setting = set.setting("GOPROXY");
        assert_eq!(
            (setting.value.as_str(), setting.origin),
            ("https://proxy-a.example.com", Origin::Environment)
        );
        assert_eq!(setting.hides[0].0, "https://proxy-b.example.com");
        let empty = GoLayers::read(&system(home.path(), &[("GOPROXY", "")]));
        assert_eq!(empty.setting("GOPROXY").value, "https://proxy-b.example.com");
        assert!(matches!(empty.setting("GOPROXY").origin, Origin::UserFile(_)));
    }

    #[test]
    fn goenv_off_skips_the_user_file() {
        let home = home_with("GOPROXY=https://proxy-b.example.com\n");
        let set = GoLayers::read(&system(home.path(), &[("GOENV", "off")]));
        assert_eq!(set.setting("GOPROXY").value, defaults::GOPROXY);
        assert_eq!(set.setting("GOPROXY").origin, Origin::BuiltIn);
    }

    #[test]
    fn the_sdk_comes_after_the_user_file_and_before_the_built_in_values() {
        let home = home_with("GOPRIVATE=corp.example.com\n");
        let sdk = tempfile::tempdir().expect("temporary folder");
        let root = sdk.path().to_str().expect("utf-8");
        fs_err::write(sdk.path().join("go.env"), "# x\nGOPROXY=https://sdk.example.com\nGOSUMDB=off\n")
            .expect("file");
        let set = GoLayers::read(&system(home.path(), &[("GOROOT", root)]));
        assert_eq!(set.setting("GOPROXY").value, "https://sdk.example.com");
        assert_eq!(set.setting("GOSUMDB").value, "off");
        assert_eq!(set.or_private("GONOSUMDB").value, "corp.example.com");
        assert_eq!(set.or_private("GONOSUMDB").origin, Origin::FallsBackTo("GOPRIVATE".to_owned()));
        assert_eq!(set.layers("GOPROXY").len(), 2);
    }

    #[test]
    fn an_sdk_that_ships_no_go_env_has_no_proxy_from_1_21_on() {
        let home = home_with("");
        let sdk = tempfile::tempdir().expect("temporary folder");
        let root = sdk.path().to_str().expect("utf-8");
        for (version, value) in [("go1.20.4\n", defaults::GOPROXY), ("go1.24.11\ntime x\n", "")] {
            fs_err::write(sdk.path().join("VERSION"), version).expect("file");
            let set = GoLayers::read(&system(home.path(), &[("GOROOT", root)]));
            assert_eq!(set.setting("GOPROXY").value, value, "{version}");
        }
    }

    #[test]
    fn a_carriage_return_stays_part_of_the_value_as_it_does_for_go() {
        let home = home_with("GOPROXY=off\r\n");
        let set = GoLayers::read(&system(home.path(), &[]));
        assert_eq!(set.setting("GOPROXY").value, "off\r");
    }

    #[test]
    fn folders_follow_from_home() {
        let home = home_with("");
        let set = GoLayers::read(&system(home.path(), &[]));
        let value = |name: &str| {
            set.effective().into_iter().find(|one| one.name == name).map(|one| one.value).unwrap_or_default()
        };
        assert_eq!(value("GOMODCACHE"), home.path().join("go/pkg/mod").to_string_lossy());
        assert_eq!(value("GOENV"), home.path().join(".config/go/env").to_string_lossy());
    }
}
