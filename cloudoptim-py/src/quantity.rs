//! Kubernetes quantities as integers, for who reads manifests in Python.

use crate::errors::{ConfigError, chain};
use cloudoptim_core::model::{Quantity, QuantityError};
use pyo3::prelude::*;

/// Thousandths of a core that a Kubernetes quantity asks for, rounded up.
///
/// >>> import cloudoptim as co
/// >>> co.parse_milli_cpu("1.5"), co.parse_milli_cpu("100m")
/// (1500, 100)
///
/// Raises `ConfigError` for what Kubernetes refuses and for what is below zero.
#[pyfunction]
#[pyo3(signature = (quantity, /))]
pub(crate) fn parse_milli_cpu(quantity: &str) -> PyResult<u64> {
    Quantity::parse(quantity)
        .and_then(Quantity::as_milli_cpu)
        .map(|cpu| cpu.0)
        .map_err(|err| refused(&err))
}

/// Bytes that a Kubernetes quantity asks for, rounded up.
///
/// >>> import cloudoptim as co
/// >>> co.parse_bytes("1.5Gi")
/// 1610612736
/// >>> co.parse_bytes("1gi")
/// Traceback (most recent call last):
///     ...
/// cloudoptim.ConfigError: unknown suffix "gi" in quantity "1gi"
///
/// Raises `ConfigError` for what Kubernetes refuses and for what is below zero.
#[pyfunction]
#[pyo3(signature = (quantity, /))]
pub(crate) fn parse_bytes(quantity: &str) -> PyResult<u64> {
    Quantity::parse(quantity)
        .and_then(Quantity::as_bytes)
        .map(|bytes| bytes.0)
        .map_err(|err| refused(&err))
}

fn refused(err: &QuantityError) -> PyErr {
    ConfigError::new_err(chain(err))
}
