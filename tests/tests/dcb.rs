//! The worked examples of the Dynamic Consistency Boundary specification
//! (<https://dcb.events/examples/>), each as a decision that reads by a query, decides, and appends
//! on the condition that nothing else answers the query by then; first alone, then in a race.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use annals::{
    Commit, ErrorKind, Event, ExpectedVersion, NewEvent, Query, QueryItem, Read, Receipt, Store,
    Timestamp,
};
use annals_env::{Clock, Env, ManualClock};
use annals_tests::setting::{Setting, each_setting};
use annals_tests::world::BEGINNING;
use serde_json::{Value, json};

const RACERS: usize = 16;
const MINUTE: Duration = Duration::from_secs(60);

type Refused = &'static str;

/// An event of a stream.
struct Fact {
    stream: String,
    event: NewEvent,
}

fn fact(stream: impl Into<String>, kind: &'static str, data: &Value, tags: &[String]) -> Fact {
    let event = NewEvent::json(kind, data.to_string());
    let event = tags.iter().fold(event, |event, tag| event.tag(tag.clone()));
    Fact { stream: stream.into(), event }
}

fn data(event: &Event) -> Value {
    serde_json::from_slice(event.data()).unwrap()
}

/// Appends what `decide` says on the events that the query names; decides again where another such
/// event has come meanwhile.
fn decide(
    store: &Store,
    query: impl Into<Query>,
    decide: impl Fn(&[Event]) -> Result<Fact, Refused>,
) -> Result<Receipt, Refused> {
    let query = query.into();
    loop {
        if let ControlFlow::Break(outcome) = try_to_decide(store, &query, &decide) {
            return outcome;
        }
    }
}

fn try_to_decide(
    store: &Store,
    query: &Query,
    decide: impl Fn(&[Event]) -> Result<Fact, Refused>,
) -> ControlFlow<Result<Receipt, Refused>> {
    let view = store.head();
    let events: Vec<Event> =
        view.read(Read::all().matching(query.clone())).collect::<Result<_, _>>().unwrap();
    let decided = match decide(&events) {
        Ok(decided) => decided,
        Err(refused) => return ControlFlow::Break(Err(refused)),
    };
    let commit = Commit::new()
        .append(decided.stream, ExpectedVersion::Any, vec![decided.event])
        .fail_if(query.clone(), view.position());
    match store.commit(&commit) {
        Ok(receipt) => ControlFlow::Break(Ok(receipt)),
        Err(error) => {
            let ErrorKind::ConditionFailed { position } = *error.kind() else { panic!("{error}") };
            let behind = Read::all().matching(query.clone()).after(view.position()).limit(1);
            let first = store.read(behind).next().expect("what it is told of is there").unwrap();
            assert_eq!(first.position(), position, "it is told of the first one");
            ControlFlow::Continue(())
        }
    }
}

/// Runs `work` on several threads that begin together; gives what each came to.
fn race<T: Send>(racers: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(racers);
    thread::scope(|scope| {
        let racers: Vec<_> = (0..racers)
            .map(|racer| {
                let (start, work) = (&start, &work);
                scope.spawn(move || {
                    start.wait();
                    work(racer)
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    })
}

fn won<T>(outcomes: &[Result<T, Refused>]) -> usize {
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}

/// A store whose clock stands still until it is moved.
fn open_with_clock(setting: &Setting) -> (Store, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(BEGINNING));
    let env = Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Env::real() };
    (setting.options().env(env).open(setting.path()).unwrap(), clock)
}

/// How long before `now` the event was recorded.
fn age(event: &Event, now: Timestamp) -> Duration {
    let micros = now.as_micros() - event.recorded_at().as_micros();
    Duration::from_micros(u64::try_from(micros).unwrap())
}

mod courses {
    //! Students subscribe to courses. A course has so many seats, which can change; a student has
    //! at most five courses, and each only once.

    use super::*;

    const COURSES_OF_A_STUDENT_MAX: usize = 5;

    fn course_tag(course: &str) -> String {
        format!("course:{course}")
    }

    fn student_tag(student: &str) -> String {
        format!("student:{student}")
    }

    /// What is known of a course.
    fn of_course(course: &str) -> QueryItem {
        let types = ["CourseDefined", "CourseCapacityChanged"];
        QueryItem::new().event_types(types).tag(course_tag(course))
    }

    fn subscriptions(tag: String) -> QueryItem {
        QueryItem::new().event_type("StudentSubscribedToCourse").tag(tag)
    }

    fn capacity(events: &[Event]) -> Option<u64> {
        let told = |event: &Event| match event.event_type() {
            "CourseDefined" => data(event)["capacity"].as_u64(),
            "CourseCapacityChanged" => data(event)["newCapacity"].as_u64(),
            _ => None,
        };
        events.iter().rev().find_map(told)
    }

    fn define(store: &Store, course: &str, seats: u64) -> Result<Receipt, Refused> {
        decide(store, of_course(course), |events| {
            if capacity(events).is_some() {
                return Err("the course exists");
            }
            let stream = format!("course-{course}");
            Ok(fact(stream, "CourseDefined", &json!({"capacity": seats}), &[course_tag(course)]))
        })
    }

    fn change(store: &Store, course: &str, seats: u64) -> Result<Receipt, Refused> {
        decide(store, of_course(course), |events| match capacity(events) {
            None => Err("there is no such course"),
            Some(now) if now == seats => Err("that is the capacity already"),
            Some(_) => {
                let new = json!({"newCapacity": seats});
                let stream = format!("course-{course}");
                Ok(fact(stream, "CourseCapacityChanged", &new, &[course_tag(course)]))
            }
        })
    }

    fn subscribe(store: &Store, student: &str, course: &str) -> Result<Receipt, Refused> {
        let query = Query::any([
            of_course(course),
            subscriptions(course_tag(course)),
            subscriptions(student_tag(student)),
        ]);
        decide(store, query, |events| {
            let seats = capacity(events).ok_or("there is no such course")?;
            let tagged = |tag: &str| {
                let of_tag = events.iter().filter(|event| {
                    event.event_type() == "StudentSubscribedToCourse"
                        && event.tags().any(|carried| carried == tag)
                });
                of_tag.collect::<Vec<_>>()
            };
            let (in_course, of_student) =
                (tagged(&course_tag(course)), tagged(&student_tag(student)));
            if in_course.len() as u64 >= seats {
                return Err("the course is full");
            }
            if of_student.iter().any(|event| event.tags().any(|tag| tag == course_tag(course))) {
                return Err("the student is subscribed already");
            }
            if of_student.len() >= COURSES_OF_A_STUDENT_MAX {
                return Err("the student has five courses");
            }
            let tags = [student_tag(student), course_tag(course)];
            Ok(fact(format!("student-{student}"), "StudentSubscribedToCourse", &json!({}), &tags))
        })
    }

    #[test]
    fn one_after_the_other() {
        each_setting(|setting| {
            let store = setting.open();
            assert_eq!(change(&store, "c1", 3).unwrap_err(), "there is no such course");
            assert_eq!(subscribe(&store, "s1", "c1").unwrap_err(), "there is no such course");
            define(&store, "c1", 1).unwrap();
            assert_eq!(define(&store, "c1", 15).unwrap_err(), "the course exists");
            subscribe(&store, "s1", "c1").unwrap();
            assert_eq!(subscribe(&store, "s2", "c1").unwrap_err(), "the course is full");
            assert_eq!(change(&store, "c1", 1).unwrap_err(), "that is the capacity already");
            change(&store, "c1", 2).unwrap();
            assert_eq!(
                subscribe(&store, "s1", "c1").unwrap_err(),
                "the student is subscribed already"
            );
            subscribe(&store, "s2", "c1").unwrap();
            for course in 2..=6 {
                let course = format!("c{course}");
                define(&store, &course, 10).unwrap();
                let outcome = subscribe(&store, "s1", &course);
                assert_eq!(outcome.is_ok(), course != "c6", "{course}: {outcome:?}");
            }
        });
    }

    #[test]
    fn for_the_last_seats() {
        each_setting(|setting| {
            let store = setting.open();
            define(&store, "c1", 10).unwrap();
            let outcomes = race(RACERS, |racer| subscribe(&store, &format!("s{racer}"), "c1"));
            assert_eq!(won(&outcomes), 10);
            assert!(outcomes.iter().flatten().all(|receipt| !receipt.repeated));
            assert!(
                outcomes
                    .iter()
                    .filter_map(|o| o.as_ref().err())
                    .all(|told| told == &"the course is full")
            );
        });
    }

    #[test]
    fn one_student_for_many_courses() {
        each_setting(|setting| {
            let store = setting.open();
            for course in 0..RACERS {
                define(&store, &format!("c{course}"), 10).unwrap();
            }
            let outcomes = race(RACERS, |racer| subscribe(&store, "s1", &format!("c{racer}")));
            assert_eq!(won(&outcomes), COURSES_OF_A_STUDENT_MAX);
        });
    }

    #[test]
    fn one_student_for_one_course() {
        each_setting(|setting| {
            let store = setting.open();
            define(&store, "c1", 10).unwrap();
            let outcomes = race(RACERS, |_| subscribe(&store, "s1", "c1"));
            assert_eq!(won(&outcomes), 1);
        });
    }

    /// The number of seats goes up and down while students subscribe: nobody ever got a seat that
    /// the course did not have at that position.
    #[test]
    fn while_the_capacity_changes() {
        each_setting(|setting| {
            let store = setting.open();
            define(&store, "c1", 3).unwrap();
            race(RACERS, |racer| {
                if racer == 0 {
                    for seats in [5, 2, 9, 4, 8] {
                        change(&store, "c1", seats).unwrap();
                    }
                } else {
                    let _full = subscribe(&store, &format!("s{racer}"), "c1");
                }
            });
            let (mut seats, mut taken) = (0, 0);
            for event in store.read_all() {
                let event = event.unwrap();
                match capacity(std::slice::from_ref(&event)) {
                    Some(told) => seats = told,
                    None => {
                        assert!(taken < seats, "{taken} of {seats} were taken");
                        taken += 1;
                    }
                }
            }
            assert!(taken >= 2, "it never had less than two seats");
        });
    }

    /// What lies outside the boundary of a decision does not stand against it.
    #[test]
    fn other_courses_and_students_do_not_matter() {
        each_setting(|setting| {
            let store = setting.open();
            define(&store, "c1", 10).unwrap();
            define(&store, "c2", 10).unwrap();
            let query = Query::any([of_course("c1"), subscriptions(course_tag("c1"))]);
            let outcome = try_to_decide(&store, &query, |_| {
                subscribe(&store, "s2", "c2").unwrap();
                change(&store, "c2", 11).unwrap();
                Ok(fact("student-s1", "StudentSubscribedToCourse", &json!({}), &[course_tag("c1")]))
            });
            assert!(matches!(outcome, ControlFlow::Break(Ok(_))));
            let outcome = try_to_decide(&store, &query, |_| {
                change(&store, "c1", 11).unwrap();
                Ok(fact("student-s1", "StudentSubscribedToCourse", &json!({}), &[course_tag("c1")]))
            });
            assert!(outcome.is_continue());
        });
    }
}

mod user_names {
    //! A user name belongs to one account at a time. It is given free some days after the account
    //! was closed or took another name.

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const KEPT: Duration = DAY.saturating_mul(3);

    fn tag(name: &str) -> String {
        format!("username:{name}")
    }

    fn of(name: &str) -> QueryItem {
        let types = ["AccountRegistered", "AccountClosed", "UsernameChanged"];
        QueryItem::new().event_types(types).tag(tag(name))
    }

    fn is_claimed(name: &str, events: &[Event], now: Timestamp) -> bool {
        events.iter().fold(false, |claimed, event| {
            let kept = age(event, now) <= KEPT;
            match event.event_type() {
                "AccountRegistered" => true,
                "AccountClosed" => kept,
                "UsernameChanged" => data(event)["to"] == name || kept,
                _ => claimed,
            }
        })
    }

    fn register(store: &Store, name: &str, now: Timestamp) -> Result<Receipt, Refused> {
        decide(store, of(name), |events| {
            if is_claimed(name, events, now) {
                return Err("the name is taken");
            }
            Ok(fact(format!("account-{name}"), "AccountRegistered", &json!({}), &[tag(name)]))
        })
    }

    fn rename(store: &Store, from: &str, to: &str, now: Timestamp) -> Result<Receipt, Refused> {
        decide(store, of(to), |events| {
            if is_claimed(to, events, now) {
                return Err("the name is taken");
            }
            let tags = [tag(from), tag(to)];
            Ok(fact(format!("account-{from}"), "UsernameChanged", &json!({"to": to}), &tags))
        })
    }

    fn close(store: &Store, name: &str) {
        let closed = fact(format!("account-{name}"), "AccountClosed", &json!({}), &[tag(name)]);
        store.append(&closed.stream, ExpectedVersion::Any, &[closed.event]).unwrap();
    }

    #[test]
    fn one_after_the_other() {
        each_setting(|setting| {
            let (store, clock) = open_with_clock(setting);
            register(&store, "ada", clock.now()).unwrap();
            assert_eq!(register(&store, "ada", clock.now()).unwrap_err(), "the name is taken");
            register(&store, "grace", clock.now()).unwrap();
            assert!(rename(&store, "ada", "grace", clock.now()).is_err());
            rename(&store, "ada", "countess", clock.now()).unwrap();
            assert!(register(&store, "countess", clock.now()).is_err());
            close(&store, "grace");
            clock.advance(KEPT);
            for name in ["ada", "grace", "countess"] {
                assert!(register(&store, name, clock.now()).is_err(), "{name} is kept");
            }
            clock.advance(DAY);
            for name in ["ada", "grace"] {
                register(&store, name, clock.now()).unwrap();
            }
            assert!(register(&store, "countess", clock.now()).is_err());
        });
    }

    #[test]
    fn many_want_the_same() {
        each_setting(|setting| {
            let (store, clock) = open_with_clock(setting);
            let take_ten = |racer: usize| -> Vec<bool> {
                let names = (0..10).map(|n| format!("name{n}"));
                names
                    .map(|name| match racer {
                        0 => rename(&store, "other", &name, clock.now()).is_ok(),
                        _ => register(&store, &name, clock.now()).is_ok(),
                    })
                    .collect()
            };
            let outcomes = race(RACERS, take_ten);
            for name in 0..10 {
                assert_eq!(outcomes.iter().filter(|taken| taken[name]).count(), 1, "name{name}");
            }
        });
    }
}

mod invoices {
    //! Invoice numbers: 1, 2, 3 … without a gap.

    use super::*;

    /// Reads only the newest invoice, and depends on its position instead of the head's.
    fn create(store: &Store, note: &str) -> u64 {
        let query = Query::from(QueryItem::new().event_type("InvoiceCreated"));
        loop {
            let newest = Read::all().matching(query.clone()).backward().limit(1);
            let newest = store.read(newest).next().map(Result::unwrap);
            let number = newest.as_ref().map_or(0, |event| data(event)["number"].as_u64().unwrap());
            let after = newest.map(|event| event.position()).unwrap_or_default();
            let number = number + 1;
            let body = json!({"number": number, "note": note});
            let created = fact(
                format!("invoice-{number}"),
                "InvoiceCreated",
                &body,
                &[format!("invoice:{number}")],
            );
            let commit = Commit::new()
                .append(created.stream, ExpectedVersion::NoStream, vec![created.event])
                .fail_if(query.clone(), after);
            match store.commit(&commit).map_err(|error| error.kind().clone()) {
                Ok(_) => return number,
                Err(ErrorKind::ConditionFailed { position }) => assert!(position > after),
                // The invoice's stream says the same.
                Err(ErrorKind::Conflict { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn one_after_the_other() {
        each_setting(|setting| {
            let store = setting.open();
            assert_eq!(create(&store, "first"), 1);
            store.append("note-1", ExpectedVersion::Any, &[NewEvent::json("Noted", "{}")]).unwrap();
            assert_eq!(create(&store, "second"), 2);
        });
    }

    #[test]
    fn many_at_once_leave_no_gap() {
        each_setting(|setting| {
            let store = setting.open();
            let numbers = race(8, |racer| {
                (0..10).map(|_| create(&store, &racer.to_string())).collect::<Vec<_>>()
            });
            assert!(numbers.iter().all(|own| own.is_sorted()));
            let all: BTreeSet<u64> = numbers.into_iter().flatten().collect();
            assert!(all.iter().copied().eq(1..=80), "{all:?}");
            let read = store.read(Read::all().matching(QueryItem::new().category("invoice")));
            let in_order = read.map(|event| data(&event.unwrap())["number"].as_u64().unwrap());
            assert!(in_order.eq(1..=80));
        });
    }
}

mod orders {
    //! An order is placed once, however often its form is sent: each form has a token.

    use super::*;

    fn place(store: &Store, order: &str, token: &str) -> Result<Receipt, Refused> {
        let tag = format!("token:{token}");
        let used = QueryItem::new().event_type("OrderPlaced").tag(tag.clone());
        decide(store, used, |events| {
            if !events.is_empty() {
                return Err("the order was placed already");
            }
            let tags = [format!("order:{order}"), tag.clone()];
            Ok(fact(format!("order-{order}"), "OrderPlaced", &json!({}), &tags))
        })
    }

    #[test]
    fn one_after_the_other() {
        each_setting(|setting| {
            let store = setting.open();
            place(&store, "o1", "t1").unwrap();
            assert_eq!(place(&store, "o2", "t1").unwrap_err(), "the order was placed already");
            place(&store, "o2", "t2").unwrap();
        });
    }

    #[test]
    fn sent_many_times_at_once() {
        each_setting(|setting| {
            let store = setting.open();
            let outcomes = race(RACERS, |racer| {
                let sent = |token| place(&store, &format!("{racer}.{token}"), &format!("t{token}"));
                (0..10).map(sent).collect::<Vec<_>>()
            });
            for token in 0..10 {
                let of_token: Vec<_> = outcomes.iter().map(|own| own[token].clone()).collect();
                assert_eq!(won(&of_token), 1, "token {token}");
            }
            assert_eq!(store.position().get(), 10);
        });
    }
}

mod sign_up {
    //! A sign-up is confirmed with the password that was sent by mail: once, and within an hour.

    use super::*;

    const VALID: Duration = MINUTE.saturating_mul(60);

    fn tags(mail: &str, password: &str) -> [String; 2] {
        [format!("email:{mail}"), format!("otp:{password}")]
    }

    fn initiate(store: &Store, mail: &str, password: &str) {
        let begun = json!({"name": "Ada"});
        let begun = fact("signup-1", "SignUpInitiated", &begun, &tags(mail, password));
        store.append(&begun.stream, ExpectedVersion::Any, &[begun.event]).unwrap();
    }

    fn confirm(
        store: &Store,
        mail: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<Receipt, Refused> {
        let types = ["SignUpInitiated", "SignUpConfirmed"];
        let query = QueryItem::new().event_types(types).tags(tags(mail, password));
        decide(store, query, |events| {
            let of = |kind| events.iter().rfind(|event| event.event_type() == kind);
            let begun = of("SignUpInitiated").ok_or("nobody waits for this password")?;
            if of("SignUpConfirmed").is_some() {
                return Err("the password was used");
            }
            if age(begun, now) > VALID {
                return Err("the password is too old");
            }
            let name = json!({"name": data(begun)["name"]});
            Ok(fact("signup-1", "SignUpConfirmed", &name, &tags(mail, password)))
        })
    }

    #[test]
    fn one_after_the_other() {
        each_setting(|setting| {
            let (store, clock) = open_with_clock(setting);
            let try_it = |mail, password| confirm(&store, mail, password, clock.now());
            assert_eq!(try_it("a@x", "1111").unwrap_err(), "nobody waits for this password");
            initiate(&store, "a@x", "1111");
            assert_eq!(try_it("b@x", "1111").unwrap_err(), "nobody waits for this password");
            assert_eq!(try_it("a@x", "2222").unwrap_err(), "nobody waits for this password");
            clock.advance(VALID);
            try_it("a@x", "1111").unwrap();
            assert_eq!(try_it("a@x", "1111").unwrap_err(), "the password was used");
            initiate(&store, "b@x", "3333");
            clock.advance(VALID + MINUTE);
            assert_eq!(try_it("b@x", "3333").unwrap_err(), "the password is too old");
        });
    }

    #[test]
    fn confirmed_many_times_at_once() {
        each_setting(|setting| {
            let (store, clock) = open_with_clock(setting);
            for user in 0..10 {
                initiate(&store, &format!("{user}@x"), "1111");
            }
            let outcomes = race(RACERS, |_| {
                let confirmed = |user| confirm(&store, &format!("{user}@x"), "1111", clock.now());
                (0..10).map(confirmed).collect::<Vec<_>>()
            });
            for user in 0..10 {
                let of_user: Vec<_> = outcomes.iter().map(|own| own[user].clone()).collect();
                assert_eq!(won(&of_user), 1, "user {user}");
            }
        });
    }
}

mod prices {
    //! A customer pays the price that was shown, as long as it is not out of date for more than ten
    //! minutes.

    use super::*;

    const GRACE: Duration = MINUTE.saturating_mul(10);

    fn tag(product: &str) -> String {
        format!("product:{product}")
    }

    fn of(product: &str) -> QueryItem {
        QueryItem::new().event_types(["ProductDefined", "PriceChanged"]).tag(tag(product))
    }

    /// The prices that a customer may have been shown: the one in force, and those that were
    /// replaced within the grace period.
    fn valid(product: &str, events: &[Event], now: Timestamp) -> Vec<u64> {
        let tag = tag(product);
        let of_product = events.iter().filter(|event| event.tags().any(|carried| carried == tag));
        of_product.fold(Vec::new(), |mut prices, event| {
            if event.event_type() == "ProductDefined" || age(event, now) > GRACE {
                prices.clear();
            }
            prices.push(data(event)["price"].as_u64().unwrap());
            prices
        })
    }

    fn set(store: &Store, kind: &'static str, product: &str, price: u64) {
        let stream = format!("product-{product}");
        let set = fact(stream, kind, &json!({"price": price}), &[tag(product)]);
        store.append(&set.stream, ExpectedVersion::Any, &[set.event]).unwrap();
    }

    /// Buys a cart of products, each for the price that was shown.
    fn order(store: &Store, cart: &[(&str, u64)], now: Timestamp) -> Result<Receipt, Refused> {
        let query = Query::any(cart.iter().map(|(product, _)| of(product)));
        decide(store, query, |events| {
            let shown =
                cart.iter().all(|(product, price)| valid(product, events, now).contains(price));
            if !shown {
                return Err("the price is no longer valid");
            }
            let tags: Vec<String> = cart.iter().map(|(product, _)| tag(product)).collect();
            let items: BTreeMap<&str, u64> = cart.iter().copied().collect();
            Ok(fact("orders", "ProductsOrdered", &json!(items), &tags))
        })
    }

    #[test]
    fn one_after_the_other() {
        each_setting(|setting| {
            let (store, clock) = open_with_clock(setting);
            let buy = |cart: &[(&str, u64)]| order(&store, cart, clock.now()).is_ok();
            assert!(!buy(&[("p1", 123)]), "there is no such product");
            set(&store, "ProductDefined", "p1", 123);
            assert!(!buy(&[("p1", 100)]), "it never had this price");
            clock.advance(GRACE + MINUTE);
            assert!(buy(&[("p1", 123)]));
            set(&store, "PriceChanged", "p1", 134);
            set(&store, "ProductDefined", "p2", 321);
            clock.advance(GRACE);
            assert!(buy(&[("p1", 123), ("p2", 321)]) && buy(&[("p1", 134)]));
            clock.advance(MINUTE);
            assert!(!buy(&[("p1", 123), ("p2", 321)]));
            assert!(buy(&[("p1", 134), ("p2", 321)]));
        });
    }

    /// Without grace, a cart is never sold for a price that was replaced at an earlier position.
    #[test]
    fn while_prices_change() {
        each_setting(|setting| {
            let (store, clock) = open_with_clock(setting);
            let products = ["p0", "p1", "p2"];
            for product in products {
                set(&store, "ProductDefined", product, 1);
            }
            let later = |hours: u64| {
                let micros = i64::try_from(hours * 3_600_000_000).unwrap();
                Timestamp::from_micros(clock.now().as_micros() + micros)
            };
            let sold = race(9, |racer| match products.get(racer) {
                Some(product) => {
                    for price in 2..=20 {
                        set(&store, "PriceChanged", product, price);
                        thread::yield_now();
                    }
                    0
                }
                None => {
                    // Hours later every change is out of its grace period.
                    let buy = |price: u64| {
                        let cart = products.map(|product| (product, price));
                        order(&store, &cart[racer % 3..], later(1)).is_ok()
                    };
                    (1..=20).filter(|price| buy(*price)).count()
                }
            });
            assert!(sold.iter().sum::<usize>() > 0, "nothing was ever sold");
            let mut prices = BTreeMap::new();
            for event in store.read_all() {
                let event = event.unwrap();
                if event.event_type() == "ProductsOrdered" {
                    for (product, paid) in data(&event).as_object().unwrap() {
                        assert_eq!(prices.get(product), paid.as_u64().as_ref(), "{product}");
                    }
                } else {
                    let product = event.stream().trim_start_matches("product-").to_owned();
                    prices.insert(product, data(&event)["price"].as_u64().unwrap());
                }
            }
        });
    }
}
