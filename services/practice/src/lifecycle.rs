//! A lifecycle as data: a const table of what each verb does, and from where.
//!
//! The same table lets a verb pass or refuses it, lists the verbs that are
//! open, draws the diagram of the README, and tells the practice's workflow.
//! Nothing else decides whether a verb may be taken.

use mainstay_chassis::{Kind, Refusal};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use mainstay_proto::mainstay::practice::v1 as pb;

/// A state or a verb: one of a closed set of words.
pub trait Word: Copy + Eq + 'static {
    /// All of them, in the order in which people read them.
    const ALL: &'static [Self];

    /// The word as it stands on the wire.
    fn word(self) -> &'static str;
}

/// What a verb does, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Rule<S: 'static, V> {
    /// The verb.
    pub verb: V,
    /// The states in which it is open.
    pub from: &'static [S],
    /// The state after it; none when it leaves the state as it is.
    pub to: Option<S>,
}

/// The table: at most one rule per verb.
#[derive(Clone, Copy, Debug)]
pub struct Lifecycle<S: 'static, V: 'static>(pub &'static [Rule<S, V>]);

impl<S: Word, V: Word> Lifecycle<S, V> {
    /// The state after the verb, or the refusal that names the open verbs.
    pub fn next(&self, state: S, verb: V) -> Result<S, Refusal> {
        self.next_of(state, verb, |_| true)
    }

    /// The same; a refusal names only open verbs that also suit the record.
    pub fn next_of(&self, state: S, verb: V, suits: impl Fn(V) -> bool) -> Result<S, Refusal> {
        match self.rule(verb).filter(|rule| rule.from.contains(&state)) {
            Some(rule) => Ok(rule.to.unwrap_or(state)),
            None => Err(self.refusal(state, verb, suits)),
        }
    }

    /// The verbs that are open in a state, in the order of the table.
    pub fn open_verbs(&self, state: S) -> impl Iterator<Item = V> {
        let open = self.0.iter().filter(move |rule| rule.from.contains(&state));
        open.map(|rule| rule.verb)
    }

    /// The table as a diagram in Mermaid's language; verbs that leave the
    /// state as it is stand in notes beside it.
    pub fn diagram(&self) -> String {
        let mut text = "stateDiagram-v2\n".to_owned();
        for state in S::ALL {
            for rule in self.0.iter().filter(|rule| rule.from.contains(state)) {
                if let Some(to) = rule.to {
                    text += &format!(
                        "    {} --> {}: {}\n",
                        state.word(),
                        to.word(),
                        rule.verb.word()
                    );
                }
            }
        }
        for state in S::ALL {
            let facts = self
                .0
                .iter()
                .filter(|rule| rule.to.is_none() && rule.from.contains(state));
            let facts: Vec<_> = facts.map(|rule| rule.verb.word()).collect();
            if !facts.is_empty() {
                text += &format!("    note right of {}: {}\n", state.word(), facts.join(", "));
            }
        }
        text
    }

    /// The table as the practice tells it; `permission` says what a verb asks for.
    pub fn workflow(&self, record: &str, permission: impl Fn(V) -> &'static str) -> pb::Workflow {
        let words = |states: &[S]| states.iter().map(|state| state.word().to_owned()).collect();
        let transitions = self.0.iter().map(|rule| pb::Transition {
            verb: rule.verb.word().to_owned(),
            from: words(rule.from),
            to: rule.to.map(|to| to.word().to_owned()).unwrap_or_default(),
            permission: permission(rule.verb).to_owned(),
        });
        pb::Workflow {
            record: record.to_owned(),
            states: words(S::ALL),
            transitions: transitions.collect(),
        }
    }

    fn rule(&self, verb: V) -> Option<&'static Rule<S, V>> {
        self.0.iter().find(|rule| rule.verb == verb)
    }

    fn refusal(&self, state: S, verb: V, suits: impl Fn(V) -> bool) -> Refusal {
        let open = self.open_verbs(state).filter(|verb| suits(*verb));
        let open: Vec<_> = open.map(Word::word).collect();
        let remedy = match open.is_empty() {
            true => "nothing is open any more".to_owned(),
            false => format!("open are {}", open.join(", ")),
        };
        let message = format!(
            "{} is not open in the state {}: {remedy}",
            verb.word(),
            state.word()
        );
        Refusal::new(Kind::Precondition, ErrorReason::VerbNotAllowed, message)
            .with("state", state.word())
            .with("verb", verb.word())
            .with("openVerbs", open.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Door {
        Open,
        Shut,
        Gone,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Act {
        Shut,
        Open,
        Paint,
        Remove,
    }

    impl Word for Door {
        const ALL: &'static [Self] = &[Self::Open, Self::Shut, Self::Gone];
        fn word(self) -> &'static str {
            match self {
                Self::Open => "OPEN",
                Self::Shut => "SHUT",
                Self::Gone => "GONE",
            }
        }
    }

    impl Word for Act {
        const ALL: &'static [Self] = &[Self::Shut, Self::Open, Self::Paint, Self::Remove];
        fn word(self) -> &'static str {
            match self {
                Self::Shut => "shut",
                Self::Open => "open",
                Self::Paint => "paint",
                Self::Remove => "remove",
            }
        }
    }

    const DOOR: Lifecycle<Door, Act> = Lifecycle(&[
        Rule {
            verb: Act::Shut,
            from: &[Door::Open],
            to: Some(Door::Shut),
        },
        Rule {
            verb: Act::Open,
            from: &[Door::Shut],
            to: Some(Door::Open),
        },
        Rule {
            verb: Act::Paint,
            from: &[Door::Open, Door::Shut],
            to: None,
        },
        Rule {
            verb: Act::Remove,
            from: &[Door::Open],
            to: Some(Door::Gone),
        },
    ]);

    #[test]
    fn a_verb_leads_where_the_table_says_and_nowhere_else() {
        for state in Door::ALL {
            for verb in Act::ALL {
                let open = DOOR.open_verbs(*state).any(|open| open == *verb);
                assert_eq!(DOOR.next(*state, *verb).is_ok(), open);
            }
        }
        assert_eq!(DOOR.next(Door::Open, Act::Shut), Ok(Door::Shut));
        assert_eq!(DOOR.next(Door::Shut, Act::Paint), Ok(Door::Shut));
    }

    #[test]
    fn a_refusal_names_what_is_open() {
        let refusal = DOOR.next(Door::Shut, Act::Remove).unwrap_err();
        assert_eq!(refusal.reason_name(), "VERB_NOT_ALLOWED");
        assert_eq!(
            refusal.message(),
            "remove is not open in the state SHUT: open are open, paint"
        );
        let refusal = DOOR.next(Door::Gone, Act::Paint).unwrap_err();
        assert_eq!(
            refusal.message(),
            "paint is not open in the state GONE: nothing is open any more"
        );
    }

    #[test]
    fn the_diagram_shows_every_step_and_every_fact() {
        let expected = "stateDiagram-v2\n    OPEN --> SHUT: shut\n    OPEN --> GONE: remove\n    SHUT --> OPEN: open\n    \
                        note right of OPEN: paint\n    note right of SHUT: paint\n";
        assert_eq!(DOOR.diagram(), expected);
    }

    #[test]
    fn the_workflow_tells_the_table() {
        let workflow = DOOR.workflow("door", |_| "door.use");
        assert_eq!(workflow.states, ["OPEN", "SHUT", "GONE"]);
        assert_eq!(workflow.transitions.len(), 4);
        assert_eq!(workflow.transitions[2].from, ["OPEN", "SHUT"]);
        assert_eq!(
            (
                workflow.transitions[2].to.as_str(),
                workflow.transitions[3].to.as_str()
            ),
            ("", "GONE")
        );
    }
}
