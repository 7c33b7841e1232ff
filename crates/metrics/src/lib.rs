//! Metrics of a running server: counted where things happen, and written as Prometheus reads them.
//!
//! # Why this shape
//!
//! * **The metrics are those of `prometheus-client`**, the Prometheus project's own library, and so is the text (ADR 17).
//!   This crate is the one place that names it.
//! * **No global registry.** Whoever counts owns its metrics, and a [`Page`] is filled from them when somebody asks. Two
//!   servers in one process, a reload and a test each have their own.
//! * **A label's values are an enum** ([`label!`], [`Code`]): a path, a user or a user agent cannot become one, and how many
//!   series there can be is known when this is compiled. The one free text is the path of a mount, as the mounts file has it.
//! * **A metric for each series**, made beforehand ([`Each`]): counting is an addition, with no look-up that all requests
//!   would meet at. A histogram has a lock, for a few additions.
//!
//! # What is deliberately absent
//!
//! Exemplars, units, pushing. Nothing here knows what is counted.

mod code;
mod each;
mod histogram;
mod page;

pub use code::Code;
pub use each::Each;
pub use histogram::Histogram;
pub use page::{Family, MEDIA_TYPE, Page};

/// Only grows.
pub type Counter = prometheus_client::metrics::counter::Counter;
/// Grows and shrinks.
pub type Gauge = prometheus_client::metrics::gauge::Gauge;

/// A label whose values are known beforehand; made by [`label!`].
pub trait Label: Copy + std::fmt::Debug + 'static {
    /// Its name in a series.
    const NAME: &'static str;
    /// Its values, in the order of [`index`](Self::index).
    const ALL: &'static [Self];

    /// Where it stands in [`ALL`](Self::ALL).
    fn index(self) -> usize;

    /// The value in a series.
    fn as_str(self) -> &'static str;
}

/// Declares a [`Label`]: an enum, and the word of each value.
///
/// ```
/// davmux_metrics::label! {
///     /// Where bytes go.
///     pub enum Direction: "direction" {
///         /// To clients.
///         Out = "out",
///         /// From clients.
///         In = "in",
///     }
/// }
/// assert_eq!(Direction::In.as_str(), "in");
/// ```
#[macro_export]
macro_rules! label {
    ($(#[$meta:meta])* $vis:vis enum $name:ident: $label:literal { $($(#[$doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name {
            $($(#[$doc])* $value,)+
        }

        impl $name {
            /// The word of this value.
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl $crate::Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn index(self) -> usize {
                self as usize
            }

            fn as_str(self) -> &'static str {
                Self::as_str(self)
            }
        }
    };
}
