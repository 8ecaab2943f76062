//! Zombie volumes: EBS volumes that nobody uses and nobody will.
//!
//! "It is `available`" is no proof: a StatefulSet at zero replicas looks the
//! same (grafana/unused#82). So a volume goes only when all of this holds:
//!
//! - no attachment, no instance, no persistent volume, no claim and no
//!   StatefulSet template of **any** cluster refers to it, and all clusters
//!   that are expected to exist are in the snapshot, complete;
//! - no tag says that another cluster, a backup, a stack or a person wants it;
//! - nothing that sleeps ([`Ledgers::asleep`](crate::ledger::Ledgers)) will
//!   want it back;
//! - a ledger has seen it unattached for the whole grace without a hole. AWS
//!   does not say since when a volume is detached, and the time of its making
//!   says nothing about that;
//! - it costs more than its snapshot may cost;
//! - its snapshot can be read again: an encrypted volume's key is enabled, or a
//!   snapshot under it was completed within a week.
//!
//! An attachment object that names its persistent volume keeps it, and so does
//! a snapshot object of its claim that is not ready, though the rest be gone.
//! Both lists must be complete for a volume that a cluster made.
//!
//! The act is a snapshot, then the deletion. A persistent volume that a
//! cluster still holds is that cluster's to delete, and is kept. What costs
//! money for another reason (gp2, disks of stopped instances, volumes released
//! with `Retain`) is shown as at stake.
//!
//! Not judged, for want of a source: fast snapshot restore, rules of the
//! recycle bin, and copies of snapshots in other accounts. What an encrypted
//! snapshot costs is what any snapshot costs.

mod claims;
mod config;
mod keys;
mod reason;
mod tags;

pub use config::Config;
pub use reason::Reason;

use self::claims::Claims;
use self::keys::Key;
use self::tags::Origin;
use super::observed::{Grace, Terms, cluster_name, missing_clusters, part, share};
use super::{Engine, EngineError, EngineId, EngineOutput, Inputs, NotJudged};
use crate::decision::{Action, Decision, MissingEvidence, Subject};
use crate::model::{
    Bytes, Cloud, EbsSnapshot, InstanceId, InstanceState, MicroUsdPerMonth, Volume, VolumeId,
    VolumeState,
};
use chrono::TimeDelta;
use std::collections::BTreeMap;

/// Name of the ledger.
const LEDGER: &str = "volumes_unattached";

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct ZombieVolumes {
    config: Config,
}

impl ZombieVolumes {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for ZombieVolumes {
    fn id(&self) -> EngineId {
        EngineId::ZombieVolumes
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        decide(&self.config, inputs)
    }
}

/// Decides about every volume of every account and region.
///
/// # Errors
/// [`EngineError::BadSetting`] for settings out of range.
pub fn decide(config: &Config, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
    config.validate()?;
    let snapshot = inputs.snapshot;
    let claims = Claims::new(snapshot, inputs.ledgers);
    let mut missing = missing_clusters(snapshot);
    for cluster in &snapshot.clusters {
        let name = cluster_name(cluster);
        missing.extend(part(
            format!("persistent volumes of {name}"),
            &cluster.persistent_volumes,
        ));
        missing.extend(part(format!("claims of {name}"), &cluster.claims));
        missing.extend(part(format!("workloads of {name}"), &cluster.workloads));
    }
    let mut decisions = Vec::new();
    let mut not_judged = Vec::new();
    for cloud in &snapshot.clouds {
        let scope = cloud.scope();
        if let Some(missing) = part(format!("volumes of {scope}"), &cloud.volumes) {
            not_judged.push(NotJudged {
                subject: None,
                count: cloud.volumes.items().len() as u64,
                missing,
            });
        }
        let attached = cloud.volumes.items().iter();
        let attached = attached.filter(|v| v.state == VolumeState::InUse).count();
        if attached > 0 {
            not_judged.push(NotJudged {
                subject: None,
                count: attached as u64,
                missing: MissingEvidence::Part {
                    part: format!("reads and writes of the attached volumes of {scope}"),
                    state: "not collected".to_owned(),
                },
            });
        }
        let mut missing = missing.clone();
        missing.extend(part(format!("volumes of {scope}"), &cloud.volumes));
        missing.extend(part(format!("instances of {scope}"), &cloud.instances));
        missing.extend(part(format!("snapshots of {scope}"), &cloud.ebs_snapshots));
        let free = cloud.volumes.items().iter();
        let free = free.filter(|v| v.state == VolumeState::Available).count();
        if free > 0 {
            not_judged.push(NotJudged {
                subject: None,
                count: free as u64,
                missing: MissingEvidence::Part {
                    part: format!(
                        "fast restore, recycle-bin rules and copies elsewhere of the snapshots of {scope}"
                    ),
                    state: "not collected".to_owned(),
                },
            });
        }
        let ground = Ground::new(config, inputs, cloud, &claims, missing);
        decisions.extend(ground.decide());
    }
    let mut output = EngineOutput::new(EngineId::ZombieVolumes, decisions);
    not_judged.sort();
    output.not_judged = not_judged;
    Ok(output)
}

enum Verdict {
    /// Something known speaks for it.
    Explained {
        reasons: Vec<Reason>,
        at_stake: Option<MicroUsdPerMonth>,
        missing: Vec<MissingEvidence>,
    },
    /// A suspect that waits for evidence; `due` when its grace is over.
    Suspect {
        reasons: Vec<Reason>,
        at_stake: Option<MicroUsdPerMonth>,
        missing: Vec<MissingEvidence>,
        due: bool,
    },
    /// A suspect with everything proven.
    Ready {
        reasons: Vec<Reason>,
        actions: Vec<Action>,
        saves: MicroUsdPerMonth,
    },
}

impl Verdict {
    const fn kept(reasons: Vec<Reason>) -> Self {
        Self::Explained {
            reasons,
            at_stake: None,
            missing: Vec::new(),
        }
    }
}

struct Ground<'a> {
    config: &'a Config,
    inputs: &'a Inputs<'a>,
    cloud: &'a Cloud,
    claims: &'a Claims<'a>,
    /// What is missing before anything of this account and region may go.
    missing: Vec<MissingEvidence>,
    /// Instances by the volumes that they list.
    devices: BTreeMap<&'a VolumeId, &'a InstanceId>,
    states: BTreeMap<&'a InstanceId, InstanceState>,
    snapshots: BTreeMap<&'a VolumeId, Vec<&'a EbsSnapshot>>,
}

impl<'a> Ground<'a> {
    fn new(
        config: &'a Config,
        inputs: &'a Inputs<'a>,
        cloud: &'a Cloud,
        claims: &'a Claims<'a>,
        missing: Vec<MissingEvidence>,
    ) -> Self {
        let mut devices = BTreeMap::new();
        let mut states = BTreeMap::new();
        for instance in cloud.instances.items() {
            states.insert(&instance.id, instance.state);
            if instance.state != InstanceState::Terminated {
                devices.extend(
                    instance
                        .block_devices
                        .iter()
                        .map(|d| (&d.volume, &instance.id)),
                );
            }
        }
        let mut snapshots: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for snapshot in cloud.ebs_snapshots.items() {
            if let Some(volume) = &snapshot.volume {
                snapshots.entry(volume).or_default().push(snapshot);
            }
        }
        Self {
            config,
            inputs,
            cloud,
            claims,
            missing,
            devices,
            states,
            snapshots,
        }
    }

    /// All acts, or none when the suspects are too many to be believed or the
    /// acts too many for a run. Those that wait for missing parts are counted,
    /// so that knowing less never makes room for an act.
    fn decide(&self) -> Vec<Decision> {
        let volumes = self.cloud.volumes.items();
        let verdicts: Vec<_> = volumes.iter().map(|v| (v, self.judge(v))).collect();
        let count = |f: fn(&Verdict) -> bool| verdicts.iter().filter(|(_, v)| f(v)).count() as u64;
        let population = volumes
            .iter()
            .filter(|v| !matches!(v.state, VolumeState::Deleting | VolumeState::Deleted))
            .count() as u64;
        let suspects = count(|v| !matches!(v, Verdict::Explained { .. }));
        let due = count(|v| {
            matches!(
                v,
                Verdict::Ready { .. } | Verdict::Suspect { due: true, .. }
            )
        });
        let limit = share(population, self.config.suspicion_percent);
        let cap =
            share(population, self.config.max_share_percent).min(u64::from(self.config.max_acts));
        let stopped_by = if suspects > limit {
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
        verdicts
            .into_iter()
            .map(|(volume, verdict)| self.settle(volume, verdict, stopped_by.as_ref()))
            .collect()
    }

    fn settle(&self, volume: &Volume, verdict: Verdict, stopped_by: Option<&Reason>) -> Decision {
        let engine = EngineId::ZombieVolumes;
        let subject = Subject::Volume {
            account: self.cloud.account.clone(),
            region: self.cloud.region.clone(),
            volume: volume.id.clone(),
        };
        let wrap = |reasons: Vec<Reason>| reasons.into_iter().map(Into::into).collect();
        match (verdict, stopped_by) {
            (
                Verdict::Explained {
                    reasons,
                    at_stake,
                    missing,
                },
                _,
            ) => Decision::keep(engine, subject, wrap(reasons)).with_stake(at_stake, missing),
            (
                Verdict::Suspect {
                    mut reasons,
                    at_stake,
                    missing,
                    ..
                },
                why,
            ) => {
                reasons.extend(
                    why.filter(|w| matches!(w, Reason::Suspicious { .. }))
                        .cloned(),
                );
                Decision::keep(engine, subject, wrap(reasons)).with_stake(at_stake, missing)
            }
            (
                Verdict::Ready {
                    reasons,
                    actions,
                    saves,
                },
                None,
            ) => Decision::act(engine, subject, actions, Some(saves), wrap(reasons)),
            (
                Verdict::Ready {
                    mut reasons, saves, ..
                },
                Some(why),
            ) => {
                reasons.insert(0, why.clone());
                let of = why.to_string();
                Decision::keep(engine, subject, wrap(reasons))
                    .with_stake(Some(saves), vec![MissingEvidence::Confirmation { of }])
            }
        }
    }

    fn judge(&self, volume: &Volume) -> Verdict {
        let origin = Origin::of(&volume.tags);
        if let Some(reason) = self.spoken_for(volume, &origin) {
            return self.explained(volume, reason);
        }
        self.suspect(volume, &origin)
    }

    /// Something known that speaks for the volume.
    fn spoken_for(&self, volume: &Volume, origin: &Origin) -> Option<Reason> {
        match volume.state {
            VolumeState::Available | VolumeState::InUse => {}
            state => return Some(Reason::NotSettled { state }),
        }
        if let Some(attachment) = volume.attachments.first() {
            let instance = attachment.instance.clone();
            let stopped = self.states.get(&instance) == Some(&InstanceState::Stopped);
            if stopped && attachment.state == "attached" {
                return Some(Reason::AttachedToStopped { instance });
            }
            return Some(Reason::Attached {
                instance,
                state: attachment.state.clone(),
            });
        }
        if volume.state == VolumeState::InUse {
            return Some(Reason::InUse);
        }
        if let Some(instance) = self.devices.get(&volume.id) {
            return Some(Reason::ListedByInstance {
                instance: (*instance).clone(),
            });
        }
        if let Some((cluster, pv)) = self.claims.of(&volume.id) {
            let attached = self.claims.attached(cluster, &pv.meta.name);
            return Some(attached.unwrap_or_else(|| self.claims.hold(cluster, pv)));
        }
        for (cluster, tag) in &origin.clusters {
            if self.claims.clusters(cluster).next().is_none() {
                return Some(Reason::ForeignCluster {
                    cluster: cluster.clone(),
                    tag: tag.clone(),
                });
            }
        }
        if origin.clusters.is_empty()
            && let Some(tag) = &origin.made
        {
            return Some(Reason::ClusterNotNamed { tag: tag.clone() });
        }
        for name in origin.clusters.keys() {
            if let Some(pv) = &origin.persistent_volume
                && let Some((cluster, pv)) = self.claims.named(name, pv)
            {
                return Some(self.claims.hold(cluster, pv));
            }
            if let Some(pv) = &origin.persistent_volume {
                let mut clusters = self.claims.clusters(name);
                let attached = clusters.find_map(|c| self.claims.attached(c, pv));
                if attached.is_some() {
                    return attached;
                }
            }
            if let Some(claim) = &origin.claim {
                for cluster in self.claims.clusters(name) {
                    let copied = claims::being_copied(cluster, claim);
                    if copied.is_some() {
                        return copied;
                    }
                    let wanted = self.claims.wanted(cluster, &claim.namespace, &claim.name);
                    if wanted.is_some() {
                        return wanted;
                    }
                }
            }
        }
        if volume.multi_attach {
            return Some(Reason::MultiAttach);
        }
        match volume.modification.as_deref() {
            None | Some("completed" | "failed") => {}
            Some(state) => {
                return Some(Reason::BeingModified {
                    state: state.to_owned(),
                });
            }
        }
        if volume.outpost.is_some() {
            return Some(Reason::OnOutpost);
        }
        if let Some(by) = &volume.managed_by {
            return Some(Reason::ManagedByProvider { by: by.clone() });
        }
        tags::protection(self.config, &volume.tags)
            .or_else(|| self.snapshots_speak(volume))
            .or_else(|| match self.key(volume) {
                Key::Unusable(reason) => Some(reason),
                _ => None,
            })
    }

    /// Policies, images and snapshots in the making that need the volume.
    fn snapshots_speak(&self, volume: &Volume) -> Option<Reason> {
        let snapshots = self.snapshots.get(&volume.id)?;
        for snapshot in snapshots {
            if snapshot.state == "pending" {
                return Some(Reason::SnapshotInProgress {
                    snapshot: snapshot.id.clone(),
                });
            }
            let by_policy = |key: &&String| {
                ["aws:dlm:", "dlm:", "aws:backup:"]
                    .iter()
                    .any(|p| key.starts_with(p))
            };
            if let Some(tag) = snapshot.tags.keys().find(by_policy) {
                return Some(Reason::SnapshotPolicy {
                    snapshot: snapshot.id.clone(),
                    tag: tag.clone(),
                });
            }
            if snapshot.description.starts_with("Created by CreateImage") {
                return Some(Reason::ImageSource {
                    snapshot: snapshot.id.clone(),
                });
            }
        }
        None
    }

    /// A keep, with what could be saved on a volume that stays or whose fate a
    /// person has to decide.
    fn explained(&self, volume: &Volume, reason: Reason) -> Verdict {
        let confirm = |of: String| vec![MissingEvidence::Confirmation { of }];
        let worth = self.worth(volume);
        let (at_stake, missing) = match &reason {
            Reason::ReleasedRetained {
                persistent_volume, ..
            } => (
                worth.map(|(cost, snapshot)| cost - snapshot),
                confirm(format!("that {persistent_volume} may go")),
            ),
            Reason::AttachedToStopped { instance } => (
                worth.map(|(cost, _)| cost),
                confirm(format!("that {instance} may go with its disks")),
            ),
            _ => (None, Vec::new()),
        };
        let mut reasons = vec![reason];
        if at_stake.is_none_or(|m| m.0 <= 0)
            && let Some((gp2, gp3)) = self.gp3(volume)
        {
            reasons.push(Reason::Gp3IsCheaper { gp2, gp3 });
            return Verdict::Explained {
                reasons,
                at_stake: Some(gp2 - gp3),
                missing: confirm(format!("the change of {} to gp3", volume.id)),
            };
        }
        match at_stake {
            Some(worth) if worth.0 > 0 => Verdict::Explained {
                reasons,
                at_stake: Some(worth),
                missing,
            },
            _ => Verdict::kept(reasons),
        }
    }

    fn suspect(&self, volume: &Volume, origin: &Origin) -> Verdict {
        let now = self.inputs.now();
        let ledgers = self.inputs.ledgers;
        let mut missing = self.missing.clone();
        let mut evidence: Vec<Reason> = origin
            .clusters
            .keys()
            .map(|cluster| Reason::ForgottenBy {
                cluster: cluster.clone(),
                claim: origin.claim.as_ref().map(ToString::to_string),
            })
            .collect();
        if origin.is_of_a_cluster() && ledgers.asleep.is_none() {
            missing.push(MissingEvidence::Ledger {
                ledger: "asleep".to_owned(),
                possible_from: now,
            });
        }
        for cluster in origin.clusters.keys().flat_map(|c| self.claims.clusters(c)) {
            let name = cluster_name(cluster);
            missing.extend(part(
                format!("volume attachments of {name}"),
                &cluster.volume_attachments,
            ));
            missing.extend(part(
                format!("volume snapshots of {name}"),
                &cluster.volume_snapshots,
            ));
        }
        if evidence.is_empty() {
            evidence.push(Reason::NoClusterTag);
        }
        match self.key(volume) {
            Key::Works(shown) => evidence.extend(shown),
            Key::Unusable(reason) => evidence.push(reason),
            Key::Unknown(asked) => missing.push(asked),
        }
        evidence.push(self.copy_of(volume));
        if let Some(snapshot) = &volume.from_snapshot {
            evidence.push(Reason::MadeFromSnapshot {
                snapshot: snapshot.clone(),
            });
        }
        if volume.created_at.is_none() {
            missing.push(MissingEvidence::Part {
                part: format!("creation time of {}", volume.id),
                state: "not stated".to_owned(),
            });
        }
        let saves = match self.worth(volume) {
            Some((cost, snapshot)) if cost > snapshot => {
                evidence.push(Reason::Worth {
                    volume: cost,
                    snapshot_at_most: snapshot,
                });
                Some(cost - snapshot)
            }
            Some((cost, snapshot)) => {
                evidence.insert(
                    0,
                    Reason::SnapshotCostsMore {
                        volume: cost,
                        snapshot_at_most: snapshot,
                    },
                );
                return Verdict::kept(evidence);
            }
            None => {
                let of = format!("{} in {}", volume.volume_type, self.cloud.region);
                evidence.push(Reason::PriceUnknown { of: of.clone() });
                missing.push(MissingEvidence::Price { of });
                None
            }
        };
        let ledger = ledgers.volumes_unattached.as_ref();
        let grace = Terms {
            grace: TimeDelta::days(i64::from(self.config.grace_days)),
            min_observations: self.config.min_observations,
            max_gap_minutes: self.config.max_gap_minutes,
        }
        .judge(ledger.and_then(|l| l.get(&volume.id)), now, None);
        missing.extend(grace.missing(LEDGER));
        let mut reasons = vec![match ledger {
            None => Reason::NeverObserved,
            Some(_) => self.grace_reason(&grace),
        }];
        reasons.extend(evidence);
        match saves {
            Some(saves) if missing.is_empty() => Verdict::Ready {
                reasons,
                actions: self.actions(volume),
                saves,
            },
            _ => {
                for evidence in &missing {
                    if let MissingEvidence::Part { part, state } = evidence {
                        reasons.push(Reason::PartMissing {
                            part: part.clone(),
                            state: state.clone(),
                        });
                    }
                }
                Verdict::Suspect {
                    reasons,
                    at_stake: saves,
                    missing,
                    due: matches!(grace, Grace::Over { .. }),
                }
            }
        }
    }

    fn actions(&self, volume: &Volume) -> Vec<Action> {
        let (account, region) = (self.cloud.account.clone(), self.cloud.region.clone());
        vec![
            Action::SnapshotVolume {
                account: account.clone(),
                region: region.clone(),
                volume: volume.id.clone(),
            },
            Action::DeleteVolume {
                account,
                region,
                volume: volume.id.clone(),
                created_at: volume.created_at,
            },
        ]
    }

    fn grace_reason(&self, grace: &Grace) -> Reason {
        let grace_days = self.config.grace_days;
        match *grace {
            Grace::Over {
                since,
                observations,
            } => Reason::GraceElapsed {
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
                grace_days,
            },
            Grace::First { .. } => Reason::WithinGrace {
                since: self.inputs.now(),
                observations: 1,
                grace_days,
            },
            Grace::Gap { minutes, .. } => Reason::ObservationGap {
                minutes,
                max_minutes: self.config.max_gap_minutes,
            },
        }
    }

    /// Whether a copy exists already.
    fn copy_of(&self, volume: &Volume) -> Reason {
        let snapshots = self.snapshots.get(&volume.id).map(Vec::as_slice);
        let newest = snapshots
            .unwrap_or_default()
            .iter()
            .filter(|s| s.state == "completed")
            .max_by_key(|s| (s.started_at, &s.id));
        newest.map_or(Reason::LastCopy, |s| Reason::HasSnapshot {
            snapshot: s.id.clone(),
        })
    }

    /// What the volume costs a month, and a snapshot of it at most.
    fn worth(&self, volume: &Volume) -> Option<(MicroUsdPerMonth, MicroUsdPerMonth)> {
        let gib = gib(volume)?;
        self.in_the_region(volume)?;
        let region = self.cloud.region.as_str();
        let price = self.inputs.catalog.ebs_price(region, &volume.volume_type)?;
        let cost = price.per_month(gib, volume.iops, volume.throughput_mibps);
        let snapshot = price.snapshot_per_gib_month?.value;
        Some((cost.value, snapshot.times(i64::try_from(gib).ok()?)))
    }

    /// Local zones and wavelength zones have prices of their own, which the
    /// catalogue does not list. Their names go on after the region's letter.
    fn in_the_region(&self, volume: &Volume) -> Option<()> {
        let Some(zone) = &volume.zone else {
            return Some(());
        };
        let rest = zone.as_str().strip_prefix(self.cloud.region.as_str())?;
        (rest.len() == 1).then_some(())
    }

    /// What a gp2 volume costs, and as gp3 of at least its speed; `None` when
    /// that is not cheaper.
    ///
    /// gp2 gives 3 operations per second and GiB, from 100 to 16,000, and 128
    /// MiB/s up to 170 GiB, 250 above.
    fn gp3(&self, volume: &Volume) -> Option<(MicroUsdPerMonth, MicroUsdPerMonth)> {
        if volume.volume_type != "gp2"
            || matches!(volume.state, VolumeState::Deleting | VolumeState::Deleted)
        {
            return None;
        }
        let gib = gib(volume)?;
        self.in_the_region(volume)?;
        let region = self.cloud.region.as_str();
        let iops = u32::try_from(gib.saturating_mul(3).clamp(100, 16_000)).ok()?;
        let mibps = if gib <= 170 { 128 } else { 250 };
        let price = |kind| self.inputs.catalog.ebs_price(region, kind);
        let gp2 = price("gp2")?.per_month(gib, None, None).value;
        let gp3 = price("gp3")?.per_month(gib, Some(iops), Some(mibps)).value;
        (gp3 < gp2).then_some((gp2, gp3))
    }
}

/// Whole GiB, as volumes are made and sold; `None` when the size is not stated.
fn gib(volume: &Volume) -> Option<u64> {
    let gib = volume.size.0.div_ceil(Bytes::GIB.0);
    (gib > 0).then_some(gib)
}
