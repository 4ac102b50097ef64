//! Whose turn it is: accounts in a ring, and within each account what waits, in its order.
//!
//! An account may have a thousand endpoints, or post a thousand events at once. If lanes or events alone took turns, it would get a
//! thousand turns where its neighbour gets one. So turns go round accounts first.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::Hash;

use foldhash::HashMap;

/// A name of a lane, which says whose lane it is.
pub trait LaneName: Clone + Debug + Eq + Hash + Ord {
    /// What names an account.
    type Account: Clone + Debug + Eq + Hash;

    /// Whose lane it is.
    fn account(&self) -> &Self::Account;
}

/// An account's name and its lane's.
impl<A: Clone + Debug + Eq + Hash + Ord, L: Clone + Debug + Eq + Hash + Ord> LaneName for (A, L) {
    type Account = A;

    fn account(&self) -> &A {
        &self.0
    }
}

/// A plain name, as tables in tests have it, is the only lane of an account of the same name.
macro_rules! names_itself {
    ($($name:ty),+) => {
        $(impl LaneName for $name {
            type Account = Self;

            fn account(&self) -> &Self {
                self
            }
        })+
    };
}

names_itself!(&'static str, String, u8);

/// Things of accounts `A` that wait for their turn.
#[derive(Debug)]
pub struct Turns<A, T> {
    ring: VecDeque<A>,
    waiting: HashMap<A, VecDeque<T>>,
    len: usize,
}

impl<A, T> Default for Turns<A, T> {
    fn default() -> Self {
        Self { ring: VecDeque::new(), waiting: HashMap::default(), len: 0 }
    }
}

impl<A: Clone + Eq + Hash, T> Turns<A, T> {
    /// How many things wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All that waits, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.waiting.values().flatten()
    }

    /// Puts a thing behind the others of its account; an account that had none behind the other accounts.
    pub fn push_back(&mut self, account: &A, thing: T) {
        self.len += 1;
        if let Some(things) = self.waiting.get_mut(account) {
            things.push_back(thing);
            return;
        }
        self.ring.push_back(account.clone());
        self.waiting.insert(account.clone(), VecDeque::from([thing]));
    }

    /// Puts back what was just popped: it is the next again.
    pub fn push_front(&mut self, account: &A, thing: T) {
        self.len += 1;
        if let Some(things) = self.waiting.get_mut(account) {
            things.push_front(thing);
            if self.ring.back() == Some(account) {
                self.ring.rotate_right(1);
            }
            return;
        }
        self.ring.push_front(account.clone());
        self.waiting.insert(account.clone(), VecDeque::from([thing]));
    }

    /// Takes the first thing of the next account that `may` have a turn with it. The account goes behind the others.
    pub fn pop(&mut self, may: impl Fn(&A, &T) -> bool) -> Option<T> {
        for _ in 0..self.ring.len() {
            let account = self.ring.pop_front()?;
            let things = self.waiting.get_mut(&account)?;
            let Some(thing) = things.pop_front_if(|first| may(&account, first)) else {
                self.ring.push_back(account);
                continue;
            };
            self.len -= 1;
            if things.is_empty() {
                self.waiting.remove(&account);
            } else {
                self.ring.push_back(account);
            }
            return Some(thing);
        }
        None
    }

    /// Takes the first thing of an account that is the one meant, out of its turn.
    pub fn remove(&mut self, account: &A, is_meant: impl Fn(&T) -> bool) -> Option<T> {
        let things = self.waiting.get_mut(account)?;
        let thing = things.remove(things.iter().position(is_meant)?)?;
        self.len -= 1;
        if things.is_empty() {
            self.waiting.remove(account);
            self.ring.retain(|waiting| waiting != account);
        }
        Some(thing)
    }

    /// Whether an account that waits `may` have a turn.
    pub fn any(&self, may: impl Fn(&A) -> bool) -> bool {
        self.ring.iter().any(may)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(things: &[(&'static str, i32)]) -> Turns<&'static str, i32> {
        let mut turns = Turns::default();
        for (account, thing) in things {
            turns.push_back(account, *thing);
        }
        turns
    }

    #[test]
    fn turns_go_round_accounts_and_then_through_what_each_has() {
        let mut turns = turns(&[("a", 1), ("a", 2), ("a", 3), ("b", 4)]);
        assert_eq!((turns.len(), turns.iter().sum::<i32>()), (4, 10));
        assert_eq!(std::iter::from_fn(|| turns.pop(|_, _| true)).collect::<Vec<_>>(), [1, 4, 2, 3]);
        assert!(turns.is_empty());
    }

    #[test]
    fn an_account_that_may_not_is_passed_over_and_keeps_its_order() {
        let mut turns = turns(&[("a", 1), ("a", 2), ("b", 3)]);
        assert_eq!(turns.pop(|account, _| *account != "a"), Some(3));
        assert_eq!(turns.pop(|account, _| *account != "a"), None);
        assert_eq!(turns.pop(|_, thing| *thing == 2), None, "only the first of an account is asked for");
        assert!(turns.any(|account| *account == "a") && !turns.any(|account| *account == "b"));
        assert_eq!(std::iter::from_fn(|| turns.pop(|_, _| true)).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn what_gives_up_leaves_the_turns_of_the_others_as_they_are() {
        let mut turns = turns(&[("a", 1), ("a", 2), ("b", 3), ("c", 4)]);
        assert_eq!((turns.remove(&"a", |thing| *thing == 2), turns.remove(&"a", |thing| *thing == 2)), (Some(2), None));
        assert_eq!((turns.remove(&"b", |_| true), turns.remove(&"b", |_| true)), (Some(3), None));
        assert_eq!(turns.len(), 2);
        assert_eq!(std::iter::from_fn(|| turns.pop(|_, _| true)).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn what_is_put_back_is_next_again() {
        let mut turns = turns(&[("a", 1), ("a", 2), ("b", 3)]);
        assert_eq!(turns.pop(|_, _| true), Some(1));
        turns.push_front(&"a", 1);
        assert_eq!(std::iter::from_fn(|| turns.pop(|_, _| true)).collect::<Vec<_>>(), [1, 3, 2]);
    }
}
