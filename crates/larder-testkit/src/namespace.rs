//! Tests inside a network of their own.
//!
//! A module path has no port and its host may not be an address, so a real go command reaches a forge on loopback only where
//! names lead to loopback and port 443 is free. Both are had without touching the machine: the test starts itself again in
//! a network and mount namespace with a hosts file of its own. Nothing in there can reach the world.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::settings;

/// The variable that marks the inner run.
const MARK: &str = "LARDER_TEST_NAMESPACE";
/// Brings loopback up, lets the names lead to it, and goes on as the test.
const SCRIPT: &str = "ip link set lo up && mount --bind \"$1\" /etc/hosts && mount -t tmpfs tmpfs /run && mkdir -p /run/sshd \
                      && shift && exec \"$@\"";

/// Reports whether this machine lets the calling test mount in a namespace of its own, and says so when it doesn't.
pub fn mounts(test: &str) -> bool {
    let tried =
        Command::new("unshare").args(["-m", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]).output();
    let works = tried.is_ok_and(|output| output.status.success());
    if !works {
        settings::skipped(test, "this machine permits no mount in a private namespace (unshare -m)");
    }
    works
}

/// Reports whether the calling test runs inside; when it doesn't, runs it inside and fails if it fails there.
///
/// `test` is its full name (`module::function`). Says so and does nothing where the machine has no namespaces.
///
/// # Panics
///
/// When the inner run fails.
pub fn inside(test: &str, hosts: &[&str]) -> bool {
    if settings::machine(MARK).is_some() {
        return true;
    }
    let folder = tempfile::TempDir::with_prefix("larder-hosts-").expect("a temporary folder");
    let file = folder.path().join("hosts");
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for host in hosts {
        let _ = writeln!(text, "127.0.0.1 {host}");
    }
    fs_err::write(&file, text).expect("a temporary folder");
    let unshare = |program: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount"]);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--", "sh", "-c", SCRIPT, "sh"]).arg(&file).args(program).stdin(Stdio::null());
        command
    };
    let tried = unshare(&["true"]).output();
    match tried {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            settings::skipped(test, &format!("no namespace of its own can be had: {}", why.trim()));
            return false;
        }
        Err(error) => {
            settings::skipped(test, &format!("there is no unshare program: {error}"));
            return false;
        }
    }
    let program = std::env::current_exe().expect("a test knows its program");
    let program = program.to_string_lossy();
    let mut command = unshare(&[&program, "--exact", test, "--nocapture", "--include-ignored"]);
    let output = command.env(MARK, "1").output().expect("it could be run a moment ago");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{test}, run in a namespace, failed:\n{text}");
    assert!(text.contains("1 passed"), "{test} is not the name of a test:\n{text}");
    settings::say(&text);
    false
}
