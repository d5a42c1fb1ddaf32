//! What is accepted can be read back, whatever it is wrapped in.

use exact_json::{MAX_DEPTH, ReadError, read};
use proptest::prelude::*;

/// The levels that this system puts around a value that it accepted, at most: a template, a record, an event, an answer.
const WRAPPERS: usize = 40;

fn nested(levels: usize, open: impl Fn(usize) -> (&'static str, &'static str)) -> String {
    let (opening, closing): (Vec<_>, Vec<_>) = (0..levels).map(open).unzip();
    format!("{}1{}", opening.concat(), closing.into_iter().rev().collect::<String>())
}

#[test]
fn the_deepest_value_is_accepted_and_one_level_more_is_refused() {
    let arrays = |levels| nested(levels, |_| ("[", "]"));
    assert!(read(arrays(MAX_DEPTH).as_bytes()).is_ok());
    assert!(matches!(read(arrays(MAX_DEPTH + 1).as_bytes()), Err(ReadError::TooDeep)));
    assert!(matches!(read(arrays(127).as_bytes()), Err(ReadError::TooDeep)));
    assert!(
        matches!(read(arrays(100_000).as_bytes()), Err(ReadError::Syntax(_))),
        "the parser has a limit of its own, and no stack overflows"
    );
}

proptest! {
    #[test]
    fn an_accepted_value_is_read_within_every_wrapper(shape in prop::collection::vec(any::<bool>(), 0..140)) {
        let text = nested(shape.len(), |level| if shape[level] { ("[0,", "]") } else { ("{\"a\":", "}") });
        let accepted = read(text.as_bytes());
        prop_assert_eq!(accepted.is_ok(), shape.len() <= MAX_DEPTH);
        if let Ok(value) = accepted {
            let wrapped = format!("{}{value}{}", "[".repeat(WRAPPERS), "]".repeat(WRAPPERS));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&wrapped).is_ok());
        }
    }
}
