//! Events of the Nexmark benchmark as Arrow batches, its queries, and their batch results.
