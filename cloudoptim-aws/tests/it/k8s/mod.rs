//! Clusters through the Kubernetes API.

mod connection;
mod fake;
mod reading;
mod recorded;
mod roles;
mod wire;
