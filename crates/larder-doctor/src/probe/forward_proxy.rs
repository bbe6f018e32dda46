//! Going through a forward proxy: CONNECT for https, the login that its URL holds.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use url::Url;

use super::wire::Io;
use crate::symptom::Trouble;

/// An answer to CONNECT is not waited for any longer.
const MOST: Duration = Duration::from_secs(5);
/// No head of an answer is longer.
const MOST_HEAD: usize = 16 << 10;

/// What a forward proxy said to CONNECT.
pub(crate) struct Connected {
    /// The status code and the words after it, with the ways to log in that it offers.
    pub(crate) said: Option<(u16, String)>,
    pub(crate) trouble: Option<Trouble>,
}

/// Returns the value of `Proxy-Authorization` for the login in a forward proxy's URL: Go knows Basic only.
pub(crate) fn authorization(proxy: &Url) -> Option<String> {
    if proxy.username().is_empty() && proxy.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let login = [decoded(proxy.username()), decoded(proxy.password().unwrap_or_default())].join(&b':');
    Some(format!("Basic {}", STANDARD.encode(login)))
}

/// Asks a forward proxy to connect to `authority` (`host:port`).
pub(crate) async fn connect(
    stream: &mut Box<dyn Io>,
    authority: &str,
    login: Option<&str>,
    deadline: Instant,
) -> Connected {
    let begun = Instant::now();
    let limit = MOST.min(deadline.saturating_duration_since(Instant::now()));
    let mut request =
        format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: Go-http-client/1.1\r\n");
    if let Some(login) = login {
        request.push_str(&format!("Proxy-Authorization: {login}\r\n"));
    }
    request.push_str("\r\n");
    let exchanged = timeout(limit, async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        head(stream).await
    });
    let failed = |inner: Trouble| Connected {
        said: None,
        trouble: Some(Trouble::ForwardProxy { inner: Box::new(inner) }),
    };
    let head = match exchanged.await {
        Ok(Ok(head)) => head,
        Ok(Err(error)) => {
            return failed(match error.kind() {
                std::io::ErrorKind::ConnectionReset => Trouble::Reset { address: None, handshake: false },
                _ => Trouble::ClosedEarly { handshake: false },
            });
        }
        Err(_) => return failed(Trouble::Stalled { seconds: begun.elapsed().as_secs(), received: 0 }),
    };
    let text = String::from_utf8_lossy(&head);
    let Some((code, words)) = status(&text) else {
        let start: String = text.chars().take(40).flat_map(char::escape_default).collect();
        return failed(Trouble::NotHttp { text: format!("malformed HTTP response \"{start}\"") });
    };
    let mut said = words.clone();
    for line in text.lines().skip(1) {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("proxy-authenticate")
        {
            said.push_str(&format!("; Proxy-Authenticate: {}", value.trim()));
        }
    }
    let trouble = (code != 200).then_some(Trouble::ConnectDenied { code: Some(code), text: words });
    Connected { said: Some((code, said)), trouble }
}

/// Asks a SOCKS5 proxy to connect; names are looked up by the proxy, as Go wants it.
pub(crate) async fn socks(
    stream: &mut Box<dyn Io>,
    host: &str,
    port: u16,
    proxy: &Url,
    deadline: Instant,
) -> Result<(), Trouble> {
    let limit = MOST.min(deadline.saturating_duration_since(Instant::now()));
    let failed = |inner: Trouble| Trouble::ForwardProxy { inner: Box::new(inner) };
    match timeout(limit, socks_exchange(stream, host, port, proxy)).await {
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some(refusal))) => Err(Trouble::ConnectDenied { code: None, text: refusal.to_owned() }),
        Ok(Err(_)) => Err(failed(Trouble::ClosedEarly { handshake: false })),
        Err(_) => Err(failed(Trouble::Stalled { seconds: limit.as_secs(), received: 0 })),
    }
}

/// Returns the refusal, if the proxy refuses.
async fn socks_exchange(
    stream: &mut Box<dyn Io>,
    host: &str,
    port: u16,
    proxy: &Url,
) -> std::io::Result<Option<&'static str>> {
    let with_login = !proxy.username().is_empty();
    stream.write_all(if with_login { &[5, 2, 0, 2] } else { &[5, 1, 0] }).await?;
    let mut choice = [0; 2];
    stream.read_exact(&mut choice).await?;
    match choice {
        [5, 0] => {}
        [5, 2] if with_login => {
            let user = percent_decode_str(proxy.username()).collect::<Vec<u8>>();
            let password = percent_decode_str(proxy.password().unwrap_or_default()).collect::<Vec<u8>>();
            let mut login = vec![1];
            for part in [user, password] {
                login.push(u8::try_from(part.len()).map_err(std::io::Error::other)?);
                login.extend(part);
            }
            stream.write_all(&login).await?;
            let mut verdict = [0; 2];
            stream.read_exact(&mut verdict).await?;
            if verdict[1] != 0 {
                return Ok(Some("username/password authentication failed"));
            }
        }
        [5, _] => return Ok(Some("no acceptable authentication methods")),
        _ => return Err(std::io::Error::other("what listens there does not speak SOCKS5")),
    }
    let mut request = vec![5, 1, 0, 3, u8::try_from(host.len()).map_err(std::io::Error::other)?];
    request.extend(host.as_bytes());
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let rest = match head[3] {
        1 => 6,
        4 => 18,
        _ => usize::from(stream.read_u8().await?) + 2,
    };
    stream.read_exact(&mut vec![0; rest]).await?;
    Ok(match head[1] {
        0 => None,
        1 => Some("general SOCKS server failure"),
        2 => Some("connection not allowed by ruleset"),
        3 => Some("network unreachable"),
        4 => Some("host unreachable"),
        5 => Some("connection refused"),
        _ => Some("unknown error"),
    })
}

/// Reads up to the empty line, and not a byte more: the rest belongs to somebody else.
async fn head(stream: &mut Box<dyn Io>) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") && head.len() < MOST_HEAD {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if head.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(head)
}

fn status(head: &str) -> Option<(u16, String)> {
    let line = head.lines().next()?;
    let rest = line.strip_prefix("HTTP/1.")?.split_once(' ')?.1;
    let (code, words) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((code.parse().ok()?, words.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_unescaped_before_they_are_sent() {
        let url = |text| Url::parse(text).expect("a URL");
        assert_eq!(authorization(&url("http://proxy.example.com:3128")), None);
        assert_eq!(
            authorization(&url("http://u:p%40ss@proxy.example.com")).as_deref(),
            Some("Basic dTpwQHNz")
        );
    }

    #[test]
    fn a_status_may_lack_words() {
        assert_eq!(
            status("HTTP/1.1 407 Proxy Authentication Required\r\n"),
            Some((407, "Proxy Authentication Required".to_owned()))
        );
        assert_eq!(status("HTTP/1.0 403\r\n"), Some((403, String::new())));
        assert_eq!(status("SSH-2.0-x\r\n"), None);
    }
}
