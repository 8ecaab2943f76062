//! Nodes that are to be launched.

use super::{Offering, Owner};
use crate::model::{
    CapacityType, ConditionStatus, HOSTNAME_LABEL, Labels, Node, NodeCondition, NodeName,
    Resources, Taint,
};
use serde::{Deserialize, Serialize};

/// What stands between the parts of a planned name. No node is called so: names
/// of nodes have no slash.
const PLANNED: &str = "launch/";

/// Nodes to be launched, all alike.
///
/// It is what every kind of owner can be asked for: a scaling group or a managed
/// node group is raised by `count` from `group_size`; Karpenter gets node claims
/// (or a pool whose requirements allow nothing else) of the offering with the
/// shape's labels and taints; a launch template makes instances of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// What.
    pub offering: Offering,
    /// How many.
    pub count: u32,
    /// Who launches.
    pub via: Owner,
    /// The names under which a plan speaks of them, one for each; the real names
    /// are not known before. See [`planned_name`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeName>,
    /// What each has to be like before anything counts on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Box<NodeShape>>,
    /// Nodes that the group wants before; of owners that are asked by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_size: Option<u32>,
}

impl Launch {
    /// `count` nodes of which nothing more is asked.
    pub const fn new(offering: Offering, count: u32, via: Owner) -> Self {
        Self {
            offering,
            count,
            via,
            nodes: Vec::new(),
            shape: None,
            group_size: None,
        }
    }
}

/// What a launched node has to be like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NodeShape {
    /// Labels, its name's not among them.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Taints that it has for good; one with another taint that keeps pods away
    /// is not set up yet, or not what was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// What pods may use of it, as expected.
    pub allocatable: Resources,
    /// What DaemonSets take of that.
    pub daemons: Resources,
    /// EBS volumes that can be attached; `None` = not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ebs_limit: Option<u32>,
    /// What pods must be able to use of it at least: what the plan puts there,
    /// and the DaemonSets' pods.
    pub least: Resources,
}

impl NodeShape {
    /// A ready node of that shape.
    pub fn node(&self, name: &NodeName) -> Node {
        let mut node = Node {
            taints: self.taints.clone(),
            allocatable: self.allocatable.clone(),
            capacity: self.allocatable.clone(),
            conditions: vec![NodeCondition {
                name: "Ready".to_owned(),
                status: ConditionStatus::True,
                ..NodeCondition::default()
            }],
            ..Node::default()
        };
        node.meta.name = name.to_string();
        node.meta.labels = self.labels.clone();
        let labels = &mut node.meta.labels;
        labels.insert(HOSTNAME_LABEL.to_owned(), name.to_string());
        node
    }

    /// The shape of a node, with what pods must be able to use of it.
    pub fn of(node: &Node, daemons: Resources, ebs_limit: Option<u32>, least: Resources) -> Self {
        let mut labels = node.meta.labels.clone();
        labels.remove(HOSTNAME_LABEL);
        Self {
            labels,
            taints: node.taints.clone(),
            allocatable: node.allocatable.clone(),
            daemons,
            ebs_limit,
            least,
        }
    }
}

/// The name of the `number`-th node that a plan launches in a cluster.
///
/// ```
/// use cloudoptim_core::decision::{is_planned, planned_name};
///
/// let name = planned_name(7);
/// assert_eq!(name.as_str(), "launch/0007");
/// assert!(is_planned(&name) && !is_planned(&"ip-10-0-0-1".into()));
/// ```
pub fn planned_name(number: usize) -> NodeName {
    NodeName::new(format!("{PLANNED}{number:04}"))
}

/// The number of a [`planned_name`].
pub(crate) fn planned_number(name: &NodeName) -> Option<usize> {
    name.as_str().strip_prefix(PLANNED)?.parse().ok()
}

/// Whether it is the name of a node that is not there yet.
pub fn is_planned(name: &NodeName) -> bool {
    name.as_str().starts_with(PLANNED)
}

/// Kinds of owners that can be asked to launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LaunchThrough {
    /// Karpenter's pools.
    NodePools,
    /// Managed node groups.
    NodeGroups,
    /// Auto scaling groups without a managed node group.
    AutoScalingGroups,
    /// Launch templates.
    LaunchTemplates,
}

impl Owner {
    /// The kind that it is asked as; `None` when it cannot be asked for nodes.
    pub const fn launches_as(&self) -> Option<LaunchThrough> {
        match self {
            Self::NodePool { .. } => Some(LaunchThrough::NodePools),
            Self::NodeGroup { .. } => Some(LaunchThrough::NodeGroups),
            Self::AutoScalingGroup { .. } => Some(LaunchThrough::AutoScalingGroups),
            Self::LaunchTemplate { .. } => Some(LaunchThrough::LaunchTemplates),
            Self::NodeClaim { .. } | Self::Provider { .. } | Self::Unowned => None,
        }
    }
}

impl Offering {
    /// An instance type in a zone, on demand.
    pub fn on_demand(instance_type: &str, zone: Option<crate::model::ZoneId>) -> Self {
        Self {
            instance_type: instance_type.into(),
            zone,
            capacity_type: CapacityType::OnDemand,
        }
    }
}
