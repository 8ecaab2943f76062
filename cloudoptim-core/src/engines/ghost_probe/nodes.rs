//! Nodes whose instance is gone.

use super::{Ground, NODES, Reason, Verdict, settle};
use crate::decision::{Action, Decision, MissingEvidence, Subject};
use crate::engines::observed::{Grace, Terms, cluster_name, part};
use crate::model::{
    Cloud, Cluster, ConditionStatus, Instance, InstanceId, InstanceState, MicroUsdPerMonth, Node,
};
use std::collections::BTreeMap;

pub(super) fn decide(ground: &Ground<'_>, cluster: &Cluster) -> Vec<Decision> {
    let instances: BTreeMap<&InstanceId, &Instance> = ground
        .inputs
        .snapshot
        .clouds
        .iter()
        .flat_map(|c| c.instances.items())
        .map(|i| (&i.id, i))
        .collect();
    let alive = |node: &&Node| {
        node.instance_id()
            .is_some_and(|id| instances.get(&id).is_some_and(|i| !is_gone(i.state)))
    };
    let nodes = cluster.nodes.items();
    let matched = nodes.iter().filter(alive).count();
    let population = nodes.iter().filter(|n| n.instance_id().is_some()).count();
    let verdicts = nodes
        .iter()
        .map(|node| {
            let subject = Subject::Node {
                cluster: cluster.uid.clone(),
                node: node.name(),
            };
            let verdict = judge(ground, cluster, node, &instances, matched);
            (subject, verdict)
        })
        .collect();
    settle(ground.config, population as u64, false, verdicts)
}

const fn is_gone(state: InstanceState) -> bool {
    matches!(
        state,
        InstanceState::ShuttingDown | InstanceState::Terminated
    )
}

fn judge(
    ground: &Ground<'_>,
    cluster: &Cluster,
    node: &Node,
    instances: &BTreeMap<&InstanceId, &Instance>,
    matched: usize,
) -> Verdict {
    let keep = |reason| Verdict::Explained(vec![reason]);
    let config = ground.config;
    let now = ground.inputs.now();
    let Some(provider_id) = node.provider_id.as_deref().filter(|id| !id.is_empty()) else {
        return keep(Reason::NoProviderId);
    };
    let compute_type = node.meta.label("eks.amazonaws.com/compute-type");
    if let Some(kind @ ("fargate" | "hybrid")) = compute_type {
        return keep(Reason::OtherProvider {
            provider: format!("compute-type {kind}"),
        });
    }
    let Some(id) = node.instance_id() else {
        return keep(Reason::OtherProvider {
            provider: provider_id.to_owned(),
        });
    };
    if let Some(instance) = instances.get(&id)
        && !is_gone(instance.state)
    {
        return keep(Reason::HasInstance {
            state: instance.state,
        });
    }
    let zone = provider_id
        .trim_start_matches("aws://")
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    let Some(cloud) = cloud_of(ground, cluster, zone) else {
        return keep(Reason::OtherRegion {
            zone: zone.to_owned(),
        });
    };
    if node.condition("Ready") == ConditionStatus::True {
        return keep(Reason::NodeReady);
    }
    if let Some(lease) = cluster
        .leases
        .items()
        .iter()
        .find(|l| l.meta.name == node.meta.name)
        && let Some(renewed_at) = lease.renewed_at
        && now - renewed_at < config.lease()
    {
        return keep(Reason::LeaseRenewed {
            lease: lease.meta.name.clone(),
            renewed_at,
        });
    }
    match node.meta.created_at {
        None => return keep(Reason::AgeUnknown),
        Some(launched_at) if now - launched_at < config.min_age() => {
            return keep(Reason::Young {
                launched_at,
                min_age_minutes: config.min_age_minutes,
            });
        }
        Some(_) => {}
    }
    let name = cluster_name(cluster);
    let mut missing = Vec::new();
    missing.extend(part(
        format!("instances of {}", cloud.scope()),
        &cloud.instances,
    ));
    missing.extend(part(format!("nodes of {name}"), &cluster.nodes));
    missing.extend(part(format!("leases of {name}"), &cluster.leases));
    let mut reasons = vec![Reason::InstanceGone];
    if matched == 0 {
        reasons.push(Reason::NoNodeMatched {
            cluster: name.to_owned(),
        });
        missing.push(MissingEvidence::Part {
            part: format!("instances of {}", cloud.scope()),
            state: "none of them is a node of the cluster".to_owned(),
        });
    }
    let nothing = Some(MicroUsdPerMonth::ZERO);
    let Some(ledger) = &ground.inputs.ledgers.nodes_without_instance else {
        reasons.insert(0, Reason::NeverObserved);
        missing.extend(terms(ground).judge(None, now, None).missing(NODES));
        return Verdict::Suspect {
            reasons,
            at_stake: nothing,
            missing,
            due: false,
        };
    };
    let row = ledger.get(&format!("{}/{}", cluster.uid, node.meta.name));
    let grace = terms(ground).judge(row, now, node.meta.created_at);
    reasons.insert(0, grace_reason(ground, &grace));
    missing.extend(grace.missing(NODES));
    if !missing.is_empty() {
        let due = matches!(grace, Grace::Over { .. });
        push_part(&mut reasons, &missing);
        return Verdict::Suspect {
            reasons,
            at_stake: nothing,
            missing,
            due,
        };
    }
    Verdict::Ready {
        reasons,
        actions: vec![Action::DeleteNodeObject {
            cluster: cluster.uid.clone(),
            node: node.name(),
            uid: node.meta.uid.clone(),
        }],
        saves: nothing,
        at_stake: None,
        missing,
    }
}

/// The account and region that a node's zone lies in.
fn cloud_of<'a>(ground: &Ground<'a>, cluster: &Cluster, zone: &str) -> Option<&'a Cloud> {
    let cloud = ground.inputs.snapshot.cloud_of(cluster)?;
    zone.starts_with(cloud.region.as_str()).then_some(cloud)
}

pub(super) fn terms(ground: &Ground<'_>) -> Terms {
    Terms {
        grace: ground.config.grace(),
        min_observations: ground.config.min_observations,
        max_gap_minutes: ground.config.max_gap_minutes,
    }
}

/// The reason that an observed row gives.
pub(super) fn grace_reason(ground: &Ground<'_>, grace: &Grace) -> Reason {
    let config = ground.config;
    match *grace {
        Grace::Over {
            since,
            observations,
        } => Reason::AbsentFor {
            since,
            observations,
        },
        Grace::Within {
            since,
            observations,
            ..
        } => Reason::WithinGrace {
            since,
            observations,
            grace_hours: config.grace_hours,
        },
        Grace::First { .. } => Reason::WithinGrace {
            since: ground.inputs.now(),
            observations: 1,
            grace_hours: config.grace_hours,
        },
        Grace::Gap { minutes, .. } => Reason::ObservationGap {
            minutes,
            max_minutes: config.max_gap_minutes,
        },
    }
}

/// Names the parts that are missing among the reasons too.
pub(super) fn push_part(reasons: &mut Vec<Reason>, missing: &[MissingEvidence]) {
    for evidence in missing {
        if let MissingEvidence::Part { part, state } = evidence {
            reasons.push(Reason::PartMissing {
                part: part.clone(),
                state: state.clone(),
            });
        }
    }
}
