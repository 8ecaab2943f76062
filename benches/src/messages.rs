//! Bodies of queue messages with what they should be read as, and streams of
//! events made of them.

use crate::load::{self, LoadError};
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::interruption::{
    Class, Config, Error, Fleet, Interruptions, Notice, Scope, read,
};
use cloudoptim_core::knowledge::{Knowledge, Provenance};
use cloudoptim_core::model::{
    AccountId, Cluster, INSTANCE_TYPE_LABEL, NODE_POOL_LABEL, Node, Region, ZONE_LABEL,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// A line of a file.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Name.
    pub case: String,
    /// Body of the message.
    pub body: String,
    /// What it should be read as: `kind`, `instance_ids`, `action`, `state`,
    /// `start`. Other fields are not looked at.
    pub expect: Value,
}

/// Reads a file of JSON lines, plain or gzipped.
///
/// # Errors
/// [`LoadError`] for a file that cannot be read, and for the first line that
/// is no case.
pub fn cases(path: &Path) -> Result<Vec<Case>, LoadError> {
    let form = |line, problem: String| LoadError::Form {
        file: path.to_owned(),
        line,
        problem,
    };
    let bytes = load::read(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| form(0, "is not UTF-8".to_owned()))?;
    let mut cases = Vec::new();
    for (n, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let case = serde_json::from_str(line);
        cases.push(case.map_err(|err| form(n + 1, format!("is no case: {err}")))?);
    }
    if cases.is_empty() {
        return Err(form(0, "has no case".to_owned()));
    }
    Ok(cases)
}

/// What a body is read as, in the words of the expectations.
pub fn told(body: &str) -> Value {
    let event = match read(&Config::default(), body.as_bytes()) {
        Ok(event) => event,
        Err(reason) => {
            let is_error = reason.class() == Class::Unreadable;
            return json!({"kind": if is_error { "error" } else { "ignore" }});
        }
    };
    let mut told = json!({"kind": event.kind().name(), "instance_ids": event.instances});
    match &event.notice {
        Notice::SpotInterruption { action } => told["action"] = json!(action.word()),
        Notice::StateChange { state } => told["state"] = json!(state.word()),
        Notice::ScheduledChange { start, .. } => {
            told["start"] = json!(start.map(|s| s.to_rfc3339()));
        }
        _ => {}
    }
    told
}

/// What a case expects otherwise than its body is read.
pub fn difference(case: &Case) -> Option<String> {
    let told = told(&case.body);
    let time = |v: &Value| v.as_str().and_then(|s| s.parse::<DateTime<Utc>>().ok());
    let sorted = |v: &Value| {
        let ids = v.as_array().into_iter().flatten();
        ids.map(ToString::to_string).collect::<BTreeSet<_>>()
    };
    for key in ["kind", "instance_ids", "action", "state", "start"] {
        let (want, have) = (&case.expect[key], &told[key]);
        let same = match key {
            "instance_ids" => sorted(want) == sorted(have),
            "start" => time(want) == time(have),
            _ => want == have,
        };
        if !want.is_null() && !same {
            return Some(format!("{}: {key} should be {want}, is {have}", case.case));
        }
    }
    None
}

/// A body with what is exchanged in it.
#[derive(Debug, Clone)]
struct Template {
    body: String,
    ids: Vec<String>,
    instances: Vec<String>,
    time: Option<String>,
}

impl Template {
    fn new(case: &Case) -> Self {
        let outer: Value = serde_json::from_str(&case.body).unwrap_or_default();
        let inner = outer["Message"].as_str();
        let inner = inner.and_then(|text| serde_json::from_str(text).ok());
        let event: Value = inner.unwrap_or(outer);
        let text = |pointer: &str| event.pointer(pointer)?.as_str().map(str::to_owned);
        let not_empty = |t: &String| !t.is_empty();
        let ids = [
            "/id",
            "/detail/LifecycleActionToken",
            "/detail/eventArn",
            "/LifecycleActionToken",
        ];
        let told = told(&case.body);
        let instances = told["instance_ids"].as_array().into_iter().flatten();
        Self {
            body: case.body.clone(),
            ids: ids.into_iter().filter_map(text).filter(not_empty).collect(),
            instances: instances
                .filter_map(|i| i.as_str().map(str::to_owned))
                .collect(),
            time: text("/time").or_else(|| text("/Time")).filter(not_empty),
        }
    }

    /// The body of event `n`, about other instances, at another time.
    fn fill(&self, n: u64, at: DateTime<Utc>) -> String {
        let mut body = self.body.clone();
        for id in &self.ids {
            body = body.replace(id, &format!("{n:08x}-dd55-4f55-8c55-5555dd550065"));
        }
        for (more, instance) in self.instances.iter().enumerate() {
            let more = u64::try_from(more).unwrap_or(0);
            body = body.replace(instance, &instance_id(n.wrapping_add(more) % NODES));
        }
        if let Some(time) = &self.time {
            body = body.replace(time, &at.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        body
    }
}

/// Nodes of the fleet that events are about.
pub const NODES: u64 = 10_000;
/// Events in a second of the made-up time.
const PER_SECOND: u64 = 1_000;

fn instance_id(n: u64) -> String {
    format!("i-{n:017x}")
}

/// An endless stream of events, made of the bodies of a file: each under an id
/// and about instances of its own, a thousand in a second.
#[derive(Debug)]
pub struct Stream {
    templates: Vec<Template>,
    begin: DateTime<Utc>,
    scope: Scope,
    /// The nodes that they are about.
    pub fleet: Fleet,
}

impl Stream {
    /// The stream of these cases.
    ///
    /// # Errors
    /// [`Error::EmptyScope`] when no body names an account and a region.
    pub fn new(cases: &[Case]) -> Result<Self, Error> {
        let (mut accounts, mut regions) = (BTreeSet::new(), BTreeSet::new());
        for case in cases {
            if let Ok(event) = read(&Config::default(), case.body.as_bytes()) {
                accounts.insert(AccountId::new(event.account.as_ref()));
                regions.extend(event.region.map(|r| Region::new(r.as_ref())));
            }
        }
        let begin = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        Ok(Self {
            templates: cases.iter().map(Template::new).collect(),
            begin,
            scope: Scope::new(accounts, regions)?,
            fleet: fleet(begin + TimeDelta::days(365)),
        })
    }

    /// A fresh core for it.
    ///
    /// # Errors
    /// None with the default settings.
    pub fn core(&self) -> Result<Interruptions, Error> {
        Interruptions::new(Config::default(), self.scope.clone())
    }

    /// The body of event `n`, and when it is received.
    pub fn event(&self, n: u64) -> (String, DateTime<Utc>) {
        let at = self.at(n);
        let count = u64::try_from(self.templates.len()).unwrap_or(1).max(1);
        let template = usize::try_from(n % count).unwrap_or(0);
        let body = self.templates.get(template).map(|t| t.fill(n, at));
        (body.unwrap_or_default(), at + TimeDelta::seconds(2))
    }

    fn at(&self, n: u64) -> DateTime<Utc> {
        let seconds = i64::try_from(n / PER_SECOND).unwrap_or(0);
        self.begin + TimeDelta::seconds(seconds)
    }
}

/// Ten thousand spot nodes in three zones.
fn fleet(read_at: DateTime<Utc>) -> Fleet {
    let nodes = (0..NODES).map(|n| {
        let zone = ["us-east-1a", "us-east-1b", "us-east-1c"][usize::try_from(n % 3).unwrap_or(0)];
        let mut node = Node {
            provider_id: Some(format!("aws:///{zone}/{}", instance_id(n))),
            ..Node::default()
        };
        node.meta.name = format!("node-{n}");
        node.meta.uid = format!("uid-{n}").into();
        for (key, value) in [
            (ZONE_LABEL, zone),
            (INSTANCE_TYPE_LABEL, "m6i.xlarge"),
            ("karpenter.sh/capacity-type", "spot"),
            (NODE_POOL_LABEL, "default"),
        ] {
            node.meta.labels.insert(key.to_owned(), value.to_owned());
        }
        node
    });
    let provenance = Provenance::new("made up", "cluster").observed_at(read_at);
    let cluster = Cluster {
        uid: "cluster".into(),
        nodes: Knowledge::complete(nodes.collect(), provenance),
        ..Cluster::default()
    };
    let mut fleet = Fleet::default();
    fleet.add(&cluster, None);
    fleet
}
