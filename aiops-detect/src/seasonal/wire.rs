//! Stored form.

use aiops_core::stored::{LoadError, Payload, StoredModel, exact};

use super::profile::wire as profile;
use super::{Errors, Seasonal, SeasonalConfig};
use crate::running::wire as running;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1 {
    hourly: bool,
    daily: bool,
    weekly: bool,
    #[serde(with = "exact")]
    rate: f64,
    #[serde(with = "exact")]
    memory: f64,
    warmup: usize,
    utc_offset_s: i32,
    #[serde(with = "exact")]
    min_scale: f64,
    #[serde(with = "exact")]
    relative_min_scale: f64,
    level: running::V1,
    level_error: ErrorsV1,
    seasons: Vec<SeasonV1>,
}

#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorsV1 {
    seen: u64,
    #[serde(with = "exact")]
    mean: f64,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SeasonV1 {
    profile: profile::V1,
    errors: ErrorsV1,
}

impl From<Errors> for ErrorsV1 {
    fn from(errors: Errors) -> Self {
        Self {
            seen: errors.seen,
            mean: errors.mean,
        }
    }
}

impl TryFrom<ErrorsV1> for Errors {
    type Error = LoadError;

    fn try_from(wire: ErrorsV1) -> Result<Self, LoadError> {
        if wire.mean >= 0.0 && wire.mean.is_finite() {
            Ok(Self {
                seen: wire.seen,
                mean: wire.mean,
            })
        } else {
            Err(LoadError::payload("a mean error cannot be"))
        }
    }
}

impl StoredModel for Seasonal {
    const KIND: &'static str = "detect.seasonal";
    const FORMAT: u32 = 1;
    type Wire = V1;

    fn to_wire(&self) -> V1 {
        let season = |(profile, errors): &(super::Profile, Errors)| SeasonV1 {
            profile: profile.into(),
            errors: (*errors).into(),
        };
        V1 {
            hourly: self.config.hourly,
            daily: self.config.daily,
            weekly: self.config.weekly,
            rate: self.config.rate,
            memory: self.config.memory,
            warmup: self.config.warmup,
            utc_offset_s: self.config.utc_offset_s,
            min_scale: self.config.min_scale,
            relative_min_scale: self.config.relative_min_scale,
            level: (&self.level).into(),
            level_error: self.level_error.into(),
            seasons: self.seasons.iter().map(season).collect(),
        }
    }

    fn from_wire(_format: u32, payload: Payload<'_>) -> Result<Self, LoadError> {
        let wire: V1 = payload.read()?;
        let config = SeasonalConfig {
            hourly: wire.hourly,
            daily: wire.daily,
            weekly: wire.weekly,
            rate: wire.rate,
            memory: wire.memory,
            warmup: wire.warmup,
            utc_offset_s: wire.utc_offset_s,
            min_scale: wire.min_scale,
            relative_min_scale: wire.relative_min_scale,
        };
        let mut model =
            Self::try_from(config).map_err(|error| LoadError::payload(error.to_string()))?;
        if wire.seasons.len() != model.seasons.len() {
            return Err(LoadError::payload("not the seasons that are asked for"));
        }
        for ((profile, errors), stored) in model.seasons.iter_mut().zip(wire.seasons) {
            stored.profile.fill(profile)?;
            *errors = stored.errors.try_into()?;
        }
        model.level = wire.level.try_into()?;
        model.level_error = wire.level_error.try_into()?;
        Ok(model)
    }
}
