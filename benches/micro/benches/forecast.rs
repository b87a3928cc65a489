//! How long the parts of aiops-forecast take.
#![allow(
    missing_docs,
    reason = "the macros of the bench harness make public items"
)]
#![allow(clippy::unwrap_used, reason = "a panic is how a bench fails")]

use criterion::{Criterion, criterion_group, criterion_main};

fn nothing_yet(_criterion: &mut Criterion) {}

criterion_group!(benches, nothing_yet);
criterion_main!(benches);
