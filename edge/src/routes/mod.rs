//! The operations: read and check, call the engine or an object, answer.

pub(crate) mod assets;
pub(crate) mod consent;
pub(crate) mod console;
pub(crate) mod customers;
pub(crate) mod decide;
pub(crate) mod doctor;
pub(crate) mod embed;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod go;
pub(crate) mod groups;
pub(crate) mod metrics;
pub(crate) mod outcomes;
pub(crate) mod privacy;
pub(crate) mod profile;
pub(crate) mod report;
pub(crate) mod segment;
pub(crate) mod site;
pub(crate) mod vitals;
pub(crate) mod webhooks;
pub(crate) mod why;
