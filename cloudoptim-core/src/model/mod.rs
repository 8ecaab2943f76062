//! The words that engines, adapters and Python share.

pub mod ids;
pub mod money;
pub mod offering;
pub mod quantity;
pub mod resources;

pub use ids::*;
pub use money::{HOURS_PER_MONTH, MicroUsd, MicroUsdPerHour, MicroUsdPerMonth};
pub use offering::{CapacityType, UnknownCapacityType};
pub use quantity::{Quantity, QuantityError};
pub use resources::{Bytes, MilliCpu, Resources};
