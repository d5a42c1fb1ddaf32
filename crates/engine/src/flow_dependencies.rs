//! Warnings about what a flow names and its organisation does not have yet.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::{ApiKey, Scope};
use domain::flow::{Dependencies, Reviewers, ServiceSlug};
use domain::id::OrgId;
use domain::ports::{ApiKeys, ConnectionBook, PortError, Window};
use domain::problem::FieldErrors;
use domain::time::Time;

/// The number of keys in one page.
const PAGE: usize = 100;
/// The most pages of keys that are read. An organisation with more keys gets no warnings about its reviewers.
const MAX_PAGES: usize = 10;

/// Returns a warning for each service that is not registered or not active, and for each approval that the organisation's API keys cannot
/// decide. It reads only what the flow names: nothing for a flow without services and without `assignTo`.
pub(crate) async fn warnings(
    store: &(impl ConnectionBook + ApiKeys),
    org: &OrgId,
    dependencies: &Dependencies,
    now: Time,
) -> Result<FieldErrors, PortError> {
    let mut warnings = FieldErrors::new();
    missing_services(store, org, dependencies, &mut warnings).await?;
    missing_reviewers(store, org, &dependencies.reviewers, now, &mut warnings).await?;
    Ok(warnings)
}

async fn missing_services(
    store: &impl ConnectionBook,
    org: &OrgId,
    dependencies: &Dependencies,
    warnings: &mut FieldErrors,
) -> Result<(), PortError> {
    let named: BTreeSet<ServiceSlug> = dependencies.services.iter().map(|(_, slug)| slug.clone()).collect();
    if named.is_empty() {
        return Ok(());
    }
    let found = store.connections_named(org, &named).await?;
    let is_active: BTreeMap<&ServiceSlug, bool> = found.iter().map(|connection| (&connection.slug, connection.active)).collect();
    for (path, slug) in &dependencies.services {
        match is_active.get(slug) {
            Some(true) => {}
            Some(false) => {
                warnings.add(path.clone(), format!("the service `{slug}` is registered and not active; the step fails until it is"));
            }
            None => warnings.add(
                path.clone(),
                format!("no service `{slug}` is registered yet; the step fails until it is, with POST /api/service-connections"),
            ),
        }
    }
    Ok(())
}

/// Compares the approvals with the API keys that can decide. What other ways to identify themselves people have is not known here, so
/// these are warnings about keys and about nothing else.
async fn missing_reviewers(
    store: &impl ApiKeys,
    org: &OrgId,
    reviewers: &[Reviewers],
    now: Time,
    warnings: &mut FieldErrors,
) -> Result<(), PortError> {
    let mut actors: Vec<BTreeSet<String>> = vec![BTreeSet::new(); reviewers.len()];
    let (mut after, mut pages) = (None, 0);
    let is_missing = |actors: &[BTreeSet<String>]| actors.iter().zip(reviewers).any(|(actors, gate)| !is_enough(actors, gate));
    while is_missing(&actors) {
        if pages == MAX_PAGES {
            return Ok(());
        }
        let page = store.api_keys(org, &Window { after, skip: 0, limit: PAGE, was_beyond_cap: true }).await?;
        let deciding = |key: &&ApiKey| key.is_valid(now) && key.allows(Scope::RunsWrite);
        for key in page.rows.iter().filter(deciding) {
            for (actors, _) in actors.iter_mut().zip(reviewers).filter(|(_, gate)| gate.assignee.includes(&key.actor)) {
                actors.insert(key.actor.id.clone());
            }
        }
        (after, pages) = (page.next, pages + 1);
        if after.is_none() {
            break;
        }
    }
    for (actors, gate) in actors.iter().zip(reviewers).filter(|(actors, gate)| !is_enough(actors, gate)) {
        let Reviewers { path, assignee, required } = gate;
        let problem = match actors.len() {
            0 => format!("no active API key with the scope `runs:write` belongs to `{assignee}`"),
            count => format!(
                "{required} different actors of `{assignee}` have to approve, and active API keys with the scope `runs:write` name {count}"
            ),
        };
        warnings.add(path.clone(), problem);
    }
    Ok(())
}

fn is_enough(actors: &BTreeSet<String>, gate: &Reviewers) -> bool {
    actors.len() >= usize::try_from(gate.required).unwrap_or(usize::MAX)
}
