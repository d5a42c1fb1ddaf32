//! Stores an event and its deliveries.

use domain::ports::{Deliveries, PortError};
use domain::webhook::{Delivery, Event};

/// Writes an event, and then its deliveries, so that a delivery that exists has something to deliver. What exists already stays as it
/// is.
pub(crate) async fn save(webhooks: &impl Deliveries, event: &Event, deliveries: &[Delivery]) -> Result<(), PortError> {
    webhooks.put_event(event).await?;
    for delivery in deliveries {
        webhooks.put_delivery(delivery).await?;
    }
    Ok(())
}
