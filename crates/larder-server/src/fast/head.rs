//! Reading a request head whose meaning is beyond doubt.
//!
//! hyper reads every head that has anything uncommon about it. What is read here is a subset on which any two servers agree, so that
//! nothing can be smuggled past: two methods, a path of harmless characters, `\r\n` line ends, plain header fields, no body.

/// What the bytes that have arrived begin with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reading<'a> {
    /// A head of which more has to come.
    Partial,
    /// A whole head.
    Head(Head<'a>),
    /// Something that hyper has to judge, together with all that follows it.
    Odd,
}

/// A whole head without a body behind it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Head<'a> {
    /// Its length, with the empty line.
    pub(super) len: usize,
    pub(super) is_head: bool,
    pub(super) path: &'a str,
    /// It has no field that could make a difference to the answer.
    pub(super) is_plain: bool,
}

/// Fields that make no difference, in lower case.
const WITHOUT_MEANING: [&[u8]; 8] = [
    b"user-agent",
    b"accept-encoding",
    b"accept",
    b"accept-language",
    b"authorization",
    b"cache-control",
    b"pragma",
    b"cookie",
];

/// Fields that say something about the connection or what follows the head.
const ABOUT_FRAMING: [&[u8]; 10] = [
    b"content-length",
    b"transfer-encoding",
    b"upgrade",
    b"expect",
    b"te",
    b"trailer",
    b"keep-alive",
    b"proxy-connection",
    b"http2-settings",
    b"content-type",
];

/// What a field means to us.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Field {
    Host,
    WithoutMeaning,
    Meaningful,
    AboutFraming,
}

/// Reads the first head of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Reading<'_> {
    read_head(bytes).map_or_else(|early| early, Reading::Head)
}

fn read_head(bytes: &[u8]) -> Result<Head<'_>, Reading<'_>> {
    let (is_head, path_at) = method(bytes)?;
    let (path, mut at) = path(bytes, path_at)?;
    at = literal(bytes, at, b"HTTP/1.1\r\n")?;
    let (mut hosts, mut is_plain) = (0, path.bytes().all(is_harmless));
    loop {
        if bytes.get(at) == Some(&b'\r') {
            at = literal(bytes, at, b"\r\n")?;
            break;
        }
        let (kind, next) = field(bytes, at)?;
        match kind {
            Field::Host => hosts += 1,
            Field::WithoutMeaning => {}
            Field::Meaningful => is_plain = false,
            Field::AboutFraming => return Err(Reading::Odd),
        }
        at = next;
    }
    if hosts != 1 {
        return Err(Reading::Odd);
    }
    Ok(Head { len: at, is_head, path, is_plain })
}

fn method(bytes: &[u8]) -> Result<(bool, usize), Reading<'_>> {
    match bytes.first() {
        Some(b'G') => literal(bytes, 0, b"GET ").map(|at| (false, at)),
        Some(b'H') => literal(bytes, 0, b"HEAD ").map(|at| (true, at)),
        None => Err(Reading::Partial),
        Some(_) => Err(Reading::Odd),
    }
}

/// Reads a path up to the blank behind it.
fn path(bytes: &[u8], from: usize) -> Result<(&str, usize), Reading<'_>> {
    let rest = &bytes[from..];
    let Some(len) = rest.iter().position(|byte| !byte.is_ascii_graphic()) else {
        return Err(if rest.first().is_none_or(|&byte| byte == b'/') {
            Reading::Partial
        } else {
            Reading::Odd
        });
    };
    if rest[len] != b' ' || rest[0] != b'/' {
        return Err(Reading::Odd);
    }
    let text = std::str::from_utf8(&rest[..len]).map_err(|_| Reading::Odd)?;
    Ok((text, from + len + 1))
}

/// Of `%`, `?`, `#` and the like others have to say what they mean.
fn is_harmless(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/.@-_!+~,=".contains(&byte)
}

/// Reads one field with its line end.
fn field(bytes: &[u8], from: usize) -> Result<(Field, usize), Reading<'_>> {
    let rest = &bytes[from..];
    let Some(colon) = rest.iter().position(|&byte| !(byte.is_ascii_alphanumeric() || byte == b'-')) else {
        return Err(Reading::Partial);
    };
    if rest[colon] != b':' || colon == 0 {
        return Err(Reading::Odd);
    }
    let value = &rest[colon + 1..];
    let Some(end) = value.iter().position(|&byte| !(b' '..=b'~').contains(&byte)) else {
        return Err(Reading::Partial);
    };
    let next = literal(rest, colon + 1 + end, b"\r\n")?;
    Ok((kind_of(&rest[..colon], value[..end].trim_ascii())?, from + next))
}

fn kind_of<'a>(name: &[u8], value: &[u8]) -> Result<Field, Reading<'a>> {
    let is = |known: &&[u8]| name.eq_ignore_ascii_case(known);
    if name.eq_ignore_ascii_case(b"host") {
        let is_host = value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte));
        return if is_host { Ok(Field::Host) } else { Err(Reading::Odd) };
    }
    if WITHOUT_MEANING.iter().any(is) {
        return Ok(Field::WithoutMeaning);
    }
    if name.eq_ignore_ascii_case(b"connection") {
        let stays = value.eq_ignore_ascii_case(b"keep-alive");
        return Ok(if stays { Field::WithoutMeaning } else { Field::AboutFraming });
    }
    Ok(if ABOUT_FRAMING.iter().any(is) { Field::AboutFraming } else { Field::Meaningful })
}

/// Steps over a text that has to be there.
fn literal<'a>(bytes: &'a [u8], at: usize, text: &[u8]) -> Result<usize, Reading<'a>> {
    let there = &bytes[at..bytes.len().min(at + text.len())];
    if there == text {
        return Ok(at + text.len());
    }
    Err(if text.starts_with(there) { Reading::Partial } else { Reading::Odd })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "GET /example.com/a/@v/list HTTP/1.1\r\nHost: proxy.example.com\r\nUser-Agent: Go-http-client/1.1\r\n\
                         Accept-Encoding: gzip\r\n\r\n";

    #[test]
    fn a_plain_head_is_read_and_every_part_of_it_is_a_part() {
        let head = Head { len: PLAIN.len(), is_head: false, path: "/example.com/a/@v/list", is_plain: true };
        assert_eq!(read(PLAIN.as_bytes()), Reading::Head(head));
        for len in 0..PLAIN.len() {
            assert_eq!(read(&PLAIN.as_bytes()[..len]), Reading::Partial, "{:?}", &PLAIN[..len]);
        }
        let two = [PLAIN, "HEAD"].concat();
        assert_eq!(read(two.as_bytes()), Reading::Head(head));
    }

    #[test]
    fn fields_that_make_a_difference_are_told_from_those_that_do_not() {
        let plain =
            |fields: &str| match read(format!("HEAD /x HTTP/1.1\r\nhOST: h\r\n{fields}\r\n").as_bytes()) {
                Reading::Head(head) => Some(head.is_plain),
                Reading::Odd => None,
                Reading::Partial => panic!("{fields:?} is whole"),
            };
        for (fields, want) in [
            ("", Some(true)),
            ("Connection: keep-alive\r\n", Some(true)),
            ("Connection: Keep-Alive \r\nAccept: */*\r\n", Some(true)),
            ("Range: bytes=0-\r\n", Some(false)),
            ("If-None-Match: \"x\"\r\n", Some(false)),
            ("Via: 1.1 x\r\n", Some(false)),
            ("Disable-Module-Fetch: true\r\n", Some(false)),
            ("X-Forwarded-For: 192.0.2.1\r\n", Some(false)),
            ("Connection: close\r\n", None),
            ("Connection: keep-alive, Upgrade\r\n", None),
            ("Content-Length: 0\r\n", None),
            ("Transfer-Encoding: chunked\r\n", None),
            ("Upgrade: h2c\r\n", None),
            ("Expect: 100-continue\r\n", None),
            ("Host: h\r\n", None),
            ("X_y: 1\r\n", None),
            ("X : 1\r\n", None),
            (": 1\r\n", None),
            ("X: a\u{e9}\r\n", None),
            ("X: a\tb\r\n", None),
            ("X: a\r\n folded\r\n", None),
            ("X: a\n", None),
            ("X: a\rb\r\n", None),
        ] {
            assert_eq!(plain(fields), want, "{fields:?}");
        }
    }

    #[test]
    fn a_path_with_more_than_letters_is_not_plain() {
        for path in ["/x?y", "/%41", "/a#b", "/a\"b", "//[::1]"] {
            let text = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
            let Reading::Head(head) = read(text.as_bytes()) else { panic!("{path}") };
            assert!(head.path == path && !head.is_plain, "{head:?}");
        }
    }

    #[test]
    fn what_is_uncommon_is_for_hyper() {
        for text in [
            "POST /x HTTP/1.1\r\nHost: h\r\n\r\n",
            "GETS",
            "get /x",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET  /x HTTP/1.1\r\n",
            "GET x",
            "GET http://h/x HTTP/1.1\r\n",
            "GET /\u{e9} HTTP/1.1\r\n",
            "GET /x HTTP/1.0\r\n",
            "GET /x\r\n",
            "GET /x HTTP/1.1\nHost: h\n\n",
            "GET /x HTTP/1.1\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "\u{16}\u{3}\u{1}",
        ] {
            assert_eq!(read(text.as_bytes()), Reading::Odd, "{text:?}");
        }
    }
}
