//! A rule for a verb: who may take it, what must be set, what must hold.

use mainstay_practice::condition::Condition;

use super::{Asked, Case, FACTS};

/// The service itself counts when it does not stand among the others.
const WIDE: &str = "incident.priority == P1 && (size(incident.affected_services) >= 3 \
                    || size(incident.affected_services) == 2 && has(incident.service) \
                    && !(incident.service in incident.affected_services))";

/// What a verb asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct VerbRule {
    /// Its place among the rules of the document.
    pub place: usize,
    /// The verb, or `create`.
    pub verb: &'static str,
    /// The roles that may take it; empty means all.
    pub roles: Vec<String>,
    /// The fields that must be set once it is taken.
    pub required: Vec<&'static str>,
    /// What must hold.
    pub guard: Option<Condition>,
    /// What the caller is told when it does not.
    pub message: String,
}

/// When an incident is proposed as a major one.
#[derive(Clone, Debug, PartialEq)]
pub struct MajorRule {
    /// Its place among the rules of the document.
    pub place: usize,
    /// What it is known by.
    pub id: String,
    /// What must hold.
    pub condition: Condition,
    /// Why, for people.
    pub reason: String,
}

/// Why a rule does not let a verb pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Where the rule stands in the document.
    pub place: String,
    /// What to do about it.
    pub message: String,
}

impl MajorRule {
    /// The rules that are built in: what comes first and hurts widely.
    pub fn built_in() -> Vec<Self> {
        let wide = Condition::read(WIDE, FACTS).map(|condition| Self {
            place: 0,
            id: "wide".to_owned(),
            condition,
            reason: "P1, and three services or more are hurt".to_owned(),
        });
        wide.into_iter().collect()
    }
}

impl VerbRule {
    /// Whether one of the roles may take the verb.
    pub fn admits(&self, roles: &[String]) -> bool {
        self.roles.is_empty() || roles.iter().any(|role| self.roles.contains(role))
    }

    /// Lets a role pass, or says why not.
    pub fn ask_roles(&self, roles: &[String], asked: &mut Vec<Asked>) -> Result<(), Denial> {
        if self.roles.is_empty() {
            return Ok(());
        }
        let place = format!("verbs[{}].roles", self.place);
        if self.admits(roles) {
            asked.push(Asked::new(place, "true").with("actor.roles", roles.join(",")));
            return Ok(());
        }
        let message = format!("{} is for the roles {}", self.verb, self.roles.join(", "));
        Err(Denial { place, message })
    }

    /// Lets a case pass, or says why not.
    pub fn ask(&self, case: &Case<'_>, asked: &mut Vec<Asked>) -> Result<(), Denial> {
        for (index, field) in self.required.iter().enumerate() {
            let place = format!("verbs[{}].required_fields[{index}]", self.place);
            if case.field(field).is_empty() {
                let message = format!("{} needs {field}: set it", self.verb);
                return Err(Denial { place, message });
            }
            asked.push(Asked::new(place, "true"));
        }
        let Some(guard) = &self.guard else {
            return Ok(());
        };
        let place = format!("verbs[{}].guard", self.place);
        let facts = |path: &str| case.value(path);
        if !guard.holds(&facts) {
            let message = self.message.clone();
            return Err(Denial { place, message });
        }
        let inputs = guard.inputs(&facts);
        let told = Asked::new(place, "true");
        asked.push(
            inputs
                .iter()
                .fold(told, |told, (name, value)| told.with(name, value)),
        );
        Ok(())
    }
}
