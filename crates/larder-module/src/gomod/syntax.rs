//! The syntax that go.mod and go.work share: lines of words, blocks in parentheses, `//` comments.
//!
//! Comments matter, since they carry `indirect`, deprecations and the reasons of retractions. Whole-line comments
//! belong to the line or block right below them. An end-of-line comment belongs to the last element that ends before it
//! and lies on one line; so a comment behind a word that spans lines (a quoted newline) lands on an earlier
//! element. That is odd, and it is what the go command does.
//!
//! Lines are handed to a [`Sink`] as they are read and not kept: a hostile file of a few megabytes has millions of
//! them. For the same reason comments above a line are one piece of the file until somebody wants their text, and of the words of a line no
//! more are kept than any directive looks at.

use crate::unicode;
use std::{cell::OnceCell, ops::Range, sync::Arc};

/// How many words of a line are kept. No directive has so many: any number from here on is as wrong as this one.
const MOST_WORDS: usize = 8;

/// What the lines of a file are handed to.
pub(crate) trait Sink<'a> {
    /// Takes a line; one that lies on a single line takes later end-of-line comments until the next [`Sink::settle`].
    fn line(&mut self, line: Line<'a>, block: Option<&Header<'a>>);

    /// Takes the line and the words before the parenthesis of a block whose lines follow.
    fn block(&mut self, header: &Header<'a>);

    /// Takes an end-of-line comment for the last line that lies on a single line.
    fn late_comment(&mut self, comment: &'a str);

    /// Learns that the last line gets no more comments.
    fn settle(&mut self);
}

/// Words of one line, and the comments that belong to it.
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) words: Vec<&'a str>,
    pub(crate) comments: Comments<'a>,
    /// Reports whether it lies on a single line, which quoted newlines prevent.
    pub(crate) is_single: bool,
}

/// What stands before the lines of a block.
pub(crate) struct Header<'a> {
    pub(crate) number: usize,
    pub(crate) words: Vec<&'a str>,
    comments: Comments<'a>,
    text: OnceCell<Arc<str>>,
}

impl Header<'_> {
    /// Returns the text of the comments above; the lines of the block share it.
    pub(crate) fn comment_text(&self) -> Arc<str> {
        self.text.get_or_init(|| self.comments.text()).clone()
    }
}

/// The comments of a line or block, slashes included.
#[derive(Default)]
pub(crate) struct Comments<'a> {
    /// The part of the file with the whole-line comments above; empty for no more than a blank line inside a block.
    pub(crate) before: Option<&'a str>,
    /// Comments at the end of the line.
    pub(crate) suffix: Vec<&'a str>,
}

impl Comments<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.before.is_none() && self.suffix.is_empty()
    }

    /// Returns the text without slashes and blank lines.
    pub(crate) fn text(&self) -> Arc<str> {
        let above = self.before.into_iter().flat_map(|above| above.split('\n'));
        let all = above.chain(self.suffix.iter().copied());
        let mut text = String::new();
        for (number, line) in all.filter_map(|comment| comment.trim().strip_prefix("//")).enumerate() {
            if number > 0 {
                text.push('\n');
            }
            text.push_str(line.trim());
        }
        text.into()
    }
}

/// A text that is not lines and blocks.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) message: &'static str,
}

/// Splits a file into lines and blocks; what was handed over before an error counts for nothing.
pub(crate) fn parse<'a>(text: &'a str, sink: &mut impl Sink<'a>) -> Result<(), SyntaxError> {
    let mut lexer = Lexer { text, at: 0, line: 1 };
    let next = lexer.token()?;
    Parser { lexer, next, sink, takes_comments: false }.file()
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    End,
    Newline,
    /// A comment alone on its line, newline included.
    Comment,
    /// A comment behind other text, newline included.
    SuffixComment,
    Open,
    Close,
    Word,
}

impl Kind {
    const fn ends_line(self) -> bool {
        matches!(self, Self::End | Self::Newline | Self::SuffixComment)
    }
}

#[derive(Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    /// Where it begins in the file.
    at: usize,
    line: usize,
    end_line: usize,
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

const BLOCK_COMMENT: &str = "mod files must use // comments, not /* */";

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fail<T>(&self, message: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { line: self.line, message })
    }

    fn token(&mut self) -> Result<Token<'a>, SyntaxError> {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r']).len();
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(self.take(Kind::End, 0)) };
        if rest.starts_with("//") {
            return Ok(self.comment());
        }
        if rest.starts_with("/*") {
            return self.fail(BLOCK_COMMENT);
        }
        match first {
            '\n' => Ok(self.take(Kind::Newline, 1)),
            '(' => Ok(self.take(Kind::Open, 1)),
            ')' => Ok(self.take(Kind::Close, 1)),
            '[' | ']' | '{' | '}' | ',' => Ok(self.take(Kind::Word, 1)),
            '"' | '`' => {
                let length = self.quoted(first)?;
                Ok(self.take(Kind::Word, length))
            }
            c if is_word_character(c) => {
                let length = self.word()?;
                Ok(self.take(Kind::Word, length))
            }
            _ => self.fail("unexpected character"),
        }
    }

    fn take(&mut self, kind: Kind, length: usize) -> Token<'a> {
        let text = &self.rest()[..length];
        let (at, line) = (self.at, self.line);
        self.at += length;
        self.line += text.matches('\n').count();
        Token { kind, text, at, line, end_line: self.line }
    }

    fn comment(&mut self) -> Token<'a> {
        let before = &self.text[..self.at];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let is_alone = before[line_start..].trim().is_empty();
        let kind = if is_alone { Kind::Comment } else { Kind::SuffixComment };
        let length = self.rest().find('\n').map_or_else(|| self.rest().len(), |at| at + 1);
        let token = self.take(kind, length);
        let text =
            token.text.strip_suffix('\n').map_or(token.text, |text| text.strip_suffix('\r').unwrap_or(text));
        Token { text, ..token }
    }

    /// Returns the length of a quoted string; what it means is not looked at.
    fn quoted(&self, quote: char) -> Result<usize, SyntaxError> {
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                return Ok(at + 1);
            }
            if c == '\n' {
                return self.fail("unexpected newline in string");
            }
            if c == '\\' && quote == '"' {
                // Whatever follows, a newline too, is part of the string.
                chars.next();
            }
        }
        self.fail("unexpected end of file in string")
    }

    fn word(&self) -> Result<usize, SyntaxError> {
        let rest = self.rest();
        let length = rest.find(|c| !is_word_character(c)).unwrap_or(rest.len());
        let comment = rest[..length].find("//").unwrap_or(length);
        if rest[..comment].contains("/*") {
            return self.fail(BLOCK_COMMENT);
        }
        Ok(comment)
    }
}

/// Whole-line comments as they are collected: where they are in the file.
#[derive(Default)]
struct Above(Option<Range<usize>>);

impl Above {
    fn add(&mut self, comment: Token<'_>) {
        let end = comment.at + comment.text.len();
        let start = self.0.take().filter(|known| !known.is_empty()).map_or(comment.at, |known| known.start);
        self.0 = Some(start..end);
    }

    /// Notes a blank line, which is something even if no comment is.
    fn add_blank(&mut self) {
        self.0.get_or_insert_default();
    }
}

fn keep<'a>(words: &mut Vec<&'a str>, word: &'a str) {
    if words.len() < MOST_WORDS {
        words.push(word);
    }
}

fn is_word_character(c: char) -> bool {
    !matches!(c, ' ' | '(' | ')' | '[' | ']' | '{' | '}' | ',') && unicode::is_print(c)
}

struct Parser<'a, 's, S> {
    lexer: Lexer<'a>,
    next: Token<'a>,
    sink: &'s mut S,
    /// Reports whether the last element on a single line is a line that the sink has; it takes late comments.
    takes_comments: bool,
}

impl<'a, S: Sink<'a>> Parser<'a, '_, S> {
    /// Takes the next token; the end of the file again and again.
    fn take(&mut self) -> Result<Token<'a>, SyntaxError> {
        let token = self.next;
        if token.kind != Kind::End {
            self.next = self.lexer.token()?;
        }
        Ok(token)
    }

    /// Notes an element on a single line that is no line of words: comments that come now are lost with it.
    fn other_element(&mut self) {
        self.sink.settle();
        self.takes_comments = false;
    }

    fn file(mut self) -> Result<(), SyntaxError> {
        let mut comments = Above::default();
        loop {
            match self.next.kind {
                Kind::Comment => comments.add(self.take()?),
                Kind::Newline | Kind::End => {
                    // Comments that nothing follows at once stand alone.
                    if comments.0.take().is_some() {
                        self.other_element();
                    }
                    if self.take()?.kind == Kind::End {
                        self.sink.settle();
                        return Ok(());
                    }
                }
                Kind::SuffixComment | Kind::Open | Kind::Close | Kind::Word => {
                    self.statement(std::mem::take(&mut comments))?;
                }
            }
        }
    }

    fn statement(&mut self, before: Above) -> Result<(), SyntaxError> {
        let first = self.take()?;
        let mut last = first;
        let mut words = vec![first.text];
        loop {
            let token = self.take()?;
            match token.kind {
                kind if kind.ends_line() => {
                    self.end_line(first, last, token, words, before, None);
                    return Ok(());
                }
                Kind::Open if self.next.kind.ends_line() => {
                    return self.block(self.header(first, words, before), first.line);
                }
                Kind::Open if self.next.kind == Kind::Close => {
                    let close = self.take()?;
                    if self.next.kind.ends_line() {
                        self.take()?;
                        self.sink.block(&self.header(first, words, before));
                        self.other_element();
                        return Ok(());
                    }
                    keep(&mut words, token.text);
                    keep(&mut words, close.text);
                }
                Kind::Open => keep(&mut words, token.text),
                _ => {
                    keep(&mut words, token.text);
                    last = token;
                }
            }
        }
    }

    fn comments(&self, before: Above) -> Comments<'a> {
        Comments { before: before.0.map(|above| &self.lexer.text[above]), suffix: Vec::new() }
    }

    fn header(&self, first: Token<'a>, words: Vec<&'a str>, before: Above) -> Header<'a> {
        let comments = self.comments(before);
        Header { number: first.line, words, comments, text: OnceCell::new() }
    }

    /// Reads the lines of a block after its opening parenthesis.
    fn block(&mut self, header: Header<'a>, first_line: usize) -> Result<(), SyntaxError> {
        self.sink.block(&header);
        self.other_element();
        let mut before = Above::default();
        let mut has_lines = false;
        loop {
            match self.next.kind {
                // It belongs to the parenthesis.
                Kind::SuffixComment => {
                    self.take()?;
                }
                Kind::Newline => {
                    self.take()?;
                    if has_lines {
                        before.add_blank();
                    }
                }
                Kind::Comment => before.add(self.take()?),
                Kind::End => return Err(SyntaxError { line: first_line, message: "unterminated block" }),
                Kind::Close => {
                    self.take()?;
                    if !self.next.kind.ends_line() {
                        let message = "expected newline after `)`";
                        return Err(SyntaxError { line: self.next.line, message });
                    }
                    self.take()?;
                    self.other_element();
                    return Ok(());
                }
                Kind::Open | Kind::Word => {
                    has_lines = true;
                    self.line(std::mem::take(&mut before), &header)?;
                }
            }
        }
    }

    fn line(&mut self, before: Above, header: &Header<'a>) -> Result<(), SyntaxError> {
        let first = self.take()?;
        let mut last = first;
        let mut words = vec![first.text];
        loop {
            let token = self.take()?;
            if token.kind.ends_line() {
                self.end_line(first, last, token, words, before, Some(header));
                return Ok(());
            }
            keep(&mut words, token.text);
            last = token;
        }
    }

    /// Hands over a line, and the comment that ends it to whom it belongs.
    fn end_line(
        &mut self,
        first: Token<'a>,
        last: Token<'a>,
        end: Token<'a>,
        words: Vec<&'a str>,
        before: Above,
        block: Option<&Header<'a>>,
    ) {
        let is_single = first.line == last.end_line;
        if is_single {
            self.sink.settle();
            self.takes_comments = true;
        }
        let comments = self.comments(before);
        self.sink.line(Line { number: first.line, words, comments, is_single }, block);
        if end.kind == Kind::SuffixComment && self.takes_comments {
            self.sink.late_comment(end.text);
        }
    }
}
