//! What real events come to, at ten moments drawn at random, against plain folds over the lines of
//! JSON that the events came from. The logs are no part of the project; where they are missing, the
//! tests say so and pass.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader};

use annals::{
    Aggregate, Aggregates, Applied, Commit, Event, ExpectedVersion, NewEvent, OccurredAt,
    Projection, Projector, Store, Timestamp,
};
use annals_tests::logs::{self, LOGS};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line of a log and its moment.
struct Line {
    fields: Value,
    moment: Timestamp,
}

impl Line {
    fn text(&self, pointer: &str) -> &str {
        self.fields.pointer(pointer).and_then(Value::as_str).unwrap_or("")
    }

    fn stream(&self) -> &str {
        self.text("/stream")
    }

    fn event_type(&self) -> &str {
        self.text("/type")
    }
}

/// The lines of a log, where it is there.
fn lines(name: &str) -> Option<Vec<Line>> {
    let Some(path) = logs::find(name) else {
        println!("skipped: the log {name} is not here");
        return None;
    };
    let text = BufReader::new(GzDecoder::new(std::fs::File::open(path).unwrap()));
    let lines: Vec<Line> = text
        .lines()
        .map(|line| {
            let fields: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let moment: OccurredAt = fields["occurred_at"].as_str().unwrap().parse().unwrap();
            Line { fields, moment: moment.timestamp() }
        })
        .collect();
    let (_, events, _) = LOGS.into_iter().find(|(log, _, _)| *log == name).unwrap();
    assert_eq!(lines.len(), events);
    Some(lines)
}

/// Appends lines with their own times as stamps.
fn import(store: &Store, lines: &[Line]) {
    for line in lines {
        let event = NewEvent::json(line.event_type().to_owned(), line.fields["data"].to_string());
        let commit = Commit::new().append(line.stream(), ExpectedVersion::Any, vec![event]);
        store.commit(&commit.recorded_at(line.moment)).unwrap();
    }
}

/// Ten moments between the first and the last line, ordered.
fn moments(lines: &[Line], mut seed: u64) -> Vec<Timestamp> {
    let (first, last) = (lines[0].moment.as_micros(), lines[lines.len() - 1].moment.as_micros());
    let mut moments: Vec<Timestamp> = (0..10)
        .map(|_| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let span = u64::try_from(last - first).unwrap();
            let drawn = (u128::from(seed) * u128::from(span)) >> 64;
            Timestamp::from_micros(first + i64::try_from(drawn).unwrap())
        })
        .collect();
    moments.sort_unstable();
    moments
}

fn up_to(lines: &[Line], moment: Timestamp) -> &[Line] {
    &lines[..lines.partition_point(|line| line.moment <= moment)]
}

/// The step with which a permit's first phase ends.
const LAST_STEP: &str = "T10 Determine necessity to stop indication";

/// A permit case.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Permit {
    steps: Vec<String>,
    people: BTreeSet<String>,
    begun_micros: Option<i64>,
    took_micros: i64,
    closed: bool,
}

/// Its steps: there are hundreds, and all have the same fields.
#[derive(Deserialize)]
enum Step {
    #[serde(other)]
    Any,
}

#[derive(Deserialize)]
struct Done {
    #[serde(rename = "org:resource")]
    person: Option<String>,
}

impl Aggregate for Permit {
    type Event = Step;
    const NAME: &'static str = "permit";

    fn apply(&mut self, Step::Any: Step, event: &Event) -> Applied {
        let done: Done = serde_json::from_slice(event.data())?;
        self.steps.push(event.event_type().to_owned());
        self.people.extend(done.person.filter(|person| !person.is_empty()));
        let now = event.recorded_at().as_micros();
        self.took_micros = now - *self.begun_micros.get_or_insert(now);
        self.closed = event.event_type() == LAST_STEP;
        Ok(())
    }
}

impl Permit {
    /// The same, of all lines of the case at once.
    fn of_lines(lines: &[&Line]) -> Self {
        let (first, last) = (lines[0].moment, lines[lines.len() - 1].moment);
        let person = |line: &&Line| line.text("/data/org:resource").to_owned();
        Self {
            steps: lines.iter().map(|line| line.event_type().to_owned()).collect(),
            people: lines.iter().map(person).filter(|person| !person.is_empty()).collect(),
            begun_micros: Some(first.as_micros()),
            took_micros: last.as_micros() - first.as_micros(),
            closed: lines[lines.len() - 1].event_type() == LAST_STEP,
        }
    }
}

#[test]
fn permits_at_ten_moments() {
    let Some(lines) = lines("permits") else { return };
    let store = Store::in_memory().unwrap();
    let all: BTreeSet<&str> = lines.iter().map(Line::stream).collect();
    let permits = Aggregates::<Permit>::new(store.clone());
    for tenth in lines.chunks(lines.len().div_ceil(10)) {
        import(&store, tenth);
        // Of some cases there are snapshots, in the midst of them.
        for stream in
            all.iter().step_by(3).filter(|stream| store.version(stream).unwrap().get() > 0)
        {
            permits.snapshot(stream).unwrap();
        }
    }
    let mut closed = Vec::new();
    for moment in moments(&lines, 5) {
        let mut cases: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
        for line in up_to(&lines, moment) {
            cases.entry(line.stream()).or_default().push(line);
        }
        let then = store.as_of(moment).unwrap();
        let listed: Vec<String> = then.streams().map(|stream| stream.unwrap().name).collect();
        assert!(listed.iter().map(String::as_str).eq(cases.keys().copied()));
        let mut now_closed = 0;
        for stream in &all {
            let expected = cases.get(stream).map(|lines| Permit::of_lines(lines));
            let permit = permits.load_as_of(stream, moment).unwrap();
            assert_eq!(permit.version.get() as usize, cases.get(stream).map_or(0, Vec::len));
            assert_eq!(permit.state, expected.unwrap_or_default(), "{stream} at {moment}");
            now_closed += usize::from(permit.state.closed);
        }
        closed.push((cases.len(), now_closed));
    }
    assert!(closed.is_sorted() && closed[0].1 < closed[9].1 && closed[9].1 > 100, "{closed:?}");
}

/// Open incidents: by group now, and in all at the end of each day.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct OpenIncidents {
    /// The group that has it, of each open one.
    group: BTreeMap<String, String>,
    by_group: BTreeMap<String, u64>,
    by_day: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Incident<'a> {
    #[serde(borrow, rename = "org:group")]
    group: Option<std::borrow::Cow<'a, str>>,
}

impl Projection for OpenIncidents {
    const NAME: &'static str = "open-incidents";

    fn apply(&mut self, event: &Event) -> Applied {
        if let Some(before) = self.group.remove(event.stream()) {
            let left = self.by_group.get_mut(&before).ok_or("a group that nobody counted")?;
            *left -= 1;
            if *left == 0 {
                self.by_group.remove(&before);
            }
        }
        if event.event_type() != "Completed" {
            let incident: Incident<'_> = serde_json::from_slice(event.data())?;
            let group = incident.group.unwrap_or_default().into_owned();
            *self.by_group.entry(group.clone()).or_default() += 1;
            self.group.insert(event.stream().to_owned(), group);
        }
        let day = event.recorded_at().to_string()[..10].to_owned();
        self.by_day.insert(day, self.group.len() as u64);
        Ok(())
    }
}

impl OpenIncidents {
    fn of_lines(lines: &[Line]) -> Self {
        let mut newest: HashMap<&str, &Line> = HashMap::new();
        let mut open = 0_u64;
        let mut by_day = BTreeMap::new();
        for line in lines {
            let is_open = |line: &Line| u64::from(line.event_type() != "Completed");
            let before = newest.insert(line.stream(), line).map_or(0, is_open);
            open = open + is_open(line) - before;
            by_day.insert(line.moment.to_string()[..10].to_owned(), open);
        }
        let group: BTreeMap<String, String> = newest
            .into_iter()
            .filter(|(_, line)| line.event_type() != "Completed")
            .map(|(stream, line)| (stream.to_owned(), line.text("/data/org:group").to_owned()))
            .collect();
        let mut by_group: BTreeMap<String, u64> = BTreeMap::new();
        group.values().for_each(|group| *by_group.entry(group.clone()).or_default() += 1);
        Self { group, by_group, by_day }
    }
}

#[test]
fn incidents_at_ten_moments() {
    let Some(lines) = lines("incidents") else { return };
    let store = Store::in_memory().unwrap();
    let moments = moments(&lines, 8);
    let expected: Vec<OpenIncidents> =
        moments.iter().map(|moment| OpenIncidents::of_lines(up_to(&lines, *moment))).collect();
    assert!(expected.iter().any(|open| open.by_group.len() > 100), "they say something");

    // As time goes on: kept, and resumed by another projector each time.
    let mut imported = 0;
    for (moment, expected) in moments.iter().zip(&expected) {
        let until = up_to(&lines, *moment).len();
        import(&store, &lines[imported..until]);
        imported = until;
        let mut open = Projector::<OpenIncidents>::open(store.clone()).unwrap().save_every(1000);
        open.catch_up().unwrap();
        assert_eq!(open.state(), expected, "at {moment}");
    }
    import(&store, &lines[imported..]);

    // Looking back.
    for (moment, expected) in moments.iter().zip(&expected) {
        let then = OpenIncidents::over(&store.as_of(*moment).unwrap()).unwrap();
        assert_eq!(&then, expected, "as of {moment}");
    }
}
