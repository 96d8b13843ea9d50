//! What a text search asks for. A query is words, all of which must be found;
//! `"several words"` must stand side by side, and `pay*` is the beginning of a
//! word. Everything else is no word, so no query is ever a database's syntax.

use mainstay_chassis::Refusal;

/// So many terms a query may have.
const MOST: usize = 16;
/// The shortest beginning of a word that is looked for.
const SHORTEST: usize = 2;

/// What a text search asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Search(Vec<Term>);

/// Words that stand side by side; the last may be the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    words: Vec<String>,
    prefix: bool,
}

impl Search {
    /// Reads a query.
    pub(crate) fn read(query: &str) -> Result<Self, Refusal> {
        let refuse = |remedy: String| Err(Refusal::invalid("query", remedy));
        let pieces: Vec<&str> = query.split('"').collect();
        if pieces.len().is_multiple_of(2) {
            return refuse("opens a quotation and does not close it".to_owned());
        }
        let mut terms = Vec::new();
        for (place, piece) in pieces.into_iter().enumerate() {
            match place % 2 {
                1 => terms.push(Term::of(piece)),
                _ => terms.extend(piece.split_whitespace().map(Term::of)),
            }
        }
        terms.retain(|term| !term.words.is_empty());
        let short = |term: &&Term| {
            let last = term.words.last().map_or(0, |word| word.chars().count());
            term.prefix && last < SHORTEST
        };
        match (terms.len(), terms.iter().find(short)) {
            (0, _) => refuse("must hold a word, such as printer, \"paper jam\" or pay*".to_owned()),
            (count, _) if count > MOST => refuse(format!("must hold at most {MOST} words")),
            (_, Some(_)) => refuse(format!("needs {SHORTEST} letters before a *")),
            (_, None) => Ok(Self(terms)),
        }
    }

    /// The query for SQLite's FTS5: strings, which it takes for nothing else.
    pub(crate) fn fts5(&self) -> String {
        let term = |term: &Term| {
            let star = if term.prefix { " *" } else { "" };
            format!("\"{}\"{star}", term.words.join(" "))
        };
        self.0.iter().map(term).collect::<Vec<_>>().join(" AND ")
    }

    /// The query for PostgreSQL's `to_tsquery`, of words that are only letters
    /// and digits.
    pub(crate) fn tsquery(&self) -> String {
        let term = |term: &Term| {
            let star = if term.prefix { ":*" } else { "" };
            format!("({}{star})", term.words.join(" <-> "))
        };
        self.0.iter().map(term).collect::<Vec<_>>().join(" & ")
    }
}

impl Term {
    fn of(text: &str) -> Self {
        let words = text.split(|sign: char| !sign.is_alphanumeric());
        let words = words.filter(|word| !word.is_empty());
        Self {
            words: words.map(str::to_lowercase).collect(),
            prefix: text.ends_with('*'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_phrases_and_beginnings_are_told_to_both_databases() {
        let search = Search::read("Printer \"paper jam\" pay* disk-full").unwrap();
        assert_eq!(
            search.fts5(),
            "\"printer\" AND \"paper jam\" AND \"pay\" * AND \"disk full\""
        );
        assert_eq!(
            search.tsquery(),
            "(printer) & (paper <-> jam) & (pay:*) & (disk <-> full)"
        );
    }

    #[test]
    fn a_query_without_a_word_is_refused_and_so_is_an_open_quotation() {
        for (query, remedy) in [
            ("", "must hold a word"),
            ("* - !", "must hold a word"),
            ("\"paper jam", "opens a quotation"),
            ("p*", "needs 2 letters"),
        ] {
            let refusal = Search::read(query).unwrap_err();
            assert!(
                refusal.message().starts_with(&format!("query {remedy}")),
                "{query}: {}",
                refusal.message()
            );
        }
        assert!(Search::read(&"word ".repeat(17)).is_err());
    }

    proptest! {
        #[test]
        fn nothing_but_words_reaches_the_database(query in ".{0,60}") {
            if let Ok(search) = Search::read(&query) {
                let plain = |sign: char| sign.is_alphanumeric() || " \"*".contains(sign);
                let fts5 = search.fts5();
                prop_assert!(fts5.replace(" AND ", " ").chars().all(plain), "{}", fts5);
                prop_assert_eq!(fts5.matches('"').count() % 2, 0);
            }
        }
    }
}
