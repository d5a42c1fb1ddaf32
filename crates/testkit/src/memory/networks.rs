//! Open private ranges in memory.

use domain::id::OrgId;
use domain::network::{PrivateNetworkSwitch, PrivateNetworks, PrivateRange};
use domain::ports::PortError;

use super::Memory;

impl PrivateNetworks for Memory {
    async fn private_ranges(&self, org: &OrgId) -> Result<Vec<PrivateRange>, PortError> {
        let open = || Ok(self.state().private_ranges.get(org).into_iter().flatten().copied().collect());
        self.faults.read("private_ranges", open).await
    }
}

impl PrivateNetworkSwitch for Memory {
    async fn open_range(&self, org: &OrgId, range: &PrivateRange) -> Result<(), PortError> {
        let open = || {
            self.state().private_ranges.entry(*org).or_default().insert(*range);
            Ok(())
        };
        self.faults.call("open_range", true, open).await
    }

    async fn close_range(&self, org: &OrgId, range: &PrivateRange) -> Result<(), PortError> {
        let close = || {
            self.state().private_ranges.entry(*org).or_default().remove(range);
            Ok(())
        };
        self.faults.call("close_range", true, close).await
    }
}
