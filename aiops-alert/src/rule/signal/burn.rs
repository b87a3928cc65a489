//! How fast an error budget is used up.
//!
//! Beyer et al., *The Site Reliability Workbook*, O'Reilly (2018), chapter 5: alerts on several
//! windows and burn rates.

use std::collections::VecDeque;
use std::time::Duration;

use aiops_core::Timestamp;

/// Events are counted by the minute.
const BUCKET_NANOS: i64 = 60_000_000_000;

/// A pair of windows: the long one says that much was used, the short one that it goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct BurnWindow {
    /// At most 30 days.
    pub long: Duration,
    /// At least a minute, at most `long`.
    pub short: Duration,
    /// Burn rate that both must be above; 1 uses up the budget exactly by the end of the period.
    pub factor: f64,
}

impl BurnWindow {
    const fn of(long_mins: u64, short_mins: u64, factor: f64) -> Self {
        Self {
            long: Duration::from_mins(long_mins),
            short: Duration::from_mins(short_mins),
            factor,
        }
    }

    /// The two that call a person: 2 % of a budget of 30 days in an hour, 5 % in six.
    pub fn page() -> Vec<Self> {
        vec![Self::of(60, 5, 14.4), Self::of(360, 30, 6.0)]
    }

    /// The two that open a ticket: 10 % of a budget of 30 days in one day, and in three.
    pub fn ticket() -> Vec<Self> {
        vec![Self::of(1_440, 120, 3.0), Self::of(4_320, 360, 1.0)]
    }

    /// All four.
    pub fn standard() -> Vec<Self> {
        [Self::page(), Self::ticket()].concat()
    }
}

/// Good and bad events by the minute, in order, as far back as the longest window.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Events {
    minutes: VecDeque<(i64, u64, u64)>,
}

impl Events {
    pub(super) fn add(&mut self, at: Timestamp, good: u64, bad: u64, keep: Duration) {
        let minute = at.as_nanos().div_euclid(BUCKET_NANOS);
        let place = self
            .minutes
            .partition_point(|(earlier, ..)| *earlier < minute);
        match self.minutes.get_mut(place) {
            Some((same, all_good, all_bad)) if *same == minute => {
                *all_good = all_good.saturating_add(good);
                *all_bad = all_bad.saturating_add(bad);
            }
            _ => self.minutes.insert(place, (minute, good, bad)),
        }
        let newest = self.minutes.back().map_or(minute, |(newest, ..)| *newest);
        let oldest = newest.saturating_sub(minutes(keep));
        while self
            .minutes
            .front()
            .is_some_and(|(minute, ..)| *minute < oldest)
        {
            self.minutes.pop_front();
        }
    }

    /// Good and bad ones of the window that ends at `now`; `None` when nothing was said in it.
    fn within(&self, now: Timestamp, window: Duration) -> Option<(u64, u64)> {
        let now = now.as_nanos().div_euclid(BUCKET_NANOS);
        let after = now.saturating_sub(minutes(window));
        let newest_first = self.minutes.iter().rev();
        let inside = newest_first
            .skip_while(|(minute, ..)| *minute > now)
            .take_while(|(minute, ..)| *minute > after);
        inside.fold(None, |sum, (_, good, bad)| {
            let (all_good, all_bad) = sum.unwrap_or((0, 0));
            Some((
                u64::saturating_add(all_good, *good),
                u64::saturating_add(all_bad, *bad),
            ))
        })
    }

    /// The burn rate over the long window of the first pair that is exceeded, 0 when none is; `None`
    /// when none is and a short window knows nothing, so that nobody can say whether it goes on.
    pub(super) fn burns(
        &self,
        now: Timestamp,
        windows: &[BurnWindow],
        objective: f64,
        min_events: u64,
    ) -> Option<f64> {
        let rate = |(good, bad): (u64, u64)| {
            let all = good.saturating_add(bad);
            let share = if all == 0 {
                0.0
            } else {
                bad as f64 / all as f64
            };
            (all, share / (1.0 - objective))
        };
        let mut all_known = true;
        for window in windows {
            let (Some(long), Some(short)) = (
                self.within(now, window.long),
                self.within(now, window.short),
            ) else {
                all_known = false;
                continue;
            };
            let ((events, long), (_, short)) = (rate(long), rate(short));
            if events >= min_events && long > window.factor && short > window.factor {
                return Some(long);
            }
        }
        all_known.then_some(0.0)
    }

    /// Whether nothing is known about the window.
    pub(super) fn is_silent(&self, now: Timestamp, window: Duration) -> bool {
        self.within(now, window).is_none()
    }
}

fn minutes(span: Duration) -> i64 {
    (span.as_nanos() / BUCKET_NANOS as u128) as i64
}
