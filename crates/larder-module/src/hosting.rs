//! Module paths that say themselves where their repository is: a few well-known hosts, and paths with an element like `repo.git`.
//!
//! The rules are the go command's, oddities included. They name hosts, so they are as old as the hosts are.

/// What a path itself says about its repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told {
    /// Nothing; its page has to be asked.
    Nothing,
    /// There can be no such module, and why.
    Impossible(&'static str),
    /// Everything.
    Everything {
        /// The module path of the repository's root.
        root: String,
        /// The version control system.
        system: &'static str,
        /// The repository without a scheme; with `https` if that is known.
        repository: String,
        /// The scheme has to be found out.
        any_scheme: bool,
    },
}

/// A host whose paths all look alike.
struct KnownHost {
    prefix: &'static str,
    system: &'static str,
    /// The elements of the root after the prefix.
    elements: &'static [Element],
    /// Whether anything may follow the root.
    has_folders: bool,
    /// Whether the root may end in `.git` and the like.
    may_have_suffix: bool,
}

/// What an element of a root may look like.
enum Element {
    /// Letters, digits, `_`, `.` and `-`.
    Name,
    /// Lower-case letters and digits.
    Account,
    /// Letters and digits.
    AnyCaseAccount,
    /// Lower-case letters, digits, `_`, `.` and `-`, ending in `.git`.
    LowerGit,
    /// This very text.
    Literally(&'static str),
}

const KNOWN_HOSTS: &[KnownHost] = &[
    KnownHost::plain("github.com", &[Element::Name, Element::Name]),
    KnownHost::plain("bitbucket.org", &[Element::Name, Element::Name]),
    KnownHost::plain("hub.jazz.net/git", &[Element::Account, Element::Name]),
    KnownHost { may_have_suffix: true, ..KnownHost::plain("git.apache.org", &[Element::LowerGit]) },
    KnownHost {
        may_have_suffix: true,
        ..KnownHost::plain("git.openstack.org", &[Element::Name, Element::Name])
    },
    KnownHost {
        prefix: "chiselapp.com",
        system: "fossil",
        elements: &[
            Element::Literally("user"),
            Element::AnyCaseAccount,
            Element::Literally("repository"),
            Element::Name,
        ],
        has_folders: false,
        may_have_suffix: true,
    },
];

/// The systems that the go command knows, by the suffix that names them in a path.
pub const SYSTEMS: &[&str] = &["bzr", "fossil", "git", "hg", "svn"];

/// Says what a path tells before anybody is asked.
#[must_use]
pub fn told_by(path: &str) -> Told {
    if has_path_prefix(path, "example.net") {
        return Told::Impossible("the go command knows no modules there");
    }
    if path == "rsc.io" {
        return Told::Impossible("it is not a module");
    }
    if path.starts_with("http:") || path.starts_with("https:") {
        return Told::Impossible("a module path has no scheme");
    }
    match KNOWN_HOSTS.iter().find(|host| has_path_prefix(path, host.prefix)) {
        Some(host) => host.tell(path),
        None => by_suffix(path),
    }
}

/// Says what a path tells when its page says nothing.
#[must_use]
pub fn told_at_last(path: &str) -> Told {
    let Some(rest) = path.strip_prefix("launchpad.net/") else { return Told::Nothing };
    let elements: Vec<_> = rest.split('/').collect();
    let fits = elements.iter().enumerate().all(|(at, element)| {
        let element = if at == 0 { element.strip_prefix('~').unwrap_or(element) } else { element };
        is_name(element) || element == "+junk"
    });
    if !fits {
        return Told::Nothing;
    }
    let root = format!("launchpad.net/{rest}");
    Told::Everything { repository: root.clone(), root, system: "bzr", any_scheme: false }
}

impl KnownHost {
    const fn plain(prefix: &'static str, elements: &'static [Element]) -> Self {
        Self { prefix, system: "git", elements, has_folders: true, may_have_suffix: false }
    }

    fn tell(&self, path: &str) -> Told {
        const SHAPE: Told = Told::Impossible("paths of that host look different");
        let Some(rest) = path[self.prefix.len()..].strip_prefix('/') else { return SHAPE };
        let elements: Vec<_> = rest.split('/').collect();
        if elements.len() < self.elements.len() {
            return SHAPE;
        }
        let (own, folders) = elements.split_at(self.elements.len());
        let fits = self.elements.iter().zip(own).all(|(rule, element)| rule.fits(element));
        let ends_here = folders.is_empty() || self.has_folders;
        if !fits || !ends_here || !folders.iter().all(|folder| is_name(folder)) {
            return SHAPE;
        }
        let root = format!("{}/{}", self.prefix, own.join("/"));
        if !self.may_have_suffix && suffix_of(&root).is_some() {
            return Told::Impossible(
                "its repository has a suffix like .git, which that host's paths don't have",
            );
        }
        Told::Everything { repository: root.clone(), root, system: self.system, any_scheme: false }
    }
}

impl Element {
    fn fits(&self, element: &str) -> bool {
        match self {
            Self::Name => is_name(element),
            Self::Account => {
                !element.is_empty()
                    && element.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            }
            Self::AnyCaseAccount => {
                !element.is_empty() && element.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }
            Self::LowerGit => {
                let bare = element.strip_suffix(".git").unwrap_or_default();
                is_name(bare) && !bare.bytes().any(|byte| byte.is_ascii_uppercase())
            }
            Self::Literally(text) => element == *text,
        }
    }
}

/// Reports whether `path` is `prefix` or lies below it.
#[must_use]
pub fn has_path_prefix(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || prefix.is_empty() || prefix.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

fn is_name(element: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !element.is_empty() && element.bytes().all(fits)
}

fn suffix_of(path: &str) -> Option<(&str, &'static str)> {
    let (bare, suffix) = path.rsplit_once('.')?;
    SYSTEMS.iter().find(|system| **system == suffix).map(|system| (bare, *system))
}

/// `host/any/path.git/folder`: the last element with such a suffix ends the root.
fn by_suffix(path: &str) -> Told {
    let found = split_at_suffix(path);
    if matches!(found, Told::Nothing) && path.contains('~') {
        // The go command looks for the shape anywhere in a path and then finds that the root isn't where it should be.
        let later = path.char_indices().skip(1).map(|(at, _)| &path[at..]);
        if later.into_iter().any(|part| !matches!(split_at_suffix(part), Told::Nothing)) {
            return Told::Impossible("its repository would not be where the path begins");
        }
    }
    found
}

fn split_at_suffix(path: &str) -> Told {
    let mut elements = path.split('/');
    let host = elements.next().unwrap_or_default();
    let is_host =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let has_dot_inside = host.len() > 2 && host[1..host.len() - 1].contains('.');
    if !host.bytes().all(is_host) || !has_dot_inside {
        return Told::Nothing;
    }
    let (mut end, mut found) = (host.len(), None);
    for element in elements {
        end += 1 + element.len();
        let bare = element.strip_prefix('~').unwrap_or(element);
        if !is_name(bare) {
            return Told::Nothing;
        }
        if let Some((before, system)) = suffix_of(bare)
            && !before.is_empty()
        {
            found = Some((end, system));
        }
    }
    let Some((end, system)) = found else { return Told::Nothing };
    let root = path[..end].to_owned();
    let repository = root[..end - system.len() - 1].to_owned();
    Told::Everything { root, system, repository, any_scheme: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> String {
        match told_by(path) {
            Told::Nothing => "nothing".to_owned(),
            Told::Impossible(_) => "impossible".to_owned(),
            Told::Everything { root, system, repository, any_scheme } => {
                format!("{root} {system} {}{repository}", if any_scheme { "?" } else { "" })
            }
        }
    }

    /// What `RepoRootForImportPath` says of these, static rules only.
    #[test]
    fn paths_that_speak_for_themselves() {
        for (path, expected) in [
            ("github.com/a/b", "github.com/a/b git github.com/a/b"),
            ("github.com/A_a/b.c-d/e/v2", "github.com/A_a/b.c-d git github.com/A_a/b.c-d"),
            ("github.com/a", "impossible"),
            ("github.com", "impossible"),
            ("github.com/a/b.git", "impossible"),
            ("github.com/a/b.git/c", "impossible"),
            ("github.com/a/b/c.git", "github.com/a/b git github.com/a/b"),
            ("github.com/a/b/~c", "impossible"),
            ("github.community/a", "nothing"),
            ("bitbucket.org/a/b/c", "bitbucket.org/a/b git bitbucket.org/a/b"),
            ("bitbucket.org/a/b.hg", "impossible"),
            ("hub.jazz.net/git/user/repo/x", "hub.jazz.net/git/user/repo git hub.jazz.net/git/user/repo"),
            ("hub.jazz.net/git/User/repo", "impossible"),
            ("hub.jazz.net/other", "nothing"),
            ("git.apache.org/thrift.git/lib/go", "git.apache.org/thrift.git git git.apache.org/thrift.git"),
            ("git.apache.org/thrift", "impossible"),
            ("git.apache.org/Thrift.git", "impossible"),
            ("git.openstack.org/a/b.git/c", "git.openstack.org/a/b.git git git.openstack.org/a/b.git"),
            (
                "chiselapp.com/user/U/repository/r",
                "chiselapp.com/user/U/repository/r fossil chiselapp.com/user/U/repository/r",
            ),
            ("chiselapp.com/user/U/repository/r/sub", "impossible"),
            ("example.net/a", "impossible"),
            ("rsc.io", "impossible"),
            ("rsc.io/quote", "nothing"),
            ("git.corp.example/team/x.git", "git.corp.example/team/x.git git ?git.corp.example/team/x"),
            ("git.corp.example/x.git/sub/v2", "git.corp.example/x.git git ?git.corp.example/x"),
            ("git.corp.example/x.git/y.hg/z", "git.corp.example/x.git/y.hg hg ?git.corp.example/x.git/y"),
            ("git.corp.example/x.git.git", "git.corp.example/x.git.git git ?git.corp.example/x.git"),
            ("git.corp.example/~u/x.svn/y", "git.corp.example/~u/x.svn svn ?git.corp.example/~u/x"),
            ("git.corp.example/a~b/x.git", "nothing"),
            ("git.corp.example/a~b.c/x.git", "impossible"),
            ("git.corp.example/x.gitx", "nothing"),
            ("git.corp.example.git", "nothing"),
            ("git.corp.example/.git", "nothing"),
            ("example/x.git", "nothing"),
            ("launchpad.net/project", "nothing"),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
        assert!(matches!(
            told_at_last("launchpad.net/project/series"),
            Told::Everything { system: "bzr", .. }
        ));
        assert_eq!(told_at_last("example.com/a"), Told::Nothing);
    }
}
