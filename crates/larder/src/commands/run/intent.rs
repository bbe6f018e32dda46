//! What a command will want of modules, told from its words.
//!
//! `go mod download` wants everything, `go build ./cmd/x` what that one package imports, and a script nobody knows what. A wrong guess costs
//! time or some bytes, never correctness: whatever the command asks for, it gets.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is fetched ahead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Want {
    /// Nothing: the command downloads nothing, or not for this project.
    Nothing,
    /// The go.mod files of the graph.
    Graph,
    /// The graph, and every module that the project names.
    Everything,
    /// What packages import.
    Packages {
        /// As in the command: patterns, import paths, folders or Go files.
        patterns: Vec<String>,
        /// Their tests too.
        tests: bool,
    },
}

/// What is known of a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Intent {
    pub(super) want: Want,
    /// Nobody knows whether the command downloads anything at all; its first request tells.
    pub(super) is_a_guess: bool,
    /// Where the go command is told to work.
    pub(super) folder: Option<PathBuf>,
    /// `-mod` and `-modfile`, as `GOFLAGS` would have them.
    pub(super) flags: Vec<String>,
    /// `-tags`.
    pub(super) tags: Vec<String>,
}

/// Flags of the go command whose value may be the next word.
const VALUES: &[&str] = &[
    "C",
    "args",
    "asmflags",
    "bench",
    "benchtime",
    "blockprofile",
    "buildmode",
    "compiler",
    "count",
    "covermode",
    "coverpkg",
    "coverprofile",
    "cpu",
    "cpuprofile",
    "exec",
    "f",
    "fuzz",
    "fuzztime",
    "gccgoflags",
    "gcflags",
    "go",
    "installsuffix",
    "ldflags",
    "list",
    "memprofile",
    "mod",
    "modfile",
    "o",
    "outputdir",
    "overlay",
    "p",
    "parallel",
    "pgo",
    "pkgdir",
    "reuse",
    "run",
    "shuffle",
    "skip",
    "tags",
    "timeout",
    "toolexec",
    "trace",
    "vet",
    "vettool",
];

impl Intent {
    /// Reads the words of a command.
    pub(super) fn of(command: &[OsString]) -> Self {
        let words: Vec<String> = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let Some((program, arguments)) = words.split_first() else { return Self::unknown() };
        if is_go(program) { Self::of_go(arguments) } else { Self::unknown() }
    }

    /// Some other program, which may call go for the whole project.
    fn unknown() -> Self {
        let patterns = vec!["./...".to_owned()];
        Self { is_a_guess: true, ..Self::plain(Want::Packages { patterns, tests: false }) }
    }

    fn plain(want: Want) -> Self {
        Self { want, is_a_guess: false, folder: None, flags: Vec::new(), tags: Vec::new() }
    }

    fn of_go(arguments: &[String]) -> Self {
        let words = Words::read(arguments);
        let mut plain = words.plain.iter().map(String::as_str);
        let want = match plain.next().unwrap_or_default() {
            "build" | "install" | "list" | "fix" | "generate" if !words.is_set("m") => {
                Want::of_packages(plain, false)
            }
            "test" | "vet" => Want::of_packages(plain, true),
            "run" => Want::of_packages(plain.take(1), false),
            "list" | "get" => Want::Graph,
            "tool" => match plain.next() {
                Some(tool) => Want::Packages { patterns: vec![format!("{TOOL}{tool}")], tests: false },
                None => Want::Nothing,
            },
            "mod" => match plain.next().unwrap_or_default() {
                "download" => match plain.next() {
                    None | Some("all") => Want::Everything,
                    Some(_) => Want::Graph,
                },
                "tidy" | "vendor" => Want::Everything,
                "graph" | "why" | "verify" => Want::Graph,
                _ => Want::Nothing,
            },
            "work" if plain.next() == Some("sync") => Want::Graph,
            _ => Want::Nothing,
        };
        let value = |name: &str| words.value(name).map(|value| format!("-{name}={value}"));
        Self {
            want,
            is_a_guess: false,
            folder: words.value("C").map(PathBuf::from),
            flags: ["mod", "modfile"].into_iter().filter_map(value).collect(),
            tags: words.value("tags").map(tags).unwrap_or_default(),
        }
    }
}

/// Marks a pattern as the name of a tool that go.mod has.
pub(super) const TOOL: &str = "tool:";

impl Want {
    fn of_packages<'a>(patterns: impl Iterator<Item = &'a str>, tests: bool) -> Self {
        let mut patterns: Vec<String> = patterns.map(str::to_owned).collect();
        // `go install x@v` looks at no project.
        if patterns.iter().any(|pattern| pattern.contains('@')) {
            return Self::Nothing;
        }
        if patterns.is_empty() {
            patterns.push(".".to_owned());
        }
        Self::Packages { patterns, tests }
    }
}

/// Splits a list of tags, which blanks or commas separate.
pub(super) fn tags(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

/// Reports whether a program is the go command: `go`, or one of a release, such as `go1.24.1`.
fn is_go(program: &str) -> bool {
    let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
    name.strip_prefix("go").is_some_and(|rest| {
        rest.is_empty()
            || (rest.starts_with("1.")
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.'))
    })
}

/// The words of a go command, flags apart.
struct Words {
    plain: Vec<String>,
    flags: Vec<(String, Option<String>)>,
}

impl Words {
    fn read(arguments: &[String]) -> Self {
        let mut words = Self { plain: Vec::new(), flags: Vec::new() };
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            let Some(flag) =
                word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|flag| !flag.is_empty())
            else {
                words.plain.push(word.clone());
                continue;
            };
            match flag.split_once('=') {
                // Everything behind it belongs to the test.
                _ if flag == "args" => break,
                Some((name, value)) => words.flags.push((name.to_owned(), Some(value.to_owned()))),
                None if VALUES.contains(&flag) => words.flags.push((flag.to_owned(), rest.next().cloned())),
                None => words.flags.push((flag.to_owned(), None)),
            }
        }
        words
    }

    fn is_set(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, value)| flag == name && value.as_deref() != Some("false"))
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| flag == name).and_then(|(_, value)| value.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str) -> Intent {
        let words: Vec<OsString> = command.split(' ').map(OsString::from).collect();
        Intent::of(&words)
    }

    fn packages(patterns: &[&str], tests: bool) -> Want {
        Want::Packages { patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(), tests }
    }

    #[test]
    fn words_tell_what_is_wanted() {
        for (command, want) in [
            ("go build ./...", packages(&["./..."], false)),
            ("go build", packages(&["."], false)),
            ("/opt/go/bin/go test -run X -count=1 ./a ./b -args ./c", packages(&["./a", "./b"], true)),
            ("go1.24.1 vet ./...", packages(&["./..."], true)),
            ("go run -tags x ./cmd/y serve --flag", packages(&["./cmd/y"], false)),
            ("go -C sub build -o out example.com/m/cmd/x", packages(&["example.com/m/cmd/x"], false)),
            ("go install example.com/m/cmd/x@v1.0.0", Want::Nothing),
            ("go list -m all", Want::Graph),
            ("go list -f {{.Deps}} ./...", packages(&["./..."], false)),
            ("go get example.com/m@latest", Want::Graph),
            ("go mod download", Want::Everything),
            ("go mod download -x all", Want::Everything),
            ("go mod download example.com/m", Want::Graph),
            ("go mod tidy", Want::Everything),
            ("go mod init x", Want::Nothing),
            ("go tool stringer -type X", packages(&["tool:stringer"], false)),
            ("go version", Want::Nothing),
            ("go", Want::Nothing),
        ] {
            let intent = of(command);
            assert_eq!((intent.want, intent.is_a_guess), (want, false), "{command}");
        }
    }

    #[test]
    fn other_programs_may_call_go_for_the_whole_project() {
        for command in ["make test", "gofmt -l .", "goreleaser build", "./go.sh"] {
            let intent = of(command);
            assert_eq!((intent.want, intent.is_a_guess), (packages(&["./..."], false), true), "{command}");
        }
    }

    #[test]
    fn flags_that_choose_the_project_are_kept() {
        let intent = of("go build -C sub -mod=mod -modfile other.mod -tags a,b ./x");
        assert_eq!(intent.folder, Some("sub".into()));
        assert_eq!(intent.flags, ["-mod=mod", "-modfile=other.mod"]);
        assert_eq!(intent.tags, ["a", "b"]);
    }
}
