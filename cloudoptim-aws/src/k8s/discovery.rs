//! What the server serves.

use super::client::Reader;
use super::listing::Listing;
use super::status::PROVIDER;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::providers::{Call, Clock, ProviderError};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::Mutex;

/// How long groups and resources are remembered: one collection asks for
/// several kinds, and a kind that is installed later is news to the next.
const REMEMBERED: TimeDelta = TimeDelta::seconds(30);

/// Groups and versions, as last asked for.
#[derive(Debug, Default)]
pub(super) struct Discovery(Mutex<Option<Found>>);

#[derive(Debug, Clone)]
struct Found {
    at: DateTime<Utc>,
    age_since: TimeDelta,
    /// Why absence proves nothing.
    not_ready: Option<String>,
    groups: BTreeMap<String, Vec<String>>,
    /// Resources by group and version, as far as asked for.
    resources: BTreeMap<(String, String), BTreeSet<String>>,
}

/// Whether a resource is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Served {
    /// In that version.
    Yes(String),
    /// Not at all, as of then.
    No(DateTime<Utc>),
}

#[derive(Debug, Deserialize)]
struct RawGroups {
    kind: String,
    groups: Vec<RawGroup>,
}

#[derive(Debug, Deserialize)]
struct RawGroup {
    name: String,
    #[serde(default)]
    versions: Vec<RawVersion>,
}

#[derive(Debug, Deserialize)]
struct RawVersion {
    version: String,
}

#[derive(Debug, Deserialize)]
struct RawResources {
    kind: String,
    resources: Vec<RawResource>,
}

#[derive(Debug, Deserialize)]
struct RawResource {
    name: String,
}

fn failed(operation: &str, why: String) -> ProviderError {
    ProviderError::Unavailable {
        call: Box::new(Call::new(PROVIDER, operation).because(why)),
    }
}

impl Discovery {
    /// Whether and in which version the server has a resource.
    ///
    /// "Not at all" needs a server that says it is ready: one that has just
    /// started does not know the resources that others define yet.
    pub(super) async fn served(
        &self,
        reader: &dyn Reader,
        clock: &dyn Clock,
        what: &Listing,
    ) -> Result<Served, ProviderError> {
        let mut remembered = self.0.lock().await;
        let fresh = remembered
            .take()
            .filter(|found| clock.monotonic() - found.age_since < REMEMBERED);
        let mut found = match fresh {
            Some(found) => found,
            None => groups(reader, clock).await?,
        };
        let answer = served_in(&mut found, reader, what).await;
        *remembered = Some(found);
        answer
    }
}

async fn served_in(
    found: &mut Found,
    reader: &dyn Reader,
    what: &Listing,
) -> Result<Served, ProviderError> {
    let versions = found.groups.get(what.group).cloned().unwrap_or_default();
    let known = what.versions.iter().map(|version| (*version).to_owned());
    let known: Vec<String> = known.filter(|version| versions.contains(version)).collect();
    let others = versions.iter().filter(|version| !known.contains(version));
    let ordered: Vec<String> = known.iter().chain(others).cloned().collect();
    for version in ordered {
        let key = (what.group.to_owned(), version.clone());
        if !found.resources.contains_key(&key) {
            let names = resources(reader, what.group, &version).await?;
            found.resources.insert(key.clone(), names);
        }
        let has = found
            .resources
            .get(&key)
            .is_some_and(|names| names.contains(what.resource));
        if has && known.contains(&version) {
            return Ok(Served::Yes(version));
        }
        if has {
            let operation = format!("list {}.{}", what.resource, what.group);
            let why = format!("only version {version} is served, which is not read");
            return Err(ProviderError::NotSupported {
                call: Box::new(Call::new(PROVIDER, operation).because(why)),
            });
        }
    }
    match &found.not_ready {
        None => Ok(Served::No(found.at)),
        Some(why) => Err(failed(
            &format!("find {}.{}", what.resource, what.group),
            format!("not found, and the server is not ready: {why}"),
        )),
    }
}

async fn groups(reader: &dyn Reader, clock: &dyn Clock) -> Result<Found, ProviderError> {
    let (at, age_since) = (clock.now(), clock.monotonic());
    // Before the groups: what is ready only afterwards proves nothing.
    let not_ready = match reader.get("/readyz", &[]).await {
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    let body = reader.get("/apis", &[]).await?;
    let raw: RawGroups = serde_json::from_slice(&body)
        .ok()
        .filter(|raw: &RawGroups| raw.kind == "APIGroupList")
        .ok_or_else(|| failed("get /apis", "not a list of groups".to_owned()))?;
    let versions = |group: RawGroup| group.versions.into_iter().map(|v| v.version).collect();
    Ok(Found {
        at,
        age_since,
        not_ready,
        groups: raw
            .groups
            .into_iter()
            .map(|group| (group.name.clone(), versions(group)))
            .collect(),
        resources: BTreeMap::new(),
    })
}

async fn resources(
    reader: &dyn Reader,
    group: &str,
    version: &str,
) -> Result<BTreeSet<String>, ProviderError> {
    let path = format!("/apis/{group}/{version}");
    let body = reader.get(&path, &[]).await?;
    let raw: RawResources = serde_json::from_slice(&body)
        .ok()
        .filter(|raw: &RawResources| raw.kind == "APIResourceList")
        .ok_or_else(|| failed(&format!("get {path}"), "not a list of resources".to_owned()))?;
    Ok(raw.resources.into_iter().map(|r| r.name).collect())
}
