//! Identifiers: a prefix for the kind of the resource, and a ULID, which sorts by creation time.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::time::Time;

/// The kind of resource that an [`Id`] names. The prefix is part of the public contract.
pub trait Kind {
    /// The prefix without its underscore, e.g. `run`.
    const PREFIX: &'static str;
}

/// A prefixed ULID such as `run_01HXY…`. It is made from a time and randomness, or by parsing.
pub struct Id<K> {
    ulid: Ulid,
    kind: PhantomData<fn() -> K>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $prefix:literal => $alias:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $kind {}
        impl Kind for $kind { const PREFIX: &'static str = $prefix; }
        $(#[$doc])*
        pub type $alias = Id<$kind>;
    )*};
}

kinds! {
    /// A flow.
    FlowKind = "flw" => FlowId;
    /// One execution of a flow.
    RunKind = "run" => RunId;
    /// A node's execution within a run.
    StepKind = "stp" => StepId;
    /// An approval: one gate of one run.
    ApprovalKind = "apr" => ApprovalId;
    /// An organisation, the boundary of all data and access.
    OrgKind = "org" => OrgId;
    /// An API key.
    KeyKind = "key" => KeyId;
    /// An event.
    EventKind = "evt" => EventId;
    /// A webhook endpoint.
    EndpointKind = "whe" => EndpointId;
    /// The delivery of an event to an endpoint.
    DeliveryKind = "whd" => DeliveryId;
    /// The session of a browser.
    SessionKind = "ses" => SessionId;
    /// A service connection.
    ConnectionKind = "scn" => ConnectionId;
}

impl<K> Id<K> {
    /// Makes an id at `now` from a random number, of which 80 bits are used.
    pub fn new(now: Time, random: u128) -> Self {
        Self::from_ulid(Ulid::from_parts(now.millis(), random))
    }

    /// Makes an id that is always the same for the same owner, name and time. Steps and approvals have such ids, so that repeating the
    /// work of a crashed invocation gives the same id again.
    pub fn derived<O: Kind>(owner: &Id<O>, name: &str, now: Time) -> Self {
        let mut hash = Sha256::new();
        hash.update(owner.to_string());
        hash.update([0]);
        hash.update(name);
        let digest = hash.finalize();
        let random = digest.iter().take(16).fold(0u128, |sum, byte| (sum << 8) | u128::from(*byte));
        Self::new(now, random)
    }

    /// Returns when the id was made, to the millisecond.
    pub fn created_at(&self) -> Time {
        Time::from_millis(self.ulid.timestamp_ms())
    }

    /// Returns the smallest id that can be made at `at`, as a bound of key ranges.
    pub fn lowest(at: Time) -> Self {
        Self::new(at, 0)
    }

    fn from_ulid(ulid: Ulid) -> Self {
        Self { ulid, kind: PhantomData }
    }
}

/// The number of bits of an id of a run that are always zero, and in an id of an approval say which approval of the run it is: the highest
/// ones of the random part, which are three characters of the text. The other 65 bits are random, for each millisecond.
const PLACE_BITS: u32 = 15;
const PLACE_SHIFT: u32 = 80 - PLACE_BITS;
const PLACE_MASK: u128 = ((1 << PLACE_BITS) - 1) << PLACE_SHIFT;
/// The number of those bits that count the rounds.
const ROUND_BITS: u32 = 7;
/// The most rounds that an id of an approval can count.
pub const MAX_ROUNDS: u32 = 1 << ROUND_BITS;

impl RunId {
    /// Makes the id of a new run at `now` from a random number. Its approvals have ids from which the run is found, see
    /// [`ApprovalId::of_run`].
    pub fn fresh(now: Time, random: u128) -> Self {
        Self::new(now, random & !PLACE_MASK)
    }
}

/// The place of an approval: its run, the position of its node in the spec, and its round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovalPlace {
    /// The run.
    pub run: RunId,
    /// The position of the node in `spec.nodes`, from 0.
    pub position: usize,
    /// The round, from 1.
    pub round: u32,
}

impl ApprovalId {
    /// Returns the id of the approval that a run opens at the node at `position` in this round (from 1). It is always the same, and
    /// [`place`](Self::place) leads back. None if the id of the run has no room for it, because an earlier version made it.
    pub fn of_run(run: &RunId, position: usize, round: u32) -> Option<Self> {
        let bits = u128::from(run.ulid);
        // The position is counted from 1, so that no approval has the ULID of its run.
        let position = u128::try_from(position).ok()? + 1;
        let round = u128::from(round.checked_sub(1).filter(|round| *round < MAX_ROUNDS)?);
        let is_free = bits & PLACE_MASK == 0 && position < 1 << (PLACE_BITS - ROUND_BITS);
        is_free.then(|| Self::from_ulid(Ulid::from(bits | ((position << ROUND_BITS | round) << PLACE_SHIFT))))
    }

    /// Returns the place that the id names if [`of_run`](Self::of_run) has made it. An id that was made otherwise names a place, too, at
    /// which there is no approval with this id.
    pub fn place(&self) -> Option<ApprovalPlace> {
        let bits = u128::from(self.ulid);
        let place = (bits & PLACE_MASK) >> PLACE_SHIFT;
        let position = usize::try_from(place >> ROUND_BITS).ok()?.checked_sub(1)?;
        let round = u32::try_from(place & u128::from(MAX_ROUNDS - 1)).ok()? + 1;
        Some(ApprovalPlace { run: RunId::from_ulid(Ulid::from(bits & !PLACE_MASK)), position, round })
    }
}

/// The error for a text that is not an id of the expected kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be `{prefix}_` and a ULID")]
pub struct BadId {
    prefix: &'static str,
}

impl<K: Kind> FromStr for Id<K> {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId { prefix: K::PREFIX };
        let tail = text.strip_prefix(K::PREFIX).and_then(|tail| tail.strip_prefix('_')).ok_or_else(bad)?;
        let ulid = Ulid::from_string(tail).map_err(|_| bad())?;
        // Crockford's base32 reads `o` as `0` and lower case as upper case; only the canonical text is an id.
        if ulid.to_string() == tail { Ok(Self::from_ulid(ulid)) } else { Err(bad()) }
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", K::PREFIX, self.ulid)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.ulid == other.ulid
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.ulid.cmp(&other.ulid)
    }
}
impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.ulid.hash(state);
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_other_kinds_are_refused() {
        let id = RunId::new(Time::from_millis(1_700_000_000_000), 7);
        assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
        assert!(id.to_string().parse::<FlowId>().is_err());
        assert!(id.to_string().to_lowercase().parse::<RunId>().is_err());
        assert_eq!(id.created_at(), Time::from_millis(1_700_000_000_000));
    }

    #[test]
    fn an_approval_leads_back_to_its_run_and_no_two_of_a_run_are_the_same() {
        let run = RunId::fresh(Time::from_millis(1_700_000_000_000), u128::MAX);
        let mut seen = std::collections::BTreeSet::new();
        for position in [0, 1, 199, 254] {
            for round in [1, 2, MAX_ROUNDS] {
                let id = ApprovalId::of_run(&run, position, round).unwrap();
                assert_eq!(id.place(), Some(ApprovalPlace { run, position, round }));
                assert_eq!(id.to_string().parse::<ApprovalId>(), Ok(id));
                assert_eq!(id.created_at(), run.created_at());
                assert!(seen.insert(id));
            }
        }
        assert_eq!(ApprovalId::of_run(&run, 255, 1), None);
        assert_eq!((ApprovalId::of_run(&run, 0, 0), ApprovalId::of_run(&run, 0, MAX_ROUNDS + 1)), (None, None));
        let by_an_earlier_version = RunId::new(run.created_at(), u128::MAX);
        assert_eq!(ApprovalId::of_run(&by_an_earlier_version, 0, 1), None);
    }

    #[test]
    fn derived_ids_repeat_for_the_same_name_only() {
        let run = RunId::new(Time::from_millis(1), 7);
        let step = |name| StepId::derived(&run, name, run.created_at());
        assert_eq!(step("a"), step("a"));
        assert_ne!(step("a"), step("b"));
    }
}
