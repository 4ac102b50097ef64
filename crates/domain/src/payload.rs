//! How much of an event's data an endpoint is sent.

use crate::pointer::Pointer;

crate::words! {
    /// The kinds of choices that there are.
    pub enum PayloadLevel {
        /// All of it.
        Full = "full",
        /// What the contract says are ids.
        Ids = "ids",
        /// Fields that the endpoint names.
        Fields = "fields",
    }
}

/// The most fields that an endpoint may name.
pub const PAYLOAD_FIELDS_MAX: usize = 64;

/// What an endpoint chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadChoice {
    /// All of it.
    Full,
    /// What the contract says are ids.
    Ids,
    /// These fields.
    Fields(Vec<Pointer>),
}

impl PayloadChoice {
    /// From a word; `None`: no word, or the one for fields, which are listed instead.
    pub fn in_word(word: &str) -> Option<Self> {
        match PayloadLevel::parse(word)? {
            PayloadLevel::Full => Some(Self::Full),
            PayloadLevel::Ids => Some(Self::Ids),
            PayloadLevel::Fields => None,
        }
    }

    /// Which kind of choice it is.
    pub const fn level(&self) -> PayloadLevel {
        match self {
            Self::Full => PayloadLevel::Full,
            Self::Ids => PayloadLevel::Ids,
            Self::Fields(_) => PayloadLevel::Fields,
        }
    }
}

/// What a contract lets its endpoints choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadRules {
    /// The choices, in the order of the contract.
    pub allow: Vec<PayloadLevel>,
    /// The fields that are ids.
    pub ids: Vec<Pointer>,
    /// What an endpoint gets that chose nothing: all of it, or the ids.
    pub default: PayloadLevel,
    /// Whether the contract speaks of choices at all.
    pub is_declared: bool,
}

impl Default for PayloadRules {
    /// Everything, and no choice.
    fn default() -> Self {
        Self { allow: vec![PayloadLevel::Full], ids: Vec::new(), default: PayloadLevel::Full, is_declared: false }
    }
}

impl PayloadRules {
    /// The fields that an endpoint is sent; `None`: all of the data.
    ///
    /// A contract may change after an endpoint has chosen. An endpoint whose choice is no longer allowed gets what the contract gives
    /// to those that chose nothing, but never all of it if it had asked for less.
    pub fn fields<'a>(&'a self, chosen: Option<&'a PayloadChoice>) -> Option<&'a [Pointer]> {
        match chosen {
            Some(PayloadChoice::Full) if self.allow.contains(&PayloadLevel::Full) => None,
            Some(PayloadChoice::Ids) => Some(&self.ids),
            Some(PayloadChoice::Fields(fields))
                if self.allow.contains(&PayloadLevel::Fields) || self.default == PayloadLevel::Full =>
            {
                Some(fields)
            }
            None | Some(PayloadChoice::Full | PayloadChoice::Fields(_)) => {
                (self.default != PayloadLevel::Full).then_some(&*self.ids)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(texts: &[&str]) -> Vec<Pointer> {
        texts.iter().map(|text| Pointer::try_new(text).unwrap()).collect()
    }

    #[test]
    fn nobody_is_sent_more_than_they_chose_or_than_the_contract_allows() {
        use PayloadLevel::{Fields, Full, Ids};
        let ids = pointers(&["/id"]);
        let own = pointers(&["/status"]);
        let rules = |allow: &[PayloadLevel], default| PayloadRules {
            allow: allow.to_vec(),
            ids: if allow.contains(&Ids) { ids.clone() } else { Vec::new() },
            default,
            is_declared: true,
        };
        let fields = PayloadChoice::Fields(own.clone());
        for (rules, chosen, expected) in [
            (PayloadRules::default(), None, None),
            (PayloadRules::default(), Some(&PayloadChoice::Full), None),
            (PayloadRules::default(), Some(&PayloadChoice::Ids), Some(&[][..])),
            (PayloadRules::default(), Some(&fields), Some(&own[..])),
            (rules(&[Full, Ids, Fields], Full), None, None),
            (rules(&[Full, Ids, Fields], Ids), None, Some(&ids[..])),
            (rules(&[Full, Ids, Fields], Ids), Some(&PayloadChoice::Full), None),
            (rules(&[Full, Ids, Fields], Full), Some(&PayloadChoice::Ids), Some(&ids[..])),
            (rules(&[Full, Ids, Fields], Full), Some(&fields), Some(&own[..])),
            (rules(&[Ids], Ids), Some(&PayloadChoice::Full), Some(&ids[..])),
            (rules(&[Ids], Ids), Some(&fields), Some(&ids[..])),
            (rules(&[Full, Fields], Full), Some(&PayloadChoice::Ids), Some(&[][..])),
        ] {
            assert_eq!(rules.fields(chosen), expected, "{rules:?} {chosen:?}");
        }
    }
}
