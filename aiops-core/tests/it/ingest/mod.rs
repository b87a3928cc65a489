#[cfg(feature = "json")]
mod alertmanager;
#[cfg(feature = "csv")]
mod csv;
mod influx;
mod interner;
#[cfg(feature = "otlp")]
mod otlp;
mod prometheus_text;
#[cfg(feature = "remote-write")]
mod remote_write;
mod stored;
pub(crate) mod support;
