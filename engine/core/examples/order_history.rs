//! An order and its past: the state at a version and at a moment, and what happened in between.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::error::Error;

use annals::{
    Aggregate, Aggregates, Applied, Event, Keep, Selection, Snapshots, Store, Timestamp, Version,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
enum OrderEvent {
    Placed { customer: String, cents: u64 },
    Paid { cents: u64 },
    Sent,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Order {
    customer: String,
    open_cents: u64,
    sent: bool,
}

impl Aggregate for Order {
    type Event = OrderEvent;
    const NAME: &'static str = "order";

    fn apply(&mut self, event: OrderEvent, _: &Event) -> Applied {
        match event {
            OrderEvent::Placed { customer, cents } => {
                self.customer = customer;
                self.open_cents = cents;
            }
            OrderEvent::Paid { cents } => {
                let open = self.open_cents.checked_sub(cents);
                self.open_cents = open.ok_or("more was paid than the order costs")?;
            }
            OrderEvent::Sent => self.sent = true,
        }
        Ok(())
    }
}

/// Fills a store and asks it about its past; gives the answers.
fn run(store: Store) -> Result<Vec<String>, Box<dyn Error>> {
    // Of the older snapshots, one in a hundred versions stays, so that the past is near.
    let snapshots = Snapshots::default().keep(Keep::Spaced(100));
    let orders = Aggregates::<Order>::new(store).snapshots(snapshots);
    let record = |stream: &str, event: OrderEvent| {
        orders.execute(stream, |_| Ok::<_, annals::Error>(vec![event.clone()]))
    };
    let place = |stream: &str, customer: &str, cents| {
        record(stream, OrderEvent::Placed { customer: customer.to_owned(), cents })
    };

    let placed = place("order-1", "ada", 4_200)?.receipt.ok_or("an event was appended")?;
    record("order-1", OrderEvent::Paid { cents: 4_200 })?;
    record("order-1", OrderEvent::Sent)?;
    place("order-2", "ben", 700)?;
    let mut answers = Vec::new();

    // At a version.
    let first = orders.load_at("order-1", Version::new(1))?;
    answers.push(format!("version 1: {} cents open", first.state.open_cents));

    // As of a moment, which must be past.
    let before = Timestamp::from_micros(placed.recorded_at.as_micros() - 1);
    let nothing = orders.load_as_of("order-1", before)?;
    answers.push(format!("before it was placed: version {}", nothing.version));

    // Between two points: versions, positions or moments.
    let diff = orders.diff("order-1", Version::new(1), Version::new(3))?;
    for event in diff.events {
        answers.push(format!("then: {}", event?.event_type()));
    }
    answers.push(format!("now: {} cents open", diff.after.state.open_cents));

    // All orders as they stood when the first one was placed, loaded on several threads, each of
    // which has a sum of its own.
    let then = orders.as_of(placed.position)?;
    let sums = then.fold_all(
        &Selection::category("order"),
        || 0,
        |open, order| {
            *open += order.state.open_cents;
            Ok(())
        },
    )?;
    answers.push(format!("all orders then: {} cents open", sums.iter().sum::<u64>()));
    Ok(answers)
}

fn main() -> Result<(), Box<dyn Error>> {
    for answer in run(Store::in_memory()?)? {
        println!("{answer}");
    }
    Ok(())
}

#[test]
fn the_past_stays_as_it_was() -> Result<(), Box<dyn Error>> {
    let expected = [
        "version 1: 4200 cents open",
        "before it was placed: version 0",
        "then: Paid",
        "then: Sent",
        "now: 0 cents open",
        "all orders then: 4200 cents open",
    ];
    assert_eq!(run(Store::in_memory()?)?, expected);
    Ok(())
}
