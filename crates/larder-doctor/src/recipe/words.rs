//! The words of recipes.

use super::{Note, Reason};
use crate::catalogue::Language;

pub(super) fn reason(reason: Reason, language: Language) -> &'static str {
    let (english, chinese) = match reason {
        Reason::OneProxy => (
            "one proxy answers for everything: no module name goes anywhere else",
            "由一个代理负责所有模块：模块名不会发往别处",
        ),
        Reason::ProxyThenDirect => (
            "the next is asked only where the one before says 404 or 410",
            "只有前一个回答 404 或 410 时才询问下一个",
        ),
        Reason::Mirror => (
            "the next is asked whenever the one before fails in any way",
            "前一个以任何方式失败时都会询问下一个",
        ),
        Reason::NoDatabaseForPrivate => (
            "the public checksum database does not know private modules, and must not hear their names",
            "公共校验和数据库不认识私有模块，也不应得知它们的名字",
        ),
        Reason::PrivateByGit => (
            "no proxy serves these: go asks git, and neither proxy nor checksum database hears their names",
            "没有代理提供这些模块：go 直接使用 git，代理和校验和数据库都不会得知其名字",
        ),
        Reason::DatabaseAlias => (
            "the same checksum database under a name that can be reached; verification stays on",
            "同一个校验和数据库的另一个可达域名；校验保持开启",
        ),
        Reason::Outgoing => (
            "the way out; go env -w can't set it, and https addresses use only HTTPS_PROXY",
            "出网代理；go env -w 不能设置它，https 地址只使用 HTTPS_PROXY",
        ),
        Reason::NotOutgoing => ("these are reached without the forward proxy", "这些主机不经过出网代理"),
        Reason::Login => (
            "the login, in a file that only you can read: never in a URL, which ends up in logs",
            "登录信息放在只有你能读的文件中：不要写进 URL，否则会出现在日志里",
        ),
        Reason::ModulesFirst => (
            "the download is a layer of its own, made again only when these files change",
            "下载单独成层，只在这些文件变化时重做",
        ),
        Reason::Cache => (
            "downloads outlive a build; the login is there for this line alone",
            "下载内容可跨构建保留；登录信息只在这一行可见",
        ),
        Reason::Unset => (
            "Go's own default is right here; an older setting would hide it",
            "这里 Go 的默认值就是正确的；旧的设置会掩盖它",
        ),
    };
    pick(language, english, chinese)
}

pub(super) fn note(note: Note, language: Language) -> &'static str {
    let (english, chinese) = match note {
        Note::PrivateAlone => (
            "Leave GOPRIVATE unset: it makes go bypass the proxy. Where it has to stay, set GONOPROXY=none too.",
            "不要设置 GOPRIVATE：它会让 go 绕过代理。若必须保留，请同时设置 GONOPROXY=none。",
        ),
        Note::CommaKeepsNames => (
            "Private modules need a proxy that says 403, not 404, where it refuses: after 404 the next entry hears their names.",
            "若有私有模块，代理拒绝时应返回 403 而不是 404：返回 404 后，下一项会得知它们的名字。",
        ),
        Note::PipeTellsNames => (
            "After a failure every later entry hears the module's name. That is fine for public modules; name private ones with --private.",
            "失败后，后面的每一项都会得知模块名。对公共模块没有问题；私有模块请用 --private 指明。",
        ),
        Note::BothNetrcForms => (
            "A port in the URL has to stand in the netrc's machine too (Go 1.21 and later); netrc is read for https only.",
            "URL 带端口时，netrc 的 machine 也要带端口（Go 1.21 起）；netrc 只用于 https。",
        ),
        Note::GitLogin => (
            "Git needs a login for these hosts: a credential helper, netrc, or ssh by url.<base>.insteadOf.",
            "这些主机需要 git 登录：凭据助手、netrc，或通过 url.<base>.insteadOf 使用 ssh。",
        ),
    };
    pick(language, english, chinese)
}

const fn pick(language: Language, english: &'static str, chinese: &'static str) -> &'static str {
    match language {
        Language::English => english,
        Language::Chinese => chinese,
    }
}
