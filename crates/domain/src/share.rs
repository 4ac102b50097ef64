//! What one account may hold of something that all share.
//!
//! Decided the way switches share their buffers (Choudhury and Hahne, 1998): an account may hold so many times what is free. One
//! that is alone gets three quarters, two that want everything get three sevenths each, and there is always something left for one
//! that was idle.

use std::hash::Hash;

use foldhash::HashMap;

/// How many times what is free one account may hold.
const FREE_TIMES: usize = 3;

/// What one account may hold of something of which `free` is left. Never nothing.
#[must_use]
pub const fn account_max(free: usize) -> usize {
    let share = free.saturating_mul(FREE_TIMES);
    if share == 0 { 1 } else { share }
}

/// Something of which there is so much, and what each account `A` holds of it.
#[derive(Debug)]
pub struct Shares<A> {
    max: usize,
    free: usize,
    held: HashMap<A, usize>,
}

impl<A: Clone + Eq + Hash> Shares<A> {
    /// Nothing is held yet of `max`.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, free: max, held: HashMap::default() }
    }

    /// How much nobody holds.
    #[must_use]
    pub const fn free(&self) -> usize {
        self.free
    }

    /// Whether `amount` is free and within an account's share. An account that holds nothing gets what is free.
    #[must_use]
    pub fn has_room(&self, account: &A, amount: usize) -> bool {
        let held = self.held.get(account).copied().unwrap_or(0);
        amount <= self.free && (held == 0 || held.saturating_add(amount) <= account_max(self.free))
    }

    /// Takes `amount` for an account, if there is [room](Self::has_room) for it.
    pub fn take(&mut self, account: &A, amount: usize) -> bool {
        if !self.has_room(account, amount) {
            return false;
        }
        self.free -= amount;
        *self.held.entry(account.clone()).or_default() += amount;
        true
    }

    /// Gives back what was taken.
    pub fn give_back(&mut self, account: &A, amount: usize) {
        self.free = self.free.saturating_add(amount).min(self.max);
        if let Some(held) = self.held.get_mut(account) {
            *held = held.saturating_sub(amount);
            if *held == 0 {
                self.held.remove(account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_account_that_is_alone_gets_three_quarters() {
        let mut shares = Shares::new(100);
        let taken = (0..1_000).take_while(|_| shares.take(&"a", 1)).count();
        assert_eq!((taken, shares.free()), (75, 25));
        assert!(shares.take(&"b", 25), "what nobody holds is there for one that holds nothing");
        assert!(!shares.take(&"c", 1));
        shares.give_back(&"b", 25);
        assert!(shares.take(&"c", 1));
    }

    proptest! {
        #[test]
        fn there_is_always_something_left_for_a_newcomer(total in 4_usize..5_000, accounts in 1_usize..50) {
            let mut shares = Shares::new(total);
            while (0..accounts).filter(|account| shares.take(account, 1)).count() > 0 {}
            prop_assert!(shares.free() + 1 >= total / (1 + FREE_TIMES * accounts), "{} of {total} left by {accounts}", shares.free());
        }

        #[test]
        fn what_is_given_back_is_free_again(takes in proptest::collection::vec((0_u8..5, 1_usize..50), 0..100)) {
            let mut shares = Shares::new(200);
            let taken: Vec<_> = takes.into_iter().filter(|(account, amount)| shares.take(account, *amount)).collect();
            let held: usize = taken.iter().map(|(_, amount)| amount).sum();
            prop_assert_eq!(shares.free(), 200 - held);
            for (account, amount) in &taken {
                shares.give_back(account, *amount);
            }
            prop_assert_eq!(shares.free(), 200);
            prop_assert!(shares.held.is_empty());
        }
    }
}
