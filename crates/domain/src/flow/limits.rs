//! The limits of a spec.

/// The most nodes that a flow may have.
pub const MAX_NODES: usize = 200;
/// The most approvals that a flow may have: a run that ends closes its gates in one transaction, which DynamoDB limits to 100 items.
pub const MAX_GATES: usize = 90;
/// The most rounds that one approval may ask for.
pub const MAX_ROUNDS: u32 = 20;
/// The longest wait of a `seconds` or of an approval, in hours, and the longest time that one execution is parked: it keeps an execution
/// below Step Functions' limit of a year. A wait for a time of the calendar has no limit.
pub const MAX_WAIT_HOURS: u32 = 8_000;
/// The most tools that one `llm_step` may offer its model.
pub const MAX_TOOLS: usize = 20;
/// The most bytes of canonical JSON that a spec may have.
pub const MAX_SPEC_BYTES: usize = 1_000_000;
