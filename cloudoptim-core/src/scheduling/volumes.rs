//! What a pod's volumes ask of a node.

use super::capacity::EBS_DRIVER;
use super::refusal::ClaimProblem;
use crate::model::{
    BindingMode, ClaimPhase, Cluster, NodeSelectorTerm, Operator, PersistentVolume,
    PersistentVolumeClaim, Pod, PodVolumeSource, PvPhase, PvSource, Requirement, StorageClass,
    ZONE_LABEL,
};
use std::collections::BTreeMap;

/// Provisioner of classes whose volumes somebody makes by hand.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

/// What a pod's volumes ask of a node.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs {
    /// Claims that no node can serve.
    pub(super) problems: Vec<(String, ClaimProblem)>,
    /// Claim, volume, and the nodes that reach it.
    pub(super) reach: Vec<(String, String, Vec<NodeSelectorTerm>)>,
    /// Claim, class, and where it makes volumes.
    pub(super) topologies: Vec<(String, String, Vec<NodeSelectorTerm>)>,
    /// Driver and handle of what is attached. A handle of a volume that does
    /// not exist yet is that of the pod's claim.
    pub(super) attached: Vec<(String, String)>,
    /// Claims for one pod or one node: claim and mode.
    pub(super) exclusive: Vec<(String, &'static str)>,
}

/// Claims, volumes and classes of a cluster.
#[derive(Debug)]
pub(super) struct Storage<'a> {
    claims: BTreeMap<(&'a str, &'a str), &'a PersistentVolumeClaim>,
    volumes: BTreeMap<&'a str, &'a PersistentVolume>,
    classes: BTreeMap<&'a str, &'a StorageClass>,
    claims_known: bool,
    volumes_known: bool,
}

impl<'a> Storage<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        let claims = cluster.claims.items().iter();
        let volumes = cluster.persistent_volumes.items().iter();
        let classes = cluster.storage_classes.items().iter();
        Self {
            claims: claims
                .map(|c| ((c.meta.namespace.as_str(), c.meta.name.as_str()), c))
                .collect(),
            volumes: volumes.map(|v| (v.meta.name.as_str(), v)).collect(),
            classes: classes.map(|c| (c.meta.name.as_str(), c)).collect(),
            claims_known: cluster.claims.is_complete(),
            volumes_known: cluster.persistent_volumes.is_complete(),
        }
    }

    /// Driver and handle of a persistent volume, where it is attached by one.
    pub(super) fn handle(&self, volume: &str) -> Option<(String, String)> {
        handle(self.volumes.get(volume)?)
    }

    /// What `pod` asks of a node that it is to run on.
    pub(super) fn needs(&self, pod: &Pod) -> Needs {
        let mut needs = Needs::default();
        for volume in &pod.spec.volumes {
            match &volume.source {
                PodVolumeSource::Claim { name } => {
                    self.claim(&mut needs, &pod.meta.namespace, name, false);
                }
                PodVolumeSource::Ephemeral => {
                    let name = format!("{}-{}", pod.meta.name, volume.name);
                    self.claim(&mut needs, &pod.meta.namespace, &name, true);
                }
                _ => {}
            }
        }
        needs
    }

    fn claim(&self, needs: &mut Needs, namespace: &str, name: &str, ephemeral: bool) {
        let mut problem = |p| needs.problems.push((name.to_owned(), p));
        let Some(claim) = self.claims.get(&(namespace, name)) else {
            if !self.claims_known {
                problem(ClaimProblem::Unknown);
            } else if !ephemeral {
                problem(ClaimProblem::Missing);
            }
            return;
        };
        // A claim made for the pod goes with it, and the next pod gets a new
        // one where it lands.
        if !ephemeral {
            if claim.meta.deleted_at.is_some() {
                problem(ClaimProblem::Deleting);
                return;
            }
            if claim.phase == ClaimPhase::Lost {
                problem(ClaimProblem::Lost);
                return;
            }
            if let Some(volume) = &claim.volume_name {
                self.bound(needs, claim, volume);
                return;
            }
        }
        let class = claim.storage_class.as_deref().map_or_else(
            || self.classes.values().find(|c| c.is_default).copied(),
            |class| self.classes.get(class).copied(),
        );
        let Some(class) = class else {
            problem(ClaimProblem::ClassUnknown);
            return;
        };
        if class.binding_mode == BindingMode::Immediate && !ephemeral {
            problem(ClaimProblem::UnboundImmediate);
            return;
        }
        if class.provisioner == NO_PROVISIONER {
            self.waiting(needs, claim, class);
            return;
        }
        if !class.allowed_topologies.is_empty() {
            needs.topologies.push((
                name.to_owned(),
                class.meta.name.clone(),
                class.allowed_topologies.clone(),
            ));
        }
        needs
            .attached
            .push((class.provisioner.clone(), format!("{namespace}/{name}")));
    }

    /// Nobody makes volumes of the class: the pod goes where a free one is.
    /// The claim's selector and its `volumeMode` are not collected, so a volume
    /// may count as free that the claim would not take.
    fn waiting(&self, needs: &mut Needs, claim: &PersistentVolumeClaim, class: &StorageClass) {
        let name = &claim.meta.name;
        let (true, Some(storage)) = (self.volumes_known, claim.storage) else {
            needs.problems.push((name.clone(), ClaimProblem::Unknown));
            return;
        };
        let own = |volume: &PersistentVolume| {
            let of = volume.claim.as_ref();
            of.is_none_or(|of| of.namespace == claim.meta.namespace && of.name == *name)
        };
        let free = self.volumes.values().filter(|v| {
            v.phase == PvPhase::Available
                && v.meta.deleted_at.is_none()
                && v.storage_class.as_deref() == Some(class.meta.name.as_str())
                && own(v)
                && v.capacity >= Some(storage)
                && claim
                    .access_modes
                    .iter()
                    .all(|m| v.access_modes.contains(m))
        });
        let free: Vec<&PersistentVolume> = free.copied().collect();
        if free.is_empty() {
            needs
                .problems
                .push((name.clone(), ClaimProblem::NoFreeVolume));
        } else if let Some(terms) = free
            .iter()
            .map(|v| v.node_affinity.clone())
            .collect::<Option<Vec<_>>>()
        {
            let terms = terms.into_iter().flatten().collect();
            needs
                .topologies
                .push((name.clone(), class.meta.name.clone(), terms));
        }
    }

    fn bound(&self, needs: &mut Needs, claim: &PersistentVolumeClaim, volume: &str) {
        let name = &claim.meta.name;
        let Some(found) = self.volumes.get(volume) else {
            let problem = if self.volumes_known {
                ClaimProblem::VolumeMissing
            } else {
                ClaimProblem::Unknown
            };
            needs.problems.push((name.clone(), problem));
            return;
        };
        if let Some(terms) = &found.node_affinity {
            needs
                .reach
                .push((name.clone(), volume.to_owned(), terms.clone()));
        }
        // Volumes made in-tree carry their zone as a label, several joined by "__".
        for key in [
            ZONE_LABEL,
            "topology.kubernetes.io/region",
            "failure-domain.beta.kubernetes.io/zone",
            "failure-domain.beta.kubernetes.io/region",
        ] {
            if let Some(value) = found.meta.label(key) {
                let term = NodeSelectorTerm {
                    match_expressions: vec![Requirement {
                        key: key.to_owned(),
                        operator: Operator::In,
                        values: value.split("__").map(str::to_owned).collect(),
                    }],
                    ..Default::default()
                };
                needs
                    .reach
                    .push((name.clone(), volume.to_owned(), vec![term]));
            }
        }
        needs.attached.extend(handle(found));
        let modes = || claim.access_modes.iter().map(String::as_str);
        if modes().any(|m| m == "ReadWriteOncePod") {
            needs.exclusive.push((name.clone(), "ReadWriteOncePod"));
        } else if modes().count() > 0 && modes().all(|m| m == "ReadWriteOnce") {
            needs.exclusive.push((name.clone(), "ReadWriteOnce"));
        }
    }
}

fn handle(volume: &PersistentVolume) -> Option<(String, String)> {
    match &volume.source {
        PvSource::Ebs { volume } => Some((EBS_DRIVER.to_owned(), volume.to_string())),
        PvSource::Other { driver, handle } => Some((driver.clone(), handle.clone())),
        PvSource::Local | PvSource::HostPath | PvSource::Unknown => None,
    }
}
