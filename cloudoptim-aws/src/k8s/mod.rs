//! Clusters through the Kubernetes API.
//!
//! A [`Connection`] comes from a kubeconfig, which counts as untrusted input,
//! or from inside a cluster. It is made either for [`Reading`] or for
//! [`Acting`], and gives a client of that kind only: [`ReadClient`] sends GETs
//! and access reviews, [`ActClient`] sends changes and cannot be had from a
//! connection for reading.
//!
//! Neither client repeats a request by itself, and neither logs headers or
//! bodies. What is read is plain JSON, converted by
//! [`cloudoptim_core::input`], so that a cluster that is read and a dump of
//! `kubectl` that is loaded become the same snapshot.
//!
//! [`ClusterReader`] is the cluster behind the core's source traits. Around its
//! [`Reader`] go [`Retrying`], [`Recording`] and [`Replaying`]; around itself
//! [`Cached`](cloudoptim_core::providers::Cached). What it needs is in one
//! table, from which [`preflight_read`] asks and [`read_manifests`] grants.
//!
//! [`ClusterLease`] keeps every process but one from acting, and a
//! [`ConfigMapSwitch`] stops them all.
//!
//! ```no_run
//! use cloudoptim_aws::clock::SystemClock;
//! use cloudoptim_aws::k8s::{
//!     ClusterReader, ConnectOptions, Connection, Patience, ReadOptions, Reading, Retrying,
//! };
//! use cloudoptim_core::providers::PodSource;
//! use std::sync::Arc;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connection = Connection::<Reading>::from_environment(ConnectOptions::default())?;
//! let clock = Arc::new(SystemClock::default());
//! let reader = Retrying::new(connection.client()?, clock.clone(), Patience::default());
//! let cluster = ClusterReader::open(Arc::new(reader), clock, ReadOptions::default()).await?;
//! println!("{}: {}", cluster.uid(), cluster.list_pods().await?);
//! # Ok(())
//! # }
//! ```

pub mod act;
mod client;
mod cluster;
mod connection;
mod discovery;
mod kill_switch;
mod kubeconfig;
mod lease;
mod listing;
mod pages;
mod permission;
mod preflight;
mod prometheus;
mod rbac;
mod recording;
mod retrying;
mod status;
mod target;
mod usage;
mod wire;

pub use client::{ActClient, ActMode, NoReply, ReadClient, Reader, Reply, Reviewer};
pub use cluster::{ClusterReader, ReadOptions};
pub use connection::{Acting, ConnectError, ConnectOptions, Connection, Reading, Role, Timeouts};
pub use kill_switch::{ConfigMapSwitch, STOP_KEY};
pub use lease::{ClusterLease, JOURNAL_ENTRIES_KEY, JOURNAL_KEY, LEASE_NAME, LeaseConfig};
pub use pages::{OnProgress, Progress};
pub use permission::Permission;
pub use preflight::{Check, Grant, preflight_read};
pub use prometheus::Prometheus;
pub use rbac::{ReadRole, Subject, read_manifests};
pub use recording::{Recording, RecordingError, Replaying};
pub use retrying::{Patience, Retrying};
pub use status::{ApiFailure, Cause};
