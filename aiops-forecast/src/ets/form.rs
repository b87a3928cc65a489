//! Which components a model has.

use std::fmt;
use std::str::FromStr;

use aiops_core::ParamError;

/// How a new value differs from what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum ErrorKind {
    /// `y = f + e`: the spread is the same at every level.
    Additive,
    /// `y = f (1 + e)`: the spread grows with the level. Needs positive values.
    Multiplicative,
}

/// How the level moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum TrendKind {
    /// No trend.
    None,
    /// A slope that lasts.
    Additive,
    /// A slope that fades.
    Damped,
}

/// How a season acts on the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum SeasonKind {
    /// No season.
    None,
    /// Added to the level.
    Additive,
    /// Multiplied with the level. Needs positive values.
    Multiplicative,
}

/// A form of exponential smoothing, written as in Hyndman et al. (2008): `AAdM` has additive
/// error, damped trend, multiplicative season.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Form {
    /// The error.
    pub error: ErrorKind,
    /// The trend.
    pub trend: TrendKind,
    /// The season.
    pub season: SeasonKind,
}

impl Form {
    /// A form.
    pub const fn new(error: ErrorKind, trend: TrendKind, season: SeasonKind) -> Self {
        Self {
            error,
            trend,
            season,
        }
    }

    /// The 15 forms with finite variance and without multiplicative trend, simple ones first.
    pub fn admissible() -> impl Iterator<Item = Self> {
        const SEASONS: [SeasonKind; 3] = [
            SeasonKind::None,
            SeasonKind::Additive,
            SeasonKind::Multiplicative,
        ];
        const TRENDS: [TrendKind; 3] = [TrendKind::None, TrendKind::Additive, TrendKind::Damped];
        const ERRORS: [ErrorKind; 2] = [ErrorKind::Additive, ErrorKind::Multiplicative];
        SEASONS
            .into_iter()
            .flat_map(|season| {
                TRENDS.into_iter().flat_map(move |trend| {
                    ERRORS
                        .into_iter()
                        .map(move |error| Self::new(error, trend, season))
                })
            })
            .filter(|form| form.is_admissible())
    }

    /// Whether the variance of its forecasts is finite: additive errors with a multiplicative
    /// season can divide by a level near 0.
    pub fn is_admissible(self) -> bool {
        self.error == ErrorKind::Multiplicative || self.season != SeasonKind::Multiplicative
    }

    /// Whether every value must be positive.
    pub fn needs_positive(self) -> bool {
        self.error == ErrorKind::Multiplicative || self.season == SeasonKind::Multiplicative
    }

    pub(super) fn has_trend(self) -> bool {
        self.trend != TrendKind::None
    }

    pub(super) fn is_seasonal(self) -> bool {
        self.season != SeasonKind::None
    }

    /// Smoothing parameters and initial states.
    pub(super) fn parameters(self, season: usize) -> usize {
        let trend = match self.trend {
            TrendKind::None => 0,
            TrendKind::Additive => 2,
            TrendKind::Damped => 3,
        };
        2 + trend + if self.is_seasonal() { season } else { 0 }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.error {
            ErrorKind::Additive => "A",
            ErrorKind::Multiplicative => "M",
        })?;
        f.write_str(match self.trend {
            TrendKind::None => "N",
            TrendKind::Additive => "A",
            TrendKind::Damped => "Ad",
        })?;
        f.write_str(match self.season {
            SeasonKind::None => "N",
            SeasonKind::Additive => "A",
            SeasonKind::Multiplicative => "M",
        })
    }
}

impl FromStr for Form {
    type Err = ParamError;

    fn from_str(text: &str) -> Result<Self, ParamError> {
        Self::admissible()
            .find(|form| form.to_string() == text)
            .ok_or_else(|| ParamError::new("form", "an admissible form such as AAdN", text))
    }
}
