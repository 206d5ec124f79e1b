//! Every bound on what comes from outside, each with its reason.

/// Largest body of a visitor-side request, in bytes: a full batch of events with their tokens is about 60 kB, twice that is room.
pub const BODY_BYTES: usize = 128 * 1024;
/// Largest site configuration, in bytes: 1,000 offers in five languages stay below 2 MB, the object store's limit for a value.
pub const CONFIG_BYTES: usize = 2 * 1024 * 1024;
/// Events in one batch (public contract).
pub const EVENTS_PER_BATCH: usize = 50;
/// Placements in one decide request: more slots than a page shows.
pub const PLACEMENTS_PER_REQUEST: usize = 20;
/// Offers in one placement: beyond this a list is a catalogue.
pub const OFFERS_PER_PLACEMENT: u32 = 20;
/// Context facts in one request.
pub const CONTEXT_FACTS: usize = 64;
/// Length of ids, keys, names and short texts, in bytes.
pub const NAME_BYTES: usize = 128;
/// Length of an address, in bytes: what browsers and proxies pass on.
pub const URL_BYTES: usize = 4096;
/// Length of a token, in bytes: sealed records stay below 1 kB, links of 2 kB pass every proxy.
pub const TOKEN_BYTES: usize = 2048;
/// Length of an identity token, in bytes: the size of a request header.
pub const JWT_BYTES: usize = 8192;
