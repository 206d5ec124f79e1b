//! What travels between Portico's parts and to the outside: wire types, limits, problem documents,
//! sealed tokens and the OpenAPI document made from them.
//!
//! Shapes here are public contracts: fields may be added, never renamed or removed.

pub mod content;
pub mod decide;
pub mod events;
pub mod limits;
pub mod problem;
pub mod report;
pub mod site;
