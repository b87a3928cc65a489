//! The last samples, kept in order of value.

/// Capacity with which the buffers start; they double up to the window, so that series that live
/// shortly cost little.
const FIRST_CAPACITY: usize = 16;

/// The last samples of a stream with their order: any rank in constant time. Adding costs
/// `O(log window)` comparisons and one move of at most `2 * window` bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OrderedWindow {
    window: u16,
    oldest: u16,
    /// The samples; a full window is overwritten in turn, from `oldest` on.
    values: Vec<f64>,
    /// Slots of `values` by increasing value; equal values by age, oldest first.
    order: Vec<u16>,
}

impl OrderedWindow {
    /// Of the last `window` samples.
    ///
    /// # Panics
    ///
    /// When the window is larger than 65535.
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window: narrow(window),
            oldest: 0,
            values: Vec::new(),
            order: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The samples in no particular order.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The value of a rank, the smallest being 0.
    pub(crate) fn nth(&self, rank: usize) -> f64 {
        self.value_of(self.order[rank])
    }

    /// Adds a finite value in place of the oldest one of a full window.
    pub(crate) fn push(&mut self, value: f64) {
        let value = value + 0.0; // one zero, not two
        if self.values.len() < usize::from(self.window) {
            self.append(value);
        } else {
            self.replace_oldest(value);
        }
    }

    /// Memory of the buffers.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<f64>() + self.order.capacity() * size_of::<u16>()
    }

    fn value_of(&self, slot: u16) -> f64 {
        self.values[usize::from(slot)]
    }

    fn rank_before_equals(&self, value: f64) -> usize {
        self.order
            .partition_point(|&slot| self.value_of(slot) < value)
    }

    fn rank_after_equals(&self, value: f64) -> usize {
        self.order
            .partition_point(|&slot| self.value_of(slot) <= value)
    }

    fn append(&mut self, value: f64) {
        let slot = self.values.len();
        if slot == self.values.capacity() {
            let more = slot
                .max(FIRST_CAPACITY)
                .min(usize::from(self.window) - slot);
            self.values.reserve_exact(more);
            self.order.reserve_exact(more);
        }
        let rank = self.rank_after_equals(value);
        self.values.push(value);
        self.order.insert(rank, slot as u16);
    }

    fn replace_oldest(&mut self, value: f64) {
        let slot = usize::from(self.oldest);
        let old = self.values[slot];
        // Equal values are ordered by age, so the oldest sample is the first of its equals.
        let from = self.rank_before_equals(old);
        let to = self.rank_after_equals(value);
        let rank = if from < to {
            self.order.copy_within(from + 1..to, from);
            to - 1
        } else {
            self.order.copy_within(to..from, to + 1);
            to
        };
        self.order[rank] = slot as u16;
        self.values[slot] = value;
        self.oldest = if slot + 1 == self.values.len() {
            0
        } else {
            self.oldest + 1
        };
    }
}

/// Checked where the window is configured.
fn narrow(count: usize) -> u16 {
    u16::try_from(count).unwrap_or_else(|_| panic!("a window of {count} samples, at most 65535"))
}

/// Stored form: the samples as they lie, and which is the oldest.
#[cfg(feature = "serde")]
impl OrderedWindow {
    pub(crate) fn oldest(&self) -> usize {
        self.oldest.into()
    }

    /// # Errors
    ///
    /// What cannot be a window of that size.
    pub(crate) fn restore(
        window: usize,
        oldest: usize,
        values: Vec<f64>,
    ) -> Result<Self, aiops_core::stored::LoadError> {
        use aiops_core::stored::LoadError;

        let len = values.len();
        let turned = oldest > 0 && (len < window || oldest >= len);
        if len > window || turned {
            return Err(LoadError::payload("samples do not fit into the window"));
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(LoadError::payload("a remembered sample is not finite"));
        }
        let mut order: Vec<u16> = (oldest..len)
            .chain(0..oldest)
            .map(|slot| slot as u16)
            .collect();
        order.sort_by(|&a, &b| values[usize::from(a)].total_cmp(&values[usize::from(b)]));
        Ok(Self {
            window: narrow(window),
            oldest: narrow(oldest),
            values,
            order,
        })
    }
}
