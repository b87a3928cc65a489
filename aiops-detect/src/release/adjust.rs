//! Correction of p-values for their number.

/// How p-values are corrected for the number of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Correction {
    /// Holm's: the probability of any false alarm among all tests is at most alpha, however they
    /// depend on each other (Holm, *A Simple Sequentially Rejective Multiple Test Procedure*, 1979).
    #[default]
    Holm,
    /// Benjamini and Hochberg's: the expected share of false alarms among the alarms is at most
    /// alpha, for tests that are independent or rise together (1995).
    BenjaminiHochberg,
    /// None: each test for itself.
    None,
}

impl Correction {
    /// The corrected p-values, in the same order. A missing one (`NaN`) stays missing and does not
    /// count. Costs `O(n log n)`.
    ///
    /// ```
    /// use aiops_detect::release::Correction;
    ///
    /// assert_eq!(Correction::Holm.adjust(&[0.01, 0.5, 0.02]), [0.03, 0.5, 0.04]);
    /// ```
    pub fn adjust(self, p_values: &[f64]) -> Vec<f64> {
        let mut order: Vec<usize> = (0..p_values.len())
            .filter(|&index| !p_values[index].is_nan())
            .collect();
        order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
        let count = order.len();
        let mut adjusted = p_values.to_vec();
        match self {
            Self::None => {}
            Self::Holm => {
                let mut floor: f64 = 0.0;
                for (rank, &index) in order.iter().enumerate() {
                    floor = floor.max(p_values[index] * (count - rank) as f64).min(1.0);
                    adjusted[index] = floor;
                }
            }
            Self::BenjaminiHochberg => {
                let mut ceiling: f64 = 1.0;
                for (rank, &index) in order.iter().enumerate().rev() {
                    ceiling = ceiling.min(p_values[index] * count as f64 / (rank + 1) as f64);
                    adjusted[index] = ceiling;
                }
            }
        }
        adjusted
    }
}
