//! Real texts of git, ssh and forges, and what they mean.

use larder_upstream::DirectFaultKind;

use super::{Meaning, meaning, quotation};

const CASES: &[(&str, Meaning)] = &[
    (
        "remote: Repository not found.\nfatal: repository 'https://github.com/corp/api/' not found\n",
        Meaning::NoRepository,
    ),
    (
        "ERROR: Repository not found.\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n",
        Meaning::NoRepository,
    ),
    (
        "remote: \nremote: ========================================================================\nremote: \nremote: ERROR: The project you were looking for could not be found or you don't have permission to view it.\nremote: \nremote: ========================================================================\nremote: \nfatal: Could not read from remote repository.\n",
        Meaning::NoRepository,
    ),
    (
        "remote: The project you were looking for could not be found or you don't have permission to view it.\nfatal: repository 'https://gitlab.com/corp/api.git/' not found\n",
        Meaning::NoRepository,
    ),
    (
        "Gitea: Repository does not exist\nfatal: Could not read from remote repository.\n",
        Meaning::NoRepository,
    ),
    (
        "Forgejo: Cannot find repository: corp/api\nfatal: Could not read from remote repository.\n",
        Meaning::NoRepository,
    ),
    (
        "remote: Not found.\nfatal: repository 'https://gitea.com/corp/api/' not found\n",
        Meaning::NoRepository,
    ),
    ("repository does not exist.\nfatal: Could not read from remote repository.\n", Meaning::NoRepository),
    (
        "remote: You may not have access to this repository or it no longer exists in this workspace. If you think this repository exists and you have access, make sure you are authenticated.\nfatal: repository 'https://bitbucket.org/corp/api/' not found\n",
        Meaning::NoRepository,
    ),
    (
        "fatal: '/srv/git/none.git' does not appear to be a git repository\nfatal: Could not read from remote repository.\n",
        Meaning::NoRepository,
    ),
    ("fatal: repository '/srv/git/none' does not exist\n", Meaning::NoRepository),
    (
        "fatal: unable to access 'https://git.corp.example/a/': The requested URL returned error: 404\n",
        Meaning::NoRepository,
    ),
    (
        "fatal: could not read Username for 'https://github.com': terminal prompts disabled\n",
        Meaning::LoginWanted,
    ),
    (
        "fatal: could not read Username for 'https://git.corp.example': No such device or address\n",
        Meaning::LoginWanted,
    ),
    (
        "fatal: unable to access 'https://git.corp.example/a/': The requested URL returned error: 401\n",
        Meaning::LoginWanted,
    ),
    (
        "remote: HTTP Basic: Access denied. The provided password or token is incorrect or your account has 2FA enabled and you must use a personal access token instead of a password.\nfatal: Authentication failed for 'https://gitlab.com/corp/api.git/'\n",
        Meaning::LoginRefused,
    ),
    (
        "remote: Invalid username or token. Password authentication is not supported for Git operations.\nfatal: Authentication failed for 'https://github.com/corp/api/'\n",
        Meaning::LoginRefused,
    ),
    (
        "remote: Support for password authentication was removed on August 13, 2021.\nfatal: Authentication failed for 'https://github.com/corp/api/'\n",
        Meaning::LoginRefused,
    ),
    (
        "remote: Invalid credentials\nfatal: Authentication failed for 'https://bitbucket.org/corp/api/'\n",
        Meaning::LoginRefused,
    ),
    (
        "remote: Write access to repository not granted.\nfatal: unable to access 'https://github.com/corp/api/': The requested URL returned error: 403\n",
        Meaning::LoginRefused,
    ),
    (
        "fatal: unable to access 'https://git.corp.example/a/': The requested URL returned error: 403\n",
        Meaning::LoginRefused,
    ),
    (
        "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.\n",
        Meaning::LoginRefused,
    ),
    (
        "git@git.corp.example: Permission denied (publickey,password).\nfatal: Could not read from remote repository.\n",
        Meaning::LoginRefused,
    ),
    (
        "remote: \nremote: ERROR: This deploy key has been revoked.\nremote: \nfatal: Could not read from remote repository.\n",
        Meaning::LoginRefused,
    ),
    (
        "ERROR: The 'corp' organization has enabled or enforced SAML SSO.\nfatal: Could not read from remote repository.\n",
        Meaning::LoginRefused,
    ),
    (
        "No ED25519 host key is known for [127.0.0.1]:2222 and you have requested strict checking.\nHost key verification failed.\nfatal: Could not read from remote repository.\n",
        Meaning::HostKey,
    ),
    (
        "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\nHost key verification failed.\nfatal: Could not read from remote repository.\n",
        Meaning::HostKey,
    ),
    (
        "ssh: Could not resolve hostname git.corp.example: Name or service not known\nfatal: Could not read from remote repository.\n",
        Meaning::NoHost,
    ),
    (
        "fatal: unable to access 'https://git.corp.example/a/': Could not resolve host: git.corp.example\n",
        Meaning::NoHost,
    ),
    (
        "ssh: connect to host git.corp.example port 22: Connection refused\nfatal: Could not read from remote repository.\n",
        Meaning::NoConnection,
    ),
    (
        "ssh: connect to host git.corp.example port 22: Connection timed out\nfatal: Could not read from remote repository.\n",
        Meaning::TimedOut,
    ),
    (
        "fatal: unable to access 'https://127.0.0.1:1/a/': Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server\n",
        Meaning::NoConnection,
    ),
    (
        "fatal: unable to access 'https://git.corp.example/a/': Operation too slow. Less than 1 bytes/sec transferred the last 30 seconds\n",
        Meaning::TimedOut,
    ),
    (
        "fatal: unable to access 'https://git.corp.example/a/': server certificate verification failed. CAfile: none CRLfile: none\n",
        Meaning::Tls,
    ),
    (
        "fatal: unable to access 'https://git.corp.example/a/': SSL certificate problem: unable to get local issuer certificate\n",
        Meaning::Tls,
    ),
    (
        "fatal: unable to access 'https://git.corp.example/a/': SSL: no alternative certificate subject name matches target host name 'git.corp.example'\n",
        Meaning::Tls,
    ),
    (
        "fatal: unable to access 'https://git.corp.example/a/': gnutls_handshake() failed: The TLS connection was non-properly terminated.\n",
        Meaning::Tls,
    ),
    (
        "error: RPC failed; curl 92 HTTP/2 stream 5 was not closed cleanly: CANCEL (err 8)\nfetch-pack: unexpected disconnect while reading sideband packet\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output\n",
        Meaning::BrokenOff,
    ),
    (
        "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502\nfatal: expected flush after ref listing\n",
        Meaning::ServerTrouble,
    ),
    (
        "fatal: unable to access 'https://git.corp.example/a/': The requested URL returned error: 503\n",
        Meaning::ServerTrouble,
    ),
    ("fatal: the remote end hung up unexpectedly\n", Meaning::BrokenOff),
    (
        "kex_exchange_identification: Connection closed by remote host\nfatal: Could not read from remote repository.\n",
        Meaning::BrokenOff,
    ),
    (
        "fatal: unable to access 'https://git.corp.example/a/': The requested URL returned error: 301\n",
        Meaning::Moved,
    ),
    ("fatal: transport 'file' not allowed\n", Meaning::ProtocolRefused),
    ("fatal: transport 'ext' not allowed\n", Meaning::ProtocolRefused),
    (
        "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output\n",
        Meaning::DiskFull,
    ),
    (
        "error: file write error: No space left on device\nfatal: unable to write loose object file\n",
        Meaning::DiskFull,
    ),
    ("fatal: couldn't find remote ref refs/tags/v1.0.0\n", Meaning::NoRevision),
    (
        "error: Server does not allow request for unadvertised object 1111111111111111111111111111111111111111\n",
        Meaning::NoRevision,
    ),
    (
        "fatal: remote error: upload-pack: not our ref 1111111111111111111111111111111111111111\n",
        Meaning::NoRevision,
    ),
    ("fatal: dumb http transport does not support shallow capabilities\n", Meaning::NoShallow),
    ("fatal: pathspec 'sub' did not match any files\n", Meaning::NoFiles),
    (
        "error: object file objects/ab/cd is empty\nfatal: loose object abcd (stored in objects/ab/cd) is corrupt\n",
        Meaning::Damaged,
    ),
    (
        "error: packfile ./objects/pack/pack-1.pack does not match index\nfatal: bad object refs/larder/x\n",
        Meaning::Damaged,
    ),
    ("fatal: not a git repository: '/var/lib/larder/mirrors/x'\n", Meaning::Damaged),
    ("fatal: bad config line 1 in file config\n", Meaning::Damaged),
    ("something nobody has seen\n", Meaning::Unknown),
];

#[test]
fn each_text_has_its_meaning() {
    for (text, expected) in CASES {
        assert_eq!(meaning(text), *expected, "{text}");
    }
}

#[test]
fn what_is_quoted_is_short_printable_and_without_secrets() {
    let said = quotation(
        "remote: \x1b[31mRepository\u{202e} not found.\r\nfatal: repository 'https://me:hush@github.com/corp/api?token=hush2' not found\n\
         and ghp_abcDEF123 or 'glpat-XYZ_1-2' and s3cr3t!\n\nPlease make sure you have the correct access rights\n",
        &["s3cr3t!"],
    );
    assert_eq!(
        said.as_deref(),
        Some(
            "remote: [31mRepository not found.\nfatal: repository 'https://github.com/corp/api' not found\nand *** or '***' and ***"
        )
    );
    let flood: String = (0..100).map(|number| format!("line {number} {}\n", "x".repeat(500))).collect();
    let said = quotation(&flood, &[]).expect("lines");
    assert_eq!(said.lines().count(), 6);
    assert!(said.lines().all(|line| line.len() < 170));
    assert_eq!(quotation("remote: \nremote: =====\n\n", &[]), None);
}

#[test]
fn absence_is_only_what_a_forge_says_to_somebody_it_knows() {
    assert_eq!(Meaning::NoRepository.kind(true), DirectFaultKind::Absent);
    assert_eq!(Meaning::LoginWanted.kind(false), DirectFaultKind::LoginNeeded);
    assert_eq!(Meaning::LoginWanted.kind(true), DirectFaultKind::CredentialsRefused);
    for meaning in
        [Meaning::NoHost, Meaning::Tls, Meaning::BrokenOff, Meaning::HostKey, Meaning::ServerTrouble]
    {
        assert_eq!(meaning.kind(false), DirectFaultKind::Unreachable);
    }
}
