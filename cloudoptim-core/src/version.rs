//! Versions of documents: only those that this build knows are read.

use serde::de::{Deserializer, Error};

/// Reads a version and refuses another than `known`.
pub(crate) fn known<'de, D: Deserializer<'de>>(
    from: D,
    what: &str,
    known: u32,
) -> Result<u32, D::Error> {
    let version: u32 = serde::Deserialize::deserialize(from)?;
    if version == known {
        Ok(version)
    } else {
        Err(D::Error::custom(format_args!(
            "{what} version {version} is not known here, only {known} is"
        )))
    }
}
