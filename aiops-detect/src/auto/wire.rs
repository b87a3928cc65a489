//! Stored form.

use aiops_core::stored::{LoadError, Payload, StoredModel, exact};

use super::parts::{Drift, Exceeded, Expert, Mean, Roughness};
use super::{Auto, AutoConfig};
use crate::calibrate::wire as calibrate;
use crate::running::wire as running;
use crate::seasonal::profile::wire as profile;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    utc_offset_s: i32,
    seen: u64,
    #[serde(with = "exact")]
    last_value: f64,
    last: Settled,
    day: profile::V1,
    week: profile::V1,
    experts: [ExpertV1; 2],
    roughness: RoughnessV1,
    now: [Settled; 3],
    lasting: [Settled; 3],
    odd: Settled,
    level_drift: DriftV1,
    day_drift: DriftV1,
    week_drift: DriftV1,
    level_error: Settled,
    day_error: Settled,
    drifts: calibrate::V1,
    #[serde(with = "exact")]
    held: f64,
}

/// A number, and how much it has seen.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settled {
    #[serde(with = "exact")]
    value: f64,
    #[serde(with = "exact")]
    seen: f64,
}

#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpertV1 {
    error: Settled,
    tail: Settled,
}

#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RoughnessV1 {
    step: Settled,
    long: running::V1,
    tail: Settled,
}

#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct DriftV1 {
    short: [Settled; 2],
    long: running::V1,
}

fn mean(mean: Mean) -> Settled {
    let Mean { value, seen } = mean;
    Settled { value, seen }
}

fn exceeded(exceeded: Exceeded) -> Settled {
    let Exceeded { value, seen } = exceeded;
    Settled { value, seen }
}

fn expert(expert: Expert) -> ExpertV1 {
    ExpertV1 {
        error: mean(expert.error),
        tail: exceeded(expert.tail),
    }
}

fn drift(drift: &Drift) -> DriftV1 {
    DriftV1 {
        short: drift.short.map(mean),
        long: (&drift.long).into(),
    }
}

impl Settled {
    fn check(self) -> Result<Self, LoadError> {
        if self.value.is_finite() && self.seen >= 0.0 && self.seen.is_finite() {
            Ok(self)
        } else {
            Err(LoadError::payload("a mean cannot be"))
        }
    }

    fn mean(self) -> Result<Mean, LoadError> {
        let Self { value, seen } = self.check()?;
        Ok(Mean { value, seen })
    }

    fn not_negative(self) -> Result<Mean, LoadError> {
        if self.value < 0.0 {
            return Err(LoadError::payload("a mean of sizes is negative"));
        }
        self.mean()
    }

    fn exceeded(self) -> Result<Exceeded, LoadError> {
        let Mean { value, seen } = self.not_negative()?;
        Ok(Exceeded { value, seen })
    }
}

fn not_negative<const N: usize>(all: [Settled; N]) -> Result<[Mean; N], LoadError> {
    let mut means = [Mean::NONE; N];
    for (mean, settled) in means.iter_mut().zip(all) {
        *mean = settled.not_negative()?;
    }
    Ok(means)
}

impl ExpertV1 {
    fn load(self) -> Result<Expert, LoadError> {
        Ok(Expert {
            error: self.error.not_negative()?,
            tail: self.tail.exceeded()?,
        })
    }
}

impl DriftV1 {
    fn load(self) -> Result<Drift, LoadError> {
        let [first, second] = self.short;
        Ok(Drift {
            short: [first.mean()?, second.mean()?],
            long: self.long.try_into()?,
        })
    }
}

impl StoredModel for Auto {
    const KIND: &'static str = "detect.auto";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        V1 {
            utc_offset_s: self.config.utc_offset_s,
            seen: self.seen,
            last_value: self.last_value,
            last: mean(self.last),
            day: (&self.day).into(),
            week: (&self.week).into(),
            experts: self.experts.map(expert),
            roughness: RoughnessV1 {
                step: mean(self.roughness.step),
                long: (&self.roughness.long).into(),
                tail: exceeded(self.roughness.tail),
            },
            now: self.now.map(mean),
            lasting: self.lasting.map(mean),
            odd: exceeded(self.odd),
            level_drift: drift(&self.level_drift),
            day_drift: drift(&self.day_drift),
            week_drift: drift(&self.week_drift),
            level_error: mean(self.level_error),
            day_error: mean(self.day_error),
            drifts: (&self.drifts).into(),
            held: self.held,
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: V1 = payload.read()?;
        let config = AutoConfig {
            utc_offset_s: wire.utc_offset_s,
        };
        let mut auto =
            Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
        if !(wire.last_value.is_finite() && wire.held >= 0.0 && wire.held.is_finite()) {
            return Err(LoadError::payload("a remembered number cannot be"));
        }
        wire.day.fill(&mut auto.day)?;
        wire.week.fill(&mut auto.week)?;
        let [first, second] = wire.experts;
        Ok(Self {
            seen: wire.seen,
            last_value: wire.last_value,
            last: wire.last.mean()?,
            experts: [first.load()?, second.load()?],
            roughness: Roughness {
                step: wire.roughness.step.not_negative()?,
                long: wire.roughness.long.try_into()?,
                tail: wire.roughness.tail.exceeded()?,
            },
            now: not_negative(wire.now)?,
            lasting: not_negative(wire.lasting)?,
            odd: wire.odd.exceeded()?,
            level_drift: wire.level_drift.load()?,
            day_drift: wire.day_drift.load()?,
            week_drift: wire.week_drift.load()?,
            level_error: wire.level_error.not_negative()?,
            day_error: wire.day_error.not_negative()?,
            drifts: wire.drifts.try_into()?,
            held: wire.held,
            ..auto
        })
    }
}
