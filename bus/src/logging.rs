//! Client library logs become tracing events.
