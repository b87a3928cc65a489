//! One small program for each question: see `examples/`.
