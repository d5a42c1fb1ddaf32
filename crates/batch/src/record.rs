//! A record of the stream.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use serde::Serialize;
use serde_dynamo::{AttributeValue, Item};

/// The principal that deletes items whose time to live is over.
const TTL_PRINCIPAL: &str = "dynamodb.amazonaws.com";

/// Which record of the stream it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The partition key of the item.
    pub pk: String,
    /// The sort key of the item.
    pub sk: String,
    /// What happened to the item: `INSERT`, `MODIFY` or `REMOVE`.
    pub event_name: String,
    /// The place in the shard. Lambda names failures by it.
    pub sequence_number: String,
    /// The id of the record, unique in the stream.
    pub event_id: String,
}

/// A change of one item of the table.
#[derive(Debug)]
pub struct Record {
    /// Which record it is.
    pub position: Position,
    /// Whether DynamoDB deleted the item because its time to live was over.
    pub is_expiry: bool,
    /// The item before the change. `None` if there was none.
    pub old_image: Option<Item>,
    /// The item after the change. `None` if there is none any more.
    pub new_image: Option<Item>,
}

/// Returns the records of a batch, in order.
pub fn read(event: Event) -> impl Iterator<Item = Record> {
    event.records.into_iter().map(Record::from)
}

impl From<EventRecord> for Record {
    fn from(record: EventRecord) -> Self {
        let key = |name: &str| match record.change.keys.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => String::new(),
        };
        let position = Position {
            pk: key("pk"),
            sk: key("sk"),
            event_name: record.event_name,
            sequence_number: record.change.sequence_number.unwrap_or_default(),
            event_id: record.event_id,
        };
        // An image that is absent reads as one without attributes; an item has its keys at least.
        let image = |image: Item| Some(image).filter(|image| !image.is_empty());
        Self {
            position,
            is_expiry: record.user_identity.is_some_and(|identity| identity.principal_id == TTL_PRINCIPAL),
            old_image: image(record.change.old_image),
            new_image: image(record.change.new_image),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sample: &str) -> Record {
        read(serde_json::from_str(sample).unwrap()).next().unwrap()
    }

    #[test]
    fn a_record_has_its_keys_and_its_images() {
        let expired = record(include_str!("../../../events/purge-outputs/a-step-expired.json"));
        assert_eq!(expired.position.sk, "STEP#draft");
        assert_eq!(expired.position.event_name, "REMOVE");
        assert!(expired.is_expiry && expired.old_image.is_some() && expired.new_image.is_none());
        let changed = record(include_str!("../../../events/purge-outputs/a-run-ended-after-four-days.json"));
        assert_eq!((changed.position.sk.as_str(), changed.position.event_name.as_str()), ("RUN", "MODIFY"));
        assert!(!changed.is_expiry && changed.new_image.is_some());
        assert!(!changed.position.sequence_number.is_empty() && !changed.position.event_id.is_empty());
    }
}
