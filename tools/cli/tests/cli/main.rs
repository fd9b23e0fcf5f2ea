//! The `annals` command as its users see it: what they type, what comes out, the exit code.

#[cfg(test)]
mod append;
#[cfg(test)]
mod bad_stores;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod following;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod import;
#[cfg(test)]
mod import_formats;
#[cfg(test)]
mod interruption;
#[cfg(test)]
mod past;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod real_logs;
#[cfg(test)]
mod recorded_at;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod repeating;
#[cfg(test)]
mod session;
#[cfg(test)]
mod states;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod usage;
