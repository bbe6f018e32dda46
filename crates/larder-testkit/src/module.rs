//! Builds one version of a module: its three files and their `h1:` hashes.
//!
//! The hashes are computed here from their definition, apart from the code under test.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::zip::ZipWriter;

/// Collects what a module version holds.
#[derive(Clone, Debug)]
pub struct ModuleBuilder {
    path: String,
    version: String,
    go_mod: Option<String>,
    go_line: String,
    requires: Vec<(String, String)>,
    files: Vec<(String, Vec<u8>)>,
    time: String,
}

impl ModuleBuilder {
    /// Starts a version that holds one empty package.
    pub fn new(path: &str, version: &str) -> Self {
        Self {
            path: path.to_owned(),
            version: version.to_owned(),
            go_mod: None,
            go_line: "1.21".to_owned(),
            requires: Vec::new(),
            files: Vec::new(),
            time: "2024-01-02T03:04:05Z".to_owned(),
        }
    }

    /// Sets the whole go.mod, in place of one made from the requirements.
    pub fn go_mod(mut self, text: &str) -> Self {
        self.go_mod = Some(text.to_owned());
        self
    }

    /// Sets the `go` line.
    pub fn go_line(mut self, version: &str) -> Self {
        version.clone_into(&mut self.go_line);
        self
    }

    /// Adds a requirement.
    pub fn require(mut self, path: &str, version: &str) -> Self {
        self.requires.push((path.to_owned(), version.to_owned()));
        self
    }

    /// Adds a file; without any, the module gets a package with one function.
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Sets the time that `.info` names.
    pub fn time(mut self, rfc3339: &str) -> Self {
        rfc3339.clone_into(&mut self.time);
        self
    }

    fn go_mod_text(&self) -> String {
        if let Some(text) = &self.go_mod {
            return text.clone();
        }
        let mut text = format!("module {}\n\ngo {}\n", self.path, self.go_line);
        for (path, version) in &self.requires {
            text.push_str(&format!("\nrequire {path} {version}\n"));
        }
        text
    }

    /// Builds the three files.
    pub fn build(&self) -> BuiltModule {
        let go_mod = self.go_mod_text();
        let mut files = self.files.clone();
        if files.is_empty() {
            let name = package_name(&self.path);
            let code = format!("package {name}\n\nconst Version = {:?}\n", self.version);
            files.push((format!("{name}.go"), code.into_bytes()));
        }
        if !files.iter().any(|(name, _)| name == "go.mod") {
            files.insert(0, ("go.mod".to_owned(), go_mod.clone().into_bytes()));
        }
        let prefix = format!("{}@{}", self.path, self.version);
        let mut zip = ZipWriter::new(Vec::new());
        let mut hashed = Vec::new();
        for (name, content) in &files {
            let name = format!("{prefix}/{name}");
            zip.deflated(&name, content).expect("memory takes everything");
            hashed.push((name, content.as_slice()));
        }
        let zip = zip.finish().expect("memory takes everything");
        let info = format!("{{\"Version\":{:?},\"Time\":{:?}}}", self.version, self.time);
        BuiltModule {
            path: self.path.clone(),
            version: self.version.clone(),
            h1: h1(&hashed),
            mod_h1: h1(&[("go.mod".to_owned(), go_mod.as_bytes())]),
            info: info.into(),
            go_mod: go_mod.into(),
            zip: zip.into(),
        }
    }
}

/// A version's three files and hashes.
#[derive(Clone, Debug)]
pub struct BuiltModule {
    /// The module path.
    pub path: String,
    /// The version.
    pub version: String,
    /// The `.info` file.
    pub info: Bytes,
    /// The `.mod` file.
    pub go_mod: Bytes,
    /// The `.zip` file.
    pub zip: Bytes,
    /// The `h1:` hash of the zip.
    pub h1: String,
    /// The `h1:` hash of the go.mod.
    pub mod_h1: String,
}

impl BuiltModule {
    /// Returns the two lines of go.sum, which are also the text of the checksum database's record.
    pub fn sum_lines(&self) -> String {
        format!(
            "{path} {version} {}\n{path} {version}/go.mod {}\n",
            self.h1,
            self.mod_h1,
            path = self.path,
            version = self.version
        )
    }

    /// Returns the request path of one of its files, such as `/example.com/a/@v/v1.0.0.zip`.
    pub fn url_path(&self, extension: &str) -> String {
        format!("/{}/@v/{}.{extension}", escape(&self.path), escape(&self.version))
    }

    /// Writes its files below a folder, as the go command's `cache/download` has them, the `list` included.
    pub fn write_to(&self, root: &std::path::Path) -> std::io::Result<()> {
        let folder = root.join(escape(&self.path)).join("@v");
        fs_err::create_dir_all(&folder)?;
        let version = escape(&self.version);
        fs_err::write(folder.join(format!("{version}.info")), &self.info)?;
        fs_err::write(folder.join(format!("{version}.mod")), &self.go_mod)?;
        fs_err::write(folder.join(format!("{version}.zip")), &self.zip)?;
        let list = folder.join("list");
        let mut versions = fs_err::read_to_string(&list).unwrap_or_default();
        if !versions.lines().any(|line| line == self.version) {
            versions.push_str(&self.version);
            versions.push('\n');
            fs_err::write(list, versions)?;
        }
        Ok(())
    }
}

/// Returns the `h1:` hash of named contents.
pub fn h1(files: &[(String, &[u8])]) -> String {
    h1_of_hashes(files.iter().map(|(name, content)| (name.clone(), sha256_hex(content))).collect())
}

/// Returns the `h1:` hash of names and the SHA-256 of their contents in hexadecimal digits.
pub(crate) fn h1_of_hashes(mut hashes: Vec<(String, String)>) -> String {
    hashes.sort();
    let mut outer = Sha256::new();
    for (name, hash) in hashes {
        outer.update(format!("{hash}  {name}\n"));
    }
    format!("h1:{}", STANDARD.encode(outer.finalize()))
}

/// Returns the bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the SHA-256 of some bytes in hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns a path or version as it stands in URLs: `!` and the small letter for each capital.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(character.to_ascii_lowercase());
    }
    escaped
}

/// Returns what [`escape`] was given.
pub(crate) fn unescape(escaped: &str) -> String {
    let mut plain = String::with_capacity(escaped.len());
    let mut letters = escaped.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '!' => plain.extend(letters.next().map(|letter| letter.to_ascii_uppercase())),
            letter => plain.push(letter),
        }
    }
    plain
}

/// Returns a package name for the last telling element of a module path.
fn package_name(path: &str) -> String {
    let mut elements = path.rsplit('/');
    let mut last = elements.next().unwrap_or("p");
    let is_major = last.strip_prefix('v').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    if is_major {
        last = elements.next().unwrap_or("p");
    }
    let name: String = last.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("p{name}") }
}

#[cfg(test)]
mod tests {
    use super::{ModuleBuilder, escape, h1};

    #[test]
    fn the_hash_of_a_known_go_mod_is_the_one_in_go_sum() {
        // rsc.io/quote v1.5.2/go.mod, as every tutorial's go.sum has it.
        let go_mod = "module \"rsc.io/quote\"\n\nrequire \"rsc.io/sampler\" v1.3.0\n";
        assert_eq!(
            h1(&[("go.mod".to_owned(), go_mod.as_bytes())]),
            "h1:LzX7hefJvL54yjefDEDHNONDjII0t9xZLPXsUe+TKr0="
        );
    }

    #[test]
    fn capitals_are_escaped() {
        assert_eq!(escape("github.com/BurntSushi/toml"), "github.com/!burnt!sushi/toml");
    }

    #[test]
    fn files_carry_the_prefix() {
        let built = ModuleBuilder::new("example.com/Big/v2", "v2.0.0").build();
        let text = String::from_utf8_lossy(&built.zip).into_owned();
        assert!(text.contains("example.com/Big/v2@v2.0.0/go.mod"));
        assert!(text.contains("example.com/Big/v2@v2.0.0/big.go"));
        assert_eq!(built.url_path("zip"), "/example.com/!big/v2/@v/v2.0.0.zip");
    }
}
