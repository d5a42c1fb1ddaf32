//! Numbers as decimals, without rounding.

use serde_json::Number;

/// The most digits of an integer that is written out: the largest number of 64 bits has 309.
const MAX_INTEGER_DIGITS: i64 = 400;

/// The value of a JSON number as a decimal of any length: `digits` times ten to the power of `exponent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    is_negative: bool,
    /// Neither the first nor the last digit is zero. The digits of zero are empty.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a number as JSON spells it (RFC 8259, section 6). Returns none if the text is no such number.
    pub fn parse(text: &str) -> Option<Self> {
        let (is_negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || has_leading_zero || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let written = format!("{whole}{fraction}");
        let digits = written.trim_end_matches('0');
        let cut = length(&written) - length(digits);
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Self { is_negative: false, digits: String::new(), exponent: 0 });
        }
        let exponent = exponent.saturating_sub(length(fraction)).saturating_add(cut);
        Some(Self { is_negative, digits: digits.to_owned(), exponent })
    }

    /// Returns the number as an integer without an exponent, such as `100000000000000000000` for 1e20; none if it has a fraction.
    pub fn to_integer(&self) -> Option<String> {
        if self.digits.is_empty() {
            return Some("0".to_owned());
        }
        if self.exponent < 0 || length(&self.digits).saturating_add(self.exponent) > MAX_INTEGER_DIGITS {
            return None;
        }
        let sign = if self.is_negative { "-" } else { "" };
        let zeros = "0".repeat(usize::try_from(self.exponent).unwrap_or_default());
        Some(format!("{sign}{}{zeros}", self.digits))
    }
}

impl From<&Number> for Decimal {
    /// Takes the value that the number has when it is written: its shortest decimal.
    fn from(number: &Number) -> Self {
        let zero = Self { is_negative: false, digits: String::new(), exponent: 0 };
        Self::parse(&number.to_string()).unwrap_or(zero)
    }
}

/// Returns the exponent, or a limit that no number of 64 bits reaches if it does not fit.
fn parse_exponent(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !is_digits(digits) {
        return None;
    }
    let exponent = digits.parse().unwrap_or(i64::MAX / 4);
    Some(if is_negative { -exponent } else { exponent })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}
