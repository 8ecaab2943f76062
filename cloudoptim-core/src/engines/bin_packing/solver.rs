//! The numeric packing solver, independent of Kubernetes.
