#!/usr/bin/env bash
# Makes target/debian/davmux_VERSION_ARCHITECTURE.deb of this checkout, with cargo-deb (cargo install cargo-deb --locked).
# Who makes a package is its maintainer and says so as to Debian's own tools:
#   DEBFULLNAME="A Name" DEBEMAIL=a.name@example.org packaging/deb.sh
# `--no-build` takes the release binary that is there.
set -euo pipefail
cd "$(dirname "$0")/.."
maintainer="${DEBFULLNAME:?your name is the package\'s maintainer} <${DEBEMAIL:?your mail address is the maintainer\'s}>"
[ "${1:-}" = --no-build ] || cargo build --release --locked --bin davmux

# What the binary says of itself: manual pages and completions.
binary=target/release/davmux
files=target/deb-files
rm -rf "$files"
mkdir -p "$files/man"
"$binary" man --dir "$files/man"
for shell in bash zsh fish; do "$binary" completions $shell >"$files/davmux.$shell"; done
# Debian wants a changelog in a form of its own.
version=$("$binary" --version | awk '{ print $2 }')
printf 'davmux (%s-1) unstable; urgency=medium\n\n  * Release %s; what is in it: changelog.gz.\n\n -- %s  %s\n' \
  "$version" "$version" "$maintainer" "$(date -R ${SOURCE_DATE_EPOCH:+-d "@$SOURCE_DATE_EPOCH"})" >"$files/changelog"
gzip -9nc docs/changelog.md >"$files/changelog.gz"

cargo deb -p davmux --no-build --maintainer "$maintainer"
