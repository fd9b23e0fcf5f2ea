//! `events` with filters, and how they are answered.

use snapbox::str;

use crate::session::{Session, lines, said};

const ORDER_7: &str = "0190a5b2-0000-7000-8000-000000000007";
const PLACED: &str = "0190a5b2-0000-7000-8000-000000000001";

/// Seven events about two orders of two customers.
fn shop() -> Session {
    let event = |stream: &str, kind: &str, tags: &str, more: &str| {
        format!(r#"{{"stream":"{stream}","type":"{kind}","data":{{}},"tags":[{tags}]{more}}}"#)
    };
    let of_7 = format!(r#","correlation_id":"{ORDER_7}""#);
    let placed = format!(r#"{of_7},"id":"{PLACED}""#);
    let caused = format!(r#"{of_7},"causation_id":"{PLACED}""#);
    let events = [
        event("customer-1", "Registered", r#""customer:1""#, ""),
        event("order-7", "Placed", r#""customer:1","gift""#, &placed),
        event("payment-7", "Asked", r#""customer:1""#, &caused),
        event("order-8", "Placed", r#""customer:2""#, ""),
        event("payment-7", "Paid", r#""customer:1""#, &of_7),
        event("order-8", "Cancelled", r#""customer:2","gift""#, ""),
        event("order-7", "Cancelled", r#""customer:1""#, &caused),
    ];
    Session::with(&events.join("\n"))
}

#[test]
fn filters_hold_together_types_are_or_tags_are_and() {
    let session = shop();
    let positions = |options: &[&str]| session.field(&[&["events"], options].concat(), "position");
    assert_eq!(positions(&["--category", "order"]), [2, 4, 6, 7]);
    assert_eq!(positions(&["--category", "orders"]), [0; 0]);
    assert_eq!(positions(&["--type", "Placed"]), [2, 4]);
    assert_eq!(positions(&["--type", "Placed", "--type", "Paid"]), [2, 4, 5]);
    assert_eq!(positions(&["--type", "placed"]), [0; 0]);
    assert_eq!(positions(&["--tag", "gift"]), [2, 6]);
    assert_eq!(positions(&["--tag", "gift", "--tag", "customer:1"]), [2]);
    assert_eq!(positions(&["--tag", "customer:1", "--tag", "customer:2"]), [0; 0]);
    assert_eq!(positions(&["--tag", "customer:1", "--category", "order"]), [2, 7]);
    assert_eq!(positions(&["--tag", "gift", "--type", "Cancelled"]), [6]);
    assert_eq!(positions(&["--correlation", ORDER_7]), [2, 3, 5, 7]);
    assert_eq!(positions(&["--causation", PLACED]), [3, 7]);
    assert_eq!(positions(&["--causation-id", PLACED, "--category", "payment"]), [3]);
    assert_eq!(positions(&["--correlation", PLACED]), [0; 0]);
}

#[test]
fn bounds_and_order_hold_beside_the_filters() {
    let session = shop();
    let positions = |options: &[&str]| {
        session.field(&[&["events", "--tag", "customer:1"], options].concat(), "position")
    };
    assert_eq!(positions(&["--backward"]), [7, 5, 3, 2, 1]);
    assert_eq!(positions(&["--backward", "--limit", "2"]), [7, 5]);
    assert_eq!(positions(&["--after", "2", "--limit", "2"]), [3, 5]);
    assert_eq!(positions(&["--as-of", "5"]), [1, 2, 3, 5]);
    assert_eq!(positions(&["--as-of", "5", "--backward", "--limit", "1"]), [5]);
    assert_eq!(positions(&["--since", "2000-01-01"]), [1, 2, 3, 5, 7]);
    assert_eq!(positions(&["--until", "2000-01-01"]), [0; 0]);
    assert_eq!(positions(&["--limit", "0"]), [0; 0]);
}

#[test]
fn nothing_found_is_said_in_a_table() {
    let session = shop();
    let table = |options: &[&str]| {
        session.run(&[&["events", "--format", "table"], options].concat()).success()
    };
    said(
        &table(&["--tag", "nope"]),
        &["no event in this range matches; the store is at position 7"],
    );
    said(&table(&["--tag", "nope", "--as-of", "3"]), &["matches; the store was at position 3"]);
    said(&table(&["--after", "7"]), &["no events in this range; the store is at position 7"]);
}

#[test]
fn a_plan_tells_of_the_index_and_of_reading_all() {
    // One event in a thousand is tagged.
    let tagged = r#"{"stream":"rare-1","type":"Rare","data":1,"tags":["rare"]}"#;
    let session = Session::with(&format!("{}{tagged}\n", lines(999)));
    let plan = |options: &[&str]| session.json(&[&["events", "--explain"], options].concat());
    let rare = plan(&["--tag", "rare"]).remove(0);
    assert_eq!(rare["access"], "postings");
    assert_eq!((&rare["from"], &rare["to"]), (&1.into(), &1_000.into()));
    assert_eq!(rare["postings"][0]["list"], "tag rare");
    assert_eq!(rare["postings"][0]["events"], 1);
    let often = plan(&["--type", "Counted"]).remove(0);
    assert_eq!((&often["access"], &often["matches"]), (&"scan".into(), &999.into()));
    assert_eq!(plan(&[])[0]["access"], "scan");
    let past = plan(&["--tag", "rare", "--as-of", "500", "--after", "100"]).remove(0);
    assert_eq!((&past["from"], &past["to"]), (&101.into(), &500.into()));
    assert_eq!(plan(&["--after", "1000"])[0]["access"], "nothing");

    let table = ["events", "--explain", "--format", "table", "--type", "Counted"];
    session.run(&table).success().stderr_eq("").stdout_eq(str![[r#"
scan of positions 1 to 1000; about 999 events match
  type Counted: about 999 events

"#]]);
    let table = ["events", "--explain", "--format", "table", "--tag", "rare", "--limit", "1"];
    session.run(&table).success().stdout_eq(str![[r#"
postings between positions 1 and 1000; about [..] match
  tag rare: about 1 events

"#]]);
}

#[test]
fn filters_that_no_event_can_pass_are_usage() {
    let session = shop();
    let usage = |options: &[&str], texts: &[&str]| {
        said(&session.run(&[&["events"], options].concat()).code(2), texts);
    };
    usage(&["--tag", ""], &["error: the tag is empty"]);
    usage(&["--type", ""], &["error: the event type is empty"]);
    usage(&["--type", " Paid"], &["white space at an end"]);
    usage(&["--tag", &"t".repeat(257)], &["the tag has 257 bytes, more than the 256 allowed"]);
    usage(&["--category", "order-7"], &["no stream has the category", "before the first -"]);
    usage(&["--correlation", "42"], &["invalid value '42' for '--correlation <UUID>'"]);
}
