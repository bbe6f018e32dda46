//! An ssh server for repositories, as a team with nothing but a Unix machine has one.
//!
//! OpenSSH itself, run as whoever runs the tests: own host key, one user key that may fetch and do nothing else, a known-hosts
//! file and a client configuration, all in a folder of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const PROGRAM: &str = "/usr/sbin/sshd";

/// Answers `git-upload-pack '/path'` below the repositories, and nothing else.
const FORCED: &str = r#"#!/bin/sh
echo "$SSH_ORIGINAL_COMMAND" >> "@LOG@"
case "$SSH_ORIGINAL_COMMAND" in
"git-upload-pack '/"*"'") ;;
*) echo "only fetching is possible here" >&2; exit 1 ;;
esac
path=${SSH_ORIGINAL_COMMAND#"git-upload-pack '/"}
path=${path%"'"}
case "$path" in *..*) echo "no" >&2; exit 1 ;; esac
path=${path%.git}
if [ ! -d "@ROOT@/$path.git" ]; then
  echo "ERROR: Repository not found." >&2
  exit 1
fi
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
exec git -c safe.directory='*' upload-pack "@ROOT@/$path.git"
"#;

/// A running ssh server.
pub struct SshServer {
    folder: TempDir,
    child: Child,
    port: u16,
    hosts: Vec<String>,
}

impl SshServer {
    /// Starts one for the repositories in a folder, known by these names; the reason when it can't be had here.
    pub fn start(root: &Path, hosts: &[&str]) -> Result<Self, String> {
        if !Path::new(PROGRAM).is_file() {
            return Err(format!("there is no {PROGRAM} (Debian's openssh-server)"));
        }
        if rustix::process::geteuid().is_root() {
            // sshd wants this folder; in a namespace it is ours alone.
            let _ = fs_err::create_dir_all("/run/sshd");
        }
        let folder = TempDir::with_prefix("larder-sshd-").map_err(|error| error.to_string())?;
        let at = folder.path();
        for name in ["host", "user", "other"] {
            keygen(&at.join(name))?;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| error.to_string())?
            .port();
        let forced = FORCED
            .replace("@ROOT@", &root.to_string_lossy())
            .replace("@LOG@", &at.join("commands").to_string_lossy());
        write(&at.join("forced"), &forced, 0o755);
        let mut server = Self {
            child: spawn(at, port)?,
            port,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            folder,
        };
        server.allow_key();
        server.trust_host_key();
        server.write_client();
        let Some(stderr) = server.child.stderr.take() else { return Err("no pipe".to_owned()) };
        let mut said = String::new();
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if line.contains("Server listening on") {
                return Ok(server);
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(format!("sshd ended: {said}"))
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the clone URL of a repository such as `git.corp.example/team/repo` under one of the names; the client's
    /// configuration knows port and user.
    pub fn url(&self, host: &str, repository: &str) -> String {
        format!("ssh://{host}/{repository}.git")
    }

    /// Returns what `GIT_SSH_COMMAND` has to be.
    pub fn command(&self) -> String {
        format!("ssh -F {}", self.folder.path().join("client").display())
    }

    /// Returns the known-hosts file.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }

    /// Lets the user key in.
    pub fn allow_key(&self) {
        let key = fs_err::read_to_string(self.folder.path().join("user.pub")).expect("it was made");
        let forced = self.folder.path().join("forced");
        let line = format!("restrict,command=\"{}\" {key}", forced.display());
        write(&self.folder.path().join("authorized_keys"), &line, 0o600);
    }

    /// Revokes the user key, as an administrator does with a deploy key.
    pub fn revoke_key(&self) {
        write(&self.folder.path().join("authorized_keys"), "", 0o600);
    }

    /// Makes the client know the host's key.
    pub fn trust_host_key(&self) {
        self.know("host");
    }

    /// Makes the client know another key, as if the host had been replaced.
    pub fn expect_other_host_key(&self) {
        self.know("other");
    }

    /// Makes the client know no key.
    pub fn forget_host_key(&self) {
        write(&self.known_hosts(), "", 0o600);
    }

    fn know(&self, key: &str) {
        let key = fs_err::read_to_string(self.folder.path().join(format!("{key}.pub"))).expect("it was made");
        let names: Vec<String> = self.hosts.iter().map(|host| format!("[{host}]:{}", self.port)).collect();
        write(&self.known_hosts(), &format!("{} {key}", names.join(",")), 0o600);
    }

    fn write_client(&self) {
        let at = self.folder.path();
        let text = format!(
            "Host *\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  BatchMode yes\n",
            self.port,
            at.join("user").display(),
            self.known_hosts().display(),
        );
        // Known by name, whatever address they have; the option takes no tokens in older clients.
        let hosts: String = self
            .hosts
            .iter()
            .map(|host| format!("Host {host}\n  HostKeyAlias [{host}]:{}\n", self.port))
            .collect();
        write(&at.join("client"), &format!("{hosts}{text}"), 0o600);
    }

    /// Returns the commands that were asked for so far.
    pub fn log(&self) -> Vec<String> {
        let text = fs_err::read_to_string(self.folder.path().join("commands")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keygen(file: &Path) -> Result<(), String> {
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"])
        .arg(file)
        .output()
        .map_err(|error| format!("ssh-keygen: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn spawn(at: &Path, port: u16) -> Result<Child, String> {
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {keys}\nStrictModes no\nUsePAM no\nPidFile none\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nAcceptEnv GIT_PROTOCOL\n\
         PrintMotd no\nMaxStartups 100\n",
        host = at.join("host").display(),
        keys = at.join("authorized_keys").display(),
    );
    let file = at.join("sshd_config");
    write(&file, &config, 0o600);
    Command::new(PROGRAM)
        .args(["-D", "-e", "-f"])
        .arg(file)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{PROGRAM}: {error}"))
}

fn write(file: &Path, text: &str, mode: u32) {
    let mut handle = fs_err::File::create(file).expect("a temporary folder");
    handle.write_all(text.as_bytes()).expect("a temporary folder");
    fs_err::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("our own file");
}
