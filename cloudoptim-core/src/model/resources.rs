//! Amounts of compute as integers.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// CPU in thousandths of a core.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct MilliCpu(pub u64);

/// An amount of memory or storage in bytes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// One mebibyte.
    pub const MIB: Self = Self(1 << 20);
    /// One gibibyte.
    pub const GIB: Self = Self(1 << 30);

    /// `mib` mebibytes, held at the end of the range.
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }

    /// `gib` gibibytes, held at the end of the range.
    pub const fn from_gib(gib: u64) -> Self {
        Self(gib.saturating_mul(1 << 30))
    }

    /// Whole mebibytes, rounded down.
    pub const fn mib(self) -> u64 {
        self.0 >> 20
    }

    /// Rounded up to a whole mebibyte.
    #[must_use]
    pub const fn ceil_mib(self) -> Self {
        Self(self.0.div_ceil(1 << 20).saturating_mul(1 << 20))
    }
}

impl fmt::Display for MilliCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) {
            write!(f, "{}", self.0 / 1000)
        } else {
            write!(f, "{}m", self.0)
        }
    }
}

impl fmt::Display for Bytes {
    /// Writes a Kubernetes quantity: `1536Mi`, `2Gi`, or plain bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, suffix) in [(40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{suffix}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// An amount of every resource that a node has or a pod asks for.
///
/// Arithmetic holds at the ends of the range instead of wrapping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// CPU.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
    /// Local ephemeral storage.
    #[serde(skip_serializing_if = "is_zero")]
    pub ephemeral_storage: Bytes,
    /// Pod slots.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub pods: u64,
    /// Extended resources and huge pages by name: integers, never overcommitted.
    /// Huge pages are in bytes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extended: BTreeMap<String, u64>,
}

fn is_zero(bytes: &Bytes) -> bool {
    bytes.0 == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the shape serde asks for
fn is_zero_u64(n: &u64) -> bool {
    *n == 0
}

impl Resources {
    /// CPU and memory only.
    pub fn new(cpu: MilliCpu, memory: Bytes) -> Self {
        Self {
            cpu,
            memory,
            ..Self::default()
        }
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, u64::saturating_add);
    }

    /// Takes `other` away; what would be below zero becomes zero.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, u64::saturating_sub);
    }

    /// Takes the larger of both, resource by resource.
    pub fn raise_to(&mut self, other: &Self) {
        self.combine(other, u64::max);
    }

    fn combine(&mut self, other: &Self, f: impl Fn(u64, u64) -> u64) {
        self.cpu.0 = f(self.cpu.0, other.cpu.0);
        self.memory.0 = f(self.memory.0, other.memory.0);
        self.ephemeral_storage.0 = f(self.ephemeral_storage.0, other.ephemeral_storage.0);
        self.pods = f(self.pods, other.pods);
        for (name, amount) in &other.extended {
            let mine = self.extended.entry(name.clone()).or_default();
            *mine = f(*mine, *amount);
        }
    }

    /// Names, in order, of the resources of which `self` exceeds `free`, each
    /// with what is asked for and what is there.
    pub fn excess_over(&self, free: &Self) -> Vec<(String, u64, u64)> {
        let mut over = Vec::new();
        let mut check = |name: &str, need: u64, free: u64| {
            if need > free {
                over.push((name.to_owned(), need, free));
            }
        };
        check("cpu", self.cpu.0, free.cpu.0);
        check("memory", self.memory.0, free.memory.0);
        check(
            "ephemeral-storage",
            self.ephemeral_storage.0,
            free.ephemeral_storage.0,
        );
        check("pods", self.pods, free.pods);
        for (name, need) in &self.extended {
            check(name, *need, free.extended.get(name).copied().unwrap_or(0));
        }
        over
    }

    /// Whether `self` is no more than `free` in every resource.
    pub fn fits_in(&self, free: &Self) -> bool {
        self.cpu <= free.cpu
            && self.memory <= free.memory
            && self.ephemeral_storage <= free.ephemeral_storage
            && self.pods <= free.pods
            && self
                .extended
                .iter()
                .all(|(name, need)| *need <= free.extended.get(name).copied().unwrap_or(0))
    }
}
