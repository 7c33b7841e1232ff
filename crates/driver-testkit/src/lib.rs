//! What a driver's author runs, and what tests of the layers above stand on.
//!
//! * [`contract`] is the contract of [`Driver`](davmux_driver::Driver) as cases: one function a promise. The macro
//!   [`driver_contract!`] makes one named test of each, so a failure says which promise is broken.
//! * [`Memory`] is the reference: a driver in memory that keeps the contract, in the two shapes that storages have, with
//!   folders of their own or with keys only. Its clock and its tags are counters, and it logs its calls.
//! * [`Faulty`] wraps a driver and fails, cuts, loses answers or waits, by script.
//! * [`s3`] is a bucket on a server in the same process.
//! * [`standin`] has stand-ins for services that no test can reach.
//! * [`shorthand`] has the short forms of what tests do often.
//!
//! # Why so
//!
//! A case is a plain async function on a fresh [`Fixture`]: it can be called from anywhere and knows no driver. What a
//! storage cannot do is told by its [`Capabilities`](davmux_driver::Capabilities) and by `Declined`; such a case says why it
//! does not apply and ends. Both sides are proved: what is claimed works, what is declined changed nothing.
//!
//! # What is deliberately absent
//!
//! Wall-clock time: nothing here sleeps or measures. Calls that must meet at a point meet at a [`Gate`].

pub mod contract;
mod faults;
mod log;
mod memory;
pub mod s3;
pub mod shorthand;
pub mod standin;

pub use contract::Fixture;
pub use faults::{Fault, Faulty, Gate, Rule};
pub use log::{Call, CallLog, Op};
pub use memory::Memory;
