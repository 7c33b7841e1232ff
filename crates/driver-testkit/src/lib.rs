//! To be written.

pub mod s3;
