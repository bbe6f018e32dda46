//! The words around findings, in the languages of the catalogue.

use larder_doctor::catalogue::Language;
use larder_doctor::{Layer, Verdict};

/// Everything that is said around findings.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) fail: &'static str,
    pub(crate) warn: &'static str,
    pub(crate) info: &'static str,
    pub(crate) way: &'static str,
    pub(crate) proof: &'static str,
    pub(crate) fix: &'static str,
    pub(crate) changes: &'static str,
    pub(crate) not: &'static str,
    pub(crate) by_hand: &'static str,
    pub(crate) wrong: &'static str,
    pub(crate) more: &'static str,
    pub(crate) healthy: &'static str,
    pub(crate) nothing_failed: &'static str,
    pub(crate) skipped: &'static str,
    pub(crate) settings: &'static str,
    pub(crate) riddle: &'static str,
    pub(crate) sure: &'static str,
    pub(crate) looks_like: &'static str,
    pub(crate) look_alikes: &'static str,
    pub(crate) after_absent: &'static str,
    pub(crate) after_any: &'static str,
    pub(crate) offer_bundle: &'static str,
    pub(crate) looking: &'static str,
    pub(crate) paste: &'static str,
    pub(crate) asked: &'static str,
    pub(crate) in_json: &'static str,
    pub(crate) repeated: &'static str,
    pub(crate) failed: &'static str,
    pub(crate) learns: &'static str,
    pub(crate) bundled: &'static str,
    pub(crate) other_failure: &'static str,
}

/// Returns the words of a language.
pub(crate) const fn words(language: Language) -> &'static Words {
    match language {
        Language::English => &ENGLISH,
        Language::Chinese => &CHINESE,
    }
}

const ENGLISH: Words = Words {
    fail: "FAIL",
    warn: "WARN",
    info: "INFO",
    way: "The way",
    proof: "Proof",
    fix: "Fix",
    changes: "This changes:",
    not: "It is not",
    by_hand: "See it without Larder",
    wrong: "Don't",
    more: "more:",
    healthy: "Healthy: nothing found that makes a module download fail.",
    nothing_failed: "Nothing was checked and nothing failed.",
    skipped: "Not looked at",
    settings: "Settings",
    riddle: "Something failed that the doctor doesn't know:",
    sure: "sure",
    looks_like: "Looks like",
    look_alikes: "Look-alikes",
    after_absent: "(the next entry is asked after 404 or 410 only)",
    after_any: "(the next entry is asked after any failure)",
    offer_bundle: "hint: --bundle FILE keeps all facts, without secrets and private names, to attach to an issue",
    looking: "looking; ctrl-c stops",
    paste: "paste the output, then press ctrl-d",
    asked: "Asked for",
    in_json: "more; --format json shows them all",
    repeated: "Asked several times (fastest/median/slowest)",
    failed: "failed",
    learns: "Who learns what",
    bundled: "all facts, without secrets and private names, are in",
    other_failure: "The command failed, and not because of a module download.",
};

const CHINESE: Words = Words {
    fail: "失败",
    warn: "警告",
    info: "提示",
    way: "路径",
    proof: "证据",
    fix: "解决",
    changes: "改动：",
    not: "已排除",
    by_hand: "不用 Larder 重现",
    wrong: "不要",
    more: "详情：",
    healthy: "健康：没有发现会使模块下载失败的问题。",
    nothing_failed: "没有检查任何内容，也没有失败。",
    skipped: "未检查",
    settings: "设置",
    riddle: "有一处失败，诊断器不认识：",
    sure: "把握",
    looks_like: "表现",
    look_alikes: "相似原因",
    after_absent: "（仅在 404 或 410 之后才会询问下一项）",
    after_any: "（任何失败之后都会询问下一项）",
    offer_bundle: "提示：--bundle FILE 会保存全部事实（不含密钥和私有名称），可附在问题报告中",
    looking: "检查中；按 ctrl-c 停止",
    paste: "请粘贴输出，然后按 ctrl-d",
    asked: "依次询问以获取",
    in_json: "另有这些；--format json 会全部列出",
    repeated: "多次询问（最快/中位/最慢）",
    failed: "失败",
    learns: "谁会得知什么",
    bundled: "全部事实（不含密钥和私有名称）已写入",
    other_failure: "命令失败了，但并非由模块下载引起。",
};

impl Words {
    /// Returns the word for a verdict.
    pub(crate) const fn verdict(&self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Fail => self.fail,
            Verdict::Warn => self.warn,
            Verdict::Info => self.info,
        }
    }
}

/// Returns the name of a layer.
pub(crate) const fn layer(layer: Layer, language: Language) -> &'static str {
    let (english, chinese) = match layer {
        Layer::Configuration => ("configuration", "配置"),
        Layer::Dns => ("DNS", "域名解析"),
        Layer::Tcp => ("TCP", "连接"),
        Layer::Tls => ("TLS", "TLS"),
        Layer::ForwardProxy => ("forward proxy", "转发代理"),
        Layer::Protocol => ("module proxy", "模块代理"),
        Layer::Cache => ("module cache", "模块缓存"),
        Layer::Project => ("project", "项目"),
        Layer::Verification => ("verification", "校验"),
        Layer::VersionControl => ("version control", "版本控制"),
        Layer::Resolution => ("version resolution", "版本选择"),
    };
    match language {
        Language::English => english,
        Language::Chinese => chinese,
    }
}
