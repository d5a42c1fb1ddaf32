//! The check of the names of query parameters.

use std::collections::BTreeSet;

use domain::problem::FieldErrors;
use lambda_http::{Request, RequestExt};

/// Checks the query of a request against the parameters that its endpoint declares. Fails with every parameter that is not declared, and
/// with every one that is given more than once: a misspelt filter must not return the rows of an unfiltered list.
pub(crate) fn check_query(request: &Request, declared: &[&str]) -> Result<(), FieldErrors> {
    let mut errors = FieldErrors::new();
    let mut seen = BTreeSet::new();
    let parameters = request.query_string_parameters();
    for (name, _) in parameters.iter() {
        if seen.insert(name) {
            if !declared.contains(&name) {
                errors.add(name, unknown(declared));
            } else if parameters.all(name).is_some_and(|values| values.len() > 1) {
                errors.add(name, "must be given only once");
            }
        }
    }
    errors.into_result(())
}

fn unknown(declared: &[&str]) -> String {
    if declared.is_empty() {
        return "is not a query parameter; this operation has none".to_owned();
    }
    format!("is not a query parameter of this operation, which has: {}", declared.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(query: &Value, declared: &[&str]) -> Value {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/list-flow-runs/filtered.json")).unwrap();
        event["multiValueQueryStringParameters"] = query.clone();
        event["queryStringParameters"] = json!({});
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();
        match check_query(&request, declared) {
            Ok(()) => json!({}),
            Err(errors) => json!(errors.by_path()),
        }
    }

    #[test]
    fn declared_parameters_are_accepted_once() {
        assert_eq!(problems(&json!({}), &[]), json!({}));
        assert_eq!(problems(&json!({"status": ["failed"], "limit": [""]}), &["status", "limit"]), json!({}));
        assert_eq!(problems(&json!({"status": ["failed", "failed"]}), &["status"]), json!({"status": ["must be given only once"]}));
    }

    #[test]
    fn every_unknown_parameter_is_an_error_also_if_it_is_empty_or_repeated() {
        let unknown = "is not a query parameter of this operation, which has: status";
        let found = problems(&json!({"Status": ["failed"], "state": [""], "x": ["1", "2"], "status": ["failed"]}), &["status"]);
        assert_eq!(found, json!({"Status": [unknown], "state": [unknown], "x": [unknown]}));
        let none = "is not a query parameter; this operation has none";
        assert_eq!(problems(&json!({"dryRun": ["true"]}), &[]), json!({"dryRun": [none]}));
    }
}
