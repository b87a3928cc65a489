//! From the configuration to the libraries' types.
