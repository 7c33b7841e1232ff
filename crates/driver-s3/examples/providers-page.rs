//! Prints docs/providers.md.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(davmux_driver_s3::provider::page().as_bytes())
}
