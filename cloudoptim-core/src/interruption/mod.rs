//! Interruptions: what the messages of a queue mean for the nodes.
//!
//! What it looks at: the bodies of messages (events of EC2, of scaling groups
//! and of AWS Health), the nodes by instance id, and what came before. What it
//! may decide: a verdict on the message, and for each node nothing, a cordon,
//! a drain with its deadline, or to take one back. What it never does: act for
//! an instance that no node of ours runs on, on an event that contradicts
//! itself, or on more than a share of a cluster or zone on messages alone.
//!
//! | event | stage | act | deadline |
//! | --- | --- | --- | --- |
//! | rebalance recommendation | at risk | by the pool's policy: mark, cordon or a voluntary drain | none |
//! | AWS Health, scheduled change | scheduled | a voluntary drain once it is near; called off when closed | its start |
//! | lifecycle hook of a termination | released | drain, then answer the hook | the hook's timeout |
//! | spot interruption | interrupted | drain | 120 s after the earlier of event and queue; to hibernate, at once |
//! | capacity reservation interruption | interrupted | drain | as it says, else as for spot |
//! | state `stopping`, `shutting-down` | stopping | drain, if none was asked for | none is left |
//! | state `stopped`, `terminated` | gone | clean up | none |
//!
//! An instance only moves down this table; a notice of the same stage counts if
//! it leaves less time. Whatever comes how often in which order, one drain is
//! asked for (none, if the instance was gone before). What comes after its
//! deadline only asks for a look at the instance.
//!
//! The queue has no signatures: that a message is real rests on the queue's
//! policy, on the agreement of account, region, source, resource and instance,
//! and on EC2's own word, which is asked for beside every drain and before
//! more than [`Config::unconfirmed_percent`] of a cluster or zone are taken.
//!
//! [`read`] reads a body, [`Interruptions`] decides, [`confirmation`] reads
//! EC2's answer, [`drain::plan`] plans the drain. Defaults come from what AWS
//! documents and from the safety invariants; each is explained beside
//! [`Config`]'s `Default`.

mod arn;
mod config;
mod confirm;
mod decision;
pub mod drain;
mod interruptions;
mod judge;
mod lattice;
mod memory;
mod message;
mod raw;
mod reason;
mod scope;

pub use config::{Config, Error, Queue, RebalancePolicy};
pub use confirm::{Confirmation, confirmation};
pub use decision::{Act, Consent, Decision, NodeRef, Receipt, Step, Verdict};
pub use interruptions::Interruptions;
pub use lattice::{Change, Stage, Standing};
pub use message::{Event, Hook, Interruption, Kind, Message, NewState, Notice, read};
pub use reason::{Class, Reason};
pub use scope::{Fleet, Member, Scope};
