use super::*;

/// What a stub does with every question.
#[derive(Clone, Copy)]
enum Does {
    Answers([u8; 4]),
    Says(u8),
    Nothing,
}

async fn stub(does: Does) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
    let address = socket.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let mut told = buffer[..length - 11].to_vec();
            let wants_four = told[told.len() - 3] == 1;
            told[11] = 0;
            told[2] = 0x81;
            match does {
                Does::Nothing => continue,
                Does::Says(rcode) => told[3] = 0x80 | rcode,
                Does::Answers(address) => {
                    told[3] = 0x80;
                    if wants_four {
                        told[7] = 1;
                        told.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                        told.extend(address);
                    }
                }
            }
            let _ = socket.send_to(&told, from).await;
        }
    });
    address
}

async fn with(stubs: &[Does]) -> ResolverConfig {
    let mut config = ResolverConfig::parse("", "192.0.2.9 listed.example.com");
    config.servers.clear();
    for does in stubs {
        config.servers.push(stub(*does).await);
    }
    config.timeout = Duration::from_millis(300);
    config.attempts = 1;
    config
}

async fn asked(stubs: &[Does], host: &str) -> LookUp {
    look_up(&with(stubs).await, host, Instant::now() + Duration::from_secs(5)).await
}

#[tokio::test]
async fn the_first_server_that_answers_decides() {
    let fine = Does::Answers([192, 0, 2, 1]);
    for stubs in [vec![fine], vec![Does::Says(2), fine], vec![Does::Nothing, fine], vec![fine, Does::Nothing]]
    {
        let found = asked(&stubs, "proxy.example.com").await;
        assert_eq!(found.result.expect("an address"), [IpAddr::from([192, 0, 2, 1])]);
    }
    let found = asked(&[Does::Says(3), fine], "proxy.example.com").await;
    assert!(
        matches!(found.result, Err(Trouble::NoSuchHost { .. })),
        "a name that does not exist is an answer"
    );
}

#[tokio::test]
async fn failures_are_named_as_go_names_them() {
    assert!(matches!(asked(&[Does::Says(2)], "a.b").await.result, Err(Trouble::ResolverError { .. })));
    assert!(matches!(asked(&[Does::Says(5)], "a.b").await.result, Err(Trouble::ResolverError { .. })));
    assert!(matches!(
        asked(&[Does::Says(0)], "a.b").await.result,
        Err(Trouble::ResolverError { .. } | Trouble::NoSuchHost { .. })
    ));
    assert!(matches!(
        asked(&[Does::Nothing], "a.b").await.result,
        Err(Trouble::ResolverTimeout { server: Some(_), .. })
    ));
    let silent = asked(&[Does::Nothing], "a.b").await;
    assert!(silent.dns.iter().all(|probe| probe.outcome == "timeout"), "{:?}", silent.dns);
    let mut config = with(&[]).await;
    let closed = UdpSocket::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("it is bound");
    config.servers.push(closed);
    let found = look_up(&config, "a.b", Instant::now() + Duration::from_secs(5)).await;
    let Err(Trouble::ResolverUnreachable { text, server, .. }) = found.result else { panic!("{found:?}") };
    assert!(text.contains("connection refused") && server == Some(closed.to_string()), "{text}");
}

#[tokio::test]
async fn addresses_and_the_hosts_file_need_no_server() {
    for (host, address) in [("192.0.2.3", "192.0.2.3"), ("[::1]", "::1"), ("Listed.example.com", "192.0.2.9")]
    {
        let found = asked(&[], host).await;
        assert_eq!(found.result.expect("an address")[0].to_string(), address);
    }
}
