//! Ghost probe: instances that no cluster knows, and nodes without an instance.
//!
//! It compares the instances of each account and region with the nodes of
//! **every** cluster that is expected to exist, by the instance id in a node's
//! provider id and by nothing else: names and addresses are reused
//! (aws/karpenter-provider-aws#2734). It reads what the account and the
//! clusters say, never the overlay: a node that another engine would remove is
//! still there.
//!
//! An instance is a suspect when it says itself that it belongs to a cluster
//! of the snapshot and that cluster has no node for it. It is acted on when
//! nothing speaks for it (age, groups' states, protections, leases, spot
//! requests, reservations), it has been seen without a node for the whole
//! grace, and the input is believable: everything complete, at least one node
//! of the cluster matched, few suspects.
//!
//! The first act is a mark (the tag [`MARK`] with the time), with a stop for
//! instances that nobody owns. A group or Karpenter would take a stopped
//! instance for broken and replace it, and EC2 does not stop one-time spot
//! instances, so those are only marked. A day later the instance is terminated
//! through its owner.
//!
//! What a stop loses is not stopped: data of local disks goes with the stop, so
//! such an instance is only marked, and is terminated when a setting says that
//! those disks may go, else a person is asked. A type that the catalogue does
//! not list may have such disks. What would be left behind is named: volumes,
//! elastic addresses, interfaces, target groups of its scaling group. Target
//! groups that an instance was registered in by hand are not seen.
//!
//! A launch template or an instance profile that it shares with nodes of a
//! cluster supports what tags say. Alone it is a question to a person, and
//! where it points to another cluster than the tags, the instance is kept.
//!
//! A node object is deleted when its EC2 instance is gone for the whole grace,
//! its kubelet is silent and its lease is old. That saves nothing by itself.
//!
//! It never acts on what it cannot see whole, and never against a protection.

mod config;
mod instances;
mod leftovers;
mod membership;
mod nodes;
mod reason;

pub use config::Config;
pub use reason::Reason;

use super::observed::{cluster_name, missing_clusters, part, share};
use super::{Engine, EngineError, EngineId, EngineOutput, Inputs, NotJudged};
use crate::decision::{Action, Decision, MissingEvidence, Subject};
use crate::model::{Cluster, Instance, InstanceId, MicroUsdPerMonth, Node};
use std::collections::{BTreeMap, BTreeSet};

/// The tag that marks a ghost; its value is the time, as RFC 3339.
pub const MARK: &str = "cloudoptim/ghost-since";

/// Name of the ledger of instances.
const INSTANCES: &str = "instances_without_node";
/// Name of the ledger of nodes.
const NODES: &str = "nodes_without_instance";

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct GhostProbe {
    config: Config,
}

impl GhostProbe {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for GhostProbe {
    fn id(&self) -> EngineId {
        EngineId::GhostProbe
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        decide(&self.config, inputs)
    }
}

/// Decides about every instance of every account and region, and about every
/// node of every cluster.
///
/// # Errors
/// [`EngineError::BadSetting`] for settings out of range.
pub fn decide(config: &Config, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
    config.validate()?;
    let ground = Ground::new(config, inputs);
    let mut decisions = Vec::new();
    let mut not_judged = Vec::new();
    for cloud in &inputs.snapshot.clouds {
        if let Some(missing) = part(format!("instances of {}", cloud.scope()), &cloud.instances) {
            not_judged.push(NotJudged {
                subject: None,
                count: cloud.instances.items().len() as u64,
                missing,
            });
        }
        decisions.extend(instances::decide(&ground, cloud));
    }
    for cluster in &inputs.snapshot.clusters {
        if let Some(missing) = part(
            format!("nodes of {}", cluster_name(cluster)),
            &cluster.nodes,
        ) {
            not_judged.push(NotJudged {
                subject: Some(Subject::Cluster {
                    cluster: cluster.uid.clone(),
                }),
                count: cluster.nodes.items().len() as u64,
                missing,
            });
        }
        decisions.extend(nodes::decide(&ground, cluster));
    }
    let mut output = EngineOutput::new(EngineId::GhostProbe, decisions);
    not_judged.sort();
    output.not_judged = not_judged;
    Ok(output)
}

/// What both directions stand on.
struct Ground<'a> {
    config: &'a Config,
    inputs: &'a Inputs<'a>,
    /// Nodes by the instance in their provider id.
    nodes: BTreeMap<InstanceId, (&'a Cluster, &'a Node)>,
    /// Names of the clusters whose nodes have it, by launch template and by
    /// instance profile.
    kin: BTreeMap<String, BTreeSet<&'a str>>,
    /// What is missing of the clusters: while anything is, absence proves nothing.
    missing: Vec<MissingEvidence>,
}

/// What an instance may have in common with others that were launched alike.
fn launched_by(instance: &Instance) -> impl Iterator<Item = String> {
    let template = instance.launch_template();
    let profile = instance.instance_profile.as_deref();
    let profile = profile.filter(|p| !p.is_empty());
    let template = template.map(|id| format!("launch template {id}"));
    template
        .into_iter()
        .chain(profile.map(|arn| format!("instance profile {arn}")))
}

impl<'a> Ground<'a> {
    fn new(config: &'a Config, inputs: &'a Inputs<'a>) -> Self {
        let snapshot = inputs.snapshot;
        let mut nodes = BTreeMap::new();
        let mut missing = missing_clusters(snapshot);
        for cluster in &snapshot.clusters {
            let name = cluster_name(cluster);
            missing.extend(part(format!("nodes of {name}"), &cluster.nodes));
            for node in cluster.nodes.items() {
                if let Some(id) = node.instance_id() {
                    nodes.insert(id, (cluster, node));
                }
            }
        }
        let mut kin: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for instance in snapshot.clouds.iter().flat_map(|c| c.instances.items()) {
            if let Some((cluster, _)) = nodes.get(&instance.id) {
                for by in launched_by(instance) {
                    kin.entry(by).or_default().insert(cluster.name.as_str());
                }
            }
        }
        Self {
            config,
            inputs,
            nodes,
            kin,
            missing,
        }
    }
}

/// What is thought of one subject before the run as a whole is looked at.
enum Verdict {
    /// Something known speaks for it.
    Explained(Vec<Reason>),
    /// Too little says that it is one: a person is asked.
    Asked {
        reasons: Vec<Reason>,
        at_stake: Option<MicroUsdPerMonth>,
        of: String,
    },
    /// A suspect that waits for evidence.
    Suspect {
        reasons: Vec<Reason>,
        at_stake: Option<MicroUsdPerMonth>,
        missing: Vec<MissingEvidence>,
        /// Its grace is over: only parts of the input are missing.
        due: bool,
    },
    /// A suspect with everything proven.
    Ready {
        reasons: Vec<Reason>,
        actions: Vec<Action>,
        saves: Option<MicroUsdPerMonth>,
        at_stake: Option<MicroUsdPerMonth>,
        missing: Vec<MissingEvidence>,
    },
}

impl Verdict {
    const fn is_suspect(&self) -> bool {
        matches!(self, Self::Suspect { .. } | Self::Ready { .. })
    }

    const fn is_due(&self) -> bool {
        matches!(self, Self::Ready { .. } | Self::Suspect { due: true, .. })
    }
}

/// Turns verdicts into decisions: all acts, or none when the suspects are too
/// many to be believed or the acts too many for a run.
///
/// Suspects and due acts are counted with those that wait for missing parts,
/// so that knowing less never makes room for an act.
fn settle(
    config: &Config,
    population: u64,
    suspicious_place: bool,
    verdicts: Vec<(Subject, Verdict)>,
) -> Vec<Decision> {
    let count = |f: fn(&Verdict) -> bool| verdicts.iter().filter(|(_, v)| f(v)).count() as u64;
    let suspects = count(Verdict::is_suspect);
    let due = count(Verdict::is_due);
    let limit = share(population, config.suspicion_percent);
    let cap = share(population, config.max_share_percent).min(u64::from(config.max_acts));
    let stopped_by = if suspects > limit || suspicious_place {
        Some(Reason::Suspicious {
            suspects,
            population,
            limit,
        })
    } else if due > cap {
        Some(Reason::CapExceeded { due, cap })
    } else {
        None
    };
    let engine = EngineId::GhostProbe;
    let wrap = |reasons: Vec<Reason>| reasons.into_iter().map(Into::into).collect();
    verdicts
        .into_iter()
        .map(|(subject, verdict)| match verdict {
            Verdict::Explained(reasons) => Decision::keep(engine, subject, wrap(reasons)),
            Verdict::Asked {
                reasons,
                at_stake,
                of,
            } => Decision::keep(engine, subject, wrap(reasons))
                .with_stake(at_stake, vec![MissingEvidence::Confirmation { of }]),
            Verdict::Suspect {
                mut reasons,
                at_stake,
                missing,
                ..
            } => {
                if let Some(reason @ Reason::Suspicious { .. }) = &stopped_by {
                    reasons.push(reason.clone());
                }
                Decision::keep(engine, subject, wrap(reasons)).with_stake(at_stake, missing)
            }
            Verdict::Ready {
                mut reasons,
                actions,
                saves,
                at_stake,
                mut missing,
            } => match &stopped_by {
                None => Decision::act(engine, subject, actions, saves, wrap(reasons))
                    .with_stake(at_stake, missing),
                Some(why) => {
                    reasons.insert(0, why.clone());
                    missing.push(MissingEvidence::Confirmation {
                        of: why.to_string(),
                    });
                    let stake = at_stake.or(saves.filter(|s| s.0 != 0));
                    Decision::keep(engine, subject, wrap(reasons)).with_stake(stake, missing)
                }
            },
        })
        .collect()
}
