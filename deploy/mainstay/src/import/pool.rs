//! Cells kept once each.

use std::collections::{BTreeMap, HashMap};

/// The values of a column in order of appearance, each once; empty is first.
#[derive(Debug)]
pub(super) struct Pool {
    values: Vec<String>,
    places: HashMap<String, usize>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            values: vec![String::new()],
            places: HashMap::from([(String::new(), 0)]),
        }
    }
}

impl Pool {
    /// The place of a value, taken in when it is new.
    pub(super) fn place(&mut self, value: &str) -> usize {
        if let Some(place) = self.places.get(value) {
            return *place;
        }
        self.values.push(value.to_owned());
        self.places.insert(value.to_owned(), self.values.len() - 1);
        self.values.len() - 1
    }

    /// The values by their place.
    pub(super) fn values(&self) -> &[String] {
        &self.values
    }

    /// The value at a place.
    pub(super) fn value(&self, place: usize) -> &str {
        self.values.get(place).map_or("", String::as_str)
    }

    /// What each value means after a table.
    pub(super) fn meanings<T: Copy>(&self, table: &BTreeMap<String, T>) -> Vec<Option<T>> {
        self.values
            .iter()
            .map(|value| table.get(value).copied())
            .collect()
    }
}
