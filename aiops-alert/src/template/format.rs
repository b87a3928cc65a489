//! Numbers and text for people, as Prometheus prints them.

use aiops_core::Timestamp;

/// As Go prints a float that is printed without a format.
pub(super) fn plain(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        return exponent(&format!("{value:e}"));
    }
    value.to_string()
}

/// Go writes exponents with a sign and at least two digits.
fn exponent(text: &str) -> String {
    match text.split_once('e') {
        Some((mantissa, power)) => {
            let (sign, digits) = power
                .strip_prefix('-')
                .map_or(('+', power), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => text.to_owned(),
    }
}

/// Four significant digits, without trailing zeros.
fn four_digits(value: f64) -> String {
    significant(value, 4)
}

fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return plain(value);
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let power: i32 = scientific
        .split_once('e')
        .and_then(|(_, power)| power.parse().ok())
        .unwrap_or(0);
    if power < -4 || power >= digits as i32 {
        let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        return exponent(&format!("{}e{power}", trim_zeros(mantissa)));
    }
    let decimals = (digits as i32 - 1 - power).max(0) as usize;
    trim_zeros(&format!("{value:.decimals$}")).to_owned()
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// With a decimal prefix: 1.234M, 12.3m.
pub(super) fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return plain(value);
    }
    scaled(value, 1_000.0, &["k", "M", "G", "T", "P", "E", "Z", "Y"])
        .unwrap_or_else(|| small(value))
}

/// Below one: milli, micro ...
fn small(value: f64) -> String {
    let mut value = value;
    let mut prefix = "";
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1_000.0;
    }
    four_digits(value) + prefix
}

/// With a binary prefix: 1.5Gi.
pub(super) fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return significant_or_plain(value);
    }
    scaled(
        value,
        1_024.0,
        &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"],
    )
    .unwrap_or_else(|| four_digits(value))
}

fn significant_or_plain(value: f64) -> String {
    if value.is_finite() {
        four_digits(value)
    } else {
        plain(value)
    }
}

/// `None` below one.
fn scaled(value: f64, base: f64, prefixes: &[&str]) -> Option<String> {
    if value.abs() < 1.0 {
        return None;
    }
    let (mut value, mut prefix) = (value, "");
    for next in prefixes {
        if value.abs() < base {
            break;
        }
        prefix = next;
        value /= base;
    }
    Some(four_digits(value) + prefix)
}

/// Seconds as days, hours, minutes and seconds; below a second with a prefix.
pub(super) fn humanize_duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return plain(seconds);
    }
    if seconds == 0.0 {
        return "0s".to_owned();
    }
    if seconds.abs() < 1.0 {
        return small(seconds) + "s";
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = seconds.abs() as i64;
    let (days, hours) = (whole / 86_400, whole / 3_600 % 24);
    let (minutes, rest) = (whole / 60 % 60, whole % 60);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {rest}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {rest}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {rest}s")
    } else {
        sign.to_owned() + &four_digits(seconds.abs()) + "s"
    }
}

/// A share as percent.
pub(super) fn humanize_percentage(share: f64) -> String {
    significant_or_plain(share * 100.0) + "%"
}

/// Unix seconds as a date.
pub(super) fn humanize_timestamp(seconds: f64) -> String {
    let nanos = seconds * 1e9;
    if !nanos.is_finite() || nanos.abs() >= i64::MAX as f64 {
        return plain(seconds);
    }
    Timestamp::from_nanos(nanos as i64).to_string()
}

/// Every word with a capital.
pub(super) fn title(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        if begins {
            result.extend(c.to_uppercase());
        } else {
            result.push(c);
        }
        begins = !c.is_alphanumeric() && c != '\'' && c != '_';
    }
    result
}

/// A host without the port behind it.
pub(super) fn strip_port(text: &str) -> String {
    if let Some(rest) = text.strip_prefix('[')
        && let Some((host, _)) = rest.split_once(']')
    {
        return host.to_owned();
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            host.to_owned()
        }
        _ => text.to_owned(),
    }
}

/// `printf` with one verb.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verb {
    before: String,
    after: String,
    width: usize,
    left: bool,
    zero: bool,
    plus: bool,
    precision: Option<usize>,
    kind: char,
}

/// Widths and precisions that are accepted.
const MAX_DIGITS: usize = 100;

impl Verb {
    /// `None` when the format has not exactly one verb, or one that is not known.
    pub(super) fn parse(format: &str) -> Option<Self> {
        let mut parts = format.replace("%%", "\u{0}");
        let at = parts.find('%')?;
        let rest = parts.split_off(at + 1);
        parts.pop();
        if rest.contains('%') {
            return None;
        }
        let flags: String = rest.chars().take_while(|c| "-+ 0#".contains(*c)).collect();
        let rest = &rest[flags.len()..];
        let (width, rest) = digits(rest);
        let (precision, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (precision, rest) = digits(rest);
                (Some(precision), rest)
            }
            None => (None, rest),
        };
        let kind = rest.chars().next()?;
        if !"fFgGeEdvsq".contains(kind) || width > MAX_DIGITS || precision > Some(MAX_DIGITS) {
            return None;
        }
        let literal = |text: &str| text.replace('\u{0}', "%");
        Some(Self {
            before: literal(&parts),
            after: literal(&rest[kind.len_utf8()..]),
            width,
            left: flags.contains('-'),
            zero: flags.contains('0'),
            plus: flags.contains('+'),
            precision,
            kind,
        })
    }

    pub(super) fn wants_number(&self) -> bool {
        !"sq".contains(self.kind)
    }

    pub(super) fn number(&self, value: f64) -> String {
        let text = if value.is_finite() {
            match self.kind {
                'f' | 'F' => format!("{value:.*}", self.precision.unwrap_or(6)),
                'e' | 'E' => exponent(&format!("{value:.*e}", self.precision.unwrap_or(6))),
                'g' | 'G' => self
                    .precision
                    .map_or_else(|| plain(value), |digits| significant(value, digits.max(1))),
                'd' => format!("{:.0}", value.trunc()),
                _ => plain(value),
            }
        } else {
            plain(value)
        };
        let sign = if self.plus && value >= 0.0 { "+" } else { "" };
        self.fit(&format!("{sign}{text}"), self.zero)
    }

    pub(super) fn text(&self, text: &str) -> String {
        let cut: String = match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.to_owned(),
        };
        if self.kind == 'q' {
            self.fit(&format!("{cut:?}"), false)
        } else {
            self.fit(&cut, false)
        }
    }

    fn fit(&self, text: &str, zero: bool) -> String {
        let width = self.width;
        let fitted = if self.left {
            format!("{text:<width$}")
        } else if zero {
            let (sign, digits) = match text.strip_prefix(['-', '+']) {
                Some(digits) => text.split_at(text.len() - digits.len()),
                None => ("", text),
            };
            let width = width.saturating_sub(sign.len());
            format!("{sign}{digits:0>width$}")
        } else {
            format!("{text:>width$}")
        };
        format!("{}{fitted}{}", self.before, self.after)
    }
}

/// Leading digits as a number, too large ones as more than is accepted.
fn digits(text: &str) -> (usize, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let value = if end == 0 {
        0
    } else {
        text[..end].parse().unwrap_or(usize::MAX)
    };
    (value, &text[end..])
}
