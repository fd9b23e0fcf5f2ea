//! The engine's races under `shuttle`, which runs threads one at a time and chooses who goes on at
//! each lock, wait and atomic access. Compiled with `--cfg shuttle` only; `tools/races` does it.
//!
//! `ANNALS_SHUTTLE_ITERATIONS` sets how many schedules of each race each of the two schedulers tries
//! (default 100), `ANNALS_SHUTTLE_SEED` where they begin. A failure prints its schedule;
//! `ANNALS_SHUTTLE_SCHEDULE` runs that one again.

#![cfg(shuttle)]

mod appends;
mod canary;
mod closing;
mod failures;
mod following;
mod ids;
mod index;
mod keeping;
mod reading;
mod rig;
mod submitting;
