//! Questions to name servers and their answers on the wire: only what asking for addresses needs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Question {
    A,
    Aaaa,
}

impl Question {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
        }
    }

    const fn code(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
        }
    }
}

/// What a name server said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Answer {
    pub(super) rcode: u8,
    pub(super) truncated: bool,
    /// It neither knows nor would ask others.
    pub(super) lame: bool,
    pub(super) addresses: Vec<IpAddr>,
}

impl Answer {
    /// Returns the usual name of the response code.
    pub(super) fn outcome(&self) -> String {
        match self.rcode {
            0 => "NOERROR".to_owned(),
            1 => "FORMERR".to_owned(),
            2 => "SERVFAIL".to_owned(),
            3 => "NXDOMAIN".to_owned(),
            4 => "NOTIMP".to_owned(),
            5 => "REFUSED".to_owned(),
            other => format!("RCODE {other}"),
        }
    }
}

/// Writes a question; none for a name that no question can hold.
pub(super) fn question(id: u16, name: &str, question: Question) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len() + 40);
    out.extend(id.to_be_bytes());
    // A query, recursion wanted; one question, one extra record.
    out.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        out.push(length);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out.extend(question.code().to_be_bytes());
    out.extend([0, 1]);
    // EDNS0 with the size that Go says.
    out.extend([0, 0, 41]);
    out.extend(1232_u16.to_be_bytes());
    out.extend([0; 6]);
    (name.len() <= 254).then_some(out)
}

/// Reads an answer; none if it is no answer to the question of that number.
pub(super) fn answer(message: &[u8], id: u16, asked: Question) -> Option<Answer> {
    let mut reader = Reader { message, at: 0 };
    if reader.number()? != id {
        return None;
    }
    let flags = reader.number()?;
    if flags & 0x8000 == 0 {
        return None;
    }
    let (questions, answers) = (reader.number()?, reader.number()?);
    let (_, extra) = (reader.number()?, reader.number()?);
    for _ in 0..questions {
        reader.name()?;
        reader.skip(4)?;
    }
    let rcode = u8::try_from(flags & 0x000f).ok()?;
    let (authoritative, recursive) = (flags & 0x0400 != 0, flags & 0x0080 != 0);
    let mut out = Answer {
        rcode,
        truncated: flags & 0x0200 != 0,
        lame: rcode == 0 && !authoritative && !recursive && answers == 0 && extra == 0,
        addresses: Vec::new(),
    };
    for _ in 0..answers {
        let Some((kind, data)) = reader.record() else { break };
        if kind != asked.code() {
            continue;
        }
        if let Ok(bytes) = <[u8; 4]>::try_from(data) {
            out.addresses.push(Ipv4Addr::from(bytes).into());
        } else if let Ok(bytes) = <[u8; 16]>::try_from(data) {
            out.addresses.push(Ipv6Addr::from(bytes).into());
        }
    }
    Some(out)
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(bytes)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(|_| ())
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)
    }

    /// Skips a name; a pointer ends it.
    fn name(&mut self) -> Option<()> {
        loop {
            let length = *self.take(1)?.first()?;
            match length {
                0 => return Some(()),
                1..=63 => self.skip(usize::from(length))?,
                0xc0.. => return self.skip(1),
                _ => return None,
            }
        }
    }

    fn record(&mut self) -> Option<(u16, &'a [u8])> {
        self.name()?;
        let kind = self.number()?;
        self.skip(6)?;
        let length = self.number()?;
        Some((kind, self.take(usize::from(length))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(question: &[u8], flags: u16, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = question[..question.len() - 11].to_vec();
        out[2..4].copy_from_slice(&flags.to_be_bytes());
        out[7] = u8::try_from(records.len()).expect("few");
        out[11] = 0;
        for (kind, data) in records {
            out.extend([0xc0, 12]);
            out.extend(kind.to_be_bytes());
            out.extend([0, 1, 0, 0, 0, 60]);
            out.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
            out.extend(*data);
        }
        out
    }

    #[test]
    fn an_answer_is_read_with_aliases_skipped() {
        let asked = question(7, "proxy.example.com", Question::A).expect("a name");
        let told = reply(&asked, 0x8180, &[(5, &[0xc0, 12]), (1, &[192, 0, 2, 1])]);
        let found = answer(&told, 7, Question::A).expect("an answer");
        assert_eq!(found.addresses, [IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(answer(&told, 8, Question::A), None, "another number");
        assert_eq!(answer(&asked, 7, Question::A), None, "no answer");
        let nothing = answer(&reply(&asked, 0x8183, &[]), 7, Question::A).expect("an answer");
        assert_eq!(nothing.outcome(), "NXDOMAIN");
    }

    #[test]
    fn cut_and_foolish_answers_are_no_reason_to_panic() {
        let asked = question(7, "a.example.com", Question::Aaaa).expect("a name");
        let told = reply(&asked, 0x8180, &[(28, &[0; 16]), (28, &[1; 16])]);
        for end in 0..told.len() {
            let _ = answer(&told[..end], 7, Question::Aaaa);
        }
        for at in 0..told.len() {
            for value in [0, 1, 63, 64, 0xc0, 0xff] {
                let mut bad = told.clone();
                bad[at] = value;
                let _ = answer(&bad, 7, Question::Aaaa);
            }
        }
        assert!(question(1, "a..b", Question::A).is_none());
        assert!(question(1, &"a".repeat(64), Question::A).is_none());
    }
}
