//! The test harness: the naive oracle, which decides what is right, and what
//! tests of several crates share.

pub mod observed;
pub mod oracle;
