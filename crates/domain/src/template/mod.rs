//! Templates: `${trigger.path}`, `${step.<node>.output.path}`, `${run.id}`, `${run.traceId}` in any JSON value.
//!
//! A string that is one expression and nothing else keeps the JSON type of its value; in a longer text the value is written out.
//! `${a ?? b}` is `b` where `a` does not exist or is null. `$${` stands for a literal `${`, and `${'$'}` for a dollar sign before a value.

mod context;
mod expression;
mod legacy;
mod parse;
mod path;
mod text;
mod value;

use std::collections::BTreeSet;

pub(crate) use context::Filler;
pub use context::{FillError, MAX_FILLED_BYTES, Output, TemplateContext};
pub(crate) use expression::Operand;
pub use expression::{BadTemplate, Expression};
pub(crate) use path::Path;
pub(crate) use text::Part;
pub use text::Text;
pub use value::Template;

use crate::name::NodeId;

/// Returns the nodes whose outputs the expressions read.
pub fn nodes_read<'a>(expressions: impl IntoIterator<Item = &'a Expression>) -> BTreeSet<NodeId> {
    expressions.into_iter().flat_map(Expression::nodes).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use crate::json::MAX_DEPTH;

    use super::context::Filler;
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn resolve(template: &Value) -> Result<Value, String> {
        let trigger = json!({"ticket": {"id": 7, "tags": ["a", {"b": null}], "note": "hi", "a.b": 1, "it's \"}": 2, "first name": "Ada"}});
        let outputs = BTreeMap::from([
            (
                "draft".parse().unwrap(),
                Output { value: Arc::new(json!({"text": "t", "parsed": {"amount": 12.5, "text": "inner"}})), falls_back_to_parsed: true },
            ),
            ("plain".parse().unwrap(), Output { value: Arc::new(json!({"parsed": {"amount": 1}})), falls_back_to_parsed: false }),
        ]);
        let context = TemplateContext { trigger: &trigger, outputs: &outputs, run_id: "run_1".into(), trace_id: "abc".into() };
        Template::parse(template, "t")
            .map_err(|errors| format!("{errors:?}"))?
            .resolve(&Filler::new(&context))
            .map_err(|error| error.to_string())
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
            (json!("${trigger.ticket[\"a.b\"]}"), json!(1)),
            (json!("${trigger['ticket']['it\\'s \"}']}!"), json!("2!")),
            (json!("${trigger.none ?? 'friend'}"), json!("friend")),
            (json!("${trigger.ticket.tags[1].b ?? trigger.none ?? 7}"), json!(7)),
            (json!("${trigger.ticket.tags[1].b ?? trigger.none}"), json!(null)),
            (json!("${step.ghost.output.x ?? step.draft.output.amount}"), json!(12.5)),
            (json!("${ step.ghost.output ?? null }"), json!(null)),
            (json!("${trigger.ticket.id ?? \"}\"} left"), json!("7 left")),
            (json!("Refund ${'$'}${trigger.ticket.id}"), json!("Refund $7")),
            // As earlier versions read it; it can no longer be saved.
            (json!("${trigger.ticket.first name}"), json!("Ada")),
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
    fn an_alternative_fails_only_if_no_operand_exists() {
        assert_eq!(
            resolve(&json!("${trigger.a ?? step.ghost.output}")).unwrap_err(),
            "`trigger.a ?? step.ghost.output` is not there (the node has put out nothing: it was skipped or failed)"
        );
    }

    #[test]
    fn an_expression_that_only_earlier_versions_accepted_says_what_to_write_instead() {
        for (text, hint) in [
            ("trigger.amount > 100", "operators"),
            ("trigger.amount>100", "operators"),
            ("trigger.a || trigger.b", "operators"),
            ("trigger.x | default", "filters"),
            ("trigger.a]b", "brackets and quotes"),
            ("trigger.a[b]", "followed by a number"),
            ("trigger.first name", "brackets and quotes"),
            ("trigger.a ?? b", "`??` is followed by"),
        ] {
            let expression: Expression = text.parse().unwrap();
            let problem = expression.outdated().unwrap().to_string();
            assert!(problem.starts_with(&format!("`{text}` is no expression: ")) && problem.contains(hint), "{problem}");
        }
        for text in [
            "trigger",
            "trigger.a-b.$ref",
            "trigger.ü",
            "step.a.output[0].x",
            "run.id",
            "trigger.a ?? 'x' ?? 1.5 ?? true",
            "trigger[\"a\\u0041\"]",
        ] {
            assert_eq!(text.parse::<Expression>().unwrap().outdated(), None, "{text}");
        }
    }

    #[test]
    fn sizes_and_depths_are_checked_while_templates_are_filled_in() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |value, _| json!([value]));
        let outputs = BTreeMap::new();
        let trigger = json!({"deep": nested(MAX_DEPTH - 1), "large": "x".repeat(MAX_FILLED_BYTES / 2)});
        let context = TemplateContext { trigger: &trigger, outputs: &outputs, run_id: String::new(), trace_id: String::new() };
        let fill = |template: Value| {
            Template::parse(&template, "t")
                .unwrap()
                .resolve(&Filler::new(&context))
                .map(|value| crate::json::depth_is_within(&value, MAX_DEPTH))
        };
        assert_eq!(fill(json!(["${trigger.deep}"])), Ok(true));
        assert_eq!(fill(json!([["${trigger.deep}"]])), Err(FillError::TooDeep("trigger.deep".to_owned())));
        assert_eq!(fill(json!("${trigger.large}")), Ok(true));
        // Ten times as much as a step may put out, of which only the first two values are ever looked at.
        assert_eq!(fill(json!(vec!["${trigger.large}"; 20])), Err(FillError::TooLarge("trigger.large".to_owned())));
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
        assert_eq!(text.fill_encoded(&Filler::new(&context), |value| value.replace(['/', '?'], "_")).unwrap(), "/items/a_b_c?x=1");
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
