//! Stand-ins for services that no test can reach. Each says what it is not.

pub mod b2;
pub mod dogecloud;
pub mod upyun;
