//! Event sources from a seed: playback, a fleet of appliances, ratings.
