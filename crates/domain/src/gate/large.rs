//! The payloads of a gate that are kept in object storage because the record has no room for them.
//!
//! A record has room for 400 KB: 100 for the proposed action and its data, 100 for the edited or the decided action and the patch to it,
//! and the rest for twenty votes with their notes. A gate never has an edited action and a decided one that is not the proposed one.

use serde_json::Value;

use super::record::{Gate, Outcome};
use crate::json::canonical;
use crate::payload::{MAX_INLINE_BYTES, Payload};

/// A payload of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The proposed action.
    ProposedAction,
    /// The data that the reviewer sees with it.
    Data,
    /// The edited action that the votes are for.
    EditedAction,
    /// The decided action, if it is not the proposed one.
    DecidedAction,
}

impl Gate {
    /// Returns the payloads that are in object storage, or have to be moved there before the record can be written.
    pub fn offloaded(&self) -> Vec<(Part, Payload)> {
        let asked = [(Part::ProposedAction, Some(&self.proposed_action)), (Part::Data, self.data.as_ref())];
        let overridden = self.outcome.as_ref().filter(|outcome| !outcome.is_as_proposed());
        let decided = [(Part::DecidedAction, overridden.map(|outcome| &outcome.decided_action))];
        let edited = [(Part::EditedAction, self.edited.as_ref().map(|edited| &edited.action))];
        let bytes = |patch: Option<&Value>| patch.map_or(0, |patch| canonical(patch).len());
        let mut offloaded = too_large(&asked, 0);
        offloaded.extend(too_large(&edited, bytes(self.edited.as_ref().and_then(|edited| edited.patch.as_ref()))));
        offloaded.extend(too_large(&decided, bytes(self.outcome.as_ref().and_then(|outcome| outcome.patch.as_ref()))));
        offloaded
    }

    /// Replaces a payload by another one with the same bytes.
    pub fn put(&mut self, part: Part, payload: Payload) {
        match (part, &mut self.outcome) {
            (Part::ProposedAction, outcome) => {
                if let Some(Outcome { decided_action, .. }) = outcome.as_mut().filter(|outcome| outcome.is_as_proposed()) {
                    decided_action.clone_from(&payload);
                }
                self.proposed_action = payload;
            }
            (Part::Data, _) => self.data = Some(payload),
            (Part::EditedAction, _) => {
                if let Some(edited) = &mut self.edited {
                    edited.action = payload;
                }
            }
            (Part::DecidedAction, Some(outcome)) => outcome.decided_action = payload,
            (Part::DecidedAction, None) => {}
        }
    }

    /// Returns whether the record has room for all payloads that are still inline.
    pub fn fits(&self) -> bool {
        self.offloaded().iter().all(|(_, payload)| payload.value().is_none())
    }
}

/// Returns the payloads that are offloaded already, and as many of the others, the largest first, as it takes for the rest to have room
/// together with `other_bytes`.
fn too_large(parts: &[(Part, Option<&Payload>)], other_bytes: usize) -> Vec<(Part, Payload)> {
    let parts = parts.iter().filter_map(|(part, payload)| Some((*part, (*payload)?)));
    let (inline, mut offloaded): (Vec<_>, Vec<_>) = parts.partition(|(_, payload)| payload.value().is_some());
    let mut inline: Vec<_> = inline.into_iter().map(|(part, payload)| (payload.bytes(), part, payload)).collect();
    inline.sort_by_key(|(bytes, ..)| std::cmp::Reverse(*bytes));
    let mut bytes = other_bytes + inline.iter().map(|(bytes, ..)| bytes).sum::<usize>();
    for (size, part, payload) in inline {
        if bytes > MAX_INLINE_BYTES {
            bytes -= size;
            offloaded.push((part, payload));
        }
    }
    offloaded.into_iter().map(|(part, payload)| (part, payload.clone())).collect()
}
