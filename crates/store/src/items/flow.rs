//! Flows, their versions, slugs.

use domain::flow::{CronTrigger, Flow, FlowStatus, FlowTrigger, Slug, TriggerType, Version};
use domain::id::{FlowId, OrgId};
use domain::json::canonical;
use domain::ports::PortError;
use domain::time::Time;
use serde::{Deserialize, Serialize};

use super::from_text;
use crate::error::corrupt;
use crate::keys;

/// An item may have 400 KB; a spec may have 1 MB.
const PART_BYTES: usize = 350_000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlowItem {
    pk: String,
    sk: String,
    slug: Slug,
    name: String,
    description: String,
    /// Not called `status`: the index projects attributes by name, and of runs it knows the status by the key.
    flow_status: String,
    trigger_type: String,
    version: u32,
    created_at: Time,
    updated_at: Time,
    list_pk: String,
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
    /// Only on a flow that the clock is to start: the index `outbox` knows it by its next due time.
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_sk: Option<String>,
}

impl FlowItem {
    pub(crate) fn of(flow: &Flow) -> Self {
        let cron = flow.trigger.cron();
        let next = cron.and_then(|cron| cron.next_run_at);
        Self {
            pk: keys::flow(&flow.org, &flow.id),
            sk: keys::FLOW.to_owned(),
            slug: flow.slug.clone(),
            name: flow.name.clone(),
            description: flow.description.clone(),
            flow_status: flow.status.to_string(),
            trigger_type: flow.trigger.kind().to_string(),
            version: flow.version,
            created_at: flow.created_at,
            updated_at: flow.updated_at,
            list_pk: keys::flow_list(&flow.org),
            webhook_token: flow.trigger.webhook_token().map(ToString::to_string),
            cron_expression: cron.map(|cron| cron.expression.clone()),
            cron_timezone: cron.map(|cron| cron.timezone.clone()),
            cron_enabled: cron.map(|cron| cron.enabled),
            next_cron_run_at: next,
            last_cron_run_at: cron.and_then(|cron| cron.last_run_at),
            outbox_pk: next.map(|_| keys::cron(&flow.id)),
            outbox_sk: next.map(|next| keys::cron_due(next, &flow.org, &flow.id)),
        }
    }

    pub(crate) fn into_flow(self) -> Result<Flow, PortError> {
        // An index projects 20 attributes at most, so what the key says is not said again.
        let (org, id) = keys::parse_flow(&self.pk).ok_or_else(|| corrupt(format!("flow key `{}`", self.pk)))?;
        let trigger = self.trigger().ok_or_else(|| corrupt(format!("trigger `{}` of flow {id}", self.trigger_type)))?;
        Ok(Flow {
            id,
            org,
            slug: self.slug,
            name: self.name,
            description: self.description,
            status: FlowStatus::from_name(&self.flow_status).ok_or_else(|| corrupt(format!("flow status `{}`", self.flow_status)))?,
            trigger,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
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
    spec: String,
}

impl VersionItem {
    /// One item, or several that share the spec between them.
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
                spec: spec.to_owned(),
            });
            rest = after;
        }
        parts
    }

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
        }))
    }
}

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
