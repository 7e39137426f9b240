//! What a node does by itself again and again: one file per job.

pub mod rotate_signing_keys;
