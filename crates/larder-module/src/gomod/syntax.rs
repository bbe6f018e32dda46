//! The syntax that go.mod and go.work share: lines of words, blocks in parentheses, `//` comments.
//!
//! Comments matter, since they carry `indirect`, deprecations and the reasons of retractions. Whole-line comments
//! belong to the line or block right below them. End-of-line comments are handed out afterwards, from the last to the first,
//! each to the last element that ends before it and lies on one line; so a comment behind a word that spans
//! lines (a quoted newline) lands on an earlier element. That is odd, and it is what the go command does.

use crate::unicode;

/// A file as lines and blocks.
pub(crate) struct Syntax<'a> {
    pub(crate) statements: Vec<Statement<'a>>,
}

/// What stands at the top level of a file.
pub(crate) enum Statement<'a> {
    /// A line outside a block.
    Line(Line<'a>),
    /// A block.
    Block(Block<'a>),
}

/// Words of one line, and the comments that belong to it.
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) words: Vec<&'a str>,
    pub(crate) comments: Comments<'a>,
    element: usize,
}

/// Lines in parentheses.
pub(crate) struct Block<'a> {
    pub(crate) number: usize,
    /// What stands before the parenthesis.
    pub(crate) words: Vec<&'a str>,
    pub(crate) lines: Vec<Line<'a>>,
    pub(crate) comments: Comments<'a>,
    element: usize,
}

/// The comments of a line or block, slashes included.
#[derive(Default)]
pub(crate) struct Comments<'a> {
    /// Whole-line comments above; an empty one stands for a blank line inside a block.
    pub(crate) before: Vec<&'a str>,
    /// Comments at the end of the line.
    pub(crate) suffix: Vec<&'a str>,
}

impl Comments<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.suffix.is_empty()
    }
}

/// A text that is not lines and blocks.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) message: &'static str,
}

/// Splits a file into lines and blocks.
pub(crate) fn parse(text: &str) -> Result<Syntax<'_>, SyntaxError> {
    let tokens = Lexer { text, at: 0, line: 1 }.all()?;
    let mut parser = Parser { tokens, next: 0, elements: Vec::new(), suffixes: Vec::new() };
    let mut statements = parser.file()?;
    let mut assigned = assign(&parser.elements, &parser.suffixes);
    for statement in &mut statements {
        match statement {
            Statement::Line(line) => line.comments.suffix = std::mem::take(&mut assigned[line.element]),
            Statement::Block(block) => {
                block.comments.suffix = std::mem::take(&mut assigned[block.element]);
                for line in &mut block.lines {
                    line.comments.suffix = std::mem::take(&mut assigned[line.element]);
                }
            }
        }
    }
    Ok(Syntax { statements })
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
    start: usize,
    end: usize,
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
    fn all(mut self) -> Result<Vec<Token<'a>>, SyntaxError> {
        let mut tokens = Vec::new();
        loop {
            let token = self.token()?;
            tokens.push(token);
            if token.kind == Kind::End {
                return Ok(tokens);
            }
        }
    }

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
        let (start, line) = (self.at, self.line);
        self.at += length;
        self.line += text.matches('\n').count();
        Token { kind, text, start, end: self.at, line, end_line: self.line }
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

fn is_word_character(c: char) -> bool {
    !matches!(c, ' ' | '(' | ')' | '[' | ']' | '{' | '}' | ',') && unicode::is_print(c)
}

/// Where an element that end-of-line comments may belong to begins and ends.
struct Element {
    is_on_one_line: bool,
    end: usize,
}

struct Suffix<'a> {
    start: usize,
    text: &'a str,
}

/// Hands out end-of-line comments to elements, which are in the order of their ends.
fn assign<'a>(elements: &[Element], suffixes: &[Suffix<'a>]) -> Vec<Vec<&'a str>> {
    let mut assigned = vec![Vec::new(); elements.len()];
    let mut left = suffixes;
    for (element, assigned) in elements.iter().zip(&mut assigned).rev() {
        if !element.is_on_one_line {
            continue;
        }
        let first = left.partition_point(|suffix| suffix.start < element.end);
        assigned.extend(left[first..].iter().map(|suffix| suffix.text));
        left = &left[..first];
    }
    assigned
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
    elements: Vec<Element>,
    suffixes: Vec<Suffix<'a>>,
}

impl<'a> Parser<'a> {
    /// Returns the next token; the last one, the end, again and again.
    fn peek(&self) -> Token<'a> {
        self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        self.next += 1;
        if token.kind == Kind::SuffixComment {
            self.suffixes.push(Suffix { start: token.start, text: token.text });
        }
        token
    }

    fn element(&mut self, first_line: usize, last_line: usize, end: usize) -> usize {
        self.elements.push(Element { is_on_one_line: first_line == last_line, end });
        self.elements.len() - 1
    }

    fn file(&mut self) -> Result<Vec<Statement<'a>>, SyntaxError> {
        let mut statements = Vec::new();
        let mut comments: Vec<Token<'a>> = Vec::new();
        loop {
            let token = self.peek();
            match token.kind {
                Kind::Comment => {
                    self.take();
                    comments.push(token);
                }
                Kind::Newline | Kind::End => {
                    self.take();
                    // Comments that nothing follows at once stand alone.
                    if let Some(first) = comments.first() {
                        let start = first.start;
                        comments.clear();
                        self.element(0, 0, start);
                    }
                    if token.kind == Kind::End {
                        return Ok(statements);
                    }
                }
                Kind::SuffixComment | Kind::Open | Kind::Close | Kind::Word => {
                    let before = comments.drain(..).map(|comment| comment.text).collect();
                    statements.push(self.statement(before)?);
                }
            }
        }
    }

    fn statement(&mut self, before: Vec<&'a str>) -> Result<Statement<'a>, SyntaxError> {
        let first = self.take();
        let mut last = first;
        let mut words = vec![first.text];
        let comments = Comments { before, ..Comments::default() };
        loop {
            let token = self.take();
            match token.kind {
                kind if kind.ends_line() => {
                    let element = self.element(first.line, last.end_line, last.end);
                    return Ok(Statement::Line(Line { number: first.line, words, comments, element }));
                }
                Kind::Open if self.peek().kind.ends_line() => {
                    return Ok(Statement::Block(self.block(first, token, words, comments)?));
                }
                Kind::Open if self.peek().kind == Kind::Close => {
                    let close = self.take();
                    if self.peek().kind.ends_line() {
                        self.take();
                        let (block, lines) = (self.close(first, token, close), Vec::new());
                        let number = first.line;
                        return Ok(Statement::Block(Block {
                            number,
                            words,
                            lines,
                            comments,
                            element: block,
                        }));
                    }
                    words.extend([token.text, close.text]);
                }
                Kind::Open => words.push(token.text),
                _ => {
                    words.push(token.text);
                    last = token;
                }
            }
        }
    }

    /// Notes the elements of an empty block: its parentheses and itself, which is returned.
    fn close(&mut self, first: Token<'a>, open: Token<'a>, close: Token<'a>) -> usize {
        self.element(open.line, open.line, open.end);
        self.element(close.line, close.line, close.end);
        self.element(first.line, close.line, close.end)
    }

    fn block(
        &mut self,
        first: Token<'a>,
        open: Token<'a>,
        words: Vec<&'a str>,
        comments: Comments<'a>,
    ) -> Result<Block<'a>, SyntaxError> {
        self.element(open.line, open.line, open.end);
        let mut lines: Vec<Line<'a>> = Vec::new();
        let mut before: Vec<&'a str> = Vec::new();
        loop {
            let token = self.peek();
            match token.kind {
                Kind::SuffixComment => {
                    self.take();
                }
                Kind::Newline => {
                    self.take();
                    let keeps_blank = before.last().map_or(!lines.is_empty(), |last| !last.is_empty());
                    if keeps_blank {
                        before.push("");
                    }
                }
                Kind::Comment => {
                    self.take();
                    before.push(token.text);
                }
                Kind::End => return Err(SyntaxError { line: first.line, message: "unterminated block" }),
                Kind::Close => {
                    self.take();
                    let after = self.peek();
                    if !after.kind.ends_line() {
                        return Err(SyntaxError { line: after.line, message: "expected newline after `)`" });
                    }
                    self.take();
                    self.element(token.line, token.line, token.end);
                    let element = self.element(first.line, token.line, token.end);
                    return Ok(Block { number: first.line, words, lines, comments, element });
                }
                Kind::Open | Kind::Word => {
                    let line = self.line(std::mem::take(&mut before));
                    lines.push(line);
                }
            }
        }
    }

    fn line(&mut self, before: Vec<&'a str>) -> Line<'a> {
        let first = self.take();
        let mut last = first;
        let mut words = vec![first.text];
        loop {
            let token = self.take();
            if token.kind.ends_line() {
                let element = self.element(first.line, last.end_line, last.end);
                let comments = Comments { before, ..Comments::default() };
                return Line { number: first.line, words, comments, element };
            }
            words.push(token.text);
            last = token;
        }
    }
}
