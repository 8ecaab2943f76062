//! What the outside offers: sources that only read, actuators that only act
//! with a [`Permit`](crate::guard::Permit).
//!
//! Each handle speaks for one scope, an account in a region or a cluster, and
//! its identity is read again before an act. Every trait is object-safe and
//! speaks only [`model`](crate::model) types; its docs are the contract, and
//! [`memory`](crate::memory) is the twin that keeps it without a network.
//!
//! Retries, caches and recordings wrap a provider and implement the same
//! trait. An actuator sends **one** request per permit: who repeats an act asks
//! the guards again.

mod actuators;
mod cached;
mod clock;
mod error;
mod handles;
mod health;
mod lease;
mod sources;

pub use actuators::*;
pub use cached::Cached;
pub use clock::*;
pub use error::{Call, ProviderError};
pub use handles::{
    Actuators, CloudActuators, CloudSources, ClusterActuators, ClusterSources, Sources,
};
pub use health::*;
pub use lease::*;
pub use sources::*;
