//! Instances that no cluster knows.

use super::leftovers::LocalDisks;
use super::membership::Membership;
use super::nodes::{grace_reason, push_part, terms};
use super::{Ground, INSTANCES, MARK, Reason, Verdict, launched_by, settle};
use crate::decision::{Action, Decision, MissingEvidence, Owner, Subject};
use crate::engines::observed::{Grace, cluster_name, part, protecting_tag, share};
use crate::model::{
    AutoScalingGroup, CapacityType, Cloud, Cluster, Instance, InstanceState, MicroUsdPerMonth,
};
use chrono::{DateTime, SecondsFormat, Utc};
use std::collections::BTreeMap;

const GROUP_TAG: &str = "aws:autoscaling:groupName";

pub(super) fn decide(ground: &Ground<'_>, cloud: &Cloud) -> Vec<Decision> {
    let groups = groups(cloud);
    let mut population = 0;
    let mut zones: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut verdicts = Vec::new();
    for instance in cloud.instances.items() {
        let case = Case {
            ground,
            cloud,
            instance,
            group: groups.get(&instance.id).copied(),
        };
        let verdict = case.judge();
        let live = matches!(
            instance.state,
            InstanceState::Pending | InstanceState::Running | InstanceState::Stopping
        );
        if verdict.is_suspect() || live && case.is_known() {
            population += 1;
            let zone = instance.zone.as_ref().map(ToString::to_string);
            let (all, suspects) = zones.entry(zone.unwrap_or_default()).or_default();
            *all += 1;
            *suspects += u64::from(verdict.is_suspect());
        }
        let subject = Subject::Instance {
            account: cloud.account.clone(),
            region: cloud.region.clone(),
            instance: instance.id.clone(),
        };
        verdicts.push((subject, verdict));
    }
    // More than half of a zone is an outage or a fault, not a pile of ghosts.
    let suspicious_zone = zones
        .values()
        .any(|(all, suspects)| *suspects > share(*all, 55).max(1));
    settle(ground.config, population, suspicious_zone, verdicts)
}

/// Groups by the instances that they list.
fn groups(cloud: &Cloud) -> BTreeMap<&crate::model::InstanceId, &AutoScalingGroup> {
    cloud
        .auto_scaling_groups
        .items()
        .iter()
        .flat_map(|g| g.instances.iter().map(move |i| (&i.instance, g)))
        .collect()
}

pub(super) struct Case<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) cloud: &'a Cloud,
    pub(super) instance: &'a Instance,
    pub(super) group: Option<&'a AutoScalingGroup>,
}

impl<'a> Case<'a> {
    fn now(&self) -> DateTime<Utc> {
        self.ground.inputs.now()
    }

    fn clusters(&self, name: &str) -> Vec<&'a Cluster> {
        let all = &self.ground.inputs.snapshot.clusters;
        all.iter().filter(|c| c.name == name).collect()
    }

    fn membership(&self) -> Membership {
        let group = self
            .group
            .map(|g| g.name.as_str())
            .or_else(|| self.group_tag());
        Membership::of(self.instance, self.cloud, group)
    }

    fn group_tag(&self) -> Option<&'a str> {
        self.instance.tags.get(GROUP_TAG).map(String::as_str)
    }

    /// Whether it counts as a machine of a cluster of the snapshot.
    fn is_known(&self) -> bool {
        self.ground.nodes.contains_key(&self.instance.id)
            || self
                .membership()
                .named
                .keys()
                .any(|name| !self.clusters(name).is_empty())
    }

    fn judge(&self) -> Verdict {
        let keep = |reason| Verdict::Explained(vec![reason]);
        let instance = self.instance;
        match instance.state {
            state @ (InstanceState::ShuttingDown | InstanceState::Terminated) => {
                return keep(Reason::Ending { state });
            }
            InstanceState::Unknown => return keep(Reason::StateUnknown),
            _ => {}
        }
        if let Some((cluster, node)) = self.ground.nodes.get(&instance.id) {
            return keep(Reason::HasNode {
                cluster: cluster_name(cluster).to_owned(),
                node: node.meta.name.clone(),
            });
        }
        let member = self.membership();
        let foreign = member.named.iter().chain(&member.shared);
        for (cluster, by) in foreign {
            if self.clusters(cluster).is_empty() {
                return keep(Reason::ForeignCluster {
                    cluster: cluster.clone(),
                    by: by.clone(),
                });
            }
        }
        let kin = self.kin();
        if member.named.is_empty() {
            let weak = match (member.shared.keys().next(), &member.unnamed) {
                (Some(cluster), _) => Reason::SharedOnly {
                    cluster: cluster.clone(),
                },
                (None, Some(by)) => Reason::ClusterNotNamed { by: by.clone() },
                (None, None) => Reason::NotOurs,
            };
            return self.like_nodes(member, kin, weak);
        }
        let of_named = |(cluster, _): &(&String, &String)| member.named.contains_key(*cluster);
        if !kin.is_empty() && !kin.iter().any(|entry| of_named(&entry)) {
            let mut reasons = Vec::new();
            reasons.extend(kin.into_iter().map(like));
            reasons.extend(member.named.into_iter().map(belongs));
            return Verdict::Explained(reasons);
        }
        let named = member.named.clone();
        let mut evidence: Vec<Reason> = named.into_iter().map(belongs).collect();
        evidence.extend(
            kin.into_iter()
                .filter(|(cluster, _)| member.named.contains_key(cluster))
                .map(like),
        );
        if let Some(reason) = self.spoken_for(&member) {
            evidence.insert(0, reason);
            return Verdict::Explained(evidence);
        }
        self.suspect(&member, evidence)
    }

    /// Clusters whose nodes were launched alike, with what they have in common.
    fn kin(&self) -> BTreeMap<String, String> {
        let mut kin = BTreeMap::new();
        for by in launched_by(self.instance) {
            for cluster in self.ground.kin.get(&by).into_iter().flatten() {
                kin.entry((*cluster).to_owned())
                    .or_insert_with(|| by.clone());
            }
        }
        kin
    }

    /// No tag says where it belongs, but it may be launched as nodes are.
    fn like_nodes(
        &self,
        member: Membership,
        kin: BTreeMap<String, String>,
        weak: Reason,
    ) -> Verdict {
        if kin.is_empty() {
            return Verdict::Explained(vec![weak]);
        }
        let clusters: Vec<&str> = kin.keys().map(String::as_str).collect();
        let of = format!(
            "that {} is a node of {}",
            self.instance.id,
            clusters.join(" or ")
        );
        let mut reasons = vec![weak];
        reasons.extend(kin.clone().into_iter().map(like));
        let member = Membership {
            named: kin,
            ..member
        };
        if let Some(reason) = self.spoken_for(&member) {
            reasons.insert(0, reason);
            return Verdict::Explained(reasons);
        }
        let at_stake = self.running_cost(&mut reasons);
        Verdict::Asked {
            reasons,
            at_stake,
            of,
        }
    }

    /// Something known that speaks for the instance.
    fn spoken_for(&self, member: &Membership) -> Option<Reason> {
        let instance = self.instance;
        let config = self.ground.config;
        let now = self.now();
        if let Some(by) = &instance.managed_by {
            return Some(Reason::ManagedByProvider { by: by.clone() });
        }
        if let Some(tag) = protecting_tag(&instance.tags, &config.keep_tags) {
            return Some(Reason::ProtectedByTag {
                tag: tag.to_owned(),
            });
        }
        if instance.termination_protected == Some(true) {
            return Some(Reason::TerminationProtected);
        }
        if instance.stop_protected == Some(true) {
            return Some(Reason::StopProtected);
        }
        match instance.launched_at {
            None => return Some(Reason::AgeUnknown),
            Some(launched_at) if now - launched_at < config.min_age() => {
                return Some(Reason::Young {
                    launched_at,
                    min_age_minutes: config.min_age_minutes,
                });
            }
            Some(_) => {}
        }
        let mark = instance.tags.get(MARK);
        if let Some(value) = mark
            && self.marked_at().is_none()
        {
            return Some(Reason::MarkUnreadable {
                value: value.clone(),
            });
        }
        if let (Some(marked_at), Some(launched_at)) = (self.marked_at(), instance.launched_at)
            && launched_at > marked_at
        {
            return Some(Reason::Restarted {
                marked_at,
                launched_at,
            });
        }
        match instance.state {
            InstanceState::Stopping => {
                return Some(Reason::Ending {
                    state: instance.state,
                });
            }
            InstanceState::Stopped if mark.is_none() => return Some(Reason::Stopped),
            _ => {}
        }
        if let Some(reason) = self.group_speaks() {
            return Some(reason);
        }
        if let Some(reservation) = &instance.capacity_reservation {
            return Some(Reason::FillsReservation {
                reservation: reservation.clone(),
            });
        }
        if instance.tenancy.as_deref() == Some("host") {
            return Some(Reason::FillsReservation {
                reservation: "a dedicated host".to_owned(),
            });
        }
        if instance.capacity_type == CapacityType::Reserved {
            return Some(Reason::FillsReservation {
                reservation: "a capacity block".to_owned(),
            });
        }
        if let Some(request) = self.persistent_request() {
            return Some(Reason::PersistentSpotRequest { request });
        }
        self.live_lease(member)
    }

    fn group_speaks(&self) -> Option<Reason> {
        let Some(group) = self.group else {
            // A group that is gone speaks for nobody.
            let name = self.group_tag()?;
            let groups = self.cloud.auto_scaling_groups.items();
            return groups
                .iter()
                .find(|g| g.name == name)
                .map(|g| Reason::NotInItsGroup {
                    group: name.to_owned(),
                    warm_pool: g.has_warm_pool,
                });
        };
        let listed = group
            .instances
            .iter()
            .find(|i| i.instance == self.instance.id)?;
        let name = group.name.clone();
        if listed.lifecycle != "InService" {
            return Some(Reason::GroupLifecycle {
                group: name,
                lifecycle: listed.lifecycle.clone(),
            });
        }
        if listed.protected_from_scale_in {
            return Some(Reason::ScaleInProtected { group: name });
        }
        (group.desired <= group.min_size).then_some(Reason::GroupAtMinimum {
            group: name,
            min_size: group.min_size,
        })
    }

    fn persistent_request(&self) -> Option<String> {
        let mut requests = self.cloud.live_spot_requests(self.instance);
        requests.find(|r| r.persistent).map(|r| r.id.clone())
    }

    /// A lease by the name that a kubelet here would have. Names never condemn,
    /// but they may acquit.
    fn live_lease(&self, member: &Membership) -> Option<Reason> {
        let id = self.instance.id.as_str();
        let is_ours = |name: &str| {
            name == id
                || name.split('.').next() == Some(id)
                || self.instance.private_dns.as_deref() == Some(name)
        };
        let clusters = member.named.keys().flat_map(|name| self.clusters(name));
        clusters
            .flat_map(|c| c.leases.items())
            .filter(|l| is_ours(&l.meta.name))
            .find_map(|l| {
                let renewed_at = l.renewed_at?;
                (self.now() - renewed_at < self.ground.config.lease()).then(|| {
                    Reason::LeaseRenewed {
                        lease: l.meta.name.clone(),
                        renewed_at,
                    }
                })
            })
    }

    fn marked_at(&self) -> Option<DateTime<Utc>> {
        let value = self.instance.tags.get(MARK)?;
        let at = DateTime::parse_from_rfc3339(value)
            .ok()?
            .with_timezone(&Utc);
        (at <= self.now()).then_some(at)
    }

    fn suspect(&self, member: &Membership, mut evidence: Vec<Reason>) -> Verdict {
        let instance = self.instance;
        let now = self.now();
        let mut missing = self.missing(member);
        for name in member.named.keys() {
            for cluster in self.clusters(name) {
                self.doubt_cluster(cluster, &mut evidence, &mut missing);
            }
        }
        let owner = self.owner(member);
        evidence.push(Reason::GoesThrough {
            owner: owner.clone(),
        });
        let running = self.running_cost(&mut evidence);
        self.leftovers(&mut evidence);
        let disks = self.local_disks();
        let ledger = self.ground.inputs.ledgers.instances_without_node.as_ref();
        let grace = terms(self.ground).judge(
            ledger.and_then(|l| l.get(&instance.id)),
            now,
            instance.launched_at,
        );
        let first = match ledger {
            None => Reason::NeverObserved,
            Some(_) => grace_reason(self.ground, &grace),
        };
        let mut reasons = vec![first];
        missing.extend(grace.missing(INSTANCES));
        let due = matches!(grace, Grace::Over { .. });
        if due {
            self.quarantine(&owner, running, disks, reasons, evidence, missing)
        } else {
            reasons.extend(evidence);
            push_part(&mut reasons, &missing);
            Verdict::Suspect {
                reasons,
                at_stake: running,
                missing,
                due,
            }
        }
    }

    /// Mark and stop first, terminate a day later.
    fn quarantine(
        &self,
        owner: &Owner,
        running: Option<MicroUsdPerMonth>,
        disks: LocalDisks,
        mut reasons: Vec<Reason>,
        evidence: Vec<Reason>,
        mut missing: Vec<MissingEvidence>,
    ) -> Verdict {
        let instance = self.instance;
        let config = self.ground.config;
        let (account, region) = (self.cloud.account.clone(), self.cloud.region.clone());
        // EC2 stops spot instances of persistent requests only, and those are
        // spoken for.
        let is_spot = instance.capacity_type == CapacityType::Spot;
        let disks_may_go = match disks {
            LocalDisks::None => true,
            LocalDisks::Some(_) => config.local_disks_may_go,
            LocalDisks::Unknown => false,
        };
        let stoppable = matches!(owner, Owner::Unowned) && !is_spot && disks_may_go;
        let stop = Action::StopInstance {
            account: account.clone(),
            region: region.clone(),
            instance: instance.id.clone(),
        };
        let later = |from: DateTime<Utc>| MissingEvidence::Ledger {
            ledger: format!("tag {MARK}"),
            possible_from: from
                .checked_add_signed(config.quarantine())
                .unwrap_or(DateTime::<Utc>::MAX_UTC),
        };
        let mut actions = Vec::new();
        let mut saves = None;
        let mut at_stake = running;
        match self.marked_at() {
            None => {
                actions.push(Action::Tag {
                    account,
                    region,
                    resource: instance.id.to_string(),
                    key: MARK.to_owned(),
                    from: None,
                    to: Some(self.now().to_rfc3339_opts(SecondsFormat::Secs, true)),
                });
                if stoppable {
                    actions.push(stop);
                    saves = running;
                    at_stake = None;
                } else {
                    reasons.push(match owner {
                        Owner::Unowned if is_spot => Reason::StopNotPossible,
                        Owner::Unowned => self.stop_loses(disks),
                        owner => Reason::StopWouldReplace {
                            owner: owner.clone(),
                        },
                    });
                    if missing.is_empty() {
                        reasons.push(Reason::OnlyMarked);
                    }
                    saves = Some(MicroUsdPerMonth::ZERO);
                }
                if missing.is_empty() {
                    reasons.extend(evidence);
                    return Verdict::Ready {
                        reasons,
                        actions,
                        saves,
                        at_stake,
                        missing: vec![later(self.now())],
                    };
                }
            }
            Some(since) if self.now() - since < config.quarantine() => {
                reasons.insert(
                    0,
                    Reason::Quarantined {
                        since,
                        quarantine_hours: config.quarantine_hours,
                    },
                );
                if stoppable && instance.state == InstanceState::Running {
                    actions.push(stop);
                    saves = running;
                    at_stake = None;
                } else {
                    missing.push(later(since));
                }
            }
            // Marked long ago and never stopped: the stop failed.
            Some(_) if stoppable && instance.state == InstanceState::Running => {
                actions.push(stop);
                saves = running;
                at_stake = None;
            }
            Some(since) => {
                reasons.insert(0, Reason::QuarantineOver { since });
                if instance.termination_protected.is_none() {
                    missing.push(MissingEvidence::Part {
                        part: format!("termination protection of {}", instance.id),
                        state: "not asked for".to_owned(),
                    });
                }
                // What was on them went with the stop.
                let gone = instance.state == InstanceState::Stopped;
                if !disks_may_go && !gone {
                    reasons.push(self.stop_loses(disks));
                    missing.push(self.disks_unsettled(disks));
                }
                saves = match instance.state {
                    InstanceState::Stopped => self.disks_that_go(),
                    _ => running,
                };
                at_stake = None;
                actions.push(Action::TerminateInstance {
                    account,
                    region,
                    instance: instance.id.clone(),
                    via: owner.clone(),
                });
            }
        }
        reasons.extend(evidence);
        if missing.is_empty() {
            Verdict::Ready {
                reasons,
                actions,
                saves,
                at_stake,
                missing,
            }
        } else {
            push_part(&mut reasons, &missing);
            Verdict::Suspect {
                reasons,
                // A mark saves nothing, which is no price.
                at_stake: at_stake.or(saves.filter(|s| s.0 != 0)),
                missing,
                due: true,
            }
        }
    }

    /// Parts that an act on this instance needs, and that are not complete.
    fn missing(&self, member: &Membership) -> Vec<MissingEvidence> {
        let scope = self.cloud.scope();
        let cloud = self.cloud;
        let mut missing: Vec<MissingEvidence> = self.ground.missing.clone();
        missing.extend(part(format!("instances of {scope}"), &cloud.instances));
        missing.extend(part(
            format!("auto scaling groups of {scope}"),
            &cloud.auto_scaling_groups,
        ));
        missing.extend(part(format!("node groups of {scope}"), &cloud.node_groups));
        if self.instance.capacity_type == CapacityType::Spot {
            missing.extend(part(
                format!("spot requests of {scope}"),
                &cloud.spot_requests,
            ));
        }
        for cluster in member.named.keys().flat_map(|name| self.clusters(name)) {
            let name = cluster_name(cluster);
            missing.extend(part(format!("leases of {name}"), &cluster.leases));
            if self.is_karpenters() {
                missing.extend(part(format!("node claims of {name}"), &cluster.node_claims));
            }
        }
        missing
    }

    /// The positive canary, and nodes that may be this instance.
    fn doubt_cluster(
        &self,
        cluster: &Cluster,
        evidence: &mut Vec<Reason>,
        missing: &mut Vec<MissingEvidence>,
    ) {
        let name = cluster_name(cluster).to_owned();
        let here = self.cloud.instances.items();
        let nodes = cluster.nodes.items();
        let matched = nodes.iter().any(|n| {
            n.instance_id()
                .is_some_and(|id| here.iter().any(|i| i.id == id))
        });
        if !matched {
            missing.push(MissingEvidence::Part {
                part: format!("nodes of {name}"),
                state: "none of them has an instance here".to_owned(),
            });
            evidence.push(Reason::NoNodeMatched {
                cluster: name.clone(),
            });
        }
        if let Some(node) = nodes
            .iter()
            .find(|n| n.provider_id.as_deref().unwrap_or_default().is_empty())
        {
            missing.push(MissingEvidence::Part {
                part: format!("provider id of node {}", node.meta.name),
                state: "absent".to_owned(),
            });
            evidence.push(Reason::NodeWithoutProviderId {
                cluster: name,
                node: node.meta.name.clone(),
            });
        }
    }

    fn is_karpenters(&self) -> bool {
        self.instance
            .tags
            .keys()
            .any(|k| k.starts_with("karpenter.sh/"))
    }

    /// Whom a termination has to go through.
    fn owner(&self, member: &Membership) -> Owner {
        if self.is_karpenters() {
            let clusters = member.named.keys().flat_map(|name| self.clusters(name));
            let claim = clusters.flat_map(|c| c.node_claims.items()).find(|claim| {
                claim
                    .provider_id
                    .as_deref()
                    .is_some_and(|p| p.rsplit('/').next() == Some(self.instance.id.as_str()))
            });
            // Without a claim nobody in the cluster can be asked any more.
            return claim.map_or(Owner::Unowned, |claim| Owner::NodeClaim {
                name: claim.meta.name.clone(),
            });
        }
        let group = self.group.map(|g| g.name.clone());
        match (self.instance.tags.get("eks:nodegroup-name"), group) {
            (Some(name), Some(group)) => Owner::NodeGroup {
                name: name.clone(),
                auto_scaling_group: Some(group),
            },
            (None, Some(name)) => Owner::AutoScalingGroup { name },
            (_, None) => Owner::Unowned,
        }
    }
}

fn belongs((cluster, by): (String, String)) -> Reason {
    Reason::BelongsTo { cluster, by }
}

fn like((cluster, by): (String, String)) -> Reason {
    Reason::LikeNodesOf { cluster, by }
}
