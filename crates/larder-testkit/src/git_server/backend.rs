//! `git http-backend` as a child: its environment, its answer.

use std::io::Read as _;
use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::Shared;
use super::serve::{Body, text};

/// Lets git answer a request about a repository.
pub(super) async fn run(
    shared: &Arc<Shared>,
    parts: &http::request::Parts,
    repository: &str,
    rest: &str,
    body: &Bytes,
) -> Response<Body> {
    let given = |name: HeaderName| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut command = Command::from(crate::git::command(&shared.root));
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        // The folders may belong to another user when the tests run in a user namespace.
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("PATH_INFO", format!("/{repository}.git{rest}"))
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("CONTENT_TYPE", given(header::CONTENT_TYPE))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", given(header::CONTENT_ENCODING))
        .env("GIT_PROTOCOL", given(HeaderName::from_static("git-protocol")))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let Ok(mut child) = command.spawn() else { return text(500, "git can't be started\n") };
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return text(500, "no pipes\n");
    };
    let body = body.clone();
    tokio::spawn(async move { stdin.write_all(&body).await });
    let mut stdout = BufReader::new(stdout);
    let Some((status, headers)) = head(&mut stdout).await else { return text(500, "git said nothing\n") };
    let shared = Arc::clone(shared);
    let mut answer = Response::new(stream(child, stdout, shared, repository.to_owned()));
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    *answer.headers_mut() = headers;
    answer
}

/// Reads the lines before the body.
async fn head(stdout: &mut BufReader<ChildStdout>) -> Option<(u16, HeaderMap)> {
    let (mut status, mut headers) = (200, HeaderMap::new());
    loop {
        let mut line = String::new();
        stdout.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            return Some((status, headers));
        }
        let (name, value) = line.split_once(": ")?;
        if name == "Status" {
            status = value.split(' ').next()?.parse().ok()?;
        } else {
            headers.insert(
                HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).ok()?,
                HeaderValue::from_str(value).ok()?,
            );
        }
    }
}

/// The rest of git's output, counted; dropping it ends git.
fn stream(child: Child, stdout: BufReader<ChildStdout>, shared: Arc<Shared>, repository: String) -> Body {
    let pieces = futures_util::stream::unfold((child, stdout), move |(child, mut stdout)| {
        let (shared, repository) = (Arc::clone(&shared), repository.clone());
        async move {
            let mut buffer = vec![0; 64 << 10];
            let length = stdout.read(&mut buffer).await.unwrap_or(0);
            if length == 0 {
                return None;
            }
            buffer.truncate(length);
            shared.state().traffic(&repository).bytes += length as u64;
            Some((Ok(Frame::data(Bytes::from(buffer))), (child, stdout)))
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// Breaks a body off, or lets it stop for ever, after so many bytes.
pub(super) fn limited(body: Body, limit: u64, stalls: bool) -> Body {
    let pieces = futures_util::stream::unfold((body, limit), move |(mut body, left)| async move {
        if left == 0 {
            if stalls {
                std::future::pending::<()>().await;
            }
            let error = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
            return Some((Err(error), (body, left)));
        }
        let mut piece = body.frame().await?.ok()?.into_data().ok()?;
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - piece.len() as u64;
        Some((Ok(Frame::data(piece)), (body, left)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// Returns a request's body without compression.
pub(super) fn inflated(headers: &HeaderMap, body: &Bytes) -> Bytes {
    if headers.get(header::CONTENT_ENCODING).is_none_or(|value| value != "gzip") {
        return body.clone();
    }
    let mut plain = Vec::new();
    // Only its first bytes are looked at.
    let _ = flate2::read::GzDecoder::new(body.as_ref()).take(4096).read_to_end(&mut plain);
    plain.into()
}
