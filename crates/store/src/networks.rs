//! The private ranges that are open to an organisation: a set in its item, to which ranges are added and from which they are removed.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::OrgId;
use domain::network::{PrivateNetworkSwitch, PrivateNetworks, PrivateRange};
use domain::ports::PortError;

use crate::{Table, error, keys};

const PRIVATE_RANGES: &str = "privateRanges";

impl PrivateNetworks for Table {
    async fn private_ranges(&self, org: &OrgId) -> Result<Vec<PrivateRange>, PortError> {
        let request = self.get_request(keys::organisation(org), keys::ORG);
        // Strongly consistent: a range that was closed is closed. The policy allows to read this attribute and no other.
        let request = request.consistent_read(true).projection_expression(PRIVATE_RANGES);
        let item = request.send().await.map_err(error::port)?.item.unwrap_or_default();
        let Some(value) = item.get(PRIVATE_RANGES) else { return Ok(Vec::new()) };
        let texts = value.as_ss().map_err(|value| error::corrupt(format!("{PRIVATE_RANGES} {value:?} of {org}")))?;
        let ranges = texts.iter().map(|range| range.parse().map_err(|why| error::corrupt(format!("range `{range}` of {org} {why}"))));
        let mut ranges: Vec<PrivateRange> = ranges.collect::<Result<_, _>>()?;
        ranges.sort();
        Ok(ranges)
    }
}

impl PrivateNetworkSwitch for Table {
    async fn open_range(&self, org: &OrgId, range: &PrivateRange) -> Result<(), PortError> {
        self.update_ranges(org, "ADD", range).await
    }

    async fn close_range(&self, org: &OrgId, range: &PrivateRange) -> Result<(), PortError> {
        self.update_ranges(org, "DELETE", range).await
    }
}

impl Table {
    async fn update_ranges(&self, org: &OrgId, verb: &str, range: &PrivateRange) -> Result<(), PortError> {
        let request = self.update_request(keys::organisation(org), keys::ORG);
        request
            .update_expression(format!("{verb} {PRIVATE_RANGES} :range"))
            .expression_attribute_values(":range", AttributeValue::Ss(vec![range.to_string()]))
            .send()
            .await
            .map_err(error::port)?;
        Ok(())
    }
}
