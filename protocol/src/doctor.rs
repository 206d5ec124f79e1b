//! What is wrong with the widget's installation in a page, and what mends it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/doctor`: look at a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorRequest {
    /// The page's address; its origin is one of the site's or of its publishers'.
    pub url: String,
}

/// What was found in a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorReport {
    /// The page that was looked at, after redirects.
    pub url: String,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What was found.
    pub found: Found,
    /// How bad it is.
    pub state: State,
    /// What it was found of: a key, an address, a placement, a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// What is to be written where it is to be mended: markup, or a line of a policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No offers can be seen.
    Bad,
    /// Something works less well than it could.
    Note,
    /// As it should be.
    Good,
}

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The page's origin is not in the configuration; such a page is not fetched.
    OriginNotListed,
    /// The page does not answer.
    Unreachable,
    /// It answers with another status than 200.
    Status,
    /// It leads elsewhere.
    Redirect,
    /// What it answers is no HTML.
    NoHtml,
    /// It is so long that only its beginning was looked at.
    TooLong,
    /// There is no script tag of ours in its HTML.
    TagMissing,
    /// There is none, but a tag manager, which may add it.
    TagManager,
    /// There is one.
    TagFine,
    /// There are several: the first one works.
    TagTwice,
    /// It holds up the page: it is neither `async` nor `defer`.
    TagBlocks,
    /// Its type keeps it from running until a consent manager changes it.
    TagHeldBack,
    /// It is loaded from another edge than the one that is asked.
    TagElsewhere,
    /// It is loaded without TLS into a page that has it.
    TagInsecure,
    /// It has no key.
    KeyMissing,
    /// Nobody has its key.
    KeyUnknown,
    /// Its key is another site's.
    KeyOfOther,
    /// Its key does not serve this origin.
    KeyElsewhere,
    /// Its key is the right one.
    KeyFine,
    /// It loads the newest release, or that of a version.
    Evergreen,
    /// It has the hash of a file that will change.
    IntegrityOnEvergreen,
    /// It loads a file that is pinned and the newest.
    PinnedNewest,
    /// It loads a file that is pinned and older.
    PinnedOlder,
    /// It loads a file that is pinned and not there any more.
    PinnedGone,
    /// It loads a pinned file without saying its hash.
    PinnedWithoutIntegrity,
    /// The page's policy refuses the script.
    ScriptRefused,
    /// It allows the script and not the modules that it fetches.
    ModulesRefused,
    /// It refuses requests to the edge.
    ConnectRefused,
    /// It refuses the origins of some offers' pictures.
    ImagesRefused,
    /// It refuses frames of the edge.
    FramesRefused,
    /// It refuses WebAssembly.
    WasmRefused,
    /// It wants Trusted Types and does not name ours.
    TrustedTypes,
    /// It refuses nothing, or there is none.
    PolicyFine,
    /// Nothing in the page's HTML says what the visitor has agreed to.
    ConsentUnsaid,
    /// Something does.
    ConsentSaid,
    /// There is no place for offers.
    NoPlaces,
    /// A place has no placement.
    PlaceUnnamed,
    /// The configuration has no such placement.
    PlaceUnknown,
    /// No height is reserved by attribute.
    PlaceWithoutHeight,
    /// A place is as it should be.
    PlaceFine,
    /// The configuration has no such gadget.
    GadgetUnknown,
    /// A gadget is as it should be.
    GadgetFine,
}
