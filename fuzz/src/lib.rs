//! What the targets do: the entries of the libraries' tests.

#[path = "../../aiops-alert/tests/it/fuzz/entries.rs"]
mod alert;
#[path = "../../aiops-core/tests/it/fuzz/entries.rs"]
mod core;
#[path = "../../aiops-core/tests/it/support.rs"]
mod support;

/// Gives `bytes` to the entry `name`.
///
/// # Panics
///
/// When there is no such entry, or what it checks does not hold.
pub fn run(name: &str, bytes: &[u8]) {
    let found = core::ENTRIES.iter().chain(&alert::ENTRIES).find(|(own, _)| *own == name);
    found.expect("a target is called as its entry").1(bytes);
}
