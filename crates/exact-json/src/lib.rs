//! JSON whose numbers keep their value.
//!
//! A `serde_json` number is an integer of 64 bits or a binary floating-point number of 64 bits. A number of another kind, such as
//! 18446744073709551616 or 0.1234567890123456789, is rounded by `serde_json::from_str` without a word. [`read`] refuses such a number and
//! names its path. `docs/adr/0041` says why numbers are not kept as texts.
//!
//! [`read`] also refuses what is nested more deeply than [`MAX_DEPTH`], so that a record or an answer that contains it can be read.
//!
//! One number has several spellings: 1, 1.0 and 1e0. [`same_value`], [`normal`] and [`Decimal`] compare by value.

mod compare;
mod decimal;
mod reader;

pub use compare::{normal, same_value};
pub use decimal::Decimal;
pub use reader::{InexactNumber, MAX_DEPTH, ReadError, depth_is_within, read};
