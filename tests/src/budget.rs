//! How much a suite tries: small by default, more where an environment variable says so.

use std::str::FromStr;

/// The value of the environment variable `name`, or `default` where it is not set.
///
/// # Panics
/// Where the variable holds something else than such a value: a typing error must not shrink a run.
#[must_use]
pub fn from_env<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")),
        Err(_) => default,
    }
}

/// Images tried after each crash point, from `ANNALS_SWEEP_IMAGES`.
#[must_use]
pub fn sweep_images(default: usize) -> usize {
    from_env("ANNALS_SWEEP_IMAGES", default)
}
