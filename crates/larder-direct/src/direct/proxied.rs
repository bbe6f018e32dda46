//! Modules whose go-import page names a module proxy: it is asked instead of a repository.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;

use bytes::Bytes;
use larder_module::{ModuleVersion, zip};
use larder_upstream::{
    Deadline, DirectErrand, DirectFaultKind, FetchError, Judged, ListedHosts, Refusal, SmallReply, Upstream,
    Upstreams, Wanted,
};

use crate::error::DirectError;

/// Asks a module proxy for something small.
pub(super) async fn small(
    upstreams: &Upstreams,
    listed: &ListedHosts,
    url: &str,
    wanted: &Wanted,
    errand: DirectErrand,
    deadline: Deadline,
) -> Result<Bytes, Refusal> {
    let upstream = upstream(upstreams, listed, url, errand)?;
    let error = match ask(&upstream, wanted, deadline).await {
        Ok((body, _)) => return Ok(body),
        Err(error) => error,
    };
    // A proxy need not know what is latest; its list says so too.
    if let Wanted::Latest(module) = wanted
        && error.is_absence()
        && let Ok((_, Judged::List(list))) = ask(&upstream, &Wanted::List(module.clone()), deadline).await
        && let Some(latest) = list.latest()
        && let Ok(of) = ModuleVersion::new(module.clone(), latest.version.clone())
    {
        let wanted = Wanted::Object { of, kind: larder_module::ObjectKind::Info };
        return ask(&upstream, &wanted, deadline).await.map(|(body, _)| body).map_err(refusal);
    }
    Err(refusal(error))
}

/// Asks a module proxy for a zip and puts it into a temporary file.
pub(super) async fn zip(
    upstreams: &Upstreams,
    listed: &ListedHosts,
    url: &str,
    of: &ModuleVersion,
    errand: DirectErrand,
    staging: &Path,
) -> Result<(File, u64), Refusal> {
    let mut body = upstream(upstreams, listed, url, errand)?.zip(of, None).await.map_err(refusal)?;
    fs_err::create_dir_all(staging).map_err(|error| disk(&error))?;
    let mut file = tempfile::tempfile_in(staging).map_err(|error| disk(&error))?;
    let mut len = 0;
    while let Some(piece) = body.next().await.map_err(refusal)? {
        len += piece.len() as u64;
        if len > zip::MAX_ZIP {
            let text = format!("the zip of {of} is larger than a module may be");
            return Err(DirectError::new(DirectFaultKind::Invalid, text).into());
        }
        // One piece is small, and the page cache takes it.
        file.write_all(&piece).map_err(|error| disk(&error))?;
    }
    file.rewind().map_err(|error| disk(&error))?;
    Ok((file, len))
}

fn upstream(
    upstreams: &Upstreams,
    listed: &ListedHosts,
    url: &str,
    errand: DirectErrand,
) -> Result<Upstream, Refusal> {
    upstreams.guarded_at(url, errand.private, listed).map_err(|error| {
        let text = format!("the go-import page names a module proxy that isn't asked: {error}");
        DirectError::new(DirectFaultKind::Refused, text).into()
    })
}

async fn ask(
    upstream: &Upstream,
    wanted: &Wanted,
    deadline: Deadline,
) -> Result<(Bytes, Judged), FetchError> {
    loop {
        // Asked without validators, so the body comes.
        if let SmallReply::Fresh(fresh) = upstream.small(wanted, None, deadline).await? {
            return Ok((fresh.body, fresh.judged));
        }
    }
}

fn refusal(error: FetchError) -> Refusal {
    Refusal { cause: error.cause, said: error.said }
}

fn disk(error: &std::io::Error) -> Refusal {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => DirectFaultKind::StorageFull,
        _ => DirectFaultKind::Broken,
    };
    DirectError::new(kind, format!("a zip could not be put together: {error}")).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use larder_module::info::Info;
    use larder_testkit::FakeUpstream;
    use larder_upstream::UpstreamSettings;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_proxy_without_latest_is_asked_for_its_list() {
        let proxy = FakeUpstream::new()
            .module("example.com/a", "v1.0.0")
            .module("example.com/a", "v1.2.0")
            .without_latest()
            .start()
            .await;
        let mut settings = UpstreamSettings::default();
        settings.tls.native_roots = false;
        let upstreams = Upstreams::new(settings).expect("no TLS to set up");
        let listed = ListedHosts::new(["127.0.0.1"]);
        let errand = DirectErrand { private: true };
        let ask = async |wanted: Wanted| {
            let deadline = Instant::now() + Duration::from_secs(60);
            small(&upstreams, &listed, proxy.url(), &wanted, errand, deadline).await
        };
        let of = ModuleVersion::parse("example.com/a", "v1.0.0").expect("a version");
        let module = of.module().clone();
        assert_eq!(ask(Wanted::List(module.clone())).await.expect("a list"), "v1.0.0\nv1.2.0\n");
        let latest = ask(Wanted::Latest(module)).await.expect("an answer");
        assert_eq!(Info::parse(&latest).expect("an .info").version.as_str(), "v1.2.0");
        let none = Wanted::Latest("example.com/b".parse().expect("a path"));
        assert!(ask(none).await.expect_err("no such module").cause.is_absence());

        let staging = tempfile::tempdir().expect("a temporary folder");
        let made = zip(&upstreams, &listed, proxy.url(), &of, errand, staging.path()).await.expect("a zip");
        let expected = proxy.built("example.com/a", "v1.0.0").expect("it was built").zip;
        assert_eq!(made.1, expected.len() as u64);
        let stranger = ListedHosts::default();
        assert!(zip(&upstreams, &stranger, proxy.url(), &of, errand, staging.path()).await.is_err());
    }
}
