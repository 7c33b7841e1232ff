//! Stand-ins for services that no test can reach. Each says what it is not.

pub mod dogecloud;
pub mod upyun;
