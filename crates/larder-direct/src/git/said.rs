//! What git, ssh and the forges behind them say when something fails, and what it means.
//!
//! Their words on standard error are the only account of it: git ends with 128 whatever went wrong. So this is the one place where
//! meaning is read from message text. All runs speak English (`LC_ALL=C`). The order of the table matters: what a forge says
//! itself stands before what git makes of it, and causes before consequences.

use larder_upstream::DirectFaultKind;

/// The most lines that are quoted, so that the whole answer fits in the eight that the go command prints.
const LINES: usize = 6;
/// The most characters of one quoted line.
const LINE_CHARACTERS: usize = 160;

/// What a failure is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Meaning {
    /// There is no such repository, or it is hidden.
    NoRepository,
    /// The forge wants a login.
    LoginWanted,
    /// The forge refused the login that it was given.
    LoginRefused,
    /// The ssh host is not the one that is known, or not known at all.
    HostKey,
    /// The name of the host leads nowhere.
    NoHost,
    /// No connection.
    NoConnection,
    /// The certificate or the protocol below http doesn't hold.
    Tls,
    /// It took too long, by git's, curl's or ssh's own clock.
    TimedOut,
    /// The forge answered with a server error, or asked for patience.
    ServerTrouble,
    /// The connection ended in the middle.
    BrokenOff,
    /// The forge sends elsewhere.
    Moved,
    /// git may not use this protocol.
    ProtocolRefused,
    /// The disk is full.
    DiskFull,
    /// The reference or commit that was asked for is not there.
    NoRevision,
    /// The server can't send single commits.
    NoShallow,
    /// The folder that was asked for is not in the commit.
    NoFiles,
    /// The commit has names or entries in it that git packs for nobody.
    NoTree,
    /// The mirror on disk is damaged.
    Damaged,
    /// The reference led to a commit when it was listed, and leads to another one now.
    Vanished,
    /// It said more than it may.
    Flood,
    /// The repository takes more of the disk than it may.
    TooLarge,
    /// git was not run, or its end was no matter of words.
    Other,
    /// Something else.
    Unknown,
}

impl Meaning {
    /// Returns the sort of failure that it is for whoever asked. `login` says that credentials were sent.
    pub(super) fn kind(self, login: bool) -> DirectFaultKind {
        match self {
            Self::NoRepository | Self::NoRevision | Self::Vanished | Self::NoFiles => DirectFaultKind::Absent,
            Self::NoTree => DirectFaultKind::Invalid,
            Self::LoginWanted if login => DirectFaultKind::CredentialsRefused,
            Self::LoginWanted => DirectFaultKind::LoginNeeded,
            Self::LoginRefused => DirectFaultKind::CredentialsRefused,
            Self::HostKey
            | Self::NoHost
            | Self::NoConnection
            | Self::Tls
            | Self::ServerTrouble
            | Self::BrokenOff
            | Self::Moved => DirectFaultKind::Unreachable,
            Self::TimedOut => DirectFaultKind::TimedOut,
            Self::ProtocolRefused => DirectFaultKind::Refused,
            Self::DiskFull | Self::TooLarge => DirectFaultKind::StorageFull,
            Self::NoShallow | Self::Damaged | Self::Flood | Self::Other | Self::Unknown => {
                DirectFaultKind::Broken
            }
        }
    }

    /// Returns what happened in a few words.
    pub(super) fn words(self, login: bool) -> &'static str {
        match self {
            Self::NoRepository => "there is no such repository, or it is not shown to who asks",
            Self::LoginWanted if login => "the login that Larder has is not accepted",
            Self::LoginWanted => "a login is needed and Larder has none",
            Self::LoginRefused => "the login that Larder has is not accepted",
            Self::HostKey => "the host key of the ssh server is unknown or has changed",
            Self::NoHost => "the host name can't be resolved",
            Self::NoConnection => "no connection",
            Self::Tls => "no trusted TLS connection",
            Self::TimedOut => "it took too long",
            Self::ServerTrouble => "the server has trouble of its own",
            Self::BrokenOff => "the connection broke off",
            Self::Moved => "it moved elsewhere",
            Self::ProtocolRefused => "the protocol is not allowed",
            Self::DiskFull => "the disk is full",
            Self::NoRevision | Self::Vanished => "there is no such revision",
            Self::NoShallow => "the server can't send single commits",
            Self::NoFiles => "there is no such folder",
            Self::NoTree => "git doesn't pack files of such names",
            Self::Damaged => "the mirror is damaged",
            Self::Flood => "it said too much",
            Self::TooLarge => "it is larger than one repository may be",
            Self::Other | Self::Unknown => "git failed",
        }
    }

    /// Reports whether asking for the same in another form makes sense, because the server may dislike the form only. `by_hash`: a
    /// commit was asked for by its hash, which not all servers answer.
    pub(super) fn is_about_the_form(self, by_hash: bool) -> bool {
        match self {
            Self::NoRevision => by_hash,
            Self::NoShallow | Self::Unknown => true,
            _ => false,
        }
    }
}

/// The table, all in lower case. Each row: all of its parts have to be in the text.
const TABLE: &[(&[&str], Meaning)] = &[
    (&["no space left on device"], Meaning::DiskFull),
    (&["disk quota exceeded"], Meaning::DiskFull),
    (&["file too large"], Meaning::TooLarge),
    (&["died of signal 25"], Meaning::TooLarge),
    (&["did not match any files"], Meaning::NoFiles),
    // Said of what is in a commit, whose bytes are what the forge has: it stays so for ever.
    (&["error: invalid path '"], Meaning::NoTree),
    (&["empty filename in tree entry"], Meaning::NoTree),
    (&["malformed mode in tree entry"], Meaning::NoTree),
    (&["too-short tree object"], Meaning::NoTree),
    (&["too-short tree file"], Meaning::NoTree),
    // ssh speaks before git does.
    (&["host key verification failed"], Meaning::HostKey),
    (&["remote host identification has changed"], Meaning::HostKey),
    (&["host key is known for"], Meaning::HostKey),
    (&["could not resolve hostname"], Meaning::NoHost),
    (&["name or service not known"], Meaning::NoHost),
    (&["temporary failure in name resolution"], Meaning::NoHost),
    (&["ssh: connect to host", "timed out"], Meaning::TimedOut),
    (&["ssh: connect to host"], Meaning::NoConnection),
    (&["deploy key", "revoked"], Meaning::LoginRefused),
    (&["permission denied (publickey"], Meaning::LoginRefused),
    (&["permission denied, please try again"], Meaning::LoginRefused),
    (&["too many authentication failures"], Meaning::LoginRefused),
    (&["no mutual signature"], Meaning::LoginRefused),
    (&["saml sso"], Meaning::LoginRefused),
    (&["support for password authentication was removed"], Meaning::LoginRefused),
    (&["http basic: access denied"], Meaning::LoginRefused),
    (&["invalid username or password"], Meaning::LoginRefused),
    (&["invalid username or token"], Meaning::LoginRefused),
    (&["invalid credentials"], Meaning::LoginRefused),
    (&["token has expired"], Meaning::LoginRefused),
    (&["unauthorized: http basic"], Meaning::LoginRefused),
    // What forges say about repositories.
    (&["remote: repository not found"], Meaning::NoRepository),
    (&["error: repository not found"], Meaning::NoRepository),
    (&["project you were looking for could not be found"], Meaning::NoRepository),
    (&["cannot find repository"], Meaning::NoRepository),
    (&["gitea: repository does not exist"], Meaning::NoRepository),
    (&["unauthorized or repository not found"], Meaning::NoRepository),
    (&["repository does not exist"], Meaning::NoRepository),
    (&["repository not exported"], Meaning::NoRepository),
    (&["write access to repository not granted"], Meaning::LoginRefused),
    (&["you may not have access to this repository"], Meaning::NoRepository),
    (&["you do not have permission"], Meaning::LoginRefused),
    (&["remote: access denied"], Meaning::LoginRefused),
    (&["remote: forbidden"], Meaning::LoginRefused),
    (&["insufficient_scope"], Meaning::LoginRefused),
    // git over http.
    (&["terminal prompts disabled"], Meaning::LoginWanted),
    (&["could not read username"], Meaning::LoginWanted),
    (&["could not read password"], Meaning::LoginRefused),
    (&["authentication failed for"], Meaning::LoginRefused),
    (&["returned error: 401"], Meaning::LoginWanted),
    (&["returned error: 403"], Meaning::LoginRefused),
    (&["returned error: 407"], Meaning::NoConnection),
    (&["returned error: 404"], Meaning::NoRepository),
    (&["returned error: 410"], Meaning::NoRepository),
    (&["returned error: 429"], Meaning::ServerTrouble),
    (&["returned error: 5"], Meaning::ServerTrouble),
    (&["returned error: 30"], Meaning::Moved),
    (&["http 404 curl"], Meaning::NoRepository),
    (&["http 403 curl"], Meaning::LoginRefused),
    (&["http 401 curl"], Meaning::LoginWanted),
    (&["http 30", "curl"], Meaning::Moved),
    (&["http 5", "curl 22"], Meaning::ServerTrouble),
    (&["could not resolve host"], Meaning::NoHost),
    (&["could not resolve proxy"], Meaning::NoConnection),
    (&["unable to look up"], Meaning::NoHost),
    (&["operation too slow"], Meaning::TimedOut),
    (&["operation timed out"], Meaning::TimedOut),
    (&["connection timed out"], Meaning::TimedOut),
    (&["timeout was reached"], Meaning::TimedOut),
    (&["connection refused"], Meaning::NoConnection),
    (&["network is unreachable"], Meaning::NoConnection),
    (&["no route to host"], Meaning::NoConnection),
    (&["couldn't connect to server"], Meaning::NoConnection),
    (&["could not connect to server"], Meaning::NoConnection),
    (&["failed to connect to"], Meaning::NoConnection),
    (&["unable to connect to"], Meaning::NoConnection),
    (&["proxy connect aborted"], Meaning::NoConnection),
    (&["from proxy after connect"], Meaning::NoConnection),
    (&["ssl certificate problem"], Meaning::Tls),
    (&["certificate verification failed"], Meaning::Tls),
    (&["server certificate verification"], Meaning::Tls),
    (&["error setting certificate"], Meaning::Tls),
    (&["gnutls_handshake"], Meaning::Tls),
    (&["ssl_error"], Meaning::Tls),
    (&["ssl routines"], Meaning::Tls),
    (&["alert handshake failure"], Meaning::Tls),
    (&["no alternative certificate subject name"], Meaning::Tls),
    (&["does not match target host name"], Meaning::Tls),
    (&["ssl connection"], Meaning::Tls),
    (&["the certificate"], Meaning::Tls),
    (&["transport '", "not allowed"], Meaning::ProtocolRefused),
    (&["strange hostname"], Meaning::ProtocolRefused),
    (&["strange pathname"], Meaning::ProtocolRefused),
    (&["dumb http transport does not support shallow"], Meaning::NoShallow),
    (&["does not support shallow"], Meaning::NoShallow),
    (&["couldn't find remote ref"], Meaning::NoRevision),
    (&["not our ref"], Meaning::NoRevision),
    (&["does not allow request for unadvertised object"], Meaning::NoRevision),
    (&["no such ref was fetched"], Meaning::NoRevision),
    // git's mirror on disk.
    (&["object file", "is empty"], Meaning::Damaged),
    (&["loose object", "corrupt"], Meaning::Damaged),
    (&["packfile", "cannot be accessed"], Meaning::Damaged),
    (&["packfile", "cannot be mapped"], Meaning::Damaged),
    (&["far too short to be a packfile"], Meaning::Damaged),
    (&["does not match index"], Meaning::Damaged),
    (&["index file", "is too small"], Meaning::Damaged),
    (&["is corrupt"], Meaning::Damaged),
    (&["inflate: data stream error"], Meaning::Damaged),
    (&["bad config line"], Meaning::Damaged),
    (&["bad config file line"], Meaning::Damaged),
    (&["bad shallow line"], Meaning::Damaged),
    (&["shallow file has changed"], Meaning::Damaged),
    (&["unable to read tree"], Meaning::Damaged),
    (&["could not read tree"], Meaning::Damaged),
    (&["unable to parse commit"], Meaning::Damaged),
    (&["could not parse object"], Meaning::Damaged),
    (&["bad tree object"], Meaning::Damaged),
    (&["bad object"], Meaning::Damaged),
    (&["not a tree object"], Meaning::Damaged),
    (&["missing object"], Meaning::Damaged),
    (&["missing blob"], Meaning::Damaged),
    (&["unable to find all commit-graph"], Meaning::Damaged),
    (&["cannot read existing object"], Meaning::Damaged),
    (&["unresolved deltas"], Meaning::BrokenOff),
    (&["unable to create", ".lock': file exists"], Meaning::Damaged),
    (&["with nonexistent object"], Meaning::NoRevision),
    (&["not a valid object name"], Meaning::NoRevision),
    (&["unknown revision or path"], Meaning::NoRevision),
    (&["ambiguous argument"], Meaning::NoRevision),
    (&["bad revision"], Meaning::NoRevision),
    // The rest of what ends a transfer.
    (&["does not appear to be a git repository"], Meaning::NoRepository),
    (&["does not exist", "repository"], Meaning::NoRepository),
    (&["' not found", "repository"], Meaning::NoRepository),
    (&["early eof"], Meaning::BrokenOff),
    (&["hung up unexpectedly"], Meaning::BrokenOff),
    (&["rpc failed"], Meaning::BrokenOff),
    (&["unexpected disconnect"], Meaning::BrokenOff),
    (&["empty reply from server"], Meaning::BrokenOff),
    (&["recv failure"], Meaning::BrokenOff),
    (&["connection reset"], Meaning::BrokenOff),
    (&["connection closed by"], Meaning::BrokenOff),
    (&["transfer closed with"], Meaning::BrokenOff),
    (&["invalid index-pack output"], Meaning::BrokenOff),
    (&["index-pack failed"], Meaning::BrokenOff),
    (&["not a git repository"], Meaning::Damaged),
    (&["access denied"], Meaning::LoginRefused),
    (&["could not read from remote repository"], Meaning::NoConnection),
];

/// Tells what a failed run is about.
pub(super) fn meaning(stderr: &str) -> Meaning {
    let text = stderr.to_lowercase();
    // What the other side says of its own disk and objects is its own trouble.
    let fits = |parts: &[&str], here: bool| {
        text.lines().any(|line| {
            !(here && line.starts_with("remote:")) && parts.iter().all(|part| line.contains(part))
        })
    };
    let found = TABLE.iter().find(|(parts, meaning)| {
        fits(
            parts,
            matches!(
                meaning,
                Meaning::DiskFull | Meaning::TooLarge | Meaning::Damaged | Meaning::NoFiles | Meaning::NoTree
            ),
        )
    });
    found.map_or(Meaning::Unknown, |(_, meaning)| *meaning)
}

/// Reports whether a server that was asked to leave files out has said that it can't.
pub(super) fn is_unfiltered(stderr: &str) -> bool {
    stderr.contains("filtering not recognized by server")
}

/// Returns the part of what was said that may be shown: few short lines, printable, without secrets and user info.
pub(super) fn quotation(stderr: &str, secrets: &[&str]) -> Option<String> {
    let mut kept: Vec<String> = Vec::new();
    for line in stderr.split(['\n', '\r']) {
        let line = clean_line(line, secrets);
        if line.is_empty() || is_noise(&line) || kept.contains(&line) {
            continue;
        }
        kept.push(line);
        if kept.len() == LINES {
            break;
        }
    }
    (!kept.is_empty()).then(|| kept.join("\n"))
}

/// Reports whether a line is git's own advice or progress, which tells nobody anything about a server.
fn is_noise(line: &str) -> bool {
    let text = line.trim_start_matches("remote: ").trim();
    const STARTS: &[&str] = &[
        "Cloning into",
        "Please make sure you have the correct access rights",
        "and the repository exists",
        "Warning: Permanently added",
        "Counting objects:",
        "Compressing objects:",
        "Receiving objects:",
        "Resolving deltas:",
        "Enumerating objects:",
        "Total ",
        "hint:",
        "From ",
    ];
    text.is_empty()
        || text == "remote:"
        || text.chars().all(|c| matches!(c, '=' | '-' | '*' | '#' | '@' | ' '))
        || STARTS.iter().any(|start| text.starts_with(start))
}

fn clean_line(line: &str, secrets: &[&str]) -> String {
    let mut line = line.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() > 3) {
        line = line.replace(secret, "***");
    }
    let words: Vec<String> = line
        .chars()
        .map(|c| match c {
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fffd}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect::<String>()
        .split_whitespace()
        .map(clean_word)
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(LINE_CHARACTERS) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}

/// Takes user info and query out of a URL, and what looks like a credential by itself.
fn clean_word(word: &str) -> String {
    const TOKENS: &[&str] = &[
        "ghp_",
        "gho_",
        "ghs_",
        "ghu_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "gldt-",
        "glcbt-",
        "ATBB",
        "ATCTT3",
    ];
    let mut cleaned = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        cleaned.push_str(before);
        let end = after.find(['/', '\'', '"', '?', '#', ')', ']', '<', '>']).unwrap_or(after.len());
        let (authority, behind) = after.split_at(end);
        cleaned.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        rest = behind;
        if let Some(query) = rest.find('?') {
            let (path, tail) = rest.split_at(query);
            cleaned.push_str(path);
            rest = &tail[tail.find(['\'', '"']).unwrap_or(tail.len())..];
        }
    }
    cleaned.push_str(rest);
    for token in TOKENS {
        while let Some(at) = cleaned.find(token) {
            let end = cleaned[at..]
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
                .map_or(cleaned.len(), |length| at + length);
            cleaned.replace_range(at..end, "***");
        }
    }
    cleaned
}

#[cfg(test)]
mod tests;
