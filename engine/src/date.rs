//! Dates of facts and rules: ISO 8601 in, milliseconds since 1970 inside. Days are UTC days.
//!
//! Proleptic Gregorian calendar, years 1 to 9999, no leap seconds. The conversion between days and calendar dates is
//! the usual one with years that begin in March, so that the leap day comes last.

pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// 9999-12-31 and 0001-01-01 as days since 1970.
const LAST_DAY: i64 = 2_932_896;
const FIRST_DAY: i64 = -719_162;

/// A moment or a whole day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Milliseconds since 1970; of a whole day, its beginning.
    pub(crate) ms: i64,
    pub(crate) precision: Precision,
}

/// How exactly a moment was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    Day,
    Instant,
}

/// Milliseconds since 1970 of an ISO 8601 date or date-time (UTC without an offset), or of a number that is them already.
#[must_use]
pub fn moment_ms(json: &serde_json::Value) -> Option<i64> {
    Moment::from_json(json).map(|moment| moment.ms)
}

impl Moment {
    /// Reads `2026-11-22`, `2026-11-22T09:30`, `2026-11-22T09:30:15.250+01:00` (UTC without an offset), or milliseconds
    /// since 1970.
    pub(crate) fn from_json(json: &serde_json::Value) -> Option<Self> {
        match json {
            serde_json::Value::String(text) => Self::parse(text),
            serde_json::Value::Number(number) => Self::instant(number.as_i64()?),
            _ => None,
        }
    }

    fn instant(ms: i64) -> Option<Self> {
        let valid = (FIRST_DAY..=LAST_DAY).contains(&ms.div_euclid(DAY_MS));
        valid.then_some(Self { ms, precision: Precision::Instant })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut rest = Digits(text.as_bytes());
        let year = rest.number(4)?;
        rest.sign(b'-')?;
        let month = rest.number(2)?;
        rest.sign(b'-')?;
        let day = rest.number(2)?;
        let day_ms = days_from_date(year, month, day)? * DAY_MS;
        if rest.0.is_empty() {
            return Some(Self { ms: day_ms, precision: Precision::Day });
        }
        rest.sign(b'T').or_else(|| rest.sign(b' '))?;
        let hour = rest.number(2).filter(|hour| *hour < 24)?;
        rest.sign(b':')?;
        let minute = rest.number(2).filter(|minute| *minute < 60)?;
        let mut ms = day_ms + (hour * 60 + minute) * 60_000;
        if rest.sign(b':').is_some() {
            ms += rest.number(2).filter(|second| *second < 60)? * 1000;
            if rest.sign(b'.').is_some() {
                ms += rest.fraction_ms()?;
            }
        }
        let offset_minutes = rest.offset_minutes()?;
        rest.0.is_empty().then(|| Self::instant(ms - offset_minutes * 60_000))?
    }

    /// The first moment after it: of a whole day, the beginning of the next.
    pub(crate) fn end_ms(self) -> i64 {
        match self.precision {
            Precision::Day => self.ms + DAY_MS,
            Precision::Instant => self.ms + 1,
        }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = date_from_days(self.ms.div_euclid(DAY_MS));
        write!(out, "{year:04}-{month:02}-{day:02}")?;
        if self.precision == Precision::Instant {
            let seconds = self.ms.rem_euclid(DAY_MS) / 1000;
            write!(out, " {:02}:{:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        }
        Ok(())
    }
}

struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(digits)?;
        let add = |sum: i64, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'));
        let number = digits.iter().try_fold(0, add)?;
        self.0 = rest;
        Some(number)
    }

    fn sign(&mut self, sign: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == sign).then(|| self.0 = rest)
    }

    /// Up to nine digits after the point; what is finer than a millisecond is dropped.
    fn fraction_ms(&mut self) -> Option<i64> {
        let digits = self.0.iter().take_while(|digit| digit.is_ascii_digit()).count();
        let (fraction, rest) = self.0.split_at_checked(digits).filter(|_| (1..=9).contains(&digits))?;
        self.0 = rest;
        let digit = |at: usize| fraction.get(at).map_or(0, |digit| i64::from(digit - b'0'));
        Some(digit(0) * 100 + digit(1) * 10 + digit(2))
    }

    fn offset_minutes(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.sign(b'Z').is_some() {
            return Some(0);
        }
        let direction = if self.sign(b'+').is_some() { 1 } else { self.sign(b'-').map(|()| -1)? };
        let hours = self.number(2).filter(|hours| *hours < 24)?;
        self.sign(b':')?;
        let minutes = self.number(2).filter(|minutes| *minutes < 60)?;
        Some(direction * (hours * 60 + minutes))
    }
}

fn days_from_date(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let years = if month <= 2 { year - 1 } else { year };
    let months = (month + 9) % 12;
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1 - 719_468;
    // The 31st of a month that has none comes back as another date.
    (date_from_days(days) == (year, month, day)).then_some(days)
}

fn date_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months + 2) / 5 + 1;
    let month = if months < 10 { months + 3 } else { months - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_dates_are_read() {
        let check = |text: &str, expect: Option<i64>| {
            assert_eq!(Moment::parse(text).map(|moment| moment.ms), expect, "{text}");
        };
        check("1970-01-01", Some(0));
        check("1970-01-02", Some(DAY_MS));
        check("1969-12-31T23:59:59.999Z", Some(-1));
        check("2000-02-29", Some(951_782_400_000));
        check("1900-02-29", None);
        check("2026-04-31", None);
        check("2026-13-01", None);
        check("2026-11-22T09:30", Some(1_795_339_800_000));
        check("2026-11-22 09:30:00+01:00", Some(1_795_336_200_000));
        check("2026-11-22T09:30:00.25-00:30", Some(1_795_341_600_250));
        check("2026-11-22T24:00", None);
        check("2026-11-22T09:30:00.Z", None);
        check("2026-11-22T09:30Zz", None);
        check("0001-01-01T00:00+01:00", None);
        check("22.11.2026", None);
        check("", None);
    }

    #[test]
    fn every_day_comes_back_as_its_date() {
        for days in FIRST_DAY..=LAST_DAY {
            let (year, month, day) = date_from_days(days);
            assert_eq!(days_from_date(year, month, day), Some(days));
        }
    }
}
