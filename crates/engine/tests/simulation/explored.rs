//! What came of an exploration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What was explored, all of it.
#[derive(Debug)]
pub struct Explored {
    pub states: usize,
    pub steps: usize,
    /// Different states of what is stored.
    pub sites: BTreeSet<u64>,
    /// Different histories of single tasks, each played through the engine.
    pub histories: usize,
    /// In how many orders everything can happen, from the beginning to an end.
    pub orders: f64,
    pub longest: usize,
    /// In how many states nothing is left to happen by itself, by the status of the run.
    pub ends: BTreeMap<&'static str, usize>,
}

/// What was broken, and the way there.
#[derive(Debug)]
pub struct Broken {
    pub what: String,
    pub way: Vec<String>,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, steps, sites, histories, orders, longest, ends } = self;
        write!(f, "{states} states, {steps} steps between them, {orders:.1e} orders of at most {longest} steps; ")?;
        write!(f, "{} states of what is stored, {histories} histories of single tasks; ends: {ends:?}", sites.len())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\nafter", self.what)?;
        self.way.iter().try_for_each(|act| writeln!(f, "    {act}"))
    }
}

/// The orders in which a graph of steps can be walked, from its first state to any without a step onwards.
pub struct Orders {
    pub number: f64,
    pub longest: usize,
}

impl Orders {
    /// Counts them. None if a state can be come to from itself: then something can go on for ever.
    pub fn of(states: usize, steps: &[(u32, u32)]) -> Option<Self> {
        let mut after: Vec<Vec<u32>> = vec![Vec::new(); states];
        let mut to_come = vec![0_usize; states];
        for (from, to) in steps {
            after[*from as usize].push(*to);
            to_come[*to as usize] += 1;
        }
        if to_come.first() != Some(&0) {
            return None;
        }
        let (mut ways, mut length) = (vec![0.0_f64; states], vec![0_usize; states]);
        ways[0] = 1.0;
        let (mut ready, mut done) = (vec![0_usize], 0);
        let mut orders = Self { number: 0.0, longest: 0 };
        while let Some(at) = ready.pop() {
            done += 1;
            if after[at].is_empty() {
                orders.number += ways[at];
                orders.longest = orders.longest.max(length[at]);
            }
            for next in after[at].iter().map(|next| *next as usize) {
                ways[next] += ways[at];
                length[next] = length[next].max(length[at] + 1);
                to_come[next] -= 1;
                if to_come[next] == 0 {
                    ready.push(next);
                }
            }
        }
        (done == states).then_some(orders)
    }
}

#[test]
fn orders_are_counted_and_a_circle_is_noticed() {
    // A diamond with a tail: two orders of three steps.
    let diamond = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)];
    let Orders { number, longest } = Orders::of(5, &diamond).unwrap();
    assert_eq!((format!("{number}").as_str(), longest), ("2", 3));
    for back in [(3, 1), (4, 0), (2, 2)] {
        assert!(Orders::of(5, &[diamond.as_slice(), &[back]].concat()).is_none(), "{back:?}");
    }
}
