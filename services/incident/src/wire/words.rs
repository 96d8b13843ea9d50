//! The closed words of the contract and of the record, side by side. What is
//! not set on the wire is `None` here.

use mainstay_proto::mainstay::incident::v1 as pb;

use crate::comment::Audience;
use crate::incident::{
    HoldReason, Impact, MajorState, Priority, ResolutionCode, ResponseRole, Severity, State,
    Urgency,
};

/// A word of the record that the contract knows.
pub(crate) trait OnWire: Sized + Copy {
    /// Its number on the wire.
    fn number(self) -> i32;
    /// The word of a number; none when it is not set, or unknown.
    fn of(number: i32) -> Option<Self>;
}

/// Pairs the values of two enums by their name; the contract's `Unspecified`
/// has no partner.
macro_rules! pair {
    ($ours:ident = $theirs:ident { $($name:ident),* }) => {
        impl OnWire for $ours {
            fn number(self) -> i32 {
                match self { $(Self::$name => pb::$theirs::$name,)* }.into()
            }

            fn of(number: i32) -> Option<Self> {
                match pb::$theirs::try_from(number) {
                    $(Ok(pb::$theirs::$name) => Some(Self::$name),)*
                    Ok(pb::$theirs::Unspecified) | Err(_) => None,
                }
            }
        }
    };
}

pair!(
    State = IncidentState {
        New,
        InProgress,
        OnHold,
        Mitigated,
        Resolved,
        Closed,
        Cancelled
    }
);
pair!(
    Impact = Impact {
        Low,
        Medium,
        High,
        Critical
    }
);
pair!(Urgency = Urgency { Low, Medium, High });
pair!(Priority = Priority { P1, P2, P3, P4, P5 });
pair!(
    Severity = Severity {
        Sev1,
        Sev2,
        Sev3,
        Sev4,
        Sev5
    }
);
pair!(
    HoldReason = HoldReason {
        Requester,
        Vendor,
        Change,
        Problem,
        Parts,
        Other
    }
);
pair!(
    MajorState = MajorIncidentState {
        Proposed,
        Dismissed,
        Declared,
        StoodDown
    }
);
pair!(
    ResponseRole = ResponseRole {
        Commander,
        Scribe,
        Liaison,
        Communications
    }
);
pair!(Audience = CommentAudience { Public, Internal });
pair!(
    ResolutionCode = ResolutionCode {
        Fixed,
        Workaround,
        SelfRecovered,
        NotReproducible,
        FalseAlarm,
        Duplicate,
        Imported
    }
);

/// The number of a word that may be absent.
pub(crate) fn number<T: OnWire>(word: Option<T>) -> i32 {
    word.map_or(0, T::number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_practice::Word;

    fn all<T: OnWire>() -> Vec<T> {
        (1..20).map_while(T::of).collect()
    }

    #[test]
    fn every_word_finds_its_way_back() {
        fn check<T: OnWire + PartialEq + std::fmt::Debug>(count: usize) {
            let words = all::<T>();
            assert_eq!(words.len(), count);
            for word in words {
                assert_eq!(T::of(word.number()), Some(word));
            }
            assert_eq!((T::of(0).is_none(), T::of(99).is_none()), (true, true));
        }
        check::<State>(7);
        check::<Impact>(4);
        check::<Urgency>(3);
        check::<Priority>(5);
        check::<Severity>(5);
        check::<HoldReason>(6);
        check::<Audience>(2);
        check::<ResolutionCode>(7);
        check::<MajorState>(4);
        check::<ResponseRole>(4);
    }

    #[test]
    fn a_state_reads_the_same_in_the_table_and_in_the_contract() {
        use sea_orm::ActiveEnum;
        for state in State::ALL {
            let name = pb::IncidentState::try_from(state.number())
                .unwrap()
                .as_str_name();
            assert_eq!(name.trim_start_matches("INCIDENT_STATE_"), state.word());
            assert_eq!(state.to_value(), state.word());
        }
        for state in all::<MajorState>() {
            let name = pb::MajorIncidentState::try_from(state.number())
                .unwrap()
                .as_str_name();
            assert_eq!(
                name.trim_start_matches("MAJOR_INCIDENT_STATE_"),
                state.word()
            );
            assert_eq!(state.to_value(), state.word());
        }
        for impact in all::<Impact>() {
            let name = pb::Impact::try_from(impact.number()).unwrap().as_str_name();
            assert_eq!(name.trim_start_matches("IMPACT_"), impact.to_value());
        }
    }
}
