//! Follows a run: as a live table on a terminal, or else with one line for each change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use console::Term;
use runs_client::types::{RunStatus, RunWithFlow};

use crate::args::WatchArgs;
use crate::failure::{CANCELLED, FAILED, Failure, NOT_DONE};
use crate::session::Session;
use crate::{out, show, text};

/// The pause between two requests: short at first, because most runs are short, then longer, because some wait for days.
const FIRST: Duration = Duration::from_millis(250);
const LAST: Duration = Duration::from_secs(5);
/// The number of requests in a row that may fail for temporary reasons.
const MAX_FAILURES: u32 = 10;

/// Follows a run until it ends. The exit code says how it ended.
pub async fn watch(session: &Session, args: &WatchArgs, json: bool) -> Result<(), Failure> {
    let deadline = args.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut screen = Screen::new(json, !args.until_approval);
    let (mut pause, mut failures) = (FIRST, 0);
    loop {
        match session.api.get_run().run_id(args.run.clone()).send().await.map_err(Failure::from) {
            Ok(answer) => {
                let view = answer.into_inner().data;
                failures = 0;
                if screen.update(&view)? {
                    pause = FIRST;
                }
                let waits = args.until_approval && view.run.status == RunStatus::AwaitingApproval;
                if waits || view.run.finished_at.is_some() {
                    return finish(&view, json);
                }
            }
            Err(failure) if failure.is_temporary() && failures < MAX_FAILURES => failures += 1,
            Err(failure) => return Err(failure),
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Failure::of_run(NOT_DONE, format!("{} is not done after {} s", args.run, args.timeout.unwrap_or_default())));
        }
        tokio::time::sleep(left.map_or(pause, |left| pause.min(left))).await;
        pause = (pause * 3 / 2).min(LAST);
    }
}

fn finish(view: &RunWithFlow, json: bool) -> Result<(), Failure> {
    if json {
        out::json(view)?;
    }
    let run = &view.run;
    let id = run.id.as_str();
    match run.status {
        RunStatus::Succeeded => Ok(()),
        RunStatus::Failed => {
            let why = run.error.as_ref().map(|error| text::plain(&error.message)).unwrap_or_default();
            Err(Failure::of_run(FAILED, format!("{id} failed: {why}")))
        }
        RunStatus::Cancelled => Err(Failure::of_run(CANCELLED, format!("{id} was cancelled"))),
        RunStatus::AwaitingApproval | RunStatus::Running => Err(Failure::of_run(NOT_DONE, format!("{id} waits for a decision"))),
    }
}

/// The state that was shown last.
struct Screen {
    term: Term,
    quiet: bool,
    lines: usize,
    known: BTreeMap<String, String>,
    announces: bool,
    waiting: BTreeSet<String>,
}

impl Screen {
    fn new(quiet: bool, announces: bool) -> Self {
        Self { term: Term::stdout(), quiet, lines: 0, known: BTreeMap::new(), announces, waiting: BTreeSet::new() }
    }

    /// Shows what has changed, and returns whether anything has.
    fn update(&mut self, view: &RunWithFlow) -> Result<bool, Failure> {
        let changes: Vec<(String, String)> = show::steps_of(view)
            .iter()
            .map(|step| (show::string(step, "nodeId"), show::string(step, "status")))
            .chain([(view.run.id.to_string(), view.run.status.to_string())])
            .filter(|(name, status)| self.known.get(name) != Some(status))
            .collect();
        let changed = !changes.is_empty();
        if !self.quiet && self.term.is_term() && changed {
            self.redraw(&format!("{}\n\n{}", show::head(view), show::steps(view)))?;
        } else if !self.quiet {
            for (name, status) in changes.iter().filter(|(_, status)| status != "pending") {
                out::line(format!("{name} {status}"))?;
            }
        }
        self.known.extend(changes);
        if self.announces {
            self.announce(view)?;
        }
        Ok(changed)
    }

    /// Says once for each approval that the run waits for a person, and how to decide. It goes to standard error, so that it is seen also
    /// if standard output is redirected or is JSON.
    fn announce(&mut self, view: &RunWithFlow) -> Result<(), Failure> {
        let open = |step: &serde_json::Value| show::string(step, "status") == "awaiting_approval";
        for step in show::steps_of(view).iter().filter(|step| open(step)) {
            let node = show::string(step, "nodeId");
            if !self.waiting.insert(node.clone()) {
                continue;
            }
            let input = step.get("input").cloned().unwrap_or_default();
            let (label, assignee) = (show::string(&input, "actionLabel"), show::string(&input, "assignTo"));
            let assignee = if assignee.is_empty() { "a person".to_owned() } else { assignee };
            let until = show::string(step, "expiresAt");
            let how = show::how_to_decide(view.run.id.as_str(), &node);
            out::remark(format!("{} waits for {assignee} to decide until {until}: {label}\n{how}", view.run.id.as_str()))?;
            // The live table is drawn again below this remark.
            self.lines = 0;
        }
        Ok(())
    }

    /// Draws the table in the place of the previous one. Lines are cut at the width of the terminal: a wrapped line would be miscounted.
    fn redraw(&mut self, text: &str) -> Result<(), Failure> {
        self.term.clear_last_lines(self.lines)?;
        let width = usize::from(self.term.size().1);
        self.lines = text.lines().count();
        for line in text.lines() {
            self.term.write_line(&console::truncate_str(line, width, "…"))?;
        }
        Ok(())
    }
}
