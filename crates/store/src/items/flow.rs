//! The items of a flow: its head, its versions, its slug.

use domain::access::RecordedActor;
use domain::flow::{CronTrigger, Flow, FlowStatus, FlowTrigger, Slug, TriggerType, Version};
use domain::id::{FlowId, OrgId};
use domain::json::canonical;
use domain::ports::PortError;
use domain::time::Time;
use serde::{Deserialize, Serialize};

use super::from_text;
use crate::error::corrupt;
use crate::keys;

/// The most bytes of a spec in one item, in bytes. An item may have 400 KB, and a spec 1 MB.
const PART_BYTES: usize = 350_000;

/// The head of a flow. All that can change is in its row of the index `lists`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlowItem {
    pk: String,
    /// The index does not project it.
    #[serde(default)]
    sk: String,
    list_pk: String,
    list_row: FlowRow,
    /// Only on a flow that the clock is to start: the index `outbox` sorts by the next due time.
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_sk: Option<String>,
    /// Who changed the flow last. The index does not project it, and items of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_by: Option<RecordedActor>,
    /// Who changed the trigger last; absent where `updated_by` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trigger_changed_by: Option<RecordedActor>,
}

/// The row of a flow in the index `lists`, which projects this one attribute. What the keys of the row say is not repeated.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FlowRow {
    slug: Slug,
    name: String,
    description: String,
    status: String,
    trigger_type: String,
    version: u32,
    created_at: Time,
    updated_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron_timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cron_run_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_cron_run_at: Option<Time>,
}

impl FlowItem {
    pub(crate) fn of(flow: &Flow) -> Self {
        let next = flow.trigger.cron().and_then(|cron| cron.next_run_at);
        Self {
            pk: keys::flow(&flow.org, &flow.id),
            sk: keys::FLOW.to_owned(),
            list_pk: keys::flow_list(&flow.org),
            list_row: FlowRow::of(flow),
            outbox_pk: next.map(|_| keys::cron(&flow.id)),
            outbox_sk: next.map(|next| keys::cron_due(next, &flow.org, &flow.id)),
            updated_by: flow.updated_by.clone(),
            trigger_changed_by: flow.trigger_changed_by.clone(),
        }
    }

    pub(crate) fn into_flow(self) -> Result<Flow, PortError> {
        let (org, id) = keys::parse_flow(&self.pk).ok_or_else(|| corrupt(format!("flow key `{}`", self.pk)))?;
        let row = self.list_row;
        let trigger = row.trigger().ok_or_else(|| corrupt(format!("trigger `{}` of flow {id}", row.trigger_type)))?;
        Ok(Flow {
            id,
            org,
            slug: row.slug,
            name: row.name,
            description: row.description,
            status: FlowStatus::from_name(&row.status).ok_or_else(|| corrupt(format!("flow status `{}`", row.status)))?,
            trigger,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            updated_by: self.updated_by,
            trigger_changed_by: self.trigger_changed_by,
        })
    }
}

impl FlowRow {
    fn of(flow: &Flow) -> Self {
        let cron = flow.trigger.cron();
        Self {
            slug: flow.slug.clone(),
            name: flow.name.clone(),
            description: flow.description.clone(),
            status: flow.status.to_string(),
            trigger_type: flow.trigger.kind().to_string(),
            version: flow.version,
            created_at: flow.created_at,
            updated_at: flow.updated_at,
            webhook_token: flow.trigger.webhook_token().map(ToString::to_string),
            cron_expression: cron.map(|cron| cron.expression.clone()),
            cron_timezone: cron.map(|cron| cron.timezone.clone()),
            cron_enabled: cron.map(|cron| cron.enabled),
            next_cron_run_at: cron.and_then(|cron| cron.next_run_at),
            last_cron_run_at: cron.and_then(|cron| cron.last_run_at),
        }
    }

    fn trigger(&self) -> Option<FlowTrigger> {
        Some(match TriggerType::from_name(&self.trigger_type)? {
            TriggerType::Api => FlowTrigger::Api,
            TriggerType::Webhook => FlowTrigger::Webhook(self.webhook_token.as_ref()?.parse().ok()?),
            TriggerType::Cron => FlowTrigger::Cron(CronTrigger {
                expression: self.cron_expression.clone()?,
                timezone: self.cron_timezone.clone()?,
                enabled: self.cron_enabled?,
                next_run_at: self.next_cron_run_at,
                last_run_at: self.last_cron_run_at,
            }),
        })
    }
}

/// A version of a flow, or a part of one whose spec does not fit into one item.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionItem {
    pk: String,
    sk: String,
    flow: FlowId,
    org: OrgId,
    number: u32,
    slug: Slug,
    name: String,
    created_at: Time,
    /// Only in the first item of a version. Versions of earlier deployments do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<RecordedActor>,
    spec: String,
}

impl VersionItem {
    /// Returns the items of a version: one, or several that hold a part of the spec each.
    pub(crate) fn parts_of(version: &Version) -> Vec<Self> {
        let text = canonical(&version.spec);
        let mut rest = text.as_str();
        let mut parts = Vec::new();
        while parts.is_empty() || !rest.is_empty() {
            let mut cut = rest.len().min(PART_BYTES);
            while !rest.is_char_boundary(cut) {
                cut -= 1;
            }
            let (spec, after) = rest.split_at(cut);
            parts.push(Self {
                pk: keys::flow(&version.org, &version.flow),
                sk: if parts.is_empty() { keys::version(version.number) } else { keys::version_part(version.number, parts.len()) },
                flow: version.flow,
                org: version.org,
                number: version.number,
                slug: version.slug.clone(),
                name: version.name.clone(),
                created_at: version.created_at,
                created_by: version.created_by.clone().filter(|_| parts.is_empty()),
                spec: spec.to_owned(),
            });
            rest = after;
        }
        parts
    }

    /// Returns the version of which these are all items, in order. `None` if there are none.
    pub(crate) fn join(parts: Vec<Self>) -> Result<Option<Version>, PortError> {
        let text: String = parts.iter().map(|part| part.spec.as_str()).collect();
        let Some(first) = parts.into_iter().next() else { return Ok(None) };
        Ok(Some(Version {
            flow: first.flow,
            org: first.org,
            number: first.number,
            slug: first.slug,
            name: first.name,
            spec: from_text(&text)?,
            created_at: first.created_at,
            created_by: first.created_by,
        }))
    }
}

/// Holds a slug for a flow, so that no other flow of the organisation gets it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlugItem {
    pk: String,
    sk: String,
    pub(crate) flow: FlowId,
}

impl SlugItem {
    pub(crate) fn of(flow: &Flow) -> Self {
        Self { pk: keys::slug(&flow.org, &flow.slug), sk: keys::SLUG.to_owned(), flow: flow.id }
    }
}
