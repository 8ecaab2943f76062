//! The words that engines, adapters and Python share.
//!
//! Structs are plain data with public fields; build them with
//! `..Default::default()`, so that a new field is not a break.

pub mod cloud;
pub mod ids;
pub mod meta;
pub mod money;
pub mod node;
pub mod offering;
pub mod owners;
pub mod pod;
pub mod quantity;
pub mod resources;
pub mod service;
pub mod snapshot;
pub mod storage;
pub mod usage;
pub mod workload;

pub use cloud::*;
pub use ids::*;
pub use meta::*;
pub use money::{HOURS_PER_MONTH, MicroUsd, MicroUsdPerHour, MicroUsdPerMonth};
pub use node::*;
pub use offering::{CapacityType, UnknownCapacityType};
pub use owners::OwnerIndex;
pub use pod::*;
pub use quantity::{Quantity, QuantityError};
pub use resources::{Bytes, MilliCpu, Resources};
pub use service::*;
pub use snapshot::*;
pub use storage::*;
pub use usage::*;
pub use workload::*;
