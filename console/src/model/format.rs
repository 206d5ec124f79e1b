//! Numbers, durations and times as text. English and Chinese write digits alike; units and large numbers differ.

use crate::text::Lang;

const MINUS: char = '\u{2212}';

/// `12,345`.
pub(crate) fn integer(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `−1,234.5` with exactly so many decimal places; a dash for what is not a number.
pub(crate) fn decimal(x: f64, digits: usize) -> String {
    if !x.is_finite() {
        return "–".to_owned();
    }
    let fixed = format!("{:.digits$}", x.abs());
    let (whole, fraction) = fixed.split_once('.').unwrap_or((&fixed, ""));
    let is_zero = fixed.bytes().all(|b| matches!(b, b'0' | b'.'));
    let mut out = String::new();
    if x < 0.0 && !is_zero {
        out.push(MINUS);
    }
    match whole.parse() {
        Ok(n) => out.push_str(&integer(n)),
        Err(_) => out.push_str(whole),
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// Three digits that matter: `1,234`, `56.7`, `8.90`, `0.123`.
pub(crate) fn significant(x: f64) -> String {
    decimal(
        x,
        match x.abs() {
            0.0 => 0,
            a if a >= 99.95 => 0,
            a if a >= 9.995 => 1,
            a if a >= 0.9995 => 2,
            _ => 3,
        },
    )
}

/// A share as per cent: `3.42%`, `12.3%`, `100%`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent.abs() {
        0.0 => 0,
        a if a >= 99.95 => 0,
        a if a >= 9.995 => 1,
        _ => 2,
    };
    decimal(percent, digits) + "%"
}

/// A signed figure with two places: `+0.42`.
pub(crate) fn signed(x: f64) -> String {
    let text = decimal(x, 2);
    if x >= 0.0 { format!("+{text}") } else { text }
}

/// A count in few characters: `950`, `1.2k`, `3.4M`; `1.2万`, `3.4亿`.
pub(crate) fn compact(lang: Lang, n: u64) -> String {
    let units: &[(u64, &str)] = match lang {
        Lang::En => &[(1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")],
        Lang::Zh => &[(100_000_000, "亿"), (10_000, "万")],
    };
    match units.iter().find(|(size, _)| n >= *size) {
        None => integer(n),
        Some((size, unit)) => {
            let tenths = n / (size / 10);
            match tenths % 10 {
                0 => format!("{}{unit}", integer(tenths / 10)),
                tenth => format!("{}.{tenth}{unit}", integer(tenths / 10)),
            }
        }
    }
}

/// `840 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(lang: Lang, ms: u64) -> String {
    let [milli, second, minute, hour] = match lang {
        Lang::En => ["ms", "s", "min", "h"],
        Lang::Zh => ["毫秒", "秒", "分", "小时"],
    };
    match ms {
        0..1_000 => format!("{ms} {milli}"),
        1_000..60_000 => format!("{} {second}", decimal(ms as f64 / 1000.0, 1)),
        60_000..3_600_000 => format!("{} {minute} {} {second}", ms / 60_000, ms / 1000 % 60),
        _ => format!("{} {hour} {} {minute}", ms / 3_600_000, ms / 60_000 % 60),
    }
}

/// A stretch of time in its largest unit, which it is a multiple of: `1 min`, `24 h`, `7 days`.
pub(crate) fn window(lang: Lang, ms: u64) -> String {
    let minutes = ms / 60_000;
    let (count, [en, zh]) = match minutes {
        m if m > 0 && m % 1440 == 0 && m > 1440 => (m / 1440, ["days", "天"]),
        m if m > 0 && m % 60 == 0 => (m / 60, ["h", "小时"]),
        m => (m, ["min", "分钟"]),
    };
    format!(
        "{} {}",
        integer(count),
        match lang {
            Lang::En => en,
            Lang::Zh => zh,
        }
    )
}

/// The time of day, `offset_min` minutes ahead of UTC: `14:03:22`.
pub(crate) fn clock(at_ms: u64, offset_min: i32) -> String {
    let day_s = 86_400;
    let second = (at_ms / 1000) as i64 + i64::from(offset_min) * 60;
    let second = second.rem_euclid(day_s);
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1000, 1_234_567].map(integer), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(decimal(-1234.56, 1), "−1,234.6");
        assert_eq!(decimal(-0.001, 1), "0.0");
        assert_eq!(decimal(f64::NAN, 1), "–");
        assert_eq!([0.0, 1234.4, 56.72, 8.9, 0.1234].map(significant), ["0", "1,234", "56.7", "8.90", "0.123"]);
        assert_eq!([0.0, 0.034_21, 0.123, 1.0].map(percent), ["0%", "3.42%", "12.3%", "100%"]);
        assert_eq!([0.42, -1.0].map(signed), ["+0.42", "−1.00"]);
    }

    #[test]
    fn large_numbers_by_language() {
        fn check(n: u64, en: &str, zh: &str) {
            assert_eq!((compact(Lang::En, n).as_str(), compact(Lang::Zh, n).as_str()), (en, zh));
        }
        check(950, "950", "950");
        check(1_250, "1.2k", "1,250");
        check(20_000, "20k", "2万");
        check(3_460_000, "3.4M", "346万");
        check(120_000_000, "120M", "1.2亿");
    }

    #[test]
    fn durations_and_times() {
        fn check(ms: u64, en: &str, zh: &str) {
            assert_eq!((duration(Lang::En, ms).as_str(), duration(Lang::Zh, ms).as_str()), (en, zh));
        }
        check(840, "840 ms", "840 毫秒");
        check(1_240, "1.2 s", "1.2 秒");
        check(200_000, "3 min 20 s", "3 分 20 秒");
        check(7_500_000, "2 h 5 min", "2 小时 5 分");
        for (minutes, en, zh) in
            [(1, "1 min", "1 分钟"), (1_440, "24 h", "24 小时"), (10_080, "7 days", "7 天"), (90, "90 min", "90 分钟")]
        {
            assert_eq!([Lang::En, Lang::Zh].map(|lang| window(lang, minutes * 60_000)), [en, zh]);
        }
        assert_eq!(clock(1_000, 0), "00:00:01");
        assert_eq!(clock(1_000, -60), "23:00:01");
        assert_eq!(clock(1_763_769_802_000, 480), "08:03:22");
    }
}
