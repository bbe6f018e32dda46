//! Lines of 80 columns, for scripts whose characters take one column and for those that take two.

/// Columns of a report.
pub(crate) const COLUMNS: usize = 80;

/// Characters that must not begin a line.
const CLOSING: &str = "，。、；：！？）》」』】”’…,.;:!?)]}";
/// Characters that must not end one.
const OPENING: &str = "（《「『【“‘([{";

/// Returns the columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

const fn columns(c: char) -> usize {
    match c as u32 {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0x33ff
        | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff
        | 0xa000..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Breaks a text into lines of at most `room` columns: at blanks, between ideographs, and within words that are longer
/// than a line.
pub(crate) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let room = room.max(10);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for piece in pieces(paragraph) {
            let visible = width(piece.trim_end());
            if used > 0 && used + visible > room {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0;
            }
            let piece = if used == 0 { piece.trim_start() } else { piece };
            for c in piece.chars() {
                if used + columns(c) > room && c != ' ' {
                    lines.push(std::mem::take(&mut line).trim_end().to_owned());
                    used = 0;
                }
                line.push(c);
                used += columns(c);
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// Splits a text where a line may end: after blanks and between wide characters, but for punctuation that belongs to one.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        if let Some(before) = before {
            let after_blank = before == ' ' && c != ' ';
            let between_wide = (columns(before) == 2 || columns(c) == 2)
                && !CLOSING.contains(c)
                && !OPENING.contains(before)
                && c != ' ';
            if after_blank || between_wide {
                pieces.push(&text[start..at]);
                start = at;
            }
        }
        before = Some(c);
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

/// Breaks a command into lines that the shell joins again, at blanks outside of quotes; a word is never broken.
pub(crate) fn wrapped_command(command: &str, room: usize) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut escaped = false;
    for c in command.chars() {
        let blank = c == ' ' && quote.is_none() && !escaped;
        escaped = c == '\\' && !escaped && quote != Some('\'');
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
        if blank {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    let comment = command.contains(" #") || command.starts_with('#') || command.contains('\n');
    if width(command) <= room || quote.is_some() || comment {
        return vec![command.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(&word) + 2 <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(line) => {
                line.push_str(" \\");
                lines.push(format!("    {word}"));
            }
            None => lines.push(word),
        }
    }
    lines
}

/// Cuts a text to `room` columns.
pub(crate) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += columns(c);
        if used > room {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ideographs_take_two_columns_and_lines_break_between_them() {
        assert_eq!(width("模块 a"), 6);
        let lines = wrapped("域名服务器表示 proxy.example.com 没有地址，请检查名称。", 20);
        assert!(lines.iter().all(|line| width(line) <= 20), "{lines:?}");
        assert!(lines.iter().all(|line| !line.starts_with(['，', '。'])), "{lines:?}");
        let joined: String = lines.concat();
        assert_eq!(joined.replace(' ', ""), "域名服务器表示proxy.example.com没有地址，请检查名称。");
    }

    #[test]
    fn words_longer_than_a_line_are_broken() {
        let lines = wrapped(&format!("see {} there", "x".repeat(50)), 20);
        assert!(lines.iter().all(|line| width(line) <= 20), "{lines:?}");
        assert_eq!(lines.concat().matches('x').count(), 50);
    }

    #[test]
    fn a_broken_command_is_still_one_command() {
        let command = "go env -w 'GOPROXY=https://proxy.example.com, direct' GONOSUMDB=git.corp.example/team";
        let lines = wrapped_command(command, 40);
        assert_eq!(
            lines,
            [
                "go env -w \\",
                "    'GOPROXY=https://proxy.example.com, direct' \\",
                "    GONOSUMDB=git.corp.example/team"
            ]
        );
        assert_eq!(wrapped_command("short one", 40), ["short one"]);
    }

    #[test]
    fn lines_keep_their_words() {
        for room in [10, 15, 33, 80] {
            let text =
                "The name server of this machine says that the host has no address, and so does (the other).";
            let lines = wrapped(text, room);
            assert!(lines.join(" ").split_whitespace().count() >= 18, "{lines:?}");
            assert!(lines.iter().all(|line| width(line) <= room), "{lines:?}");
        }
    }
}
