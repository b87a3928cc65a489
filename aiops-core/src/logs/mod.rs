//! Log lines in the standard form, and the templates behind their messages.
//!
//! [`parse_line`] brings a line of any kind to a [`LogRecord`](crate::LogRecord), [`parse_syslog`]
//! a syslog message, [`ContainerLines`] the lines of a container's log file. [`Frames`] takes
//! syslog messages out of a stream. A [`TemplateMiner`] groups the messages:
//!
//! ```
//! use aiops_core::logs::{TemplateMiner, TemplateMinerConfig};
//!
//! let mut miner = TemplateMiner::try_from(TemplateMinerConfig::default())?;
//! let first = miner.observe("Received block blk_-1608 of size 67108864 from 10.251.42.84");
//! let again = miner.observe("Received block blk_7503 of size 233217 from 10.250.7.244");
//! assert_eq!(first, again);
//! let template = miner.template(again).expect("just seen");
//! assert_eq!(template.text(), "Received block <*> of size <*> from <*>");
//! assert_eq!(template.count(), 2);
//! let line = "Received block blk_7503 of size 233217 from 10.250.7.244";
//! assert_eq!(miner.parameters(line), ["blk_7503", "233217", "10.250.7.244"]);
//! # Ok::<(), aiops_core::ParamError>(())
//! ```

mod clock;
mod container;
mod fields;
mod frames;
mod hash;
#[cfg(feature = "json")]
pub(crate) mod json;
mod lexer;
mod line;
mod mask;
mod miner;
mod shapes;
mod syslog;
mod template;
#[cfg(feature = "serde")]
mod wire;

pub use container::ContainerLines;
pub use frames::{FrameError, Frames};
pub use line::{LineContext, parse_line};
pub use miner::{TemplateMiner, TemplateMinerConfig};
pub use syslog::parse_syslog;
pub use template::{Template, TemplateId};
