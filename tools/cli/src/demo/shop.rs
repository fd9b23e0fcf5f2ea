//! A shop's year: customers order, pay, get parcels, sometimes change their minds.
//!
//! Many orders are under way at a time, so their streams interleave as in a real log. Each step is
//! one commit to one stream, with the version that the shop expects of it.

use annals::{EventId, ExpectedVersion, NewEvent, OccurredAt, Version};

use super::random::Random;

/// Orders under way at a time.
const OPEN_ORDERS: usize = 400;
/// 2026-01-05T07:00:00Z: the shop opens.
const OPENING_SECONDS: i64 = 1_767_596_400;
const CITIES: [&str; 8] =
    ["Aarhus", "Bergen", "Gdańsk", "Kraków", "Leuven", "Málaga", "Örebro", "Zürich"];
const GOODS: [(&str, u64); 8] = [
    ("Espresso beans 1 kg", 2_490),
    ("Filter paper 100", 390),
    ("Hand grinder", 7_900),
    ("Kettle", 5_450),
    ("Mug, blue", 1_200),
    ("Mug, white", 1_200),
    ("Scale", 3_995),
    ("Thermos", 2_899),
];
const NAMES: [&str; 8] = ["Ada", "Bo", "Chidi", "Dilek", "Emre", "Fen", "Grażyna", "Héloïse"];
const CARRIERS: [&str; 3] = ["Kurier", "Postbode", "Velo"];
const METHODS: [&str; 3] = ["card", "invoice", "transfer"];

/// Events that go into one stream together.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) stream: String,
    pub(super) expected: ExpectedVersion,
    pub(super) events: Vec<NewEvent>,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Placed,
    PaymentAsked,
    Paid,
    Confirmed,
    Packed,
    UnderWay,
    Arrived,
    Refunded,
    Closed,
}

#[derive(Debug)]
struct Order {
    number: u64,
    customer: u64,
    total_cents: u64,
    stage: Stage,
    /// Shared by all events about this order.
    correlation: EventId,
    /// The last event that set something off.
    cause: Option<EventId>,
    order_version: u64,
    payment_version: u64,
    shipment_version: u64,
}

/// The shop, which can be asked for its next commit for ever.
#[derive(Debug)]
pub(super) struct Shop {
    random: Random,
    seconds: i64,
    customers: u64,
    orders: u64,
    open: Vec<Order>,
}

impl Shop {
    pub(super) fn new(seed: u64) -> Self {
        let random = Random::new(seed);
        Self { random, seconds: OPENING_SECONDS, customers: 0, orders: 0, open: Vec::new() }
    }

    /// What happens next.
    pub(super) fn next(&mut self) -> Commit {
        self.seconds += i64::try_from(self.random.below(40)).unwrap_or(1);
        let regulars = self.orders / 4 + 1;
        if self.customers < regulars {
            return self.register();
        }
        if self.open.len() < OPEN_ORDERS {
            return self.place();
        }
        let index = usize::try_from(self.random.below(OPEN_ORDERS as u64)).unwrap_or(0);
        let mut order = self.open.swap_remove(index);
        let commit = self.advance(&mut order);
        if !matches!(order.stage, Stage::Closed) {
            self.open.push(order);
        }
        commit
    }

    /// The number of an order that is still to be packed: the newest.
    pub(super) fn order_in_hand(&self) -> u64 {
        let in_hand = |order: &&Order| {
            matches!(
                order.stage,
                Stage::Placed | Stage::PaymentAsked | Stage::Paid | Stage::Confirmed
            )
        };
        self.open.iter().filter(in_hand).map(|order| order.number).max().unwrap_or(1)
    }

    fn register(&mut self) -> Commit {
        self.customers += 1;
        let (name, city) = (self.random.pick(&NAMES), self.random.pick(&CITIES));
        let number = self.customers;
        let data = format!(r#"{{"customer":{number},"name":"{name}","city":"{city}"}}"#);
        let event = self.event("CustomerRegistered", data).tag(format!("city:{city}"));
        Commit {
            stream: format!("customer-{number:05}"),
            expected: ExpectedVersion::NoStream,
            events: vec![event],
        }
    }

    /// An order with its lines: several events, one commit.
    fn place(&mut self) -> Commit {
        self.orders += 1;
        let mut order = Order {
            number: self.orders,
            customer: self.random.below(self.customers) + 1,
            total_cents: 0,
            stage: Stage::Placed,
            correlation: EventId::from_u128(self.random.uuid()),
            cause: None,
            order_version: 0,
            payment_version: 0,
            shipment_version: 0,
        };
        let city = self.random.pick(&CITIES);
        let customer = order.customer;
        let data = format!(r#""customer":{customer},"ship_to":"{city}","channel":"web""#);
        let mut events = vec![self.about(&mut order, "OrderPlaced", &data)];
        for line in 1..=self.random.below(4) + 1 {
            let (article, cents) = self.random.pick(&GOODS);
            let quantity = self.random.below(3) + 1;
            order.total_cents += cents * quantity;
            let data = format!(
                r#""line":{line},"article":"{article}","quantity":{quantity},"price_cents":{cents}"#
            );
            events.push(self.about(&mut order, "OrderLineAdded", &data));
        }
        let commit = order.commit("order", events);
        self.open.push(order);
        commit
    }

    fn advance(&mut self, order: &mut Order) -> Commit {
        let total = order.total_cents;
        match order.stage {
            Stage::Placed => {
                order.stage = Stage::PaymentAsked;
                let method = self.random.pick(&METHODS);
                let data = format!(r#""amount_cents":{total},"method":"{method}""#);
                let event = self.about(order, "PaymentRequested", &data);
                order.commit("payment", vec![event])
            }
            Stage::PaymentAsked if self.random.percent(6) => {
                order.stage = Stage::Refunded;
                let event = self.about(order, "PaymentDeclined", r#""reason":"no cover""#);
                order.commit("payment", vec![event])
            }
            Stage::PaymentAsked => {
                order.stage = Stage::Paid;
                let data = format!(r#""amount_cents":{total}"#);
                let events = ["PaymentAuthorized", "PaymentCaptured"]
                    .map(|kind| self.about(order, kind, &data));
                order.commit("payment", events.into())
            }
            Stage::Paid => {
                order.stage = Stage::Confirmed;
                let event = self.about(order, "OrderConfirmed", r#""promised_days":3"#);
                order.commit("order", vec![event])
            }
            Stage::Confirmed => {
                order.stage = Stage::Packed;
                let grams = 200 + self.random.below(4_000);
                let event =
                    self.about(order, "ShipmentPacked", &format!(r#""weight_grams":{grams}"#));
                order.commit("shipment", vec![event])
            }
            Stage::Packed => {
                order.stage = Stage::UnderWay;
                let carrier = self.random.pick(&CARRIERS);
                let event =
                    self.about(order, "ShipmentDispatched", &format!(r#""carrier":"{carrier}""#));
                order.commit("shipment", vec![event.tag(format!("carrier:{carrier}"))])
            }
            Stage::UnderWay if self.random.percent(10) => {
                let event = self.about(order, "ShipmentDelayed", r#""reason":"snow""#);
                order.commit("shipment", vec![event])
            }
            Stage::UnderWay => {
                order.stage = Stage::Arrived;
                let event = self.about(order, "ShipmentDelivered", r#""signed_by":"neighbour""#);
                order.commit("shipment", vec![event])
            }
            Stage::Arrived if self.random.percent(4) => {
                order.stage = Stage::Refunded;
                let event =
                    self.about(order, "RefundIssued", &format!(r#""amount_cents":{total}"#));
                order.commit("payment", vec![event])
            }
            Stage::Arrived => {
                order.stage = Stage::Closed;
                let event = self.about(order, "OrderCompleted", r#""rating":5"#);
                order.commit("order", vec![event])
            }
            Stage::Refunded | Stage::Closed => {
                order.stage = Stage::Closed;
                let event = self.about(order, "OrderCancelled", r#""by":"shop""#);
                order.commit("order", vec![event])
            }
        }
    }

    /// An event about an order. What sets off something in another stream has an id of its own, to
    /// which that refers.
    fn about(&mut self, order: &mut Order, kind: &'static str, fields: &str) -> NewEvent {
        let data = format!(r#"{{"order":{},{fields}}}"#, order.number);
        let mut event = self.event(kind, data);
        event.correlation_id = Some(order.correlation);
        event.causation_id = order.cause;
        if matches!(
            kind,
            "OrderPlaced" | "PaymentCaptured" | "PaymentDeclined" | "ShipmentDelivered"
        ) {
            let id = EventId::from_u128(self.random.uuid());
            event.id = Some(id);
            order.cause = Some(id);
        }
        event.tag(format!("order:{}", order.number)).tag(format!("customer:{}", order.customer))
    }

    fn event(&mut self, kind: &'static str, data: String) -> NewEvent {
        let millis = u32::try_from(self.random.below(1_000)).unwrap_or(0);
        let mut event = NewEvent::json(kind, data);
        event.occurred_at = OccurredAt::new(self.seconds, millis * 1_000_000, 3, 60);
        event
    }
}

impl Order {
    fn commit(&mut self, category: &str, events: Vec<NewEvent>) -> Commit {
        let version = match category {
            "order" => &mut self.order_version,
            "payment" => &mut self.payment_version,
            _ => &mut self.shipment_version,
        };
        let expected = ExpectedVersion::Version(Version::new(*version));
        *version += events.len() as u64;
        Commit { stream: stream(category, self.number), expected, events }
    }
}

/// The stream of an order, or of its payment or shipment.
pub(super) fn stream(category: &str, order: u64) -> String {
    format!("{category}-{order:06}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_story_is_the_same_for_a_seed_and_its_versions_follow_each_other() {
        let (mut one, mut other) = (Shop::new(7), Shop::new(7));
        let mut versions: HashMap<String, Version> = HashMap::new();
        for _ in 0..20_000 {
            let commit = one.next();
            assert_eq!(commit.events, other.next().events);
            let checked = annals::Commit::new()
                .append(&commit.stream, commit.expected, &commit.events)
                .check();
            checked.unwrap();
            for event in &commit.events {
                assert!(crate::event_json::is_json(&event.data));
            }
            let version = versions.entry(commit.stream).or_default();
            assert!(commit.expected.holds(*version));
            *version = version.plus(commit.events.len() as u64);
        }
        let orders = versions.keys().filter(|name| name.starts_with("order-")).count();
        assert!(orders > 1_000, "{orders}");
    }
}
