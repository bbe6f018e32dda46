//! From the configuration to the parts that serve: upstreams, routes, checksum databases, listener.

mod direct;
mod works;

use std::path::Path;
use std::time::Duration;

use larder_cache::checksum::{ChecksumSettings, Gosumdb};
use larder_cache::{EngineSettings, PrefetchSettings, WallClock};
use larder_module::goproxy::ProxyList;
use larder_module::pattern::Patterns;
use larder_server::{BasePath, IpPrefixes, Limits as ServerLimits, ServerSettings, TlsFiles};
use larder_upstream::{
    ClientIdentity, Credential, Credentials, ForwardProxy, ForwardProxySettings, Origin as UrlOrigin,
    Prefetch, Route, Routes, Secret, TlsSettings, UpstreamSettings, Upstreams, VerifyMode,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;

pub(crate) use direct::{missing_git, version_control};
pub(crate) use works::{Works, WorksSettings};

use crate::clock;
use crate::config::{Config, Environment, Origin, Problem, Proof, RouteSetting, SecretSource};

/// Descriptors that are kept for the store, the log and upstreams when connections take the rest.
const CONNECTION_SHARE: (u64, u64) = (4, 5);
/// The part of all descriptors that open objects may hold: a twentieth.
const OPEN_FILES_SHARE: u64 = 20;

/// Builds what asks upstreams.
pub(crate) fn upstreams(config: &Config, environment: &Environment) -> Result<Upstreams, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut settings = UpstreamSettings::default();
    settings.timeouts.connect = config.duration("limits.connect");
    settings.timeouts.first_byte = config.duration("limits.first_byte");
    settings.timeouts.zip_first_byte = config.duration("limits.first_byte_zip");
    settings.timeouts.between_bytes = config.duration("limits.between_bytes");
    settings.limits.list = config.size("limits.list");
    settings.limits.info = config.size("limits.info");
    settings.limits.go_mod = config.size("limits.mod");
    settings.limits.zip = config.size("limits.zip");
    settings.retries.attempts =
        u32::try_from(config.count("upstream.retries")).unwrap_or(u32::MAX).saturating_add(1);
    settings.retries.longest_retry_after = config.duration("limits.retry_after");
    settings.concurrency.in_flight = config.count("upstream.connections").max(1);
    settings.concurrency.ahead = config.count("prefetch.host").max(1);
    settings.forward_proxy = forward_proxy(environment);
    settings.credentials = Credentials::new();
    if config.go_setting("GOAUTH") != "off" {
        settings.credentials = Credentials::new().with_netrc(&netrc(config, environment));
    }
    settings.tls = TlsSettings { extra_roots: extra_roots(config, &mut problems), ..TlsSettings::default() };
    add_credentials(config, environment, &mut settings, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    Upstreams::new(settings)
        .map_err(|error| vec![Problem::new("upstream", Origin::Default, crate::commands::chain(&error))])
}

/// Builds the routes; the last one is the fallback.
pub(crate) fn routes(config: &Config, upstreams: &Upstreams) -> Result<Routes, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut routes: Vec<Route> =
        config.routes.iter().filter_map(|setting| route(setting, upstreams, &mut problems)).collect();
    match routes.pop() {
        Some(fallback) if problems.is_empty() => Ok(Routes::new(routes, fallback)),
        _ => Err(problems),
    }
}

fn route(setting: &RouteSetting, upstreams: &Upstreams, problems: &mut Vec<Problem>) -> Option<Route> {
    let mut wrong = |what: String| problems.push(Problem::new("chain", setting.origin.clone(), what));
    let list = ProxyList::parse(&setting.chain).map_err(|error| wrong(error.to_string())).ok()?;
    let chain = if setting.private { upstreams.private_chain(&list) } else { upstreams.chain(&list) };
    let chain = chain.map_err(|error| wrong(crate::commands::chain(&error))).ok()?;
    let verify = match setting.verify.as_str() {
        "when-reachable" => VerifyMode::WhenReachable,
        "off" => VerifyMode::Off,
        _ => VerifyMode::Required,
    };
    let prefetch = match setting.prefetch.as_str() {
        "off" => Prefetch::Off,
        "mods" => Prefetch::Mods,
        _ => Prefetch::Full,
    };
    let patterns = Patterns::parse(&setting.patterns);
    Some(Route {
        name: setting.patterns.clone(),
        patterns,
        chain,
        private: setting.private,
        verify,
        prefetch,
    })
}

/// A version may be published at any moment, so "not known" is never believed for longer.
const UNKNOWN_AT_MOST: Duration = Duration::from_secs(60);

/// Reads the checksum database settings.
pub(crate) fn checksums(config: &Config) -> Result<ChecksumSettings, Vec<Problem>> {
    let database = match Gosumdb::parse(config.text("gosumdb")) {
        Ok(Gosumdb::Off) => None,
        Ok(Gosumdb::Database(address)) => Some(address),
        Err(error) => {
            let origin = config.origin("gosumdb");
            return Err(vec![Problem::new("gosumdb", origin, crate::commands::chain(&error))]);
        }
    };
    let mut settings = ChecksumSettings::new(database);
    settings.skip = Patterns::parse(config.text("gonosumdb"));
    settings.private = Patterns::parse(&config.private_patterns());
    settings.status_budget = config.duration("limits.client_wait");
    settings.unknown_freshness = config.duration("answers.negative").min(UNKNOWN_AT_MOST);
    Ok(settings)
}

/// Builds the engine's settings; `descriptors` is the process's limit.
pub(crate) fn engine(config: &Config, descriptors: u64) -> EngineSettings {
    let mut settings = EngineSettings::new(WallClock::new(clock::wall));
    settings.answer_freshness = config.duration("answers.fresh");
    settings.absence_freshness = config.duration("answers.negative");
    settings.status_budget = config.duration("limits.client_wait");
    settings.memory_bytes = config.size("memory");
    settings.fetches = config.count("limits.fetches").max(1);
    settings.prefetch = PrefetchSettings {
        requests: config.count("prefetch.requests"),
        upstream_requests: config.count("prefetch.host"),
        bytes: config.size("prefetch.bytes"),
        upstream_bytes: config.size("prefetch.host_bytes"),
        unused_bytes: config.size("prefetch.unused"),
        unused_age: config.duration("prefetch.age"),
    };
    // Connections, upstream sockets and the index take the rest.
    let share = usize::try_from(descriptors / OPEN_FILES_SHARE).unwrap_or(usize::MAX);
    settings.open_files = settings.open_files.min(share.max(16));
    settings
}

/// Builds the listener's settings; `descriptors` is the process's limit.
pub(crate) fn server(config: &Config, descriptors: u64) -> ServerSettings {
    let defaults = ServerLimits::default();
    let connections = match config.count("server.connections") {
        0 => usize::try_from(descriptors / CONNECTION_SHARE.1 * CONNECTION_SHARE.0).unwrap_or(usize::MAX),
        count => count,
    };
    let limits = ServerLimits {
        connections,
        head_timeout: config.duration("server.head"),
        idle_timeout: config.duration("server.idle"),
        write_window: config.duration("server.write"),
        drain: config.duration("server.drain"),
        ..defaults
    };
    let tls = config.path("tls.certificate").zip(config.path("tls.key"));
    ServerSettings {
        listen: config.listen().to_string(),
        base_path: config.text("base_path").parse::<BasePath>().unwrap_or_default(),
        tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
        limits,
        trusted_proxies: config.text("trusted_proxies").parse::<IpPrefixes>().unwrap_or_default(),
        private_clients: config.text("private_clients").parse::<IpPrefixes>().unwrap_or_default(),
        answer_lifetime: config.duration("answers.fresh").min(Duration::from_secs(3600)),
    }
}

fn forward_proxy(environment: &Environment) -> ForwardProxy {
    let either = |upper, lower| {
        environment.non_empty(upper).or_else(|| environment.non_empty(lower)).unwrap_or_default()
    };
    ForwardProxy::new(&ForwardProxySettings {
        http: either("HTTP_PROXY", "http_proxy").to_owned(),
        https: either("HTTPS_PROXY", "https_proxy").to_owned(),
        none: either("NO_PROXY", "no_proxy").to_owned(),
    })
}

/// Reads the netrc file that the go command would read; none is no error.
fn netrc(config: &Config, environment: &Environment) -> String {
    let named = config.go_setting("NETRC");
    let path = if named.is_empty() {
        environment.home().map(|home| home.join(".netrc"))
    } else {
        Some(named.into())
    };
    path.and_then(|path| fs_err::read_to_string(path).ok()).unwrap_or_default()
}

fn extra_roots(config: &Config, problems: &mut Vec<Problem>) -> Vec<CertificateDer<'static>> {
    let mut roots = Vec::new();
    for path in config.list("upstream.ca") {
        match certificates(Path::new(&path)) {
            Ok(found) => roots.extend(found),
            Err(what) => problems.push(Problem::new("upstream.ca", config.origin("upstream.ca"), what)),
        }
    }
    roots
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = fs_err::read(path).map_err(|error| error.to_string())?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!("{} holds no certificate in PEM form", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn add_credentials(
    config: &Config,
    environment: &Environment,
    settings: &mut UpstreamSettings,
    problems: &mut Vec<Problem>,
) {
    for entry in &config.credentials {
        let mut wrong = |what: String| problems.push(Problem::new("credential", entry.origin.clone(), what));
        let Some(origin) = Url::parse(&entry.url).ok().and_then(|url| UrlOrigin::of_url(&url)) else {
            wrong(format!("{} is not the URL of a host", entry.url));
            continue;
        };
        let credential = match &entry.proof {
            Proof::Password { user, secret: source } => secret(source, environment)
                .map(|password| Credential::Basic { user: Secret::new(user.as_str()), password }),
            Proof::Token(source) => secret(source, environment).map(Credential::Bearer),
            Proof::Certificate { chain, key } => match identity(origin.clone(), chain, key) {
                Ok(identity) => {
                    settings.tls.identities.push(identity);
                    continue;
                }
                Err(what) => Err(what),
            },
        };
        match credential {
            Ok(credential) if !credential.is_sendable() => {
                wrong("the secret holds characters that can't be sent, such as a line break".to_owned());
            }
            Ok(credential) => {
                settings.credentials =
                    std::mem::take(&mut settings.credentials).with_configured(origin, credential);
            }
            Err(what) => wrong(what),
        }
    }
}

/// Reads a secret; the error names its place, never its content.
fn secret(source: &SecretSource, environment: &Environment) -> Result<Secret, String> {
    match source {
        SecretSource::File(path) => {
            let text = fs_err::read_to_string(path).map_err(|error| error.to_string())?;
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() { Err(format!("{} is empty", path.display())) } else { Ok(Secret::new(text)) }
        }
        SecretSource::Environment(name) => environment
            .non_empty(name)
            .map(Secret::new)
            .ok_or_else(|| format!("the variable {name} is not set")),
    }
}

fn identity(origin: UrlOrigin, chain: &Path, key: &Path) -> Result<ClientIdentity, String> {
    let chain = certificates(chain)?;
    let pem = fs_err::read(key).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| format!("{}: {error}", key.display()))?;
    Ok(ClientIdentity { origins: vec![origin], chain, key })
}
