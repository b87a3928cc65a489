//! The form with the best `AICc`.

use aiops_core::{DataError, FitError, Forecaster, ParamError, SeriesView};

use super::fit::Fixed;
use super::{FittedEts, Form, MAX_SEASON};
use crate::grid::Grid;

/// Seasons longer than this are not tried: their initial states alone would be too many.
const LONGEST: usize = 24;

/// Parameters of [`AutoEts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct AutoEtsConfig {
    /// Samples in a season, from 1 to 512; 1 for none. Seasonal forms are tried up to 24.
    pub season: usize,
}

impl Default for AutoEtsConfig {
    fn default() -> Self {
        Self { season: 1 }
    }
}

/// Exponential smoothing that chooses its form.
///
/// Fits each of the 15 admissible forms that suit the data and keeps the one with the smallest
/// `AICc`. The others are kept as [`FittedEts::rivals`].
///
/// # Cost
///
/// Six fits without a season or for values that are not all positive, up to fifteen with one; about
/// 5 ms for 100 monthly values.
///
/// # Degenerate cases
///
/// | input | result |
/// |---|---|
/// | fewer than 3 values | [`DataError::TooShort`] |
/// | fewer than two seasons, or a season above 24 | forms without season only |
/// | values that are not positive | additive forms only |
/// | too few values for any `AICc` | the simplest form, `ANN` |
/// | constant series | `ANN`, the constant |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoEts {
    config: AutoEtsConfig,
}

/// A form that was tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rival {
    /// The form.
    pub form: Form,
    /// Its `AICc`.
    pub aicc: f64,
}

impl TryFrom<AutoEtsConfig> for AutoEts {
    type Error = ParamError;

    fn try_from(config: AutoEtsConfig) -> Result<Self, ParamError> {
        if (1..=MAX_SEASON).contains(&config.season) {
            Ok(Self { config })
        } else {
            Err(ParamError::new("season", "from 1 to 512", config.season))
        }
    }
}

impl Forecaster for AutoEts {
    type Model = FittedEts;

    fn fit(&self, train: SeriesView<'_>) -> Result<FittedEts, FitError> {
        train.require(3)?;
        let grid = Grid::after(train)?;
        let positive = train.present().all(|value| value > 0.0);
        let mut present = train.present();
        let first = present.next();
        let constant = present.all(|value| Some(value) == first);
        let season = self.config.season;
        let seasons = train.require(2 * season).is_ok() && (2..=LONGEST).contains(&season);
        let suits = |form: &Form| {
            let simplest = form.parameters(season) == 2;
            (positive || !form.needs_positive())
                && (seasons || !form.is_seasonal())
                && (simplest || !constant)
        };
        let mut best: Option<FittedEts> = None;
        let mut rivals = Vec::new();
        for form in Form::admissible().filter(suits) {
            let fitted = FittedEts::of(train.values(), grid, form, season, Fixed::default());
            let Some(model) = fitted else {
                continue;
            };
            rivals.push(Rival {
                form,
                aicc: model.aicc,
            });
            if best.as_ref().is_none_or(|best| model.aicc < best.aicc) {
                best = Some(model);
            }
        }
        let mut model = best.ok_or(DataError::TooShort {
            needed: 3,
            found: 0,
        })?;
        rivals.sort_by(|a, b| a.aicc.total_cmp(&b.aicc));
        model.rivals = rivals;
        Ok(model)
    }
}
