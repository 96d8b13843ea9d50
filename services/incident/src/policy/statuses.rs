//! Statuses: the team's own words for where an incident stands, each a word
//! for one state.

use mainstay_practice::Word;

use crate::incident::State;

/// A status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it is known by.
    pub id: String,
    /// What people read.
    pub label: String,
    /// The state that it is a word for.
    pub state: State,
    /// The statuses that may follow; empty means any.
    pub next: Vec<String>,
}

/// All statuses; each state has one at least, and its first is its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses {
    all: Vec<Standing>,
    /// Whether each state has its own word only.
    built_in: bool,
}

impl Default for Statuses {
    fn default() -> Self {
        let own = |state: &State| Standing {
            id: state.own_word(),
            label: String::new(),
            state: *state,
            next: Vec::new(),
        };
        Self {
            all: State::ALL.iter().map(own).collect(),
            built_in: true,
        }
    }
}

impl Statuses {
    /// Statuses that were checked.
    pub(super) fn new(all: Vec<Standing>) -> Self {
        let built_in = all == Self::default().all;
        Self { all, built_in }
    }

    /// All of them.
    pub fn all(&self) -> &[Standing] {
        &self.all
    }

    /// Whether each state has its own word only, so that there is no choice.
    pub fn are_built_in(&self) -> bool {
        self.built_in
    }

    /// The place and the status with an id.
    pub fn get(&self, id: &str) -> Option<(usize, &Standing)> {
        self.all
            .iter()
            .enumerate()
            .find(|(_, standing)| standing.id == id)
    }

    /// Whether one may follow another. What the policy does not know, since it
    /// was given under an earlier one, is followed by any.
    pub fn may_follow(&self, from: &str, to: &str) -> bool {
        let next = self.get(from).map(|(_, standing)| &standing.next);
        from == to || next.is_none_or(|next| next.is_empty() || next.iter().any(|id| id == to))
    }

    /// The first status of a state.
    pub fn first(&self, state: State) -> String {
        let of_state = self.all.iter().find(|standing| standing.state == state);
        of_state.map_or_else(|| state.own_word(), |standing| standing.id.clone())
    }

    /// The statuses of a state that may follow another, with their places.
    pub fn following(&self, from: &str, state: State) -> impl Iterator<Item = (usize, &Standing)> {
        let may = move |standing: &Standing| {
            standing.state == state && self.may_follow(from, &standing.id)
        };
        let all = self.all.iter().enumerate();
        all.filter(move |(_, standing)| may(standing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(id: &str, state: State, next: &[&str]) -> Standing {
        Standing {
            id: id.to_owned(),
            label: String::new(),
            state,
            next: next.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    #[test]
    fn by_default_every_state_has_its_own_word() {
        let statuses = Statuses::default();
        assert_eq!(statuses.first(State::InProgress), "in-progress");
        assert_eq!(statuses.all().len(), State::ALL.len());
        for state in State::ALL {
            assert_eq!(statuses.following("new", *state).count(), 1);
        }
    }

    #[test]
    fn the_first_status_that_may_follow_is_found() {
        let statuses = Statuses::new(vec![
            standing("new", State::New, &["fixing"]),
            standing("triage", State::InProgress, &[]),
            standing("fixing", State::InProgress, &[]),
        ]);
        assert_eq!(statuses.first(State::InProgress), "triage");
        let following = |from: &str| {
            let mut all = statuses.following(from, State::InProgress);
            all.next()
                .map(|(place, standing)| (place, standing.id.clone()))
        };
        assert_eq!(following("new"), Some((2, "fixing".to_owned())));
        assert_eq!(following("triage"), Some((1, "triage".to_owned())));
        assert_eq!(following("forgotten"), Some((1, "triage".to_owned())));
        assert!(!statuses.may_follow("new", "triage"));
    }
}
