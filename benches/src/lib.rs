//! Loaders of neutral cluster formats and the benchmark harness.
//!
//! [`load`] reads the CSV and JSON-lines forms of published cluster traces into
//! an [`Instance`](instance::Instance): pods with their own rules, node types
//! with prices. [`instance`] turns one into the numeric problem that the core
//! solves and turns the answer back into "who goes where". [`check`] judges
//! that answer pod by pod; it knows nothing of the solver. [`stock`] asks for as much
//! as goes on nodes that are there. [`placement`] judges moves
//! between the nodes of a cluster, [`launches`] nodes that come and go, [`anew`]
//! nodes that are all new.
//!
//! [`documents`] reads what users' tools print, as they have it on disk; [`dump`]
//! makes such documents at any size. [`tables`] judges the embedded catalogue
//! by the tables that it was made from. [`messages`] has bodies of queue messages
//! and streams of events made of them. With the feature `kubernetes`, `cluster`
//! measures on a real control plane.

pub mod anew;
pub mod baseline;
pub mod certificate;
pub mod check;
pub mod cli;
#[cfg(all(feature = "kubernetes", unix))]
pub mod cluster;
pub mod documents;
pub mod dump;
pub mod instance;
pub mod launches;
pub mod load;
pub mod machine_limits;
pub mod messages;
pub mod placement;
pub mod policy;
pub mod process;
pub mod sample;
pub mod scene;
pub mod seeded;
pub mod stock;
pub mod tables;
pub mod wishes;
