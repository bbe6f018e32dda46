//! The project in a folder, as the go command would find it: go.mod, go.work and go.sum, and what `GOFLAGS` and `GOWORK` say about them.

use std::path::{Path, PathBuf};

use larder_module::gomod::{GoMod, GoModError};
use larder_module::gosum::{self, GoSumError, GoSumLine};
use larder_module::gowork::GoWork;
use larder_module::graph::{Main, Project};

use crate::config::{Environment, GoEnvironment};

/// What the go command's settings say about which project is meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProjectSettings {
    /// `GOWORK`: `off`, a file, or nothing.
    work: String,
    /// `-mod` of `GOFLAGS`.
    mode: Option<String>,
    /// `-modfile` of `GOFLAGS`.
    mod_file: Option<String>,
    /// The folder for temporary files: a go.mod file right there is no project's.
    temporary: PathBuf,
}

impl ProjectSettings {
    /// Reads them where the go command would.
    pub(crate) fn read(environment: &Environment) -> Self {
        Self::read_with(environment, &[])
    }

    /// Does the same for a go command that is given flags, which outrank those of `GOFLAGS`.
    pub(crate) fn read_with(environment: &Environment, given: &[String]) -> Self {
        let go = GoEnvironment::read(environment);
        let flags = format!("{} {}", go.setting("GOFLAGS").value, given.join(" "));
        let flag = |name: &str| {
            let words = flags.split_whitespace().rev();
            let found = words.filter_map(|word| word.trim_start_matches('-').split_once('='));
            found.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
        };
        Self {
            work: go.setting("GOWORK").value,
            mode: flag("mod"),
            mod_file: flag("modfile").filter(|file| !file.is_empty()),
            temporary: environment.non_empty("TMPDIR").unwrap_or("/tmp").into(),
        }
    }
}

/// A project's files, read.
#[derive(Debug)]
pub(crate) struct ProjectFiles {
    /// The go.mod or go.work file that stands for it.
    pub(crate) file: PathBuf,
    /// The module path; of a workspace, all of them.
    pub(crate) name: String,
    /// What is resolved.
    pub(crate) project: Project,
    /// The go line.
    pub(crate) go: Option<String>,
    /// The toolchain line.
    pub(crate) toolchain: Option<String>,
    /// The lines of go.sum, in a workspace those of all modules and of go.work.sum.
    pub(crate) sums: Vec<GoSumLine>,
    /// Why the go command would build from a vendor folder, if it would.
    pub(crate) vendored: Option<String>,
    /// The paths of the main modules, and their folders.
    pub(crate) mains: Vec<(String, PathBuf)>,
    /// The packages of the tools that they name.
    pub(crate) tools: Vec<String>,
    /// The folder that replacements are relative to.
    base: PathBuf,
}

/// A project that can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{}: {error}", file.display())]
    Parse { file: PathBuf, error: GoModError },
    #[error("{}: {error}", file.display())]
    Sums { file: PathBuf, error: GoSumError },
    #[error("{} has no module line", file.display())]
    NoModule { file: PathBuf },
}

impl ProjectFiles {
    /// Finds the project that a go command run in this folder would work on; none where there is no go.mod and no go.work file.
    pub(crate) fn around(folder: &Path, settings: &ProjectSettings) -> Result<Option<Self>, ProjectError> {
        let folder = fs_err::canonicalize(folder)?;
        let above =
            |name: &str| folder.ancestors().map(|folder| folder.join(name)).find(|file| file.is_file());
        let work = match settings.work.as_str() {
            "off" => None,
            "" | "auto" => above("go.work"),
            file => Some(PathBuf::from(file)),
        };
        if let Some(work) = work {
            return Self::of_go_work(&work, settings).map(Some);
        }
        match above("go.mod") {
            Some(file) if file.parent() != Some(settings.temporary.as_path()) => {
                Self::of_go_mod(&file, settings).map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Reads the project of a go.mod file; `-modfile` puts another file in its place.
    pub(crate) fn of_go_mod(file: &Path, settings: &ProjectSettings) -> Result<Self, ProjectError> {
        let base = folder_of(file);
        let read = settings.mod_file.as_ref().map_or_else(|| file.to_owned(), |other| base.join(other));
        let go_mod = strict(&read)?;
        let name = go_mod.module.clone().ok_or_else(|| ProjectError::NoModule { file: read.clone() })?;
        Ok(Self {
            mains: vec![(name.clone(), joined(&base, "."))],
            tools: go_mod.tool.clone(),
            name,
            project: Project::module(&go_mod),
            sums: read_sums(&read.with_extension("sum"))?,
            vendored: vendored(&base, go_mod.go.as_deref(), settings, 14),
            go: go_mod.go,
            toolchain: go_mod.toolchain,
            file: read,
            base,
        })
    }

    /// Reads the workspace of a go.work file.
    pub(crate) fn of_go_work(file: &Path, settings: &ProjectSettings) -> Result<Self, ProjectError> {
        let base = folder_of(file);
        let parsed = GoWork::parse(&fs_err::read(file)?);
        let work = parsed.map_err(|error| ProjectError::Parse { file: file.to_owned(), error })?;
        let mut sums = read_sums(&base.join("go.work.sum"))?;
        let mut mains = Vec::new();
        for used in &work.uses {
            let folder = base.join(used);
            let file = strict(&folder.join("go.mod"))?;
            sums.extend(read_sums(&folder.join("go.sum"))?);
            mains.push(Main { folder: used.clone(), file });
        }
        let module = |main: &Main| Some((main.file.module.clone()?, joined(&base, &main.folder)));
        let names: Vec<&str> = mains.iter().filter_map(|main| main.file.module.as_deref()).collect();
        Ok(Self {
            mains: mains.iter().filter_map(module).collect(),
            tools: mains.iter().flat_map(|main| main.file.tool.clone()).collect(),
            name: names.join(", "),
            project: Project::workspace(&work, &mains),
            sums,
            vendored: vendored(&base, work.go.as_deref(), settings, 22),
            go: work.go,
            toolchain: work.toolchain,
            file: file.to_owned(),
            base,
        })
    }

    /// Returns the folder that replaces a module.
    pub(crate) fn folder(&self, folder: &str) -> PathBuf {
        joined(&self.base, folder)
    }

    /// Reads the go.mod file of a folder that replaces a module.
    pub(crate) fn go_mod_of(&self, folder: &str) -> Result<GoMod, ProjectError> {
        let file = self.base.join(folder).join("go.mod");
        GoMod::parse_lax(&fs_err::read(&file)?).map_err(|error| ProjectError::Parse { file, error })
    }
}

/// Reads a go.sum file; one that isn't there has no lines.
pub(crate) fn read_sums(file: &Path) -> Result<Vec<GoSumLine>, ProjectError> {
    match fs_err::read(file) {
        Ok(bytes) => {
            gosum::parse(&bytes).map_err(|error| ProjectError::Sums { file: file.to_owned(), error })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Returns a folder as written in a file of another one, without links and dots where it is there.
fn joined(base: &Path, folder: &str) -> PathBuf {
    let path = base.join(folder);
    fs_err::canonicalize(&path).unwrap_or(path)
}

fn strict(file: &Path) -> Result<GoMod, ProjectError> {
    let parsed = GoMod::parse_strict(&fs_err::read(file)?);
    parsed.map_err(|error| ProjectError::Parse { file: file.to_owned(), error })
}

/// Says why the vendor folder would be used: by flag, else by the folder and a go line of 1.`least` or later.
fn vendored(base: &Path, go: Option<&str>, settings: &ProjectSettings, least: u32) -> Option<String> {
    match settings.mode.as_deref() {
        Some("vendor") => return Some("GOFLAGS has -mod=vendor".to_owned()),
        Some(_) => return None,
        None => {}
    }
    let minor = go?.split('.').nth(1)?;
    let digits = minor.bytes().take_while(u8::is_ascii_digit).count();
    let is_modern = minor[..digits].parse::<u32>().is_ok_and(|minor| minor >= least);
    (is_modern && base.join("vendor/modules.txt").is_file()).then(|| "there is a vendor folder".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let file = folder.join(name);
            fs_err::create_dir_all(file.parent().expect("a folder")).expect("temporary folder");
            fs_err::write(file, text).expect("temporary folder");
        }
    }

    #[test]
    fn a_folder_belongs_to_the_project_above_it() {
        let home = tempfile::tempdir().expect("temporary folder");
        write(
            home.path(),
            &[
                ("p/go.mod", "module example.com/p\ngo 1.21\n"),
                ("p/go.sum", "example.com/a v1.0.0 h1:x\n"),
                ("p/deep/er/x.go", "package er\n"),
                ("p/other.mod", "module example.com/other\ngo 1.22\n"),
                ("p/vendor/modules.txt", ""),
            ],
        );
        let environment = Environment::from([("HOME", "/nowhere"), ("GOENV", "off")]);
        let settings = ProjectSettings::read(&environment);
        let deep = home.path().join("p/deep/er");
        let found = ProjectFiles::around(&deep, &settings).expect("readable").expect("a project");
        assert_eq!((found.name.as_str(), found.sums.len()), ("example.com/p", 1));
        assert_eq!(found.vendored.as_deref(), Some("there is a vendor folder"));
        assert!(ProjectFiles::around(home.path(), &settings).expect("readable").is_none());

        let flags = [("HOME", "/nowhere"), ("GOENV", "off"), ("GOFLAGS", "-mod=mod -modfile=other.mod")];
        let settings = ProjectSettings::read(&Environment::from(flags));
        let found = ProjectFiles::around(&deep, &settings).expect("readable").expect("a project");
        assert_eq!((found.name.as_str(), found.sums.len()), ("example.com/other", 0));
        assert_eq!(found.vendored, None);
    }

    #[test]
    fn a_workspace_outranks_a_module_unless_it_is_off() {
        let home = tempfile::tempdir().expect("temporary folder");
        write(
            home.path(),
            &[
                ("go.work", "go 1.22\nuse ./one\nuse ./two\n"),
                ("one/go.mod", "module example.com/one\ngo 1.21\n"),
                ("one/go.sum", "example.com/a v1.0.0 h1:x\n"),
                ("two/go.mod", "module example.com/two\ngo 1.21\n"),
                ("go.work.sum", "example.com/b v1.0.0 h1:y\n"),
            ],
        );
        let one = home.path().join("one");
        let settings = ProjectSettings::read(&Environment::from([("GOENV", "off")]));
        let found = ProjectFiles::around(&one, &settings).expect("readable").expect("a project");
        assert_eq!((found.name.as_str(), found.sums.len()), ("example.com/one, example.com/two", 2));
        let settings = ProjectSettings::read(&Environment::from([("GOENV", "off"), ("GOWORK", "off")]));
        let found = ProjectFiles::around(&one, &settings).expect("readable").expect("a project");
        assert_eq!(found.name, "example.com/one");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let home = tempfile::tempdir().expect("temporary folder");
        write(home.path(), &[("go.mod", "module example.com/p\nrequire example.com/a main\n")]);
        let error = ProjectFiles::around(home.path(), &ProjectSettings::default()).expect_err("a branch");
        assert!(error.to_string().contains("go.mod: line 2: version \"main\" invalid"), "{error}");
    }
}
