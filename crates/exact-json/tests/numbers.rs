//! Numbers keep their value or are refused, and are compared by their value.
#![expect(clippy::panic, reason = "a test that cannot be set up should stop at once")]

use exact_json::{Decimal, InexactNumber, ReadError, normal, read, same_value};
use proptest::prelude::*;
use serde_json::{Value, json};

fn refused(text: &str) -> InexactNumber {
    match read(text.as_bytes()) {
        Err(ReadError::Number(number)) => number,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_number_that_can_be_kept_is_written_with_its_value() {
    for (text, written) in [
        ("0.1", "0.1"),
        ("100.0", "100.0"),
        ("12345678901234567890", "12345678901234567890"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9007199254740993", "9007199254740993"),
        ("1e2", "100.0"),
        ("1E+2", "100.0"),
        ("0.10000000000000000000", "0.1"),
        ("985.6906946328695", "985.6906946328695"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("5e-324", "5e-324"),
        ("100000000000000000000", "1e+20"),
        ("0e999999999999999999999", "0.0"),
    ] {
        let value = read(text.as_bytes()).unwrap();
        assert_eq!(value.to_string(), written, "{text}");
        assert_eq!(Decimal::parse(text), Decimal::parse(&value.to_string()), "{text}");
    }
    for text in ["-0", "-0.0", "0.000"] {
        assert!(same_value(&read(text.as_bytes()).unwrap(), &json!(0)), "{text}");
    }
}

#[test]
fn a_number_that_would_change_its_value_is_refused() {
    for text in [
        "18446744073709551616",
        "-9223372036854775809",
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
        "0.1234567890123456789",
        "9007199254740993.0",
        "0.1000000000000000055511151231257827",
        "100000000000000000001",
    ] {
        let refused = refused(text);
        assert_eq!((refused.path.as_str(), refused.number.as_str()), ("", text));
    }
    assert!(refused("18446744073709551616").to_string().starts_with("has a number that would change its value: 18446744073709551616. "));
}

#[test]
fn a_refusal_names_the_path() {
    for (text, path) in [
        (r#"{"a": 1e400}"#, "a"),
        (r#"{"a": {"b": [1, 2.5, {"c": 18446744073709551616}]}}"#, "a.b[2].c"),
        ("[[], {}, [1e400]]", "[2][0]"),
        (r#"{"x": "1e400 \" , 18446744073709551616 \\", "a b": {"1e400": [0, 1e400]}}"#, r#"["a b"].1e400[1]"#),
        (r#"{"a": {"z": 1}, "\u00fc": 1e400}"#, "ü"),
        (r#"{"": 1e400}"#, r#"[""]"#),
        (r#"{"a.b": [true, null, "x", 1e400]}"#, r#"["a.b"][3]"#),
    ] {
        assert_eq!(refused(text).path, path, "{text}");
    }
    let long = format!(r#"{{"{}": {}}}"#, "k".repeat(100_000), "9".repeat(100_000));
    let refused = refused(&long);
    assert!(refused.path.len() < 300 && refused.number.len() < 300);
}

#[test]
fn a_text_that_is_not_json_is_a_syntax_error() {
    for text in ["", "{", "{broken 1e400", "[1,]", "NaN", "01", "1e400 x", "\"\\"] {
        assert!(read(text.as_bytes()).is_err(), "{text}");
    }
    assert!(matches!(read(b"{broken"), Err(ReadError::Syntax(_))));
    assert!(matches!(read(b"\xff"), Err(ReadError::Syntax(_))));
}

#[test]
fn numbers_are_compared_by_value() {
    for (one, other) in [
        ("60", "60.0"),
        ("1e15", "1000000000000000"),
        ("-0.0", "0"),
        ("1e20", "100000000000000000000"),
        ("[1, {\"a\": 2.0}]", "[1.0, {\"a\": 2}]"),
    ] {
        let (one, other) = (read(one.as_bytes()).unwrap(), read(other.as_bytes()).unwrap());
        assert!(same_value(&one, &other) && normal(&one) == normal(&other), "{one} {other}");
    }
    for (one, other) in [
        (json!(1), json!("1")),
        (json!(1), json!(1.5)),
        (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992.0)),
        (json!({"a": 1}), json!({"b": 1})),
    ] {
        assert!(!same_value(&one, &other) && normal(&one) != normal(&other), "{one} {other}");
    }
}

#[test]
fn integers_are_written_out() {
    for (text, integer) in [
        ("-0.0", Some("0")),
        ("1e15", Some("1000000000000000")),
        ("1e20", Some("100000000000000000000")),
        ("-5.0", Some("-5")),
        ("1e23", Some("100000000000000000000000")),
        ("1.25e1", None),
        ("1e-3", None),
        ("1e1000000", None),
    ] {
        assert_eq!(Decimal::parse(text).unwrap().to_integer().as_deref(), integer, "{text}");
    }
    for text in ["", "-", "05", "+5", ".5", "5.", "5e", "5e+", "0x1", " 5", "5 ", "1.5.5", "Infinity", "٣"] {
        assert_eq!(Decimal::parse(text), None, "{text:?}");
    }
}

proptest! {
    /// Whatever number is read has the value that was written, and one that was refused would not have had it.
    #[test]
    fn a_number_keeps_its_value_or_is_refused(text in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
        let written = Decimal::parse(&text);
        prop_assert!(written.is_some());
        match read(format!("{{\"a\": [{text}]}}").as_bytes()) {
            Ok(value) => prop_assert_eq!(Decimal::parse(&value["a"][0].to_string()), written),
            Err(ReadError::Number(refused)) => {
                prop_assert_eq!(refused.path, "a[0]");
                let rounded = serde_json::from_str::<Value>(&text).ok().and_then(|value| Decimal::parse(&value.to_string()));
                prop_assert_ne!(rounded, written);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    /// Whatever this system writes, it can read: every number of 64 bits is kept.
    #[test]
    fn what_is_written_can_be_read(float in any::<f64>().prop_filter("JSON has no such number", |float| float.is_finite()), integer: i64, unsigned: u64) {
        let value = json!([float, integer, unsigned]);
        let again = read(value.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&again, &value);
        prop_assert!(same_value(&normal(&value), &value));
        prop_assert_eq!(normal(&normal(&value)), normal(&value));
    }

    /// Reading never panics, and never accepts what the parser refuses.
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}|[\\[\\]{}:,\"\\\\0-9eE.+-]{0,30}") {
        prop_assert!(read(text.as_bytes()).is_err() || serde_json::from_str::<Value>(&text).is_ok());
    }
}
