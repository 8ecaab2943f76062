//! Versions of documents: only those that this build knows are read.
//!
//! A document is what crosses the API on its own: it is stored, sent, and read
//! back by another build. Each has a field `version`, which is written as a
//! number. Another whole number is refused with the document's name and that
//! number, and what is no whole number with the name. Where every field of a
//! document has a default, one without a version is of the known one; elsewhere
//! it must be there.
//!
//! | document | type | without a version |
//! | --- | --- | --- |
//! | snapshot | [`Snapshot`] | refused |
//! | policy | [`Policy`] | of the known one |
//! | limits | [`Limits`] | of the known one |
//! | overlay | [`Overlay`] | of the known one |
//! | ledgers | [`Ledgers`] | of the known one |
//! | usage columns | [`UsageColumns`] | of the known one |
//! | load report | [`LoadReport`] | of the known one |
//! | engine output | [`EngineOutput`] | refused |
//! | migration | [`Migration`] | refused |
//! | what-if | [`WhatIf`] | refused |
//! | constraint prices | [`ConstraintPrices`] | refused |
//! | plan | [`Plan`] | refused |
//! | approval | [`Approval`] | refused |
//! | journal entry | [`Entry`] | refused |
//! | execution report | [`Report`] | refused |
//! | interruption decision | [`Interruption`] | refused |
//! | drain plan | [`DrainPlan`] | refused |
//!
//! A part is in a document and has that one's version: a
//! [`Decision`](crate::decision::Decision), a price
//! [`Figure`](crate::catalog::Figure), a row of a catalogue table (an
//! [`InstanceTypeInfo`](crate::catalog::InstanceTypeInfo), an
//! [`EbsPrice`](crate::catalog::EbsPrice), a
//! [`TransferPrice`](crate::catalog::TransferPrice), a
//! [`ServicePrice`](crate::catalog::ServicePrice), a
//! [`SpotAdvice`](crate::catalog::SpotAdvice), a
//! [`RegionInfo`](crate::catalog::RegionInfo), a
//! [`Benchmark`](crate::catalog::Benchmark)). The catalogue itself is no JSON:
//! its packed file has a version of its own, checked by
//! [`Catalog`](crate::catalog::Catalog). A price table that people write is a
//! plain list of rows, of which an unknown column is refused.
//!
//! ```
//! use cloudoptim_core::overlay::Overlay;
//!
//! let refused = serde_json::from_str::<Overlay>(r#"{"version": 2}"#).unwrap_err();
//! assert!(refused.to_string().starts_with("overlay version 2 is not known here, only 1 is"));
//! # assert!(serde_json::from_str::<Overlay>("{}").is_ok());
//! ```

use crate::engines::EngineOutput;
use crate::engines::bin_packing::{ConstraintPrices, Migration, WhatIf};
use crate::execute::Report;
use crate::guard::{Approval, Limits};
use crate::input::LoadReport;
use crate::interruption::Decision as Interruption;
use crate::interruption::drain::DrainPlan;
use crate::journal::Entry;
use crate::ledger::Ledgers;
use crate::model::{Snapshot, UsageColumns};
use crate::overlay::Overlay;
use crate::plan::Plan;
use crate::policy::Policy;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// What crosses the API on its own.
pub trait Document {
    /// What messages call it.
    const NAME: &'static str;
    /// The version of its JSON that this build writes and reads.
    const VERSION: u32;
}

macro_rules! documents {
    ($($document:ident: $name:literal = $version:expr;)*) => {
        $(impl Document for $document {
            const NAME: &'static str = $name;
            const VERSION: u32 = $version;
        })*
    };
}

documents! {
    Snapshot: "snapshot" = crate::model::SNAPSHOT_VERSION;
    Policy: "policy" = crate::policy::POLICY_VERSION;
    Limits: "limits" = 1;
    Overlay: "overlay" = 1;
    Ledgers: "ledgers" = 1;
    UsageColumns: "usage columns" = 1;
    LoadReport: "load report" = 1;
    EngineOutput: "engine output" = 1;
    Migration: "migration" = 1;
    WhatIf: "what-if" = 1;
    ConstraintPrices: "constraint prices" = 1;
    Plan: "plan" = crate::plan::PLAN_VERSION;
    Approval: "approval" = 1;
    Entry: "journal entry" = 1;
    Report: "execution report" = 1;
    Interruption: "interruption decision" = 1;
    DrainPlan: "drain plan" = 1;
}

/// The version of a document's JSON. There is one value: the version that this
/// build knows.
pub struct Version<T>(PhantomData<fn() -> T>);

impl<T: Document> Version<T> {
    /// The version that this build knows.
    pub const KNOWN: Self = Self(PhantomData);

    /// As a number.
    pub const fn get(self) -> u32 {
        T::VERSION
    }
}

impl<T> Clone for Version<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Version<T> {}

impl<T> Default for Version<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T> PartialEq for Version<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Version<T> {}

impl<T: Document> fmt::Debug for Version<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T: Document> fmt::Display for Version<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::VERSION.fmt(f)
    }
}

impl<T: Document> Serialize for Version<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u32(T::VERSION)
    }
}

impl<'de, T: Document> Deserialize<'de> for Version<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_u32(Known(PhantomData))
    }
}

/// Reads a version: whatever it is, a message about it names the document.
struct Known<T>(PhantomData<fn() -> T>);

impl<T: Document> Known<T> {
    fn read<E: Error>(version: impl Copy + fmt::Display + TryInto<u32>) -> Result<Version<T>, E> {
        if version
            .try_into()
            .is_ok_and(|version| version == T::VERSION)
        {
            return Ok(Version::KNOWN);
        }
        let (name, known) = (T::NAME, T::VERSION);
        Err(E::custom(format_args!(
            "{name} version {version} is not known here, only {known} is"
        )))
    }
}

impl<T: Document> Visitor<'_> for Known<T> {
    type Value = Version<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", T::NAME, T::VERSION)
    }

    fn visit_u64<E: Error>(self, version: u64) -> Result<Self::Value, E> {
        Self::read(version)
    }

    fn visit_i64<E: Error>(self, version: i64) -> Result<Self::Value, E> {
        Self::read(version)
    }
}

#[cfg(feature = "schema")]
impl<T: Document> schemars::JsonSchema for Version<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Version of {}", T::NAME).into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "const": T::VERSION })
    }
}
