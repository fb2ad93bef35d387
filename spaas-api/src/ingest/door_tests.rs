//! Tests of the check at the door.
