//! The matrix: which priority impact and urgency give.

use sea_orm::ActiveEnum;

use crate::incident::{Impact, Priority, Urgency};

/// Which priority impact and urgency give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix([Priority; 12]);

impl Matrix {
    /// Every pair, what hurts most and can wait least first.
    pub const PAIRS: [(Impact, Urgency); 12] = [
        (Impact::Critical, Urgency::High),
        (Impact::Critical, Urgency::Medium),
        (Impact::Critical, Urgency::Low),
        (Impact::High, Urgency::High),
        (Impact::High, Urgency::Medium),
        (Impact::High, Urgency::Low),
        (Impact::Medium, Urgency::High),
        (Impact::Medium, Urgency::Medium),
        (Impact::Medium, Urgency::Low),
        (Impact::Low, Urgency::High),
        (Impact::Low, Urgency::Medium),
        (Impact::Low, Urgency::Low),
    ];

    /// The matrix of which this tells each cell; none when it leaves one out.
    pub fn of(tell: impl Fn(Impact, Urgency) -> Option<Priority>) -> Option<Self> {
        let cells = Self::PAIRS.map(|(impact, urgency)| tell(impact, urgency));
        let whole: Option<Vec<Priority>> = cells.into_iter().collect();
        whole?.try_into().ok().map(Self)
    }

    /// The pairs that are left out.
    pub fn holes(tell: impl Fn(Impact, Urgency) -> Option<Priority>) -> Vec<String> {
        let holes = Self::PAIRS
            .iter()
            .filter(|(impact, urgency)| tell(*impact, *urgency).is_none());
        holes
            .map(|(impact, urgency)| format!("{} × {}", impact.to_value(), urgency.to_value()))
            .collect()
    }

    /// What comes first.
    pub fn priority(&self, impact: Impact, urgency: Urgency) -> Priority {
        let cells = Self::PAIRS.iter().zip(&self.0);
        let mut cell = cells.filter(|(pair, _)| **pair == (impact, urgency));
        cell.next()
            .map_or_else(|| Priority::of(impact, urgency), |(_, priority)| *priority)
    }
}

impl Default for Matrix {
    fn default() -> Self {
        Self(Self::PAIRS.map(|(impact, urgency)| Priority::of(impact, urgency)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::Iterable;

    #[test]
    fn the_built_in_matrix_is_the_default_one() {
        let told = Matrix::of(|impact, urgency| Some(Priority::of(impact, urgency)));
        assert_eq!(told, Some(Matrix::default()));
    }

    #[test]
    fn every_pair_has_its_cell() {
        for impact in Impact::iter() {
            for urgency in Urgency::iter() {
                assert!(Matrix::PAIRS.contains(&(impact, urgency)));
                for priority in Priority::iter() {
                    let tell = |i, u| {
                        let here = (i, u) == (impact, urgency);
                        Some(if here { priority } else { Priority::of(i, u) })
                    };
                    let matrix = Matrix::of(tell).unwrap();
                    assert_eq!(matrix.priority(impact, urgency), priority);
                }
            }
        }
    }

    #[test]
    fn a_matrix_with_a_hole_is_none_and_the_hole_is_named() {
        let hole = |impact, urgency| (impact, urgency) == (Impact::High, Urgency::Low);
        let tell = |impact, urgency| (!hole(impact, urgency)).then_some(Priority::P3);
        assert_eq!(Matrix::of(tell), None);
        assert_eq!(Matrix::holes(tell), ["HIGH × LOW"]);
    }
}
