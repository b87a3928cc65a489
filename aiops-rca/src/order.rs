//! Order statistics on whole numbers in the order of the floats they stand for: about twice as fast
//! as comparing the floats.

/// Orders as [`f64::total_cmp`] does.
pub(crate) fn key(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 0 {
        bits | 1 << 63
    } else {
        !bits
    }
}

/// The value that a key stands for.
pub(crate) fn value(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 {
        key & !(1 << 63)
    } else {
        !key
    })
}

/// Quantile between the closest ranks, in linear time. Reorders the keys, of which there must be
/// at least one.
pub(crate) fn quantile(keys: &mut [u64], level: f64) -> f64 {
    at_place(keys, level * (keys.len() - 1) as f64)
}

/// The three quartiles, each as [`quantile`] has it.
pub(crate) fn quartiles(keys: &mut [u64]) -> [f64; 3] {
    let last = (keys.len() - 1) as f64;
    let median = quantile(keys, 0.5);
    // The keys are parted there: each of the other two lies on one side.
    let middle = (0.5 * last) as usize;
    let (low, high) = (0.25 * last, 0.75 * last);
    let low = if low as usize + 1 < middle {
        at_place(&mut keys[..middle], low)
    } else {
        at_place(keys, low)
    };
    let high = if high as usize > middle {
        at_place(&mut keys[middle..], high - middle as f64)
    } else {
        at_place(keys, high)
    };
    [low, median, high]
}

fn at_place(keys: &mut [u64], place: f64) -> f64 {
    let below = place.floor() as usize;
    let (_, &mut low, above) = keys.select_nth_unstable(below);
    let (low, high) = (
        value(low),
        above.iter().min().map_or(value(low), |&key| value(key)),
    );
    low + (place - below as f64) * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_the_floats_do_and_lead_back() {
        let mut values = [3.5, -0.0, 0.0, -1e300, f64::MIN_POSITIVE, 1e300, -2.0];
        let mut keys: Vec<u64> = values.iter().map(|x| key(*x)).collect();
        keys.sort_unstable();
        values.sort_by(f64::total_cmp);
        let back: Vec<u64> = keys.iter().map(|k| value(*k).to_bits()).collect();
        assert_eq!(back, values.map(f64::to_bits));
    }

    #[test]
    fn quantiles_are_those_of_sorted_values() {
        let values = [4.0, -1.0, 9.0, 2.0, 2.0, -7.5];
        let mut sorted = values;
        sorted.sort_by(f64::total_cmp);
        for level in [0.0, 0.25, 0.5, 0.9, 1.0] {
            let mut keys: Vec<u64> = values.iter().map(|x| key(*x)).collect();
            let expected = aiops_core::numerics::quantile_sorted(&sorted, level);
            assert_eq!(quantile(&mut keys, level), expected);
        }
    }

    #[test]
    fn quartiles_are_quantiles_for_any_number_of_values() {
        for len in 1..40_u32 {
            let values: Vec<f64> = (0..len).map(|i| f64::from(i * 7919 % 31)).collect();
            let keys = || -> Vec<u64> { values.iter().map(|x| key(*x)).collect() };
            let each = [0.25, 0.5, 0.75].map(|level| quantile(&mut keys(), level));
            assert_eq!(quartiles(&mut keys()), each, "{len} values");
        }
    }
}
