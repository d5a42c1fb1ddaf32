//! Whether a value that satisfies a JSON Schema can have a path.

use serde_json::Value;

/// Whether a path can exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// It cannot exist.
    Impossible,
    /// It can exist, and nothing mentions it.
    Unmentioned,
    /// It can exist.
    Possible,
}

/// The most steps of one check; references can be circular.
const MAX_STEPS: usize = 200;

/// Returns whether a value that satisfies `schema` can have something at `segments`.
pub(super) fn reach(schema: &Value, segments: &[String]) -> Reach {
    Walk { root: schema, steps: MAX_STEPS }.reach(schema, segments)
}

struct Walk<'a> {
    root: &'a Value,
    steps: usize,
}

impl Walk<'_> {
    fn reach(&mut self, schema: &Value, segments: &[String]) -> Reach {
        let Some(steps) = self.steps.checked_sub(1) else { return Reach::Possible };
        self.steps = steps;
        let Some((segment, below)) = segments.split_first() else { return Reach::Possible };
        let fields = match schema {
            Value::Bool(false) => return Reach::Impossible,
            Value::Object(fields) => fields,
            _ => return Reach::Unmentioned,
        };
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.cloned().map_or(Reach::Possible, |target| self.reach(&target, segments));
        }
        let mut reached = self.own(fields, segment, below);
        // All of them hold, so the narrowest decides; what one of them mentions is mentioned.
        for part in fields.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let other = self.reach(part, segments);
            reached = if other == Reach::Impossible || reached == Reach::Impossible { Reach::Impossible } else { reached.max(other) };
        }
        for word in ["anyOf", "oneOf"] {
            if let Some(parts) = fields.get(word).and_then(Value::as_array) {
                let widest = parts.iter().map(|part| self.reach(part, segments)).max().unwrap_or(Reach::Unmentioned);
                reached = if widest == Reach::Impossible || reached == Reach::Impossible { Reach::Impossible } else { reached.max(widest) };
            }
        }
        reached
    }

    /// Looks at the keywords that describe the value itself.
    fn own(&mut self, fields: &serde_json::Map<String, Value>, segment: &str, below: &[String]) -> Reach {
        let allows = |name: &str| match fields.get("type") {
            None => true,
            Some(Value::Array(types)) => types.iter().any(|one| one == name),
            Some(one) => one == name,
        };
        let object = if allows("object") { self.in_object(fields, segment, below) } else { Reach::Impossible };
        let is_index = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
        let array = if allows("array") && is_index { self.in_array(fields, segment, below) } else { Reach::Impossible };
        object.max(array)
    }

    fn in_object(&mut self, fields: &serde_json::Map<String, Value>, segment: &str, below: &[String]) -> Reach {
        if let Some(schema) = fields.get("properties").and_then(|properties| properties.get(segment)) {
            return self.reach(schema, below);
        }
        if fields.contains_key("patternProperties") {
            return Reach::Possible;
        }
        match fields.get("additionalProperties") {
            Some(Value::Bool(false)) => Reach::Impossible,
            Some(schema) if schema.is_object() => self.reach(schema, below),
            _ => Reach::Unmentioned,
        }
    }

    fn in_array(&mut self, fields: &serde_json::Map<String, Value>, segment: &str, below: &[String]) -> Reach {
        let prefix = fields.get("prefixItems").and_then(Value::as_array);
        let at = segment.parse::<usize>().ok();
        if let Some(schema) = prefix.zip(at).and_then(|(prefix, at)| prefix.get(at)) {
            return self.reach(schema, below);
        }
        match fields.get("items") {
            Some(items) if !items.is_array() => self.reach(items, below),
            _ => Reach::Unmentioned,
        }
    }
}
