//! Numbers of a running server: counted where things happen, without a lock, and written as Prometheus reads them.
//!
//! # Why this shape
//!
//! * **No global registry.** Whoever counts owns its numbers, and a [`Page`] is filled from them when somebody asks. Two
//!   servers in one process, a reload and a test each have their own.
//! * **A label's values are an enum** ([`label!`], [`Code`]): a path, a user or a user agent cannot become one, and how many
//!   series there can be is known when this is compiled. The one free text is the path of a mount, as the mounts file has it.
//! * **An atomic for each series**, made beforehand ([`Each`]): counting is an addition, with no look-up and no lock that
//!   all requests would meet at. ADR 17 compares this with the libraries there are.
//!
//! # What is deliberately absent
//!
//! Exemplars, summaries, units, pushing. Nothing here knows what is counted.

mod code;
mod format;
mod number;

pub use code::Code;
pub use format::{Family, Format, Page};
pub use number::{Counter, Each, Gauge, Histogram};

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
