//! A flow as a caller sends it: a new flow, or changes to one.

use serde_json::{Map, Value};

use super::dependencies::Dependencies;
use super::head::{Flow, FlowStatus};
use super::known_models::KnownModels;
use super::limits::MAX_SPEC_BYTES;
use super::object_reader::ObjectReader;
use super::spec::Spec;
use super::trigger_draft::TriggerDraft;
use super::version::Version;
use crate::id::{FlowId, OrgId};
use crate::json::canonical;
use crate::name::Slug;
use crate::problem::FieldErrors;
use crate::time::Time;
use crate::trigger::{FlowTrigger, WebhookToken};

/// The most bytes that the body of a flow may have: the spec, and the fields around it.
pub const MAX_BODY_BYTES: usize = MAX_SPEC_BYTES + 64 * 1024;
const MAX_NAME_CHARS: usize = 200;
const MAX_DESCRIPTION_CHARS: usize = 4_000;

/// The fields of a flow that were sent. Each is valid by itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    slug: Option<Slug>,
    name: Option<String>,
    description: Option<String>,
    status: Option<FlowStatus>,
    trigger: TriggerDraft,
    spec: Option<Value>,
    warnings: FieldErrors,
    dependencies: Dependencies,
}

impl Draft {
    /// Reads the body of a new flow, whose slug, name and spec are required. Fails with all problems at once, each at its path; a model that
    /// the deployment does not have is one.
    pub fn parse_new(body: &Map<String, Value>, models: &KnownModels) -> Result<Self, FieldErrors> {
        Self::read(body, &["slug", "name", "spec"], true, models)
    }

    /// Reads changes to a flow. Fails as [`parse_new`](Self::parse_new) does.
    pub fn parse_changes(body: &Map<String, Value>, models: &KnownModels) -> Result<Self, FieldErrors> {
        Self::read(body, &[], false, models)
    }

    /// Returns what may make some runs of the flow fail, each at its path. It does not keep the flow from being saved.
    pub fn warnings(&self) -> &FieldErrors {
        &self.warnings
    }

    /// Returns what the spec that was sent names outside of itself; nothing without a spec.
    pub fn dependencies(&self) -> &Dependencies {
        &self.dependencies
    }

    fn read(body: &Map<String, Value>, required: &[&'static str], is_new: bool, models: &KnownModels) -> Result<Self, FieldErrors> {
        let (mut errors, mut warnings, mut dependencies) = (FieldErrors::new(), FieldErrors::new(), Dependencies::default());
        let mut fields = ObjectReader::of_body(body, &mut errors);
        for name in required {
            fields.required(name);
        }
        let slug = fields.parse_optional("slug");
        let name = text(&mut fields, "name", MAX_NAME_CHARS).inspect(|name| {
            if name.trim().is_empty() {
                fields.problem("name", "must not be empty");
            }
        });
        let description = text(&mut fields, "description", MAX_DESCRIPTION_CHARS);
        let status = fields.optional_string("status").and_then(|text| {
            let status = FlowStatus::from_name(text);
            if status.is_none() {
                fields.problem("status", "must be one of active, draft, paused");
            }
            status
        });
        let trigger = TriggerDraft::read(&mut fields, is_new);
        let spec = fields.optional("spec");
        if let Some(spec) = spec {
            let bytes = canonical(spec).len();
            if bytes > MAX_SPEC_BYTES {
                fields.problem("spec", format!("has {bytes} bytes; a spec may have at most {MAX_SPEC_BYTES}"));
            } else {
                match Spec::parse_with_warnings(spec) {
                    Ok((parsed, found)) => (warnings, dependencies) = (found, parsed.dependencies()),
                    Err(problems) => fields.errors.extend(problems),
                }
                fields.errors.extend(models.problems(spec));
            }
        }
        let draft = Self { slug, name, description, status, trigger, spec: spec.cloned(), warnings, dependencies };
        fields.finish();
        errors.into_result(draft)
    }

    /// Returns the draft as a new flow, which is active unless the draft says otherwise. `fresh` is the token to use if it has a webhook.
    pub fn into_flow(self, id: FlowId, org: OrgId, fresh: WebhookToken, now: Time) -> Result<(Flow, Version), FieldErrors> {
        let mut errors = FieldErrors::new();
        for (field, is_missing) in [("slug", self.slug.is_none()), ("name", self.name.is_none()), ("spec", self.spec.is_none())] {
            if is_missing {
                errors.add(field, "is required");
            }
        }
        let (Some(slug), Some(name), Some(spec)) = (self.slug, self.name, self.spec) else { return Err(errors) };
        let status = self.status.unwrap_or(FlowStatus::Active);
        let flow = Flow {
            id,
            org,
            slug,
            name,
            description: self.description.unwrap_or_default(),
            status,
            trigger: self.trigger.applied_to(&FlowTrigger::Api, status, fresh, now)?,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let version = version_of(&flow, spec, now);
        Ok((flow, version))
    }

    /// Returns the flow with the changes, and a new version if the spec differs from `current`. `fresh` is the token to use if the trigger
    /// becomes a webhook.
    pub fn applied_to(
        self,
        before: &Flow,
        current: &Version,
        fresh: WebhookToken,
        now: Time,
    ) -> Result<(Flow, Option<Version>), FieldErrors> {
        if self.slug.is_some_and(|slug| slug != before.slug) {
            return Err(FieldErrors::one("slug", "cannot be changed: URLs contain it; create another flow instead"));
        }
        let status = self.status.unwrap_or(before.status);
        let mut flow = Flow {
            name: self.name.unwrap_or_else(|| before.name.clone()),
            description: self.description.unwrap_or_else(|| before.description.clone()),
            status,
            trigger: self.trigger.applied_to(&before.trigger, status, fresh, now)?,
            ..before.clone()
        };
        let spec = self.spec.filter(|spec| *spec != current.spec);
        if spec.is_none() && flow == *before {
            return Ok((flow, None));
        }
        flow.updated_at = now;
        let version = spec.map(|spec| {
            flow.version += 1;
            version_of(&flow, spec, now)
        });
        Ok((flow, version))
    }
}

fn text(fields: &mut ObjectReader<'_>, name: &'static str, max_chars: usize) -> Option<String> {
    let text = fields.optional_string(name)?;
    if text.chars().count() > max_chars {
        fields.problem(name, format!("must have at most {max_chars} characters"));
    }
    Some(text.to_owned())
}

fn version_of(flow: &Flow, spec: Value, now: Time) -> Version {
    Version { flow: flow.id, org: flow.org, number: flow.version, slug: flow.slug.clone(), name: flow.name.clone(), spec, created_at: now }
}
