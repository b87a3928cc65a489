//! Windows in which nobody is to be woken: maintenance, nightly jobs, the load test of Tuesday.
//!
//! A [`Monitor`](crate::monitor::Monitor) that is given such windows judges the samples in them,
//! says [`Suppressed(Excluded)`](aiops_core::Suppression::Excluded), and does not learn from them.

use aiops_core::{ParamError, TimeRange, Timestamp};

const DAY: i64 = 86_400;
/// Largest offset of a time zone, in seconds.
const MAX_OFFSET: i32 = 18 * 3_600;

/// When a window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum When {
    /// Once.
    Once(TimeRange),
    /// Each week, on some days.
    Weekly {
        /// On which days it begins, Monday first.
        days: [bool; 7],
        /// When it begins: seconds since midnight, below 86,400.
        start_s: u32,
        /// How long it is open, from 1 second to a week; it may reach into the next days.
        length_s: u32,
        /// Seconds that local time is ahead of UTC, at most 18 hours either way. A zone with
        /// daylight saving time needs the caller to change it.
        utc_offset_s: i32,
    },
}

/// A window with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Exclusion {
    /// Why, for people.
    pub reason: String,
    /// When.
    pub when: When,
}

/// Windows that are excluded, checked.
///
/// ```
/// use aiops_core::Timestamp;
/// use aiops_detect::exclusion::{Exclusion, Exclusions, When};
///
/// let backup = Exclusion {
///     reason: "backup of the data base".to_owned(),
///     when: When::Weekly {
///         days: [false, false, false, false, false, true, true],
///         start_s: 23 * 3_600,
///         length_s: 2 * 3_600,
///         utc_offset_s: 3_600,
///     },
/// };
/// let exclusions = Exclusions::try_from(vec![backup])?;
/// let at = |text: &str| exclusions.at(text.parse().expect("a time"));
/// assert_eq!(at("2026-07-05T23:30:00Z"), Some("backup of the data base")); // Monday 00:30 there
/// assert_eq!(at("2026-07-06T00:00:00Z"), None);
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
///
/// A look-up goes through all windows. Where several are open, the first gives the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusions {
    windows: Vec<Exclusion>,
}

impl TryFrom<Vec<Exclusion>> for Exclusions {
    type Error = ParamError;

    fn try_from(windows: Vec<Exclusion>) -> Result<Self, ParamError> {
        for window in &windows {
            window.check()?;
        }
        Ok(Self { windows })
    }
}

impl Exclusion {
    fn check(&self) -> Result<(), ParamError> {
        match self.when {
            When::Once(range) if range.is_empty() => {
                let got = format!("{} to {}", range.start, range.end);
                Err(ParamError::new("once", "a span that is not empty", got))
            }
            When::Once(_) => Ok(()),
            When::Weekly {
                days,
                start_s,
                length_s,
                utc_offset_s,
            } => {
                if !days.contains(&true) {
                    return Err(ParamError::new("days", "at least one", "none"));
                }
                if i64::from(start_s) >= DAY {
                    return Err(ParamError::new("start_s", "below 86400", start_s));
                }
                if !(1..=7 * DAY).contains(&i64::from(length_s)) {
                    return Err(ParamError::new("length_s", "from 1 to 604800", length_s));
                }
                if !(-MAX_OFFSET..=MAX_OFFSET).contains(&utc_offset_s) {
                    let expected = "from -64800 to 64800";
                    return Err(ParamError::new("utc_offset_s", expected, utc_offset_s));
                }
                Ok(())
            }
        }
    }

    fn is_open(&self, at: Timestamp) -> bool {
        match self.when {
            When::Once(range) => range.contains(at),
            When::Weekly {
                days,
                start_s,
                length_s,
                utc_offset_s,
            } => {
                let seconds = at.as_nanos().div_euclid(1_000_000_000) + i64::from(utc_offset_s);
                let since_start = seconds - i64::from(start_s);
                let (day, within) = (since_start.div_euclid(DAY), since_start.rem_euclid(DAY));
                // A window is open that began today, or up to a week ago.
                (0..=6).any(|ago| {
                    // The first of January 1970 was a Thursday.
                    let weekday = (day - ago + 3).rem_euclid(7) as usize;
                    days[weekday] && within + ago * DAY < i64::from(length_s)
                })
            }
        }
    }
}

impl Exclusions {
    /// The windows.
    pub fn windows(&self) -> &[Exclusion] {
        &self.windows
    }

    /// Why the instant is excluded; `None` when it is not.
    pub fn at(&self, at: Timestamp) -> Option<&str> {
        let open = self.windows.iter().find(|window| window.is_open(at));
        open.map(|window| window.reason.as_str())
    }
}
