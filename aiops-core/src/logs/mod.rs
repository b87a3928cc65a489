//! Log lines in the standard form, and the templates behind their messages.
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

mod hash;
mod lexer;
mod mask;
mod miner;
mod shapes;
mod template;
#[cfg(feature = "serde")]
mod wire;

pub use miner::{TemplateMiner, TemplateMinerConfig};
pub use template::{Template, TemplateId};
