//! A shopping cart: add, remove, check out; nothing after that.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::collections::BTreeMap;
use std::error::Error;

use annals::{Aggregate, Aggregates, Applied, Codec, Event, Executed, Store};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
enum CartEvent {
    ItemAdded { item: String, pieces: u32, cents: u64 },
    ItemRemoved { item: String },
    CheckedOut,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Cart {
    /// Pieces, and what one costs in cents.
    items: BTreeMap<String, (u32, u64)>,
    checked_out: bool,
}

impl Cart {
    fn total_cents(&self) -> u64 {
        self.items.values().map(|(pieces, cents)| u64::from(*pieces) * cents).sum()
    }
}

impl Aggregate for Cart {
    type Event = CartEvent;
    const NAME: &'static str = "cart";

    fn apply(&mut self, event: CartEvent, _: &Event) -> Applied {
        match event {
            CartEvent::ItemAdded { item, pieces, cents } => {
                let line = self.items.entry(item).or_default();
                *line = (line.0 + pieces, cents);
            }
            CartEvent::ItemRemoved { item } => {
                self.items.remove(&item).ok_or("it was never added")?;
            }
            CartEvent::CheckedOut => self.checked_out = true,
        }
        Ok(())
    }
}

/// What a customer may ask of a cart. Each decides on the cart as it is when it is appended to.
struct Carts(Aggregates<Cart>);

type Outcome = Result<Executed<Cart>, Box<dyn Error>>;

impl Carts {
    fn add(&self, cart: &str, item: &str, pieces: u32, cents: u64) -> Outcome {
        self.decide(cart, |_| {
            Ok(vec![CartEvent::ItemAdded { item: item.to_owned(), pieces, cents }])
        })
    }

    fn remove(&self, cart: &str, item: &str) -> Outcome {
        self.decide(cart, |cart| {
            if !cart.items.contains_key(item) {
                return Err("there is none of it in the cart");
            }
            Ok(vec![CartEvent::ItemRemoved { item: item.to_owned() }])
        })
    }

    fn check_out(&self, cart: &str) -> Outcome {
        self.decide(cart, |cart| match cart.items.is_empty() {
            true => Err("the cart is empty"),
            false => Ok(vec![CartEvent::CheckedOut]),
        })
    }

    fn decide(
        &self,
        cart: &str,
        mut decide: impl FnMut(&Cart) -> Result<Vec<CartEvent>, &'static str>,
    ) -> Outcome {
        Ok(self.0.execute(cart, |cart| match cart.state.checked_out {
            true => Err("the cart is checked out"),
            false => decide(&cart.state),
        })?)
    }
}

fn run(store: Store) -> Result<Cart, Box<dyn Error>> {
    // Compact events. With JSON they could be read by anything.
    let carts = Carts(Aggregates::new(store).codec(Codec::Postcard));
    carts.add("cart-7", "book", 2, 1_250)?;
    carts.add("cart-7", "lamp", 1, 4_000)?;
    carts.remove("cart-7", "lamp")?;
    let done = carts.check_out("cart-7")?;
    println!("{} cents to pay: {:?}", done.loaded.state.total_cents(), done.loaded.state);

    if let Err(refused) = carts.add("cart-7", "pen", 1, 100) {
        println!("{refused}");
    }
    Ok(carts.0.load("cart-7")?.state)
}

fn main() -> Result<(), Box<dyn Error>> {
    run(Store::in_memory()?)?;
    Ok(())
}

#[test]
fn what_was_removed_is_not_paid_and_nothing_follows_the_check_out() -> Result<(), Box<dyn Error>> {
    let store = Store::in_memory()?;
    let cart = run(store.clone())?;
    assert!(cart.checked_out);
    assert_eq!(cart.items.keys().collect::<Vec<_>>(), ["book"]);
    assert_eq!(cart.total_cents(), 2_500);
    assert_eq!(store.version("cart-7")?.get(), 4);

    let carts = Carts(Aggregates::new(store).codec(Codec::Postcard));
    let refused = carts.check_out("cart-8").map(|done| done.receipt).unwrap_err();
    assert_eq!(refused.to_string(), "refused: the cart is empty");
    Ok(())
}
