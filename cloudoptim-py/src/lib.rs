//! Python bindings of `cloudoptim-core`.
//!
//! What is here converts and delegates: a choice about volumes or nodes belongs
//! in the core. `_cloudoptim` is private; `python/cloudoptim/__init__.py`
//! re-exports what is public.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `convert` | JSON to Python objects and back |
//! | `engines` | the classes of the engines' settings, and `optimize` |
//! | `errors` | the exceptions, and Rust errors as their messages |
//! | `plan` | `Plan` and what it holds: `Step`, `Declined`, `Reason` |
//! | `quantity` | Kubernetes quantities as integers |
//! | `settings` | how a class of settings is made from a `Config` |
//! | `snapshot` | `Snapshot`: from documents, from JSON |
//! | `annotation` | the Python types of a JSON Schema, for the stubs |

mod annotation;
mod clock;
mod convert;
mod engines;
mod errors;
mod plan;
mod quantity;
#[cfg(feature = "testing")]
mod sample;
mod settings;
mod snapshot;

use pyo3::prelude::*;

/// The compiled part of `cloudoptim`. Import `cloudoptim` instead.
#[pymodule]
mod _cloudoptim {
    use super::*;

    #[pymodule_export]
    use super::errors::{
        AccessDeniedError, CloudOptimError, ConfigError, ProviderError, ThrottledError,
    };

    #[pymodule_export]
    use super::engines::{
        BinPacking, GhostProbe, Network, OfficeHours, Oom, Rightsizing, Spot, ZombieVolumes,
        optimize,
    };

    #[pymodule_export]
    use super::plan::{Declined, Plan, Reason, Step};

    #[cfg(feature = "testing")]
    #[pymodule_export]
    use super::sample::_Sample;

    #[pymodule_export]
    use super::quantity::{parse_bytes, parse_milli_cpu};

    #[pymodule_export]
    use super::snapshot::Snapshot;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python uses")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Without the module as its argument, or the generated stubs would call
    /// the module incomplete.
    #[pymodule_init]
    fn init(py: Python<'_>) -> PyResult<()> {
        #[cfg(feature = "testing")]
        settings::install::<_Sample>(py)?;
        engines::install_all(py)
    }
}
