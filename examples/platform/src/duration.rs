//! Durations as people write them: `30s`, `5m`, `1h`, `7d`, `250ms`.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, Error, Visitor};

/// Reads `30s`, `5m`, `1h30m`, `7d`, `250ms`, `0s`.
///
/// # Errors
///
/// What was expected, in words.
pub fn parse(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 5] = [
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
    ];
    let bad = || format!("`{text}` is not a duration such as 30s, 5m, 1h30m or 7d");
    let mut rest = text.trim();
    let mut millis: u64 = 0;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = UNITS
            .iter()
            .find(|(name, _)| *name == &rest[..letters])
            .ok_or_else(bad)?;
        rest = &rest[letters..];
        millis = number
            .checked_mul(unit.1)
            .and_then(|part| millis.checked_add(part))
            .ok_or_else(bad)?;
    }
    Ok(Duration::from_millis(millis))
}

/// For `#[serde(deserialize_with = "duration::deserialize")]`.
///
/// # Errors
///
/// When the text is not a duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration such as \"30s\", \"5m\", \"1h30m\" or \"7d\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
            parse(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text)
}

/// For humans: the two largest units.
pub fn display(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0 => format!("{} ms", span.as_millis()),
        1..60 => format!("{secs} s"),
        60..3_600 => format!("{} min {} s", secs / 60, secs % 60),
        3_600..86_400 => format!("{} h {} min", secs / 3_600, secs / 60 % 60),
        _ => format!("{} d {} h", secs / 86_400, secs / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        let got = parse(text).ok().map(|span| span.as_millis() as u64);
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn reads_what_people_write() {
        check("30s", Some(30_000));
        check("1h30m", Some(5_400_000));
        check("7d", Some(604_800_000));
        check("250ms", Some(250));
        check(" 0s ", Some(0));
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "5",
            "s",
            "5 minutes",
            "-3s",
            "1.5h",
            "99999999999999999d",
        ] {
            check(text, None);
        }
    }
}
