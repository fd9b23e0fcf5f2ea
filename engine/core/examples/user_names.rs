//! User names that only one user can have, whatever their streams are called: a decision over a tag.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::error::Error;

use annals::{
    Aggregate, Aggregates, Applied, Decision, Event, ExecuteError, ExpectedVersion, QueryItem,
    Receipt, Store, TypedEvent,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
enum NameEvent {
    NameTaken { name: String },
    NameGivenUp { name: String },
}

/// Who has a name: the stream of the user. Folded from the events of one name, whatever streams
/// they are in.
#[derive(Default, Serialize, Deserialize)]
struct NameHolder(Option<String>);

impl Aggregate for NameHolder {
    type Event = NameEvent;
    const NAME: &'static str = "name-holder";

    fn apply(&mut self, event: NameEvent, recorded: &Event) -> Applied {
        self.0 = match event {
            NameEvent::NameTaken { .. } => Some(recorded.stream().to_owned()),
            NameEvent::NameGivenUp { .. } => None,
        };
        Ok(())
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum Refusal {
    #[error("{0} has the name")]
    Taken(String),
    #[error("it is somebody else's name")]
    NotYours,
}

type Outcome = Result<Option<Receipt>, ExecuteError<Refusal>>;

struct UserNames(Aggregates<NameHolder>);

impl UserNames {
    fn take(&self, user: &str, name: &str) -> Outcome {
        self.decide(user, name, |holder| match holder {
            None => Ok(NameEvent::NameTaken { name: name.to_owned() }),
            Some(holder) => Err(Refusal::Taken(holder.to_owned())),
        })
    }

    fn give_up(&self, user: &str, name: &str) -> Outcome {
        self.decide(user, name, |holder| match holder {
            Some(holder) if holder == user => Ok(NameEvent::NameGivenUp { name: name.to_owned() }),
            _ => Err(Refusal::NotYours),
        })
    }

    /// Decides on who has the name. If anything happens to that name before the event is appended,
    /// it is decided again.
    fn decide(
        &self,
        user: &str,
        name: &str,
        mut decide: impl FnMut(Option<&str>) -> Result<NameEvent, Refusal>,
    ) -> Outcome {
        let tag = format!("user-name:{name}");
        let decided = self.0.decide(QueryItem::new().tag(&tag), |holder| {
            let event = TypedEvent::new(decide(holder.state.0.as_deref())?).tag(tag.clone());
            Ok(Decision::new().append(user, ExpectedVersion::Any, [event]))
        })?;
        Ok(decided.receipt)
    }
}

fn run(store: Store) -> Result<UserNames, Box<dyn Error>> {
    let names = UserNames(Aggregates::new(store));
    names.take("user-1", "ada")?;
    if let Err(refused) = names.take("user-2", "ada") {
        println!("{refused}");
    }
    names.give_up("user-1", "ada")?;
    names.take("user-2", "ada")?;
    println!("user-2 has it now");
    Ok(names)
}

fn main() -> Result<(), Box<dyn Error>> {
    run(Store::in_memory()?)?;
    Ok(())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the engine's own rule; an example is no part of it")]
fn one_user_at_a_time_has_a_name() -> Result<(), Box<dyn Error>> {
    let store = Store::in_memory()?;
    let names = run(store.clone())?;
    let holder = |outcome: Outcome| match outcome {
        Err(ExecuteError::Refused(Refusal::Taken(holder))) => holder,
        other => panic!("{other:?}"),
    };
    assert_eq!(holder(names.take("user-3", "ada")), "user-2");
    assert!(matches!(
        names.give_up("user-1", "ada"),
        Err(ExecuteError::Refused(Refusal::NotYours))
    ));

    // Of many who ask at the same time, one gets it.
    std::thread::scope(|scope| {
        for number in 0..8 {
            let names = &names;
            scope.spawn(move || names.take(&format!("user-{number}"), "ben").is_ok());
        }
    });
    let of_ben =
        store.head().read(annals::Read::all().matching(QueryItem::new().tag("user-name:ben")));
    assert_eq!(of_ben.count(), 1);
    Ok(())
}
