//! How long our own parts take: see `benches/`.
