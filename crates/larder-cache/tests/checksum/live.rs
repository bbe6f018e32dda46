//! The real checksum database, reached as this machine reaches it. Only with `LARDER_LIVE=1`.

use bytes::Bytes;
use larder_cache::checksum::{ChecksumDatabases, ChecksumSettings, DatabaseAddress, Verdict, What};
use larder_module::{defaults, dirhash::H1, version::ModuleVersion};
use larder_testkit::{Rng, settings};
use larder_upstream::{ForwardProxy, ForwardProxySettings, UpstreamSettings, Upstreams};
use tokio::time::Instant;

use crate::{
    client::Client,
    stage::{PATIENCE, chain_of, get, open_store, upstreams},
};

/// A go.sum that the real go command wrote.
const GO_SUM: &str = include_str!("../../../larder-testkit/oracle/go.sum");

fn upstreams_of_the_machine() -> Upstreams {
    let variable = |name: &str| settings::machine(name).unwrap_or_default();
    let forward = ForwardProxySettings {
        http: variable("HTTP_PROXY"),
        https: variable("HTTPS_PROXY"),
        ..ForwardProxySettings::default()
    };
    let settings =
        UpstreamSettings { forward_proxy: ForwardProxy::new(&forward), ..UpstreamSettings::default() };
    Upstreams::new(settings).expect("upstreams")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_database_is_verified_copied_and_served() {
    if !settings::live() {
        return settings::skipped("the real checksum database", "LARDER_LIVE is not set");
    }
    let goproxy = settings::machine("GOPROXY").unwrap_or_else(|| defaults::GOPROXY.to_owned());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (address, machine) = (DatabaseAddress::public(), upstreams_of_the_machine());
    let service = ChecksumSettings::new(Some(address.clone()));
    let databases = ChecksumDatabases::new(service.clone(), &open_store(&folder, None), &machine);
    let chain = chain_of(&machine, &goproxy);
    let began = Instant::now();
    let mut all = Vec::new();
    for line in GO_SUM.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [module, version, hash] = words[..] else { panic!("{line}") };
        let (version, what) =
            version.strip_suffix("/go.mod").map_or((version, What::Zip), |v| (v, What::Mod));
        let (of, hash): (_, H1) = (ModuleVersion::parse(module, version).unwrap(), hash.parse().unwrap());
        let verdict = databases.verify(&of, what, &hash, &chain, Instant::now() + PATIENCE).await;
        assert_eq!(verdict.unwrap(), Verdict::Match, "{line}");
        all.push(of);
    }
    println!("{} lines of go.sum: {:?}", all.len(), began.elapsed());
    databases.flush().await;
    let blocked = upstreams();
    let copy = ChecksumDatabases::new(service, &open_store(&folder, None), &blocked);
    let nobody = chain_of(&blocked, "off");
    let mut rng = Rng::new(settings::seed(1));
    for _ in 0..20 {
        rng.shuffle(&mut all);
        let (copy, nobody, name) = (&copy, &nobody, address.name());
        let mut client = Client::new(&address.verifier().to_string(), |path: String| async move {
            get(copy, nobody, &format!("sumdb/{name}{path}"), false).await.ok()
        });
        let base = folder.path().join("modules/sumdb").join(name);
        let mut client_of_folder = Client::new(&address.verifier().to_string(), |path: String| {
            let file = base.join(path.trim_start_matches('/'));
            async move { fs_err::read(file).ok().map(Bytes::from) }
        });
        for of in &all {
            assert_eq!(client.zip_h1(of).await, client_of_folder.zip_h1(of).await, "{of}");
            assert!(client.zip_h1(of).await.is_ok(), "{of}");
        }
    }
}
