//! A projection: orders by customer and revenue by day, kept in the store and resumed.
//!
//! `cargo run --example orders_projection`

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it is what a user writes")]

use std::collections::BTreeMap;

use annals::{
    Applied, Event, ExpectedVersion, NewEvent, Position, Projection, Projector, Query, QueryItem,
    Result, Started, Store,
};
use serde::{Deserialize, Serialize};

/// What the shop wants to know at any time.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Orders {
    by_customer: BTreeMap<u64, u64>,
    /// In cents, by the day in UTC.
    revenue: BTreeMap<String, i64>,
}

#[derive(Deserialize)]
struct Placed {
    customer: u64,
}

#[derive(Deserialize)]
struct Payment {
    cents: i64,
}

impl Projection for Orders {
    const NAME: &'static str = "orders";

    fn query() -> Query {
        let types = ["OrderPlaced", "OrderPaid", "OrderRefunded"];
        QueryItem::new().category("order").event_types(types).into()
    }

    fn apply(&mut self, event: &Event) -> Applied {
        if event.event_type() == "OrderPlaced" {
            let placed: Placed = serde_json::from_slice(event.data())?;
            *self.by_customer.entry(placed.customer).or_default() += 1;
            return Ok(());
        }
        let payment: Payment = serde_json::from_slice(event.data())?;
        let refunded = event.event_type() == "OrderRefunded";
        let cents = if refunded { -payment.cents } else { payment.cents };
        // When it was paid as the shop says, or else when the store came to know of it.
        let moment = event.occurred_at().map(|moment| moment.timestamp());
        let moment = moment.unwrap_or(event.recorded_at()).to_string();
        let day = moment.split('T').next().ok_or("a moment has a day")?;
        *self.revenue.entry(day.to_owned()).or_default() += cents;
        Ok(())
    }
}

fn place(store: &Store, order: &str, customer: u64) -> Result<()> {
    let placed = NewEvent::json("OrderPlaced", format!(r#"{{"customer":{customer}}}"#));
    store.append(order, ExpectedVersion::NoStream, &[placed])?;
    Ok(())
}

fn pay(store: &Store, order: &str, cents: i64, moment: &str) -> Result<()> {
    let paid = NewEvent::json("OrderPaid", format!(r#"{{"cents":{cents}}}"#));
    let paid = paid.occurred_at(moment.parse::<annals::OccurredAt>()?);
    store.append(order, ExpectedVersion::Exists, &[paid])?;
    Ok(())
}

fn run(folder: &std::path::Path) -> Result<Orders> {
    let store = Store::open(folder)?;
    place(&store, "order-1", 7)?;
    place(&store, "order-2", 8)?;
    pay(&store, "order-1", 42_00, "2026-03-03T17:20:00+01:00")?;
    let mut orders = Projector::<Orders>::open(store.clone())?;
    orders.catch_up()?;
    drop(orders);
    store.close()?;

    // The next process goes on where the first one ended.
    let store = Store::open(folder)?;
    let mut orders = Projector::<Orders>::open(store.clone())?;
    assert!(matches!(orders.started(), Started::Resumed(_)), "{:?}", orders.started());
    place(&store, "order-3", 7)?;
    pay(&store, "order-2", 10_50, "2026-03-03T20:00:00+01:00")?;
    pay(&store, "order-3", 5_00, "2026-03-05T08:00:00+01:00")?;
    let refunded = NewEvent::json("OrderRefunded", r#"{"cents":200}"#);
    let refunded = refunded.occurred_at("2026-03-05T09:00:00Z".parse::<annals::OccurredAt>()?);
    store.append("order-3", ExpectedVersion::Exists, &[refunded])?;
    orders.catch_up()?;

    // As it stood when three events were there; nothing is kept of it.
    let then = Orders::over(&store.as_of(Position::new(3))?)?;
    assert_eq!(then.by_customer.len(), 2);
    assert_eq!(then.revenue.get("2026-03-03"), Some(&42_00));
    let orders = orders.into_state();
    store.close()?;
    Ok(orders)
}

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("annals-orders-{}", std::process::id()));
    let orders = run(&folder);
    std::fs::remove_dir_all(&folder).ok();
    println!("{:#?}", orders?);
    Ok(())
}

#[test]
fn orders_by_customer_and_revenue_by_day() {
    let folder = std::env::temp_dir().join(format!("annals-orders-test-{}", std::process::id()));
    let orders = run(&folder);
    std::fs::remove_dir_all(&folder).ok();
    let orders = orders.unwrap();
    assert_eq!(orders.by_customer, BTreeMap::from([(7, 2), (8, 1)]));
    let revenue = [("2026-03-03".to_owned(), 52_50), ("2026-03-05".to_owned(), 3_00)];
    assert_eq!(orders.revenue, BTreeMap::from(revenue));
}
