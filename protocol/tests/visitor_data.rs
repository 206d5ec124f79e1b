//! `docs/visitor-data.md` lists every key that is stored or sent, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking, helpers of tests too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use portico_engine::evaluate::Compared;
use portico_engine::{Arm, Asked, Reply, Seen};
use portico_protocol::customers::ProfileRequest;
use portico_protocol::decide::{Consent, DecideRequest, PlacementRequest, WhyRequest};
use portico_protocol::events::{Event, EventKind, EventsRequest};
use portico_protocol::id::{DecisionId, PersonId, VisitorId};
use portico_protocol::seal::{Begun, Memory, OfferRecord, Portrait, Said, VisitorRecord};
use portico_protocol::stream::PageView;
use portico_protocol::vitals::Vitals;
use serde_json::Value;

/// Keys by place.
type Keys = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder, by ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The table under the document's last heading: a place, and its keys as code.
fn documented() -> Keys {
    let document = text(root().join("docs/visitor-data.md"));
    let (_, table) = document.split_once("## Every key").expect("the heading of the table");
    let code = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<String>>();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<&str>>());
    cells.map(|cells| (cells[1].replace('`', ""), code(cells[2]))).collect()
}

/// The names of all fields, at any depth.
fn fields(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                into.insert(name.clone());
                fields(value, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, into)),
        _ => {}
    }
}

fn of(value: impl serde::Serialize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    fields(&serde_json::to_value(value).unwrap(), &mut found);
    found
}

fn visitor() -> VisitorRecord {
    let mut memory = Memory { entered_ms: 1, ..Memory::default() };
    memory.see(Some("loans"), 0, 1);
    memory.dismiss("offer", 1);
    memory.look([Seen { offer: 1, at_ms: 1 }]);
    memory.events.record("page", 1);
    memory.triggers.push(Begun { trigger: 1, begun_ms: 1, due_ms: 1, fired: false });
    let mut portrait = Portrait::default();
    portrait.say(Said { at_ms: 1, attribute: "home".into(), value: "1".into(), until_ms: 1 });
    portrait.ask(Asked { question: 1, at_ms: 1, reply: Reply::Open });
    let view = PageView { topic: Some("loans".into()), begins: Some("form".into()), ..PageView::default() };
    portrait.stream.see(&view, 1);
    let id = VisitorId::new([1; 16]);
    VisitorRecord { id, seen_ms: 1, memory, heard_ms: 1, taken_by: 1, taken_ms: 1, portrait }
}

fn offer() -> OfferRecord {
    let compared = Compared { candidate: 1, by_candidate: true, by_live: true, by_chance: Some(0.5) };
    OfferRecord {
        decision: DecisionId::new([1; 16]),
        offer: "offer".into(),
        placement: "home".into(),
        rank: 1,
        channel: "web".into(),
        arm: Arm::Model,
        propensity: None,
        config: 1,
        model: 1,
        features: vec![1],
        promised: vec![0.5],
        visitor: None,
        customer: None,
        partner: None,
        decided_ms: 1,
        compared: Some(compared),
        shard: 0,
        among: vec![1],
        entered_ms: 1,
        person: Some(PersonId::new([1; 16])),
    }
}

fn requests() -> [(String, BTreeSet<String>); 5] {
    let consent = Some(Consent::default());
    let placements = vec![PlacementRequest { id: "home".into(), count: Some(1) }];
    let decide = DecideRequest { consent, placements, ..DecideRequest::of("pk".into()) };
    let event = Event {
        id: "id".into(),
        kind: EventKind::Stage,
        token: Some("token".into()),
        stage: Some("stage".into()),
        name: Some("name".into()),
        at: Some(1),
        props: BTreeMap::from([("any".to_owned(), Value::Null)]),
    };
    let events = EventsRequest {
        site: "pk".into(),
        visitor: None,
        consent,
        identity: None,
        customer: None,
        sent: None,
        events: vec![serde_json::to_value(event).unwrap()],
    };
    let mut events = of(events);
    events.remove("any");
    let why = WhyRequest { site: "pk".into(), token: "token".into(), locale: "en".into() };
    let vitals = Vitals { site: "pk".into(), offer_ms: Some(1), bytes: 1, tasks_ms: 1, shift: 0.0 };
    let profile = ProfileRequest { consent: Some(Consent::ALL), ..ProfileRequest::default() };
    [
        ("decide".to_owned(), of(decide)),
        ("events".to_owned(), events),
        ("profile".to_owned(), of(profile)),
        ("vitals".to_owned(), of(vitals)),
        ("why".to_owned(), of(why)),
    ]
}

/// What the loader keeps in the browser: names that begin with `portico.` and go on with the site's key.
fn browser() -> BTreeSet<String> {
    let sources = files(&root().join("widget/loader"), ".ts");
    let sources = sources.into_iter().filter(|path| !path.ends_with("portico.d.ts")).map(text).collect::<String>();
    let names = sources.split('"').filter(|part| part.starts_with("portico.") && part.ends_with('.'));
    names.map(str::to_owned).collect()
}

/// The columns of the objects' tables.
fn tables() -> Keys {
    let mut found = Keys::new();
    for path in files(&root().join("edge/src/objects"), ".rs") {
        let source = text(&path).replace("\\\n", " ");
        let object =
            source.split("\nobject!(").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or("?").to_owned();
        for statement in source.split("CREATE TABLE IF NOT EXISTS ").skip(1) {
            let (name, rest) = statement.split_once('(').unwrap();
            let (mut depth, mut columns) = (1, vec![String::new()]);
            for sign in rest.chars() {
                depth += i32::from(sign == '(') - i32::from(sign == ')');
                match sign {
                    _ if depth == 0 => break,
                    ',' if depth == 1 => columns.push(String::new()),
                    _ => columns.last_mut().unwrap().push(sign),
                }
            }
            let columns = columns.iter().filter_map(|column| column.split_whitespace().next());
            let columns = columns.filter(|column| *column != "PRIMARY" && *column != "UNIQUE");
            found.entry(format!("{object} {}", name.trim())).or_default().extend(columns.map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_key_that_is_stored_or_sent_is_documented() {
    let mut found = tables();
    found.extend(requests());
    found.insert("visitor token".to_owned(), of(visitor()));
    found.insert("offer token".to_owned(), of(offer()));
    found.insert("browser".to_owned(), browser());
    let documented = documented();
    if found != documented {
        let keys = |keys: &BTreeSet<String>| keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let rows = found.iter().map(|(place, of)| format!("| {place} | {} |", keys(of)));
        let differs = |place: &&String| found.get(*place) != documented.get(*place);
        let places: BTreeSet<&String> = found.keys().chain(documented.keys()).filter(differs).collect();
        panic!("of {places:?} other keys are documented. They are:\n{}", rows.collect::<Vec<_>>().join("\n"));
    }
}
