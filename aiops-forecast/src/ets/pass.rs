//! One pass over a series, and its derivatives.
//!
//! The states follow the same recursions for additive and multiplicative errors; only the loss
//! differs (Hyndman, Koehler, Ord and Snyder, *Forecasting with Exponential Smoothing*, 2008,
//! tables 2.2 and 2.3). With `q = l + phi b`, expectation `f` and error `e = y - f`:
//!
//! ```text
//!            no season    additive      multiplicative
//! f          q            q + s         q s
//! u          e            e             e / s
//! v          -            e             e / q
//! l' = q + alpha u,   b' = phi b + beta u,   s' = s + gamma v
//! ```
//!
//! The derivatives with respect to all parameters and initial states come from one pass backwards
//! over the same recursions (reverse accumulation), at about the cost of the pass itself.

use super::form::{ErrorKind, Form, SeasonKind};

/// Smoothing parameters. Those that a form lacks are 0; `phi` is then 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Smoothing {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) gamma: f64,
    pub(super) phi: f64,
}

/// Level, slope and the season, whose next phase is `at`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) level: f64,
    pub(super) slope: f64,
    pub(super) season: Vec<f64>,
    pub(super) at: usize,
}

/// A multiplicative model divides by level and season; neither comes closer to 0 than this share
/// of its size.
const FLOOR: f64 = 1e-9;

impl State {
    /// What is expected next.
    pub(super) fn expected(&self, form: Form, phi: f64) -> f64 {
        let q = self.level + phi * self.slope;
        match form.season {
            SeasonKind::None => q,
            SeasonKind::Additive => q + self.season[self.at],
            SeasonKind::Multiplicative => q * self.season[self.at],
        }
    }

    /// Takes in one value; `NaN` moves on without learning. Answers the one-step error, relative
    /// to the expectation for multiplicative errors.
    pub(super) fn step(&mut self, form: Form, p: Smoothing, y: f64) -> f64 {
        let q = self.level + p.phi * self.slope;
        let f = self.expected(form, p.phi);
        let missing = y.is_nan();
        let error = if missing { 0.0 } else { y - f };
        let mut u = error;
        if form.is_seasonal() {
            let s = &mut self.season[self.at];
            let mut v = error;
            if form.season == SeasonKind::Multiplicative {
                u = error / away_from_zero(*s, FLOOR);
                v = error / away_from_zero(q, FLOOR * y.abs().max(f64::MIN_POSITIVE));
            }
            *s += p.gamma * v;
            self.at = if self.at + 1 == self.season.len() {
                0
            } else {
                self.at + 1
            };
        }
        self.level = q + p.alpha * u;
        self.slope = p.phi * self.slope + p.beta * u;
        match form.error {
            _ if missing => f64::NAN,
            ErrorKind::Additive => error,
            ErrorKind::Multiplicative => error / away_from_zero(f, f64::MIN_POSITIVE),
        }
    }
}

fn away_from_zero(value: f64, floor: f64) -> f64 {
    if value.abs() >= floor {
        value
    } else {
        floor.copysign(value)
    }
}

/// What one pass leaves behind for the pass backwards; one entry for each value.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    error: Vec<f64>,
    q: Vec<f64>,
    slope: Vec<f64>,
    s: Vec<f64>,
    season: Vec<f64>,
}

/// Derivatives of the loss.
#[derive(Clone, Debug, Default)]
pub(super) struct Gradient {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) gamma: f64,
    pub(super) phi: f64,
    pub(super) level: f64,
    pub(super) slope: f64,
    pub(super) season: Vec<f64>,
}

const NONE: u8 = 0;
const ADDITIVE: u8 = 1;
const MULTIPLICATIVE: u8 = 2;

/// A series to fit to, with room for a pass.
#[derive(Clone, Debug)]
pub(super) struct Passes<'a> {
    values: &'a [f64],
    present: f64,
    /// Squares below this are rounding, not misfit.
    floor: f64,
    trace: Trace,
    pub(super) gradient: Gradient,
}

impl<'a> Passes<'a> {
    pub(super) fn new(values: &'a [f64], season: usize) -> Self {
        let present = values.iter().filter(|value| !value.is_nan()).count();
        let size = values
            .iter()
            .fold(0.0, |most: f64, value| most.max(value.abs()));
        let n = values.len();
        Self {
            values,
            present: present as f64,
            floor: present as f64 * (1e-13 * size).powi(2).max(f64::MIN_POSITIVE),
            trace: Trace {
                error: vec![0.0; n],
                q: vec![0.0; n],
                slope: vec![0.0; n],
                s: vec![0.0; n],
                season: vec![0.0; season],
            },
            gradient: Gradient {
                season: vec![0.0; season],
                ..Gradient::default()
            },
        }
    }

    /// Values that are not missing.
    pub(super) fn present(&self) -> f64 {
        self.present
    }

    /// `n ln(sum of squared errors)`, plus `2 sum ln f` for multiplicative errors: minus twice the
    /// likelihood, without constants. Leaves the gradient. Infinite where a multiplicative model
    /// expects a value that is not positive.
    pub(super) fn loss(&mut self, form: Form, p: Smoothing, start: &State) -> f64 {
        match (form.has_trend(), form.season) {
            (false, SeasonKind::None) => self.run::<false, NONE>(form, p, start),
            (false, SeasonKind::Additive) => self.run::<false, ADDITIVE>(form, p, start),
            (false, SeasonKind::Multiplicative) => {
                self.run::<false, MULTIPLICATIVE>(form, p, start)
            }
            (true, SeasonKind::None) => self.run::<true, NONE>(form, p, start),
            (true, SeasonKind::Additive) => self.run::<true, ADDITIVE>(form, p, start),
            (true, SeasonKind::Multiplicative) => self.run::<true, MULTIPLICATIVE>(form, p, start),
        }
    }

    fn run<const TREND: bool, const SEASON: u8>(
        &mut self,
        form: Form,
        p: Smoothing,
        start: &State,
    ) -> f64 {
        let relative = form.error == ErrorKind::Multiplicative;
        let positive = form.needs_positive();
        let Some((squares, logs)) = self.forward::<TREND, SEASON>(p, start, relative, positive)
        else {
            return f64::INFINITY;
        };
        let floor = if relative {
            1e-26 * self.present
        } else {
            self.floor
        };
        let squares = squares.max(floor);
        let scale = 2.0 * self.present / squares;
        if relative {
            self.backward::<TREND, SEASON, true>(p, scale);
        } else {
            self.backward::<TREND, SEASON, false>(p, scale);
        }
        self.present * squares.ln() + 2.0 * logs
    }

    /// Sum of squared errors and sum of the logarithms of the expectations.
    fn forward<const TREND: bool, const SEASON: u8>(
        &mut self,
        p: Smoothing,
        start: &State,
        relative: bool,
        positive: bool,
    ) -> Option<(f64, f64)> {
        let Trace {
            error,
            q: qs,
            slope: slopes,
            s: ss,
            season,
        } = &mut self.trace;
        season.copy_from_slice(&start.season);
        let (mut level, mut slope, mut at) = (start.level, start.slope, start.at);
        let (mut squares, mut logs, mut product) = (0.0, 0.0, 1.0_f64);
        let traces = error.iter_mut().zip(qs).zip(slopes).zip(ss);
        for (&y, (((error, q_at), slope_at), s_at)) in self.values.iter().zip(traces) {
            let q = if TREND { level + p.phi * slope } else { level };
            let s = if SEASON == NONE { 0.0 } else { season[at] };
            let f = match SEASON {
                NONE => q,
                ADDITIVE => q + s,
                _ => q * s,
            };
            if positive && !(f > 0.0 && q > 0.0) {
                return None;
            }
            let e = if y.is_nan() { 0.0 } else { y - f };
            (*error, *q_at, *slope_at, *s_at) = (e, q, slope, s);
            if relative && !y.is_nan() {
                let r = e / f;
                squares += r * r;
                product *= f;
                if !(1e-150..1e150).contains(&product) {
                    logs += product.ln();
                    product = 1.0;
                }
            } else {
                squares += e * e;
            }
            let (u, v) = if SEASON == MULTIPLICATIVE {
                (e / s, e / q)
            } else {
                (e, e)
            };
            level = q + p.alpha * u;
            if TREND {
                slope = p.phi * slope + p.beta * u;
            }
            if SEASON != NONE {
                season[at] = s + p.gamma * v;
                at = if at + 1 == season.len() { 0 } else { at + 1 };
            }
        }
        let sum = squares + logs + product;
        sum.is_finite().then(|| (squares, logs + product.ln()))
    }

    fn backward<const TREND: bool, const SEASON: u8, const RELATIVE: bool>(
        &mut self,
        p: Smoothing,
        scale: f64,
    ) {
        let Trace {
            error,
            q: qs,
            slope: slopes,
            s: ss,
            ..
        } = &self.trace;
        let season = &mut self.gradient.season;
        season.fill(0.0);
        let len = season.len().max(1);
        let mut at = self.values.len() % len;
        let (mut alpha, mut beta, mut gamma, mut phi) = (0.0, 0.0, 0.0, 0.0);
        // Derivatives with respect to the states after the value at hand.
        let (mut level, mut slope) = (0.0, 0.0);
        for index in (0..self.values.len()).rev() {
            let (e, q, s) = (error[index], qs[index], ss[index]);
            let missing = self.values[index].is_nan();
            if SEASON != NONE {
                at = if at == 0 { len - 1 } else { at - 1 };
            }
            let f = match SEASON {
                NONE => q,
                ADDITIVE => q + s,
                _ => q * s,
            };
            let by_u = if TREND {
                p.alpha * level + p.beta * slope
            } else {
                p.alpha * level
            };
            let by_s = if SEASON == NONE { 0.0 } else { season[at] };
            let by_v = p.gamma * by_s;
            let (u, v) = if SEASON == MULTIPLICATIVE {
                (e / s, e / q)
            } else {
                (e, e)
            };
            alpha += level * u;
            gamma += by_s * v;
            if TREND {
                beta += slope * u;
            }
            let direct = if missing {
                0.0
            } else if RELATIVE {
                let r = e / f;
                -scale * r * (1.0 + r) / f + 2.0 / f
            } else {
                -scale * e
            };
            // A missing value has an error of 0 whatever the states are.
            let by_e = if missing {
                0.0
            } else if SEASON == MULTIPLICATIVE {
                by_u / s + by_v / q
            } else {
                by_u + by_v
            };
            let by_f = direct - by_e;
            let by_q = match SEASON {
                MULTIPLICATIVE => level - by_v * v / q + s * by_f,
                _ => level + by_f,
            };
            match SEASON {
                NONE => {}
                ADDITIVE => season[at] = by_s + by_f,
                _ => season[at] = by_s - by_u * u / s + q * by_f,
            }
            if TREND {
                let b = slopes[index];
                phi += b * (by_q + slope);
                slope = p.phi * (by_q + slope);
            }
            level = by_q;
        }
        self.gradient.alpha = alpha;
        self.gradient.beta = beta;
        self.gradient.gamma = gamma;
        self.gradient.phi = phi;
        self.gradient.level = level;
        self.gradient.slope = slope;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Derivatives against differences, for every form, with a gap.
    #[test]
    fn derivatives_agree_with_differences() {
        let values: Vec<f64> = (0..40)
            .map(|i| {
                let wave = [3.0, -1.0, 0.5, -2.5][i % 4];
                if i == 17 {
                    f64::NAN
                } else {
                    20.0 + 0.3 * i as f64 + wave + ((i * 7) % 5) as f64
                }
            })
            .collect();
        for form in Form::admissible() {
            check(form, &values);
        }
    }

    fn point(form: Form, x: &[f64]) -> (Smoothing, State) {
        let phi = if form.trend == super::super::TrendKind::Damped {
            x[3]
        } else {
            1.0
        };
        let p = Smoothing {
            alpha: x[0],
            beta: x[1],
            gamma: x[2],
            phi,
        };
        let slope = if form.has_trend() { x[5] } else { 0.0 };
        let mut season = x[6..].to_vec();
        if form.season == SeasonKind::Multiplicative {
            for s in &mut season {
                *s = 1.0 + 0.1 * *s;
            }
        }
        if !form.is_seasonal() {
            season.clear();
        }
        (
            p,
            State {
                level: x[4],
                slope,
                season,
                at: 0,
            },
        )
    }

    fn check(form: Form, values: &[f64]) {
        let x = [0.3, 0.1, 0.2, 0.9, 21.0, 0.4, 2.0, -1.0, 0.4, -1.2];
        let season = if form.is_seasonal() { 4 } else { 0 };
        let mut passes = Passes::new(values, season);
        let mut loss = |x: &[f64]| {
            let (p, start) = point(form, x);
            let loss = passes.loss(form, p, &start);
            (loss, passes.gradient.clone())
        };
        let (_, g) = loss(&x);
        let shrink = if form.season == SeasonKind::Multiplicative {
            0.1
        } else {
            1.0
        };
        let mut exact = vec![g.alpha, g.beta, g.gamma, g.phi, g.level, g.slope];
        exact.extend(g.season.iter().map(|d| d * shrink));
        for (index, exact) in exact.into_iter().enumerate() {
            let used = match index {
                1 | 5 => form.has_trend(),
                2 => form.is_seasonal(),
                3 => form.trend == super::super::TrendKind::Damped,
                _ => true,
            };
            if !used {
                continue;
            }
            let h = 1e-6;
            let (mut up, mut down) = (x, x);
            up[index] += h;
            down[index] -= h;
            let difference = (loss(&up).0 - loss(&down).0) / (2.0 * h);
            let size = exact.abs().max(1.0);
            assert!(
                (difference - exact).abs() < 1e-4 * size,
                "{form} derivative {index}: {exact}, differences give {difference}"
            );
        }
    }
}
