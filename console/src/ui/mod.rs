//! The page. Each file is one part of it; what they share is in [`parts`].

mod curve;
mod customers;
mod decisions;
mod doctor;
mod headline;
mod offers;
mod page;
mod parts;
mod states;
mod top;
mod trace;

pub(crate) use page::mount;
