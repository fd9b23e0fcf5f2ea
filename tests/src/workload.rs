//! Generators. `seeded` ones give the same event for the same seed, on every machine and for ever;
//! `random` ones are proptest strategies that shrink.

pub mod numbered;
pub mod random;
pub mod seeded;
