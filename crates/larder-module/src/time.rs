//! Points in time as text: RFC 3339 and the compact form inside pseudo-versions.
//!
//! Reading RFC 3339 is as lenient as Go's reader, because `.info` files are judged by it: an hour of one digit, a comma
//! before the fraction and offsets up to 24:60 pass. There is no clock here.

use std::fmt;

/// A point in time, in UTC.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

impl Timestamp {
    /// Returns the time that many seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }

    /// Returns the seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix(self) -> i64 {
        self.seconds
    }

    /// Reads RFC 3339 as Go does.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let mut reader = Reader(text.as_bytes());
        let year = reader.digits(4)?;
        reader.literal(b'-')?;
        let month = reader.digits(2)?;
        reader.literal(b'-')?;
        let day = reader.digits(2)?;
        reader.literal(b'T')?;
        let hour = reader.digits(2).or_else(|| reader.digits(1))?;
        reader.literal(b':')?;
        let minute = reader.digits(2)?;
        reader.literal(b':')?;
        let second = reader.digits(2)?;
        let nanoseconds = reader.fraction();
        let offset = reader.offset()?;
        if !reader.0.is_empty() {
            return None;
        }
        let local = Civil { year: i64::from(year), month, day, hour, minute, second }.to_unix()?;
        Some(Self { seconds: local - offset, nanoseconds })
    }

    /// Reads the form inside pseudo-versions: fourteen digits, year to second.
    #[must_use]
    pub fn parse_compact(text: &str) -> Option<Self> {
        let mut reader = Reader(text.as_bytes());
        let year = i64::from(reader.digits(4)?);
        let (month, day) = (reader.digits(2)?, reader.digits(2)?);
        let (hour, minute, second) = (reader.digits(2)?, reader.digits(2)?, reader.digits(2)?);
        if !reader.0.is_empty() {
            return None;
        }
        Civil { year, month, day, hour, minute, second }.to_unix().map(Self::from_unix)
    }

    /// Returns the form inside pseudo-versions: fourteen digits, year to second.
    #[must_use]
    pub fn compact(self) -> String {
        let Civil { year, month, day, hour, minute, second } = Civil::from_unix(self.seconds);
        format!("{}{month:02}{day:02}{hour:02}{minute:02}{second:02}", padded(year))
    }
}

/// RFC 3339 in UTC, with a fraction only where there is one.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = Civil::from_unix(self.seconds);
        write!(formatter, "{}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", padded(year))?;
        if self.nanoseconds != 0 {
            let digits = format!("{:09}", self.nanoseconds);
            write!(formatter, ".{}", digits.trim_end_matches('0'))?;
        }
        formatter.write_str("Z")
    }
}

/// Writes a year with four digits, the sign of one before year 0 not counted.
fn padded(year: i64) -> String {
    if year < 0 { format!("-{:04}", -year) } else { format!("{year:04}") }
}

/// A date and time of day of the Gregorian calendar, prolonged in both directions.
struct Civil {
    year: i64,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
}

impl Civil {
    /// Returns `None` for what is on no calendar or clock.
    fn to_unix(&self) -> Option<i64> {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if !(1..=days).contains(&self.day) || self.hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        // Years are counted from March, so that the leap day is a year's last.
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = if month <= 2 { self.year - 1 } else { self.year };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let seconds = (i64::from(self.hour) * 60 + i64::from(self.minute)) * 60 + i64::from(self.second);
        Some((era * 146_097 + day_of_era - 719_468) * 86_400 + seconds)
    }

    fn from_unix(unix: i64) -> Self {
        let days = unix.div_euclid(86_400) + 719_468;
        // Below 86,400 and not negative, so the casts of the parts lose nothing.
        let seconds = unix.rem_euclid(86_400);
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let small = |number: i64| u32::try_from(number).unwrap_or_default();
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: small(month),
            day: small(day),
            hour: small(seconds / 3_600),
            minute: small(seconds / 60 % 60),
            second: small(seconds % 60),
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let mut number = 0;
        for digit in digits {
            number = number * 10 + u32::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        self.0 = rest;
        Some(number)
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    /// Reads an optional fraction of a second; digits after the ninth count for nothing.
    fn fraction(&mut self) -> u32 {
        let [b'.' | b',', rest @ ..] = self.0 else { return 0 };
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return 0;
        }
        let (digits, rest) = rest.split_at(length);
        self.0 = rest;
        digits
            .iter()
            .copied()
            .chain(std::iter::repeat(b'0'))
            .take(9)
            .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
    }

    /// Reads `Z` or an offset, in seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.literal(b'Z').is_some() {
            return Some(0);
        }
        let sign = if self.literal(b'+').is_some() { 1 } else { self.literal(b'-').map(|()| -1)? };
        let hours = self.digits(2)?;
        self.literal(b':')?;
        let minutes = self.digits(2)?;
        (hours <= 24 && minutes <= 60).then(|| sign * (i64::from(hours) * 60 + i64::from(minutes)) * 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for (unix, text, compact) in [
            (0, "1970-01-01T00:00:00Z", "19700101000000"),
            (951_827_696, "2000-02-29T12:34:56Z", "20000229123456"),
            (-1, "1969-12-31T23:59:59Z", "19691231235959"),
            (253_402_300_799, "9999-12-31T23:59:59Z", "99991231235959"),
            (-62_167_219_200, "0000-01-01T00:00:00Z", "00000101000000"),
        ] {
            let time = Timestamp::from_unix(unix);
            assert_eq!(time.to_string(), text);
            assert_eq!(time.compact(), compact);
            assert_eq!(Timestamp::parse_rfc3339(text), Some(time));
            assert_eq!(Timestamp::parse_compact(compact), Some(time));
        }
    }

    #[test]
    fn every_day_of_four_centuries_survives() {
        for day in -200_000..200_000 {
            let time = Timestamp::from_unix(day * 86_400 + 7);
            assert_eq!(Timestamp::parse_rfc3339(&time.to_string()), Some(time));
        }
    }

    #[test]
    fn reads_what_go_reads() {
        let read = |text| Timestamp::parse_rfc3339(text).map(|time| time.to_string());
        assert_eq!(read("2020-01-02T3:04:05Z").as_deref(), Some("2020-01-02T03:04:05Z"));
        assert_eq!(read("2020-01-02T03:04:05,5+01:00").as_deref(), Some("2020-01-02T02:04:05.5Z"));
        assert_eq!(
            read("2020-01-02T03:04:05.1234567891Z").as_deref(),
            Some("2020-01-02T03:04:05.123456789Z")
        );
        assert_eq!(read("2020-01-02T03:04:05-24:60").as_deref(), Some("2020-01-03T04:04:05Z"));
        for bad in [
            "",
            "2020-01-02",
            "2020-02-30T00:00:00Z",
            "2020-01-02T24:00:00Z",
            "2020-01-02T00:00:60Z",
            "2020-01-02t00:00:00Z",
            "2020-01-02T00:00:00z",
            "2020-01-02T00:00:00",
            "2020-01-02T00:00:00.Z",
            "2020-01-02T00:00:00+25:00",
            "2020-01-02T00:00:00Z ",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
