//! The life of a resource: which states may follow each other, and which stored changes cause events.
//!
//! A [`Lifecycle`] is compiled from a contract. What a change did to the fields of the document comes in as [`Facts`], so that
//! nothing here knows how a document is written.

/// The most states of a lifecycle: a [`StateSet`] has one bit for each.
pub const STATES_MAX: usize = 64;

/// A state, by its place in the lifecycle's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateId(u8);

impl StateId {
    /// The state at this place; `None` beyond [`STATES_MAX`].
    pub fn try_new(index: usize) -> Option<Self> {
        u8::try_from(index).ok().filter(|_| index < STATES_MAX).map(Self)
    }

    /// Its place.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Some of the states of a lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateSet(u64);

impl StateSet {
    /// The set and this state.
    #[must_use]
    pub const fn with(self, state: StateId) -> Self {
        Self(self.0 | 1 << state.0)
    }

    /// Whether the state is among them.
    pub const fn contains(self, state: StateId) -> bool {
        self.0 & (1 << state.0) != 0
    }

    /// Whether both have a state in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Its states, in order.
    pub fn iter(self) -> impl Iterator<Item = StateId> {
        (0..STATES_MAX).filter_map(StateId::try_new).filter(move |state| self.contains(*state))
    }
}

impl FromIterator<StateId> for StateSet {
    fn from_iter<I: IntoIterator<Item = StateId>>(states: I) -> Self {
        states.into_iter().fold(Self::default(), Self::with)
    }
}

/// What must happen for a rule to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The resource was stored for the first time.
    Created,
    /// It was stored before, with another document.
    Updated,
    /// Its state is another one.
    StateChanged,
    /// It came into one of these states.
    Reached(StateSet),
    /// This field of [`Facts::fields`] changed.
    FieldChanged(usize),
    /// The list in this field of [`Facts::fields`] grew.
    ListGrew(usize),
}

/// When a change causes an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Any one of these must happen.
    pub triggers: Vec<Trigger>,
    /// The resource is in one of these now; `None`: in any.
    pub only_in: Option<StateSet>,
    /// Until this change it was in none of these.
    pub before: StateSet,
    /// It is in one of these now, or was at some time; `None`: whatever it was.
    pub after: Option<StateSet>,
    /// All these conditions of [`Facts::conditions`] hold.
    pub conditions: Vec<usize>,
    /// One event for each item that a list grew by, not one for all.
    pub each_item: bool,
}

/// What a resource was before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// Its state; `None`: one that the lifecycle no longer has.
    pub state: Option<StateId>,
    /// The states it was ever in, this one included.
    pub ever: StateSet,
}

/// What a change did to one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldFact {
    /// Its value is another one.
    pub changed: bool,
    /// So many more items its list has.
    pub grew_by: usize,
}

/// What a change did to the document, and what holds in it now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// It was stored before, with another document.
    pub updated: bool,
    /// The fields that rules look at.
    pub fields: Vec<FieldFact>,
    /// The conditions that rules name.
    pub conditions: Vec<bool>,
}

/// An event that a change causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emission {
    /// The rule's place in the lifecycle.
    pub rule: usize,
    /// How many events of it.
    pub count: usize,
}

/// A change that the lifecycle does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The state it is in is final.
    Final {
        /// That state.
        from: StateId,
    },
    /// The state it is in is followed by others only.
    Transition {
        /// That state.
        from: StateId,
    },
}

/// The states of a kind of resource, how they follow each other, and what changes cause.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lifecycle {
    /// In which state it starts: one that is first seen in another state has changed it already.
    pub starts_in: Option<StateId>,
    /// What may follow each state, by its place; `None`: any.
    pub next: Vec<Option<StateSet>>,
    /// What nothing follows.
    pub last: StateSet,
    /// When a change causes events, in the order of the events.
    pub rules: Vec<Rule>,
}

impl Lifecycle {
    /// Whether a rule wants to know of [`Facts::updated`].
    pub fn asks_for_updates(&self) -> bool {
        self.rules.iter().any(|rule| rule.triggers.contains(&Trigger::Updated))
    }

    /// The events that a change to `state` causes, or why it is refused.
    pub fn decide(&self, past: Option<Past>, state: StateId, facts: &Facts) -> Result<Vec<Emission>, Refusal> {
        if let Some(from) = past.and_then(|past| past.state) {
            self.check_transition(from, state)?;
        }
        let change = Change { past, state, from: past.map_or(self.starts_in, |past| past.state), facts };
        let emission = |(rule, definition): (usize, &Rule)| {
            let count = change.count(definition);
            (count > 0).then_some(Emission { rule, count })
        };
        Ok(self.rules.iter().enumerate().filter_map(emission).collect())
    }

    fn check_transition(&self, from: StateId, to: StateId) -> Result<(), Refusal> {
        if from == to {
            return Ok(());
        }
        if self.last.contains(from) {
            return Err(Refusal::Final { from });
        }
        match self.next.get(from.index()) {
            Some(Some(next)) if !next.contains(to) => Err(Refusal::Transition { from }),
            _ => Ok(()),
        }
    }
}

/// One change, as rules look at it.
struct Change<'a> {
    past: Option<Past>,
    state: StateId,
    /// The state before; of a resource that is new, the one it starts in.
    from: Option<StateId>,
    facts: &'a Facts,
}

impl Change<'_> {
    /// How many events the rule causes.
    fn count(&self, rule: &Rule) -> usize {
        let ever_before = self.past.map(|past| past.ever).unwrap_or_default();
        let ever = ever_before.with(self.state);
        let applies = rule.only_in.is_none_or(|only| only.contains(self.state))
            && !rule.before.meets(ever_before)
            && rule.after.is_none_or(|after| after.meets(ever))
            && rule.conditions.iter().all(|index| self.facts.conditions.get(*index) == Some(&true));
        if !applies {
            return 0;
        }
        let count = rule.triggers.iter().map(|trigger| self.times(trigger)).max().unwrap_or(0);
        if rule.each_item { count } else { count.min(1) }
    }

    fn times(&self, trigger: &Trigger) -> usize {
        let field = |index: &usize| self.facts.fields.get(*index).copied().unwrap_or_default();
        match trigger {
            Trigger::Created => usize::from(self.past.is_none()),
            Trigger::Updated => usize::from(self.facts.updated),
            Trigger::StateChanged => usize::from(self.from.is_some_and(|from| from != self.state) || self.left_unknown()),
            Trigger::Reached(states) => usize::from(states.contains(self.state) && self.came()),
            Trigger::FieldChanged(index) => usize::from(field(index).changed),
            Trigger::ListGrew(index) => field(index).grew_by,
        }
    }

    /// Whether the resource was not in this state before.
    fn came(&self) -> bool {
        self.past.is_none_or(|past| past.state != Some(self.state))
    }

    /// Whether it was in a state that the lifecycle no longer has: that is another one than any it has.
    fn left_unknown(&self) -> bool {
        self.past.is_some_and(|past| past.state.is_none())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: StateId = StateId(0);
    const B: StateId = StateId(1);
    const C: StateId = StateId(2);

    fn set(states: &[StateId]) -> StateSet {
        states.iter().copied().collect()
    }

    fn rule(trigger: Trigger) -> Rule {
        Rule {
            triggers: vec![trigger],
            only_in: None,
            before: StateSet::default(),
            after: None,
            conditions: Vec::new(),
            each_item: false,
        }
    }

    fn lifecycle(rule: Rule) -> Lifecycle {
        Lifecycle { starts_in: None, next: vec![None; 3], last: StateSet::default(), rules: vec![rule] }
    }

    fn past(state: StateId, ever: &[StateId]) -> Past {
        Past { state: Some(state), ever: set(ever).with(state) }
    }

    fn count(lifecycle: &Lifecycle, past: Option<Past>, state: StateId, facts: &Facts) -> usize {
        lifecycle.decide(past, state, facts).unwrap().iter().map(|emission| emission.count).sum()
    }

    #[test]
    fn triggers() {
        let fields = vec![FieldFact { changed: true, grew_by: 3 }, FieldFact::default()];
        let facts = Facts { updated: true, fields, conditions: vec![] };
        let cases: [(Trigger, Option<Past>, StateId, usize); 14] = [
            (Trigger::Created, None, A, 1),
            (Trigger::Created, Some(past(A, &[])), A, 0),
            (Trigger::Updated, Some(past(A, &[])), A, 1),
            (Trigger::StateChanged, None, B, 0),
            (Trigger::StateChanged, Some(past(A, &[])), A, 0),
            (Trigger::StateChanged, Some(past(A, &[])), B, 1),
            (Trigger::StateChanged, Some(Past { state: None, ever: StateSet::default() }), B, 1),
            (Trigger::Reached(set(&[B, C])), None, B, 1),
            (Trigger::Reached(set(&[B, C])), Some(past(B, &[])), C, 1),
            (Trigger::Reached(set(&[B, C])), Some(past(B, &[])), B, 0),
            (Trigger::Reached(set(&[B, C])), Some(past(B, &[])), A, 0),
            (Trigger::FieldChanged(0), Some(past(A, &[])), A, 1),
            (Trigger::FieldChanged(1), Some(past(A, &[])), A, 0),
            (Trigger::ListGrew(0), Some(past(A, &[])), A, 1),
        ];
        for (trigger, past, state, expected) in cases {
            assert_eq!(count(&lifecycle(rule(trigger.clone())), past, state, &facts), expected, "{trigger:?} {past:?} {state:?}");
        }
        let each = Rule { each_item: true, ..rule(Trigger::ListGrew(0)) };
        assert_eq!(count(&lifecycle(each), Some(past(A, &[])), A, &facts), 3);
        let any_of = Rule { triggers: vec![Trigger::Created, Trigger::FieldChanged(0)], ..rule(Trigger::Created) };
        assert_eq!(count(&lifecycle(any_of), None, A, &facts), 1, "one event, whatever happened at once");
    }

    #[test]
    fn conditions() {
        let facts =
            Facts { updated: false, fields: vec![FieldFact { changed: true, grew_by: 0 }], conditions: vec![true, false] };
        let base = || rule(Trigger::FieldChanged(0));
        let cases: [(Rule, Option<Past>, StateId, usize); 13] = [
            (Rule { only_in: Some(set(&[B])), ..base() }, Some(past(A, &[])), B, 1),
            (Rule { only_in: Some(set(&[B])), ..base() }, Some(past(B, &[])), A, 0),
            (Rule { before: set(&[C]), ..base() }, Some(past(A, &[])), A, 1),
            (Rule { before: set(&[C]), ..base() }, Some(past(A, &[])), C, 1),
            (Rule { before: set(&[C]), ..base() }, Some(past(C, &[])), C, 0),
            (Rule { before: set(&[C]), ..base() }, Some(past(A, &[C])), A, 0),
            (Rule { after: Some(set(&[C])), ..base() }, Some(past(A, &[])), B, 0),
            (Rule { after: Some(set(&[C])), ..base() }, Some(past(A, &[])), C, 1),
            (Rule { after: Some(set(&[C])), ..base() }, Some(past(A, &[C])), B, 1),
            (Rule { after: Some(set(&[C])), ..base() }, None, C, 1),
            (Rule { conditions: vec![0], ..base() }, None, A, 1),
            (Rule { conditions: vec![0, 1], ..base() }, None, A, 0),
            (Rule { conditions: vec![7], ..base() }, None, A, 0),
        ];
        for (rule, past, state, expected) in cases {
            assert_eq!(count(&lifecycle(rule.clone()), past, state, &facts), expected, "{rule:?} {past:?} {state:?}");
        }
    }

    #[test]
    fn what_is_first_seen_in_a_later_state_has_changed_it() {
        let lifecycle = Lifecycle { starts_in: Some(A), ..lifecycle(rule(Trigger::StateChanged)) };
        assert_eq!(count(&lifecycle, None, A, &Facts::default()), 0);
        assert_eq!(count(&lifecycle, None, B, &Facts::default()), 1);
        assert_eq!(count(&lifecycle, Some(past(B, &[])), B, &Facts::default()), 0);
    }

    #[test]
    fn transitions() {
        let lifecycle =
            Lifecycle { next: vec![Some(set(&[B])), None, None], last: set(&[C]), ..lifecycle(rule(Trigger::StateChanged)) };
        let decide = |from, to| lifecycle.decide(Some(past(from, &[])), to, &Facts::default()).map(|all| all.len());
        assert_eq!(decide(A, A), Ok(0));
        assert_eq!(decide(A, B), Ok(1));
        assert_eq!(decide(A, C), Err(Refusal::Transition { from: A }));
        assert_eq!(decide(B, A), Ok(1));
        assert_eq!(decide(C, C), Ok(0), "in a final state the document may still change");
        assert_eq!(decide(C, A), Err(Refusal::Final { from: C }));
    }

    proptest! {
        /// What holds for every walk: nothing leaves a final state, and an event that ends with a state happens at most until then.
        #[test]
        fn walks(steps in proptest::collection::vec(0u8..3, 1..40)) {
            let until_c = Rule { before: set(&[C]), ..rule(Trigger::StateChanged) };
            let once = Rule { before: set(&[B, C]), ..rule(Trigger::Reached(set(&[B, C]))) };
            let lifecycle = Lifecycle { last: set(&[C]), next: vec![None; 3], rules: vec![until_c, once], starts_in: None };
            let mut past: Option<Past> = None;
            let (mut emitted_once, mut reached) = (0, false);
            for state in steps.into_iter().map(StateId) {
                let before = past;
                match lifecycle.decide(past, state, &Facts::default()) {
                    Err(refusal) => {
                        prop_assert_eq!(refusal, Refusal::Final { from: C });
                        prop_assert!(state != C);
                        continue;
                    }
                    Ok(emissions) => {
                        emitted_once += emissions.iter().filter(|emission| emission.rule == 1).count();
                        let changed = emissions.iter().any(|emission| emission.rule == 0);
                        prop_assert_eq!(changed, before.is_some_and(|past| past.state != Some(state)));
                    }
                }
                reached |= state != A;
                past = Some(Past { state: Some(state), ever: before.map(|past| past.ever).unwrap_or_default().with(state) });
            }
            prop_assert_eq!(emitted_once, usize::from(reached));
        }

        #[test]
        fn sets_hold_what_was_put_in(states: std::collections::BTreeSet<u8>) {
            let states: Vec<StateId> = states.into_iter().filter_map(|index| StateId::try_new(usize::from(index))).collect();
            prop_assert_eq!(set(&states).iter().collect::<Vec<_>>(), states);
        }
    }
}
