//! Random numbers that follow from a seed.

use std::sync::{Arc, Mutex};

use domain::ports::Entropy;

/// Returns the same numbers for the same seed: `SplitMix64`, two words for each.
#[derive(Debug, Clone)]
pub struct SeededEntropy(Arc<Mutex<u64>>);

impl SeededEntropy {
    /// Returns the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    fn word(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = *state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Returns a number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.word() % bound.max(1)
    }

    /// Returns one of `choices`.
    pub fn pick<'a, T>(&self, choices: &'a [T]) -> &'a T {
        let at = self.below(choices.len() as u64);
        &choices[usize::try_from(at).unwrap()]
    }

    /// Returns true about once in `times` calls.
    pub fn one_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }
}

impl Entropy for SeededEntropy {
    fn random(&self) -> u128 {
        (u128::from(self.word()) << 64) | u128::from(self.word())
    }
}
