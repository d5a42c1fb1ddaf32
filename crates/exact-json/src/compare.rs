//! Comparing JSON values whose numbers are spelt differently.

use serde_json::{Number, Value};

use crate::decimal::Decimal;

/// Returns whether two values are equal when their numbers are compared as numbers: 60 is 60.0.
pub fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || Decimal::from(one) == Decimal::from(other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_value(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same_value(one, other)))
        }
        _ => one == other,
    }
}

/// Returns the value with one spelling for each number: an integer of 64 bits is written as an integer. Two values are the same if and
/// only if their normal forms are equal.
pub fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(normal_number(number)),
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(fields) => fields.iter().map(|(key, item)| (key.clone(), normal(item))).collect(),
        scalar => scalar.clone(),
    }
}

fn normal_number(number: &Number) -> Number {
    if !number.is_f64() {
        return number.clone();
    }
    let integer = Decimal::from(number).to_integer();
    let integer = integer.and_then(|text| text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from)).ok());
    integer.unwrap_or_else(|| number.clone())
}
