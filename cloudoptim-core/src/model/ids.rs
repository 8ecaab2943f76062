//! Identifiers. Each is a newtype over the string that the provider gives, so
//! that a volume id never lands where an instance id is expected.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the string as the provider gives it.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// A cloud account: twelve digits on AWS.
    AccountId
);
id!(
    /// A cloud region, such as `us-east-1`.
    Region
);
id!(
    /// A zone's id, such as `use1-az4`: the same place in every account.
    ZoneId
);
id!(
    /// A zone's name, such as `us-east-1a`: another place in another account.
    ZoneName
);
id!(
    /// The uid of a cluster: that of its `kube-system` namespace.
    ClusterUid
);
id!(
    /// The uid of one Kubernetes object; an object of the same name made anew has another.
    Uid
);
id!(
    /// The name of a Kubernetes node.
    NodeName
);
id!(
    /// An instance id, such as `i-0123456789abcdef0`.
    InstanceId
);
id!(
    /// A volume id, such as `vol-0123456789abcdef0`.
    VolumeId
);
id!(
    /// The id of a volume's snapshot, such as `snap-0123456789abcdef0`.
    SnapshotId
);
id!(
    /// A subnet id.
    SubnetId
);
id!(
    /// An instance type, such as `m6i.2xlarge`.
    InstanceType
);
