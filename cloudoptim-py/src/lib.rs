//! Python bindings of `cloudoptim-core`.
//!
//! What is here converts and delegates: a choice about volumes or nodes belongs
//! in the core. `_cloudoptim` is private; `python/cloudoptim/__init__.py`
//! re-exports what is public.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `convert` | JSON to Python objects and back |
//! | `errors` | the exceptions, and Rust errors as their messages |
//! | `quantity` | Kubernetes quantities as integers |
//! | `settings` | one Python class per engine's settings, made from its `Config` |
//! | `annotation` | the Python types of a JSON Schema, for the stubs |

mod annotation;
mod convert;
mod errors;
mod quantity;
#[cfg(feature = "testing")]
mod sample;
#[cfg_attr(
    not(feature = "testing"),
    expect(dead_code, unused_imports, unused_macros, reason = "no engine yet")
)]
mod settings;

use pyo3::prelude::*;

/// The compiled part of `cloudoptim`. Import `cloudoptim` instead.
#[pymodule]
mod _cloudoptim {
    use super::*;

    #[pymodule_export]
    use super::errors::{
        AccessDeniedError, CloudOptimError, ConfigError, ProviderError, ThrottledError,
    };

    #[cfg(feature = "testing")]
    #[pymodule_export]
    use super::sample::_Sample;

    #[pymodule_export]
    use super::quantity::{parse_bytes, parse_milli_cpu};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python uses")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Without the module as its argument, or the generated stubs would call
    /// the module incomplete.
    #[pymodule_init]
    fn init(py: Python<'_>) -> PyResult<()> {
        #[cfg(feature = "testing")]
        settings::install::<_Sample>(py)?;
        let _ = py;
        Ok(())
    }
}
