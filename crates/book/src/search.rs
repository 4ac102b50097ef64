//! Looks for words in all pages. What is searched, and what is found, is bounded.

use std::collections::{BTreeMap, BTreeSet};

use crate::markdown::Rendered;

/// Characters of a query that are read.
pub(crate) const QUERY_MAX: usize = 100;
/// Words of a query that are looked for.
const WORDS_MAX: usize = 8;
const RESULTS_MAX: usize = 20;
/// Words of the book that one word of a query may be the beginning of.
const BEGINNINGS_MAX: usize = 200;
/// Characters of text that are shown of a result.
const SNIPPET: usize = 200;

/// What a word counts for by where it stands: in a page's title, in a heading, in the text.
const TITLE_WEIGHT: f32 = 6.0;
const HEADING_WEIGHT: f32 = 4.0;
/// What the beginning of a word counts for, of a whole one.
const BEGINNING_WEIGHT: f32 = 0.5;

/// A section of a page that was found.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) address: String,
    pub(crate) page: String,
    /// Empty where the page itself was found.
    pub(crate) heading: String,
    pub(crate) snippet: Vec<Piece>,
}

/// A piece of text, and whether it is what was looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) is_hit: bool,
}

/// A page that is searched.
pub(crate) struct Searched<'a> {
    pub(crate) address: &'a str,
    pub(crate) title: &'static str,
    pub(crate) rendered: &'a Rendered,
}

/// All words of the book.
pub(crate) struct Index {
    sections: Vec<Place>,
    /// By word: in which sections, and what it counts for there.
    words: BTreeMap<String, Vec<(usize, f32)>>,
}

/// A section of a page.
struct Place {
    address: String,
    page: &'static str,
    heading: String,
    text: String,
}

impl Index {
    /// Of these pages.
    pub(crate) fn new<'a>(pages: impl Iterator<Item = Searched<'a>>) -> Self {
        let mut index = Self { sections: Vec::new(), words: BTreeMap::new() };
        for page in pages {
            for section in
                page.rendered.sections.iter().filter(|section| !section.heading.is_empty() || !section.text.trim().is_empty())
            {
                let is_whole = page.rendered.headings.first().is_none_or(|first| first.id == section.id);
                index.add(&page, &section.heading, &section.text, (!is_whole).then_some(section.id.as_str()));
            }
        }
        index
    }

    fn add(&mut self, page: &Searched<'_>, heading: &str, text: &str, id: Option<&str>) {
        let number = self.sections.len();
        let mut weights: BTreeMap<String, f32> = BTreeMap::new();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for word in words(text) {
            *counts.entry(word).or_default() += 1;
        }
        weights.extend(counts.into_iter().map(|(word, times)| (word, 1.0 + count(times).ln())));
        // A word counts for more in a short heading.
        let heading_weight = HEADING_WEIGHT / count(words(heading).count().max(1)).sqrt();
        words(heading).for_each(|word| *weights.entry(word).or_default() += heading_weight);
        if id.is_none() {
            words(page.title).for_each(|word| *weights.entry(word).or_default() += TITLE_WEIGHT);
        }
        for (word, weight) in weights {
            self.words.entry(word).or_default().push((number, weight));
        }
        let address = id.map_or_else(|| page.address.to_owned(), |id| format!("{}#{id}", page.address));
        let heading = if id.is_some() { heading.to_owned() } else { String::new() };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.sections.push(Place { address, page: page.title, heading, text });
    }

    /// The sections that have all words of a query, the best first; where none has all, those that have some.
    pub(crate) fn find(&self, query: &str) -> Vec<Found> {
        let query: String = query.chars().take(QUERY_MAX).collect();
        let wanted: BTreeSet<String> = words(&query).take(WORDS_MAX).collect();
        let mut scores: BTreeMap<usize, (usize, f32)> = BTreeMap::new();
        for word in &wanted {
            for (section, weight) in self.weights_of(word) {
                let (words, score) = scores.entry(section).or_default();
                (*words, *score) = (*words + 1, *score + weight);
            }
        }
        let most = scores.values().map(|(words, _)| *words).max().unwrap_or_default();
        let mut best: Vec<(usize, f32)> =
            scores.into_iter().filter(|(_, (words, _))| *words == most).map(|(section, (_, score))| (section, score)).collect();
        best.sort_by(|(a, left), (b, right)| right.total_cmp(left).then(a.cmp(b)));
        let sections = best.into_iter().take(RESULTS_MAX).filter_map(|(section, _)| self.sections.get(section));
        sections.map(|section| section.found(&wanted)).collect()
    }

    /// In which sections a word stands, or one that begins with it, and what it counts for: more where it is rare.
    fn weights_of(&self, word: &str) -> BTreeMap<usize, f32> {
        let mut weights: BTreeMap<usize, f32> = BTreeMap::new();
        let beginning = self.words.range(word.to_owned()..).take_while(|(known, _)| known.starts_with(word));
        for (known, sections) in beginning.take(BEGINNINGS_MAX) {
            let part = if known == word { 1.0 } else { BEGINNING_WEIGHT };
            for (section, weight) in sections {
                let best = weights.entry(*section).or_default();
                *best = best.max(weight * part);
            }
        }
        let rarity = (count(self.sections.len()) / count(weights.len().max(1))).ln() + 1.0;
        for weight in weights.values_mut() {
            *weight *= rarity;
        }
        weights
    }
}

impl Place {
    fn found(&self, wanted: &BTreeSet<String>) -> Found {
        let (page, heading) = (self.page.to_owned(), self.heading.clone());
        Found { address: self.address.clone(), page, heading, snippet: snippet(&self.text, wanted) }
    }
}

/// A number of sections or words: there are far fewer than would be rounded.
fn count(of: usize) -> f32 {
    f32::from(u16::try_from(of).unwrap_or(u16::MAX))
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// The text around the first word that was looked for, with all of them marked.
fn snippet(text: &str, wanted: &BTreeSet<String>) -> Vec<Piece> {
    let begins =
        |at: usize| text.get(..at).and_then(|before| before.chars().next_back()).is_none_or(|letter| !letter.is_alphanumeric());
    let hit_at = |at: usize| {
        let rest = text.get(at..)?;
        let word: String = rest.chars().take_while(|letter| letter.is_alphanumeric()).collect();
        let is_wanted = begins(at) && wanted.iter().any(|wanted| word.to_lowercase().starts_with(wanted.as_str()));
        (is_wanted && !word.is_empty()).then_some(word.len())
    };
    let first = text.char_indices().map(|(at, _)| at).find(|at| hit_at(*at).is_some()).unwrap_or_default();
    let from = text.get(..first).map_or(0, |before| beginning_near(before, SNIPPET / 4));
    let mut pieces = vec![Piece { text: if from > 0 { "… ".to_owned() } else { String::new() }, is_hit: false }];
    let (mut at, mut left) = (from, SNIPPET);
    while let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if left == 0 && letter == ' ' {
            pieces.push(Piece { text: " …".to_owned(), is_hit: false });
            break;
        }
        let hit = hit_at(at);
        let end = at + hit.unwrap_or(letter.len_utf8());
        let piece = text.get(at..end).unwrap_or_default();
        match pieces.last_mut().filter(|last| !last.is_hit && hit.is_none()) {
            Some(last) => last.text.push_str(piece),
            None => pieces.push(Piece { text: piece.to_owned(), is_hit: hit.is_some() }),
        }
        left = left.saturating_sub(piece.chars().count());
        at = end;
    }
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

/// Where a word begins, about so many characters before the end of a text.
fn beginning_near(before: &str, characters: usize) -> usize {
    let Some((at, _)) = before.char_indices().rev().nth(characters) else { return 0 };
    before.get(at..).and_then(|rest| rest.find(' ')).map_or(at, |space| at + space + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Book;

    #[test]
    fn what_is_looked_for_is_found_where_it_is_explained() {
        let book = Book::new();
        for (query, address) in [
            ("rotating the master key", "/docs/operations#rotating-the-master-key"),
            ("catching up", "/docs/catching-up"),
            ("allow-network", "/docs/operations#allowed-networks"),
            ("SIGHUP", "/docs/operations"),
        ] {
            let found = book.search(query);
            assert!(found.iter().take(3).any(|one| one.address.starts_with(address)), "{query}: {found:#?}");
            assert!(found.len() <= RESULTS_MAX);
        }
    }

    #[test]
    fn a_query_is_bounded_and_may_be_anything() {
        let book = Book::new();
        assert!(book.search("").is_empty());
        assert!(book.search("?! -- ,").is_empty());
        assert!(book.search("zzzyx qqqw").is_empty());
        assert!(!book.search(&"key ".repeat(10_000)).is_empty());
        assert!(!book.search("endp").is_empty(), "the beginning of a word");
        let some = book.search("replay zzzyx");
        assert!(!some.is_empty(), "where nothing has all words, what has some");
        book.search("é ß İ \u{0} 日本語");
    }

    #[test]
    fn a_snippet_marks_what_was_looked_for() {
        let text = format!("{} The Key is keyed — a monkey. {}", "word ".repeat(40), "more ".repeat(80));
        let pieces = snippet(&text, &BTreeSet::from(["key".to_owned()]));
        let hits: Vec<_> = pieces.iter().filter(|piece| piece.is_hit).map(|piece| piece.text.as_str()).collect();
        assert_eq!(hits, ["Key", "keyed"]);
        let whole: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert!(whole.starts_with("… word") && whole.ends_with('…') && whole.contains("— a monkey"), "{whole}");
        assert_eq!(snippet("", &BTreeSet::new()), []);
    }
}
