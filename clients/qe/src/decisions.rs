//! The history of decisions.

use runs_client::types::{self, ListDecisionsVerdict};

use crate::args::{DecisionsArgs, Verdict};
use crate::failure::Failure;
use crate::list::{Page, collect};
use crate::session::Session;
use crate::{input, out, show, text};

/// Lists decisions, newest first.
pub async fn list(session: &Session, args: DecisionsArgs, json: bool) -> Result<(), Failure> {
    let DecisionsArgs { actor, flow, verdict, edited, from, to, paging } = args;
    let (from, to) = (input::time(from, "--from")?, input::time(to, "--to")?);
    let verdict = verdict.map(|verdict| match verdict {
        Verdict::Approved => ListDecisionsVerdict::Approved,
        Verdict::Rejected => ListDecisionsVerdict::Rejected,
        Verdict::Expired => ListDecisionsVerdict::Expired,
    });
    let rows = collect(paging.limit, async |limit, cursor| {
        let mut request = session.api.list_decisions().limit(limit);
        if let Some(actor) = actor.clone() {
            request = request.actor(actor);
        }
        if let Some(flow) = flow.clone() {
            request = request.flow(flow);
        }
        if let Some(verdict) = verdict {
            request = request.verdict(verdict);
        }
        if let Some(edited) = edited {
            request = request.edited(edited);
        }
        if let Some(from) = from.clone() {
            request = request.from(from);
        }
        if let Some(to) = to.clone() {
            request = request.to(to);
        }
        if let Some(cursor) = cursor {
            request = request.cursor(cursor);
        }
        let page = request.send().await?.into_inner();
        Ok(Page { rows: page.data, next: page.meta.next_cursor })
    })
    .await?;
    if json {
        return out::json(&rows);
    }
    let row = |row: types::DecisionRow| {
        let verdict = out::status(&row.verdict.to_string());
        vec![
            show::time(&row.decided_at),
            if row.edited { format!("{verdict}, edited") } else { verdict },
            row.actor.unwrap_or_default(),
            text::plain(&row.action_label),
            row.flow.slug.to_string(),
            row.run_id.to_string(),
            row.node_id.to_string(),
            row.note.map(|note| text::plain(&note)).unwrap_or_default(),
        ]
    };
    out::table(&["decided", "verdict", "by", "action", "flow", "run", "node", "note"], rows.into_iter().map(row))
}
