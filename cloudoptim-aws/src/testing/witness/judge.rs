//! What the audit log and the watch say together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Line, PodSeen};
use crate::testing::plane::AuditEvent;

/// What somebody did to pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Testimony {
    /// Evictions that the server granted.
    pub evictions: usize,
    /// Evictions that it refused, by status.
    pub refused: BTreeMap<u16, usize>,
    /// Pods deleted: requests for it, whatever came of them.
    pub deletes: usize,
    /// Evictions asked for without a uid.
    pub without_uid: usize,
    /// Evictions refused because the pod had another uid.
    pub wrong_uid: usize,
    /// Granted evictions of pods that were not planned, or that were not on
    /// their planned node.
    pub unplanned: Vec<String>,
    /// Pods whose eviction was granted twice.
    pub twice: Vec<String>,
    /// Granted evictions that took a line below what it desires: the pod was
    /// healthy, and with its deletion one too few were.
    pub below: Vec<String>,
    /// How often a line fell below for any other reason: a pod was deleted by
    /// somebody else, or was ready no more.
    pub below_by_others: usize,
    /// The fewest healthy pods that any line ever had above what it desires,
    /// right after a granted eviction; `None` without one.
    pub tightest: Option<i64>,
    /// Requests for evictions under one line that the server had at a time.
    pub side_by_side: Vec<String>,
}

impl Testimony {
    /// What must not be, in sentences; empty when all is well.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (count, what) in [
            (self.deletes, "pods were deleted"),
            (self.without_uid, "evictions named no uid"),
            (self.wrong_uid, "evictions named a wrong uid"),
        ] {
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        }
        for (pods, what) in [
            (&self.unplanned, "was evicted and not planned"),
            (&self.twice, "was evicted twice"),
            (&self.below, "was evicted below its line"),
            (&self.side_by_side, "were asked for side by side"),
        ] {
            faults.extend(pods.iter().map(|pod| format!("{pod} {what}")));
        }
        faults
    }
}

/// A request for an eviction.
struct Asked<'a> {
    /// Of the pod: what the request names, else what had that name then.
    uid: String,
    path: String,
    event: &'a AuditEvent,
}

pub(super) fn judge(
    lines: &[Line],
    pods: &[PodSeen],
    acts: &[AuditEvent],
    planned: &BTreeMap<String, String>,
) -> Testimony {
    let mut said = Testimony::default();
    let mut by_uid: BTreeMap<&str, &PodSeen> = BTreeMap::new();
    for pod in pods {
        // The last says most: a pod is bound once, and stays where it is.
        by_uid.insert(&pod.uid, pod);
    }
    let mut asked = Vec::new();
    for event in acts.iter().filter(|e| e.is_change() && !e.is_dry_run()) {
        match (event.verb.as_str(), event.target().as_str()) {
            ("delete" | "deletecollection", "pods") => said.deletes += 1,
            ("create", "pods/eviction") => asked.extend(read(event, &mut said)),
            _ => {}
        }
    }
    let mut granted: BTreeMap<&str, &Asked<'_>> = BTreeMap::new();
    for one in &asked {
        let code = one.event.code().unwrap_or_default();
        if !(200..300).contains(&code) {
            *said.refused.entry(code).or_default() += 1;
            said.wrong_uid += usize::from(code == 409 && is_about_uid(one.event));
            continue;
        }
        said.evictions += 1;
        let stood = by_uid.get(one.uid.as_str()).map(|pod| pod.node.as_str());
        if stood.is_none() || planned.get(&one.uid).map(String::as_str) != stood {
            let on = stood.unwrap_or("no node");
            said.unplanned
                .push(format!("{} ({}) on {on}", one.path, one.uid));
        }
        if granted.insert(&one.uid, one).is_some() {
            said.twice.push(format!("{} ({})", one.path, one.uid));
        }
    }
    count(lines, pods, &granted, &mut said);
    in_turn(lines, &by_uid, &asked, &mut said);
    said
}

fn read<'a>(event: &'a AuditEvent, said: &mut Testimony) -> Option<Asked<'a>> {
    let pod = event.object_ref.as_ref()?;
    let uid = event.request_object.as_ref();
    let uid = uid.and_then(|body| body.pointer("/deleteOptions/preconditions/uid"));
    let uid = uid.and_then(Value::as_str);
    said.without_uid += usize::from(uid.is_none());
    Some(Asked {
        uid: uid.unwrap_or_default().to_owned(),
        path: format!("{}/{}", pod.namespace, pod.name),
        event,
    })
}

fn is_about_uid(event: &AuditEvent) -> bool {
    let answer = event.response_object.as_ref();
    let message = answer.and_then(|answer| answer["message"].as_str());
    // A conflict that does not say why is held against whoever met it.
    message.is_none_or(|message| message.contains("UID"))
}

/// Counts the healthy pods of each line, from one event to the next.
fn count(
    lines: &[Line],
    pods: &[PodSeen],
    granted: &BTreeMap<&str, &Asked<'_>>,
    said: &mut Testimony,
) {
    let mut healthy: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); lines.len()];
    let mut begun: Vec<bool> = vec![false; lines.len()];
    for pod in pods {
        for ((line, healthy), begun) in lines.iter().zip(&mut healthy).zip(&mut begun) {
            if !line.covers(pod) {
                continue;
            }
            if pod.is_healthy() {
                healthy.insert(&pod.uid);
            } else if healthy.remove(pod.uid.as_str()) && *begun {
                let left = i64::try_from(healthy.len()).unwrap_or(i64::MAX);
                let above = left - i64::try_from(line.desired).unwrap_or(i64::MAX);
                let by_eviction = (pod.going || pod.gone)
                    .then(|| granted.get(pod.uid.as_str()))
                    .flatten();
                match by_eviction {
                    Some(_) => {
                        said.tightest = Some(said.tightest.map_or(above, |t| t.min(above)));
                        if above < 0 {
                            let (path, desired) = (pod.path(), line.desired);
                            said.below.push(format!("{path} ({left} of {desired})"));
                        }
                    }
                    None if above < 0 => said.below_by_others += 1,
                    None => {}
                }
            }
            // A line counts from when it was met first.
            let met = u64::try_from(healthy.len()).unwrap_or(u64::MAX);
            *begun = *begun || met >= line.desired;
        }
    }
}

/// Whether one request under a line was answered before the next came.
fn in_turn(
    lines: &[Line],
    by_uid: &BTreeMap<&str, &PodSeen>,
    asked: &[Asked<'_>],
    said: &mut Testimony,
) {
    for line in lines {
        let covered = |one: &&Asked<'_>| {
            let pod = by_uid.get(one.uid.as_str());
            pod.is_some_and(|pod| line.covers(pod))
        };
        let mut own: Vec<&Asked<'_>> = asked.iter().filter(covered).collect();
        own.sort_by(|a, b| {
            let at = |one: &Asked<'_>| one.event.request_received_timestamp.clone();
            at(a).cmp(&at(b))
        });
        for pair in own.windows(2) {
            if let [first, second] = pair
                && second.event.request_received_timestamp < first.event.stage_timestamp
            {
                said.side_by_side
                    .push(format!("{} and {}", first.path, second.path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(desired: u64) -> Line {
        Line {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
            desired,
        }
    }

    fn pod(version: u64, uid: &str, ready: bool, going: bool) -> PodSeen {
        let mut document = json!({
            "metadata": {"uid": uid, "name": uid, "namespace": "shop", "labels": {"app": "web"},
                "resourceVersion": version.to_string()},
            "spec": {"nodeName": "n1"},
            "status": {"phase": "Running",
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
        });
        if going {
            document["metadata"]["deletionTimestamp"] = json!("2026-11-24T12:00:00Z");
        }
        PodSeen::read(&document, false).unwrap()
    }

    fn eviction(uid: Option<&str>, code: u16, from: u32, to: u32) -> AuditEvent {
        let options = uid.map(|uid| json!({"preconditions": {"uid": uid}}));
        let at = |second: u32| format!("2026-11-24T12:00:{second:02}.000000Z");
        serde_json::from_value(json!({
            "auditID": "a", "stage": "ResponseComplete", "verb": "create",
            "requestURI": "/api/v1/namespaces/shop/pods/p/eviction",
            "user": {"username": "us"},
            "objectRef": {"resource": "pods", "subresource": "eviction", "namespace": "shop", "name": "p"},
            "responseStatus": {"code": code},
            "requestObject": {"deleteOptions": options},
            "responseObject": {"message": "the UID in the precondition (a) does not match"},
            "requestReceivedTimestamp": at(from), "stageTimestamp": at(to),
        }))
        .unwrap()
    }

    fn planned(uids: &[&str]) -> BTreeMap<String, String> {
        uids.iter()
            .map(|uid| ((*uid).to_owned(), "n1".to_owned()))
            .collect()
    }

    fn three() -> Vec<PodSeen> {
        vec![
            pod(1, "a", true, false),
            pod(2, "b", true, false),
            pod(3, "c", true, false),
        ]
    }

    #[test]
    fn an_eviction_below_the_line_is_told_from_what_others_take() {
        let mut pods = three();
        pods.push(pod(4, "a", true, true));
        let acts = [eviction(Some("a"), 201, 1, 2)];
        let ours = |desired, pods: &[PodSeen], acts: &[AuditEvent]| {
            judge(&[line(desired)], pods, acts, &planned(&["a"]))
        };
        assert_eq!(ours(2, &pods, &acts).faults(), Vec::<String>::new());
        assert_eq!(ours(2, &pods, &acts).tightest, Some(0));
        assert_eq!(ours(3, &pods, &acts).below.len(), 1);
        let by_others = ours(3, &pods, &[]);
        assert_eq!((by_others.below_by_others, by_others.below.len()), (1, 0));
        // One that others took before, and then ours.
        pods.insert(3, pod(4, "b", false, false));
        assert_eq!(ours(2, &pods, &acts).below.len(), 1);
        // One that was not ready takes nothing from anybody.
        let mut pods = three();
        pods.insert(2, pod(3, "a", false, false));
        pods.push(pod(5, "a", false, true));
        assert_eq!(ours(2, &pods, &acts).below, Vec::<String>::new());
    }

    #[test]
    fn what_was_not_planned_comes_twice_or_names_no_uid_is_a_fault() {
        let pods = three();
        let acts = [
            eviction(Some("a"), 201, 1, 2),
            eviction(Some("a"), 201, 2, 3),
            eviction(Some("b"), 201, 2, 4),
            eviction(Some("x"), 409, 5, 6),
            eviction(Some("c"), 429, 6, 7),
            eviction(None, 404, 8, 9),
        ];
        let said = judge(&[line(0)], &pods, &acts, &planned(&["a", "c"]));
        assert_eq!(
            (said.evictions, said.without_uid, said.wrong_uid),
            (3, 1, 1)
        );
        assert_eq!(said.refused, BTreeMap::from([(404, 1), (409, 1), (429, 1)]));
        assert_eq!((said.twice.len(), said.unplanned.len()), (1, 1));
        assert_eq!(said.side_by_side.len(), 1);
        assert_eq!(said.faults().len(), 5);
    }
}
