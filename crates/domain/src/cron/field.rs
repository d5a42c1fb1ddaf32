//! The five fields. Each is checked by itself, so that the error names the field that is wrong.

use std::ops::RangeInclusive;

use super::{BadExpression, read};

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

pub(super) struct Field {
    name: &'static str,
    numbers: RangeInclusive<u32>,
    names: &'static [&'static str],
    /// The expression in which this field is `{}` and every other one `*`.
    alone: [&'static str; 2],
}

pub(super) const FIELDS: [Field; 5] = [
    Field { name: "minute", numbers: 0..=59, names: &[], alone: ["", " * * * *"] },
    Field { name: "hour", numbers: 0..=23, names: &[], alone: ["* ", " * * *"] },
    Field { name: "day of month", numbers: 1..=31, names: &[], alone: ["* * ", " * *"] },
    Field { name: "month", numbers: 1..=12, names: MONTHS, alone: ["* * * ", " *"] },
    Field { name: "day of week", numbers: 0..=7, names: DAYS, alone: ["* * * * ", ""] },
];

impl Field {
    pub(super) fn check(&self, text: &str) -> Result<(), BadExpression> {
        let [before, after] = self.alone;
        // croner replaces names wherever it finds them and passes over empty items, so words are looked at first.
        let is_right = text.split([',', '-', '/']).all(|word| self.knows(word)) && read(&format!("{before}{text}{after}")).is_some();
        if is_right {
            return Ok(());
        }
        Err(BadExpression::Field { name: self.name, text: text.to_owned(), rule: self.rule() })
    }

    fn knows(&self, word: &str) -> bool {
        let is_number = !word.is_empty() && word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit());
        is_number || word == "*" || self.names.iter().any(|name| name.eq_ignore_ascii_case(word))
    }

    fn rule(&self) -> String {
        let (first, last) = (self.numbers.start(), self.numbers.end());
        let names = match self.names {
            [first, .., last] => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        format!("use `*`, numbers from {first} to {last}{names}, ranges `a-b`, steps `*/n` or `a-b/n`, and lists of these")
    }
}
