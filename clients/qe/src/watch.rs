//! Follows a run: a live table on a terminal, a line for each change elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use console::Term;
use runs_client::types::{RunStatus, RunWithFlow};

use crate::args::WatchArgs;
use crate::failure::{CANCELLED, FAILED, Failure, NOT_DONE};
use crate::session::Session;
use crate::{out, show};

/// Between two looks: soon at first, since most runs are short, then less often, since some wait for days.
const FIRST: Duration = Duration::from_millis(250);
const LAST: Duration = Duration::from_secs(5);
/// So many looks in a row may fail for reasons that pass.
const PATIENCE: u32 = 10;

/// Follows a run until it ends; the exit code says how.
pub async fn watch(session: &Session, args: &WatchArgs, json: bool) -> Result<(), Failure> {
    let deadline = args.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut screen = Screen::new(json);
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
            Err(failure) if failure.is_passing() && failures < PATIENCE => failures += 1,
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
            let why = run.error.as_ref().map(|error| out::plain(&error.message)).unwrap_or_default();
            Err(Failure::of_run(FAILED, format!("{id} failed: {why}")))
        }
        RunStatus::Cancelled => Err(Failure::of_run(CANCELLED, format!("{id} was cancelled"))),
        RunStatus::AwaitingApproval | RunStatus::Running => Err(Failure::of_run(NOT_DONE, format!("{id} waits for a decision"))),
    }
}

/// What was shown last.
struct Screen {
    term: Term,
    quiet: bool,
    lines: usize,
    known: BTreeMap<String, String>,
}

impl Screen {
    fn new(quiet: bool) -> Self {
        Self { term: Term::stdout(), quiet, lines: 0, known: BTreeMap::new() }
    }

    /// Shows what has changed, and says whether anything has.
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
        Ok(changed)
    }

    /// Lines wider than the terminal would wrap, and then be miscounted: they are cut.
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
