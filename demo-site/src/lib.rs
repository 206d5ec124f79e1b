//! A bank and a partner site on their own origins, and what makes the pair a demonstration.
//!
//! Both sites are ordinary server-rendered websites that know nothing of Portico but the tag, the queue and the elements
//! that its documentation tells a site owner to paste. Neither shares code or state with the edge: what they need of it
//! goes through HTTP, as it would for a customer.

pub mod bank;
mod host;
pub mod identity;
pub mod partner;
pub mod publish;
pub mod simulate;
pub mod situations;
pub mod stack;
