//! Python bindings of `cloudoptim-core`.
