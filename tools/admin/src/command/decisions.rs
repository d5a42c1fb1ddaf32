//! `index-decisions`.

use std::error::Error;

use aws_config::SdkConfig;
use domain::id::OrgId;
use domain::ports::Organisations as _;
use engine::DecisionHistory;
use store::{Objects, RunStore, Table};

/// Adds all decisions of an organisation to the history. Returns the number of them.
pub async fn index(table: &Table, aws: &SdkConfig, org: &OrgId) -> Result<String, Box<dyn Error>> {
    table.organisation(org).await?.ok_or_else(|| format!("there is no organisation {org}"))?;
    // A row shows no payload, so the bucket is not read, and retention does not matter.
    let runs = RunStore::new(table.clone(), Objects::new(aws, String::new()), 0);
    let added = DecisionHistory { runs, decisions: table.clone() }.add_all(org).await?;
    Ok(added.values().sum::<u64>().to_string())
}
