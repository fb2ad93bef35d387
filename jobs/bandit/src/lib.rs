//! Contextual bandits and off-policy evaluation: arithmetic alone.
