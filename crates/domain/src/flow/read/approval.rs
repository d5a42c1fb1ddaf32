//! Reads a `human_approval`.

use crate::access::Assignee;
use crate::flow::limits::MAX_WAIT_HOURS;
use crate::flow::node::Approval;
use crate::flow::object_reader::ObjectReader;
use crate::flow::raw::Defaults;
use crate::template::Text;

/// A gate has a deadline, so that its run does not wait for ever: 90 days unless the flow says otherwise.
const DEFAULT_GATE_SECONDS: u64 = 90 * 24 * 3600;

pub(super) fn approval(fields: &mut ObjectReader<'_>, defaults: &Defaults) -> Option<Approval> {
    let action_label = fields.parse("actionLabel");
    let proposed_action = fields.template("proposedAction");
    let assign_to: Option<Text> = fields.parse_optional("assignTo");
    if let Some(literal) = fields.optional_string("assignTo").filter(|text| !text.contains("${"))
        && let Err(problem) = literal.parse::<Assignee>()
    {
        fields.problem("assignTo", problem);
    }
    let data = fields.optional_template("data");
    // Fractions of an hour are allowed: 0.5 is half an hour.
    let timeout_hours = fields.number("timeoutHours", 0.0..=f64::from(MAX_WAIT_HOURS));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 28,800,000")]
    let timeout_seconds = timeout_hours.map_or(DEFAULT_GATE_SECONDS, |hours| ((hours * 3600.0).ceil() as u64).max(1));
    let allowed_edits = fields.array("allowedEdits").map(|pointers| {
        let mut allowed = Vec::new();
        for (at, pointer) in pointers.iter().enumerate() {
            match pointer.as_str().filter(|text| is_pointer(text)) {
                Some(pointer) => allowed.push(pointer.to_owned()),
                None => fields.problem(&format!("allowedEdits[{at}]"), "must be a JSON Pointer such as `/amount` (RFC 6901)"),
            }
        }
        allowed
    });
    let gate = Approval {
        action_label: action_label?,
        proposed_action: proposed_action?,
        assign_to,
        data,
        timeout_seconds,
        on_timeout: fields.route("onTimeout").unwrap_or_else(|| defaults.on_timeout.clone()),
        on_reject: fields.route("onReject").unwrap_or_else(|| defaults.on_reject.clone()),
        override_schema: fields.schema("overrideSchema"),
        allowed_edits,
        require_different_actor: fields.boolean("requireDifferentActor").unwrap_or(false),
        required_approvals: fields.small_integer("requiredApprovals", 1..=20).unwrap_or(1),
    };
    Some(gate)
}

/// Returns whether a text is a JSON Pointer (RFC 6901): empty, or segments that begin with `/`, in which `~` is written `~0` and `/` is written `~1`.
fn is_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}
