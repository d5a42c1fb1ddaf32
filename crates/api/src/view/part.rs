//! The parts of a step that can be fetched on their own.

/// The parts that are left out of a run that is too large, in this order.
pub(super) const OMITTED_PARTS: [&str; 5] = ["output", "input", "decision", "votes", "response"];
/// The parts of a step that can be fetched on their own: [`OMITTED_PARTS`], and what an approval asks.
pub const PARTS_OF_STEPS: [&str; 9] =
    ["output", "input", "decision", "votes", "response", "proposedAction", "data", "destinations", "overrideSchema"];

/// Returns the path at which a part of a step can be fetched, relative to the address of the API. It needs a key like any other path.
/// Without a round it is the step in the round that its node is in.
pub(super) fn url_of_part(run: &str, node: &str, part: &str, round: Option<u64>) -> String {
    let of = (part != "output").then(|| format!("of={part}"));
    let query: Vec<String> = of.into_iter().chain(round.map(|round| format!("round={round}"))).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    format!("/api/runs/{run}/steps/{node}/output{query}")
}
