//! How an instance is paid for.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How an instance is paid for, in the words of the `karpenter.sh/capacity-type`
/// label.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CapacityType {
    #[default]
    /// By the second, at the list price, until it is stopped.
    OnDemand,
    /// Spare capacity, which may be taken back with two minutes' notice.
    Spot,
    /// Paid for in advance, used or not.
    Reserved,
}

impl CapacityType {
    /// The value of the `karpenter.sh/capacity-type` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::Spot => "spot",
            Self::Reserved => "reserved",
        }
    }
}

impl fmt::Display for CapacityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A text that names no capacity type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("capacity type must be on-demand, spot or reserved, got {0:?}")]
pub struct UnknownCapacityType(pub String);

impl FromStr for CapacityType {
    type Err = UnknownCapacityType;

    /// Reads `on-demand`, `on_demand`, `spot` or `reserved`, and the capitals of
    /// the `eks.amazonaws.com/capacityType` label (`ON_DEMAND`, `SPOT`).
    fn from_str(text: &str) -> Result<Self, UnknownCapacityType> {
        match text.to_ascii_lowercase().replace('_', "-").as_str() {
            "on-demand" => Ok(Self::OnDemand),
            "spot" => Ok(Self::Spot),
            "reserved" => Ok(Self::Reserved),
            _ => Err(UnknownCapacityType(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_snake_case_and_people_read_the_label() {
        let json = serde_json::to_string(&CapacityType::OnDemand).unwrap();
        assert_eq!(json, "\"on_demand\"");
        assert_eq!(CapacityType::OnDemand.to_string(), "on-demand");
    }

    #[test]
    fn labels_of_karpenter_and_of_managed_node_groups_are_read() {
        assert_eq!("spot".parse(), Ok(CapacityType::Spot));
        assert_eq!("ON_DEMAND".parse(), Ok(CapacityType::OnDemand));
        let error = "preemptible".parse::<CapacityType>().unwrap_err();
        assert!(error.to_string().contains("preemptible"));
    }
}
