//! The data plane: reverse proxy and external authorization.
//!
//! This crate is the wall that keeps SQL and the control plane out of the
//! request path at the edge. It depends on `countersign-verify` and on nothing
//! else of the product. It has no items yet.
