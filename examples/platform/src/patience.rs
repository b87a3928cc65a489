//! How long a query may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest time that one query may work.
const LIMIT: Duration = Duration::from_secs(15);

/// Is over once nobody waits for the answer any more, or the time is up. Long work asks now and
/// then.
#[derive(Clone, Debug)]
pub struct Patience {
    gone: Arc<AtomicBool>,
    deadline: Instant,
}

/// Ends the patience when it is dropped: with the request, when the client hangs up.
#[derive(Debug)]
pub struct Waiting(Arc<AtomicBool>);

impl Patience {
    /// Patience for one query, and what stands for the one who waits.
    pub fn new() -> (Self, Waiting) {
        let gone = Arc::new(AtomicBool::new(false));
        let patience = Self {
            gone: gone.clone(),
            deadline: Instant::now() + LIMIT,
        };
        (patience, Waiting(gone))
    }

    /// Whether the work should end.
    pub fn is_over(&self) -> bool {
        self.gone.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_when_nobody_waits() {
        let (patience, waiting) = Patience::new();
        assert!(!patience.is_over());
        drop(waiting);
        assert!(patience.is_over());
    }
}
