//! The facts in memory: per organization, what became of each of its
//! incidents. Only ever added to; words are kept once, a point is 24 bytes.

use std::collections::HashMap;

use uuid::Uuid;

use super::definition::Dimension;
use super::timeline::{Point, State, Timeline};

/// How an incident was after one change, as far as metrics care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Slug of the organization.
    pub organization: String,
    /// Id of the incident.
    pub incident: Uuid,
    /// The incident's revision after the change.
    pub revision: i64,
    /// When it occurred, in microseconds since the epoch.
    pub occur_us: i64,
    /// The state.
    pub state: State,
    /// Slug of the service; empty when there is none.
    pub service: String,
    /// Slug of the team; empty when there is none.
    pub team: String,
    /// Name of the impact; empty when it is not set.
    pub impact: String,
}

/// The facts of all organizations.
#[derive(Debug, Default)]
pub struct Facts(HashMap<String, Organization>);

/// The facts of one organization.
#[derive(Debug, Default)]
pub struct Organization {
    words: Words,
    places: HashMap<Uuid, usize>,
    incidents: Vec<Incident>,
}

#[derive(Debug, Default)]
struct Incident {
    revision: i64,
    timeline: Timeline,
}

/// Words and their numbers. Number 0 is no word.
#[derive(Debug)]
struct Words {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Fact {
    /// Whether the other says the same of the incident.
    fn is_as(&self, other: &Self) -> bool {
        self.state == other.state
            && self.service == other.service
            && self.team == other.team
            && self.impact == other.impact
    }
}

impl Facts {
    /// The facts of an organization.
    pub fn of(&self, organization: &str) -> Option<&Organization> {
        self.0.get(organization)
    }

    /// Takes those of the candidates, which are in the order of the log, that
    /// say something new: the first of an incident, and each that differs from
    /// the one before it.
    pub fn news(&self, candidates: Vec<Fact>) -> Vec<Fact> {
        let mut newest: HashMap<Uuid, Fact> = HashMap::new();
        let mut news = Vec::new();
        for candidate in candidates {
            let before = newest
                .get(&candidate.incident)
                .cloned()
                .or_else(|| self.newest(&candidate));
            let known = before.as_ref().is_some_and(|before| {
                candidate.revision <= before.revision || candidate.is_as(before)
            });
            if !known {
                newest.insert(candidate.incident, candidate.clone());
                news.push(candidate);
            }
        }
        news
    }

    fn newest(&self, like: &Fact) -> Option<Fact> {
        self.of(&like.organization)
            .and_then(|organization| organization.newest(like))
    }

    /// Adds a fact; one that was added before changes nothing.
    pub fn add(&mut self, fact: &Fact) {
        match self.0.get_mut(&fact.organization) {
            Some(organization) => organization.add(fact),
            None => self
                .0
                .entry(fact.organization.clone())
                .or_default()
                .add(fact),
        }
    }

    /// Number of points kept.
    pub fn len(&self) -> usize {
        self.0
            .values()
            .flat_map(Organization::timelines)
            .map(Timeline::len)
            .sum()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Organization {
    /// What became of each incident.
    pub fn timelines(&self) -> impl Iterator<Item = &Timeline> {
        self.incidents.iter().map(|incident| &incident.timeline)
    }

    /// The word of a number.
    pub fn word(&self, number: u32) -> &str {
        self.words.text(number)
    }

    fn add(&mut self, fact: &Fact) {
        let place = *self.places.entry(fact.incident).or_insert_with(|| {
            self.incidents.push(Incident::default());
            self.incidents.len() - 1
        });
        let words = &mut self.words;
        let Some(incident) = self
            .incidents
            .get_mut(place)
            .filter(|incident| incident.revision < fact.revision)
        else {
            return;
        };
        incident.revision = fact.revision;
        incident.timeline.push(Point {
            occur_us: fact.occur_us,
            service: words.number(&fact.service),
            team: words.number(&fact.team),
            impact: words.number(&fact.impact),
            state: fact.state,
        });
    }

    fn newest(&self, like: &Fact) -> Option<Fact> {
        let incident = self.incidents.get(*self.places.get(&like.incident)?)?;
        let point = incident.timeline.newest()?;
        Some(Fact {
            organization: like.organization.clone(),
            incident: like.incident,
            revision: incident.revision,
            occur_us: point.occur_us,
            state: point.state,
            service: self.word(point.service).to_owned(),
            team: self.word(point.team).to_owned(),
            impact: self.word(point.impact).to_owned(),
        })
    }
}

impl Dimension {
    /// The number of the word that a point has in this dimension.
    pub fn of(self, point: &Point) -> u32 {
        match self {
            Self::Service => point.service,
            Self::Team => point.team,
            Self::Impact => point.impact,
        }
    }
}

impl Words {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }

    fn text(&self, number: u32) -> &str {
        usize::try_from(number)
            .ok()
            .and_then(|place| self.texts.get(place))
            .map_or("", String::as_str)
    }
}

impl Default for Words {
    fn default() -> Self {
        Self {
            numbers: HashMap::from([(String::new(), 0)]),
            texts: vec![String::new()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(incident: u128, revision: i64, state: State, team: &str) -> Fact {
        Fact {
            organization: "default".to_owned(),
            incident: Uuid::from_u128(incident),
            revision,
            occur_us: revision * 10,
            state,
            service: "mail".to_owned(),
            team: team.to_owned(),
            impact: String::new(),
        }
    }

    #[test]
    fn only_what_differs_from_the_fact_before_is_news() {
        let mut facts = Facts::default();
        facts.add(&fact(1, 1, State::New, "red"));
        let news = facts.news(vec![
            fact(1, 2, State::New, "red"),
            fact(2, 1, State::New, ""),
            fact(1, 3, State::New, "blue"),
            fact(1, 4, State::New, "blue"),
            fact(1, 5, State::New, "red"),
        ]);
        let kept: Vec<_> = news
            .iter()
            .map(|fact| (fact.incident.as_u128(), fact.revision))
            .collect();
        assert_eq!(kept, [(2, 1), (1, 3), (1, 5)]);
    }

    #[test]
    fn what_is_known_already_is_no_news_and_is_not_added_again() {
        let mut facts = Facts::default();
        let first = [
            fact(1, 1, State::New, "red"),
            fact(1, 2, State::Resolved, "red"),
        ];
        first.iter().for_each(|fact| facts.add(fact));
        assert!(facts.news(first.to_vec()).is_empty());
        first.iter().for_each(|fact| facts.add(fact));
        assert_eq!(facts.len(), 2);
    }

    #[test]
    fn organizations_do_not_see_each_other() {
        let mut facts = Facts::default();
        facts.add(&fact(1, 1, State::New, "red"));
        facts.add(&Fact {
            organization: "other".to_owned(),
            ..fact(1, 1, State::Closed, "blue")
        });
        let states = |organization: &str| {
            facts
                .of(organization)
                .unwrap()
                .timelines()
                .map(|line| line.newest().unwrap().state)
                .collect::<Vec<_>>()
        };
        assert_eq!(states("default"), [State::New]);
        assert_eq!(states("other"), [State::Closed]);
        assert!(facts.of("third").is_none());
    }
}
