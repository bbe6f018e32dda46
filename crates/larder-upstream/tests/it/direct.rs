//! Version control behind the trait: judged, bounded, and not stopped by whoever gives up.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use larder_module::{ModuleVersion, ObjectKind};
use larder_upstream::{
    Answering, Deadline, DirectErrand, DirectFault, DirectFaultKind, FetchCause, Refusal, SmallReply,
    Upstream, Upstreams, VersionControl, Wanted,
};
use tokio::sync::Semaphore;

use crate::support::{chain, go_mod, info, quick, soon, version};

#[derive(Debug)]
struct Scripted {
    info: &'static str,
    zip: Vec<u8>,
    gate: Semaphore,
    done: AtomicUsize,
}

impl VersionControl for Scripted {
    fn small<'a>(&'a self, wanted: &'a Wanted, errand: DirectErrand, _: Deadline) -> Answering<'a, Bytes> {
        Box::pin(async move {
            let _pass = self.gate.acquire().await.unwrap();
            self.done.fetch_add(1, Ordering::SeqCst);
            match wanted {
                Wanted::Object { kind: ObjectKind::Info, .. } => Ok(self.info.into()),
                Wanted::Object { .. } => panic!("a fault in it (this panic belongs to the test)"),
                _ => {
                    let text = format!("https://git.corp.example/a: private {}", errand.private).into();
                    let fault = DirectFault { kind: DirectFaultKind::LoginNeeded, text };
                    Err(Refusal { cause: FetchCause::Direct(fault), said: Some("remote: no".to_owned()) })
                }
            }
        })
    }

    fn zip<'a>(&'a self, _: &'a ModuleVersion, _: DirectErrand) -> Answering<'a, (File, u64)> {
        Box::pin(async {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&self.zip).unwrap();
            file.rewind().unwrap();
            Ok((file, self.zip.len() as u64))
        })
    }
}

fn control(info: &'static str, zip: Vec<u8>, passes: usize) -> Arc<Scripted> {
    Arc::new(Scripted { info, zip, gate: Semaphore::new(passes), done: AtomicUsize::new(0) })
}

fn direct(control: &Arc<Scripted>, private: bool) -> Upstream {
    let control: Arc<dyn VersionControl> = Arc::clone(control) as _;
    let mut settings = quick();
    settings.limits.zip = 1 << 20;
    let pool = Upstreams::new(settings).unwrap().with_version_control(control);
    let list = larder_module::goproxy::ProxyList::parse("direct").unwrap();
    let chain = if private { pool.private_chain(&list).unwrap() } else { chain(&pool, "direct") };
    chain.upstreams().next().unwrap()
}

#[tokio::test]
async fn its_answers_are_judged_and_its_words_passed_on() {
    let good = direct(&control(r#"{"Version":"v1.0.0"}"#, Vec::new(), 9), true);
    assert!(matches!(good.small(&info(), None, soon()).await, Ok(SmallReply::Fresh(_))));
    let error = good.small(&Wanted::List(version().module().clone()), None, soon()).await.unwrap_err();
    assert_eq!(error.to_string(), "direct: https://git.corp.example/a: private true");
    assert_eq!(error.said.as_deref(), Some("remote: no"));
    assert!(!error.is_absence());
    let error = good.raw("/sumdb/sum.example.com/supported", 1, soon()).await.unwrap_err();
    assert_eq!(error.cause, FetchCause::LookupsOff);
    let other = direct(&control(r#"{"Version":"v1.0.1"}"#, Vec::new(), 9), false);
    let error = other.small(&info(), None, soon()).await.unwrap_err();
    assert!(matches!(error.cause, FetchCause::BadContent(_)), "{error}");
}

#[tokio::test]
async fn a_fault_in_it_ends_one_question() {
    let upstream = direct(&control("", Vec::new(), 9), false);
    let error = upstream.small(&go_mod(), None, soon()).await.unwrap_err();
    assert!(
        matches!(&error.cause, FetchCause::Direct(fault) if fault.kind == DirectFaultKind::Broken),
        "{error}"
    );
}

#[tokio::test]
async fn work_goes_on_when_nobody_waits_any_more() {
    let control = control(r#"{"Version":"v1.0.0"}"#, Vec::new(), 0);
    let upstream = direct(&control, false);
    let soon = Deadline::now() + Duration::from_millis(20);
    let error = upstream.small(&info(), None, soon).await.unwrap_err();
    assert!(error.cause.is_timeout(), "{error}");
    control.gate.add_permits(1);
    while control.done.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_made_zip_comes_in_pieces_and_within_the_limit() {
    let bytes: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
    let upstream = direct(&control("", bytes.clone(), 9), false);
    let mut body = upstream.zip(&version(), None).await.unwrap();
    assert_eq!((body.declared_len(), body.offset()), (Some(300_000), 0));
    assert_eq!(body.upstream().as_str(), "direct");
    let mut received = Vec::new();
    while let Some(piece) = body.next().await.unwrap() {
        received.extend_from_slice(&piece);
    }
    assert!(received == bytes && body.next().await.unwrap().is_none());
    let error =
        direct(&control("", vec![0; (1 << 20) + 1], 9), false).zip(&version(), None).await.unwrap_err();
    assert_eq!(error.cause, FetchCause::TooLarge { limit: 1 << 20 });
}
