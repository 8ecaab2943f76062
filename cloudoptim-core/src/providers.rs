//! What the outside offers: sources that only read, actuators that only act
//! with a [`Permit`](crate::plan::Permit).
