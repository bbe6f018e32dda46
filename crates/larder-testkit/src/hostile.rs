//! Texts of people who want more than to be read: what a terminal acts upon, what hides or turns words around, what is no
//! text at all, and secrets in all shapes. For everything that shows what strangers wrote.

/// Sequences and characters that must never be shown as they are, each with a name.
pub fn payloads() -> Vec<(&'static str, Vec<u8>)> {
    let text = |name, text: &str| (name, text.as_bytes().to_vec());
    vec![
        text("colour", "\x1b[31mred\x1b[0m"),
        text("clear screen", "\x1b[2J\x1b[H"),
        text("cursor up and erase", "\x1b[1A\x1b[2K"),
        text("report position", "\x1b[6n"),
        text("device attributes", "\x1b[c\x1b[>c"),
        text("alternate screen", "\x1b[?1049h"),
        text("window report", "\x1b[21t"),
        text("parameters with colons", "\x1b[38:2::255:0:0m"),
        text("sequence cut off", "\x1b["),
        text("sequence without letter", "\x1b[31"),
        text("escape alone", "\x1b"),
        text("two escapes", "\x1b\x1b[31m"),
        text("sequence within a sequence", "\x1b[3\x1b[0m1m"),
        text("title", "\x1b]0;owned\x07"),
        text("title without end", "\x1b]2;owned"),
        text("link", "\x1b]8;;https://evil.example/\x07click\x1b]8;;\x07"),
        text("link with string terminator", "\x1b]8;;file:///etc/passwd\x1b\\click\x1b]8;;\x1b\\"),
        text("clipboard", "\x1b]52;c;cm0gLXJmIC8K\x07"),
        text("clipboard without end", "\x1b]52;c;cm0gLXJmIC8K"),
        text("colour query", "\x1b]11;?\x07"),
        text("file transfer", "\x1b]1337;File=name=eC50eHQ=;inline=1:AAAA\x07"),
        text("device control", "\x1bP+q544e\x1b\\"),
        text("sixel", "\x1bPq#0;2;0;0;0#0~~\x1b\\"),
        text("device control without end", "\x1bP1$r0m"),
        text("application command", "\x1b_Gf=24;AAAA\x1b\\"),
        text("privacy message", "\x1b^hidden\x1b\\"),
        text("start of string", "\x1bXhidden\x1b\\"),
        text("character set", "\x1b(0lqqk\x1b(B"),
        text("full reset", "\x1bc"),
        text("c1 sequence", "\u{9b}31mred\u{9b}0m"),
        text("c1 command", "\u{9d}52;c;AAAA\u{9c}"),
        text("c1 device control", "\u{90}q\u{9c}"),
        text("c1 others", "\u{80}\u{84}\u{85}\u{8d}\u{9a}\u{9f}"),
        text("readable escapes", "^[[31m \\u001b[2J \\x1b]0;x\\a \\033[1m \\e[0m"),
        text("json escapes", "\\u001b]52;c;AAAA\\u0007 \\u202e \\u0000"),
        text("entities", "&#27;[31m &#x1b;[2J &amp;#27;"),
        text("percent", "%1b%5b31m%0d%0a%00"),
        text("right to left override", "safe\u{202e}gpj.exe\u{202c}"),
        text("embeddings", "\u{202a}a\u{202b}b\u{202d}c\u{202c}"),
        text("isolates", "\u{2066}a\u{2067}b\u{2068}c\u{2069}"),
        text("direction marks", "\u{200e}\u{200f}\u{61c}"),
        text("zero width", "pa\u{200b}ss\u{200c}wo\u{200d}rd\u{2060}\u{feff}"),
        text("soft hyphen", "exa\u{ad}mple"),
        text("fillers", "a\u{3164}b\u{115f}c\u{1160}d\u{ffa0}e"),
        text("invisible operators", "a\u{2061}b\u{2062}c\u{2063}d\u{2064}"),
        text("old format characters", "a\u{206a}b\u{206f}c"),
        text("line separators", "one\u{2028}two\u{2029}three"),
        text("annotations", "\u{fff9}a\u{fffa}b\u{fffb}"),
        text("tags", "\u{e0001}\u{e0041}\u{e007f}"),
        text("variation selectors", "a\u{fe0e}b\u{fe0f}c\u{e0100}"),
        text("nul", "a\0b"),
        text("bell and backspace", "abc\x07\x08\x08\x08xyz"),
        text("carriage return", "bad words\rgood words"),
        text("vertical", "a\x0bb\x0cc"),
        text("delete", "a\x7fb"),
        text("shift out", "a\x0eb\x0fc"),
        ("invalid bytes", b"a\xff\xfe\x80\xbfb".to_vec()),
        ("overlong", b"a\xc0\x9b\xe0\x80\x9b\xf0\x80\x80\x9b[31mb".to_vec()),
        ("surrogates", b"a\xed\xa0\x80\xed\xbf\xbfb".to_vec()),
        ("cut character", b"a\xe2\x80".to_vec()),
        ("raw c1", b"a\x9b31m\x9d0;x\x9cb".to_vec()),
        ("beyond unicode", b"a\xf4\x90\x80\x80\xf5b".to_vec()),
        ("many combining marks", format!("Z{}", "\u{301}\u{489}".repeat(400)).into_bytes()),
        ("a long word", "A".repeat(100_000).into_bytes()),
        ("many brackets", "[".repeat(5_000).into_bytes()),
        ("deep json", "{\"a\":[".repeat(2_000).into_bytes()),
        ("quotes and backslashes", "\\\"".repeat(3_000).into_bytes()),
        ("shell words", b"'; rm -rf / #`id`$(id)".to_vec()),
        ("markup", b"<script>alert(1)</script>![x](https://evil.example/x.png)</details>```".to_vec()),
        ("places", b"{0} {host} {{module}} %s %n {".to_vec()),
    ]
}

/// What the go command and git print, with a place for something: `@@`.
pub const FRAMES: &[&str] = &[
    "go: example.com/m@v1.0.0: Get \"https://@@/example.com/m/@v/v1.0.0.mod\": dial tcp: lookup @@ on 192.0.2.53:53: no such host\n",
    "go: example.com/m@v1.0.0: reading https://proxy.example.com/example.com/m/@v/v1.0.0.info: 403 Forbidden\n\tserver response: @@\n",
    "go: example.com/@@@v1.0.0: reading https://proxy.example.com/example.com/@@/@v/v1.0.0.zip: 404 Not Found\n\tserver response:\n\tnot found: @@\n",
    "go: @@@v1.2.3: Get \"https://proxy.example.com/\": tls: failed to verify certificate: x509: certificate is valid for @@, not proxy.example.com\n",
    "go: example.com/m@v1.0.0: git ls-remote -q origin in /home/dev/go/pkg/mod/cache/vcs/0a1b: exit status 128:\n\tremote: @@\n\tfatal: could not read Username for 'https://git.corp.example': @@\n",
    "go: example.com/m@v1.0.0: invalid version: unknown revision @@\n",
    "go: example.com/m@v1.0.0: verifying module: checksum mismatch\n\tdownloaded: h1:@@\n\tgo.sum:     h1:AAAA@@\n\nSECURITY ERROR\n",
    "go: errors parsing go.mod:\n/home/dev/app/go.mod:7: unknown directive: @@\n",
    "app.go:3:8: no required module provides package @@; to add it:\n\tgo get @@\n",
    "go: @@: nobody knows these words\n",
    "#12 1.234 go: example.com/m@v1.0.0: Get \"https://proxy.example.com/@@\": EOF\n#12 ERROR: process \"/bin/sh -c @@\" did not complete\n",
    "2024-05-06T07:08:09.123Z export GOPROXY=@@ GOSUMDB=off\n+ go env -w GOPRIVATE=@@\ngo: example.com/m: no matching versions for query \"@@\"\n",
    "{\"log\":\"go: example.com/m@v1: reading https://proxy.example.com/x: 502 Bad Gateway\\n\\tserver response: @@\\n\",\"stream\":\"stderr\"}\n",
    "go: example.com/m@v1.0.0: parsing go.mod:\n\tmodule declares its path as: @@\n\t        but was required as: example.com/m\n",
    "go: example.com/m imports\n\t@@ imports\n\t@@: cannot find module providing package @@\n",
    "verifying example.com/m@v1.0.0/go.mod: reading https://sum.example.com/lookup/example.com/m@v1.0.0: 404 Not Found\n\tserver response: @@\n",
    "go: unrecognized import path \"@@\": parse https://@@?go-get=1: no go-import meta tags ()\n",
    "go: open /home/@@/go/pkg/mod/cache/download/example.com/m/@v/v1.0.0.lock: permission denied\n",
    "go: example.com/m@v1.0.0: invalid response from proxy \"https://proxy.example.com/@@\": invalid character '@@' looking for beginning of value\n",
    "go: download go1.99.9-@@ for linux/amd64: toolchain not available\n",
];

/// Logs, each one payload in one frame, in such a mix that each payload is in many frames and each frame has many payloads.
pub fn logs() -> Vec<(String, Vec<u8>)> {
    let mut logs = Vec::new();
    for (number, (name, payload)) in payloads().into_iter().enumerate() {
        for (at, frame) in FRAMES.iter().enumerate().filter(|(at, _)| (at + number) % 3 == 0) {
            logs.push((format!("{name} in frame {at}"), filled(frame, &payload)));
        }
    }
    logs
}

/// Puts bytes at the places of a frame.
pub fn filled(frame: &str, payload: &[u8]) -> Vec<u8> {
    frame.split("@@").map(str::as_bytes).collect::<Vec<_>>().join(payload)
}

/// The secret within [`SECRETS`].
pub const SECRET: &str = "Zq7hunter2Wx";

/// Shapes of secrets: [`SECRET`] must not be seen of any.
pub const SECRETS: &[&str] = &[
    "https://dev:Zq7hunter2Wx@proxy.example.com/x",
    "https://Zq7hunter2Wx@proxy.example.com/x",
    "https://oauth2:Zq7hunter2Wx@gitlab.corp.example/team/lib.git",
    "https://x-access-token:Zq7hunter2Wx@github.com/corp/lib",
    "https://gitlab-ci-token:Zq7hunter2Wx@gitlab.corp.example/team/lib.git/info/refs",
    "https://dev:p%40Zq7hunter2Wx@proxy.example.com",
    "unable to access 'https://dev:Zq7hunter2Wx@git.corp.example/lib/': The requested URL returned error: 403",
    "HTTPS_PROXY=http://corp\\\\dev:Zq7hunter2Wx@squid.corp.example:3128",
    "proxyconnect tcp: dial tcp http://dev:Zq7hunter2Wx@squid.corp.example:3128: connection refused",
    "GOPROXY=https://a.example.com,https://dev:Zq7hunter2Wx@b.example.com|direct",
    "https://store.example.com/m.zip?X-Amz-Credential=AKIDZq7hunter2Wx&X-Amz-Signature=Zq7hunter2Wx",
    "https://store.example.com/m.zip?sv=2020&sig=Zq7hunter2Wx%3D&se=2030",
    "https://store.example.com/m.zip?access_token=Zq7hunter2Wx",
    "https://git.corp.example/api/v4/x?private_token=Zq7hunter2Wx",
    "https://store.example.com/m.zip?Expires=1&Signature=Zq7hunter2Wx&Key-Pair-Id=x",
    "https://proxy.example.com/login?next=https%3A%2F%2Fdev%3AZq7hunter2Wx%40proxy.example.com%2F",
    "https://sso.example.com/cb?code=Zq7hunter2Wx&state=1",
    "Authorization: Bearer Zq7hunter2Wx",
    "Authorization: Basic Zq7hunter2WxZq7hunter2Wx==",
    "authorization: token Zq7hunter2Wx",
    "Proxy-Authorization: Basic Zq7hunter2Wx=",
    "PRIVATE-TOKEN: Zq7hunter2Wx",
    "X-JFrog-Art-Api: Zq7hunter2Wx",
    "Cookie: session=Zq7hunter2Wx; other=Zq7hunter2Wx",
    "Set-Cookie: sid=Zq7hunter2Wx; HttpOnly",
    "curl -H 'Authorization: Bearer Zq7hunter2Wx' https://proxy.example.com",
    "curl -u dev:Zq7hunter2Wx https://proxy.example.com/",
    "wget --http-password=Zq7hunter2Wx https://proxy.example.com/",
    "machine proxy.example.com login dev password Zq7hunter2Wx",
    "default login dev password Zq7hunter2Wx",
    "GITHUB_TOKEN=Zq7hunter2Wx go mod download",
    "export CI_JOB_TOKEN='Zq7hunter2Wx'",
    "ENV NETRC_PASSWORD=Zq7hunter2Wx",
    "ARTIFACTORY_API_KEY: \"Zq7hunter2Wx\"",
    "AWS_SECRET_ACCESS_KEY=Zq7hunter2Wx/abc+def",
    "--build-arg GIT_TOKEN=Zq7hunter2Wx",
    "docker login -u dev --password Zq7hunter2Wx registry.corp.example",
    "{\"username\":\"dev\",\"password\":\"Zq7hunter2Wx\"}",
    "{\"access_token\": \"Zq7hunter2Wx\", \"expires_in\": 3600}",
    "password: Zq7hunter2Wx",
    "client_secret=Zq7hunter2Wx&grant_type=client_credentials",
    "//npm.corp.example/:_authToken=Zq7hunter2Wx",
    "ghp_Zq7hunter2WxZq7hunter2WxZq7hunter2Wx",
    "github_pat_11AAAAAAA0Zq7hunter2Wx_Zq7hunter2Wx",
    "glpat-Zq7hunter2WxAAAAAA",
    "hvs.Zq7hunter2WxZq7hunter2Wx",
    "xoxb-123456789012-Zq7hunter2Wx",
    "AIzaSyZq7hunter2WxZq7hunter2WxZq7hunter",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkZXYiZq7hunter2Wx.Zq7hunter2WxZq7hunter2Wx",
    "-----BEGIN OPENSSH PRIVATE KEY----- Zq7hunter2Wx -----END OPENSSH PRIVATE KEY-----",
    "npm_Zq7hunter2WxZq7hunter2WxZq7hunter2",
    "dckr_pat_Zq7hunter2WxZq7hunter2Wx",
    "pass\u{200b}word=Zq7hun\u{200b}ter2Wx",
    "token=\x1b[1mZq7hunter2Wx\x1b[0m",
    "https://dev:Zq7\x1b[0mhunter2Wx@proxy.example.com/",
];

/// Says what a text shows that nobody may show: a control character, a mark of direction, something invisible.
pub fn raw(text: &str) -> Option<String> {
    let bad = text.char_indices().find(|(_, c)| (c.is_control() && !matches!(c, '\n' | '\t')) || acts(*c))?;
    let around: String = text[..bad.0].chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect();
    Some(format!("{:?} after {around:?}", bad.1))
}

/// Says where the secret can be seen, also in parts of a text that were pulled apart.
pub fn leaked(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let at = ["hunter2", "7hun", "nter2w"].iter().find_map(|part| lower.find(part))?;
    let start = text.floor_char_boundary(at.saturating_sub(80));
    Some(format!("...{:?}", &text[start..text.floor_char_boundary(at + 60)]))
}

fn acts(c: char) -> bool {
    matches!(
        u32::from(c),
        0xad | 0x61c | 0x115f | 0x1160 | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164
            | 0xfeff | 0xffa0 | 0xfff9..=0xfffb | 0xe0000..=0xe0fff
    )
}
