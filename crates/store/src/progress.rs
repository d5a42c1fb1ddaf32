//! A run's progress in as few bytes as possible: the run item is written once for every node, and a write unit ends at 1 KB.
//!
//! One character for each node is its status and its exit. What most nodes do not have (several attempts, a case, a time) is in a map
//! of marks, by position.

use std::collections::BTreeMap;

use domain::run::{Exit, NodeState, NodeStatus, Progress};
use domain::time::Time;
use serde::{Deserialize, Serialize};

/// What the character of a node does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The case that a decision took.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    case: Option<u16>,
    /// The number of attempts, if it is not what the character implies.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    /// When the first attempt began, in milliseconds since the Unix epoch.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    started_at: Option<u64>,
    /// When the next attempt or the deadline is due, in milliseconds since the Unix epoch.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    due: Option<u64>,
}

pub(crate) type Marks = BTreeMap<String, Mark>;

const LETTERS: [(char, NodeStatus, Exit); 12] = [
    ('.', NodeStatus::Pending, Exit::Normal),
    ('r', NodeStatus::Running, Exit::Normal),
    ('a', NodeStatus::AwaitingApproval, Exit::Normal),
    ('s', NodeStatus::Succeeded, Exit::Normal),
    ('j', NodeStatus::Succeeded, Exit::Rejected),
    ('t', NodeStatus::Succeeded, Exit::Expired),
    ('c', NodeStatus::Succeeded, Exit::Case(0)),
    ('f', NodeStatus::Failed, Exit::Normal),
    ('e', NodeStatus::Failed, Exit::Error),
    ('x', NodeStatus::Cancelled, Exit::Normal),
    ('k', NodeStatus::Skipped, Exit::Normal),
    // No rule produces it. It is here so that every state has a letter.
    ('?', NodeStatus::Succeeded, Exit::Error),
];

fn implied_attempts(status: NodeStatus) -> u32 {
    match status {
        NodeStatus::Pending | NodeStatus::Skipped | NodeStatus::Cancelled => 0,
        _ => 1,
    }
}

/// Returns the letters of all nodes, and the marks of those that need them.
pub(crate) fn encode(progress: &Progress) -> (String, Marks) {
    let mut marks = Marks::new();
    let letters = progress.states().iter().enumerate().map(|(position, state)| {
        let (exit, case) = match state.exit {
            Exit::Case(case) => (Exit::Case(0), Some(case)),
            other => (other, None),
        };
        let mark = Mark {
            case,
            attempts: Some(state.attempts).filter(|attempts| *attempts != implied_attempts(state.status)),
            started_at: state.started_at.map(Time::millis),
            due: state.due.map(Time::millis),
        };
        if mark != Mark::default() {
            marks.insert(position.to_string(), mark);
        }
        LETTERS.iter().find(|(_, status, way)| (*status, *way) == (state.status, exit)).map_or('?', |(letter, ..)| *letter)
    });
    let letters = letters.collect();
    (letters, marks)
}

/// Returns the progress that [`encode`] made letters and marks of. `None` if a letter is unknown.
pub(crate) fn decode(letters: &str, marks: &Marks) -> Option<Progress> {
    let states = letters.chars().enumerate().map(|(position, letter)| {
        let (_, status, exit) = LETTERS.iter().find(|(known, ..)| *known == letter)?;
        let mark = marks.get(&position.to_string()).cloned().unwrap_or_default();
        Some(NodeState {
            status: *status,
            exit: mark.case.map_or(*exit, Exit::Case),
            attempts: mark.attempts.unwrap_or(implied_attempts(*status)),
            started_at: mark.started_at.map(Time::from_millis),
            due: mark.due.map(Time::from_millis),
        })
    });
    states.collect::<Option<Vec<_>>>().map(Progress::from_states)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_reads_back() {
        let times = [None, Some(Time::from_millis(1_700_000_000_123))];
        let mut states = Vec::new();
        for (letter, status, exit) in LETTERS {
            for exit in if letter == 'c' { vec![Exit::Case(0), Exit::Case(3), Exit::Case(u16::MAX)] } else { vec![exit] } {
                for attempts in 0..3 {
                    for started_at in times {
                        for due in times {
                            states.push(NodeState { status, exit, attempts, started_at, due });
                        }
                    }
                }
            }
        }
        let progress = Progress::from_states(states);
        let (letters, marks) = encode(&progress);
        assert_eq!(decode(&letters, &marks), Some(progress));
    }

    #[test]
    fn an_ordinary_finished_node_takes_one_byte() {
        let done = NodeState { status: NodeStatus::Succeeded, attempts: 1, ..NodeState::PENDING };
        assert_eq!(encode(&Progress::from_states(vec![done; 200])), ("s".repeat(200), Marks::new()));
    }
}
