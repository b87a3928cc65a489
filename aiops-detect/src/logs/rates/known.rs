//! One template and its counts.

use aiops_core::Band;
use aiops_core::logs::TemplateId;

use super::{TemplateChange, TemplateFinding, TemplateRatesConfig};
use crate::logs::tail::{NegativeBinomial, surprise};

/// Least dispersion: rates of real systems scatter by 3 percent at least, however regular they look.
const MIN_ALPHA: f64 = 1e-3;

/// What is known of one template.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Known {
    /// Intervals learned, at most the memory.
    pub(super) weight: f64,
    pub(super) mean: f64,
    pub(super) variance: f64,
    /// Intervals since the last line, which are not learned yet.
    pub(super) silent: u32,
    /// Those of them that were told.
    pub(super) told: u32,
}

impl Known {
    pub(super) fn learn(&mut self, count: f64, memory: f64) {
        self.weight = (self.weight + 1.0).min(memory);
        let share = 1.0 / self.weight;
        let before = count - self.mean;
        self.mean += share * before;
        self.variance = (1.0 - share) * (self.variance + share * before * before);
    }

    /// The zeros since the last line, unless they were told.
    fn end_silence(&mut self, memory: f64) {
        if self.told == 0 {
            let silent = f64::from(self.silent);
            let growing = silent.min((memory - self.weight).max(0.0));
            self.fade(self.weight / (self.weight + growing));
            self.weight += growing;
            self.fade((1.0 - 1.0 / memory).powf(silent - growing));
        }
        (self.silent, self.told) = (0, 0);
    }

    /// What zeros do to both moments.
    fn fade(&mut self, keep: f64) {
        let square = (self.variance + self.mean * self.mean) * keep;
        self.mean *= keep;
        self.variance = (square - self.mean * self.mean).max(0.0);
    }

    /// Distribution of the count of so many intervals.
    fn expected(&self, intervals: f64) -> NegativeBinomial {
        let variance = self.variance * self.weight / (self.weight - 1.0).max(1.0);
        let excess = (variance - self.mean) / (self.mean * self.mean).max(f64::MIN_POSITIVE);
        let scatter = excess.clamp(MIN_ALPHA, 1e6) / intervals;
        NegativeBinomial {
            mean: (self.mean * intervals).max(f64::MIN_POSITIVE),
            alpha: scatter + 1.0 / (self.mean * self.weight + 0.5),
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.weight = self.weight.max(other.weight);
        self.mean += other.mean;
        self.variance += other.variance;
        self.silent = self.silent.min(other.silent);
        self.told = self.told.min(other.told);
    }

    pub(super) fn judge(
        &self,
        template: TemplateId,
        count: u64,
        config: &TemplateRatesConfig,
    ) -> Option<TemplateFinding> {
        if self.weight < (config.warmup as f64).min(config.memory) {
            return None;
        }
        let gone = count == 0;
        let intervals = if gone {
            self.silent.saturating_add(1)
        } else {
            1
        };
        let expected = self.expected(f64::from(intervals));
        let floor = (config.relative_floor * expected.mean).max(config.absolute_floor);
        if (count as f64 - expected.mean).abs() < floor {
            return None;
        }
        let low = expected.at_most(count as f64);
        let probability = if gone {
            low
        } else {
            (2.0 * low.min(expected.at_least(count as f64))).min(1.0)
        };
        let score = surprise(probability);
        if score < config.threshold {
            return None;
        }
        let (lower, upper) = expected.band(0.5 * 10_f64.powf(-config.threshold));
        Some(TemplateFinding {
            template,
            change: if gone {
                TemplateChange::Missing
            } else {
                TemplateChange::Rate
            },
            count,
            intervals,
            band: Some(Band {
                lower,
                center: expected.mean,
                upper,
            }),
            score,
            probability,
            floor,
        })
    }

    pub(super) fn take_in(
        &mut self,
        count: u64,
        finding: Option<&TemplateFinding>,
        config: &TemplateRatesConfig,
    ) {
        if count == 0 {
            self.silent = self.silent.saturating_add(1);
            self.told += u32::from(finding.is_some());
            return;
        }
        self.end_silence(config.memory);
        let learned = match finding.and_then(|finding| finding.band) {
            Some(band) => (count as f64).clamp(band.lower, band.upper),
            None => count as f64,
        };
        self.learn(learned, config.memory);
    }
}
