//! One combination of settings, path and project, made from a seed.

use std::collections::BTreeMap;

use larder_module::defaults;
use larder_testkit::Rng;

use crate::recorder::Manners;

/// One combination.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) module: &'static str,
    pub(crate) version: &'static str,
    /// Variables of the process.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Lines of the go/env file.
    pub(crate) file: Vec<(&'static str, String)>,
    pub(crate) manners: BTreeMap<String, Manners>,
    pub(crate) project: Project,
}

/// What the project says about the module.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Project {
    /// Nothing.
    Silent,
    /// It requires it.
    Requires,
    /// It requires it and has its hashes.
    Knows,
    /// It replaces it by another module.
    Replaces,
    /// It replaces this version of it.
    ReplacesVersion,
    /// It replaces it by a folder.
    ReplacesByFolder,
    /// It is the module.
    Is,
}

const MODULES: &[(&str, &str)] = &[
    ("example.com/m", "v1.0.0"),
    ("example.com/m/v2", "v2.0.0"),
    ("example.com/Upper/m", "v1.0.0"),
    ("git.corp.example/team/m", "v1.0.0"),
    ("corp.example/x.git", "v1.0.0"),
    ("corp.example/x.git/sub", "v1.0.0"),
    ("github.com/owner/repo", "v1.0.0"),
    ("github.com/Owner/repo/sub", "v1.0.0"),
    ("github.com/alone", "v1.0.0"),
    ("rsc.io", "v1.0.0"),
    ("example.net/m", "v1.0.0"),
];

const ODD_MODULES: &[(&str, &str)] = &[
    ("example.com/m/v1", "v1.0.0"),
    ("nodot/m", "v1.0.0"),
    ("https://example.com/m", "v1.0.0"),
    ("example.com//m", "v1.0.0"),
    ("Example.com/m", "v1.0.0"),
    ("example.com:8080/m", "v1.0.0"),
];

const ENTRIES: &[&str] = &[
    "http://pa.example",
    "http://pb.example/go",
    "http://pa.example/",
    "http://pc.example/base/",
    "https://ps.example",
    "bare.example/go",
    "http://u:p@pl.example",
    "https://u:p@ps.example",
    "file:///nonexistent/tree",
    "TREE",
    "direct",
    "off",
    " http://pa.example ",
    "",
];

const ODD_LISTS: &[&str] = &[
    ",",
    " ",
    "none",
    "DIRECT",
    "ftp://pa.example",
    "\"http://pa.example\"",
    "http://pa.example;direct",
    "/srv/go",
    "file://host/tree",
    "http://pa.example,%zz://",
    "direct,none",
    "off|http://pa.example",
    "http://pa.example|,|direct",
];

const PATTERNS: &[&str] = &[
    "example.com",
    "example.com/",
    "example.com/m",
    "example.com/*",
    "*.com",
    "*.corp.example",
    "corp.example,*.corp.example",
    "git.corp.example",
    "github.com/owner",
    "github.com/Owner",
    "fork.example",
    "*",
    "none",
    " example.com",
    "a, example.com",
    "a;example.com",
    "Example.com",
    ".example.com",
    "https://example.com",
    "example.com:443",
    "example.com/o",
    "[,example.com",
    "*/m",
    "example.com/m/v2",
    "example.com\r",
];

impl Case {
    pub(crate) fn new(seed: u64, key: &str, tree: &str) -> Self {
        let mut rng = Rng::new(seed);
        let (module, version) = *if rng.one_in(14) { rng.pick(ODD_MODULES) } else { rng.pick(MODULES) };
        let mut case = Self {
            seed,
            module,
            version,
            environment: Vec::new(),
            file: Vec::new(),
            manners: BTreeMap::new(),
            project: Project::Silent,
        };
        for host in ["pa.example", "pb.example", "pc.example"] {
            let module = *rng.pick(&[200, 200, 200, 404, 404, 410, 500, 403]);
            let supported = *rng.pick(&[200, 200, 404, 404, 410, 500, 403]);
            case.manners.insert(host.to_owned(), Manners { module, supported });
        }
        case.settings(&mut rng, key, tree);
        if MODULES.contains(&(module, version)) && rng.one_in(3) {
            let all = [
                Project::Requires,
                Project::Knows,
                Project::Replaces,
                Project::ReplacesVersion,
                Project::ReplacesByFolder,
                Project::Is,
            ];
            case.project = *rng.pick(&all);
        }
        case
    }

    fn settings(&mut self, rng: &mut Rng, key: &str, tree: &str) {
        if !rng.one_in(12) {
            let list = chain(rng).replace("TREE", &format!("file://{tree}"));
            self.set(rng, "GOPROXY", list);
        }
        for (name, often) in [("GOPRIVATE", 3), ("GONOPROXY", 4), ("GONOSUMDB", 4)] {
            if rng.one_in(often) {
                let patterns = (*rng.pick(PATTERNS)).to_owned();
                self.set(rng, name, patterns);
            }
        }
        if !rng.one_in(4) {
            let name = key.split('+').next().unwrap_or_default();
            let databases = [
                "off".to_owned(),
                key.to_owned(),
                key.to_owned(),
                format!("{key} http://{name}"),
                format!("{key} http://other.{name}"),
                format!("{key} https://{name}"),
                defaults::GOSUMDB.to_owned(),
                defaults::GOSUMDB_ALIAS.to_owned(),
                format!("{} http://other.{name}", defaults::GOSUMDB),
                "junk".to_owned(),
                "off\r".to_owned(),
                format!("{} +insecure more", defaults::GOSUMDB),
            ];
            let database = rng.pick(&databases).clone();
            self.set(rng, "GOSUMDB", database);
        }
        let rare: [(&'static str, &[&str]); 5] = [
            ("GOINSECURE", &["example.com", "*", "git.corp.example", "other.example"]),
            (
                "GOVCS",
                &["*:off", "public:hg", "private:git,public:off", "github.com:hg", "malformed", "*:git"],
            ),
            ("GO111MODULE", &["on", "auto", "off", "true"]),
            ("GOFLAGS", &["-mod=mod", "-mod=vendor", "mod=mod", "-trimpath", "-modcacherw"]),
            ("GOAUTH", &["off", "netrc"]),
        ];
        for (name, values) in rare {
            if rng.one_in(8) {
                let value = (*rng.pick(values)).to_owned();
                self.set(rng, name, value);
            }
        }
    }

    /// Puts a setting into the environment, into the file, or into both, of which the first counts.
    fn set(&mut self, rng: &mut Rng, name: &'static str, value: String) {
        match rng.below(5) {
            0 | 1 => self.environment.push((name, value)),
            2 => {
                self.environment.push((name, String::new()));
                self.file.push((name, value));
            }
            3 => self.file.push((name, value)),
            _ => {
                self.environment.push((name, value));
                self.file.push((name, "off".to_owned()));
            }
        }
    }
}

fn chain(rng: &mut Rng) -> String {
    if rng.one_in(9) {
        return (*rng.pick(ODD_LISTS)).to_owned();
    }
    let mut list = String::new();
    for at in 0..=rng.below(4) {
        if at > 0 {
            list.push(*rng.pick(&[',', ',', '|']));
        }
        let entry: &str = rng.pick::<&str>(ENTRIES);
        list.push_str(entry);
    }
    list
}
