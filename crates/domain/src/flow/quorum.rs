//! Quorums: how many people must approve an action, and from which groups they must come.

use serde::{Deserialize, Serialize, Serializer};

use crate::access::{Actor, Assignee};

/// The most approvals that a gate may require.
pub const MAX_APPROVALS: u32 = 20;

/// The approvals that a gate requires. Each of them is a *place*, and every vote fills one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quorum {
    /// This number of people, whoever may decide.
    Of(u32),
    /// People from each of these groups. No group is there twice.
    From(Vec<Places>),
}

/// The places of a quorum that one group fills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// The group: a role, a team, or one actor.
    pub from: Assignee,
    /// The number of people.
    pub count: u32,
}

impl Default for Quorum {
    /// Returns the quorum of a gate that says nothing: one person.
    fn default() -> Self {
        Self::Of(1)
    }
}

impl Quorum {
    /// Returns the number of approvals that are required.
    pub fn required(&self) -> u32 {
        match self {
            Self::Of(count) => *count,
            Self::From(groups) => groups.iter().map(|places| places.count).sum(),
        }
    }

    /// Returns the groups whose places `actor` may fill. Empty if the quorum is a number.
    pub fn groups_of(&self, actor: &Actor) -> Vec<Assignee> {
        let groups = self.groups().iter().filter(|places| places.from.includes(actor));
        groups.map(|places| places.from.clone()).collect()
    }

    /// Returns the groups that have a place which one more vote could fill, if `votes` are the groups whose places each vote so far may
    /// fill. Empty if the quorum is a number.
    ///
    /// Which place a vote fills is never fixed. A vote counts if all votes together can have a place each (a matching), so that somebody
    /// who belongs to two groups takes a place from neither of them while the other one would do.
    pub fn open_groups<'a>(&'a self, votes: &[&'a [Assignee]]) -> Vec<&'a Assignee> {
        let open = self.groups().iter().map(|places| &places.from);
        open.filter(|group| self.has_place_for(votes, std::slice::from_ref(*group))).collect()
    }

    /// Returns whether there is a place for one more vote that may fill the places of `groups`, beside `votes`.
    pub fn has_place_for<'a>(&'a self, votes: &[&'a [Assignee]], groups: &'a [Assignee]) -> bool {
        match self {
            Self::Of(count) => votes.len() < *count as usize,
            Self::From(_) => {
                let mut seats = Seats::of(self);
                votes.iter().chain([&groups]).all(|groups| seats.seat(groups))
            }
        }
    }

    fn groups(&self) -> &[Places] {
        match self {
            Self::Of(_) => &[],
            Self::From(groups) => groups,
        }
    }
}

impl Serialize for Quorum {
    /// Writes the quorum as a spec has it: a number, or a list.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Of(count) => count.serialize(serializer),
            Self::From(groups) => groups.serialize(serializer),
        }
    }
}

/// An assignment of votes to places, which grows by one vote at a time (augmenting paths). There are at most [`MAX_APPROVALS`] places.
struct Seats<'a> {
    /// The group of each place, and the groups of the vote that has the place.
    places: Vec<(&'a Assignee, Option<&'a [Assignee]>)>,
}

impl<'a> Seats<'a> {
    fn of(quorum: &'a Quorum) -> Self {
        let places = quorum.groups().iter().flat_map(|places| (0..places.count.min(MAX_APPROVALS)).map(|_| (&places.from, None)));
        Self { places: places.collect() }
    }

    /// Gives a vote a place, for which other votes may move to another place of theirs. Returns whether that is possible.
    fn seat(&mut self, groups: &'a [Assignee]) -> bool {
        let mut visited = vec![false; self.places.len()];
        self.seat_past(groups, &mut visited)
    }

    fn seat_past(&mut self, groups: &'a [Assignee], visited: &mut [bool]) -> bool {
        for at in 0..self.places.len() {
            let Some((group, holder)) = self.places.get(at).copied() else { return false };
            let Some(was_visited) = visited.get_mut(at) else { return false };
            if *was_visited || !groups.contains(group) {
                continue;
            }
            *was_visited = true;
            if holder.is_none_or(|holder| self.seat_past(holder, visited)) {
                if let Some(place) = self.places.get_mut(at) {
                    place.1 = Some(groups);
                }
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(number: usize) -> Assignee {
        Assignee::Role(format!("r{number}"))
    }

    fn quorum(counts: &[u32]) -> Quorum {
        Quorum::From(counts.iter().enumerate().map(|(at, count)| Places { from: group(at), count: *count }).collect())
    }

    fn groups(set: &[usize]) -> Vec<Assignee> {
        set.iter().map(|number| group(*number)).collect()
    }

    /// Returns whether the voters can have a place each, by trying every assignment.
    fn can_be_seated(counts: &[u32], voters: &[Vec<usize>]) -> bool {
        let Some((first, rest)) = voters.split_first() else { return true };
        first.iter().any(|group| {
            let mut left = counts.to_vec();
            left[*group] > 0 && {
                left[*group] -= 1;
                can_be_seated(&left, rest)
            }
        })
    }

    #[test]
    fn somebody_in_two_groups_takes_no_place_that_only_another_one_can_fill() {
        let both_then_one = quorum(&[1, 1]);
        let (both, first) = (groups(&[0, 1]), groups(&[0]));
        assert!(both_then_one.has_place_for(&[&both], &first), "the first vote moves to the other group");
        assert!(!both_then_one.has_place_for(&[&both, &first], &both));
        assert_eq!(both_then_one.open_groups(&[&both]), [&group(0), &group(1)]);
        assert_eq!(both_then_one.open_groups(&[&first]), [&group(1)]);
        assert!(!both_then_one.has_place_for(&[&first], &first), "the only place of the group is taken");
        assert!(!both_then_one.has_place_for(&[], &groups(&[2])), "a group that the quorum does not name");
    }

    #[test]
    fn a_quorum_is_written_as_a_spec_has_it() {
        assert_eq!(serde_json::to_string(&Quorum::Of(2)).unwrap(), "2");
        assert_eq!(serde_json::to_string(&quorum(&[2])).unwrap(), r#"[{"from":"role:r0","count":2}]"#);
        assert_eq!((Quorum::default().required(), quorum(&[2, 3]).required()), (1, 5));
    }

    proptest! {
        /// Votes come in any order from people in any groups. A vote is refused only if no assignment of all of them exists, and the votes that were
        /// accepted never make a quorum impossible that the people who have not voted could still complete.
        #[test]
        fn no_order_of_votes_makes_a_possible_quorum_impossible(
            counts in proptest::collection::vec(1u32..3, 1..4),
            people in proptest::collection::vec(proptest::collection::btree_set(0usize..3, 1..=3), 0..7),
        ) {
            let quorum = quorum(&counts);
            let people: Vec<Vec<usize>> = people.into_iter().map(|set| set.into_iter().filter(|group| *group < counts.len()).collect()).collect();
            let named: Vec<Vec<Assignee>> = people.iter().map(|set| groups(set)).collect();
            let mut accepted: Vec<usize> = Vec::new();
            for at in 0..people.len() {
                let votes: Vec<&[Assignee]> = accepted.iter().map(|at| named[*at].as_slice()).collect();
                let mut together: Vec<Vec<usize>> = accepted.iter().map(|at| people[*at].clone()).collect();
                together.push(people[at].clone());
                let has_place = quorum.has_place_for(&votes, &named[at]);
                prop_assert_eq!(has_place, can_be_seated(&counts, &together));
                if has_place {
                    accepted.push(at);
                }
            }
            // The largest number of places that these people can fill, by trying every subset of them.
            let best = (0u32..1 << people.len()).filter(|subset| {
                let chosen: Vec<Vec<usize>> = people.iter().enumerate().filter(|(at, _)| subset & (1 << at) != 0).map(|(_, set)| set.clone()).collect();
                can_be_seated(&counts, &chosen)
            });
            prop_assert_eq!(u32::try_from(accepted.len()), Ok(best.map(u32::count_ones).max().unwrap_or(0)));
        }
    }
}
