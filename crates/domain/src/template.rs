//! Templates: `${trigger.path}`, `${step.<node>.output.path}`, `${run.id}`, `${run.traceId}` in any JSON value.
//!
//! A string that is one expression and nothing else keeps the JSON type of what it names; in a longer text the
//! value is written out. `$${` stands for a literal `${`.

mod expression;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

pub use expression::{BadTemplate, Expression, Missing, Output, TemplateContext};
use serde_json::{Map, Value};

use crate::json::canonical;
use crate::name::NodeId;
use crate::problem::FieldErrors;

/// A text with expressions in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Expression(Expression),
}

impl FromStr for Text {
    type Err = BadTemplate;

    fn from_str(text: &str) -> Result<Self, BadTemplate> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, tail) = (rest.get(..at).unwrap_or_default(), rest.get(at + 2..).unwrap_or_default());
            if let Some(escaped) = before.strip_suffix('$') {
                literal.push_str(escaped);
                literal.push_str("${");
                rest = tail;
                continue;
            }
            literal.push_str(before);
            let Some((inside, after)) = tail.split_once('}') else {
                return Err(BadTemplate::Unclosed(text.len() - tail.len() - 2));
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Expression(inside.parse()?));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }
}

impl Text {
    /// Returns the text with every value filled in: a string as it is, any other value as JSON. Fails if a path does not exist.
    pub fn fill(&self, context: &TemplateContext<'_>) -> Result<String, Missing> {
        self.fill_encoded(context, str::to_owned)
    }

    /// Fills in the text like [`fill`](Self::fill), with each value passed through `encode` first, so that it cannot change the structure
    /// of the text around it.
    pub fn fill_encoded(&self, context: &TemplateContext<'_>, encode: impl Fn(&str) -> String) -> Result<String, Missing> {
        self.0.iter().try_fold(String::new(), |mut filled, part| {
            match part {
                Part::Literal(literal) => filled.push_str(literal),
                Part::Expression(expression) => filled.push_str(&encode(&match expression.resolve(context)? {
                    Value::String(text) => text,
                    other => canonical(&other),
                })),
            }
            Ok(filled)
        })
    }

    /// Returns whether the text is one expression and nothing else.
    pub fn is_one_expression(&self) -> bool {
        matches!(self.0.as_slice(), [Part::Expression(_)])
    }

    fn resolve(&self, context: &TemplateContext<'_>) -> Result<Value, Missing> {
        match self.0.as_slice() {
            [Part::Expression(only)] => only.resolve(context),
            _ => self.fill(context).map(Value::String),
        }
    }

    /// Returns the expressions before the first `?` or `#`, which fill the path of a URL.
    pub fn path_expressions(&self) -> impl Iterator<Item = &Expression> {
        let is_path = |part: &&Part| !matches!(part, Part::Literal(literal) if literal.contains(['?', '#']));
        self.0.iter().take_while(is_path).filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Literal(_) => None,
        })
    }

    /// Returns the expressions of the text.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Literal(_) => None,
        })
    }
}

/// A JSON value whose strings are [`Text`]s; keys are taken as they are.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// A string.
    Text(Text),
    /// An array.
    Array(Vec<Template>),
    /// An object.
    Object(BTreeMap<String, Template>),
    /// A number, a boolean or null.
    Scalar(Value),
}

impl Template {
    /// Reads a template. Fails with every bad expression, at its path below `path`.
    pub fn parse(value: &Value, path: &str) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        let template = Self::read(value, path, &mut errors);
        errors.into_result(template)
    }

    fn read(value: &Value, path: &str, errors: &mut FieldErrors) -> Self {
        match value {
            Value::String(text) => match text.parse() {
                Ok(text) => Self::Text(text),
                Err(bad) => {
                    errors.add(path, bad);
                    Self::Scalar(Value::Null)
                }
            },
            Value::Array(items) => {
                Self::Array(items.iter().enumerate().map(|(at, item)| Self::read(item, &format!("{path}[{at}]"), errors)).collect())
            }
            Value::Object(fields) => {
                Self::Object(fields.iter().map(|(key, item)| (key.clone(), Self::read(item, &format!("{path}.{key}"), errors))).collect())
            }
            scalar => Self::Scalar(scalar.clone()),
        }
    }

    /// Returns the value with every expression filled in. Fails if a path does not exist.
    pub fn resolve(&self, context: &TemplateContext<'_>) -> Result<Value, Missing> {
        Ok(match self {
            Self::Text(text) => text.resolve(context)?,
            Self::Array(items) => Value::Array(items.iter().map(|item| item.resolve(context)).collect::<Result<_, _>>()?),
            Self::Object(fields) => {
                Value::Object(fields.iter().map(|(key, item)| Ok((key.clone(), item.resolve(context)?))).collect::<Result<Map<_, _>, _>>()?)
            }
            Self::Scalar(value) => value.clone(),
        })
    }

    /// Returns every expression of the template with its path; the template itself is at `path`.
    pub fn expressions(&self, path: &str) -> Vec<(String, &Expression)> {
        match self {
            Self::Text(text) => text.expressions().map(|expression| (path.to_owned(), expression)).collect(),
            Self::Array(items) => items.iter().enumerate().flat_map(|(at, item)| item.expressions(&format!("{path}[{at}]"))).collect(),
            Self::Object(fields) => fields.iter().flat_map(|(key, item)| item.expressions(&format!("{path}.{key}"))).collect(),
            Self::Scalar(_) => Vec::new(),
        }
    }
}

/// Returns the nodes whose outputs the expressions read.
pub fn nodes_read<'a>(expressions: impl IntoIterator<Item = &'a Expression>) -> BTreeSet<NodeId> {
    expressions.into_iter().filter_map(Expression::node).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn resolve(template: &Value) -> Result<Value, String> {
        let trigger = json!({"ticket": {"id": 7, "tags": ["a", {"b": null}], "note": "hi"}});
        let outputs = BTreeMap::from([
            (
                "draft".parse().unwrap(),
                Output { value: Arc::new(json!({"text": "t", "parsed": {"amount": 12.5, "text": "inner"}})), falls_back_to_parsed: true },
            ),
            ("plain".parse().unwrap(), Output { value: Arc::new(json!({"parsed": {"amount": 1}})), falls_back_to_parsed: false }),
        ]);
        let context = TemplateContext { trigger: &trigger, outputs: &outputs, run_id: "run_1".into(), trace_id: "abc".into() };
        Template::parse(template, "t").map_err(|errors| format!("{errors:?}"))?.resolve(&context).map_err(|missing| missing.to_string())
    }

    #[test]
    fn a_lone_expression_keeps_its_type_and_a_text_writes_it_out() {
        for (template, expected) in [
            (json!("${trigger.ticket.id}"), json!(7)),
            (json!("${ trigger.ticket.id }"), json!(7)),
            (json!("#${trigger.ticket.id} ${trigger.ticket.note}"), json!("#7 hi")),
            (json!("${trigger.ticket.tags[1].b}"), json!(null)),
            (json!("${trigger.ticket.tags.0}"), json!("a")),
            (json!("tags: ${trigger.ticket.tags}"), json!("tags: [\"a\",{\"b\":null}]")),
            (json!({"a": ["${run.id}", "${run.traceId}", 1]}), json!({"a": ["run_1", "abc", 1]})),
            (json!("${step.draft.output.amount}"), json!(12.5)),
            (json!("${step.draft.output.text}"), json!("t")),
            (json!("${step.draft.output.parsed.text}"), json!("inner")),
            (json!("a literal $${x}"), json!("a literal ${x}")),
            (json!("$5 and $"), json!("$5 and $")),
            (json!(""), json!("")),
        ] {
            assert_eq!(resolve(&template), Ok(expected), "{template}");
        }
    }

    #[test]
    fn a_path_that_does_not_exist_is_named() {
        for (template, path) in [
            ("${trigger.none}", "`trigger.none` is not there"),
            ("${trigger.ticket.tags.9}", "`trigger.ticket.tags.9` is not there"),
            ("${trigger.ticket.id.x}", "`trigger.ticket.id.x` is not there"),
            ("${step.plain.output.amount}", "`step.plain.output.amount` is not there"),
            ("${step.ghost.output}", "`step.ghost.output` is not there (the node has put out nothing: it was skipped or failed)"),
        ] {
            assert_eq!(resolve(&json!(template)), Err(path.to_owned()));
        }
    }

    #[test]
    fn bad_expressions_are_found_when_parsing_each_at_its_path() {
        let template = json!({"a": ["${nope}", "${step.a.input.x}", "${trigger.", "${run.secret}", "${trigger..x}", "${run.id.x}", "${step.a b.output}"]});
        let errors = Template::parse(&template, "spec").unwrap_err();
        let paths: Vec<_> = errors.by_path().keys().cloned().collect();
        assert_eq!(paths, (0..7).map(|at| format!("spec.a[{at}]")).collect::<Vec<_>>());
    }

    #[test]
    fn encoding_touches_values_only() {
        let trigger = json!({"id": "a/b?c"});
        let outputs = BTreeMap::new();
        let context = TemplateContext { trigger: &trigger, outputs: &outputs, run_id: String::new(), trace_id: String::new() };
        let text: Text = "/items/${trigger.id}?x=1".parse().unwrap();
        assert_eq!(text.fill_encoded(&context, |value| value.replace(['/', '?'], "_")).unwrap(), "/items/a_b_c?x=1");
    }

    proptest! {
        /// A text without `${` stands for itself, and escaping makes every text stand for itself.
        #[test]
        fn texts_without_expressions_mean_themselves(text in "[a-z${}. ]{0,24}") {
            let escaped = text.replace("${", "$${");
            // `$$` before `{` would read as an escape of its own; such texts are out of context of the rule.
            prop_assume!(!text.contains("$${"));
            prop_assert_eq!(resolve(&json!(escaped)), Ok(json!(text)));
        }

        /// Parsing never panics, whatever the text.
        #[test]
        fn any_text_parses_or_is_refused(text in "\\PC{0,40}|[${}.a\\[\\]]{0,20}") {
            let _ = text.parse::<Text>();
        }
    }
}
