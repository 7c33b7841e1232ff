//! End to end: the real binary, real sockets, a real S3 server in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

// The dependency arrows of docs/architecture.md, and the example file.
mod architecture;
// One line for each change.
mod audit;
// What clients should not send, and when they should not leave.
mod bad_input;
// What real clients send, replayed.
mod clients;
// DogeCloud and UpYun.
mod clouds;
// Commands that serve nothing.
mod commands;
// The CORS rules of a bucket.
mod cors;
// What an operation costs in S3 calls and round trips.
mod cost;
// What `doctor` finds.
mod doctor;
// What another program stored, and the administrator's listener.
mod freshness;
// Guessed passwords, tokens, and who is asked to log in.
mod guessing;
// Clients that take too much or too long.
mod limits;
// Configuration of other programs.
mod import;
// A storage that answers what no honest one does.
mod hostile_backend;
// Folders with very many members.
mod large;
// WebDAV locks through a crash.
mod locks;
// Where the tree begins in URLs, and which names it takes.
mod names;
// What is counted, and what the administrator is told of it.
mod metrics;
// Each promise of docs/semantics.md.
mod promises;
// The download proxy, both sides of it.
mod proxy;
// What commands say of it.
mod proxy_commands;
// Another file while it serves; drain.
mod reload;
// Starting, stopping, wrong files, users, logs.
mod running;
// No secret in what is said.
mod secrets;
// Starting the binary and talking to it.
#[allow(dead_code, reason = "shared with the benchmarks")]
mod support;
// Times that clients give their files.
mod times;
// Two clients, the same names.
mod together;
// TLS, sockets with a mode, sockets of systemd, and what systemd is told.
mod tls;
// PUT: each form, each cut.
mod uploads;
// Users, groups and rights.
mod users;
