//! Many clients at once: one fetch, equal bytes, bounded memory, and nobody starves.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_testkit::module::sha256_hex;
use larder_testkit::process::raise_descriptor_limit;
use larder_testkit::upstream::ReplyBody;
use larder_testkit::{
    FakeUpstream, LarderProcess, ModuleBuilder, Reply, Rng, Scenario, client, settings, zip,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const BINARY: &str = env!("CARGO_BIN_EXE_larder");

fn one_megabyte() -> ModuleBuilder {
    ModuleBuilder::new("example.com/big", "v1.0.0")
        .file("b.go", "package big\n")
        .file("d.bin", Rng::new(3).bytes(1 << 20))
}

/// Asks as a whole crowd, every client on a connection of its own; returns the distinct answers and their number.
async fn crowd(
    address: std::net::SocketAddr,
    path: &str,
    clients: usize,
) -> std::collections::HashMap<String, usize> {
    let request: Arc<str> = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let request = Arc::clone(&request);
        tasks.spawn(
            async move { one(address, &request).await.unwrap_or_else(|error| format!("error: {error}")) },
        );
    }
    let mut answers = std::collections::HashMap::new();
    while let Some(answer) = tasks.join_next().await {
        *answers.entry(answer.expect("no panic")).or_insert(0) += 1;
    }
    answers
}

/// Reads one answer without keeping it: status, length and hash.
async fn one(address: std::net::SocketAddr, request: &str) -> std::io::Result<String> {
    use sha2::Digest as _;
    let mut stream = loop {
        match tokio::net::TcpStream::connect(address).await {
            // The accept queue overflows when thousands connect at once; TCP's own answer is to try again.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            other => break other?,
        }
    };
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = vec![0; 16 << 10];
    let mut head = Vec::new();
    let mut hash = sha2::Sha256::new();
    let mut length = 0;
    let mut in_body = false;
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        if in_body {
            hash.update(&buffer[..read]);
            length += read;
            continue;
        }
        head.extend_from_slice(&buffer[..read]);
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            in_body = true;
            hash.update(&head[end + 4..]);
            length += head.len() - end - 4;
            head.truncate(end);
        }
    }
    let status = String::from_utf8_lossy(&head).lines().next().unwrap_or("").to_owned();
    Ok(format!("{status} {length} {}", larder_testkit::module::hex(&hash.finalize())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_one_cold_zip_costs_one_fetch() {
    let descriptors = raise_descriptor_limit();
    let mut clients = if settings::long() { 10_000 } else { 1_000 };
    if descriptors < clients as u64 + 200 {
        clients = (descriptors - 200) as usize;
        settings::say(&format!("only {clients} clients: the descriptor limit is {descriptors}"));
    }
    let scene = Scenario::new(BINARY, FakeUpstream::new().with(&one_megabyte()));
    let right = scene.upstream.built("example.com/big", "v1.0.0").expect("it was added");
    let path = right.url_path("zip");
    scene.upstream.set_rate(Some(1 << 20));
    let larder = scene.larder.start();

    // The first client begins the fetch and hangs up.
    let mut first = TcpStream::connect(client::address_of(larder.url())).unwrap();
    first.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    assert!(scene.upstream.wait_for_requests(&path, 1, Duration::from_secs(10)).await);
    drop(first);

    let answers = crowd(client::address_of(larder.url()), &path, clients).await;
    let expected = format!("HTTP/1.1 200 OK {} {}", right.zip.len(), sha256_hex(&right.zip));
    if answers.get(&expected) != Some(&clients) {
        settings::say(&larder.get("/-/metrics").text());
    }
    assert_eq!(answers.get(&expected), Some(&clients), "{answers:?}");
    assert_eq!(scene.upstream.requests(&path), 1, "exactly one fetch");
    let peak = larder.memory("VmHWM") >> 20;
    settings::say(&format!("{clients} clients: peak memory {peak} MiB"));
    assert!(peak < 256, "{peak} MiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_outlives_its_only_client() {
    let scene = Scenario::new(BINARY, FakeUpstream::new().with(&one_megabyte()));
    let path = scene.upstream.built("example.com/big", "v1.0.0").expect("it was added").url_path("zip");
    scene.upstream.set_rate(Some(4 << 20));
    let larder = scene.larder.start();
    let mut only = TcpStream::connect(client::address_of(larder.url())).unwrap();
    only.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    assert!(scene.upstream.wait_for_requests(&path, 1, Duration::from_secs(10)).await);
    drop(only);
    let stored = larder
        .wait_for_line(Duration::from_secs(20), |line| line.contains("stored ") && line.contains(".zip"));
    assert!(stored.is_some(), "{}", larder.log().join("\n"));
    assert_eq!(scene.upstream.requests(&path), 1);
}

/// Reads a body and throws it away; returns its length.
fn swallow(larder: &LarderProcess, path: &str) -> (bool, u64) {
    let mut stream = TcpStream::connect(client::address_of(larder.url())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut buffer = vec![0; 256 << 10];
    let first = stream.read(&mut buffer).unwrap();
    let good = buffer.starts_with(b"HTTP/1.1 200");
    let end =
        buffer[..first].windows(4).position(|window| window == b"\r\n\r\n").map_or(first, |end| end + 4);
    let mut length = (first - end) as u64;
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        length += read as u64;
    }
    (good, length)
}

#[test]
fn large_zips_stream_through_a_small_memory() {
    let (streams, size) = if settings::long() { (32, 499 << 20) } else { (8, 24 << 20) };
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let files = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut paths = Vec::new();
    for number in 0..4_u64 {
        let module = format!("example.com/huge{number}");
        let built = scene.upstream.add(&ModuleBuilder::new(&module, "v1.0.0"));
        let file = files.path().join(format!("{number}.zip"));
        let go_mod = String::from_utf8_lossy(&built.go_mod).into_owned();
        let h1 = zip::write_large(&file, &format!("{module}@v1.0.0"), &go_mod, size, number).unwrap();
        scene.sumdb.record(&module, "v1.0.0", &h1, &built.mod_h1);
        let length = fs_err::metadata(&file).unwrap().len();
        let headers = vec![("Content-Type".to_owned(), "application/zip".to_owned())];
        let path = built.url_path("zip");
        scene.upstream.set_reply(&path, Reply { status: 200, headers, body: ReplyBody::File(file) });
        paths.push((path, length));
    }
    let data = files.path().join("data");
    let larder = scene.larder.clone().data_folder(&data).start();
    for temperature in ["cold", "warm"] {
        std::thread::scope(|scope| {
            for number in 0..streams {
                let (path, length) = &paths[number % paths.len()];
                let larder = &larder;
                scope.spawn(move || assert_eq!(swallow(larder, path), (true, *length), "{path}"));
            }
        });
        let peak = larder.memory("VmHWM") >> 20;
        settings::say(&format!(
            "{streams} {temperature} streams of {} MiB: peak memory {peak} MiB",
            size >> 20
        ));
        assert!(peak < 200, "{peak} MiB");
    }
    for (path, _) in &paths {
        assert_eq!(scene.upstream.requests(path), 1, "{path}");
    }
}

#[test]
fn half_open_heads_are_reaped_and_hurt_nobody() {
    let descriptors = raise_descriptor_limit();
    let wanted = if settings::long() { 9_000 } else { 600 };
    let many = wanted.min(usize::try_from(descriptors).unwrap_or(wanted) - 200);
    let scene = Scenario::new(BINARY, FakeUpstream::new());
    let limit = Duration::from_secs(if settings::long() { 10 } else { 2 });
    let larder = scene.larder.clone().env("LARDER_SERVER_HEAD", format!("{}s", limit.as_secs())).start();
    let address = client::address_of(larder.url());
    let started = Instant::now();
    let held: Vec<TcpStream> = (0..many)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET /example.com/a/@v/list HTTP/1.1\r\nHost: a\r\nX-Slow:").unwrap();
            stream
        })
        .collect();
    let asked = Instant::now();
    assert_eq!(larder.get("/-/healthz").status, 200);
    settings::say(&format!("{many} half-open heads: {} MiB", larder.memory("VmRSS") >> 20));
    assert!(asked.elapsed() < Duration::from_secs(1), "a new client waited {:?}", asked.elapsed());
    for mut stream in held {
        let left = (limit * 2 + Duration::from_secs(3)).saturating_sub(started.elapsed());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        let closed = match &ended {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        };
        assert!(closed, "still open after {:?}: {ended:?}", started.elapsed());
    }
    assert_eq!(larder.get("/-/healthz").status, 200);
}
