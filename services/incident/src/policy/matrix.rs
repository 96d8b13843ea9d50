//! The matrix: which priority impact and urgency give.

use crate::incident::{Impact, Priority, Urgency};

/// Which priority impact and urgency give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix([[Priority; 3]; 4]);

impl Matrix {
    /// The matrix of which this tells each cell; none when it leaves one out.
    pub fn of(tell: impl Fn(Impact, Urgency) -> Option<Priority>) -> Option<Self> {
        let row = |impact| {
            Some([
                tell(impact, Urgency::Low)?,
                tell(impact, Urgency::Medium)?,
                tell(impact, Urgency::High)?,
            ])
        };
        Some(Self([
            row(Impact::Low)?,
            row(Impact::Medium)?,
            row(Impact::High)?,
            row(Impact::Critical)?,
        ]))
    }

    /// What comes first.
    pub fn priority(&self, impact: Impact, urgency: Urgency) -> Priority {
        let [low, medium, high, critical] = &self.0;
        let [later, soon, at_once] = match impact {
            Impact::Low => low,
            Impact::Medium => medium,
            Impact::High => high,
            Impact::Critical => critical,
        };
        *match urgency {
            Urgency::Low => later,
            Urgency::Medium => soon,
            Urgency::High => at_once,
        }
    }
}

impl Default for Matrix {
    fn default() -> Self {
        let row = |impact| {
            [Urgency::Low, Urgency::Medium, Urgency::High]
                .map(|urgency| Priority::of(impact, urgency))
        };
        Self([Impact::Low, Impact::Medium, Impact::High, Impact::Critical].map(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_matrix_is_the_default_one() {
        let told = Matrix::of(|impact, urgency| Some(Priority::of(impact, urgency)));
        assert_eq!(told, Some(Matrix::default()));
        for impact in [Impact::Low, Impact::Medium, Impact::High, Impact::Critical] {
            for urgency in [Urgency::Low, Urgency::Medium, Urgency::High] {
                let priority = Matrix::default().priority(impact, urgency);
                assert_eq!(priority, Priority::of(impact, urgency));
            }
        }
    }

    #[test]
    fn a_matrix_with_a_hole_is_none() {
        let hole = |impact, urgency| (impact, urgency) == (Impact::High, Urgency::Low);
        let told = Matrix::of(|impact, urgency| (!hole(impact, urgency)).then_some(Priority::P3));
        assert_eq!(told, None);
    }
}
