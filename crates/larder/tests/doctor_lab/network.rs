//! Names, routes and connections.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;

use larder_testkit::lab::{Answer, Case, DnsAnswer, Ending, FORGE, Port};

use crate::{Scenario, one, scenario};

/// A download of one module through a proxy at this URL.
pub(crate) fn asks(case: &mut Case<'_>, url: &str) {
    case.checksums(&one());
    case.env("GOPROXY", url);
    case.download("example.com/ok@v1.0.0");
}

/// Puts something at a port of an address of its own, named by `host`; the same for all who want it.
pub(crate) fn something(case: &Case<'_>, host: &str, port: u16, what: &Port) -> Ipv4Addr {
    static KNOWN: Mutex<Option<HashMap<String, Ipv4Addr>>> = Mutex::new(None);
    let mut known = KNOWN.lock().expect("nobody panics holding it");
    *known.get_or_insert_default().entry(host.to_owned()).or_insert_with(|| {
        let address = case.lab().address();
        case.lab().dns.set(host, DnsAnswer::Addresses(vec![address]));
        what.clone().start(SocketAddr::from((address, port)));
        address
    })
}

/// Has the command run with another `/etc/resolv.conf`.
fn resolv_conf(case: &mut Case<'_>, text: &str) {
    case.write("resolv.conf", text);
    case.prelude = "mount --bind \"$CASE/home/resolv.conf\" \"$(readlink -f /etc/resolv.conf)\"".to_owned();
}

/// Has the command run with one more line in `/etc/hosts`.
fn hosts(case: &mut Case<'_>, line: &str) {
    case.write("hosts", &format!("127.0.0.1 localhost\n{line}\n"));
    case.prelude = "mount --bind \"$CASE/home/hosts\" \"$(readlink -f /etc/hosts)\"".to_owned();
}

/// Has the kernel treat a network in a way of its own, and names an address in it.
fn route(case: &Case<'_>, kind: &str, network: &str, host: &str, address: [u8; 4]) {
    case.shell(&format!("PATH=/usr/sbin:/sbin:$PATH ip route replace {kind} {network}"));
    case.lab().dns.set(host, DnsAnswer::Addresses(vec![address.into()]));
}

/// Forbids the system call `connect` to the command, as a container's profile can.
fn without_connect(case: &mut Case<'_>) {
    const SCRIPT: &str = "import ctypes, os, struct, sys\n\
        rules = [(0x20, 0, 0, 0), (0x15, 0, 1, 42), (6, 0, 0, 0x50001), (6, 0, 0, 0x7fff0000)]\n\
        code = b''.join(struct.pack('HBBI', *rule) for rule in rules)\n\
        buffer = ctypes.create_string_buffer(code)\n\
        program = struct.pack('HxxxxxxP', len(rules), ctypes.addressof(buffer))\n\
        prctl = ctypes.CDLL(None, use_errno=True).prctl\n\
        assert prctl(38, 1, 0, 0, 0) == 0\n\
        assert prctl(22, 2, ctypes.c_char_p(program), 0, 0) == 0\n\
        os.execvp(sys.argv[1], sys.argv[1:])\n";
    if !cfg!(target_arch = "x86_64") {
        case.skip("the filter of system calls is written for x86-64");
    }
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        case.skip("there is no python3 to set a filter of system calls");
    }
    case.write("deny.py", SCRIPT);
    case.prelude = "set -- python3 \"$CASE/home/deny.py\" \"$@\"".to_owned();
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("N01", "no-such-name", |case| {
        asks(case, "https://gone.example.com");
        case.prints(&["no such host"]);
    }),
    scenario("N01", "no-address", |case| {
        asks(case, "https://nodata.example.com");
        case.prints(&["no such host"]);
    }),
    scenario("N02", "servfail", |case| {
        asks(case, "https://servfail.example.com");
        case.prints(&["server misbehaving"]);
    }),
    scenario("N02", "refused", |case| {
        asks(case, "https://refused.example.com");
        case.prints(&["server misbehaving"]);
    }),
    scenario("N03", "silent-name", |case| {
        asks(case, "https://silent.example.com");
        case.prints(&["i/o timeout"]);
    }),
    scenario("N04", "empty-resolv-conf", |case| {
        asks(case, "https://proxy.example.com/x");
        resolv_conf(case, "");
        case.prints(&["connection refused"]);
    }),
    scenario("N04", "stub-down", |case| {
        asks(case, "https://proxy.example.com/x");
        resolv_conf(case, "nameserver 127.0.0.54\n");
        case.prints(&["127.0.0.54:53: read: connection refused"]);
    }),
    scenario("N04", "no-way-to-it", |case| {
        asks(case, "https://proxy.example.com/x");
        resolv_conf(case, "nameserver 203.0.113.53\n");
        case.prints(&["connect: network is unreachable"]);
    }),
    scenario("N05", "hosts-line", |case| {
        let url = case.proxy(&one());
        asks(case, &url.replace("proxy.example.com", "mirror.example.com"));
        hosts(case, &format!("{FORGE} mirror.example.com"));
        case.prints(&["certificate is valid for"]);
        case.log_may_say = vec!["N13"];
    }),
    scenario("N05", "poisoned-answer", |case| {
        case.lab().dns.set("poisoned.example.com", DnsAnswer::Addresses(vec![Ipv4Addr::LOCALHOST]));
        asks(case, "https://poisoned.example.com");
        case.prints(&["dial tcp 127.0.0.1:443: connect: connection refused"]);
    }),
    scenario("N05", "search-domain", |case| {
        case.lab().dns.set("*.wild.example.net", DnsAnswer::Addresses(vec![FORGE]));
        asks(case, "https://goproxy/x");
        resolv_conf(case, "nameserver 192.0.2.53\nsearch wild.example.net\n");
        case.prints(&["certificate is valid for"]);
        case.log_may_say = vec!["N13"];
    }),
    scenario("N06", "no-default-route", |case| {
        asks(case, "https://abroad.example.com");
        case.prints(&["connect: network is unreachable"]);
    }),
    scenario("N06", "only-ipv6", |case| {
        let six: Ipv6Addr = "2001:db8::7".parse().expect("an address");
        case.lab().dns.set("six.example.com", DnsAnswer::Addresses6(vec![six]));
        asks(case, "https://six.example.com");
        case.prints(&["[2001:db8::7]:443: connect: "]);
    }),
    scenario("N06", "unreachable", |case| {
        route(case, "unreachable", "198.51.100.0/26", "unreachable.example.com", [198, 51, 100, 1]);
        asks(case, "https://unreachable.example.com");
        case.prints(&["connect: no route to host"]);
    }),
    scenario("N06", "prohibited", |case| {
        route(case, "prohibit", "198.51.100.64/26", "prohibited.example.com", [198, 51, 100, 65]);
        asks(case, "https://prohibited.example.com");
        case.prints(&["connect: permission denied"]);
        case.log_may_say = vec!["N27"];
    }),
    scenario("N06", "blackhole", |case| {
        route(case, "blackhole", "198.51.100.128/26", "blackhole.example.com", [198, 51, 100, 129]);
        asks(case, "https://blackhole.example.com");
        case.prints(&["connect: invalid argument"]);
    }),
    scenario("N07", "dropped", |case| {
        something(case, "dropped.example.com", 443, &Port::Full);
        asks(case, "https://dropped.example.com");
        case.prints(&["i/o timeout"]);
    }),
    scenario("N09", "wrong-port", |case| {
        asks(case, "http://proxy.example.com:9");
        case.prints(&["connect: connection refused"]);
    }),
    scenario("N09", "own-machine", |case| {
        asks(case, "http://localhost:3999");
        case.prints(&["connect: connection refused"]);
    }),
    scenario("N26", "zip-never-comes", |case| {
        case.broken_proxy(&one(), |request| request.path.ends_with(".zip").then_some(Answer::Silence));
        case.download("example.com/ok@v1.0.0");
        case.ending = Ending::Hangs;
        case.limit = std::time::Duration::from_secs(15);
        case.silent_log = true;
    }),
    scenario("N26", "half-a-zip", |case| {
        let served = one();
        case.broken_proxy(&one(), move |request| {
            let answer = || Answer::Stall(served.answer(&request.path), 60);
            request.path.ends_with(".zip").then(answer)
        });
        case.download("example.com/ok@v1.0.0");
        case.ending = Ending::Hangs;
        case.limit = std::time::Duration::from_secs(15);
        case.silent_log = true;
    }),
    scenario("N27", "connect-forbidden", |case| {
        asks(case, "https://192.0.2.10/x");
        without_connect(case);
        case.prints(&["operation not permitted"]);
    }),
    scenario("N27", "descriptors", |case| {
        case.proxy(&one());
        case.download("example.com/ok@v1.0.0");
        // Older ones get by with fewer.
        case.needs_go(26, 99);
        case.prelude = "ulimit -n 11".to_owned();
        case.prints(&["too many open files", "epollcreate failed with 24", "errno=24"]);
        case.no_live = Some("the doctor runs out of descriptors as well");
    }),
    scenario("N28", "zip-breaks-off", |case| {
        let served = one();
        case.broken_proxy(&one(), move |request| {
            let answer = || Answer::Cut(served.answer(&request.path), 60);
            request.path.ends_with(".zip").then(answer)
        });
        case.download("example.com/ok@v1.0.0");
        case.prints(&["unexpected EOF"]);
    }),
];
