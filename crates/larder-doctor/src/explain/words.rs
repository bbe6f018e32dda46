//! The sentences of an explanation, in English and in Chinese.

use super::{Decision, Leak, Login, Mismatch, PatternAnswer, Role};
use crate::catalogue::Language;

pub(super) fn sentence(decision: &Decision, language: Language) -> String {
    match language {
        Language::English => english(decision),
        Language::Chinese => chinese(decision),
    }
}

pub(super) fn leak(leak: &Leak, language: Language) -> String {
    let host = &leak.host;
    match language {
        Language::English => {
            let what = if leak.version { "the path and the version" } else { "the path" };
            let when = if leak.always { "" } else { ", if it is asked at all" };
            let role = match leak.role {
                Role::Proxy => "as a proxy",
                Role::ChecksumProxy => "as a way to the checksum database",
                Role::ChecksumDatabase => "as the checksum database",
                Role::GoImport => "as the server of the go-import page",
                Role::Repository => "as the server of the repository",
            };
            format!("{host} learns {what}, {role}{when}.")
        }
        Language::Chinese => {
            let what = if leak.version { "路径和版本" } else { "路径" };
            let when = if leak.always { "" } else { "（仅当询问到它时）" };
            let role = match leak.role {
                Role::Proxy => "代理",
                Role::ChecksumProxy => "校验和数据库的中转",
                Role::ChecksumDatabase => "校验和数据库",
                Role::GoImport => "go-import 页面的服务器",
                Role::Repository => "代码仓库的服务器",
            };
            format!("{host} 作为{role}会得知{what}{when}。")
        }
    }
}

fn english(decision: &Decision) -> String {
    match decision {
        Decision::MalformedPath { path, fault } => format!("{path:?} can't be a module path: {fault}."),
        Decision::WellFormed { path } => format!("{path} is a well-formed module path."),
        Decision::StandardLibrary { path } => format!(
            "{path} has no dot in its first element: the go command looks for it in the standard library only."
        ),
        Decision::ModulesDisabled => "Modules are switched off: go get and go mod refuse to work.".to_owned(),
        Decision::UnknownModuleMode { value } => format!("{value:?} is no module mode: every command stops."),
        Decision::NoModuleHere => {
            "There is no go.mod here, and with auto some commands then work without modules.".to_owned()
        }
        Decision::BadFlags { word } => format!("{word:?} in GOFLAGS is no flag: every command stops."),
        Decision::ModFlag { flag } => format!("{flag} applies to every build, go list and go get."),
        Decision::Workspace { file, uses_module: true } => format!("The workspace of {file} is in force."),
        Decision::Workspace { file, uses_module: false } => {
            format!("The workspace of {file} is in force, and it doesn't use the module of this folder.")
        }
        Decision::OwnModule { released: false } => "It is the module of this folder: nobody is asked.".to_owned(),
        Decision::OwnModule { released: true } => {
            "It is the module of this folder; a build takes it from here, and only a command that names the version asks for it.".to_owned()
        }
        Decision::OwnPackage { module } => {
            format!("It lies below {module}, the module of this folder: a build looks there first.")
        }
        Decision::ReplacedByFolder { folder, there: true } => {
            format!("A replace line takes it from the folder {folder}: nobody is asked.")
        }
        Decision::ReplacedByFolder { folder, there: false } => {
            format!("A replace line takes it from the folder {folder}, where there is no go.mod.")
        }
        Decision::Replaced { by } => format!("A replace line asks for {by} instead."),
        Decision::Vendored { why } => {
            format!("Builds take it from the vendor folder ({why}); go get and go mod download don't.")
        }
        Decision::NotVendored { why } => format!("The vendor folder is not used ({why})."),
        Decision::Private { pattern } => {
            format!("The pattern {pattern} matches: no proxy is asked, only the module's own repository.")
        }
        Decision::NotPrivate { near } => english_not_private(near),
        Decision::BadChain { fault } => {
            format!("GOPROXY can't be used: {fault}. It stops every download, private ones too.")
        }
        Decision::Proxy { entry, url, after_failure, last, forward_proxy, .. } => english_proxy(*entry, url, *after_failure, *last, forward_proxy.as_deref()),
        Decision::DirectEntry { entry } => {
            format!("Entry {entry}: direct, the module's own repository. What follows it is never read.")
        }
        Decision::OffEntry { entry } => {
            format!("Entry {entry}: off. Nobody is asked; what follows it is never read.")
        }
        Decision::Repository { root, system, host } => {
            format!("The path names its repository itself: {root}, with {system}, at {host}.")
        }
        Decision::GoImport { url, forward_proxy } => {
            let through = forward_proxy.as_ref().map_or_else(String::new, |url| format!(" through {url}"));
            format!("The page {url} is fetched{through}; its go-import tag says where the repository is.")
        }
        Decision::NoRepository { reason } => format!("There can be no repository: {reason}."),
        Decision::Insecure { pattern } => format!(
            "The pattern {pattern} lets that page come without TLS or with a bad certificate; proxies and git are not affected."
        ),
        Decision::BadVersionControlRules { fault } => format!("GOVCS can't be used: {fault}."),
        Decision::VersionControl { rule, private, system, allowed } => english_version_control(rule, *private, system.as_deref(), *allowed),
        Decision::Login { host, login } => english_login(host, login),
        Decision::SumsKnown => "go.sum has its hashes: nobody else is asked for them.".to_owned(),
        Decision::ChecksumsOff => "No checksum database: new hashes are believed as they come.".to_owned(),
        Decision::ChecksumsSkipped { pattern } => {
            format!("The pattern {pattern} matches: the checksum database is not asked about it.")
        }
        Decision::BadChecksumDatabase { fault } => format!("GOSUMDB can't be used: {fault}."),
        Decision::ChecksumDatabaseAt { name, url } => {
            format!("The checksum database {name} is asked at {url}, never through a proxy.")
        }
        Decision::ChecksumDatabase { name, proxies, .. } if proxies.is_empty() => {
            format!("The checksum database {name} is asked directly.")
        }
        Decision::ChecksumDatabase { name, proxies, .. } => format!(
            "The checksum database {name} is asked through the first of {} that answers /sumdb/{name}/supported with 200; if all of them answer 404 or 410, directly.",
            proxies.join(", ")
        ),
        Decision::ToolchainAlwaysChecked => {
            "Toolchains are always checked with the checksum database, whatever the settings say.".to_owned()
        }
    }
}

pub(super) fn pattern(answer: &PatternAnswer, language: Language) -> String {
    let chinese = language == Language::Chinese;
    let Some(mismatch) = answer.mismatch else {
        return if chinese { "匹配".to_owned() } else { "matches".to_owned() };
    };
    let reason = if chinese { chinese_reason(mismatch) } else { english_reason(mismatch) };
    match (&answer.instead, chinese) {
        (Some(instead), false) => format!("no match: {reason}; write {instead}"),
        (None, false) => format!("no match: {reason}"),
        (Some(instead), true) => format!("不匹配：{reason}；应写成 {instead}"),
        (None, true) => format!("不匹配：{reason}"),
    }
}

fn near_miss(answers: &[PatternAnswer]) -> Option<(&PatternAnswer, Mismatch)> {
    let known = answers.iter().filter_map(|answer| Some((answer, answer.mismatch?)));
    known.into_iter().find(|(_, reason)| *reason != Mismatch::Other)
}

const fn english_reason(reason: Mismatch) -> &'static str {
    match reason {
        Mismatch::Blank => "the blank is part of the pattern",
        Mismatch::CarriageReturn => "it ends with a carriage return",
        Mismatch::Scheme => "patterns have no scheme",
        Mismatch::Semicolon => "patterns are separated by commas",
        Mismatch::Quotes => "the quotes are part of the pattern",
        Mismatch::Port => "module paths have no port",
        Mismatch::Case => "capital letters count",
        Mismatch::LeadingDot => "a leading dot matches nothing",
        Mismatch::OnlyBelow => "a pattern with *. does not match the domain itself",
        Mismatch::PartOfElement => "patterns match whole path elements",
        Mismatch::TooLong => "it has more elements than the path",
        Mismatch::Malformed => "it is malformed",
        Mismatch::Other => "it is about something else",
    }
}

fn english_not_private(near: &[PatternAnswer]) -> String {
    match near_miss(near) {
        Some((miss, reason)) => format!(
            "No private pattern matches; {:?} was perhaps meant to, but {}.",
            miss.pattern,
            english_reason(reason)
        ),
        None => "No private pattern matches: the entries of GOPROXY are asked in their order.".to_owned(),
    }
}

fn english_proxy(
    entry: usize,
    url: &str,
    after_failure: bool,
    last: bool,
    forward_proxy: Option<&str>,
) -> String {
    let then = match (last, after_failure) {
        (true, _) => "It is the last: what it doesn't have is not found",
        (false, true) => "After any failure, of the check of its hash too, the next entry is asked",
        (false, false) => "After 404 or 410 the next entry is asked; any other failure ends the walk",
    };
    let through = forward_proxy.map_or_else(String::new, |url| format!(" through {url}"));
    format!("Entry {entry}: {url} is asked{through}. {then}.")
}

fn english_version_control(rule: &str, private: bool, system: Option<&str>, allowed: bool) -> String {
    let kind = if private { "private" } else { "public" };
    match (system, allowed) {
        (Some(system), true) => format!("{system} may be run for this {kind} path (rule {rule})."),
        (Some(system), false) => {
            format!("{system} may not be run for this {kind} path (rule {rule}).")
        }
        (None, _) => format!("For this {kind} path the rule {rule} says what may be run."),
    }
}

fn english_login(host: &str, login: &Login) -> String {
    match login {
        Login::Url => format!("{host} gets the login of the URL."),
        Login::UrlRefused => format!("The URL of {host} has a login, which go refuses to send without TLS."),
        Login::Netrc { path, machine } => {
            format!("{host} gets the login of the machine {machine} in {path}.")
        }
        Login::NetrcUnused { path, machine, why } => {
            let why = match why.as_str() {
                "http" => "netrc is never used without TLS",
                "incomplete" => "it lacks a login or a password",
                _ => "this version of Go compares the port, too",
            };
            format!("{host} gets no login: the machine {machine} in {path} does not count, because {why}.")
        }
        Login::Helper { command } => {
            format!("{host}: after a 4xx the command {command:?} is asked for a login.")
        }
        Login::Off => format!("{host} gets no login."),
    }
}

fn chinese(decision: &Decision) -> String {
    match decision {
        Decision::MalformedPath { path, fault } => format!("{path:?} 不是合法的模块路径：{fault}。"),
        Decision::WellFormed { path } => format!("{path} 是合法的模块路径。"),
        Decision::StandardLibrary { path } => {
            format!("{path} 的第一段没有点号：go 命令只会在标准库中查找。")
        }
        Decision::ModulesDisabled => "模块功能已关闭：go get 和 go mod 拒绝工作。".to_owned(),
        Decision::UnknownModuleMode { value } => format!("{value:?} 不是有效的模块模式：所有命令都会停止。"),
        Decision::NoModuleHere => "这里没有 go.mod；设为 auto 时部分命令会不使用模块。".to_owned(),
        Decision::BadFlags { word } => format!("GOFLAGS 中的 {word:?} 不是选项：所有命令都会停止。"),
        Decision::ModFlag { flag } => format!("{flag} 对每次构建、go list 和 go get 生效。"),
        Decision::Workspace { file, uses_module: true } => format!("工作区 {file} 生效。"),
        Decision::Workspace { file, uses_module: false } => {
            format!("工作区 {file} 生效，但它没有列出当前目录的模块。")
        }
        Decision::OwnModule { released: false } => "这就是当前目录的模块：不询问任何人。".to_owned(),
        Decision::OwnModule { released: true } => {
            "这就是当前目录的模块；构建直接使用它，只有指明版本的命令才会去询问。".to_owned()
        }
        Decision::OwnPackage { module } => format!("它位于当前模块 {module} 之下：构建时先在那里查找。"),
        Decision::ReplacedByFolder { folder, there: true } => {
            format!("replace 行用目录 {folder} 代替它：不询问任何人。")
        }
        Decision::ReplacedByFolder { folder, there: false } => {
            format!("replace 行用目录 {folder} 代替它，但那里没有 go.mod。")
        }
        Decision::Replaced { by } => format!("replace 行改为请求 {by}。"),
        Decision::Vendored { why } => {
            format!("构建使用 vendor 目录中的副本（{why}）；go get 和 go mod download 不使用。")
        }
        Decision::NotVendored { why } => format!("不使用 vendor 目录（{why}）。"),
        Decision::Private { pattern } => {
            format!("模式 {pattern} 匹配：不询问任何代理，只访问模块自己的代码仓库。")
        }
        Decision::NotPrivate { near } => chinese_not_private(near),
        Decision::BadChain { fault } => {
            format!("GOPROXY 无法使用：{fault}。所有下载都会停止，私有模块也不例外。")
        }
        Decision::Proxy { entry, url, after_failure, last, forward_proxy, .. } => {
            chinese_proxy(*entry, url, *after_failure, *last, forward_proxy.as_deref())
        }
        Decision::DirectEntry { entry } => {
            format!("第 {entry} 项：direct，即模块自己的代码仓库。其后的内容不会被读取。")
        }
        Decision::OffEntry { entry } => format!("第 {entry} 项：off。不询问任何人；其后的内容不会被读取。"),
        Decision::Repository { root, system, host } => {
            format!("路径本身就指明了仓库：{root}，使用 {system}，位于 {host}。")
        }
        Decision::GoImport { url, forward_proxy } => {
            let through = forward_proxy.as_ref().map_or_else(String::new, |url| format!("经由 {url} "));
            format!("{through}获取页面 {url}；其中的 go-import 标签指明仓库位置。")
        }
        Decision::NoRepository { reason } => format!("不可能有这样的仓库：{reason}。"),
        Decision::Insecure { pattern } => {
            format!("模式 {pattern} 允许该页面不使用 TLS 或使用无效证书；对代理和 git 无效。")
        }
        Decision::BadVersionControlRules { fault } => format!("GOVCS 无法使用：{fault}。"),
        Decision::VersionControl { rule, private, system, allowed } => {
            chinese_version_control(rule, *private, system.as_deref(), *allowed)
        }
        Decision::Login { host, login } => chinese_login(host, login),
        Decision::SumsKnown => "go.sum 中已有它的哈希：不再询问其他人。".to_owned(),
        Decision::ChecksumsOff => "没有校验和数据库：新的哈希会被直接采信。".to_owned(),
        Decision::ChecksumsSkipped { pattern } => format!("模式 {pattern} 匹配：不就它询问校验和数据库。"),
        Decision::BadChecksumDatabase { fault } => format!("GOSUMDB 无法使用：{fault}。"),
        Decision::ChecksumDatabaseAt { name, url } => {
            format!("校验和数据库 {name} 只在 {url} 询问，绝不经过代理。")
        }
        Decision::ChecksumDatabase { name, proxies, .. } if proxies.is_empty() => {
            format!("直接询问校验和数据库 {name}。")
        }
        Decision::ChecksumDatabase { name, proxies, .. } => format!(
            "经由 {} 中第一个对 /sumdb/{name}/supported 返回 200 的代理询问校验和数据库 {name}；如果都返回 404 或 410，则直接询问。",
            proxies.join("、")
        ),
        Decision::ToolchainAlwaysChecked => "无论如何设置，工具链总要经过校验和数据库的检查。".to_owned(),
    }
}

const fn chinese_reason(reason: Mismatch) -> &'static str {
    match reason {
        Mismatch::Blank => "空格也是模式的一部分",
        Mismatch::CarriageReturn => "它以回车符结尾",
        Mismatch::Scheme => "模式中不能有协议前缀",
        Mismatch::Semicolon => "模式之间用逗号分隔",
        Mismatch::Quotes => "引号也是模式的一部分",
        Mismatch::Port => "模块路径没有端口",
        Mismatch::Case => "大小写有区别",
        Mismatch::LeadingDot => "以点号开头的模式什么也不匹配",
        Mismatch::OnlyBelow => "以 *. 开头的模式不匹配域名本身",
        Mismatch::PartOfElement => "模式按完整的路径段匹配",
        Mismatch::TooLong => "它的段数比路径多",
        Mismatch::Malformed => "它的语法有误",
        Mismatch::Other => "它与此无关",
    }
}

fn chinese_not_private(near: &[PatternAnswer]) -> String {
    match near_miss(near) {
        Some((miss, reason)) => {
            format!("没有私有模式匹配；{:?} 也许本应匹配，但{}。", miss.pattern, chinese_reason(reason))
        }
        None => "没有私有模式匹配：按顺序询问 GOPROXY 的各项。".to_owned(),
    }
}

fn chinese_proxy(
    entry: usize,
    url: &str,
    after_failure: bool,
    last: bool,
    forward_proxy: Option<&str>,
) -> String {
    let then = match (last, after_failure) {
        (true, _) => "它是最后一项：它没有的就是找不到",
        (false, true) => "任何失败（包括哈希校验失败）之后都会询问下一项",
        (false, false) => "返回 404 或 410 时询问下一项；其他失败则到此为止",
    };
    let through = forward_proxy.map_or_else(String::new, |url| format!("经由 {url} "));
    format!("第 {entry} 项：{through}询问 {url}。{then}。")
}

fn chinese_version_control(rule: &str, private: bool, system: Option<&str>, allowed: bool) -> String {
    let kind = if private { "私有" } else { "公开" };
    match (system, allowed) {
        (Some(system), true) => format!("允许对这个{kind}路径运行 {system}（规则 {rule}）。"),
        (Some(system), false) => format!("不允许对这个{kind}路径运行 {system}（规则 {rule}）。"),
        (None, _) => format!("对这个{kind}路径，由规则 {rule} 决定可以运行什么。"),
    }
}

fn chinese_login(host: &str, login: &Login) -> String {
    match login {
        Login::Url => format!("{host} 会收到 URL 中的登录信息。"),
        Login::UrlRefused => format!("{host} 的 URL 带有登录信息，没有 TLS 时 go 拒绝发送。"),
        Login::Netrc { path, machine } => format!("{host} 会收到 {path} 中 machine {machine} 的登录信息。"),
        Login::NetrcUnused { path, machine, why } => {
            let why = match why.as_str() {
                "http" => "没有 TLS 时从不使用 netrc",
                "incomplete" => "它缺少登录名或密码",
                _ => "这个版本的 Go 还会比较端口",
            };
            format!("{host} 收不到登录信息：{path} 中的 machine {machine} 不起作用，因为{why}。")
        }
        Login::Helper { command } => format!("{host}：返回 4xx 后会向命令 {command:?} 索取登录信息。"),
        Login::Off => format!("{host} 收不到登录信息。"),
    }
}
