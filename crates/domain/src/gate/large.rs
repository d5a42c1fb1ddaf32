//! What of a gate lies beside its record, because the record would not have room for it.
//!
//! A record has room for 400 KB: 100 for the proposed action and its data, 100 for the decided action and the patch to it, and
//! the rest for twenty votes with their notes.

use super::{Gate, Outcome};
use crate::json::canonical;
use crate::step::{MAX_INLINE_BYTES, Payload};

/// A payload of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The proposed action.
    ProposedAction,
    /// What the reviewer sees beside it.
    Data,
    /// The decided action, if it is not the proposed one.
    DecidedAction,
}

impl Gate {
    /// The payloads that lie beside the record, or have to before it can be written.
    pub fn beside(&self) -> Vec<(Part, Payload)> {
        let asked = [(Part::ProposedAction, Some(&self.proposed_action)), (Part::Data, self.data.as_ref())];
        let overridden = self.outcome.as_ref().filter(|outcome| !outcome.is_as_proposed());
        let decided = [(Part::DecidedAction, overridden.map(|outcome| &outcome.decided_action))];
        let patch_bytes = self.outcome.as_ref().and_then(|outcome| outcome.patch.as_ref()).map_or(0, |patch| canonical(patch).len());
        let mut beside = too_large(&asked, 0);
        beside.extend(too_large(&decided, patch_bytes));
        beside
    }

    /// Puts a payload in the place of another one with the same bytes.
    pub fn put(&mut self, part: Part, payload: Payload) {
        match (part, &mut self.outcome) {
            (Part::ProposedAction, outcome) => {
                if let Some(Outcome { decided_action, .. }) = outcome.as_mut().filter(|outcome| outcome.is_as_proposed()) {
                    decided_action.clone_from(&payload);
                }
                self.proposed_action = payload;
            }
            (Part::Data, _) => self.data = Some(payload),
            (Part::DecidedAction, Some(outcome)) => outcome.decided_action = payload,
            (Part::DecidedAction, None) => {}
        }
    }

    /// Whether its record can be written.
    pub fn fits(&self) -> bool {
        self.beside().iter().all(|(_, payload)| payload.value().is_none())
    }
}

/// Those that lie beside the record already, and so many of the others, the largest first, that what is left has room
/// together with `other_bytes`.
fn too_large(parts: &[(Part, Option<&Payload>)], other_bytes: usize) -> Vec<(Part, Payload)> {
    let parts = parts.iter().filter_map(|(part, payload)| Some((*part, (*payload)?)));
    let (inline, mut beside): (Vec<_>, Vec<_>) = parts.partition(|(_, payload)| payload.value().is_some());
    let mut inline: Vec<_> = inline.into_iter().map(|(part, payload)| (payload.bytes(), part, payload)).collect();
    inline.sort_by_key(|(bytes, ..)| std::cmp::Reverse(*bytes));
    let mut bytes = other_bytes + inline.iter().map(|(bytes, ..)| bytes).sum::<usize>();
    for (size, part, payload) in inline {
        if bytes > MAX_INLINE_BYTES {
            bytes -= size;
            beside.push((part, payload));
        }
    }
    beside.into_iter().map(|(part, payload)| (part, payload.clone())).collect()
}
