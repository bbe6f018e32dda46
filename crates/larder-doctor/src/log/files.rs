//! What the operating system says about files and disks: `open /go/pkg/mod/x: permission denied`.

use crate::symptom::{Stage, Trouble};

const OPERATIONS: &[&str] = &[
    "open",
    "mkdir",
    "write",
    "create",
    "rename",
    "remove",
    "unlinkat",
    "stat",
    "lstat",
    "read",
    "chmod",
    "chdir",
    "sync",
    "RLock",
    "Lock",
    "lock",
    "link",
    "symlink",
    "close",
    "truncate",
    "readlink",
    "fork/exec",
    "exec",
    "chtimes",
    "seek",
    "CreateFile",
    "GetFileAttributesEx",
    "fdopendir",
    "openat",
    "mkdirat",
    "flock",
    "copy",
    "ftruncate",
    "mmap",
];

/// What the system answers, in the languages and on the systems that were met.
const ANSWERS: &[&str] = &[
    "no space left on device",
    "permission denied",
    "Permission denied",
    "Read-only file system",
    "No space left on device",
    "read-only file system",
    "operation not permitted",
    "no such file or directory",
    "not a directory",
    "is a directory",
    "function not implemented",
    "no locks available",
    "operation not supported",
    "not supported",
    "disk quota exceeded",
    "input/output error",
    "stale NFS file handle",
    "stale file handle",
    "file name too long",
    "text file busy",
    "file exists",
    "directory not empty",
    "device or resource busy",
    "cross-device link",
    "invalid argument",
    "resource temporarily unavailable",
    "cannot allocate memory",
    "too many levels of symbolic links",
    "There is not enough space on the disk.",
    "Access is denied.",
    "The process cannot access the file because it is being used by another process.",
    "The system cannot find the path specified.",
    "The system cannot find the file specified.",
    "The filename, directory name, or volume label syntax is incorrect.",
    "The filename or extension is too long.",
    "Incorrect function.",
    "The media is write protected.",
    "\u{62d2}\u{7edd}\u{8bbf}\u{95ee}",
    "\u{78c1}\u{76d8}\u{7a7a}\u{95f4}\u{4e0d}\u{8db3}",
    "\u{7cfb}\u{7edf}\u{627e}\u{4e0d}\u{5230}\u{6307}\u{5b9a}\u{7684}",
];

/// Reads `OPERATION PATH: ANSWER`, wherever it stands.
pub(super) fn file_trouble(text: &str) -> Option<Trouble> {
    let (at, answer) = ANSWERS
        .iter()
        .filter_map(|answer| {
            let at = text.match_indices(answer).map(|(at, _)| at).find(|at| text[..*at].ends_with(": "))?;
            Some((at - 2, *answer))
        })
        .min_by_key(|(at, _)| *at)?;
    let before = &text[..at];
    let (operation, path) = OPERATIONS
        .iter()
        .filter_map(|operation| {
            let found = before.rfind(&format!("{operation} "))?;
            let begins =
                before[..found].chars().next_back().is_none_or(|char| !char.is_alphanumeric() && char != '/');
            begins.then(|| (found, *operation, before[found + operation.len() + 1..].trim()))
        })
        .filter(|(_, _, path)| looks_like_path(path))
        .max_by_key(|(found, _, _)| *found)
        .map(|(_, operation, path)| (operation, Some(path)))
        .or_else(|| reading(before).map(|path| ("read", Some(path))))?;
    let path = path.map(|path| path.trim_matches(['"', '\'']).to_owned());
    if answer == "too many open files" {
        return Some(Trouble::TooManyFiles { text: text.to_owned() });
    }
    Some(Trouble::FileTrouble {
        path,
        operation: operation.to_owned(),
        text: answer.trim_end_matches('.').to_owned(),
    })
}

/// `reading file:///a/b: no such file or directory`
fn reading(before: &str) -> Option<&str> {
    let at = before.rfind("reading ")?;
    let path = &before[at + 8..];
    looks_like_path(path).then_some(path)
}

fn looks_like_path(text: &str) -> bool {
    let text = text.trim_start_matches(['"', '\'']);
    let absolute = text.starts_with(['/', '~', '.', '\\'])
        || text.get(1..3).is_some_and(|drive| drive == ":\\" || drive == ":/");
    let named =
        ["go.sum", "go.mod", "go.work", "file://", "vendor", "$"].iter().any(|name| text.starts_with(name));
    !text.is_empty()
        && !text.contains("://127.")
        && (absolute || named || !text.contains(' '))
        && !text.starts_with("tcp ")
        && !text.starts_with("udp ")
        && !text.starts_with("https:")
        && !text.starts_with("http:")
}

/// Tells what a path belongs to.
pub(super) fn owner(path: &str) -> Stage {
    let path = path.replace('\\', "/");
    let ends = |name: &str| path == name || path.ends_with(&format!("/{name}"));
    let cached = [
        "/pkg/mod",
        "/cache/download",
        "pkg/sumdb",
        "/cache/vcs",
        "/cache/lock",
        "go-build",
        "/.cache",
        "/@v/",
    ]
    .iter()
    .any(|part| path.contains(part))
        || path.rsplit('/').any(|element| element.contains("@v"));
    if cached {
        Stage::ModuleCache
    } else if ends("go.sum")
        || ends("go.mod")
        || ends("go.work")
        || ends("go.work.sum")
        || path.contains("vendor/")
    {
        Stage::Project
    } else {
        Stage::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_the_path_and_the_answer_are_found() {
        for (text, operation, path, answer) in [
            (
                "go: m@v1: open /go/pkg/mod/cache/download/m/@v/v1.lock: permission denied",
                "open",
                "/go/pkg/mod/cache/download/m/@v/v1.lock",
                "permission denied",
            ),
            (
                "read \"https://p/m.zip\": write /go/pkg/mod/cache/x/v1.zip12.tmp: no space left on device",
                "write",
                "/go/pkg/mod/cache/x/v1.zip12.tmp",
                "no space left on device",
            ),
            (
                "go: could not create module cache: mkdir C:\\Users\\me\\go: Access is denied.",
                "mkdir",
                "C:\\Users\\me\\go",
                "Access is denied",
            ),
            (
                "go: updating go.sum: open /src/go.sum: read-only file system",
                "open",
                "/src/go.sum",
                "read-only file system",
            ),
            (
                "go: m@v: reading file:///mirror/m/@v/v1.info: no such file or directory",
                "read",
                "file:///mirror/m/@v/v1.info",
                "no such file or directory",
            ),
        ] {
            assert_eq!(
                file_trouble(text),
                Some(Trouble::FileTrouble {
                    path: Some(path.to_owned()),
                    operation: operation.to_owned(),
                    text: answer.to_owned()
                }),
                "{text}"
            );
        }
        assert_eq!(file_trouble("make: all is well"), None);
    }
}
