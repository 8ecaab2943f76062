//! The exceptions, and how a Rust error becomes the message of one.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use std::error::Error;

create_exception!(
    cloudoptim,
    CloudOptimError,
    PyException,
    "What every exception of this package derives from."
);
create_exception!(
    cloudoptim,
    ConfigError,
    CloudOptimError,
    "A setting or an input that cannot be meant: the message names it."
);
create_exception!(
    cloudoptim,
    ProviderError,
    CloudOptimError,
    "A cloud or a cluster did not answer, or refused."
);
create_exception!(
    cloudoptim,
    ThrottledError,
    ProviderError,
    "The provider asks for fewer requests; try again later."
);
create_exception!(
    cloudoptim,
    AccessDeniedError,
    ProviderError,
    "The provider knows who asks and refuses: a permission is missing."
);

/// The `Display` of an error and of each of its sources, joined by colons.
///
/// A source that the error above it already quotes is not said twice.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !message.ends_with(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        source = error.source();
    }
    message
}
