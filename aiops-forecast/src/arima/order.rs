//! Orders of a seasonal ARIMA model.

use std::fmt;
use std::str::FromStr;

use aiops_core::ParamError;

/// The highest order of each polynomial.
pub(super) const MAX_ORDER: usize = 12;
/// The longest season carried as states.
pub(super) const MAX_SEASON: usize = 60;

/// `ARIMA(p,d,q)(P,D,Q)[season]`.
///
/// Written and read as `2,1,1` or `0,1,1 0,1,1 12`.
///
/// ```
/// use aiops_forecast::arima::Order;
///
/// let airline: Order = "0,1,1 0,1,1 12".parse()?;
/// assert_eq!(airline, Order::new(0, 1, 1).seasonal(0, 1, 1, 12));
/// assert_eq!(airline.to_string(), "0,1,1 0,1,1 12");
/// # Ok::<(), aiops_core::ParamError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
#[non_exhaustive]
pub struct Order {
    /// Autoregressive terms, at most 12.
    pub ar: usize,
    /// Differences, at most 2.
    pub differences: usize,
    /// Moving-average terms, at most 12.
    pub ma: usize,
    /// Seasonal autoregressive terms, at most 12.
    pub seasonal_ar: usize,
    /// Seasonal differences, at most 2.
    pub seasonal_differences: usize,
    /// Seasonal moving-average terms, at most 12.
    pub seasonal_ma: usize,
    /// Samples in a season, from 2 to 60 where there is a seasonal part; 1 for none.
    pub season: usize,
}

impl Order {
    /// Without a season.
    pub fn new(ar: usize, differences: usize, ma: usize) -> Self {
        Self {
            ar,
            differences,
            ma,
            seasonal_ar: 0,
            seasonal_differences: 0,
            seasonal_ma: 0,
            season: 1,
        }
    }

    /// The same with a seasonal part.
    #[must_use]
    pub fn seasonal(self, ar: usize, differences: usize, ma: usize, season: usize) -> Self {
        Self {
            seasonal_ar: ar,
            seasonal_differences: differences,
            seasonal_ma: ma,
            season,
            ..self
        }
    }

    /// Fails unless every number is in its range.
    pub(super) fn check(self) -> Result<(), ParamError> {
        let terms = [
            ("ar", self.ar, MAX_ORDER),
            ("ma", self.ma, MAX_ORDER),
            ("seasonal_ar", self.seasonal_ar, MAX_ORDER),
            ("seasonal_ma", self.seasonal_ma, MAX_ORDER),
            ("differences", self.differences, 2),
            ("seasonal_differences", self.seasonal_differences, 2),
        ];
        for (name, value, most) in terms {
            if value > most {
                let expected = if most == 2 { "at most 2" } else { "at most 12" };
                return Err(ParamError::new(name, expected, value));
            }
        }
        let seasonal = self.seasonal_ar + self.seasonal_differences + self.seasonal_ma > 0;
        if seasonal && !(2..=MAX_SEASON).contains(&self.season) || self.season == 0 {
            return Err(ParamError::new("season", "from 2 to 60", self.season));
        }
        Ok(())
    }

    /// Values lost by differencing.
    pub(super) fn lost(self) -> usize {
        self.differences + self.season * self.seasonal_differences
    }

    /// How often a constant is differenced away.
    pub(super) fn all_differences(self) -> usize {
        self.differences + self.seasonal_differences
    }

    /// Coefficients of the polynomials.
    pub(super) fn terms(self) -> usize {
        self.ar + self.ma + self.seasonal_ar + self.seasonal_ma
    }

    /// Longest lag of the autoregression and of the moving average, both multiplied out.
    pub(super) fn lags(self) -> (usize, usize) {
        (
            self.ar + self.season * self.seasonal_ar,
            self.ma + self.season * self.seasonal_ma,
        )
    }

    /// `delta` of `y(t) = w(t) + sum of delta(i) y(t - i)`, where `w` is the differenced series.
    pub(super) fn undo(self) -> Vec<f64> {
        let mut polynomial = vec![1.0];
        let steps = [
            (1, self.differences),
            (self.season, self.seasonal_differences),
        ];
        for (lag, times) in steps {
            for _ in 0..times {
                let mut next = polynomial.clone();
                next.resize(polynomial.len() + lag, 0.0);
                for (index, coefficient) in polynomial.iter().enumerate() {
                    next[index + lag] -= coefficient;
                }
                polynomial = next;
            }
        }
        polynomial[1..].iter().map(|value| -value).collect()
    }

    /// The differenced series; `NaN` where a value that takes part is missing.
    pub(super) fn difference(self, values: &[f64]) -> Vec<f64> {
        let mut out = values.to_vec();
        let lags = std::iter::repeat_n(self.season, self.seasonal_differences)
            .chain(std::iter::repeat_n(1, self.differences));
        for lag in lags {
            out = difference(&out, lag);
        }
        out
    }
}

/// Differences at one lag.
pub(super) fn difference(values: &[f64], lag: usize) -> Vec<f64> {
    let later = values.iter().skip(lag);
    later.zip(values).map(|(now, then)| now - then).collect()
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.ar, self.differences, self.ma)?;
        if self.season > 1 {
            write!(
                f,
                " {},{},{} {}",
                self.seasonal_ar, self.seasonal_differences, self.seasonal_ma, self.season
            )?;
        }
        Ok(())
    }
}

impl FromStr for Order {
    type Err = ParamError;

    fn from_str(text: &str) -> Result<Self, ParamError> {
        let wrong = || ParamError::new("order", "such as `2,1,1` or `0,1,1 0,1,1 12`", text);
        let three = |part: &str| -> Option<[usize; 3]> {
            let numbers: Result<Vec<usize>, _> = part.split(',').map(str::parse).collect();
            numbers.ok()?.try_into().ok()
        };
        let mut parts = text.split_whitespace();
        let [ar, differences, ma] = parts.next().and_then(three).ok_or_else(wrong)?;
        let order = Self::new(ar, differences, ma);
        let order = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => order,
            (Some(seasonal), Some(season), None) => {
                let [ar, differences, ma] = three(seasonal).ok_or_else(wrong)?;
                let season = season.parse().map_err(|_| wrong())?;
                order.seasonal(ar, differences, ma, season)
            }
            _ => return Err(wrong()),
        };
        order.check()?;
        Ok(order)
    }
}

impl From<Order> for String {
    fn from(order: Order) -> Self {
        order.to_string()
    }
}

impl TryFrom<String> for Order {
    type Error = ParamError;

    fn try_from(text: String) -> Result<Self, ParamError> {
        text.parse()
    }
}
