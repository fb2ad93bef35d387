//! Streams from Kafka, and jobs into Delta tables and feeds.
