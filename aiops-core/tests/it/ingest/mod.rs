mod influx;
mod interner;
mod prometheus_text;
#[cfg(feature = "remote-write")]
mod remote_write;
mod stored;
pub(crate) mod support;
