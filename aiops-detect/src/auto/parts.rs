//! The small estimators that the default detector is made of.

use crate::MAX_SCORE;
use crate::running::Running;
use crate::spread;

/// Share of the level that is the smallest spread: what rounding leaves.
const RELATIVE_MIN_SCALE: f64 = spread::DEFAULT_RELATIVE_MIN_SCALE;

/// An exponentially weighted mean; the plain mean until it has seen `memory` values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mean {
    pub(super) value: f64,
    /// Values seen, as far as that matters.
    pub(super) seen: f64,
}

impl Mean {
    pub(super) const NONE: Self = Self {
        value: 0.0,
        seen: 0.0,
    };

    /// As if `memory` zeros had been seen: a stream begins with nothing odd.
    pub(super) fn zero(memory: f64) -> Self {
        Self {
            value: 0.0,
            seen: memory,
        }
    }

    /// The mean with `value` taken in.
    pub(super) fn with(self, value: f64, memory: f64) -> Self {
        let seen = self.seen + 1.0;
        let rate = (1.0 / seen).max(1.0 / memory);
        Self {
            value: (1.0 - rate) * self.value + rate * value,
            seen: seen.min(memory),
        }
    }

    pub(super) fn add(&mut self, value: f64, memory: f64) {
        *self = self.with(value, memory);
    }
}

/// The value that a given share of positive numbers exceeds, by stochastic approximation on the
/// logarithmic scale (Robbins and Monro 1951): one multiplication for each number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exceeded {
    pub(super) value: f64,
    pub(super) seen: f64,
}

impl Exceeded {
    /// Steps shrink like this over the numbers seen, but not below one over this memory.
    const GAIN: f64 = 4.0;
    const MEMORY: f64 = 20_000.0;
    /// Largest step: the first numbers must not throw it about.
    const LARGEST: f64 = 1.0;
    /// Numbers before the first that is put in its units.
    const WARMUP: f64 = 12.0;

    pub(super) const NONE: Self = Self {
        value: 0.0,
        seen: 0.0,
    };

    /// `number` in units of the value that is exceeded; 0 until that has settled a little.
    fn in_units(self, number: f64) -> f64 {
        if self.seen < Self::WARMUP || number == 0.0 {
            0.0
        } else {
            (number / self.value).min(MAX_SCORE)
        }
    }

    /// Learns a number that is not negative, as one that `share` of all should exceed.
    pub(super) fn add(&mut self, number: f64, share: f64) {
        self.seen = (self.seen + 1.0).min(Self::GAIN * Self::MEMORY);
        if self.value == 0.0 {
            self.value = number;
            return;
        }
        let step = (Self::GAIN / self.seen).min(Self::LARGEST) / share.sqrt();
        if number > self.value {
            self.value *= 1.0 + step * (1.0 - share);
        } else {
            self.value /= 1.0 + step * share;
        }
        self.value = self.value.clamp(f64::MIN_POSITIVE, MAX_SCORE);
    }
}

/// One way to predict the next sample: how far off is it usually?
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Expert {
    /// Mean absolute error, of errors cut at [`CUT`](Self::CUT) times it.
    pub(super) error: Mean,
    /// Error in units of that mean which one in ten exceeds.
    pub(super) tail: Exceeded,
}

impl Expert {
    const CUT: f64 = 8.0;
    const MEMORY: f64 = 5_000.0;
    const SHARE: f64 = 0.1;
    /// Errors before the first that is judged.
    const WARMUP: f64 = 20.0;

    pub(super) const NONE: Self = Self {
        error: Mean::NONE,
        tail: Exceeded::NONE,
    };

    /// The error in units of the usual one; 0 at the start.
    fn relative(&self, error: f64, level: f64) -> f64 {
        if self.error.seen < Self::WARMUP || error == 0.0 {
            return 0.0;
        }
        let usual = self.error.value.max(RELATIVE_MIN_SCALE * level.abs());
        (error / usual).min(MAX_SCORE)
    }

    /// 1 is an error that one in ten exceeds.
    pub(super) fn score(&self, error: f64, level: f64) -> f64 {
        self.tail.in_units(self.relative(error, level))
    }

    pub(super) fn learn(&mut self, error: f64, level: f64) {
        let relative = self.relative(error, level);
        let judged = self.error.seen >= Self::WARMUP;
        if judged {
            self.tail.add(relative, Self::SHARE);
        }
        let most = if judged {
            Self::CUT * self.error.value.max(RELATIVE_MIN_SCALE * level.abs())
        } else {
            f64::MAX
        };
        self.error.add(error.min(most), Self::MEMORY);
    }
}

/// Has the mean of the last few differences left where they usually are?
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Drift {
    pub(super) short: [Mean; 2],
    pub(super) long: Running,
}

impl Drift {
    const SHORT: [f64; 2] = [3.0, 10.0];
    const WARMUP: u64 = 20;

    pub(super) const NONE: Self = Self {
        short: [Mean::NONE; 2],
        long: Running {
            count: 0,
            mean: 0.0,
            variance: 0.0,
        },
    };

    /// Distance of both short means, with `value` taken in, from the long one, in standard
    /// deviations, summed.
    pub(super) fn score(&self, value: f64, level: f64) -> f64 {
        if self.long.count < Self::WARMUP {
            return 0.0;
        }
        let deviation = self.long.deviation();
        let scale = deviation.max(RELATIVE_MIN_SCALE * level.abs());
        let away = |(short, memory): (&Mean, f64)| {
            spread::score(short.with(value, memory).value, self.long.mean, scale)
        };
        let sum: f64 = self.short.iter().zip(Self::SHORT).map(away).sum();
        sum.min(MAX_SCORE)
    }

    pub(super) fn learn(&mut self, value: f64, memory: f64) {
        for (short, memory) in self.short.iter_mut().zip(Self::SHORT) {
            short.add(value, memory);
        }
        self.long.add(value, memory);
    }
}

/// Are the steps from sample to sample larger or smaller than usual?
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Roughness {
    pub(super) step: Mean,
    /// Of the logarithm of `step`.
    pub(super) long: Running,
    pub(super) tail: Exceeded,
}

impl Roughness {
    const SHORT: f64 = 50.0;
    const MEMORY: f64 = 1_000.0;
    const SHARE: f64 = 0.05;
    const WARMUP: u64 = 20;
    /// Smallest deviation of the logarithm: a change by less than a thousandth is none.
    const MIN_DEVIATION: f64 = 1e-3;

    pub(super) const NONE: Self = Self {
        step: Mean::NONE,
        long: Drift::NONE.long,
        tail: Exceeded::NONE,
    };

    fn log_step(step: Mean, level: f64) -> f64 {
        let least = RELATIVE_MIN_SCALE * level.abs() + f64::MIN_POSITIVE;
        step.value.max(least).ln()
    }

    fn relative(&self, step: f64, level: f64) -> f64 {
        if self.long.count < Self::WARMUP {
            return 0.0;
        }
        let now = Self::log_step(self.step.with(step, Self::SHORT), level);
        let deviation = self.long.deviation().max(Self::MIN_DEVIATION);
        (spread::distance(now, self.long.mean) / deviation).min(MAX_SCORE)
    }

    /// 1 is what one sample in twenty exceeds.
    pub(super) fn score(&self, step: f64, level: f64) -> f64 {
        self.tail.in_units(self.relative(step, level))
    }

    pub(super) fn learn(&mut self, step: f64, level: f64) {
        if self.long.count >= Self::WARMUP {
            self.tail.add(self.relative(step, level), Self::SHARE);
        }
        self.step.add(step, Self::SHORT);
        self.long
            .add(Self::log_step(self.step, level), Self::MEMORY);
    }
}
