//! Reading just enough of a page.
//!
//! The go command reads go-import pages with a forgiving XML parser and stops at the first thing that even that doesn't
//! take; what it found until then counts. A page that works for the go command must work here and one that doesn't must not,
//! so this reader has the same taste: which quotes may be missing, where a stray `&` or `<` ends it, which charset it minds.

use super::names::is_name;

/// What a page is made of, as far as anybody here cares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token {
    /// `<name attribute="value">`, also of `<name/>`.
    Start { name: String, attributes: Vec<(String, String)> },
    /// `</name>`, and the second half of `<name/>`.
    End { name: String },
    /// Text, comments, instructions, directives.
    Other,
}

/// The page can't be read beyond this point.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Stop {
    /// It ends here, between two things.
    #[error("the page ends")]
    End,
    /// It ends in the middle of something.
    #[error("the page ends in the middle of something")]
    Cut,
    /// It isn't markup that can be read.
    #[error("its markup is broken: {0}")]
    Broken(&'static str),
}

/// Returns the value of an attribute, whatever the case of its name, or nothing.
pub(super) fn attribute<'a>(attributes: &'a [(String, String)], wanted: &str) -> &'a str {
    let found = attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map_or("", |(_, value)| value)
}

/// Reads tokens one after the other; after the first [`Stop`] there is no going on.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// The name of an element without content, whose end is yet to be reported.
    pending_end: Option<String>,
}

type Read<T> = Result<T, Stop>;

impl<'a> Reader<'a> {
    pub(super) fn new(page: &'a [u8]) -> Self {
        Self { rest: page, pending_end: None }
    }

    pub(super) fn next(&mut self) -> Read<Token> {
        if let Some(name) = self.pending_end.take() {
            return Ok(Token::End { name });
        }
        match self.peek() {
            None => return Err(Stop::End),
            Some(b'<') => self.rest = &self.rest[1..],
            Some(_) => {
                self.text(None)?;
                return Ok(Token::Other);
            }
        }
        match self.must_peek()? {
            b'/' => {
                self.byte()?;
                self.end_of_element()
            }
            b'?' => {
                self.byte()?;
                self.instruction()
            }
            b'!' => {
                self.byte()?;
                self.declaration()
            }
            _ => self.element(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn must_peek(&self) -> Read<u8> {
        self.peek().ok_or(Stop::Cut)
    }

    fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.rest.split_first().ok_or(Stop::Cut)?;
        self.rest = rest;
        Ok(*first)
    }

    fn spaces(&mut self) {
        let count = self.rest.iter().take_while(|byte| matches!(byte, b' ' | b'\r' | b'\n' | b'\t')).count();
        self.rest = &self.rest[count..];
    }

    /// Skips everything up to and including `end`.
    fn skip_past(&mut self, end: &[u8]) -> Read<&'a [u8]> {
        let at = self.rest.windows(end.len()).position(|window| window == end).ok_or(Stop::Cut)?;
        let before = &self.rest[..at];
        self.rest = &self.rest[at + end.len()..];
        Ok(before)
    }

    fn end_of_element(&mut self) -> Read<Token> {
        let name = self.local_name()?.ok_or(Stop::Broken("an element's name was due after </"))?;
        self.spaces();
        match self.byte()? {
            b'>' => Ok(Token::End { name }),
            _ => Err(Stop::Broken("something stands between the name after </ and >")),
        }
    }

    fn instruction(&mut self) -> Read<Token> {
        let target = self.name()?.ok_or(Stop::Broken("a name was due after <?"))?;
        self.spaces();
        // `<?xml?>` has its end in one piece with nothing before it.
        let content = self.skip_past(b"?>")?;
        if target == "xml" {
            let content = String::from_utf8_lossy(content);
            if !matches!(parameter(&content, "version"), "" | "1.0") {
                return Err(Stop::Broken("it is not version 1.0 of XML"));
            }
            let charset = parameter(&content, "encoding").to_lowercase();
            if !matches!(charset.as_str(), "" | "utf-8" | "ascii") {
                return Err(Stop::Broken("its charset is not UTF-8"));
            }
        }
        Ok(Token::Other)
    }

    fn declaration(&mut self) -> Read<Token> {
        match self.must_peek()? {
            b'-' => {
                self.byte()?;
                if self.byte()? != b'-' {
                    return Err(Stop::Broken("<!- begins no comment"));
                }
                self.skip_past(b"--")?;
                match self.byte()? {
                    b'>' => Ok(Token::Other),
                    _ => Err(Stop::Broken("-- stands inside of a comment")),
                }
            }
            b'[' => {
                self.byte()?;
                for due in b"CDATA[" {
                    if self.byte()? != *due {
                        return Err(Stop::Broken("<![ begins no CDATA"));
                    }
                }
                check_characters(self.skip_past(b"]]>")?)?;
                Ok(Token::Other)
            }
            _ => self.directive(),
        }
    }

    /// Skips `<!DOCTYPE ...>` and the like: angle brackets nest, except in quotes and comments.
    fn directive(&mut self) -> Read<Token> {
        let (mut quote, mut depth) = (None, 0_usize);
        // The first character is part of the directive, whatever it is but for its role as a quote or bracket.
        let mut byte = self.byte()?;
        let mut is_first = true;
        loop {
            if quote.is_none() && byte == b'>' && depth == 0 && !is_first {
                return Ok(Token::Other);
            }
            let may_act = !is_first;
            is_first = false;
            match (quote, byte) {
                _ if !may_act => {}
                (Some(open), _) if byte == open => quote = None,
                (Some(_), _) => {}
                (None, b'\'' | b'"') => quote = Some(byte),
                (None, b'>') => depth = depth.saturating_sub(1),
                (None, b'<') => {
                    if self.is_comment()? {
                        self.skip_past(b"-->")?;
                    } else {
                        depth += 1;
                    }
                }
                (None, _) => {}
            }
            byte = self.byte()?;
        }
    }

    /// Takes `!--` if it comes next; of anything else, what was looked at before it differed is skipped.
    fn is_comment(&mut self) -> Read<bool> {
        for due in b"!--" {
            if self.must_peek()? != *due {
                return Ok(false);
            }
            self.byte()?;
        }
        Ok(true)
    }

    fn element(&mut self) -> Read<Token> {
        let name = self.local_name()?.ok_or(Stop::Broken("an element's name was due after <"))?;
        let mut attributes = Vec::new();
        loop {
            self.spaces();
            match self.must_peek()? {
                b'/' => {
                    self.byte()?;
                    if self.byte()? != b'>' {
                        return Err(Stop::Broken("> was due after /"));
                    }
                    self.pending_end = Some(name.clone());
                    break;
                }
                b'>' => {
                    self.byte()?;
                    break;
                }
                _ => attributes.push(self.one_attribute()?),
            }
        }
        Ok(Token::Start { name, attributes })
    }

    fn one_attribute(&mut self) -> Read<(String, String)> {
        let name = self.local_name()?.ok_or(Stop::Broken("an attribute's name was due"))?;
        self.spaces();
        if self.must_peek()? != b'=' {
            return Ok((name.clone(), name));
        }
        self.byte()?;
        self.spaces();
        let value = match self.must_peek()? {
            quote @ (b'"' | b'\'') => {
                self.byte()?;
                self.text(Some(quote))?
            }
            _ => self.bare_value()?,
        };
        Ok((name, value))
    }

    fn bare_value(&mut self) -> Read<String> {
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-');
        let count = self.rest.iter().take_while(|byte| fits(byte)).count();
        let (value, rest) = self.rest.split_at(count);
        self.rest = rest;
        self.must_peek()?;
        Ok(String::from_utf8_lossy(value).into_owned())
    }

    /// Reads a name and cuts off what stands before a colon.
    fn local_name(&mut self) -> Read<Option<String>> {
        let Some(name) = self.name()? else { return Ok(None) };
        let mut parts = name.split(':');
        match (parts.next(), parts.next(), parts.next()) {
            (_, _, Some(_)) => Ok(None),
            (Some(space), Some(local), None) if !space.is_empty() && !local.is_empty() => {
                Ok(Some(local.to_owned()))
            }
            _ => Ok(Some(name)),
        }
    }

    fn name(&mut self) -> Read<Option<String>> {
        let Some(bytes) = self.name_bytes()? else { return Ok(None) };
        if !is_name(bytes) {
            return Err(Stop::Broken("a name has characters that names don't have"));
        }
        Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
    }

    /// Takes what looks like a name; bytes beyond ASCII are for the caller to judge.
    fn name_bytes(&mut self) -> Read<Option<&'a [u8]>> {
        let fits = |byte: &u8| {
            !byte.is_ascii() || byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.' | b'-')
        };
        self.must_peek()?;
        let count = self.rest.iter().take_while(|byte| fits(byte)).count();
        if count == 0 {
            return Ok(None);
        }
        let (name, rest) = self.rest.split_at(count);
        self.rest = rest;
        self.must_peek()?;
        Ok(Some(name))
    }

    /// Reads text up to a quote, which is taken, or up to `<`, which isn't.
    fn text(&mut self, quote: Option<u8>) -> Read<String> {
        let mut text = Vec::new();
        // The last two bytes as they stood in the page.
        let (mut before, mut last) = (0, 0);
        while let Some(byte) = self.peek() {
            if quote.is_none() && (before, last, byte) == (b']', b']', b'>') {
                return Err(Stop::Broken("]]> stands outside of CDATA"));
            }
            if byte == b'<' {
                match quote {
                    Some(_) => return Err(Stop::Broken("< stands in a quoted value")),
                    None => break,
                }
            }
            self.rest = &self.rest[1..];
            if quote == Some(byte) {
                check_characters(&text)?;
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
            match byte {
                b'&' => {
                    self.reference(&mut text)?;
                    (before, last) = (0, 0);
                    continue;
                }
                b'\r' => text.push(b'\n'),
                b'\n' if last == b'\r' => {}
                _ => text.push(byte),
            }
            (before, last) = (last, byte);
        }
        check_characters(&text)?;
        match quote {
            Some(_) => Err(Stop::Cut),
            None => Ok(String::from_utf8_lossy(&text).into_owned()),
        }
    }

    /// Reads what follows a `&` and adds what it stands for, or itself if it stands for nothing.
    fn reference(&mut self, text: &mut Vec<u8>) -> Read<()> {
        let start = self.rest;
        let meaning = if self.must_peek()? == b'#' { self.number()? } else { self.entity()? };
        match meaning {
            Some(character) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            None => {
                text.push(b'&');
                text.extend_from_slice(&start[..start.len() - self.rest.len()]);
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Read<Option<char>> {
        self.byte()?;
        let mut radix = 10;
        if self.must_peek()? == b'x' {
            self.byte()?;
            radix = 16;
        }
        let count = self.rest.iter().take_while(|byte| char::from(**byte).is_digit(radix)).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        if self.must_peek()? != b';' {
            return Ok(None);
        }
        self.byte()?;
        let code =
            std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, radix).ok());
        let known =
            code.and_then(|code| u32::try_from(code).ok()).filter(|code| *code <= u32::from(char::MAX));
        // Half a surrogate pair stands for the replacement character.
        Ok(known.map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)))
    }

    fn entity(&mut self) -> Read<Option<char>> {
        let name = self.name_bytes()?.unwrap_or_default();
        if self.must_peek()? != b';' {
            return Ok(None);
        }
        self.byte()?;
        Ok(match name {
            b"lt" => Some('<'),
            b"gt" => Some('>'),
            b"amp" => Some('&'),
            b"apos" => Some('\''),
            b"quot" => Some('"'),
            _ => None,
        })
    }
}

/// Returns a parameter of `<?xml ...?>`: what stands in quotes right after its name and `=`.
fn parameter<'a>(content: &'a str, name: &str) -> &'a str {
    let assignment = format!("{name}=");
    let mut rest = content;
    while let Some(at) = rest.find(&assignment) {
        rest = &rest[at + assignment.len()..];
        match rest.as_bytes().first() {
            Some(quote @ (b'"' | b'\'')) => {
                return rest[1..].split_once(char::from(*quote)).map_or("", |(value, _)| value);
            }
            Some(_) => {
                // The search goes on behind the character that is no quote.
                let mut characters = rest.chars();
                characters.next();
                rest = characters.as_str();
            }
            None => return "",
        }
    }
    ""
}

fn check_characters(text: &[u8]) -> Read<()> {
    let text = std::str::from_utf8(text).map_err(|_| Stop::Broken("it is not UTF-8"))?;
    let allowed = |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(allowed) { Ok(()) } else { Err(Stop::Broken("it has control characters")) }
}
