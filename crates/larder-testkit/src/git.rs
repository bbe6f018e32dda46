//! Throw-away git repositories, the same bytes and hashes on every run.
//!
//! Content goes to `git fast-import` as one stream, because a process for each commit would make a suite of fifty repositories
//! slow, and because only that way a repository can hold what a checkout would refuse: names that differ in case only, links
//! that lead nowhere, commits out of order in time.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The time of the first commit unless another is given: 2024-01-01, noon.
pub const FIRST_TIME: i64 = 1_704_110_400;
const STEP: i64 = 3_600;
const WHO: &str = "A Author <author@example.com>";

/// A commit of a [`GitRepository`], known before git has seen it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Mark(u32);

/// The hash function of a repository.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ObjectFormat {
    /// The usual one.
    #[default]
    Sha1,
    /// The one with 64 digits.
    Sha256,
}

/// What a commit changes in comparison with its first parent.
#[derive(Clone, Debug)]
pub struct Commit {
    reference: Option<String>,
    parent: Option<Option<Mark>>,
    merges: Vec<Mark>,
    message: String,
    time: Option<i64>,
    author_time: Option<i64>,
    zone: String,
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Put { mode: &'static str, path: String, content: Vec<u8> },
    Submodule { path: String, hash: String },
    Remove(String),
    RemoveAll,
}

impl Commit {
    /// Begins a commit on a branch, whose tip is its parent unless another is named.
    pub fn on(branch: &str) -> Self {
        Self::at(Some(format!("refs/heads/{branch}")))
    }

    /// Begins a commit that no branch will hold; tag it, or nothing does.
    pub fn detached() -> Self {
        Self::at(None)
    }

    fn at(reference: Option<String>) -> Self {
        Self {
            reference,
            parent: None,
            merges: Vec::new(),
            message: "change\n".to_owned(),
            time: None,
            author_time: None,
            zone: "+0000".to_owned(),
            changes: Vec::new(),
        }
    }

    /// Begins at another commit than the branch's tip.
    #[must_use]
    pub fn parent(mut self, parent: Mark) -> Self {
        self.parent = Some(Some(parent));
        self
    }

    /// Has no parent, whatever the branch holds.
    #[must_use]
    pub fn orphan(mut self) -> Self {
        self.parent = Some(None);
        self
    }

    /// Adds a parent.
    #[must_use]
    pub fn merge(mut self, other: Mark) -> Self {
        self.merges.push(other);
        self
    }

    /// Sets the message.
    #[must_use]
    pub fn message(mut self, text: &str) -> Self {
        text.clone_into(&mut self.message);
        self
    }

    /// Sets the commit time, in seconds since 1970, and the author's with it.
    #[must_use]
    pub fn time(mut self, seconds: i64) -> Self {
        self.time = Some(seconds);
        self
    }

    /// Sets the author's time, which no version should depend on.
    #[must_use]
    pub fn author_time(mut self, seconds: i64) -> Self {
        self.author_time = Some(seconds);
        self
    }

    /// Sets the zone that both times are written in, such as `+0530`.
    #[must_use]
    pub fn zone(mut self, zone: &str) -> Self {
        zone.clone_into(&mut self.zone);
        self
    }

    /// Writes a file.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.put("100644", path, content.as_ref())
    }

    /// Writes a file that may be executed.
    #[must_use]
    pub fn executable(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.put("100755", path, content.as_ref())
    }

    /// Writes a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.put("120000", path, target.as_bytes())
    }

    fn put(mut self, mode: &'static str, path: &str, content: &[u8]) -> Self {
        self.changes.push(Change::Put { mode, path: path.to_owned(), content: content.to_vec() });
        self
    }

    /// Adds a submodule entry; nothing has to exist at that commit.
    #[must_use]
    pub fn submodule(mut self, path: &str, hash: &str) -> Self {
        self.changes.push(Change::Submodule { path: path.to_owned(), hash: hash.to_owned() });
        self
    }

    /// Removes a file or folder.
    #[must_use]
    pub fn remove(mut self, path: &str) -> Self {
        self.changes.push(Change::Remove(path.to_owned()));
        self
    }

    /// Removes everything that the parent holds.
    #[must_use]
    pub fn remove_all(mut self) -> Self {
        self.changes.push(Change::RemoveAll);
        self
    }
}

/// A bare repository in the making. What was added is there after [`GitRepository::save`].
#[derive(Debug)]
pub struct GitRepository {
    folder: PathBuf,
    format: ObjectFormat,
    stream: Vec<u8>,
    tips: HashMap<String, Mark>,
    detached: Vec<String>,
    last: u32,
    clock: i64,
}

impl GitRepository {
    /// Makes an empty bare repository in a folder that doesn't exist, its default branch `main`.
    pub fn create(folder: &Path) -> Self {
        Self::create_as(folder, ObjectFormat::Sha1)
    }

    /// Makes one with a hash function of choice.
    pub fn create_as(folder: &Path, format: ObjectFormat) -> Self {
        let name = if format == ObjectFormat::Sha256 { "sha256" } else { "sha1" };
        fs_err::create_dir_all(folder).expect("a temporary folder");
        let made = Self {
            folder: folder.to_owned(),
            format,
            stream: Vec::new(),
            tips: HashMap::new(),
            detached: Vec::new(),
            last: 0,
            clock: FIRST_TIME,
        };
        made.git(&["init", "--quiet", "--bare", "--template=", "--object-format", name, "-b", "main", "."]);
        // As forges do.
        made.git(&["config", "uploadpack.allowFilter", "true"]);
        made
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the hash function.
    pub fn format(&self) -> ObjectFormat {
        self.format
    }

    /// Makes `HEAD` name a branch, which need not exist.
    pub fn default_branch(&mut self, name: &str) {
        fs_err::write(self.folder.join("HEAD"), format!("ref: refs/heads/{name}\n"))
            .expect("a temporary folder");
    }

    /// Adds a commit.
    pub fn commit(&mut self, commit: Commit) -> Mark {
        self.last += 1;
        let mark = Mark(self.last);
        let reference = commit.reference.unwrap_or_else(|| {
            let name = format!("refs/detached/{}", self.last);
            self.detached.push(name.clone());
            name
        });
        let parent = commit.parent.unwrap_or_else(|| self.tips.get(&reference).copied());
        self.tips.insert(reference.clone(), mark);
        let time = commit.time.unwrap_or(self.clock);
        self.clock = self.clock.max(time) + STEP;
        let author_time = commit.author_time.unwrap_or(time);
        let zone = commit.zone;
        if parent.is_none() {
            // Else fast-import would continue what the branch held.
            self.line(&format!("reset {reference}"));
        }
        self.line(&format!("commit {reference}\nmark :{}", mark.0));
        self.line(&format!("author {WHO} {author_time} {zone}\ncommitter {WHO} {time} {zone}"));
        self.data(commit.message.as_bytes());
        for (word, mark) in
            parent.iter().map(|mark| ("from", mark)).chain(commit.merges.iter().map(|m| ("merge", m)))
        {
            self.line(&format!("{word} :{}", mark.0));
        }
        for change in commit.changes {
            match change {
                Change::Put { mode, path, content } => {
                    self.line(&format!("M {mode} inline {}", quoted(&path)));
                    self.data(&content);
                }
                Change::Submodule { path, hash } => {
                    self.line(&format!("M 160000 {hash} {}", quoted(&path)));
                }
                Change::Remove(path) => self.line(&format!("D {}", quoted(&path))),
                Change::RemoveAll => self.line("deleteall"),
            }
        }
        mark
    }

    /// Adds a commit to `main` that writes these files.
    pub fn files(&mut self, files: &[(&str, &str)]) -> Mark {
        self.files_on("main", files)
    }

    /// Adds a commit to a branch that writes these files.
    pub fn files_on(&mut self, branch: &str, files: &[(&str, &str)]) -> Mark {
        let commit = Commit::on(branch);
        self.commit(files.iter().fold(commit, |commit, (path, content)| commit.file(path, content)))
    }

    /// Makes or moves a branch.
    pub fn branch(&mut self, name: &str, at: Mark) {
        self.tips.insert(format!("refs/heads/{name}"), at);
        self.line(&format!("reset refs/heads/{name}\nfrom :{}\n", at.0));
    }

    /// Makes or moves a lightweight tag.
    pub fn tag(&mut self, name: &str, at: Mark) {
        self.line(&format!("reset refs/tags/{name}\nfrom :{}\n", at.0));
    }

    /// Makes or moves an annotated tag, made long after its commit.
    pub fn annotated_tag(&mut self, name: &str, at: Mark) {
        self.tag_object(name, at, &format!("{name}\n\nThe notes of the release.\n"));
    }

    /// Makes or moves a tag that looks signed; the signature is nobody's.
    pub fn signed_tag(&mut self, name: &str, at: Mark) {
        let signature =
            "-----BEGIN PGP SIGNATURE-----\n\niQEzBAABCAAdFiEE\n=abcd\n-----END PGP SIGNATURE-----\n";
        self.tag_object(name, at, &format!("{name}\n\n{signature}"));
    }

    fn tag_object(&mut self, name: &str, at: Mark, message: &str) {
        let time = self.clock + 86_400;
        self.line(&format!("tag {name}\nfrom :{}\ntagger {WHO} {time} +0100", at.0));
        self.data(message.as_bytes());
    }

    /// Removes a tag or branch by its full name.
    pub fn remove_reference(&mut self, name: &str) {
        self.tips.remove(name);
        self.save();
        self.git(&["update-ref", "-d", name]);
    }

    /// Hands everything that was added to git.
    pub fn save(&mut self) {
        let stream = std::mem::take(&mut self.stream);
        if !stream.is_empty() {
            let marks = self.marks_file();
            let marks = marks.to_string_lossy();
            let arguments = [
                "fast-import".to_owned(),
                "--quiet".to_owned(),
                "--force".to_owned(),
                "--date-format=raw-permissive".to_owned(),
                format!("--import-marks-if-exists={marks}"),
                format!("--export-marks={marks}"),
            ];
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            self.git_with_input(&arguments, &stream);
        }
        for name in std::mem::take(&mut self.detached) {
            self.git(&["update-ref", "-d", &name]);
        }
    }

    /// Returns the hash of a commit, saving first.
    pub fn hash(&mut self, mark: Mark) -> String {
        self.save();
        let marks = fs_err::read_to_string(self.marks_file()).expect("git wrote the marks");
        let start = format!(":{} ", mark.0);
        let line = marks.lines().find_map(|line| line.strip_prefix(&start));
        line.expect("every commit has a mark").to_owned()
    }

    /// Returns the commit time of the next commit that names none.
    pub fn clock(&self) -> i64 {
        self.clock
    }

    /// Runs git in the repository for what the builder can't do, and returns what it printed.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_with_input(arguments, b"")
    }

    /// Runs git with something to read.
    pub fn git_with_input(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = run(&self.folder, arguments, input);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {arguments:?} in {}: {stderr}", self.folder.display());
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn marks_file(&self) -> PathBuf {
        self.folder.join("lab-marks")
    }

    fn line(&mut self, text: &str) {
        self.stream.extend_from_slice(text.as_bytes());
        self.stream.push(b'\n');
    }

    fn data(&mut self, content: &[u8]) {
        self.line(&format!("data {}", content.len()));
        self.stream.extend_from_slice(content);
        self.stream.push(b'\n');
    }
}

/// Returns a git command that knows nothing of the machine's users.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "A Author")
        .env("GIT_AUTHOR_EMAIL", "author@example.com")
        .env("GIT_AUTHOR_DATE", format!("{FIRST_TIME} +0000"))
        .env("GIT_COMMITTER_NAME", "A Author")
        .env("GIT_COMMITTER_EMAIL", "author@example.com")
        .env("GIT_COMMITTER_DATE", format!("{FIRST_TIME} +0000"));
    command
}

fn run(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git is on the machine");
    let mut stdin = child.stdin.take().expect("piped");
    std::thread::scope(|scope| {
        // Git may stop reading at an error; its status tells.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("a child can be waited for")
    })
}

/// Quotes a path as fast-import wants names with unusual bytes.
fn quoted(path: &str) -> String {
    let mut text = String::from("\"");
    for character in path.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            control if control.is_control() => {
                let _ = write!(text, "\\{:03o}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::{Commit, GitRepository, ObjectFormat};

    fn sample(folder: &std::path::Path, format: ObjectFormat) -> GitRepository {
        let mut repository = GitRepository::create_as(folder, format);
        repository.default_branch("trunk");
        let first = repository.files_on("trunk", &[("go.mod", "module example.com/a\n")]);
        let side = repository.commit(
            Commit::detached()
                .parent(first)
                .file("naïve \"name\".txt", "x")
                .symlink("link", "go.mod")
                .executable("run.sh", "#!/bin/sh\n")
                .submodule("sub", &"1".repeat(if format == ObjectFormat::Sha1 { 40 } else { 64 })),
        );
        let merged = repository.commit(Commit::on("trunk").merge(side).time(1_000_000_000).zone("+0530"));
        repository.tag("v1.0.0", first);
        repository.annotated_tag("v1.1.0", side);
        repository.signed_tag("v1.2.0", merged);
        repository.save();
        repository
    }

    #[test]
    fn the_same_steps_make_the_same_hashes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, format) in [("a", ObjectFormat::Sha1), ("b", ObjectFormat::Sha256)] {
            let one = sample(&folder.path().join(name).join("1"), format);
            let two = sample(&folder.path().join(name).join("2"), format);
            let references = one.git(&["for-each-ref"]);
            assert_eq!(references, two.git(&["for-each-ref"]));
            assert_eq!(references.lines().count(), 4, "nothing but the branch and the tags:\n{references}");
            assert_eq!(
                one.git(&["log", "-1", "--format=%ct %cd", "--date=raw"]),
                "1000000000 1000000000 +0530"
            );
            let tree = one.git(&["ls-tree", "-r", "v1.1.0"]);
            assert!(tree.contains("120000") && tree.contains("160000") && tree.contains("100755"), "{tree}");
            one.git(&["fsck", "--strict"]);
        }
    }

    #[test]
    fn a_repository_goes_on_after_it_was_saved() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut repository = sample(&folder.path().join("r"), ObjectFormat::Sha1);
        let before = repository.git(&["rev-parse", "trunk"]);
        let next = repository.files_on("trunk", &[("new.txt", "new")]);
        repository.tag("v1.0.0", next);
        let hash = repository.hash(next);
        assert_eq!(repository.git(&["rev-parse", "v1.0.0"]), hash);
        assert_eq!(repository.git(&["rev-parse", "trunk^"]), before);
    }
}
