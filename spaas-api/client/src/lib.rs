//! The command line of the control plane, over its HTTP API.
//!
//! Must not know: how the API does what it does; it speaks HTTP and nothing else.
