//! What decides how this process reaches others: forward proxies, resolv.conf, hosts, certificate authorities.

use std::net::IpAddr;

use larder_upstream::{ForwardProxy, ForwardProxySettings};

use super::NetworkSettings;
use crate::System;

const PROXY_VARIABLES: &[&str] = &[
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
    "REQUEST_METHOD",
];

/// Where Go looks for certificates of authorities on Linux, in its order; the first file that can be read counts.
pub(crate) const AUTHORITY_FILES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Folders whose certificates count too.
pub(crate) const AUTHORITY_FOLDERS: &str = "/etc/ssl/certs:/etc/pki/tls/certs";

impl NetworkSettings {
    /// Returns the rule by which requests go through a forward proxy, as Go's HTTP client reads the variables.
    ///
    /// In a CGI program Go does not use `HTTP_PROXY`, which a client's header could set there.
    #[must_use]
    pub fn forward_proxy(&self) -> ForwardProxy {
        let value = |names: [&str; 2]| {
            let found =
                names.iter().find_map(|name| self.proxy_variables.iter().find(|(known, _)| known == name));
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let in_cgi = self.proxy_variables.iter().any(|(name, _)| name == "REQUEST_METHOD");
        ForwardProxy::new(&ForwardProxySettings {
            http: if in_cgi { String::new() } else { value(["HTTP_PROXY", "http_proxy"]) },
            https: value(["HTTPS_PROXY", "https_proxy"]),
            none: value(["NO_PROXY", "no_proxy"]),
        })
    }
}

/// Reads all of it; of the hosts file, the lines for hosts that `lists` name.
pub(super) fn read(system: &System, lists: [&str; 2]) -> NetworkSettings {
    let mut found = NetworkSettings {
        proxy_variables: PROXY_VARIABLES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), system.variable(name)?.to_owned())))
            .collect(),
        container: container(system),
        ..NetworkSettings::default()
    };
    let text = fs_err::read_to_string(system.path("/etc/resolv.conf")).unwrap_or_default();
    read_resolv_conf(&text, &mut found);
    let mut names: Vec<String> = lists.iter().flat_map(|list| hosts_of(list)).collect();
    names.extend(found.proxy_variables.iter().flat_map(|(_, value)| hosts_of(value)));
    let text = fs_err::read_to_string(system.path("/etc/hosts")).unwrap_or_default();
    found.hosts = read_hosts(&text, &names);
    (found.certificate_authorities, found.authorities) = authorities(system);
    found
}

fn read_resolv_conf(text: &str, found: &mut NetworkSettings) {
    for line in text.lines().map(|line| line.split(['#', ';']).next().unwrap_or_default()) {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                let address = words.next().and_then(|word| word.split('%').next()?.parse().ok());
                found.name_servers.extend::<Option<IpAddr>>(address);
            }
            Some("search") => found.search = words.map(str::to_owned).collect(),
            Some("domain") => found.search = words.take(1).map(str::to_owned).collect(),
            _ => continue,
        }
        found.has_resolv_conf = true;
    }
}

fn read_hosts(text: &str, names: &[String]) -> Vec<(String, IpAddr)> {
    let mut found = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        let mut words = line.split_whitespace();
        let Some(address) = words.next().and_then(|word| word.split('%').next()?.parse().ok()) else {
            continue;
        };
        let wanted = words.filter(|name| names.iter().any(|known| known.eq_ignore_ascii_case(name)));
        found.extend(wanted.map(|name| (name.to_ascii_lowercase(), address)));
    }
    found
}

/// Returns the names of hosts in a list of URLs.
fn hosts_of(list: &str) -> Vec<String> {
    list.split([',', '|', ' ', '\t'])
        .map(|entry| entry.split_once("://").map_or(entry, |(_, rest)| rest))
        .filter_map(|entry| entry.split(['/', '?', '#']).next())
        .map(|authority| authority.rsplit_once('@').map_or(authority, |(_, host)| host))
        .map(|host| host.split(['+', ':']).next().unwrap_or_default().to_owned())
        .filter(|host| host.contains('.'))
        .collect()
}

/// Returns the place of certificates and how many there are, as Go's `crypto/x509` looks for them.
fn authorities(system: &System) -> (Option<String>, usize) {
    let count = |text: &str| text.matches("-----BEGIN CERTIFICATE-----").count();
    let files: Vec<&str> =
        system.variable("SSL_CERT_FILE").map_or_else(|| AUTHORITY_FILES.to_vec(), |file| vec![file]);
    let read = files.iter().find_map(|file| Some((*file, fs_err::read_to_string(system.path(file)).ok()?)));
    let in_file = read.as_ref().map_or(0, |(_, text)| count(text));
    if in_file > 0 {
        return (read.map(|(file, _)| file.to_owned()), in_file);
    }
    for folder in system.variable("SSL_CERT_DIR").unwrap_or(AUTHORITY_FOLDERS).split(':') {
        let Ok(entries) = fs_err::read_dir(system.path(folder)) else { continue };
        let texts = entries.flatten().filter_map(|entry| fs_err::read_to_string(entry.path()).ok());
        let in_folder: usize = texts.map(|text| count(&text)).sum();
        if in_folder > 0 {
            return (Some(folder.to_owned()), in_folder);
        }
    }
    (None, 0)
}

fn container(system: &System) -> Option<String> {
    for file in ["/.dockerenv", "/run/.containerenv"] {
        if system.path(file).exists() {
            return Some(file.to_owned());
        }
    }
    if system.variable("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("KUBERNETES_SERVICE_HOST".to_owned());
    }
    let groups = fs_err::read_to_string(system.path("/proc/1/cgroup")).unwrap_or_default();
    let known = ["docker", "kubepods", "containerd", "lxc"];
    known.iter().any(|word| groups.contains(word)).then(|| "/proc/1/cgroup".to_owned())
}

/// Returns a text with the logins of all its URLs left out.
#[must_use]
pub fn without_login(text: &str) -> String {
    with_logins_as(text, "")
}

/// Returns a text with the logins of all its URLs, their `@` included, replaced.
#[must_use]
pub fn with_logins_as(text: &str, replacement: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (before, after) = rest.split_at(scheme + 3);
        out.push_str(before);
        let authority = after.find(['/', ',', '|', '?', ' ']).unwrap_or(after.len());
        rest = match after[..authority].rfind('@') {
            Some(at) => {
                out.push_str(replacement);
                &after[at + 1..]
            }
            None => after,
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_and_hosts() {
        let mut found = NetworkSettings::default();
        read_resolv_conf(
            "# x\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nsearch a b\noptions edns0\n",
            &mut found,
        );
        assert_eq!(found.name_servers.len(), 2);
        assert_eq!(found.search, ["a", "b"]);
        assert!(found.has_resolv_conf);
        let names = hosts_of("https://u:p@proxy.example.com:8443/go,direct|git.corp.example");
        assert_eq!(names, ["proxy.example.com", "git.corp.example"]);
        let hosts = read_hosts("127.0.0.1 localhost\n10.0.0.9 Proxy.example.com # old\n", &names);
        assert_eq!(hosts, [("proxy.example.com".to_owned(), "10.0.0.9".parse().expect("an address"))]);
    }

    #[test]
    fn logins_are_left_out() {
        let text = "https://ci:hunter2@proxy.example.com/go|http://tok@b.example.com,direct a@b";
        assert_eq!(without_login(text), "https://proxy.example.com/go|http://b.example.com,direct a@b");
    }
}
