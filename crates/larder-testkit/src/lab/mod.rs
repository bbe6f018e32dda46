//! A world in which every module download fails, each in its own way: for the doctor's tests.
//!
//! It lies in a namespace of the test's own ([`enter`]): a network without a way out, whose documentation addresses
//! (192.0.2.0/24) all belong to this machine, with a name server, web servers in the clear and over TLS with good and bad
//! certificates, forward proxies, ports that are out of order, and a forge. Addresses other than loopback are wanted, because
//! go asks no forward proxy about loopback, and because logs made here should look like logs of real people.
//!
//! A [`Case`] is one failure in it: somebody's home with project, module cache and environment, and the command that fails.

mod case;
mod dns;
mod forward_proxy;
mod go_client;
mod raw;
mod web;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

pub use case::{Case, Ending, Run};
pub use dns::{DnsAnswer, DnsServer};
pub use forward_proxy::ForwardProxy;
pub use go_client::GoClient;
pub use raw::Port;
pub use web::{Answer, Request, Site, WebServer};

use crate::GitServer;
use crate::certificates::{Authority, Leaf};
use crate::{namespace, settings};

/// Where the name server is.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// Where the web server is: ports 80, 443, and 8443 with TLS too.
pub const WEB: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// Where the forge is.
pub const FORGE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 40);
/// Where the forward proxies are.
pub const FORWARD: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 30);
/// An address of the world outside: nothing leads there.
pub const ABROAD: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// The hosts of the web server, with certificates as they should be.
const WEB_HOSTS: &[&str] = &[
    "proxy.example.com",
    "goproxy.corp.example",
    "mirror.example.com",
    "sum.example.com",
    "example.com",
    "vanity.example",
    "example.org",
    "intranet.corp.example",
    "other.example.com",
];
/// The hosts of the forge.
const FORGE_HOSTS: &[&str] = &["git.corp.example", "github.com", "gitlab.corp.example"];
/// What the forward proxies do, by port.
const FORWARD_PROXIES: &[(u16, &str)] = &[
    (3128, ""),
    (3129, "login"),
    (3130, "403 Forbidden"),
    (3131, "502 Bad Gateway"),
    (3132, "503 Service Unavailable"),
    (3133, "504 Gateway Timeout"),
];

/// The world.
pub struct Lab {
    /// Names.
    pub dns: DnsServer,
    /// Web sites.
    pub web: WebServer,
    /// Git repositories.
    pub forge: GitServer,
    /// Who signed the good certificates.
    pub authority: Authority,
    folder: TempDir,
    next: AtomicUsize,
}

impl fmt::Debug for Lab {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Lab")
    }
}

/// Reports whether the calling test runs inside the lab's namespace; when it doesn't, runs it inside, as
/// [`namespace::inside`].
pub fn enter(test: &str) -> bool {
    namespace::inside(test, &[])
}

impl Lab {
    /// Sets the world up, inside its namespace.
    ///
    /// # Panics
    ///
    /// When the namespace refuses something, which it doesn't once it could be entered.
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("larder-lab-").expect("a temporary folder");
        // Other users of the case's folders come through here.
        shell("chmod 755 \"$1\" && ip address add 192.0.2.1/24 dev lo", folder.path());
        let resolv = folder.path().join("resolv.conf");
        fs_err::write(&resolv, format!("nameserver {RESOLVER}\noptions timeout:1 attempts:1\n"))
            .expect("a temporary folder");
        shell(
            "real=$(readlink -f /etc/resolv.conf) && mkdir -p \"${real%/*}\" && { [ -e \"$real\" ] || touch \"$real\"; } && mount --bind \"$1\" \"$real\"",
            &resolv,
        );
        let dns = DnsServer::start(SocketAddr::from((RESOLVER, 53)));
        let web = WebServer::default();
        let authority = Authority::new("Lab Root CA");
        let public = [public_proxy_host(), public_sumdb_host()];
        let web_hosts: Vec<&str> = WEB_HOSTS.iter().copied().chain(public).collect();
        for (hosts, address) in
            [(&web_hosts[..], WEB), (FORGE_HOSTS, FORGE), (&["squid.corp.example"], FORWARD)]
        {
            for host in hosts {
                dns.set(host, DnsAnswer::Addresses(vec![address]));
            }
        }
        dns.set("abroad.example.com", DnsAnswer::Addresses(vec![ABROAD]));
        dns.set("nodata.example.com", DnsAnswer::NoData);
        dns.set("servfail.example.com", DnsAnswer::Error(2));
        dns.set("refused.example.com", DnsAnswer::Error(5));
        dns.set("silent.example.com", DnsAnswer::Silence);
        let names: Vec<String> = web_hosts.iter().map(|host| (*host).to_owned()).collect();
        web.certificate("", authority.identity(&Leaf::of(&names)).certified());
        bad_certificates(&web, &dns, &authority);
        for port in [80, 8080] {
            web.listen(SocketAddr::from((WEB, port)));
        }
        for port in [443, 8443] {
            web.listen_tls(SocketAddr::from((WEB, port)));
        }
        for (port, what) in FORWARD_PROXIES {
            let proxy = match *what {
                "" => ForwardProxy::Open,
                "login" => ForwardProxy::Login("dev:secret".to_owned()),
                status => ForwardProxy::Refuses(status.to_owned()),
            };
            proxy.start(SocketAddr::from((FORWARD, *port)));
        }
        let forge = GitServer::start_on(FORGE, (443, 80), FORGE_HOSTS, &authority);
        authority.write(&folder.path().join("ca.pem"));
        fs_err::create_dir_all(folder.path().join("certificates")).expect("a temporary folder");
        Self { dns, web, forge, authority, folder, next: AtomicUsize::new(1) }
    }

    /// Returns the file with the certificate of [`Lab::authority`].
    pub fn authority_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Returns a folder of the lab.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a number that nobody else has.
    pub fn number(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns an address that nobody else has: 192.0.2.100 and on.
    ///
    /// # Panics
    ///
    /// When there are no more.
    pub fn address(&self) -> Ipv4Addr {
        static NEXT: AtomicUsize = AtomicUsize::new(100);
        let last = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(last < 255, "the lab has no more addresses");
        Ipv4Addr::new(192, 0, 2, u8::try_from(last).expect("checked"))
    }

    /// Begins a failure.
    pub fn case<'a>(&'a self, client: &'a GoClient) -> Case<'a> {
        Case::new(self, client)
    }
}

/// Returns the host of the public proxy, which in here serves what the lab says.
pub fn public_proxy_host() -> &'static str {
    let url = larder_module::defaults::GOPROXY.split(',').next().unwrap_or_default();
    url.trim_start_matches("https://")
}

/// Returns the host of the public checksum database, which in here serves what the lab says.
pub const fn public_sumdb_host() -> &'static str {
    larder_module::defaults::GOSUMDB
}

/// Certificates with one fault each, at hosts of their own on the same web server.
fn bad_certificates(web: &WebServer, dns: &DnsServer, authority: &Authority) {
    let named = |host: &str| Leaf::of(&[host.to_owned()]);
    let stranger = Authority::new("Example Corp Internal CA");
    let (intermediate, its_certificate) = authority.intermediate("Lab Issuing CA");
    let leaf_only = named("leaf-only.example.com").issuer_url("http://pki.example.com/issuing.crt");
    let issuing = its_certificate.to_vec();
    web.site("pki.example.com/issuing.crt", move |_| {
        crate::upstream::Reply::ok("application/pkix-cert", issuing.clone()).into()
    });
    dns.set("pki.example.com", DnsAnswer::Addresses(vec![WEB]));
    let inspector = Authority::new("Example Corp TLS Inspection CA");
    let twins = [
        ("self-signed.example.com", named("self-signed.example.com").self_signed()),
        ("private-ca.example.com", stranger.identity(&named("private-ca.example.com"))),
        ("leaf-only.example.com", intermediate.identity(&leaf_only)),
        (
            "whole-chain.example.com",
            intermediate.identity(&named("whole-chain.example.com")).with(its_certificate),
        ),
        ("inspected.example.com", inspector.identity(&named("inspected.example.com"))),
        ("inspected.example.org", inspector.identity(&named("inspected.example.org"))),
        ("wrong-name.example.com", authority.identity(&named("www.example.net"))),
        ("common-name.example.com", authority.identity(&Leaf::common_name_only("common-name.example.com"))),
        ("expired.example.com", authority.identity(&named("expired.example.com").years(2020, 2021))),
        ("not-yet.example.com", authority.identity(&named("not-yet.example.com").years(2090, 2091))),
    ];
    for (host, identity) in twins {
        dns.set(host, DnsAnswer::Addresses(vec![WEB]));
        web.certificate(host, identity.certified());
    }
}

fn shell(script: &str, argument: &Path) {
    let output =
        Command::new("sh").args(["-c", script, "sh"]).arg(argument).output().expect("there is a shell");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Reports whether the lab's root may become other users: not where the namespace knows only one.
pub fn may_change_user() -> bool {
    let map = fs_err::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace()
        .nth(2)
        .and_then(|count| count.parse::<u64>().ok())
        .is_some_and(|count| count > 65_534)
}

/// Returns the go commands to try: the machine's, and those whose roots `LARDER_GO_CLIENTS` lists.
pub fn clients() -> Vec<GoClient> {
    let more = settings::machine("LARDER_GO_CLIENTS").unwrap_or_default();
    let roots: Vec<PathBuf> =
        std::env::split_paths(&more).filter(|path| !path.as_os_str().is_empty()).collect();
    GoClient::machine().into_iter().chain(roots.iter().filter_map(|root| GoClient::at(root))).collect()
}
