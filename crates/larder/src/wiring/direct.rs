//! From the configuration to version control: what git may do, whom it may ask, and who it is there.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use larder_direct::discover::Govcs;
use larder_direct::{Direct, DirectSettings, HostToken, Observer};
use larder_module::goproxy::{Entry, ProxyList};
use larder_module::pattern::Patterns;
use larder_upstream::{Credential, Credentials, Upstreams};
use url::Url;

use super::secret;
use crate::config::{Config, Environment, Origin, Problem, Proof};

/// The user name that forges accept beside a token: those that look at it want this one, the others any.
const TOKEN_USER: &str = "x-access-token";

/// Variables of Larder's own environment that git needs to behave as it does for the operator.
///
/// What makes it ask a person (`GIT_ASKPASS`, `DISPLAY`) or work on another repository (`GIT_DIR`) stays out.
const PASSED_ON: &[&str] = &[
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "GNUPGHOME",
    "KRB5CCNAME",
    "SSH_AUTH_SOCK",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_EXEC_PATH",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Numbered variables that belong to `GIT_CONFIG_COUNT`.
const PASSED_ON_NUMBERED: &[&str] = &["GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"];

/// Builds what stands behind `direct`.
pub(crate) fn version_control(
    config: &Config,
    environment: &Environment,
    mirrors: PathBuf,
    observer: Arc<dyn Observer>,
    upstreams: &Upstreams,
) -> Result<Arc<Direct>, Vec<Problem>> {
    let mut problems = Vec::new();
    let settings = settings(config, environment, mirrors, observer, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let wrong = |error| vec![Problem::new("git", Origin::Default, crate::commands::chain(&error))];
    Direct::new(settings, upstreams.clone()).map(Arc::new).map_err(wrong)
}

fn settings(
    config: &Config,
    environment: &Environment,
    mirrors: PathBuf,
    observer: Arc<dyn Observer>,
    problems: &mut Vec<Problem>,
) -> DirectSettings {
    let data = config.path("data").unwrap_or_default();
    DirectSettings {
        mirrors,
        staging: data.join("staging"),
        budget: config.size("git.mirrors"),
        repository_limit: config.size("git.repository"),
        program: config.path("git.program").unwrap_or_else(|| PathBuf::from("git")),
        processes: config.count("git.processes").max(1),
        network_deadline: config.duration("git.remote"),
        local_deadline: config.duration("git.local"),
        refs_freshness: config.duration("git.refs"),
        root_freshness: config.duration("git.roots"),
        repositories: config.repositories.iter().flat_map(|entry| entry.rules.clone()).collect(),
        listed_hosts: listed_hosts(config),
        insecure: Patterns::parse(config.go_setting("GOINSECURE")),
        govcs: govcs(config, problems),
        private: Patterns::parse(&config.private_patterns()),
        environment: passed_on(config, environment),
        certificate_authorities: config.list("upstream.ca").into_iter().map(PathBuf::from).collect(),
        // This very program, even if its file has been replaced meanwhile.
        guardian: vec!["/proc/self/exe".into(), "guard-git".into()],
        tokens: tokens(config, environment, problems),
        observer,
    }
}

fn govcs(config: &Config, problems: &mut Vec<Problem>) -> Govcs {
    Govcs::parse(config.go_setting("GOVCS")).unwrap_or_else(|error| {
        let origin =
            config.go.iter().find(|(name, _)| *name == "GOVCS").map(|(_, value)| value.origin.clone());
        problems.push(Problem::new("GOVCS", origin.unwrap_or(Origin::GoBuiltIn), error.to_string()));
        Govcs::default()
    })
}

/// Says that there is no git, if a chain needs one.
pub(crate) fn missing_git(config: &Config, environment: &Environment) -> Option<String> {
    let needs_git = |chain: &str| {
        let list = ProxyList::parse(chain);
        list.is_ok_and(|list| list.entries().iter().any(|entry| matches!(entry.entry, Entry::Direct)))
    };
    let program = config.path("git.program")?;
    let is_there = if program.components().count() > 1 {
        program.is_file()
    } else {
        let path = environment.non_empty("PATH").unwrap_or_default();
        std::env::split_paths(path).any(|folder| folder.join(&program).is_file())
    };
    (!is_there && config.routes.iter().any(|route| needs_git(&route.chain))).then(|| {
        format!(
            "there is no program {}: what only `direct` can fetch is answered with 502 until git is installed or git.program \
             names it",
            program.display()
        )
    })
}

/// Returns the hosts that may be at private addresses: those that a route names without a wildcard. Mappings add theirs.
///
/// The route that matches everything names none.
fn listed_hosts(config: &Config) -> Vec<String> {
    let patterns = config.routes.iter().flat_map(|route| route.patterns.split(','));
    let hosts = patterns.filter_map(|pattern| pattern.split('/').next());
    let is_name = |host: &&str| !host.is_empty() && !host.contains(['*', '?', '[', '\\']);
    let mut hosts: Vec<String> = hosts.filter(is_name).map(str::to_ascii_lowercase).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

fn passed_on(config: &Config, environment: &Environment) -> Vec<(OsString, OsString)> {
    let further = config.list("git.environment");
    let wanted = |name: &str| {
        PASSED_ON.contains(&name)
            || further.iter().any(|further| further == name)
            || PASSED_ON_NUMBERED.iter().any(|prefix| {
                name.strip_prefix(prefix)
                    .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            })
    };
    let chosen = environment.iter().filter(|(name, _)| wanted(name));
    chosen.map(|(name, value)| (name.into(), value.into())).collect()
}

/// Returns who Larder is towards forges that are asked over https.
///
/// git would read the user's own netrc file too, but sends what is in it only when it is asked to log in, and some forges tell strangers that
/// there is nothing. It also wouldn't find the file that `NETRC` names.
fn tokens(config: &Config, environment: &Environment, problems: &mut Vec<Problem>) -> Vec<HostToken> {
    let mut tokens = Vec::new();
    for entry in &config.credentials {
        let Ok(url) = Url::parse(&entry.url) else { continue };
        let (Some(host), "https") = (url.host_str(), url.scheme()) else { continue };
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let (user, source) = match &entry.proof {
            Proof::Password { user, secret } => (user.as_str(), secret),
            Proof::Token(source) => (TOKEN_USER, source),
            Proof::Certificate { .. } => continue,
        };
        match secret(source, environment) {
            Ok(secret) => tokens.push(HostToken { host, user: user.to_owned(), secret }),
            Err(what) => problems.push(Problem::new("credential", entry.origin.clone(), what)),
        }
    }
    if config.go_setting("GOAUTH") != "off" {
        let netrc = Credentials::new().with_netrc(&super::netrc(config, environment));
        for (host, credential) in netrc.netrc_logins() {
            let is_new = !tokens.iter().any(|token| token.host.eq_ignore_ascii_case(host));
            if let (Credential::Basic { user, password }, true) = (credential, is_new) {
                // git knows quotes in a netrc file, the go command doesn't.
                if [user, password].iter().any(|word| word.reveal().contains(['"', '\\'])) {
                    continue;
                }
                let (host, user) = (host.to_owned(), user.reveal().to_owned());
                tokens.push(HostToken { host, user, secret: password.clone() });
            }
        }
    }
    tokens
}
