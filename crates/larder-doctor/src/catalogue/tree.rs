//! The catalogue as a picture: from what fails, by the layer in which it fails, to the causes.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Catalogue, Language, filled};
use crate::finding::Layer;

/// The layers in the order in which a request meets them, each with the question that decides about it.
const LAYERS: &[(Layer, &str, &str)] = &[
    (Layer::Configuration, "Do the settings say what is meant?", "设置是否符合本意？"),
    (Layer::Project, "Is the project complete and consistent?", "项目是否完整、一致？"),
    (Layer::Cache, "Can the module cache be used?", "模块缓存是否可用？"),
    (Layer::Dns, "Does the name have an address?", "域名是否有地址？"),
    (Layer::Tcp, "Does a connection come about?", "能否建立连接？"),
    (Layer::ForwardProxy, "Does the forward proxy let it through?", "转发代理是否放行？"),
    (Layer::Tls, "Is the peer who it says it is?", "对方身份是否可信？"),
    (Layer::Protocol, "Does the module proxy answer rightly?", "模块代理的回答是否正确？"),
    (Layer::VersionControl, "Does the repository give it?", "代码仓库能否提供？"),
    (Layer::Resolution, "Is there such a version and package?", "是否存在该版本和包？"),
    (Layer::Verification, "Are these the right bytes?", "内容是否正确？"),
];

const ROW: usize = 18;
const GAP: usize = 14;
const WIDTH: usize = 1000;
const LAYERS_AT: usize = 190;
const CAUSES_AT: usize = 530;

/// Draws the tree as SVG.
#[must_use]
pub fn svg(language: Language) -> String {
    let mut by_layer: BTreeMap<Layer, Vec<(String, String)>> = BTreeMap::new();
    for entry in Catalogue::of(language).entries() {
        let title = filled(&entry.words.title, &BTreeMap::new());
        by_layer.entry(entry.cause.layer).or_default().push((entry.id.0.to_owned(), title));
    }
    let mut body = String::new();
    let mut top = GAP;
    let mut middles = Vec::new();
    for (layer, english, chinese) in LAYERS {
        let causes = by_layer.remove(layer).unwrap_or_default();
        if causes.is_empty() {
            continue;
        }
        let height = causes.len() * ROW;
        let middle = top + height / 2;
        middles.push(middle);
        let question = if language == Language::English { english } else { chinese };
        node(&mut body, LAYERS_AT, middle, CAUSES_AT - LAYERS_AT - 60, question);
        for (row, (id, title)) in causes.iter().enumerate() {
            let y = top + row * ROW + ROW / 2;
            line(&mut body, CAUSES_AT - 60, middle, CAUSES_AT - 8, y);
            let _infallible = writeln!(
                body,
                "<text x=\"{CAUSES_AT}\" y=\"{}\"><tspan class=\"id\">{}</tspan> {}</text>",
                y + 4,
                escaped(id),
                escaped(title)
            );
        }
        top += height + GAP;
    }
    let root = top / 2;
    for middle in middles {
        line(&mut body, LAYERS_AT - 30, root, LAYERS_AT, middle);
    }
    let title = match language {
        Language::English => "A module download fails",
        Language::Chinese => "模块下载失败",
    };
    node(&mut body, 10, root, LAYERS_AT - 40, title);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\" font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    out.push_str(STYLE);
    let _infallible = writeln!(
        out,
        "<rect x=\"0\" y=\"0\" width=\"{WIDTH}\" height=\"{top}\" style=\"fill:#fff;stroke:none\"/>\n{body}</svg>"
    );
    out
}

const STYLE: &str = "<style>rect{fill:#eef4fb;stroke:#4a7ab0}path{fill:none;stroke:#9ab}\
    .id{font-family:monospace;fill:#a33}</style>\n";

fn node(body: &mut String, x: usize, middle: usize, width: usize, text: &str) {
    let _infallible = writeln!(
        body,
        "<rect x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"26\" rx=\"5\"/><text x=\"{}\" y=\"{}\">{}</text>",
        middle.saturating_sub(13),
        x + 10,
        middle + 4,
        escaped(text)
    );
}

fn line(body: &mut String, x1: usize, y1: usize, x2: usize, y2: usize) {
    let bend = usize::midpoint(x1, x2);
    let _infallible = writeln!(body, "<path d=\"M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}\"/>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
