//! What travels between Portico's parts and to the outside: wire types, limits, problem documents,
//! sealed tokens and the OpenAPI document made from them.
//!
//! Shapes here are public contracts: fields may be added, never renamed or removed.

pub mod check;
pub mod console;
pub mod content;
pub mod customers;
pub mod decide;
pub mod doctor;
pub mod events;
pub mod export;
pub mod gadgets;
pub mod id;
pub mod identity;
pub mod language;
pub mod limits;
pub mod openapi;
pub mod outcomes;
pub mod pages;
pub mod problem;
pub mod profile;
pub mod report;
pub mod seal;
pub mod segment;
pub mod site;
pub mod stream;
pub mod triggers;
pub mod vitals;
