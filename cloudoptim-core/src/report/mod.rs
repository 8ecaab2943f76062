//! A plan as a page and as a table, for people.
//!
//! [`html`] makes one self-contained page: its style is inline, its charts are
//! inline SVG, and it needs neither a network nor JavaScript. It follows the
//! reader's colour scheme, fits a phone, and prints. [`text`] makes the table
//! for a terminal. Both show the same figures, and the same plan gives the same
//! bytes. Names and messages come from clusters and are escaped; characters
//! that steer a terminal or turn text around are replaced.
//!
//! Two amounts are never mixed: what the plan saves, which is summed, and what
//! is at stake once evidence is there, which is shown in no sum.
//!
//! ```
//! use cloudoptim_core::catalog::Catalog;
//! use cloudoptim_core::engines::Inputs;
//! use cloudoptim_core::ledger::Ledgers;
//! use cloudoptim_core::model::Snapshot;
//! use cloudoptim_core::optimize::optimize;
//! use cloudoptim_core::overlay::Overlay;
//! use cloudoptim_core::policy::Policy;
//! use cloudoptim_core::report::{self, Report};
//!
//! let snapshot = Snapshot::new(chrono::DateTime::UNIX_EPOCH);
//! let inputs = Inputs {
//!     snapshot: &snapshot,
//!     overlay: &Overlay::default(),
//!     catalog: &Catalog::empty(),
//!     policy: &Policy::default(),
//!     ledgers: &Ledgers::default(),
//!     deadline: None,
//! };
//! let plan = optimize(&inputs)?;
//! let report = Report::new(&plan).with_inputs(&inputs).with_title("nightly <run>");
//! assert!(report::html(&report).contains("<h1>nightly &lt;run&gt;</h1>"));
//! assert!(report::text(&report, 80).starts_with("nightly <run>"));
//! # Ok::<(), cloudoptim_core::engines::EngineError>(())
//! ```

mod boxes;
mod chart;
mod format;
mod frontier;
mod html;
mod lists;
mod optimum;
mod page;
mod plot;
mod provenance;
mod spend;
mod summary;
mod text;
mod waves;

pub use spend::{Line, PoolSpend, Spend};

use crate::engines::Inputs;
use crate::engines::bin_packing::Repacking;
use crate::input::LoadReport;
use crate::model::{ClusterUid, MicroUsdPerMonth};
use crate::plan::Plan;

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Report<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What the plan was made from. Without it the report has no prices by
    /// pool, and does not say what was known and what was not.
    pub inputs: Option<&'a Inputs<'a>>,
    /// Heading; the clusters' names when empty.
    pub title: &'a str,
    /// What was read, skipped and broken.
    pub load: Option<&'a LoadReport>,
    /// What repacking alone could reach, by cluster: a what-if beside the plan
    /// and no part of it. Without it the report has no frontier.
    pub repackings: &'a [(ClusterUid, Repacking)],
    /// Constraints, each with what the nodes would cost less without it.
    pub constraints: &'a [(String, MicroUsdPerMonth)],
}

impl<'a> Report<'a> {
    /// A report of the plan alone.
    pub const fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            inputs: None,
            title: "",
            load: None,
            repackings: &[],
            constraints: &[],
        }
    }

    /// Adds what the plan was made from.
    #[must_use]
    pub const fn with_inputs(mut self, inputs: &'a Inputs<'a>) -> Self {
        self.inputs = Some(inputs);
        self
    }

    /// Sets the heading.
    #[must_use]
    pub const fn with_title(mut self, title: &'a str) -> Self {
        self.title = title;
        self
    }

    /// Adds what was read, skipped and broken.
    #[must_use]
    pub const fn with_load(mut self, load: &'a LoadReport) -> Self {
        self.load = Some(load);
        self
    }

    /// Adds what repacking alone could reach, by cluster.
    #[must_use]
    pub const fn with_repackings(mut self, repackings: &'a [(ClusterUid, Repacking)]) -> Self {
        self.repackings = repackings;
        self
    }

    /// Adds constraints, each with what the nodes would cost less without it.
    #[must_use]
    pub const fn with_constraints(mut self, constraints: &'a [(String, MicroUsdPerMonth)]) -> Self {
        self.constraints = constraints;
        self
    }

    fn heading(&self) -> String {
        if !self.title.is_empty() {
            return self.title.to_owned();
        }
        let names: Vec<&str> = match self.inputs {
            Some(inputs) => {
                let clusters = inputs.snapshot.clusters.iter();
                clusters.map(provenance::cluster_name).collect()
            }
            None => self
                .plan
                .scope
                .clusters
                .iter()
                .map(|c| c.as_str())
                .collect(),
        };
        format!("Cost plan {}", names.join(", "))
            .trim_end()
            .to_owned()
    }
}

/// The report as one self-contained HTML page.
pub fn html(report: &Report<'_>) -> String {
    html::render(report)
}

/// The report as a table for a terminal of `width` columns (at least 60).
pub fn text(report: &Report<'_>, width: usize) -> String {
    text::render(report, width.max(60))
}
